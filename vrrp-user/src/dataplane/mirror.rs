//! Who sees judged frames, and how, without anybody waiting for whoever looks.
//!
//! The program copies them to a ring buffer of its own, the loop those of packet sockets to a queue.
//! Both are bounded, and what finds no room is counted. Nothing is copied unless someone looks, and
//! whoever looks reads from a thread of its own.
use super::pod::MapPod;
use super::program::KernelMirror;
use aya::maps::{Array, Map, MapData, MapError, RingBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use vrrp_common::ident::RouterId;
use vrrp_common::mirror::{Header, Judged, LONGEST, RING_BYTES, SMALL, Switch};
use vrrp_common::time::Instant;

/// Frames of packet sockets that wait to be read.
const QUEUED: usize = 512;

/// More records than the ring can hold.
const RECORDS: usize = RING_BYTES as usize / (size_of::<Header>() + SMALL) + 1;

/// Which frames someone wants to see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Bits of [`vrrp_common::mirror::wanted`].
    pub verdicts: u32,
    /// Those of this router only.
    pub router: Option<RouterId>,
}

impl Wanted {
    fn number(self) -> u32 {
        self.router.map_or(0, |router| router.0 + 1)
    }
}

/// What a frame begins with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Link {
    /// An Ethernet header.
    Ethernet,
    /// An IP header: packet sockets keep none other.
    Ip,
}

/// A judged frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// When it was judged, or arrived.
    pub at: Instant,
    /// The interface it came in by.
    pub ifindex: u32,
    /// What it begins with.
    pub link: Link,
    /// What was thought of it.
    pub judged: Judged,
    /// Its length.
    pub length: u32,
    /// Its first bytes, at most [`LONGEST`].
    pub bytes: Vec<u8>,
}

#[derive(Debug, Default)]
struct Common {
    lost: AtomicU64,
    /// Why there is nothing more to see.
    ended: OnceLock<&'static str>,
}

/// The loop's side.
#[derive(Debug)]
pub(super) struct Tap {
    wanted: Wanted,
    queue: SyncSender<Shown>,
    common: Arc<Common>,
}

impl Tap {
    /// Shows a packet of a socket; `false` where nobody looks any more.
    pub(super) fn show(&self, packet: &[u8], length: usize, shown: Shown) -> bool {
        if !Switch::wants(self.wanted.verdicts, self.wanted.number(), shown.judged) {
            return true;
        }
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let bytes = packet.get(..LONGEST).unwrap_or(packet).to_vec();
        match self.queue.try_send(Shown { length, bytes, ..shown }) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.common.lost.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }

    /// Ends it, and says why.
    pub(super) fn end(&self, why: &'static str) {
        let _first_word_stands = self.common.ended.set(why);
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.end("the daemon is stopping");
    }
}

/// The reader's side, before it looks.
#[derive(Debug)]
pub struct Mirror {
    wanted: Wanted,
    kernel: Option<KernelMirror>,
    queue: Receiver<Shown>,
    common: Arc<Common>,
}

impl Mirror {
    pub(super) fn new(wanted: Wanted, kernel: Option<KernelMirror>) -> (Tap, Self) {
        let (sender, queue) = sync_channel(QUEUED);
        let common = Arc::<Common>::default();
        let tap = Tap { wanted, queue: sender, common: Arc::clone(&common) };
        (tap, Self { wanted, kernel, queue, common })
    }

    /// Begins to look. This maps memory and is no work for the loop.
    pub fn look(self) -> Result<Look, MapError> {
        let Self { wanted, kernel, queue, common } = self;
        let kernel = kernel.map(|kernel| InKernel::begin(kernel, wanted)).transpose()?;
        Ok(Look { kernel, queue, common })
    }
}

/// Someone who looks. On drop nothing is copied any more.
#[derive(Debug)]
pub struct Look {
    kernel: Option<InKernel>,
    queue: Receiver<Shown>,
    common: Arc<Common>,
}

impl Look {
    /// What was judged since last asked, by time of arrival.
    pub fn frames(&mut self) -> Vec<Shown> {
        let mut frames: Vec<Shown> = self.queue.try_iter().take(QUEUED).collect();
        if let Some(kernel) = &mut self.kernel {
            kernel.frames(&mut frames);
        }
        frames.sort_by_key(|frame| frame.at);
        frames
    }

    /// Frames that found no room since it began.
    pub fn lost(&self) -> u64 {
        let kernel = self.kernel.as_ref().and_then(|kernel| kernel.switch.get(&0, 0).ok());
        let kernel = kernel.map_or(0, |MapPod(switch)| switch.lost);
        self.common.lost.load(Ordering::Relaxed).saturating_add(kernel)
    }

    /// Why nothing more is shown, where that is so.
    pub fn ended(&self) -> Option<&'static str> {
        self.common.ended.get().copied()
    }
}

struct InKernel {
    switch: Array<MapData, MapPod<Switch>>,
    ring: RingBuf<MapData>,
}

impl std::fmt::Debug for InKernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InKernel").finish_non_exhaustive()
    }
}

impl InKernel {
    fn begin(kernel: KernelMirror, wanted: Wanted) -> Result<Self, MapError> {
        let switch = Array::try_from(Map::Array(MapData::from_fd(kernel.switch)?))?;
        let ring = RingBuf::try_from(Map::RingBuf(MapData::from_fd(kernel.ring)?))?;
        let mut this = Self { switch, ring };
        // What whoever looked before has left.
        for _ in 0..RECORDS {
            if this.ring.next().is_none() {
                break;
            }
        }
        let on = Switch { verdicts: wanted.verdicts, router: wanted.number(), lost: 0 };
        this.switch.set(0, MapPod(on), 0)?;
        Ok(this)
    }

    fn frames(&mut self, frames: &mut Vec<Shown>) {
        for _ in 0..RECORDS {
            let Some(record) = self.ring.next() else { break };
            let Some((header, frame)) = record.split_first_chunk::<{ size_of::<Header>() }>()
            else {
                continue;
            };
            let header: Header = bytemuck::pod_read_unaligned(header);
            if let Some(bytes) = frame.get(..header.captured as usize) {
                frames.push(Shown {
                    at: Instant::from_nanos(header.at),
                    ifindex: header.ifindex,
                    link: Link::Ethernet,
                    judged: header.judged,
                    length: header.length,
                    bytes: bytes.to_vec(),
                });
            }
        }
    }
}

impl Drop for InKernel {
    fn drop(&mut self) {
        if let Err(why) = self.switch.set(0, MapPod(Switch::OFF), 0) {
            tracing::error!("judged frames are still copied though nobody looks: {why}");
        }
    }
}
