//! How a packet is read without reading beyond it.
use super::checksum::Sum;

/// A packet, or a part of one. The XDP program reads the frame between `data` and `data_end`, the
/// controller a slice: everything above this trait is the same code in both.
///
/// The words are in memory order. They have methods of their own because a kernel program can load
/// eight bytes at once where `at` promises no alignment and so compiles to eight loads.
pub trait Bytes {
    /// The `N` bytes from `offset`, or `None` where the packet is shorter.
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]>;

    /// Whether the bytes end because the packet ends. `false`: there is more that cannot be read
    /// here (a frame in several buffers).
    fn whole(&self) -> bool;

    /// Four bytes.
    #[inline(always)]
    fn word32(&self, offset: usize) -> Option<u32> {
        Some(u32::from_ne_bytes(*self.at(offset)?))
    }

    /// Eight bytes.
    #[inline(always)]
    fn word64(&self, offset: usize) -> Option<u64> {
        Some(u64::from_ne_bytes(*self.at(offset)?))
    }

    /// Sixteen bytes.
    #[inline(always)]
    fn words(&self, offset: usize) -> Option<[u64; 2]> {
        let (halves, _) = self.at::<16>(offset)?.as_chunks::<8>();
        match halves {
            [first, second] => Some([u64::from_ne_bytes(*first), u64::from_ne_bytes(*second)]),
            _ => None,
        }
    }

    /// [`sum`], where the packet knows a better way to run it.
    #[inline(always)]
    fn sum(&self, offset: usize, length: usize) -> Option<Sum> {
        sum(self, offset, length)
    }
}

/// The sum of `length` bytes from `offset`, or `None` where the packet is shorter. `length` is a
/// multiple of four.
#[inline(always)]
pub fn sum<B: Bytes + ?Sized>(bytes: &B, offset: usize, length: usize) -> Option<Sum> {
    let mut sum = Sum::ZERO;
    let mut at = 0;
    while at + 16 <= length {
        let [first, second] = bytes.words(offset + at)?;
        sum = sum.add_memory64(first).add_memory64(second);
        at += 16;
    }
    if length & 8 != 0 {
        sum = sum.add_memory64(bytes.word64(offset + at)?);
        at += 8;
    }
    if length & 4 != 0 {
        sum = sum.add_memory32(bytes.word32(offset + at)?);
    }
    Some(sum)
}

impl Bytes for [u8] {
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        self.get(offset..)?.first_chunk()
    }

    fn whole(&self) -> bool {
        true
    }
}
