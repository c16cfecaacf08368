//! A new configuration touches what it changes and nothing else.
use super::*;
use crate::config::model::{Origin, Peer, Transport};

fn named(text: &str, vrid: u8) -> Instance {
    Instance { name: text.into(), vrid: Vrid::new(vrid).unwrap(), ..fixture() }
}

#[test]
fn what_did_not_change_is_not_touched() {
    let mut rig = Rig::active(fixture());
    let (since, wait) = (rig.router().since, rig.wait());
    let origin = Origin { file: "other.conf".into(), line: 7 };
    assert_eq!(rig.load([Instance { origin: origin.clone(), ..fixture() }]), []);
    assert_eq!((rig.router().since, rig.wait()), (since, wait));
    assert_eq!(rig.router().instance.origin, origin);
}

#[test]
fn a_master_keeps_its_state_when_its_settings_change() {
    let mut rig = Rig::active(fixture());
    let mut changed = Instance {
        priority: Priority(120),
        advert_interval: Duration::from_millis(100),
        ..fixture()
    };
    changed.addresses.push(vip(3, "eth0"));
    let outputs = rig.load([changed.clone()]);
    assert_eq!(
        outputs,
        [
            Output::Started { router: ROUTER, instance: Arc::new(changed) },
            Output::PriorityChanged { router: ROUTER, priority: Priority(120) },
        ]
    );
    assert_eq!(rig.state(), State::Active);
    assert_eq!(rig.wait(), 100 * MS);
    assert_eq!(rig.expire(), [advert(120)]);
    assert_eq!(rig.wait(), 100 * MS);
}

#[test]
fn another_virtual_router_of_the_same_name_starts_from_nothing() {
    let changes: [fn(&mut Instance); 5] = [
        |instance| instance.vrid = Vrid::new(11).unwrap(),
        |instance| instance.interface = "eth4".into(),
        |instance| instance.version = Version::V2,
        |instance| instance.family = Family::V6,
        |instance| {
            let peers = vec![Peer { address: v4(PEER), min_ttl: 0, max_ttl: 255 }];
            instance.transport = Transport::Unicast { peers, ttl: 255 };
        },
    ];
    for change in changes {
        let mut rig = Rig::active(fixture());
        let mut changed = fixture();
        change(&mut changed);
        let outputs = rig.load([changed]);
        assert_eq!(outputs[..2], [advert(0), own(false)]);
        let stopped = outputs.iter().position(|o| *o == Output::Stopped { router: ROUTER });
        let started = outputs.iter().position(|o| matches!(o, Output::Started { .. }));
        assert!(stopped.unwrap() < started.unwrap());
        assert_eq!(rig.state(), State::Backup);
    }
}

#[test]
fn a_peer_more_is_no_election() {
    let peer = |host| Peer { address: v4(host), min_ttl: 0, max_ttl: 255 };
    let unicast =
        |peers| Instance { transport: Transport::Unicast { peers, ttl: 255 }, ..fixture() };
    let mut rig = Rig::active(unicast(vec![peer(PEER)]));
    assert_eq!(rig.load([unicast(vec![peer(PEER), peer(252)])]).len(), 1);
    assert_eq!(rig.state(), State::Active);
}

#[test]
fn numbers_are_dense_and_used_again() {
    let mut rig = Rig::new();
    rig.load([named("a", 1), named("b", 2), named("c", 3)]);
    assert_eq!(rig.engine.find("b"), Some(RouterId(1)));
    rig.load([named("c", 3)]);
    assert_eq!(rig.engine.find("b"), None);
    assert_eq!(rig.engine.find("c"), Some(RouterId(2)));
    rig.load([named("c", 3), named("d", 4), named("e", 5), named("f", 6)]);
    let numbers = ["d", "e", "c", "f"].map(|name| rig.engine.find(name).unwrap().0);
    assert_eq!(numbers, [0, 1, 2, 3]);
    // A link that belongs to the one that went away is nobody's.
    assert_eq!(rig.engine.snapshot().len(), 4);
}

#[test]
fn two_that_exchange_their_vrids_stop_before_they_start() {
    let mut rig = Rig::new();
    rig.load([named("a", 1), named("b", 2)]);
    let outputs = rig.load([named("a", 2), named("b", 1)]);
    let last_stop = outputs.iter().rposition(|output| matches!(output, Output::Stopped { .. }));
    let first_start = outputs.iter().position(|output| matches!(output, Output::Started { .. }));
    assert!(last_stop.unwrap() < first_start.unwrap());
}

#[test]
fn a_stamp_from_before_a_number_was_used_again_means_nothing() {
    let mut rig = Rig::with(fixture());
    let outputs = rig.hear(PEER, 200);
    let old = expectation(&outputs).unwrap().unwrap();
    rig.load([named("two", 11)]);
    let outputs = rig.hear(PEER, 200);
    let new = expectation(&outputs).unwrap().unwrap();
    assert_ne!(old.generation, new.generation);
    rig.stamp = Stamp { at: rig.now + 3000 * MS, generation: old.generation };
    rig.expire();
    assert_eq!(rig.state(), State::Active);
}

#[test]
fn a_stamp_before_the_reload_counts_under_the_old_priority() {
    let mut rig = Rig::with(fixture());
    let outputs = rig.hear(PEER, 200);
    let generation = expectation(&outputs).unwrap().unwrap().generation;
    let heard = rig.now + 2000 * MS;
    rig.stamp = Stamp { at: heard, generation };
    rig.pass(2500 * MS).load([Instance { priority: Priority(210), ..fixture() }]);
    let down = Duration::from_nanos(3_000_000_000 + 46 * 1_000_000_000 / 256);
    assert_eq!(rig.engine.deadline(), Some(heard + down));
}

#[test]
fn prevented_faults_are_counted_on_through_a_reload() {
    let mut instance = fixture();
    instance.excluded = vec![Vip { no_track: true, ..vip(44, "eth4") }];
    let mut rig = Rig::with(instance.clone());
    rig.tell(down("eth4"));
    instance.addresses.push(vip(3, "eth0"));
    rig.load([instance]);
    assert_eq!(rig.router().prevented, [0, 0, 0, 1]);
}

#[test]
fn an_interface_that_is_new_to_a_router_is_watched_and_an_old_one_is_not() {
    let mut rig = Rig::with(fixture());
    let mut moved = fixture();
    moved.excluded = vec![vip(44, "eth4")];
    rig.load([moved]);
    rig.tell(down("eth4"));
    assert_eq!(rig.state(), State::Fault);
    rig.load([fixture()]);
    assert_eq!(rig.state(), State::Backup);
    assert_eq!(rig.tell(up("eth4")), []);
}
