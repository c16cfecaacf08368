//! How the XDP program and the controller share memory.
//!
//! Every type is `repr(C)` without implicit padding. Addresses are 16 bytes; an IPv4 address is in
//! the first four, the rest zero. Integers are in host order unless the field says otherwise.
use crate::counter::COUNTERS;
use crate::ident::{Family, Vrid};
use bytemuck::{Pod, Zeroable};
use core::mem::{offset_of, size_of};
use core::net::IpAddr;

/// Changes with every change of a type or map below.
pub const VERSION: u32 = 5;

/// An address in a map.
pub type Address = [u8; 16];

/// `address` as maps hold it.
pub const fn address(address: IpAddr) -> Address {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V6(v6) => v6.octets(),
        IpAddr::V4(v4) => {
            let octets = v4.octets();
            let mut i = 0;
            while i < 4 {
                bytes[i] = octets[i];
                i += 1;
            }
            bytes
        }
    }
}

/// Names of maps and the program; at most 15 characters.
pub mod name {
    /// The program.
    pub const PROGRAM: &str = "xvrrp";
    /// A program that does nothing, to compare with.
    pub const EMPTY: &str = "xvrrp_empty";
    /// `Array<u32>`: port + 1 by ifindex, for untagged frames on an ifindex below [`super::FAST_PORTS`].
    pub const FAST_PORTS: &str = "FAST_PORTS";
    /// `HashMap<PortKey, u32>`: port + 1 for every other (ifindex, tags).
    pub const PORTS: &str = "PORTS";
    /// `Array<Rule>` indexed by [`super::rule_index`].
    pub const RULES: &str = "RULES";
    /// `HashMap<PeerKey, Peer>`: unicast peers.
    pub const PEERS: &str = "PEERS";
    /// `Array<Expect>` by router, memory-mapped, written by the controller.
    pub const EXPECT: &str = "EXPECT";
    /// `Array<Seen>` by router, memory-mapped, written by the program.
    pub const SEEN: &str = "SEEN";
    /// `PerCpuArray<Counts>` by router.
    pub const ROUTER_COUNTS: &str = "ROUTER_COUNTS";
    /// `PerCpuArray<Counts>` by port, for packets of no known router.
    pub const PORT_COUNTS: &str = "PORT_COUNTS";
    /// `PerCpuArray<u64>` of one: every rejected packet, so that who looks for some need not look at
    /// every counter.
    pub const REJECTED: &str = "REJECTED";
    /// `Array<u64>` by router, memory-mapped: its last protocol error, by its value in RFC 6527; 0 for
    /// none.
    pub const ERRORS: &str = "ERRORS";
    /// Ring buffer of [`super::EventHeader`] and the packet.
    pub const EVENTS: &str = "EVENTS";
    /// Ring buffer of [`crate::mirror::Header`] and a frame, or its beginning.
    pub const MIRRORED: &str = "MIRRORED";
    /// The program's variables, of which there is one: [`crate::mirror::Switch`].
    pub const VARIABLES: &str = ".bss";
}

/// Size of the flat table by ifindex.
pub const FAST_PORTS: u32 = 65_536;

/// Rules of one port: both families, all VRIDs.
pub const RULES_PER_PORT: u32 = 512;

/// Where the rule of a virtual router is.
pub const fn rule_index(port: u32, family: Family, vrid: Vrid) -> u32 {
    let family = match family {
        Family::V4 => 0,
        Family::V6 => 1,
    };
    (port << 9) | (family << 8) | vrid.get() as u32
}

/// Where frames arrive: an interface and up to two VLAN tags.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct PortKey {
    /// The interface.
    pub ifindex: u32,
    /// Outer VLAN id plus one; 0 for an untagged frame.
    pub outer: u16,
    /// Inner VLAN id plus one; 0 for none.
    pub inner: u16,
}
const _: () = assert!(size_of::<PortKey>() == 8);

