//! What stands before the network header on an Ethernet.
use crate::ident::Mac;
use core::net::IpAddr;

/// Bytes of an Ethernet header without tags.
pub const HEADER_LEN: usize = 14;
/// Everyone on the link.
pub const BROADCAST: Mac = Mac([0xff; 6]);

/// The group address frames to the multicast address `group` go to (RFC 1112 section 6.4, RFC 2464
/// section 7).
pub const fn multicast_mac(group: IpAddr) -> Mac {
    match group {
        IpAddr::V4(group) => {
            let [_, b, c, d] = group.octets();
            Mac([0x01, 0x00, 0x5e, b & 0x7f, c, d])
        }
        IpAddr::V6(group) => {
            let octets = group.octets();
            Mac([0x33, 0x33, octets[12], octets[13], octets[14], octets[15]])
        }
    }
}

/// An untagged header.
pub const fn header(destination: Mac, source: Mac, ethertype: u16) -> [u8; HEADER_LEN] {
    let (d, s, [high, low]) = (destination.0, source.0, ethertype.to_be_bytes());
    [d[0], d[1], d[2], d[3], d[4], d[5], s[0], s[1], s[2], s[3], s[4], s[5], high, low]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto;
    use core::net::Ipv4Addr;

    #[test]
    fn groups() {
        assert_eq!(multicast_mac(proto::GROUP_V4.into()), Mac([1, 0, 0x5e, 0, 0, 0x12]));
        assert_eq!(multicast_mac(proto::GROUP_V6.into()), Mac([0x33, 0x33, 0, 0, 0, 0x12]));
        // The highest bit of the second octet has no place in the Ethernet address.
        let group = Ipv4Addr::new(239, 200, 1, 2);
        assert_eq!(multicast_mac(group.into()), Mac([1, 0, 0x5e, 72, 1, 2]));
    }
}
