//! What becomes of configurations nobody should have written.
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{Case, case, run_all};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind, xvrrp};

use crate::{Bed, SOON, plain};

/// A configuration, and what must be said about it: words in any line, and the place.
struct Bad {
    what: &'static str,
    text: String,
    words: &'static [&'static str],
    line: Option<u32>,
}

fn bad_inputs() -> Vec<Bad> {
    let bad = |what, text, words, line| Bad { what, text, words, line };
    vec![
        bad("empty", String::new(), &["vrrp_instance"], None),
        bad("only a comment", "# nothing\n".into(), &["vrrp_instance"], None),
        bad(
            "no addresses",
            file("", &[Vrrp { vips: Vec::new(), ..plain() }]),
            &["VI_1", "virtual_ipaddress"],
            Some(5),
        ),
        bad(
            "VRID 0",
            file("", &[plain().called("VI_1", 0)]),
            &["virtual_router_id", "255"],
            Some(8),
        ),
        bad(
            "VRID 256",
            file("", &[plain().called("VI_1", 256)]),
            &["virtual_router_id", "255"],
            Some(8),
        ),
        bad(
            "one VRID twice",
            file("", &[plain(), Vrrp::new("10.0.0.200/24").called("VI_2", 51)]),
            &["VI_1", "VI_2", "51"],
            None,
        ),
        bad(
            "one name twice",
            file("", &[plain(), Vrrp::new("10.0.0.200/24").called("VI_1", 52)]),
            &["VI_1"],
            None,
        ),
        bad(
            "an unknown keyword",
            file("", &[plain().line("advert_intt 1")]),
            &["advert_intt", "advert_int"],
            Some(13),
        ),
        bad(
            "a keyword that is known but not built",
            file("", &[plain().line("use_vmac")]),
            &["use_vmac"],
            Some(13),
        ),
        bad("no address", file("", &[plain().vip("10.0.0.300/24")]), &["10.0.0.300"], Some(15)),
        bad(
            "both families",
            file("", &[plain().vip("2001:db8::1/64")]),
            &["2001:db8::1"],
            Some(15),
        ),
        bad(
            "a password in version 3",
            file("", &[plain().line("authentication {\n auth_type PASS\n auth_pass x\n }")]),
            &["authentication"],
            None,
        ),
        bad("an open block", "vrrp_instance VI_1 {\n".into(), &["}"], None),
        bad("no text", "\u{0}\u{1}\u{2}".into(), &[], None),
        bad("priority 0", file("", &[plain().priority(0)]), &["priority"], Some(10)),
        bad(
            "too fine an interval",
            file("", &[plain().version(3, "0.001")]),
            &["advert_int"],
            Some(11),
        ),
        bad(
            "too long an interval",
            file("", &[plain().version(3, "41")]),
            &["advert_int"],
            Some(11),
        ),
        bad(
            "a fraction in version 2",
            file("", &[plain().version(2, "0.5")]),
            &["advert_int"],
            Some(11),
        ),
    ]
}

#[track_caller]
fn judge(bad: &Bad, told: &str) {
    assert!(!told.contains("panicked"), "{told}");
    for word in bad.words {
        assert!(told.contains(word), "{}: nothing about {word} in: {told}", bad.what);
    }
    if let Some(line) = bad.line {
        let place = format!("vrrp.conf:{line}:");
        assert!(told.contains(&place), "{}: no {place} in: {told}", bad.what);
    }
}

/// `check` names what is wrong and where, and fails; a good file passes.
#[test]
fn check() {
    let folder = vrrp_tests::lab::daemon::Directory::new("check");
    let path = folder.join("vrrp.conf");
    let checked = |text: &str| {
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{error}"));
        xvrrp(&["check".as_ref(), path.as_os_str()])
    };
    let (ended, told) = checked(&file("", &[plain()]));
    assert!(ended.success(), "{told}");
    for bad in bad_inputs() {
        let (ended, told) = checked(&bad.text);
        assert!(!ended.success(), "{}: {told}", bad.what);
        assert!(ended.code().is_some(), "{}: killed: {told}", bad.what);
        judge(&bad, &told);
    }
    std::fs::remove_file(&path).unwrap_or_else(|error| panic!("{error}"));
    let (ended, told) = xvrrp(&["check".as_ref(), path.as_os_str()]);
    assert!(!ended.success() && told.contains("vrrp.conf"), "{told}");
}

/// `run` refuses the same files, at once, touching nothing.
#[test]
fn run() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let mut cases: Vec<Case<'static>> =
        bad_inputs().into_iter().map(|bad| case(bad.what, move || refused(&bad))).collect();
    cases.push(case("no such interface", no_such_interface));
    run_all(6, cases);
}

fn refused(bad: &Bad) {
    let bed = Bed::new();
    let before = bed.us.addresses();
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &bad.text);
    let ended = daemon.ended(SOON);
    assert!(ended.code().is_some_and(|code| code != 0), "{}: {ended}", bad.what);
    judge(bad, &daemon.log().join("\n"));
    assert_eq!(bed.us.addresses(), before);
}

fn no_such_interface() {
    let bed = Bed::new();
    let instance = Vrrp { interface: "eth7".into(), ..plain() };
    let mut daemon = Daemon::start(Kind::Xvrrp, &bed.us, &file("", &[instance]));
    let ended = daemon.ended(SOON);
    assert!(ended.code().is_some_and(|code| code != 0), "{ended}");
    let told = daemon.log().join("\n");
    assert!(told.contains("eth7") && told.contains("VI_1") && !told.contains("panicked"), "{told}");
}
