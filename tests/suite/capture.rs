//! Does `xvrrp capture` show what the daemon accepts and rejects, to one client at a time, and leave
//! nothing behind whatever becomes of the client.
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aya::maps::{Array, Map, MapData, MapInfo};
use aya::programs::loaded_programs;
use rustix::process::{Pid, Signal, kill_process};
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::capture::address;
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Directory, Kind, binary};
use vrrp_tests::lab::decode::between;
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::master::Beat;
use vrrp_tests::lab::netns::{Namespace, run};
use vrrp_tests::lab::process::{descriptors, resident, threads};
use vrrp_tests::lab::stall;
use vrrp_tests::lab::switch::{Port, Switch};
use vrrp_tests::lab::wait::eventually;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn capture() {
    if !gate::open(&[Need::Root, Need::Tshark]) {
        return;
    }
    let cases = vec![
        case("read by tshark, with XDP", || read_by_tshark("native", "Ethernet")),
        case("read by tshark, with sockets", || read_by_tshark("off", "Raw IP")),
        case("lines", lines),
        case("one at a time, and no trace of those who go", one_at_a_time),
        case("a client that does not read", deaf),
        case("a reload, a stop", ended),
        case("mistaken", mistaken),
    ];
    run_all(2, cases);
}

/// By itself: it measures time.
#[test]
fn capture_under_attack() {
    if gate::open(&[Need::Root, Need::Bpf]) {
        let modes = ["auto", "off"];
        let cases =
            modes.map(|mode| case(format!("clients who vanish, {mode}"), move || hostile(mode)));
        run_all(1, cases.into());
    }
}

/// We are in BACKUP; 10.0.0.2 is the master of VI_1 at 20 cs, and something is wrong with one more
/// packet of each burst.
struct Bed {
    daemon: Daemon,
    files: Directory,
    _master: Beat,
    port: Port,
    _us: Namespace,
    _switch: Switch,
}

fn advert(vrid: u8) -> Packet {
    Packet::advert(Path::multicast("10.0.0.2"), vrid, 200, v3(20), &[address("10.0.0.100")])
}

impl Bed {
    fn new(mode: &str) -> Self {
        Self::with(mode, Duration::from_millis(200), 1)
    }

    /// So many adverts each interval.
    fn with(mode: &str, interval: Duration, adverts: usize) -> Self {
        let switch = Switch::new("cp");
        let us = Namespace::new("cp-us");
        let port = switch.attach(&us, "eth0");
        us.ip("addr add 10.0.0.1/24 dev eth0");
        let damaged = Packet { ttl: 7, ..advert(51) };
        let mut burst = vec![advert(51).frame(); adverts];
        burst.extend([damaged.frame(), advert(99).frame()]);
        let master = Beat::start(port.injector(), interval, vec![burst]);
        let router = Vrrp::new("10.0.0.100/24").called("VI_1", 51).version(3, "0.2");
        let other = Vrrp::new("10.0.0.200/24").called("VI_2", 52).version(3, "0.2");
        let config = file("", &[router, other]);
        let daemon = Daemon::start_with(Kind::Xvrrp, &us, &config, &["--xdp-mode", mode]);
        daemon.wait_state(0, "VI_1", "BACKUP", SOON);
        eventually(SOON, "VI_1 follows its master", || {
            let show = daemon.try_show().ok()?;
            (show.counter("VI_1", "received") >= 2).then_some(())
        });
        let files = Directory::new("capture");
        Self { daemon, files, _master: master, port, _us: us, _switch: switch }
    }

    fn control(&self) -> PathBuf {
        self.daemon.directory().join("control")
    }

    fn capture(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.arg("capture").args(args).arg("--control").arg(self.control());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// To its end: status, stdout, stderr.
    fn captured(&self, args: &[&str]) -> (ExitStatus, String, String) {
        let output = self.capture(args).output().unwrap_or_else(|error| panic!("{error}"));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status, text(output.stdout), text(output.stderr))
    }

    /// Begins one that goes on, and waits until it does; what the daemon had logged before.
    fn begin(&self, args: &[&str]) -> (Child, usize) {
        let mark = self.daemon.mark();
        let child = self.capture(args).spawn().unwrap_or_else(|error| panic!("{error}"));
        self.daemon.wait_log(mark, "a client captures frames", SOON);
        (child, mark)
    }

    /// Waits until the daemon has ended the capture that began at `mark`.
    fn over(&self, mark: usize) {
        self.daemon.wait_log(mark, "the capture is over", SOON);
    }
}

fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(id.unwrap_or_else(|| panic!("no process")), signal)
        .unwrap_or_else(|error| panic!("{error}"));
}

