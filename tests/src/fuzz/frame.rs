//! Does every frame of up to 2,048 bytes get one verdict that is true, and move one counter or none?
use crate::frames::internet_checksum;
use std::cell::RefCell;
use std::net::IpAddr;
use vrrp_common::counter::{Counter, Kind};
use vrrp_common::ident::{Family, Vrid};
use vrrp_common::layout::{Counts, Expect, Peer, PeerKey, Rule, address, rule_flag, rule_index};
use vrrp_common::proto;
use vrrp_common::time::Instant;
use vrrp_common::wire::check::{self, Accepted, Meaning, Owner, Verdict};
use vrrp_common::wire::locate;
use xvrrp::dataplane::memory::Memory;

/// Bytes of the longest frame that is judged here.
pub const LONGEST: usize = 2048;

const PORT: u32 = 3;
/// Where our own adverts come from.
const OWN_V4: &str = "192.0.2.10";
const OWN_V6: &str = "fe80::10";
const ARRIVAL: Instant = Instant::from_nanos(7_000_000_000);

/// Judges one frame.
pub fn judge(bytes: &[u8]) {
    thread_local! {
        static MEMORY: RefCell<Memory> = RefCell::new(memory());
    }
    let frame = &bytes[..bytes.len().min(LONGEST)];
    MEMORY.with_borrow_mut(|memory| {
        memory.router_counts.clear();
        memory.port_counts.clear();
        memory.seen.clear();
        let verdict = check::frame(frame, &memory.at(PORT));
        assert_eq!(verdict, check::frame(frame, &memory.at(PORT)), "judged twice");
        if let Some(place) = locate::frame(frame) {
            assert_eq!(memory.take(PORT, frame, place, ARRIVAL).0, verdict);
        }
        left_behind(memory, verdict);
        if let Verdict::Accept(accepted) = verdict {
            is_valid(frame, &accepted, memory);
        }
    });
}

/// The counters and stamps of a verdict, and nothing else.
fn left_behind(memory: &Memory, verdict: Verdict) {
    let mut moved = Vec::new();
    for (router, counts) in &memory.router_counts {
        moved.extend(nonzero(counts).map(|(counter, by)| (Owner::Router(*router), counter, by)));
    }
    for (port, counts) in &memory.port_counts {
        moved.extend(nonzero(counts).map(|(counter, by)| (Owner::Port(*port), counter, by)));
    }
    let judged = |kind: Kind| {
        moved.iter().filter(|(_, counter, _)| counter.kind() == kind).collect::<Vec<_>>()
    };
    let (rejected, accepted, remarks) =
        (judged(Kind::Rejected), judged(Kind::Accepted), judged(Kind::Remark));
    match verdict {
        Verdict::Pass => assert!(moved.is_empty(), "passed, and counted {moved:?}"),
        Verdict::Reject(counter, owner) => {
            assert_eq!(moved, [(owner, counter, 1)]);
            assert_eq!(rejected.len(), 1, "rejected by {counter:?}");
            match owner {
                Owner::Router(router) => assert!(rule_of(memory, router).is_some()),
                Owner::Port(port) => assert_eq!(port, PORT),
            }
        }
        Verdict::Accept(Accepted { router, remarks: bits, .. }) => {
            assert_eq!(accepted, [&(Owner::Router(router), Counter::Received, 1)]);
            assert!(rejected.is_empty(), "accepted, and rejected as {rejected:?}");
            assert_eq!(remarks.len(), usize::try_from(bits.count_ones()).unwrap_or(0));
            assert!(
                remarks.iter().all(|(owner, _, by)| (*owner, *by) == (Owner::Router(router), 1))
            );
        }
    }
    let expected = match verdict {
        Verdict::Accept(accepted) => match accepted.meaning {
            Meaning::Expected(generation) => Some((accepted, generation)),
            Meaning::News(_) | Meaning::Ignored => None,
        },
        Verdict::Pass | Verdict::Reject(..) => None,
    };
    match expected {
        Some((accepted, generation)) => {
            assert_eq!(memory.seen.len(), 1);
            let seen = memory.seen[&accepted.router];
            assert_eq!((seen.at, seen.generation), (ARRIVAL.as_nanos(), generation));
        }
        None => assert!(memory.seen.is_empty(), "stamped without an expectation met"),
    }
}

fn nonzero(counts: &Counts) -> impl Iterator<Item = (Counter, u64)> {
    Counter::ALL
        .iter()
        .map(|counter| (*counter, counts.0[*counter as usize]))
        .filter(|(_, by)| *by > 0)
}

