//! Is a link that is down for a moment up, and one that is up for a moment down:
//! `interface_up_down_delays`, in ours and in keepalived.
use std::time::{Duration, Instant};

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{Case, case, run_all};
use vrrp_tests::lab::conf::file;
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::stall::late;
use vrrp_tests::lab::switch::Port;

use crate::{Bed, SOON, plain};

const DOWN: Duration = Duration::from_secs(1);
const UP: Duration = Duration::from_secs(2);
/// A flap that is over before it counts.
const FLAP: Duration = Duration::from_millis(400);
/// How early and how late something may be told.
const EARLY: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_millis(300);

fn cases(kind: Kind) -> Vec<Case<'static>> {
    let case = |name: &str, work: fn(Kind)| case(format!("{name}, {kind:?}"), move || work(kind));
    vec![case("its own interface", own_interface), case("a tracked one", tracked_interface)]
}

#[test]
fn link_delay() {
    if gate::open(&[Need::Root]) {
        run_all(2, cases(Kind::Xvrrp));
    }
}

#[test]
fn link_delay_in_keepalived() {
    if gate::open(&[Need::Root, Need::Keepalived]) {
        run_all(2, cases(Kind::Keepalived));
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

/// A link goes for a moment, goes, comes for a moment, and comes.
fn flaps(daemon: &Daemon, port: &Port) {
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
    after(begun, UP + Duration::from_nanos(360_937_500), "MASTER");
}

fn delays(interface: &str) -> String {
    let (down, up) = (DOWN.as_secs(), UP.as_secs());
    format!("interface_up_down_delays {{\n    {interface} {down} {up}\n}}\n")
}

fn own_interface(kind: Kind) {
    let bed = Bed::new();
    let config = file("", &[plain()]) + &delays("eth0");
    let daemon = Daemon::start(kind, &bed.us, &config);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    flaps(&daemon, &bed.port);
    assert!(bed.us.has("eth0", "10.0.0.100/24"));
}

fn tracked_interface(kind: Kind) {
    let bed = Bed::new();
    let far = bed.switch.attach(&bed.us, "eth4");
    let instance = plain().line("track_interface {\n        eth4\n    }");
    let config = file("", &[instance]) + &delays("eth4");
    let daemon = Daemon::start(kind, &bed.us, &config);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    flaps(&daemon, &far);
    assert!(bed.us.has("eth0", "10.0.0.100/24"));
}
