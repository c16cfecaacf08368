//! Which numbers do the RFCs fix.
use core::net::{Ipv4Addr, Ipv6Addr};

/// IP protocol and IPv6 next header of VRRP (RFC 9568 section 5.1.1.4).
pub const PROTOCOL: u8 = 112;
/// IPv4 multicast group (section 5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// IPv6 multicast group (section 5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// TTL and hop limit of every advert (sections 5.1.1.3 and 5.1.2.3).
pub const HOP_LIMIT: u8 = 255;
/// The one packet type (section 5.2.2).
pub const ADVERTISEMENT: u8 = 1;
/// Bytes before the address list.
pub const HEADER_LEN: usize = 8;
/// Bytes of authentication data after the address list of a VRRPv2 advert (RFC 3768 section 5.3.10).
pub const AUTH_DATA_LEN: usize = 8;
/// The address count is one byte.
pub const MAX_ADDRESSES: usize = 255;
/// The longest VRRP message judged: 255 IPv4 or 90 IPv6 addresses (8 + 90 * 16 = 1448 bytes), with room for VRRPv2
/// authentication data. Anything longer does not fit an Ethernet frame.
pub const MAX_MESSAGE: usize = 1480;

/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// EtherType of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// EtherType of an 802.1Q tag.
pub const ETHERTYPE_VLAN: u16 = 0x8100;
/// EtherType of an 802.1ad outer tag.
pub const ETHERTYPE_QINQ: u16 = 0x88a8;

/// VRRPv2 authentication: none (RFC 3768 section 5.3.6).
pub const AUTH_NONE: u8 = 0;
/// VRRPv2 authentication: simple text password (RFC 2338 section 5.3.6).
pub const AUTH_PASS: u8 = 1;
