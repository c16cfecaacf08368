//! How the frame is read: the one place that turns its addresses into references.
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::{bpf_xdp_get_buff_len, bpf_xdp_load_bytes};
use aya_ebpf::programs::XdpContext;
use core::arch::asm;
use vrrp_common::proto;
use vrrp_common::wire::bytes::{self, Bytes};
use vrrp_common::wire::checksum::Sum;

/// The linear part of a frame.
pub(crate) struct Packet {
    ctx: *mut xdp_md,
    data: usize,
    end: usize,
}

impl Packet {
    /// The frame the program was called for.
    #[inline(always)]
    pub(crate) fn new(ctx: &XdpContext) -> Self {
        Self { ctx: ctx.ctx, data: ctx.data(), end: ctx.data_end() }
    }

    /// The address of `len` bytes at `offset`, if the frame has them.
    #[inline(always)]
    fn address(&self, offset: usize, len: usize) -> Option<usize> {
        let mut start = self.data;
        // The verifier knows the bounds of the very register that was compared with the end. An
        // addition the compiler cannot see into keeps it from computing the address a second time.
        // SAFETY: it adds two numbers.
        unsafe {
            asm!("{0} += {1}", inout(reg) start, in(reg) offset, options(pure, nomem, nostack));
        }
        if start + len > self.end { None } else { Some(start) }
    }

    /// Copies `len` bytes from `offset` to `target`; whether they were there. `len` is not zero.
    ///
    /// # Safety
    /// `target` is valid for writes of `len` bytes.
    #[inline(always)]
    pub(crate) unsafe fn copy(&self, offset: u32, target: *mut u8, len: u32) -> bool {
        // SAFETY: the caller's promise; the context is the program's own.
        unsafe { bpf_xdp_load_bytes(self.ctx, offset, target.cast(), len) == 0 }
    }
}

impl Bytes for Packet {
    #[inline(always)]
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        let start = self.address(offset, N)?;
        // SAFETY: `N` bytes from `start` are inside the frame, which stays where it is while the
        // program runs; a byte array needs no alignment.
        Some(unsafe { &*(start as *const [u8; N]) })
    }

    #[inline(always)]
    fn whole(&self) -> bool {
        // SAFETY: a helper that reads the context it is given.
        unsafe { bpf_xdp_get_buff_len(self.ctx) == (self.end - self.data) as u64 }
    }

    #[inline(always)]
    fn word32(&self, offset: usize) -> Option<u32> {
        let start = self.address(offset, 4)?;
        Some(load32(start))
    }

    #[inline(always)]
    fn word64(&self, offset: usize) -> Option<u64> {
        let start = self.address(offset, 8)?;
        Some(load64::<0>(start))
    }

    #[inline(always)]
    fn words(&self, offset: usize) -> Option<[u64; 2]> {
        let start = self.address(offset, 16)?;
        Some([load64::<0>(start), load64::<8>(start)])
    }

    #[inline(always)]
    fn sum(&self, offset: usize, length: usize) -> Option<Sum> {
        // One address, which is what nearly every advert has: lengths the compiler knows need no call.
        if length == ONE_V4 {
            return bytes::sum(self, offset, ONE_V4);
        }
        if length == ONE_V6 {
            return bytes::sum(self, offset, ONE_V6);
        }
        match sum(self.ctx, offset as u32, length as u32) {
            OUTSIDE => None,
            sum => Some(Sum::new(sum)),
        }
    }
}

const ONE_V4: usize = proto::HEADER_LEN + 4;
const ONE_V6: usize = proto::HEADER_LEN + 16;

/// What [`sum`] says of bytes the frame does not have; no sum of a packet is so large.
const OUTSIDE: u64 = u64::MAX;

/// A function of its own, and global: the verifier looks at its loop once, and not again for each
/// way that leads to it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sum(ctx: *mut xdp_md, offset: u32, length: u32) -> u64 {
    let packet = Packet::new(&XdpContext::new(ctx));
    let (offset, length) = (offset as usize, length as usize);
    if offset > FARTHEST || length > proto::MAX_MESSAGE {
        return OUTSIDE;
    }
    match bytes::sum(&packet, offset, length) {
        Some(sum) => sum.get(),
        None => OUTSIDE,
    }
}

/// A message begins after an Ethernet header with two tags and an IPv4 header with all options.
const FARTHEST: usize = 22 + 60;

/// A load the compiler does not split in bytes: on this target it takes unaligned loads for
/// impossible, which they are not in a frame.
#[inline(always)]
fn load64<const OFFSET: i16>(start: usize) -> u64 {
    let word: u64;
    // SAFETY: every caller has bounded `start`, and the verifier checks it again.
    unsafe {
        asm!("{0} = *(u64 *)({1} + {2})", out(reg) word, in(reg) start, const OFFSET,
            options(pure, readonly, nostack));
    };
    word
}

/// Likewise for four bytes.
#[inline(always)]
fn load32(start: usize) -> u32 {
    let word: u64;
    // SAFETY: every caller has bounded `start`, and the verifier checks it again.
    unsafe {
        asm!("{0} = *(u32 *)({1} + 0)", out(reg) word, in(reg) start,
            options(pure, readonly, nostack));
    };
    word as u32
}
