//! How a packet is judged by the maps.
use crate::maps;
use aya_ebpf::programs::XdpContext;
use core::ptr;
use vrrp_common::layout::{self, Expect, Peer, PeerKey, PortKey, Rule};
use vrrp_common::wire::check::{Match, Tables};
use vrrp_common::wire::locate::Tags;
use vrrp_common::wire::vrrp::Header;

/// The maps, for a frame of this context.
pub(crate) struct Maps<'a>(pub(crate) &'a XdpContext);

impl Tables for Maps<'_> {
    #[inline(always)]
    fn port(&self, tags: Tags) -> Option<u32> {
        let ifindex = self.0.ingress_ifindex() as u32;
        let port = if tags.outer == 0 && ifindex < layout::FAST_PORTS {
            maps::FAST_PORTS.get(ifindex)?
        } else {
            let key = PortKey { ifindex, outer: tags.outer, inner: tags.inner };
            // SAFETY: entries are written once, when a port is opened; a frame that meets a
            // removal is of the closed port or of its successor, and both are right.
            unsafe { maps::PORTS.get(key)? }
        };
        port.checked_sub(1)
    }

    #[inline(always)]
    fn rule(&self, index: u32) -> Option<&Rule> {
        maps::RULES.get(index)
    }

    #[inline(always)]
    fn peer(&self, key: &PeerKey) -> Option<Peer> {
        // SAFETY: the four bytes of a peer are copied at once.
        unsafe { maps::PEERS.get(key).copied() }
    }

    #[inline(always)]
    fn expected(&self, router: u32, source: [u64; 2], header: u64) -> Option<Match> {
        let expect = maps::EXPECT.get_ptr(router)?;
        // SAFETY: an array element is never freed while the program runs and is aligned to eight
        // bytes; the controller writes it at any time, so every read is volatile.
        let read = |at: usize| unsafe { ptr::read_volatile(expect.cast::<u64>().add(at)) };
        // SAFETY: likewise.
        let read_generation = || unsafe { ptr::read_volatile(&raw const (*expect).generation) };
        const { assert!(size_of::<Expect>() == 32) };
        let generation = read_generation();
        if generation == 0 || read(1) != source[0] || read(2) != source[1] || read(3) != header {
            return None;
        }
        // SAFETY: likewise.
        let remarks = unsafe { ptr::read_volatile(&raw const (*expect).remarks) };
        // Rewritten meanwhile: what was compared may be half of one and half of another. (On a CPU
        // that reorders loads an advert of the old expectation can pass for one of the new; the
        // controller wrote both.)
        if read_generation() != generation {
            return None;
        }
        Some(Match { generation, remarks })
    }

    #[inline(always)]
    fn expects_v3_of(&self, router: u32, source: [u64; 2]) -> bool {
        let Some(expect) = maps::EXPECT.get_ptr(router) else {
            return false;
        };
        // SAFETY: as in `expected`.
        let read = |at: usize| unsafe { ptr::read_volatile(expect.cast::<u64>().add(at)) };
        // SAFETY: likewise.
        let read_generation = || unsafe { ptr::read_volatile(&raw const (*expect).generation) };
        let generation = read_generation();
        generation != 0
            && read(1) == source[0]
            && read(2) == source[1]
            && Header(read(3).to_ne_bytes()).version() == 3
            && read_generation() == generation
    }
}
