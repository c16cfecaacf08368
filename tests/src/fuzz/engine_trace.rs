//! Does the engine keep its invariants whatever it is told, in whatever order?
use super::Choices;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use vrrp_common::ident::{Family, Priority, RouterId, Version, Vrid};
use vrrp_common::time::Instant;
use vrrp_common::wire::vrrp::Header;
use xvrrp::config::model::{Config, Globals, Instance, Name, Origin, TrackInterface};
use xvrrp::config::model::{Transport, Vip};
use xvrrp::config::program::{Notify, Program};
use xvrrp::config::tracked::{LinkDelay, Script, SyncGroup, Track, TrackedFile};
use xvrrp::config::tracked::{TrackedProcess, Tracks};
use xvrrp::engine::Engine;
use xvrrp::engine::input::{Advert, Heard, Input, LinkAddresses, LinkState, Stamp};
use xvrrp::engine::output::{Expectation, Output};
use xvrrp::engine::snapshot::State;

/// Inputs of the longest trace.
const LONGEST: usize = 400;

const LINKS: [&str; 3] = ["eth0", "eth4", "eth5"];

/// What one who sees only the outputs knows of a router.
#[derive(Default)]
struct Known {
    instance: Option<Arc<Instance>>,
    state: Option<State>,
    owns: bool,
    expects: Option<Expectation>,
    source: Option<IpAddr>,
    sent: u64,
    resigned: u64,
    rises: u64,
    falls: u64,
}

/// The same stamp for every router.
struct Stamped(Stamp);

impl Heard for Stamped {
    fn stamp(&self, _: RouterId) -> Stamp {
        self.0
    }
}

/// Plays one trace.
pub fn judge(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    // The second is told the same and must say the same: nothing depends on chance.
    let mut engines = [Engine::new(), Engine::new()];
    let mut known = BTreeMap::new();
    let mut stamp = Stamped(Stamp::default());
    let mut now = Instant::from_nanos(1_000_000_000_000);
    for _ in 0..LONGEST {
        if !choices.more() {
            break;
        }
        let Some(input) = next(&mut choices, &engines[0], &mut now, &mut stamp) else { continue };
        let served = matches!(input, Input::Deadline);
        let stranger = match &input {
            Input::Advert(Advert { router, .. })
            | Input::Lost { router, .. }
            | Input::Missed(router)
            | Input::Placed { router, .. }
            | Input::Demote { router, .. }
            | Input::Announce(router) => !known.contains_key(router),
            Input::Link { .. }
            | Input::Addresses { .. }
            | Input::Script { .. }
            | Input::File { .. }
            | Input::Processes { .. }
            | Input::Deadline
            | Input::Reload(_)
            | Input::Shutdown => false,
        };
        let told = engines.each_mut().map(|engine| {
            engine.handle(now, input.clone(), &stamp);
            std::iter::from_fn(|| engine.poll()).collect::<Vec<_>>()
        });
        let [outputs, again] = told;
        assert_eq!(outputs, again, "two engines differ after {input:?}");
        assert!(!stranger || outputs.is_empty(), "{input:?} is for nobody, and led to {outputs:?}");
        for output in outputs {
            watch(&mut known, output);
        }
        agree(&engines[0], &known);
        if served {
            let next = engines[0].deadline();
            assert!(next.is_none_or(|next| next > now), "a timer that does not move on");
        }
    }
}

