//! Does a system that nothing disturbs settle on every way it can take, and how long may it take?
use std::collections::HashMap;
use std::time::Duration;

/// States, and the time from each to the next.
#[derive(Default)]
pub struct Graph {
    /// Places in the lists below, by the number of the state.
    places: HashMap<usize, usize>,
    numbers: Vec<usize>,
    settled: Vec<bool>,
    edges: Vec<Vec<(usize, Duration)>>,
}

/// What Tarjan's algorithm knows of a state: when it was reached, and the earliest reached from it
/// that is not finished.
#[derive(Clone, Copy, Default)]
struct Mark {
    reached: usize,
    low: usize,
    stacked: bool,
}

impl Graph {
    /// Adds a state.
    pub fn node(&mut self, number: usize, settled: bool) {
        self.places.insert(number, self.numbers.len());
        self.numbers.push(number);
        self.settled.push(settled);
        self.edges.push(Vec::new());
    }

    /// Adds a way between two states.
    pub fn edge(&mut self, from: usize, to: usize, time: Duration) {
        let (from, to) = (self.places[&from], self.places[&to]);
        self.edges[from].push((to, time));
    }

    /// How many states there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The longest time on any way to the last state that is not settled. Errs with a state that
    /// one may come back to for ever and that is not settled, or from which such a one is reached.
    pub fn settles(&self) -> Result<Duration, usize> {
        let mut longest: Vec<Option<Duration>> = vec![None; self.len()];
        // What is reached comes first, so all that matters to a component is known before it.
        for component in self.components() {
            let turns = component.len() > 1
                || self.edges[component[0]].iter().any(|(to, _)| *to == component[0]);
            for place in &component {
                let later = self.edges[*place]
                    .iter()
                    .filter_map(|(to, time)| longest[*to].map(|rest| rest + *time));
                let here = (!self.settled[*place]).then_some(Duration::ZERO);
                let most = later.chain(here).max();
                if turns && most.is_some() {
                    return Err(self.numbers[*place]);
                }
                longest[*place] = most;
            }
        }
        Ok(longest.into_iter().flatten().max().unwrap_or_default())
    }

    /// Strongly connected components, those first that others lead to (Tarjan 1972, with a stack
    /// of its own instead of recursion).
    fn components(&self) -> Vec<Vec<usize>> {
        let mut marks = vec![Mark::default(); self.len()];
        let (mut clock, mut stack, mut found) = (0, Vec::new(), Vec::new());
        for root in 0..self.len() {
            if marks[root].reached > 0 {
                continue;
            }
            let mut calls = vec![(root, 0)];
            while let Some((place, next)) = calls.pop() {
                if next == 0 {
                    clock += 1;
                    marks[place] = Mark { reached: clock, low: clock, stacked: true };
                    stack.push(place);
                }
                let Some((to, _)) = self.edges[place].get(next) else {
                    let low = marks[place].low;
                    if let Some((caller, _)) = calls.last() {
                        marks[*caller].low = marks[*caller].low.min(low);
                    }
                    if low == marks[place].reached {
                        let begins = stack.iter().rposition(|other| *other == place);
                        let component = stack.split_off(begins.unwrap_or(0));
                        for member in &component {
                            marks[*member].stacked = false;
                        }
                        found.push(component);
                    }
                    continue;
                };
                calls.push((place, next + 1));
                if marks[*to].reached == 0 {
                    calls.push((*to, 0));
                } else if marks[*to].stacked {
                    marks[place].low = marks[place].low.min(marks[*to].reached);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn graph(settled: &[bool], edges: &[(usize, usize)]) -> Graph {
        let mut graph = Graph::default();
        for (number, settled) in settled.iter().enumerate() {
            graph.node(number, *settled);
        }
        for (from, to) in edges {
            graph.edge(*from, *to, SECOND);
        }
        graph
    }

    #[test]
    fn the_longest_way_to_the_last_unsettled_state_counts() {
        // 0 -> 1 -> 2 -> 3 and 0 -> 3, where 3 stays; 2 is the last that is unsettled.
        let edges = [(0, 1), (1, 2), (2, 3), (0, 3), (3, 3)];
        assert_eq!(graph(&[false, true, false, true], &edges).settles(), Ok(2 * SECOND));
        assert_eq!(graph(&[true, true, true, true], &edges).settles(), Ok(Duration::ZERO));
    }

    #[test]
    fn an_unsettled_state_on_a_cycle_or_behind_one_is_found() {
        let edges = [(0, 1), (1, 2), (2, 1)];
        assert_eq!(graph(&[false, true, true], &edges).settles(), Ok(Duration::ZERO));
        assert!(graph(&[false, true, false], &edges).settles().is_err());
        let behind = [(0, 1), (1, 0), (1, 2), (2, 2)];
        assert!(graph(&[true, true, false], &behind).settles().is_err());
        let behind = [(0, 0), (0, 1), (1, 2), (2, 2)];
        assert!(graph(&[true, false, true], &behind).settles().is_err());
    }
}
