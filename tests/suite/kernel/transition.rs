//! Does a router of both versions take both, and ignore the older of two from one sender.
use crate::fixture::*;
use vrrp_common::counter::Counter;
use vrrp_common::layout::{Expect, address};
use vrrp_tests::frames::{Frame, Message};
use vrrp_tests::kernel_rig::{Effect, Rig, in_namespace};

const VRID: u8 = 90;

fn v2() -> Message {
    Message::v2(VRID, &vips(2))
}

fn v3() -> Message {
    Message::v3(VRID, &vips(2))
}

fn from(message: &Message, source: &str) -> Frame {
    Frame::group(message, ip(source))
}

fn by_peer(message: &Message) -> Frame {
    Frame::group(message, sender())
}

/// Counted and remarked, and nothing else.
#[track_caller]
fn ignored(rig: &mut Rig, frame: &Frame) {
    let owner = Some(router::TRANSITION);
    let moved = vec![(owner, 0, 1), (owner, Counter::V2Ignored as usize, 1)];
    assert_eq!(judge(rig, &frame.bytes()), Effect { moved, ..Effect::default() }, "{frame:?}");
}

/// RFC 9568 section 8.4.2: both are heard, and any interval of seconds will do.
#[test]
fn both_versions_are_news() {
    in_namespace(|| {
        let mut rig = rig();
        news(&mut rig, &by_peer(&v3()), router::TRANSITION, &[]);
        for seconds in [1, 2, 41, 255] {
            let message = Message { timing: [0, seconds], ..v2() };
            news(&mut rig, &by_peer(&message), router::TRANSITION, &[]);
        }
        let leaving = Message { priority: 0, ..v2() };
        news(&mut rig, &by_peer(&leaving), router::TRANSITION, &[Counter::PriorityZero]);

        let owner = Some(router::TRANSITION);
        let faults = [
            (Counter::IntervalZero, Message { timing: [0, 0], ..v2() }),
            (Counter::IntervalZero, Message { timing: [0, 0], ..v3() }),
            (Counter::Version, Message { version: 4, ..v3() }),
            (Counter::Checksum, Message { pseudo_header: true, ..v2() }),
            (Counter::Checksum, Message { error: 1, ..v2() }),
            (Counter::Length, Message { tail: vec![], ..v2() }),
            (Counter::Length, Message { tail: vec![0; 8], ..v3() }),
            (Counter::AuthTypeMismatch, Message { timing: [1, 1], ..v2() }),
            (Counter::AddressCountZero, Message { addresses: vec![], ..v2() }),
        ];
        for (counter, message) in &faults {
            rejected(&mut rig, &by_peer(message), *counter, owner);
        }
        // A password is asked of version 2, which alone can carry one.
        let owner = router::TRANSITION_PASSWORD;
        let of = |message: Message| by_peer(&Message { vrid: 91, ..message });
        let secret = Message { timing: [1, 9], tail: b"secret\0\0".to_vec(), ..v2() };
        news(&mut rig, &of(secret), owner, &[]);
        news(&mut rig, &of(v3()), owner, &[]);
        rejected(&mut rig, &of(v2()), Counter::AuthTypeMismatch, Some(owner));
    });
}

/// RFC 9568 section 8.4.2: version 2 of a sender whose version 3 is expected wakes nobody.
#[test]
fn the_older_of_two_is_ignored() {
    in_namespace(|| {
        let mut rig = rig();
        let expect = |message: &Message, generation| Expect {
            generation,
            remarks: 0,
            source: address(sender()),
            header: by_peer(message).payload[..8].try_into().unwrap(),
        };
        let stamped = |generation| Effect {
            moved: vec![(Some(router::TRANSITION), 0, 1)],
            stamped: vec![(router::TRANSITION, generation)],
            ..Effect::default()
        };
        rig.expect(router::TRANSITION, &expect(&v3(), 7));
        assert_eq!(judge(&mut rig, &by_peer(&v3()).bytes()), stamped(7));
        // Whatever it says.
        ignored(&mut rig, &by_peer(&v2()));
        ignored(&mut rig, &by_peer(&Message { priority: 0, ..v2() }));
        ignored(&mut rig, &by_peer(&Message { priority: 255, timing: [0, 9], ..v2() }));
        // But what is wrong is wrong, and what another says is news.
        let wrong = Message { error: 1, ..v2() };
        rejected(&mut rig, &by_peer(&wrong), Counter::Checksum, Some(router::TRANSITION));
        news(&mut rig, &from(&v2(), "192.0.2.252"), router::TRANSITION, &[]);
        let leaving = Message { priority: 0, ..v3() };
        news(&mut rig, &by_peer(&leaving), router::TRANSITION, &[Counter::PriorityZero]);
        // A router that is followed by version 2 is stamped by it, and its version 3 is news.
        rig.expect(router::TRANSITION, &expect(&v2(), 8));
        assert_eq!(judge(&mut rig, &by_peer(&v2()).bytes()), stamped(8));
        news(&mut rig, &by_peer(&v3()), router::TRANSITION, &[]);
        // Nothing is expected: everything is news.
        rig.expect(router::TRANSITION, &expect(&v3(), 0));
        news(&mut rig, &by_peer(&v2()), router::TRANSITION, &[]);
    });
}
