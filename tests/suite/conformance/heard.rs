//! What does it make of the adverts of others, beside refusing bad ones.
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::address;
use vrrp_tests::lab::cases::{Case, case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::decode::between;
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::master::Beat;
use vrrp_tests::lab::stall;
use vrrp_tests::lab::wait::{eventually, throughout};

use crate::{Bed, SOON, WHILE, plain};

#[test]
fn heard() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    let mut cases: Vec<Case<'static>> = vec![
        case("another interface", another_interface),
        case("one VRID in both families", both_families),
        case("own adverts that come back", || own_adverts("auto")),
        case("own adverts that come back, sockets", || own_adverts("off")),
        case("tags in frames, auto", || tags("auto")),
        case("tags in frames, skb", || tags("skb")),
        case("tags in frames, off", || tags("off")),
        case("lower adverts and resignations are answered", answered),
    ];
    // On each path the same.
    for (mode, name) in [
        ("auto", "lists and intervals, auto"),
        ("skb", "lists and intervals, skb"),
        ("off", "lists and intervals, off"),
    ] {
        cases.push(case(name, move || lists_and_intervals(mode)));
    }
    run_all(5, cases);
}

/// Kernels can be built without VLAN devices.
#[test]
fn vlans() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    if let Err(why) = Bed::new().us.try_ip("link add link eth0 name eth0.5 type vlan id 5") {
        assert!(why.contains("Unknown device type"), "{why}");
        println!("skipped: this kernel has no VLAN devices (8021q)");
        return;
    }
    let names = ["auto", "skb", "off"].map(|mode| (format!("a VLAN, {mode}"), mode));
    let cases = names.map(|(name, mode)| case(name, move || vlan(mode)));
    run_all(3, cases.into());
}

/// A flood is measured alone.
#[test]
fn flooded() {
    if gate::open(&[Need::Root, Need::Bpf]) {
        flood();
    }
}

fn advert(priority: u8, centis: u16, vips: &[&str]) -> Vec<u8> {
    let vips: Vec<IpAddr> = vips.iter().map(|vip| address(vip)).collect();
    Packet::advert(Path::multicast("10.0.0.20"), 51, priority, v3(centis), &vips).frame()
}

/// A master of `VI_1`.
fn master(bed: &Bed, priority: u8) -> Beat {
    let frame = advert(priority, 10, &["10.0.0.5"]);
    Beat::of(bed.port.injector(), Duration::from_millis(100), frame)
}

/// RFC 9568 section 7.1: a VRID is configured on an interface, and means nothing on another.
fn another_interface() {
    let bed = Bed::new();
    let second = Vrrp { interface: "eth1".into(), ..Vrrp::new("10.1.0.5/24").called("VI_2", 52) };
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain(), second]));
    for name in ["VI_1", "VI_2"] {
        daemon.wait_state(0, name, "MASTER", SOON);
    }
    let (said, before) = (daemon.mark(), daemon.show());
    let sender = bed.far.injector();
    for priority in [200, 255, 0, 200] {
        sender.send(&advert(priority, 10, &["10.0.0.5"]));
    }
    eventually(SOON, "four unknown VRIDs", || {
        (daemon.show().port_counter("eth1", "vrid") == before.port_counter("eth1", "vrid") + 4)
            .then_some(())
    });
    std::thread::sleep(WHILE);
    let after = daemon.show();
    assert_eq!(after.port_counter("eth0", "vrid"), before.port_counter("eth0", "vrid"));
    for name in ["VI_1", "VI_2"] {
        assert_eq!(after.counter(name, "received"), 0, "{name}");
    }
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
}

