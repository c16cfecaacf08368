//! RFC 9568 section 6.4.3: what a master does.
use super::*;
use std::collections::BTreeMap;

fn gave_way(why: Why) -> Output {
    transition(State::Active, State::Backup, 100, why)
}

#[test]
fn adverts_come_from_the_previous_deadline_and_never_in_bursts() {
    let mut rig = Rig::active(fixture());
    let start = rig.now;
    for second in 1..1000u32 {
        // Each is served three milliseconds late.
        rig.now = start + 1000 * second * MS + 3 * MS;
        assert_eq!(rig.tell(Input::Deadline), [advert(100)]);
        assert_eq!(rig.engine.deadline(), Some(start + 1000 * (second + 1) * MS));
    }
    rig.pass(5500 * MS);
    let outputs = rig.tell(Input::Deadline);
    assert_eq!(outputs.iter().filter(|output| **output == advert(100)).count(), 1);
    assert_eq!(rig.engine.deadline(), Some(start + 1_005_000 * MS));
}

#[test]
fn a_late_process_says_so_but_not_all_the_time() {
    let mut rig = Rig::active(fixture());
    let mut remarks = 0;
    for _ in 0..20 {
        // Each advert is a second and a half late.
        rig.pass(2500 * MS);
        let outputs = rig.tell(Input::Deadline);
        remarks += outputs.iter().filter(|o| matches!(o, Output::Remark { .. })).count();
    }
    assert_eq!(remarks, 4);
    rig.pass(20_000 * MS).tell(Input::Deadline);
    for _ in 0..20 {
        assert_eq!(rig.expire(), [advert(100)]);
    }
}

#[test]
fn priority_zero_is_answered_at_once_and_the_timer_starts_anew() {
    let mut rig = Rig::active(fixture());
    rig.pass(400 * MS);
    assert_eq!(rig.hear(PEER, 0), [advert(100)]);
    assert_eq!(rig.wait(), 1000 * MS);
}

#[test]
fn a_flood_of_resignations_is_answered_at_a_bounded_rate() {
    let mut rig = Rig::active(fixture());
    let mut sent = 0;
    for _ in 0..100_000 {
        rig.pass(Duration::from_micros(10));
        sent += rig.hear(PEER, 0).len() + rig.tell(Input::Deadline).len();
    }
    assert!((200..=600).contains(&sent), "{sent} answers in a second");
}

#[test]
fn a_higher_priority_wins_even_under_nopreempt() {
    for preempt in [true, false] {
        let mut rig = Rig::active(Instance { preempt, ..fixture() });
        rig.pass(400 * MS);
        let slow = rig.advert(PEER, 101, 300);
        let outputs = rig.tell(Input::Advert(slow));
        let why = Why::HigherPriority { source: v4(PEER), priority: Priority(101) };
        assert_eq!(outputs[..2], [own(false), gave_way(why)]);
        assert_eq!(rig.wait(), Duration::from_nanos(10_828_125_000));
        assert_eq!(rig.router().released_master, 1);
    }
}

#[test]
fn of_two_equals_the_higher_address_wins() {
    let mut rig = Rig::active(fixture());
    assert_eq!(rig.hear(9, 100), [advert(100), announce(5), lower_heard()]);
    assert_eq!(rig.state(), State::Active);
    let outputs = rig.hear(PEER, 100);
    assert_eq!(outputs[..2], [own(false), gave_way(Why::HigherAddress { source: v4(PEER) })]);
}

#[test]
fn addresses_compare_as_unsigned_bytes_from_the_left() {
    let wins = |own: &str, peer: &str| {
        let (own, peer): (IpAddr, IpAddr) = (own.parse().unwrap(), peer.parse().unwrap());
        let family = Family::of(own);
        let mut rig = Rig::active(Instance {
            source: Some(own),
            family,
            priority: Priority(100),
            ..fixture()
        });
        let advert = Advert { source: peer, ..rig.advert(1, 100, 100) };
        rig.tell(Input::Advert(advert));
        rig.state() == State::Backup
    };
    assert!(!wins("10.0.1.1", "10.0.0.200"));
    assert!(wins("10.0.0.200", "10.0.1.1"));
    assert!(wins("9.0.0.1", "200.0.0.1"));
    assert!(!wins("200.0.0.1", "9.0.0.1"));
    assert!(wins("127.0.0.1", "128.0.0.1"));
    assert!(wins("fe80::7f", "fe80::80"));
    assert!(!wins("fe80::8000:0:0:1", "fe80::7fff:ff:ff:ff"));
}

