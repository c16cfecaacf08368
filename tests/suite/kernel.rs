//! Does the XDP program in the kernel judge every frame as userspace does, and as the RFCs say.
use std::net::IpAddr;
use vrrp_common::counter::{Counter, Kind};
use vrrp_common::ident::Family;
use vrrp_common::layout::{Expect, Peer, Rule, address, rule_flag};
use vrrp_tests::frames::{Dice, Frame, Message};
use vrrp_tests::kernel_rig::{Effect, Rig, in_namespace};

const V3: u32 = rule_flag::V3 | rule_flag::CHECKSUM_PLAIN | rule_flag::CHECKSUM_PSEUDO;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn sender() -> IpAddr {
    ip("192.0.2.251")
}

fn sender6() -> IpAddr {
    ip("fe80::251")
}

fn vips(count: usize) -> Vec<IpAddr> {
    (0..count).map(|i| IpAddr::from([192, 0, 2, u8::try_from(i).unwrap()])).collect()
}

fn vips6(count: u16) -> Vec<IpAddr> {
    (0..count).map(|i| IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 1, i])).collect()
}

/// Routers of [`rig`].
mod router {
    pub(super) const V3: u32 = 0;
    pub(super) const V6: u32 = 1;
    pub(super) const V2: u32 = 2;
    pub(super) const PASSWORD: u32 = 3;
    pub(super) const UNICAST: u32 = 4;
    pub(super) const EMPTY: u32 = 6;
    pub(super) const SENDS_PSEUDO: u32 = 8;
}

fn rig() -> Rig {
    let mut rig = Rig::new();
    let rule = |flags| Rule { flags, interval_v2: 1, ..Rule::default() };
    let unicast = rule_flag::V3 | rule_flag::CHECKSUM_PLAIN | rule_flag::UNICAST;
    let local = |text: &str| Rule { local: address(ip(text)), ..rule(unicast) };
    let peers = [
        ("192.0.2.251", Peer { min_ttl: 255, max_ttl: 255, pad: [0; 2] }),
        ("192.0.2.252", Peer { min_ttl: 60, max_ttl: 64, pad: [0; 2] }),
    ];
    let peers6 = [("2001:db8::251", Peer { min_ttl: 0, max_ttl: 255, pad: [0; 2] })];
    let password = Rule { auth: *b"secret\0\0", ..rule(rule_flag::V2 | rule_flag::AUTH_PASS) };
    rig.router(Family::V4, 10, rule(V3), &[]);
    rig.router(Family::V6, 10, rule(V3), &[]);
    rig.router(Family::V4, 20, rule(rule_flag::V2), &[]);
    rig.router(Family::V4, 30, password, &[]);
    rig.router(Family::V4, 40, local("192.0.2.10"), &peers);
    rig.router(Family::V4, 50, rule(rule_flag::V3 | rule_flag::CHECKSUM_PLAIN), &[]);
    rig.router(Family::V4, 60, rule(V3 | rule_flag::V2 | rule_flag::NO_ADDRESSES), &[]);
    rig.router(Family::V6, 40, local("2001:db8::10"), &peers6);
    rig.router(Family::V4, 70, rule(V3 | rule_flag::SENDS_PSEUDO | rule_flag::COARSE_CLOCK), &[]);
    rig.router(Family::V6, 20, rule(rule_flag::V2), &[]);
    rig
}

/// Both sides say the same; what that is.
#[track_caller]
fn judge(rig: &mut Rig, frame: &[u8]) -> Effect {
    let predicted = rig.predict(frame);
    let done = rig.run(frame);
    assert_eq!(done, predicted, "kernel (left) and userspace differ on {frame:02x?}");
    done
}

#[track_caller]
fn rejected(rig: &mut Rig, frame: &Frame, counter: Counter, owner: Option<u32>) {
    let moved = vec![(owner, counter as usize, 1)];
    assert_eq!(judge(rig, &frame.bytes()), Effect { moved, ..Effect::default() }, "{frame:?}");
}

