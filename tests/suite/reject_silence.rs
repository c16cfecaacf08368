//! Does a rejected advert change anything but its counter.
//!
//! A scripted master keeps the router in Backup, then falls silent, and the router takes over;
//! all the while adverts wrong in exactly one way arrive fifty times a second, from the master's
//! own address. Taken for real, the ones with priority 0 would bring the takeover forward and the
//! ones with 255 would put it off. Then the same in Active, where they would depose it or provoke
//! extra adverts.
use std::net::IpAddr;
use std::time::Duration;

use vrrp_common::counter::{Counter, Kind as CounterKind};
use vrrp_common::wire::vrrp::Timing;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::{Capture, address};
use vrrp_tests::lab::cases::{Case, case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::decode::{Frame, SeenAdvert, between};
use vrrp_tests::lab::frame::{INJECTOR, Packet, Path, v2, v3};
use vrrp_tests::lab::master::Beat;
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::report::Show;
use vrrp_tests::lab::stall::{self, late};
use vrrp_tests::lab::switch::Switch;
use vrrp_tests::lab::wait::eventually;

const SOON: Duration = Duration::from_secs(15);
/// Fifty a second.
const PACE: Duration = Duration::from_millis(20);
/// What a takeover may be late, and an advert off its beat.
const ALLOWED: Duration = Duration::from_millis(50);
const JITTER: Duration = Duration::from_millis(5);
const VRID: u8 = 51;

/// The router that is lied to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Router {
    V2,
    V2Password,
    V2Strict,
    V3,
    V3Ipv6,
    V3Unicast,
}

use Router::{V2, V2Password, V2Strict, V3, V3Ipv6, V3Unicast};

/// What makes a packet wrong.
type Damage = fn(Router, u8) -> Packet;

