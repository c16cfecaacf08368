//! Is the fast path used: is the controller left alone while all goes as expected, and does what
//! the kernel saw decide when the controller could not look.
use std::time::{Duration, Instant};

use vrrp_common::layout::NEWS_A_SPAN;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::{Capture, address};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Directory, Kind};
use vrrp_tests::lab::decode::between;
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::master::Beat;
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::report::{Show, text};
use vrrp_tests::lab::stall;
use vrrp_tests::lab::switch::{Port, Switch};
use vrrp_tests::lab::wait::{eventually, throughout};

const SOON: Duration = Duration::from_secs(15);
const ROUTERS: u8 = 100;

struct Bed {
    _switch: Switch,
    us: Namespace,
    port: Port,
}

impl Bed {
    fn new() -> Self {
        let switch = Switch::new("fp");
        let us = Namespace::new("fp-us");
        let port = switch.attach(&us, "eth0");
        us.ip("addr add 10.0.0.1/16 dev eth0");
        Self { _switch: switch, us, port }
    }

    fn start(&self, config: &str, mode: &str) -> Daemon {
        Daemon::start_with(Kind::Xvrrp, &self.us, config, &["--xdp-mode", mode])
    }

    /// The master of every router from 1 to `routers`, at `centis`.
    fn master(&self, routers: u8, centis: u16) -> Beat {
        let burst = (1..=routers).map(|vrid| advert(vrid, 200, centis)).collect();
        let interval = Duration::from_millis(u64::from(centis) * 10);
        Beat::start(self.port.injector(), interval, vec![burst])
    }
}

fn vip(vrid: u8) -> String {
    format!("10.0.1.{vrid}")
}

fn advert(vrid: u8, priority: u8, centis: u16) -> Vec<u8> {
    let path = Path::multicast("10.0.0.2");
    Packet::advert(path, vrid, priority, v3(centis), &[address(&vip(vrid))]).frame()
}

fn name(vrid: u8) -> String {
    format!("VI_{vrid}")
}

fn routers(number: u8, interval: &str) -> Vec<Vrrp> {
    (1..=number)
        .map(|vrid| {
            let router = Vrrp::new(&format!("{}/32", vip(vrid)));
            router.called(&name(vrid), vrid.into()).version(3, interval)
        })
        .collect()
}

fn config(number: u8, interval: &str) -> String {
    file("", &routers(number, interval))
}

/// `show` just after a beat, so that no advert comes while it looks, and the beats so far.
fn show_between_beats(daemon: &Daemon, master: &Beat) -> (Show, u64) {
    let ticks = master.ticks();
    eventually(SOON, "the next beat", || (master.ticks() > ticks).then_some(()));
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    let answer = (daemon.show(), master.ticks());
    assert!(start.elapsed() < Duration::from_millis(700), "show took {:?}", start.elapsed());
    answer
}

fn all_backup(daemon: &Daemon, routers: u8) {
    eventually(SOON, "every router is Backup and has heard its master twice", || {
        let show = daemon.try_show().ok()?;
        (1..=routers)
            .all(|vrid| {
                show.state(&name(vrid)) == "BACKUP" && show.counter(&name(vrid), "received") >= 2
            })
            .then_some(())
    });
}

/// A hundred routers in Backup: ten seconds of adverts are counted one by one, and the controller
/// hears of none. Then the master dies, and each router takes over on time.
#[test]
fn a_hundred_backups_are_left_alone() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    stall::watch();
    let bed = Bed::new();
    let wire = bed.port.capture();
    let master = bed.master(ROUTERS, 100);
    let daemon = bed.start(&config(ROUTERS, "1"), "native");
    all_backup(&daemon, ROUTERS);
    let (before, from) = show_between_beats(&daemon, &master);
    let said = daemon.mark();
    std::thread::sleep(Duration::from_secs(10));
    let (after, to) = show_between_beats(&daemon, &master);
    assert!(to - from >= 10, "{from} to {to}");
    for vrid in 1..=ROUTERS {
        let name = name(vrid);
        let counted = after.counter(&name, "received") - before.counter(&name, "received");
        assert_eq!(counted, to - from, "{name}");
        assert_eq!(after.state(&name), "BACKUP");
        assert_eq!(text(after.instance(&name), "path"), "xdp-native");
        assert_eq!(text(after.instance(&name), "master"), "10.0.0.2");
    }
    for key in ["events", "wakeups"] {
        assert_eq!(after.controller(key), before.controller(key), "{key} of the controller");
    }
    assert_eq!(daemon.log().get(said..), Some([].as_slice()));
    assert_eq!(wire.adverts(0, "10.0.0.1").len(), 0);

    let mark = wire.mark();
    drop(master);
    let down = Duration::from_micros(3_609_375);
    let first = |vrid| {
        let adverts = wire.adverts(mark, "10.0.0.1");
        adverts.into_iter().find(|advert| advert.header.vrid() == vrid)
    };
    eventually(SOON, "a hundred takeovers", || {
        (1..=ROUTERS).all(|vrid| first(vrid).is_some()).then_some(())
    });
    for vrid in 1..=ROUTERS {
        let heard = wire.adverts(0, "10.0.0.2");
        let last = heard.iter().rfind(|advert| advert.header.vrid() == vrid).expect("a last one");
        let first = first(vrid).expect("seen above").at;
        let took = between(last.at, first);
        let allowed = Duration::from_millis(50) + stall::worst(last.at, first);
        assert!(
            took + Duration::from_millis(5) >= down && took <= down + allowed,
            "{} took over after {took:?} instead of {down:?}",
            name(vrid)
        );
    }
}

