//! Which changes need no election: none that keepalived makes without one.
use std::time::Duration;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::address;
use vrrp_tests::lab::cases::{Case, case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Directory, Kind};
use vrrp_tests::lab::decode::{SeenAdvert, between};
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::master::Beat;
use vrrp_tests::lab::monitor::{Monitor, Told};
use vrrp_tests::lab::wait::eventually;

use super::{BEAT, undisturbed};
use crate::{Bed, SOON, WHILE, plain};

/// A change of a master, and what its adverts say then.
struct Change {
    what: &'static str,
    before: Vrrp,
    after: Vrrp,
    says: fn(&SeenAdvert) -> bool,
}

/// The script of this name always succeeds.
const SCRIPT: &str = "    script_user root\n    enable_script_security\n}\n\
                      vrrp_script good {\n    script /bin/true\n    interval 1\n    weight 7\n";

fn changes() -> Vec<Change> {
    let change = |what, before, after, says| Change { what, before, after, says };
    let same = |_: &SeenAdvert| true;
    let slow = Vrrp { interval: "0.2".into(), ..plain() };
    let fast = Vrrp { interval: "0.05".into(), ..plain() };
    let without = Vrrp { vips: vec!["10.0.0.101/24".into()], ..plain() };
    let other_order =
        Vrrp { vips: vec!["10.0.0.101/24".into(), "10.0.0.100/24".into()], ..plain() };
    vec![
        change("a lower priority", plain(), plain().priority(90), |a| a.priority() == 90),
        change("a higher priority", plain(), plain().priority(110), |a| a.priority() == 110),
        change("fewer adverts", plain(), slow, |a| {
            a.header.interval() == Duration::from_millis(200)
        }),
        change("more adverts", plain(), fast, |a| a.header.interval() == Duration::from_millis(50)),
        change("an address more", plain(), plain().vip("10.0.0.101/24"), |a| {
            a.addresses == [address("10.0.0.100"), address("10.0.0.101")]
        }),
        change("an address less", plain().vip("10.0.0.101/24"), plain(), |a| {
            a.addresses.len() == 1
        }),
        change("the first address less", plain().vip("10.0.0.101/24"), without, |a| {
            a.addresses == [address("10.0.0.101")]
        }),
        change("another order", plain().vip("10.0.0.101/24"), other_order, |a| {
            a.addresses == [address("10.0.0.101"), address("10.0.0.100")]
        }),
        change(
            "an excluded address",
            plain(),
            plain().line("virtual_ipaddress_excluded {\n        2001:db8::7/64 dev eth0\n    }"),
            same,
        ),
        change(
            "a tracked interface",
            plain(),
            plain().line("track_interface {\n        lo weight 5\n    }"),
            |a| a.priority() == 105,
        ),
        change(
            "no tracked interface",
            plain().line("track_interface {\n        lo weight 5\n    }"),
            plain(),
            |a| a.priority() == 100,
        ),
        change(
            "a tracked script",
            plain(),
            plain().line("track_script {\n        good\n    }"),
            |a| a.priority() == 107,
        ),
        change(
            "a script that counts no more",
            plain().line("track_script {\n        good\n    }"),
            plain(),
            |a| a.priority() == 100,
        ),
        change("nopreempt", plain(), plain().line("nopreempt"), same),
        change("a preempt_delay", plain(), plain().line("preempt_delay 5"), same),
        change("notify", plain(), plain().line("notify /bin/true"), same),
        change("announcements", plain(), plain().line("garp_master_refresh 1"), same),
        change(
            "a password",
            plain().version(2, "1").line("authentication {\n auth_type PASS\n auth_pass a\n }"),
            plain().version(2, "1").line("authentication {\n auth_type PASS\n auth_pass b\n }"),
            |a| a.message.ends_with(b"b\0\0\0\0\0\0\0"),
        ),
    ]
}

fn cases(kind: Kind) -> Vec<Case<'static>> {
    let changes = changes().into_iter();
    let name = |change: &Change| format!("{}, {kind:?}", change.what);
    changes.map(|change| case(name(&change), move || stays_master(kind, &change))).collect()
}

/// The reference itself: what it makes without an election is what is asked of xvrrp.
#[test]
fn in_place_in_keepalived() {
    if gate::open(&[Need::Root, Need::Keepalived]) {
        run_all(6, cases(Kind::Keepalived));
    }
}

#[test]
fn in_place() {
    if gate::open(&[Need::Root]) {
        let mut all = cases(Kind::Xvrrp);
        all.push(case("what is announced anew", announced_anew));
        all.push(case("another program is told", another_program));
        all.push(case("less than a backup's priority", less_than_a_backup));
        all.push(case("more than the master's priority", more_than_the_master));
        all.push(case("a backup that may preempt now", may_preempt_now));
        all.push(case("a shorter preempt_delay", shorter_delay));
        run_all(6, all);
    }
}

