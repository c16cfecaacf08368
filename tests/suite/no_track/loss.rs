//! What happens when `eth4` is lost, in every way: rows 1 to 9.
use vrrp_tests::lab::capture::address;
use vrrp_tests::lab::daemon::Daemon;
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::switch::Port;
use vrrp_tests::lab::wait::{eventually, throughout};

use crate::bed::{Bed, PENDING_DOWN, PENDING_GONE, REPEAT, SOON, WHILE};

/// Row 1: `eth4` is down at the start.
pub(crate) fn starts_while_down(bed: &Bed) {
    let port = bed.plug();
    bed.us.ip("link set eth4 down");
    let far = port.capture();
    let daemon = bed.start("");
    if !bed.variant.no_track {
        daemon.wait_state(0, "VI_1", "FAULT", SOON);
        throughout(WHILE, "FAULT", || {
            if bed.has_own() || bed.has_vip() { Err("an address".into()) } else { Ok(()) }
        });
        assert_eq!(daemon.logged(0, "Entering MASTER"), Vec::<String>::new());
        bed.us.ip("link set eth4 up");
        return bed.recovered(&daemon, 0);
    }
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "the address on eth0", || bed.has_own().then_some(()));
    bed.shown(&daemon, PENDING_DOWN);
    // The kernel takes IPv6 addresses off a device that is set down, and keeps IPv4 ones.
    if !bed.variant.ipv6 {
        assert!(bed.has_vip(), "configured on the down link: {:?}", bed.us.addresses());
    }
    assert_eq!(bed.number(&daemon, "announced"), 0, "nothing is announced on a dead link");
    let said = daemon.mark();
    bed.us.ip("link set eth4 up");
    bed.announced_once(&far, 0);
    bed.wait_owned();
    bed.shown(&daemon, "present");
    assert_eq!(bed.number(&daemon, "announced"), REPEAT as u64);
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
}

/// Row 2: `eth4` does not exist, and nothing says that it may.
pub(crate) fn starts_without_device(bed: &Bed) {
    let mut daemon = bed.start("");
    if !bed.variant.no_track {
        let ended = daemon.ended(SOON);
        assert!(!ended.success(), "{ended}");
        assert!(!daemon.logged(0, "eth4").is_empty(), "it names the interface");
        assert!(!bed.has_own());
        return;
    }
    daemon.wait_log(0, "eth4", SOON);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "the address on eth0", || bed.has_own().then_some(()));
    bed.shown(&daemon, PENDING_GONE);
    appears(bed, &daemon);
}

/// Row 3: `eth4` does not exist, and `dynamic_interfaces` says that it may.
pub(crate) fn starts_with_dynamic_interfaces(bed: &Bed) {
    let daemon = bed.start("    dynamic_interfaces");
    if !bed.variant.no_track {
        daemon.wait_state(0, "VI_1", "FAULT", SOON);
        let said = daemon.mark();
        let _port = bed.plug();
        return bed.recovered(&daemon, said);
    }
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    bed.shown(&daemon, PENDING_GONE);
    appears(bed, &daemon);
}

/// A missing `eth4` is created: the address gets there and is announced.
pub(crate) fn appears(bed: &Bed, daemon: &Daemon) {
    let (said, wire, far) = (daemon.mark(), bed.primary.capture(), bed.far.capture());
    let _port = bed.plug();
    bed.wait_owned();
    bed.shown(daemon, "present");
    eventually(SOON, "announcements on eth4", || {
        (!far.announcements(0, bed.bare()).is_empty()).then_some(())
    });
    std::thread::sleep(WHILE);
    bed.undisturbed(daemon, said, &wire, 0);
}

/// Rows 4 to 6: `eth4` goes and comes by `down` and `up`.
pub(crate) fn goes_and_comes(bed: &Bed, down: impl Fn(&Bed, &Port), up: impl Fn(&Bed, &Port)) {
    let port = bed.plug();
    let (wire, far) = (bed.primary.capture(), port.capture());
    let daemon = bed.master(&far);
    let prevented = bed.prevented(&daemon);
    // Once more than once: the second loss is like the first.
    for loss in 1..=2 {
        let (said, mark) = (daemon.mark(), wire.mark());
        down(bed, &port);
        if !bed.variant.no_track {
            bed.faulted(&daemon, said, &wire, mark);
            up(bed, &port);
            bed.recovered(&daemon, said);
            continue;
        }
        bed.shown(&daemon, PENDING_DOWN);
        std::thread::sleep(WHILE);
        assert!(bed.has_own());
        // The kernel takes IPv6 addresses off a device that is set down.
        assert!(bed.has_vip() || bed.variant.ipv6, "{:?}", bed.us.addresses());
        let before = bed.number(&daemon, "announced");
        let mark_far = far.mark();
        up(bed, &port);
        bed.announced_once(&far, mark_far);
        bed.wait_owned();
        bed.shown(&daemon, "present");
        assert_eq!(bed.number(&daemon, "announced"), before + REPEAT as u64);
        assert_eq!(bed.prevented(&daemon), prevented + loss);
        bed.undisturbed(&daemon, said, &wire, mark);
    }
}

