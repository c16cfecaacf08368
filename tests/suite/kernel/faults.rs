//! Does each fault move its own counter and nothing else.
use crate::fixture::*;
use vrrp_common::counter::{Counter, Kind};
use vrrp_tests::frames::{Frame, Message};
use vrrp_tests::kernel_rig::{Effect, in_namespace};

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
            (Counter::OwnAddress, Some(router::V3), Frame::group(&v3, ip("192.0.2.10"))),
            (Counter::OwnAddress, Some(router::V6), Frame::group(&v6, ip("fe80::10"))),
            (
                Counter::PeerSource,
                Some(router::UNICAST),
                Frame::of(&Message::v3(40, &vips(1)), ip("192.0.2.250"), ip("192.0.2.10")),
            ),
            (Counter::ModeMismatch, Some(router::UNICAST), message(&Message::v3(40, &vips(1)))),
            (Counter::ModeMismatch, Some(router::OWN_GROUP), message(&Message::v3(80, &vips(1)))),
            (
                Counter::Ttl,
                Some(router::OWN_GROUP),
                Frame {
                    hop_limit: 254,
                    ..Frame::of(&Message::v3(80, &vips(1)), sender(), ip("224.0.0.81"))
                },
            ),
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
        // Also one whose own checksum is wrong: of the identification, of the checksum, of the source.
        for (at, value) in [(14, 0x44), (14, 0x65), (17, 19), (18, 0x13), (24, 0), (29, 252)] {
            let mut bytes = good.bytes();
            bytes[at] = value;
            let moved = vec![(None, Counter::IpHeader as usize, 1)];
            assert_eq!(judge(&mut rig, &bytes), Effect { moved, ..Effect::default() });
        }
        // A source that was changed on its way, behind options: VRRP's own checksum does not see it.
        let mut bytes = Frame { options: vec![1; 40], ..good.clone() }.bytes();
        bytes[29] ^= 1;
        let moved = vec![(None, Counter::IpHeader as usize, 1)];
        assert_eq!(judge(&mut rig, &bytes), Effect { moved, ..Effect::default() });
        // To a host of its own it goes on: the IP stack drops it.
        let mut bytes = unicast.bytes();
        bytes[25] ^= 1;
        assert_eq!(judge(&mut rig, &bytes), Effect { passed: true, ..Effect::default() });
        // Every reject reason was met, but for the one that the controller finds.
        for counter in Counter::ALL.iter().filter(|counter| counter.kind() == Kind::Rejected) {
            assert!(
                matches!(counter, Counter::IpHeader | Counter::AddressList)
                    || faults.iter().any(|(met, ..)| met == counter),
                "{counter:?} has no frame"
            );
        }
    });
}
