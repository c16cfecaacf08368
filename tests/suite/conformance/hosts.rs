//! What do the hosts of a segment get from a router: answers from the master alone, and nobody's
//! adverts of another segment.
use std::net::Ipv4Addr;
use std::time::Duration;

use vrrp_common::wire::checksum::Sum;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::{Capture, address};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::decode::Frame;
use vrrp_tests::lab::frame::{INJECTOR, Packet, Path, v3};
use vrrp_tests::lab::master::Beat;
use vrrp_tests::lab::wait::eventually;

use crate::{Bed, SOON, WHILE, plain};

#[test]
fn hosts() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let cases = vec![
        case("ARP and ping", arp_and_ping),
        case("neighbour solicitations", solicitations),
        case("adverts are not forwarded", not_forwarded),
        case("the virtual MAC at a backup", virtual_mac),
    ];
    run_all(4, cases);
}

/// Other frames than adverts that our router sent.
fn from_us(bed: &Bed, wire: &Capture, mark: usize, pick: impl Fn(&[u8]) -> bool) -> usize {
    let mine = bed.us.mac("eth0");
    let picked = |frame: &Frame| (frame.sender() == Some(mine) && pick(&frame.bytes)).then_some(());
    wire.since(mark, picked).len()
}

fn forwarding(bed: &Bed) {
    bed.us.enter(|| {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")
            .unwrap_or_else(|error| panic!("{error}"));
    });
}

/// From a host at 10.0.0.99 to all: who has the address.
fn arp_request(target: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(INJECTOR);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(INJECTOR);
    frame.extend([10, 0, 0, 99]);
    frame.extend([0; 6]);
    frame.extend(target.octets());
    frame
}

fn is_arp_reply(bytes: &[u8], of: Ipv4Addr) -> bool {
    bytes.get(12..14) == Some(&[8, 6])
        && bytes.get(20..22) == Some(&[0, 2])
        && bytes.get(28..32) == Some(&of.octets())
}

/// An IPv4 packet of the host at 10.0.0.99 to a link address.
fn packet(to: [u8; 6], target: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = to.to_vec();
    frame.extend(INJECTOR);
    frame.extend([8, 0]);
    let len = u16::try_from(20 + payload.len()).expect("short");
    let mut header = vec![0x45, 0];
    header.extend(len.to_be_bytes());
    header.extend([0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 99]);
    header.extend(target.octets());
    let sum = Sum::ZERO.add_bytes(&header).checksum();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    frame.extend(header);
    frame.extend(payload);
    frame
}

/// ICMP echo request: type, code, checksum, identifier, number.
const ECHO: [u8; 8] = [8, 0, 0xf7, 0xfd, 0, 1, 0, 1];

fn is_echo_reply(bytes: &[u8], from: Ipv4Addr) -> bool {
    bytes.get(12..14) == Some(&[8, 0])
        && bytes.get(23) == Some(&1)
        && bytes.get(26..30) == Some(&from.octets())
        && bytes.get(34) == Some(&0)
}

fn master(bed: &Bed, path: Path, vip: &str) -> Beat {
    let frame = Packet::advert(path, 51, 200, v3(10), &[address(vip)]).frame();
    Beat::of(bed.port.injector(), Duration::from_millis(100), frame)
}

/// RFC 9568 section 6.4.2: a backup does not answer for the virtual address and accepts nothing
/// sent to it; the master does.
fn arp_and_ping() {
    let bed = Bed::new();
    forwarding(&bed);
    bed.us.ip("neigh add 10.0.0.99 lladdr 02:00:00:00:00:ee dev eth0");
    let vip = Ipv4Addr::new(10, 0, 0, 5);
    let wire = bed.port.capture();
    let beat = master(&bed, Path::multicast("10.0.0.20"), "10.0.0.5");
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    let (sender, mine) = (bed.port.injector(), bed.us.mac("eth0"));
    let ask = || {
        for _ in 0..3 {
            sender.send(&arp_request(vip));
            sender.send(&packet(mine, vip, 1, &ECHO));
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    ask();
    // That it can be asked is seen from its own address.
    sender.send(&arp_request(Ipv4Addr::new(10, 0, 0, 10)));
    let own = |bytes: &[u8]| is_arp_reply(bytes, Ipv4Addr::new(10, 0, 0, 10));
    eventually(SOON, "the answer for its own address", || {
        (from_us(&bed, &wire, 0, own) > 0).then_some(())
    });
    assert_eq!(from_us(&bed, &wire, 0, |bytes| is_arp_reply(bytes, vip)), 0);
    assert_eq!(from_us(&bed, &wire, 0, |bytes| is_echo_reply(bytes, vip)), 0);
    drop(beat);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "the address", || bed.us.has("eth0", "10.0.0.5/24").then_some(()));
    ask();
    eventually(SOON, "answers of the master", || {
        let answered = from_us(&bed, &wire, 0, |bytes| is_arp_reply(bytes, vip)) >= 3
            && from_us(&bed, &wire, 0, |bytes| is_echo_reply(bytes, vip)) >= 3;
        answered.then_some(())
    });
}

/// The same with IPv6, and no router advertisement from a backup.
fn solicitations() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let beat = master(&bed, Path::multicast("fe80::20"), "fe80::5");
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[Vrrp::new("fe80::5/64")]));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    let sender = bed.port.injector();
    let answers = |target: &str| {
        let target = target.parse::<std::net::Ipv6Addr>().expect("an address").octets();
        // A neighbour advertisement that was solicited.
        from_us(&bed, &wire, 0, |bytes| {
            bytes.get(12..14) == Some(&[0x86, 0xdd])
                && bytes.get(54) == Some(&136)
                && bytes.get(58).is_some_and(|flags| flags & 0x40 != 0)
                && bytes.get(62..78) == Some(&target)
        })
    };
    for _ in 0..3 {
        sender.send(&solicitation("fe80::5"));
        std::thread::sleep(Duration::from_millis(100));
    }
    sender.send(&solicitation("fe80::10"));
    eventually(SOON, "the answer for its own address", || (answers("fe80::10") > 0).then_some(()));
    assert_eq!(answers("fe80::5"), 0);
    drop(beat);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "the address", || bed.us.has("eth0", "fe80::5/64").then_some(()));
    sender.send(&solicitation("fe80::5"));
    eventually(SOON, "the answer of the master", || (answers("fe80::5") > 0).then_some(()));
    let advertisements = from_us(&bed, &wire, 0, |bytes| {
        bytes.get(12..14) == Some(&[0x86, 0xdd])
            && bytes.get(20) == Some(&58)
            && bytes.get(54) == Some(&134)
    });
    assert_eq!(advertisements, 0, "router advertisements");
}

