//! Are notify fifos told what keepalived tells them.
use std::time::Duration;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Directory, Kind};
use vrrp_tests::lab::fifo::Fifo;
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::master::Beat;

use crate::{Bed, SOON, plain};

/// What keepalived 2.2.7 writes for the story below.
const TOLD: &[&str] = &[
    r#"INSTANCE "VI_1" BACKUP 100"#,
    r#"INSTANCE "VI_1" MASTER 100"#,
    r#"INSTANCE "VI_1" BACKUP 100"#,
    r#"INSTANCE "VI_1" MASTER 100"#,
    r#"INSTANCE "VI_1" FAULT 100"#,
    r#"INSTANCE "VI_1" BACKUP 100"#,
    r#"INSTANCE "VI_1" MASTER 100"#,
    r#"INSTANCE "VI_1" STOP 100"#,
];

#[test]
fn notify() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    let cases = vec![
        case("notify_fifo, keepalived", || story(Kind::Keepalived, "notify_fifo")),
        case("vrrp_notify_fifo, keepalived", || story(Kind::Keepalived, "vrrp_notify_fifo")),
        case("notify_fifo, xvrrp", || story(Kind::Xvrrp, "notify_fifo")),
        case("vrrp_notify_fifo, xvrrp", || story(Kind::Xvrrp, "vrrp_notify_fifo")),
        case("nobody reads", nobody_reads),
    ];
    run_all(5, cases);
}

fn story(kind: Kind, keyword: &str) {
    let bed = Bed::new();
    let folder = Directory::new("fifo");
    let fifo = Fifo::new(folder.join("fifo"));
    let globals = format!("    {keyword} {}", fifo.path().display());
    let mut daemon = Daemon::start(kind, &bed.us, &file(&globals, &[plain()]));
    // Each step waits for what the fifo is told of it: keepalived writes a line some time after the
    // transition, with the state it has by then.
    fifo.wait_count(2, SOON);
    // A higher master comes and goes.
    let vips = [[10, 0, 0, 100].into()];
    let frame = Packet::advert(Path::multicast("10.0.0.2"), 51, 200, v3(10), &vips).frame();
    let master = Beat::of(bed.port.injector(), Duration::from_millis(100), frame);
    fifo.wait_count(3, SOON);
    drop(master);
    fifo.wait_count(4, SOON);
    // The link goes and comes.
    bed.us.ip("link set eth0 down");
    fifo.wait_count(5, SOON);
    bed.us.ip("link set eth0 up");
    fifo.wait_count(7, SOON);
    assert!(daemon.stop().success());
    fifo.wait_count(8, SOON);
    assert_eq!(fifo.lines(), TOLD);
}

/// A fifo that is never read fills up; nothing waits for it.
fn nobody_reads() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let folder = Directory::new("fifo");
    let fifo = Fifo::new(folder.join("fifo"));
    let globals = format!("    notify_fifo {}", fifo.path().display());
    // 60 instances with long names, two lines each at the start: more than a pipe holds after a
    // few flaps of the link.
    let name = "x".repeat(200);
    let instances: Vec<_> = (1..=60)
        .map(|vrid| {
            Vrrp::new(&format!("10.0.1.{vrid}/32")).called(&format!("VI_{vrid}_{name}"), vrid)
        })
        .collect();
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file(&globals, &instances));
    for _ in 0..3 {
        let said = daemon.mark();
        daemon.wait_state(0, &format!("VI_60_{name}"), "MASTER", SOON);
        bed.us.ip("link set eth0 down");
        daemon.wait_state(said, &format!("VI_60_{name}"), "FAULT", SOON);
        let said = daemon.mark();
        bed.us.ip("link set eth0 up");
        daemon.wait_state(said, &format!("VI_60_{name}"), "MASTER", SOON);
    }
    let mark = wire.mark();
    wire.wait_advert(mark, "10.0.0.1", SOON, |advert| advert.header.vrid() == 60);
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(fifo.lines().len() > 60);
}
