//! Whatever happens to links, addresses, scripts, files, processes, configuration and groups: are
//! faults, priorities and groups what the world says?
//!
//! What the world says is worked out here once more, by other means: a script by keepalived's
//! counter, everything else by looking at all of it after each step.
use super::groups::{group, member};
use super::tracked::{file, processes, script, track};
use super::*;
use crate::config::model::TrackInterface;
use crate::config::tracked::{LinkDelay, Script, SyncGroup, Track, TrackedProcess, Tracks};
use crate::engine::snapshot::{Fault, Reason};
use crate::engine::timing;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

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

/// The world as it is, and what is known of it.
struct World {
    now: Instant,
    config: Config,
    /// What each link is like, since when, and whether it counts as up.
    links: BTreeMap<&'static str, (LinkState, Instant, bool)>,
    /// Links that had no address when they last worked.
    bare: BTreeSet<&'static str>,
    addresses: BTreeSet<&'static str>,
    /// keepalived's counter, good from `rise` on.
    scripts: BTreeMap<&'static str, Option<u32>>,
    files: BTreeMap<&'static str, Option<i64>>,
    /// Count, whether it counts as good, and when the opposite will.
    processes: BTreeMap<&'static str, (Option<u32>, bool, Option<Instant>)>,
    states: BTreeMap<Name, State>,
    /// Routers that have not been backup or master since they were made.
    fresh: BTreeSet<Name>,
    ids: BTreeMap<RouterId, Name>,
    told: BTreeMap<Name, State>,
}

impl World {
    fn script(&mut self, name: &'static str, succeeded: bool) {
        let (rise, fall) = (2, 3);
        let counter = self.scripts.get_mut(name).unwrap();
        let Some(result) = counter else {
            *counter = Some(if succeeded { rise + fall - 1 } else { 0 });
            return;
        };
        *result = match succeeded {
            true if *result + 1 < rise => *result + 1,
            true => rise + fall - 1,
            false if *result > rise => *result - 1,
            false => 0,
        };
    }

    fn count(&mut self, name: &'static str, count: u32) {
        let now = self.now;
        let (before, good, due) = self.processes.get_mut(name).unwrap();
        let is_good = (2..=3).contains(&count);
        let delay = match (name, *before) {
            ("p1", Some(before)) if count > before => DELAY,
            ("p1", Some(_)) => 2 * DELAY,
            _ => Duration::ZERO,
        };
        if is_good == *good || delay.is_zero() {
            (*good, *due) = (is_good, None);
        } else {
            due.get_or_insert(now + delay);
        }
        *before = Some(count);
    }

    fn link(&mut self, name: &'static str, state: LinkState) {
        let now = self.now;
        let (before, since, up) = self.links.get_mut(name).unwrap();
        let is_up = |state: &LinkState| matches!(state, LinkState::Up(_));
        if is_up(before) != is_up(&state) {
            *since = now;
        }
        *before = state;
        match state {
            LinkState::Up(addresses) if addresses == LinkAddresses::default() => {
                self.bare.insert(name);
            }
            LinkState::Up(_) => {
                self.bare.remove(name);
            }
            LinkState::Down(_) | LinkState::Missing => {}
        }
        if state == LinkState::Missing {
            *up = false;
        }
        self.links_count(name);
    }

    fn links_count(&mut self, name: &'static str) {
        let (state, since, up) = self.links.get_mut(name).unwrap();
        let is_up = matches!(state, LinkState::Up(_));
        let delay = self.config.link_delays.iter().find(|delay| *delay.interface == *name);
        let wait = delay.map_or(Duration::ZERO, |d| if is_up { d.up } else { d.down });
        if self.now >= *since + wait {
            *up = is_up;
        }
    }

    /// What is due has come.
    fn serve(&mut self) {
        for name in LINKS {
            self.links_count(name);
        }
        for (_, good, due) in self.processes.values_mut() {
            if due.is_some_and(|due| due <= self.now) {
                (*good, *due) = (!*good, None);
            }
        }
    }

    fn up(&self, name: &Name) -> bool {
        self.links.get(&**name).is_some_and(|(_, _, up)| *up)
    }

    fn group_of(&self, instance: &Instance) -> Option<&SyncGroup> {
        let mut groups = self.config.groups.iter();
        groups.find(|group| group.members.contains(&instance.name)).map(Arc::as_ref)
    }

    /// Own lines and the group's; of two about one object the group's, but an own one without weight.
    fn lines<T: Clone>(
        &self,
        instance: &Instance,
        own: &[T],
        of: impl Fn(&SyncGroup) -> Vec<T>,
        key: impl Fn(&T) -> (Name, i16),
    ) -> Vec<T> {
        let mut lines: BTreeMap<Name, T> = BTreeMap::new();
        for line in self.group_of(instance).map(of).unwrap_or_default() {
            lines.insert(key(&line).0, line);
        }
        for line in own {
            if key(line).1 == 0 || !lines.contains_key(&key(line).0) {
                lines.insert(key(line).0, line.clone());
            }
        }
        lines.into_values().collect()
    }

