//! How a virtual IPv6 address is announced.
use super::checksum::Sum;
use super::{ethernet, ipv6};
use crate::ident::Mac;
use crate::proto;
use core::net::{IpAddr, Ipv6Addr};

/// Bytes of the message: header, target, target link-layer address option.
const MESSAGE_LEN: u16 = 32;
/// Bytes of an announcement with its Ethernet header.
pub const FRAME_LEN: usize = ethernet::HEADER_LEN + ipv6::HEADER_LEN + MESSAGE_LEN as usize;
/// Everyone on the link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ICMPV6: u8 = 58;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// Router and override, not solicited (RFC 9568 section 6.4.1).
const FLAGS: u8 = 0b1010_0000;

/// An unsolicited neighbour advertisement from `address` to all nodes: `address` is at `mac`
/// (RFC 9568 section 6.4.1, RFC 4861 section 7.2.6).
pub fn unsolicited(mac: Mac, address: Ipv6Addr) -> [u8; FRAME_LEN] {
    let mut message = [0; MESSAGE_LEN as usize];
    message[0] = NEIGHBOUR_ADVERTISEMENT;
    message[4] = FLAGS;
    message[8..24].copy_from_slice(&address.octets());
    // Option: target link-layer address, one unit of eight bytes.
    message[24..26].copy_from_slice(&[2, 1]);
    message[26..].copy_from_slice(&mac.0);
    let sum = Sum::ZERO
        .add_bytes(&address.octets())
        .add_bytes(&ALL_NODES.octets())
        .add_word(MESSAGE_LEN)
        .add_word(u16::from(ICMPV6))
        .add_bytes(&message);
    message[2..4].copy_from_slice(&sum.checksum().to_be_bytes());

    let ip = ipv6::Header {
        source: address,
        destination: ALL_NODES,
        class: 0,
        next: ICMPV6,
        hop_limit: proto::HOP_LIMIT,
        payload_len: MESSAGE_LEN,
    };
    let destination = ethernet::multicast_mac(IpAddr::V6(ALL_NODES));
    let mut frame = [0; FRAME_LEN];
    let (ethernet, packet) = frame.split_at_mut(ethernet::HEADER_LEN);
    ethernet.copy_from_slice(&ethernet::header(destination, mac, proto::ETHERTYPE_IPV6));
    packet[..ipv6::HEADER_LEN].copy_from_slice(&ip.emit());
    packet[ipv6::HEADER_LEN..].copy_from_slice(&message);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same announcement captured from another implementation, but for the router flag, which
    /// that one sets only on a forwarding host: 0x20 more in the first byte, 0x8000 less in the sum.
    #[test]
    fn golden() {
        let mac = Mac([0x32, 0x0d, 0x70, 0x9d, 0xd7, 0x4f]);
        let address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x50);
        let frame = unsolicited(mac, address);
        assert_eq!(
            frame[..14],
            [0x33, 0x33, 0, 0, 0, 1, 0x32, 0x0d, 0x70, 0x9d, 0xd7, 0x4f, 0x86, 0xdd]
        );
        assert_eq!(frame[14..22], [0x60, 0, 0, 0, 0, 0x20, 0x3a, 0xff]);
        assert_eq!(frame[22..38], address.octets());
        assert_eq!(frame[54..62], [0x88, 0, 0x5f, 0x03, 0xa0, 0, 0, 0]);
        assert_eq!(frame[62..78], address.octets());
        assert_eq!(frame[78..], [2, 1, 0x32, 0x0d, 0x70, 0x9d, 0xd7, 0x4f]);
    }
}
