//! Which memory does the program share with the controller.
//!
//! Sizes here are the least ones: the controller sets those it wants before loading.
use aya_ebpf::Global;
use aya_ebpf::btf_maps::{Array, HashMap, PerCpuArray, RingBuf};
use aya_ebpf::macros::btf_map;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ptr;
use vrrp_common::layout::{
    self, Counts, Expect, Peer, PeerKey, PortKey, RULES_PER_PORT, Rule, Seen,
};
use vrrp_common::mirror::{RING_BYTES, Switch};

/// Kernel flag of an array that can be mapped into a process.
const MMAPABLE: usize = 1 << 10;
/// Kernel flag of a hash that allocates entries as they come.
const NO_PREALLOC: usize = 1;

/// Port + 1 by ifindex.
#[btf_map]
pub(crate) static FAST_PORTS: Array<u32, { layout::FAST_PORTS as usize }> = Array::new();
/// Port + 1 by interface and tags.
#[btf_map]
pub(crate) static PORTS: HashMap<PortKey, u32, 64, NO_PREALLOC> = HashMap::new();
/// What each router accepts.
#[btf_map]
pub(crate) static RULES: Array<Rule, { 64 * RULES_PER_PORT as usize }> = Array::new();
/// Unicast peers.
#[btf_map]
pub(crate) static PEERS: HashMap<PeerKey, Peer, 4096, NO_PREALLOC> = HashMap::new();
/// What each router expects.
#[btf_map]
pub(crate) static EXPECT: Array<Expect, 4096, MMAPABLE> = Array::new();
/// When it came.
#[btf_map]
pub(crate) static SEEN: Array<Seen, 4096, MMAPABLE> = Array::new();
/// Counters by router.
#[btf_map]
pub(crate) static ROUTER_COUNTS: PerCpuArray<Counts, 4096> = PerCpuArray::new();
/// Counters by port.
#[btf_map]
pub(crate) static PORT_COUNTS: PerCpuArray<Counts, 64> = PerCpuArray::new();
/// Rejected packets.
#[btf_map]
pub(crate) static REJECTED: PerCpuArray<u64, 1> = PerCpuArray::new();
/// The last protocol error of each router.
#[btf_map]
pub(crate) static ERRORS: Array<u64, 4096, MMAPABLE> = Array::new();
/// News.
#[btf_map]
pub(crate) static EVENTS: RingBuf<(), { 1 << 20 }> = RingBuf::new();

/// Judged frames, while someone looks.
#[btf_map]
pub(crate) static MIRRORED: RingBuf<(), { RING_BYTES as usize }> = RingBuf::new();

/// A variable that the controller writes while the program runs. Unlike an element of a map it is
/// read by one load from an address the verifier knows.
#[repr(transparent)]
pub(crate) struct Variable<T>(UnsafeCell<T>);

// SAFETY: it is only accessed through the pointer of `get`, volatile or atomically.
unsafe impl<T> Sync for Variable<T> {}

impl<T> Variable<T> {
    /// Where it is.
    pub(crate) const fn get(&self) -> *mut T {
        self.0.get()
    }
}

/// Which judged frames are mirrored; none unless the controller says so.
#[unsafe(no_mangle)]
pub(crate) static MIRROR: Variable<Switch> = Variable(UnsafeCell::new(Switch::OFF));

/// Whether anybody looks at judged frames.
#[inline(always)]
pub(crate) fn mirrored() -> bool {
    const { assert!(offset_of!(Switch, verdicts) == 0) };
    // SAFETY: an aligned variable of the program; volatile, for the controller writes it meanwhile.
    unsafe { ptr::read_volatile(MIRROR.get().cast::<u32>()) != 0 }
}

/// Whether verdicts are logged. 0 unless the controller sets it before loading: the verifier then
/// removes what it guards.
#[unsafe(no_mangle)]
pub(crate) static LOG: Global<u8> = Global::new(0);

/// Adverts of one router that are handed over in one span of time. As many as there are unless the
/// controller sets another number before loading.
#[unsafe(no_mangle)]
pub(crate) static NEWS_A_SPAN: Global<u32> = Global::new(u32::MAX);
