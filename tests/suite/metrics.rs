//! What does Prometheus scrape: the exporter's names, ours, and nothing that is named in vain.
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Directory, Kind};
use vrrp_tests::lab::decode::between;
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::stall;
use vrrp_tests::lab::switch::{Port, Switch};
use vrrp_tests::lab::wait::eventually;

const SOON: Duration = Duration::from_secs(10);

/// Labels that every counter of the exporter has.
const LABELS: &str = r#"{iname="VI_1",intf="eth0",vrid="51"}"#;

#[test]
fn metrics() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let cases = vec![
        case("names, labels, values", scraped),
        case("a port, and nothing unless asked", over_tcp),
        case("those who ask badly", asked_badly),
        case("check scripts", scripts),
        case("where the configuration says, and a reload elsewhere", configured),
        case("a socket that is another's", another_s),
    ];
    run_all(3, cases);
}

/// By itself: it measures time.
#[test]
fn many_routers() {
    if gate::open(&[Need::Root]) {
        run_all(1, vec![case("a scrape of 4080 routers delays no advert", undelayed)]);
    }
}

struct Bed {
    _port: Port,
    us: Namespace,
    folder: Directory,
}

fn bed() -> Bed {
    let switch = Switch::new("metrics");
    let us = Namespace::new("metrics-us");
    let port = switch.attach(&us, "eth0");
    us.ip("addr add 10.0.0.1/24 dev eth0");
    Bed { _port: port, us, folder: Directory::new("metrics") }
}

fn start(bed: &Bed) -> (Daemon, PathBuf) {
    let socket = bed.folder.join("metrics");
    let place = format!("unix:{}", socket.display());
    let excluded = "virtual_ipaddress_excluded {\n        10.0.9.9/32 dev eth7 no_track\n    }";
    let instance = Vrrp::new("10.0.0.100/24").line(excluded);
    let config = file("    dynamic_interfaces", &[instance]);
    let daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &config, &["--metrics", &place]);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    (daemon, socket)
}

#[track_caller]
fn get(mut stream: impl Read + Write, request: &str) -> (String, String) {
    stream.write_all(request.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{error}"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {answer}"));
    (head.to_owned(), body.to_owned())
}

const GET: &str = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

#[track_caller]
fn scrape(socket: &Path) -> String {
    let stream = UnixStream::connect(socket).unwrap_or_else(|error| panic!("{error}"));
    let (head, body) = get(stream, GET);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.to_lowercase().contains("content-type: text/plain; version=0.0.4"), "{head}");
    body
}

/// Every sample: name, labels, value. Each is announced by a type before it, and comes once.
#[track_caller]
fn samples(page: &str) -> BTreeMap<(String, String), f64> {
    let mut types = BTreeMap::new();
    let mut found = BTreeMap::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let (what, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let (name, labels) = match what.find('{') {
            Some(at) => what.split_at(at),
            None => (what, ""),
        };
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end).filter(|n| types.contains_key(*n)))
            .unwrap_or(name);
        assert!(types.contains_key(family), "no type before {line}");
        let value = value.parse().unwrap_or_else(|error| panic!("{error}: {line}"));
        let before = found.insert((name.to_owned(), labels.to_owned()), value);
        assert!(before.is_none(), "twice: {line}");
    }
    found
}

