//! What is the state of the whole LAN, and what can happen in it next?
//!
//! What happens to one node at one instant does not touch what happens to another at that instant,
//! for every packet takes a tick at least. So nodes have turns within an instant, and nothing is
//! missed by not mixing them.
use super::Scenario;
use crate::sim::fabric::Packet;
use crate::sim::node::{Deed, Node, Path};
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;
use vrrp_common::ident::Priority;
use vrrp_common::time::Instant;
use xvrrp::engine::snapshot::{RouterSnapshot, State};

const START: Instant = Instant::from_nanos(1_000_000_000_000);

/// The whole of it.
#[derive(Clone)]
pub struct World {
    now: Instant,
    nodes: Vec<Rc<Node>>,
    flight: Vec<Flight>,
    /// Whose turn it is.
    turn: usize,
    /// No fault happens any more.
    calm: bool,
    paused: Option<(usize, Instant)>,
    losses: Option<u8>,
    pauses: u8,
    crashes: u8,
}

#[derive(Clone)]
struct Flight {
    to: usize,
    sent: Instant,
    packet: Rc<Packet>,
}

/// One thing that can happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A process starts.
    Start(usize),
    /// It dies.
    Crash(usize),
    /// It stands still.
    Pause(usize),
    /// It goes on.
    Resume(usize),
    /// Its timer ends.
    Expire(usize),
    /// The packet at this place arrives.
    Deliver(usize),
    /// It is lost.
    Lose(usize),
    /// The next node, or the next instant.
    Next,
    /// From now on nothing goes wrong.
    Calm,
}

impl World {
    /// Before anything has happened.
    pub fn new(scenario: &Scenario) -> Self {
        let path = Path::Fast(Duration::ZERO);
        let node = |(instance, host)| Rc::new(Node::new(host, path, vec![instance]));
        let nodes = scenario.instances.iter().cloned().zip(10..).map(node).collect();
        let faults = scenario.faults;
        let mut world = Self {
            now: START,
            nodes,
            flight: Vec::new(),
            turn: 0,
            calm: false,
            paused: None,
            losses: faults.losses,
            pauses: faults.pauses,
            crashes: faults.crashes,
        };
        if !scenario.staggered {
            for node in 0..world.nodes.len() {
                world.act(node, |node, now, deeds| node.start(now, deeds));
            }
        }
        world
    }

    /// Two worlds with the same go on alike.
    pub fn key(&self) -> u128 {
        let mut halves = [0; 2];
        for (half, salt) in halves.iter_mut().zip([0x9e37_79b9_u32, 0x85eb_ca6b]) {
            let mut hasher = DefaultHasher::new();
            salt.hash(&mut hasher);
            self.digest(&mut hasher);
            *half = hasher.finish();
        }
        u128::from(halves[0]) << 64 | u128::from(halves[1])
    }

    fn digest(&self, into: &mut impl Hasher) {
        for node in &self.nodes {
            node.digest(self.now, into);
        }
        self.flight.len().hash(into);
        for Flight { to, sent, packet } in &self.flight {
            (to, self.now.since(*sent), packet.source, packet.header.0).hash(into);
        }
        let paused = self.paused.map(|(node, since)| (node, self.now.since(since)));
        (self.turn, self.calm, paused, self.losses, self.pauses, self.crashes).hash(into);
    }

    /// Whether the faults have stopped.
    pub fn is_calm(&self) -> bool {
        self.calm
    }

    /// Time since the beginning.
    pub fn time(&self) -> Duration {
        self.now.since(START)
    }

    /// Everything that can happen next.
    pub fn steps(&self, scenario: &Scenario) -> Vec<Step> {
        let (turn, tick) = (self.turn, scenario.tick());
        let node = &self.nodes[turn];
        let mut steps = Vec::new();
        // What cannot wait: no time passes before it.
        let mut must = false;
        for (place, flight) in self.flight.iter().enumerate() {
            let age = self.now.since(flight.sent);
            if flight.to != turn || age < tick * scenario.delay[0] {
                continue;
            }
            steps.push(Step::Deliver(place));
            if !self.calm && self.losses.is_none_or(|left| left > 0) {
                steps.push(Step::Lose(place));
            }
            must |= age >= tick * scenario.delay[1];
        }
        if node.deadline().is_some_and(|deadline| deadline <= self.now) {
            steps.push(Step::Expire(turn));
            must = true;
        }
        match self.paused {
            Some((paused, since)) if paused == turn => {
                steps.push(Step::Resume(turn));
                must |= self.now.since(since) >= tick * scenario.faults.longest_pause;
            }
            None if !self.calm && self.pauses > 0 && node.alive() => {
                steps.push(Step::Pause(turn));
            }
            Some(_) | None => {}
        }
        if node.alive() {
            if !self.calm && self.crashes > 0 && self.paused.is_none() {
                steps.push(Step::Crash(turn));
            }
        } else {
            steps.push(Step::Start(turn));
        }
        if turn == 0 && !self.calm && self.paused.is_none() && self.nodes.iter().all(|n| n.alive())
        {
            steps.push(Step::Calm);
        }
        if !must {
            steps.push(Step::Next);
        }
        steps
    }

