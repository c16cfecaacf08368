//! Does a router of both versions live with routers of either (RFC 9568 section 8.4).
use std::time::Duration;

use vrrp_common::proto;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::{Capture, address};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::decode::{SeenAdvert, between};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::stall::{self, late};
use vrrp_tests::lab::switch::{Port, Switch};
use vrrp_tests::lab::wait::{eventually, throughout};

const SOON: Duration = Duration::from_secs(15);
/// What a takeover may take beyond Active_Down_Interval, and how much two stamps can differ.
const ALLOWED: Duration = Duration::from_millis(50);
const JITTER: Duration = Duration::from_millis(5);
const SECOND: Duration = Duration::from_secs(1);
const VIP: &str = "10.0.0.100";
const US: &str = "10.0.0.1";
const OLD: &str = "10.0.0.2";
const NEW: &str = "10.0.0.3";

/// One segment with a router of ours, one of version 2 and one of version 3.
struct Bed {
    _switch: Switch,
    us: Namespace,
    old: Namespace,
    new: Namespace,
    wire: Capture,
    _ports: [Port; 3],
}

impl Bed {
    fn new() -> Self {
        let switch = Switch::new("v2");
        let [us, old, new] = ["v2-us", "v2-old", "v2-new"].map(Namespace::new);
        let ports = [(&us, US), (&old, OLD), (&new, NEW)].map(|(router, address)| {
            let port = switch.attach(router, "eth0");
            router.ip(&format!("addr add {address}/24 dev eth0"));
            port
        });
        // All three send to the group, so each of them is seen at any end.
        let wire = switch.capture();
        Self { _switch: switch, us, old, new, wire, _ports: ports }
    }

    /// Waits for `router` to own the address, and nobody else.
    #[track_caller]
    fn owned_by(&self, router: &Namespace) {
        let vip = format!("{VIP}/24");
        eventually(SOON, &format!("{} alone has {vip}", router.name()), || {
            [&self.us, &self.old, &self.new]
                .iter()
                .all(|other| other.has("eth0", &vip) == (other.name() == router.name()))
                .then_some(())
        });
    }

    /// Nobody but `sender` advertises for a while.
    #[track_caller]
    fn sends_alone(&self, sender: &str, period: Duration) {
        let mark = self.wire.mark();
        let alone = address(sender);
        throughout(period, &format!("only {sender} is master"), || {
            let adverts = self.wire.since(mark, |frame| frame.advert());
            match adverts.iter().find(|advert| advert.source != alone) {
                None => Ok(()),
                Some(other) => Err(format!("{} sends too", other.source)),
            }
        });
    }
}

fn config(version: u8, interval: &str, priority: u8, lines: &[&str]) -> String {
    let vrrp = Vrrp::new(&format!("{VIP}/24")).version(version, interval).priority(priority);
    file("", &[lines.iter().fold(vrrp, |vrrp, line| vrrp.line(line))])
}

fn both(interval: &str, priority: u8) -> String {
    config(3, interval, priority, &["v2_interop"])
}

fn start(mode: &str, router: &Namespace, config: &str) -> Daemon {
    Daemon::start_with(Kind::Xvrrp, router, config, &["--xdp-mode", mode])
}

/// Active_Down_Interval at `interval` and `priority`, in the formula of version 3.
fn down(interval: Duration, priority: u8) -> Duration {
    interval * 3 + interval * (256 - u32::from(priority)) / 256
}

/// What is sent in `version`, with everything in it right.
#[track_caller]
fn judged(adverts: &[SeenAdvert], version: u8, priority: u8, interval: Duration) -> Vec<u64> {
    let of_version = adverts.iter().filter(|advert| advert.header.version() == version);
    let times = of_version.map(|advert| {
        assert!(advert.checksum_holds(), "{advert:x?}");
        assert_eq!((advert.ttl, advert.header.vrid()), (proto::HOP_LIMIT, 51));
        assert_eq!(advert.priority(), priority);
        assert_eq!(advert.header.interval(), interval, "{advert:x?}");
        assert_eq!(advert.addresses, [address(VIP)]);
        assert_eq!(advert.message.len(), if version == 2 { 20 } else { 12 });
        advert.at
    });
    times.collect()
}