/// What happens next; `None` where only time passes or the dataplane's memory changes.
fn next(
    choices: &mut Choices<'_>,
    engine: &Engine,
    now: &mut Instant,
    stamp: &mut Stamped,
) -> Option<Input> {
    let router = |choices: &mut Choices<'_>| RouterId(u32::from(choices.below(5)));
    match choices.below(16) {
        0 => {
            *now = *now + Duration::from_millis(u64::from(choices.word()));
            None
        }
        1..=4 => {
            // On time, or as late as a process that did not run.
            let late = [0, 0, 1, 900, 5_000, 60_000][usize::from(choices.below(6))];
            *now = engine.deadline().unwrap_or(*now).max(*now) + Duration::from_millis(late);
            Some(Input::Deadline)
        }
        5..=8 => {
            let router = router(choices);
            let host = 8 + choices.below(5);
            let priority = match choices.byte() {
                ordinary @ 0..100 => 95 + ordinary % 10,
                other => [0, 0, 1, 254, 255][usize::from(other % 5)],
            };
            let version = if choices.coin() { 3 } else { 2 };
            let age = Duration::from_millis(u64::from(choices.below(4)) * 700);
            let interval = [0, 1, 10, 100, 300][usize::from(choices.below(5))];
            let [high, low] = if version == 3 { u16::to_be_bytes(interval) } else { [0, 1] };
            let header = Header([version << 4 | 1, 10, priority, 1, high, low, 0, priority]);
            Some(Input::Advert(Advert {
                router,
                at: *now - age,
                source: v4(host),
                header,
                same_addresses: choices.coin(),
                remarks: u32::from(choices.below(32)),
            }))
        }
        9 => {
            let age = Duration::from_millis(u64::from(choices.word()) / 16);
            stamp.0 = Stamp { at: *now - age, generation: u32::from(choices.below(24)) };
            None
        }
        10 | 11 => {
            let name = LINKS[usize::from(choices.below(3))].into();
            let addresses = LinkAddresses {
                v4: Some(Ipv4Addr::new(192, 0, 2, 10 + choices.below(2))),
                v6: Some("fe80::10".parse().expect("an address")),
            };
            let state = match choices.below(5) {
                0 => LinkState::Missing,
                1 => LinkState::Down(addresses),
                2 => LinkState::Up(LinkAddresses::default()),
                _ => LinkState::Up(addresses),
            };
            Some(Input::Link { name, state })
        }
        12 => Some(Input::Lost { router: router(choices), address: usize::from(choices.below(4)) }),
        13 => match choices.below(8) {
            0 => Some(Input::Shutdown),
            1 => Some(Input::Placed { router: router(choices), placed: choices.coin() }),
            2 => Some(Input::Missed(router(choices))),
            3 => {
                let hold = Duration::from_millis(u64::from(choices.below(8)) * 700);
                Some(Input::Demote { router: router(choices), hold })
            }
            4 => {
                let (name, succeeded) = (track_name(choices, "s"), choices.coin());
                Some(Input::Script { name, succeeded })
            }
            5 => {
                let name = track_name(choices, "f");
                let value = [0, 1, -1, 30, -254, i64::MIN][usize::from(choices.below(6))];
                Some(Input::File { name, value })
            }
            6 => {
                let (name, count) = (track_name(choices, "p"), u32::from(choices.below(5)));
                Some(Input::Processes { name, count })
            }
            _ => Some(Input::Announce(router(choices))),
        },
        _ => {
            let instances =
                (0..4).filter_map(|number| instance(choices, number).map(Arc::new)).collect();
            let startup_delay = Duration::from_millis(u64::from(choices.below(3)) * 1500);
            let globals = Globals { startup_delay, ..Globals::default() };
            Some(Input::Reload(Arc::new(tracking(choices, globals, instances))))
        }
    }
}

/// One of the two objects of a kind.
fn track_name(choices: &mut Choices<'_>, kind: &str) -> Name {
    format!("{kind}{}", choices.below(2)).into()
}