fn rule_of(memory: &Memory, router: u32) -> Option<&Rule> {
    memory.rules.values().find(|rule| rule.router == router + 1)
}

/// Reads an accepted frame once more, the plain way, and changes what must not be changed.
fn is_valid(frame: &[u8], accepted: &Accepted, memory: &Memory) {
    let Accepted { router, port, flags, offset, length, .. } = *accepted;
    assert_eq!(port, PORT);
    let rule = rule_of(memory, router).expect("a router with a rule");
    assert_eq!(flags, rule.flags);
    let end = offset + length;
    let packet = frame.get(offset..end).expect("the packet is in the frame");
    let v4 = packet[0] >> 4 == 4;
    let (header, pseudo, hops) = if v4 {
        let header = usize::from(packet[0] & 15) * 4;
        assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), length);
        assert_eq!([packet[6] & 0x3f, packet[7]], [0, 0], "a fragment");
        assert_eq!(packet[9], 112);
        assert_eq!(internet_checksum(&packet[..header]), 0, "a wrong header checksum was accepted");
        (header, packet[12..20].to_vec(), 8)
    } else {
        assert_eq!(packet[0] >> 4, 6);
        assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])) + 40, length);
        assert_eq!(packet[6], 112);
        (40, packet[8..40].to_vec(), 7)
    };
    let own = address(ip(if v4 { OWN_V4 } else { OWN_V6 }));
    let source = if v4 { &packet[12..16] } else { &packet[8..24] };
    assert_ne!(source, &own[..source.len()], "an advert of our own was accepted");
    let message = &packet[header..];
    let version = message[0] >> 4;
    let size = if v4 { 4 } else { 16 };
    let tail = if version == 2 { 8 } else { 0 };
    assert_eq!(message[0] & 15, 1, "no advertisement");
    assert!(
        version == 2 && flags & rule_flag::V2 != 0 || version == 3 && flags & rule_flag::V3 != 0
    );
    assert_eq!(message.len(), 8 + usize::from(message[3]) * size + tail);
    let mut whole = message.to_vec();
    whole.extend(pseudo);
    whole.extend([0, 112]);
    whole.extend(u16::try_from(message.len()).expect("a short message").to_be_bytes());
    let (plain, with_pseudo) = (internet_checksum(message) == 0, internet_checksum(&whole) == 0);
    let right = match (v4, version) {
        (false, _) => with_pseudo,
        (true, 2) => plain,
        (true, _) => {
            plain && flags & rule_flag::CHECKSUM_PLAIN != 0
                || with_pseudo && flags & rule_flag::CHECKSUM_PSEUDO != 0
        }
    };
    assert!(right, "a wrong checksum was accepted");

    let at = memory.at(PORT);
    let mut longer = frame.to_vec();
    longer.extend([0xa5; 60]);
    assert_eq!(check::frame(&longer[..], &at), Verdict::Accept(*accepted), "padding matters");
    assert!(!accepts(&frame[..end - 1], &at), "a cut packet was accepted");
    if flags & rule_flag::UNICAST == 0 {
        assert_eq!(packet[hops], proto::HOP_LIMIT);
        let mut routed = frame.to_vec();
        routed[offset + hops] = 254;
        seal(&mut routed[offset..], v4);
        let verdict = check::frame(&routed[..], &at);
        assert_eq!(verdict, Verdict::Reject(Counter::Ttl, Owner::Router(router)), "it was routed");
    }
    if v4 {
        assert_eq!(internet_checksum(&packet[..header]), 0, "a broken IP header");
        let mut broken = frame.to_vec();
        broken[offset + 14] ^= 1;
        assert_eq!(
            check::frame(&broken[..], &at),
            if flags & (rule_flag::UNICAST) == 0 {
                Verdict::Reject(Counter::IpHeader, Owner::Port(PORT))
            } else {
                Verdict::Pass
            }
        );
    }
    // One bit of a priority always changes the sum.
    let mut better = frame.to_vec();
    better[offset + header + 2] ^= 1;
    let verdict = check::frame(&better[..], &at);
    assert_eq!(verdict, Verdict::Reject(Counter::Checksum, Owner::Router(router)));
}