#[track_caller]
fn takeover(bed: &Bed, mark: usize, dead: &str, heir: &str, expected: Duration) {
    let first = bed.wire.wait_advert(mark, heir, expected + SOON, |a| a.priority() > 0);
    let heard = bed.wire.adverts(0, dead);
    let last = heard.iter().rfind(|advert| advert.at < first.at).expect("it had sent adverts");
    let (took, stall) = (between(last.at, first.at), stall::worst(last.at, first.at));
    eprintln!("{heir} took over after {took:?}, computed {expected:?}, stalled {stall:?}");
    assert!(took + JITTER >= expected, "{heir} took over after {took:?}, before {expected:?}");
    if took > expected + ALLOWED + stall {
        late(&format!("{heir} took over after {took:?} instead of {expected:?}"));
    }
}

/// Ours is master over a keepalived of each version, which could not hear each other.
fn above_both(mode: &str) {
    let bed = Bed::new();
    let mut ours = start(mode, &bed.us, &both("1", 100));
    ours.wait_state(0, "VI_1", "MASTER", SOON);
    let mut old = Daemon::start(Kind::Keepalived, &bed.old, &config(2, "1", 50, &[]));
    let mut new = Daemon::start(Kind::Keepalived, &bed.new, &config(3, "1", 60, &[]));
    for daemon in [&old, &new] {
        daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    }
    let mark = bed.wire.mark();
    bed.sends_alone(US, SECOND * 5);
    bed.owned_by(&bed.us);
    let adverts = bed.wire.adverts(mark, US);
    let times = [2, 3].map(|version| judged(&adverts, version, 100, SECOND));
    let [twos, threes] = &times;
    assert!(threes.len() >= 4 && twos.len().abs_diff(threes.len()) <= 1, "{times:?}");
    let show = ours.show();
    assert_eq!(show.instance("VI_1").get("v2_interop"), Some(&true.into()));
    for daemon in [&old, &new] {
        assert_eq!(daemon.logged(0, "Entering MASTER"), Vec::<String>::new());
    }

    // Its farewell is heard by both, each of which thinks itself alone.
    let mark = bed.wire.mark();
    assert!(ours.stop().success());
    for version in [2, 3] {
        bed.wire.wait_advert(mark, US, SOON, |advert| {
            advert.header.version() == version && advert.priority() == 0
        });
    }
    // RFC 3768 section 6.1 for the one, RFC 9568 section 6.1 for the other: at a second the same.
    takeover(&bed, mark, US, OLD, SECOND * (256 - 50) / 256);
    takeover(&bed, mark, US, NEW, SECOND * (256 - 60) / 256);
    let (old_mark, new_mark) = (old.mark(), new.mark());
    let ours = start(mode, &bed.us, &both("1", 100));
    ours.wait_state(0, "VI_1", "MASTER", SOON);
    old.wait_state(old_mark, "VI_1", "BACKUP", SOON);
    new.wait_state(new_mark, "VI_1", "BACKUP", SOON);
    bed.owned_by(&bed.us);
    bed.sends_alone(US, SECOND * 3);
    assert!(old.stop().success() && new.stop().success());
}

