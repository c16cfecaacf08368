//! Do addresses that change hands stay where they are, and do those that change places move.
use std::time::Duration;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::{Capture, address};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::monitor::{Monitor, Told};
use vrrp_tests::lab::switch::Port;
use vrrp_tests::lab::wait::eventually;

use crate::{Bed, SOON, WHILE, plain};

#[test]
fn moved() {
    if gate::open(&[Need::Root]) {
        run_all(
            4,
            vec![
                case("from one master to another", || between_masters(false)),
                case("from one master to another, IPv6", || between_masters(true)),
                case("two masters exchange", exchanged),
                case("from one that goes", from_one_that_goes),
                case("announced, excluded, and back", excluded_and_back),
                case("another interface within an instance", another_interface),
                case("another interface and instance", another_interface_and_instance),
            ],
        );
    }
}

/// Two masters on `eth0` and a second interface, all of it watched.
struct Pair {
    bed: Bed,
    wire: Capture,
    far: Port,
    daemon: Daemon,
    monitor: Monitor,
}

impl Pair {
    fn start(instances: &[Vrrp]) -> Self {
        let bed = Bed::new();
        let (wire, far) = (bed.port.capture(), bed.switch.attach(&bed.us, "eth4"));
        bed.us.ip("addr add 10.0.4.1/24 dev eth4");
        let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", instances));
        for instance in instances {
            daemon.wait_state(0, &instance.name, "MASTER", SOON);
            for vip in &instance.vips {
                let mut words = vip.split(' ');
                let vip = words.next().expect("an address");
                let dev = words.nth(1).unwrap_or(&instance.interface);
                eventually(SOON, "its address", || bed.us.has(dev, vip).then_some(()));
            }
        }
        // The first announcements of all are over.
        std::thread::sleep(Duration::from_millis(300));
        let monitor = Monitor::start(&bed.us);
        Self { bed, wire, far, daemon, monitor }
    }

    /// Reloads, and waits until it cannot have another effect; no instance of `stay` changes its
    /// state or resigns.
    #[track_caller]
    fn reload(&self, instances: &[Vrrp], stay: &[&Vrrp]) {
        let (said, mark) = (self.daemon.mark(), self.wire.mark());
        let (taken, why) = self.daemon.ask_reload(&file("", instances));
        assert!(taken, "{why}");
        std::thread::sleep(WHILE);
        for instance in stay {
            let entered = format!("({}) Entering", instance.name);
            assert_eq!(self.daemon.logged(said, &entered), Vec::<String>::new());
            let adverts = self.wire.since(mark, |frame| {
                frame.advert().filter(|a| u16::from(a.header.vrid()) == instance.vrid)
            });
            assert!(adverts.len() >= 8, "{} adverts", adverts.len());
            assert!(adverts.iter().all(|advert| advert.priority() > 0), "it resigned");
            let last = adverts.last().expect("some");
            assert_eq!(last.addresses.len(), instance.vips.len(), "the list of its adverts");
        }
    }

    /// No address was taken from the kernel since it is watched.
    #[track_caller]
    fn nothing_left(&self) {
        let left =
            self.monitor.since(0, |told| matches!(told, Told::Removed(..) | Told::RouteRemoved(_)));
        assert_eq!(left.len(), 0, "addresses or routes left the kernel");
    }
}

fn between_masters(ipv6: bool) {
    let one = |vip: &str| if ipv6 { Vrrp::new("fe80::100/64").vip(vip) } else { plain().vip(vip) };
    let (a, moves) = if ipv6 {
        (Vrrp::new("fe80::100/64"), "2001:db8::150/64")
    } else {
        (plain(), "10.0.0.150/24")
    };
    let b = Vrrp::new(if ipv6 { "fe80::200/64" } else { "10.0.0.200/24" }).called("VI_2", 52);
    let pair = Pair::start(&[one(moves), b.clone()]);
    let taken = b.clone().vip(moves);
    pair.reload(&[a.clone(), taken.clone()], &[&a, &taken]);
    assert!(pair.bed.us.has("eth0", moves));
    // Back again, in the other order of the file.
    pair.reload(&[b.clone(), one(moves)], &[&b, &one(moves)]);
    assert!(pair.bed.us.has("eth0", moves));
    pair.nothing_left();
}