fn scraped() {
    let bed = bed();
    let (daemon, socket) = start(&bed);
    eventually(SOON, "the address", || bed.us.has("eth0", "10.0.0.100/24").then_some(()));
    eventually(SOON, "its state", || {
        (daemon.show().presence("VI_1", "10.0.0.100/24") == "present").then_some(())
    });
    let page = scrape(&socket);
    let found = samples(&page);
    let value = |name: &str, labels: &str| {
        let key = (name.to_owned(), labels.to_owned());
        *found.get(&key).unwrap_or_else(|| panic!("no {name}{labels} in\n{page}"))
    };
    assert_eq!(value("keepalived_up", ""), 1.0);
    for name in [
        "advertisements_received",
        "packet_length_errors",
        "advertisements_interval_errors",
        "ip_ttl_errors",
        "invalid_type_received",
        "address_list_errors",
        "authentication_invalid",
        "authentication_mismatch",
        "authentication_failure",
        "priority_zero_received",
        "priority_zero_sent",
        "release_master",
    ] {
        assert_eq!(value(&format!("keepalived_{name}_total"), LABELS), 0.0);
    }
    assert_eq!(value("keepalived_become_master_total", LABELS), 1.0);
    assert_eq!(value("keepalived_gratuitous_arp_delay_total", LABELS), 5.0);
    assert!(value("keepalived_advertisements_sent_total", LABELS) > 0.0);
    let vip = r#"{iname="VI_1",intf="eth0",vrid="51",ip_address="10.0.0.100/24"}"#;
    assert_eq!(value("keepalived_vrrp_state", vip), 2.0);
    let excluded = r#"{iname="VI_1",intf="eth7",vrid="51",ip_address="10.0.9.9/32"}"#;
    assert_eq!(value("keepalived_vrrp_excluded_state", excluded), 2.0);
    let state = vip.replace('}', r#",state="present"}"#);
    assert_eq!(value("vrrp_address_state", &state), 1.0);
    let state = excluded.replace('}', r#",state="pending_no_device"}"#);
    assert_eq!(value("vrrp_address_state", &state), 1.0);
    value("vrrp_no_track_prevented_total", excluded);
    assert_eq!(value("vrrp_priority", LABELS), 100.0);
    assert_eq!(value("vrrp_config_reloaded", ""), 1.0);
    let reject = r#"{intf="eth0",verdict="rejected",reason="checksum"}"#;
    assert_eq!(value("vrrp_packets_total", reject), 0.0);
    assert!(value("vrrp_advert_jitter_seconds_count", "") > 0.0);
    let last = value("vrrp_advert_jitter_seconds_bucket", r#"{le="+Inf"}"#);
    assert_eq!(last, value("vrrp_advert_jitter_seconds_count", ""));
    // A refused reload is seen, and one that is taken.
    daemon.reload("vrrp_instance {");
    eventually(SOON, "refused", || {
        scrape(&socket).contains("\nvrrp_config_reloaded 0\n").then_some(())
    });
    named(&found);
}

/// Everything that dashboard and alerts ask for is there.
fn named(found: &BTreeMap<(String, String), f64>) {
    let names: BTreeSet<&str> = found.keys().map(|(name, _)| name.as_str()).collect();
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vrrp-user/dist");
    let read = |name: &str| {
        std::fs::read_to_string(dist.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let dashboard: serde_json::Value = serde_json::from_str(&read("grafana-dashboard.json"))
        .unwrap_or_else(|error| panic!("the dashboard: {error}"));
    let mut expressions = Vec::new();
    collect(&dashboard, &mut expressions);
    let alerts = read("alerts.yml");
    let rules = alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let panels = expressions.len();
    expressions.extend(rules.map(str::to_owned));
    assert!(panels >= 15 && expressions.len() >= panels + 10, "{expressions:?}");
    // This one is of backups only, and the takeover of none yet.
    let elsewhere = ["vrrp_master_down_margin_seconds"];
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for expression in &expressions {
        let metrics: Vec<&str> = expression
            .split(|c| !word(c))
            .filter(|w| w.starts_with("keepalived_") || w.starts_with("vrrp_"))
            .collect();
        assert!(!metrics.is_empty(), "{expression}");
        for metric in metrics {
            let known = names.contains(metric) || elsewhere.contains(&metric);
            assert!(known, "{metric} of `{expression}` is nowhere");
        }
    }
}

fn collect(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                match value.as_str() {
                    Some(text) if key == "expr" => into.push(text.to_owned()),
                    _ => collect(value, into),
                }
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| collect(value, into)),
        _ => {}
    }
}

fn over_tcp() {
    let bed = bed();
    let config = file("", &[Vrrp::new("10.0.0.100/24")]);
    bed.us.ip("link set lo up");
    let listening = || {
        let tables = bed.us.enter(|| std::fs::read_to_string("/proc/thread-self/net/tcp"));
        let table = tables.unwrap_or_else(|error| panic!("{error}"));
        table.lines().skip(1).filter(|line| line.split_whitespace().nth(3) == Some("0A")).count()
    };
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &config);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    assert_eq!(listening(), 0, "something listens that was not asked for");
    daemon.stop();
    let daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &config, &["--metrics", ":9165"]);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let stream = bed.us.enter(|| std::net::TcpStream::connect("127.0.0.1:9165"));
    let stream = stream.unwrap_or_else(|error| panic!("{error}"));
    let (_, page) = get(stream, GET);
    assert!(samples(&page).len() > 30, "{page}");
    // Only on loopback, and the port is taken.
    assert!(bed.us.enter(|| std::net::TcpStream::connect("10.0.0.1:9165")).is_err());
    let other = file("", &[Vrrp::new("10.0.0.101/24").called("VI_2", 52)]);
    let mut second = Daemon::start_with(Kind::Xvrrp, &bed.us, &other, &["--metrics", ":9165"]);
    let ended = second.ended(SOON);
    assert!(!ended.success());
    assert!(!second.logged(0, "127.0.0.1:9165").is_empty(), "{:?}", second.log());
}

/// One that is good, one that is bad, and one that has not ended yet.
fn scripts() {
    let bed = bed();
    let socket = bed.folder.join("metrics");
    let script = |name: &str, command: &str| {
        format!(
            "vrrp_script {name} {{\n    script \"{command}\"\n    interval 1\n    timeout 60\n    \
             weight 5\n}}\n"
        )
    };
    let all = [("good", "/bin/true"), ("bad", "/bin/false"), ("slow", "/bin/sleep 50")];
    let blocks: String = all.iter().map(|(name, command)| script(name, command)).collect();
    let tracked = "track_script {\n        good\n        bad\n        slow\n    }";
    let globals = format!("    metrics {}\n    script_user root", socket.display());
    let config = file(&globals, &[Vrrp::new("10.0.0.100/24").line(tracked)]);
    let (head, rest) = config.split_once("vrrp_instance").unwrap_or_else(|| panic!("{config}"));
    let config = format!("{head}{blocks}vrrp_instance{rest}");
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &config);
    let seen = eventually(SOON, "each has been run", || {
        UnixStream::connect(&socket).ok()?;
        let found = samples(&scrape(&socket));
        let value = |family: &str, script: &str| {
            let key = (format!("keepalived_script_{family}"), format!("{{name=\"{script}\"}}"));
            found.get(&key).copied()
        };
        let status = all.map(|(name, _)| value("status", name));
        let state = value("state", "slow");
        (status == [1.0, 0.0, 0.0].map(Some) && state == Some(1.0)).then_some(found)
    });
    // Between two runs there is nothing that runs, mostly.
    eventually(SOON, "a script that has ended", || {
        scrape(&socket).contains("keepalived_script_state{name=\"good\"} 0\n").then_some(())
    });
    assert_eq!(seen.keys().filter(|(name, _)| name.starts_with("keepalived_script_")).count(), 6);
    drop(daemon);
}