/// News to a router, with these remarks.
#[track_caller]
fn news(rig: &mut Rig, frame: &Frame, owner: u32, remarks: &[Counter]) {
    let bytes = frame.bytes();
    let packet = bytes[frame.ip()..bytes.len() - frame.padding].to_vec();
    let mut moved = vec![(Some(owner), 0, 1)];
    moved.extend(remarks.iter().map(|counter| (Some(owner), *counter as usize, 1)));
    let bits = remarks.iter().fold(0, |bits, counter| bits | 1 << *counter as u32);
    let expected = Effect { moved, news: vec![(owner, bits, packet)], ..Effect::default() };
    assert_eq!(judge(rig, &bytes), expected, "{frame:?}");
}

#[track_caller]
fn passed(rig: &mut Rig, frame: &[u8]) {
    assert_eq!(judge(rig, frame), Effect { passed: true, ..Effect::default() }, "{frame:02x?}");
}

/// Every reject reason, each by a frame with that one fault.
#[test]
fn each_fault_moves_its_counter_and_nothing_else() {
    in_namespace(|| {
        let mut rig = rig();
        let v3 = Message::v3(10, &vips(2));
        let good = Frame::group(&v3, sender());
        let message = |message: &Message| Frame::group(message, sender());
        let v6 = Message::v3(10, &vips6(2));
        let v2 = Message::v2(20, &vips(1));
        let secret =
            Message { timing: [1, 1], tail: b"secret\0\0".to_vec(), ..Message::v2(30, &vips(1)) };
        let unicast = Frame::of(&Message::v3(40, &vips(1)), sender(), ip("192.0.2.10"));
        let options = [vec![112, 0, 0, 0, 0, 0, 0, 0]];
        let [hop_by_hop] = options;
        let faults: Vec<(Counter, Option<u32>, Frame)> = vec![
            (Counter::Ttl, Some(router::V3), Frame { hop_limit: 254, ..good.clone() }),
            (Counter::Ttl, Some(router::V3), Frame { hop_limit: 0, ..good.clone() }),
            (
                Counter::Ttl,
                Some(router::V6),
                Frame { hop_limit: 64, ..Frame::group(&v6, sender6()) },
            ),
            (Counter::Ttl, Some(router::UNICAST), Frame { hop_limit: 254, ..unicast.clone() }),
            (Counter::Version, Some(router::V3), message(&Message::v2(10, &vips(1)))),
            (Counter::Version, Some(router::V2), message(&Message::v3(20, &vips(1)))),
            (Counter::Version, Some(router::V3), message(&Message { version: 4, ..v3.clone() })),
            (Counter::Type, Some(router::V3), message(&Message { kind: 2, ..v3.clone() })),
            (
                Counter::Length,
                Some(router::V3),
                message(&Message { tail: vec![0; 4], ..v3.clone() }),
            ),
            (Counter::Length, Some(router::V3), message(&Message { count: Some(3), ..v3.clone() })),
            (Counter::Length, Some(router::V2), message(&Message { tail: vec![], ..v2.clone() })),
            (Counter::Length, None, Frame { payload: vec![0x31, 10, 1, 0, 0], ..good.clone() }),
            (Counter::Checksum, Some(router::V3), message(&Message { error: 1, ..v3.clone() })),
            (
                Counter::Checksum,
                Some(router::V2),
                message(&Message { pseudo_header: true, ..v2.clone() }),
            ),
            (
                Counter::Checksum,
                Some(router::V6),
                Frame::group(&Message { pseudo_header: false, ..v6.clone() }, sender6()),
            ),
            (
                Counter::Checksum,
                Some(5),
                message(&Message { pseudo_header: true, vrid: 50, ..v3.clone() }),
            ),
            (Counter::Vrid, None, message(&Message { vrid: 0, ..v3.clone() })),
            (Counter::Vrid, None, message(&Message { vrid: 99, ..v3.clone() })),
            (Counter::Vrid, None, Frame::group(&Message { vrid: 30, ..v6.clone() }, sender6())),
            (Counter::Vrid, None, Frame { tags: vec![], ..message(&Message::v2(99, &vips(1))) }),
            (Counter::AddressCountZero, Some(router::V3), message(&Message::v3(10, &[]))),
            (
                Counter::FirstAddressNotLinkLocal,
                Some(router::V6),
                Frame::group(&Message::v3(10, &[ip("2001:db8::1"), ip("fe80::1")]), sender6()),
            ),
            (
                Counter::IntervalZero,
                Some(router::V3),
                message(&Message { timing: [0, 0], ..v3.clone() }),
            ),
            (
                Counter::IntervalZero,
                Some(router::V3),
                message(&Message { timing: [0xf0, 0], ..v3.clone() }),
            ),
            (
                Counter::Interval,
                Some(router::V2),
                message(&Message { timing: [0, 2], ..v2.clone() }),
            ),
            (
                Counter::AuthTypeInvalid,
                Some(router::V2),
                message(&Message { timing: [3, 1], ..v2.clone() }),
            ),
            (
                Counter::AuthTypeMismatch,
                Some(router::V2),
                message(&Message { timing: [1, 1], ..v2.clone() }),
            ),
            (
                Counter::AuthTypeMismatch,
                Some(router::PASSWORD),
                message(&Message::v2(30, &vips(1))),
            ),
            (
                Counter::AuthFailure,
                Some(router::PASSWORD),
                message(&Message { tail: b"secres\0\0".to_vec(), ..secret.clone() }),
            ),
            (Counter::Source, Some(router::V3), Frame::group(&v3, ip("0.0.0.0"))),
            (Counter::Source, Some(router::V3), Frame::group(&v3, ip("224.0.0.18"))),
            (Counter::Source, Some(router::V3), Frame::group(&v3, ip("127.0.0.1"))),
            (Counter::Source, Some(router::V3), Frame::group(&v3, ip("255.255.255.255"))),
            (Counter::Source, Some(router::V6), Frame::group(&v6, ip("2001:db8::1"))),
            (
                Counter::PeerSource,
                Some(router::UNICAST),
                Frame::of(&Message::v3(40, &vips(1)), ip("192.0.2.250"), ip("192.0.2.10")),
            ),
            (Counter::ModeMismatch, Some(router::UNICAST), message(&Message::v3(40, &vips(1)))),
            (Counter::Fragment, None, Frame { fragment: 0x2000, ..good.clone() }),
            (Counter::Fragment, None, Frame { fragment: 0x0001, ..good.clone() }),
            (
                Counter::Fragment,
                None,
                Frame { protocol: 44, options: hop_by_hop.clone(), ..Frame::group(&v6, sender6()) },
            ),
            (
                Counter::IpHeader,
                None,
                Frame { protocol: 0, options: hop_by_hop.clone(), ..Frame::group(&v6, sender6()) },
            ),
            (
                Counter::IpHeader,
                None,
                Frame { protocol: 60, options: hop_by_hop, ..Frame::group(&v6, sender6()) },
            ),
        ];
        for (counter, owner, frame) in &faults {
            rejected(&mut rig, frame, *counter, *owner);
        }
        // IP headers that contradict themselves.
        for (at, value) in [(14, 0x44), (14, 0x65), (17, 19)] {
            let mut bytes = good.bytes();
            bytes[at] = value;
            let moved = vec![(None, Counter::IpHeader as usize, 1)];
            assert_eq!(judge(&mut rig, &bytes), Effect { moved, ..Effect::default() });
        }
        // Every reject reason was met.
        for counter in Counter::ALL.iter().filter(|counter| counter.kind() == Kind::Rejected) {
            assert!(
                *counter == Counter::IpHeader || faults.iter().any(|(met, ..)| met == counter),
                "{counter:?} has no frame"
            );
        }
    });
}

