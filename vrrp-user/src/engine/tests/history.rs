//! RFC 8347: which event and which reason are told after each change of state.
use super::*;
use crate::engine::history::{LastEvent, NewMasterReason};

#[track_caller]
fn assert_past(rig: &Rig, event: LastEvent, reason: NewMasterReason) {
    let history = rig.router().history;
    assert_eq!((history.event, history.new_master), (event, reason));
}

#[test]
fn a_start_is_no_mastership() {
    let rig = Rig::with(fixture());
    assert_past(&rig, LastEvent::Startup, NewMasterReason::NotMaster);
    assert_eq!(rig.router().history.up_since, Some(rig.now));
}

#[test]
fn the_owner_starts_as_master_by_priority() {
    let rig = Rig::active(Instance { priority: Priority::OWNER, ..fixture() });
    assert_past(&rig, LastEvent::Startup, NewMasterReason::Priority);
}

#[test]
fn a_silent_master_gave_no_response() {
    let mut rig = Rig::with(fixture());
    let started = rig.now;
    rig.expire();
    assert_past(&rig, LastEvent::MasterTimeout, NewMasterReason::NoResponse);
    // It did not go through Initialize.
    assert_eq!(rig.router().history.up_since, Some(started));
}

#[test]
fn a_master_that_resigned_left_it_to_the_priority() {
    let mut rig = Rig::with(fixture());
    rig.hear(PEER, 200);
    rig.hear(PEER, 0);
    rig.expire();
    assert_past(&rig, LastEvent::MasterTimeout, NewMasterReason::Priority);
}

#[test]
fn a_lower_master_is_preempted_at_once_or_after_the_delay() {
    let mut rig = Rig::with(fixture());
    rig.hear(PEER, 99);
    rig.expire();
    assert_past(&rig, LastEvent::LowerPriorityMaster, NewMasterReason::Preempted);

    let delay = Duration::from_secs(2);
    let mut rig = Rig::with(Instance { preempt_delay: delay, ..fixture() });
    for _ in 0..60 {
        if rig.state() == State::Active {
            break;
        }
        rig.hear(PEER, 99);
        rig.pass(100 * MS).tell(Input::Deadline);
    }
    assert_eq!(rig.state(), State::Active);
    assert_past(&rig, LastEvent::PreemptHoldTimeout, NewMasterReason::Preempted);
}

#[test]
fn giving_way_keeps_the_reason_of_the_last_mastership() {
    let mut rig = Rig::with(fixture());
    rig.expire();
    rig.hear(PEER, 200);
    assert_eq!(rig.state(), State::Backup);
    assert_past(&rig, LastEvent::HigherPriorityBackup, NewMasterReason::NoResponse);
}

#[test]
fn a_fault_is_initialize_to_the_standard() {
    let mut rig = Rig::with(fixture());
    rig.expire();
    rig.tell(down("eth0"));
    assert_eq!(rig.state(), State::Fault);
    assert_past(&rig, LastEvent::InterfaceDown, NewMasterReason::NoResponse);
    assert_eq!(rig.router().history.up_since, None);
    rig.pass(700 * MS).tell(up("eth0"));
    assert_past(&rig, LastEvent::InterfaceUp, NewMasterReason::NoResponse);
    assert_eq!(rig.router().history.up_since, Some(rig.now));

    let bare = LinkState::Up(LinkAddresses::default());
    rig.tell(Input::Link { name: name("eth0"), state: bare });
    assert_past(&rig, LastEvent::NoPrimaryIpAddress, NewMasterReason::NoResponse);
    rig.tell(up("eth0"));
    assert_past(&rig, LastEvent::PrimaryIpAddress, NewMasterReason::NoResponse);
}

#[test]
fn a_stolen_address_is_told() {
    let mut rig = Rig::with(fixture());
    rig.expire();
    rig.tell(Input::Lost { router: ROUTER, address: 0 });
    assert_past(&rig, LastEvent::NoVirtualIpAddresses, NewMasterReason::NoResponse);
}