fn exchanged() {
    let (a, b) = (plain().vip("10.0.0.150/24"), Vrrp::new("10.0.0.200/24").called("VI_2", 52));
    let pair = Pair::start(&[a, b]);
    let a = Vrrp::new("10.0.0.200/24");
    let b = Vrrp::new("10.0.0.100/24").called("VI_2", 52).vip("10.0.0.150/24");
    pair.reload(&[a.clone(), b.clone()], &[&a, &b]);
    pair.nothing_left();
}

fn from_one_that_goes() {
    let (a, b) = (plain(), Vrrp::new("10.0.0.200/24").called("VI_2", 52));
    let pair = Pair::start(&[a.clone().vip("10.0.0.150/24"), b.clone()]);
    let mark = pair.wire.mark();
    let heir = b.vip("10.0.0.150/24");
    pair.reload(std::slice::from_ref(&heir), &[&heir]);
    // Its other address goes, and with it nothing else, though it came first of the subnet.
    assert!(pair.bed.us.has("eth0", "10.0.0.150/24") && !pair.bed.us.has("eth0", "10.0.0.100/24"));
    let moved = [address("10.0.0.150"), address("10.0.0.200")];
    let left = |told: &Told| matches!(told, Told::Removed(..));
    assert_eq!(pair.monitor.about(0, &moved).into_iter().filter(left).count(), 0);
    pair.wire.wait_advert(mark, "10.0.0.1", SOON, |advert| {
        advert.header.vrid() == 51 && advert.priority() == 0
    });
}

fn excluded_and_back() {
    let announced = plain().vip("10.0.0.150/24");
    let excluded = plain().line("virtual_ipaddress_excluded {\n        10.0.0.150/24\n    }");
    let pair = Pair::start(std::slice::from_ref(&announced));
    let mark = pair.wire.mark();
    pair.reload(std::slice::from_ref(&excluded), &[&excluded]);
    pair.reload(std::slice::from_ref(&announced), &[&announced]);
    pair.nothing_left();
    for vip in ["10.0.0.100", "10.0.0.150"] {
        assert_eq!(pair.wire.announcements(mark, vip).len(), 0, "{vip} announced without need");
    }
}

fn another_interface() {
    let before = plain().vip("10.0.4.150/24 dev eth0");
    let pair = Pair::start(std::slice::from_ref(&before));
    let far = pair.far.capture();
    let after = plain().vip("10.0.4.150/24 dev eth4");
    pair.reload(std::slice::from_ref(&after), &[&after]);
    assert!(pair.bed.us.has("eth4", "10.0.4.150/24") && !pair.bed.us.has("eth0", "10.0.4.150/24"));
    announced_there(&far, &pair, "10.0.4.150");
    let other = pair.monitor.about(0, &[address("10.0.0.100")]);
    assert_eq!(other, [], "the address that stays was touched");
}

fn another_interface_and_instance() {
    let mut there = Vrrp::new("10.0.4.100/24").called("VI_2", 52);
    there.interface = "eth4".into();
    let pair = Pair::start(&[plain().vip("10.0.4.150/24"), there.clone()]);
    let far = pair.far.capture();
    let taken = there.vip("10.0.4.150/24");
    pair.reload(&[plain(), taken.clone()], &[&plain(), &taken]);
    assert!(pair.bed.us.has("eth4", "10.0.4.150/24") && !pair.bed.us.has("eth0", "10.0.4.150/24"));
    announced_there(&far, &pair, "10.0.4.150");
}

/// Announced on `eth4`, from its Ethernet address.
#[track_caller]
fn announced_there(far: &Capture, pair: &Pair, vip: &str) {
    let mac = pair.bed.us.mac("eth4");
    let vip = address(vip);
    let count = far.since(0, |frame| {
        (frame.announces() == Some(vip) && frame.sender() == Some(mac)).then_some(())
    });
    assert!(count.len() >= 5, "{} announcements", count.len());
}
