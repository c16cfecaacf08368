//! Does a router live through what happens to its interface, and does the XDP program follow.
//!
//! One instance on an interface that is renamed, deleted, moved, given other addresses, another MTU
//! or Ethernet address, made a port, or that is a bridge or a macvlan itself. What is asked of each:
//! FAULT exactly while it must be and for the reason that is true, no virtual address left behind,
//! adverts and announcements from where the interface is now, and the program on that interface and
//! on no other, as the kernel and `show` say.
use std::time::Duration;

use serde_json::Value;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::{Capture, address};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::report::text;
use vrrp_tests::lab::switch::{Port, Switch};
use vrrp_tests::lab::wait::{eventually, throughout};

type Deed<'a> = &'a dyn Fn();

const SOON: Duration = Duration::from_secs(15);
/// Longer than any reaction takes: for what must not happen.
const WHILE: Duration = Duration::from_millis(1000);
const VIP: &str = "10.0.0.100/24";
const NATIVE: &str = "xdp-native";
const GENERIC: &str = "xdp-skb";

#[test]
fn life() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    let cases = vec![
        case("renamed", renamed),
        case("deleted", deleted),
        case("moved", moved),
        case("source changes", source_changes),
        case("source goes", source_goes),
        case("source goes IPv6", source_goes_v6),
        case("MTU", mtu),
        case("Ethernet address", ethernet_address),
        case("bridge", bridge),
        case("becomes a port", becomes_a_port),
        case("macvlan", macvlan),
        case("unused", unused),
    ];
    run_all(6, cases);
}

struct Bed {
    switch: Switch,
    us: Namespace,
}

impl Bed {
    fn new() -> Self {
        Self { switch: Switch::new("life"), us: Namespace::new("life-us") }
    }

    /// Creates `dev`, up, with an address of its own.
    fn plug(&self, dev: &str) -> Port {
        let port = self.switch.attach(&self.us, dev);
        self.us.ip(&format!("addr add 10.0.0.1/24 dev {dev}"));
        port
    }

    /// A master on `dev`, received by `path`.
    fn master(&self, dev: &str, path: &str) -> (Daemon, Capture) {
        let wire = self.switch.capture();
        let instance = Vrrp { interface: dev.into(), ..Vrrp::new(VIP) };
        let instance = instance.line("garp_master_delay 0").line("garp_master_repeat 2");
        let config = file("    dynamic_interfaces", &[instance]);
        let daemon = Daemon::start(Kind::Xvrrp, &self.us, &config);
        daemon.wait_state(0, "VI_1", "MASTER", SOON);
        self.runs(&daemon, dev, path);
        (daemon, wire)
    }

    /// Master on `dev`, with the address, and the program there.
    #[track_caller]
    fn runs(&self, daemon: &Daemon, dev: &str, path: &str) {
        eventually(SOON, "the address", || self.us.has(dev, VIP).then_some(()));
        eventually(SOON, "shown as it is", || {
            let show = daemon.show();
            let whole = show.state("VI_1") == "MASTER" && show.presence("VI_1", VIP) == "present";
            let port = show.port(dev);
            let id = port.get("program_id").and_then(Value::as_u64);
            let hook = hook(&self.us, dev).map(|(path, id)| (path.to_owned(), id));
            let here = text(port, "path") == path && Some((path.to_owned(), id?)) == hook;
            (whole && here).then_some(())
        });
    }

    /// FAULT for this reason, and nothing virtual left.
    #[track_caller]
    fn faulted(&self, daemon: &Daemon, said: usize, reason: &str, object: &str) {
        daemon.wait_state(said, "VI_1", "FAULT", SOON);
        eventually(SOON, "no virtual address", || {
            (!self.us.addresses().iter().any(|address| address.ends_with(VIP))).then_some(())
        });
        assert_eq!(daemon.show().faults("VI_1"), [(reason, object)]);
        let words = daemon.words(None);
        assert!(words.contains(&format!("VI_1: fault: {reason} {object}")), "{words}");
    }

    /// Master again by way of BACKUP.
    #[track_caller]
    fn recovered(&self, daemon: &Daemon, said: usize, dev: &str, path: &str) {
        daemon.wait_state(said, "VI_1", "BACKUP", SOON);
        daemon.wait_state(said, "VI_1", "MASTER", SOON);
        self.runs(daemon, dev, path);
    }

    /// Adverts are heard: a better router is followed, and when it is silent we are master again.
    #[track_caller]
    fn hears(&self, daemon: &Daemon, port: &Port) {
        let said = daemon.mark();
        let peer = Path::multicast("10.0.0.2");
        let frame = Packet::advert(peer, 51, 200, v3(10), &[address("10.0.0.100")]).frame();
        port.injector().send(&frame);
        daemon.wait_state(said, "VI_1", "BACKUP", SOON);
        daemon.wait_state(said, "VI_1", "MASTER", SOON);
    }
}

