//! Are announcements paced and repeated, and interfaces set up, as keepalived 2.2.7 does it.
use super::surroundings;
use std::time::Duration;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::Capture;
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::decode::{Frame, between};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::socket::RawSocket;
use vrrp_tests::lab::wait::eventually;

const SOON: Duration = Duration::from_secs(20);
const BOTH: [Kind; 2] = [Kind::Keepalived, Kind::Xvrrp];

fn config(global: &str, own: &str, root: &str) -> String {
    format!(
        "global_defs {{
            script_user root
            {global}
        }}
        {root}
        vrrp_instance VI_1 {{
            state MASTER
            interface v0
            virtual_router_id 51
            priority 200
            garp_master_repeat 2
            garp_master_delay 1
            {own}
            virtual_ipaddress {{
                10.9.0.100/24
                10.9.0.101/24
                10.9.1.100/24 dev v1
                10.9.1.101/24 dev v1
            }}
            virtual_ipaddress_excluded {{
                2001:db8::1/64 dev v1
            }}
        }}
        "
    )
}

fn wires(namespace: &Namespace) -> [Capture; 2] {
    ["p0", "p1"].map(|dev| Capture::start(RawSocket::open(namespace, dev)))
}

/// Announcements of IPv4 addresses on any of the wires.
fn announced(wires: &[Capture]) -> Vec<u64> {
    let arp = |frame: &Frame| frame.announces().filter(|a| a.is_ipv4()).map(|_| frame.at);
    let mut all: Vec<u64> = wires.iter().flat_map(|wire| wire.since(0, arp)).collect();
    all.sort_unstable();
    all
}

#[test]
fn interfaces_of_a_group_share_their_pauses() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    let group = "garp_group {
        garp_interval 0.2
        interfaces { v0
        v1 }
    }";
    for kind in BOTH {
        let namespace = surroundings(&format!("group{kind:?}").to_lowercase());
        let wires = wires(&namespace);
        let _daemon =
            Daemon::start(kind, &namespace, &config("vrrp_garp_interval 0.01", "", group));
        let arp = |frame: &Frame| frame.announces().filter(|a| a.is_ipv4());
        let times = eventually(SOON, "announcements of both interfaces", || {
            let all = wires.iter().all(|wire| wire.since(0, arp).len() >= 4);
            all.then(|| announced(&wires))
        });
        let gaps = times.array_windows().map(|[a, b]| between(*a, *b));
        let least = gaps.min().expect("several");
        assert!(least >= Duration::from_millis(180), "{kind:?}: {least:?}");
    }
}

/// One address on each interface but the instance's, every second.
#[test]
fn other_interfaces_are_announced_on() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    for (global, own) in [("", "garp_extra_if all 1"), ("vrrp_garp_extra_if all 1", "")] {
        for kind in BOTH {
            let namespace = surroundings(&format!("extra{kind:?}").to_lowercase());
            let wires = wires(&namespace);
            let daemon = Daemon::start(kind, &namespace, &config(global, own, ""));
            daemon.wait_state(0, "VI_1", "MASTER", SOON);
            let second_round = |wire: &Capture, address| wire.announcements(0, address).len() >= 4;
            eventually(SOON, "the second round", || {
                second_round(&wires[1], "10.9.1.101").then_some(())
            });
            std::thread::sleep(Duration::from_millis(200));
            let marks = wires.each_ref().map(Capture::mark);
            std::thread::sleep(Duration::from_millis(3_500));
            let count =
                |wire: usize, address| wires[wire].announcements(marks[wire], address).len();
            let times = count(1, "10.9.1.100");
            assert!((3..=4).contains(&times), "{kind:?}: {times}");
            for (wire, address) in
                [(0, "10.9.0.100"), (0, "10.9.0.101"), (1, "10.9.1.101"), (1, "2001:db8::1")]
            {
                assert_eq!(count(wire, address), 0, "{kind:?}: {address}");
            }
        }
    }
}

fn promotes(namespace: &Namespace, dev: &str) -> bool {
    let path = format!("/proc/sys/net/ipv4/conf/{dev}/promote_secondaries");
    let text = namespace.enter(|| std::fs::read_to_string(&path));
    text.unwrap_or_else(|error| panic!("{path}: {error}")).trim() == "1"
}

fn promote(namespace: &Namespace, dev: &str, value: &str) {
    let path = format!("/proc/sys/net/ipv4/conf/{dev}/promote_secondaries");
    let done = namespace.enter(|| std::fs::write(&path, value));
    done.unwrap_or_else(|error| panic!("{path}: {error}"));
}

#[test]
fn secondaries_are_promoted() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    for kind in BOTH {
        let namespace = surroundings(&format!("promote{kind:?}").to_lowercase());
        promote(&namespace, "v0", "0");
        promote(&namespace, "v1", "0");
        let with = config("", "promote_secondaries", "");
        let mut daemon = Daemon::start(kind, &namespace, &with);
        daemon.wait_state(0, "VI_1", "MASTER", SOON);
        eventually(SOON, "it is set", || promotes(&namespace, "v0").then_some(()));
        assert!(!promotes(&namespace, "v1"), "{kind:?}: only on the instance's interface");
        if kind == Kind::Keepalived {
            // keepalived 2.2.7 means to restore it and does not.
            continue;
        }
        // A link that goes and comes is a new one.
        namespace.ip("link del v0");
        namespace.ip("link add v0 address 02:00:00:00:00:01 type veth peer name p0");
        promote(&namespace, "v0", "0");
        namespace.ip("link set v0 up");
        eventually(SOON, "it is set anew", || promotes(&namespace, "v0").then_some(()));
        daemon.reload(&config("", "", ""));
        eventually(SOON, "it is as before", || (!promotes(&namespace, "v0")).then_some(()));
        daemon.reload(&with);
        eventually(SOON, "it is set again", || promotes(&namespace, "v0").then_some(()));
        daemon.stop();
        assert!(!promotes(&namespace, "v0"), "as it was before");
        // What was set before stays.
        promote(&namespace, "v0", "1");
        let mut daemon = Daemon::start(kind, &namespace, &with);
        eventually(SOON, "it looks at links", || daemon.try_show().ok());
        daemon.stop();
        assert!(promotes(&namespace, "v0"));
    }
}
