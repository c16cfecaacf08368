//! How adverts are read and written.
//!
//! - [`bytes`]: bounds-checked access to a packet, in the kernel and outside
//! - [`checksum`]: ones-complement sums
//! - [`vrrp`]: the message itself
pub mod bytes;
pub mod checksum;
pub mod vrrp;