/// Row 7: `eth4` is deleted and created again.
pub(crate) fn deleted_and_created(bed: &Bed) {
    let port = bed.plug();
    let wire = bed.primary.capture();
    let daemon = bed.master(&port.capture());
    let prevented = bed.prevented(&daemon);
    let (said, mark) = (daemon.mark(), wire.mark());
    bed.us.ip("link del eth4");
    if !bed.variant.no_track {
        bed.faulted(&daemon, said, &wire, mark);
        let _port = bed.plug();
        return bed.recovered(&daemon, said);
    }
    bed.shown(&daemon, PENDING_GONE);
    appears(bed, &daemon);
    assert_eq!(bed.prevented(&daemon), prevented + 1);
    bed.undisturbed(&daemon, said, &wire, mark);
}

/// Row 8: a reload while `eth4` is gone, and one after it came back.
pub(crate) fn reloaded_after_loss(bed: &Bed) {
    let port = bed.plug();
    let (wire, far) = (bed.primary.capture(), port.capture());
    let daemon = bed.master(&far);
    let (said, mark) = (daemon.mark(), wire.mark());
    port.cut();
    if !bed.variant.no_track {
        bed.faulted(&daemon, said, &wire, mark);
        daemon.hang_up();
        std::thread::sleep(WHILE);
        assert!(!bed.has_own() && !bed.has_vip());
        let said = daemon.mark();
        port.mend();
        daemon.wait_state(said, "VI_1", "MASTER", SOON);
        return bed.wait_owned();
    }
    bed.shown(&daemon, PENDING_DOWN);
    daemon.hang_up();
    std::thread::sleep(WHILE);
    bed.shown(&daemon, PENDING_DOWN);
    port.mend();
    bed.wait_owned();
    bed.shown(&daemon, "present");
    daemon.hang_up();
    std::thread::sleep(WHILE);
    bed.wait_owned();
    bed.undisturbed(&daemon, said, &wire, mark);
}

/// The switch that restores keepalived's behaviour: nothing is repaired before it becomes master
/// the next time.
pub(crate) fn without_repair(bed: &Bed) {
    let port = bed.plug();
    let wire = bed.primary.capture();
    let daemon = bed.master(&port.capture());
    let (said, mark) = (daemon.mark(), wire.mark());
    bed.us.ip("link set eth4 down");
    bed.us.ip("link set eth4 up");
    throughout(WHILE, "no repair", || {
        if bed.has_vip() { Err("it was repaired".into()) } else { Ok(()) }
    });
    bed.undisturbed(&daemon, said, &wire, mark);
    let list = [address("fe80::100"), address(bed.bare())];
    let higher = Packet::advert(Path::multicast("fe80::2"), 51, 200, v3(10), &list).frame();
    bed.primary.injector().send(&higher);
    daemon.wait_state(said, "VI_1", "BACKUP", SOON);
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
    bed.wait_owned();
}

/// Row 9: someone removes the address by hand.
pub(crate) fn removed_by_hand(bed: &Bed) {
    let port = bed.plug();
    let (wire, far) = (bed.primary.capture(), port.capture());
    let daemon = bed.master(&far);
    let (said, mark, mark_far) = (daemon.mark(), wire.mark(), far.mark());
    bed.us.ip(&format!("addr del {} dev eth4", bed.vip()));
    if !bed.variant.no_track {
        wire.wait_advert(mark, bed.source(), SOON, |advert| advert.priority() == 0);
        return bed.recovered(&daemon, said);
    }
    bed.announced_once(&far, mark_far);
    bed.wait_owned();
    assert_eq!(bed.number(&daemon, "repaired"), 1);
    bed.undisturbed(&daemon, said, &wire, mark);
}
