//! Is an instance that is the same before and after a reload left alone, to the last advert.
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::{Capture, address};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::decode::{SeenAdvert, between};
use vrrp_tests::lab::monitor::{Monitor, Told};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::report::{number, text};
use vrrp_tests::lab::wait::eventually;

use super::BEAT;
use crate::{Bed, SOON, plain};

/// What a reload has time for, and the quiet before it.
const PHASE: Duration = Duration::from_millis(600);
const RELOADS: usize = 20;
const ATTEMPTS: usize = 3;
/// Addresses and routes of the instance that stays.
const KEPT: [&str; 4] = ["10.0.0.100", "10.0.0.101", "10.0.5.1", "10.9.0.0"];

#[test]
fn unchanged() {
    if gate::open(&[Need::Root]) {
        run_all(
            1,
            vec![
                case("a master among changes", master_among_changes),
                case("a backup among changes, XDP", || backup_among_changes("native")),
                case("a backup among changes, sockets", || backup_among_changes("off")),
            ],
        );
    }
}

/// The instance that stays, with everything a reload could touch.
fn kept() -> Vrrp {
    plain()
        .vip("10.0.0.101/24")
        .line("garp_master_delay 0")
        .line("virtual_ipaddress_excluded {\n        10.0.5.1/24\n    }")
        .line("virtual_routes {\n        10.9.0.0/24 via 10.0.0.2 dev eth0\n    }")
        .line("track_interface {\n        eth4 weight 5\n    }")
}

/// Everybody else comes, changes and goes; the one that stays changes its place in the file.
fn among(kept: &Vrrp, round: usize) -> String {
    let second = Vrrp::new("10.0.0.200/24").called("VI_2", 52);
    let mut third = Vrrp::new("10.0.4.100/24").called("VI_3", 53);
    third.interface = "eth4".into();
    let instances = match round % 4 {
        0 => vec![second, kept.clone()],
        1 => vec![kept.clone(), second.priority(90).vip("10.0.0.201/24"), third],
        2 => vec![third.vip("10.0.4.101/24"), kept.clone()],
        _ => vec![kept.clone()],
    };
    // The interface that VI_3 needs need not be there.
    file("    dynamic_interfaces", &instances)
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// Pauses between adverts: in quiet times, and where a reload falls into them.
#[derive(Debug, Default)]
struct Pauses {
    quiet: Vec<Duration>,
    reloading: Vec<Duration>,
}

impl Pauses {
    fn of(adverts: &[SeenAdvert], reloads: &[(u64, u64)]) -> Self {
        let mut pauses = Self::default();
        for pair in adverts.windows(2) {
            let (from, to) = (pair[0].at, pair[1].at);
            let reloading = reloads.iter().any(|(begun, ended)| *begun < to && *ended > from);
            let list = if reloading { &mut pauses.reloading } else { &mut pauses.quiet };
            list.push(between(from, to));
        }
        pauses
    }

    /// The longest of each kind, and the mean.
    fn said(&self) -> [(Duration, Duration); 2] {
        [&self.quiet, &self.reloading].map(|list| {
            let count = u32::try_from(list.len()).expect("a few hundred").max(1);
            let worst = list.iter().max().copied().unwrap_or_default();
            (worst, list.iter().sum::<Duration>() / count)
        })
    }
}

/// Adverts of VRID 51 from `source` since `mark`.
fn of_kept(wire: &Capture, mark: usize, source: &str) -> Vec<SeenAdvert> {
    let mut adverts = wire.adverts(mark, source);
    adverts.retain(|advert| advert.header.vrid() == 51);
    adverts
}

fn master_among_changes() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let _far = bed.switch.attach(&bed.us, "eth4");
    bed.us.ip("addr add 10.0.4.1/24 dev eth4");
    let kept = kept();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &among(&kept, 3));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let addresses: Vec<IpAddr> = KEPT.iter().map(|text| address(text)).collect();
    // The announcements at its beginning.
    eventually(SOON, "it settled", || {
        let enough = KEPT[..3].iter().all(|vip| wire.announcements(0, vip).len() >= 5);
        (enough && bed.us.ip("route show").contains("10.9.0.0/24")).then_some(())
    });
    let monitor = Monitor::start(&bed.us);
    let (said, first, told) = (daemon.mark(), wire.mark(), monitor.mark());
    let (before, begun) = (daemon.show(), Instant::now());
    for attempt in 1..=ATTEMPTS {
        let mark = wire.mark();
        let mut reloads = Vec::new();
        for round in 0..RELOADS {
            // As much of the machine as a reload takes, without one.
            let end = Instant::now() + PHASE;
            daemon.show();
            std::thread::sleep(end.saturating_duration_since(Instant::now()));
            let (start, end) = (now(), Instant::now() + PHASE);
            let (taken, why) = daemon.ask_reload(&among(&kept, round));
            assert!(taken, "{why}");
            std::thread::sleep(end.saturating_duration_since(Instant::now()));
            reloads.push((start, now()));
        }
        let pauses = Pauses::of(&of_kept(&wire, mark, "10.0.0.1"), &reloads);
        let [(worst, mean), (worst_then, mean_then)] = pauses.said();
        eprintln!("quiet: {worst:?}, mean {mean:?}; reloads: {worst_then:?}, mean {mean_then:?}");
        assert!(pauses.reloading.len() > RELOADS * 4, "{pauses:?}");
        // One advert less would be a pause of two intervals; the machine's own pauses are in both.
        let steady = worst_then <= worst.max(BEAT) + BEAT / 2;
        if steady && mean_then <= mean * 21 / 20 {
            break;
        }
        assert!(
            attempt < ATTEMPTS,
            "{worst_then:?} instead of {worst:?}, {mean_then:?} of {mean:?}"
        );
    }
    let waited = u64::try_from(begun.elapsed().as_millis()).expect("a few minutes");
    assert!(of_kept(&wire, first, "10.0.0.1").iter().all(|advert| advert.priority() == 105));
    assert_eq!(daemon.logged(said, "(VI_1)"), Vec::<String>::new());
    assert_eq!(monitor.about(told, &addresses), []);
    for vip in &KEPT[..3] {
        assert_eq!(wire.announcements(first, vip), Vec::<u64>::new(), "{vip} announced again");
    }
    let after = daemon.show();
    let age =
        |show: &vrrp_tests::lab::report::Show| number(Some(show.instance("VI_1")), "since_ms");
    assert!(age(&after) >= age(&before) + waited - 1000, "its last transition moved");
    let count = |key| number(Some(after.instance("VI_1")), key);
    assert_eq!((count("became_master"), count("priority_zero_sent")), (1, 0));
    let sent = u64::try_from(of_kept(&wire, 0, "10.0.0.1").len()).expect("thousands");
    assert!(count("adverts_sent") + 2 >= sent, "its counters began anew");
    for vip in &KEPT[..3] {
        let of = |show: &vrrp_tests::lab::report::Show| {
            let entry = show.address("VI_1", &with_prefix(vip)).clone();
            (number(Some(&entry), "announced"), text(&entry, "state").to_owned())
        };
        assert_eq!(of(&after), of(&before), "{vip}");
        assert_eq!(of(&after).1, "present");
    }
    // Others were really touched meanwhile.
    let other = monitor.since(told, |told| {
        matches!(told, Told::Added(_, ip) if ip == address("10.0.0.200") || ip == address("10.0.4.100"))
    });
    assert!(other.len() >= RELOADS / 4, "{} additions", other.len());
}