/// What the kernel has on the XDP hook of an interface: in which mode, and the program's id.
fn hook(namespace: &Namespace, dev: &str) -> Option<(&'static str, u64)> {
    let link = namespace.try_ip(&format!("-d -j link show dev {dev}")).ok()?;
    let link: Value = serde_json::from_str(&link).ok()?;
    let xdp = link.get(0)?.get("xdp")?;
    let mode = match xdp.get("mode")?.as_u64()? {
        1 => NATIVE,
        2 => GENERIC,
        _ => return None,
    };
    Some((mode, xdp.get("prog")?.get("id")?.as_u64()?))
}

#[track_caller]
fn bare(namespace: &Namespace, dev: &str) {
    eventually(SOON, "no program there", || hook(namespace, dev).is_none().then_some(()));
}

/// `show` knows no port on it.
#[track_caller]
fn closed(daemon: &Daemon, dev: &str) {
    eventually(SOON, "no port", || {
        let show = daemon.show();
        let ports = show.0.get("ports").and_then(Value::as_array)?;
        (!ports.iter().any(|port| text(port, "interface") == dev)).then_some(())
    });
}

fn renamed() {
    let bed = Bed::new();
    let port = bed.plug("eth0");
    let (daemon, wire) = bed.master("eth0", NATIVE);
    for _ in 0..2 {
        let said = daemon.mark();
        bed.us.ip("link set eth0 name eth9");
        bed.faulted(&daemon, said, "interface", "eth0");
        bare(&bed.us, "eth9");
        closed(&daemon, "eth0");
        let mark = wire.mark();
        throughout(WHILE, "nothing is sent", || match wire.adverts(mark, "10.0.0.1").len() {
            0 => Ok(()),
            count => Err(format!("{count} adverts")),
        });
        let said = daemon.mark();
        bed.us.ip("link set eth9 name eth0");
        bed.recovered(&daemon, said, "eth0", NATIVE);
        wire.wait_advert(mark, "10.0.0.1", SOON, |advert| advert.priority() == 100);
        bed.hears(&daemon, &port);
    }
}

fn deleted() {
    let bed = Bed::new();
    let _port = bed.plug("eth0");
    let (daemon, wire) = bed.master("eth0", NATIVE);
    for _ in 0..2 {
        let said = daemon.mark();
        bed.us.ip("link del eth0");
        bed.faulted(&daemon, said, "interface", "eth0");
        closed(&daemon, "eth0");
        let (said, mark) = (daemon.mark(), wire.mark());
        let port = bed.plug("eth0");
        bed.recovered(&daemon, said, "eth0", NATIVE);
        wire.wait_advert(mark, "10.0.0.1", SOON, |advert| advert.priority() == 100);
        bed.hears(&daemon, &port);
    }
}

fn moved() {
    let bed = Bed::new();
    let port = bed.plug("eth0");
    let (daemon, wire) = bed.master("eth0", NATIVE);
    let elsewhere = Namespace::new("life-else");
    for _ in 0..2 {
        let said = daemon.mark();
        bed.us.ip(&format!("link set eth0 netns {}", elsewhere.name()));
        bed.faulted(&daemon, said, "interface", "eth0");
        bare(&elsewhere, "eth0");
        closed(&daemon, "eth0");
        let (said, mark) = (daemon.mark(), port.capture());
        elsewhere.ip(&format!("link set eth0 netns {}", bed.us.name()));
        bed.us.ip("link set eth0 up");
        bed.us.ip("addr add 10.0.0.1/24 dev eth0");
        bed.recovered(&daemon, said, "eth0", NATIVE);
        mark.wait_advert(0, "10.0.0.1", SOON, |advert| advert.priority() == 100);
        eventually(SOON, "announced", || {
            (!mark.announcements(0, "10.0.0.100").is_empty()).then_some(())
        });
        bed.hears(&daemon, &port);
    }
    drop(wire);
}

