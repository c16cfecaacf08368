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