/// What is right is handed over once, whole, with its remarks.
#[test]
fn valid_adverts_are_news() {
    in_namespace(|| {
        use Counter::{OtherChecksumForm, PriorityZero};
        let mut rig = rig();
        let v3 = Message::v3(10, &vips(2));
        let good = Frame::group(&v3, sender());
        news(&mut rig, &good, router::V3, &[]);
        // Two tags, one tag of VLAN 0: a priority alone.
        for tags in [vec![(0x8100, 0xe000)], vec![(0x88a8, 0xe000), (0x8100, 0)]] {
            news(&mut rig, &Frame { tags, ..good.clone() }, router::V3, &[]);
        }
        // Padding to the least Ethernet frame, and beyond.
        for padding in [1, 10, 900] {
            news(&mut rig, &Frame { padding, ..good.clone() }, router::V3, &[]);
        }
        // Router alert, and options to the brim.
        for options in [vec![0x94, 4, 0, 0], vec![1; 40]] {
            news(&mut rig, &Frame { options, ..good.clone() }, router::V3, &[]);
        }
        // Do not fragment, and the bit that means nothing.
        for fragment in [0x4000, 0x8000] {
            news(&mut rig, &Frame { fragment, ..good.clone() }, router::V3, &[]);
        }
        let pseudo = |vrid| Message { vrid, pseudo_header: true, ..v3.clone() };
        let plain = |vrid| Message { vrid, ..v3.clone() };
        let group = |message: &Message| Frame::group(message, sender());
        news(&mut rig, &group(&pseudo(10)), router::V3, &[OtherChecksumForm]);
        news(&mut rig, &group(&plain(70)), router::SENDS_PSEUDO, &[OtherChecksumForm]);
        news(&mut rig, &group(&pseudo(70)), router::SENDS_PSEUDO, &[]);
        let leaving = Message { priority: 0, ..v3.clone() };
        news(&mut rig, &group(&leaving), router::V3, &[PriorityZero]);
        let leaving = Message { priority: 0, ..pseudo(10) };
        news(&mut rig, &group(&leaving), router::V3, &[PriorityZero, OtherChecksumForm]);
        // The reserved nibble is ignored.
        news(&mut rig, &group(&Message { timing: [0xf0, 100], ..v3.clone() }), router::V3, &[]);
        // Every count of addresses that fits, and none where none is right.
        for count in [1, 3, 20, 21, 48, 49, 50, 51, 52, 53, 54, 100, 255] {
            news(&mut rig, &group(&Message::v3(10, &vips(count))), router::V3, &[]);
            news(&mut rig, &group(&Message::v2(20, &vips(count))), router::V2, &[]);
        }
        for count in [1, 2, 11, 12, 13, 90] {
            let frame = Frame::group(&Message::v3(10, &vips6(count)), sender6());
            news(&mut rig, &frame, router::V6, &[]);
        }
        news(&mut rig, &group(&Message::v3(60, &[])), router::EMPTY, &[]);
        news(&mut rig, &group(&Message::v2(60, &[])), router::EMPTY, &[]);
        let secret =
            Message { timing: [1, 1], tail: b"secret\0\0".to_vec(), ..Message::v2(30, &vips(1)) };
        news(&mut rig, &group(&secret), router::PASSWORD, &[]);
        // Without authentication the eight bytes are nobody's business.
        news(
            &mut rig,
            &group(&Message { tail: b"anything".to_vec(), ..Message::v2(20, &vips(1)) }),
            router::V2,
            &[],
        );
        // VRRPv2 over IPv6 sums a pseudo-header.
        let v2 = Message { pseudo_header: true, ..Message::v2(20, &vips6(1)) };
        news(&mut rig, &Frame::group(&v2, sender6()), 9, &[]);
        // Unicast, with the TTL each peer may have.
        let unicast = Message::v3(40, &vips(1));
        news(&mut rig, &Frame::of(&unicast, sender(), ip("192.0.2.10")), router::UNICAST, &[]);
        let far = Frame::of(&unicast, ip("192.0.2.252"), ip("192.0.2.10"));
        news(&mut rig, &Frame { hop_limit: 62, ..far.clone() }, router::UNICAST, &[]);
        rejected(
            &mut rig,
            &Frame { hop_limit: 59, ..far.clone() },
            Counter::Ttl,
            Some(router::UNICAST),
        );
        rejected(&mut rig, &Frame { hop_limit: 65, ..far }, Counter::Ttl, Some(router::UNICAST));
        let unicast6 =
            Frame::of(&Message::v3(40, &vips6(1)), ip("2001:db8::251"), ip("2001:db8::10"));
        news(&mut rig, &Frame { hop_limit: 17, ..unicast6.clone() }, 7, &[]);
    });
}

