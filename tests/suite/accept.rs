//! Who gets packets to the virtual addresses: everybody's, the owner's, or nobody but neighbour
//! discovery (`no_accept`).
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::netns::{Namespace, run};
use vrrp_tests::lab::switch::{Port, Switch};
use vrrp_tests::lab::wait::eventually;

/// Longer than anything takes that is to happen.
const SOON: Duration = Duration::from_secs(10);
/// Longer than an answer takes.
const ANSWER: Duration = Duration::from_millis(400);

#[test]
fn accept() {
    if !gate::open(&[Need::Root, Need::Nft]) {
        return;
    }
    let mut cases = Vec::new();
    for (priority, refuses, answers) in
        [(100, false, true), (100, true, false), (255, false, true), (255, true, true)]
    {
        let name = format!("priority {priority}, no_accept {refuses}");
        cases.push(case(name, move || combination(priority, refuses, answers)));
    }
    cases.push(case("a link-local address on one link", link_local));
    cases.push(case("not before it is master, not after", only_as_master));
    cases.push(case("not for a moment", not_for_a_moment));
    cases.push(case("neighbour discovery", discovery));
    cases.push(case("SIGKILL and a new start", killed));
    cases.push(case("the table is flushed by someone", flushed));
    cases.push(case("reload", reloaded));
    cases.push(case("more addresses than one message holds", many));
    run_all(2, cases);
}

/// A router and a host on a segment.
struct Bed {
    us: Namespace,
    host: Namespace,
    _switch: Switch,
    _ports: [Port; 2],
}

impl Bed {
    fn new() -> Self {
        let switch = Switch::new("acc");
        let us = Namespace::new("acc-us");
        let host = Namespace::new("acc-host");
        let ports = [switch.attach(&us, "eth0"), switch.attach(&host, "eth0")];
        for (namespace, number) in [(&us, 1), (&host, 2)] {
            namespace.ip(&format!("addr add 10.0.0.{number}/24 dev eth0"));
            namespace.ip(&format!("addr add fe80::{number}/64 dev eth0"));
            namespace.ip(&format!("addr add 2001:db8::{number}/64 dev eth0"));
        }
        Self { us, host, _switch: switch, _ports: ports }
    }

    /// Whether the host gets an answer from `address`.
    fn answers(&self, address: &str) -> bool {
        let address: IpAddr = address.parse().unwrap();
        self.host.enter(|| ping(address))
    }

    /// The table, as `nft` shows it.
    fn table(&self) -> Option<String> {
        let words = ["netns", "exec", self.us.name(), "nft", "list", "table", "inet", "xvrrp"];
        let output = Command::new("ip").args(words).output().expect("ip");
        output.status.success().then(|| String::from_utf8(output.stdout).expect("text"))
    }

    fn nft(&self, words: &[&str]) {
        run(Command::new("ip").args(["netns", "exec", self.us.name(), "nft"]).args(words));
    }

    fn wait_address(&self, address: &str) {
        eventually(SOON, address, || self.us.has("eth0", address).then_some(()));
    }
}

/// Sends echo requests to `address` and waits for a reply.
fn ping(address: IpAddr) -> bool {
    let (domain, protocol, request, reply) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, 8, 0),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, 128, 129),
    };
    let mut socket = Socket::new(domain, Type::RAW, Some(protocol)).expect("raw socket");
    socket.set_read_timeout(Some(ANSWER)).expect("timeout");
    let mut echo = [request, 0, 0, 0, 0x12, 0x34, 0, 1];
    // One's complement; the kernel fills it in for ICMPv6.
    let sum = !(u16::from_be_bytes([request, 0]) + 0x1234 + 1);
    echo[2..4].copy_from_slice(&sum.to_be_bytes());
    let scope = match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            std::net::SocketAddrV6::new(v6, 0, 0, interface()).into()
        }
        _ => SocketAddr::new(address, 0),
    };
    let deadline = Instant::now() + ANSWER;
    let _ = socket.send_to(&echo, &scope.into());
    let mut buffer = [0; 2048];
    while Instant::now() < deadline {
        let Ok(length) = socket.read(&mut buffer) else { return false };
        // IPv4 comes with its header.
        let offset = if address.is_ipv4() { 20 } else { 0 };
        if buffer[..length].get(offset) == Some(&reply) && buffer[offset + 4..][..2] == [0x12, 0x34]
        {
            return true;
        }
    }
    false
}

/// Number of `eth0` in this namespace.
fn interface() -> u32 {
    let text = Command::new("ip").args(["-o", "link", "show", "eth0"]).output().expect("ip");
    let text = String::from_utf8(text.stdout).expect("text");
    text.split(':').next().and_then(|number| number.trim().parse().ok()).expect("a number")
}

