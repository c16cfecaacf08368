//! RFC 9568 section 8.4.2: what a router does that speaks both versions for a time.
use super::*;

const MASTER: u8 = PEER;

fn both() -> Instance {
    Instance { v2_interop: true, ..fixture() }
}

/// An advert of either version from the master, now.
fn said(rig: &Rig, version: Version, priority: u8, centis: u16) -> Advert {
    Advert { header: header(version, priority, centis), ..rig.advert(MASTER, priority, centis) }
}

fn hear(rig: &mut Rig, version: Version, priority: u8, centis: u16) -> Vec<Output> {
    let advert = said(rig, version, priority, centis);
    rig.tell(Input::Advert(advert))
}

fn down(centis: u64) -> Duration {
    let interval = centis * 10_000_000;
    Duration::from_nanos(3 * interval + interval * 156 / 256)
}

#[test]
fn an_active_router_sends_each_version_at_its_rate() {
    let mut rig = Rig::active(Instance { advert_interval: 500 * MS, ..both() });
    assert_eq!(rig.router().adverts_sent, 2);
    for number in 2..=5 {
        assert_eq!(rig.wait(), 500 * MS);
        assert_eq!(rig.expire(), [advert(100)]);
        assert_eq!(rig.router().adverts_sent, 2 * number);
    }
    rig.tell(Input::Shutdown);
    assert_eq!(rig.engine.find("one"), None);
}

#[test]
fn a_backup_counts_by_the_seconds_of_version_2() {
    let mut rig = Rig::with(both());
    hear(&mut rig, Version::V2, 200, 200);
    assert_eq!(rig.router().master_interval, 2000 * MS);
    // As if version 3 had said 200 centiseconds, the skew included.
    assert_eq!(rig.wait(), down(200));
    let outputs = rig.expire();
    assert!(outputs.contains(&transition(State::Backup, State::Active, 100, Why::MasterDown)));
    // And sends at its own rate.
    assert_eq!(rig.wait(), 1000 * MS);
}

#[test]
fn a_master_of_version_2_alone_is_expected_like_any() {
    let mut rig = Rig::with(both());
    let outputs = hear(&mut rig, Version::V2, 200, 100);
    let expected = expectation(&outputs).unwrap().unwrap();
    assert_eq!(expected.header.version(), 2);
    let heard = rig.now + 1000 * MS;
    rig.stamp = Stamp { at: heard, generation: expected.generation };
    rig.expire();
    assert_eq!(rig.engine.deadline(), Some(heard + down(100)));
    assert_eq!(hear(&mut rig, Version::V2, 0, 100), []);
    assert_eq!(rig.wait(), Duration::from_nanos(609_375_000));
}

#[test]
fn version_2_of_a_master_that_sends_version_3_is_ignored() {
    let mut rig = Rig::with(both());
    // Whichever is heard first, it is version 3 that is followed.
    hear(&mut rig, Version::V2, 200, 100);
    assert_eq!(rig.wait(), down(100));
    let outputs = hear(&mut rig, Version::V3, 200, 50);
    assert_eq!(expectation(&outputs).unwrap().unwrap().header.version(), 3);
    let deadline = rig.engine.deadline();
    let before = format!("{:?}", rig.router());
    rig.pass(10 * MS);
    for priority in [200, 0, 50, 255] {
        assert_eq!(hear(&mut rig, Version::V2, priority, 300), []);
        assert_eq!(rig.engine.deadline(), deadline);
        assert_eq!(format!("{:?}", rig.router()), before);
    }
    // Its resignation counts once: in version 3.
    hear(&mut rig, Version::V3, 0, 50);
    let resigned = rig.engine.deadline();
    rig.pass(5 * MS);
    assert_eq!(hear(&mut rig, Version::V2, 0, 100), []);
    assert_eq!(rig.engine.deadline(), resigned);
}

