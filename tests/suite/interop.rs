//! Does xvrrp agree with keepalived on who is master, on the wire and in the kernel.
use std::net::IpAddr;
use std::time::Duration;

use vrrp_common::proto;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::{Capture, address};
use vrrp_tests::lab::cases::{Case, case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::decode::{SeenAdvert, between};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::stall::{self, late};
use vrrp_tests::lab::switch::Switch;
use vrrp_tests::lab::wait::{eventually, throughout};

/// What a takeover may take beyond Active_Down_Interval.
const ALLOWED: Duration = Duration::from_millis(50);
/// How much earlier than computed an advert may be seen: the two ends are stamped separately.
const JITTER: Duration = Duration::from_millis(5);
const SOON: Duration = Duration::from_secs(15);

/// Words of keepalived 2.2.7 about packets it dislikes.
const COMPLAINTS: &[&str] = &[
    "bad",
    "checksum",
    "differ",
    "discard",
    "expect",
    "ignoring",
    "incorrect",
    "Invalid",
    "invalid",
    "mismatch",
    "not match",
    "receive an ip address",
    "received an invalid",
    "TTL",
    "unexpected",
    "Unknown",
    "wrong",
    "Wrong",
];

#[derive(Clone, Copy, Debug)]
struct Cell {
    name: &'static str,
    version: u8,
    ipv6: bool,
    unicast: bool,
    password: bool,
}

const fn cell(name: &'static str, version: u8, ipv6: bool, unicast: bool, password: bool) -> Cell {
    Cell { name, version, ipv6, unicast, password }
}

const MATRIX: &[Cell] = &[
    cell("v2 multicast", 2, false, false, false),
    cell("v2 multicast PASS", 2, false, false, true),
    cell("v2 unicast", 2, false, true, false),
    cell("v2 unicast PASS", 2, false, true, true),
    cell("v3 multicast", 3, false, false, false),
    cell("v3 unicast", 3, false, true, false),
    cell("v3 IPv6 multicast", 3, true, false, false),
    cell("v3 IPv6 unicast", 3, true, true, false),
];

impl Cell {
    /// Addresses of ours and of the peer.
    fn hosts(self) -> [&'static str; 2] {
        if self.ipv6 { ["fe80::1", "fe80::2"] } else { ["10.0.0.1", "10.0.0.2"] }
    }

    fn prefix(self) -> u8 {
        if self.ipv6 { 64 } else { 24 }
    }

    fn vips(self) -> &'static [&'static str] {
        if self.ipv6 {
            &["fe80::100/64", "2001:db8::100/64"]
        } else {
            &["10.0.0.100/24", "10.0.0.101/24"]
        }
    }

    fn interval(self) -> Duration {
        if self.version == 2 { Duration::from_secs(1) } else { Duration::from_millis(100) }
    }

    /// RFC 3768 section 6.1 does not scale the skew by the interval; RFC 9568 does.
    fn skew(self, priority: u8) -> Duration {
        let unit = if self.version == 2 { Duration::from_secs(1) } else { self.interval() };
        unit * (256 - u32::from(priority)) / 256
    }

    fn down(self, priority: u8) -> Duration {
        self.interval() * 3 + self.skew(priority)
    }

    /// The configuration of host 0 or 1.
    fn config(self, host: usize, priority: u8) -> String {
        let [mine, other] =
            if host == 0 { self.hosts() } else { [self.hosts()[1], self.hosts()[0]] };
        let mut vips = self.vips().iter();
        let mut instance = Vrrp::new(vips.next().expect("an address"))
            .version(self.version, if self.version == 2 { "1" } else { "0.1" })
            .priority(priority);
        for vip in vips {
            instance = instance.vip(vip);
        }
        if self.unicast {
            instance = instance
                .line(&format!("unicast_src_ip {mine}"))
                .line(&format!("unicast_peer {{\n        {other}\n    }}"));
        }
        if self.password {
            instance = instance
                .line("authentication {\n        auth_type PASS\n        auth_pass secret\n    }");
        }
        file("", &[instance])
    }

    fn owns(self, host: &Namespace) -> bool {
        let addresses = host.addresses();
        self.vips().iter().all(|vip| addresses.contains(&format!("eth0 {vip}")))
    }

    fn lacks(self, host: &Namespace) -> bool {
        let addresses = host.addresses();
        !self.vips().iter().any(|vip| addresses.contains(&format!("eth0 {vip}")))
    }

    /// An advert of ours is what the RFC wants, to the last field.
    fn judge(self, advert: &SeenAdvert, sender: Kind, priority: u8) {
        assert!(advert.checksum_holds(), "{advert:x?}");
        // keepalived 2.2.7 leaves the hop limit of IPv6 unicast adverts to the kernel: 64.
        if !(sender == Kind::Keepalived && self.ipv6 && self.unicast) {
            assert_eq!(advert.ttl, proto::HOP_LIMIT);
        }
        assert_eq!(advert.header.version(), self.version);
        assert_eq!(advert.header.vrid(), 51);
        assert_eq!(advert.priority(), priority);
        assert_eq!(advert.header.interval(), self.interval());
        let list: Vec<IpAddr> = self
            .vips()
            .iter()
            .map(|vip| address(vip.split('/').next().expect("before the prefix")))
            .collect();
        assert_eq!(advert.addresses, list);
        let group = match (self.unicast, self.ipv6) {
            (true, _) => address(self.hosts()[1]),
            (false, false) => proto::GROUP_V4.into(),
            (false, true) => proto::GROUP_V6.into(),
        };
        assert_eq!(advert.destination, group);
        let auth = if self.version == 2 { 8 } else { 0 };
        let each = if self.ipv6 { 16 } else { 4 };
        assert_eq!(advert.message.len(), 8 + list.len() * each + auth);
        if self.version == 2 {
            assert_eq!(advert.header.auth_type(), u8::from(self.password));
            let password: &[u8] = if self.password { b"secret\0\0" } else { &[0; 8] };
            assert!(advert.message.ends_with(password));
        }
    }
}

