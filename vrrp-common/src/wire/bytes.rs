//! How a packet is read without reading beyond it.

/// A packet, or a part of one. The XDP program reads the frame between `data` and `data_end`, the
/// controller a slice: everything above this trait is the same code in both.
pub trait Bytes {
    /// The `N` bytes from `offset`, or `None` where the packet is shorter.
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]>;
}

impl Bytes for [u8] {
    fn at<const N: usize>(&self, offset: usize) -> Option<&[u8; N]> {
        self.get(offset..)?.first_chunk()
    }
}
