//! Who runs a program, with which rights, and which programs are refused.
use std::time::Duration;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::file;
use vrrp_tests::lab::daemon::{Daemon, Kind, xvrrp};
use vrrp_tests::lab::wait::eventually;

use crate::{Bed, SOON, mode, plain, write};

#[test]
fn whose() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let cases = vec![
        case("user and groups", user_and_groups),
        case("what others can change", insecure),
        case("a reload with an unknown user", unknown_user),
        case("no zombies, and one that is unchanged goes on", many_runs),
    ];
    run_all(4, cases);
}

/// Some user of this machine with more than one group.
fn member_of_many() -> Option<(String, Vec<String>)> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let more: Vec<_> = groups
            .lines()
            .filter(|group| {
                let members = group.rsplit(':').next().unwrap_or_default();
                members.split(',').any(|member| member == name)
            })
            .filter_map(|group| group.split(':').nth(2))
            .filter(|group| *group != gid)
            .map(str::to_owned)
            .collect();
        let found = uid != "0" && !more.is_empty();
        found.then(|| (name.to_owned(), [vec![gid.to_owned()], more].concat()))
    })
}

fn user_and_groups() {
    let bed = Bed::new();
    let out = bed.path("out");
    write(&out, "");
    mode(&out, 0o666);
    let script = |name: &str| {
        let text = format!("echo {name} $(id -u) $(id -g) $(id -G) >> {}", out.display());
        bed.script(name, &text).display().to_string()
    };
    let id = |args: &[&str]| {
        let output = std::process::Command::new("id").args(args).output().expect("id runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let (uid, gid) = (id(&["-u", "nobody"]), id(&["-g", "nobody"]));
    let scripts = format!(
        "vrrp_script own {{\n script {}\n interval 1\n user nobody root\n}}\n\
         vrrp_script default {{\n script {}\n interval 1\n}}\n",
        script("own"),
        script("default"),
    );
    let instance = plain()
        .line("track_script {\n own weight 1\n default weight 1\n }")
        .line(&format!("notify_master {} root", script("root")))
        .line(&format!("notify_backup {} nobody", script("nobody")));
    let config = file("    script_user nobody", &[instance]) + &scripts;
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &config);
    let expected = [
        format!("default {uid} {gid} {gid}"),
        format!("nobody {uid} {gid} {gid}"),
        format!("own {uid} 0 0"),
        "root 0 0 0".to_owned(),
    ];
    let line = |wanted: &String| bed.lines("out").contains(wanted);
    eventually(SOON, &format!("{expected:?}"), || expected.iter().all(line).then_some(()));
    drop(daemon);
    // With all groups of the user, if there is one who has any.
    let Some((name, groups)) = member_of_many() else {
        return eprintln!("no user here has two groups");
    };
    write(&out, "");
    let globals = format!("    script_user {name}\n    set_supplementary_groups");
    let instance = plain().line(&format!("notify {}", script("many")));
    let _daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file(&globals, &[instance]));
    eventually(SOON, "it was run", || (!bed.lines("out").is_empty()).then_some(()));
    let line = bed.lines("out").remove(0);
    let has: Vec<&str> = line.split(' ').skip(3).collect();
    assert!(groups.iter().all(|group| has.contains(&&**group)), "{groups:?}: {line}");
}

fn insecure() {
    let bed = Bed::new();
    let out = bed.path("out");
    let open = bed.path("open");
    std::fs::create_dir(&open).expect("a new directory");
    mode(&open, 0o777);
    let text = |name: &str| format!("#!/bin/sh\necho {name} >> {}\n", out.display());
    let inside = open.join("script");
    write(&inside, &text("inside"));
    mode(&inside, 0o755);
    let written = bed.script("written", &text("written"));
    mode(&written, 0o757);
    let good = bed.script("good", &text("good"));
    let plain_file = bed.path("plain");
    write(&plain_file, "text");
    let script = |name: &str, path: &std::path::Path| {
        format!("vrrp_script {name} {{\n script {}\n interval 1\n}}\n", path.display())
    };
    let instance = plain()
        .line("track_script {\n inside\n written\n good\n missing\n }")
        .line(&format!("notify_master {}", inside.display()))
        .line(&format!("notify_backup {}", plain_file.display()));
    let config = file("    script_user root", &[instance])
        + &script("inside", &inside)
        + &script("written", &written)
        + &script("good", &good)
        + &script("missing", &bed.path("missing"));
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &config);
    // Scripts that are not run are no fault.
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "the good one runs", || (bed.lines("out").len() >= 2).then_some(()));
    assert!(bed.lines("out").iter().all(|line| line == "good"), "{:?}", bed.lines("out"));
    let folder = format!("directory {} has mode 0777 and everybody may write", open.display());
    let told = [
        ("vrrp_script inside is not run", folder.as_str()),
        ("vrrp_script written is not run", "has mode 0757 and everybody may write to it"),
        ("vrrp_script missing is not run", "no such file"),
        ("notify_master of instance VI_1 is not run", folder.as_str()),
        ("notify_backup of instance VI_1 is not run", "cannot be executed by user 0"),
    ];
    for (what, why) in told {
        let lines = daemon.logged(0, what);
        assert!(lines.iter().any(|line| line.contains(why)), "{what}: {lines:?}");
    }
    // A check says the same, and where.
    let path = daemon.file();
    let (status, said) = xvrrp(&["check".as_ref(), "--short".as_ref(), path.as_os_str()]);
    assert_eq!(status.code(), Some(5), "{said}");
    for (what, why) in told {
        let line = said.lines().find(|line| line.contains(what));
        let line = line.unwrap_or_else(|| panic!("{what}: {said}"));
        assert!(line.contains(why) && line.contains("vrrp.conf:"), "{line}");
    }
    // Without the rule they are run, and named all the same.
    let said = daemon.mark();
    std::fs::write(&out, "").expect("it is ours");
    let globals = "    script_user root\n    enable_script_security off";
    daemon.reload(&config.replace("    script_user root", globals));
    eventually(SOON, "they run", || {
        let lines = bed.lines("out");
        ["inside", "written", "good"]
            .iter()
            .all(|name| lines.iter().any(|line| line == name))
            .then_some(())
    });
    assert!(!daemon.logged(said, "runs as root, and").is_empty());
}