fn v4(refuses: bool) -> Vrrp {
    mode(Vrrp::new("10.0.0.100/24"), refuses)
}

fn v6(refuses: bool) -> Vrrp {
    mode(Vrrp::new("fe80::100/64").called("VI_6", 61).vip("2001:db8::100/64"), refuses)
}

/// The fixture says `accept`; the last word counts.
fn mode(vrrp: Vrrp, refuses: bool) -> Vrrp {
    if refuses { vrrp.line("no_accept") } else { vrrp }
}

fn combination(priority: u8, refuses: bool, answers: bool) {
    let bed = Bed::new();
    let both = [v4(refuses).priority(priority), v6(refuses).priority(priority)];
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &both));
    for address in ["10.0.0.100/24", "fe80::100/64", "2001:db8::100/64"] {
        bed.wait_address(address);
    }
    for address in ["10.0.0.100", "fe80::100", "2001:db8::100"] {
        assert_eq!(bed.answers(address), answers, "{address}: {:?}", bed.table());
    }
    // Its own addresses are nobody else's matter.
    for address in ["10.0.0.1", "fe80::1", "2001:db8::1"] {
        assert!(bed.answers(address), "{address}: {:?}", bed.table());
    }
    assert_eq!(bed.table().is_some(), !answers, "a table only where it is needed");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(bed.table(), None, "nothing is left behind");
}

/// The same link-local address on another interface, where it is the host's own.
fn link_local() {
    let bed = Bed::new();
    let switch = Switch::new("acc2");
    let other = Namespace::new("acc-oth");
    let _ports = [switch.attach(&bed.us, "eth1"), switch.attach(&other, "eth0")];
    bed.us.ip("addr add fe80::100/64 dev eth1");
    other.ip("addr add fe80::3/64 dev eth0");
    let _daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[v6(true)]));
    bed.wait_address("fe80::100/64");
    assert!(!bed.answers("fe80::100"));
    assert!(other.enter(|| ping("fe80::100".parse().unwrap())), "{:?}", bed.table());
}

fn only_as_master() {
    let bed = Bed::new();
    let mut higher = Daemon::start(Kind::Xvrrp, &bed.host, &file("", &[v4(false).priority(200)]));
    higher.wait_state(0, "VI_1", "MASTER", SOON);
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[v4(true)]));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    let empty = |table: String| !table.contains("10.0.0.100");
    eventually(SOON, "an empty table", || bed.table().filter(|table| empty(table.clone())));
    let mark = daemon.mark();
    assert_eq!(higher.stop().code(), Some(0));
    daemon.wait_state(mark, "VI_1", "MASTER", SOON);
    bed.wait_address("10.0.0.100/24");
    assert!(bed.table().unwrap().contains("10.0.0.100"));
    assert!(!bed.answers("10.0.0.100"));
    let higher = Daemon::start(Kind::Xvrrp, &bed.host, &file("", &[v4(false).priority(200)]));
    daemon.wait_state(mark, "VI_1", "BACKUP", SOON);
    eventually(SOON, "an empty table", || bed.table().filter(|table| empty(table.clone())));
    assert!(!bed.us.has("eth0", "10.0.0.100/24"));
    drop(higher);
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(bed.table(), None);
}

/// While an address comes and goes: what protects it is there before it and after it.
fn not_for_a_moment() {
    for refuses in [true, false] {
        let bed = Bed::new();
        let mac = bed.us.mac("eth0").map(|byte| format!("{byte:02x}")).join(":");
        bed.host.ip(&format!("neigh replace 10.0.0.100 dev eth0 lladdr {mac} nud permanent"));
        let done = AtomicBool::new(false);
        let replies = std::thread::scope(|scope| {
            let flood = scope.spawn(|| bed.host.enter(|| flood([10, 0, 0, 100].into(), &done)));
            let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[v4(refuses)]));
            for _ in 0..5 {
                bed.wait_address("10.0.0.100/24");
                bed.us.ip("link set eth0 down");
                eventually(SOON, "no address", || {
                    (!bed.us.has("eth0", "10.0.0.100/24")).then_some(())
                });
                bed.us.ip("link set eth0 up");
            }
            bed.wait_address("10.0.0.100/24");
            assert_eq!(daemon.stop().code(), Some(0));
            done.store(true, Ordering::Relaxed);
            flood.join().expect("flood")
        });
        assert_eq!(replies == 0, refuses, "{replies} replies");
    }
}

