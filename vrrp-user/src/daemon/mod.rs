//! What joins engine, dataplane and network into a running daemon.
//!
//! Two threads. `vrrp` runs [`advert_loop`]: engine, timer, packet sockets, nothing that waits. The
//! main thread runs tokio: netlink, signals, the control socket.
//!
//! - [`advert_loop`]: the loop
//! - [`carry_out`]: what becomes of the engine's outputs
//! - [`clock`]: the time
//! - [`mailbox`]: how the loop is woken from other threads
//! - [`plan`]: what an instance means for the dataplane
//! - [`preflight`]: what must hold before anything is touched
//! - [`service`]: start, signals, reload, stop
pub mod advert_loop;
pub mod carry_out;
pub mod clock;
pub mod mailbox;
pub mod plan;
pub mod preflight;
pub mod service;
