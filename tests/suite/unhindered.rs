//! Does what happens to one interface delay the adverts of another.
//!
//! Attaching and detaching the program, joining groups and closing sockets wait for the kernel, and
//! the longer the more others change interfaces, which this test sees to. A master at a hundred
//! adverts a second shows what of that reaches the loop. The machine is never quiet, so each phase
//! is compared with one in which nothing happens to the daemon, and by the median of many rounds.
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::Capture;
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Directory, Kind};
use vrrp_tests::lab::decode::between;
use vrrp_tests::lab::netns::{Namespace, run};
use vrrp_tests::lab::report::text;
use vrrp_tests::lab::switch::Switch;
use vrrp_tests::lab::wait::eventually;

const SOON: Duration = Duration::from_secs(10);
/// What a round of every phase lasts.
const ROUND: Duration = Duration::from_millis(600);
const ROUNDS: usize = 9;
const DOZENS: usize = 24;
const BUSY: usize = 2;
const BEAT: Duration = Duration::from_millis(10);

/// The longest time without an advert in each round, sorted.
fn pauses(wire: &Capture, mut what: impl FnMut(usize)) -> Vec<Duration> {
    let mut longest: Vec<Duration> = (0..ROUNDS)
        .map(|round| {
            let mark = wire.mark();
            let end = std::time::Instant::now() + ROUND;
            what(round);
            std::thread::sleep(end.saturating_duration_since(std::time::Instant::now()));
            let adverts = wire.adverts(mark, "10.0.0.1");
            let of_ours = adverts.iter().filter(|advert| advert.header.vrid() == 51);
            let at: Vec<u64> = of_ours.map(|advert| advert.at).collect();
            assert!(at.len() > 10, "{} adverts in round {round}", at.len());
            at.windows(2).map(|pair| between(pair[0], pair[1])).max().unwrap_or_default()
        })
        .collect();
    longest.sort();
    longest
}

/// Other people's interfaces come and go, in dozens, until told to stop.
fn bustle(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let other = Namespace::new("bustle");
        let script = Directory::new("bustle");
        let file = script.join("links");
        let links: String = (0..DOZENS)
            .map(|n| format!("link add b{n} type veth peer name c{n}\nlink set b{n} up\n"))
            .collect();
        std::fs::write(&file, links).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        run(Command::new("ip").args(["-n", other.name(), "-batch"]).arg(&file));
        drop(other);
    }
}

#[test]
fn what_happens_to_other_interfaces_delays_no_advert() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let (switch, other) = (Switch::new("calm"), Switch::new("busy"));
    let us = Namespace::new("calm-us");
    let port = switch.attach(&us, "eth0");
    us.ip("addr add 10.0.0.1/24 dev eth0");
    let plug = || {
        let far = other.attach(&us, "eth4");
        us.ip("addr add 10.0.4.1/24 dev eth4");
        far
    };
    let _far = plug();
    let first = Vrrp { interval: "0.01".into(), ..Vrrp::new("10.0.0.100/24") };
    let mut second = Vrrp::new("10.0.4.100/24").called("VI_2", 52);
    second.interface = "eth4".into();
    let globals = "    dynamic_interfaces";
    let one = file(globals, std::slice::from_ref(&first));
    let both = file(globals, &[first, second]);
    let daemon = Daemon::start(Kind::Xvrrp, &us, &one);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let said = daemon.mark();
    let wire = port.capture();
    let stop = AtomicBool::new(false);
    let (quiet, reloads, links) = std::thread::scope(|scope| {
        for _ in 0..BUSY {
            scope.spawn(|| bustle(&stop));
        }
        let measured = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let quiet = pauses(&wire, |_| ());
            // An instance on another interface comes and goes.
            let reloads = pauses(&wire, |round| {
                daemon.reload(if round % 2 == 0 { &both } else { &one });
            });
            let instances = daemon.show().instances().len();
            assert_eq!(instances, 2, "the last round added the second");
            // Its interface does.
            let links = pauses(&wire, |_| {
                us.ip("link del eth4");
                plug();
            });
            (quiet, reloads, links)
        }));
        stop.store(true, Ordering::Relaxed);
        measured.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    eprintln!("quiet {quiet:?}\nreloads {reloads:?}\nlinks {links:?}");
    let [quiet, reloads, links] = [quiet, reloads, links].map(|pauses| pauses[ROUNDS / 2]);
    let allowed = quiet + BEAT / 2;
    assert!(reloads <= allowed, "a reload: {reloads:?} without an advert, {quiet:?} otherwise");
    assert!(links <= allowed, "a new link: {links:?} without an advert, {quiet:?} otherwise");
    assert_eq!(daemon.logged(said, "(VI_1) Entering"), Vec::<String>::new());
    // And all of it was done.
    eventually(SOON, "the program on both interfaces", || {
        let show = daemon.show();
        let path = |interface| text(show.port(interface), "path") == "xdp-native";
        (path("eth0") && path("eth4")).then_some(())
    });
    daemon.wait_state(said, "VI_2", "MASTER", SOON);
}