/// Another address, before the first one goes: adverts come from there, and nobody minds.
fn source_changes() {
    let bed = Bed::new();
    let _port = bed.plug("eth0");
    let (daemon, wire) = bed.master("eth0", NATIVE);
    bed.us.enter(|| {
        std::fs::write("/proc/sys/net/ipv4/conf/eth0/promote_secondaries", "1")
            .unwrap_or_else(|error| panic!("{error}"));
    });
    let said = daemon.mark();
    bed.us.ip("addr add 10.0.0.7/24 dev eth0");
    bed.us.ip("addr del 10.0.0.1/24 dev eth0");
    let mark = wire.mark();
    let advert = wire.wait_advert(mark, "10.0.0.7", SOON, |advert| advert.priority() == 100);
    assert!(advert.checksum_holds());
    let mark = wire.mark();
    std::thread::sleep(WHILE);
    assert!(wire.adverts(mark, "10.0.0.7").len() >= 5);
    assert_eq!(wire.adverts(mark, "10.0.0.1").len(), 0);
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    assert_eq!(text(daemon.show().instance("VI_1"), "source"), "10.0.0.7");
    bed.runs(&daemon, "eth0", NATIVE);
}

/// Without any address there is nothing to send from.
fn source_goes() {
    let bed = Bed::new();
    let port = bed.plug("eth0");
    let (daemon, wire) = bed.master("eth0", NATIVE);
    let said = daemon.mark();
    bed.us.ip("addr flush dev eth0");
    bed.faulted(&daemon, said, "no-source", "eth0");
    let (said, mark) = (daemon.mark(), wire.mark());
    bed.us.ip("addr add 10.0.0.7/24 dev eth0");
    bed.recovered(&daemon, said, "eth0", NATIVE);
    wire.wait_advert(mark, "10.0.0.7", SOON, |advert| advert.priority() == 100);
    bed.hears(&daemon, &port);
}

fn source_goes_v6() {
    let bed = Bed::new();
    let _port = bed.switch.attach(&bed.us, "eth0");
    bed.us.ip("addr add fe80::1/64 dev eth0");
    let wire = bed.switch.capture();
    let vips = Vrrp::new("fe80::100/64").vip("2001:db8::100/64");
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[vips]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "the addresses", || bed.us.has("eth0", "2001:db8::100/64").then_some(()));
    let said = daemon.mark();
    bed.us.ip("addr del fe80::1/64 dev eth0");
    daemon.wait_state(said, "VI_1", "FAULT", SOON);
    eventually(SOON, "no virtual address", || {
        let addresses = bed.us.addresses();
        (!addresses.iter().any(|address| address.contains("::100"))).then_some(())
    });
    assert_eq!(daemon.show().faults("VI_1"), [("no-source", "eth0")]);
    let mark = wire.mark();
    bed.us.ip("addr add fe80::7/64 dev eth0");
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
    wire.wait_advert(mark, "fe80::7", SOON, |advert| advert.priority() == 100);
}

/// Nothing depends on it but what is too long for it.
fn mtu() {
    let bed = Bed::new();
    let port = bed.plug("eth0");
    let (daemon, wire) = bed.master("eth0", NATIVE);
    let (_, id) = hook(&bed.us, "eth0").expect("a program");
    let (said, mark) = (daemon.mark(), wire.mark());
    for mtu in [1400, 600, 1500] {
        bed.us.ip(&format!("link set eth0 mtu {mtu}"));
        std::thread::sleep(WHILE / 2);
    }
    assert!(wire.adverts(mark, "10.0.0.1").len() >= 10);
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    assert_eq!(wire.announcements(mark, "10.0.0.100").len(), 0, "no neighbour need be told");
    bed.runs(&daemon, "eth0", NATIVE);
    assert_eq!(hook(&bed.us, "eth0"), Some((NATIVE, id)), "the same program all the time");
    bed.hears(&daemon, &port);
}

/// Adverts carry the new one, and neighbours, who know only the old one, are told.
fn ethernet_address() {
    let bed = Bed::new();
    let port = bed.plug("eth0");
    let (daemon, wire) = bed.master("eth0", NATIVE);
    let (said, mark) = (daemon.mark(), wire.mark());
    bed.us.ip("link set eth0 address 02:00:00:00:00:77");
    let new = [2, 0, 0, 0, 0, 0x77];
    wire.wait(mark, SOON, "an advert from the new address", |frame| {
        (frame.advert().is_some() && frame.sender() == Some(new)).then_some(())
    });
    wire.wait(mark, SOON, "an announcement of the new address", |frame| {
        (frame.announces() == Some(address("10.0.0.100")) && frame.sender() == Some(new))
            .then_some(())
    });
    let mark = wire.mark();
    std::thread::sleep(WHILE);
    let others = wire.since(mark, |frame| {
        (frame.advert().is_some() && frame.sender() != Some(new)).then_some(())
    });
    assert_eq!(others.len(), 0);
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    bed.hears(&daemon, &port);
}

