//! What joins engine, dataplane and network into a running daemon.
//!
//! `vrrp` runs [`advert_loop`]: engine, timer, packet sockets, nothing that waits. `network`
//! follows netlink and makes addresses and routes what they should be. The main thread answers
//! signals and the control socket. What waits for the kernel has threads of its own: [`groups`], and
//! the one that attaches the XDP program.
//!
//! - [`advert_loop`]: the loop
//! - [`carry_out`]: what becomes of the engine's outputs
//! - [`clock`]: the time
//! - [`dumps`]: keepalived's dump files
//! - [`groups`]: who joins multicast groups
//! - [`interfaces`]: all interfaces of this host
//! - [`logging`]: where log lines go
//! - [`freed`]: when freed memory is given back
//! - [`handover`]: what the loop is given and gives back
//! - [`mailbox`]: how the loop is woken from other threads
//! - [`metrics`]: HTTP for Prometheus
//! - `network`: on which thread the kernel is kept as the engine wants it
//! - [`past`]: the last transitions, and how long things took
//! - [`placed`]: whether a router can hear and speak
//! - [`plan`]: what an instance means for the dataplane
//! - [`preflight`]: what must hold before anything is touched
//! - [`programs`]: what the kernel knows of the XDP program
//! - [`proposal`]: when a configuration is applied
//! - [`questions`]: what may be asked of the loop
//! - [`remarked`]: how often an advert was not like ours
//! - [`reload_file`]: who waits for a reload to have read the configuration
//! - [`schedule`]: when the loop gets a processor
//! - [`service`]: start, signals, reload, stop
//! - [`supervisor`]: what systemd is told
pub mod advert_loop;
pub mod carry_out;
pub mod clock;
pub mod dumps;
pub mod freed;
pub mod groups;
pub mod handover;
pub mod interfaces;
pub mod logging;
pub mod mailbox;
pub mod metrics;
mod network;
pub mod past;
pub mod placed;
pub mod plan;
pub mod preflight;
pub mod programs;
pub mod proposal;
pub mod questions;
pub mod reject_log;
pub mod reload_file;
pub mod remarked;
pub mod schedule;
pub mod service;
pub mod supervisor;
