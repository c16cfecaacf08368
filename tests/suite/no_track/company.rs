//! What else depends on `eth4`, and does `no_track` on the address leave that alone: rows 10 to 20.
use std::time::Duration;

use serde_json::Value;
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind, xvrrp};
use vrrp_tests::lab::master::Beat;
use vrrp_tests::lab::report::text;
use vrrp_tests::lab::wait::eventually;

use crate::bed::{Bed, PENDING_DOWN, PRESENT, REPEAT, SOON, WHILE};

/// Row 10: another address, a tracked one, is removed by hand.
pub(crate) fn other_address_removed(bed: &Bed) {
    let port = bed.plug();
    let (wire, far) = (bed.primary.capture(), port.capture());
    let daemon = bed.master(&far);
    let (said, mark, mark_far) = (daemon.mark(), wire.mark(), far.mark());
    let prevented = bed.prevented(&daemon);
    bed.us.ip(&format!("addr del {} dev eth0", bed.own()));
    wire.wait_advert(mark, bed.source(), SOON, |advert| advert.priority() == 0);
    bed.recovered(&daemon, said);
    for (wire, mark, address) in [(&wire, mark, bed.bare_own()), (&far, mark_far, bed.bare())] {
        eventually(SOON, "announced again", || {
            (wire.announcements(mark, address).len() >= REPEAT).then_some(())
        });
    }
    assert_eq!(bed.prevented(&daemon), prevented);
}

/// `eth4` is lost, which is a fault for these reasons, and comes back.
fn faults(bed: &Bed, reasons: &[(&str, &str)]) {
    let port = bed.plug();
    let wire = bed.primary.capture();
    let daemon = bed.master(&port.capture());
    let (said, mark) = (daemon.mark(), wire.mark());
    bed.us.ip("link set eth4 down");
    let (why, what) = bed.reason();
    let mut all = reasons.to_vec();
    if !bed.variant.no_track {
        all.push((why, &what));
        // As `show` sorts them: what is tracked by name, then addresses, then routes.
        all.sort_by_key(|(why, _)| match *why {
            "tracked-interface" => 0,
            "address-interface" => 1,
            _ => 2,
        });
    }
    bed.faulted_by(&daemon, said, &wire, mark, &all);
    assert_eq!(bed.prevented(&daemon), 0, "it was a fault");
    let said = daemon.mark();
    bed.us.ip("link set eth4 up");
    bed.recovered(&daemon, said);
}

/// Row 11: `track_interface` needs `eth4`, whatever the address says.
pub(crate) fn tracked_interface(bed: &Bed) {
    faults(bed, &[("tracked-interface", "eth4")]);
}

/// Row 12: `eth4` has a weight. Of a tracked address the fault wins.
pub(crate) fn tracked_by_weight(bed: &Bed) {
    if !bed.variant.no_track {
        return faults(bed, &[]);
    }
    let port = bed.plug();
    let wire = bed.primary.capture();
    let daemon = bed.master(&port.capture());
    let (said, terms, prevented) = (daemon.mark(), bed.terms(&daemon), bed.prevented(&daemon));
    for (action, priority, presence) in [("down", 80, PENDING_DOWN), ("up", 100, PRESENT)] {
        let mark = wire.mark();
        bed.us.ip(&format!("link set eth4 {action}"));
        wire.wait_advert(mark, bed.source(), SOON, |advert| advert.priority() == priority);
        bed.runs(&daemon, presence);
        let show = daemon.show();
        let field = |key| show.instance("VI_1").get(key).cloned();
        assert_eq!(field("priority"), Some(Value::from(priority)));
        assert_eq!(field("base_priority"), Some(Value::from(100)));
        let weights = field("weights").unwrap_or_default().to_string();
        let words = daemon.words(Some("VI_1"));
        let lowered = priority == 80;
        assert_eq!(weights.contains("eth4") && weights.contains("-20"), lowered, "{weights}");
        assert_eq!(words.contains("-20 by interface eth4"), lowered, "{words}");
    }
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    assert_eq!((bed.prevented(&daemon), bed.terms(&daemon)), (prevented + 1, terms));
}

