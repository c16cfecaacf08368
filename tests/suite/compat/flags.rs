//! Does xvrrp, called as keepalived, take its flags, end with its statuses and keep its files.
use super::surroundings;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::daemon::{Directory, binary};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::wait::eventually;

const SOON: Duration = Duration::from_secs(20);

const CONFIG: &str = "vrrp_instance V {
    interface v0
    virtual_router_id 7
    version 3
    advert_int 0.1
@here priority 100
@^here priority 200
    virtual_ipaddress { 10.9.0.100/24 }
}
";

/// xvrrp under keepalived's name, with these words.
fn called(words: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.arg0("/usr/sbin/keepalived").args(words);
    command
}

fn output(mut command: Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn signals_and_version_are_those_of_the_installed_one() {
    if !gate::open(&[Need::Keepalived]) {
        return;
    }
    let both = |words: &[&str]| {
        let mut theirs = Command::new("keepalived");
        theirs.args(words);
        let both = [output(theirs), output(called(words))];
        both.map(|output| (output.status.code(), text(&output.stdout), text(&output.stderr)))
    };
    for name in ["STOP", "RELOAD", "DATA", "STATS", "STATS_CLEAR", "JSON", "nonsense"] {
        let [theirs, ours] = both(&[&format!("--signum={name}")]);
        assert_eq!(theirs, ours, "{name}");
    }
    for words in [["-v"], ["--version"]] {
        let [theirs, ours] = both(&words);
        assert_eq!((theirs.0, &theirs.1), (ours.0, &ours.1));
        assert_eq!(theirs.2.lines().next(), ours.2.lines().next());
        assert!(ours.2.contains("xvrrp"), "{}", ours.2);
    }
    // The second way to be called so.
    let mut command = Command::new(binary());
    command.args(["keepalived", "--signum=JSON"]);
    assert_eq!(text(&output(command).stdout), "36\n");
}

#[test]
fn a_test_of_the_configuration_ends_as_keepalived_s() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    let namespace = surroundings("test");
    let directory = Directory::new("test");
    let status =
        |mut command: Command| namespace.enter(|| command.output()).map(|o| o.status.code());
    let insecure = directory.join("script");
    std::fs::write(&insecure, "#!/bin/sh\n").expect("written");
    for (name, config, expected) in [
        ("good", CONFIG.to_owned(), 0),
        ("typo", CONFIG.replace("version", "versoin"), 5),
        ("value", CONFIG.replace("id 7", "id 256"), 5),
    ] {
        let file = directory.join(name);
        std::fs::write(&file, &config).expect("written");
        let file = file.to_str().expect("UTF-8");
        let mut theirs = Command::new("keepalived");
        theirs.args(["-P", "-t", "-f", file]);
        let ours = status(called(&["-P", "-t", "-f", file])).expect("it runs");
        assert_eq!(ours, Some(expected), "{name}");
        assert_eq!(status(theirs).expect("it runs"), Some(expected), "{name}");
    }
    let log = directory.join("log");
    let file = directory.join("typo");
    let test = format!("--config-test={}", log.display());
    let words = [&*test, "-f", file.to_str().expect("UTF-8")];
    assert_eq!(status(called(&words)).expect("it runs"), Some(5));
    let log = std::fs::read_to_string(log).expect("a log");
    assert!(log.contains("did you mean `version`?"), "{log}");
    // keepalived says 0 here, which is of no help to anybody.
    assert_eq!(status(called(&["-t", "-f", "/no/such/file"])).expect("it runs"), Some(5));
    assert_eq!(status(called(&["-n", "-f", "/no/such/file"])).expect("it runs"), Some(6));
    assert_eq!(status(called(&["-C", "-n"])).expect("it runs"), Some(1));
}

/// The daemon that a pid file names.
struct Background(String);

impl Background {
    fn alive(&self) -> bool {
        Path::new(&format!("/proc/{}", self.0)).exists()
            && !std::fs::read_to_string(format!("/proc/{}/stat", self.0))
                .is_ok_and(|stat| stat.contains(") Z "))
    }

    fn signal(&self, signal: &str) {
        output_of(&["kill", signal, &self.0]);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if self.alive() {
            self.signal("-KILL");
        }
    }
}

fn output_of(words: &[&str]) {
    let done = Command::new(words[0]).args(&words[1..]).status().expect("it runs");
    assert!(done.success(), "{words:?}");
}

