//! Is only that link concerned to which something happens: when it returns its addresses are
//! announced there and nothing anywhere else, and while it flaps a thousand times no advert of
//! another link is lost, neither a heard one nor one of our own.
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::{Capture, address};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::decode::between;
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::master::Beat;
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::report::text;
use vrrp_tests::lab::stall;
use vrrp_tests::lab::switch::{Port, Switch};
use vrrp_tests::lab::wait::eventually;

const SOON: Duration = Duration::from_secs(20);
const WHILE: Duration = Duration::from_millis(1500);
const REPEAT: usize = 2;
const FLAPS: usize = 1000;

#[test]
fn storm() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    run_all(
        2,
        vec![
            case("exactly the addresses of the link", exactly_its_addresses),
            case("a thousand flaps beside", a_thousand_flaps_beside),
        ],
    );
}

/// A router with a link to each of several segments, `eth0` and on.
struct Bed {
    us: Namespace,
    ports: Vec<Port>,
    switches: Vec<Switch>,
}

impl Bed {
    fn new(links: usize) -> Self {
        let us = Namespace::new("ls-us");
        let switches: Vec<Switch> = (0..links).map(|n| Switch::new(&format!("ls-{n}"))).collect();
        let ports = switches.iter().enumerate().map(|(n, switch)| {
            let port = switch.attach(&us, &format!("eth{n}"));
            us.ip(&format!("addr add 10.{n}.0.1/24 dev eth{n}"));
            port
        });
        let ports = ports.collect();
        Self { us, ports, switches }
    }
}

/// What is announced on one wire since a mark, sorted.
fn announced(wire: &Capture, mark: usize) -> Vec<String> {
    let mut all = wire.since(mark, |frame| frame.announces().map(|address| address.to_string()));
    all.sort();
    all
}

/// Five links; two addresses of either family on each of the last four, which nobody tracks.
fn exactly_its_addresses() {
    let bed = Bed::new(5);
    let mut excluded = "virtual_ipaddress_excluded {\n".to_owned();
    for n in 1..5 {
        for host in [101, 102] {
            excluded += &format!("10.{n}.0.{host}/24 dev eth{n} no_track\n");
            excluded += &format!("2001:db8:{n}::{host}/64 dev eth{n} no_track\n");
        }
    }
    let instance = Vrrp::new("10.0.0.100/24")
        .line(&format!("{excluded}}}"))
        .line(&format!("garp_master_repeat {REPEAT}"))
        .line("garp_master_delay 0");
    let wires: Vec<Capture> = bed.ports.iter().map(Port::capture).collect();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[instance]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let of = |n: usize| -> Vec<String> {
        let hosts = [101, 102].into_iter();
        let both = hosts.flat_map(|h| [format!("10.{n}.0.{h}"), format!("2001:db8:{n}::{h}")]);
        let mut all: Vec<_> = both.flat_map(|address| vec![address; REPEAT]).collect();
        all.sort();
        all
    };
    for (n, wire) in wires.iter().enumerate().skip(1) {
        eventually(SOON, "the first announcements", || (announced(wire, 0) == of(n)).then_some(()));
    }
    let said = daemon.mark();
    let set = |n: usize, to: &str| drop(bed.us.ip(&format!("link set eth{n} {to}")));
    type Change<'a> = (&'a dyn Fn(usize), &'a dyn Fn(usize));
    let ways: [Change<'_>; 2] = [
        (&|n| bed.ports[n].cut(), &|n| bed.ports[n].mend()),
        (&|n| set(n, "down"), &|n| set(n, "up")),
    ];
    // One link, then two that are away at the same time and return one after the other.
    for (lose, find) in ways {
        for returning in [vec![3], vec![1, 4]] {
            // A link that returned a moment ago would have to wait.
            std::thread::sleep(WHILE);
            returning.iter().for_each(|n| lose(*n));
            std::thread::sleep(WHILE);
            for back in &returning {
                let marks: Vec<usize> = wires.iter().map(Capture::mark).collect();
                find(*back);
                eventually(SOON, "announced on the link that is back", || {
                    (announced(&wires[*back], marks[*back]).len() >= of(*back).len()).then_some(())
                });
                std::thread::sleep(WHILE);
                for (n, wire) in wires.iter().enumerate() {
                    let expected = if n == *back { of(n) } else { Vec::new() };
                    assert_eq!(
                        announced(wire, marks[n]),
                        expected,
                        "on eth{n}, eth{back} returned"
                    );
                }
            }
        }
    }
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
}