/// A configuration with objects to track, delays of a link and perhaps a sync group.
fn tracking(
    choices: &mut Choices<'_>,
    globals: Globals,
    mut instances: Vec<Arc<Instance>>,
) -> Config {
    let bits = choices.byte();
    let second = Duration::from_secs(1);
    let program = || Program { words: vec!["x".into()], user: None, origin: Origin::default() };
    let script = |name: &str| Script {
        name: name.into(),
        origin: Origin::default(),
        program: program(),
        interval: second,
        timeout: second,
        weight: 0,
        reverse: false,
        rise: 1 + u32::from(bits & 1),
        fall: 1 + u32::from(bits >> 1 & 1),
        init_fail: name == "s1",
    };
    let file = |name: &str| TrackedFile {
        name: name.into(),
        origin: Origin::default(),
        path: name.into(),
        weight: 1,
        reverse: false,
        init: None,
    };
    let processes = |name: &str| TrackedProcess {
        name: name.into(),
        origin: Origin::default(),
        command: vec![name.into()],
        arguments: None,
        full_command: false,
        weight: 0,
        reverse: false,
        quorum: 1,
        quorum_max: (bits & 4 != 0).then_some(3),
        fork_delay: if bits & 8 != 0 { second } else { Duration::ZERO },
        terminate_delay: if bits & 16 != 0 { second } else { Duration::ZERO },
    };
    let mut tracks = || {
        let mut some = |kind: &str| -> Vec<Track> {
            let weight = match choices.below(8) {
                0 => 0,
                1 => 20,
                2 => -20,
                3 => -254,
                _ => return Vec::new(),
            };
            let (object, reverse) = (track_name(choices, kind), choices.coin());
            vec![Track { object, weight, reverse }]
        };
        Tracks { scripts: some("s"), files: some("f"), processes: some("p") }
    };
    for instance in &mut instances {
        let tracks = tracks();
        *instance = Arc::new(Instance { tracks, ..(**instance).clone() });
    }
    let members: Vec<Name> =
        instances.iter().take(usize::from(bits >> 5 & 3) + 1).map(|i| i.name.clone()).collect();
    let group = (bits & 128 != 0 && !members.is_empty()).then(|| SyncGroup {
        name: "G".into(),
        origin: Origin::default(),
        members,
        track_interfaces: Vec::new(),
        tracks: tracks(),
        tracking_weight: false,
        notify: Notify::default(),
        notify_priority_changes: None,
    });
    Config {
        globals,
        instances,
        groups: group.map(Arc::new).into_iter().collect(),
        scripts: ["s0", "s1"].map(|name| Arc::new(script(name))).to_vec(),
        files: ["f0", "f1"].map(|name| Arc::new(file(name))).to_vec(),
        tracked: ["p0", "p1"].map(|name| Arc::new(processes(name))).to_vec(),
        link_delays: vec![LinkDelay { interface: "eth4".into(), down: second, up: second / 2 }],
        ..Config::default()
    }
}

fn v4(host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, host))
}

/// The instance number `number` of a configuration, or none. Names repeat, so instances change.
fn instance(choices: &mut Choices<'_>, number: u8) -> Option<Instance> {
    let kind = choices.below(8);
    if kind > 3 {
        return None;
    }
    let [bits, more, timing] = [choices.byte(), choices.byte(), choices.byte()];
    let vrid = Vrid::new(number + 1 + (more & 1) * 8)?;
    let family = if more & 2 != 0 { Family::V6 } else { Family::V4 };
    let mut instance = Instance::new(format!("vr{number}"), "eth0", vrid, family);
    if more & 4 != 0 {
        instance.version = Version::V3;
    }
    instance.priority = Priority([100, 100, 101, 255][usize::from(kind)]);
    instance.drops_other_lists = instance.version == Version::V2 && more & 8 != 0;
    instance.preempt = bits & 1 == 0;
    instance.start_as_master = bits & 2 != 0;
    instance.dont_track_primary = bits & 4 != 0;
    if bits & 8 != 0 {
        instance.preempt_delay = Duration::from_millis(2500);
    }
    if bits & 16 != 0 {
        let weight = [0, -3, 3, -254][usize::from(timing >> 6)];
        let track = |interface: &str| TrackInterface {
            interface: interface.into(),
            weight,
            reverse: more & 8 != 0,
        };
        instance.track_interfaces = vec![track("eth4"), track("eth0")];
        instance.track_interfaces.truncate(usize::from(1 + (more >> 4 & 1)));
    }
    let vip =
        |host: u8, dev: &str| Vip { no_track: bits & 128 != 0, ..Vip::new(v4(host), 24, dev) };
    instance.addresses = vec![vip(1, "eth0")];
    if bits & 64 != 0 {
        instance.excluded = vec![vip(44, "eth5")];
    }
    if more & 32 != 0 {
        let peer =
            |host| xvrrp::config::model::Peer { address: v4(host), min_ttl: 0, max_ttl: 255 };
        instance.transport = Transport::Unicast { peers: vec![peer(9)], ttl: 255 };
    }
    instance.source = (more & 64 != 0).then(|| v4(10));
    instance.answer_lower = bits & 32 != 0;
    instance.answer_higher = more & 128 != 0;
    instance.owner_ignore_adverts = timing & 32 != 0;
    instance.advert_interval = Duration::from_secs([1, 1, 2, 255][usize::from(timing & 3)]);
    instance.garp.refresh = Duration::from_millis(u64::from(timing >> 2 & 3) * 1100);
    if timing & 16 != 0 {
        instance.garp.delay = Duration::ZERO;
        instance.garp.lower_delay = Duration::ZERO;
    }
    Some(instance)
}

