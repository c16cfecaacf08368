//! What happens when `eth4` is lost, in every way: rows 1 to 9 and 23.
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::switch::Port;
use vrrp_tests::lab::wait::{eventually, throughout};

use crate::bed::{Bed, PENDING_DOWN, PENDING_GONE, PRESENT, REPEAT, SOON, WHILE};

/// It does not run, for `eth4` is not there, and runs when it is.
fn waits_for_eth4(bed: &Bed, daemon: &Daemon, come: impl FnOnce()) {
    daemon.wait_state(0, "VI_1", "FAULT", SOON);
    throughout(WHILE, "FAULT", || {
        if bed.has_own() || bed.has_vip() { Err("an address".into()) } else { Ok(()) }
    });
    let (why, what) = bed.reason();
    bed.shows(daemon, "FAULT", "absent", &[(why, &what)]);
    assert_eq!(daemon.logged(0, "Entering MASTER"), Vec::<String>::new());
    assert_eq!(bed.terms(daemon), [0; 3]);
    let said = daemon.mark();
    come();
    bed.recovered(daemon, said);
}

/// Row 1: `eth4` is down at the start.
pub(crate) fn starts_while_down(bed: &Bed) {
    let port = bed.plug();
    bed.us.ip("link set eth4 down");
    let (wire, far) = (bed.primary.capture(), port.capture());
    let daemon = bed.start("");
    if !bed.variant.no_track {
        waits_for_eth4(bed, &daemon, || drop(bed.us.ip("link set eth4 up")));
        let announced = far.announcements(0, bed.bare()).len();
        assert!(announced >= REPEAT, "{announced} announcements");
        return;
    }
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    bed.runs(&daemon, PENDING_DOWN);
    eventually(SOON, "announcements on eth0", || {
        (wire.announcements(0, bed.bare_own()).len() >= REPEAT).then_some(())
    });
    assert_eq!(bed.number(&daemon, "announced"), 0, "nothing is announced on a dead link");
    assert_eq!(bed.prevented(&daemon), 1, "a tracked one would be in FAULT");
    let (said, mark, terms) = (daemon.mark(), wire.mark(), bed.terms(&daemon));
    bed.us.ip("link set eth4 up");
    bed.announced_once(&far, 0);
    bed.runs(&daemon, PRESENT);
    assert_eq!(bed.number(&daemon, "announced"), REPEAT as u64);
    assert_eq!(bed.prevented(&daemon), 1);
    assert_eq!(bed.terms(&daemon), terms);
    bed.undisturbed(&daemon, said, &wire, mark);
}

/// Row 2: `eth4` does not exist, and nothing says that it may.
pub(crate) fn starts_without_device(bed: &Bed) {
    let wire = bed.primary.capture();
    let mut daemon = bed.start("");
    if !bed.variant.no_track {
        let ended = daemon.ended(SOON);
        assert!(!ended.success(), "{ended}");
        assert!(!daemon.logged(0, "eth4").is_empty(), "it names the interface");
        assert!(!bed.has_own());
        assert_eq!(wire.adverts(0, bed.source()).len(), 0);
        return;
    }
    daemon.wait_log(0, "eth4", SOON);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    bed.runs(&daemon, PENDING_GONE);
    appears(bed, &daemon);
}

/// Row 3: `eth4` does not exist, and `dynamic_interfaces` says that it may.
pub(crate) fn starts_with_dynamic_interfaces(bed: &Bed) {
    let daemon = bed.start("    dynamic_interfaces");
    if !bed.variant.no_track {
        let mut port = None;
        waits_for_eth4(bed, &daemon, || port = Some(bed.plug()));
        return;
    }
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    bed.runs(&daemon, PENDING_GONE);
    appears(bed, &daemon);
}

/// A missing `eth4` is created: the address gets there and is announced.
fn appears(bed: &Bed, daemon: &Daemon) {
    let (said, wire, far) = (daemon.mark(), bed.primary.capture(), bed.far.capture());
    let (terms, prevented) = (bed.terms(daemon), bed.prevented(daemon));
    let before = bed.number(daemon, "announced");
    let _port = bed.plug();
    bed.wait_owned();
    bed.runs(daemon, PRESENT);
    eventually(SOON, "announcements on eth4", || {
        (!far.announcements(0, bed.bare()).is_empty()).then_some(())
    });
    std::thread::sleep(WHILE);
    assert_eq!(bed.number(daemon, "announced"), before + REPEAT as u64);
    assert_eq!((bed.terms(daemon), bed.prevented(daemon)), (terms, prevented));
    bed.undisturbed(daemon, said, &wire, 0);
}

