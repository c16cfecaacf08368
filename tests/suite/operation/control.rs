//! The control socket and the verbs that use it.
use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use serde_json::Value;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Directory, Kind, binary, xvrrp};
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::master::Beat;
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::report::{number, text};
use vrrp_tests::lab::switch::Port;
use vrrp_tests::lab::wait::eventually;

use crate::{Bed, SOON, plain};

#[test]
fn control() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let cases = vec![
        case("what is shown", views),
        case("shown again and again", watched),
        case("demoted, and held back", demoted),
        case("demoted alone", demoted_alone),
        case("announced on demand", announced),
        case("the log level", log_level),
        case("no daemon, an old daemon, a wrong name", mistaken),
        case("not root", not_root),
        case("a program that says what it does", debug_dataplane),
    ];
    run_all(4, cases);
}

/// Runs a verb against a daemon.
#[track_caller]
fn tell(daemon: &Daemon, args: &[&str]) -> (ExitStatus, String) {
    let control = daemon.directory().join("control");
    let mut all: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    all.extend([OsStr::new("--control"), control.as_os_str()]);
    xvrrp(&all)
}

#[track_caller]
fn told(daemon: &Daemon, args: &[&str]) -> String {
    let (ended, text) = tell(daemon, args);
    assert!(ended.success(), "{args:?}: {ended}: {text}");
    text
}

#[track_caller]
fn json(daemon: &Daemon, args: &[&str]) -> Value {
    let told = told(daemon, args);
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{args:?}: {error}: {told}"))
}

/// On sockets: loading the program takes a busy machine its time, and is not what this is about.
pub(crate) fn start(us: &Namespace, instances: &[Vrrp]) -> Daemon {
    Daemon::start_with(Kind::Xvrrp, us, &file("", instances), &["--xdp-mode", "off"])
}

/// Another router on the segment, at 10.0.0.2.
pub(crate) struct Other {
    pub(crate) us: Namespace,
    _port: Port,
}

pub(crate) fn other(bed: &Bed) -> Other {
    let us = Namespace::new("op-other");
    let port = bed.switch.attach(&us, "eth0");
    us.ip("addr add 10.0.0.2/24 dev eth0");
    Other { us, _port: port }
}

fn views() {
    let bed = Bed::new();
    let second = Vrrp::new("10.0.0.200/24").called("VI_2", 52);
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain(), second]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    daemon.wait_state(0, "VI_2", "MASTER", SOON);
    let overview = told(&daemon, &["show"]);
    let mut lines = overview.lines();
    let words = |line: Option<&str>| -> Vec<String> {
        line.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(
        words(lines.next()).join(" "),
        "Name Interface VRID State Priority Last Transition Master Path"
    );
    let first = words(lines.next());
    assert_eq!(first[..5], ["VI_1", "eth0", "51", "MASTER", "100"], "{overview}");
    assert_eq!(first[6], "self", "{overview}");
    assert!(!overview.contains('\x1b'), "colours for no terminal");
    let brief = told(&daemon, &["show", "brief"]);
    let heading = "Interface Grp A-F Pri Time Own Pre State Master addr Group addr";
    assert_eq!(words(brief.lines().next()).join(" "), heading);
    let row = "eth0 51 IPv4 100 360 Y Master 10.0.0.1 10.0.0.100";
    assert_eq!(words(brief.lines().nth(1)).join(" "), row);
    assert_eq!(told(&daemon, &["show", "brief", "VI_2"]).lines().count(), 2);
    let one = told(&daemon, &["show", "VI_2"]);
    for wanted in ["Instance:", "VI_2", "Timer Left:", "10.0.0.200/24 dev eth0: present"] {
        assert!(one.contains(wanted), "no {wanted} in {one}");
    }
    assert!(!one.contains("VI_1"));
    let stats = told(&daemon, &["show", "stats", "VI_1"]);
    assert!(stats.starts_with("VRRP Instance: VI_1\n  Advertisements:\n    Received: 0\n"));
    assert!(stats.contains("\n  Became master: 1\n  Released master: 0\n"), "{stats}");
    // Events: started, then master, and nothing of the other one.
    let events = json(&daemon, &["show", "events", "VI_1", "--json"]);
    let events = events.as_array().unwrap_or_else(|| panic!("{events}"));
    let steps: Vec<(&str, &str)> =
        events.iter().map(|e| (text(e, "from"), text(e, "to"))).collect();
    assert_eq!(steps, [("INIT", "BACKUP"), ("BACKUP", "MASTER")]);
    assert_eq!(text(&events[1], "why"), "no advert within the down interval");
    assert!(told(&daemon, &["show", "events"]).contains("VI_2"));
    let counters = json(&daemon, &["show", "stats", "--json"]);
    assert!(number(counters.pointer("/instances/VI_1"), "adverts_sent") > 0, "{counters}");
    let one = json(&daemon, &["show", "VI_1", "--json"]);
    assert_eq!(one["instances"].as_array().map(Vec::len), Some(1));
    assert_eq!(text(&one["instances"][0], "name"), "VI_1");
    programs(&daemon);
}

