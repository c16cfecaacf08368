//! What are FIFOs and notify programs told, and when: the same story with keepalived and xvrrp.
use std::time::Duration;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::fifo::Fifo;
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::wait::eventually;

use crate::{Bed, SOON, plain};

const KINDS: [Kind; 2] = [Kind::Keepalived, Kind::Xvrrp];

/// The events that have programs of their own.
const OWN: [&str; 5] = ["master", "backup", "fault", "stop", "master_rx_lower_pri"];

#[test]
fn told() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    let mut cases = Vec::new();
    for kind in KINDS {
        cases.push(case(format!("every event, {kind:?}"), move || every_event(kind)));
        for (words, word, own) in [
            ("", "FAULT", false),
            ("notify_deleted", "DELETED", false),
            ("program", "DELETED", true),
        ] {
            let name = format!("deleted by a reload, {words:?}, {kind:?}");
            cases.push(case(name, move || deleted(kind, words, word, own)));
        }
        cases.push(case(format!("a sync group, {kind:?}"), move || sync_group(kind)));
        cases.push(case(format!("a FIFO's script, {kind:?}"), move || fifo_script(kind)));
        cases.push(case(format!("the stop, {kind:?}"), move || the_stop(kind)));
        cases.push(case(format!("start and end, {kind:?}"), move || start_and_end(kind)));
    }
    run_all(4, cases);
}

/// Programs for every event that write down what they are told.
fn programs(bed: &Bed, tag: &str) -> Vec<String> {
    let told = bed.path("told");
    let write = |name: &str| {
        let name = format!("{tag}{name}");
        let text = format!("echo \"{name} $*\" >> {}", told.display());
        bed.script(&name, &text).display().to_string()
    };
    let mut lines = vec![format!("notify \"{} 'an argument'\"", write("any"))];
    lines.extend(OWN.map(|event| format!("notify_{event} {}", write(event))));
    lines
}

fn with(mut instance: Vrrp, lines: &[String]) -> Vrrp {
    for line in lines {
        instance = instance.line(line);
    }
    instance
}

/// Waits until so much was written, and returns what is new of it: programs run side by side, so
/// their order says nothing.
fn step(bed: &Bed, seen: &mut usize, count: usize) -> Vec<String> {
    let wanted = *seen + count;
    eventually(SOON, &format!("{wanted} programs, {:?}", bed.lines("told")), || {
        (bed.lines("told").len() >= wanted).then_some(())
    });
    // One too many would come about now.
    std::thread::sleep(Duration::from_millis(200));
    let mut new: Vec<String> = bed.lines("told").drain(*seen..).collect();
    *seen = bed.lines("told").len();
    new.sort();
    new
}

fn every_event(kind: Kind) {
    let bed = Bed::new();
    let fifo = Fifo::new(bed.path("fifo"));
    let globals = format!("    script_user root\n    notify_fifo {}", fifo.path().display());
    let instance = with(plain(), &programs(&bed, ""));
    let mut daemon = Daemon::start(kind, &bed.us, &file(&globals, &[instance]));
    let mut seen = 0;
    let start = [
        "any an argument INSTANCE VI_1 BACKUP 100",
        "any an argument INSTANCE VI_1 MASTER 100",
        "backup ",
        "master ",
    ];
    assert_eq!(step(&bed, &mut seen, 4), start);
    // A lower master is heard, once.
    let vips = [[10, 0, 0, 100].into()];
    let lower = Packet::advert(Path::multicast("10.0.0.2"), 51, 50, v3(10), &vips).frame();
    bed.port.injector().send(&lower);
    assert_eq!(step(&bed, &mut seen, 1), ["master_rx_lower_pri "]);
    bed.us.ip("link set eth0 down");
    assert_eq!(step(&bed, &mut seen, 2), ["any an argument INSTANCE VI_1 FAULT 100", "fault "]);
    bed.us.ip("link set eth0 up");
    assert_eq!(step(&bed, &mut seen, 4), start);
    // A reload of the same file says nothing.
    daemon.hang_up();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(bed.lines("told").len(), seen, "{:?}", bed.lines("told"));
    assert!(daemon.stop().success());
    assert_eq!(step(&bed, &mut seen, 2), ["any an argument INSTANCE VI_1 STOP 100", "stop "]);
    fifo.wait_count(7, SOON);
    let expected = [
        r#"INSTANCE "VI_1" BACKUP 100"#,
        r#"INSTANCE "VI_1" MASTER 100"#,
        r#"INSTANCE "VI_1" MASTER_RX_LOWER_PRI 100"#,
        r#"INSTANCE "VI_1" FAULT 100"#,
        r#"INSTANCE "VI_1" BACKUP 100"#,
        r#"INSTANCE "VI_1" MASTER 100"#,
        r#"INSTANCE "VI_1" STOP 100"#,
    ];
    let lines = fifo.lines();
    assert_eq!(lines, expected);
}