/// Carries an output out. Panics where it makes no sense.
fn watch(known: &mut BTreeMap<RouterId, Known>, output: Output) {
    if let Output::Started { router, instance } = output {
        known.entry(router).or_default().instance = Some(instance);
        return;
    }
    if let Output::Stopped { router } = output {
        let gone = known.remove(&router).expect("it was started");
        assert!(!gone.owns && gone.expects.is_none(), "{router:?} left something behind");
        return;
    }
    match output {
        Output::Started { .. } | Output::Stopped { .. } | Output::GroupTransition { .. } => {}
        Output::Source { router, source } => {
            let known = of(known, router);
            assert_ne!(known.source, source, "a change that is none");
            known.source = source;
        }
        Output::Advert { router, priority } => {
            let known = of(known, router);
            assert!(known.source.is_some(), "an advert from nowhere");
            known.sent += 1;
            if priority == Priority::RELEASE {
                assert!(known.owns, "only a master resigns");
                known.resigned += 1;
            }
        }
        Output::Own { router, own, announce } => {
            let known = of(known, router);
            assert!(own || known.owns, "it gave up what it did not have");
            assert!(own || announce == 0);
            known.owns = own;
        }
        Output::Announce { router, times } => assert!(of(known, router).owns && times > 0),
        Output::AnnounceElsewhere { router } => assert!(of(known, router).owns),
        Output::Expect { router, expectation } => of(known, router).expects = expectation,
        Output::Transition { router, from, to, .. } => {
            let known = of(known, router);
            assert_eq!(known.state.unwrap_or(State::Initialize), from);
            assert_ne!(from, to);
            known.rises += u64::from(to == State::Active);
            known.falls += u64::from(from == State::Active);
            known.state = Some(to);
        }
        Output::PriorityChanged { router, .. }
        | Output::LowerHeard { router }
        | Output::Remark { router, .. } => {
            of(known, router);
        }
    }
}

/// What is known of a router; outputs are of routers that exist.
fn of(known: &mut BTreeMap<RouterId, Known>, router: RouterId) -> &mut Known {
    known.get_mut(&router).expect("it was started")
}

/// What the outputs said is what the engine says of itself.
fn agree(engine: &Engine, known: &BTreeMap<RouterId, Known>) {
    let routers = engine.snapshot();
    assert_eq!(routers.len(), known.len());
    let first = routers.iter().filter_map(|router| router.deadline).min();
    // It wakes for links and processes, too.
    let next = engine.deadline();
    assert!(first.is_none_or(|first| next <= Some(first)), "it wakes for the first of its routers");
    for group in engine.groups() {
        let members = routers.iter().filter(|r| r.group.as_ref() == Some(&group.name));
        let mut states = members.map(|router| router.state);
        assert!(states.all(|state| state == group.state), "members of {} differ", group.name);
    }
    for router in routers {
        let known = &known[&router.id];
        let state = router.state;
        assert_eq!(known.state.unwrap_or(State::Initialize), state);
        assert_eq!(known.instance.as_ref(), Some(&router.instance));
        assert_eq!(known.source, router.source);
        assert_eq!(known.sent, router.adverts_sent);
        assert_eq!(known.resigned, router.priority_zero_sent);
        assert_eq!((known.rises, known.falls), (router.became_master, router.released_master));
        assert_eq!(known.owns, state == State::Active, "who has the addresses is the master");
        assert_eq!(engine.find(&router.instance.name), Some(router.id));
        if state != State::Initialize {
            assert_eq!(state == State::Fault, !router.faults.is_empty());
        }
        let priority = router.effective_priority;
        assert_ne!(priority, Priority::RELEASE);
        assert_eq!(priority == Priority::OWNER, router.instance.priority == Priority::OWNER);
        if let Some(expectation) = known.expects {
            assert_eq!(state, State::Backup, "only a backup finds adverts boring");
            let (heard, preempts) = (
                expectation.header.priority(),
                router.instance.preempt || priority == Priority::OWNER,
            );
            assert_ne!(heard, Priority::RELEASE);
            assert!(heard == Priority::OWNER || !router.instance.drops_other_lists);
            assert!(!preempts || heard >= priority, "{heard} would be preempted by {priority}");
        }
        assert_eq!(
            router.deadline.is_none(),
            match state {
                State::Backup | State::Active => false,
                State::Fault => true,
                State::Initialize => router.deadline.is_none(),
            }
        );
    }
}
