//! What is said and done in places it cannot work in, or not in the way asked for.
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{case, run_all};
use vrrp_tests::lab::conf::file;
use vrrp_tests::lab::daemon::{Daemon, Directory, Kind, binary};
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::master::Beat;
use vrrp_tests::lab::report::text;
use vrrp_tests::lab::wait::eventually;

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
        case("an address the kernel refuses", address_refused),
    ];
    run_all(5, cases);
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

#[track_caller]
fn still_there(bed: &Bed, id: u32) {
    let link = bed.us.ip("-d link show dev eth0");
    assert!(link.contains(&format!("prog/xdp id {id} ")), "{link}");
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
