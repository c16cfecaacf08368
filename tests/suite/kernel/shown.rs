//! What does whoever looks see, and is nothing copied when nobody does.
use super::fixture::{rig, sender, vips};
use vrrp_common::counter::Counter;
use vrrp_common::ident::RouterId;
use vrrp_common::mirror::wanted;
use vrrp_tests::frames::{Frame, Message};
use vrrp_tests::kernel_rig::{Rig, in_namespace};
use xvrrp::dataplane::mirror::{Look, Wanted};

const BOTH: u32 = wanted::ACCEPTED | wanted::REJECTED;

/// An advert of router 0, one with a fault, and one of a router that does not exist.
fn frames() -> [Vec<u8>; 3] {
    let advert = |vrid| Frame::group(&Message::v3(vrid, &vips(1)), sender());
    [advert(10), Frame { hop_limit: 3, ..advert(10) }, advert(200)].map(|frame| frame.bytes())
}

/// What is seen of them, in words.
fn seen(rig: &mut Rig, look: &mut Look) -> Vec<(Option<Counter>, Option<u32>)> {
    for frame in frames() {
        rig.run(&frame);
    }
    let frames = look.frames();
    frames.iter().map(|shown| (shown.judged.rejected(), shown.judged.router())).collect()
}

#[test]
fn only_what_was_asked_for_is_copied() {
    in_namespace(|| {
        let mut rig = rig();
        let good = (None, Some(0));
        let bad = (Some(Counter::Ttl), Some(0));
        let stray = (Some(Counter::Vrid), None);
        for (verdicts, router, expected) in [
            (BOTH, None, vec![good, bad, stray]),
            (wanted::ACCEPTED, None, vec![good]),
            (wanted::REJECTED, None, vec![bad, stray]),
            (BOTH, Some(RouterId(0)), vec![good, bad]),
            (BOTH, Some(RouterId(1)), vec![]),
        ] {
            let mut look = rig.look(Wanted { verdicts, router });
            assert_eq!(seen(&mut rig, &mut look), expected, "{verdicts} {router:?}");
            assert_eq!(look.lost(), 0);
        }
    });
}

#[test]
fn whoever_stops_looking_turns_it_off() {
    in_namespace(|| {
        let mut rig = rig();
        let all = Wanted { verdicts: BOTH, router: None };
        let first = rig.look(all);
        // A second one sees the same ring, and so whether anything is still copied.
        let mut second = rig.look(all);
        assert_eq!(seen(&mut rig, &mut second).len(), 3);
        drop(first);
        assert_eq!(seen(&mut rig, &mut second), []);
        assert_eq!(second.lost(), 0);
    });
}

#[test]
fn what_finds_no_room_is_counted_and_later_frames_are_seen() {
    in_namespace(|| {
        let mut rig = rig();
        let mut look = rig.look(Wanted { verdicts: BOTH, router: None });
        let [frame, ..] = frames();
        rig.measure(&frame, 10_000);
        let (seen, lost) = (look.frames(), look.lost());
        assert!(seen.len() > 1000 && lost > 0, "{} and {lost}", seen.len());
        // A test run warms up, too.
        assert!(seen.len() as u64 + lost >= 10_000, "{} and {lost}", seen.len());
        assert!(seen.is_sorted_by_key(|shown| shown.at));
        rig.measure(&frame, 1);
        assert!(!look.frames().is_empty());
        assert_eq!(look.lost(), lost);
    });
}
