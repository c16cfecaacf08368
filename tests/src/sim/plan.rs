//! Which routers are on the LAN, and what goes wrong there: all of it drawn from a seed.
use super::fabric::Rules;
use super::random::{self, Random};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use vrrp_common::ident::{Family, Priority, Version, Vrid};
use xvrrp::config::model::{Instance, TrackInterface, Vip};
use xvrrp::config::tracked::SyncGroup;
use xvrrp::engine::timing;

/// Something that is done to the LAN.
#[derive(Clone, Debug)]
pub enum Act {
    /// A process starts.
    Start(usize),
    /// A process dies without a word.
    Kill(usize),
    /// A process ends with priority 0.
    Stop(usize),
    /// A process stands still.
    Pause(usize),
    /// And goes on.
    Resume(usize),
    /// An interface of a node works, or does not.
    Link(usize, &'static str, bool),
    /// The LAN falls apart: who is on the other side.
    Split(Vec<bool>),
    /// The LAN on one interface does, and no other.
    Cut(&'static str, Vec<bool>),
    /// A router of a node gets another priority, in place.
    Priority(usize, usize, Priority),
    /// Someone removes an address of a router.
    Lose(usize, usize),
    /// The wire is as these rules say.
    Wire(Rules),
}

/// A scenario.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where it came from.
    pub seed: u64,
    /// Last address byte and routers of each node; each node has the same virtual routers.
    pub nodes: Vec<(u8, Vec<Instance>)>,
    /// Sync groups, the same on each node.
    pub groups: Vec<Arc<SyncGroup>>,
    /// What is done, in order of time since the start.
    pub script: Vec<(Duration, Act)>,
    /// When the last fault is over.
    pub calm: Duration,
    /// And by when the election must be as well.
    pub settled: Duration,
    /// The longest interval between adverts.
    pub interval: Duration,
}

/// What may happen in a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weather {
    /// Everything, for thirty intervals.
    Foul,
    /// Nothing after the start.
    Fair,
}

impl Plan {
    /// The scenario of a seed.
    pub fn random(seed: u64, weather: Weather) -> Self {
        let mut random = random::of(&[seed]);
        let interval =
            Duration::from_millis(random.pick(&[10, 10, 20, 50, 100, 500, 1000, 1000, 3000]));
        let count = 2 + random.below(4);
        let routers = 1 + random.below(3);
        let mixed = random.chance(1, 5);
        let shapes: Vec<_> = (0..routers).map(|n| shape(&mut random, n, interval)).collect();
        let mut hosts: Vec<u8> = Vec::new();
        while (hosts.len() as u64) < count {
            // Both halves of the byte, so that a signed comparison would be caught.
            let host = u8::try_from(20 + random.below(220)).unwrap_or(20);
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        let nodes: Vec<_> = hosts
            .into_iter()
            .map(|host| {
                let mut instances = shapes.clone();
                for instance in &mut instances {
                    vary(&mut random, instance, mixed);
                }
                (host, instances)
            })
            .collect();
        let mut plan = Self {
            seed,
            nodes,
            groups: Vec::new(),
            script: Vec::new(),
            calm: interval,
            settled: Duration::ZERO,
            interval,
        };
        plan.interval = plan.longest_interval();
        for node in 0..plan.nodes.len() {
            let start = part(plan.interval, random.below(800));
            plan.script.push((start, Act::Start(node)));
        }
        if weather == Weather::Foul {
            plan.storm(&mut random);
        }
        plan.script.sort_by_key(|(at, _)| *at);
        plan.settled = plan.calm + plan.settling_time();
        plan
    }

    /// The longest Active_Down_Interval any of the routers can have.
    pub fn longest_down_interval(&self) -> Duration {
        let in_seconds = self.instances().filter(|instance| instance.v2_interop);
        let longest = in_seconds.map(Instance::interval_v2).max().unwrap_or_default();
        timing::down_interval(Version::V3, self.interval.max(longest), Priority(1), 3)
            + Duration::from_secs(1) * u32::from(self.has_version_2())
    }

    fn has_version_2(&self) -> bool {
        self.instances().any(|instance| instance.version == Version::V2)
    }

    fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.nodes.iter().flat_map(|(_, instances)| instances)
    }

    fn longest_interval(&self) -> Duration {
        self.instances().map(|instance| instance.advert_interval).max().unwrap_or_default()
    }

    /// Three down intervals, what may still be on the wire, and every patience there is.
    fn settling_time(&self) -> Duration {
        let patience = self.instances().map(|instance| instance.preempt_delay).max();
        3 * self.longest_down_interval() + 2 * self.interval + patience.unwrap_or_default()
    }

