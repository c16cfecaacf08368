//! How a judged frame is shown to whoever looks.
use crate::maps;
use aya_ebpf::bindings::{BPF_RB_NO_WAKEUP, xdp_md};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::{bpf_xdp_get_buff_len, bpf_xdp_load_bytes};
use core::arch::asm;
use core::mem::MaybeUninit;
use core::ptr;
use vrrp_common::mirror::{Header, Judged, LONGEST, SMALL, Switch};

/// Shows the frame of `ctx`.
#[inline(always)]
pub(crate) fn show(ctx: *mut xdp_md, judged: Judged) {
    let [verdict, owner, remarks] = judged.parts();
    mirror(ctx, verdict, owner, remarks);
}

/// A function of its own, and global: the verifier looks at it once, whatever leads to it, and what
/// it needs is no burden on the code that runs while nobody looks.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn mirror(ctx: *mut xdp_md, verdict: u32, owner: u32, remarks: u32) -> u32 {
    let judged = Judged::new([verdict, owner, remarks]);
    let switch = maps::MIRROR.get();
    // SAFETY: aligned variables of the program; volatile, for the controller writes them meanwhile.
    let (verdicts, router) = unsafe {
        (
            ptr::read_volatile(&raw const (*switch).verdicts),
            ptr::read_volatile(&raw const (*switch).router),
        )
    };
    if !Switch::wants(verdicts, router, judged) {
        return 0;
    }
    // SAFETY: a helper and a field of the context, which is the program's own; a helper that takes
    // nothing.
    let (length, ifindex, at) =
        unsafe { (bpf_xdp_get_buff_len(ctx), (*ctx).ingress_ifindex, bpf_ktime_get_ns()) };
    let header = Header { at, ifindex, judged, length: length as u32, captured: 0 };
    let shown = if length <= SMALL as u64 {
        record::<SMALL>(ctx, header, length)
    } else {
        record::<LONGEST>(ctx, header, length)
    };
    if !shown {
        // The compiler has no atomic types for this target.
        // SAFETY: an aligned variable of the program.
        unsafe {
            let lost = &raw mut (*switch).lost;
            asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) lost, in(reg) 1_u64, options(nostack));
        }
    }
    u32::from(shown)
}

/// Bytes of an Ethernet header.
const ETHERNET: u64 = 14;

/// A record: the header, and room for a frame.
#[repr(C)]
struct Record<const ROOM: usize> {
    header: Header,
    frame: [u8; ROOM],
}

/// Writes a record; `false` where the ring is full.
#[inline(always)]
fn record<const ROOM: usize>(ctx: *mut xdp_md, header: Header, length: u64) -> bool {
    const { assert!(ROOM % 8 == 0) };
    let Some(mut entry) = maps::MIRRORED.reserve_untyped::<Record<ROOM>>(0) else {
        return false;
    };
    let record: *mut Record<ROOM> = MaybeUninit::as_mut_ptr(&mut *entry);
    // In 64 bits, where the verifier sees the bounds. What is judged has an Ethernet header at least.
    let captured = if length < ROOM as u64 { length } else { ROOM as u64 };
    let header = Header { captured: captured as u32, ..header };
    // SAFETY: the record is as large as `Record<ROOM>` and aligned to eight bytes.
    unsafe { ptr::write(&raw mut (*record).header, header) };
    let copied = captured >= ETHERNET
        // SAFETY: `captured` bytes fit the record's room; the context is the program's own.
        && unsafe {
            let frame = &raw mut (*record).frame;
            bpf_xdp_load_bytes(ctx, 0, frame.cast(), captured as u32) == 0
        };
    // Nobody is woken: who looks comes by itself, many times a second.
    if copied {
        entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    } else {
        entry.discard(u64::from(BPF_RB_NO_WAKEUP));
    }
    copied
}
