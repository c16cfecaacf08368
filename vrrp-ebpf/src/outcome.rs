//! What does a judged packet leave behind: counters, a stamp, or news.
use crate::maps;
use crate::packet::Packet;
use aya_ebpf::helpers::generated::bpf_jiffies64;
use aya_ebpf::helpers::{bpf_ktime_get_coarse_ns, bpf_ktime_get_ns};
use core::arch::asm;
use core::mem::{MaybeUninit, offset_of};
use core::ptr;
use vrrp_common::counter::{COUNTERS, Counter};
use vrrp_common::layout::{
    Counts, EventHeader, LARGE_EVENT, PRECISE_STAMPS, Rank, SMALL_EVENT, Seen, next_news,
};
use vrrp_common::wire::check::{Accepted, Meaning, Owner};

/// Counts a rejected packet.
#[inline(always)]
pub(crate) fn reject(counter: Counter, owner: Owner) {
    let counts = match owner {
        Owner::Router(router) => maps::ROUTER_COUNTS.get_ptr_mut(router),
        Owner::Port(port) => maps::PORT_COUNTS.get_ptr_mut(port),
    };
    if let Some(counts) = counts {
        bump(counts, counter);
    }
    if let (Owner::Router(router), Some(error)) = (owner, counter.protocol_error())
        && let Some(mark) = maps::ERRORS.get_ptr_mut(router)
    {
        // SAFETY: a map element, mapped by the controller; volatile, for it is read meanwhile.
        unsafe { ptr::write_volatile(mark, error.into()) };
    }
    if let Some(rejected) = maps::REJECTED.get_ptr_mut(0) {
        // SAFETY: the one element, of this CPU; see `bump`.
        unsafe { *rejected += 1 };
    }
}

/// Counts a valid advert, and stamps it or hands it over.
#[inline(always)]
pub(crate) fn accept(packet: &Packet, accepted: &Accepted) {
    let Some(counts) = maps::ROUTER_COUNTS.get_ptr_mut(accepted.router) else {
        return;
    };
    bump(counts, Counter::Received);
    if accepted.remarks != 0 {
        remark(counts, accepted.remarks);
    }
    let Some(seen) = maps::SEEN.get_ptr_mut(accepted.router) else {
        return;
    };
    match accepted.meaning {
        Meaning::Expected(generation) => stamp(seen, generation),
        Meaning::Ignored => {}
        Meaning::News(rank) => {
            if !admit(seen, rank) {
                bump(counts, Counter::Surplus);
                return;
            }
            // SAFETY: a helper that takes nothing and returns a number.
            let at = unsafe { bpf_ktime_get_ns() };
            if !news(packet, accepted, at) {
                bump(counts, Counter::RingFull);
            }
        }
    }
}

/// Adds one. The slot is this CPU's, and XDP programs do not preempt each other there.
#[inline(always)]
fn bump(counts: *mut Counts, counter: Counter) {
    // SAFETY: a map element of this CPU; the number of a counter is below their count.
    unsafe { *(&raw mut (*counts).0).cast::<u64>().add(counter as usize) += 1 };
}

/// Counts remarks.
#[inline(always)]
fn remark(counts: *mut Counts, remarks: u32) {
    const REMARKS: [Counter; 5] = [
        Counter::PriorityZero,
        Counter::IntervalDiffers,
        Counter::AddressListDiffers,
        Counter::OtherChecksumForm,
        Counter::V2Ignored,
    ];
    const { assert!(COUNTERS <= 32) };
    for counter in REMARKS {
        if remarks & 1 << counter as u32 != 0 {
            bump(counts, counter);
        }
    }
}