/// `eth2` flaps, with an address that is not tracked and one that is. On `eth0` we are the master,
/// on `eth1` we hear one.
fn a_thousand_flaps_beside() {
    let bed = Bed::new(3);
    let speaks = Vrrp::new("10.0.0.100/24").vip("10.2.0.100/24 dev eth2 no_track");
    let mut hears = Vrrp::new("10.1.0.100/24").called("VI_2", 52).version(3, "1");
    hears.interface = "eth1".into();
    let tracks = Vrrp::new("10.0.0.101/24").called("VI_3", 53).vip("10.2.0.101/24 dev eth2");
    let wire = bed.ports[0].capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[speaks, hears, tracks]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    daemon.wait_state(0, "VI_3", "MASTER", SOON);
    eventually(SOON, "the program on both", || {
        let show = daemon.show();
        let native = |dev| text(show.port(dev), "path") == "xdp-native";
        (native("eth0") && native("eth1")).then_some(())
    });
    // The socket that received before is closed a moment later.
    std::thread::sleep(WHILE);
    let before = daemon.show().counter("VI_2", "received");
    let path = Path::multicast("10.1.0.2");
    let frame = Packet::advert(path, 52, 200, v3(100), &[address("10.1.0.100")]).frame();
    let peer = Beat::of(bed.ports[1].injector(), Duration::from_millis(2), frame);
    daemon.wait_state(0, "VI_2", "BACKUP", SOON);
    std::thread::sleep(WHILE);
    let (said, mark, ticks) = (daemon.mark(), wire.mark(), peer.ticks());
    let started = Instant::now();
    flap(&bed.us);
    let took = started.elapsed();
    let flapped = peer.ticks() - ticks;
    let deposed = daemon.logged(said, "(VI_2) Entering");
    let sent = peer.stop();
    eventually(SOON, "every advert of the peer is counted", || {
        (daemon.show().counter("VI_2", "received") == before + sent).then_some(())
    });
    println!("{FLAPS} flaps in {took:?}; {flapped} adverts heard meanwhile");
    assert!(flapped > 20, "{flapped} adverts in {took:?}");
    // Our own: none too late, and no other said.
    std::thread::sleep(Duration::from_secs(1));
    let adverts: Vec<_> = wire.adverts(mark, "10.0.0.1");
    let ours: Vec<_> = adverts.iter().filter(|advert| advert.header.vrid() == 51).collect();
    assert!(ours.iter().all(|advert| advert.priority() == 100));
    // Three intervals and the skew of priority 100.
    let down = Duration::from_micros(360_937);
    for pair in ours.windows(2) {
        let gap = between(pair[0].at, pair[1].at);
        if gap > down {
            let stalled = stall::worst(pair[0].at, pair[1].at);
            assert!(gap <= down + stalled, "{gap:?} without an advert, {stalled:?} of a stall");
            stall::late(&format!("{gap:?} without an advert, {stalled:?} of it the machine's"));
        }
    }
    let entered = |name: &str| daemon.logged(said, &format!("({name}) Entering"));
    assert_eq!(entered("VI_1"), Vec::<String>::new());
    assert_eq!(deposed, Vec::<String>::new(), "a backup that heard its master");
    eventually(SOON, "the end of the storm", || {
        let show = daemon.show();
        let settled = show.state("VI_1") == "MASTER"
            && show.state("VI_3") == "MASTER"
            && show.presence("VI_1", "10.2.0.100/24") == "present"
            && show.presence("VI_3", "10.2.0.101/24") == "present";
        (settled && bed.us.has("eth2", "10.2.0.100/24") && bed.us.has("eth2", "10.2.0.101/24"))
            .then_some(())
    });
    drop(bed.switches);
}

/// Sets `eth2` down and up, again and again.
fn flap(us: &Namespace) {
    let mut ip = Command::new("ip");
    ip.args(["-n", us.name(), "-batch", "-"]).stdin(Stdio::piped());
    let mut ip = ip.spawn().unwrap_or_else(|error| panic!("ip: {error}"));
    if let Some(stdin) = &mut ip.stdin {
        let lines = "link set eth2 down\nlink set eth2 up\n".repeat(FLAPS);
        stdin.write_all(lines.as_bytes()).unwrap_or_else(|error| panic!("ip: {error}"));
    }
    drop(ip.stdin.take());
    assert!(ip.wait().is_ok_and(|status| status.success()));
}
