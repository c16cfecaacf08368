//! The dataplane hears what is boring, and the engine ends where hearing it itself would have.
use super::*;

const DOWN: Duration = Duration::from_nanos(3_609_375_000);

/// A backup that follows a master, and what it expects.
fn following(instance: Instance) -> (Rig, Expectation) {
    let mut rig = Rig::with(instance);
    let advert = Advert { remarks: 4, ..rig.advert(PEER, 200, 100) };
    let outputs = rig.tell(Input::Advert(advert));
    let expected = expectation(&outputs).unwrap().unwrap();
    (rig, expected)
}

#[test]
fn a_followed_advert_is_expected_with_its_remarks() {
    let (mut rig, expected) = following(fixture());
    assert_eq!(expected.source, v4(PEER));
    assert_eq!(expected.header, header(Version::V3, 200, 100));
    assert_eq!(expected.remarks, 4);
    // The same again says nothing new; another does.
    let same = Advert { remarks: 4, ..rig.advert(PEER, 200, 100) };
    assert_eq!(rig.tell(Input::Advert(same)), []);
    let outputs = rig.hear(PEER, 201);
    assert!(expectation(&outputs).unwrap().unwrap().generation > expected.generation);
}

#[test]
fn a_stamp_moves_the_deadline_without_an_output() {
    let (mut rig, expected) = following(fixture());
    let heard = rig.now + 3000 * MS;
    rig.stamp = Stamp { at: heard, generation: expected.generation };
    assert_eq!(rig.expire(), []);
    assert_eq!(rig.state(), State::Backup);
    assert_eq!(rig.engine.deadline(), Some(heard + DOWN));
    // The same stamp again is old.
    assert!(!rig.expire().is_empty());
    assert_eq!(rig.state(), State::Active);
}

#[test]
fn a_stamp_that_came_after_the_clock_was_read_counts() {
    let (mut rig, expected) = following(fixture());
    rig.now = rig.engine.deadline().unwrap();
    let heard = rig.now + Duration::from_nanos(700);
    rig.stamp = Stamp { at: heard, generation: expected.generation };
    assert_eq!(rig.tell(Input::Deadline), []);
    assert_eq!(rig.engine.deadline(), Some(heard + DOWN));
}

#[test]
fn a_stamp_of_an_unknown_expectation_is_no_advert() {
    let (mut rig, expected) = following(fixture());
    rig.stamp = Stamp { at: rig.now + 3000 * MS, generation: expected.generation + 1 };
    rig.expire();
    assert_eq!(rig.state(), State::Active);
}

#[test]
fn a_stamp_of_the_previous_expectation_is_that_advert() {
    let (mut rig, expected) = following(fixture());
    let outputs = rig.pass(1000 * MS).hear(PEER, 201);
    assert!(matches!(expectation(&outputs), Some(Some(_))));
    // The write came late: the old one matched once more.
    let heard = rig.now + 500 * MS;
    rig.stamp = Stamp { at: heard, generation: expected.generation };
    rig.expire();
    assert_eq!(rig.engine.deadline(), Some(heard + DOWN));
    assert_eq!(rig.router().master_priority, Some(Priority(200)));
}

#[test]
fn a_master_that_ends_expects_nothing_and_still_hears_the_last_stamp() {
    let (mut rig, expected) = following(fixture());
    let outputs = rig.expire();
    assert_eq!(outputs[0], Output::Expect { router: ROUTER, expectation: None });
    rig.stamp = Stamp { at: rig.now + 500 * MS, generation: expected.generation };
    let outputs = rig.expire();
    let why = Why::HigherPriority { source: v4(PEER), priority: Priority(200) };
    assert!(outputs.contains(&transition(State::Active, State::Backup, 100, why)));
}

