//! What a router makes of its interfaces, and of an address that was taken from it.
use super::*;
use crate::config::model::{Route, TrackInterface};
use crate::engine::snapshot::{Fault, Kind, Reason, Weight};

const ETH4: &str = "192.0.2.44/24 dev eth4";

fn fault(reason: Reason, object: &str) -> Fault {
    Fault { reason, object: object.into() }
}

fn with_address(no_track: bool) -> Instance {
    let mut instance = fixture();
    instance.excluded = vec![Vip { no_track, ..vip(44, "eth4") }];
    instance
}

fn tracking(weight: i16, reverse: bool) -> Instance {
    let interface = name("eth4");
    Instance { track_interfaces: vec![TrackInterface { interface, weight, reverse }], ..fixture() }
}

fn route(no_track: bool) -> Route {
    Route {
        via: Some(v4(254)),
        dev: Some(name("eth4")),
        no_track,
        ..Route::to(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)
    }
}

/// Who can neither hear nor speak must not become master, and starts when it can.
#[test]
fn a_router_without_a_place_is_in_fault() {
    let mut rig = Rig::with(fixture());
    let placed = |placed| Input::Placed { router: ROUTER, placed };
    assert_eq!(rig.tell(placed(true)), []);
    let fault = fault(Reason::Dataplane, "eth0");
    let outputs = rig.tell(placed(false));
    assert!(outputs.contains(&transition(
        State::Backup,
        State::Fault,
        100,
        Why::Faulty(fault.clone())
    )));
    assert_eq!(rig.engine.deadline(), None);
    // It is one reason of several.
    rig.tell(down("eth0"));
    rig.tell(up("eth0"));
    assert_eq!(rig.router().faults, [fault].into());
    let outputs = rig.tell(placed(true));
    assert!(outputs.contains(&transition(State::Fault, State::Backup, 100, Why::Recovered)));
    // A master resigns.
    let mut rig = Rig::active(fixture());
    assert!(rig.tell(placed(false)).contains(&advert(0)));
    assert_eq!(rig.state(), State::Fault);
}

#[test]
fn a_dead_interface_ends_the_mastership_without_a_word() {
    let mut rig = Rig::active(fixture());
    let why = Why::Faulty(fault(Reason::Interface, "eth0"));
    assert_eq!(
        rig.tell(down("eth0")),
        [own(false), transition(State::Active, State::Fault, 100, why)]
    );
    assert_eq!(rig.engine.deadline(), None);
    assert_eq!(rig.hear(PEER, 200), []);
    assert_eq!(
        rig.tell(up("eth0")),
        [transition(State::Fault, State::Backup, 100, Why::Recovered)]
    );
    assert_eq!(rig.wait(), Duration::from_nanos(3_609_375_000));
}

#[test]
fn a_dead_tracked_interface_is_told_to_the_others() {
    let mut rig = Rig::active(tracking(0, false));
    let why = Why::Faulty(fault(Reason::TrackedInterface, "eth4"));
    assert_eq!(
        rig.tell(gone("eth4")),
        [advert(0), own(false), transition(State::Active, State::Fault, 100, why)]
    );
}

#[test]
fn a_reversed_tracked_interface_faults_while_it_works() {
    let mut rig = Rig::with(tracking(0, true));
    assert_eq!(rig.state(), State::Fault);
    rig.tell(down("eth4"));
    assert_eq!(rig.state(), State::Backup);
}

#[test]
fn the_owner_returns_at_once() {
    let mut rig = Rig::active(Instance { priority: Priority::OWNER, ..fixture() });
    rig.tell(down("eth0"));
    assert_eq!(
        rig.tell(up("eth0")),
        [advert(255), own(true), transition(State::Fault, State::Active, 255, Why::Recovered)]
    );
}

#[test]
fn all_faults_must_go() {
    let mut rig = Rig::active(tracking(0, false));
    rig.tell(down("eth4"));
    assert_eq!(rig.tell(down("eth0")), []);
    assert_eq!(
        rig.router().faults.into_iter().collect::<Vec<_>>(),
        [fault(Reason::Interface, "eth0"), fault(Reason::TrackedInterface, "eth4")]
    );
    assert_eq!(rig.tell(up("eth4")), []);
    rig.tell(up("eth0"));
    assert_eq!(rig.state(), State::Backup);
}

#[test]
fn an_interface_without_an_address_to_send_from_is_a_fault() {
    let mut rig = Rig::with(fixture());
    let state = LinkState::Up(LinkAddresses::default());
    let outputs = rig.tell(Input::Link { name: name("eth0"), state });
    assert_eq!(outputs[0], Output::Source { router: ROUTER, source: None });
    assert!(rig.router().faults.contains(&fault(Reason::NoSource, "eth0")));
    rig.load([Instance { source: Some(v4(99)), ..fixture() }]);
    assert_eq!(rig.state(), State::Backup);
}

#[test]
fn dont_track_primary_covers_the_primary_interface_alone() {
    let mut instance = with_address(false);
    instance.dont_track_primary = true;
    let mut rig = Rig::active(instance);
    assert_eq!(rig.tell(down("eth0")), []);
    rig.tell(down("eth4"));
    assert_eq!(rig.state(), State::Fault);
}

