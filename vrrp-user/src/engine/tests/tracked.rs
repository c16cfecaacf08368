//! What a router makes of scripts, files, processes, delays of links and a source address.
use super::*;
use crate::config::program::Program;
use crate::config::tracked::{LinkDelay, Script, Track, TrackedFile, TrackedProcess};
use crate::engine::snapshot::{Fault, Kind, Known, Reason, Weight};

pub(super) fn script(name: &str) -> Script {
    let second = Duration::from_secs(1);
    Script {
        name: name.into(),
        origin: Default::default(),
        program: Program { words: vec!["true".into()], user: None, origin: Default::default() },
        interval: second,
        timeout: second,
        weight: 0,
        reverse: false,
        rise: 2,
        fall: 3,
        init_fail: false,
    }
}

pub(super) fn file(name: &str) -> TrackedFile {
    TrackedFile {
        name: name.into(),
        origin: Default::default(),
        path: "/f".into(),
        weight: 1,
        reverse: false,
        init: None,
    }
}

pub(super) fn processes(name: &str) -> TrackedProcess {
    TrackedProcess {
        name: name.into(),
        origin: Default::default(),
        command: vec!["httpd".into()],
        arguments: None,
        full_command: false,
        weight: 0,
        reverse: false,
        quorum: 2,
        quorum_max: Some(3),
        fork_delay: Duration::ZERO,
        terminate_delay: Duration::ZERO,
    }
}

pub(super) fn track(object: &str, weight: i16, reverse: bool) -> Track {
    Track { object: object.into(), weight, reverse }
}

fn told(succeeded: bool) -> Input {
    Input::Script { name: name("s"), succeeded }
}

fn holds(value: i64) -> Input {
    Input::File { name: name("f"), value }
}

fn running(count: u32) -> Input {
    Input::Processes { name: name("p"), count }
}

/// The fixture with one of each object, tracking what `change` says.
fn config(change: impl FnOnce(&mut Instance)) -> Config {
    let mut instance = fixture();
    change(&mut instance);
    Config {
        instances: vec![Arc::new(instance)],
        scripts: vec![Arc::new(script("s"))],
        files: vec![Arc::new(file("f"))],
        tracked: vec![Arc::new(processes("p"))],
        ..Config::default()
    }
}

fn by_script(weight: i16, reverse: bool) -> Config {
    config(|instance| instance.tracks.scripts = vec![track("s", weight, reverse)])
}

fn by_file(weight: i16, reverse: bool) -> Config {
    config(|instance| instance.tracks.files = vec![track("f", weight, reverse)])
}

fn by_process(weight: i16, reverse: bool) -> Config {
    config(|instance| instance.tracks.processes = vec![track("p", weight, reverse)])
}

fn start(config: Config) -> Rig {
    let mut rig = Rig::new();
    rig.tell(Input::Reload(Arc::new(config)));
    rig
}

fn fault(reason: Reason, object: &str) -> Fault {
    Fault { reason, object: object.into() }
}

impl Rig {
    fn faults(&self) -> Vec<Fault> {
        self.router().faults.into_iter().collect()
    }

    fn priority(&self) -> u8 {
        self.router().effective_priority.0
    }
}

#[test]
fn the_first_result_of_a_script_counts_at_once() {
    for good in [true, false] {
        let mut rig = start(by_script(0, false));
        // keepalived: nothing is said until then, and the router takes no part.
        assert_eq!(rig.state(), State::Initialize);
        assert!(rig.router().waits);
        assert_eq!(rig.faults(), [fault(Reason::Awaited, "script s")]);
        assert_eq!(rig.hear(PEER, 200), []);
        assert_eq!(rig.engine.deadline(), None);
        let outputs = rig.tell(told(good));
        let (to, why) = match good {
            true => (State::Backup, Why::Startup),
            false => (State::Fault, Why::Faulty(fault(Reason::Script, "s"))),
        };
        assert_eq!(outputs, [transition(State::Initialize, to, 100, why)]);
        assert!(!rig.router().waits);
    }
}

#[test]
fn later_results_count_when_there_are_enough_in_a_row() {
    let mut rig = start(by_script(0, false));
    rig.tell(told(true));
    // fall 3, rise 2; one that differs starts the count anew.
    for (succeeded, state) in [
        (false, State::Backup),
        (false, State::Backup),
        (true, State::Backup),
        (false, State::Backup),
        (false, State::Backup),
        (false, State::Fault),
        (true, State::Fault),
        (false, State::Fault),
        (true, State::Fault),
        (true, State::Backup),
    ] {
        rig.tell(told(succeeded));
        assert_eq!(rig.state(), state);
    }
}

#[test]
fn init_fail_is_a_fault_until_it_has_risen() {
    let mut config = by_script(0, false);
    config.scripts = vec![Arc::new(Script { init_fail: true, ..script("s") })];
    let mut rig = start(config);
    assert_eq!(rig.faults(), [fault(Reason::Script, "s")]);
    assert_eq!(rig.state(), State::Fault);
    rig.tell(told(true));
    assert_eq!(rig.state(), State::Fault);
    let known = Known::Script { good: Some(false), against: 1, needed: 2 };
    assert_eq!(rig.router().known, [(fault(Reason::Script, "s"), known)]);
    rig.tell(told(true));
    assert_eq!(rig.state(), State::Backup);
}