fn stays_master(kind: Kind, change: &Change) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(kind, &bed.us, &file(SCRIPT, std::slice::from_ref(&change.before)));
    daemon.wait_state(0, "VI_1", "MASTER", SOON * 2);
    for vip in &change.before.vips {
        eventually(SOON, "its addresses", || bed.us.has("eth0", vip).then_some(()));
    }
    // A script is run once before it counts.
    std::thread::sleep(WHILE);
    let monitor = Monitor::start(&bed.us);
    let (said, mark) = (daemon.mark(), wire.mark());
    daemon.reload(&file(SCRIPT, std::slice::from_ref(&change.after)));
    wire.wait_advert(mark, "10.0.0.1", SOON, change.says);
    std::thread::sleep(WHILE);
    let adverts = wire.adverts(mark, "10.0.0.1");
    assert!(adverts.iter().all(|advert| advert.priority() > 0), "it resigned");
    let last = adverts.last().expect("some");
    assert!((change.says)(last), "not for long: {last:?}");
    let kept = change.before.vips.iter().filter(|vip| change.after.vips.contains(vip));
    let kept: Vec<_> = kept.map(|vip| address(vip.split('/').next().expect("some"))).collect();
    if kind == Kind::Xvrrp {
        // keepalived removes all addresses but those of the same place of the list.
        let removed = |told: &Told| matches!(told, Told::Removed(..));
        assert_eq!(monitor.about(0, &kept).into_iter().filter(removed).count(), 0);
        assert_eq!(daemon.logged(said, "(VI_1) Entering"), Vec::<String>::new());
        let longest = adverts.windows(2).map(|pair| between(pair[0].at, pair[1].at)).max();
        let interval = last.header.interval().max(BEAT);
        assert!(longest < Some(interval * 2), "{longest:?} without an advert");
    }
    for vip in &change.after.vips {
        assert!(bed.us.has("eth0", vip), "{vip} is gone");
    }
}

/// Of a list of addresses only what is new is announced.
fn announced_anew() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let before = plain().line("garp_master_delay 0");
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", std::slice::from_ref(&before)));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "its announcements", || {
        (wire.announcements(0, "10.0.0.100").len() >= 5).then_some(())
    });
    let mark = wire.mark();
    daemon.reload(&file("", &[before.vip("10.0.0.101/24")]));
    eventually(SOON, "those of the new one", || {
        (wire.announcements(mark, "10.0.0.101").len() >= 5).then_some(())
    });
    std::thread::sleep(WHILE);
    assert_eq!(wire.announcements(mark, "10.0.0.101").len(), 5);
    assert_eq!(wire.announcements(mark, "10.0.0.100").len(), 0, "announced without need");
}

/// A higher master, for a moment.
fn higher(bed: &Bed, priority: u8) {
    let vips = [[10, 0, 0, 100].into()];
    let frame = Packet::advert(Path::multicast("10.0.0.2"), 51, priority, v3(10), &vips).frame();
    bed.port.injector().send(&frame);
}

fn another_program() {
    let bed = Bed::new();
    let folder = Directory::new("told");
    let with = |program: &str| {
        let path = folder.join(program);
        plain().line(&format!("notify_backup \"/bin/touch {}\"", path.display()))
    };
    let globals = "    script_user root";
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file(globals, &[with("old")]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    std::fs::remove_file(folder.join("old")).expect("told that it started as a backup");
    let (taken, why) = daemon.ask_reload(&file(globals, &[with("new")]));
    assert!(taken, "{why}");
    assert!(!folder.join("new").exists(), "told of a change that was none");
    let said = daemon.mark();
    higher(&bed, 200);
    daemon.wait_state(said, "VI_1", "BACKUP", SOON);
    eventually(SOON, "the new program is run", || folder.join("new").exists().then_some(()));
    assert!(!folder.join("old").exists(), "the old program was run too");
}

/// A scripted router of this priority.
fn router(bed: &Bed, priority: u8) -> Beat {
    let vips = [[10, 0, 0, 100].into()];
    let frame = Packet::advert(Path::multicast("10.0.0.2"), 51, priority, v3(10), &vips).frame();
    Beat::of(bed.port.injector(), BEAT, frame)
}

/// It goes on until the better one speaks.
fn less_than_a_backup() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (said, mark) = (daemon.mark(), wire.mark());
    daemon.reload(&file("", &[plain().priority(50)]));
    wire.wait_advert(mark, "10.0.0.1", SOON, |advert| advert.priority() == 50);
    std::thread::sleep(WHILE);
    undisturbed(&daemon, said, &wire, mark);
    higher(&bed, 80);
    daemon.wait_state(said, "VI_1", "BACKUP", SOON);
}

fn more_than_the_master() {
    let bed = Bed::new();
    let _master = router(&bed, 150);
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    std::thread::sleep(WHILE);
    let said = daemon.mark();
    daemon.reload(&file("", &[plain().priority(200)]));
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
    assert_eq!(daemon.logged(said, "Entering BACKUP"), Vec::<String>::new());
}

fn may_preempt_now() {
    let bed = Bed::new();
    let _master = router(&bed, 50);
    let waits = plain().line("nopreempt");
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[waits]));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    std::thread::sleep(WHILE);
    assert_eq!(daemon.logged(0, "Entering MASTER"), Vec::<String>::new());
    daemon.reload(&file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
}

fn shorter_delay() {
    let bed = Bed::new();
    let _master = router(&bed, 50);
    let with = |delay: u32| plain().line(&format!("preempt_delay {delay}"));
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[with(600)]));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    std::thread::sleep(WHILE);
    daemon.reload(&file("", &[with(1)]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
}