/// Waits for the first advert of `heir` after `mark`, and checks how long the segment was without
/// a master: from the last advert of `dead` it took `expected`, not less, and hardly more.
#[track_caller]
fn takeover(wire: &Capture, mark: usize, dead: &str, heir: &str, expected: Duration) {
    let first = wire.wait_advert(mark, heir, expected + SOON, |advert| advert.priority() > 0);
    let mut before = wire.adverts(0, dead);
    before.retain(|advert| advert.at < first.at);
    let last = before.last().expect("the dead master had sent adverts");
    let (took, stall) = (between(last.at, first.at), stall::worst(last.at, first.at));
    eprintln!("{heir} took over after {took:?}, computed {expected:?}, stalled {stall:?}");
    assert!(took + JITTER >= expected, "{heir} took over after {took:?}, before {expected:?}");
    if took > expected + ALLOWED + stall {
        late(&format!("{heir} took over after {took:?} instead of {expected:?}"));
    }
}

/// One cell of the matrix, `ours` against `theirs`.
fn scenario(cell: Cell, [ours, theirs]: [Kind; 2]) {
    let switch = Switch::new("ia");
    let [us, peer] = [Namespace::new("ia-us"), Namespace::new("ia-peer")];
    let port = switch.attach(&us, "eth0");
    let _peer_port = switch.attach(&peer, "eth0");
    let [our_address, peer_address] = cell.hosts();
    us.ip(&format!("addr add {our_address}/{} dev eth0", cell.prefix()));
    peer.ip(&format!("addr add {peer_address}/{} dev eth0", cell.prefix()));
    let wire = port.capture();
    let patience = cell.interval() * 5;

    // Backup under the adverts of a higher other.
    let mut other = Daemon::start(theirs, &peer, &cell.config(1, 150));
    other.wait_state(0, "VI_1", "MASTER", SOON);
    let mut daemon = Daemon::start(ours, &us, &cell.config(0, 100));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    let mark = wire.mark();
    throughout(patience, "Backup under a higher master", || {
        if !wire.adverts(mark, our_address).is_empty() {
            return Err("it sent an advert".into());
        }
        if cell.lacks(&us) { Ok(()) } else { Err(format!("it has {:?}", us.addresses())) }
    });
    assert!(wire.adverts(mark, peer_address).len() >= 4, "the master went silent");
    assert!(cell.owns(&peer), "{:?}", peer.addresses());

    // Takes over when the master is killed.
    let (mark, said) = (wire.mark(), daemon.mark());
    other.kill();
    takeover(&wire, mark, peer_address, our_address, cell.down(100));
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
    eventually(SOON, "the addresses are ours", || cell.owns(&us).then_some(()));
    for vip in cell.vips() {
        let vip = vip.split('/').next().expect("before the prefix");
        eventually(SOON, "announcements", || {
            (!wire.announcements(mark, vip).is_empty()).then_some(())
        });
    }

    // Loses to a higher keepalived that comes back.
    let said = daemon.mark();
    let mut other = Daemon::start(theirs, &peer, &cell.config(1, 150));
    other.wait_state(0, "VI_1", "MASTER", SOON);
    daemon.wait_state(said, "VI_1", "BACKUP", SOON);
    eventually(SOON, "the addresses moved", || (cell.lacks(&us) && cell.owns(&peer)).then_some(()));
    let mark = wire.mark();
    throughout(patience, "one master", || {
        let ours = wire.adverts(mark, our_address);
        if ours.is_empty() { Ok(()) } else { Err(format!("ours still sends {ours:?}")) }
    });

    // Takes over one skew after it is told that the master resigns.
    let (mark, said) = (wire.mark(), daemon.mark());
    assert!(other.stop().success());
    takeover(&wire, mark, peer_address, our_address, cell.skew(100));
    eventually(SOON, "the addresses are ours again", || cell.owns(&us).then_some(()));
    // What is told of it may come last.
    daemon.wait_state(said, "VI_1", "MASTER", SOON);

    // Is not moved by a lower keepalived, which finds nothing wrong with our adverts.
    let (mark, said) = (wire.mark(), daemon.mark());
    let mut other = Daemon::start(theirs, &peer, &cell.config(1, 50));
    other.wait_state(0, "VI_1", "BACKUP", SOON);
    throughout(patience, "master above a lower keepalived", || {
        match wire.adverts(mark, peer_address).len() {
            0 => Ok(()),
            adverts => Err(format!("keepalived sent {adverts} adverts")),
        }
    });
    let adverts = wire.adverts(mark, our_address);
    assert!(adverts.len() >= 4, "{} adverts", adverts.len());
    for advert in &adverts {
        cell.judge(advert, ours, 100);
    }
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());

    // Hands over in an orderly way.
    let mark = wire.mark();
    assert!(daemon.stop().success());
    let resigned = wire.wait_advert(mark, our_address, SOON, |advert| advert.priority() == 0);
    cell.judge(&resigned, ours, 0);
    takeover(&wire, mark, our_address, peer_address, cell.skew(50));
    eventually(SOON, "the addresses moved", || (cell.lacks(&us) && cell.owns(&peer)).then_some(()));

    // Comes back and wins against the lower one.
    let said = other.mark();
    let daemon = Daemon::start(ours, &us, &cell.config(0, 100));
    other.wait_state(said, "VI_1", "BACKUP", SOON);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "the addresses are back", || {
        (cell.owns(&us) && cell.lacks(&peer)).then_some(())
    });
    let log = other.log();
    let complaints: Vec<_> =
        log.iter().filter(|line| COMPLAINTS.iter().any(|word| line.contains(word))).collect();
    assert!(complaints.is_empty(), "{theirs:?} complains: {complaints:#?}");
    assert!(other.stop().success());
}

fn matrix(daemons: [Kind; 2]) -> Vec<Case<'static>> {
    let cells = MATRIX.iter().copied();
    cells.map(|cell| case(cell.name, move || scenario(cell, daemons))).collect()
}

/// The lab and its clocks are right: keepalived against itself passes what is asked of xvrrp.
#[test]
fn keepalived_against_itself() {
    if gate::open(&[Need::Root, Need::Keepalived]) {
        run_all(MATRIX.len(), matrix([Kind::Keepalived; 2]));
    }
}

/// xvrrp against keepalived, over every way both can speak.
#[test]
fn xvrrp_against_keepalived() {
    if gate::open(&[Need::Root, Need::Keepalived]) {
        run_all(MATRIX.len(), matrix([Kind::Xvrrp, Kind::Keepalived]));
    }
}

/// xvrrp against xvrrp.
#[test]
fn xvrrp_against_itself() {
    if gate::open(&[Need::Root]) {
        run_all(MATRIX.len(), matrix([Kind::Xvrrp; 2]));
    }
}