#[test]
fn a_reversed_script_faults_while_it_is_good() {
    let mut rig = start(by_script(0, true));
    rig.tell(told(true));
    assert_eq!(rig.faults(), [fault(Reason::Script, "s")]);
    for _ in 0..3 {
        rig.tell(told(false));
    }
    assert_eq!(rig.state(), State::Backup);
}

#[test]
fn a_weighted_script_holds_nobody_back_and_moves_timers_with_the_priority() {
    for (weight, reverse, unknown, good, bad) in [
        (20, false, 100, 120, 100),
        (-20, false, 100, 100, 80),
        (20, true, 100, 80, 100),
        (-20, true, 100, 100, 120),
    ] {
        let mut rig = start(by_script(weight, reverse));
        assert_eq!((rig.state(), rig.priority()), (State::Backup, unknown));
        rig.tell(told(true));
        assert_eq!(rig.priority(), good);
        rig.tell(told(false));
        rig.tell(told(false));
        assert_eq!(rig.priority(), good);
        rig.tell(told(false));
        assert_eq!(rig.priority(), bad);
        let skew = (256 - u64::from(bad)) * 1_000_000_000 / 256;
        assert_eq!(rig.wait(), 3000 * MS + Duration::from_nanos(skew));
    }
}

#[test]
fn an_advert_carries_what_tracking_makes_of_the_priority() {
    let mut rig = start(by_script(-30, false));
    rig.tell(told(true));
    rig.expire();
    for _ in 0..2 {
        rig.tell(told(false));
    }
    let outputs = rig.tell(told(false));
    let changed = Output::PriorityChanged { router: ROUTER, priority: Priority(70) };
    assert_eq!(outputs, [changed]);
    assert_eq!(rig.expire(), [advert(70)]);
    let weight = Weight {
        kind: Kind::Script,
        object: name("s"),
        amount: -30,
        known: Some(Known::Script { good: Some(false), against: 0, needed: 2 }),
    };
    assert_eq!(rig.router().weights, [weight]);
}

#[test]
fn a_file_is_a_fault_or_a_part_of_the_priority() {
    // (weight, reverse, value, priority or a fault)
    for (weight, reverse, value, expected) in [
        (0, false, 0, Some(100)),
        (0, false, 7, None),
        (0, false, -7, None),
        (0, true, 7, Some(100)),
        (0, true, 0, None),
        (1, false, 20, Some(120)),
        (1, true, 20, Some(80)),
        (-3, false, 20, Some(40)),
        (2, false, 1000, Some(254)),
        (1, false, -99, Some(1)),
        (1, false, -253, Some(1)),
        (1, false, -254, None),
        (254, false, -1, None),
        (254, false, 1, Some(254)),
        (254, true, 1, None),
        (254, false, i64::MIN, None),
        (-254, false, i64::MIN, Some(254)),
    ] {
        let mut rig = start(by_file(weight, reverse));
        assert_eq!(rig.faults(), [fault(Reason::Awaited, "file f")]);
        rig.tell(holds(value));
        let found = rig.faults().is_empty().then(|| rig.priority());
        assert_eq!(found, expected, "{weight} {reverse} {value}");
        if expected.is_none() {
            assert_eq!(rig.faults(), [fault(Reason::File, "f")]);
            assert_eq!(rig.priority(), 100);
        }
    }
}

#[test]
fn processes_have_a_quorum_and_a_most() {
    let mut rig = start(by_process(0, false));
    assert_eq!(rig.faults(), [fault(Reason::Awaited, "process p")]);
    for (count, good) in [(2, true), (1, false), (3, true), (4, false), (2, true), (0, false)] {
        rig.tell(running(count));
        assert_eq!(rig.faults().is_empty(), good, "{count}");
    }
    let known = Known::Process { count: Some(0), quorum: 2, quorum_max: Some(3), changes: false };
    assert_eq!(rig.router().known, [(fault(Reason::Process, "p"), known)]);
}

#[test]
fn a_count_that_changes_must_last() {
    let mut config = by_process(0, false);
    let delays =
        TrackedProcess { fork_delay: 500 * MS, terminate_delay: 2000 * MS, ..processes("p") };
    config.tracked = vec![Arc::new(delays)];
    let mut rig = start(config);
    rig.tell(running(2));
    assert_eq!(rig.state(), State::Backup);
    rig.tell(running(1));
    assert_eq!(rig.wait(), 2000 * MS);
    // It was restarted in time.
    rig.pass(1000 * MS).tell(running(2));
    assert_eq!((rig.state(), rig.wait()), (State::Backup, 2_609_375 * MS / 1000));
    rig.tell(running(1));
    rig.tell(running(0));
    rig.expire();
    assert_eq!(rig.faults(), [fault(Reason::Process, "p")]);
    rig.tell(running(2));
    assert_eq!(rig.wait(), 500 * MS);
    rig.expire();
    assert_eq!(rig.state(), State::Backup);
    // One too many is a matter of forks too.
    rig.tell(running(4));
    assert_eq!(rig.wait(), 500 * MS);
}

