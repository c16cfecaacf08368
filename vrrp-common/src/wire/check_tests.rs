//! Does the check find the first fault of every packet, and only faults.
extern crate std;
use super::bytes::Bytes;
use super::check::{Match, Meaning, Owner, Tables, Verdict, frame};
use super::checksum::Sum;
use super::locate::{self, Place, Tags};
use super::vrrp::{Advert, ChecksumForm, Timing};
use crate::counter::Counter;
use crate::ident::{Family, Priority, Vrid};
use crate::layout::{Peer, PeerKey, Rank, Rule, rule_flag, rule_index};
use crate::proto;
use crate::time::Centis;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::vec;
use std::vec::Vec;

const PORT: u32 = 2;
const ROUTER: u32 = 5;
const VRID: u8 = 10;

/// One router on one port.
struct One {
    family: Family,
    rule: Rule,
}

impl Tables for One {
    fn port(&self, tags: Tags) -> Option<u32> {
        (tags == Tags::default()).then_some(PORT)
    }

    fn rule(&self, index: u32) -> Option<&Rule> {
        let ours = rule_index(PORT, self.family, Vrid::new(VRID)?);
        (index == ours).then_some(&self.rule)
    }

    fn peer(&self, _: &PeerKey) -> Option<Peer> {
        None
    }

    fn expected(&self, _: u32, _: [u64; 2], _: u64) -> Option<Match> {
        None
    }

    fn expects_v3_of(&self, _: u32, _: [u64; 2]) -> bool {
        false
    }
}

fn one(family: Family, flags: u32) -> One {
    One { family, rule: Rule { router: ROUTER + 1, flags, interval_v2: 1, ..Rule::default() } }
}

const BOTH: u32 = rule_flag::V3 | rule_flag::CHECKSUM_PLAIN | rule_flag::CHECKSUM_PSEUDO;

/// A packet to the group, field by field; checksum and lengths are what the rest makes them.
#[derive(Clone)]
struct Packet {
    source: IpAddr,
    hop_limit: u8,
    header: [u8; 6],
    addresses: Vec<IpAddr>,
    tail: Vec<u8>,
    checksum_error: u16,
}

impl Packet {
    fn v3() -> Self {
        Self {
            source: Ipv4Addr::new(192, 0, 2, 251).into(),
            hop_limit: 255,
            header: [0x31, VRID, 200, 1, 0, 100],
            addresses: vec![Ipv4Addr::new(192, 0, 2, 1).into()],
            tail: vec![],
            checksum_error: 0,
        }
    }

    fn v2() -> Self {
        Self { header: [0x21, VRID, 200, 1, 0, 1], tail: vec![0; 8], ..Self::v3() }
    }

    fn v6() -> Self {
        let at = |host| IpAddr::from(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, host));
        Self { source: at(0x251), addresses: vec![at(1)], ..Self::v3() }
    }

    fn frame(&self) -> Vec<u8> {
        let mut message = self.header.to_vec();
        message.extend([0, 0]);
        for address in &self.addresses {
            match address {
                IpAddr::V4(v4) => message.extend(v4.octets()),
                IpAddr::V6(v6) => message.extend(v6.octets()),
            }
        }
        message.extend(&self.tail);
        let len = u16::try_from(message.len()).unwrap();
        let mut sum = Sum::ZERO.add_bytes(&message);
        if self.source.is_ipv6() {
            sum = sum.add_pseudo_header(self.source, proto::GROUP_V6.into(), len);
        }
        let checksum = sum.checksum().wrapping_add(self.checksum_error);
        message[6..8].copy_from_slice(&checksum.to_be_bytes());
        let mut frame = vec![0; 12];
        match self.source {
            IpAddr::V4(source) => {
                frame.extend([0x08, 0x00, 0x45, 0]);
                frame.extend((len + 20).to_be_bytes());
                frame.extend([0, 0, 0, 0, self.hop_limit, proto::PROTOCOL, 0, 0]);
                frame.extend(source.octets());
                frame.extend(proto::GROUP_V4.octets());
                seal(&mut frame, 20);
            }
            IpAddr::V6(source) => {
                frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
                frame.extend(len.to_be_bytes());
                frame.extend([proto::PROTOCOL, self.hop_limit]);
                frame.extend(source.octets());
                frame.extend(proto::GROUP_V6.octets());
            }
        }
        frame.extend(message);
        frame
    }
}