const LIES: &[(Counter, &str, Router, Damage)] = &[
    (Counter::Ttl, "TTL 254", V3, |router, priority| Packet {
        ttl: 254,
        ..router.advert(priority)
    }),
    (Counter::Ttl, "hop limit 1", V3Ipv6, |router, priority| Packet {
        ttl: 1,
        ..router.advert(priority)
    }),
    (Counter::Ttl, "below min_ttl", V3Unicast, |router, priority| Packet {
        ttl: 249,
        ..router.advert(priority)
    }),
    (Counter::Version, "version 4", V3, |router, priority| {
        router.advert(priority).resealed(|message| message[0] = 0x41)
    }),
    (Counter::Version, "version 2 to version 3", V3, |router, priority| {
        Packet::advert(router.path(), VRID, priority, v2(1, None), &router.vips())
    }),
    (Counter::Version, "version 3 to version 2", V2, |router, priority| {
        Packet::advert(router.path(), VRID, priority, v3(100), &router.vips())
    }),
    (Counter::Type, "type 2", V3, |router, priority| {
        router.advert(priority).resealed(|message| message[0] = 0x32)
    }),
    (Counter::Length, "an address missing", V3, |router, priority| {
        router.advert(priority).resealed(|message| message[3] += 1)
    }),
    (Counter::Length, "four bytes too many", V3, |router, priority| {
        router.advert(priority).resealed(|message| message.extend([0; 4]))
    }),
    (Counter::Length, "no authentication data", V2, |router, priority| {
        router.advert(priority).resealed(|message| message.truncate(12))
    }),
    (Counter::Checksum, "one bit", V3, |router, priority| {
        let mut packet = router.advert(priority);
        packet.message[7] ^= 1;
        packet
    }),
    (Counter::Checksum, "one bit, IPv6", V3Ipv6, |router, priority| {
        let mut packet = router.advert(priority);
        packet.message[6] ^= 0x80;
        packet
    }),
    (Counter::Vrid, "VRID of nobody", V3, |router, priority| {
        router.advert(priority).resealed(|message| message[1] = VRID + 1)
    }),
    (Counter::Vrid, "VRID 0", V3, |router, priority| {
        router.advert(priority).resealed(|message| message[1] = 0)
    }),
    (Counter::AddressCountZero, "no address", V3, |router, priority| {
        Packet::advert(router.path(), VRID, priority, router.timing(), &[])
    }),
    (Counter::FirstAddressNotLinkLocal, "global first", V3Ipv6, |router, priority| {
        let [first, second] = [router.vips()[1], router.vips()[0]];
        Packet::advert(router.path(), VRID, priority, router.timing(), &[first, second])
    }),
    (Counter::IntervalZero, "interval 0", V3, |router, priority| {
        router.advert(priority).resealed(|message| message[4..6].fill(0))
    }),
    (Counter::Interval, "interval 2", V2, |router, priority| {
        Packet::advert(router.path(), VRID, priority, v2(2, None), &router.vips())
    }),
    (Counter::AuthTypeInvalid, "type 9", V2, |router, priority| {
        router.advert(priority).resealed(|message| message[4] = 9)
    }),
    (Counter::AuthTypeMismatch, "password not asked for", V2, |router, priority| {
        Packet::advert(router.path(), VRID, priority, v2(1, Some("secret")), &router.vips())
    }),
    (Counter::AuthTypeMismatch, "no password", V2Password, |router, priority| {
        Packet::advert(router.path(), VRID, priority, v2(1, None), &router.vips())
    }),
    (Counter::AuthFailure, "wrong password", V2Password, |router, priority| {
        Packet::advert(router.path(), VRID, priority, v2(1, Some("secreT")), &router.vips())
    }),
    (Counter::Source, "from a group", V3, |router, priority| router.from("224.0.0.1", priority)),
    (Counter::Source, "from nowhere", V3, |router, priority| router.from("0.0.0.0", priority)),
    (Counter::Source, "from a global address", V3Ipv6, |router, priority| {
        router.from("2001:db8::2", priority)
    }),
    (Counter::PeerSource, "from no peer", V3Unicast, |router, priority| {
        router.from("10.0.0.9", priority)
    }),
    (Counter::ModeMismatch, "multicast to unicast", V3Unicast, |router, priority| {
        let path = Path::multicast("10.0.0.2");
        Packet::advert(path, VRID, priority, router.timing(), &router.vips())
    }),
    (Counter::OwnAddress, "from our own address", V3, |router, priority| {
        router.from("10.0.0.1", priority)
    }),
    (Counter::OwnAddress, "from our own address", V3Ipv6, |router, priority| {
        router.from("fe80::1", priority)
    }),
    (Counter::AddressList, "another list", V2Strict, |router, priority| {
        // The owner is right whatever it lists.
        let priority = priority.min(254);
        router.advert(priority).resealed(|message| message[8..12].copy_from_slice(&[10, 9, 9, 9]))
    }),
    (Counter::Fragment, "first fragment", V3, |router, priority| Packet {
        fragment: 0x2000,
        ..router.advert(priority)
    }),
    (Counter::IpHeader, "header of 16 bytes", V3, |router, priority| Packet {
        ihl: 4,
        ..router.advert(priority)
    }),
];

impl Router {
    fn path(self) -> Path {
        match self {
            V3Ipv6 => Path::multicast("fe80::2"),
            V3Unicast => Path::unicast("10.0.0.2", "10.0.0.1", OUR_MAC),
            V2 | V2Password | V2Strict | V3 => Path::multicast("10.0.0.2"),
        }
    }

    fn from(self, source: &str, priority: u8) -> Packet {
        let path = Path { source: address(source), ..self.path() };
        Packet::advert(path, VRID, priority, self.timing(), &self.vips())
    }

    fn timing(self) -> Timing {
        match self {
            V2 | V2Strict => v2(1, None),
            V2Password => v2(1, Some("secret")),
            V3 | V3Ipv6 | V3Unicast => v3(20),
        }
    }

    fn vips(self) -> [IpAddr; 2] {
        match self {
            V3Ipv6 => [address("fe80::100"), address("2001:db8::100")],
            _ => [address("10.0.0.100"), address("10.0.0.101")],
        }
    }