#[test]
fn a_lower_master_is_answered_at_once_in_version_3_only() {
    let mut rig = Rig::active(fixture());
    rig.pass(400 * MS);
    let outputs = rig.hear(PEER, 50);
    assert_eq!(outputs, [advert(100), announce(5), lower_heard()]);
    // The Adver_Timer runs on.
    assert_eq!(rig.wait(), 600 * MS);

    let mut rig = Rig::active(fixture_v2());
    assert_eq!(rig.hear(PEER, 50), [announce(5), lower_heard()]);
}

#[test]
fn hosts_are_told_again_after_garp_lower_prio_delay() {
    let mut rig = Rig::active(fixture());
    rig.hear(PEER, 50);
    let start = rig.now;
    let mut rounds = Vec::new();
    while rig.engine.deadline().is_some_and(|at| at <= start + 8000 * MS) {
        if rig.expire().contains(&announce(5)) {
            rounds.push(rig.now.since(start));
        }
    }
    assert_eq!(rounds, [5000 * MS]);
}

#[test]
fn a_flood_of_lower_adverts_is_answered_once_an_interval() {
    let mut rig = Rig::active(fixture());
    let mut sent = 0;
    for _ in 0..100_000 {
        rig.pass(Duration::from_micros(50));
        sent += rig.hear(PEER, 50).iter().filter(|output| **output == advert(100)).count();
    }
    assert_eq!(sent, 5);
}

#[test]
fn own_adverts_that_come_back_are_not_answered() {
    let mut rig = Rig::active(fixture());
    for priority in [0, 50, 100, 200] {
        assert_eq!(rig.hear(10, priority), []);
    }
    assert_eq!(rig.state(), State::Active);
}

#[test]
fn two_owners_are_remarked_and_the_address_decides() {
    let owner = Instance { priority: Priority::OWNER, ..fixture() };
    let mut rig = Rig::active(owner.clone());
    let outputs = rig.hear(9, 255);
    assert!(matches!(outputs[0], Output::Remark { .. }));
    assert_eq!(rig.state(), State::Active);
    assert!(!rig.hear(9, 255).iter().any(|output| matches!(output, Output::Remark { .. })));
    rig.hear(PEER, 255);
    assert_eq!(rig.state(), State::Backup);

    let mut rig = Rig::active(Instance { owner_ignore_adverts: true, ..owner });
    assert_eq!(rig.hear(PEER, 255), []);
    assert_eq!(rig.state(), State::Active);
}

#[test]
fn a_changed_address_counts_in_the_next_comparison() {
    let mut rig = Rig::active(fixture());
    let mut moved = addresses();
    moved.v4 = Some(Ipv4Addr::new(192, 0, 2, 252));
    let state = LinkState::Up(moved);
    let outputs = rig.tell(Input::Link { name: name("eth0"), state });
    assert_eq!(outputs, [Output::Source { router: ROUTER, source: Some(v4(252)) }]);
    rig.hear(PEER, 100);
    assert_eq!(rig.state(), State::Active);
    rig.hear(253, 100);
    assert_eq!(rig.state(), State::Backup);
}

#[test]
fn one_last_advert_where_higher_prio_send_advert_asks_for_it() {
    let mut rig = Rig::active(Instance { answer_higher: true, ..fixture() });
    assert_eq!(rig.hear(PEER, 200)[..2], [advert(100), own(false)]);
}

#[test]
fn who_was_paused_and_may_not_preempt_gives_way_to_the_new_master() {
    let mut rig = Rig::active(Instance { preempt: false, ..fixture() });
    rig.pass(10_000 * MS);
    rig.hear(PEER, 50);
    assert_eq!(rig.state(), State::Backup);

    // Who may preempt takes the mastership back, as RFC 9568 has it.
    let mut rig = Rig::active(fixture());
    rig.pass(10_000 * MS);
    assert!(rig.hear(PEER, 50).contains(&advert(100)));
    assert_eq!(rig.state(), State::Active);
}

