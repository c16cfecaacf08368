//! What an operator's `demote` does, and for how long.
use super::*;

const HOLD: Duration = Duration::from_secs(30);

fn demote(hold: Duration) -> Input {
    Input::Demote { router: ROUTER, hold }
}

#[test]
fn a_master_resigns_and_lets_a_lower_one_be() {
    let mut rig = Rig::active(fixture());
    assert_eq!(
        rig.tell(demote(HOLD)),
        [advert(0), own(false), transition(State::Active, State::Backup, 100, Why::Demoted)]
    );
    assert_eq!(rig.router().master, None);
    // A lower master is followed while the hold lasts, and discarded after it.
    for _ in 0..29 {
        rig.pass(1000 * MS);
        rig.hear(PEER, 50);
        assert!(rig.wait() > 3000 * MS);
    }
    assert_eq!(rig.router().master, Some(v4(PEER)));
    rig.pass(1000 * MS).hear(PEER, 50);
    rig.pass(1000 * MS).hear(PEER, 50);
    assert_eq!(rig.state(), State::Backup);
    let outputs = rig.expire();
    assert!(outputs.contains(&transition(State::Backup, State::Active, 100, Why::Preempted)));
    assert_eq!(rig.router().held_until, None);
}

#[test]
fn where_nobody_takes_over_it_is_master_again() {
    let mut rig = Rig::active(fixture());
    rig.tell(demote(HOLD));
    let outputs = rig.expire();
    assert!(outputs.contains(&transition(State::Backup, State::Active, 100, Why::MasterDown)));
    // What is over does not hold a later one back.
    assert_eq!(rig.router().held_until, None);
}

#[test]
fn the_owner_is_held_too_also_through_a_fault() {
    let mut rig = Rig::active(Instance { priority: Priority::OWNER, ..fixture() });
    rig.tell(demote(HOLD));
    rig.pass(100 * MS).hear(PEER, 50);
    assert_eq!(rig.state(), State::Backup);
    rig.tell(down("eth0"));
    assert_eq!(rig.state(), State::Fault);
    rig.tell(up("eth0"));
    assert_eq!(rig.state(), State::Backup);
    rig.pass(HOLD);
    rig.tell(down("eth0"));
    rig.tell(up("eth0"));
    assert_eq!(rig.state(), State::Active);
}

#[test]
fn a_backup_about_to_preempt_waits_too() {
    let mut rig = Rig::with(fixture());
    for _ in 0..3 {
        rig.pass(1000 * MS).hear(PEER, 50);
    }
    assert!(rig.wait() < 1000 * MS);
    assert_eq!(rig.tell(demote(HOLD)), []);
    assert!(rig.wait() > 3000 * MS);
    rig.pass(1000 * MS).hear(PEER, 50);
    assert_eq!(rig.router().master, Some(v4(PEER)));
    // A silent master is none that is preempted.
    let outputs = rig.expire();
    assert!(outputs.contains(&transition(State::Backup, State::Active, 100, Why::MasterDown)));
}

#[test]
fn without_a_hold_the_usual_rules_go_on() {
    let mut rig = Rig::active(fixture());
    rig.tell(demote(Duration::ZERO));
    assert_eq!(rig.state(), State::Backup);
    for _ in 0..3 {
        rig.pass(1000 * MS).hear(PEER, 50);
    }
    let outputs = rig.expire();
    assert!(outputs.contains(&transition(State::Backup, State::Active, 100, Why::Preempted)));
}
