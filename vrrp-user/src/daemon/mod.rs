//! What joins engine, dataplane and network into a running daemon.
//!
//! `vrrp` runs [`advert_loop`]: engine, timer, packet sockets, nothing that waits. The main thread
//! runs tokio: netlink, signals, the control socket. What waits for the kernel has threads of its
//! own: [`groups`], and the one that attaches the XDP program.
//!
//! - [`advert_loop`]: the loop
//! - [`carry_out`]: what becomes of the engine's outputs
//! - [`clock`]: the time
//! - [`groups`]: who joins multicast groups
//! - [`mailbox`]: how the loop is woken from other threads
//! - [`plan`]: what an instance means for the dataplane
//! - [`preflight`]: what must hold before anything is touched
//! - [`proposal`]: when a configuration is applied
//! - [`service`]: start, signals, reload, stop
pub mod advert_loop;
pub mod carry_out;
pub mod clock;
pub mod groups;
pub mod mailbox;
pub mod plan;
pub mod preflight;
pub mod proposal;
pub mod reject_log;
pub mod service;