/// Gives an untagged IPv4 frame the header checksum it should have.
fn seal(frame: &mut [u8], header_len: usize) {
    let header = &mut frame[14..14 + header_len];
    header[10..12].fill(0);
    let sum = Sum::ZERO.add_bytes(header).checksum();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

type Fault = (Counter, fn(&mut Packet));

/// The faults in the order of RFC 9568 section 7.1, and what this implementation puts between.
fn order(v3: bool) -> Vec<Fault> {
    let mut faults: Vec<Fault> = vec![
        (Counter::Ttl, |p| p.hop_limit = 254),
        (Counter::Version, |p| p.header[0] = p.header[0] & 0xf | 0x40),
        (Counter::Type, |p| p.header[0] = p.header[0] & 0xf0 | 2),
        (Counter::Length, |p| p.tail.extend([0; 4])),
        (Counter::Checksum, |p| p.checksum_error = 1),
        (Counter::Vrid, |p| p.header[1] = 99),
        (Counter::Source, |p| {
            p.source = match p.source {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
            }
        }),
    ];
    if !v3 {
        faults.push((Counter::AuthTypeMismatch, |p| p.header[4] = 1));
        faults.push((Counter::Interval, |p| p.header[5] = 7));
    }
    faults.push((Counter::AddressCountZero, |p| {
        p.header[3] = 0;
        p.addresses.clear();
    }));
    if v3 {
        faults.push((Counter::IntervalZero, |p| p.header[4..].fill(0)));
    }
    faults
}

fn judged(packet: &Packet, flags: u32) -> Verdict {
    let family = Family::of(packet.source);
    frame(packet.frame().as_slice(), &one(family, flags))
}

/// Whose counter: a fault before the VRID is known to be ours is still our router's, if it is ours.
fn whose(packet: &Packet) -> Owner {
    if packet.header[1] == VRID { Owner::Router(ROUTER) } else { Owner::Port(PORT) }
}

#[test]
fn the_first_of_two_faults_is_named() {
    let mut pairs = 0;
    for (good, flags) in
        [(Packet::v3(), BOTH), (Packet::v2(), rule_flag::V2), (Packet::v6(), rule_flag::V3)]
    {
        assert!(matches!(judged(&good, flags), Verdict::Accept(_)));
        let faults = order(flags & rule_flag::V3 != 0);
        for (i, (first, spoil_first)) in faults.iter().enumerate() {
            let mut packet = good.clone();
            spoil_first(&mut packet);
            assert_eq!(judged(&packet, flags), Verdict::Reject(*first, whose(&packet)));
            for (_, spoil_second) in faults.iter().skip(i + 1) {
                let mut packet = packet.clone();
                spoil_second(&mut packet);
                assert_eq!(judged(&packet, flags), Verdict::Reject(*first, whose(&packet)));
                pairs += 1;
            }
        }
    }
    assert_eq!(pairs, 36 + 45 + 36);
}

/// RFC 9568 section 8.4.2: beside VRRPv3 an interval of VRRPv2 is used, if anybody can count by it.
#[test]
fn in_a_transition_any_interval_of_version_2_will_do() {
    const ALL: u32 = BOTH | rule_flag::V2;
    assert!(matches!(judged(&Packet::v3(), ALL), Verdict::Accept(_)));
    for seconds in 0..=255 {
        let mut packet = Packet::v2();
        packet.header[5] = seconds;
        let alone = match judged(&packet, rule_flag::V2) {
            Verdict::Accept(_) => None,
            Verdict::Reject(counter, Owner::Router(ROUTER)) => Some(counter),
            other => panic!("{other:?}"),
        };
        assert_eq!(alone, (seconds != 1).then_some(Counter::Interval));
        let verdict = judged(&packet, ALL);
        if seconds == 0 {
            assert_eq!(verdict, Verdict::Reject(Counter::IntervalZero, Owner::Router(ROUTER)));
        } else {
            assert!(matches!(verdict, Verdict::Accept(_)), "{seconds}: {verdict:?}");
        }
    }
    // Not in one: version 2 is an error (section 7.1).
    let verdict = Verdict::Reject(Counter::Version, Owner::Router(ROUTER));
    assert_eq!(judged(&Packet::v2(), BOTH), verdict);
}

#[test]
fn link_local_is_checked_before_the_interval() {
    let mut packet = Packet::v6();
    packet.addresses = vec![Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()];
    packet.header[5] = 0;
    let owner = Owner::Router(ROUTER);
    let verdict = Verdict::Reject(Counter::FirstAddressNotLinkLocal, owner);
    assert_eq!(judged(&packet, rule_flag::V3), verdict);
}

/// No single bit of a valid message can change without the packet being rejected.
#[test]
fn every_single_bit_flip_is_rejected() {
    for (packet, flags) in [
        (Packet::v3(), BOTH),
        (Packet::v3(), rule_flag::V3 | rule_flag::CHECKSUM_PLAIN),
        (Packet::v2(), rule_flag::V2),
        (Packet::v6(), rule_flag::V3),
    ] {
        let good = packet.frame();
        let tables = one(Family::of(packet.source), flags);
        let start = if packet.source.is_ipv4() { 34 } else { 54 };
        for bit in start * 8..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let verdict = frame(bad.as_slice(), &tables);
            assert!(matches!(verdict, Verdict::Reject(..)), "bit {bit}: {verdict:?}");
        }
    }
}