/// Who has the address, from fe80::99 to the solicited-node group of a target below 0x1000000.
fn solicitation(target: &str) -> Vec<u8> {
    let target = target.parse::<std::net::Ipv6Addr>().expect("an address");
    let [.., x, y, z] = target.octets();
    let group = std::net::Ipv6Addr::new(
        0xff02,
        0,
        0,
        0,
        0,
        1,
        0xff00 | u16::from(x),
        u16::from_be_bytes([y, z]),
    );
    let source = std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x99);
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    // Option 1: the sender's link address.
    message.extend([1, 1]);
    message.extend(INJECTOR);
    let mut covered = message.clone();
    covered.extend(source.octets());
    covered.extend(group.octets());
    covered.extend([0, 32, 0, 58]);
    let sum = Sum::ZERO.add_bytes(&covered).checksum();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut frame = vec![0x33, 0x33, 0xff, x, y, z];
    frame.extend(INJECTOR);
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255]);
    frame.extend(source.octets());
    frame.extend(group.octets());
    frame.extend(message);
    frame
}

/// RFC 9568 section 5.1.1.2: what is sent to the group stays on its segment, whatever the TTL.
fn not_forwarded() {
    let bed = Bed::new();
    forwarding(&bed);
    bed.us.ip("neigh add 10.1.0.99 lladdr 02:00:00:00:00:ee dev eth1");
    let far = bed.far.capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain().priority(254)]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (sender, mine) = (bed.port.injector(), bed.us.mac("eth0"));
    for vrid in [51, 52] {
        for ttl in [255, 64, 2, 1] {
            let path = Path::multicast("10.0.0.20");
            let good = Packet::advert(path, vrid, 100, v3(10), &[address("10.0.0.5")]);
            sender.send(&Packet { ttl, ..good }.frame());
        }
    }
    // What is to be forwarded is.
    sender.send(&packet(mine, Ipv4Addr::new(10, 1, 0, 99), 17, &[1; 8]));
    far.wait(0, SOON, "a packet that is forwarded", |frame| {
        (frame.bytes.get(30..34) == Some(&[10, 1, 0, 99])).then_some(())
    });
    std::thread::sleep(WHILE);
    assert_eq!(far.since(0, Frame::advert), []);
}

/// RFC 9568 section 6.4.2: a backup drops what is sent to the virtual router's link address.
fn virtual_mac() {
    let bed = Bed::new();
    forwarding(&bed);
    bed.us.ip("neigh add 10.1.0.99 lladdr 02:00:00:00:00:ee dev eth1");
    let far = bed.far.capture();
    let _beat = master(&bed, Path::multicast("10.0.0.20"), "10.0.0.5");
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    let (sender, mine) = (bed.port.injector(), bed.us.mac("eth0"));
    let target = Ipv4Addr::new(10, 1, 0, 99);
    for _ in 0..3 {
        sender.send(&packet([0, 0, 0x5e, 0, 1, 51], target, 17, &[1; 8]));
    }
    sender.send(&packet(mine, target, 17, &[2; 8]));
    let payload = |frame: &Frame| {
        let ours = frame.bytes.get(30..34) == Some(&target.octets());
        ours.then(|| frame.bytes.get(34).copied())
    };
    let first = far.wait(0, SOON, "what was sent to its own address", payload);
    assert_eq!(first, Some(2));
    std::thread::sleep(WHILE);
    assert_eq!(far.since(0, payload), [Some(2)]);
}