/// Row 4: the carrier of `eth4` goes and comes.
pub(crate) fn carrier(bed: &Bed) {
    goes_and_comes(bed, |_, port| port.cut(), |_, port| port.mend());
}

/// Rows 5 and 6: `eth4` is set down and up.
pub(crate) fn admin(bed: &Bed) {
    let down = |bed: &Bed, _: &Port| drop(bed.us.ip("link set eth4 down"));
    let up = |bed: &Bed, _: &Port| drop(bed.us.ip("link set eth4 up"));
    goes_and_comes(bed, down, up);
}

fn goes_and_comes(bed: &Bed, down: impl Fn(&Bed, &Port), up: impl Fn(&Bed, &Port)) {
    let port = bed.plug();
    let (wire, far) = (bed.primary.capture(), port.capture());
    let daemon = bed.master(&far);
    let prevented = bed.prevented(&daemon);
    // Once more than once: the second loss is like the first.
    for loss in 1..=2 {
        let (said, mark) = (daemon.mark(), wire.mark());
        let [became, released, zero] = bed.terms(&daemon);
        down(bed, &port);
        if !bed.variant.no_track {
            bed.faulted(&daemon, said, &wire, mark);
            let mark_far = far.mark();
            up(bed, &port);
            bed.recovered(&daemon, said);
            eventually(SOON, "announcements on eth4", || {
                (far.announcements(mark_far, bed.bare()).len() >= REPEAT).then_some(())
            });
            if daemon.kind() == Kind::Xvrrp {
                assert_eq!(bed.terms(&daemon), [became + 1, released + 1, zero + 1]);
                assert_eq!(bed.prevented(&daemon), 0);
            }
            continue;
        }
        bed.runs(&daemon, PENDING_DOWN);
        std::thread::sleep(WHILE);
        bed.runs(&daemon, PENDING_DOWN);
        let before = bed.number(&daemon, "announced");
        let mark_far = far.mark();
        up(bed, &port);
        bed.announced_once(&far, mark_far);
        bed.runs(&daemon, PRESENT);
        assert_eq!(bed.number(&daemon, "announced"), before + REPEAT as u64);
        assert_eq!(bed.prevented(&daemon), prevented + loss);
        assert_eq!(bed.terms(&daemon), [became, released, zero]);
        bed.undisturbed(&daemon, said, &wire, mark);
    }
}

/// Row 7: `eth4` is deleted and created again.
pub(crate) fn deleted_and_created(bed: &Bed) {
    lost_and_found(bed, |_| drop(bed.us.ip("link del eth4")), || Some(bed.plug()));
}

/// Row 23: `eth4` gets another name, and its own again.
pub(crate) fn renamed(bed: &Bed) {
    // While it is up, since 6.2: the kernel takes nothing off it, and nothing of ours may stay under
    // a name that nobody gave it.
    let lose = |daemon: &Daemon| {
        bed.us.ip("link set eth4 name eth5");
        if daemon.kind() == Kind::Xvrrp {
            eventually(SOON, "no address on eth5", || {
                (!bed.us.has("eth5", bed.vip())).then_some(())
            });
        }
    };
    lost_and_found(bed, lose, || {
        bed.us.ip("link set eth5 name eth4");
        None
    });
}

/// Row 23: `eth4` goes to another namespace, and returns.
pub(crate) fn moved(bed: &Bed) {
    let elsewhere = Namespace::new("nt-else");
    let lose = |_: &Daemon| drop(bed.us.ip(&format!("link set eth4 netns {}", elsewhere.name())));
    lost_and_found(bed, lose, || {
        elsewhere.ip(&format!("link set eth4 netns {}", bed.us.name()));
        bed.us.ip("link set eth4 up");
        None
    });
}