/// What a virtual router accepts: set by its configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Rule {
    /// Router number plus one; 0 where no router is configured.
    pub router: u32,
    /// Bits of [`rule_flag`].
    pub flags: u32,
    /// The destination that is ours: unicast, or a group other than the RFC's. Else zero.
    pub local: Address,
    /// The router's own address: what comes from there is ours, come back. Zero where it has none.
    pub source: Address,
    /// VRRPv2: authentication data, zero-padded.
    pub auth: [u8; 8],
    /// VRRPv2: Adver Int in seconds. Any will do beside VRRPv3.
    pub interval_v2: u8,
    /// The router's own priority: news of lower ones is counted by itself ([`next_news`]).
    pub priority: u8,
    /// Explicit zero.
    pub pad: [u8; 6],
}
const _: () = assert!(size_of::<Rule>() == 56 && offset_of!(Rule, auth) == 40);

/// Bits of [`Rule::flags`].
pub mod rule_flag {
    /// Takes VRRPv2.
    pub const V2: u32 = 1;
    /// Takes VRRPv3.
    pub const V3: u32 = 1 << 1;
    /// Takes both, for a time of transition (RFC 9568 section 8.4.2).
    pub const BOTH: u32 = V2 | V3;
    /// Unicast: destination [`super::Rule::local`], source among the peers.
    pub const UNICAST: u32 = 1 << 2;
    /// VRRPv3 over IPv4: take the checksum over the message alone (RFC 9568).
    pub const CHECKSUM_PLAIN: u32 = 1 << 3;
    /// VRRPv3 over IPv4: take the checksum with pseudo-header (RFC 5798).
    pub const CHECKSUM_PSEUDO: u32 = 1 << 4;
    /// VRRPv3 over IPv4: of two accepted forms the one with pseudo-header is the one we send.
    pub const SENDS_PSEUDO: u32 = 1 << 5;
    /// VRRPv2: requires the password in [`super::Rule::auth`].
    pub const AUTH_PASS: u32 = 1 << 6;
    /// Accepts an empty address list (`no_virtual_ipaddress`).
    pub const NO_ADDRESSES: u32 = 1 << 7;
    /// VRRPv3 over IPv6: the first address may be any. For routers whose own first address is not
    /// link-local, whose peers will be configured alike.
    pub const FIRST_ADDRESS_ANY: u32 = 1 << 9;
    /// Multicast to the group in [`super::Rule::local`] instead of the RFC's.
    pub const OWN_GROUP: u32 = 1 << 10;
}

/// A unicast peer of a router.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct PeerKey {
    /// The router's number.
    pub router: u32,
    /// Explicit zero.
    pub pad: u32,
    /// The peer's source address.
    pub source: Address,
}
const _: () = assert!(size_of::<PeerKey>() == 24);

/// What a unicast peer's adverts must look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Peer {
    /// Least TTL or hop limit.
    pub min_ttl: u8,
    /// Greatest TTL or hop limit.
    pub max_ttl: u8,
    /// Explicit zero.
    pub pad: [u8; 2],
}
const _: () = assert!(size_of::<Peer>() == 4);

/// What would be boring: a valid advert equal to this only stamps [`Seen`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Expect {
    /// Which expectation this is; 0 while nothing is expected. Written last.
    pub generation: u32,
    /// Remarks to count with each match: bit n for the counter with number n.
    pub remarks: u32,
    /// The sender.
    pub source: Address,
    /// The eight bytes of the VRRP header.
    pub header: [u8; 8],
}
const _: () = assert!(size_of::<Expect>() == 32 && offset_of!(Expect, header) == 24);

/// Stamps of one router that are precise within one tick of the kernel. More come from no
/// master, even where ticks are as long as the shortest interval and some of them get lost; of a
/// flood of copies the rest is known to have come within a tick of the last stamp.
pub const PRECISE_STAMPS: u32 = 8;

/// When a router last heard what it expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Seen {
    /// Arrival on CLOCK_MONOTONIC in nanoseconds; 0 for never.
    pub at: u64,
    /// The kernel's ticks at that arrival.
    pub tick: u64,
    /// Arrivals within that tick, since the last news: up to [`PRECISE_STAMPS`] of them set `at`, and
    /// one more is noted for all that follow.
    pub copies: u32,
    /// In which span of time the last news was handed over, and how many of each rank in it
    /// ([`next_news`]).
    pub news: u32,
    /// The expectation that matched.
    pub generation: u32,
    /// Explicit zero.
    pub pad: u32,
}
const _: () = assert!(size_of::<Seen>() == 32 && offset_of!(Seen, copies) == 16);

