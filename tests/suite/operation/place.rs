//! What is said and done in places it cannot work in, or not in the way asked for.
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Directory, Kind, binary};
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::master::Beat;
use vrrp_tests::lab::report::text;
use vrrp_tests::lab::wait::{eventually, throughout};

use crate::{Bed, SOON, foreign, plain};

#[test]
fn place() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    let cases = vec![
        case("not root", not_root),
        case("root without capabilities", no_capabilities),
        case("the hook is taken, native asked for", hook_taken_native),
        case("the hook is taken, auto", hook_taken_auto),
        case("the hook is taken where an interface appears", hook_taken_later),
        case("the hook is taken on reload", hook_taken_on_reload),
        case("an address the kernel refuses", address_refused),
        case("more peers than there is room for", peers_without_room),
    ];
    run_all(7, cases);
}

/// Runs it in the bed by way of `setpriv`, and returns what it says.
fn without_rights(args: &[&str]) -> String {
    let bed = Bed::new();
    // Where anybody may read it.
    let folder = Directory::new("rights");
    let (program, config) = (folder.join("xvrrp"), folder.join("vrrp.conf"));
    std::fs::copy(binary(), &program).unwrap_or_else(|error| panic!("{error}"));
    std::fs::write(&config, file("", &[plain()])).unwrap_or_else(|error| panic!("{error}"));
    let mut command = Command::new("setpriv");
    command.args(args).arg(&program).args(["run", "--config"]).arg(&config);
    command.arg("--control").arg(folder.join("control"));
    let output = bed.us.enter(|| command.output()).unwrap_or_else(|error| panic!("{error}"));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code().is_some_and(|code| code != 0), "{told}");
    assert!(!told.contains("panicked"), "{told}");
    assert!(!bed.us.has("eth0", "10.0.0.100/24"));
    told
}

#[track_caller]
fn names_the_rights(told: &str) {
    let names = told.contains("root") || told.contains("CAP_NET");
    assert!(names, "it does not say what is missing: {told}");
}

fn not_root() {
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    names_the_rights(&without_rights(&nobody));
}

fn no_capabilities() {
    names_the_rights(&without_rights(&["--bounding-set=-all", "--inh-caps=-all"]));
}

fn hook_taken_native() {
    let bed = Bed::new();
    let (_object, id) = foreign::attach(&bed.us, "eth0");
    let config = file("", &[plain()]);
    let mut daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &config, &["--xdp-mode", "native"]);
    let ended = daemon.ended(SOON);
    assert!(ended.code().is_some_and(|code| code != 0), "{ended}");
    let told = daemon.log().join("\n");
    assert!(told.contains("eth0"), "{told}");
    assert!(told.contains("someone_elses") || told.contains(&id.to_string()), "{told}");
    still_there(&bed, id);
}

fn hook_taken_auto() {
    let bed = Bed::new();
    let (_object, id) = foreign::attach(&bed.us, "eth0");
    let wire = bed.port.capture();
    let path = Path::multicast("10.0.0.2");
    let vips = [[10, 0, 0, 100].into()];
    let frame = Packet::advert(path, 51, 200, v3(10), &vips).frame();
    let master = Beat::of(bed.port.injector(), Duration::from_millis(100), frame);
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[plain()]));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    eventually(SOON, "adverts are counted", || {
        (daemon.show().counter("VI_1", "received") >= 5).then_some(())
    });
    let show = daemon.show();
    let port = show.port("eth0");
    assert_eq!(text(port, "path"), "socket");
    let why = text(port, "why");
    assert!(why.contains("someone_elses") || why.contains(&id.to_string()), "{why}");
    assert!(!daemon.logged(0, "eth0").is_empty(), "the log says which path");
    drop(master);
    wire.wait_advert(0, "10.0.0.1", SOON, |advert| advert.priority() == 100);
    still_there(&bed, id);
}

/// An interface that cannot be received on when it appears: the router there hears no master, so
/// it must not become one. When the hook was given back, a reload lets it take part.
fn hook_taken_later() {
    let bed = Bed::new();
    let dynamic = Vrrp { interface: "eth4".into(), ..plain() };
    let config = file("    dynamic_interfaces", &[dynamic]);
    let daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &config, &["--xdp-mode", "native"]);
    daemon.wait_state(0, "VI_1", "FAULT", SOON);
    // Made under another name, so that the hook is taken before the interface is known.
    let port = bed.switch.attach(&bed.us, "later");
    let wire = port.capture();
    bed.us.ip("addr add 10.0.0.1/24 dev later");
    let (object, id) = foreign::attach(&bed.us, "later");
    bed.us.ip("link set later down");
    bed.us.ip("link set later name eth4");
    bed.us.ip("link set eth4 up");
    let told = daemon.wait_log(0, "no adverts can be received", SOON);
    assert!(told.contains("eth4"), "{told}");
    assert!(told.contains("someone_elses") || told.contains(&id.to_string()), "{told}");
    throughout(Duration::from_secs(2), "FAULT", || match daemon.show().state("VI_1") {
        "FAULT" => Ok(()),
        state => Err(state.to_owned()),
    });
    assert_eq!(wire.adverts(0, "10.0.0.1").len(), 0);
    daemon.hang_up();
    daemon.wait_log(0, "reloaded", SOON);
    assert_eq!(daemon.show().state("VI_1"), "FAULT");
    drop(object);
    daemon.hang_up();
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    assert_eq!(text(daemon.show().port("eth4"), "path"), "xdp-native");
}