#[test]
fn the_background_is_reached_when_it_is_up_and_left_without_a_trace() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let namespace = surroundings("back");
    let directory = Directory::new("back");
    let file = |name: &str| directory.join(name).to_str().expect("UTF-8").to_owned();
    std::fs::write(file("conf"), CONFIG).expect("written");
    let (conf, pid, vrrp, control) = (file("conf"), file("pid"), file("vrrp"), file("control"));
    let words = ["-f", &conf, "-p", &pid, "-r", &vrrp, "-i", "here", "-G", "-D", "-R", "-P"];
    let words: Vec<&str> = words.into_iter().chain(["--control", &control]).collect();
    let start = |namespace: &Namespace| {
        let mut command = called(&words);
        command.stdin(Stdio::null()).env("TMPDIR", directory.join("."));
        namespace.enter(|| command.output()).expect("it runs")
    };
    let begun = Instant::now();
    let started = start(&namespace);
    assert!(started.status.success(), "{}", text(&started.stderr));
    assert!(begun.elapsed() < SOON);
    let number = std::fs::read_to_string(&pid).expect("a pid file");
    assert_eq!(std::fs::read_to_string(&vrrp).expect("another"), number);
    let daemon = Background(number.trim().to_owned());
    // Up means that it answers, at once.
    let show = |words: &[&str]| {
        let mut command = Command::new(binary());
        output({
            command.args(["show", "--json", "--control", &control]).args(words);
            command
        })
    };
    let shown = show(&[]);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(shown["instances"][0]["base_priority"], 100, "-i here");
    // In a session of its own, at the root, with nothing of the terminal.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.0)).expect("it runs");
    let session = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(3));
    assert_eq!(session, Some(&*daemon.0));
    let link =
        |name: &str| std::fs::read_link(format!("/proc/{}/{name}", daemon.0)).expect("a link");
    assert_eq!(link("cwd"), Path::new("/"));
    for descriptor in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(link(descriptor), Path::new("/dev/null"), "{descriptor}");
    }
    // A second one is refused while the first is there.
    let second = start(&namespace);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("already running"), "{}", text(&second.stderr));
    // Signals reach it by the number in its file.
    daemon.signal("-USR1");
    eventually(SOON, "keepalived.data", || {
        directory.join("keepalived.data").exists().then_some(())
    });
    std::fs::write(file("conf"), CONFIG.replace("100/24", "101/24")).expect("written");
    daemon.signal("-HUP");
    eventually(SOON, "the new address", || namespace.has("v0", "10.9.0.101/24").then_some(()));
    assert!(!namespace.has("v0", "10.9.0.100/24"));
    daemon.signal("-TERM");
    eventually(SOON, "the end", || (!daemon.alive()).then_some(()));
    assert!(!Path::new(&pid).exists() && !Path::new(&vrrp).exists());
    assert!(!namespace.has("v0", "10.9.0.101/24"));
}

#[test]
fn what_is_wrong_is_said_before_the_background() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let namespace = surroundings("bad");
    let directory = Directory::new("bad");
    let file = |name: &str| directory.join(name).to_str().expect("UTF-8").to_owned();
    std::fs::write(file("conf"), CONFIG.replace("id 7", "id 0")).expect("written");
    let (conf, pid, vrrp) = (file("conf"), file("pid"), file("vrrp"));
    let mut command = called(&["-f", &conf, "-p", &pid, "-r", &vrrp, "-G"]);
    let done = namespace.enter(|| command.output()).expect("it runs");
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done.stderr).contains("`virtual_router_id` cannot be `0`"));
    assert!(!Path::new(&pid).exists());
}

/// Started outside, by flag and by keyword, it lives inside.
#[test]
fn it_moves_to_the_network_namespace_it_is_told() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    for keyword in [false, true] {
        let namespace = surroundings("moved");
        let directory = Directory::new("moved");
        let file = |name: &str| directory.join(name).to_str().expect("UTF-8").to_owned();
        let (conf, pid, vrrp, control) = (file("conf"), file("pid"), file("vrrp"), file("control"));
        let head = format!("net_namespace {}\n", namespace.name());
        let head = if keyword { &*head } else { "" };
        std::fs::write(&conf, format!("{head}{CONFIG}")).expect("written");
        let mut words = vec!["-f", &conf, "-p", &pid, "-r", &vrrp, "-G", "--control", &control];
        if !keyword {
            words.extend(["-s", namespace.name()]);
        }
        let started = output(called(&words));
        assert!(started.status.success(), "{}", text(&started.stderr));
        let number = std::fs::read_to_string(&pid).expect("a pid file");
        let daemon = Background(number.trim().to_owned());
        eventually(SOON, "its address", || namespace.has("v0", "10.9.0.100/24").then_some(()));
        // Another namespace is for another start.
        let other = format!("net_namespace {}x\n{CONFIG}", namespace.name());
        std::fs::write(&conf, other).expect("written");
        let mut reload = Command::new(binary());
        reload.args(["reload", "--control", &control]);
        let refused = output(reload);
        assert!(!refused.status.success());
        assert!(text(&refused.stderr).contains("at a start only"), "{}", text(&refused.stderr));
        assert!(namespace.has("v0", "10.9.0.100/24"));
        daemon.signal("-TERM");
        eventually(SOON, "the end", || (!daemon.alive()).then_some(()));
    }
}
