//! What do bytes add up to, in ones-complement arithmetic (RFC 1071).
use core::net::IpAddr;

/// A running sum of 16-bit words, in memory order: a ones-complement sum has its bytes swapped with
/// those of its words (RFC 1071 section 2), so only what comes out need be turned round.
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
        let sum = words.iter().fold(self.0, |sum, word| sum + u64::from(u16::from_ne_bytes(*word)));
        Self(rest.iter().fold(sum, |sum, byte| sum + u64::from(u16::from_ne_bytes([*byte, 0]))))
    }

    /// Adds a 16-bit number.
    #[must_use]
    #[inline(always)]
    pub const fn add_word(self, word: u16) -> Self {
        Self(self.0 + word.to_be() as u64)
    }

    /// Adds eight bytes as they stand in memory.
    #[must_use]
    #[inline(always)]
    pub const fn add_memory64(self, memory: u64) -> Self {
        // In ones-complement arithmetic a sum of 32-bit words is also one of 16-bit words
        // (RFC 1071 section 2).
        Self(self.0 + (memory >> 32) + (memory & 0xffff_ffff))
    }

    /// Adds four bytes as they stand in memory.
    #[must_use]
    #[inline(always)]
    pub const fn add_memory32(self, memory: u32) -> Self {
        Self(self.0 + memory as u64)
    }

    /// Adds the length of a message, as pseudo-headers have it.
    #[must_use]
    #[inline(always)]
    pub const fn add_length(self, length: usize) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "no packet is longer")]
        self.add_word(length as u16)
    }

    /// Whether this is the sum of a message with its right checksum in it.
    #[inline(always)]
    pub const fn is_right(self) -> bool {
        self.nearly_folded() == 0xffff
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

    /// Folded until at most one carry is left, which makes it 0x10000.
    #[inline(always)]
    const fn nearly_folded(self) -> u64 {
        let mut sum = self.0;
        sum = (sum & 0xffff) + (sum >> 16 & 0xffff_ffff);
        sum = (sum & 0xffff) + (sum >> 16);
        (sum & 0xffff) + (sum >> 16)
    }

    /// The sum with its carries folded in: 0xffff for a message whose checksum is right.
    pub const fn fold(self) -> u16 {
        let sum = self.nearly_folded();
        #[expect(clippy::cast_possible_truncation, reason = "one carry at most was left")]
        u16::from_be(((sum & 0xffff) + (sum >> 16)) as u16)
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
        assert_eq!(Sum(0xffff_0001).fold(), 0x0001_u16.to_be());
        assert_eq!(Sum(0x1_ffff).fold(), 0x0001_u16.to_be());
        // The last carry of all makes one more than the right sum, which is wrong.
        assert_eq!(Sum(0x1_0000_ffff).fold(), 0x0001_u16.to_be());
        assert!(!Sum(0x1_0000_ffff).is_right() && Sum(0xffff_ffff).is_right());
        assert!(Sum(0xffff).is_right());
        assert!(!Sum(0).is_right());
    }
}
