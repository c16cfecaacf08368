//! Whatever happens to links, addresses, scripts, files, processes, configuration and groups: are
//! faults, priorities and groups what the world says?
//!
//! What the world says is worked out here once more, by other means: a script by keepalived's
//! counter, everything else by looking at all of it after each step.
mod world;

use super::groups::{group, member};
use super::tracked::{file, processes, script, track};
use super::*;
use crate::config::model::TrackInterface;
use crate::config::tracked::{LinkDelay, Script, SyncGroup, Track, TrackedProcess, Tracks};
use crate::engine::snapshot::{Fault, Reason};
use crate::engine::timing;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use world::World;

const LINKS: [&str; 3] = ["eth0", "eth4", "eth5"];
const MEMBERS: [&str; 4] = ["A", "B", "C", "D"];
const SCRIPTS: [&str; 2] = ["s0", "s1"];
const FILES: [&str; 2] = ["f0", "f1"];
const PROCESSES: [&str; 2] = ["p0", "p1"];
const DELAY: Duration = Duration::from_millis(300);

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Serve,
    Advert { router: u32, host: u8, priority: u8 },
    Link { name: usize, kind: u8 },
    Addresses { name: usize, there: bool },
    Script { name: usize, succeeded: bool },
    File { name: usize, value: i64 },
    Processes { name: usize, count: u32 },
    Lost(u32),
    Reload { members: Vec<(u8, u16)>, groups: u8, tracks: u16 },
}

fn step() -> impl Strategy<Value = Step> {
    let members = prop::collection::vec((0u8..4, any::<u16>()), 0..5);
    prop_oneof![
        3 => (0u64..2_000_000_000).prop_map(Step::Pass),
        6 => Just(Step::Serve),
        4 => (0u32..4, 8u8..14, 90u8..110)
            .prop_map(|(router, host, priority)| Step::Advert { router, host, priority }),
        5 => (0usize..3, 0u8..4).prop_map(|(name, kind)| Step::Link { name, kind }),
        1 => (0usize..3, any::<bool>()).prop_map(|(name, there)| Step::Addresses { name, there }),
        5 => (0usize..2, any::<bool>())
            .prop_map(|(name, succeeded)| Step::Script { name, succeeded }),
        3 => (0usize..2, prop_oneof![-300i64..300, -2i64..3, Just(0), Just(i64::MIN)])
            .prop_map(|(name, value)| Step::File { name, value }),
        3 => (0usize..2, 0u32..5).prop_map(|(name, count)| Step::Processes { name, count }),
        1 => (0u32..4).prop_map(Step::Lost),
        2 => (members, any::<u8>(), any::<u16>())
            .prop_map(|(members, groups, tracks)| Step::Reload { members, groups, tracks }),
    ]
}

fn tracks(bits: u16) -> Tracks {
    let weight = |shift: u16| [0, 0, 0, -20, 20, 3, -1, 254][usize::from(bits >> shift & 7)];
    let one = |on: u16, names: [&str; 2], shift| {
        let reverse = bits >> (shift + 2) & 3 == 3;
        let object = names[usize::from(bits >> (shift + 1) & 1)];
        (bits >> on & 1 == 1).then(|| track(object, weight(shift), reverse)).into_iter().collect()
    };
    Tracks { scripts: one(0, SCRIPTS, 3), files: one(1, FILES, 6), processes: one(2, PROCESSES, 9) }
}

fn interfaces(bits: u16) -> Vec<TrackInterface> {
    let weight = [0, 0, -30, 30][usize::from(bits >> 12 & 3)];
    let of = |interface: &str| TrackInterface {
        interface: interface.into(),
        weight,
        reverse: bits >> 14 == 3,
    };
    (bits >> 14 & 1 == 1).then(|| of("eth5")).into_iter().collect()
}

