//! How a virtual IPv4 address is announced.
use super::ethernet;
use crate::ident::Mac;
use crate::proto;
use core::net::Ipv4Addr;

/// Bytes of an announcement with its Ethernet header.
pub const FRAME_LEN: usize = ethernet::HEADER_LEN + 28;

/// A gratuitous ARP request: everyone on the link learns that `address` is at `mac` (RFC 9568
/// sections 6.4.1 and 8.1.2: sender and target protocol address are the virtual one, the target
/// link-layer address is the announced one).
pub fn gratuitous(mac: Mac, address: Ipv4Addr) -> [u8; FRAME_LEN] {
    let mut frame = [0; FRAME_LEN];
    let (ethernet, arp) = frame.split_at_mut(ethernet::HEADER_LEN);
    ethernet.copy_from_slice(&ethernet::header(ethernet::BROADCAST, mac, proto::ETHERTYPE_ARP));
    // Ethernet, IPv4, their address lengths, request.
    arp[..8].copy_from_slice(&[0, 1, 0x08, 0x00, 6, 4, 0, 1]);
    arp[8..14].copy_from_slice(&mac.0);
    arp[14..18].copy_from_slice(&address.octets());
    arp[18..24].copy_from_slice(&mac.0);
    arp[24..].copy_from_slice(&address.octets());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let mac = Mac([2, 0, 0, 0, 0, 7]);
        assert_eq!(
            gratuitous(mac, Ipv4Addr::new(192, 0, 2, 1)),
            [
                255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 7, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0,
                0, 0, 0, 7, 192, 0, 2, 1, 2, 0, 0, 0, 0, 7, 192, 0, 2, 1
            ]
        );
    }
}
