//! What counts is how it ends: rows 21 and 22, a thousand flaps, heard or not.
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::wait::{eventually, throughout};

use crate::bed::{Bed, PRESENT, SOON, WHILE};

const FLAPS: usize = 1000;

/// Hands these lines to one `ip`, which goes on where the kernel says no: what was to be removed may
/// be gone at that moment.
fn batch(bed: &Bed, lines: &str) {
    let started = Instant::now();
    let mut ip = Command::new("ip");
    ip.args(["-n", bed.us.name(), "-force", "-batch", "-"]).stdin(Stdio::piped());
    let mut ip = ip.spawn().unwrap_or_else(|error| panic!("ip: {error}"));
    if let Some(stdin) = &mut ip.stdin {
        stdin.write_all(lines.as_bytes()).unwrap_or_else(|error| panic!("ip: {error}"));
    }
    drop(ip.stdin.take());
    ip.wait().unwrap_or_else(|error| panic!("ip: {error}"));
    eprintln!("{} changes in {:.1?}", lines.lines().count(), started.elapsed());
}

fn flaps() -> String {
    "link set eth4 down\nlink set eth4 up\n".repeat(FLAPS)
}

/// Row 21: `eth4` flaps a thousand times.
pub(crate) fn a_thousand_flaps(bed: &Bed) {
    let port = bed.plug();
    let (wire, far) = (bed.primary.capture(), bed.far.capture());
    let daemon = bed.master(&port.capture());
    let (said, mark, mark_far) = (daemon.mark(), wire.mark(), far.mark());
    let terms = bed.terms(&daemon);
    batch(bed, &flaps());
    if !bed.variant.no_track {
        return settles(bed, &daemon, &wire);
    }
    bed.runs(&daemon, PRESENT);
    eventually(SOON, "an announcement at the end", || {
        (!far.announcements(mark_far, bed.bare()).is_empty()).then_some(())
    });
    std::thread::sleep(WHILE);
    let announced = far.announcements(mark_far, bed.bare()).len();
    assert!(announced < 200, "{announced} announcements for a thousand flaps");
    let quiet = far.mark();
    throughout(WHILE, "quiet afterwards", || match far.announcements(quiet, bed.bare()).len() {
        0 => Ok(()),
        count => Err(format!("{count} more announcements")),
    });
    bed.undisturbed(&daemon, said, &wire, mark);
    let prevented = bed.prevented(&daemon);
    // What was over before anyone looked was no fault of a tracked one either.
    assert!(prevented <= FLAPS as u64, "{prevented}");
    assert_eq!(bed.terms(&daemon), terms);
    // And it can be lost as before.
    bed.us.ip("link set eth4 down");
    bed.runs(&daemon, crate::bed::PENDING_DOWN);
    assert_eq!(bed.prevented(&daemon), prevented + 1);
}

/// The tracked instance is master again, whatever was in between, and can be lost as before.
fn settles(bed: &Bed, daemon: &Daemon, wire: &vrrp_tests::lab::capture::Capture) {
    bed.wait_owned();
    bed.runs(daemon, PRESENT);
    let mark = wire.mark();
    wire.wait_advert(mark, bed.source(), SOON, |advert| advert.priority() == 100);
    let (said, mark) = (daemon.mark(), wire.mark());
    bed.us.ip("link set eth4 down");
    bed.faulted(daemon, said, wire, mark);
}

/// Row 22: so much happens that the kernel drops what it had to tell, and among it the only word of
/// a change that stays.
pub(crate) fn overrun(bed: &Bed) {
    let port = bed.plug();
    let (wire, far) = (bed.primary.capture(), bed.far.capture());
    // As little as the kernel allows.
    let daemon = bed.master_with(&port.capture(), "    vrrp_netlink_monitor_rcv_bufs 1");
    let (said, mark, mark_far) = (daemon.mark(), wire.mark(), far.mark());
    let strangers: String = (0..2000)
        .map(|n| format!("addr add 10.30.{}.{}/32 dev lo\n", n / 250, n % 250 + 1))
        .collect();
    // The address is taken away in the middle of it, and thousands of changes follow.
    let removal = format!("addr del {} dev eth4\n", bed.vip());
    batch(bed, &[flaps(), removal, strangers].concat());
    if bed.variant.kind == Kind::Xvrrp {
        daemon.wait_log(said, "overflowed", SOON);
    }
    if !bed.variant.no_track {
        return settles(bed, &daemon, &wire);
    }
    bed.runs(&daemon, PRESENT);
    eventually(SOON, "an announcement at the end", || {
        (!far.announcements(mark_far, bed.bare()).is_empty()).then_some(())
    });
    std::thread::sleep(WHILE);
    bed.undisturbed(&daemon, said, &wire, mark);
    // The last word counts, also where it is the only one that is lost.
    let said = daemon.mark();
    batch(bed, &[flaps(), "link set eth4 down\n".into()].concat());
    bed.runs(&daemon, crate::bed::PENDING_DOWN);
    bed.us.ip("link set eth4 up");
    bed.runs(&daemon, PRESENT);
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
}
