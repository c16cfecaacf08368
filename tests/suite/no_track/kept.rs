//! What does `no_repair` leave alone: what keepalived leaves alone with `no_track`, in every row
//! where ours does better. Each case is tried with both.
use vrrp_tests::lab::capture::Capture;
use vrrp_tests::lab::daemon::Daemon;
use vrrp_tests::lab::switch::Port;
use vrrp_tests::lab::wait::{eventually, throughout};

use crate::bed::{Bed, REPEAT, SOON, WHILE};

/// Nothing is put back or announced; when it becomes master the next time, everything is. Says when
/// that was.
fn until_the_next_term(
    bed: &Bed,
    daemon: &Daemon,
    far: &Capture,
    mark: usize,
    said: usize,
    there: bool,
) -> u64 {
    throughout(WHILE, "nothing is repaired", || {
        match (bed.has_vip() == there, far.announcements(mark, bed.bare()).len()) {
            (true, 0) => Ok(()),
            (_, count) => Err(format!("{:?}, {count} announcements", bed.us.addresses())),
        }
    });
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    let wire = bed.primary.capture();
    bed.primary.injector().send(&bed.higher());
    daemon.wait_state(said, "VI_1", "BACKUP", SOON);
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
    bed.wait_owned();
    eventually(SOON, "announcements", || {
        (far.announcements(mark, bed.bare()).len() >= REPEAT).then_some(())
    });
    wire.wait_advert(0, bed.source(), SOON, |advert| advert.priority() == 100).at
}

fn lost_and_found(bed: &Bed, there: bool, lose: impl FnOnce(&Port), find: impl FnOnce(&Port)) {
    let port = bed.plug();
    // A new cable is seen only behind the switch, and an old one sooner before it.
    let (near, far) = (port.capture(), bed.far.capture());
    let daemon = bed.master(&near);
    let said = daemon.mark();
    lose(&port);
    std::thread::sleep(WHILE);
    let (mark_near, mark) = (near.mark(), far.mark());
    find(&port);
    let end = until_the_next_term(bed, &daemon, &far, mark, said, there);
    let early = near.announcements(mark_near, bed.bare()).into_iter().filter(|at| *at < end);
    assert_eq!(early.count(), 0, "announced before the next term");
}

/// Row 1: `eth4` is down at the start.
pub(crate) fn starts_while_down(bed: &Bed) {
    let _port = bed.plug();
    bed.us.ip("link set eth4 down");
    let far = bed.far.capture();
    let daemon = bed.start("");
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "the address on eth0", || bed.has_own().then_some(()));
    std::thread::sleep(WHILE);
    let (mark, said, there) = (far.mark(), daemon.mark(), bed.has_vip());
    bed.us.ip("link set eth4 up");
    until_the_next_term(bed, &daemon, &far, mark, said, there);
}

/// Row 3: `eth4` is missing at the start.
pub(crate) fn starts_without_device(bed: &Bed) {
    let far = bed.far.capture();
    let daemon = bed.start("    dynamic_interfaces");
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "the address on eth0", || bed.has_own().then_some(()));
    std::thread::sleep(WHILE);
    let (mark, said) = (far.mark(), daemon.mark());
    let _port = bed.plug();
    until_the_next_term(bed, &daemon, &far, mark, said, false);
}

/// Row 4: the carrier goes and comes; the kernel keeps the address.
pub(crate) fn carrier(bed: &Bed) {
    lost_and_found(bed, true, Port::cut, Port::mend);
}

/// Rows 5 and 6: `eth4` is set down and up; the kernel keeps IPv4 addresses and no others.
pub(crate) fn admin(bed: &Bed) {
    let set = |to: &str| drop(bed.us.ip(&format!("link set eth4 {to}")));
    lost_and_found(bed, !bed.variant.ipv6, |_| set("down"), |_| set("up"));
}

/// Row 7: `eth4` is deleted and created again.
pub(crate) fn deleted_and_created(bed: &Bed) {
    let mut again = None;
    lost_and_found(bed, false, |_| drop(bed.us.ip("link del eth4")), |_| again = Some(bed.plug()));
}

/// Row 9: someone removes the address by hand.
pub(crate) fn removed_by_hand(bed: &Bed) {
    let remove = |_: &Port| drop(bed.us.ip(&format!("addr del {} dev eth4", bed.vip())));
    lost_and_found(bed, false, remove, |_| ());
}

/// Row 13: the route over `eth4` is not put back either.
pub(crate) fn with_route(bed: &Bed) {
    let port = bed.plug();
    let daemon = bed.master(&port.capture());
    eventually(SOON, "the route", || bed.routed().then_some(()));
    let said = daemon.mark();
    bed.us.ip("link set eth4 down");
    eventually(SOON, "no route over a dead link", || (!bed.routed()).then_some(()));
    bed.us.ip("link set eth4 up");
    throughout(WHILE, "nothing is repaired", || {
        if bed.routed() { Err("the route is back".into()) } else { Ok(()) }
    });
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    bed.primary.injector().send(&bed.higher());
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
    bed.wait_owned();
    eventually(SOON, "the route again", || bed.routed().then_some(()));
}
