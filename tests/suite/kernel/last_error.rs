//! Which protocol error was a router's last, where the program saw one and a socket another.
use crate::fixture::{V3, sender};
use std::time::{Duration, Instant as Clock};
use vrrp_common::counter::Counter;
use vrrp_common::ident::{Family, RouterId, Vrid};
use vrrp_common::layout::Rule;
use vrrp_tests::frames::{Frame, Message};
use vrrp_tests::kernel_rig::{Wire, detach_links_of, in_namespace, veth};
use xvrrp::dataplane::plane::{Plane, Settings};
use xvrrp::dataplane::port::{Dataplane as _, Path, RouterRule, XdpMode};

const ROUTER: RouterId = RouterId(3);

#[track_caller]
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let end = Clock::now() + Duration::from_secs(5);
    while !done() {
        assert!(Clock::now() < end, "{what} does not happen");
    }
}

/// Sends a frame and waits until it is rejected for `counter`; what the last error is then.
fn rejected(plane: &mut Plane, wire: &Wire, frame: &Frame, counter: Counter) -> Option<u8> {
    let before = plane.counts(ROUTER).0[counter as usize];
    wire.send(&frame.bytes());
    wait("the reject", || {
        plane.drain(&mut |news| panic!("{news:?}"));
        plane.counts(ROUTER).0[counter as usize] > before
    });
    Some(plane.protocol_error(ROUTER)).filter(|error| *error != 0)
}

#[test]
fn the_last_error_is_the_last_whoever_saw_it() {
    in_namespace(|| {
        let (a, b) = veth("xva", "xvb");
        let mut plane = Plane::new(Settings::new(XdpMode::Auto)).expect("a dataplane");
        plane.open("xva", a).expect("opened");
        let program = plane.settled("xva").expect("a path").program.expect("a program");
        let rule = Rule { flags: V3, ..Rule::default() };
        let vrid = Vrid::new(10).expect("a VRID");
        let rule = RouterRule { router: ROUTER, family: Family::V4, vrid, rule, peers: Vec::new() };
        plane.set_router("xva", &rule).expect("a place");
        plane.listen("xva");
        let wire = Wire::on(b);
        let good = || Frame::group(&Message::v3(10, &[[192, 0, 2, 1].into()]), sender());
        let ttl = Frame { hop_limit: 254, ..good() };
        let mut checksum = good();
        checksum.payload[6] ^= 0x5a;
        let mut length = good();
        length.payload.push(0);
        let errors = [(&ttl, Counter::Ttl), (&checksum, Counter::Checksum)]
            .map(|(frame, counter)| (frame, counter, counter.protocol_error()));
        for (frame, counter, error) in errors {
            assert_eq!(rejected(&mut plane, &wire, frame, counter), error);
        }
        assert_eq!(detach_links_of(program), 1);
        wait("the socket", || plane.changes().iter().any(|port| port.path == Path::Socket));
        // Others say nothing of it, nor does where they are seen.
        let last = Counter::Checksum.protocol_error();
        assert_eq!(rejected(&mut plane, &wire, &length, Counter::Length), last);
        for (frame, counter, error) in errors {
            assert_eq!(rejected(&mut plane, &wire, frame, counter), error, "by the socket");
        }
        plane.open("xva", a).expect("opened again");
        assert_eq!(plane.settled("xva").expect("a path").path, Path::XdpNative);
        plane.listen("xva");
        assert_eq!(rejected(&mut plane, &wire, &length, Counter::Length), last);
        for (frame, counter, error) in errors {
            assert_eq!(rejected(&mut plane, &wire, frame, counter), error, "by the program again");
        }
    });
}
