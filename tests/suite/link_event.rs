//! How long does it take from the loss of a link until everyone knows: 255 routers with an address
//! each on a link that goes down, their adverts on another, xvrrp and keepalived by turns.
//!
//! What is printed is a measurement and depends on the machine and on how xvrrp was built
//! (`XVRRP_BIN` names another binary); what is asserted is what both must do on any machine, and
//! that xvrrp does not fall far behind.
use std::collections::BTreeMap;
use std::time::Duration;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::Capture;
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind, binary};
use vrrp_tests::lab::decode::between;
use vrrp_tests::lab::monitor::{Monitor, Told};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::switch::{Port, Switch};
use vrrp_tests::lab::wait::eventually;

const ROUTERS: u8 = 255;
const ROUNDS: usize = 5;
const SOON: Duration = Duration::from_secs(60);
/// An unoptimized build on a busy machine may be this much slower than keepalived.
const MOST_TIMES: u32 = 10;

/// A daemon with its two links.
struct Bed {
    us: Namespace,
    daemon: Daemon,
    wire: Capture,
    monitor: Monitor,
    eth4: u32,
    _ports: [Port; 2],
    _switches: [Switch; 2],
}

/// From when the kernel told of the loss.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    goodbyes: usize,
    first_goodbye: Duration,
    last_goodbye: Duration,
    first_removed: Duration,
    last_removed: Duration,
}

impl Bed {
    fn new(kind: Kind) -> Self {
        let switches = [Switch::new("le-near"), Switch::new("le-far")];
        let us = Namespace::new("le-us");
        let [near, far] = &switches;
        let ports = [near.attach(&us, "eth0"), far.attach(&us, "eth4")];
        us.ip("addr add 10.0.0.1/24 dev eth0");
        us.ip("addr add 10.4.0.1/16 dev eth4");
        let line = us.ip("-o link show dev eth4");
        let eth4 = line.split(':').next().and_then(|index| index.trim().parse().ok());
        let eth4 = eth4.unwrap_or_else(|| panic!("no index: {line}"));
        let instances: Vec<_> = (1..=ROUTERS)
            .map(|n| {
                Vrrp::new(&format!("10.4.1.{n}/16 dev eth4"))
                    .called(&format!("VI_{n}"), n.into())
                    .version(3, "1")
            })
            .collect();
        let [near, _] = &ports;
        let (wire, monitor) = (near.capture(), Monitor::start(&us));
        let daemon = Daemon::start(kind, &us, &file("", &instances));
        Self { us, daemon, wire, monitor, eth4, _ports: ports, _switches: switches }
    }

    fn virtual_addresses(&self) -> usize {
        self.us.addresses().iter().filter(|address| address.starts_with("eth4 10.4.1.")).count()
    }

    fn wait_owned(&self) {
        eventually(SOON, "every address", || {
            (self.virtual_addresses() == usize::from(ROUTERS)).then_some(())
        });
    }

    fn lose(&self) -> Times {
        let (mark, wire) = (self.monitor.mark(), self.wire.mark());
        self.us.ip("link set eth4 down");
        let all = usize::from(ROUTERS);
        let removed = eventually(SOON, "every address is removed", || {
            let removed = self
                .monitor
                .since(mark, |told| matches!(told, Told::Removed(index, _) if index == self.eth4));
            (removed.len() == all).then_some(removed)
        });
        let goodbyes = || -> BTreeMap<u8, u64> {
            let adverts = self.wire.adverts(wire, "10.0.0.1");
            let zero = adverts.iter().rev().filter(|advert| advert.priority() == 0);
            zero.map(|advert| (advert.header.vrid(), advert.at)).collect()
        };
        std::thread::sleep(Duration::from_millis(500));
        let goodbyes = goodbyes();
        // keepalived was seen to leave some out; who does not hear of it waits a whole down interval.
        if self.daemon.kind() == Kind::Xvrrp {
            assert_eq!(goodbyes.len(), all, "every router says goodbye");
        }
        assert_eq!(self.virtual_addresses(), 0);
        let lost = self.monitor.since(mark, |told| told == Told::Link(self.eth4, false));
        let event = *lost.first().expect("the kernel tells of the loss");
        let time = |at: Option<&u64>| between(event, at.copied().unwrap_or(u64::MAX));
        Times {
            goodbyes: goodbyes.len(),
            first_goodbye: time(goodbyes.values().min()),
            last_goodbye: time(goodbyes.values().max()),
            first_removed: time(removed.iter().min()),
            last_removed: time(removed.iter().max()),
        }
    }
}

fn median(times: &[Times], which: impl Fn(&Times) -> Duration) -> Duration {
    let mut all: Vec<_> = times.iter().map(which).collect();
    all.sort();
    all[all.len() / 2]
}

type Which = fn(&Times) -> Duration;

#[test]
fn a_lost_link_is_known_and_left_at_once() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    let beds = [Kind::Xvrrp, Kind::Keepalived].map(Bed::new);
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..ROUNDS {
        for bed in &beds {
            bed.wait_owned();
        }
        for (bed, times) in beds.iter().zip(&mut times) {
            times.push(bed.lose());
            bed.us.ip("link set eth4 up");
        }
    }
    println!("{}", binary().display());
    let columns: [(&str, Which); 4] = [
        ("first goodbye", |times| times.first_goodbye),
        ("last goodbye", |times| times.last_goodbye),
        ("first removed", |times| times.first_removed),
        ("last removed", |times| times.last_removed),
    ];
    for (bed, times) in beds.iter().zip(&times) {
        let goodbyes: Vec<_> = times.iter().map(|times| times.goodbyes).collect();
        println!("{:?}: routers that said goodbye: {goodbyes:?}", bed.daemon.kind());
        for (name, which) in columns {
            let all: Vec<_> = times.iter().map(which).collect();
            println!(
                "{:?}: {name}: median {:?} of {all:?}",
                bed.daemon.kind(),
                median(times, which)
            );
        }
    }
    let [ours, theirs] = &times;
    for (name, which) in columns.into_iter().skip(1).step_by(2) {
        let (ours, theirs) = (median(ours, which), median(theirs, which));
        assert!(ours <= theirs * MOST_TIMES, "{name}: {ours:?}, keepalived {theirs:?}");
    }
}