/// RFC 9568 section 7.1 and RFC 8347: each family has virtual routers of its own.
fn both_families() {
    let bed = Bed::new();
    let six = Vrrp::new("fe80::5/64").called("VI_6", 51);
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain(), six]));
    for name in ["VI_1", "VI_6"] {
        daemon.wait_state(0, name, "MASTER", SOON);
    }
    let said = daemon.mark();
    let vips = [address("fe80::5")];
    let frame = Packet::advert(Path::multicast("fe80::20"), 51, 200, v3(10), &vips).frame();
    let _master = Beat::of(bed.port.injector(), Duration::from_millis(100), frame);
    daemon.wait_state(said, "VI_6", "BACKUP", SOON);
    std::thread::sleep(WHILE);
    let show = daemon.show();
    assert_eq!((show.state("VI_1"), show.state("VI_6")), ("MASTER", "BACKUP"));
    assert_eq!(show.counter("VI_1", "received"), 0);
    assert!(show.counter("VI_6", "received") >= 10);
    assert_eq!(daemon.logged(said, "(VI_1) Entering"), Vec::<String>::new());
}

/// What we sent ourselves comes back, as when a segment has a loop.
fn own_adverts(mode: &str) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let config = file("", &[plain()]);
    let daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &config, &["--xdp-mode", mode]);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (said, mark, start) = (daemon.mark(), wire.mark(), Instant::now());
    let ours = |priority| {
        let vips = [address("10.0.0.5")];
        Packet::advert(Path::multicast("10.0.0.10"), 51, priority, v3(10), &vips).frame()
    };
    let back = Beat::start(
        bed.port.injector(),
        Duration::from_millis(50),
        [101, 255, 0, 50].map(|priority| vec![ours(priority)]).to_vec(),
    );
    std::thread::sleep(Duration::from_secs(2));
    let sent = back.stop();
    assert!(sent >= 30, "{sent}");
    let show = daemon.show();
    assert_eq!(show.state("VI_1"), "MASTER");
    assert_eq!(show.instance("VI_1").get("master"), Some(&"self".into()));
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    // They are no adverts received, and someone should know.
    assert_eq!(show.counter("VI_1", "received"), 0);
    assert_eq!(show.counter("VI_1", "own_address"), sent);
    daemon.wait_log(said, "from our own address", SOON);
    // None was answered: ten a second, and no more.
    let adverts = wire.adverts(mark, "10.0.0.10");
    let regular = adverts.iter().filter(|advert| advert.priority() == 100).count();
    let most = start.elapsed().as_millis() / 100 + 2;
    assert!(regular as u128 <= most, "{regular} adverts instead of {most}");
}

/// RFC 9568 section 6.4.3: in Active a lower advert and one of priority 0 are answered at once; after
/// the latter the interval begins anew.
fn answered() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let config = file("", &[plain().version(3, "1").line("garp_master_delay 0")]);
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &config);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    for priority in [50, 0] {
        // In the middle of an interval.
        let mark = wire.mark();
        let regular = wire.wait_advert(mark, "10.0.0.10", SOON, |_| true);
        std::thread::sleep(Duration::from_millis(400));
        let mark = wire.mark();
        bed.port.injector().send(&advert(priority, 100, &["10.0.0.5"]));
        let asked = wire.wait_advert(mark, "10.0.0.20", SOON, |_| true);
        let answer = wire.wait_advert(mark, "10.0.0.10", SOON, |_| true);
        let took = between(asked.at, answer.at);
        let allowed = Duration::from_millis(20) + stall::worst(asked.at, answer.at);
        assert!(answer.at > asked.at && took < allowed, "priority {priority}: after {took:?}");
        let mark = wire.mark();
        let next = wire.wait_advert(mark, "10.0.0.10", SOON, |_| true);
        // The beat goes on after a lower advert, and starts anew after a resignation.
        let from = if priority == 0 { answer.at } else { regular.at };
        let gap = between(from, next.at);
        let off = gap.abs_diff(Duration::from_secs(1));
        let allowed = Duration::from_millis(50) + stall::worst(asked.at, next.at);
        assert!(off < allowed, "priority {priority}: the next one after {gap:?}");
    }
    assert_eq!(daemon.show().state("VI_1"), "MASTER");
}

