//! What do packets of the sockets meet and leave behind: the maps' counterpart in plain memory.
use foldhash::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vrrp_common::counter::Counter;
use vrrp_common::layout::{Counts, Expect, Peer, PeerKey, Rule, Seen, next_news};
use vrrp_common::time::Instant;
use vrrp_common::wire::check::{self, Accepted, Match, Meaning, Owner, Tables, Verdict};
use vrrp_common::wire::locate::{Place, Tags, halves};
use vrrp_common::wire::vrrp::Header;

/// Rules, expectations, stamps and counters.
#[derive(Debug, Default)]
pub struct Memory {
    /// By `rule_index`.
    pub rules: HashMap<u32, Rule>,
    /// Unicast peers.
    pub peers: HashMap<PeerKey, Peer>,
    /// By router.
    pub expect: HashMap<u32, Expect>,
    /// By router.
    pub seen: HashMap<u32, Seen>,
    /// What was noted of the last news, by router ([`next_news`]).
    pub news: HashMap<u32, u32>,
    /// By router.
    pub router_counts: HashMap<u32, Counts>,
    /// By port.
    pub port_counts: HashMap<u32, Counts>,
    /// The last protocol error by router.
    pub errors: HashMap<u32, u8>,
    /// Rejects since someone last asked.
    pub rejected: HashMap<Owner, Counts>,
    /// Whether there are any, for those who are not the loop.
    pub any_rejected: Arc<AtomicBool>,
    /// News of one router in one span of time, where there is a limit.
    pub most_news: Option<u32>,
}

/// The memory, for a packet that came in by a port.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    memory: &'a Memory,
    port: u32,
}

impl Tables for At<'_> {
    /// A socket hands over what is untagged on its interface, and nothing else.
    fn port(&self, tags: Tags) -> Option<u32> {
        (tags == Tags::default()).then_some(self.port)
    }

    fn rule(&self, index: u32) -> Option<&Rule> {
        self.memory.rules.get(&index)
    }

    fn peer(&self, key: &PeerKey) -> Option<Peer> {
        self.memory.peers.get(key).copied()
    }

    fn expected(&self, router: u32, source: [u64; 2], header: u64) -> Option<Match> {
        let expect = self.memory.expect.get(&router)?;
        (expect.generation != 0
            && halves(&expect.source) == source
            && u64::from_ne_bytes(expect.header) == header)
            .then_some(Match { generation: expect.generation, remarks: expect.remarks })
    }

    fn expects_v3_of(&self, router: u32, source: [u64; 2]) -> bool {
        self.memory.expect.get(&router).is_some_and(|expect| {
            expect.generation != 0
                && halves(&expect.source) == source
                && Header(expect.header).version() == 3
        })
    }
}

impl Memory {
    /// Judged by this memory, for packets that come in by `port`.
    pub const fn at(&self, port: u32) -> At<'_> {
        At { memory: self, port }
    }

    /// Judges the IP packet at `place`, counts it and stamps it; whether it is to be handed over.
    pub fn take(&mut self, port: u32, bytes: &[u8], place: Place, at: Instant) -> (Verdict, bool) {
        let verdict = check::packet(bytes, place, &self.at(port));
        let news = match verdict {
            Verdict::Pass => false,
            Verdict::Reject(counter, owner) => {
                self.reject(counter, owner);
                if let (Owner::Router(router), Some(error)) = (owner, counter.protocol_error()) {
                    self.errors.insert(router, error);
                }
                false
            }
            Verdict::Accept(accepted) => self.accept(&accepted, at),
        };
        (verdict, news)
    }

    fn reject(&mut self, counter: Counter, owner: Owner) {
        let counts = match owner {
            Owner::Router(router) => self.router_counts.entry(router).or_default(),
            Owner::Port(port) => self.port_counts.entry(port).or_default(),
        };
        bump(counts, counter);
        bump(self.rejected.entry(owner).or_default(), counter);
        self.any_rejected.store(true, Ordering::Relaxed);
    }

    /// Counts an advert as rejected that was counted as valid, with these remarks, wherever that
    /// was. What is counted here and there is added without regard to overflow.
    pub fn refuse(&mut self, router: u32, remarks: u32, counter: Counter) {
        self.reject(counter, Owner::Router(router));
        let counts = self.router_counts.entry(router).or_default();
        let received = 1 << Counter::Received as u32;
        for counter in Counter::ALL {
            if (remarks | received) & 1 << *counter as u32 != 0 {
                let count = &mut counts.0[*counter as usize];
                *count = count.wrapping_sub(1);
            }
        }
    }

    /// Counts and stamps a valid advert; whether it is news.
    fn accept(&mut self, accepted: &Accepted, at: Instant) -> bool {
        let counts = self.router_counts.entry(accepted.router).or_default();
        bump(counts, Counter::Received);
        for counter in Counter::ALL {
            if accepted.remarks & 1 << *counter as u32 != 0 {
                bump(counts, *counter);
            }
        }
        let at = at.as_nanos();
        match accepted.meaning {
            Meaning::Ignored => false,
            Meaning::Expected(generation) => {
                let seen = self.seen.entry(accepted.router).or_default();
                (seen.at, seen.generation) = (at, generation);
                false
            }
            Meaning::News(rank) => {
                let news = self.news.entry(accepted.router).or_default();
                let next = next_news(*news, at, self.most_news.unwrap_or(u32::MAX), rank);
                match next {
                    Some(next) => *news = next,
                    None => bump(counts, Counter::Surplus),
                }
                next.is_some()
            }
        }
    }

    /// Forgets everything that is kept under a router's number, except its rule and peers.
    pub fn clear_router(&mut self, router: u32) {
        self.expect.remove(&router);
        self.seen.remove(&router);
        self.news.remove(&router);
        self.router_counts.remove(&router);
        self.errors.remove(&router);
        self.rejected.remove(&Owner::Router(router));
    }
}

fn bump(counts: &mut Counts, counter: Counter) {
    let count = &mut counts.0[counter as usize];
    *count = count.wrapping_add(1);
}
