//! How adverts reach the engine: XDP where it can be had, packet sockets elsewhere.
//!
//! - [`port`]: what the rest of the program knows of it
//! - [`plane`], [`settings`]: the two paths as one
//! - [`object`], [`program`], [`attach`], [`link`], [`hook`], [`tags`]: the XDP program, from bytes to
//!   an interface
//! - [`attacher`]: the thread that puts it there
//! - `swap`: from the socket to the program and back
//! - [`pod`], [`shared`]: its maps
//! - [`socket`], [`clock`], [`sys`]: the packet sockets
//! - [`memory`]: the maps' counterpart where there is no program
//! - [`cost`]: what a packet costs in the program
//! - [`log`]: what the program itself says, when asked to
pub mod attach;
pub mod attacher;
pub mod clock;
pub mod cost;
pub mod hook;
pub mod link;
pub mod log;
pub mod memory;
pub mod object;
pub mod plane;
pub mod pod;
pub mod port;
pub mod program;
pub mod rejects;
pub mod settings;
pub mod shared;
pub mod socket;
mod swap;
pub mod sys;
pub mod tags;
