//! What does a packet cost.
use crate::fixture::*;
use vrrp_common::layout::{Expect, address};
use vrrp_tests::frames::{Frame, Message};
use vrrp_tests::kernel_rig::in_namespace;

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
        let program = rig.plane.program().unwrap().raw(|xdp| xdp.info()).unwrap().unwrap();
        println!("verified instructions: {:?}", program.verified_instruction_count());
    });
}
