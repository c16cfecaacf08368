//! Whose timer ends next: a binary heap with one entry a router, indexed by router.
use std::collections::VecDeque;
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
    /// Room for [`Self::postpone`], kept because that is all a loop of backups does.
    looking: VecDeque<usize>,
    postponed: Vec<usize>,
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

    /// Puts off those deadlines that are not after `end`, at most `most` of them, where `later` says
    /// until when.
    pub(super) fn postpone(
        &mut self,
        end: Instant,
        most: usize,
        mut later: impl FnMut(RouterId) -> Option<Instant>,
    ) {
        // Places that may hold one, in rising order: below a later deadline there is none.
        let mut looked = 0;
        self.looking.clear();
        self.looking.push_back(0);
        while let Some(place) = self.looking.pop_front().filter(|_| looked < most) {
            let Some((deadline, router)) = self.heap.get_mut(place).filter(|(at, _)| *at <= end)
            else {
                continue;
            };
            looked += 1;
            self.looking.extend([2 * place + 1, 2 * place + 2]);
            if let Some(at) = later(*router).filter(|at| at > deadline) {
                *deadline = at;
                self.postponed.push(place);
            }
        }
        // Children first: what is below a place is in order when the place is looked at.
        while let Some(place) = self.postponed.pop() {
            self.sink(place);
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
                for router in (0..41).map(RouterId) {
                    prop_assert_eq!(deadlines.of(router), model.get(&router).copied());
                }
            }
        }

        #[test]
        fn what_is_put_off_keeps_its_order(
            start in prop::collection::vec(0u64..50, 1..200),
            later in prop::collection::vec(prop::option::of(0u64..90), 200),
            end in 0u64..50,
            most in 0usize..250,
        ) {
            let mut deadlines = Deadlines::default();
            for (router, at) in (0..).map(RouterId).zip(&start) {
                deadlines.set(router, Some(Instant::from_nanos(*at)));
            }
            let mut looked = Vec::new();
            deadlines.postpone(Instant::from_nanos(end), most, |router| {
                looked.push(router);
                later[router.index()].map(Instant::from_nanos)
            });
            let due = start.iter().filter(|at| **at <= end).count();
            prop_assert_eq!(looked.len(), due.min(most));
            let mut model: Vec<_> = (0..).map(RouterId).zip(&start).map(|(router, at)| {
                let put_off = later[router.index()].filter(|_| looked.contains(&router));
                (Instant::from_nanos(put_off.unwrap_or(0).max(*at)), router)
            }).collect();
            model.sort_unstable();
            for (at, router) in model {
                prop_assert_eq!(deadlines.first(), Some((at, router)));
                deadlines.set(router, None);
            }
        }
    }
}
