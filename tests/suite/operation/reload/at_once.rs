//! Reloads that meet each other, a start, or hundreds of their kind: what was written last is in
//! force in the end.
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Directory, Kind};
use vrrp_tests::lab::decode::between;
use vrrp_tests::lab::report::number;
use vrrp_tests::lab::wait::eventually;

use super::second;
use crate::{Bed, SOON, plain};

#[test]
fn at_once() {
    if gate::open(&[Need::Root]) {
        run_all(
            3,
            vec![
                case("during the start", during_the_start),
                case("while the first file is read", while_it_reads),
                case("while the start-up script runs", while_a_script_runs),
                case("several at once", several_at_once),
            ],
        );
    }
}

#[test]
fn storm() {
    if gate::open(&[Need::Root]) {
        run_all(1, vec![case("200 in a second, 255 instances", two_hundred)]);
    }
}

/// Whether it handles SIGHUP.
fn catches_hang_up(daemon: &Daemon) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id()));
    let status = status.expect("it runs");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & 1 == 1)
}

/// Signals from the first moment on: none ends it, and the last file is in force.
fn during_the_start() {
    for delay in [0, 5, 20, 50, 100, 200, 400] {
        let bed = Bed::new();
        let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
        while !catches_hang_up(&daemon) {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(delay));
        daemon.reload(&file("", &[plain().priority(77)]));
        daemon.hang_up();
        let alive = daemon.alive();
        eventually(SOON, "the last file is in force", || {
            let show = daemon.try_show().ok()?;
            (number(Some(show.instance("VI_1")), "priority") == 77).then_some(())
        });
        daemon.wait_state(0, "VI_1", "MASTER", SOON);
        assert!(alive && daemon.alive());
        assert!(daemon.stop().success());
    }
}

/// A large configuration takes its time, and whoever generates it may already have the next.
fn while_it_reads() {
    let bed = Bed::new();
    let folder = Directory::new("slow");
    let pipe = folder.join("more");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
    let writes = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).expect("a pipe");
    let config = file("", &[plain()]) + &format!("include {}\n", pipe.display());
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &config);
    eventually(SOON, "it catches the signal", || catches_hang_up(&daemon).then_some(()));
    daemon.reload(&file("", &[plain(), second()]));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(daemon.log(), Vec::<String>::new());
    drop(writes);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    daemon.wait_state(0, "VI_2", "MASTER", SOON);
}

fn while_a_script_runs() {
    let bed = Bed::new();
    let globals = "    script_user root\n    startup_script \"/bin/sleep 2\"";
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file(globals, &[plain()]));
    std::thread::sleep(Duration::from_millis(800));
    daemon.reload(&file(globals, &[plain(), second()]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    daemon.wait_state(0, "VI_2", "MASTER", SOON);
    assert_eq!(daemon.logged(0, "startup_script succeeded").len(), 1);
}

/// Each is told what became of the file it asked for, and the last file is in force.
fn several_at_once() {
    let bed = Bed::new();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    for round in 0..5 {
        std::thread::scope(|scope| {
            let asked: Vec<_> = (0..8_u8)
                .map(|n| {
                    let (daemon, priority) = (&daemon, 100 + round * 10 + n);
                    scope.spawn(move || {
                        // Another file each, so that none is there half.
                        let path = daemon.directory().join(&format!("next-{priority}"));
                        std::fs::write(&path, file("", &[plain().priority(priority)]))
                            .expect("written");
                        std::fs::rename(path, daemon.file()).expect("moved");
                        daemon.ask_again()
                    })
                })
                .collect();
            for answer in asked {
                let (taken, told) = answer.join().expect("it answers");
                assert!(taken, "{told}");
            }
        });
        // All of them have answered, so the file is in force as it is.
        let text = std::fs::read_to_string(daemon.file()).expect("it is there");
        let priority = number(Some(daemon.show().instance("VI_1")), "priority");
        assert!(text.contains(&format!("priority {priority}\n")), "{priority} of {text}");
    }
    assert_eq!(daemon.logged(0, "(VI_1) Entering MASTER").len(), 1);
}

fn all(round: usize) -> String {
    let instances: Vec<Vrrp> = (1..=255_u16)
        .map(|vrid| {
            // One of them changes.
            let priority =
                if vrid == 7 { 100 + u8::try_from(round % 50).unwrap_or(0) } else { 100 };
            let mut instance =
                Vrrp::new(&format!("10.0.1.{vrid}/32")).called(&format!("V{vrid}"), vrid);
            instance.priority = priority;
            instance.interval = "1".into();
            instance.line("garp_master_delay 0").line("garp_master_repeat 1")
        })
        .collect();
    file("", &instances)
}

/// Resident memory of the daemon in kilobytes.
fn resident(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

fn two_hundred() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &all(0));
    eventually(SOON * 2, "all are masters", || {
        let show = daemon.try_show().ok()?;
        show.instances().iter().all(|i| i["state"] == "MASTER").then_some(())
    });
    std::thread::sleep(Duration::from_secs(2));
    let worst = |mark: usize| {
        let adverts = wire.adverts(mark, "10.0.0.1");
        (1..=255_u8)
            .filter_map(|vrid| {
                let of: Vec<u64> =
                    adverts.iter().filter(|a| a.header.vrid() == vrid).map(|a| a.at).collect();
                of.windows(2).map(|pair| between(pair[0], pair[1])).max()
            })
            .max()
            .expect("adverts")
    };
    let mark = wire.mark();
    std::thread::sleep(Duration::from_secs(5));
    let quiet = worst(mark);
    let (said, mark, before) = (daemon.mark(), wire.mark(), resident(&daemon));
    let begun = Instant::now();
    for round in 0..200 {
        if round % 10 == 9 {
            std::fs::write(daemon.file(), all(round)).expect("written");
        }
        daemon.hang_up();
        let next = Duration::from_millis(5) * u32::try_from(round + 1).expect("a few");
        std::thread::sleep(next.saturating_sub(begun.elapsed()));
    }
    // The last of them is answered when all are.
    let (taken, told) = daemon.ask_reload(&all(42));
    assert!(taken, "{told}");
    let took = begun.elapsed();
    let show = daemon.show();
    assert_eq!(number(Some(show.instance("V7")), "priority"), 142);
    std::thread::sleep(Duration::from_secs(3));
    let (storm, after) = (worst(mark), resident(&daemon));
    let done = daemon.logged(said, "reloaded ").len();
    eprintln!("{done} reloads in {took:?}; longest pause {quiet:?} quiet, {storm:?} in the storm");
    eprintln!("resident {before} kB before, {after} kB after");
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    assert!(wire.adverts(mark, "10.0.0.1").iter().all(|a| a.priority() > 0), "one resigned");
    assert!(storm < quiet * 3 / 2, "{storm:?} without an advert, {quiet:?} in quiet times");
    // Signals that come while one waits for its turn ask for nothing new.
    assert!(took < Duration::from_secs(10), "{done} reloads took {took:?}");
    assert!(after < before * 3 / 2 + 10_000, "{before} kB grew to {after} kB");
    let show = daemon.show();
    assert!(show.instances().iter().all(|i| number(Some(i), "became_master") == 1));
}
