//! How adverts are read and written.
//!
//! - [`bytes`]: bounds-checked access to a packet, in the kernel and outside
//! - [`checksum`]: ones-complement sums
//! - [`vrrp`]: the message itself
//! - [`locate`]: where the message is in a frame
//! - [`check`]: whether it is to be believed
//! - [`ethernet`], [`ipv4`], [`ipv6`]: headers of what we send
//! - [`arp`], [`ndisc`]: announcements of addresses
pub mod arp;
pub mod bytes;
pub mod check;
#[cfg(test)]
mod check_tests;
pub mod checksum;
pub mod ethernet;
pub mod ipv4;
pub mod ipv6;
pub mod locate;
pub mod ndisc;
pub mod vrrp;
