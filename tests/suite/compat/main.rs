//! Does xvrrp look like keepalived to whoever looks at keepalived: addresses, routes and rules, FIFOs,
//! dump files, flags, signals, scheduling, the language.
mod addresses;
mod announcements;
mod dumps;
mod fifo;
mod flags;
mod language;
mod places;
mod routing;
mod schedule;

use vrrp_tests::lab::netns::Namespace;

/// Two interfaces with addresses that are the same each time.
fn surroundings(tag: &str) -> Namespace {
    let namespace = Namespace::new(tag);
    for (i, (near, far)) in [("v0", "p0"), ("v1", "p1")].into_iter().enumerate() {
        namespace.ip(&format!(
            "link add {near} address 02:00:00:00:{i:02}:01 type veth \
             peer name {far} address 02:00:00:00:{i:02}:02"
        ));
        for link in [near, far] {
            namespace.ip(&format!("link set {link} up"));
        }
        namespace.ip(&format!("addr add 10.9.{i}.1/24 dev {near}"));
        namespace.ip(&format!("addr add fe80::{}/64 dev {near}", i + 1));
    }
    namespace
}