#[test]
fn a_resignation_between_two_stamps_is_not_lost() {
    let (mut rig, expected) = following(fixture());
    let generation = expected.generation;
    let start = rig.now;
    let mut zero = rig.advert(PEER, 0, 100);
    zero.at = start + 1000 * MS;
    // Handled late: the dataplane has heard the master again meanwhile.
    rig.stamp = Stamp { at: start + 1500 * MS, generation };
    rig.now = start + 1600 * MS;
    rig.tell(Input::Advert(zero.clone()));
    assert_eq!(rig.engine.deadline(), Some(start + 1500 * MS + DOWN));
    // And before it: the resignation is the last word.
    rig.stamp = Stamp { at: start + 2500 * MS, generation };
    zero.at = start + 2600 * MS;
    rig.now = zero.at;
    rig.tell(Input::Advert(zero));
    assert_eq!(rig.wait(), Duration::from_nanos(609_375_000));
    rig.expire();
    assert_eq!(rig.state(), State::Active);
}

#[test]
fn several_pieces_of_old_news_come_before_a_newer_stamp() {
    let (mut rig, expected) = following(fixture());
    let start = rig.now;
    rig.stamp = Stamp { at: start + 3000 * MS, generation: expected.generation };
    rig.now = start + 3100 * MS;
    for (host, priority, at) in [(9, 150, 1000), (8, 160, 1500), (8, 0, 2000)] {
        let advert = Advert { at: start + at * MS, ..rig.advert(host, priority, 100) };
        rig.tell(Input::Advert(advert));
    }
    // Two expectations later the stamp is still known for what it was.
    rig.tell(Input::Deadline);
    assert_eq!(rig.state(), State::Backup);
    assert_eq!(rig.engine.deadline(), Some(start + 3000 * MS + DOWN));
    assert_eq!(rig.router().master, Some(v4(PEER)));
}

#[test]
fn what_is_not_followed_is_not_expected() {
    let mut rig = Rig::with(fixture());
    assert_eq!(expectation(&rig.hear(PEER, 99)), None);
    assert_eq!(expectation(&rig.hear(PEER, 0)), None);
}

#[test]
fn a_priority_above_the_masters_makes_its_adverts_news_again() {
    let (mut rig, _) = following(fixture());
    let outputs = rig.load([Instance { priority: Priority(210), ..fixture() }]);
    assert_eq!(expectation(&outputs), Some(None));
    let (mut rig, _) = following(Instance { preempt: false, ..fixture() });
    let higher = Instance { priority: Priority(210), preempt: false, ..fixture() };
    assert_eq!(expectation(&rig.load([higher.clone()])), Some(None));
    assert!(matches!(expectation(&rig.hear(PEER, 200)), Some(Some(_))));
    let outputs = rig.load([Instance { preempt: true, ..higher }]);
    assert_eq!(expectation(&outputs), Some(None));
}

/// What was remarked of it, and whether it is used at all, was judged by the old configuration.
#[test]
fn a_changed_configuration_has_the_next_advert_judged_anew() {
    let (mut rig, _) = following(fixture());
    let mut other = fixture();
    other.addresses[0].address = v4(77);
    assert_eq!(expectation(&rig.load([other])), Some(None));
    assert_eq!(rig.state(), State::Backup);
    assert!(matches!(expectation(&rig.hear(PEER, 200)), Some(Some(_))));
}

