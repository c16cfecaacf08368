//! What puts the program on an interface and says whether it still is: the kernel's link objects,
//! which several threads may make at once and which go with their descriptor.
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `linux/bpf.h`.
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_XDP: u32 = 37;
/// `linux/if_link.h`.
const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;

/// The program on an interface. Dropping it detaches the program, which waits for the kernel.
#[derive(Debug)]
pub struct Link(OwnedFd);

/// What `BPF_LINK_CREATE` reads.
#[repr(C)]
struct Create {
    program: u32,
    ifindex: u32,
    kind: u32,
    flags: u32,
}

/// What `BPF_OBJ_GET_INFO_BY_FD` reads.
#[repr(C)]
struct Ask {
    descriptor: u32,
    length: u32,
    answer: u64,
}

/// What the kernel says of an XDP link: `struct bpf_link_info`, as far as it is needed.
#[repr(C)]
#[derive(Default)]
struct Info {
    kind: u32,
    id: u32,
    program: u32,
    pad: u32,
    ifindex: u32,
    rest: [u32; 11],
}

fn number(descriptor: BorrowedFd<'_>) -> io::Result<u32> {
    u32::try_from(descriptor.as_raw_fd()).map_err(io::Error::other)
}

impl Link {
    /// Puts `program` on an interface, in the driver or in the generic hook.
    pub fn create(program: BorrowedFd<'_>, ifindex: u32, native: bool) -> io::Result<Self> {
        let flags = if native { XDP_FLAGS_DRV_MODE } else { XDP_FLAGS_SKB_MODE };
        let attr = Create { program: number(program)?, ifindex, kind: BPF_XDP, flags };
        // SAFETY: the kernel reads as many bytes as it is told; what it has more is zero to it.
        let link = unsafe {
            libc::syscall(libc::SYS_bpf, BPF_LINK_CREATE, &raw const attr, size_of::<Create>())
        };
        let link = i32::try_from(link).map_err(io::Error::other)?;
        if link < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor that nobody else has.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(link) }))
    }

    /// Whether the program with this id is still there: neither detached or replaced by someone else,
    /// nor gone with its interface. This waits for the kernel.
    pub fn holds(&self, program: u32) -> io::Result<bool> {
        let mut info = Info::default();
        let length = u32::try_from(size_of::<Info>()).map_err(io::Error::other)?;
        let answer = (&raw mut info).addr() as u64;
        let attr = Ask { descriptor: number(self.0.as_fd())?, length, answer };
        // SAFETY: the kernel writes at most `length` bytes to `info`, which outlives the call.
        let done = unsafe {
            libc::syscall(libc::SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &raw const attr, size_of::<Ask>())
        };
        if done != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(info.ifindex != 0 && info.program == program)
    }
}
