//! What was rejected since someone last looked, for those who are not the loop.
//!
//! The program's counters are maps, which any thread may read, so nobody waits for anybody; what the
//! sockets rejected is asked of the loop, which is told of by a flag.
use super::program::{PerCpu, total};
use aya::maps::{MapError, PerCpuArray};
use foldhash::{HashMap, HashMapExt as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vrrp_common::counter::{Counter, Kind};
use vrrp_common::layout::Counts;
use vrrp_common::wire::check::Owner;

/// The maps of the program that count, to be read by themselves.
pub(super) struct Maps {
    pub(super) all: PerCpuArray<aya::maps::MapData, u64>,
    pub(super) routers: PerCpu<Counts>,
    pub(super) ports: PerCpu<Counts>,
}

/// Whoever looks for rejected packets.
pub struct Rejects {
    maps: Option<Maps>,
    elsewhere: Arc<AtomicBool>,
    /// Every packet the program has rejected, when last looked.
    all: u64,
    /// What it had counted then, where it had rejected any.
    known: HashMap<Owner, Counts>,
}

impl std::fmt::Debug for Rejects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rejects").field("all", &self.all).finish_non_exhaustive()
    }
}

/// So many packets of one owner, by reason.
pub type More = Vec<(Owner, Counter, u64)>;

impl Rejects {
    pub(super) fn new(maps: Option<Maps>, elsewhere: Arc<AtomicBool>) -> Self {
        Self { maps, elsewhere, all: 0, known: HashMap::new() }
    }

    /// Whether the loop knows of rejects since it was last asked for them.
    pub fn elsewhere(&self) -> bool {
        self.elsewhere.swap(false, Ordering::Relaxed)
    }

    /// Whether the program rejected anything since last asked. One system call.
    pub fn any(&mut self) -> Result<bool, MapError> {
        let Some(maps) = &self.maps else { return Ok(false) };
        let all = maps.all.get(&0, 0)?.iter().fold(0_u64, |all, count| all.wrapping_add(*count));
        Ok(std::mem::replace(&mut self.all, all) != all)
    }

    /// What the program rejected since last asked. A system call for every router and port there
    /// is room for.
    pub fn more(&mut self) -> Result<More, MapError> {
        let Some(maps) = &self.maps else { return Ok(More::new()) };
        let mut more = More::new();
        let of_routers = (0..maps.routers.len()).map(|router| (Owner::Router(router), router));
        let of_ports = (0..maps.ports.len()).map(|port| (Owner::Port(port), port));
        for (owner, index) in of_routers.chain(of_ports) {
            let map = if matches!(owner, Owner::Router(_)) { &maps.routers } else { &maps.ports };
            note(&mut self.known, owner, total(&map.get(&index, 0)?), &mut more);
        }
        Ok(more)
    }
}

/// Adds what `owner` counted beyond what was known.
fn note(known: &mut HashMap<Owner, Counts>, owner: Owner, counts: Counts, more: &mut More) {
    let before = known.get(&owner).copied().unwrap_or_default();
    let mut any = false;
    for counter in Counter::ALL.iter().filter(|counter| counter.kind() == Kind::Rejected) {
        let (before, now) = (before.0[*counter as usize], counts.0[*counter as usize]);
        any |= now > 0;
        // Less than before: the number was given to another, and its counters began anew.
        let new = if now < before { now } else { now - before };
        if new > 0 {
            more.push((owner, *counter, new));
        }
    }
    if any {
        known.insert(owner, counts);
    } else {
        known.remove(&owner);
    }
}

/// By reason, what the loop said.
pub fn listed(counts: HashMap<Owner, Counts>) -> More {
    let mut more = More::new();
    for (owner, counts) in counts {
        note(&mut HashMap::new(), owner, counts, &mut more);
    }
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rejects_count_and_only_what_is_new() {
        let mut known = HashMap::new();
        let owner = Owner::Router(3);
        let mut since = |ttl, received| {
            let mut counts = Counts::default();
            counts.0[Counter::Ttl as usize] = ttl;
            counts.0[Counter::Received as usize] = received;
            let mut more = More::new();
            note(&mut known, owner, counts, &mut more);
            more
        };
        assert_eq!(since(0, 10), []);
        assert_eq!(since(5, 20), [(owner, Counter::Ttl, 5)]);
        assert_eq!(since(5, 30), []);
        assert_eq!(since(7, 30), [(owner, Counter::Ttl, 2)]);
        // Another router has the number.
        assert_eq!(since(0, 0), []);
        assert_eq!(since(3, 0), [(owner, Counter::Ttl, 3)]);
        assert_eq!(since(1, 0), [(owner, Counter::Ttl, 1)]);
    }
}
