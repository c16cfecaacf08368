//! Whose timer ends next: a binary heap with one entry a router, indexed by router.
use vrrp_common::ident::RouterId;
use vrrp_common::time::Instant;

const NOWHERE: u32 = u32::MAX;

/// Every router's next deadline. Setting one is O(log n), reading the first is O(1).
#[derive(Clone, Default)]
pub(super) struct Deadlines {
    /// Parents no later than children; ties go to the lower number, so runs repeat exactly.
    heap: Vec<(Instant, RouterId)>,
    /// Where in `heap` each router is.
    places: Vec<u32>,
}

impl Deadlines {
    /// The earliest deadline and whose it is.
    pub(super) fn first(&self) -> Option<(Instant, RouterId)> {
        self.heap.first().copied()
    }

    /// A router's deadline.
    pub(super) fn of(&self, router: RouterId) -> Option<Instant> {
        let place = *self.places.get(router.index())?;
        self.heap.get(place as usize).map(|(deadline, _)| *deadline)
    }

    /// Everyone whose deadline is not after `end`, in no particular order.
    pub(super) fn due(&self, end: Instant, mut each: impl FnMut(RouterId)) {
        if self.first().is_none_or(|(first, _)| first > end) {
            return;
        }
        // Below a later deadline there is none.
        let mut places = vec![0];
        while let Some(place) = places.pop() {
            if let Some((_, router)) = self.heap.get(place).filter(|(at, _)| *at <= end) {
                each(*router);
                places.extend([2 * place + 1, 2 * place + 2]);
            }
        }
    }

    /// Replaces a router's deadline.
    pub(super) fn set(&mut self, router: RouterId, deadline: Option<Instant>) {
        if self.places.len() <= router.index() {
            if deadline.is_none() {
                return;
            }
            self.places.resize(router.index() + 1, NOWHERE);
        }
        let place = self.places[router.index()];
        match (place != NOWHERE, deadline) {
            (false, None) => {}
            (false, Some(deadline)) => {
                self.heap.push((deadline, router));
                self.rise(self.heap.len() - 1);
            }
            (true, Some(deadline)) => {
                let place = place as usize;
                if self.heap[place].0 != deadline {
                    self.heap[place].0 = deadline;
                    let place = self.rise(place);
                    self.sink(place);
                }
            }
            (true, None) => {
                self.places[router.index()] = NOWHERE;
                let place = place as usize;
                self.heap.swap_remove(place);
                if place < self.heap.len() {
                    let place = self.rise(place);
                    self.sink(place);
                }
            }
        }
    }

    fn rise(&mut self, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent] <= self.heap[place] {
                break;
            }
            self.heap.swap(parent, place);
            self.note(place);
            place = parent;
        }
        self.note(place);
        place
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let left = 2 * place + 1;
            let Some(mut least) = self.heap.get(left).map(|_| left) else { break };
            if self.heap.get(left + 1).is_some_and(|right| *right < self.heap[left]) {
                least = left + 1;
            }
            if self.heap[place] <= self.heap[least] {
                break;
            }
            self.heap.swap(place, least);
            self.note(place);
            place = least;
        }
        self.note(place);
    }

    fn note(&mut self, place: usize) {
        let (_, router) = self.heap[place];
        // A router number is 32 bits and each has one entry at most, so a place fits too.
        self.places[router.index()] = u32::try_from(place).unwrap_or(NOWHERE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn the_first_is_always_the_earliest(
            steps in prop::collection::vec((0u32..40, prop::option::of(0u64..50)), 1..400),
        ) {
            let mut deadlines = Deadlines::default();
            let mut model = BTreeMap::new();
            for (router, deadline) in steps {
                let router = RouterId(router);
                let deadline = deadline.map(Instant::from_nanos);
                deadlines.set(router, deadline);
                match deadline {
                    Some(deadline) => model.insert(router, deadline),
                    None => model.remove(&router),
                };
                let expected = model.iter().map(|(router, at)| (*at, *router)).min();
                prop_assert_eq!(deadlines.first(), expected);
                let end = Instant::from_nanos(25);
                let mut due = Vec::new();
                deadlines.due(end, |router| due.push(router));
                due.sort_unstable();
                let model_due = model.iter().filter(|(_, at)| **at <= end);
                prop_assert_eq!(due, model_due.map(|(router, _)| *router).collect::<Vec<_>>());
                for router in (0..41).map(RouterId) {
                    prop_assert_eq!(deadlines.of(router), model.get(&router).copied());
                }
            }
        }
    }
}