fn programs(daemon: &Daemon) {
    let programs = json(daemon, &["show", "xdp", "--json"]);
    let program = &programs[0];
    let shown = told(daemon, &["show", "xdp"]);
    let show = daemon.show();
    let port = show.port("eth0");
    assert_eq!(text(&program["interfaces"][0], "path"), text(port, "path"));
    if let Some(id) = port["program_id"].as_u64() {
        assert_eq!(number(Some(program), "id"), id);
        assert_eq!(text(program, "name"), "xvrrp");
        assert!(number(Some(program), "verified_instructions") > 100, "{program}");
        assert!(shown.contains(&format!("Program {id} (xvrrp)")), "{shown}");
    }
    assert!(shown.contains("eth0"), "{shown}");
}

/// JSON, a line each time, until the reader goes.
fn watched() {
    let bed = Bed::new();
    let daemon = start(&bed.us, &[plain()]);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let mut command = Command::new(binary());
    command.args(["show", "--json", "--watch=1", "--control"]);
    command.arg(daemon.directory().join("control"));
    let child = command.stdout(std::process::Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{error}"));
    let out = child.stdout.take().unwrap_or_else(|| panic!("no stdout"));
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(out));
    for _ in 0..2 {
        let line = lines.next().and_then(Result::ok).unwrap_or_default();
        let show: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_eq!(text(&show["instances"][0], "state"), "MASTER");
    }
    drop(lines);
    let ended = eventually(SOON, "it ends with its reader", || child.try_wait().ok().flatten());
    assert!(ended.success(), "{ended}");
}

/// Two routers; the better one is demoted, stays away for the hold, and comes back.
fn demoted() {
    let bed = Bed::new();
    let other = other(&bed);
    let wire = bed.port.capture();
    let better = start(&bed.us, &[plain().priority(200)]);
    better.wait_state(0, "VI_1", "MASTER", SOON);
    let worse = start(&other.us, &[plain()]);
    eventually(SOON, "the other one follows", || {
        let show = worse.try_show().ok()?;
        (show.instance("VI_1")["master"] == "10.0.0.1").then_some(())
    });
    let mark = better.mark();
    let start = Instant::now();
    let said = told(&better, &["demote", "VI_1", "--hold", "3"]);
    assert_eq!(said.trim(), "VI_1: 10.0.0.2 is master");
    assert!(!wire.adverts(0, "10.0.0.1").iter().all(|advert| advert.priority() > 0));
    assert!(!better.logged(mark, "demoted by an operator").is_empty());
    assert_eq!(worse.show().state("VI_1"), "MASTER");
    let show = better.show();
    assert!(number(Some(show.instance("VI_1")), "hold_ms") <= 3000, "{}", show.0);
    assert!(told(&better, &["show", "VI_1"]).contains("Held Back"));
    // Well past the time after which it would have preempted.
    while start.elapsed() < Duration::from_millis(2500) {
        assert!(better.logged(mark, "Entering MASTER").is_empty(), "it did not hold back");
        std::thread::sleep(Duration::from_millis(50));
    }
    better.wait_state(mark, "VI_1", "MASTER", SOON);
    worse.wait_state(0, "VI_1", "BACKUP", SOON);
    // One that is backup already is held back, and says who is master.
    let said = told(&worse, &["demote", "VI_1"]);
    assert_eq!(said.trim(), "VI_1: 10.0.0.1 is master");
}