fn nanos(text: &str) -> u128 {
    let (seconds, nanos) = text.split_once('.').unwrap_or_else(|| panic!("{text}"));
    assert_eq!(nanos.len(), 9, "{text} is not in nanoseconds");
    format!("{seconds}{nanos}").parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A file has packets with their verdicts as tshark reads them, and times that are now.
fn read_by_tshark(mode: &str, encapsulation: &str) {
    let bed = Bed::new(mode);
    let path = bed.files.join("x.pcapng");
    let file = path.to_str().unwrap_or_else(|| panic!("{path:?}"));
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    let before = now();
    let (status, out, err) = bed.captured(&["-w", file, "--count", "12"]);
    assert!(status.success() && out.is_empty(), "{out}{err}");
    assert_eq!(err, "12 frames captured, none lost\n");
    let after = now();
    let fields = [
        "frame.time_epoch",
        "frame.interface_name",
        "frame.comment",
        "ip.src",
        "vrrp.virt_rtr_id",
        "vrrp.prio",
        "ip.ttl",
        "frame.len",
        "frame.packet_flags_direction",
    ];
    let mut tshark = Command::new("tshark");
    tshark.args(["-r", file, "-T", "fields", "-E", "separator=|"]);
    for field in fields {
        tshark.args(["-e", field]);
    }
    let told = run(&mut tshark);
    let mut kinds = BTreeSet::new();
    let mut last = before;
    for line in told.lines() {
        let columns: Vec<&str> = line.split('|').collect();
        assert_eq!(columns.len(), fields.len(), "{line}");
        let at = nanos(columns[0]);
        assert!(at >= last && at <= after, "{before} {last} {at} {after}");
        last = at;
        assert_eq!((columns[1], columns[3], columns[5]), ("eth0", "10.0.0.2", "200"), "{line}");
        let length = if mode == "off" { "32" } else { "46" };
        assert_eq!(columns[7], length, "{line}");
        kinds.insert(format!("{} | {} | ttl {}", columns[2], columns[4], columns[6]));
    }
    let expected = [
        "accepted: expected, VI_1 | 51 | ttl 255",
        "rejected: ttl, VI_1 | 51 | ttl 7",
        "rejected: vrid | 99 | ttl 255",
    ];
    assert_eq!(told.lines().count(), 12);
    assert_eq!(kinds, expected.iter().map(ToString::to_string).collect());
    let about = run(Command::new("capinfos").arg(file));
    assert!(about.contains(encapsulation) && about.contains("nanosecond"), "{about}");
}

/// Lines on stdout, of what was asked for; Ctrl-C ends them with the totals.
fn lines() {
    let bed = Bed::new("auto");
    let (status, out, err) = bed.captured(&["VI_1", "--rejected", "--count", "2"]);
    assert!(status.success(), "{err}");
    for line in out.lines() {
        let (time, rest) = line.split_once(' ').unwrap_or_default();
        assert_eq!(time.len(), "12:34:56.123456789".len(), "{line}");
        assert_eq!(
            rest,
            "eth0 IP 10.0.0.2 > 224.0.0.18: VRRPv3, Advertisement, vrid 51, prio 200, intvl 20cs, \
             length 12, addrs: 10.0.0.100, ttl 7 [rejected: ttl, VI_1]"
        );
    }
    assert_eq!(out.lines().count(), 2);
    let (_, out, _) = bed.captured(&["--accepted", "--count", "3"]);
    assert!(out.lines().all(|line| line.ends_with("[accepted: expected, VI_1]")), "{out}");
    let (mut child, mark) = bed.begin(&[]);
    let mut out = BufReader::new(child.stdout.take().unwrap_or_else(|| panic!("piped")));
    let mut line = String::new();
    out.read_line(&mut line).unwrap_or_else(|error| panic!("{error}"));
    assert!(line.contains(" eth0 IP 10.0.0.2 > "), "{line}");
    signal(&child, Signal::INT);
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap_or_else(|error| panic!("{error}"));
    let output = child.wait_with_output().unwrap_or_else(|error| panic!("{error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let frames = rest.lines().count() + 1;
    let word = if frames == 1 { "frame" } else { "frames" };
    assert_eq!(said, format!("{frames} {word} captured, none lost\n"));
    bed.over(mark);
}

/// A second client is told of the first; when that is gone, in whatever way, there is room again.
fn one_at_a_time() {
    let bed = Bed::new("auto");
    for how in [Signal::KILL, Signal::TERM] {
        let (mut child, mark) = bed.begin(&[]);
        let (status, _, err) = bed.captured(&["--count", "1"]);
        assert!(!status.success() && err.contains("someone else is capturing"), "{err}");
        signal(&child, how);
        bed.over(mark);
        child.wait().unwrap_or_else(|error| panic!("{error}"));
    }
    // One whose output nobody reads.
    let (mut child, mark) = bed.begin(&[]);
    drop(child.stdout.take());
    bed.over(mark);
    child.wait().unwrap_or_else(|error| panic!("{error}"));
    let (status, out, err) = bed.captured(&["--count", "1"]);
    assert!(status.success() && out.lines().count() == 1, "{out}{err}");
}

/// Whoever asks and does not read is cut off, and holds nobody up.
fn deaf() {
    let bed = Bed::with("auto", Duration::from_millis(10), 100);
    let mark = bed.daemon.mark();
    let mut client = UnixStream::connect(bed.control()).unwrap_or_else(|error| panic!("{error}"));
    client
        .write_all(b"{\"version\":1,\"command\":{\"capture\":{}}}\n")
        .unwrap_or_else(|error| panic!("{error}"));
    bed.daemon.wait_log(mark, "a client captures frames", SOON);
    let asked = Instant::now();
    bed.daemon.show();
    assert!(asked.elapsed() < Duration::from_secs(2), "a report took {:?}", asked.elapsed());
    bed.over(mark);
    let (status, _, err) = bed.captured(&["--count", "1"]);
    assert!(status.success(), "{err}");
    assert_eq!(bed.daemon.show().state("VI_1"), "BACKUP");
}

/// Another configuration ends a capture, and so does the end of the daemon; the client says so.
fn ended() {
    let mut bed = Bed::new("auto");
    let (child, mark) = bed.begin(&[]);
    bed.daemon.hang_up();
    bed.over(mark);
    let output = child.wait_with_output().unwrap_or_else(|error| panic!("{error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ended: the daemon has loaded a configuration"), "{said}");
    let (child, _) = bed.begin(&[]);
    bed.daemon.stop();
    let output = child.wait_with_output().unwrap_or_else(|error| panic!("{error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ended: the daemon is stopping"), "{said}");
}

fn mistaken() {
    let bed = Bed::new("off");
    let (status, _, err) = bed.captured(&["VI_3"]);
    assert!(!status.success(), "{err}");
    assert_eq!(err, "error: no instance `VI_3`; did you mean `VI_1`?\n");
    let (status, _, err) = bed.captured(&["-w", "/nowhere/x.pcapng"]);
    assert!(!status.success(), "{err}");
    assert!(err.contains("-w /nowhere/x.pcapng: No such file or directory"), "{err}");
    // A file that is there stays as it is where there is nothing to write.
    let path = bed.files.join("mine");
    std::fs::write(&path, "mine").unwrap_or_else(|error| panic!("{error}"));
    let file = path.to_str().unwrap_or_else(|| panic!("{path:?}"));
    let (status, ..) = bed.captured(&["VI_3", "-w", file]);
    assert!(!status.success());
    assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), Some("mine"));
    let (status, _, err) = bed.captured(&["--accepted", "--rejected"]);
    assert!(!status.success() && err.contains("cannot be used with"), "{err}");
    let mark = bed.daemon.mark();
    let (status, ..) = bed.captured(&["--count", "1"]);
    assert!(status.success());
    bed.over(mark);
}

const ASK: &[u8] = b"{\"version\":1,\"command\":{\"capture\":{}}}\n";

/// Goes to the daemon in one of so many bad ways, and vanishes.
fn misbehave(control: &std::path::Path, way: usize) {
    let Ok(mut client) = UnixStream::connect(control) else { return };
    let wait = |ms| std::thread::sleep(Duration::from_millis(ms));
    let mut part = [0; 200];
    match way % 8 {
        0 => drop(client.write_all(ASK)),
        1 => drop(client.write_all(&ASK[..ASK.len() / 2])),
        2 => {
            let _ = client.write_all(ASK);
            let _ = client.read(&mut part[..1]);
        }
        3 => {
            // In the middle of a line.
            let _ = client.write_all(ASK);
            for _ in 0..20 {
                let _ = client.read(&mut part);
                wait(20);
            }
        }
        4 => {
            let _ = client.write_all(ASK);
            let _ = client.shutdown(Shutdown::Write);
            wait(100);
        }
        5 => {
            let _ = client.write_all(ASK);
            let _ = client.shutdown(Shutdown::Read);
            wait(100);
        }
        6 => {
            // Not read at all, and more is said all the time.
            let _ = client.set_nonblocking(true);
            for _ in 0..20 {
                let _ = client.write_all(ASK);
                wait(10);
            }
        }
        _ => {
            let _ = client.write_all(ASK);
            wait(1500);
        }
    }
}

/// Ten thousand adverts a second, and clients who ask for them side by side, read a little, too
/// slowly or not at all, and vanish. Meanwhile we are the master of VI_2, which nobody notices.
fn hostile(mode: &str) {
    let bed = Bed::with(mode, Duration::from_millis(10), 100);
    bed.daemon.wait_state(0, "VI_2", "MASTER", SOON);
    let pid = u64::from(bed.daemon.id());
    // One capture takes what all later ones use again.
    assert!(bed.captured(&["--count", "100"]).0.success());
    let (open, memory) = (descriptors(pid), resident(pid));
    let wire = bed.port.capture();
    let mark = bed.daemon.mark();
    let control = bed.control();
    let end = Instant::now() + Duration::from_secs(8);
    let mut most = 0;
    std::thread::scope(|scope| {
        for first in 0..8 {
            let control = &control;
            scope.spawn(move || {
                for way in first.. {
                    if Instant::now() >= end {
                        return;
                    }
                    misbehave(control, way);
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
        }
        while Instant::now() < end {
            most = most.max(resident(pid));
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let sent: Vec<u64> = wire.adverts(0, "10.0.0.1").iter().map(|advert| advert.at).collect();
    drop(wire);
    let begun = bed.daemon.logged(mark, "a client captures frames").len();
    assert!(begun >= 5, "{begun} captures only");
    eventually(SOON, "every capture is over", || {
        let over = bed.daemon.logged(mark, "the capture is over").len();
        (over == bed.daemon.logged(mark, "a client captures frames").len()).then_some(())
    });
    eventually(SOON, "the thread has gone", || {
        (!threads(pid).contains(&"capture".to_owned())).then_some(())
    });
    eventually(SOON, "descriptors are given back", || (descriptors(pid) <= open + 2).then_some(()));
    println!("{mode}: {begun} captures, {memory} KiB have become {most} at most");
    assert!(most <= memory + (24 << 10), "{memory} KiB have become {most}");
    assert_eq!(bed.daemon.logged(mark, "Entering"), Vec::<String>::new());
    let show = bed.daemon.show();
    if let Some(program) = show.port("eth0")["program_id"].as_u64() {
        assert_eq!(switch(program)[0], 0, "frames are still copied");
        // And that is where it is seen.
        let (mut child, mark) = bed.begin(&[]);
        assert_ne!(switch(program)[0], 0, "no frames are copied");
        signal(&child, Signal::KILL);
        bed.over(mark);
        child.wait().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(switch(program)[0], 0, "frames are still copied");
    } else {
        assert_eq!(mode, "off");
    }
    let (status, out, err) = bed.captured(&["--count", "1"]);
    assert!(status.success() && out.lines().count() == 1, "{out}{err}");
    // What the machine itself stood still for is nobody's fault.
    let gap = |two: &[u64]| between(two[0], two[1]).saturating_sub(stall::worst(two[0], two[1]));
    let mut gaps: Vec<Duration> = sent.windows(2).map(gap).collect();
    gaps.sort();
    assert!(gaps.len() >= 20, "{} adverts", gaps.len());
    let (most, worst) = (gaps[gaps.len() * 95 / 100], gaps[gaps.len() - 1]);
    println!("{mode}: 95 % of the gaps are below {most:?}, the worst is {worst:?}");
    if most > Duration::from_millis(230) || worst > Duration::from_millis(400) {
        stall::late(&format!("95 % of the gaps are below {most:?}, the worst is {worst:?}"));
    }
}

/// What the program's variable says of frames to copy: which, of which router, how many were lost.
fn switch(program: u64) -> [u32; 4] {
    let found = loaded_programs().flatten().find(|found| u64::from(found.id()) == program);
    let maps = found.and_then(|found| found.map_ids().ok()?);
    let maps = maps.unwrap_or_else(|| panic!("the program {program} has gone"));
    let named = |id: &u32| {
        let info = MapInfo::from_id(*id);
        info.is_ok_and(|info| info.name_as_str() == Some(".bss"))
    };
    let id = maps.into_iter().find(named).unwrap_or_else(|| panic!("no variables"));
    let map = MapData::from_id(id).unwrap_or_else(|error| panic!("{error}"));
    let map = Array::<_, [u32; 4]>::try_from(Map::Array(map));
    let map = map.unwrap_or_else(|error| panic!("{error}"));
    map.get(&0, 0).unwrap_or_else(|error| panic!("{error}"))
}
