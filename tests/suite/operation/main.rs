//! Does it behave as an operator expects: started, reloaded, stopped, misconfigured.
//!
//! - [`reload`][]: SIGHUP
//! - [`top`][]: the live view
//! - [`stop`][]: SIGTERM, SIGKILL and what is left behind
//! - [`input`][]: configurations nobody should have written
//! - [`place`][]: places it cannot work in: no root, a taken XDP hook, an address refused
//! - [`notify`][]: what notify fifos are told
//! - [`doctor`][]: what stands in the way, and what mends it
//! - [`election`][]: preemption, the owner, announcements
//! - [`control`][]: the control socket and its verbs
//! - [`control_attack`][]: the same among clients of ill will
//! - [`foreign`][]: somebody else's XDP program
//! - [`sync_group`][]: a sync group beside one of keepalived's
//! - [`link_delay`][]: links that change for a moment
mod control;
mod control_attack;
mod doctor;
mod election;
mod foreign;
mod input;
mod link_delay;
mod notify;
mod place;
mod reload;
mod stop;
mod sync_group;
mod top;

use std::time::Duration;

use vrrp_tests::lab::conf::Vrrp;
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::switch::{Port, Switch};

/// Longer than anything takes that is to happen.
const SOON: Duration = Duration::from_secs(10);
/// Longer than any reaction takes: for what must not happen.
const WHILE: Duration = Duration::from_millis(1500);

/// One router on a segment of its own, at 10.0.0.1/24 and fe80::1/64 on `eth0`.
struct Bed {
    switch: Switch,
    us: Namespace,
    port: Port,
}

impl Bed {
    fn new() -> Self {
        let switch = Switch::new("op");
        let us = Namespace::new("op-us");
        let port = switch.attach(&us, "eth0");
        us.ip("addr add 10.0.0.1/24 dev eth0");
        us.ip("addr add fe80::1/64 dev eth0");
        Self { switch, us, port }
    }
}

/// `VI_1` with one address at ten adverts a second.
fn plain() -> Vrrp {
    Vrrp::new("10.0.0.100/24")
}
