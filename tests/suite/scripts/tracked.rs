//! From a script, a file, a process of the system to the state of a router and what it announces.
use std::process::{Child, Command};
use std::time::Duration;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::file;
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::fifo::Fifo;

use crate::{Bed, SOON, mode, plain, write};

#[test]
fn tracked() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    let mut cases = Vec::new();
    for kind in [Kind::Keepalived, Kind::Xvrrp] {
        cases.push(case(format!("a script, {kind:?}"), move || script(kind)));
        cases.push(case(format!("a file, {kind:?}"), move || a_file(kind)));
        cases.push(case(format!("a file's weight, {kind:?}"), move || weight(kind)));
    }
    cases.push(case("processes with quorum and delay", processes));
    run_all(4, cases);
}

fn script(kind: Kind) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let flag = bed.path("flag");
    let check = bed.script("check", &format!("test -e {}", flag.display()));
    let fatal = format!(
        "vrrp_script chk {{\n script {}\n interval 1\n fall 2\n rise 2\n}}\n",
        check.display()
    );
    write(&flag, "");
    // keepalived wants what is tracked to be declared before who tracks it.
    let config = fatal + &file("    script_user root", &[plain().line("track_script {\n chk\n }")]);
    let daemon = Daemon::start(kind, &bed.us, &config);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let said = daemon.mark();
    std::fs::remove_file(&flag).expect("it is there");
    daemon.wait_state(said, "VI_1", "FAULT", SOON);
    wire.wait_advert(0, "10.0.0.1", SOON, |advert| advert.priority() == 0);
    let said = daemon.mark();
    write(&flag, "");
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
}

/// Removed, put in place by rename, made anew: each is seen.
fn a_file(kind: Kind) {
    let bed = Bed::new();
    let (path, other) = (bed.path("number"), bed.path("other"));
    let config = format!("track_file num {{\n file {}\n weight 0\n}}\n", path.display())
        + &file("", &[plain().line("track_file {\n num weight 0\n }")]);
    write(&path, "0\n");
    let daemon = Daemon::start(kind, &bed.us, &config);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let said = daemon.mark();
    write(&other, "1\n");
    std::fs::rename(&other, &path).expect("a rename");
    daemon.wait_state(said, "VI_1", "FAULT", SOON);
    let said = daemon.mark();
    std::fs::remove_file(&path).expect("it is there");
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
    let said = daemon.mark();
    write(&path, "7\n");
    daemon.wait_state(said, "VI_1", "FAULT", SOON);
    let said = daemon.mark();
    write(&path, "0\n");
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
}

/// The number is a weight; a change is told where that is asked for.
fn weight(kind: Kind) {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let fifo = Fifo::new(bed.path("fifo"));
    let path = bed.path("number");
    let globals = format!("    notify_fifo {}", fifo.path().display());
    let instance = plain().line("track_file {\n num weight 2\n }").line("notify_priority_changes");
    let config =
        format!("track_file num {{\n file {}\n}}\n", path.display()) + &file(&globals, &[instance]);
    write(&path, "5\n");
    let mut daemon = Daemon::start(kind, &bed.us, &config);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    wire.wait_advert(0, "10.0.0.1", SOON, |advert| advert.priority() == 110);
    let mark = wire.mark();
    write(&path, "-10\n");
    wire.wait_advert(mark, "10.0.0.1", SOON, |advert| advert.priority() == 80);
    fifo.wait_count(4, SOON);
    assert!(daemon.stop().success());
    fifo.wait_count(5, SOON);
    let expected = [
        r#"INSTANCE "VI_1" BACKUP_PRIORITY 110"#,
        r#"INSTANCE "VI_1" BACKUP 110"#,
        r#"INSTANCE "VI_1" MASTER 110"#,
        r#"INSTANCE "VI_1" MASTER_PRIORITY 80"#,
        r#"INSTANCE "VI_1" STOP 80"#,
    ];
    assert_eq!(fifo.lines(), expected);
}

/// Two of a kind must run, and a third is too many; a short lack is none.
fn processes() {
    let bed = Bed::new();
    let program = bed.path(&format!("xvp{}", std::process::id()));
    std::fs::copy("/bin/sleep", &program).expect("a copy");
    mode(&program, 0o755);
    let start = || Sleeper(Command::new(&program).arg("1000").spawn().expect("it starts"));
    let name = program.file_name().and_then(|name| name.to_str()).expect("a name");
    let config = file("", &[plain().line("track_process {\n two\n }")])
        + &format!(
            "vrrp_track_process two {{\n process {name}\n quorum 2\n quorum_max 2\n weight 0\n \
             terminate_delay 3\n}}\n"
        );
    let (one, two) = (start(), start());
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &config);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    // One ends and another begins within the delay.
    let said = daemon.mark();
    drop(one);
    std::thread::sleep(Duration::from_millis(700));
    let one = start();
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(daemon.logged(said, "(VI_1) Entering"), Vec::<String>::new());
    // One ends for good.
    drop(two);
    daemon.wait_state(said, "VI_1", "FAULT", SOON);
    let said = daemon.mark();
    let two = start();
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
    let said = daemon.mark();
    let three = start();
    daemon.wait_state(said, "VI_1", "FAULT", SOON);
    drop((one, two, three));
}

struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
