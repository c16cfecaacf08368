//! Does an address with `no_track` outlive its link, and one without behave as keepalived's does.
//!
//! The router is alone on its segment. One address is on its own interface `eth0`, the other on
//! `eth4`, which goes away in every way an interface can. Tracked addresses are tried with
//! keepalived too: what is asked of xvrrp is what keepalived was seen to do.
use std::time::Duration;

use serde_json::Value;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::{Capture, address};
use vrrp_tests::lab::cases::{Case, case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::report::number;
use vrrp_tests::lab::switch::{Port, Switch};
use vrrp_tests::lab::wait::{eventually, throughout};

const SOON: Duration = Duration::from_secs(10);
/// Longer than any reaction takes: for what must not happen.
const WHILE: Duration = Duration::from_millis(1500);
/// `garp_master_repeat` of the test.
const REPEAT: usize = 2;

const PENDING_DOWN: &str = "pending (link down)";
const PENDING_GONE: &str = "pending (no device)";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Variant {
    kind: Kind,
    no_track: bool,
    ipv6: bool,
}

struct Bed {
    variant: Variant,
    far: Switch,
    us: Namespace,
    primary: Port,
    more: &'static str,
}

impl Bed {
    fn new(variant: Variant) -> Self {
        let (near, far) = (Switch::new("nt-near"), Switch::new("nt-far"));
        let us = Namespace::new("nt-us");
        let primary = near.attach(&us, "eth0");
        us.ip(if variant.ipv6 {
            "addr add fe80::1/64 dev eth0"
        } else {
            "addr add 10.0.0.1/24 dev eth0"
        });
        Self { variant, far, us, primary, more: "" }
    }

    /// Creates `eth4`, up.
    fn plug(&self) -> Port {
        self.far.attach(&self.us, "eth4")
    }

    /// The address on `eth0`.
    fn own(&self) -> &'static str {
        if self.variant.ipv6 { "fe80::100/64" } else { "10.0.0.100/24" }
    }

    /// The address on `eth4`.
    fn vip(&self) -> &'static str {
        if self.variant.ipv6 { "2001:db8:2::2/64" } else { "2.2.2.2/24" }
    }

    fn bare(&self) -> &'static str {
        if self.variant.ipv6 { "2001:db8:2::2" } else { "2.2.2.2" }
    }

    fn source(&self) -> &'static str {
        if self.variant.ipv6 { "fe80::1" } else { "10.0.0.1" }
    }

    fn config(&self, globals: &str) -> String {
        let no_track = if self.variant.no_track { " no_track" } else { "" };
        let instance = Vrrp::new(self.own())
            .vip(&format!("{} dev eth4{no_track}", self.vip()))
            .line(&format!("garp_master_repeat {REPEAT}"))
            .line("garp_master_delay 0")
            .line(self.more);
        file(globals, &[instance])
    }

    fn start(&self, globals: &str) -> Daemon {
        Daemon::start(self.variant.kind, &self.us, &self.config(globals))
    }

    /// Starts it and waits until both addresses are there and announced.
    fn master(&self, wire: &Capture) -> Daemon {
        let daemon = self.start("");
        daemon.wait_state(0, "VI_1", "MASTER", SOON);
        self.wait_owned();
        eventually(SOON, "the first announcements", || {
            (wire.announcements(0, self.bare()).len() >= REPEAT).then_some(())
        });
        self.shown(&daemon, "present");
        daemon
    }

    fn has_own(&self) -> bool {
        self.us.has("eth0", self.own())
    }

    fn has_vip(&self) -> bool {
        self.us.has("eth4", self.vip())
    }

    #[track_caller]
    fn wait_owned(&self) {
        eventually(SOON, "both addresses", || (self.has_own() && self.has_vip()).then_some(()));
    }

    #[track_caller]
    fn wait_bare(&self) {
        eventually(SOON, "no virtual address", || {
            (!self.has_own() && !self.has_vip()).then_some(())
        });
    }

    /// What `show` says of an address on `eth4`; keepalived has nothing like it.
    #[track_caller]
    fn shown(&self, daemon: &Daemon, state: &str) {
        if self.variant.kind == Kind::Xvrrp {
            eventually(SOON, &format!("shown as {state}"), || {
                (daemon.show().presence("VI_1", self.vip()) == state).then_some(())
            });
        }
    }

    #[track_caller]
    fn number(&self, daemon: &Daemon, key: &str) -> u64 {
        let show = daemon.show();
        let address: &Value = show.address("VI_1", self.vip());
        number(Some(address), key)
    }

    /// Faults that `no_track` has prevented; keepalived does not count them.
    #[track_caller]
    fn prevented(&self, daemon: &Daemon) -> u64 {
        match self.variant.kind {
            Kind::Xvrrp => self.number(daemon, "prevented"),
            Kind::Keepalived => 0,
        }
    }

    /// One round of announcements on `eth4` since `mark`, and no second one.
    #[track_caller]
    fn announced_once(&self, wire: &Capture, mark: usize) {
        eventually(SOON, "announcements on eth4", || {
            (wire.announcements(mark, self.bare()).len() >= REPEAT).then_some(())
        });
        throughout(WHILE, "one round of announcements", || {
            match wire.announcements(mark, self.bare()).len() {
                REPEAT => Ok(()),
                count => Err(format!("{count} announcements")),
            }
        });
    }

    /// Nobody but us noticed: no transition since `said`, and adverts without a gap since `mark`.
    #[track_caller]
    fn undisturbed(&self, daemon: &Daemon, said: usize, wire: &Capture, mark: usize) {
        assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
        let adverts = wire.adverts(mark, self.source());
        assert!(adverts.len() >= 5, "{} adverts", adverts.len());
        assert!(adverts.iter().all(|advert| advert.priority() == 100), "{adverts:?}");
    }

    /// The loss of `eth4` is a fault: others are told, and every address goes.
    #[track_caller]
    fn faulted(&self, daemon: &Daemon, said: usize, wire: &Capture, mark: usize) {
        daemon.wait_state(said, "VI_1", "FAULT", SOON);
        wire.wait_advert(mark, self.source(), SOON, |advert| advert.priority() == 0);
        self.wait_bare();
        if self.variant.kind == Kind::Xvrrp {
            let show = daemon.show();
            assert_eq!(show.state("VI_1"), "FAULT");
            let faults = show.instance("VI_1").get("faults").map(Value::to_string);
            assert!(faults.as_ref().is_some_and(|why| why.contains("eth4")), "{faults:?}");
        }
    }

    /// By way of BACKUP it becomes master again, with everything.
    #[track_caller]
    fn recovered(&self, daemon: &Daemon, said: usize) {
        daemon.wait_state(said, "VI_1", "BACKUP", SOON);
        daemon.wait_state(said, "VI_1", "MASTER", SOON);
        self.wait_owned();
        self.shown(daemon, "present");
    }
}

