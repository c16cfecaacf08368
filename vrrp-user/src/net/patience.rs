//! How often is an address, a route or a rule put back that someone keeps removing.
use super::slots::Slot;
use foldhash::{HashMap, HashMapExt as _};
use std::collections::BTreeSet;
use std::hash::Hash;
use std::time::Duration;
use vrrp_common::time::Instant;

/// Repairs of one of them within [`WINDOW`] that are made at once.
const AT_ONCE: u32 = 10;
/// Who removes it more often has to wait: two programs that fight must not keep the kernel busy.
const WINDOW: Duration = Duration::from_secs(1);

/// Repairs made lately, and those that wait.
#[derive(Debug)]
pub(crate) struct Patience<K = Slot> {
    lately: HashMap<K, (Instant, u32)>,
    waiting: BTreeSet<(Instant, K)>,
}

impl<K> Default for Patience<K> {
    fn default() -> Self {
        Self { lately: HashMap::new(), waiting: BTreeSet::new() }
    }
}

impl<K: Clone + Ord + Hash> Patience<K> {
    /// Whether it may be put back now; if not, it will be [`Self::due`].
    pub(crate) fn allows(&mut self, slot: &K, now: Instant) -> bool {
        let (since, count) = self.lately.entry(slot.clone()).or_insert((now, 0));
        if now.since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        if *count < AT_ONCE {
            *count += 1;
            return true;
        }
        self.waiting.insert((*since + WINDOW, slot.clone()));
        false
    }

    /// Those that have waited long enough.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<K> {
        let mut due = Vec::new();
        while let Some((at, _)) = self.waiting.first()
            && *at <= now
        {
            due.extend(self.waiting.pop_first().map(|(_, slot)| slot));
        }
        due
    }

    /// When the next one has.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiting.first().map(|(at, _)| *at)
    }

    /// Forgets one.
    pub(crate) fn forget(&mut self, slot: &K) {
        self.lately.remove(slot);
        self.waiting.retain(|(_, other)| other != slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Vip;

    #[test]
    fn waits() {
        let slot = Slot::of(&Vip::new([10, 0, 0, 1].into(), 24, "e0"));
        let mut patience = Patience::default();
        let start = Instant::from_nanos(5_000_000_000);
        for n in 0..AT_ONCE {
            assert!(patience.allows(&slot, start + Duration::from_millis(u64::from(n))));
        }
        assert_eq!(patience.deadline(), None);
        for _ in 0..2 {
            assert!(!patience.allows(&slot, start + Duration::from_millis(500)));
        }
        assert_eq!(patience.deadline(), Some(start + WINDOW));
        assert!(patience.due(start + Duration::from_millis(999)).is_empty());
        assert_eq!(patience.due(start + WINDOW), std::slice::from_ref(&slot));
        assert!(patience.allows(&slot, start + WINDOW));
        assert_eq!(patience.deadline(), None);
    }
}
