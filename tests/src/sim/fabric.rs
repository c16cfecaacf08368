//! What becomes of a packet between two nodes.
use super::random;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use vrrp_common::ident::Family;
use vrrp_common::time::Instant;
use vrrp_common::wire::vrrp::Header;
use xvrrp::config::model::Name;

/// An advert on the wire.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The LAN it is on, by the name that each node's interface to it has.
    pub lan: Name,
    /// IP source.
    pub source: IpAddr,
    /// Family of the group it went to.
    pub family: Family,
    /// The fixed eight bytes.
    pub header: Header,
    /// The address list.
    pub addresses: Arc<[IpAddr]>,
}

/// What the wire does to packets.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The shortest way takes this long.
    pub least_delay: Duration,
    /// And the longest this much longer; more than the time between two packets reorders them.
    pub jitter: Duration,
    /// Lost of a thousand.
    pub loss: u64,
    /// Doubled of a thousand.
    pub double: u64,
}

impl Rules {
    /// A wire without fault.
    pub const CALM: Self = Self {
        least_delay: Duration::from_micros(30),
        jitter: Duration::from_micros(100),
        loss: 0,
        double: 0,
    };
}

/// The wire.
pub struct Fabric {
    seed: u64,
    /// What it does to packets now.
    pub rules: Rules,
    /// Which side of a partition each node is on.
    pub sides: Vec<bool>,
    /// The same, of LANs that fell apart alone.
    pub cuts: HashMap<Name, Vec<bool>>,
    in_flight: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    packets: Vec<Option<Packet>>,
    /// Packets so far by node and VRID. Routers of one node do not disturb each other's streams.
    sent: HashMap<(usize, u8), u64>,
}

impl Fabric {
    /// A wire between `nodes` nodes.
    pub fn new(seed: u64, nodes: usize, rules: Rules) -> Self {
        Self {
            seed,
            rules,
            sides: vec![false; nodes],
            cuts: HashMap::new(),
            in_flight: BinaryHeap::new(),
            packets: Vec::new(),
            sent: HashMap::new(),
        }
    }

    /// A node sends to all others.
    pub fn send(&mut self, now: Instant, from: usize, packet: &Packet) {
        let vrid = packet.header.vrid();
        let sent = self.sent.entry((from, vrid)).or_default();
        *sent += 1;
        for to in 0..self.sides.len() {
            let apart = |sides: &Vec<bool>| sides[to] != sides[from];
            if to == from || apart(&self.sides) || self.cuts.get(&packet.lan).is_some_and(apart) {
                continue;
            }
            let mut chance =
                random::of(&[self.seed, from as u64, to as u64, u64::from(vrid), *sent]);
            if chance.chance(self.rules.loss, 1000) {
                continue;
            }
            let copies = if chance.chance(self.rules.double, 1000) { 2 } else { 1 };
            for _ in 0..copies {
                let jitter = u64::try_from(self.rules.jitter.as_nanos()).unwrap_or(u64::MAX);
                let delay = Duration::from_nanos(chance.below(jitter.max(1)));
                let at = now + self.rules.least_delay + delay;
                self.in_flight.push(Reverse((at, self.packets.len() as u64, to)));
                self.packets.push(Some(packet.clone()));
            }
        }
    }

    /// When the next packet arrives.
    pub fn next(&self) -> Option<Instant> {
        self.in_flight.peek().map(|Reverse((at, _, _))| *at)
    }

    /// The next packet that arrives by `now`, and where.
    pub fn arrive(&mut self, now: Instant) -> Option<(usize, Packet)> {
        let Reverse((at, number, to)) = *self.in_flight.peek()?;
        if at > now {
            return None;
        }
        self.in_flight.pop();
        let packet = self.packets.get_mut(usize::try_from(number).ok()?)?.take()?;
        Some((to, packet))
    }
}
