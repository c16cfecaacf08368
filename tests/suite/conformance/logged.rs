//! What is said of rejected packets: which, how many, and not too often.
use std::time::Duration;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::address;
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::file;
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::master::Beat;
use vrrp_tests::lab::wait::eventually;

use crate::{Bed, SOON, plain};

#[test]
fn logged() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    let cases = vec![
        case("rejects are logged, XDP", || rejects("auto")),
        case("rejects are logged, sockets", || rejects("off")),
        case("VRIDs of others, XDP", || unknown_vrids("auto")),
        case("VRIDs of others, sockets", || unknown_vrids("off")),
    ];
    run_all(4, cases);
}

fn advert(priority: u8) -> Packet {
    Packet::advert(Path::multicast("10.0.0.20"), 51, priority, v3(10), &[address("10.0.0.5")])
}

/// How many packets of this kind the lines since `mark` tell of, and in how many lines.
fn told(daemon: &Daemon, mark: usize, whose: &str, reason: &str) -> (u64, usize) {
    let begins = format!("{whose} rejected ");
    let lines = daemon.logged(mark, &begins);
    let counts = lines.iter().filter(|line| line.ends_with(reason)).map(|line| {
        let count = line.split(&begins).nth(1).and_then(|rest| rest.split(' ').next());
        count.and_then(|count| count.parse::<u64>().ok()).unwrap_or_else(|| panic!("{line}"))
    });
    let counts: Vec<_> = counts.collect();
    (counts.iter().sum(), counts.len())
}

/// RFC 9568 section 7.1: each is told of, with its router or interface and its reason; together in
/// few lines. Where nothing is rejected nothing is said.
fn rejects(mode: &str) {
    let bed = Bed::new();
    let config = file("", &[plain()]);
    let daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &config, &["--xdp-mode", mode]);
    let interval = Duration::from_millis(100);
    let _master = Beat::of(bed.port.injector(), interval, advert(200).frame());
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    // Two looks.
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(daemon.logged(0, "rejected"), Vec::<String>::new());

    let (sender, mark) = (bed.port.injector(), daemon.mark());
    let far = Packet { ttl: 254, ..advert(250) }.frame();
    let mut damaged = advert(250);
    damaged.message[7] ^= 1;
    let damaged = damaged.frame();
    let fragment = Packet { fragment: 0x2000, ..advert(250) }.frame();
    for number in 0..600 {
        sender.send(&far);
        if number % 2 == 0 {
            sender.send(&damaged);
        }
        if number % 30 == 0 {
            sender.send(&fragment);
        }
    }
    for (whose, reason, count) in
        [("(VI_1)", "(ttl)", 600), ("(VI_1)", "(checksum)", 300), ("eth0:", "(fragment)", 20)]
    {
        let lines = eventually(SOON * 3, reason, || {
            let (sum, lines) = told(&daemon, mark, whose, reason);
            assert!(sum <= count, "{sum} of {count}");
            (sum == count).then_some(lines)
        });
        assert!(lines <= 2, "{lines} lines for {reason}");
    }
    assert_eq!(daemon.logged(mark, "Entering"), Vec::<String>::new());
    // And no more than that.
    let said = daemon.mark();
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(daemon.logged(said, "rejected"), Vec::<String>::new());
}

/// Other virtual routers on the segment are no mistake, unless someone wants to know of them.
fn unknown_vrids(mode: &str) {
    for (globals, wanted) in [("", 0), ("    log_unknown_vrids", 5)] {
        let bed = Bed::new();
        let config = file(globals, &[plain()]);
        let daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &config, &["--xdp-mode", mode]);
        daemon.wait_state(0, "VI_1", "MASTER", SOON);
        let frame = advert(200).resealed(|message| message[1] = 77).frame();
        for _ in 0..5 {
            bed.port.injector().send(&frame);
        }
        eventually(SOON, "they are counted", || {
            (daemon.show().port_counter("eth0", "vrid") == 5).then_some(())
        });
        if wanted > 0 {
            eventually(SOON * 3, "they are told of", || {
                (told(&daemon, 0, "eth0:", "(vrid)").0 == wanted).then_some(())
            });
        } else {
            std::thread::sleep(Duration::from_secs(7));
            assert_eq!(daemon.logged(0, "rejected"), Vec::<String>::new());
        }
    }
}