/// RFC 9568 section 7.1: an advert with another interval or another list is used and counted; with
/// the list in another order nothing is wrong.
fn lists_and_intervals(mode: &str) {
    let bed = Bed::new();
    let instance = plain().vip("10.0.0.6/24").vip("10.0.0.7/24");
    let daemon =
        Daemon::start_with(Kind::Xvrrp, &bed.us, &file("", &[instance]), &["--xdp-mode", mode]);
    let counter = |name: &str| daemon.show().counter("VI_1", name);
    let follow = |frame: Vec<u8>, centis: u16| {
        let before = counter("received");
        let beat =
            Beat::of(bed.port.injector(), Duration::from_millis(u64::from(centis) * 10), frame);
        eventually(SOON, "five adverts", || (counter("received") >= before + 5).then_some(()));
        beat
    };
    let all = ["10.0.0.5", "10.0.0.6", "10.0.0.7"];
    // Upside down: nothing to remark.
    let beat = follow(advert(200, 10, &["10.0.0.7", "10.0.0.5", "10.0.0.6"]), 10);
    assert_eq!((counter("address_list_differs"), counter("interval_differs")), (0, 0));
    assert_eq!(daemon.show().state("VI_1"), "BACKUP");
    let said = daemon.mark();
    // Two of three: remarked each time, and followed.
    drop(beat);
    let beat = follow(advert(200, 10, &["10.0.0.5", "10.0.0.6"]), 10);
    assert!(counter("address_list_differs") >= 5);
    assert_eq!(counter("interval_differs"), 0);
    throughout(WHILE, "it goes on being Backup", || match daemon.show().state("VI_1") {
        "BACKUP" => Ok(()),
        state => Err(state.to_owned()),
    });
    drop(beat);
    // Twice the interval: remarked each time, and adopted.
    let listed = counter("address_list_differs");
    let beat = follow(advert(200, 20, &all), 20);
    assert!(counter("interval_differs") >= 5);
    let show = daemon.show();
    assert_eq!(show.instance("VI_1").get("master_interval_us"), Some(&200_000.into()));
    assert!(counter("address_list_differs") <= listed + 1);
    // The reserved bits are no part of it (section 5.2.5).
    drop(beat);
    let reserved = Packet::advert(Path::multicast("10.0.0.20"), 51, 200, v3(10), &all.map(address))
        .resealed(|message| message[4] |= 0xf0);
    let _beat = follow(reserved.frame(), 10);
    let show = daemon.show();
    assert_eq!(show.instance("VI_1").get("master_interval_us"), Some(&100_000.into()));
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
}

/// Tags that stand in the frames, without any VLAN device: what is of a VLAN is of no router here
/// and goes on, be it alone or within another; a tag that only carries a priority is none.
fn tags(mode: &str) {
    let bed = Bed::new();
    let config = file("", &[plain()]);
    let daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &config, &["--xdp-mode", mode]);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (said, before) = (daemon.mark(), daemon.show());
    let tagged = |tags: &[[u8; 4]]| {
        let mut frame = advert(200, 10, &["10.0.0.5"]);
        frame.splice(12..12, tags.concat());
        frame
    };
    let (one, other, outer) = ([0x81, 0, 0, 5], [0x81, 0, 0, 6], [0x88, 0xa8, 0, 5]);
    for tags in [vec![one], vec![outer], vec![one, other], vec![outer, other]] {
        for _ in 0..5 {
            bed.port.injector().send(&tagged(&tags));
        }
    }
    std::thread::sleep(WHILE);
    let show = daemon.show();
    assert_eq!(show.state("VI_1"), "MASTER");
    assert_eq!(show.instance("VI_1").get("counters"), before.instance("VI_1").get("counters"));
    assert_eq!(show.port("eth0").get("counters"), before.port("eth0").get("counters"));
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    let frame = tagged(&[[0x81, 0, 0xe0, 0]]);
    let _master = Beat::of(bed.port.injector(), Duration::from_millis(100), frame);
    daemon.wait_state(said, "VI_1", "BACKUP", SOON);
    assert!(daemon.show().counter("VI_1", "received") > 0);
}

