//! Does a reload change what was changed in the file, and nothing else.
//!
//! - [`unchanged`][]: who is the same before and after, to the last advert
//! - [`in_place`][]: which changes need no election
//! - [`moved`][]: addresses that change hands
//! - [`refused`][]: files that cannot be used
//! - [`at_once`][]: many at once, and one during the start
mod at_once;
mod in_place;
mod moved;
mod refused;
mod unchanged;

use std::time::Duration;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::Capture;
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::decode::between;
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::report::Show;
use vrrp_tests::lab::wait::eventually;

use crate::{Bed, SOON, WHILE, plain};

const BEAT: Duration = Duration::from_millis(100);

fn second() -> Vrrp {
    Vrrp::new("10.0.0.200/24").called("VI_2", 52)
}

/// Adverts of VRID 51 since `mark` never paused nor resigned, and no transition was logged.
#[track_caller]
fn undisturbed(daemon: &Daemon, said: usize, wire: &Capture, mark: usize) {
    let mut adverts = wire.adverts(mark, "10.0.0.1");
    adverts.retain(|advert| advert.header.vrid() == 51);
    assert!(adverts.len() >= 10, "{} adverts", adverts.len());
    for (earlier, later) in adverts.iter().zip(adverts.iter().skip(1)) {
        let gap = between(earlier.at, later.at);
        assert!(gap < BEAT * 2 - Duration::from_millis(5), "{gap:?} without an advert");
        assert!(later.priority() > 0, "it resigned");
    }
    assert_eq!(daemon.logged(said, "(VI_1) Entering"), Vec::<String>::new());
}

#[test]
fn reload() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let cases = vec![
        case("the same file", same_file),
        case("an instance more and less", instance_more_and_less),
        case("another address", another_address),
        case("another priority", another_priority),
        case("another interface, XDP", || another_interface("native")),
        case("another interface, sockets", || another_interface("off")),
        case("a broken file", broken_file),
        case("more routers than there is room for", too_many),
        case("a backup stays a backup", backup_stays),
    ];
    run_all(9, cases);
}

fn same_file() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (said, mark) = (daemon.mark(), wire.mark());
    for _ in 0..5 {
        daemon.hang_up();
        std::thread::sleep(Duration::from_millis(300));
    }
    undisturbed(&daemon, said, &wire, mark);
    let show = daemon.show();
    let became = show.instance("VI_1").get("became_master").cloned();
    assert_eq!(became, Some(1.into()));
}

fn instance_more_and_less() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (said, mark) = (daemon.mark(), wire.mark());
    daemon.reload(&file("", &[second(), plain()]));
    daemon.wait_state(said, "VI_2", "MASTER", SOON);
    eventually(SOON, "its address", || bed.us.has("eth0", "10.0.0.200/24").then_some(()));
    assert_eq!(daemon.show().instances().len(), 2);
    std::thread::sleep(WHILE);
    daemon.reload(&file("", &[plain()]));
    wire.wait_advert(mark, "10.0.0.1", SOON, |advert| {
        advert.header.vrid() == 52 && advert.priority() == 0
    });
    eventually(SOON, "its address is gone", || {
        (!bed.us.has("eth0", "10.0.0.200/24")).then_some(())
    });
    assert_eq!(daemon.show().instances().len(), 1);
    let after = wire.mark();
    std::thread::sleep(WHILE);
    let late = wire.adverts(after, "10.0.0.1");
    assert!(late.iter().all(|advert| advert.header.vrid() == 51), "VI_2 still speaks");
    assert!(bed.us.has("eth0", "10.0.0.100/24"));
    undisturbed(&daemon, said, &wire, mark);
}

fn another_address() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (said, mark) = (daemon.mark(), wire.mark());
    daemon.reload(&file("", &[plain().vip("10.0.0.101/24")]));
    eventually(SOON, "the new address", || bed.us.has("eth0", "10.0.0.101/24").then_some(()));
    wire.wait_advert(mark, "10.0.0.1", SOON, |advert| advert.addresses.len() == 2);
    eventually(SOON, "its announcement", || {
        (!wire.announcements(mark, "10.0.0.101").is_empty()).then_some(())
    });
    assert!(bed.us.has("eth0", "10.0.0.100/24"));
    daemon.reload(&file("", &[plain()]));
    eventually(SOON, "the address is gone", || {
        (!bed.us.has("eth0", "10.0.0.101/24")).then_some(())
    });
    let mark_less = wire.mark();
    wire.wait_advert(mark_less, "10.0.0.1", SOON, |advert| advert.addresses.len() == 1);
    assert!(bed.us.has("eth0", "10.0.0.100/24"));
    std::thread::sleep(WHILE);
    undisturbed(&daemon, said, &wire, mark);
}