#[test]
fn the_interface_of_a_tracked_address_faults_and_is_named() {
    let mut rig = Rig::active(with_address(false));
    rig.tell(down("eth4"));
    assert_eq!(rig.state(), State::Fault);
    assert!(rig.router().faults.contains(&fault(Reason::AddressInterface, ETH4)));
    assert_eq!(rig.router().prevented, [0, 0, 0]);
}

#[test]
fn no_track_prevents_that_and_counts_it_once_an_event() {
    let mut rig = Rig::active(with_address(true));
    assert_eq!(rig.tell(down("eth4")), []);
    // From bad to worse is no new event.
    assert_eq!(rig.tell(gone("eth4")), []);
    assert_eq!(rig.router().prevented, [0, 0, 1]);
    rig.tell(up("eth4"));
    rig.tell(down("eth4"));
    assert_eq!(rig.router().prevented, [0, 0, 2]);
    assert_eq!(rig.state(), State::Active);
}

#[test]
fn no_track_counts_a_link_that_is_dead_at_the_start() {
    let mut rig = Rig::new();
    rig.tell(gone("eth4"));
    rig.load([with_address(true)]);
    assert_eq!(rig.state(), State::Backup);
    assert_eq!(rig.router().prevented, [0, 0, 1]);
}

#[test]
fn no_track_on_the_primary_interface_prevents_nothing() {
    let mut instance = fixture();
    instance.addresses[0].no_track = true;
    let mut rig = Rig::active(instance);
    rig.tell(down("eth0"));
    assert_eq!(rig.state(), State::Fault);
    assert_eq!(rig.router().prevented, [0, 0]);
}

#[test]
fn explicit_tracking_wins_over_no_track() {
    let mut instance = tracking(0, false);
    instance.excluded = with_address(true).excluded;
    let mut rig = Rig::active(instance);
    rig.tell(down("eth4"));
    assert_eq!(rig.state(), State::Fault);
    assert_eq!(rig.router().prevented, [0, 0, 0]);
}

#[test]
fn a_tracked_route_faults_and_is_named() {
    let mut instance = with_address(true);
    instance.routes = vec![route(false)];
    let mut rig = Rig::active(instance.clone());
    rig.tell(down("eth4"));
    assert!(rig.router().faults.contains(&fault(Reason::RouteInterface, "default dev eth4")));
    instance.routes = vec![route(true)];
    rig.load([instance]);
    assert_eq!(rig.state(), State::Backup);
}

#[test]
fn a_thousand_flaps_of_an_untracked_link_are_no_transition() {
    let mut rig = Rig::active(with_address(true));
    for _ in 0..1000 {
        assert_eq!(rig.pass(MS / 2).tell(down("eth4")), []);
        assert_eq!(rig.pass(MS / 2).tell(up("eth4")), []);
    }
    assert_eq!(rig.router().prevented[2], 1000);
}

#[test]
fn weights_move_the_priority_and_the_timers_with_it() {
    let mut instance = tracking(-20, false);
    instance.excluded = with_address(true).excluded;
    let mut rig = Rig::with(instance);
    assert_eq!(rig.router().effective_priority, Priority(100));
    let changed =
        |priority| Output::PriorityChanged { router: ROUTER, priority: Priority(priority) };
    assert_eq!(rig.tell(down("eth4")), [changed(80)]);
    assert_eq!(rig.wait(), Duration::from_nanos(3_687_500_000));
    let weight = Weight { kind: Kind::Interface, object: name("eth4"), amount: -20, known: None };
    assert_eq!(rig.router().weights, [weight]);
    rig.expire();
    assert_eq!(rig.expire(), [advert(80)]);
    assert_eq!(rig.tell(up("eth4")), [changed(100)]);
    assert_eq!(rig.expire(), [advert(100)]);
}

#[test]
fn each_kind_of_weight_applies_when_it_should() {
    // (weight, reverse, while up, while down), from priority 100.
    for (weight, reverse, while_up, while_down) in [
        (20, false, 120, 100),
        (20, true, 80, 100),
        (-20, false, 100, 80),
        (-20, true, 100, 120),
        (253, false, 254, 100),
        (-253, false, 100, 1),
    ] {
        let mut rig = Rig::with(tracking(weight, reverse));
        assert_eq!(rig.router().effective_priority, Priority(while_up));
        rig.tell(down("eth4"));
        assert_eq!(rig.router().effective_priority, Priority(while_down));
    }
    let owner = Instance { priority: Priority::OWNER, ..tracking(-20, false) };
    let mut rig = Rig::with(owner);
    rig.tell(down("eth4"));
    assert_eq!(rig.router().effective_priority, Priority::OWNER);
}

#[test]
fn a_lost_tracked_address_gives_the_mastership_away_for_a_while() {
    let mut rig = Rig::active(with_address(false));
    let why = Why::AddressLost { address: name("192.0.2.1/24 dev eth0") };
    assert_eq!(
        rig.tell(Input::Lost { router: ROUTER, address: 0 }),
        [advert(0), own(false), transition(State::Active, State::Backup, 100, why)]
    );
    let outputs = rig.expire();
    assert!(outputs.contains(&own(true)));
}

#[test]
fn a_lost_address_with_no_track_is_not_the_elections_business() {
    let mut rig = Rig::active(with_address(true));
    assert_eq!(rig.tell(Input::Lost { router: ROUTER, address: 2 }), []);
    let mut rig = Rig::with(with_address(false));
    assert_eq!(rig.tell(Input::Lost { router: ROUTER, address: 0 }), []);
}
