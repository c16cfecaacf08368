//! Does what happens to one interface delay the adverts of another.
//!
//! Attaching and detaching the program, joining groups and closing sockets wait for the kernel, and
//! the longer the more others change interfaces, which this test sees to. A master at a hundred
//! adverts a second shows what of that reaches the loop. The machine is never quiet, so each phase
//! is compared with one in which nothing happens to the daemon, and by the median of many rounds.
use std::process::{Child, Command};
use std::time::{Duration, Instant};

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
const ATTEMPTS: usize = 3;
const PAIRS: usize = 60;
const BEAT: Duration = Duration::from_millis(10);

/// Interfaces of somebody else, and how long the kernel is busy with them.
struct Others(Namespace);

impl Others {
    /// Makes dozens of them, in one group.
    fn make(&self, group: u32) {
        let script = Directory::new("others");
        let file = script.join("links");
        let links: String = (0..PAIRS)
            .map(|n| {
                format!("link add a{group}x{n} group {group} type veth peer name b{group}x{n}\n")
            })
            .collect();
        std::fs::write(&file, links).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        run(Command::new("ip").args(["-n", self.0.name(), "-batch"]).arg(&file));
    }

    /// Deletes them all at once: as long as that takes, nobody else changes or asks about any
    /// interface of the machine.
    fn delete(&self, group: u32) -> Child {
        let words = ["link", "del", "group", &group.to_string()].map(str::to_owned);
        let mut command = Command::new("ip");
        command.args(["-n", self.0.name()]).args(words);
        command.spawn().unwrap_or_else(|error| panic!("ip: {error}"))
    }
}

/// The longest time without an advert in each round, sorted. In each the kernel is busy with others
/// before and after `what` happens.
fn pauses(wire: &Capture, others: &Others, mut what: impl FnMut(usize)) -> Vec<Duration> {
    let mut longest: Vec<Duration> = (0..ROUNDS)
        .map(|round| {
            others.make(1);
            others.make(2);
            let mark = wire.mark();
            let end = Instant::now() + ROUND;
            let mut busy = vec![others.delete(1)];
            std::thread::sleep(BEAT);
            what(round);
            busy.push(others.delete(2));
            for child in &mut busy {
                assert!(child.wait().is_ok_and(|status| status.success()));
            }
            std::thread::sleep(end.saturating_duration_since(Instant::now()));
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
    let others = Others(Namespace::new("others"));
    for attempt in 1..=ATTEMPTS {
        let quiet = pauses(&wire, &others, |_| ());
        // An instance on another interface comes and goes.
        let reloads = pauses(&wire, &others, |round| {
            daemon.reload(if round % 2 == 0 { &both } else { &one });
        });
        let instances = daemon.show().instances().len();
        assert_eq!(instances, 2, "the last round added the second");
        // Its interface does.
        let links = pauses(&wire, &others, |_| {
            us.ip("link del eth4");
            plug();
        });
        eprintln!("quiet {quiet:?}\nreloads {reloads:?}\nlinks {links:?}");
        let [quiet, reloads, links] = [quiet, reloads, links].map(|pauses| pauses[ROUNDS / 2]);
        let allowed = quiet * 5 / 4 + BEAT / 2;
        if reloads <= allowed && links <= allowed {
            break;
        }
        let words = "without an advert";
        let told =
            format!("{reloads:?} {words} for a reload, {links:?} for a link, {quiet:?} else");
        // Who else uses the machine may have begun in between; a loop that waits does so always.
        assert!(attempt < ATTEMPTS, "{told}");
        eprintln!("again: {told}");
    }
    assert_eq!(daemon.logged(said, "(VI_1) Entering"), Vec::<String>::new());
    // And all of it was done.
    eventually(SOON, "the program on both interfaces", || {
        let show = daemon.show();
        let path = |interface| text(show.port(interface), "path") == "xdp-native";
        (path("eth0") && path("eth4")).then_some(())
    });
    daemon.wait_state(said, "VI_2", "MASTER", SOON);
}