/// Row 13: the route over `eth4` is not tracked either.
pub(crate) fn with_route_no_track(bed: &Bed) {
    if !bed.variant.no_track {
        return faults(bed, &[]);
    }
    let port = bed.plug();
    let (wire, far) = (bed.primary.capture(), port.capture());
    let daemon = bed.master(&far);
    eventually(SOON, "the route", || bed.routed().then_some(()));
    assert_eq!(bed.route_state(&daemon), PRESENT);
    let (said, mark, mark_far) = (daemon.mark(), wire.mark(), far.mark());
    let (terms, prevented) = (bed.terms(&daemon), bed.prevented(&daemon));
    bed.us.ip("link set eth4 down");
    eventually(SOON, "no route over a dead link", || (!bed.routed()).then_some(()));
    bed.runs(&daemon, PENDING_DOWN);
    std::thread::sleep(WHILE);
    assert_eq!(bed.route_state(&daemon), PENDING_DOWN);
    assert!(
        daemon.words(Some("VI_1")).contains(&format!("{} dev eth4: {PENDING_DOWN}", bed.net()))
    );
    bed.us.ip("link set eth4 up");
    eventually(SOON, "the route again", || bed.routed().then_some(()));
    bed.announced_once(&far, mark_far);
    bed.runs(&daemon, PRESENT);
    eventually(SOON, "shown", || (bed.route_state(&daemon) == PRESENT).then_some(()));
    assert_eq!((bed.prevented(&daemon), bed.terms(&daemon)), (prevented + 1, terms));
    bed.undisturbed(&daemon, said, &wire, mark);
}

/// Row 14: the route over `eth4` is tracked, and the reason names it.
pub(crate) fn with_route_tracked(bed: &Bed) {
    faults(bed, &[("route-interface", &format!("{} dev eth4", bed.net()))]);
}

/// Row 15: a sync group, of which only `VI_1` has the address on `eth4`.
pub(crate) fn in_a_group(bed: &Bed) {
    let port = bed.plug();
    let second = if bed.variant.ipv6 { "fe80::200/64" } else { "10.0.0.200/24" };
    let instances = [bed.instance(), Vrrp::new(second).called("VI_2", 52)];
    let group = "vrrp_sync_group VG {\n group {\n VI_1\n VI_2\n }\n}\n";
    let (wire, far) = (bed.primary.capture(), port.capture());
    let config = file("", &instances) + group;
    let daemon = Daemon::start(bed.variant.kind, &bed.us, &config);
    let both = |said: usize, state: &str| {
        for name in ["VI_1", "VI_2"] {
            daemon.wait_state(said, name, state, SOON);
        }
    };
    both(0, "MASTER");
    bed.runs(&daemon, PRESENT);
    let has_second = || bed.us.has("eth0", second);
    eventually(SOON, "the address of VI_2", || has_second().then_some(()));
    std::thread::sleep(WHILE);
    let (said, mark, mark_far) = (daemon.mark(), wire.mark(), far.mark());
    let (terms, prevented) = (bed.terms(&daemon), bed.prevented(&daemon));
    bed.us.ip("link set eth4 down");
    if bed.variant.no_track {
        bed.runs(&daemon, PENDING_DOWN);
        std::thread::sleep(WHILE);
        assert!(has_second());
        bed.us.ip("link set eth4 up");
        bed.announced_once(&far, mark_far);
        bed.runs(&daemon, PRESENT);
        assert_eq!(bed.prevented(&daemon), prevented + 1);
        assert_eq!(bed.terms(&daemon), terms);
        return bed.undisturbed(&daemon, said, &wire, mark);
    }
    both(said, "FAULT");
    bed.faulted(&daemon, said, &wire, mark);
    eventually(SOON, "no address of VI_2", || (!has_second()).then_some(()));
    let goodbye = |advert: &vrrp_tests::lab::decode::SeenAdvert| {
        advert.priority() == 0 && advert.header.vrid() == 52
    };
    wire.wait_advert(mark, bed.source(), SOON, goodbye);
    if daemon.kind() == Kind::Xvrrp {
        let faults = daemon.show().instance("VI_2").get("faults").cloned().unwrap_or_default();
        let words = daemon.words(Some("VI_2"));
        assert!(faults.to_string().contains("VI_1"), "{faults}");
        assert!(words.contains("FAULT") && words.contains("VI_1"), "{words}");
    }
    let said = daemon.mark();
    bed.us.ip("link set eth4 up");
    both(said, "MASTER");
    bed.recovered(&daemon, said);
    eventually(SOON, "the address of VI_2", || has_second().then_some(()));
}