/// Makes the checksum of an IPv4 header right.
fn seal(packet: &mut [u8], v4: bool) {
    if v4 {
        let header = usize::from(packet[0] & 15) * 4;
        packet[10..12].fill(0);
        let sum = internet_checksum(&packet[..header]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

fn accepts(frame: &[u8], at: &xvrrp::dataplane::memory::At<'_>) -> bool {
    matches!(check::frame(frame, at), Verdict::Accept(_))
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A router of each kind on one port.
fn memory() -> Memory {
    let plain = rule_flag::V3 | rule_flag::CHECKSUM_PLAIN;
    let both = plain | rule_flag::CHECKSUM_PSEUDO;
    let routers: [(Family, u8, u32, &str); 11] = [
        (Family::V4, 10, both, ""),
        (Family::V6, 10, both, ""),
        (Family::V4, 20, rule_flag::V2, ""),
        (Family::V6, 20, rule_flag::V2, ""),
        (Family::V4, 30, rule_flag::V2 | rule_flag::AUTH_PASS, ""),
        (Family::V4, 40, plain | rule_flag::UNICAST, "192.0.2.10"),
        (Family::V6, 40, plain | rule_flag::UNICAST, "2001:db8::10"),
        (Family::V4, 50, plain, ""),
        (Family::V6, 50, plain | rule_flag::FIRST_ADDRESS_ANY, ""),
        (Family::V4, 60, both | rule_flag::V2 | rule_flag::NO_ADDRESSES, ""),
        (Family::V4, 70, both | rule_flag::SENDS_PSEUDO, ""),
    ];
    let mut memory = Memory { rules: Default::default(), ..Memory::default() };
    for (router, (family, vrid, flags, local)) in (0u32..).zip(routers) {
        let mut rule = Rule {
            router: router + 1,
            flags,
            interval_v2: 1,
            auth: *b"secret\0\0",
            source: address(ip(if family == Family::V4 { OWN_V4 } else { OWN_V6 })),
            ..Rule::default()
        };
        if !local.is_empty() {
            rule.local = address(ip(local));
            for (peer, min_ttl, max_ttl) in
                [("192.0.2.251", 255, 255), ("192.0.2.252", 60, 64), ("2001:db8::251", 0, 255)]
            {
                let key = PeerKey { router, pad: 0, source: address(ip(peer)) };
                memory.peers.insert(key, Peer { min_ttl, max_ttl, pad: [0; 2] });
            }
        }
        let vrid = Vrid::new(vrid).expect("a VRID");
        memory.rules.insert(rule_index(PORT, family, vrid), rule);
    }
    // What a master with two addresses says once a second, in the first two forms.
    for (router, source, header) in [
        (0, "192.0.2.251", [0x31, 10, 200, 2, 0, 100, 0x07, 0x31]),
        (2, "192.0.2.251", [0x21, 20, 200, 1, 0, 1, 0x54, 0xe8]),
    ] {
        let expect = Expect { generation: 9, remarks: 0, source: address(ip(source)), header };
        memory.expect.insert(router, expect);
    }
    memory
}

/// Frames to start from: an advert for each router, in both versions.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    use crate::frames::{Frame, Message};
    let mut seeds = Vec::new();
    for vrid in [10, 20, 30, 40, 50, 60, 70, 99] {
        for (source, group, unicast, vip) in [
            ("192.0.2.251", "224.0.0.18", "192.0.2.10", "192.0.2.1"),
            ("fe80::251", "ff02::12", "2001:db8::10", "fe80::1"),
        ] {
            let (source, v4) = (ip(source), ip(source).is_ipv4());
            let vips = vec![ip(vip); if vrid % 20 == 0 { 1 } else { 2 }];
            let mut message = Message::v3(vrid, &vips);
            message.pseudo_header |= vrid == 70;
            let mut add = |name: &str, frame: Frame| {
                let name = format!("{name}-{vrid}-{}", if v4 { "v4" } else { "v6" });
                seeds.push((name, frame.bytes()));
            };
            add("v3", Frame::of(&message, source, ip(group)));
            let mut old = Message::v2(vrid, &vips);
            old.pseudo_header = !v4;
            if vrid == 30 {
                old.timing[0] = 1;
                old.tail = b"secret\0\0".to_vec();
            }
            add("v2", Frame::of(&old, source, ip(group)));
            let from = if v4 { source } else { ip("2001:db8::251") };
            add("peer", Frame::of(&message, from, ip(unicast)));
            let framed = Frame::of(&message, source, ip(group));
            let options = if v4 { vec![1; 8] } else { Vec::new() };
            add(
                "tags",
                Frame { tags: vec![(0x88a8, 0), (0x8100, 0)], padding: 6, options, ..framed },
            );
        }
    }
    seeds
}