    /// Own faults of an instance, and its priority.
    fn judge(&self, instance: &Instance) -> (BTreeSet<Fault>, Priority) {
        let mut faults = BTreeSet::new();
        let mut sum = i64::from(instance.priority.0);
        let mut fault = |reason, object: &str| {
            faults.insert(Fault { reason, object: object.into() });
        };
        let interface = &instance.interface;
        if !self.up(interface) {
            fault(Reason::Interface, interface);
        } else if instance.source.is_none() && self.bare.contains(&**interface) {
            fault(Reason::NoSource, interface);
        }
        if instance.track_source && !self.addresses.contains(&**interface) {
            fault(Reason::SourceMissing, &format!("192.0.2.99 dev {interface}"));
        }
        for vip in instance.vips() {
            if !vip.no_track && vip.dev != *interface && !self.up(&vip.dev) {
                fault(Reason::AddressInterface, &format!("{}/24 dev {}", vip.address, vip.dev));
            }
        }
        let mut weigh = |weight: i16, reverse: bool, good: bool| {
            if good == (weight > 0) {
                sum += i64::from(weight) * if reverse { -1 } else { 1 };
            }
        };
        let lines = self.lines(
            instance,
            &instance.track_interfaces,
            |group| group.track_interfaces.clone(),
            |track| (track.interface.clone(), track.weight),
        );
        for track in lines {
            let up = self.up(&track.interface);
            match track.weight {
                0 if up == track.reverse => fault(Reason::TrackedInterface, &track.interface),
                0 => {}
                weight => weigh(weight, track.reverse, up),
            }
        }
        let waits = self.fresh.contains(&instance.name);
        let objects = |of: fn(&Tracks) -> &Vec<Track>| {
            let key = |track: &Track| (track.object.clone(), track.weight);
            self.lines(instance, of(&instance.tracks), |group| of(&group.tracks).clone(), key)
        };
        for Track { object, weight, reverse } in objects(|tracks| &tracks.scripts) {
            match (self.scripts[&*object].map(|result| result >= 2), weight) {
                (Some(good), 0) if good == reverse => fault(Reason::Script, &object),
                (None, 0) if waits => fault(Reason::Awaited, &format!("script {object}")),
                (_, 0) | (None, _) => {}
                (Some(good), weight) => weigh(weight, reverse, good),
            }
        }
        for Track { object, weight, reverse } in objects(|tracks| &tracks.processes) {
            let (count, good, _) = self.processes[&*object];
            match (count.map(|_| good), weight) {
                (Some(good), 0) if good == reverse => fault(Reason::Process, &object),
                (None, _) if waits => fault(Reason::Awaited, &format!("process {object}")),
                (_, 0) | (None, _) => {}
                (Some(good), weight) => weigh(weight, reverse, good),
            }
        }
        for Track { object, weight, reverse } in objects(|tracks| &tracks.files) {
            let Some(value) = self.files[&*object] else {
                if waits {
                    fault(Reason::Awaited, &format!("file {object}"));
                }
                continue;
            };
            let status = i128::from(value) * i128::from(weight) * if reverse { -1 } else { 1 };
            match weight {
                0 if (value == 0) == reverse => fault(Reason::File, &object),
                _ if status <= -254 => fault(Reason::File, &object),
                _ => sum += i64::try_from(status.min(253)).unwrap(),
            }
        }
        let priority = match instance.priority {
            Priority::OWNER => Priority::OWNER,
            _ => Priority(u8::try_from(sum.clamp(1, 254)).unwrap()),
        };
        (faults, priority)
    }

    fn watch(&mut self, output: &Output) {
        match output {
            Output::Started { router, instance } => {
                if self.ids.insert(*router, instance.name.clone()).is_none() {
                    self.states.insert(instance.name.clone(), State::Initialize);
                    self.fresh.insert(instance.name.clone());
                }
            }
            Output::Stopped { router } => {
                let name = self.ids.remove(router).unwrap();
                self.states.remove(&name);
                self.fresh.remove(&name);
            }
            Output::Transition { router, from, to, .. } => {
                let name = self.ids[router].clone();
                assert_eq!(self.states.insert(name.clone(), *to), Some(*from));
                if matches!(to, State::Backup | State::Active) {
                    self.fresh.remove(&name);
                }
            }
            Output::GroupTransition { group, to } => {
                assert_ne!(self.told.insert(group.clone(), *to), Some(*to));
            }
            _ => {}
        }
    }

    /// Members of groups that run: whoever joins them is taken for one that runs, too.
    fn of_running(&self) -> Vec<Name> {
        let runs =
            |member: &Name| matches!(self.states.get(member), Some(State::Backup | State::Active));
        let groups = self.config.groups.iter().filter(|group| group.members.iter().any(runs));
        groups.flat_map(|group| group.members.clone()).collect()
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
                router.deadline.unwrap().as_nanos() - router.down_interval.as_nanos() as u64
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