/// Ours is Backup under a keepalived of one version alone, and takes over when it dies or resigns.
fn below_one(mode: &str, version: u8, interval: Duration) {
    let bed = Bed::new();
    let (peer, name) = if version == 2 { (&bed.old, OLD) } else { (&bed.new, NEW) };
    let advert_int = format!("{}", interval.as_secs());
    let theirs = config(version, &advert_int, 150, &[]);
    let mut other = Daemon::start(Kind::Keepalived, peer, &theirs);
    other.wait_state(0, "VI_1", "MASTER", SOON);
    // Our own interval is another: it is theirs that counts, whatever the version.
    let mut ours = start(mode, &bed.us, &both("1", 100));
    ours.wait_state(0, "VI_1", "BACKUP", SOON);
    eventually(SOON, "the master is followed at its own interval", || {
        let show = ours.show();
        let field = |key: &str| show.instance("VI_1").get(key);
        let followed = field("master").and_then(|value| value.as_str()) == Some(name);
        let micros = field("master_interval_us").and_then(|value| value.as_u64());
        (followed && micros.map(Duration::from_micros) == Some(interval)).then_some(())
    });
    let events = ours.show().controller("events");
    bed.sends_alone(name, interval * 4);
    bed.owned_by(peer);
    let show = ours.show();
    assert_eq!(show.state("VI_1"), "BACKUP");
    assert_eq!(show.counter("VI_1", "v2_ignored"), 0);
    assert_eq!(show.controller("events"), events, "what was expected was handed over");

    let mark = bed.wire.mark();
    other.kill();
    takeover(&bed, mark, name, US, down(interval, 100));
    eventually(SOON, "the address is ours", || {
        bed.us.has("eth0", &format!("{VIP}/24")).then_some(())
    });
    // What the dead left behind is not to confuse keepalived when it comes again.
    peer.ip(&format!("addr del {VIP}/24 dev eth0"));
    let said = ours.mark();
    let mut other = Daemon::start(Kind::Keepalived, peer, &theirs);
    other.wait_state(0, "VI_1", "MASTER", SOON);
    ours.wait_state(said, "VI_1", "BACKUP", SOON);
    bed.owned_by(peer);
    let mark = bed.wire.mark();
    assert!(other.stop().success());
    takeover(&bed, mark, name, US, interval * 156 / 256);
    bed.owned_by(&bed.us);
    assert!(ours.stop().success());
}

/// Of two routers of both versions the Backup follows version 3 and is not woken for version 2, at
/// ten adverts a second of each.
fn below_another_of_both(mode: &str) {
    let bed = Bed::new();
    let interval = Duration::from_millis(100);
    let mut other = start(mode, &bed.new, &both("0.1", 150));
    other.wait_state(0, "VI_1", "MASTER", SOON);
    let ours = start(mode, &bed.us, &both("0.1", 100));
    ours.wait_state(0, "VI_1", "BACKUP", SOON);
    eventually(SOON, "version 2 is ignored", || {
        (ours.show().counter("VI_1", "v2_ignored") >= 3).then_some(())
    });
    let (mark, before) = (bed.wire.mark(), ours.show());
    bed.sends_alone(NEW, SECOND * 3);
    let after = ours.show();
    let adverts = bed.wire.adverts(mark, NEW);
    // Sub-second, and version 2 as often (section 8.4.2) though it can only say a second.
    let threes = judged(&adverts, 3, 150, interval);
    let twos = judged(&adverts, 2, 150, SECOND);
    assert!(threes.len() >= 25 && twos.len().abs_diff(threes.len()) <= 1);
    let counted = |counter| after.counter("VI_1", counter) - before.counter("VI_1", counter);
    let (received, ignored) = (counted("received"), counted("v2_ignored"));
    assert!(ignored >= 25 && received.abs_diff(2 * ignored) <= 1, "{received} {ignored}");
    let events = after.controller("events");
    assert_eq!(events, before.controller("events"), "an advert was handed over");
    let ours_shown = after.instance("VI_1");
    let us = |key: &str| ours_shown.get(key).and_then(|value| value.as_u64());
    assert_eq!(us("master_interval_us"), Some(100_000));
    assert_eq!(us("priority_zero_sent"), Some(0));

    let mark = bed.wire.mark();
    other.kill();
    takeover(&bed, mark, NEW, US, down(interval, 100));
    ours.wait_state(0, "VI_1", "MASTER", SOON);
}

#[test]
fn with_keepalived_of_either_version() {
    if !gate::open(&[Need::Root, Need::Bpf, Need::Keepalived]) {
        return;
    }
    let mut cases = Vec::new();
    for mode in ["native", "off"] {
        cases.push(case(format!("{mode}: above both"), move || above_both(mode)));
        for (version, seconds) in [(2, 1), (2, 2), (3, 2)] {
            let interval = SECOND * seconds;
            let name = format!("{mode}: below version {version} at {seconds} s");
            cases.push(case(name, move || below_one(mode, version, interval)));
        }
    }
    run_all(4, cases);
}

#[test]
fn with_another_of_both_versions() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    let modes = ["native", "skb", "off"];
    run_all(
        3,
        modes.map(|mode| case(mode, move || below_another_of_both(mode))).into_iter().collect(),
    );
}