/// The same VRID with a tag and without it: two virtual routers.
fn vlan(mode: &str) {
    let bed = Bed::new();
    bed.us.ip("link add link eth0 name eth0.5 type vlan id 5");
    bed.us.ip("link set eth0.5 up");
    bed.us.ip("addr add 10.5.0.10/24 dev eth0.5");
    let tagged = Vrrp { interface: "eth0.5".into(), ..Vrrp::new("10.5.0.5/24").called("VI_5", 51) };
    let config = file("", &[plain(), tagged]);
    let daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &config, &["--xdp-mode", mode]);
    for name in ["VI_1", "VI_5"] {
        daemon.wait_state(0, name, "MASTER", SOON);
    }
    let said = daemon.mark();
    let vips = [address("10.5.0.5")];
    let mut frame = Packet::advert(Path::multicast("10.5.0.20"), 51, 200, v3(10), &vips).frame();
    frame.splice(12..12, [0x81, 0, 0, 5]);
    let tagged = Beat::of(bed.port.injector(), Duration::from_millis(100), frame);
    daemon.wait_state(said, "VI_5", "BACKUP", SOON);
    std::thread::sleep(WHILE);
    let show = daemon.show();
    assert_eq!((show.state("VI_1"), show.state("VI_5")), ("MASTER", "BACKUP"));
    assert_eq!(show.counter("VI_1", "received"), 0);
    drop(tagged);
    daemon.wait_state(said, "VI_5", "MASTER", SOON);
    // And the other way round.
    let said = daemon.mark();
    let _master = master(&bed, 200);
    daemon.wait_state(said, "VI_1", "BACKUP", SOON);
    std::thread::sleep(WHILE);
    assert_eq!(daemon.show().state("VI_5"), "MASTER");
    assert_eq!(daemon.logged(said, "(VI_5) Entering"), Vec::<String>::new());
}

/// Bad adverts as fast as they can be sent neither hide the master's good ones nor fill the log.
fn flood() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    let master = master(&bed, 200);
    eventually(SOON, "the master is heard", || {
        (daemon.show().counter("VI_1", "received") >= 5).then_some(())
    });
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    let (said, before) = (daemon.mark(), daemon.show());
    let path = Path::multicast("10.0.0.20");
    let good = Packet::advert(path, 51, 255, v3(10), &[address("10.0.0.5")]);
    let far = Packet { ttl: 254, ..good.clone() }.frame();
    let mut spoiled = good;
    spoiled.message[7] ^= 1;
    let bad = [far, spoiled.frame()];
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let flood = {
        let (stop, sent, socket) = (Arc::clone(&stop), Arc::clone(&sent), bed.port.injector());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for frame in &bad {
                    socket.send(frame);
                }
                sent.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    std::thread::sleep(Duration::from_secs(4));
    stop.store(true, Ordering::Relaxed);
    flood.join().expect("the flood ends");
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent > 10_000, "{sent} of each is no flood");
    let after = daemon.show();
    let more = |name: &str| after.counter("VI_1", name) - before.counter("VI_1", name);
    assert_eq!((more("ttl"), more("checksum")), (sent, sent));
    assert!(more("received") >= 30, "{}", more("received"));
    assert_eq!(after.state("VI_1"), "BACKUP");
    assert_eq!(wire.adverts(0, "10.0.0.10"), []);
    for reason in ["(ttl)", "(checksum)"] {
        daemon.wait_log(said, reason, SOON);
    }
    let lines = daemon.mark() - said;
    assert!(lines < 20, "{lines} lines about {sent} bad adverts");
    drop(master);
    println!("{sent} adverts of each bad kind in four seconds");
}