fn configuration(members: &[(u8, u16)], groups: u8, shared: u16) -> Config {
    let mut instances = BTreeMap::new();
    for (number, bits) in members {
        let number = usize::from(*number);
        let priority = [100, 100, 50, 255][usize::from(bits >> 3 & 3)];
        let mut instance = member(MEMBERS[number], LINKS[number % 3], priority);
        instance.vrid = Vrid::new(*b"1234".get(number).unwrap()).unwrap();
        instance.preempt = bits & 1 == 0;
        instance.start_as_master = bits & 6 == 6;
        instance.tracks = tracks(bits.rotate_left(5));
        instance.track_interfaces = interfaces(bits.rotate_left(9));
        if bits & 0x700 == 0x700 {
            instance.source = Some(v4(99));
            instance.track_source = true;
        }
        if bits & 0x30 == 0x30 {
            instance.excluded = vec![Vip { no_track: bits & 8 != 0, ..vip(44, "eth4") }];
        }
        instances.insert(number, instance);
    }
    let delay = |shift: u8| if groups >> shift & 1 == 1 { DELAY } else { Duration::ZERO };
    let (down, up) = (delay(4), delay(5));
    let groups = [(0, "G", [0, 1]), (1, "H", [2, 3])].into_iter().filter_map(|(bit, name, of)| {
        // Two pairs, or all of them in one.
        let whole = groups & 12 == 12;
        let of = if whole { vec![0, 1, 2, 3] } else { of.to_vec() };
        let members: Vec<&str> =
            of.iter().filter(|n| instances.contains_key(n)).map(|n| MEMBERS[*n]).collect();
        let there = groups >> bit & 1 == 1 && !members.is_empty() && !(whole && bit == 1);
        there.then(|| SyncGroup {
            tracks: tracks(shared.rotate_left(bit)),
            track_interfaces: interfaces(shared.rotate_left(3 + bit)),
            ..group(name, &members)
        })
    });
    let slow = TrackedProcess { fork_delay: DELAY, terminate_delay: 2 * DELAY, ..processes("p1") };
    Config {
        groups: groups.map(Arc::new).collect(),
        instances: instances.into_values().map(Arc::new).collect(),
        scripts: vec![Arc::new(script("s0")), Arc::new(Script { init_fail: true, ..script("s1") })],
        files: FILES.map(|name| Arc::new(file(name))).to_vec(),
        tracked: vec![Arc::new(processes("p0")), Arc::new(slow)],
        link_delays: vec![LinkDelay { interface: "eth4".into(), down, up }],
        ..Config::default()
    }
}

fn agree(world: &World, engine: &Engine) -> Result<(), TestCaseError> {
    let mut own = BTreeMap::new();
    for instance in &world.config.instances {
        own.insert(instance.name.clone(), world.judge(instance));
    }
    for router in engine.snapshot() {
        let name = &router.instance.name;
        let (mut faults, priority) = own[name].clone();
        let group = world.group_of(&router.instance);
        for other in group.into_iter().flat_map(|group| &group.members) {
            if other != name && !own[other].0.is_empty() {
                faults.insert(Fault { reason: Reason::Member, object: other.clone() });
            }
        }
        prop_assert_eq!(&router.faults, &faults, "{}", name);
        prop_assert_eq!(router.effective_priority, priority, "{}", name);
        prop_assert_eq!(world.states[name], router.state);
        prop_assert_eq!(router.shown() == State::Fault, !faults.is_empty(), "{}", name);
        if router.state == State::Initialize {
            // It waits for news, and for nothing else.
            let of_own = |name: &Name| own[name].0.iter().all(|f| f.reason == Reason::Awaited);
            let members = group.map_or(vec![name.clone()], |group| group.members.clone());
            prop_assert!(router.waits && members.iter().all(of_own));
        }
        let down = timing::down_interval(Version::V3, router.master_interval, priority, 3);
        prop_assert_eq!(router.down_interval, down);
        if router.state == State::Backup {
            prop_assert!(router.deadline.unwrap() <= world.now + down);
        }
        if group.is_none() {
            prop_assert!(!router.ready);
        }
    }
    for group in &world.config.groups {
        let states: BTreeSet<State> =
            group.members.iter().map(|member| world.states[member]).collect();
        prop_assert_eq!(states.len(), 1, "{}: {:?}", group.name, states);
        let state = states.into_iter().next().unwrap();
        let told = world.told.get(&group.name).copied().unwrap_or(State::Initialize);
        prop_assert!(told == state || state == State::Initialize, "{}", group.name);
    }
    Ok(())
}

