//! What do its adverts and announcements look like on the wire.
use std::net::IpAddr;
use std::time::Duration;

use vrrp_common::proto;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::{Capture, address};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::decode::{Frame, SeenAdvert, between};
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::master::Beat;
use vrrp_tests::lab::wait::eventually;

use crate::{Bed, SOON, WHILE, plain};

#[test]
fn sent() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let cases = vec![
        case("adverts over IPv4", over_ipv4),
        case("adverts over IPv6", over_ipv6),
        case("version 2", version_2),
        case("the owner starts", owner),
        case("the shortest and the longest interval", intervals),
        case("a backup is silent", backup),
        case("the address changes", address_changes),
        case("its own interval as master", own_interval),
        case("announcements of IPv6", neighbour_advertisements),
    ];
    run_all(5, cases);
}

/// Adverts of whoever it is, from our side of the cable.
fn adverts(wire: &Capture, mark: usize) -> Vec<SeenAdvert> {
    wire.since(mark, Frame::advert)
}

/// Some adverts, once it is the master and has its addresses.
#[track_caller]
fn some(bed: &Bed, wire: &Capture, daemon: &Daemon, vip: &str) -> Vec<SeenAdvert> {
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "its address", || bed.us.has("eth0", vip).then_some(()));
    let mark = wire.mark();
    eventually(SOON, "ten adverts", || (adverts(wire, mark).len() >= 10).then_some(()));
    adverts(wire, 0)
}

fn octets(advert: &SeenAdvert) -> [u8; 6] {
    let [a, b, c, d, e, f, ..] = advert.header.0;
    [a, b, c, d, e, f]
}

fn over_ipv4() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    for advert in some(&bed, &wire, &daemon, "10.0.0.5/24") {
        // Its own address, though it has a lower one on the interface now.
        assert_eq!(advert.source, address("10.0.0.10"));
        assert_eq!(advert.destination, IpAddr::from(proto::GROUP_V4));
        assert_eq!(advert.ttl, 255);
        assert_eq!(octets(&advert), [0x31, 51, 100, 1, 0, 10]);
        assert_eq!(advert.addresses, [address("10.0.0.5")]);
        assert_eq!(advert.message.len(), 12);
        assert!(advert.checksum_holds());
    }
    let ethernet =
        wire.since(0, |frame| frame.advert().and(frame.bytes.get(..6)?.first_chunk()).copied());
    assert!(ethernet.iter().all(|to: &[u8; 6]| *to == [1, 0, 0x5e, 0, 0, 18]), "{ethernet:x?}");
}

fn over_ipv6() {
    let bed = Bed::new();
    bed.us.ip("addr add 2001:db8::10/64 dev eth0");
    let wire = bed.port.capture();
    let instance = Vrrp::new("fe80::5/64").vip("2001:db8::5/64");
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[instance]));
    for advert in some(&bed, &wire, &daemon, "2001:db8::5/64") {
        assert_eq!(advert.source, address("fe80::10"));
        assert_eq!(advert.destination, IpAddr::from(proto::GROUP_V6));
        assert_eq!(advert.ttl, 255);
        assert_eq!(octets(&advert), [0x31, 51, 100, 2, 0, 10]);
        assert_eq!(advert.addresses, [address("fe80::5"), address("2001:db8::5")]);
        assert!(advert.checksum_holds());
    }
    let to =
        wire.since(0, |frame| frame.advert().and(frame.bytes.get(..6)?.first_chunk()).copied());
    assert!(to.iter().all(|to: &[u8; 6]| *to == [0x33, 0x33, 0, 0, 0, 0x12]), "{to:x?}");
}

/// RFC 3768 section 5.3.
fn version_2() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain().version(2, "1")]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let advert = wire.wait_advert(0, "10.0.0.10", SOON, |_| true);
    assert_eq!((advert.ttl, advert.destination), (255, IpAddr::from(proto::GROUP_V4)));
    assert_eq!(octets(&advert), [0x21, 51, 100, 1, 0, 1]);
    assert_eq!(advert.message.len(), 8 + 4 + 8);
    assert!(advert.message.ends_with(&[0; 8]) && advert.checksum_holds());
}

/// RFC 9568 section 6.4.1: an advert, then one announcement for each address.
fn owner() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let instance = plain()
        .priority(255)
        .vip("10.0.0.6/24")
        .line("garp_master_repeat 1")
        .line("garp_master_delay 0");
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[instance]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "announcements", || {
        (!wire.announcements(0, "10.0.0.6").is_empty()).then_some(())
    });
    std::thread::sleep(WHILE);
    let first = adverts(&wire, 0).first().cloned().expect("an advert");
    assert_eq!(first.priority(), 255);
    for vip in ["10.0.0.5", "10.0.0.6"] {
        let times = wire.announcements(0, vip);
        assert_eq!(times.len(), 1, "{vip}");
        assert!(times.iter().all(|at| *at > first.at), "announced before the advert");
    }
    assert!(!daemon.logged(0, "BACKUP").iter().any(|line| line.contains("Entering")));
}

