//! What becomes of two that are Active at once: after a partition, and after one stood still.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::stall;
use vrrp_tests::lab::switch::{Port, Switch};
use vrrp_tests::lab::wait::eventually;

use crate::{SOON, WHILE, plain};

#[test]
fn meet() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let cases = vec![
        case("a partition heals", partition),
        case("a late master gives way", || late("auto", &NOPREEMPT)),
        case("a late master gives way, sockets", || late("off", &NOPREEMPT)),
        case("a late master gives way to a better one", || late("auto", &BETTER)),
        case("a late master gives way to a better one, sockets", || late("off", &BETTER)),
        case("a late master preempts", || late("auto", &WORSE)),
        case("a late master preempts, sockets", || late("off", &WORSE)),
    ];
    run_all(3, cases);
}

/// Two routers on one segment, at 10.0.0.1 and 10.0.0.2.
struct Pair {
    switch: Switch,
    hosts: [Namespace; 2],
    ports: [Port; 2],
}

impl Pair {
    fn new() -> Self {
        let switch = Switch::new("me");
        let hosts = [Namespace::new("me-one"), Namespace::new("me-two")];
        let [one, two] = &hosts;
        let ports = [switch.attach(one, "eth0"), switch.attach(two, "eth0")];
        one.ip("addr add 10.0.0.1/24 dev eth0");
        two.ip("addr add 10.0.0.2/24 dev eth0");
        Self { switch, hosts, ports }
    }

    /// Both daemons, the first one Active and followed by the second.
    fn start(&self, instances: [Vrrp; 2], mode: &str) -> [Daemon; 2] {
        let [first, second] = instances;
        let [one, two] = &self.hosts;
        let start = |host, instance| {
            let config = file("", &[instance]);
            Daemon::start_with(Kind::Xvrrp, host, &config, &["--xdp-mode", mode])
        };
        let first = start(one, first);
        first.wait_state(0, "VI_1", "MASTER", SOON);
        let second = start(two, second);
        eventually(SOON, "the second follows the first", || {
            let show = second.try_show().ok()?;
            (show.state("VI_1") == "BACKUP" && show.counter("VI_1", "received") >= 3).then_some(())
        });
        [first, second]
    }
}

/// Nanoseconds since 1970, as captures have them.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_nanos()).expect("before 2554")
}

/// RFC 9568 section 6.4.3: of two the better one remains, within one of its intervals, and hosts
/// are told again where the address is.
fn partition() {
    let pair = Pair::new();
    let [first, second] = pair.start([plain().priority(200), plain()], "auto");
    let [_, port] = &pair.ports;
    for _ in 0..2 {
        let said = [first.mark(), second.mark()];
        port.part();
        second.wait_state(said[1], "VI_1", "MASTER", SOON);
        std::thread::sleep(WHILE);
        assert_eq!(first.show().state("VI_1"), "MASTER");
        let wire = pair.switch.capture();
        let meeting = now();
        port.join();
        let joined = now();
        second.wait_state(said[1], "VI_1", "BACKUP", SOON);
        std::thread::sleep(WHILE);
        assert_eq!((first.show().state("VI_1"), second.show().state("VI_1")), ("MASTER", "BACKUP"));
        assert_eq!(first.logged(said[0], "Entering"), Vec::<String>::new());
        let [one, two] = &pair.hosts;
        assert!(one.has("eth0", "10.0.0.5/24") && !two.has("eth0", "10.0.0.5/24"));
        // One interval, what a takeover may be late, and what this machine stood still.
        let interval = Duration::from_millis(150) + stall::worst(meeting, now());
        let end = joined + u64::try_from(interval.as_nanos()).expect("short");
        let adverts = wire.adverts(0, "10.0.0.2");
        let late: Vec<_> = adverts.iter().filter(|advert| advert.at > end).collect();
        assert!(late.is_empty(), "the worse one goes on: {late:?}");
        // The better one heard the other only if it was there long enough to send.
        if !adverts.is_empty() {
            let mine = one.mac("eth0");
            let again = wire.since(0, |frame| {
                (frame.announces().is_some() && frame.sender() == Some(mine)).then_some(frame.at)
            });
            assert!(again.iter().any(|at| *at > meeting), "hosts are not told again");
        }
    }
}

/// Who a late master meets when it goes on.
struct Late {
    /// Its own priority and that of who took over; whether each preempts.
    routers: [(u8, bool); 2],
    /// Whether it stays the master.
    stays: bool,
}

/// It may not preempt who took over.
const NOPREEMPT: Late = Late { routers: [(200, false), (100, false)], stays: false };
/// It might preempt, but not who is better, and only waited for its turn.
const BETTER: Late = Late { routers: [(100, true), (200, false)], stays: false };
/// It preempts who took over, as it would if it had just started.
const WORSE: Late = Late { routers: [(200, true), (100, true)], stays: true };

/// A master that stood still while another took over finds that out before it says another word:
/// it says none if the other one remains, and otherwise the other one is gone within an interval.
fn late(mode: &str, late: &Late) {
    let pair = Pair::new();
    let instances = late.routers.map(|(priority, preempts)| {
        let instance = plain().priority(priority);
        if preempts { instance } else { instance.line("nopreempt") }
    });
    let [first, second] = pair.start(instances, mode);
    let wire = pair.switch.capture();
    let said = [first.mark(), second.mark()];
    first.freeze();
    second.wait_state(said[1], "VI_1", "MASTER", SOON);
    std::thread::sleep(WHILE);
    let (mark, thawed) = (wire.mark(), now());
    first.thaw();
    if late.stays {
        second.wait_state(said[1], "VI_1", "BACKUP", SOON);
    } else {
        first.wait_state(said[0], "VI_1", "BACKUP", SOON);
    }
    std::thread::sleep(WHILE);
    let [one, two] = &pair.hosts;
    let states = [first.show(), second.show()].map(|show| show.state("VI_1").to_owned());
    let has = [one, two].map(|host| host.has("eth0", "10.0.0.5/24"));
    // Someone who wonders about a flap finds the reason.
    first.wait_log(said[0], "late", SOON);
    if late.stays {
        assert_eq!((states, has), (["MASTER", "BACKUP"].map(str::to_owned), [true, false]));
        assert_eq!(first.logged(said[0], "Entering"), Vec::<String>::new());
        let interval = Duration::from_millis(150) + stall::worst(thawed, now());
        let end = thawed + u64::try_from(interval.as_nanos()).expect("short");
        let others = wire.adverts(mark, "10.0.0.2");
        assert!(others.iter().all(|advert| advert.at <= end), "the worse one goes on");
        let mine = one.mac("eth0");
        let told = wire.since(mark, |frame| {
            (frame.announces().is_some() && frame.sender() == Some(mine)).then_some(frame.at)
        });
        assert!(!told.is_empty(), "hosts are not told again");
    } else {
        assert_eq!((states, has), (["BACKUP", "MASTER"].map(str::to_owned), [false, true]));
        assert_eq!(second.logged(said[1], "Entering").len(), 1);
        assert_eq!(wire.adverts(mark, "10.0.0.1"), []);
    }
}
