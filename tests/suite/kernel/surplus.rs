//! How much of a flood of valid adverts is a router told of, by the program and by the sockets, and
//! is what it expects heard all the while.
use crate::fixture::sender;
use std::time::{Duration, Instant as Clock};
use vrrp_common::counter::Counter;
use vrrp_common::ident::{Family, RouterId, Vrid};
use vrrp_common::layout::{Expect, NEWS_A_SPAN, Rule, address};
use vrrp_tests::frames::{Frame, Message};
use vrrp_tests::kernel_rig::{Wire, in_namespace, veth};
use xvrrp::dataplane::plane::{Plane, Settings};
use xvrrp::dataplane::port::{Dataplane as _, Path, RouterRule, XdpMode};
use xvrrp::engine::input::Heard as _;

const ROUTER: RouterId = RouterId(3);
const OTHER: RouterId = RouterId(4);

fn advert(vrid: u8, priority: u8) -> Frame {
    let vips = [[192, 0, 2, 1].into()];
    Frame::group(&Message { vrid, priority, ..Message::v3(10, &vips) }, sender())
}

fn plane(mode: XdpMode, ifindex: u32) -> (Plane, Path) {
    let mut plane = Plane::new(Settings::new(mode)).expect("a dataplane");
    plane.open("xva", ifindex).expect("opened");
    let path = plane.settled("xva").expect("a path").path;
    for (router, vrid) in [(ROUTER, 10), (OTHER, 11)] {
        let rule = Rule { flags: crate::fixture::V3, priority: 100, ..Rule::default() };
        let vrid = Vrid::new(vrid).expect("a VRID");
        let rule = RouterRule { router, family: Family::V4, vrid, rule, peers: Vec::new() };
        plane.set_router("xva", &rule).expect("a place");
    }
    plane.listen("xva");
    (plane, path)
}

fn counted(plane: &Plane, router: RouterId, counter: Counter) -> u64 {
    plane.counts(router).0[counter as usize]
}

/// As much as in two spans of time at most, for a flood may begin in one and end in the next. Another
/// router's news, that of a higher priority and what is expected come through; when the flood is over so
/// does all news.
#[test]
fn a_flood_of_valid_adverts_is_cut() {
    const FLOOD: u64 = 400;
    const SPAN: Duration = Duration::from_nanos(1 << 26);
    in_namespace(|| {
        let (a, b) = veth("xva", "xvb");
        for (mode, path) in [(XdpMode::Native, Path::XdpNative), (XdpMode::Off, Path::Socket)] {
            let (mut plane, used) = plane(mode, a);
            assert_eq!(used, path);
            let wire = Wire::on(b);
            let master = advert(10, 200);
            let header = master.payload[..8].try_into().expect("a header");
            let expect = Expect { generation: 9, remarks: 0, source: address(sender()), header };
            plane.expect(ROUTER, &expect);
            let mut news = [0; 3];
            let mut drain = |plane: &mut Plane| {
                plane.drain(&mut |one| {
                    // The second byte after the IPv4 header's twenty is the VRID, the third the priority.
                    let rival = one.packet[22] == 150;
                    news[if rival { 2 } else { usize::from(one.router == OTHER) }] += 1;
                });
                news
            };
            let begun = Clock::now();
            let mut stamped = plane.stamp(ROUTER).at;
            for n in 0..FLOOD {
                wire.send(&advert(10, 50).bytes());
                if n % 100 == 99 {
                    wire.send(&advert(10, 150).bytes());
                    wire.send(&master.bytes());
                    wire.send(&advert(11, 50).bytes());
                    let end = Clock::now() + Duration::from_secs(5);
                    while plane.stamp(ROUTER).at == stamped {
                        assert!(Clock::now() < end, "{mode:?}: the master is not heard");
                        drain(&mut plane);
                    }
                    stamped = plane.stamp(ROUTER).at;
                }
            }
            let end = Clock::now() + Duration::from_secs(5);
            while counted(&plane, ROUTER, Counter::Received) < FLOOD + 8
                || counted(&plane, OTHER, Counter::Received) < 4
            {
                assert!(Clock::now() < end, "{mode:?}: not all are counted");
                drain(&mut plane);
            }
            let spans = begun.elapsed().div_duration_f64(SPAN).ceil() + 1.0;
            let [told, other, rival] = drain(&mut plane);
            let surplus = counted(&plane, ROUTER, Counter::Surplus);
            assert_eq!(told + surplus, FLOOD, "{mode:?}");
            assert!(told >= u64::from(NEWS_A_SPAN), "{mode:?}: {told}");
            assert!(told as f64 <= f64::from(NEWS_A_SPAN) * spans, "{mode:?}: {told} {spans}");
            assert_eq!((other, counted(&plane, OTHER, Counter::Surplus)), (4, 0), "{mode:?}");
            assert_eq!(rival, 4, "{mode:?}");
            assert_eq!(counted(&plane, ROUTER, Counter::RingFull), 0, "{mode:?}");
            std::thread::sleep(SPAN);
            wire.send(&advert(10, 50).bytes());
            let end = Clock::now() + Duration::from_secs(5);
            while drain(&mut plane)[0] == told {
                assert!(Clock::now() < end, "{mode:?}: no news after the flood");
            }
        }
    });
}