/// The place is the configuration's, and a reload moves it, unless the command line says another.
fn configured() {
    let bed = bed();
    bed.us.ip("link set lo up");
    let places = ["one", "two", "three"].map(|name| bed.folder.join(name));
    let config = |place: &str| file(&format!("    {place}"), &[Vrrp::new("10.0.0.100/24")]);
    let at = |place: &Path| config(&format!("metrics {}", place.display()));
    let serves = |place: &Path| UnixStream::connect(place).is_ok();
    let up = |place: &Path| eventually(SOON, "metrics there", || serves(place).then_some(()));
    let gone = |place: &Path| eventually(SOON, "none there", || (!serves(place)).then_some(()));
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &at(&places[0]));
    up(&places[0]);
    daemon.reload(&at(&places[1]));
    up(&places[1]);
    gone(&places[0]);
    assert!(!places[0].exists(), "a socket is left behind");
    assert!(samples(&scrape(&places[1])).len() > 30);
    // What cannot be had refuses the reload, and what was served is served.
    std::fs::write(&places[0], "mine").unwrap_or_else(|error| panic!("{error}"));
    let mark = daemon.mark();
    daemon.reload(&at(&places[0]));
    let said = daemon.wait_log(mark, "reload refused", SOON);
    assert!(said.contains("something that is no socket is there"), "{said}");
    assert!(serves(&places[1]));
    // Over the network.
    daemon.reload(&config("metrics 127.0.0.1:9165"));
    gone(&places[1]);
    let connect = || bed.us.enter(|| std::net::TcpStream::connect("127.0.0.1:9165"));
    let stream = connect().unwrap_or_else(|error| panic!("{error}"));
    assert!(samples(&get(stream, GET).1).len() > 30);
    daemon.reload(&config(""));
    eventually(SOON, "metrics nowhere", || connect().is_err().then_some(()));
    daemon.stop();
    // The command line wins.
    let told = places[2].to_str().unwrap_or_else(|| panic!("{places:?}"));
    let more = ["--metrics", told];
    let daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &at(&places[1]), &more);
    up(&places[2]);
    let mark = daemon.mark();
    daemon.hang_up();
    daemon.wait_log(mark, "reloaded", SOON);
    assert!(serves(&places[2]) && !serves(&places[1]));
}

