//! Does it do what the RFCs say, item by item, where no other suite shows it already.
//!
//! - [`table`]: every item has a test, or a reason why it has none
//! - [`sent`]: what its adverts and announcements look like
//! - [`heard`]: what it makes of the adverts of others
//! - [`hosts`]: what hosts get from it
//! - [`logged`]: what it says of those it rejects
//! - [`meet`]: what becomes of two that are Active at once
//! - [`timing`]: how exact it is
mod heard;
mod hosts;
mod logged;
mod meet;
mod sent;
mod table;
mod timing;

use std::time::Duration;

use vrrp_tests::lab::conf::Vrrp;
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::switch::{Port, Switch};

/// Longer than anything takes that is to happen.
const SOON: Duration = Duration::from_secs(15);
/// Longer than any reaction takes: for what must not happen.
const WHILE: Duration = Duration::from_millis(1500);

/// One router with two links, each to a segment of its own: `eth0` with 10.0.0.10/24 and fe80::10,
/// `eth1` with 10.1.0.10/24.
struct Bed {
    us: Namespace,
    port: Port,
    far: Port,
    _switches: [Switch; 2],
}

impl Bed {
    fn new() -> Self {
        let switches = [Switch::new("co-a"), Switch::new("co-b")];
        let us = Namespace::new("co-us");
        let [near, other] = &switches;
        let port = near.attach(&us, "eth0");
        let far = other.attach(&us, "eth1");
        us.ip("addr add 10.0.0.10/24 dev eth0");
        us.ip("addr add fe80::10/64 dev eth0");
        us.ip("addr add 10.1.0.10/24 dev eth1");
        Self { us, port, far, _switches: switches }
    }
}

/// `VI_1` on `eth0` with a virtual address below our own, at ten adverts a second.
fn plain() -> Vrrp {
    Vrrp::new("10.0.0.5/24")
}
