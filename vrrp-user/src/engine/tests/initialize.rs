//! RFC 9568 section 6.4.1: what a router does when it starts.
use super::*;

#[test]
fn the_owner_advertises_first_then_takes_its_addresses() {
    let mut rig = Rig::new();
    let outputs = rig.load([Instance { priority: Priority::OWNER, ..fixture() }]);
    assert!(matches!(outputs[0], Output::Started { router: ROUTER, .. }));
    assert_eq!(
        outputs[1..],
        [
            Output::Source { router: ROUTER, source: Some(v4(10)) },
            advert(255),
            own(true),
            transition(State::Initialize, State::Active, 255, Why::Startup),
        ]
    );
    assert_eq!(rig.wait(), 1000 * MS);
}

#[test]
fn a_backup_starts_in_silence_with_its_own_down_interval() {
    let mut rig = Rig::new();
    let outputs = rig.load([fixture()]);
    assert_eq!(
        outputs[1..],
        [
            Output::Source { router: ROUTER, source: Some(v4(10)) },
            transition(State::Initialize, State::Backup, 100, Why::Startup),
        ]
    );
    assert_eq!(rig.wait(), Duration::from_nanos(3_609_375_000));
    assert_eq!(rig.router().master_interval, 1000 * MS);
}

#[test]
fn state_master_does_not_wait() {
    let rig = Rig::with(Instance { start_as_master: true, ..fixture() });
    assert_eq!(rig.state(), State::Active);
}

#[test]
fn an_owner_that_must_not_preempt_preempts() {
    let mut rig = Rig::with(Instance { priority: Priority::OWNER, preempt: false, ..fixture() });
    assert_eq!(rig.hear(PEER, 254), [advert(255), announce(5), lower_heard()]);
    assert_eq!(rig.state(), State::Active);
}

#[test]
fn an_advert_before_the_start_changes_nothing() {
    let mut rig = Rig::new();
    let config = Config {
        instances: vec![Arc::new(fixture())],
        globals: crate::config::model::Globals { startup_delay: 7000 * MS, ..Default::default() },
        ..Config::default()
    };
    rig.tell(Input::Reload(Arc::new(config)));
    assert_eq!(rig.state(), State::Initialize);
    rig.pass(500 * MS);
    assert_eq!(rig.hear(PEER, 200), []);
    assert_eq!(rig.hear(PEER, 0), []);
    assert_eq!(rig.wait(), 6500 * MS);
    let outputs = rig.expire();
    assert_eq!(outputs, [transition(State::Initialize, State::Backup, 100, Why::Startup)]);
    assert_eq!(rig.wait(), Duration::from_nanos(3_609_375_000));
}

#[test]
fn a_fault_that_is_there_at_the_end_of_the_startup_delay_counts() {
    let mut rig = Rig::new();
    let globals = crate::config::model::Globals { startup_delay: 7000 * MS, ..Default::default() };
    let instances = vec![Arc::new(fixture())];
    rig.tell(Input::Reload(Arc::new(Config { instances, globals, ..Config::default() })));
    assert_eq!(rig.tell(down("eth0")), []);
    rig.expire();
    assert_eq!(rig.state(), State::Fault);
}

#[test]
fn the_configured_source_wins_over_the_interfaces_own() {
    let mut rig = Rig::new();
    let outputs = rig.load([Instance { source: Some(v4(99)), ..fixture() }]);
    assert!(outputs.contains(&Output::Source { router: ROUTER, source: Some(v4(99)) }));
    let mut v6 = Instance::new("six", "eth0", Vrid::new(10).unwrap(), Family::V6);
    v6.addresses = Vec::new();
    let outputs = rig.load([v6]);
    let link_local = Some("fe80::10".parse().unwrap());
    assert!(outputs.contains(&Output::Source { router: ROUTER, source: link_local }));
}

#[test]
fn shutdown_is_silent_in_backup_and_resigns_in_active() {
    let mut rig = Rig::with(fixture());
    assert_eq!(
        rig.tell(Input::Shutdown),
        [
            transition(State::Backup, State::Initialize, 100, Why::Shutdown),
            Output::Stopped { router: ROUTER },
        ]
    );
    let mut rig = Rig::active(fixture());
    assert_eq!(rig.router().priority_zero_sent, 0);
    assert_eq!(
        rig.tell(Input::Shutdown),
        [
            advert(0),
            own(false),
            transition(State::Active, State::Initialize, 100, Why::Shutdown),
            Output::Stopped { router: ROUTER },
        ]
    );
    assert_eq!(rig.engine.deadline(), None);
}