/// Someone removed ours and listens there: that one stays, whether a reload or the end takes ours
/// away. Where someone listens who takes no clients, nobody is waited for.
fn another_s() {
    let bed = bed();
    let places = ["one", "two", "busy", "log"].map(|name| bed.folder.join(name));
    let [one, two, busy, log] = &places;
    let at = |place: &Path| {
        file(&format!("    metrics {}", place.display()), &[Vrrp::new("10.0.0.100/24")])
    };
    let ours = |place: &Path| {
        eventually(SOON, "metrics there", || UnixStream::connect(place).is_ok().then_some(()));
    };
    let taken = |place: &Path| {
        std::fs::remove_file(place).unwrap_or_else(|error| panic!("{error}"));
        UnixListener::bind(place).unwrap_or_else(|error| panic!("{error}"))
    };
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &at(one));
    ours(one);
    let _first = taken(one);
    daemon.reload(&at(two));
    daemon.wait_log(0, "reloaded", SOON);
    ours(two);
    // Its queue is full with the one client who waits.
    let listener = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None);
    let listener = listener.unwrap_or_else(|error| panic!("{error}"));
    let address = SocketAddrUnix::new(busy).unwrap_or_else(|error| panic!("{error}"));
    rustix::net::bind(&listener, &address).unwrap_or_else(|error| panic!("{error}"));
    rustix::net::listen(&listener, 0).unwrap_or_else(|error| panic!("{error}"));
    let _waits = UnixStream::connect(busy).unwrap_or_else(|error| panic!("{error}"));
    // And where datagrams go, no stream does.
    let _log = UnixDatagram::bind(log).unwrap_or_else(|error| panic!("{error}"));
    for place in [busy, log] {
        let mark = daemon.mark();
        daemon.reload(&at(place));
        let said = daemon.wait_log(mark, "reload refused", SOON);
        assert!(said.contains("someone else answers there"), "{said}");
        assert!(place.exists(), "{place:?} was removed");
    }
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let _second = taken(two);
    assert!(daemon.stop().success());
    for place in [one, two] {
        assert!(UnixStream::connect(place).is_ok(), "it took another's socket along: {place:?}");
    }
}

