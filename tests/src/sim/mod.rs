//! A LAN of engines in one process, with a clock that jumps to whatever happens next.
//!
//! Everything is drawn from a seed: the routers, the wire's faults, what is done to the nodes. A
//! packet's fate depends on the seed and its place in its sender's stream alone, so two runs of
//! one plan that send the same adverts see the same wire.
pub mod fabric;
pub mod node;
pub mod plan;
pub mod random;
pub mod trace;

use fabric::{Fabric, Rules};
use node::{Deed, Node, Path};
use plan::{Act, Plan};
use std::time::Duration;
use trace::Trace;
use vrrp_common::time::Instant;
use xvrrp::engine::output::Why;
use xvrrp::engine::snapshot::{RouterSnapshot, State};

/// When the clock starts: not at zero, which means never.
const START: Instant = Instant::from_nanos(1_000_000_000_000);

/// A change of state somewhere on the LAN.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Time since the start.
    pub at: Duration,
    /// Whose.
    pub node: usize,
    /// Of which router.
    pub name: String,
    /// From this.
    pub from: State,
    /// To this.
    pub to: State,
    /// Why.
    pub why: Why,
}

/// The LAN.
pub struct Lan<'t> {
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Every change of state so far.
    pub changes: Vec<Change>,
    /// Adverts sent so far.
    pub sent: u64,
    now: Instant,
    fabric: Fabric,
    script: std::vec::IntoIter<(Duration, Act)>,
    trace: &'t mut Trace,
}

impl<'t> Lan<'t> {
    /// The LAN of a plan, whose nodes all hear adverts the same way.
    pub fn new(plan: &Plan, path: Path, trace: &'t mut Trace) -> Self {
        let nodes: Vec<Node> = plan
            .nodes
            .iter()
            .map(|(host, instances)| {
                let mut node = Node::new(*host, path, instances.clone());
                node.groups = plan.groups.clone();
                node
            })
            .collect();
        for (index, node) in nodes.iter().enumerate() {
            for instance in &node.instances {
                trace.note(START, || {
                    format!(
                        "node {index} .{:<3} {} {:?}{} {:?} priority {} every {:?}{}{}",
                        node.host,
                        instance.name,
                        instance.version,
                        if instance.v2_interop { "+V2" } else { "" },
                        instance.family,
                        instance.priority,
                        instance.advert_interval,
                        if instance.preempt { "" } else { " nopreempt" },
                        if instance.start_as_master { " MASTER" } else { "" },
                    )
                });
            }
        }
        let fabric = Fabric::new(plan.seed, nodes.len(), Rules::CALM);
        let script = plan.script.clone().into_iter();
        Self { nodes, changes: Vec::new(), sent: 0, now: START, fabric, script, trace }
    }

    /// Lets time pass until so long after the start.
    ///
    /// Errs when the LAN never comes to rest at one point in time.
    pub fn run(&mut self, until: Duration) -> Result<(), String> {
        let end = START + until;
        let mut steps_at_once = 0;
        loop {
            let act = self.script.as_slice().first().map(|(at, _)| START + *at);
            let deadlines = self.nodes.iter().map(Node::deadline);
            let next =
                deadlines.chain([act, self.fabric.next()]).flatten().min().filter(|at| *at <= end);
            let Some(next) = next else { break };
            steps_at_once = if next > self.now { 0 } else { steps_at_once + 1 };
            if steps_at_once > 10_000 {
                return Err(format!("no rest at {:?}", self.now.since(START)));
            }
            self.now = self.now.max(next);
            self.step();
        }
        self.now = self.now.max(end);
        Ok(())
    }

    /// Everything that happens now: first what is done to the LAN, then packets, then deadlines,
    /// as a process does that reads what has come before it looks at its timers.
    fn step(&mut self) {
        let mut deeds = Vec::new();
        while self.script.as_slice().first().is_some_and(|(at, _)| START + *at <= self.now) {
            let Some((_, act)) = self.script.next() else { break };
            self.act(act);
        }
        while let Some((to, packet)) = self.fabric.arrive(self.now) {
            self.trace.note(self.now, || {
                format!(
                    "  node {to} hears {} in version {} vrid {} priority {}",
                    packet.source,
                    packet.header.version(),
                    packet.header.vrid(),
                    packet.header.priority()
                )
            });
            self.nodes[to].receive(self.now, &packet, &mut deeds);
            self.done(to, &mut deeds);
        }
        for index in 0..self.nodes.len() {
            if self.nodes[index].deadline().is_some_and(|at| at <= self.now) {
                self.nodes[index].wake(self.now, &mut deeds);
                self.done(index, &mut deeds);
            }
        }
    }

    fn act(&mut self, act: Act) {
        self.trace.note(self.now, || format!("{act:?}"));
        let (now, mut deeds) = (self.now, Vec::new());
        let index = match act {
            Act::Start(node) => {
                self.nodes[node].start(now, &mut deeds);
                node
            }
            Act::Kill(node) => {
                self.nodes[node].kill();
                node
            }
            Act::Stop(node) => {
                self.nodes[node].stop(now, &mut deeds);
                node
            }
            Act::Pause(node) => {
                self.nodes[node].paused = true;
                node
            }
            Act::Resume(node) => {
                self.nodes[node].resume(now, &mut deeds);
                node
            }
            // What needs the process wakes it first.
            Act::Link(node, name, up) => {
                self.nodes[node].resume(now, &mut deeds);
                self.nodes[node].set_link(now, name, up, &mut deeds);
                node
            }
            Act::Priority(node, router, priority) => {
                self.nodes[node].resume(now, &mut deeds);
                self.nodes[node].instances[router].priority = priority;
                self.nodes[node].reload(now, &mut deeds);
                node
            }
            Act::Lose(node, router) => {
                self.nodes[node].resume(now, &mut deeds);
                self.nodes[node].lose(now, router, &mut deeds);
                node
            }
            Act::Split(sides) => return self.fabric.sides = sides,
            Act::Cut(lan, sides) => {
                self.fabric.cuts.insert(lan.into(), sides);
                return;
            }
            Act::Wire(rules) => return self.fabric.rules = rules,
        };
        self.done(index, &mut deeds);
    }

    fn done(&mut self, node: usize, deeds: &mut Vec<Deed>) {
        for deed in deeds.drain(..) {
            match deed {
                Deed::Sent(packet) => {
                    self.trace.note(self.now, || {
                        format!(
                            "  node {node} sends vrid {} priority {}",
                            packet.header.vrid(),
                            packet.header.priority()
                        )
                    });
                    self.sent += 1;
                    self.fabric.send(self.now, node, &packet);
                }
                Deed::Changed { name, from, to, why } => {
                    self.trace
                        .note(self.now, || format!("node {node} {name}: {from} -> {to} ({why:?})"));
                    let at = self.now.since(START);
                    self.changes.push(Change { at, node, name, from, to, why });
                }
            }
        }
    }

    /// The routers of one name on living nodes, with their nodes.
    pub fn routers(&self, name: &str) -> Vec<(usize, RouterSnapshot)> {
        let mut found = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let routers =
                node.snapshot().into_iter().filter(|router| &*router.instance.name == name);
            found.extend(routers.map(|router| (index, router)));
        }
        found
    }
}
