//! What the XDP program and the controller agree on.
//!
//! - [`time`]: CLOCK_MONOTONIC nanoseconds, and centiseconds on the wire
//! - [`ident`]: VRID, priority, family, MAC addresses
//! - [`proto`]: numbers from the RFCs
//! - [`wire`]: reading and writing adverts
//! - [`counter`]: everything that is counted, with its names
//! - [`layout`]: the maps both sides share
//! - [`mirror`]: frames that are shown to whoever looks, and what was thought of them
#![no_std]
#![forbid(unsafe_code)]

pub mod counter;
pub mod ident;
pub mod layout;
pub mod mirror;
pub mod proto;
pub mod time;
pub mod wire;