#[test]
fn addresses_are_announced_after_the_delay_and_periodically() {
    let mut instance = fixture();
    instance.garp.delay = 5000 * MS;
    instance.garp.refresh = 3000 * MS;
    let mut rig = Rig::active(instance);
    let start = rig.now;
    let mut rounds = Vec::new();
    while rig.engine.deadline().is_some_and(|at| at <= start + 10_000 * MS) {
        for output in rig.expire() {
            if let Output::Announce { times, .. } = output {
                rounds.push((rig.now.since(start), times));
            }
        }
    }
    assert_eq!(rounds, [(3000 * MS, 1), (5000 * MS, 5), (6000 * MS, 1), (9000 * MS, 1)]);
    assert_eq!(rig.tell(Input::Announce(ROUTER)), [announce(5)]);
    rig.hear(PEER, 200);
    assert_eq!(rig.tell(Input::Announce(ROUTER)), []);
    assert_eq!(rig.wait(), Duration::from_nanos(3_609_375_000));
}

#[test]
fn other_interfaces_are_announced_on_while_it_is_master() {
    let mut instance = fixture();
    instance.garp.elsewhere = 4000 * MS;
    let mut rig = Rig::active(instance.clone());
    let start = rig.now;
    let rounds = |rig: &mut Rig, until: u32| {
        let mut rounds = Vec::new();
        while rig.engine.deadline().is_some_and(|at| at <= start + MS * until) {
            let elsewhere = Output::AnnounceElsewhere { router: ROUTER };
            if rig.expire().contains(&elsewhere) {
                rounds.push(rig.now.since(start));
            }
        }
        rounds
    };
    assert_eq!(rounds(&mut rig, 9000), [4000 * MS, 8000 * MS]);
    instance.garp.elsewhere = Duration::ZERO;
    rig.load([instance]);
    assert_eq!(rounds(&mut rig, 20_000), [] as [Duration; 0]);
}

#[test]
fn without_an_address_to_send_from_nothing_is_sent_or_counted() {
    let mut rig = Rig::new();
    rig.tell(gone("eth0"));
    rig.load([Instance { dont_track_primary: true, ..fixture() }]);
    let outputs = rig.expire();
    assert_eq!(
        outputs,
        [own(true), transition(State::Backup, State::Active, 100, Why::MasterDown)]
    );
    assert_eq!(rig.router().adverts_sent, 0);
}

/// Of hundreds that take over at once the first have the period of RFC 9568, and the others one that is
/// shorter, once: then each advertises at its interval, and never are all due together.
#[test]
fn a_crowd_that_takes_over_is_not_due_together() {
    let instance = |vrid: u8| Instance {
        name: name(&format!("R{vrid}")),
        vrid: Vrid::new(vrid).unwrap(),
        ..fixture()
    };
    let mut rig = Rig::new();
    rig.load((1..=250).map(instance));
    let mut adverts: BTreeMap<RouterId, Vec<Instant>> = BTreeMap::new();
    let mut at_once = Vec::new();
    // They take over after 3.6 seconds.
    let end = rig.now + 7000 * MS;
    while let Some(next) = rig.engine.deadline().filter(|next| *next <= end) {
        rig.now = next;
        let outputs = rig.tell(Input::Deadline);
        let sent = outputs.into_iter().filter_map(|output| match output {
            Output::Advert { router, .. } => Some(router),
            _ => None,
        });
        let sent: Vec<_> = sent.collect();
        at_once.push(sent.len());
        for router in sent {
            adverts.entry(router).or_default().push(rig.now);
        }
    }
    assert_eq!((adverts.len(), at_once[0]), (250, 250));
    assert!(at_once[1..].iter().all(|count| *count <= 64), "{at_once:?}");
    for (router, times) in adverts {
        let periods: Vec<_> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
        let interval = fixture().advert_interval;
        assert_eq!(periods[0] == interval, router.0 < 64, "{router:?}: {periods:?}");
        assert!(periods[0] <= interval && periods[1..].iter().all(|period| *period == interval));
    }
}
