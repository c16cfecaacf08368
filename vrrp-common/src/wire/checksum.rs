//! What do bytes add up to, in ones-complement arithmetic (RFC 1071).
use core::net::IpAddr;

/// A running sum of 16-bit big-endian words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Nothing summed yet.
    pub const ZERO: Self = Self(0);

    /// A sum that was taken apart by [`Self::get`].
    #[must_use]
    #[inline(always)]
    pub const fn new(sum: u64) -> Self {
        Self(sum)
    }

    /// The sum, its carries not folded in: at most 48 bits for anything that fits a packet.
    #[inline(always)]
    pub const fn get(self) -> u64 {
        self.0
    }

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

    /// Adds eight bytes as they stand in memory.
    #[must_use]
    #[inline(always)]
    pub const fn add_memory64(self, memory: u64) -> Self {
        // In ones-complement arithmetic a sum of 32-bit words is also one of 16-bit words
        // (RFC 1071 section 2).
        let word = u64::from_be(memory);
        Self(self.0 + (word >> 32) + (word & 0xffff_ffff))
    }

    /// Adds four bytes as they stand in memory.
    #[must_use]
    #[inline(always)]
    pub const fn add_memory32(self, memory: u32) -> Self {
        Self(self.0 + u32::from_be(memory) as u64)
    }

    /// Adds a length, as pseudo-headers hold it.
    #[must_use]
    #[inline(always)]
    pub const fn add_length(self, length: usize) -> Self {
        Self(self.0 + length as u64)
    }

    /// Whether this is the sum of a message with its right checksum in it.
    #[inline(always)]
    pub const fn is_right(self) -> bool {
        self.fold() == 0xffff
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 1071 section 3.
    #[test]
    fn rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::ZERO.add_bytes(&bytes).fold(), 0xddf2);
        assert_eq!(Sum::ZERO.add_memory64(u64::from_ne_bytes(bytes)).fold(), 0xddf2);
    }

    #[test]
    fn memory_words_sum_as_bytes_do() {
        let bytes = [0xff, 0xff, 0x00, 0x01, 0x80, 0x7f, 0xfe, 0x02];
        let [a, b, c, d, ..] = bytes;
        assert_eq!(
            Sum::ZERO.add_memory32(u32::from_ne_bytes([a, b, c, d])).fold(),
            Sum::ZERO.add_bytes(&bytes[..4]).fold()
        );
        assert_eq!(
            Sum::ZERO.add_memory64(u64::from_ne_bytes(bytes)).fold(),
            Sum::ZERO.add_bytes(&bytes).fold()
        );
    }

    /// A carry out of the first fold carries again.
    #[test]
    fn carries_twice() {
        assert_eq!(Sum(0xffff_ffff).fold(), 0xffff);
        assert_eq!(Sum(0x1_fffe).fold(), 0xffff);
        assert_eq!(Sum(0xffff_0001).fold(), 0x0001);
        assert_eq!(Sum(0x1_ffff).fold(), 0x0001);
        assert!(Sum(0xffff).is_right());
        assert!(!Sum(0).is_right());
    }
}