/// What is not ours is not touched.
#[test]
fn other_traffic_passes() {
    in_namespace(|| {
        let mut rig = rig();
        let v3 = Message::v3(10, &vips(2));
        let good = Frame::group(&v3, sender());
        let v6 = Frame::group(&Message::v3(10, &vips6(1)), sender6());
        let others = [
            Frame { protocol: 17, ..good.clone() },
            Frame { protocol: 2, ..good.clone() },
            Frame { protocol: 58, ..v6.clone() },
            // A listener report is sent to the group itself, behind a hop-by-hop header.
            Frame { protocol: 0, options: vec![58, 0, 5, 2, 0, 0, 1, 0], ..v6.clone() },
            // VRRP that a router forwards, or that somebody else is to hear.
            Frame::of(&v3, sender(), ip("192.0.2.10")),
            Frame::of(&v3, sender(), ip("224.0.0.19")),
            Frame::of(&Message::v3(40, &vips(1)), sender(), ip("192.0.2.11")),
            Frame {
                fragment: 0x2000,
                ..Frame::of(&Message::v3(40, &vips(1)), sender(), ip("192.0.2.10"))
            },
            Frame::of(&Message::v3(40, &vips6(1)), ip("2001:db8::251"), ip("2001:db8::11")),
            // Of a VLAN no router listens on.
            Frame { tags: vec![(0x8100, 5)], ..good.clone() },
            Frame { tags: vec![(0x88a8, 5), (0x8100, 6)], ..good.clone() },
            Frame { tags: vec![(0x8100, 5), (0x8100, 6), (0x8100, 7)], ..good.clone() },
            Frame { tags: vec![(0x8100, 0), (0x8100, 0), (0x8100, 0)], ..good.clone() },
        ];
        for frame in &others {
            passed(&mut rig, &frame.bytes());
        }
        let mut arp = good.bytes();
        arp[12..14].copy_from_slice(&[0x08, 0x06]);
        passed(&mut rig, &arp);
        // Cut off before anything can be said about it.
        for length in 14..34 {
            passed(&mut rig, &good.bytes()[..length]);
            passed(&mut rig, &v6.bytes()[..length]);
        }
    });
}