/// RFC 791 section 3.1: with and without options, each bit of the header counts.
#[test]
fn a_damaged_ip_header_is_no_advert() {
    let plain = Packet::v3().frame();
    let mut optional = plain.clone();
    optional[14] = 0x47;
    optional[17] += 8;
    optional.splice(34..34, [1, 1, 1, 1, 1, 1, 1, 0]);
    seal(&mut optional, 28);
    for (good, header_len) in [(plain, 20), (optional, 28)] {
        assert!(matches!(frame(&good[..], &one(Family::V4, BOTH)), Verdict::Accept(_)));
        for bit in 0..header_len * 8 {
            let mut bad = good.clone();
            bad[14 + bit / 8] ^= 1 << (bit % 8);
            let verdict = frame(&bad[..], &one(Family::V4, BOTH));
            // Another protocol or destination is not ours to judge.
            let ours = ![9, 16, 17, 18, 19].contains(&(bit / 8));
            match verdict {
                Verdict::Pass => assert!(!ours, "bit {bit}"),
                Verdict::Reject(Counter::IpHeader, Owner::Port(PORT)) => assert!(ours, "bit {bit}"),
                other => panic!("bit {bit}: {other:?}"),
            }
        }
    }
}

/// A frame that ends early is rejected, or not recognised; it is never read beyond its end.
#[test]
fn every_cut_is_survived() {
    for (packet, flags) in
        [(Packet::v3(), BOTH), (Packet::v2(), rule_flag::V2), (Packet::v6(), rule_flag::V3)]
    {
        let good = packet.frame();
        let tables = one(Family::of(packet.source), flags);
        let message = if packet.source.is_ipv4() { 34 } else { 54 };
        for len in 0..good.len() {
            let verdict = frame(&good[..len], &tables);
            if len < message {
                assert!(matches!(verdict, Verdict::Pass | Verdict::Reject(..)), "{len}");
            } else {
                assert!(
                    matches!(verdict, Verdict::Reject(Counter::Length, _)),
                    "{len}: {verdict:?}"
                );
            }
        }
    }
}

/// What the codec writes, the check takes, whatever the checksum comes to.
#[test]
fn every_priority_and_interval() {
    let mut buffer = [0; 64];
    let [source, first] = [251, 1].map(|host| IpAddr::from(Ipv4Addr::new(192, 0, 2, host)));
    let addresses = [first];
    for checksum in [ChecksumForm::Plain, ChecksumForm::PseudoHeader] {
        let flag = match checksum {
            ChecksumForm::Plain => rule_flag::CHECKSUM_PLAIN,
            ChecksumForm::PseudoHeader => rule_flag::CHECKSUM_PSEUDO | rule_flag::SENDS_PSEUDO,
        };
        let mut tables = one(Family::V4, rule_flag::V3 | flag);
        tables.rule.priority = 100;
        for priority in 0..=255 {
            for interval in (1..=4095).step_by(23) {
                let advert = Advert {
                    vrid: Vrid::new(VRID).unwrap(),
                    priority: Priority(priority),
                    timing: Timing::V3 { interval: Centis::new(interval).unwrap(), checksum },
                    addresses: &addresses,
                };
                let message = advert.emit(source, proto::GROUP_V4.into(), &mut buffer).unwrap();
                let mut bytes = Packet::v3().frame();
                bytes.truncate(34);
                bytes.extend(message);
                let Verdict::Accept(accepted) = frame(bytes.as_slice(), &tables) else {
                    panic!("{priority} {interval} {checksum:?}");
                };
                let zero = u32::from(priority == 0) << Counter::PriorityZero as u32;
                let lower = matches!(priority, 1..100);
                let rank = if lower { Rank::Lower } else { Rank::Rival };
                assert_eq!((accepted.meaning, accepted.remarks), (Meaning::News(rank), zero));
            }
        }
    }
}