/// Stamps an expected advert. The time goes first: whoever reads the generation reads a time that
/// is no older.
///
/// The clock is what costs most here, so a flood of copies does not read it: of the many that come
/// within one tick, which the kernel reads in place, only the first are stamped, and it is noted that
/// there were more.
#[inline(always)]
fn stamp(seen: *mut Seen, generation: u32) {
    // SAFETY: a map element, mapped by the controller, which only reads it; two helpers that take
    // nothing and return a number.
    unsafe {
        let tick = bpf_jiffies64();
        let mut copies = 1;
        if ptr::read_volatile(&raw const (*seen).tick) == tick
            && ptr::read_volatile(&raw const (*seen).generation) == generation
        {
            copies += ptr::read_volatile(&raw const (*seen).copies);
            if copies > PRECISE_STAMPS {
                if copies == PRECISE_STAMPS + 1 {
                    ptr::write_volatile(&raw mut (*seen).copies, copies);
                }
                return;
            }
        }
        ptr::write_volatile(&raw mut (*seen).at, bpf_ktime_get_ns());
        ptr::write_volatile(&raw mut (*seen).generation, generation);
        ptr::write_volatile(&raw mut (*seen).copies, copies);
        ptr::write_volatile(&raw mut (*seen).tick, tick);
    }
}

/// Whether the router is to be told of one more advert now. The time is that of the last tick, which
/// costs less than the clock, for a flood comes to this point and no farther.
///
/// What was noted of copies is about what came before the news, and must not hide it; stamps after it are
/// precise again. It is cleared, and seen to be so by everyone, before the news gets its time.
#[inline(always)]
fn admit(seen: *mut Seen, rank: Rank) -> bool {
    const { assert!(offset_of!(Seen, copies) % 8 == 0) };
    const { assert!(offset_of!(Seen, news) == offset_of!(Seen, copies) + 4) };
    // SAFETY: a map element; a CPU that counts at the same time may hide this step. A helper that takes
    // nothing and returns a number.
    let next = unsafe {
        let before = ptr::read_volatile(&raw const (*seen).news);
        next_news(before, bpf_ktime_get_coarse_ns(), maps::NEWS_A_SPAN.load(), rank)
    };
    let Some(next) = next else { return false };
    // No copies, and the note of the news. An exchange is a barrier as well.
    let both = if cfg!(target_endian = "little") { u64::from(next) << 32 } else { u64::from(next) };
    // SAFETY: the two numbers, together aligned, in a map element.
    unsafe {
        let copies = &raw mut (*seen).copies;
        asm!("{1} = xchg_64({0} + 0, {1})", in(reg) copies, inout(reg) both => _, options(nostack));
    }
    true
}

/// A record: the header, and room for a packet.
#[repr(C)]
struct Event<const ROOM: usize> {
    header: EventHeader,
    packet: [u8; ROOM],
}

/// A multiple of eight, as records are.
const LARGE_ROOM: usize = LARGE_EVENT.next_multiple_of(8);

/// Hands an advert over; `false` where the ring is full.
#[inline(always)]
fn news(packet: &Packet, accepted: &Accepted, at: u64) -> bool {
    if accepted.length <= SMALL_EVENT {
        record::<SMALL_EVENT>(packet, accepted, at)
    } else {
        record::<LARGE_ROOM>(packet, accepted, at)
    }
}

#[inline(always)]
fn record<const ROOM: usize>(packet: &Packet, accepted: &Accepted, at: u64) -> bool {
    let Some(mut entry) = maps::EVENTS.reserve_untyped::<Event<ROOM>>(0) else {
        return false;
    };
    let event: *mut Event<ROOM> = MaybeUninit::as_mut_ptr(&mut *entry);
    let length = accepted.length;
    let header = EventHeader {
        at,
        router: accepted.router,
        port: accepted.port,
        length: length as u32,
        remarks: accepted.remarks,
    };
    // SAFETY: the record is as large as `Event<ROOM>` and aligned to eight bytes.
    unsafe { ptr::write(&raw mut (*event).header, header) };
    // Compared again where the verifier can see it; a valid advert is never longer.
    let copied = length > 0
        && length <= ROOM
        // SAFETY: `length` bytes fit the record's room.
        && unsafe {
            packet.copy(
                accepted.offset as u32,
                (&raw mut (*event).packet).cast(),
                length as u32,
            )
        };
    if copied {
        entry.submit(0);
    } else {
        entry.discard(0);
    }
    copied
}