/// A reload that asks for such an interface is refused, and what runs goes on.
fn hook_taken_on_reload() {
    let bed = Bed::new();
    let far = bed.switch.attach(&bed.us, "eth4");
    bed.us.ip("addr add 10.0.4.1/24 dev eth4");
    let (_object, _) = foreign::attach(&bed.us, "eth4");
    let config = file("", &[plain()]);
    let daemon = Daemon::start_with(Kind::Xvrrp, &bed.us, &config, &["--xdp-mode", "native"]);
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let said = daemon.mark();
    let second = Vrrp { interface: "eth4".into(), ..Vrrp::new("10.0.4.100/24") };
    daemon.reload(&file("", &[plain(), second.called("VI_2", 52)]));
    let told = daemon.wait_log(said, "reload refused", SOON);
    assert!(told.contains("eth4") && told.contains("someone_elses"), "{told}");
    assert_eq!(daemon.show().instances().len(), 1);
    assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
    assert_eq!(far.capture().adverts(0, "10.0.4.1").len(), 0);
}

#[track_caller]
fn still_there(bed: &Bed, id: u32) {
    let link = bed.us.ip("-d link show dev eth0");
    assert!(link.contains(&format!("prog/xdp id {id} ")), "{link}");
}

/// The program's table of unicast peers holds 65,536. A router whose peers do not fit hears nobody,
/// so it is in FAULT and not master, owner or not; others are what they were.
fn peers_without_room() {
    let bed = Bed::new();
    let wire = bed.port.capture();
    let mut peers = String::from("unicast_src_ip 10.0.0.1\n    unicast_peer {\n");
    for number in 0..65_600_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        peers.push_str(&format!("        10.{}.{high}.{low}\n", 8 + (number >> 16)));
    }
    peers.push_str("    }");
    let crowded = plain().priority(255).line(&peers);
    let other = Vrrp::new("10.0.0.101/24").called("VI_2", 52);
    let daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[crowded, other.clone()]));
    let told = daemon.wait_log(0, "(VI_1) adverts cannot be received", SOON * 3);
    assert!(told.contains("peer"), "{told}");
    daemon.wait_state(0, "VI_1", "FAULT", SOON);
    daemon.wait_state(0, "VI_2", "MASTER", SOON);
    let show = daemon.show();
    assert_eq!(show.state("VI_1"), "FAULT");
    let faults = show.instance("VI_1").get("faults").cloned();
    let fault = serde_json::json!({"reason": "dataplane", "object": "eth0", "detail": null});
    assert_eq!(faults, Some(serde_json::json!([fault])));
    // Nothing of a mastership: no address, no advert, no resignation.
    assert!(!bed.us.has("eth0", "10.0.0.100/24"));
    assert_eq!(daemon.logged(0, "(VI_1) Entering MASTER"), Vec::<String>::new());
    let group: std::net::IpAddr = [224, 0, 0, 18].into();
    let adverts = wire.adverts(0, "10.0.0.1");
    assert!(adverts.iter().all(|advert| advert.destination == group), "{adverts:?}");
    // With peers that fit it takes part, and what did not fit has left nothing behind.
    let said = daemon.mark();
    let fits = plain()
        .priority(255)
        .line("unicast_src_ip 10.0.0.1\n    unicast_peer {\n        10.0.0.2\n    }");
    daemon.reload(&file("", &[fits, other]));
    daemon.wait_state(said, "VI_1", "MASTER", SOON);
    eventually(SOON, "its address", || bed.us.has("eth0", "10.0.0.100/24").then_some(()));
    assert_eq!(daemon.logged(said, "(VI_2) Entering"), Vec::<String>::new());
}

/// IPv6 is switched off where one of the addresses should go.
fn address_refused() {
    let bed = Bed::new();
    let _far = bed.switch.attach(&bed.us, "eth4");
    bed.us.enter(|| {
        std::fs::write("/proc/sys/net/ipv6/conf/eth4/disable_ipv6", "1")
            .unwrap_or_else(|error| panic!("{error}"));
    });
    let excluded = "virtual_ipaddress_excluded {\n        2001:db8::100/64 dev eth4\n    }";
    let instance = plain().line(excluded);
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[instance]));
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    eventually(SOON, "the other address", || bed.us.has("eth0", "10.0.0.100/24").then_some(()));
    eventually(SOON, "shown as failed", || {
        let show = daemon.show();
        show.presence("VI_1", "2001:db8::100/64").starts_with("failed").then_some(())
    });
    assert_eq!(daemon.show().state("VI_1"), "MASTER");
    daemon.wait_log(0, "2001:db8::100", SOON);
    // Nothing was announced that is not there.
    let show = daemon.show();
    let announced = show.address("VI_1", "2001:db8::100/64").get("announced").cloned();
    assert_eq!(announced, Some(Value::from(0)));
    assert_eq!(daemon.stop().code(), Some(0));
}
