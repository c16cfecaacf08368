//! Does a flood of copies of the expected advert, of which most are not stamped, hide when the last of
//! them came, or what comes after it.
use crate::fixture::*;
use vrrp_common::ident::RouterId;
use vrrp_common::layout::{Expect, address};
use vrrp_common::time::Instant;
use vrrp_tests::frames::{Frame, Message};
use vrrp_tests::kernel_rig::{Rig, in_namespace};
use xvrrp::dataplane::clock;
use xvrrp::dataplane::port::Dataplane as _;
use xvrrp::engine::input::Heard as _;

/// Copies in one test run.
const COPIES: u32 = 100_000;

fn expecting() -> (Rig, Vec<u8>) {
    let mut rig = rig();
    let frame = Frame::group(&Message::v3(10, &vips(1)), sender());
    let header = frame.payload[..8].try_into().unwrap();
    let expect = Expect { generation: 7, remarks: 0, source: address(sender()), header };
    rig.expect(router::V3, &expect);
    (rig, frame.bytes())
}

fn stamp(rig: &Rig) -> Instant {
    rig.plane.stamp(RouterId(router::V3)).at
}

/// Each copy is counted, and the stamp is as late as the last one, never later than now, and by less
/// than a tick later than it.
#[test]
fn the_last_of_many_is_heard() {
    in_namespace(|| {
        let (mut rig, copy) = expecting();
        let before = rig.plane.counts(RouterId(router::V3)).0[0];
        for _ in 0..20 {
            let begun = clock::monotonic();
            let nanos = rig.measure(&copy, COPIES);
            let (at, now) = (stamp(&rig), clock::monotonic());
            assert!(at <= now, "{at:?} is in the future, {now:?}");
            // The run lasted for so long, and ended after that at the earliest.
            let least = u64::try_from(nanos).unwrap() * u64::from(COPIES) * 9 / 10;
            let early = Instant::from_nanos(begun.as_nanos() + least);
            assert!(at >= early, "{at:?} is before the last copy, {early:?}");
            let next = stamp(&rig);
            assert!(next >= at && next.since(at).as_nanos() <= u128::from(clock::tick()));
        }
        let after = rig.plane.counts(RouterId(router::V3)).0[0];
        assert_eq!(after - before, 20 * u64::from(COPIES));
    });
}

/// News after a flood of copies is later than their stamp, and a copy after the news is later than it.
#[test]
fn news_keeps_its_place_among_copies() {
    in_namespace(|| {
        let (mut rig, copy) = expecting();
        let resigns = Frame::group(&Message { priority: 0, ..Message::v3(10, &vips(1)) }, sender());
        for round in 0..50 {
            rig.measure(&copy, 1_000);
            rig.measure(&resigns.bytes(), 1);
            let stamped = stamp(&rig);
            let mut news = Vec::new();
            rig.plane.drain(&mut |it| news.push(it.at));
            assert_eq!(news.len(), 1);
            assert!(stamped < news[0], "round {round}: {stamped:?} hides {:?}", news[0]);
            rig.measure(&copy, 1);
            assert!(stamp(&rig) > news[0], "round {round}: a copy after the news is not heard");
        }
    });
}