/// Zero has two forms in ones-complement arithmetic: a receiver that sums takes both.
#[test]
fn a_checksum_of_zero_is_taken_in_both_forms() {
    let mut packet = Packet::v3();
    // An address that makes the rest of the message sum to 0xffff.
    let rest = Sum::ZERO.add_bytes(&packet.header).add_bytes(&[192, 0]).fold();
    let [high, low] = (0xffff - rest).to_be_bytes();
    packet.addresses = vec![Ipv4Addr::new(192, 0, high, low).into()];
    let mut bytes = packet.frame();
    assert_eq!(bytes[40..42], [0, 0]);
    let tables = one(Family::V4, rule_flag::V3 | rule_flag::CHECKSUM_PLAIN);
    assert!(matches!(frame(bytes.as_slice(), &tables), Verdict::Accept(_)));
    bytes[40..42].fill(0xff);
    assert!(matches!(frame(bytes.as_slice(), &tables), Verdict::Accept(_)));
    bytes[41] = 0xfe;
    assert!(matches!(frame(bytes.as_slice(), &tables), Verdict::Reject(Counter::Checksum, _)));
}

/// Each form alone, both, and which is remarked on.
#[test]
fn checksum_forms() {
    const OTHER: u32 = 1 << Counter::OtherChecksumForm as u32;
    let plain = Packet::v3();
    let mut pseudo = plain.frame();
    let sum = Sum::ZERO.add_bytes(&[&pseudo[34..40], &pseudo[42..]].concat()).add_pseudo_header(
        plain.source,
        proto::GROUP_V4.into(),
        12,
    );
    pseudo[40..42].copy_from_slice(&sum.checksum().to_be_bytes());
    let plain = plain.frame();
    let remarks = |bytes: &[u8], flags: u32| match frame(bytes, &one(Family::V4, flags)) {
        Verdict::Accept(accepted) => Some(accepted.remarks),
        Verdict::Reject(Counter::Checksum, _) => None,
        other => panic!("{other:?}"),
    };
    let only_plain = rule_flag::V3 | rule_flag::CHECKSUM_PLAIN;
    let only_pseudo = rule_flag::V3 | rule_flag::CHECKSUM_PSEUDO | rule_flag::SENDS_PSEUDO;
    assert_eq!(remarks(&plain, only_plain), Some(0));
    assert_eq!(remarks(&pseudo, only_plain), None);
    assert_eq!(remarks(&plain, only_pseudo), None);
    assert_eq!(remarks(&pseudo, only_pseudo), Some(0));
    assert_eq!(remarks(&plain, BOTH), Some(0));
    assert_eq!(remarks(&pseudo, BOTH), Some(OTHER));
    assert_eq!(remarks(&plain, BOTH | rule_flag::SENDS_PSEUDO), Some(OTHER));
    assert_eq!(remarks(&pseudo, BOTH | rule_flag::SENDS_PSEUDO), Some(0));
}

/// A packet that goes on where it cannot be read is nobody's fault.
#[test]
fn what_is_out_of_reach_passes() {
    struct Part<'a>(&'a [u8]);
    impl Bytes for Part<'_> {
        fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
            self.0.at(offset)
        }
        fn whole(&self) -> bool {
            false
        }
    }
    let bytes = Packet::v3().frame();
    let tables = one(Family::V4, BOTH);
    for len in 0..bytes.len() {
        assert_eq!(frame(&Part(&bytes[..len]), &tables), Verdict::Pass, "{len}");
    }
    assert!(matches!(frame(&Part(&bytes), &tables), Verdict::Accept(_)));
}

