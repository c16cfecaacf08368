//! Is what is right handed over or stamped, and what is not ours left alone.
use crate::fixture::*;
use vrrp_common::counter::Counter;
use vrrp_common::layout::{Expect, address};
use vrrp_tests::frames::{Frame, Message};
use vrrp_tests::kernel_rig::{Effect, in_namespace};

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
        // Padding to the least Ethernet frame, and into further buffers.
        for padding in [1, 10, 900, 5000] {
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
        let elsewhere = Message::v3(80, &vips(1));
        news(&mut rig, &Frame::of(&elsewhere, sender(), ip("224.0.0.81")), router::OWN_GROUP, &[]);
        let global = Message::v3(80, &[ip("2001:db8::1"), ip("fe80::1")]);
        news(&mut rig, &Frame::group(&global, sender6()), router::FIRST_ANY, &[]);
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
