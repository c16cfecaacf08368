//! What stands in the IPv6 header of a packet we send.
use core::net::Ipv6Addr;

/// Bytes of the fixed header.
pub const HEADER_LEN: usize = 40;

/// A header without extensions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Source.
    pub source: Ipv6Addr,
    /// Destination.
    pub destination: Ipv6Addr,
    /// Traffic class.
    pub class: u8,
    /// Protocol after the header.
    pub next: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Bytes after the header.
    pub payload_len: u16,
}

impl Header {
    /// The header as it is sent.
    pub fn emit(&self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        header[0] = 0x60 | self.class >> 4;
        header[1] = self.class << 4;
        header[4..6].copy_from_slice(&self.payload_len.to_be_bytes());
        header[6] = self.next;
        header[7] = self.hop_limit;
        header[8..24].copy_from_slice(&self.source.octets());
        header[24..].copy_from_slice(&self.destination.octets());
        header
    }
}