/// A reload that names a user nobody knows changes nothing.
fn unknown_user() {
    let bed = Bed::new();
    let out = bed.path("out");
    let script = bed.script("script", &format!("echo run >> {}", out.display()));
    let config = |user: &str| {
        file("    script_user root", &[plain().line("track_script {\n chk\n }")])
            + &format!(
                "vrrp_script chk {{\n script {}\n interval 1\n {user}\n}}\n",
                script.display()
            )
    };
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &config(""));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let said = daemon.mark();
    daemon.reload(&config("user no_such_user"));
    daemon.wait_log(said, "there is no user `no_such_user`", SOON);
    daemon.wait_log(said, "the running configuration stays", SOON);
    let runs = bed.lines("out").len();
    eventually(SOON, "it is still run", || (bed.lines("out").len() > runs + 1).then_some(()));
    assert_eq!(daemon.logged(said, "(VI_1) Entering"), Vec::<String>::new());
    // It is an error of a start and of a check.
    let path = daemon.file();
    let (status, said) = xvrrp(&["check".as_ref(), path.as_os_str()]);
    assert_eq!(status.code(), Some(5), "{said}");
    let mut other = Daemon::start(Kind::Xvrrp, &bed.us, &config("user no_such_user"));
    assert!(!other.ended(SOON).success());
}

fn many_runs() {
    let bed = Bed::new();
    let out = bed.path("out");
    let quick = bed.script("quick", &format!("echo run >> {}", out.display()));
    let long = format!("echo $$ >> {}; exec sleep 1000", bed.path("pid").display());
    let long = bed.script("long", &long);
    let config = |priority: u8| {
        let mut text = String::new();
        let mut names = Vec::new();
        for number in 0..8 {
            names.push(format!("q{number} weight 1"));
            text.push_str(&format!(
                "vrrp_script q{number} {{\n script {}\n interval 0.02\n timeout 5\n}}\n",
                quick.display()
            ));
        }
        names.push("long weight 1".to_owned());
        text.push_str(&format!(
            "vrrp_script long {{\n script {}\n interval 1000\n}}\n",
            long.display()
        ));
        let tracks = format!("track_script {{\n {}\n }}", names.join("\n "));
        file("    script_user root", &[plain().priority(priority).line(&tracks)]) + &text
    };
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &config(100));
    eventually(Duration::from_secs(120), "five hundred runs", || {
        (bed.lines("out").len() >= 500).then_some(())
    });
    let said = daemon.mark();
    daemon.reload(&config(101));
    daemon.wait_log(said, "reloaded", SOON);
    eventually(Duration::from_secs(120), "a thousand runs", || {
        (bed.lines("out").len() >= 1000).then_some(())
    });
    let pids = bed.lines("pid");
    assert_eq!(pids.len(), 1, "the long one was begun anew");
    assert!(std::path::Path::new(&format!("/proc/{}", pids[0])).exists());
    // A run that has just ended may not be collected yet; it is at the next look.
    eventually(SOON, "no zombies", || (zombies(&daemon) == 0).then_some(()));
    assert!(daemon.stop().success());
    assert!(!std::path::Path::new(&format!("/proc/{}", pids[0])).exists());
}

/// Children of the daemon that nobody has collected.
fn zombies(daemon: &Daemon) -> usize {
    let parent = daemon.id().to_string();
    let entries = std::fs::read_dir("/proc").expect("/proc");
    let stats = entries
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    stats
        .filter(|stat| {
            let rest = stat.rsplit(") ").next().unwrap_or_default();
            let mut fields = rest.split(' ');
            fields.next() == Some("Z") && fields.next() == Some(&parent)
        })
        .count()
}
