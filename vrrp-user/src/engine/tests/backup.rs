//! RFC 9568 section 6.4.2: what a backup does.
use super::*;

fn down(centis: u64, priority: u64) -> Duration {
    let interval = centis * 10_000_000;
    Duration::from_nanos(3 * interval + interval * (256 - priority) / 256)
}

#[test]
fn silence_makes_it_master() {
    let mut rig = Rig::with(fixture());
    assert_eq!(
        rig.expire(),
        [advert(100), own(true), transition(State::Backup, State::Active, 100, Why::MasterDown)]
    );
    assert_eq!(rig.router().became_master, 1);
    assert_eq!(rig.wait(), 1000 * MS);
}

#[test]
fn priority_zero_leaves_the_skew_only() {
    let mut rig = Rig::with(fixture());
    rig.hear(PEER, 200);
    rig.pass(400 * MS);
    assert_eq!(rig.hear(PEER, 0), []);
    assert_eq!(rig.wait(), Duration::from_nanos(609_375_000));
    let outputs = rig.expire();
    assert!(outputs.contains(&transition(State::Backup, State::Active, 100, Why::MasterResigned)));
}

#[test]
fn the_skew_is_that_of_the_masters_interval() {
    let mut rig = Rig::with(fixture());
    let slow = rig.advert(PEER, 200, 1000);
    rig.tell(Input::Advert(slow));
    rig.hear(PEER, 0);
    assert_eq!(rig.wait(), Duration::from_nanos(6_093_750_000));
}

#[test]
fn version_2_waits_a_skew_that_no_interval_scales() {
    let mut rig = Rig::with(Instance { advert_interval: Duration::from_secs(2), ..fixture_v2() });
    assert_eq!(rig.wait(), Duration::from_nanos(6_609_375_000));
    let advert = rig.advert(PEER, 200, 200);
    rig.tell(Input::Advert(advert));
    assert_eq!(rig.wait(), Duration::from_nanos(6_609_375_000));
    rig.hear(PEER, 0);
    assert_eq!(rig.wait(), Duration::from_nanos(609_375_000));
}

#[test]
fn it_follows_the_masters_interval_with_each_advert() {
    let mut rig = Rig::with(fixture());
    for centis in [300, 100, 50, 400, 4095] {
        let advert = rig.pass(5 * MS).advert(PEER, 200, centis);
        rig.tell(Input::Advert(advert));
        assert_eq!(rig.wait(), down(u64::from(centis), 100));
        assert_eq!(rig.router().master_interval, u32::from(centis) * 10 * MS);
    }
}

#[test]
fn as_master_it_advertises_its_own_interval_again() {
    let mut rig = Rig::with(fixture());
    let slow = rig.advert(PEER, 200, 400);
    rig.tell(Input::Advert(slow));
    rig.expire();
    assert_eq!(rig.wait(), 1000 * MS);
    assert_eq!(rig.router().master_interval, 1000 * MS);
}

#[test]
fn time_counts_from_the_arrival_and_not_from_the_handling() {
    let mut rig = Rig::with(fixture());
    let advert = rig.advert(PEER, 200, 100);
    rig.pass(900 * MS).tell(Input::Advert(advert));
    assert_eq!(rig.wait(), down(100, 100) - 900 * MS);
}

#[test]
fn a_lower_master_is_not_heard_and_is_replaced_in_time() {
    let mut rig = Rig::with(fixture());
    rig.pass(1000 * MS);
    assert_eq!(rig.hear(PEER, 99), []);
    assert_eq!(rig.wait(), down(100, 100) - 1000 * MS);
    let outputs = rig.expire();
    assert!(outputs.contains(&transition(State::Backup, State::Active, 100, Why::Preempted)));
}

#[test]
fn an_equal_master_is_followed_whatever_its_address() {
    for host in [5, PEER] {
        let mut rig = Rig::with(fixture());
        rig.pass(1000 * MS).hear(host, 100);
        assert_eq!(rig.wait(), down(100, 100));
        assert_eq!(rig.router().master, Some(v4(host)));
    }
}

