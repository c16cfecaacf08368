//! The control socket and clients of ill will: those who never ask, never read, ask nonsense, and
//! those who pretend to be the daemon.
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::Vrrp;
use vrrp_tests::lab::daemon::{Directory, xvrrp};
use vrrp_tests::lab::process::{descriptors, resident};
use vrrp_tests::lab::report::{number, text};
use vrrp_tests::lab::wait::{eventually, throughout};

use crate::control::{connect, other, start};
use crate::{Bed, SOON, plain};

#[test]
fn control_under_attack() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    run_all(1, vec![case("many routers, many clients", hostile)]);
    let cases = vec![
        case("nonsense", nonsense),
        case("a request in drops", in_drops),
        case("slow readers at a reload and at the end", slow_readers),
        case("a socket that is another's by now", another_s),
        case("what a terminal would obey", obeyed),
        case("a queue that is full", full_queue),
    ];
    run_all(3, cases);
}

/// Whatever is asked, one line comes back that says what is wrong, or nothing.
fn nonsense() {
    let bed = Bed::new();
    let daemon = start(&bed.us, &[plain()]);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let mark = daemon.mark();
    let command = |command: &str| format!("{{\"version\":1,\"command\":{command}}}");
    let wrong = [
        "".to_owned(),
        "null".to_owned(),
        "7".to_owned(),
        "{}".to_owned(),
        "\0\0\0".to_owned(),
        "[".repeat(4000),
        "{\"a\":".repeat(800),
        command(&"[".repeat(3000)),
        command(&format!("{{\"instance\":{}1{}}}", "[".repeat(1500), "]".repeat(1500))),
        command("null"),
        command("[]"),
        command("{}"),
        command("\"Snapshot\""),
        command("{\"instance\":5}"),
        command("{\"instance\":null}"),
        command("{\"instance\":\"VI_1\",\"events\":null}"),
        command("{\"announce\":{}}"),
        command("{\"demote\":{\"instance\":\"VI_1\"}}"),
        command("{\"demote\":{\"instance\":\"VI_1\",\"hold_ms\":-1}}"),
        command("{\"demote\":{\"instance\":\"VI_1\",\"hold_ms\":1e99}}"),
        command("{\"demote\":{\"instance\":\"VI_2\",\"hold_ms\":18446744073709551615}}"),
        command("{\"capture\":[[],[]]}"),
        command("{\"capture\":{\"verdict\":\"both\"}}"),
        command("{\"capture\":{\"instance\":1}}"),
        command("{\"capture\":{\"instance\":\"\\u001b[2J\"}}"),
        command("{\"instance\":\"\\u001b]0;x\\u0007\\n\"}"),
        command("{\"log-level\":\"a\\n2026-01-01 ERROR forged=info\"}"),
        command("{\"log-level\":\"\\u001b[31mforged=info\"}"),
        command(&format!("{{\"log-level\":\"{}=info\"}}", "forged".repeat(300))),
        "{\"version\":\"1\",\"command\":\"snapshot\"}".to_owned(),
        "{\"version\":-1,\"command\":\"snapshot\"}".to_owned(),
        "{\"version\":4294967296,\"command\":\"snapshot\"}".to_owned(),
        "{\"version\":1,\"version\":1,\"command\":\"snapshot\"}".to_owned(),
        "x".repeat(1 << 20),
    ];
    for request in &wrong {
        let asked = Instant::now();
        let mut client = connect(&daemon);
        // One that says too much is answered before it has said all of it.
        let _ = client.write_all(request.as_bytes()).and_then(|()| client.write_all(b"\n"));
        let mut answer = String::new();
        let _ = client.read_to_string(&mut answer);
        let request = &request[..request.len().min(80)];
        assert!(asked.elapsed() < Duration::from_secs(2), "{request}: {:?}", asked.elapsed());
        let cut_off =
            answer.is_empty() && wrong.last().is_some_and(|last| last.starts_with(request));
        assert!(answer.starts_with("{\"error\":") || cut_off, "{request}: {answer}");
        assert!(!answer.trim_end().contains(char::is_control), "{request}: {answer:?}");
    }
    // What is not known and not asked for may be as deep as it likes.
    let deep = format!("\"events\",\"more\":{}1{}", "[".repeat(1500), "]".repeat(1500));
    let mut client = connect(&daemon);
    client.write_all(command(&deep).as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    client.write_all(b"\n").unwrap_or_else(|error| panic!("{error}"));
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{error}"));
    assert!(answer.starts_with("{\"events\":["), "{answer}");
    assert_eq!(daemon.logged(mark, "forged"), Vec::<String>::new());
    assert_eq!(daemon.logged(mark, "Entering"), Vec::<String>::new());
    assert_eq!(daemon.show().state("VI_1"), "MASTER");
}

/// Who takes too long over its line is not waited for.
fn in_drops() {
    let bed = Bed::new();
    let daemon = start(&bed.us, &[plain()]);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let mut client = connect(&daemon);
    let begun = Instant::now();
    while client.write_all(b" ").is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(5), "it is still listened to");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Two hundred routers are more than a socket takes in. Half requests, answers nobody reads, a
/// capture nobody reads: a reload and the end come as soon as without.
fn slow_readers() {
    let bed = Bed::new();
    let instances: Vec<Vrrp> = (1..=200)
        .map(|n| Vrrp::new(&format!("10.0.1.{n}/32")).called(&format!("VI_{n}"), n))
        .collect();
    let mut daemon = start(&bed.us, &instances);
    daemon.wait_state(0, "VI_200", "MASTER", SOON);
    let crowd = |asked: &[&str]| -> Vec<UnixStream> {
        let clients = asked.iter().cycle().take(30).map(|request| {
            let mut client = connect(&daemon);
            client.write_all(request.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
            client
        });
        clients.collect()
    };
    let requests = [
        "{\"version\":1,\"command\":{\"capture\":{}}}\n",
        "{\"version\":1,\"command\":\"snapshot\"}\n",
        "{\"version\":1,\"comm",
        "{\"version\":1,\"command\":\"counters\"}\n",
    ];
    let mark = daemon.mark();
    let asked = Instant::now();
    let first = crowd(&requests);
    daemon.wait_log(mark, "a client captures frames", SOON);
    daemon.hang_up();
    daemon.wait_log(mark, "reloaded", SOON);
    daemon.wait_log(mark, "the capture is over", SOON);
    assert!(asked.elapsed() < Duration::from_secs(5), "a reload took {:?}", asked.elapsed());
    let second = crowd(&requests);
    let asked = Instant::now();
    let ended = daemon.stop();
    assert!(ended.success(), "{ended}");
    assert!(asked.elapsed() < Duration::from_secs(5), "the end took {:?}", asked.elapsed());
    assert!(!daemon.directory().join("control").exists(), "the socket goes with the daemon");
    drop((first, second));
}

/// Someone removed it and listens there: that socket stays.
fn another_s() {
    let bed = Bed::new();
    let mut daemon = start(&bed.us, &[plain()]);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let path = daemon.directory().join("control");
    std::fs::remove_file(&path).unwrap_or_else(|error| panic!("{error}"));
    let _mine = UnixListener::bind(&path).unwrap_or_else(|error| panic!("{error}"));
    assert!(daemon.stop().success());
    assert!(UnixStream::connect(&path).is_ok(), "it took another's socket along");
}

/// Whatever answers, nothing of it moves a cursor or names a window.
fn obeyed() {
    let folder = Directory::new("obeyed");
    let path = folder.join("control");
    let listener = UnixListener::bind(&path).unwrap_or_else(|error| panic!("{error}"));
    let name = "\\u001b]0;owned\\u0007\\u009b2J\\rV";
    // A real answer about what nobody may call so.
    let bed = Bed::new();
    let daemon = start(&bed.us, &[plain()]);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let mut client = connect(&daemon);
    let asked = client.write_all(b"{\"version\":1,\"command\":\"snapshot\"}\n");
    asked.unwrap_or_else(|error| panic!("{error}"));
    let mut snapshot = String::new();
    client.read_to_string(&mut snapshot).unwrap_or_else(|error| panic!("{error}"));
    let snapshot = snapshot.replace("VI_1", name).replace("eth0", name);
    let error = format!("{{\"error\":\"{name}\"}}");
    let unknown = format!("{{\"{name}\":1}}");
    let frame = format!(
        "\"capturing\"\n{{\"frame\":{{\"time_s\":1,\"time_ns\":1,\"interface\":\"{name}\",\
         \"link\":\"ip\",\"instance\":\"{name}\",\"verdict\":\"{name}\",\"reason\":\"\",\
         \"remarks\":[\"{name}\"],\"length\":0,\"bytes\":\"\"}}}}\n\
         {{\"captured\":{{\"frames\":1,\"lost\":0,\"why\":\"{name}\"}}}}"
    );
    let asked: [(&[&str], &str, bool); 8] = [
        (&["show"], &snapshot, true),
        (&["show", "--json"], &snapshot, true),
        (&["show", "V"], &snapshot, true),
        (&["demote", "V", "--wait", "0"], &error, false),
        (&["show"], &error, false),
        (&["reload"], &error, false),
        (&["show"], &unknown, false),
        (&["capture"], &frame, false),
    ];
    for (verb, answer, success) in asked {
        let (ended, said) = std::thread::scope(|scope| {
            scope.spawn(|| {
                let Ok((client, _)) = listener.accept() else { return };
                let mut client = BufReader::new(client);
                let _ = client.read_line(&mut String::new());
                let _ = writeln!(client.get_mut(), "{answer}");
            });
            let mut args: Vec<&std::ffi::OsStr> = verb.iter().map(AsRef::as_ref).collect();
            args.extend(["--control".as_ref(), path.as_os_str()]);
            xvrrp(&args)
        });
        assert_eq!(ended.success(), success, "{verb:?}: {said}");
        assert!(said.contains("owned"), "{verb:?}: {said}");
        let controls = |c: char| c.is_control() && c != '\n';
        assert!(!said.contains(controls), "{verb:?}: {said:?}");
    }
}

/// Where no more clients may wait, whoever asks is told so after a while.
fn full_queue() {
    let folder = Directory::new("full");
    let path = folder.join("control");
    let _listener = full(&path);
    let _waits = UnixStream::connect(&path).unwrap_or_else(|error| panic!("{error}"));
    let asked = Instant::now();
    let (ended, said) = xvrrp(&["show".as_ref(), "--control".as_ref(), path.as_os_str()]);
    assert!(!ended.success() && said.contains("has taken no client for 10 s"), "{said}");
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    // A daemon does not wait for it at all, and leaves it alone.
    let config = folder.join("vrrp.conf");
    std::fs::write(&config, vrrp_tests::lab::conf::file("", &[plain()]))
        .unwrap_or_else(|error| panic!("{error}"));
    let bed = Bed::new();
    let run = ["run", "--xdp-mode", "off", "--config"].map(AsRef::as_ref);
    let (ended, said) = bed.us.enter(|| {
        xvrrp(&[&run[..], &[config.as_os_str(), "--control".as_ref(), path.as_os_str()]].concat())
    });
    assert!(!ended.success() && said.contains("someone else answers there"), "{said}");
    assert!(path.exists());
}

/// A listener for one client who waits.
fn full(path: &Path) -> std::os::fd::OwnedFd {
    let listener = socket(AddressFamily::UNIX, SocketType::STREAM, None);
    let listener = listener.unwrap_or_else(|error| panic!("{error}"));
    let address = SocketAddrUnix::new(path).unwrap_or_else(|error| panic!("{error}"));
    bind(&listener, &address).unwrap_or_else(|error| panic!("{error}"));
    listen(&listener, 0).unwrap_or_else(|error| panic!("{error}"));
    listener
}

/// A hundred routers and a peer; clients that never ask, never read, talk nonsense, come in crowds.
/// No router changes its state, nothing is used up, and whoever asks properly is answered.
fn hostile() {
    let bed = Bed::new();
    let other = other(&bed);
    let instances: Vec<Vrrp> = (1..=100)
        .map(|n| {
            let vrrp = Vrrp::new(&format!("10.0.1.{n}/32")).version(3, "0.5");
            vrrp.called(&format!("VI_{n}"), n)
        })
        .collect();
    let lower: Vec<Vrrp> = instances.iter().cloned().map(|vrrp| vrrp.priority(50)).collect();
    let master = start(&bed.us, &instances);
    master.wait_state(0, "VI_100", "MASTER", SOON);
    let backup = start(&other.us, &lower);
    eventually(SOON, "all are backups", || {
        let show = backup.try_show().ok()?;
        show.instances().iter().all(|i| text(i, "state") == "BACKUP").then_some(())
    });
    let mark = backup.mark();
    let pid = number(Some(&master.show().0), "pid");
    let (open, memory) = (descriptors(pid), resident(pid));
    let mut silent: Vec<UnixStream> = Vec::new();
    let mut rounds = 0;
    throughout(Duration::from_secs(6), "no state changes", || {
        rounds += 1;
        for _ in 0..2 {
            silent.push(connect(&master));
            let mut greedy = connect(&master);
            let _ = greedy.write_all(b"{\"version\":1,\"command\":\"snapshot\"}\n");
            silent.push(greedy);
            let mut noisy = connect(&master);
            let _ = noisy.set_nonblocking(true);
            let _ = noisy.write_all(&vec![b'{'; 60_000]);
            silent.push(noisy);
            drop(connect(&master));
        }
        // Those that came first go, so that the kernel's queue does not stop us.
        let much = silent.len().saturating_sub(48);
        silent.drain(..much);
        match backup.logged(mark, "Entering").first() {
            Some(line) => Err(line.clone()),
            None => Ok(()),
        }
    });
    assert!(rounds > 10, "{rounds}");
    let (more, grown) = (descriptors(pid), resident(pid));
    assert!(more <= open + 32, "{open} descriptors have become {more}");
    assert!(grown <= memory + (96 << 10), "{memory} KiB have become {grown}");
    // With the last of them still there.
    let patience = Duration::from_secs(60);
    let show = eventually(patience, "whoever asks is answered", || master.try_show().ok());
    assert_eq!(show.instances().len(), 100);
    assert!(show.instances().iter().all(|instance| text(instance, "state") == "MASTER"));
    drop(silent);
    eventually(SOON, "descriptors are given back", || (descriptors(pid) <= open + 2).then_some(()));
}