/// Nobody takes over: said so, and it goes on.
fn demoted_alone() {
    let bed = Bed::new();
    let daemon = start(&bed.us, &[plain()]);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let (ended, said) = tell(&daemon, &["demote", "VI_1"]);
    assert_eq!(ended.code(), Some(1), "{said}");
    assert!(said.contains("master again"), "{said}");
    let (ended, said) = tell(&daemon, &["demote", "VI_1", "--wait", "0"]);
    assert_eq!(ended.code(), Some(1), "{said}");
    assert!(said.contains("no other master was heard"), "{said}");
    bed.us.ip("link set eth0 down");
    daemon.wait_state(0, "VI_1", "FAULT", SOON);
    let (ended, said) = tell(&daemon, &["demote", "VI_1"]);
    assert!(!ended.success() && said.contains("FAULT"), "{said}");
}

fn announced() {
    let bed = Bed::new();
    let daemon = start(&bed.us, &[plain().line("garp_master_delay 0")]);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let count = || number(Some(daemon.show().address("VI_1", "10.0.0.100/24")), "announced");
    eventually(SOON, "announced when it became master", || (count() >= 5).then_some(()));
    let before = count();
    assert_eq!(told(&daemon, &["announce", "VI_1"]), "");
    eventually(SOON, "announced again", || (count() >= before + 5).then_some(()));
    told(&daemon, &["announce"]);
    eventually(SOON, "and again", || (count() >= before + 10).then_some(()));
    bed.us.ip("link set eth0 down");
    daemon.wait_state(0, "VI_1", "FAULT", SOON);
    let (ended, said) = tell(&daemon, &["announce", "VI_1"]);
    assert!(!ended.success() && said.contains("not the master"), "{said}");
}

fn log_level() {
    let bed = Bed::new();
    let args = ["--log", "error", "--log-format", "json", "--xdp-mode", "off"];
    let daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &file("", &[plain()]), &args);
    eventually(SOON, "master", || {
        (daemon.try_show().ok()?.state("VI_1") == "MASTER").then_some(())
    });
    assert_eq!(daemon.logged(0, "Entering"), Vec::<String>::new());
    told(&daemon, &["log", "info"]);
    let (ended, said) = tell(&daemon, &["log", "loud"]);
    assert!(!ended.success() && said.contains("loud"), "{said}");
    let mark = daemon.mark();
    bed.us.ip("link set eth0 down");
    let line = daemon.wait_log(mark, "Entering FAULT", SOON);
    let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(text(&line, "level"), "WARN");
    assert!(text(&line, "message").starts_with("(VI_1) Entering FAULT STATE"));
}

