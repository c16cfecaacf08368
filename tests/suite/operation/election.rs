//! Who becomes master when: preemption, delay, the owner; and how the segment hears of it.
use std::time::Duration;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::Capture;
use vrrp_tests::lab::cases::{Case, case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::decode::between;
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::master::Beat;
use vrrp_tests::lab::stall;
use vrrp_tests::lab::wait::{eventually, throughout};

use crate::{Bed, SOON, WHILE, plain};

/// Priority 100 at ten adverts a second.
const DOWN: Duration = Duration::from_nanos(360_937_500);
const ALLOWED: Duration = Duration::from_millis(50);

fn cases(kind: Kind) -> Vec<Case<'static>> {
    let case = |name: &str, work: fn(Kind)| case(format!("{name}, {kind:?}"), move || work(kind));
    vec![
        case("a lower master is preempted", preempts),
        case("nopreempt", nopreempt),
        case("preempt_delay", preempt_delay),
        case("the owner", owner),
        case("an equal with a higher address", equal_priority),
        case("announcements", announcements),
        case("announcements over IPv6", announcements_v6),
        case("announcements again and again", refresh),
    ]
}

#[test]
fn election_in_keepalived() {
    if gate::open(&[Need::Root, Need::Keepalived]) {
        run_all(8, cases(Kind::Keepalived));
    }
}

#[test]
fn election() {
    if gate::open(&[Need::Root]) {
        run_all(8, cases(Kind::Xvrrp));
    }
}

/// A scripted master at ten adverts a second.
fn master(bed: &Bed, priority: u8) -> Beat {
    let vips = [[10, 0, 0, 100].into()];
    let frame = Packet::advert(Path::multicast("10.0.0.2"), 51, priority, v3(10), &vips).frame();
    Beat::of(bed.port.injector(), Duration::from_millis(100), frame)
}

fn silent(wire: &Capture) -> Result<(), String> {
    match wire.adverts(0, "10.0.0.1").len() {
        0 => Ok(()),
        count => Err(format!("{count} adverts")),
    }
}

/// When our first advert came.
#[track_caller]
fn first(wire: &Capture) -> u64 {
    wire.wait_advert(0, "10.0.0.1", SOON, |advert| advert.priority() > 0).at
}

fn preempts(kind: Kind) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let _master = master(&bed, 50);
    let daemon = Daemon::start(kind, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    first(&wire);
    // The lower one goes on; that changes nothing but that it is answered (RFC 9568 section 6.4.3).
    std::thread::sleep(WHILE);
    assert_eq!(daemon.logged(0, "Entering BACKUP").len(), 1);
    assert!(wire.adverts(0, "10.0.0.1").iter().all(|advert| advert.priority() == 100));
}

fn nopreempt(kind: Kind) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let lower = master(&bed, 50);
    let daemon = Daemon::start(kind, &bed.us, &file("", &[plain().line("nopreempt")]));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    throughout(Duration::from_secs(2), "a lower master is left alone", || silent(&wire));
    drop(lower);
    let first = first(&wire);
    let heard = wire.adverts(0, "10.0.0.2");
    let last = heard.last().expect("the lower master's last").at;
    let (took, stall) = (between(last, first), stall::worst(last, first));
    assert!(took + ALLOWED >= DOWN && took <= DOWN + ALLOWED + stall, "{took:?}, {stall:?}");
    // A higher one is obeyed all the same.
    let said = daemon.mark();
    let _higher = master(&bed, 200);
    daemon.wait_state(said, "VI_1", "BACKUP", SOON);
}

fn preempt_delay(kind: Kind) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let _lower = master(&bed, 50);
    let daemon = Daemon::start(kind, &bed.us, &file("", &[plain().line("preempt_delay 2")]));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    let start = std::time::Instant::now();
    throughout(Duration::from_millis(1800), "it waits", || silent(&wire));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let waited = start.elapsed();
    assert!(waited < Duration::from_secs(2) + DOWN + Duration::from_millis(500), "{waited:?}");
}