/// RFC 3768 section 7.1, in strict mode: dropped unless the owner sent it. Nothing is expected, for
/// two lists can have one checksum.
#[test]
fn a_list_that_must_be_ours_is_never_expected() {
    let strict = Instance { version: Version::V2, drops_other_lists: true, ..fixture() };
    let mut rig = Rig::with(strict.clone());
    let other =
        |rig: &Rig, priority| Advert { same_addresses: false, ..rig.advert(PEER, priority, 100) };
    let due = rig.engine.deadline();
    for priority in [0, 50, 200, 254] {
        rig.pass(MS);
        let advert = other(&rig, priority);
        assert_eq!(rig.tell(Input::Advert(advert)), []);
    }
    assert_eq!((rig.engine.deadline(), rig.router().master), (due, None));
    assert_eq!(expectation(&rig.hear(PEER, 200)), None);
    assert!(rig.engine.deadline() > due);
    // As master it is not deposed by one either.
    rig.expire();
    let advert = other(&rig, 200);
    assert_eq!(rig.tell(Input::Advert(advert)), []);
    assert_eq!(rig.state(), State::Active);
    // The owner is right whatever it says, and can be expected.
    let advert = other(&rig, 255);
    let outputs = rig.tell(Input::Advert(advert));
    assert_eq!(rig.state(), State::Backup);
    assert!(matches!(expectation(&outputs), Some(Some(_))));
    // Without strict mode all of them are used.
    let mut rig = Rig::with(Instance { drops_other_lists: false, ..strict });
    let advert = other(&rig, 200);
    assert!(matches!(expectation(&rig.tell(Input::Advert(advert))), Some(Some(_))));
}

#[test]
fn lost_news_makes_the_next_advert_news() {
    let (mut rig, _) = following(fixture());
    let forget = Output::Expect { router: ROUTER, expectation: None };
    assert_eq!(rig.tell(Input::Missed(ROUTER)), [forget]);
    assert_eq!(rig.tell(Input::Missed(ROUTER)), []);
    assert!(matches!(expectation(&rig.hear(PEER, 200)), Some(Some(_))));
}

/// Stamps of two routers.
struct Two([Stamp; 2]);

impl Heard for Two {
    fn stamp(&self, router: RouterId) -> Stamp {
        self.0[router.index()]
    }
}

/// One wake-up serves all whose masters live; who lost his is not served early, and not late.
#[test]
fn backups_that_would_have_to_look_soon_look_at_once() {
    let other = RouterId(1);
    let mut rig = Rig::new();
    let mut second = fixture();
    (second.name, second.vrid) = (name("two"), Vrid::new(11).unwrap());
    rig.load([fixture(), second]);
    let expect = |rig: &mut Rig, router| {
        let advert = Advert { router, ..rig.advert(PEER, 200, 100) };
        expectation(&rig.tell(Input::Advert(advert))).unwrap().unwrap().generation
    };
    let one = expect(&mut rig, ROUTER);
    rig.pass(100 * MS);
    let two = expect(&mut rig, other);
    let last = rig.now;
    rig.pass(2900 * MS);
    let stamp = |at, generation| Stamp { at, generation };
    let both = Two([stamp(rig.now, one), stamp(rig.now, two)]);
    let heard = rig.now;
    let fire = |rig: &mut Rig, stamps: &Two| {
        rig.now = rig.engine.deadline().unwrap();
        rig.engine.handle(rig.now, Input::Deadline, stamps);
        std::iter::from_fn(|| rig.engine.poll()).collect::<Vec<_>>()
    };
    // Both are heard at the deadline of the first.
    assert_eq!(fire(&mut rig, &both), []);
    assert_eq!(rig.engine.deadline(), Some(heard + DOWN));
    let states = |rig: &Rig| rig.engine.snapshot().iter().map(|r| r.state).collect::<Vec<_>>();
    assert_eq!(states(&rig), [State::Backup, State::Backup]);
    // Reports say when they are due now, though neither has acted.
    let due = |rig: &Rig| rig.engine.snapshot().iter().map(|r| r.deadline).collect::<Vec<_>>();
    assert_eq!(due(&rig), [Some(heard + DOWN); 2]);
    // From then on the second is silent: it is looked at early, and takes over on time.
    let later = heard + 3000 * MS;
    let first = Two([stamp(later, one), stamp(heard, two)]);
    assert!(!fire(&mut rig, &first).is_empty());
    assert_eq!(states(&rig), [State::Backup, State::Active]);
    assert_eq!(rig.now, heard + DOWN);
    assert!(heard > last);
}
