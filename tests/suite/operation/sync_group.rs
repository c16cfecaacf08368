//! Does a sync group of ours agree with one of keepalived's on who has all of their addresses.
//!
//! Two segments, a virtual router on each, and two hosts that have them both or none. What the kernel
//! told of addresses shows for how long that was otherwise: not longer than an advert is on its way
//! that says so.
use std::collections::BTreeMap;
use std::time::Duration;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::address;
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::decode::between;
use vrrp_tests::lab::monitor::{Monitor, Told};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::stall::{self, late};
use vrrp_tests::lab::switch::{Port, Switch};
use vrrp_tests::lab::wait::eventually;

use crate::SOON;

const INTERVAL: Duration = Duration::from_millis(200);
/// For processes that were told to be scheduled, on a machine others use too.
const ALLOWED: Duration = Duration::from_millis(100);
const VIPS: [&str; 2] = ["10.0.0.100/24", "10.0.1.100/24"];

#[test]
fn sync_group() {
    if gate::open(&[Need::Root, Need::Keepalived]) {
        run_all(
            4,
            vec![
                case("ours is the better", || together(Kind::Xvrrp, Kind::Keepalived)),
                case("keepalived is the better", || together(Kind::Keepalived, Kind::Xvrrp)),
                case("both are ours", || together(Kind::Xvrrp, Kind::Xvrrp)),
            ],
        );
    }
}

struct Host {
    namespace: Namespace,
    ports: [Port; 2],
    monitor: Monitor,
}

impl Host {
    fn new(switches: &[Switch; 2], name: &str, number: u8) -> Self {
        let namespace = Namespace::new(name);
        let ports = [0, 1].map(|lan: usize| {
            let port = switches[lan].attach(&namespace, &format!("eth{lan}"));
            namespace.ip(&format!("addr add 10.0.{lan}.{number}/24 dev eth{lan}"));
            port
        });
        let monitor = Monitor::start(&namespace);
        Self { namespace, ports, monitor }
    }

    fn has(&self) -> usize {
        [("eth0", VIPS[0]), ("eth1", VIPS[1])]
            .iter()
            .filter(|(dev, vip)| self.namespace.has(dev, vip))
            .count()
    }

    /// When each address came (true) and went.
    fn changes(&self, vip: usize) -> Vec<(u64, bool)> {
        let vip = address(VIPS[vip].split('/').next().expect("an address"));
        let of = |wanted: bool| {
            let pick = move |told: Told| match told {
                Told::Added(_, told) => wanted && told == vip,
                Told::Removed(_, told) => !wanted && told == vip,
                Told::Link(..) | Told::RouteAdded(_) | Told::RouteRemoved(_) => false,
            };
            self.monitor.since(0, pick).into_iter().map(move |at| (at, wanted))
        };
        of(true).chain(of(false)).collect()
    }
}

fn config(priority: u8) -> String {
    let instance = |lan: usize| {
        let mut instance = Vrrp::new(VIPS[lan])
            .called(&format!("VI_{}", lan + 1), 51 + u16::try_from(lan).unwrap_or(0))
            .priority(priority);
        instance.interface = format!("eth{lan}");
        instance.interval = "0.2".into();
        instance
    };
    file("", &[instance(0), instance(1)])
        + "vrrp_sync_group G {\n    group {\n        VI_1\n        VI_2\n    }\n}\n"
}

/// The host with the better priority loses a link, has it back, and steps down.
fn together(better: Kind, other: Kind) {
    let switches = [Switch::new("sg-a"), Switch::new("sg-b")];
    let (a, b) = (Host::new(&switches, "sg-a", 1), Host::new(&switches, "sg-b", 2));
    let at = |what: &str, who: &Host, nobody: &Host| {
        eventually(SOON, what, || (who.has() == 2 && nobody.has() == 0).then_some(()));
        // And it stays so.
        std::thread::sleep(INTERVAL * 5);
        assert_eq!((who.has(), nobody.has()), (2, 0), "{what}: not for long");
    };
    let mut first = Daemon::start(better, &a.namespace, &config(150));
    for name in ["VI_1", "VI_2"] {
        first.wait_state(0, name, "MASTER", SOON);
    }
    let mut second = Daemon::start(other, &b.namespace, &config(100));
    at("the better one has them", &a, &b);
    for lan in [0, 1] {
        a.ports[lan].cut();
        at("a link is cut: the other has them", &b, &a);
        a.ports[lan].mend();
        at("it is back: the better one has them", &a, &b);
    }
    // Nobody sees that something is wrong but those who hear nothing on one segment.
    let said = second.mark();
    a.ports[1].part();
    std::thread::sleep(INTERVAL * 10);
    assert_eq!((a.has(), b.has()), (2, 0), "half of a group is no reason");
    assert_eq!(second.logged(said, "Entering MASTER").len(), 0);
    a.ports[1].join();
    at("joined again", &a, &b);
    assert!(first.stop().success());
    at("it stepped down: the other has them", &b, &a);
    let mut first = Daemon::start(better, &a.namespace, &config(150));
    at("it is back", &a, &b);
    first.kill();
    // What it had stays, as after a crash, but the other takes over.
    eventually(SOON, "it was killed: the other has them", || (b.has() == 2).then_some(()));
    let (split, twice) = worst(&a, &b);
    eprintln!("{better:?} over {other:?}: split for {split:?}, owned twice for {twice:?}");
    assert!(second.stop().success());
}

/// For how long, at worst, one of the hosts had one of the addresses and not the other; and one of the
/// addresses was on both hosts. The end is left out: a crash leaves what was there.
fn worst(a: &Host, b: &Host) -> (Duration, Duration) {
    let mut events: Vec<(u64, usize, usize, bool)> = Vec::new();
    for (host, of) in [a, b].into_iter().enumerate() {
        for vip in 0..2 {
            events.extend(of.changes(vip).into_iter().map(|(at, on)| (at, host, vip, on)));
        }
    }
    events.sort_unstable();
    let mut held: BTreeMap<(usize, usize), bool> = BTreeMap::new();
    let (mut split, mut twice) = (Duration::ZERO, Duration::ZERO);
    for pair in events.windows(2) {
        let (at, host, vip, on) = pair[0];
        held.insert((host, vip), on);
        let has = |host, vip| held.get(&(host, vip)).copied().unwrap_or(false);
        let lasted = between(at, pair[1].0);
        let stalled = stall::worst(at, pair[1].0);
        let halves = (0..2).any(|host| has(host, 0) != has(host, 1));
        let both = (0..2).any(|vip| has(0, vip) && has(1, vip));
        if halves {
            split = split.max(lasted);
        }
        if both {
            twice = twice.max(lasted);
        }
        if (halves || both) && lasted > INTERVAL + ALLOWED + stalled {
            late(&format!("{lasted:?}: {held:?}"));
        }
    }
    (split, twice)
}
