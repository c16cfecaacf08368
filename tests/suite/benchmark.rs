//! Does the benchmark harness measure what it says, and write what it promises. Counts are asserted,
//! never times: those are the machine's.
use std::path::Path;

use vrrp_tests::bench::sample::Record;
use vrrp_tests::bench::scenario::Plan;
use vrrp_tests::bench::subject::Subject;
use vrrp_tests::bench::{goal, report};
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::daemon::{Directory, binary};
use vrrp_tests::lab::netns::Namespace;

fn plan(subjects: Vec<Subject>) -> Plan {
    Plan { binary: binary(), subjects, repetitions: 1, quick: true, cable: None }
}

/// The one figure of a metric that a short run has for a subject.
#[track_caller]
fn figure(record: &Record, subject: Subject, metric: &str) -> f64 {
    let scenario = record.scenarios()[0];
    let series = record.series(scenario, subject.name(), metric);
    let [value] = series.values[..] else { panic!("{metric} of {subject:?}: {series:?}") };
    assert!(value.is_finite(), "{metric} of {subject:?} is {value}");
    value
}

#[track_caller]
fn written(record: &Record) {
    let directory = Directory::new("bench-report");
    let folder = directory.join("out");
    let card = vrrp_tests::bench::card::card(Path::new(&binary()));
    report::write(record, &card, &folder).expect("a report");
    let read =
        |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file of the report");
    let result: serde_json::Value = serde_json::from_str(&read("result.json")).expect("JSON");
    assert_eq!(result["samples"].as_array().map(Vec::len), Some(record.samples.len()));
    assert!(result["machine"]["kernel"].as_str().is_some_and(|kernel| !kernel.is_empty()));
    assert_eq!(read("samples.csv").lines().count(), record.samples.len() + 1);
    let text = read("report.md");
    let goals = goal::judge(record);
    assert_eq!(result["goals"].as_array().map(Vec::len), Some(goals.len()));
    assert_eq!(text.contains("\n## Goals\n"), !goals.is_empty());
    for verdict in &goals {
        let row = format!("\n| {} | {} |", verdict.goal, verdict.wanted);
        assert!(text.contains(&row), "{verdict}: {text}");
    }
    for scenario in record.scenarios() {
        assert!(text.contains(&format!("\n## {scenario}\n")), "{text}");
        for (metric, _) in record.metrics(scenario) {
            assert!(text.contains(&format!("\n| {metric}")), "{metric}: {text}");
        }
    }
    // Every picture the report shows is there.
    for name in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(read(name).starts_with("<svg "), "{name}");
    }
}

/// Ours, in both ways it can hear, is Backup to 255 masters: it counts what they sent, and says
/// nothing.
#[test]
fn every_advert_to_a_backup_is_counted() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    let subjects = [Subject::Xvrrp, Subject::Sockets];
    let mut record = Record::new();
    plan(subjects.to_vec()).run("idle-backup", &mut record).expect("measured");
    for subject in subjects {
        assert!(figure(&record, subject, "adverts sent to it") > 100.0);
        // Masters that stood still for longer than it takes to depose them were deposed.
        if figure(&record, subject, "latest burst of the load") < 150.0 {
            assert_eq!(figure(&record, subject, "routers with a false transition"), 0.0);
        }
    }
    assert_eq!(figure(&record, Subject::Xvrrp, "adverts not counted"), 0.0);
    written(&record);
}

/// Ours and keepalived take over from 255 masters, all of them, and not before these are silent.
#[test]
fn every_router_takes_over() {
    if !gate::open(&[Need::Root, Need::Bpf, Need::Keepalived]) {
        return;
    }
    let subjects = [Subject::Xvrrp, Subject::Keepalived];
    let mut record = Record::new();
    plan(subjects.to_vec()).run("takeover", &mut record).expect("measured");
    for subject in subjects {
        assert_eq!(figure(&record, subject, "routers that took over"), 255.0);
        assert_eq!(figure(&record, subject, "routers that announced"), 255.0);
        let theory = figure(&record, subject, "theory");
        assert!(figure(&record, subject, "first advert, median") > theory * 0.9);
    }
    written(&record);
}

/// What a packet costs is measured beside an empty program, which costs least.
#[test]
fn packets_have_a_cost() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    let mut record = Record::new();
    plan(vec![Subject::Xvrrp]).run("xdp-ns", &mut record).expect("measured");
    let of = |metric| figure(&record, Subject::Xvrrp, metric);
    let (empty, one, all) =
        (of("empty program"), of("VRRPv3, IPv4, 1 address"), of("VRRPv3, IPv4, 255 addresses"));
    assert!(empty > 0.0 && empty < one && one < all, "{empty} {one} {all}");
    // Six of test runs, two of frames on the cable.
    assert_eq!(goal::judge(&record).len(), 8);
    written(&record);
}

/// On a cable between two interfaces that were there before, and are again afterwards.
#[test]
fn a_real_cable_is_borrowed_and_given_back() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    let host = Namespace::new("host");
    host.ip("link add left type veth peer name right");
    let mut record = Record::new();
    let plan =
        Plan { cable: Some(("left".to_owned(), "right".to_owned())), ..plan(vec![Subject::Xvrrp]) };
    host.enter(|| {
        plan.run("mass-takeover", &mut record).expect("left out");
        plan.run("active", &mut record).expect("measured");
    });
    assert!(figure(&record, Subject::Xvrrp, "adverts sent") > 50.0);
    for name in ["left", "right"] {
        host.ip(&format!("link show dev {name}"));
    }
    let missing = Plan { cable: Some(("left".to_owned(), "nowhere".to_owned())), ..plan };
    let why = host.enter(|| missing.run("active", &mut Record::new())).expect_err("no interface");
    assert!(why.contains("nowhere"), "{why}");
    host.ip("link show dev left");
}