/// One master at 10 cs among 4080 routers, the others of which wait for a master for minutes.
fn undelayed() {
    stall::watch();
    let switch = Switch::new("metrics");
    let us = Namespace::new("metrics-many");
    let ports: Vec<Port> = (0..16).map(|n| switch.attach(&us, &format!("eth{n}"))).collect();
    let mut instances = Vec::new();
    for interface in 0..16 {
        us.ip(&format!("addr add 10.{interface}.0.1/24 dev eth{interface}"));
        for vrid in 1..=255 {
            let vip = format!("10.{interface}.1.{vrid}/32");
            let router = Vrrp::new(&vip).called(&format!("VI_{interface}_{vrid}"), vrid);
            let router = match (interface, vrid) {
                (0, 1) => router.version(3, "0.1"),
                _ => router.version(3, "40"),
            };
            instances.push(Vrrp { interface: format!("eth{interface}"), ..router });
        }
    }
    let folder = Directory::new("metrics");
    let socket = folder.join("metrics");
    let globals = format!("    metrics {}", socket.display());
    let config = file(&globals, &instances);
    let daemon = Daemon::start_with(Kind::Xvrrp, &us, &config, &["--xdp-mode", "off"]);
    daemon.wait_state(0, "VI_0_1", "MASTER", Duration::from_secs(60));
    let wire = ports[0].capture();
    let mut gaps = [Vec::new(), Vec::new()];
    let mut costs = Vec::new();
    for _ in 0..3 {
        for (scraping, gaps) in gaps.iter_mut().enumerate() {
            let (mark, begun) = (wire.mark(), Instant::now());
            while begun.elapsed() < WINDOW {
                if scraping == 0 {
                    std::thread::sleep(Duration::from_millis(50));
                    continue;
                }
                let asked = Instant::now();
                assert_eq!(scrape(&socket).matches("\nvrrp_priority{").count(), 4080);
                costs.push(asked.elapsed());
            }
            let sent: Vec<u64> = wire.adverts(mark, "10.0.0.1").iter().map(|a| a.at).collect();
            gaps.extend(sent.windows(2).map(|two| between(two[0], two[1])));
        }
    }
    costs.sort();
    for gaps in &mut gaps {
        gaps.sort();
        assert!(gaps.len() > 60, "{}", gaps.len());
    }
    let at = |gaps: &[Duration], percent: usize| gaps[(gaps.len() - 1) * percent / 100];
    let words = |gaps: &[Duration]| {
        format!("median {:?}, 95 % {:?}, worst {:?}", at(gaps, 50), at(gaps, 95), at(gaps, 100))
    };
    let [quiet, scraped] = &gaps;
    println!("gaps: {}; scraped: {}", words(quiet), words(scraped));
    println!("{} scrapes: {}", costs.len(), words(&costs));
    assert!(costs.len() >= 20, "{} scrapes only", costs.len());
    // However much is scraped, nineteen of twenty adverts come as they do without, nearly.
    if at(scraped, 95) > at(quiet, 95) * 12 / 10 {
        stall::late(&format!("{}; scraped: {}", words(quiet), words(scraped)));
    }
}

/// How long it is looked, with and without scraping.
const WINDOW: Duration = Duration::from_secs(3);

fn asked_badly() {
    let bed = bed();
    let (mut daemon, socket) = start(&bed);
    let connect = || UnixStream::connect(&socket).unwrap_or_else(|error| panic!("{error}"));
    let ask = |request: &str| get(connect(), request).0;
    assert!(ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").contains("404"));
    assert!(ask("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").contains("405"));
    assert!(ask("nonsense\r\n\r\n").contains("400"));
    let mut head = connect();
    let _ = head.write_all(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut answer = String::new();
    let _ = head.read_to_string(&mut answer);
    assert!(answer.contains("200 OK") && answer.ends_with("\r\n\r\n"), "{answer}");
    // As many as are served at once say nothing; they are not waited for long.
    let silent: Vec<UnixStream> = (0..4).map(|_| connect()).collect();
    assert!(scrape(&socket).contains("keepalived_up 1\n"));
    drop(silent);
    let ended = daemon.stop();
    assert!(ended.success(), "{ended}");
    assert!(!socket.exists(), "the socket goes with the daemon");
}