fn another_priority() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (said, mark) = (daemon.mark(), wire.mark());
    std::thread::sleep(WHILE);
    daemon.reload(&file("", &[plain().priority(120)]));
    wire.wait_advert(mark, "10.0.0.1", SOON, |advert| advert.priority() == 120);
    std::thread::sleep(WHILE);
    undisturbed(&daemon, said, &wire, mark);
    let show = daemon.show();
    assert_eq!(show.instance("VI_1").get("priority"), Some(&120.into()));
}

/// An instance moves: what it left is closed in the same breath as what it needs is opened.
fn another_interface(mode: &str) {
    let bed = Bed::new();
    let (wire, port) = (bed.port.capture(), bed.switch.attach(&bed.us, "eth4"));
    bed.us.ip("addr add 10.0.4.1/24 dev eth4");
    let config = file("", &[plain()]);
    let daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &config, &["--xdp-mode", mode]);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (said, far) = (daemon.mark(), port.capture());
    let moved = Vrrp { interface: "eth4".into(), ..Vrrp::new("10.0.4.100/24") };
    daemon.reload(&file("", std::slice::from_ref(&moved)));
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
    far.wait_advert(0, "10.0.4.1", SOON, |advert| advert.priority() == 100);
    wire.wait_advert(0, "10.0.0.1", SOON, |advert| advert.priority() == 0);
    eventually(SOON, "the addresses moved", || {
        let moved = bed.us.has("eth4", "10.0.4.100/24") && !bed.us.has("eth0", "10.0.0.100/24");
        moved.then_some(())
    });
    assert!(!bed.us.ip("-d link show dev eth0").contains("xdp"), "its program stayed");
    // It hears there: a higher master is obeyed.
    let said = daemon.mark();
    let vips = [[10, 0, 4, 100].into()];
    let higher = Packet::advert(Path::multicast("10.0.4.2"), 51, 200, v3(10), &vips).frame();
    port.injector().send(&higher);
    daemon.wait_state(said, "VI_1", "BACKUP", SOON);
}

fn broken_file() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let before = daemon.show();
    let broken = [
        // Lines 1 to 4 are global_defs; line 8 is the VRID.
        (file("", &[Vrrp { vrid: 256, ..plain() }]), ":8:"),
        (file("", &[plain()]).replace("priority", "prioritty"), ":10:"),
        (file("", &[plain()]) + "vrrp_instance VI_9 {\n", ":17:"),
    ];
    for (text, place) in broken {
        let (said, mark) = (daemon.mark(), wire.mark());
        daemon.reload(&text);
        let told = daemon.wait_log(said, &format!("vrrp.conf{place}"), SOON);
        let column = told.split(place).nth(1).and_then(|rest| rest.chars().next());
        assert!(column.is_some_and(|digit| digit.is_ascii_digit()), "no column: {told}");
        std::thread::sleep(WHILE);
        undisturbed(&daemon, said, &wire, mark);
        assert!(bed.us.has("eth0", "10.0.0.100/24"));
        let show = daemon.show();
        assert_eq!(show.instances().len(), 1);
        for key in ["state", "vrid", "priority", "became_master"] {
            let of = |show: &Show| show.instance("VI_1").get(key).cloned();
            assert_eq!(of(&show), of(&before), "{key}");
        }
    }
    // And the next good file is taken.
    let said = daemon.mark();
    daemon.reload(&file("", &[plain(), second()]));
    daemon.wait_state(said, "VI_2", "MASTER", SOON);
}

/// One router too many would hear nobody and be a second master.
fn too_many() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (said, mark) = (daemon.mark(), wire.mark());
    let mut text = file("    dynamic_interfaces", &[plain()]);
    for number in 0..4096 {
        text.push_str(&format!(
            "vrrp_instance N{number} {{\n interface later{}\n virtual_router_id {}\n\
             virtual_ipaddress {{ 10.1.{}.{}/32 }}\n}}\n",
            number / 255,
            number % 255 + 1,
            number / 256,
            number % 256,
        ));
    }
    daemon.reload(&text);
    daemon.wait_log(said, "4097 instances, and this daemon has room for 4096", SOON);
    std::thread::sleep(WHILE);
    undisturbed(&daemon, said, &wire, mark);
    assert_eq!(daemon.show().instances().len(), 1);
}

fn backup_stays() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let peer = vrrp_tests::lab::netns::Namespace::new("op-peer");
    let _port = bed.switch.attach(&peer, "eth0");
    peer.ip("addr add 10.0.0.2/24 dev eth0");
    let higher = Daemon::start(Kind::Xvrrp, &peer, &file("", &[plain().priority(200)]));
    higher.wait_state(0, "VI_1", "MASTER", SOON);
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    let said = daemon.mark();
    for _ in 0..5 {
        daemon.hang_up();
        std::thread::sleep(Duration::from_millis(300));
    }
    std::thread::sleep(WHILE);
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    assert_eq!(wire.adverts(0, "10.0.0.1").len(), 0);
}
