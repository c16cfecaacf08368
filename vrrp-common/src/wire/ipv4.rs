//! What stands in the IPv4 header of an advert we send.
use super::checksum::Sum;
use crate::proto;
use core::net::Ipv4Addr;

/// Bytes of a header without options.
pub const HEADER_LEN: usize = 20;
/// Where the identification stands.
pub const ID: usize = 4;
/// Where the header checksum stands.
pub const CHECKSUM: usize = 10;
/// Type of service: internetwork control, so that adverts pass before data where there is a queue.
pub const TOS_CONTROL: u8 = 0xc0;

/// A header of a VRRP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Source.
    pub source: Ipv4Addr,
    /// Destination.
    pub destination: Ipv4Addr,
    /// Identification.
    pub id: u16,
    /// TTL; 255 for every advert the RFC knows (RFC 9568 section 5.1.1.3).
    pub ttl: u8,
    /// Bytes after the header.
    pub payload_len: u16,
}

impl Header {
    /// The header with its checksum, or `None` where the packet would be longer than IPv4 can say.
    pub fn emit(&self) -> Option<[u8; HEADER_LEN]> {
        let [len_high, len_low] = self.payload_len.checked_add(20)?.to_be_bytes();
        let [id_high, id_low] = self.id.to_be_bytes();
        let (s, d) = (self.source.octets(), self.destination.octets());
        let mut header = [
            0x45,
            TOS_CONTROL,
            len_high,
            len_low,
            id_high,
            id_low,
            0,
            0,
            self.ttl,
            proto::PROTOCOL,
            0,
            0,
            s[0],
            s[1],
            s[2],
            s[3],
            d[0],
            d[1],
            d[2],
            d[3],
        ];
        let [high, low] = Sum::ZERO.add_bytes(&header).checksum().to_be_bytes();
        (header[CHECKSUM], header[CHECKSUM + 1]) = (high, low);
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header() {
        let mut header = Header {
            source: Ipv4Addr::new(192, 0, 2, 251),
            destination: proto::GROUP_V4,
            id: 0x1234,
            ttl: 255,
            payload_len: 24,
        };
        let bytes = header.emit().unwrap();
        assert_eq!(bytes[..10], [0x45, 0xc0, 0, 44, 0x12, 0x34, 0, 0, 255, 112]);
        assert_eq!(bytes[12..], [192, 0, 2, 251, 224, 0, 0, 18]);
        assert_eq!(Sum::ZERO.add_bytes(&bytes).fold(), 0xffff);
        header.payload_len = u16::MAX - 19;
        assert_eq!(header.emit(), None);
    }
}
