//! What else depends on `eth4`, and does `no_track` on the address leave that alone: rows 10 to 21.
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use vrrp_tests::lab::capture::address;
use vrrp_tests::lab::daemon::Kind;
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::master::Beat;
use vrrp_tests::lab::wait::{eventually, throughout};

use crate::bed::{Bed, SOON, WHILE};

/// Row 10: another address, a tracked one, is removed by hand.
pub(crate) fn other_address_removed(bed: &Bed) {
    let port = bed.plug();
    let wire = bed.primary.capture();
    let daemon = bed.master(&port.capture());
    let (said, mark) = (daemon.mark(), wire.mark());
    bed.us.ip(&format!("addr del {} dev eth0", bed.own()));
    wire.wait_advert(mark, bed.source(), SOON, |advert| advert.priority() == 0);
    bed.recovered(&daemon, said);
}

/// Rows 11 and 14: `track_interface` or a tracked route needs `eth4`, whatever the address says.
pub(crate) fn always_faults(bed: &Bed) {
    let port = bed.plug();
    let wire = bed.primary.capture();
    let daemon = bed.master(&port.capture());
    let (said, mark) = (daemon.mark(), wire.mark());
    bed.us.ip("link set eth4 down");
    bed.faulted(&daemon, said, &wire, mark);
    let said = daemon.mark();
    bed.us.ip("link set eth4 up");
    bed.recovered(&daemon, said);
}

/// Row 12: `eth4` has a weight. Of a tracked address the fault wins.
pub(crate) fn tracked_by_weight(bed: &Bed) {
    if !bed.variant.no_track {
        return always_faults(bed);
    }
    let port = bed.plug();
    let wire = bed.primary.capture();
    let daemon = bed.master(&port.capture());
    let said = daemon.mark();
    for (action, priority) in [("down", 80), ("up", 100)] {
        let mark = wire.mark();
        bed.us.ip(&format!("link set eth4 {action}"));
        wire.wait_advert(mark, bed.source(), SOON, |advert| advert.priority() == priority);
        let show = daemon.show();
        assert_eq!(show.instance("VI_1").get("priority"), Some(&priority.into()));
        assert_eq!(show.instance("VI_1").get("base_priority"), Some(&100.into()));
    }
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
}

/// Row 13: the route over `eth4` is not tracked either.
pub(crate) fn with_route_no_track(bed: &Bed) {
    if !bed.variant.no_track {
        return always_faults(bed);
    }
    let port = bed.plug();
    let wire = bed.primary.capture();
    let daemon = bed.master(&port.capture());
    let routed = || bed.us.ip("route show").contains("192.0.2.0/24");
    eventually(SOON, "the route", || routed().then_some(()));
    let (said, mark) = (daemon.mark(), wire.mark());
    bed.us.ip("link set eth4 down");
    eventually(SOON, "no route over a dead link", || (!routed()).then_some(()));
    std::thread::sleep(WHILE);
    bed.us.ip("link set eth4 up");
    eventually(SOON, "the route again", || routed().then_some(()));
    bed.undisturbed(&daemon, said, &wire, mark);
}

/// Row 16: `dont_track_primary` is about `eth0` only.
pub(crate) fn primary_not_tracked(bed: &Bed) {
    if !bed.variant.no_track {
        return always_faults(bed);
    }
    let port = bed.plug();
    let wire = bed.primary.capture();
    let daemon = bed.master(&port.capture());
    let (said, mark) = (daemon.mark(), wire.mark());
    bed.us.ip("link set eth4 down");
    std::thread::sleep(WHILE);
    bed.us.ip("link set eth4 up");
    std::thread::sleep(WHILE);
    bed.undisturbed(&daemon, said, &wire, mark);
    bed.wait_owned();
}

/// Row 19: the same while another router is the master.
pub(crate) fn as_backup(bed: &Bed) {
    let _port = bed.plug();
    let wire = bed.primary.capture();
    let list = [address("10.0.0.100"), address("2.2.2.2")];
    let frame = Packet::advert(Path::multicast("10.0.0.2"), 51, 200, v3(10), &list).frame();
    let _master = Beat::of(bed.primary.injector(), Duration::from_millis(100), frame);
    let daemon = bed.start("");
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    std::thread::sleep(WHILE);
    let said = daemon.mark();
    bed.us.ip("link set eth4 down");
    if bed.variant.no_track {
        std::thread::sleep(WHILE);
        bed.us.ip("link set eth4 up");
        std::thread::sleep(WHILE);
        assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    } else {
        daemon.wait_state(said, "VI_1", "FAULT", SOON);
        let said = daemon.mark();
        bed.us.ip("link set eth4 up");
        daemon.wait_state(said, "VI_1", "BACKUP", SOON);
    }
    assert!(!bed.has_own() && !bed.has_vip());
    assert_eq!(wire.adverts(0, bed.source()).len(), 0);
}

/// Row 21: what counts is how it ends.
pub(crate) fn a_thousand_flaps(bed: &Bed) {
    let port = bed.plug();
    let (wire, far) = (bed.primary.capture(), bed.far.capture());
    let daemon = bed.master(&port.capture());
    let (said, mark, mark_far) = (daemon.mark(), wire.mark(), far.mark());
    let flaps = "link set eth4 down\nlink set eth4 up\n".repeat(1000);
    let mut ip = Command::new("ip");
    ip.args(["-n", bed.us.name(), "-batch", "-"]).stdin(Stdio::piped());
    let mut ip = ip.spawn().unwrap_or_else(|error| panic!("ip: {error}"));
    if let Some(stdin) = &mut ip.stdin {
        stdin.write_all(flaps.as_bytes()).unwrap_or_else(|error| panic!("ip: {error}"));
    }
    drop(ip.stdin.take());
    assert!(ip.wait().is_ok_and(|status| status.success()));
    if !bed.variant.no_track {
        bed.wait_owned();
        bed.shown(&daemon, "present");
        let mark = wire.mark();
        wire.wait_advert(mark, bed.source(), SOON, |advert| advert.priority() == 100);
        return;
    }
    bed.wait_owned();
    bed.shown(&daemon, "present");
    eventually(SOON, "an announcement at the end", || {
        (!far.announcements(mark_far, bed.bare()).is_empty()).then_some(())
    });
    std::thread::sleep(WHILE);
    let announced = far.announcements(mark_far, bed.bare()).len();
    assert!(announced < 200, "{announced} announcements for a thousand flaps");
    let quiet = far.mark();
    throughout(WHILE, "quiet afterwards", || match far.announcements(quiet, bed.bare()).len() {
        0 => Ok(()),
        count => Err(format!("{count} more announcements")),
    });
    bed.undisturbed(&daemon, said, &wire, mark);
    assert!(bed.variant.kind == Kind::Keepalived || bed.prevented(&daemon) > 0);
}