fn lost_and_found(bed: &Bed, lose: impl FnOnce(&Daemon), find: impl FnOnce() -> Option<Port>) {
    let port = bed.plug();
    // A new cable is seen only behind the switch, and an old one sooner before it.
    let (wire, near, far) = (bed.primary.capture(), port.capture(), bed.far.capture());
    let daemon = bed.master(&near);
    let prevented = bed.prevented(&daemon);
    let (said, mark, terms) = (daemon.mark(), wire.mark(), bed.terms(&daemon));
    lose(&daemon);
    if !bed.variant.no_track {
        bed.faulted(&daemon, said, &wire, mark);
        let _port = find();
        return bed.recovered(&daemon, said);
    }
    bed.runs(&daemon, PENDING_GONE);
    std::thread::sleep(WHILE);
    let before = bed.number(&daemon, "announced");
    let (mark_near, mark_far) = (near.mark(), far.mark());
    let port = find();
    bed.wait_owned();
    bed.runs(&daemon, PRESENT);
    let (seen, since) = if port.is_some() { (&far, mark_far) } else { (&near, mark_near) };
    eventually(SOON, "announcements on eth4", || {
        (!seen.announcements(since, bed.bare()).is_empty()).then_some(())
    });
    std::thread::sleep(WHILE);
    assert_eq!(bed.number(&daemon, "announced"), before + REPEAT as u64);
    assert_eq!(bed.prevented(&daemon), prevented + 1);
    assert_eq!(bed.terms(&daemon), terms);
    bed.undisturbed(&daemon, said, &wire, mark);
}

/// Row 8: a reload while `eth4` is gone, and one after it came back.
pub(crate) fn reloaded_after_loss(bed: &Bed) {
    let port = bed.plug();
    let (wire, far) = (bed.primary.capture(), port.capture());
    let daemon = bed.master(&far);
    let (said, mark, terms) = (daemon.mark(), wire.mark(), bed.terms(&daemon));
    let prevented = bed.prevented(&daemon);
    port.cut();
    if !bed.variant.no_track {
        bed.faulted(&daemon, said, &wire, mark);
        daemon.hang_up();
        std::thread::sleep(WHILE);
        assert!(!bed.has_own() && !bed.has_vip());
        let (why, what) = bed.reason();
        bed.shows(&daemon, "FAULT", "absent", &[(why, &what)]);
        let said = daemon.mark();
        port.mend();
        daemon.wait_state(said, "VI_1", "MASTER", SOON);
        bed.wait_owned();
        return bed.runs(&daemon, PRESENT);
    }
    bed.runs(&daemon, PENDING_DOWN);
    daemon.hang_up();
    daemon.wait_log(said, "reloaded", SOON);
    std::thread::sleep(WHILE);
    bed.runs(&daemon, PENDING_DOWN);
    let mark_far = far.mark();
    port.mend();
    bed.announced_once(&far, mark_far);
    bed.runs(&daemon, PRESENT);
    daemon.hang_up();
    std::thread::sleep(WHILE);
    bed.runs(&daemon, PRESENT);
    assert_eq!(bed.terms(&daemon), terms);
    assert_eq!(bed.prevented(&daemon), prevented + 1);
    bed.undisturbed(&daemon, said, &wire, mark);
}

/// Row 9: someone removes the address by hand.
pub(crate) fn removed_by_hand(bed: &Bed) {
    let port = bed.plug();
    let (wire, far) = (bed.primary.capture(), port.capture());
    let daemon = bed.master(&far);
    let (said, mark, mark_far) = (daemon.mark(), wire.mark(), far.mark());
    let (terms, prevented) = (bed.terms(&daemon), bed.prevented(&daemon));
    bed.us.ip(&format!("addr del {} dev eth4", bed.vip()));
    if !bed.variant.no_track {
        wire.wait_advert(mark, bed.source(), SOON, |advert| advert.priority() == 0);
        bed.recovered(&daemon, said);
        eventually(SOON, "announcements on eth4", || {
            (far.announcements(mark_far, bed.bare()).len() >= REPEAT).then_some(())
        });
        return;
    }
    bed.announced_once(&far, mark_far);
    bed.runs(&daemon, PRESENT);
    assert_eq!(bed.number(&daemon, "repaired"), 1);
    assert_eq!(bed.prevented(&daemon), prevented, "the link was there all the time");
    assert_eq!(bed.terms(&daemon), terms);
    bed.undisturbed(&daemon, said, &wire, mark);
}