/// Row 16: `dont_track_primary` is about `eth0` only.
pub(crate) fn primary_not_tracked(bed: &Bed) {
    if !bed.variant.no_track {
        return faults(bed, &[]);
    }
    let port = bed.plug();
    let (wire, far) = (bed.primary.capture(), port.capture());
    let daemon = bed.master(&far);
    let (said, mark, terms) = (daemon.mark(), wire.mark(), bed.terms(&daemon));
    let (mark_far, prevented) = (far.mark(), bed.prevented(&daemon));
    bed.us.ip("link set eth4 down");
    bed.runs(&daemon, PENDING_DOWN);
    std::thread::sleep(WHILE);
    bed.us.ip("link set eth4 up");
    bed.announced_once(&far, mark_far);
    bed.runs(&daemon, PRESENT);
    assert_eq!((bed.prevented(&daemon), bed.terms(&daemon)), (prevented + 1, terms));
    bed.undisturbed(&daemon, said, &wire, mark);
}

/// Row 17: the address without a link of its own: `eth0` is tracked whatever it says, and `check`
/// warns that `no_track` has no effect.
pub(crate) fn on_the_primary(bed: &Bed) {
    let no_track = if bed.variant.no_track { " no_track" } else { "" };
    let mut instance = bed.instance();
    instance.vips = vec![format!("{}{no_track}", bed.own())];
    let wire = bed.primary.capture();
    let daemon = Daemon::start(bed.variant.kind, &bed.us, &file("", &[instance]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "the address", || bed.has_own().then_some(()));
    if daemon.kind() == Kind::Xvrrp {
        let (status, told) = xvrrp(&["check".as_ref(), daemon.file().as_os_str()]);
        assert!(status.success(), "{told}");
        let warned = told.contains("warning[no-track]") && told.contains("no effect");
        assert_eq!(warned, bed.variant.no_track, "{told}");
    }
    let (said, mark, terms) = (daemon.mark(), wire.mark(), bed.terms(&daemon));
    bed.primary.cut();
    daemon.wait_state(said, "VI_1", "FAULT", SOON);
    eventually(SOON, "no address", || (!bed.has_own()).then_some(()));
    if daemon.kind() == Kind::Xvrrp {
        let show = daemon.show();
        assert_eq!(show.faults("VI_1"), [("interface", "eth0")]);
        assert!(daemon.words(None).contains("VI_1: fault: interface eth0"));
        assert!(daemon.words(Some("VI_1")).contains("its interface is down or missing: eth0"));
        let address = show.address("VI_1", bed.own());
        assert_eq!(text(address, "state"), "absent");
        assert_eq!(address.get("prevented"), Some(&Value::from(0)), "nothing was prevented");
        assert_eq!(bed.terms(&daemon)[1], terms[1] + 1);
    }
    let (said, mark_back) = (daemon.mark(), wire.mark());
    bed.primary.mend();
    daemon.wait_state(said, "VI_1", "BACKUP", SOON);
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
    eventually(SOON, "the address", || bed.has_own().then_some(()));
    eventually(SOON, "announcements on eth0", || {
        (wire.announcements(mark_back, bed.bare_own()).len() >= REPEAT).then_some(())
    });
    let adverts = wire.adverts(mark, bed.source());
    assert!(adverts.iter().all(|advert| [0, 100].contains(&advert.priority())), "{adverts:?}");
}

/// Row 18: `garp_master_refresh` announces again and again, but not on a dead link.
pub(crate) fn refreshed(bed: &Bed) {
    let port = bed.plug();
    let (wire, far) = (bed.primary.capture(), port.capture());
    let daemon = bed.master(&far);
    let again = |mark: usize| {
        eventually(SOON, "announced again and again", || {
            (far.announcements(mark, bed.bare()).len() >= 3).then_some(())
        });
    };
    again(far.mark());
    let (said, mark, mark_far) = (daemon.mark(), wire.mark(), far.mark());
    bed.us.ip("link set eth4 down");
    if bed.variant.no_track {
        bed.runs(&daemon, PENDING_DOWN);
    } else {
        bed.faulted(&daemon, said, &wire, mark);
    }
    // Longer than two periods. What the kernel refuses to send is logged.
    if daemon.kind() == Kind::Xvrrp {
        daemon.set_log("debug");
        let (quiet, counted) = (daemon.mark(), bed.number(&daemon, "announced"));
        std::thread::sleep(2 * WHILE);
        assert_eq!(daemon.logged(quiet, "announce"), Vec::<String>::new());
        assert_eq!(bed.number(&daemon, "announced"), counted);
        daemon.set_log("info");
    }
    let said_up = daemon.mark();
    bed.us.ip("link set eth4 up");
    if bed.variant.no_track {
        bed.runs(&daemon, PRESENT);
        assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    } else {
        bed.recovered(&daemon, said_up);
    }
    again(mark_far);
    again(far.mark());
}

/// Row 19: the same while another router is the master.
pub(crate) fn as_backup(bed: &Bed) {
    let port = bed.plug();
    let (wire, far) = (bed.primary.capture(), port.capture());
    let _master = Beat::of(bed.primary.injector(), Duration::from_millis(100), bed.higher());
    let daemon = bed.start("");
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    std::thread::sleep(WHILE);
    bed.shows(&daemon, "BACKUP", "absent", &[]);
    let (said, prevented) = (daemon.mark(), bed.prevented(&daemon));
    bed.us.ip("link set eth4 down");
    if bed.variant.no_track {
        std::thread::sleep(WHILE);
        bed.shows(&daemon, "BACKUP", "absent", &[]);
        bed.us.ip("link set eth4 up");
        std::thread::sleep(WHILE);
        assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
        assert_eq!(bed.prevented(&daemon), prevented + 1, "a backup's fault counts, too");
    } else {
        daemon.wait_state(said, "VI_1", "FAULT", SOON);
        let (why, what) = bed.reason();
        bed.shows(&daemon, "FAULT", "absent", &[(why, &what)]);
        let said = daemon.mark();
        bed.us.ip("link set eth4 up");
        daemon.wait_state(said, "VI_1", "BACKUP", SOON);
        bed.shows(&daemon, "BACKUP", "absent", &[]);
    }
    assert!(!bed.has_own() && !bed.has_vip());
    assert_eq!(bed.terms(&daemon), [0; 3]);
    assert_eq!(wire.adverts(0, bed.source()).len(), 0);
    assert_eq!(far.announcements(0, bed.bare()).len(), 0);
}

/// Row 20: two tracked interfaces are down, and one returns.
pub(crate) fn one_of_two_returns(bed: &Bed) {
    let port = bed.plug();
    let _other = bed.far.attach(&bed.us, "eth5");
    let wire = bed.primary.capture();
    let daemon = bed.master(&port.capture());
    let (why, what) = bed.reason();
    let [four, five] = ["eth4", "eth5"].map(|name| ("tracked-interface", name));
    let vip = (why, what.as_str());
    // In either order.
    for (first, second, left) in [("eth4", "eth5", vec![five]), ("eth5", "eth4", vec![four, vip])] {
        let (said, mark) = (daemon.mark(), wire.mark());
        bed.us.ip("link set eth4 down");
        bed.us.ip("link set eth5 down");
        bed.faulted_by(&daemon, said, &wire, mark, &[four, five, vip]);
        let said = daemon.mark();
        bed.us.ip(&format!("link set {first} up"));
        bed.shows(&daemon, "FAULT", "absent", &left);
        std::thread::sleep(WHILE);
        bed.shows(&daemon, "FAULT", "absent", &left);
        assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
        assert!(!bed.has_own() && !bed.has_vip());
        bed.us.ip(&format!("link set {second} up"));
        bed.recovered(&daemon, said);
    }
}