/// The process was late: version 2 was stamped after version 3 had become news.
#[test]
fn version_3_is_followed_though_version_2_was_stamped_later() {
    let mut rig = Rig::with(both());
    let outputs = hear(&mut rig, Version::V2, 200, 100);
    let expected = expectation(&outputs).unwrap().unwrap();
    let start = rig.now;
    let news = Advert { at: start + 500 * MS, ..said(&rig, Version::V3, 200, 50) };
    rig.stamp = Stamp { at: start + 501 * MS, generation: expected.generation };
    rig.now = start + 900 * MS;
    rig.tell(Input::Advert(news.clone()));
    assert_eq!(rig.engine.deadline(), Some(start + 500 * MS + down(50)));
    // Not its resignation: the stamp says that it is back.
    let mut rig = Rig::with(both());
    let outputs = hear(&mut rig, Version::V2, 200, 100);
    let expected = expectation(&outputs).unwrap().unwrap();
    let zero = Advert { header: header(Version::V3, 0, 50), ..news };
    rig.stamp = Stamp { at: start + 501 * MS, generation: expected.generation };
    rig.now = start + 900 * MS;
    rig.tell(Input::Advert(zero));
    assert_eq!(rig.engine.deadline(), Some(start + 501 * MS + down(100)));
}

#[test]
fn version_2_of_another_router_is_heard_while_version_3_is_followed() {
    let mut rig = Rig::with(both());
    hear(&mut rig, Version::V3, 200, 50);
    let other = Advert { source: v4(252), ..said(&rig, Version::V2, 210, 100) };
    let outputs = rig.tell(Input::Advert(other));
    assert_eq!(expectation(&outputs).unwrap().unwrap().source, v4(252));
    assert_eq!(rig.router().master, Some(v4(252)));
    assert_eq!(rig.wait(), down(100));
}

#[test]
fn a_lower_advert_does_not_make_the_masters_version_2_count_again() {
    let mut rig = Rig::with(both());
    hear(&mut rig, Version::V3, 200, 50);
    let deadline = rig.engine.deadline();
    rig.pass(10 * MS).hear(9, 50);
    assert_eq!(hear(&mut rig, Version::V2, 200, 100), []);
    assert_eq!(rig.engine.deadline(), deadline);
}

#[test]
fn what_was_followed_is_forgotten_with_the_state() {
    let mut rig = Rig::with(both());
    hear(&mut rig, Version::V3, 200, 100);
    rig.expire();
    assert_eq!(rig.state(), State::Active);
    // The master is back, as version 2 alone.
    let outputs = hear(&mut rig, Version::V2, 200, 100);
    let why = Why::HigherPriority { source: v4(MASTER), priority: Priority(200) };
    assert!(outputs.contains(&transition(State::Active, State::Backup, 100, why)));
    assert_eq!(expectation(&outputs).unwrap().unwrap().header.version(), 2);
}

#[test]
fn a_lower_master_of_version_2_is_answered_as_version_3_says() {
    let mut rig = Rig::active(both());
    let answer = [advert(100), announce(5), lower_heard()];
    assert_eq!(hear(&mut rig, Version::V2, 50, 100), answer);
    // Its other version is no second lower master.
    assert_eq!(hear(&mut rig, Version::V3, 50, 100), []);
    // Version 2 alone only discards (RFC 3768 section 6.4.3).
    let mut rig = Rig::active(fixture_v2());
    assert_eq!(hear(&mut rig, Version::V2, 50, 100), [announce(5), lower_heard()]);
}

/// The same adverts, with version 2 kept back by the dataplane or handed over.
#[test]
fn kept_back_and_ignored_are_the_same() {
    let run = |kept_back: bool| {
        let mut rig = Rig::with(both());
        let outputs = hear(&mut rig, Version::V3, 200, 50);
        let expected = expectation(&outputs).unwrap().unwrap();
        let mut states = Vec::new();
        for beat in 0..20 {
            rig.pass(500 * MS);
            rig.stamp = Stamp { at: rig.now, generation: expected.generation };
            if !kept_back {
                hear(&mut rig, Version::V2, 200, 100);
            }
            if rig.engine.deadline().is_some_and(|at| at <= rig.now) {
                rig.tell(Input::Deadline);
            }
            states.push((beat, rig.state(), rig.router().master_interval));
        }
        rig.tell(Input::Deadline);
        while rig.state() == State::Backup {
            rig.expire();
        }
        (states, rig.now)
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn the_transition_begins_and_ends_without_an_election() {
    let mut rig = Rig::active(fixture());
    for instance in [both(), fixture(), both()] {
        let spoken = instance.v2_interop;
        let outputs = rig.load([instance]);
        assert!(matches!(&outputs[..], [Output::Started { instance, .. }]
            if instance.v2_interop == spoken));
        assert_eq!(rig.state(), State::Active);
    }
}
