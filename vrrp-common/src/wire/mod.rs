//! How adverts are read and written.
//!
//! - [`bytes`]: bounds-checked access to a packet, in the kernel and outside
//! - [`checksum`]: ones-complement sums
//! - [`vrrp`]: the message itself
//! - [`ethernet`], [`ipv4`], [`ipv6`]: headers of what we send
//! - [`arp`], [`ndisc`]: announcements of addresses
pub mod arp;
pub mod bytes;
pub mod checksum;
pub mod ethernet;
pub mod ipv4;
pub mod ipv6;
pub mod ndisc;
pub mod vrrp;