#[test]
fn what_is_known_of_an_object_survives_a_reload() {
    let both = |rise| {
        let mut config = config(|instance| {
            instance.tracks.scripts = vec![track("s", 0, false)];
            instance.tracks.files = vec![track("f", 0, false)];
        });
        config.scripts = vec![Arc::new(Script { rise, ..script("s") })];
        config
    };
    let reload = |config: Config| Input::Reload(Arc::new(config));
    let mut rig = start(both(2));
    rig.tell(holds(0));
    rig.tell(told(false));
    rig.tell(told(true));
    // The object is the same: one success more is enough.
    rig.tell(reload(both(2)));
    rig.tell(told(true));
    assert_eq!(rig.state(), State::Backup);
    for _ in 0..3 {
        rig.tell(told(false));
    }
    assert_eq!(rig.state(), State::Fault);
    // It changed: what was known counts until the first result, and that at once.
    rig.tell(reload(both(7)));
    assert_eq!(rig.state(), State::Fault);
    rig.tell(told(true));
    assert_eq!(rig.state(), State::Backup);
    rig.tell(holds(1));
    assert_eq!(rig.faults(), [fault(Reason::File, "f")]);
}

#[test]
fn a_script_that_is_new_to_a_router_that_runs_does_not_stop_it() {
    let mut rig = start(config(|_| {}));
    rig.expire();
    assert_eq!(rig.state(), State::Active);
    assert_eq!(lines_of(&rig.tell(Input::Reload(Arc::new(by_script(0, false))))), 0);
    assert_eq!((rig.state(), rig.faults()), (State::Active, vec![]));
    rig.tell(told(false));
    assert_eq!(rig.state(), State::Fault);
}

fn lines_of(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Transition { .. })).count()
}

#[test]
fn results_of_what_nobody_tracks_change_nothing() {
    let mut rig = start(config(|_| {}));
    for input in [told(false), holds(-254), running(0)] {
        assert_eq!(rig.tell(input), []);
    }
    let stranger = Input::Script { name: name("x"), succeeded: false };
    assert_eq!(rig.tell(stranger), []);
    assert_eq!(rig.state(), State::Backup);
}

#[test]
fn a_link_that_comes_back_within_its_delay_was_never_down() {
    let mut config = config(|instance| {
        instance.excluded = vec![Vip { no_track: true, ..vip(44, "eth4") }];
    });
    let delay =
        |interface: &str| LinkDelay { interface: interface.into(), down: 300 * MS, up: 700 * MS };
    config.link_delays = vec![delay("eth0"), delay("eth4")];
    let mut rig = start(config);
    rig.expire();
    assert_eq!(rig.tell(down("eth0")), []);
    assert_eq!(rig.tell(down("eth4")), []);
    rig.pass(299 * MS);
    assert_eq!(rig.tell(up("eth0")), []);
    assert_eq!(rig.tell(up("eth4")), []);
    assert_eq!(rig.router().prevented, [0, 0, 0]);
    rig.tell(down("eth0"));
    let outputs = rig.pass(300 * MS).tell(Input::Deadline);
    let why = Why::Faulty(fault(Reason::Interface, "eth0"));
    assert!(outputs.contains(&transition(State::Active, State::Fault, 100, why)));
    assert_eq!(rig.tell(up("eth0")), []);
    assert_eq!(rig.wait(), 700 * MS);
    rig.expire();
    assert_eq!(rig.state(), State::Backup);
}

#[test]
fn a_fault_that_is_due_comes_before_a_takeover_that_is() {
    let mut config = config(|_| {});
    let (down_delay, up) = (3000 * MS, Duration::ZERO);
    config.link_delays = vec![LinkDelay { interface: name("eth0"), down: down_delay, up }];
    let mut rig = start(config);
    rig.tell(down("eth0"));
    // This process stood still.
    rig.pass(60_000 * MS).tell(Input::Deadline);
    assert_eq!(rig.state(), State::Fault);
    assert_eq!(rig.router().became_master, 0);
}

#[test]
fn a_tracked_source_address_must_be_there() {
    let tracked = config(|instance| {
        instance.source = Some(v4(99));
        instance.track_source = true;
    });
    let addresses = |hosts: &[u8]| Input::Addresses {
        name: name("eth0"),
        addresses: hosts.iter().map(|host| v4(*host)).collect(),
    };
    let mut rig = start(tracked);
    assert_eq!(rig.faults(), [fault(Reason::SourceMissing, "192.0.2.99 dev eth0")]);
    rig.tell(addresses(&[10, 99]));
    assert_eq!(rig.state(), State::Backup);
    rig.expire();
    let why = Why::Faulty(fault(Reason::SourceMissing, "192.0.2.99 dev eth0"));
    let outputs = rig.tell(addresses(&[10]));
    assert_eq!(outputs, [advert(0), own(false), transition(State::Active, State::Fault, 100, why)]);
}