/// The instance is on a bridge: it works while one of its ports does, and takes their Ethernet
/// addresses.
fn bridge() {
    let bed = Bed::new();
    bed.us.ip("link add br9 type bridge stp_state 0 forward_delay 0 mcast_snooping 0");
    bed.us.ip("link set br9 up");
    bed.us.ip("addr add 10.0.0.1/24 dev br9");
    let port = bed.switch.attach(&bed.us, "eth0");
    bed.us.ip("link set eth0 address 02:00:00:00:00:88");
    bed.us.ip("link set eth0 master br9");
    let (daemon, wire) = bed.master("br9", GENERIC);
    bare(&bed.us, "eth0");
    bed.hears(&daemon, &port);
    // A second port with a lower address becomes the bridge's; it leads nowhere, so that there is
    // no loop.
    let other = Switch::new("life-other");
    let _second = other.attach(&bed.us, "eth1");
    let (said, mark) = (daemon.mark(), wire.mark());
    bed.us.ip("link set eth1 address 02:00:00:00:00:11");
    bed.us.ip("link set eth1 master br9");
    let new = bed.us.mac("br9");
    assert_eq!(new, [2, 0, 0, 0, 0, 0x11]);
    wire.wait(mark, SOON, "an announcement of the new address", |frame| {
        (frame.announces() == Some(address("10.0.0.100")) && frame.sender() == Some(new))
            .then_some(())
    });
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    // One port is enough.
    bed.us.ip("link set eth0 down");
    std::thread::sleep(WHILE);
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    bed.us.ip("link set eth1 nomaster");
    bed.faulted(&daemon, said, "interface", "br9");
    let said = daemon.mark();
    bed.us.ip("link set eth0 up");
    bed.recovered(&daemon, said, "br9", GENERIC);
    bed.hears(&daemon, &port);
}

/// The instance's own interface becomes a port, and is free again: adverts go on.
fn becomes_a_port() {
    let bed = Bed::new();
    let port = bed.plug("eth0");
    let (daemon, wire) = bed.master("eth0", NATIVE);
    bed.us.ip("link add br9 type bridge stp_state 0 forward_delay 0 mcast_snooping 0");
    bed.us.ip("link set br9 up");
    let said = daemon.mark();
    for change in ["master br9", "nomaster"] {
        let mark = wire.mark();
        bed.us.ip(&format!("link set eth0 {change}"));
        std::thread::sleep(WHILE);
        assert!(wire.adverts(mark, "10.0.0.1").len() >= 5);
        assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
        bed.runs(&daemon, "eth0", NATIVE);
    }
    bed.hears(&daemon, &port);
}

/// The instance is on a macvlan: it lives and dies with the interface below.
fn macvlan() {
    let bed = Bed::new();
    let port = bed.switch.attach(&bed.us, "eth0");
    let make = || {
        bed.us.ip("link add mv9 link eth0 type macvlan mode bridge");
        bed.us.ip("link set mv9 up");
        bed.us.ip("addr add 10.0.0.1/24 dev mv9");
    };
    make();
    let (daemon, wire) = bed.master("mv9", GENERIC);
    bare(&bed.us, "eth0");
    bed.hears(&daemon, &port);
    let lost: [(Deed<'_>, Deed<'_>); 3] = [
        (&|| port.cut(), &|| port.mend()),
        (&|| drop(bed.us.ip("link set eth0 down")), &|| drop(bed.us.ip("link set eth0 up"))),
        (&|| drop(bed.us.ip("link del mv9")), &make),
    ];
    for (lose, find) in lost {
        let said = daemon.mark();
        lose();
        bed.faulted(&daemon, said, "interface", "mv9");
        let (said, mark) = (daemon.mark(), wire.mark());
        find();
        bed.recovered(&daemon, said, "mv9", GENERIC);
        wire.wait_advert(mark, "10.0.0.1", SOON, |advert| advert.priority() == 100);
        bed.hears(&daemon, &port);
    }
}

/// An instance leaves an interface by a reload: the program leaves it, too.
fn unused() {
    let bed = Bed::new();
    let _port = bed.plug("eth0");
    let (mut daemon, _) = bed.master("eth0", NATIVE);
    let other = Switch::new("life-other");
    let _far = other.attach(&bed.us, "eth4");
    bed.us.ip("addr add 10.4.0.1/24 dev eth4");
    let instance = Vrrp { interface: "eth4".into(), ..Vrrp::new(VIP) };
    let said = daemon.mark();
    daemon.reload(&file("    dynamic_interfaces", &[instance]));
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
    bed.runs(&daemon, "eth4", NATIVE);
    assert!(!bed.us.has("eth0", VIP));
    bare(&bed.us, "eth0");
    closed(&daemon, "eth0");
    assert!(daemon.stop().success());
    bare(&bed.us, "eth4");
    assert!(!bed.us.has("eth4", VIP));
}