/// An expected advert only stamps, and anything else is news.
#[test]
fn expectations_hold() {
    in_namespace(|| {
        let mut rig = rig();
        let remark = 1 << Counter::AddressListDiffers as u32 | 1 << Counter::IntervalDiffers as u32;
        for (router, message, from) in [
            (router::V3, Message::v3(10, &vips(2)), sender()),
            (router::V6, Message::v3(10, &vips6(2)), sender6()),
            (
                router::SENDS_PSEUDO,
                Message { pseudo_header: true, ..Message::v3(70, &vips(2)) },
                sender(),
            ),
        ] {
            let frame = Frame::group(&message, from);
            let mut expect = Expect {
                generation: 7,
                remarks: 0,
                source: address(from),
                header: frame.payload[..8].try_into().unwrap(),
            };
            rig.expect(router, &expect);
            let seen = |generation, remarks: &[Counter]| {
                let mut moved = vec![(Some(router), 0, 1)];
                moved.extend(remarks.iter().map(|counter| (Some(router), *counter as usize, 1)));
                Effect { moved, stamped: vec![(router, generation)], ..Effect::default() }
            };
            assert_eq!(judge(&mut rig, &frame.bytes()), seen(7, &[]));
            // The coarse clock moves every few milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert_eq!(judge(&mut rig, &frame.bytes()), seen(7, &[]));
            // Expected does not mean believed.
            rejected(
                &mut rig,
                &Frame { hop_limit: 1, ..frame.clone() },
                Counter::Ttl,
                Some(router),
            );
            // Another sender, another priority.
            let other = if from.is_ipv4() { ip("192.0.2.250") } else { ip("fe80::1:251") };
            news(&mut rig, &Frame::group(&message, other), router, &[]);
            let weaker = Message { priority: 199, ..message.clone() };
            news(&mut rig, &Frame::group(&weaker, from), router, &[]);
            std::thread::sleep(std::time::Duration::from_millis(20));
            expect.generation = 8;
            expect.remarks = remark;
            rig.expect(router, &expect);
            let remarks = [Counter::IntervalDiffers, Counter::AddressListDiffers];
            assert_eq!(judge(&mut rig, &frame.bytes()), seen(8, &remarks));
            rig.expect(router, &Expect { generation: 0, ..expect });
            news(&mut rig, &frame, router, &[]);
        }
    });
}

