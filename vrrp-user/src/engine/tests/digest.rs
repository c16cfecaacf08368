//! Does a digest hold what decides the future, and nothing else?
use super::*;
use std::hash::{DefaultHasher, Hasher};

fn digest(rig: &Rig) -> u64 {
    let mut hasher = DefaultHasher::new();
    rig.engine.digest(rig.now, &rig.stamp, &mut hasher);
    hasher.finish()
}

#[test]
fn it_does_not_depend_on_the_time_of_day_or_on_what_is_only_counted() {
    let early = Rig::with(fixture());
    let mut late = Rig::new();
    late.pass(3_600_000 * MS);
    late.load([fixture()]);
    assert_eq!(digest(&early), digest(&late));

    let mut active = Rig::active(fixture());
    active.pass(1000 * MS).expire();
    let first = digest(&active);
    active.pass(1000 * MS).expire();
    assert_eq!(digest(&active), first);
    assert_eq!(active.router().adverts_sent, 3);
}

#[test]
fn it_changes_with_timers_states_expectations_and_unread_stamps() {
    let mut rig = Rig::with(fixture());
    let mut seen = vec![digest(&rig)];
    let mut differs = |rig: &Rig| {
        let digest = digest(rig);
        assert!(!seen.contains(&digest));
        seen.push(digest);
    };
    rig.pass(MS);
    differs(&rig);
    let outputs = rig.hear(PEER, 200);
    differs(&rig);
    let generation = expectation(&outputs).unwrap().unwrap().generation;
    rig.pass(500 * MS);
    differs(&rig);
    rig.stamp = Stamp { at: rig.now, generation };
    differs(&rig);
    // Of an expectation that nobody has: it says nothing.
    let unread = rig.stamp;
    rig.stamp.generation += 7;
    let strange = digest(&rig);
    rig.stamp = Stamp::default();
    assert_eq!(digest(&rig), strange);
    rig.stamp = unread;
    rig.tell(down("eth0"));
    differs(&rig);
    rig.tell(up("eth0"));
    differs(&rig);
    rig.expire();
    differs(&rig);
}

/// One more stamp of this very instant would be heard by one and not by the other.
#[test]
fn it_tells_whether_a_stamp_of_this_instant_was_read() {
    let mut one = Rig::with(fixture());
    let generation = expectation(&one.hear(PEER, 200)).unwrap().unwrap().generation;
    let mut other = Rig { engine: one.engine.clone(), ..one };
    one.stamp = Stamp { at: one.now, generation };
    for rig in [&mut one, &mut other] {
        // Our own, come back: it does nothing but let the stamp be read.
        assert_eq!(rig.hear(10, 200), []);
        rig.stamp = Stamp::default();
    }
    assert_ne!(digest(&one), digest(&other));
    one.pass(MS);
    other.pass(MS);
    assert_eq!(digest(&one), digest(&other));
}

/// Which version is followed decides what the other one means.
#[test]
fn it_tells_which_version_is_followed() {
    let both = || Instance { v2_interop: true, ..fixture() };
    let [mut one, mut other] = [Rig::with(both()), Rig::with(both())];
    for (rig, version) in [(&mut one, Version::V2), (&mut other, Version::V3)] {
        let advert = rig.advert(PEER, 200, 100);
        let other = Advert { header: header(version, 200, 100), ..advert };
        rig.tell(Input::Advert(other));
        rig.tell(Input::Missed(ROUTER));
        // What was expected is forgotten by two others, and who is followed is not.
        rig.engine.routers[0].as_mut().unwrap().expected = Default::default();
    }
    assert_ne!(digest(&one), digest(&other));
}
