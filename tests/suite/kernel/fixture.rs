//! Which routers does every case meet, and what is asserted of a frame.
use std::net::IpAddr;
use vrrp_common::counter::Counter;
use vrrp_common::ident::Family;
use vrrp_common::layout::{Peer, Rule, address, rule_flag};
use vrrp_tests::frames::Frame;
use vrrp_tests::kernel_rig::{Effect, Rig};

pub(crate) const V3: u32 = rule_flag::V3 | rule_flag::CHECKSUM_PLAIN | rule_flag::CHECKSUM_PSEUDO;

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn sender() -> IpAddr {
    ip("192.0.2.251")
}

pub(crate) fn sender6() -> IpAddr {
    ip("fe80::251")
}

pub(crate) fn vips(count: usize) -> Vec<IpAddr> {
    (0..count).map(|i| IpAddr::from([192, 0, 2, u8::try_from(i).unwrap()])).collect()
}

pub(crate) fn vips6(count: u16) -> Vec<IpAddr> {
    (0..count).map(|i| IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 1, i])).collect()
}

/// Routers of [`rig`].
pub(crate) mod router {
    pub(crate) const V3: u32 = 0;
    pub(crate) const V6: u32 = 1;
    pub(crate) const V2: u32 = 2;
    pub(crate) const PASSWORD: u32 = 3;
    pub(crate) const UNICAST: u32 = 4;
    pub(crate) const EMPTY: u32 = 6;
    pub(crate) const SENDS_PSEUDO: u32 = 8;
    pub(crate) const OWN_GROUP: u32 = 10;
    pub(crate) const FIRST_ANY: u32 = 11;
    pub(crate) const TRANSITION: u32 = 12;
    pub(crate) const TRANSITION_PASSWORD: u32 = 13;
}

pub(crate) fn rig() -> Rig {
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
    let from = |own: &str, rule: Rule| Rule { source: address(ip(own)), ..rule };
    rig.router(Family::V4, 10, from("192.0.2.10", rule(V3)), &[]);
    rig.router(Family::V6, 10, from("fe80::10", rule(V3)), &[]);
    rig.router(Family::V4, 20, rule(rule_flag::V2), &[]);
    rig.router(Family::V4, 30, password, &[]);
    rig.router(Family::V4, 40, local("192.0.2.10"), &peers);
    rig.router(Family::V4, 50, rule(rule_flag::V3 | rule_flag::CHECKSUM_PLAIN), &[]);
    rig.router(Family::V4, 60, rule(V3 | rule_flag::V2 | rule_flag::NO_ADDRESSES), &[]);
    rig.router(Family::V6, 40, local("2001:db8::10"), &peers6);
    rig.router(Family::V4, 70, rule(V3 | rule_flag::SENDS_PSEUDO), &[]);
    rig.router(Family::V6, 20, rule(rule_flag::V2), &[]);
    let own_group = Rule { local: address(ip("224.0.0.81")), ..rule(V3 | rule_flag::OWN_GROUP) };
    rig.router(Family::V4, 80, own_group, &[]);
    rig.router(Family::V6, 80, rule(V3 | rule_flag::FIRST_ADDRESS_ANY), &[]);
    rig.router(Family::V4, 90, rule(V3 | rule_flag::V2), &[]);
    let password = Rule { auth: *b"secret\0\0", ..rule(V3 | rule_flag::V2 | rule_flag::AUTH_PASS) };
    rig.router(Family::V4, 91, password, &[]);
    rig
}

/// Both sides say the same; what that is.
#[track_caller]
pub(crate) fn judge(rig: &mut Rig, frame: &[u8]) -> Effect {
    let predicted = rig.predict(frame);
    let mut done = rig.run(frame);
    assert_eq!(done, predicted, "kernel (left) and userspace differ on {frame:02x?}");
    // Follows from the rest.
    done.judged.clear();
    done
}

#[track_caller]
pub(crate) fn rejected(rig: &mut Rig, frame: &Frame, counter: Counter, owner: Option<u32>) {
    let moved = vec![(owner, counter as usize, 1)];
    assert_eq!(judge(rig, &frame.bytes()), Effect { moved, ..Effect::default() }, "{frame:?}");
}

/// News to a router, with these remarks.
#[track_caller]
pub(crate) fn news(rig: &mut Rig, frame: &Frame, owner: u32, remarks: &[Counter]) {
    let bytes = frame.bytes();
    let packet = bytes[frame.ip()..bytes.len() - frame.padding].to_vec();
    let mut moved = vec![(Some(owner), 0, 1)];
    moved.extend(remarks.iter().map(|counter| (Some(owner), *counter as usize, 1)));
    let bits = remarks.iter().fold(0, |bits, counter| bits | 1 << *counter as u32);
    let expected = Effect { moved, news: vec![(owner, bits, packet)], ..Effect::default() };
    assert_eq!(judge(rig, &bytes), expected, "{frame:?}");
}

#[track_caller]
pub(crate) fn passed(rig: &mut Rig, frame: &[u8]) {
    assert_eq!(judge(rig, frame), Effect { passed: true, ..Effect::default() }, "{frame:02x?}");
}
