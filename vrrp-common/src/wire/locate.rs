//! Where in a frame is the VRRP message, and is there one.
use super::bytes::Bytes;
use super::checksum::Sum;
use crate::counter::Counter;
use crate::ident::Family;
use crate::proto;

/// VLAN tags of a frame, as [`crate::layout::PortKey`] holds them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tags {
    /// Outer VLAN id plus one; 0 for an untagged frame.
    pub outer: u16,
    /// Inner VLAN id plus one; 0 for none.
    pub inner: u16,
}

/// Where the IP packet of a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Its tags.
    pub tags: Tags,
    /// IPv4 or IPv6.
    pub family: Family,
    /// Offset of the IP header.
    pub ip: usize,
}

/// An IP packet whose payload is VRRP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// Its family.
    pub family: Family,
    /// Offset of the IP header.
    pub ip: usize,
    /// Offset of the VRRP message.
    pub message: usize,
    /// Bytes of the VRRP message by the IP header, whatever the frame has.
    pub length: usize,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// Whether the destination is the VRRP group.
    pub multicast: bool,
    /// Source, as maps hold addresses, in two halves.
    pub source: [u64; 2],
    /// Destination, likewise.
    pub destination: [u64; 2],
}

/// What an IP packet turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contents {
    /// No VRRP, or not for us to judge.
    Other,
    /// VRRP to the group in a header that cannot be right.
    Faulty(Counter),
    /// VRRP.
    Vrrp(Envelope),
}

const GROUP_V4: u32 = u32::from_ne_bytes(proto::GROUP_V4.octets());
const GROUP_V6: [u64; 2] = halves(&proto::GROUP_V6.octets());

/// An address of a map in two halves, in memory order.
pub const fn halves(address: &[u8; 16]) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *address;
    [u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes([i, j, k, l, m, n, o, p])]
}

/// An IPv4 address in memory order as a map holds it: four bytes, then zeros.
#[inline(always)]
const fn widen(v4: u32) -> [u64; 2] {
    let [a, b, c, d] = v4.to_ne_bytes();
    [u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0]), 0]
}

/// The IP packet in an Ethernet frame behind at most two VLAN tags.
///
/// A tag with VLAN id 0 only carries a priority (IEEE 802.1Q): the frame is untagged.
#[inline(always)]
pub fn frame<B: Bytes + ?Sized>(frame: &B) -> Option<Place> {
    let kind = u16::from_be_bytes(*frame.at(12)?);
    if let Some(family) = family(kind) {
        return Some(Place { tags: Tags::default(), family, ip: 14 });
    }
    if !is_tag(kind) {
        return None;
    }
    let [high, low, kind @ ..] = *frame.at::<4>(14)?;
    let outer = tag([high, low]);
    if let Some(family) = family(u16::from_be_bytes(kind)) {
        return Some(Place { tags: Tags { outer, inner: 0 }, family, ip: 18 });
    }
    if !is_tag(u16::from_be_bytes(kind)) {
        return None;
    }
    let [high, low, kind @ ..] = *frame.at::<4>(18)?;
    let inner = tag([high, low]);
    let tags = if outer == 0 { Tags { outer: inner, inner: 0 } } else { Tags { outer, inner } };
    Some(Place { tags, family: family(u16::from_be_bytes(kind))?, ip: 22 })
}

/// The family of an EtherType.
#[inline(always)]
pub const fn family(ethertype: u16) -> Option<Family> {
    match ethertype {
        proto::ETHERTYPE_IPV4 => Some(Family::V4),
        proto::ETHERTYPE_IPV6 => Some(Family::V6),
        _ => None,
    }
}

#[inline(always)]
const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, proto::ETHERTYPE_VLAN | proto::ETHERTYPE_QINQ)
}

/// VLAN id plus one, or 0 for the id that means none.
#[inline(always)]
const fn tag(control: [u8; 2]) -> u16 {
    match u16::from_be_bytes(control) & 0xfff {
        0 => 0,
        id => id + 1,
    }
}

/// What the IP packet at `ip` is.
#[inline(always)]
pub fn contents<B: Bytes + ?Sized>(bytes: &B, family: Family, ip: usize) -> Contents {
    match family {
        Family::V4 => v4(bytes, ip),
        Family::V6 => v6(bytes, ip),
    }
    .unwrap_or(Contents::Other)
}

