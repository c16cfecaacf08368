//! Is a link that is down for a moment up, and one that is up for a moment down:
//! `interface_up_down_delays`, in ours and in keepalived.
use std::time::{Duration, Instant};

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{Case, case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::stall::late;
use vrrp_tests::lab::switch::Port;
use vrrp_tests::lab::wait::eventually;

use crate::{Bed, SOON, plain};

const DOWN: Duration = Duration::from_secs(1);
const UP: Duration = Duration::from_secs(2);
/// A flap that is over before it counts.
const FLAP: Duration = Duration::from_millis(400);
/// What becomes of both where an advert is sent each tenth of a second.
const SHORTENED: Duration = Duration::from_micros(199_610);
/// How early and how late something may be told.
const EARLY: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_millis(300);

fn cases(kind: Kind) -> Vec<Case<'static>> {
    let case = |name: &str, work: fn(Kind)| case(format!("{name}, {kind:?}"), move || work(kind));
    vec![
        case("its own interface", own_interface),
        case("its own interface, for too long", shortened),
        case("a tracked one", tracked_interface),
    ]
}

#[test]
fn link_delay() {
    if gate::open(&[Need::Root]) {
        run_all(3, cases(Kind::Xvrrp));
    }
}

#[test]
fn link_delay_in_keepalived() {
    if gate::open(&[Need::Root, Need::Keepalived]) {
        run_all(3, cases(Kind::Keepalived));
    }
}

/// `what` happens after `delay`, counted from `begun`.
#[track_caller]
fn after(begun: Instant, delay: Duration, what: &str) {
    let took = begun.elapsed();
    assert!(took + EARLY >= delay, "{what} after {took:?}, before {delay:?}");
    if took > delay + LATE {
        late(&format!("{what} after {took:?} instead of {delay:?}"));
    }
}

/// A link goes for a moment, goes, comes for a moment, and comes. `silence` makes it master.
fn flaps(daemon: &Daemon, port: &Port, silence: Duration) {
    let said = daemon.mark();
    for _ in 0..3 {
        port.cut();
        std::thread::sleep(FLAP);
        port.mend();
        std::thread::sleep(FLAP);
    }
    // Nor does what was waited for come later.
    std::thread::sleep(DOWN);
    assert_eq!(daemon.logged(said, "STATE"), Vec::<String>::new());

    let begun = Instant::now();
    port.cut();
    daemon.wait_state(said, "VI_1", "FAULT", SOON);
    after(begun, DOWN, "FAULT");

    let said = daemon.mark();
    port.mend();
    std::thread::sleep(FLAP);
    port.cut();
    std::thread::sleep(UP);
    assert_eq!(daemon.logged(said, "STATE"), Vec::<String>::new());

    let begun = Instant::now();
    port.mend();
    daemon.wait_state(said, "VI_1", "BACKUP", SOON);
    after(begun, UP, "BACKUP");
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
    after(begun, UP + silence, "MASTER");
}

fn delays(interface: &str) -> String {
    let (down, up) = (DOWN.as_secs(), UP.as_secs());
    format!("interface_up_down_delays {{\n    {interface} {down} {up}\n}}\n")
}

/// Longer than an advert takes: with a hundred milliseconds both shorten the delays.
fn own_interface(kind: Kind) {
    let bed = Bed::new();
    let instance = Vrrp { interval: "1.2".into(), ..plain().priority(250) };
    let config = file("", &[instance]) + &delays("eth0");
    let daemon = Daemon::start(kind, &bed.us, &config);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    // Three intervals, and six parts in 256 of one.
    flaps(&daemon, &bed.port, Duration::from_millis(1200) * 774 / 256);
    eventually(SOON, "its address", || bed.us.has("eth0", "10.0.0.100/24").then_some(()));
}

fn shortened(kind: Kind) {
    let bed = Bed::new();
    let config = file("", &[plain()]) + &delays("eth0");
    let daemon = Daemon::start(kind, &bed.us, &config);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (said, begun) = (daemon.mark(), Instant::now());
    bed.port.cut();
    daemon.wait_state(said, "VI_1", "FAULT", SOON);
    after(begun, SHORTENED, "FAULT");
    let begun = Instant::now();
    bed.port.mend();
    daemon.wait_state(said, "VI_1", "BACKUP", SOON);
    after(begun, SHORTENED, "BACKUP");
}

fn tracked_interface(kind: Kind) {
    let bed = Bed::new();
    let far = bed.switch.attach(&bed.us, "eth4");
    let instance = plain().line("track_interface {\n        eth4\n    }");
    let config = file("", &[instance]) + &delays("eth4");
    let daemon = Daemon::start(kind, &bed.us, &config);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    flaps(&daemon, &far, Duration::from_nanos(360_937_500));
    eventually(SOON, "its address", || bed.us.has("eth0", "10.0.0.100/24").then_some(()));
}
