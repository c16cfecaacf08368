//! What is left behind: nothing after SIGTERM, and after SIGKILL nothing that hinders the next.
use std::collections::BTreeSet;
use std::path::Path;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::wait::eventually;

use crate::{Bed, SOON, plain};

#[test]
fn stop() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let cases = vec![
        case("SIGTERM as master", as_master),
        case("SIGTERM as backup", as_backup),
        case("SIGKILL and a new start", killed),
    ];
    // One after the other: what is pinned is seen by all.
    run_all(1, cases);
}

/// Every file below the BPF file system.
fn pins() -> BTreeSet<std::path::PathBuf> {
    fn walk(folder: &Path, found: &mut BTreeSet<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            }
            found.insert(path);
        }
    }
    let mut found = BTreeSet::new();
    walk(Path::new("/sys/fs/bpf"), &mut found);
    found
}

fn has_program(bed: &Bed) -> bool {
    bed.us.ip("-d link show dev eth0").contains("xdp")
}

fn as_master() {
    let bed = Bed::new();
    let (wire, pinned, addresses) = (bed.port.capture(), pins(), bed.us.addresses());
    let with_route = plain()
        .vip("10.0.0.101/32")
        .line("virtual_routes {\n        192.0.2.0/24 via 10.0.0.254 dev eth0\n    }");
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[with_route]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "addresses and the route", || {
        let routes = bed.us.ip("route show");
        (bed.us.has("eth0", "10.0.0.101/32") && routes.contains("192.0.2.0/24")).then_some(())
    });
    assert!(has_program(&bed));
    let mark = wire.mark();
    assert_eq!(daemon.stop().code(), Some(0));
    let adverts = wire.adverts(mark, "10.0.0.1");
    let zeros = adverts.iter().filter(|advert| advert.priority() == 0).count();
    assert_eq!(zeros, 1, "one resignation: {adverts:?}");
    assert!(adverts.last().is_some_and(|advert| advert.priority() == 0), "nothing after it");
    assert_eq!(bed.us.addresses(), addresses);
    assert!(!bed.us.ip("route show").contains("192.0.2.0/24"));
    assert!(!has_program(&bed), "{}", bed.us.ip("-d link show dev eth0"));
    assert_eq!(pins(), pinned);
    assert!(!daemon.directory().join("control").exists(), "the control socket");
}

fn as_backup() {
    let bed = Bed::new();
    let peer = vrrp_tests::lab::netns::Namespace::new("op-peer");
    let _port = bed.switch.attach(&peer, "eth0");
    peer.ip("addr add 10.0.0.2/24 dev eth0");
    let higher = Daemon::start(Kind::Xvrrp, &peer, &file("", &[plain().priority(200)]));
    higher.wait_state(0, "VI_1", "MASTER", SOON);
    let (wire, addresses) = (bed.port.capture(), bed.us.addresses());
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(wire.adverts(0, "10.0.0.1").len(), 0, "a backup has nothing to resign");
    assert_eq!(bed.us.addresses(), addresses);
    assert!(!has_program(&bed));
}

fn killed() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let both = [plain(), Vrrp::new("10.0.0.200/24").called("VI_2", 52)];
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &both));
    daemon.wait_state(0, "VI_2", "MASTER", SOON);
    eventually(SOON, "its address", || bed.us.has("eth0", "10.0.0.200/24").then_some(()));
    daemon.kill();
    // A program without its daemon must not swallow what others should see, and the next daemon
    // finds the place free.
    let mark = wire.mark();
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &both));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    daemon.wait_state(0, "VI_2", "MASTER", SOON);
    wire.wait_advert(mark, "10.0.0.1", SOON, |advert| advert.header.vrid() == 52);
    assert_eq!(daemon.show().instance("VI_1").get("path"), Some(&"xdp-native".into()));
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(!bed.us.has("eth0", "10.0.0.100/24") && !bed.us.has("eth0", "10.0.0.200/24"));
    assert!(!has_program(&bed));
}