/// A flood of valid adverts of a lower router, to backups whose masters live: the controller is told of a
/// little of it, and where it stands still meanwhile and the ring runs over, nobody is deposed either.
#[test]
fn a_flood_of_valid_adverts_deposes_nobody() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    let bed = Bed::new();
    // Three times as often as they say, so that no busy machine makes them look dead.
    let beat = (1..=ROUTERS).map(|vrid| advert(vrid, 200, 30)).collect();
    let _master = Beat::start(bed.port.injector(), Duration::from_millis(100), vec![beat]);
    let daemon = bed.start(&config(ROUTERS, "0.3"), "native");
    all_backup(&daemon, ROUTERS);
    let (said, show) = (daemon.mark(), daemon.show());
    let (before, woken) = (show.controller("events"), show.controller("wakeups"));
    let (socket, begun) = (bed.port.injector(), Instant::now());
    let other = Path::multicast("10.0.0.3");
    let flood: Vec<_> = (1..=ROUTERS)
        .map(|vrid| Packet::advert(other, vrid, 50, v3(30), &[address(&vip(vrid))]).frame())
        .collect();
    let mut sent = 0;
    for (number, stands_still) in [false, true, false].into_iter().enumerate() {
        if stands_still {
            daemon.freeze();
        }
        while begun.elapsed() < Duration::from_millis(1_200) * u32::try_from(number + 1).unwrap() {
            flood.iter().for_each(|frame| socket.send_next(frame));
            sent += 1;
        }
        if stands_still {
            daemon.thaw();
        }
    }
    let spans = begun.elapsed().as_nanos() >> 26;
    let show = daemon.show();
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    let most = (spans + 2) * u128::from(NEWS_A_SPAN) * u128::from(ROUTERS);
    let events = u128::from(show.controller("events") - before);
    assert!(events > 0 && events <= most, "{events} of {sent} rounds, at most {most}");
    // News comes in portions.
    let woken = u128::from(show.controller("wakeups") - woken);
    assert!(woken * 20 <= events, "woken {woken} times by {events} pieces of news");
    for vrid in 1..=ROUTERS {
        assert!(show.counter(&name(vrid), "surplus") > 0, "{} was told of all", name(vrid));
        assert!(show.counter(&name(vrid), "received") >= sent, "{} of {sent}", name(vrid));
    }
    throughout(Duration::from_secs(1), "still Backup", || match daemon.logged(said, "Entering") {
        none if none.is_empty() => Ok(()),
        some => Err(format!("{some:?}")),
    });
}

/// Another master takes over from the first, whose adverts are news like those of a flood of lower ones: it
/// is heard all the same. What is lower is told by the effective priority, 100, which is not that of the
/// configuration.
#[test]
fn a_master_that_takes_over_in_a_flood_is_heard() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    let bed = Bed::new();
    let said_by = |host, priority| {
        Packet::advert(Path::multicast(host), 1, priority, v3(10), &[address(&vip(1))]).frame()
    };
    let beat = |host| {
        let often = Duration::from_millis(50);
        Beat::of(bed.port.injector(), often, said_by(host, 200))
    };
    let first = beat("10.0.0.2");
    let directory = Directory::new("weight");
    let weight = directory.join("weight");
    std::fs::write(&weight, "0").expect("written");
    let router = routers(1, "0.1").remove(0).priority(40);
    let config = format!("track_file weight {{\n file {}\n}}\n", weight.display())
        + &file("", &[router.line("track_file {\n weight weight 1\n }")]);
    let daemon = bed.start(&config, "native");
    all_backup(&daemon, 1);
    let said = daemon.mark();
    std::fs::write(&weight, "60").expect("written");
    daemon.wait_log(said, "effective priority to 100", SOON);
    let (socket, flood) = (bed.port.injector(), said_by("10.0.0.3", 50));
    let flooded = |seconds| {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(seconds) {
            socket.send_next(&flood);
        }
    };
    flooded(1);
    drop(first);
    let _second = beat("10.0.0.4");
    flooded(2);
    let show = daemon.show();
    assert!(show.counter(&name(1), "surplus") > 1_000, "that was no flood");
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
}

