//! What do bytes add up to, in ones-complement arithmetic (RFC 1071).
use core::net::IpAddr;

/// A running sum of 16-bit big-endian words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Nothing summed yet.
    pub const ZERO: Self = Self(0);

    /// Adds whole 16-bit words; an odd last byte counts as the high half of a word.
    #[must_use]
    pub fn add_bytes(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<2>();
        let sum = words.iter().fold(self.0, |sum, word| sum + u64::from(u16::from_be_bytes(*word)));
        Self(rest.iter().fold(sum, |sum, byte| sum + (u64::from(*byte) << 8)))
    }

    /// Adds a 16-bit number.
    #[must_use]
    #[inline(always)]
    pub const fn add_word(self, word: u16) -> Self {
        Self(self.0 + word as u64)
    }

    /// Adds the pseudo-header of `message_len` bytes of VRRP between two addresses of one family
    /// (RFC 5798 section 5.2.8 for IPv4, RFC 8200 section 8.1 for IPv6).
    #[must_use]
    pub fn add_pseudo_header(self, source: IpAddr, destination: IpAddr, message_len: u16) -> Self {
        let sum = match (source, destination) {
            (IpAddr::V4(s), IpAddr::V4(d)) => self.add_bytes(&s.octets()).add_bytes(&d.octets()),
            (IpAddr::V6(s), IpAddr::V6(d)) => self.add_bytes(&s.octets()).add_bytes(&d.octets()),
            _ => self,
        };
        sum.add_word(u16::from(crate::proto::PROTOCOL)).add_word(message_len)
    }

    /// The sum with its carries folded in: 0xffff for a message whose checksum is right.
    #[inline(always)]
    pub const fn fold(self) -> u16 {
        let mut sum = self.0;
        sum = (sum & 0xffff) + (sum >> 16 & 0xffff_ffff);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        #[expect(clippy::cast_possible_truncation, reason = "two folds leave 16 bits")]
        let folded = ((sum & 0xffff) + (sum >> 16)) as u16;
        folded
    }

    /// The checksum field for what was summed.
    pub const fn checksum(self) -> u16 {
        !self.fold()
    }
}