/// The external vectors: accepted or not as they say, strictly, with both forms, and as VRRPv2.
#[test]
fn external_vectors() {
    in_namespace(|| {
        let text = include_str!("../cases/vectors.jsonl");
        let modes = [
            ("verdict_strict_9568", rule_flag::V3 | rule_flag::CHECKSUM_PLAIN),
            ("verdict_dual_accept", V3),
            ("verdict_v2", rule_flag::V2),
        ];
        let mut met = 0;
        for (key, flags) in modes {
            let mut rig = Rig::new();
            for vrid in 1..=255 {
                let rule = Rule { flags, interval_v2: 1, ..Rule::default() };
                rig.router(Family::V4, vrid, rule, &[]);
                rig.router(Family::V6, vrid, rule, &[]);
            }
            for line in text.lines() {
                let case: serde_json::Value = serde_json::from_str(line).unwrap();
                let field = |name: &str| case[name].as_str().unwrap();
                let mut frame = Frame::of(&Message::v3(1, &[]), ip(field("src")), ip(field("dst")));
                frame.hop_limit = case["ttl"].as_u64().unwrap().try_into().unwrap();
                frame.payload = unhex(field("vrrp"));
                frame.padding = 18;
                let effect = judge(&mut rig, &frame.bytes());
                let accepted = !effect.news.is_empty();
                assert_eq!(accepted, field(key).starts_with("ACCEPT"), "{key}: {case}");
                if field(key).contains("cksum") {
                    assert_eq!(effect.moved[0].1, Counter::Checksum as usize, "{case}");
                }
                met += 1;
            }
        }
        assert_eq!(met, 33);
    });
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Whatever arrives, the kernel and userspace agree.
#[test]
fn kernel_and_userspace_agree_on_anything() {
    in_namespace(|| {
        let mut rig = rig();
        let mut seeds: Vec<Vec<u8>> = Vec::new();
        for vrid in [10, 20, 30, 40, 50, 60, 70, 99] {
            for count in [0, 1, 2, 20] {
                let v3 = Message::v3(vrid, &vips(count));
                let v2 = Message::v2(vrid, &vips(count));
                for message in [v3.clone(), Message { pseudo_header: true, ..v3.clone() }, v2] {
                    seeds.push(Frame::group(&message, sender()).bytes());
                    seeds.push(Frame::of(&message, sender(), ip("192.0.2.10")).bytes());
                    let tagged = Frame {
                        tags: vec![(0x8100, 0)],
                        padding: 6,
                        ..Frame::group(&message, sender())
                    };
                    seeds.push(Frame { options: vec![1; 8], ..tagged }.bytes());
                }
                let v6 = Message { pseudo_header: true, ..Message::v3(vrid, &vips6(2)) };
                seeds.push(Frame::group(&v6, sender6()).bytes());
                seeds.push(Frame::of(&v6, ip("2001:db8::251"), ip("2001:db8::10")).bytes());
            }
        }
        let mut dice = Dice::new(0x5eed);
        let (mut passes, mut rejects, mut accepts) = (0, 0, 0);
        let mut tally = |effect: &Effect| match effect {
            Effect { passed: true, .. } => passes += 1,
            Effect { news, .. } if news.is_empty() => rejects += 1,
            Effect { .. } => accepts += 1,
        };
        for seed in &seeds {
            tally(&judge(&mut rig, seed));
        }
        // Every length, of a valid advert and of noise behind its headers.
        for length in 14..=2048 {
            let mut frame = seeds[0].clone();
            frame.resize(length, 0xa5);
            if length % 2 == 0 {
                let total = u16::try_from(length - 14).unwrap().to_be_bytes();
                if let Some(field) = frame.get_mut(16..18) {
                    field.copy_from_slice(&total);
                }
            }
            tally(&judge(&mut rig, &frame));
        }
        for round in 0..ROUNDS {
            let mut frame = seeds[dice.below(seeds.len())].clone();
            for _ in 0..=dice.below(3) {
                let at = dice.below(frame.len() - 12) + 12;
                match dice.below(3) {
                    0 => frame[at] ^= 1 << dice.below(8),
                    1 => frame[at] = dice.byte(),
                    _ if round % 8 == 0 => frame.truncate(at.max(14)),
                    _ => frame[at] = [0, 1, 2, 3, 112, 255][dice.below(6)],
                }
                if frame.len() < 15 {
                    break;
                }
            }
            // Half of them with the checksum mended, so that the checks behind it are met.
            if round % 2 == 0 {
                mend(&mut frame);
            }
            tally(&judge(&mut rig, &frame));
        }
        for _ in 0..ROUNDS / 4 {
            let mut frame: Vec<u8> = (0..14 + dice.below(200)).map(|_| dice.byte()).collect();
            let kind = [[0x08, 0x00], [0x86, 0xdd], [0x81, 0x00]][dice.below(3)];
            frame[12..14].copy_from_slice(&kind);
            tally(&judge(&mut rig, &frame));
        }
        println!("{passes} passed, {rejects} rejected, {accepts} accepted");
        assert!(passes > 500 && rejects > 500 && accepts > 200);
    });
}

/// Mutated frames of a run.
const ROUNDS: usize = 8000;

/// Gives an untagged IPv4 frame to the group a right RFC 9568 checksum, if it has the bytes.
fn mend(frame: &mut [u8]) {
    let Some(first) = frame.get(14) else {
        return;
    };
    let start = 14 + usize::from(first & 0xf) * 4;
    let Some(total) = frame.get(16..18).map(|total| u16::from_be_bytes([total[0], total[1]]))
    else {
        return;
    };
    let end = 14 + usize::from(total);
    if let Some(message) = frame.get_mut(start..end).filter(|message| message.len() >= 8) {
        message[6..8].fill(0);
        let sum = vrrp_tests::frames::internet_checksum(message);
        message[6..8].copy_from_slice(&sum.to_be_bytes());
    }
}

/// What a packet costs. Printed, not judged: the figures are the machine's. Run it alone with
/// `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn nanoseconds_a_packet() {
    in_namespace(|| {
        let mut rig = rig();
        let one = Message::v3(10, &vips(1));
        let twenty = Message::v3(50, &vips(20));
        let coarse = Message { pseudo_header: true, ..Message::v3(70, &vips(1)) };
        let v6 = Message::v3(10, &vips6(1));
        let many = Message::v3(60, &vips(255));
        for (router, message, from) in [
            (0, &one, sender()),
            (5, &twenty, sender()),
            (8, &coarse, sender()),
            (1, &v6, sender6()),
            (6, &many, sender()),
        ] {
            let header = Frame::group(message, from).payload[..8].try_into().unwrap();
            let expect = Expect { generation: 1, remarks: 0, source: address(from), header };
            rig.expect(router, &expect);
        }
        let udp = Frame { protocol: 17, ..Frame::group(&one, sender()) };
        let mut arp = udp.clone();
        arp.tags = vec![(0x0806, 0)];
        let cases = [
            ("ARP", arp),
            ("UDP", udp),
            ("v3 IPv4, 1 address, expected", Frame::group(&one, sender())),
            ("v3 IPv4, 1 address, expected, coarse clock", Frame::group(&coarse, sender())),
            ("v3 IPv4, 20 addresses, expected", Frame::group(&twenty, sender())),
            ("v3 IPv4, 255 addresses, expected", Frame::group(&many, sender())),
            ("v3 IPv6, 1 address, expected", Frame::group(&v6, sender6())),
            ("bad checksum", Frame::group(&Message { error: 1, ..one.clone() }, sender())),
            ("unknown VRID", Frame::group(&Message { vrid: 99, ..one.clone() }, sender())),
            ("news, ring full", Frame::group(&one, ip("192.0.2.250"))),
        ];
        for (name, frame) in cases {
            let bytes = frame.bytes();
            // The least of many short runs: one that nothing else interrupted.
            let best = (0..300).map(|_| rig.measure(&bytes, 10_000)).min();
            println!("{:4} ns  {name}", best.unwrap_or(0));
        }
        let program = rig.plane.program().unwrap().raw().unwrap().info().unwrap();
        println!("verified instructions: {:?}", program.verified_instruction_count());
    });
}