fn carry_out(world: &mut World, engine: &mut Engine, input: Input) -> Result<(), TestCaseError> {
    let before = engine.snapshot();
    let running = match input {
        Input::Reload(_) => world.of_running(),
        _ => Vec::new(),
    };
    let quiet =
        matches!(input, Input::Script { .. } | Input::File { .. } | Input::Processes { .. });
    engine.handle(world.now, input, &Stamp::default());
    while let Some(output) = engine.poll() {
        world.watch(&output);
    }
    world.fresh.retain(|name| !running.contains(name));
    agree(world, engine)?;
    // Of a group whose members are all new and wait nothing is told.
    for group in engine.groups().into_iter().filter(|group| group.state == State::Initialize) {
        world.told.remove(&group.name);
    }
    for old in before.iter().filter(|_| quiet) {
        let new = engine.router_snapshot(old.id).unwrap();
        if old.state == State::Backup && new.state == State::Backup && !old.ready && !new.ready {
            // The timer runs from the same moment, as long as the priority says now.
            let from = |router: &RouterSnapshot| {
                u128::from(router.deadline.unwrap().as_nanos()) - router.down_interval.as_nanos()
            };
            prop_assert_eq!(from(old), from(&new));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn faults_priorities_and_groups_are_what_the_world_says(
        first in (prop::collection::vec((0u8..4, any::<u16>()), 1..5), any::<u8>(), any::<u16>()),
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let now = Instant::from_nanos(1_000_000_000_000);
        let mut engine = Engine::new();
        let mut world = World {
            now,
            config: Config::default(),
            links: LINKS.map(|name| (name, (LinkState::Missing, now, false))).into(),
            bare: BTreeSet::new(),
            addresses: BTreeSet::new(),
            scripts: [("s0", None), ("s1", Some(0))].into(),
            files: FILES.map(|name| (name, None)).into(),
            processes: PROCESSES.map(|name| (name, (None, false, None))).into(),
            states: BTreeMap::new(),
            fresh: BTreeSet::new(),
            ids: BTreeMap::new(),
            told: BTreeMap::new(),
        };
        let start = LINKS.iter().enumerate().map(|(name, _)| Step::Link { name, kind: 3 });
        let (members, groups, tracks) = first;
        let load = Step::Reload { members, groups, tracks };
        for step in start.chain([load]).chain(steps) {
            let input = match step {
                Step::Pass(nanos) => {
                    world.now = world.now + Duration::from_nanos(nanos);
                    continue;
                }
                Step::Serve => {
                    world.now = engine.deadline().unwrap_or(world.now).max(world.now);
                    world.serve();
                    Input::Deadline
                }
                Step::Advert { router, host, priority } => Input::Advert(Advert {
                    router: RouterId(router),
                    at: world.now,
                    source: v4(host),
                    header: header(Version::V3, priority, 100),
                    same_addresses: true,
                    remarks: 0,
                }),
                Step::Link { name, kind } => {
                    let state = match kind {
                        0 => LinkState::Missing,
                        1 => LinkState::Down(addresses()),
                        2 => LinkState::Up(LinkAddresses::default()),
                        _ => LinkState::Up(addresses()),
                    };
                    world.link(LINKS[name], state);
                    Input::Link { name: LINKS[name].into(), state }
                }
                Step::Addresses { name, there } => {
                    if there {
                        world.addresses.insert(LINKS[name]);
                    } else {
                        world.addresses.remove(LINKS[name]);
                    }
                    let addresses = there.then(|| v4(99)).into_iter().collect();
                    Input::Addresses { name: LINKS[name].into(), addresses }
                }
                Step::Script { name, succeeded } => {
                    if !world.config.scripts.is_empty() {
                        world.script(SCRIPTS[name], succeeded);
                    }
                    Input::Script { name: SCRIPTS[name].into(), succeeded }
                }
                Step::File { name, value } => {
                    world.files.insert(FILES[name], Some(value));
                    Input::File { name: FILES[name].into(), value }
                }
                Step::Processes { name, count } => {
                    world.count(PROCESSES[name], count);
                    Input::Processes { name: PROCESSES[name].into(), count }
                }
                Step::Lost(router) => Input::Lost { router: RouterId(router), address: 0 },
                Step::Reload { members, groups, tracks } => {
                    world.config = configuration(&members, groups, tracks);
                    for name in LINKS {
                        world.links_count(name);
                    }
                    let kept = |name: &Name| {
                        world.config.groups.iter().any(|group| group.name == *name)
                    };
                    world.told.retain(|name, _| kept(name));
                    Input::Reload(Arc::new(world.config.clone()))
                }
            };
            carry_out(&mut world, &mut engine, input)?;
        }
    }
}