#[test]
fn tags() {
    let ethernet = |tags: &[u8]| {
        let mut bytes = vec![0; 12];
        bytes.extend(tags);
        bytes.extend([0x08, 0x00]);
        locate::frame(bytes.as_slice())
    };
    let place =
        |outer, inner, ip| Some(Place { tags: Tags { outer, inner }, family: Family::V4, ip });
    assert_eq!(ethernet(&[]), place(0, 0, 14));
    assert_eq!(ethernet(&[0x81, 0, 0, 10]), place(11, 0, 18));
    assert_eq!(ethernet(&[0x81, 0, 0xef, 0xff]), place(4096, 0, 18));
    assert_eq!(ethernet(&[0x88, 0xa8, 0, 10, 0x81, 0, 0, 20]), place(11, 21, 22));
    // VLAN 0 is no VLAN.
    assert_eq!(ethernet(&[0x81, 0, 0xe0, 0]), place(0, 0, 18));
    assert_eq!(ethernet(&[0x81, 0, 0, 0, 0x81, 0, 0, 7]), place(8, 0, 22));
    assert_eq!(ethernet(&[0x81, 0, 0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3]), None);
}

/// RFC 9568 sections 5.2.1 and 5.2.2: there is one type, and a router speaks the versions it is set
/// to.
#[test]
fn every_other_version_and_type_is_rejected() {
    let reject = |counter| Verdict::Reject(counter, Owner::Router(ROUTER));
    for (good, flags) in
        [(Packet::v3(), BOTH), (Packet::v2(), rule_flag::V2), (Packet::v6(), rule_flag::V3)]
    {
        let spoken = good.header[0] >> 4;
        for nibble in 0..16 {
            let mut packet = good.clone();
            packet.header[0] = nibble << 4 | 1;
            let verdict = judged(&packet, flags);
            if nibble == spoken {
                assert!(matches!(verdict, Verdict::Accept(_)), "{verdict:?}");
            } else {
                assert_eq!(verdict, reject(Counter::Version), "version {nibble}");
            }
            packet.header[0] = spoken << 4 | nibble;
            let verdict = judged(&packet, flags);
            if nibble == proto::ADVERTISEMENT {
                assert!(matches!(verdict, Verdict::Accept(_)), "{verdict:?}");
            } else {
                assert_eq!(verdict, reject(Counter::Type), "type {nibble}");
            }
        }
    }
}

/// RFC 9568 section 5.2.9: addresses are of the family of the packet they are in.
#[test]
fn addresses_of_the_other_family_have_the_wrong_length() {
    let reject = Verdict::Reject(Counter::Length, Owner::Router(ROUTER));
    for count in 1..=5 {
        let mut packet = Packet::v3();
        packet.addresses = vec![Packet::v6().addresses[0]; count];
        packet.header[3] = u8::try_from(count).unwrap();
        assert_eq!(judged(&packet, BOTH), reject);
        let mut packet = Packet::v6();
        packet.addresses = vec![Packet::v3().addresses[0]; count];
        packet.header[3] = u8::try_from(count).unwrap();
        assert_eq!(judged(&packet, rule_flag::V3), reject);
    }
}

/// CARP shares protocol number, group and TTL, and calls itself version 2, type 1. What it has
/// where VRRP counts addresses is the length of its digest, which does not fit.
#[test]
fn carp_is_never_taken_for_vrrp() {
    for skew in [0, 100, 240, 255] {
        let mut packet = Packet::v2();
        // Version and type, virtual host, skew, digest in words, demotion, base.
        packet.header = [0x21, VRID, skew, 7, 0, 1];
        packet.addresses.clear();
        // A counter of eight bytes and a digest of twenty.
        packet.tail = (0..28).collect();
        for (flags, counter) in [
            (rule_flag::V2, Counter::Length),
            (rule_flag::V2 | rule_flag::AUTH_PASS, Counter::Length),
            (BOTH, Counter::Version),
        ] {
            let verdict = judged(&packet, flags);
            assert_eq!(verdict, Verdict::Reject(counter, Owner::Router(ROUTER)));
        }
        packet.header[1] = 99;
        let verdict = judged(&packet, rule_flag::V2);
        assert!(matches!(verdict, Verdict::Reject(_, Owner::Port(PORT))), "{verdict:?}");
    }
}
