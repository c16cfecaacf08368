//! Which states can be reached, and does what must hold in each of them hold?
use super::Scenario;
use super::graph::Graph;
use super::world::{Step, World};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

/// What must hold whenever an instant is over.
pub type Safety = fn(&World) -> Result<(), String>;

/// What a search found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// Different states.
    pub states: usize,
    /// Ways from one to the next.
    pub steps: usize,
    /// Of these states, those after the last fault.
    pub calm: usize,
    /// The longest time from the last fault until exactly one router is Active and stays so.
    pub settles: Duration,
}

/// A state that was met: where it was met from, and by which step.
struct Met {
    from: usize,
    step: Step,
}

/// Everything that was met so far.
struct Search<'s> {
    scenario: &'s Scenario,
    numbers: HashMap<u128, usize>,
    met: Vec<Met>,
    queue: VecDeque<(usize, World)>,
    /// The states after the last fault.
    graph: Graph,
    steps: usize,
}

/// In which order states are gone on from. What is found must not depend on it: of two states with
/// one digest the first to be met stands for both, and this makes it another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The first first, so that the way to a state is the shortest.
    Breadth,
    /// The last first.
    Depth,
}

/// Meets every state. Errs with the way to the first one in which `safety` does not hold, or from
/// which the system need not settle.
pub fn search(scenario: &Scenario, order: Order, safety: Safety) -> Result<Found, String> {
    let mut search = Search {
        scenario,
        numbers: HashMap::new(),
        met: Vec::new(),
        queue: VecDeque::new(),
        graph: Graph::default(),
        steps: 0,
    };
    search.meet(World::new(scenario), 0, Step::Next);
    let next = |queue: &mut VecDeque<_>| match order {
        Order::Breadth => queue.pop_front(),
        Order::Depth => queue.pop_back(),
    };
    while let Some((number, world)) = next(&mut search.queue) {
        for step in world.steps(scenario) {
            if world.ends_instant(step)
                && let Err(why) = safety(&world)
            {
                return Err(format!("{}\n{why}", search.way(number)));
            }
            let mut next = world.clone();
            next.step(step, scenario);
            search.steps += 1;
            let passed = next.time() - world.time();
            let calm = next.is_calm() && world.is_calm();
            let to = search.meet(next, number, step);
            if calm {
                search.graph.edge(number, to, passed);
            }
        }
    }
    match search.graph.settles() {
        Ok(settles) => Ok(Found {
            states: search.met.len(),
            steps: search.steps,
            calm: search.graph.len(),
            settles,
        }),
        Err(number) => Err(format!("{}\nfrom here it need not settle", search.way(number))),
    }
}

/// Meets every state by every way that leads to it, and says how many there are. Errs with the first
/// that is taken for another, though other states follow from it.
pub fn compare(scenario: &Scenario) -> Result<usize, String> {
    let follow = |world: &World| -> Vec<(Step, u128)> {
        let next = |step| {
            let mut next = world.clone();
            next.step(step, scenario);
            (step, next.key())
        };
        world.steps(scenario).into_iter().map(next).collect()
    };
    let start = World::new(scenario);
    let mut met = HashMap::from([(start.key(), (start.clone(), follow(&start)))]);
    let mut queue = VecDeque::from([start]);
    while let Some(world) = queue.pop_front() {
        for step in world.steps(scenario) {
            let mut next = world.clone();
            next.step(step, scenario);
            let follows = follow(&next);
            match met.entry(next.key()) {
                Entry::Vacant(fresh) => {
                    fresh.insert((next.clone(), follows));
                    queue.push_back(next);
                }
                Entry::Occupied(known) => {
                    let (other, same) = known.get();
                    let mut pairs = follows.iter().zip(same);
                    if let Some((way, _)) = pairs.find(|(one, other)| one != other) {
                        return Err(format!("{next}\nis taken for\n{other}\nbut {way:?}"));
                    }
                }
            }
        }
    }
    Ok(met.len())
}

impl Search<'_> {
    /// Notes a state; its number.
    fn meet(&mut self, world: World, from: usize, step: Step) -> usize {
        let fresh = self.met.len();
        let number = *self.numbers.entry(world.key()).or_insert(fresh);
        if number == fresh {
            self.met.push(Met { from, step });
            if world.is_calm() {
                self.graph.node(number, world.settled());
            }
            self.queue.push_back((number, world));
        }
        number
    }

    /// The shortest way to a state, for a person to read.
    fn way(&self, mut number: usize) -> String {
        let mut steps = Vec::new();
        while number != 0 {
            let Met { from, step } = self.met[number];
            steps.push(step);
            number = from;
        }
        let mut world = World::new(self.scenario);
        let mut text = format!("{world}\n");
        for step in steps.into_iter().rev() {
            world.step(step, self.scenario);
            if step != Step::Next {
                let _ = writeln!(text, "{world} | {step:?}");
            }
        }
        text
    }
}