/// Adverts of one router and one rank that are handed over as news in one span of time, if a limit is
/// set: more are a flood. A master at the shortest interval sends fewer, and what it says it says again.
pub const NEWS_A_SPAN: u32 = 8;
const _: () = assert!(NEWS_A_SPAN <= MOST_COUNTED);
/// Adverts of one rank that can be counted, and the greatest limit that is one.
const MOST_COUNTED: u32 = 15;
/// A span of time is so many nanoseconds, as a power of two: 67 ms.
const SPAN: u32 = 26;

/// How an advert that is news ranks to the router that hears it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rank {
    /// Of lower priority than the router's own: no master to one that preempts.
    Lower,
    /// Of no lower priority, or of priority 0, by which a master resigns.
    Rival,
}

/// What to note of news of this rank that comes at `at` where `news` was noted of the last, or nothing
/// where `most` of that rank were handed over in this span of time already. A flood of adverts that
/// would depose nobody keeps no master's from being heard.
#[inline(always)]
pub const fn next_news(news: u32, at: u64, most: u32, rank: Rank) -> Option<u32> {
    #[expect(clippy::cast_possible_truncation, reason = "spans are told apart for thirteen days")]
    let span = ((at >> SPAN) as u32) << 8;
    let counts = if news & !0xff == span { news & 0xff } else { 0 };
    let shift = match rank {
        Rank::Lower => 0,
        Rank::Rival => 4,
    };
    let before = counts >> shift & MOST_COUNTED;
    if before >= most {
        None
    } else if before == MOST_COUNTED {
        Some(span | counts)
    } else {
        Some((span | counts) + (1 << shift))
    }
}

impl Seen {
    /// The latest time at which the last of the copies can have come, where a tick lasts `tick`
    /// nanoseconds; what is known of it is `at` and later.
    pub const fn latest(&self, tick: u64) -> u64 {
        if self.copies > PRECISE_STAMPS { self.at.saturating_add(tick) } else { self.at }
    }
}

/// Counters of one router or one port, by [`crate::counter::Counter`] number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Counts(pub [u64; COUNTERS]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; COUNTERS])
    }
}
const _: () = assert!(size_of::<Counts>() == COUNTERS * 8);

/// What precedes the packet in the ring buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct EventHeader {
    /// Arrival on CLOCK_MONOTONIC in nanoseconds.
    pub at: u64,
    /// The router's number.
    pub router: u32,
    /// The port it came in by.
    pub port: u32,
    /// Bytes that follow, from the IP header to the end of the IP packet.
    pub length: u32,
    /// Remarks that were counted: bit n for the counter with number n.
    pub remarks: u32,
}
const _: () = assert!(size_of::<EventHeader>() == 24);

/// Packets up to this size use a small ring-buffer record.
pub const SMALL_EVENT: usize = 232;
/// Packets up to this size (an Ethernet payload) use a large one.
pub const LARGE_EVENT: usize = 1500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_is_counted_by_spans_of_time() {
        let at = |span: u64| (span << SPAN) | 12_345;
        let mut news = 0;
        for span in [0, 7, 8, 0x7fff_ffff, 3] {
            for n in 1..=5 {
                for rank in [Rank::Lower, Rank::Rival] {
                    let next = next_news(news, at(span), 4, rank);
                    assert_eq!(next.is_some(), n < 5, "{n} in span {span}");
                    news = next.unwrap_or(news);
                }
            }
        }
        // Neither rank takes anything from the other.
        let mut lower = 0;
        while let Some(next) = next_news(lower, at(5), NEWS_A_SPAN, Rank::Lower) {
            lower = next;
        }
        assert_eq!(lower, (5 << 8) | NEWS_A_SPAN);
        let both =
            next_news(lower, at(5), NEWS_A_SPAN, Rank::Rival).expect("the first of its rank");
        assert_eq!(next_news(both, at(5), NEWS_A_SPAN, Rank::Lower), None);
        // Without a limit the number ends, and the span of time is kept.
        for _ in 0..1000 {
            news = next_news(news, at(9), u32::MAX, Rank::Rival).expect("no limit");
        }
        assert_eq!(news, (9 << 8) | 0xf0);
        assert_eq!(next_news(news, at(9), 0, Rank::Rival), None);
    }
}