/// Row 1: `eth4` is down at the start.
fn starts_while_down(bed: &Bed) {
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
fn starts_without_device(bed: &Bed) {
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
fn starts_with_dynamic_interfaces(bed: &Bed) {
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
fn appears(bed: &Bed, daemon: &Daemon) {
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
fn goes_and_comes(bed: &Bed, down: impl Fn(&Bed, &Port), up: impl Fn(&Bed, &Port)) {
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
fn deleted_and_created(bed: &Bed) {
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
fn reloaded_after_loss(bed: &Bed) {
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
fn without_repair(bed: &Bed) {
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
fn removed_by_hand(bed: &Bed) {
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

fn rows(variant: Variant) -> Vec<Case<'static>> {
    let family = if variant.ipv6 { "IPv6" } else { "IPv4" };
    let how = if variant.no_track { "no_track" } else { "tracked" };
    let row = |number: u8, work: fn(&Bed)| {
        let name = format!("row {number} {how} {family} {:?}", variant.kind);
        case(name, move || work(&Bed::new(variant)))
    };
    let mut rows = vec![
        row(1, starts_while_down),
        row(4, |bed| goes_and_comes(bed, |_, port| port.cut(), |_, port| port.mend())),
        row(if variant.ipv6 { 6 } else { 5 }, |bed| {
            let down = |bed: &Bed, _: &Port| drop(bed.us.ip("link set eth4 down"));
            let up = |bed: &Bed, _: &Port| drop(bed.us.ip("link set eth4 up"));
            goes_and_comes(bed, down, up);
        }),
        row(7, deleted_and_created),
        row(9, removed_by_hand),
    ];
    if !variant.ipv6 {
        rows.push(row(2, starts_without_device));
        rows.push(row(3, starts_with_dynamic_interfaces));
        rows.push(row(8, reloaded_after_loss));
    }
    rows
}

const fn variant(kind: Kind, no_track: bool, ipv6: bool) -> Variant {
    Variant { kind, no_track, ipv6 }
}

/// The table's left column is true of keepalived.
#[test]
fn tracked_in_keepalived() {
    if gate::open(&[Need::Root, Need::Keepalived]) {
        run_all(8, rows(variant(Kind::Keepalived, false, false)));
    }
}

/// The left column is true of xvrrp.
#[test]
fn tracked() {
    if gate::open(&[Need::Root]) {
        let mut cases = rows(variant(Kind::Xvrrp, false, false));
        cases.extend(rows(variant(Kind::Xvrrp, false, true)));
        run_all(8, cases);
    }
}

/// The right column is true of xvrrp.
#[test]
fn no_track() {
    if gate::open(&[Need::Root]) {
        let mut cases = rows(variant(Kind::Xvrrp, true, false));
        cases.extend(rows(variant(Kind::Xvrrp, true, true)));
        cases.push(case("row 6 no_track no_repair IPv6 Xvrrp", || {
            let mut bed = Bed::new(variant(Kind::Xvrrp, true, true));
            bed.more = "no_repair";
            without_repair(&bed);
        }));
        run_all(8, cases);
    }
}