/// RFC 9568 section 5.2.6: 1 to 4095 centiseconds.
fn intervals() {
    for (interval, written) in [("0.01", [0, 1]), ("40.95", [0x0f, 0xff])] {
        let bed = Bed::new();
        let wire = bed.port.capture();
        // The owner does not wait for three intervals.
        let instance = plain().priority(255).version(3, interval);
        let _daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[instance]));
        let advert = wire.wait_advert(0, "10.0.0.10", SOON, |_| true);
        assert_eq!(advert.header.0.get(4..6), Some(written.as_slice()));
        assert!(advert.checksum_holds());
    }
}

/// RFC 9568 section 6.4.2: nothing is sent, not when it starts and not when it stops.
fn backup() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let _master = master(&bed, 200, 10);
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    std::thread::sleep(WHILE);
    assert_eq!(daemon.show().state("VI_1"), "BACKUP");
    assert!(daemon.stop().success());
    assert_eq!(wire.adverts(0, "10.0.0.10"), []);
    assert_eq!(wire.announcements(0, "10.0.0.5"), [] as [u64; 0]);
}

/// A scripted master.
fn master(bed: &Bed, priority: u8, centis: u16) -> Beat {
    let path = Path::multicast("10.0.0.20");
    let frame = Packet::advert(path, 51, priority, v3(centis), &[address("10.0.0.5")]).frame();
    Beat::of(bed.port.injector(), Duration::from_millis(u64::from(centis) * 10), frame)
}

/// The source follows the interface's address while it is the master.
fn address_changes() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    some(&bed, &wire, &daemon, "10.0.0.5/24");
    let said = daemon.mark();
    bed.us.enter(|| {
        std::fs::write("/proc/sys/net/ipv4/conf/eth0/promote_secondaries", "1")
            .unwrap_or_else(|error| panic!("{error}"));
    });
    bed.us.ip("addr add 10.0.0.11/24 dev eth0");
    bed.us.ip("addr del 10.0.0.10/24 dev eth0");
    wire.wait_advert(wire.mark(), "10.0.0.11", SOON, |advert| advert.priority() == 100);
    let mark = wire.mark();
    wire.wait_advert(mark, "10.0.0.11", SOON, |advert| advert.checksum_holds());
    // Since then from no other address, and never from the virtual one.
    assert!(adverts(&wire, mark).iter().all(|advert| advert.source == address("10.0.0.11")));
    assert_eq!(wire.adverts(0, "10.0.0.5"), []);
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
}

/// RFC 9568 section 6.4.2: the interval of the last master is not kept.
fn own_interval() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let other = master(&bed, 200, 40);
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    eventually(SOON, "the master's interval", || {
        let show = daemon.show();
        (show.instance("VI_1").get("master_interval_us") == Some(&400_000.into())).then_some(())
    });
    // It may have been master for a moment, before the other's first advert.
    let mark = wire.mark();
    drop(other);
    let advert = wire.wait_advert(mark, "10.0.0.10", SOON, |_| true);
    assert_eq!(advert.header.interval_v3(), 10);
    assert_eq!(daemon.show().instance("VI_1").get("master_interval_us"), Some(&100_000.into()));
}

/// RFC 9568 section 6.4.1: Router and Override set, Solicited not, to all nodes, with our link
/// address; and the kernel is in the solicited-node group of each address.
fn neighbour_advertisements() {
    let bed = Bed::new();
    bed.us.enter(|| {
        std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
            .unwrap_or_else(|error| panic!("{error}"));
    });
    let wire = bed.port.capture();
    let instance = Vrrp::new("fe80::5/64").vip("2001:db8::ab:cdef/64");
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[instance]));
    let adverts = some(&bed, &wire, &daemon, "2001:db8::ab:cdef/64");
    let first = adverts.first().expect("an advert").at;
    let mine = bed.us.mac("eth0");
    for vip in ["fe80::5", "2001:db8::ab:cdef"] {
        let seen = wire.wait(0, SOON, "an announcement", |frame| {
            (frame.announces()? == address(vip)).then(|| frame.clone())
        });
        let early = between(seen.at, first);
        assert!(early.is_zero(), "{vip} is announced {early:?} before the first advert");
        let at = |from: usize, to: usize| seen.bytes.get(from..to).unwrap_or_default();
        assert_eq!(at(0, 6), [0x33, 0x33, 0, 0, 0, 1]);
        assert_eq!(at(38, 54), "ff02::1".parse::<std::net::Ipv6Addr>().expect("one").octets());
        assert_eq!(at(58, 59), [0xa0], "Router and Override");
        // Option 2, one unit of eight bytes: the target's link address.
        assert_eq!(at(78, 80), [2, 1]);
        assert_eq!(at(80, 86), mine);
    }
    let groups = bed.us.ip("maddr show dev eth0");
    assert!(groups.contains("ff02::1:ffab:cdef") && groups.contains("ff02::1:ff00:5"), "{groups}");
}