    /// As the real master sends it.
    fn advert(self, priority: u8) -> Packet {
        Packet::advert(self.path(), VRID, priority, self.timing(), &self.vips())
    }

    fn source(self) -> &'static str {
        if self == V3Ipv6 { "fe80::1" } else { "10.0.0.1" }
    }

    fn interval(self) -> Duration {
        match self {
            V2 | V2Password | V2Strict => Duration::from_secs(1),
            V3 | V3Ipv6 | V3Unicast => Duration::from_millis(200),
        }
    }

    /// Active_Down_Interval at priority 100; here the skew is of the same form in both versions,
    /// for the interval of version 2 is one second.
    fn down(self) -> Duration {
        self.interval() * 3 + self.interval() * 156 / 256
    }

    fn config(self) -> String {
        let [first, second] = self.vips();
        let version = if matches!(self, V2 | V2Password | V2Strict) { 2 } else { 3 };
        let prefix = if self == V3Ipv6 { 64 } else { 24 };
        let mut instance = Vrrp::new(&format!("{first}/{prefix}"))
            .vip(&format!("{second}/{prefix}"))
            .version(version, if version == 2 { "1" } else { "0.2" });
        if self == V2Password {
            instance = instance
                .line("authentication {\n        auth_type PASS\n        auth_pass secret\n    }");
        }
        if self == V2Strict {
            instance = instance.line("strict_mode").line("accept");
        }
        if self == V3Unicast {
            instance = instance
                .line("unicast_src_ip 10.0.0.1")
                .line("unicast_peer {\n        10.0.0.2 min_ttl 250\n    }");
        }
        file("", &[instance])
    }
}

/// The router's own Ethernet address, so that unicast frames can be made before it exists.
const OUR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// What `counter` and every other reject reason have counted, on the router and on the port.
fn rejected(show: &Show) -> Vec<(Counter, u64)> {
    let rejects = Counter::ALL.iter().filter(|counter| counter.kind() == CounterKind::Rejected);
    rejects
        .map(|counter| {
            let name = counter.name();
            (*counter, show.counter("VI_1", name) + show.port_counter("eth0", name))
        })
        .collect()
}

/// Since `before`, `counter` alone moved, by `sent`.
#[track_caller]
fn counted(daemon: &Daemon, before: &[(Counter, u64)], counter: Counter, sent: u64) {
    let mut expected = before.to_vec();
    for (which, count) in &mut expected {
        if *which == counter {
            *count += sent;
        }
    }
    assert_eq!(rejected(&daemon.show()), expected, "{sent} were sent");
}

/// Adverts of the router since `mark`; some lies pretend to be that.
fn ours(wire: &Capture, mark: usize, router: Router) -> Vec<SeenAdvert> {
    wire.since(mark, |frame| said_by(router, frame))
}

fn said_by(router: Router, frame: &Frame) -> Option<SeenAdvert> {
    let advert = frame.advert().filter(|advert| advert.source == address(router.source()))?;
    (frame.sender() != Some(INJECTOR)).then_some(advert)
}

/// Adverts of the router since `mark` came on their beat.
#[track_caller]
fn rhythm(wire: &Capture, mark: usize, router: Router, at_least: usize) {
    let adverts = ours(wire, mark, router);
    assert!(adverts.len() >= at_least, "{} adverts instead of {at_least}", adverts.len());
    for (earlier, later) in adverts.iter().zip(adverts.iter().skip(1)) {
        let gap = between(earlier.at, later.at);
        let beat = router.interval();
        // A stall makes one gap long and the next one short.
        let before = earlier.at.saturating_sub(1_000_000_000);
        let allowed = ALLOWED + stall::worst(before, later.at);
        if gap + allowed < beat || gap > beat + allowed {
            late(&format!("{gap:?} instead of {beat:?} between two adverts"));
        }
        assert_eq!(later.priority(), 100);
    }
}