/// Sends echo requests as fast as it can until it is told to stop, and counts the replies.
fn flood(address: IpAddr, done: &AtomicBool) -> usize {
    let mut socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).expect("socket");
    socket.set_nonblocking(true).expect("non-blocking");
    let to = SocketAddr::new(address, 0).into();
    let mut replies = 0;
    let mut buffer = [0; 2048];
    while !done.load(Ordering::Relaxed) {
        let _ = socket.send_to(&[8, 0, 0xe5, 0xca, 0x12, 0x34, 0, 1], &to);
        while let Ok(length) = socket.read(&mut buffer) {
            let from_it = buffer[12..16] == [10, 0, 0, 100];
            replies += usize::from(length > 20 && buffer[20] == 0 && from_it);
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    replies
}

/// RFC 9568 section 6.1: neighbour solicitations to the address itself and to its group.
fn discovery() {
    let bed = Bed::new();
    let _daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[v6(true)]));
    bed.wait_address("2001:db8::100/64");
    assert!(!bed.answers("2001:db8::100"));
    let neighbour = || bed.host.ip("-6 neigh show 2001:db8::100 dev eth0");
    // By multicast: the host knows where it is, though it got no answer to its echo request.
    let known = eventually(SOON, "a neighbour", || {
        let known = neighbour();
        known.contains("lladdr").then_some(known)
    });
    assert!(!known.contains("FAILED"), "{known}");
    // By unicast: the host asks the neighbour it knows whether it still is there.
    let mac = bed.us.mac("eth0").map(|byte| format!("{byte:02x}")).join(":");
    bed.host.ip(&format!("-6 neigh replace 2001:db8::100 dev eth0 lladdr {mac} nud probe"));
    eventually(SOON, "a reachable neighbour", || neighbour().contains("REACHABLE").then_some(()));
}

fn killed() {
    let bed = Bed::new();
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[v4(true)]));
    bed.wait_address("10.0.0.100/24");
    daemon.kill();
    // The address is still there, and so is what protects it.
    assert!(!bed.answers("10.0.0.100"));
    bed.nft(&["add", "element", "inet", "xvrrp", "virtual_v4", "{ 192.0.2.77 }"]);
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[v4(true)]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    bed.wait_address("10.0.0.100/24");
    let table = bed.table().unwrap();
    assert!(table.contains("10.0.0.100") && !table.contains("192.0.2.77"), "{table}");
    assert_eq!(table.matches("drop").count(), 3, "made anew: {table}");
    assert!(!bed.answers("10.0.0.100"));
    daemon.kill();
    // The next one has no use for it.
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[v4(false)]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    bed.wait_address("10.0.0.100/24");
    assert_eq!(bed.table(), None);
    assert!(bed.answers("10.0.0.100"));
    assert_eq!(daemon.stop().code(), Some(0));
}

fn flushed() {
    let bed = Bed::new();
    let _daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[v4(true)]));
    bed.wait_address("10.0.0.100/24");
    for flush in [&["flush", "ruleset"][..], &["flush", "table", "inet", "xvrrp"]] {
        assert!(!bed.answers("10.0.0.100"));
        bed.nft(flush);
        eventually(SOON, "the table, made anew", || {
            let table = bed.table()?;
            (table.contains("10.0.0.100") && table.matches("drop").count() == 3).then_some(())
        });
        assert!(!bed.answers("10.0.0.100"));
    }
}

fn many() {
    let bed = Bed::new();
    let list: String = (0..1200)
        .map(|number| format!("        10.1.{}.{}/32\n", number / 200, number % 200 + 1))
        .collect();
    let excluded = format!("virtual_ipaddress_excluded {{\n{list}    }}");
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[v4(true).line(&excluded)]));
    bed.host.ip("route add 10.1.0.0/16 via 10.0.0.1");
    bed.wait_address("10.1.5.200/32");
    let table = bed.table().unwrap();
    assert_eq!(table.matches("10.1.").count(), 1200);
    assert!(!bed.answers("10.1.0.1") && !bed.answers("10.1.5.200"));
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(bed.table(), None);
}

fn reloaded() {
    let bed = Bed::new();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[v4(false)]));
    bed.wait_address("10.0.0.100/24");
    assert!(bed.answers("10.0.0.100"));
    for refuses in [true, false, true] {
        daemon.reload(&file("", &[v4(refuses)]));
        eventually(SOON, "the table or none", || {
            let there = bed.table().is_some_and(|table| table.contains("10.0.0.100"));
            (there == refuses && bed.table().is_some() == refuses).then_some(())
        });
        assert_eq!(bed.answers("10.0.0.100"), !refuses);
        assert!(bed.us.has("eth0", "10.0.0.100/24"), "the address stays");
        assert_eq!(daemon.show().state("VI_1"), "MASTER");
    }
}
