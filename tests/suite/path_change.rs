//! Does every advert count once while an interface gets from its packet socket to the program.
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant as Clock};
use vrrp_common::ident::{Family, RouterId, Vrid};
use vrrp_common::layout::{Rule, rule_flag};
use vrrp_tests::frames::{Frame, Message};
use vrrp_tests::kernel_rig::{Wire, ifindex, in_namespace, ip, veth};
use xvrrp::dataplane::plane::{Plane, Settings};
use xvrrp::dataplane::port::{Dataplane, Path, RouterRule, XdpMode};

const ROUTER: RouterId = RouterId(3);

fn advert() -> Frame {
    let message = Message::v3(10, &[IpAddr::from([192, 0, 2, 1])]);
    Frame::group(&message, IpAddr::from([192, 0, 2, 251]))
}

fn rule() -> RouterRule {
    let flags = rule_flag::V3 | rule_flag::CHECKSUM_PLAIN | rule_flag::CHECKSUM_PSEUDO;
    let rule = Rule { flags, ..Rule::default() };
    let vrid = Vrid::new(10).unwrap();
    RouterRule { router: ROUTER, family: Family::V4, vrid, rule, peers: Vec::new() }
}

/// Waits until `done`.
#[track_caller]
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let start = Clock::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(5), "{what} does not happen");
        sleep(Duration::from_millis(1));
    }
}

/// Adverts that keep coming while a port goes from its socket to the program: how many came by
/// which.
fn under_way(interface: &str, index: u32, to: u32, path: Path) -> (usize, usize) {
    // Every one is news here, and they are many.
    let settings = Settings { news: None, ..Settings::new(XdpMode::Auto) };
    let mut plane = Plane::new(settings).expect("a dataplane");
    let report = plane.open(interface, index).unwrap();
    assert!(report.pending && report.ready && report.path == Path::Socket, "{report:?}");
    plane.set_router(interface, &rule()).unwrap();
    plane.listen(interface);
    let wire = Wire::on(to);
    let stop = AtomicBool::new(false);
    let (mut by_socket, mut by_program) = (0, 0);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let (frame, mut sent) = (advert().bytes(), 0);
            while !stop.load(Ordering::Relaxed) {
                wire.send(&frame);
                sent += 1;
                sleep(Duration::from_micros(50));
            }
            sent
        });
        let start = Clock::now();
        let mut settled = None;
        // Until the socket is closed, and something came by the program alone.
        while settled.is_none_or(|at: Clock| at.elapsed() < Duration::from_millis(300)) {
            plane.drain(&mut |_| match settled {
                None => by_socket += 1,
                Some(_) => by_program += 1,
            });
            for change in plane.changes() {
                assert_eq!((change.path, change.ready, change.pending), (path, true, false));
                settled = Some(Clock::now());
            }
            assert!(start.elapsed() < Duration::from_secs(10), "the path is not settled");
        }
        // The wake-up and the ring: the socket is gone.
        assert_eq!(plane.descriptors().len(), 2);
        stop.store(true, Ordering::Relaxed);
        let sent = sender.join().unwrap();
        wait("the rest", || {
            plane.drain(&mut |_| by_program += 1);
            by_socket + by_program >= sent
        });
        sleep(Duration::from_millis(50));
        plane.drain(&mut |_| by_program += 1);
        assert_eq!(by_socket + by_program, sent, "news of as many adverts as were sent");
        assert_eq!(plane.counts(ROUTER).0[0], u64::try_from(sent).unwrap());
    });
    (by_socket, by_program)
}

#[test]
fn no_advert_is_lost_or_counted_twice_on_the_way_to_the_program() {
    in_namespace(|| {
        let (a, b) = veth("xva", "xvb");
        let (_, d) = veth("xvc", "xvd");
        ip("link add xvbr type bridge mcast_snooping 0");
        ip("link set xvc master xvbr");
        ip("link set xvbr up");
        let bridge = ifindex("xvbr");
        for (name, index, to, path) in
            [("xva", a, b, Path::XdpNative), ("xvbr", bridge, d, Path::XdpSkb)]
        {
            let mut seen = (0, 0);
            // The kernel may be quick: until both ways were taken.
            for _ in 0..20 {
                let (by_socket, by_program) = under_way(name, index, to, path);
                seen = (seen.0 + by_socket, seen.1 + by_program);
                if seen.0 > 0 && seen.1 > 0 {
                    break;
                }
            }
            assert!(seen.0 > 0 && seen.1 > 0, "{name}: {seen:?}");
        }
    });
}