#[test]
fn nopreempt_follows_any_master() {
    let mut rig = Rig::with(Instance { preempt: false, ..fixture() });
    rig.pass(1000 * MS);
    let outputs = rig.hear(PEER, 1);
    assert_eq!(rig.wait(), down(100, 100));
    assert!(matches!(expectation(&outputs), Some(Some(_))));
}

#[test]
fn preempt_delay_puts_up_with_a_lower_master_and_then_no_more() {
    let mut rig = Rig::with(Instance { preempt_delay: 5000 * MS, ..fixture() });
    let start = rig.now;
    for second in 0..8 {
        rig.now = start + 1000 * second * MS;
        let outputs = rig.hear(PEER, 50);
        // The end of the delay must not be slept through.
        assert_eq!(expectation(&outputs), None);
    }
    // The last one it followed came 4 s after the first.
    assert_eq!(rig.engine.deadline(), Some(start + 4000 * MS + down(100, 100)));
    rig.expire();
    assert_eq!(rig.state(), State::Active);
}

#[test]
fn a_better_master_ends_the_preempt_delay() {
    let mut rig = Rig::with(Instance { preempt_delay: 2000 * MS, ..fixture() });
    rig.hear(PEER, 50);
    rig.pass(1000 * MS).hear(PEER, 200);
    rig.pass(1500 * MS).hear(PEER, 50);
    // 2.5 s after the first, but the delay began anew.
    assert_eq!(rig.wait(), down(100, 100));
}

#[test]
fn own_adverts_that_come_back_are_no_peer() {
    let mut rig = Rig::with(fixture());
    rig.pass(1000 * MS);
    assert_eq!(rig.hear(10, 200), []);
    assert_eq!(rig.wait(), down(100, 100) - 1000 * MS);
    assert_eq!(rig.router().master, None);
}

#[test]
fn queued_adverts_are_heard_before_a_late_expiry() {
    let mut rig = Rig::with(fixture());
    let advert = rig.pass(3000 * MS).advert(PEER, 200, 100);
    // The process stood still for two seconds.
    rig.pass(2000 * MS).tell(Input::Advert(advert));
    assert_eq!(rig.tell(Input::Deadline), []);
    assert_eq!(rig.state(), State::Backup);
    assert_eq!(rig.wait(), down(100, 100) - 2000 * MS);
}

#[test]
fn a_changed_priority_changes_the_running_timer() {
    let mut rig = Rig::with(fixture());
    rig.hear(PEER, 200);
    rig.pass(1000 * MS).load([Instance { priority: Priority(150), ..fixture() }]);
    assert_eq!(rig.wait(), down(100, 150) - 1000 * MS);
    assert_eq!(rig.router().skew, Duration::from_nanos(414_062_500));
}

#[test]
fn more_missed_adverts_may_be_waited_for() {
    let rig = Rig::with(Instance { down_timer_adverts: 5, ..fixture() });
    assert_eq!(rig.wait(), down(100, 100) + 2000 * MS);
}

#[test]
fn another_address_list_is_remarked_once_and_used() {
    let mut rig = Rig::with(fixture());
    let other = Advert { same_addresses: false, ..rig.advert(PEER, 200, 100) };
    let outputs = rig.tell(Input::Advert(other.clone()));
    assert!(outputs.iter().any(|output| matches!(output, Output::Remark { .. })));
    rig.pass(1000 * MS);
    let again = Advert { at: rig.now, ..other };
    assert_eq!(rig.tell(Input::Advert(again)), []);
    assert_eq!(rig.wait(), down(100, 100));
}

#[test]
fn an_advert_without_an_interval_sets_no_timer() {
    let mut rig = Rig::with(fixture());
    let advert = rig.advert(PEER, 200, 0);
    assert_eq!(rig.tell(Input::Advert(advert)), []);
    assert_eq!(rig.wait(), down(100, 100));
}