fn scenario(counter: Counter, router: Router, damage: Damage, mode: &str) {
    let switch = Switch::new("rs");
    let us = Namespace::new("rs-us");
    let port = switch.attach(&us, "eth0");
    us.ip("link set eth0 address 02:00:00:00:00:01");
    us.ip(&format!(
        "addr add {}/{} dev eth0",
        router.source(),
        if router == V3Ipv6 { 64 } else { 24 }
    ));
    if router == V3Unicast {
        // There is nobody to answer for the scripted peer.
        us.ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:ee dev eth0");
    }
    let wire = port.capture();
    let interval = router.interval();

    let master = Beat::of(port.injector(), interval, router.advert(200).frame());
    let daemon = Daemon::start_with(Kind::Xvrrp, &us, &router.config(), &["--xdp-mode", mode]);
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    eventually(SOON, "the master is heard", || {
        (daemon.show().counter("VI_1", "received") >= 2).then_some(())
    });
    let before = rejected(&daemon.show());

    // In Backup: the takeover comes when the master's own adverts say, not earlier, not later.
    let lies = |priorities: [u8; 2]| {
        let bursts = priorities.map(|priority| vec![damage(router, priority).frame()]);
        Beat::start(port.injector(), PACE, bursts.to_vec())
    };
    let mark = wire.mark();
    let liar = lies([0, 255]);
    std::thread::sleep(interval * 7);
    drop(master);
    let first = wire.wait(mark, router.down() + SOON, "an advert of the router", |frame| {
        said_by(router, frame)
    });
    let sent = liar.stop();
    let good = router.advert(200).message;
    let last = wire.since(0, |frame| {
        frame.advert().filter(|advert| advert.message == good && advert.ttl == 255)
    });
    let last =
        last.iter().rfind(|advert| advert.at < first.at && advert.source == router.path().source);
    let last = last.expect("the master's last advert").at;
    let (took, stall) = (between(last, first.at), stall::worst(last, first.at));
    let down = router.down();
    assert!(took + JITTER >= down, "took over after {took:?}, before {down:?}");
    if took > down + ALLOWED + stall {
        late(&format!("took over after {took:?} instead of {down:?}"));
    }
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    assert_eq!(daemon.logged(0, "Entering MASTER").len(), 1);
    counted(&daemon, &before, counter, sent);

    // In Active: neither deposed nor provoked.
    let before = rejected(&daemon.show());
    let valid = || ["received", "priority_zero"].map(|name| daemon.show().counter("VI_1", name));
    let (mark, said, valid_before) = (wire.mark(), daemon.mark(), valid());
    let liar = lies([1, 255]);
    std::thread::sleep(interval * 10);
    let sent = liar.stop();
    counted(&daemon, &before, counter, sent);
    assert_eq!(valid(), valid_before);
    rhythm(&wire, mark, router, 9);
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    assert_eq!(daemon.show().state("VI_1"), "MASTER");
}

fn cases(mode: &'static str) -> Vec<Case<'static>> {
    let mut lies = LIES.to_vec();
    // Those that take longest first.
    lies.sort_by_key(|(_, _, router, _)| std::cmp::Reverse(router.interval()));
    let lies = lies.into_iter();
    lies.map(|(counter, what, router, damage)| {
        let name = format!("{} ({what}) to {router:?}, XDP {mode}", counter.name());
        case(name, move || scenario(counter, router, damage, mode))
    })
    .collect()
}

/// Every reject reason is lied about.
#[test]
fn every_reason_has_a_case() {
    for counter in Counter::ALL.iter().filter(|counter| counter.kind() == CounterKind::Rejected) {
        assert!(LIES.iter().any(|(lied, ..)| lied == counter), "{} has no case", counter.name());
    }
}

/// With the check in XDP.
#[test]
fn rejected_by_xdp() {
    if gate::open(&[Need::Root, Need::Bpf]) {
        run_all(8, cases("native"));
    }
}

/// With the same check behind a socket.
#[test]
fn rejected_behind_the_socket() {
    if gate::open(&[Need::Root]) {
        run_all(8, cases("off"));
    }
}