/// Each mode that can be asked for is the one that is used, and each carries the adverts.
#[test]
fn every_path_works_and_is_named() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    let paths =
        [("auto", "xdp-native"), ("native", "xdp-native"), ("skb", "xdp-skb"), ("off", "socket")];
    let cases =
        paths.map(|(mode, path)| case(format!("--xdp-mode {mode}"), move || one(mode, path)));
    run_all(4, cases.into());
}

fn one(mode: &str, path: &str) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let master = bed.master(1, 10);
    let daemon = bed.start(&config(1, "0.1"), mode);
    all_backup(&daemon, 1);
    let show = daemon.show();
    assert_eq!(text(show.instance("VI_1"), "path"), path);
    assert_eq!(text(show.port("eth0"), "path"), path);
    let program = show.port("eth0").get("program_id").and_then(serde_json::Value::as_u64);
    let attached = bed.us.ip("-d link show dev eth0");
    if path == "socket" {
        assert!(!attached.contains("xdp"), "{attached}");
        assert_eq!(program, None);
    } else {
        let id = program.expect("a program id");
        assert!(attached.contains(&format!("prog/xdp id {id} ")), "program {id}: {attached}");
    }
    let mark = wire.mark();
    drop(master);
    wire.wait_advert(mark, "10.0.0.1", SOON, |advert| advert.priority() == 100);
    eventually(SOON, "the address", || bed.us.has("eth0", "10.0.1.1/32").then_some(()));
    // A higher master returns.
    let said = daemon.mark();
    let master = bed.master(1, 10);
    daemon.wait_state(said, "VI_1", "BACKUP", SOON);
    eventually(SOON, "no address", || (!bed.us.has("eth0", "10.0.1.1/32")).then_some(()));
    // And resigns.
    let mark = wire.mark();
    drop(master);
    bed.port.injector().send(&advert(1, 0, 10));
    let first = wire.wait_advert(mark, "10.0.0.1", SOON, |advert| advert.priority() == 100);
    let resigned = wire.adverts(mark, "10.0.0.2");
    let resigned = resigned.iter().find(|advert| advert.priority() == 0).expect("as sent");
    let took = between(resigned.at, first.at);
    let skew = Duration::from_nanos(60_937_500);
    let allowed = Duration::from_millis(50) + stall::worst(resigned.at, first.at);
    assert!(
        took + Duration::from_millis(5) >= skew && took <= skew + allowed,
        "took over after {took:?} instead of {skew:?}"
    );
}

/// A controller that did not run for many down-intervals does not depose a living master.
#[test]
fn a_frozen_controller_deposes_nobody() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    let cases = ["native", "skb", "off"]
        .map(|mode| case(format!("--xdp-mode {mode}"), move || frozen(mode)));
    run_all(3, cases.into());
}

fn frozen(mode: &str) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let master = bed.master(10, 10);
    let daemon = bed.start(&config(10, "0.1"), mode);
    all_backup(&daemon, 10);
    let (mark, said) = (wire.mark(), daemon.mark());
    for _ in 0..3 {
        daemon.freeze();
        // Eight down-intervals.
        std::thread::sleep(Duration::from_secs(3));
        daemon.thaw();
        throughout(Duration::from_secs(1), "still Backup", || silent(&wire, mark));
    }
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    all_backup(&daemon, 10);
    // But a master that died meanwhile is succeeded at once.
    daemon.freeze();
    std::thread::sleep(Duration::from_millis(200));
    drop(master);
    std::thread::sleep(Duration::from_secs(1));
    silent(&wire, mark).expect("frozen");
    let thawed = Instant::now();
    daemon.thaw();
    wire.wait_advert(mark, "10.0.0.1", SOON, |_| true);
    assert!(thawed.elapsed() < Duration::from_millis(300), "after {:?}", thawed.elapsed());
}

fn silent(wire: &Capture, mark: usize) -> Result<(), String> {
    match wire.adverts(mark, "10.0.0.1").len() {
        0 => Ok(()),
        count => Err(format!("it sent {count} adverts")),
    }
}