    /// Does one thing.
    pub fn step(&mut self, step: Step, scenario: &Scenario) {
        match step {
            Step::Start(node) => self.act(node, |node, now, deeds| node.start(now, deeds)),
            Step::Crash(node) => {
                self.crashes -= 1;
                self.act(node, |node, _, _| node.kill());
                self.flight.retain(|flight| flight.to != node);
            }
            Step::Pause(node) => {
                self.pauses -= 1;
                self.paused = Some((node, self.now));
                self.act(node, |node, _, _| node.paused = true);
            }
            Step::Resume(node) => {
                self.paused = None;
                self.act(node, |node, now, deeds| node.resume(now, deeds));
            }
            Step::Expire(node) => self.act(node, |node, now, deeds| node.wake(now, deeds)),
            Step::Deliver(place) => {
                let Flight { to, packet, .. } = self.flight.remove(place);
                self.act(to, |node, now, deeds| node.receive(now, &packet, deeds));
            }
            Step::Lose(place) => {
                self.flight.remove(place);
                self.losses = self.losses.map(|left| left - 1);
            }
            Step::Calm => {
                self.calm = true;
                // What was left to go wrong does not matter any more.
                (self.losses, self.pauses, self.crashes) = (Some(0), 0, 0);
            }
            Step::Next => {
                self.turn += 1;
                if self.turn == self.nodes.len() {
                    self.turn = 0;
                    self.pass(scenario);
                }
            }
        }
    }

    /// Time passes: a tick, or to the next timer where nothing can happen before. (A fault between
    /// two events does what it does right after the first of them.)
    fn pass(&mut self, scenario: &Scenario) {
        let idle =
            self.flight.is_empty() && self.paused.is_none() && self.nodes.iter().all(|n| n.alive());
        let next = self.nodes.iter().filter_map(|node| node.deadline()).min();
        let tick = scenario.tick();
        self.now = match next.filter(|_| idle) {
            Some(next) => next.max(self.now),
            None => self.now + tick,
        };
        let off = self.time().as_nanos() % tick.as_nanos();
        assert_eq!(off, 0, "{:?} is no whole number of ticks", self.time());
    }

    fn act(&mut self, index: usize, what: impl FnOnce(&mut Node, Instant, &mut Vec<Deed>)) {
        let mut deeds = Vec::new();
        what(Rc::make_mut(&mut self.nodes[index]), self.now, &mut deeds);
        for deed in deeds {
            if let Deed::Sent(packet) = deed {
                let packet = Rc::new(packet);
                for to in 0..self.nodes.len() {
                    if to != index && self.nodes[to].alive() {
                        self.flight.push(Flight { to, sent: self.now, packet: packet.clone() });
                    }
                }
            }
        }
    }

    /// Whether time passes next, so that everything of this instant has happened.
    pub fn ends_instant(&self, step: Step) -> bool {
        step == Step::Next && self.turn + 1 == self.nodes.len()
    }

    /// Living nodes with their router.
    fn routers(&self) -> impl Iterator<Item = (usize, RouterSnapshot)> {
        let routers = |(index, node): (usize, &Rc<Node>)| {
            node.snapshot().into_iter().next().map(|router| (index, router))
        };
        self.nodes.iter().enumerate().filter_map(routers)
    }

    fn masters(&self) -> Vec<(usize, RouterSnapshot)> {
        self.routers().filter(|(_, router)| router.state == State::Active).collect()
    }

    /// Whether at most one is Active.
    pub fn at_most_one(&self) -> Result<(), String> {
        match self.masters().len() {
            0 | 1 => Ok(()),
            masters => Err(format!("{masters} are Active")),
        }
    }

    /// Whether of every two that are Active the worse has an advert of the better on its way to it.
    pub fn worse_will_hear(&self) -> Result<(), String> {
        let masters = self.masters();
        let rank = |router: &RouterSnapshot| (router.effective_priority, router.source);
        for (worse, low) in &masters {
            for (better, high) in masters.iter().filter(|(_, high)| rank(high) > rank(low)) {
                let told = |flight: &Flight| {
                    flight.to == *worse
                        && Some(flight.packet.source) == high.source
                        && flight.packet.header.priority() == high.effective_priority
                };
                if !self.flight.iter().any(told) {
                    return Err(format!(
                        "nodes {better} and {worse} are Active, and nothing tells {worse} so"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether exactly one is Active, the others Backup, and none of them would preempt it.
    pub fn settled(&self) -> bool {
        let masters = self.masters();
        let [(master, active)] = &masters[..] else { return false };
        self.routers().filter(|(index, _)| index != master).all(|(_, router)| {
            let preempts = router.instance.preempt || router.effective_priority == Priority::OWNER;
            router.state == State::Backup
                && (!preempts || router.effective_priority <= active.effective_priority)
        })
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9.3?}", self.time())?;
        for (index, node) in self.nodes.iter().enumerate() {
            let router = node.snapshot().into_iter().next();
            let state = router.map_or("dead".to_owned(), |router| router.state.to_string());
            let paused = if node.paused { " (paused)" } else { "" };
            write!(f, " | {index} {state}{paused}")?;
        }
        write!(f, " | {} in flight", self.flight.len())
    }
}
