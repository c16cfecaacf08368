//! Does the doctor find what is wrong, and does what it prescribes help.
use std::process::Command;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::daemon::binary;

use crate::Bed;

/// In a namespace with a sysfs of its own, as a shell there sees it.
fn shell(bed: &Bed, script: &str) -> (Option<i32>, String) {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", bed.us.name(), "sh", "-c", script]);
    let output = command.output().unwrap_or_else(|error| panic!("{error}"));
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&told).into_owned())
}

fn doctor(bed: &Bed) -> (Option<i32>, String) {
    shell(bed, &format!("{} doctor eth0", binary().display()))
}

#[track_caller]
fn verdict<'a>(told: &'a str, what: &str) -> &'a str {
    let line = told.lines().find(|line| line.get(6..).is_some_and(|rest| rest.starts_with(what)));
    let line = line.unwrap_or_else(|| panic!("nothing about {what} in\n{told}"));
    line.split_whitespace().next().unwrap_or_default()
}

/// Each trap is found, and its `fix:` is run as it is printed.
#[test]
fn doctor_finds_traps_and_knows_what_mends_them() {
    if !gate::open(&[Need::Root, Need::Bpf]) {
        return;
    }
    let bed = Bed::new();
    let traps = [
        ("eth0 arp_ignore", "fail", "echo 8 > /proc/sys/net/ipv4/conf/eth0/arp_ignore"),
        ("eth0 rp_filter", "warn", "echo 1 > /proc/sys/net/ipv4/conf/eth0/rp_filter"),
        ("eth0 ipv6", "warn", "echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6"),
        ("eth0 multicast", "fail", "ip link set eth0 multicast off"),
        ("ip_forward", "warn", "echo 0 > /proc/sys/net/ipv4/ip_forward"),
        ("eth0 link", "warn", "ip link set eth0 down"),
    ];
    // Whatever a namespace begins with here.
    let calm = "for d in all eth0; do echo 0 > /proc/sys/net/ipv4/conf/$d/rp_filter; echo 0 > \
                /proc/sys/net/ipv4/conf/$d/arp_ignore; done; echo 1 > /proc/sys/net/ipv4/ip_forward";
    let (_, told) = shell(&bed, calm);
    assert_eq!(told, "");
    let (code, told) = doctor(&bed);
    for (what, _, _) in traps.iter().filter(|(what, _, _)| *what != "eth0 ipv6") {
        assert_eq!(verdict(&told, what), "ok", "{told}");
    }
    assert_eq!(verdict(&told, "eth0 xdp"), "ok", "{told}");
    assert_eq!(verdict(&told, "eth0 source"), "ok", "{told}");
    assert_eq!(code, Some(0), "{told}");
    for (what, wanted, harm) in traps {
        let (_, said) = shell(&bed, harm);
        assert_eq!(said, "");
        let (code, told) = doctor(&bed);
        assert_eq!(verdict(&told, what), wanted, "{told}");
        assert_eq!(code == Some(1), wanted == "fail", "{told}");
        let line = told.lines().position(|line| line.get(6..).is_some_and(|l| l.starts_with(what)));
        let fix = line.and_then(|line| told.lines().nth(line + 1));
        let fix = fix.and_then(|fix| fix.trim().strip_prefix("fix: "));
        let fix = fix.unwrap_or_else(|| panic!("no fix for {what}:\n{told}"));
        let helped = match fix.strip_prefix("sysctl -w ") {
            // Without the program, which lives in a package that need not be here.
            Some(settings) => settings
                .split(' ')
                .map(|setting| {
                    let (key, value) = setting.split_once('=').unwrap_or_default();
                    format!("echo {value} > /proc/sys/{}", key.replace('.', "/"))
                })
                .collect::<Vec<_>>()
                .join(" && "),
            None => fix.to_owned(),
        };
        let (code, said) = shell(&bed, &helped);
        assert_eq!(code, Some(0), "{fix}: {said}");
        let (_, told) = doctor(&bed);
        let cured = told.lines().find(|line| line.get(6..).is_some_and(|l| l.starts_with(what)));
        assert!(cured.is_none_or(|line| line.starts_with("ok")), "{fix} does not help:\n{told}");
    }
}