/// Priority 255 does not wait for anyone, not even where it is told not to preempt (RFC 9568
/// section 6.1).
fn owner(kind: Kind) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let _master = master(&bed, 254);
    let instance = plain().priority(255).line("nopreempt");
    let daemon = Daemon::start(kind, &bed.us, &file("", &[instance]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let first = wire.wait_advert(0, "10.0.0.1", SOON, |_| true);
    assert_eq!(first.priority(), 255);
    eventually(SOON, "the address", || bed.us.has("eth0", "10.0.0.100/24").then_some(()));
    let said = daemon.mark();
    std::thread::sleep(WHILE);
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
}

/// Equal priorities are told apart by address (RFC 9568 section 6.4.3), read as a number.
fn equal_priority(kind: Kind) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(kind, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (said, vips) = (daemon.mark(), [[10, 0, 0, 100].into()]);
    let frame = |source| Packet::advert(Path::multicast(source), 51, 100, v3(10), &vips).frame();
    for _ in 0..10 {
        bed.port.injector().send(&frame("9.255.255.255"));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    bed.port.injector().send(&frame("200.0.0.1"));
    daemon.wait_state(said, "VI_1", "BACKUP", SOON);
    let said = daemon.mark();
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
    assert!(!wire.adverts(0, "10.0.0.1").is_empty());
}

/// Of each of `vips` exactly two rounds of three, the second one `garp_master_delay` later.
#[track_caller]
fn two_rounds(wire: &Capture, vips: &[&str]) {
    let start = wire.wait(0, SOON, "our first advert", |frame| {
        frame.advert().filter(|advert| advert.priority() == 100).map(|advert| advert.at)
    });
    for vip in vips {
        eventually(SOON, "two rounds", || (wire.announcements(0, vip).len() >= 6).then_some(()));
    }
    std::thread::sleep(WHILE);
    for vip in vips {
        let times = wire.announcements(0, vip);
        assert_eq!(times.len(), 6, "{vip}");
        let after: Vec<_> = times.iter().map(|at| between(start, *at)).collect();
        let (one, two) = after.split_at(3);
        assert!(one.iter().all(|after| *after < Duration::from_millis(500)), "{vip}: {after:?}");
        let second = Duration::from_millis(900)..Duration::from_millis(1500);
        assert!(two.iter().all(|after| second.contains(after)), "{vip}: {after:?}");
    }
}

fn announcements(kind: Kind) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let instance =
        plain().vip("10.0.0.101/32").line("garp_master_repeat 3").line("garp_master_delay 1");
    let _daemon = Daemon::start(kind, &bed.us, &file("", &[instance]));
    two_rounds(&wire, &["10.0.0.100", "10.0.0.101"]);
    let mine = bed.us.mac("eth0");
    let senders = wire.since(0, |frame| frame.announces().and(frame.sender()));
    assert!(senders.iter().all(|sender| *sender == mine), "{senders:x?}");
}

fn announcements_v6(kind: Kind) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let instance = Vrrp::new("fe80::100/64")
        .vip("2001:db8::100/64")
        .line("garp_master_repeat 3")
        .line("garp_master_delay 1");
    let _daemon = Daemon::start(kind, &bed.us, &file("", &[instance]));
    two_rounds(&wire, &["fe80::100", "2001:db8::100"]);
}

fn refresh(kind: Kind) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let instance = plain()
        .line("garp_master_repeat 1")
        .line("garp_master_delay 0")
        .line("garp_master_refresh 1")
        .line("garp_master_refresh_repeat 2");
    let _daemon = Daemon::start(kind, &bed.us, &file("", &[instance]));
    eventually(SOON, "the first announcement", || {
        (!wire.announcements(0, "10.0.0.100").is_empty()).then_some(())
    });
    std::thread::sleep(Duration::from_millis(3500));
    let count = wire.announcements(0, "10.0.0.100").len();
    assert!((1 + 2 * 2..=1 + 2 * 4).contains(&count), "{count} announcements");
}
