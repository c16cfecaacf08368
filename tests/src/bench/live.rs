//! How do frames get on a cable faster than any socket sends them: the kernel makes them itself.
//!
//! A program of two instructions, "send it back where it came from", is run on a frame as if it had
//! come in by the peer's interface (`BPF_F_TEST_XDP_LIVE_FRAMES`), many times in one call. The frame
//! leaves by that interface and arrives at the machine under test, on the same CPU.
use std::io;

use rustix::net::netdevice::name_to_index;

use super::topology::{Bed, dut_port};
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
use xvrrp::dataplane::link::Link;

const PROG_LOAD: i32 = 5;
const PROG_TEST_RUN: i32 = 10;
const PROG_TYPE_XDP: u32 = 6;
const LIVE_FRAMES: u32 = 1 << 1;
/// Frames the kernel hands over at once.
const BATCH: u32 = 64;

/// `r0 = XDP_TX; exit`.
static BOUNCE: [u64; 2] = [0x0000_0003_0000_00b7, 0x0000_0000_0000_0095];
/// `r0 = XDP_PASS; exit`.
static PASS: [u64; 2] = [0x0000_0002_0000_00b7, 0x0000_0000_0000_0095];
static LICENSE: [u8; 4] = *b"MIT\0";

/// The beginning of `union bpf_attr` for a load.
#[repr(C)]
struct Load {
    kind: u32,
    instructions: u32,
    at: u64,
    license: u64,
    rest: [u64; 16],
}

/// The same for a test run.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    pad: u32,
}

/// `struct xdp_md`.
#[repr(C)]
struct Context {
    data: u32,
    data_end: u32,
    data_meta: u32,
    ingress: u32,
    queue: u32,
    egress: u32,
}

/// The program, and the interface frames seem to come in by.
pub struct Bouncer {
    program: OwnedFd,
    ingress: u32,
}

/// A program of two instructions.
fn load(instructions: &'static [u64; 2]) -> io::Result<OwnedFd> {
    let mut load = Load {
        kind: PROG_TYPE_XDP,
        instructions: 2,
        at: instructions.as_ptr().addr() as u64,
        license: LICENSE.as_ptr().addr() as u64,
        rest: [0; 16],
    };
    let program = i32::try_from(bpf(PROG_LOAD, &mut load)?).map_err(io::Error::other)?;
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(program) })
}

fn index(name: &str) -> io::Result<u32> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
    Ok(name_to_index(&socket, name)?)
}

impl Bouncer {
    /// On the first cable.
    ///
    /// # Errors
    /// Where the kernel takes no such program.
    pub fn new(bed: &Bed) -> io::Result<Self> {
        let ingress = bed.peer.enter(|| index(&bed.ports[0]))?;
        Ok(Self { program: load(&BOUNCE)?, ingress })
    }

    /// Has such frames delivered to the machine under test although it has no program of its own, for
    /// as long as the answer is kept.
    ///
    /// # Errors
    /// Where the kernel does not do it.
    pub fn let_pass(&self, bed: &Bed) -> io::Result<Link> {
        let program = load(&PASS)?;
        bed.dut.enter(|| Link::create(program.as_fd(), index(&dut_port(0))?, true))
    }

    /// Sends `frame` so many times; the nanoseconds each took, its reception included.
    ///
    /// # Errors
    /// Where the kernel does not do it.
    pub fn send(&self, bed: &Bed, frame: &[u8], times: u32) -> io::Result<u32> {
        let len = u32::try_from(frame.len()).map_err(io::Error::other)?;
        let context = Context {
            data: 0,
            data_end: len,
            data_meta: 0,
            ingress: self.ingress,
            queue: 0,
            egress: 0,
        };
        let mut run = TestRun {
            program: u32::try_from(self.program.as_raw_fd()).map_err(io::Error::other)?,
            data_size_in: len,
            data_in: frame.as_ptr().addr() as u64,
            repeat: times,
            ctx_size_in: u32::try_from(size_of::<Context>()).map_err(io::Error::other)?,
            ctx_in: (&raw const context).addr() as u64,
            flags: LIVE_FRAMES,
            batch_size: BATCH,
            ..TestRun::default()
        };
        bed.peer.enter(|| bpf(PROG_TEST_RUN, &mut run))?;
        Ok(run.duration)
    }
}

fn bpf<T>(command: i32, attribute: &mut T) -> io::Result<i64> {
    // SAFETY: the kernel reads and writes the attribute within its size; the addresses in it are of
    // memory that outlives the call, with its length beside it.
    let done = unsafe {
        libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attribute), size_of::<T>())
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done) }
}