/// An instance that a reload takes away.
fn deleted(kind: Kind, words: &str, word: &str, own: bool) {
    let bed = Bed::new();
    let fifo = Fifo::new(bed.path("fifo"));
    let globals = format!("    script_user root\n    notify_fifo {}", fifo.path().display());
    let mut lines = programs(&bed, "");
    let told = bed.path("told");
    let program = bed.script("deleted", &format!("echo \"deleted $*\" >> {}", told.display()));
    match words {
        "program" => lines.push(format!("notify_deleted {}", program.display())),
        words => lines.push(words.to_owned()),
    }
    let goes = with(Vrrp::new("10.0.0.200/24").called("VI_2", 52).priority(120), &lines);
    let mut daemon = Daemon::start(kind, &bed.us, &file(&globals, &[plain(), goes]));
    let mut seen = 0;
    step(&bed, &mut seen, 4);
    fifo.wait_count(4, SOON);
    daemon.reload(&file(&globals, &[plain()]));
    let mut expected = vec![format!("any an argument INSTANCE VI_2 {word} 120")];
    expected.extend(own.then(|| "deleted ".to_owned()));
    assert_eq!(step(&bed, &mut seen, expected.len()), expected);
    fifo.wait_count(5, SOON);
    assert_eq!(fifo.lines()[4..], [format!("INSTANCE \"VI_2\" {word} 120")]);
    assert!(daemon.stop().success());
    fifo.wait_count(6, SOON);
    assert_eq!(fifo.lines()[5..], [r#"INSTANCE "VI_1" STOP 100"#]);
}

/// Group and members, in keepalived's order.
fn sync_group(kind: Kind) {
    let bed = Bed::new();
    let fifo = Fifo::new(bed.path("fifo"));
    let globals = format!("    script_user root\n    notify_fifo {}", fifo.path().display());
    let group = programs(&bed, "group_");
    let group: Vec<_> = group.iter().filter(|line| !line.contains("rx_lower")).cloned().collect();
    let mut text = file(&globals, &[plain(), Vrrp::new("10.0.0.200/24").called("VI_2", 52)]);
    text.push_str(&format!(
        "vrrp_sync_group G_1 {{\n    group {{\n        VI_1\n        VI_2\n    }}\n    {}\n}}\n",
        group.join("\n    ")
    ));
    let mut daemon = Daemon::start(kind, &bed.us, &text);
    let mut seen = 0;
    let start = [
        "group_any an argument GROUP G_1 BACKUP 0",
        "group_any an argument GROUP G_1 MASTER 0",
        "group_backup ",
        "group_master ",
    ];
    assert_eq!(step(&bed, &mut seen, 4), start);
    fifo.wait_count(6, SOON);
    let begun = fifo.lines();
    bed.us.ip("link set eth0 down");
    assert_eq!(
        step(&bed, &mut seen, 2),
        ["group_any an argument GROUP G_1 FAULT 0", "group_fault "]
    );
    fifo.wait_count(9, SOON);
    let fallen = fifo.lines().split_off(6);
    bed.us.ip("link set eth0 up");
    assert_eq!(step(&bed, &mut seen, 4), start);
    fifo.wait_count(15, SOON);
    assert!(daemon.stop().success());
    assert_eq!(step(&bed, &mut seen, 2), ["group_any an argument GROUP G_1 STOP 0", "group_stop "]);
    fifo.wait_count(18, SOON);
    let stopped = fifo.lines().split_off(15);
    // Which of two members is first says nothing; where the group's line is does.
    let told = |lines: &[String], state: &str, group: usize| {
        let mut lines: Vec<_> = lines.iter().filter(|line| line.contains(state)).cloned().collect();
        assert_eq!(lines.len(), 3, "{lines:#?}");
        assert_eq!(lines.remove(group), format!("GROUP \"G_1\" {state} 0"));
        lines.sort();
        assert_eq!(lines, [1, 2].map(|number| format!("INSTANCE \"VI_{number}\" {state} 100")));
    };
    told(&begun, "BACKUP", 0);
    told(&begun, "MASTER", 2);
    told(&fallen, "FAULT", 2);
    told(&stopped, "STOP", 2);
}

/// The script of a FIFO gets its path, and reads what is written.
fn fifo_script(kind: Kind) {
    let bed = Bed::new();
    let (path, out) = (bed.path("made"), bed.path("out"));
    let text = format!("echo \"$*\" >> {0}; exec cat \"$2\" >> {0}", out.display());
    let reader = bed.script("reader", &text);
    let globals = format!(
        "    script_user root\n    vrrp_notify_fifo {}\n    vrrp_notify_fifo_script \"{} 'an argument'\"",
        path.display(),
        reader.display()
    );
    let mut daemon = Daemon::start(kind, &bed.us, &file(&globals, &[plain()]));
    eventually(SOON, "three lines", || (bed.lines("out").len() >= 3).then_some(()));
    let first = format!("an argument {}", path.display());
    let expected = [&first, r#"INSTANCE "VI_1" BACKUP 100"#, r#"INSTANCE "VI_1" MASTER 100"#];
    assert_eq!(bed.lines("out"), expected);
    assert!(daemon.stop().success());
    assert!(!path.exists(), "the FIFO stays");
    if kind == Kind::Xvrrp {
        // keepalived ends its reader before it writes the last line.
        assert_eq!(bed.lines("out")[3..], [r#"INSTANCE "VI_1" STOP 100"#]);
    }
}

/// What is run at the stop has a second, and is then ended.
fn the_stop(kind: Kind) {
    let bed = Bed::new();
    let told = bed.path("told");
    let slow = bed.script("slow", &format!("sleep 0.3; echo slow >> {}", told.display()));
    let never = format!("echo $$ >> {}; exec sleep 1000", bed.path("pid").display());
    let never = bed.script("never", &never);
    let instance = plain()
        .line(&format!("notify_stop {}", slow.display()))
        .line(&format!("notify {}", never.display()));
    let globals = "    script_user root";
    let mut daemon = Daemon::start(kind, &bed.us, &file(globals, &[instance]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "two that never end", || (bed.lines("pid").len() >= 2).then_some(()));
    assert!(daemon.stop().success());
    assert_eq!(bed.lines("told"), ["slow"]);
    let pids = bed.lines("pid");
    assert_eq!(pids.len(), 3);
    eventually(SOON, "nothing is left", || {
        let left = pids.iter().any(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        });
        (!left).then_some(())
    });
}

/// `startup_script` and `shutdown_script`: before the first advert and after the last.
fn start_and_end(kind: Kind) {
    let bed = Bed::new();
    let told = bed.path("told");
    let at = |name: &str| {
        let text = format!("sleep 0.2; echo \"{name} $*\" >> {}", told.display());
        bed.script(name, &text).display().to_string()
    };
    let globals = format!(
        "    script_user root\n    startup_script \"{} now\"\n    startup_script_timeout 5\n    \
         shutdown_script {}\n    shutdown_script_timeout 5",
        at("startup"),
        at("shutdown"),
    );
    let any = bed.script("any", &format!("echo \"any $3\" >> {}", told.display()));
    let instance = plain().line(&format!("notify {}", any.display()));
    let mut daemon = Daemon::start(kind, &bed.us, &file(&globals, &[instance]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    assert!(daemon.stop().success());
    let lines = bed.lines("told");
    assert_eq!(lines.first().map(String::as_str), Some("startup now"), "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("shutdown "), "{lines:?}");
    assert!(lines.contains(&"any STOP".to_owned()), "{lines:?}");
}