fn mistaken() {
    let nowhere = Directory::new("nowhere");
    let socket = nowhere.join("control");
    let show = |socket: &OsStr| xvrrp(&["show".as_ref(), "--control".as_ref(), socket]);
    let (ended, said) = show(socket.as_os_str());
    assert!(!ended.success() && said.contains("xvrrp run"), "{said}");
    // A daemon that knows none of this, and one from the future.
    for (answer, wanted) in [
        (r#"{"snapshot":{"version":"0.0.1","format":1}}"#, "version 0.0.1"),
        (r#"{"wonder":[]}"#, "another version"),
    ] {
        let _ = std::fs::remove_file(&socket);
        let listener = std::os::unix::net::UnixListener::bind(&socket);
        let listener = listener.unwrap_or_else(|error| panic!("{error}"));
        let old = std::thread::spawn(move || {
            let Ok((mut client, _)) = listener.accept() else { return };
            let mut request = [0; 4096];
            let _ = client.read(&mut request);
            let _ = writeln!(client, "{answer}");
        });
        let (ended, said) = show(socket.as_os_str());
        assert!(!ended.success() && said.contains(wanted), "{said}");
        old.join().unwrap_or_else(|_| panic!("the old daemon"));
    }
    let bed = Bed::new();
    let daemon = start(&bed.us, &[plain()]);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    for verb in [&["show", "VI_l"][..], &["demote", "VI_l"], &["announce", "VI_l"]] {
        let (ended, said) = tell(&daemon, verb);
        assert!(!ended.success(), "{verb:?}: {said}");
        assert!(said.contains("did you mean `VI_1`?"), "{verb:?}: {said}");
    }
    // One who speaks another version of the protocol is told which one this is.
    let answer = raw(&daemon, b"{\"version\":2,\"command\":\"snapshot\"}\n");
    assert!(answer.contains("speaks control protocol 1, not 2"), "{answer}");
    let answer = raw(&daemon, b"{\"version\":1,\"command\":\"dance\"}\n");
    assert!(answer.contains("not a request that this daemon (xvrrp"), "{answer}");
}

fn raw(daemon: &Daemon, request: &[u8]) -> String {
    let mut client = connect(daemon);
    client.write_all(request).unwrap_or_else(|error| panic!("{error}"));
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{error}"));
    answer
}

#[track_caller]
pub(crate) fn connect(daemon: &Daemon) -> UnixStream {
    UnixStream::connect(daemon.directory().join("control")).unwrap_or_else(|e| panic!("{e}"))
}

/// The mode keeps others out, and where somebody changed it the credentials do.
fn not_root() {
    let bed = Bed::new();
    // Where anybody may go.
    let folder = Directory::new("control");
    std::fs::set_permissions(folder.join(""), std::fs::Permissions::from_mode(0o755))
        .unwrap_or_else(|error| panic!("{error}"));
    let program = folder.join("xvrrp");
    std::fs::copy(binary(), &program).unwrap_or_else(|error| panic!("{error}"));
    let socket = folder.join("control");
    let args = ["--control", socket.to_str().unwrap_or_default()];
    // The last of two `--control` would be refused; the daemon of the bed is started by hand.
    let config = folder.join("vrrp.conf");
    std::fs::write(&config, file("", &[plain()])).unwrap_or_else(|error| panic!("{error}"));
    let mut command = Command::new(binary());
    command.args(["run", "--xdp-mode", "off", "--config"]).arg(&config).args(args);
    let log = folder.join("log");
    let writing = std::fs::File::create(&log).unwrap_or_else(|error| panic!("{error}"));
    command.stdout(std::process::Stdio::null()).stderr(writing);
    let child = bed.us.enter(|| command.spawn());
    let _daemon = Killed(child.unwrap_or_else(|error| panic!("{error}")));
    let mode = eventually(SOON, "the socket", || {
        let mode = std::fs::metadata(&socket).ok()?.permissions().mode() & 0o777;
        (mode == 0o600).then_some(mode)
    });
    assert_eq!(mode, 0o600);
    let nobody = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(&program).arg("show").args(args);
        let output = command.output().unwrap_or_else(|error| panic!("{error}"));
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = nobody();
    assert!(said.contains("only root"), "{said}");
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666))
        .unwrap_or_else(|error| panic!("{error}"));
    for _ in 0..3 {
        let said = nobody();
        assert!(said.contains("root"), "{said}");
    }
    // Whoever may connect cannot fill the log.
    let logged = std::fs::read_to_string(&log).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(logged.matches("user 65534 may not ask").count(), 1, "{logged}");
}

/// Ends with the case, however that ends.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Each verdict is logged where that was asked for, and none elsewhere.
fn debug_dataplane() {
    if !gate::open(&[Need::Bpf]) {
        return;
    }
    for (args, logs) in [(&["--debug-dataplane"][..], true), (&[], false)] {
        let bed = Bed::new();
        let daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &file("", &[plain()]), args);
        let vips = [[10, 0, 0, 100].into()];
        let path = Path::multicast("10.0.0.2");
        let frame = Packet::advert(path, 51, 200, v3(10), &vips).frame();
        let master = Beat::of(bed.port.injector(), Duration::from_millis(100), frame);
        eventually(SOON, "adverts are counted by the program", || {
            let show = daemon.try_show().ok()?;
            let native = text(show.port("eth0"), "path") == "xdp-native";
            (native && show.counter("VI_1", "received") >= 5).then_some(())
        });
        if logs {
            daemon.wait_log(0, "accepted: router 0", SOON);
        } else {
            assert_eq!(daemon.logged(0, "accepted: router"), Vec::<String>::new());
        }
        drop(master);
    }
}