/// IPv4 with options. Fragments and broken headers are judged only where the destination is the
/// group: of a unicast packet the VRID, and so whether it is for us, is not known yet; the IP stack
/// drops or reassembles it.
#[inline(always)]
fn v4<B: Bytes + ?Sized>(bytes: &B, ip: usize) -> Option<Contents> {
    // All of it but the destination, in the fewest loads.
    let [first, second] = bytes.words(ip)?;
    let [version, _, total_high, total_low, _, _, fragment @ ..] = first.to_ne_bytes();
    let [hop_limit, protocol, ..] = second.to_ne_bytes();
    if protocol != proto::PROTOCOL {
        return None;
    }
    let destination = bytes.word32(ip + 16)?;
    let source = bytes.word32(ip + 12)?;
    let multicast = destination == GROUP_V4;
    let faulty =
        |counter| Some(if multicast { Contents::Faulty(counter) } else { Contents::Other });
    let header_len = (version & 0xf) as usize * 4;
    let total = u16::from_be_bytes([total_high, total_low]) as usize;
    if version >> 4 != 4 || header_len < 20 || total < header_len {
        return faulty(Counter::IpHeader);
    }
    // The IP stack drops what fails this, and does not get to see it here. A header that is cut off
    // has no sum; that it is too short is found where the message should be.
    let sum = Sum::ZERO.add_memory64(first).add_memory64(second).add_memory32(destination);
    if header_sum(bytes, ip, header_len, sum).is_some_and(|sum| !sum.is_right()) {
        return faulty(Counter::IpHeader);
    }
    // More fragments, or not the first.
    if u16::from_be_bytes(fragment) & 0x3fff != 0 {
        return faulty(Counter::Fragment);
    }
    Some(Contents::Vrrp(Envelope {
        family: Family::V4,
        ip,
        message: ip + header_len,
        length: total - header_len,
        hop_limit,
        multicast,
        source: widen(source),
        destination: widen(destination),
    }))
}

/// The sum of an IPv4 header (RFC 791 section 3.1), of which that of the first 20 bytes is known.
#[inline(always)]
fn header_sum<B: Bytes + ?Sized>(
    bytes: &B,
    ip: usize,
    header_len: usize,
    fixed: Sum,
) -> Option<Sum> {
    if header_len == 20 {
        return Some(fixed);
    }
    Some(Sum::new(fixed.get() + bytes.sum(ip + 20, header_len - 20)?.get()))
}

/// IPv6. VRRP follows the fixed header at once (RFC 9568 section 5.1.2.4). Of a packet to the group
/// with one extension header before VRRP the fault is counted; longer chains are left to the IP
/// stack, like everything else that is not VRRP.
#[inline(always)]
fn v6<B: Bytes + ?Sized>(bytes: &B, ip: usize) -> Option<Contents> {
    let header = bytes.at::<8>(ip)?;
    let next = header[6];
    if next != proto::PROTOCOL && !is_extension(next) {
        return None;
    }
    let source = bytes.words(ip + 8)?;
    let destination = bytes.words(ip + 24)?;
    let multicast = destination[0] == GROUP_V6[0] && destination[1] == GROUP_V6[1];
    let faulty =
        |counter| Some(if multicast { Contents::Faulty(counter) } else { Contents::Other });
    if next != proto::PROTOCOL {
        let [follows] = *bytes.at::<1>(ip + 40)?;
        return match (follows, next) {
            (proto::PROTOCOL, FRAGMENT) => faulty(Counter::Fragment),
            (proto::PROTOCOL, _) => faulty(Counter::IpHeader),
            _ => None,
        };
    }
    if header[0] >> 4 != 6 {
        return faulty(Counter::IpHeader);
    }
    Some(Contents::Vrrp(Envelope {
        family: Family::V6,
        ip,
        message: ip + 40,
        length: u16::from_be_bytes([header[4], header[5]]) as usize,
        hop_limit: header[7],
        multicast,
        source,
        destination,
    }))
}

/// Next header of a fragment (RFC 8200 section 4.5).
const FRAGMENT: u8 = 44;

/// Hop-by-hop options, routing, fragment, destination options (RFC 8200 section 4).
#[inline(always)]
const fn is_extension(next: u8) -> bool {
    matches!(next, 0 | 43 | FRAGMENT | 60)
}