fn with_prefix(vip: &str) -> String {
    format!("{vip}/24")
}

/// Reloads without a pause in between while a master speaks: the backup hears each advert, counts it
/// and stays what it is.
fn backup_among_changes(mode: &str) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let _far = bed.switch.attach(&bed.us, "eth4");
    bed.us.ip("addr add 10.0.4.1/24 dev eth4");
    let peer = Namespace::new("op-peer");
    let _port = bed.switch.attach(&peer, "eth0");
    peer.ip("addr add 10.0.0.2/24 dev eth0");
    let stays = plain().line("track_interface {\n        eth4 weight 5\n    }");
    let master = Daemon::start(Kind::Xvrrp, &peer, &file("", &[plain().priority(200)]));
    master.wait_state(0, "VI_1", "MASTER", SOON);
    let daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &among(&stays, 3), &["--xdp-mode", mode]);
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    wire.wait_advert(wire.mark(), "10.0.0.2", SOON, |advert| advert.priority() == 200);
    let said = daemon.mark();
    let heard = |mark: usize| {
        let adverts = u64::try_from(of_kept(&wire, mark, "10.0.0.2").len()).expect("hundreds");
        (adverts, daemon.show().counter("VI_1", "received"))
    };
    let mark = wire.mark();
    let (_, before) = heard(mark);
    let end = Instant::now() + Duration::from_secs(8);
    let mut reloads = 0;
    while Instant::now() < end {
        daemon.reload(&among(&stays, reloads));
        reloads += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    let (sent, after) = heard(mark);
    let counted = after - before;
    assert!(reloads >= 40, "{reloads} reloads");
    assert!(sent >= 40, "{sent} adverts");
    // Those on their way while it was looked.
    assert!(counted.abs_diff(sent) <= 5, "{sent} adverts and {counted} counted");
    assert_eq!(of_kept(&wire, 0, "10.0.0.1"), []);
    assert_eq!(daemon.logged(said, "(VI_1)"), Vec::<String>::new());
    let taken = daemon.logged(said, "reloaded ").len();
    assert!(taken >= 10, "{taken} reloads were done");
    let show = daemon.show();
    assert_eq!(show.state("VI_1"), "BACKUP");
    assert_eq!(number(Some(show.instance("VI_1")), "became_master"), 0);
}