    /// Thirty intervals of faults, and the end of each of them.
    fn storm(&mut self, random: &mut Random) {
        let thousandths = 30_000;
        self.calm = part(self.interval, thousandths);
        let wire = Rules {
            least_delay: Duration::from_micros(30),
            jitter: part(self.interval, random.pick(&[1, 20, 300, 2000])),
            loss: random.pick(&[0, 0, 50, 200, 400]),
            double: random.pick(&[0, 100]),
        };
        self.script.push((Duration::ZERO, Act::Wire(wire)));
        let nodes = self.nodes.len();
        for _ in 0..random.below(24) {
            let at = part(self.interval, 1000 + random.below(thousandths - 1000));
            let pick = |random: &mut Random, bound: usize| {
                usize::try_from(random.below(bound as u64)).unwrap_or(0)
            };
            let node = pick(random, nodes);
            let router = pick(random, self.nodes[node].1.len());
            let act = match random.below(14) {
                0 | 1 => Act::Start(node),
                2 => Act::Kill(node),
                3 => Act::Stop(node),
                4..6 => Act::Pause(node),
                6 | 7 => Act::Resume(node),
                8 => Act::Link(node, "eth0", random.chance(1, 2)),
                9 => Act::Link(node, "eth4", random.chance(1, 2)),
                10 => Act::Split((0..nodes).map(|_| random.chance(1, 2)).collect()),
                11 | 12 => Act::Priority(node, router, priority(random)),
                _ => Act::Lose(node, router),
            };
            self.script.push((at, act));
        }
        for node in 0..nodes {
            self.script.push((self.calm, Act::Resume(node)));
            self.script.push((self.calm, Act::Link(node, "eth0", true)));
        }
        self.script.push((self.calm, Act::Split(vec![false; nodes])));
        self.script.push((self.calm, Act::Wire(Rules::CALM)));
        // Someone must be there to be elected.
        self.script.push((self.calm, Act::Start(0)));
    }
}

/// So many thousandths of a duration.
pub fn part(whole: Duration, thousandths: u64) -> Duration {
    let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(nanos / 1000 * thousandths)
}

/// What all routers of a virtual router agree on.
fn shape(random: &mut Random, number: u64, interval: Duration) -> Instance {
    let seconds = interval.subsec_nanos() == 0;
    let (version, family) = match random.below(3) {
        0 if seconds => (Version::V2, Family::V4),
        1 => (Version::V3, Family::V6),
        _ => (Version::V3, Family::V4),
    };
    let byte = u8::try_from(number + 1).unwrap_or(1);
    let vrid = Vrid::new(byte).unwrap_or_else(|| unreachable!("counted from one"));
    let mut instance = Instance::new(format!("vr{byte}"), "eth0", vrid, family);
    let address = match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(192, 0, 2, byte)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, u16::from(byte))),
    };
    instance.version = version;
    instance.v2_interop = (version, family) == (Version::V3, Family::V4) && random.chance(1, 2);
    instance.answer_lower = version == Version::V3;
    instance.advert_interval = interval;
    instance.addresses = vec![Vip::new(address, 24, "eth0")];
    instance
}

/// What each may set differently.
fn vary(random: &mut Random, instance: &mut Instance, mixed: bool) {
    instance.priority = priority(random);
    instance.preempt = random.chance(3, 4);
    instance.start_as_master = random.chance(1, 8);
    instance.answer_higher = random.chance(1, 8);
    if random.chance(1, 6) {
        instance.preempt_delay = part(instance.advert_interval, 1 + random.below(6000));
    }
    if mixed && instance.version == Version::V3 {
        let times = random.pick(&[1, 2, 3]);
        instance.advert_interval *= times;
    }
    // One that was not replaced yet. It takes its own interval only.
    let seconds = instance.advert_interval.subsec_nanos() == 0;
    if instance.v2_interop && seconds && !mixed && random.chance(1, 3) {
        instance.version = Version::V2;
        instance.v2_interop = false;
        instance.answer_lower = false;
    }
    if random.chance(1, 4) {
        instance.track_interfaces = vec![TrackInterface {
            interface: "eth4".into(),
            weight: random.pick(&[-50, -1, 20]),
            reverse: random.chance(1, 4),
        }];
    }
}

/// Few values, so that equal ones are common, and neighbours.
fn priority(random: &mut Random) -> Priority {
    Priority(random.pick(&[1, 50, 99, 100, 100, 100, 101, 150, 200, 254, 255]))
}
