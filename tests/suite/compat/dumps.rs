//! Are `keepalived.data`, `keepalived.stats` and `keepalived.json` those of keepalived 2.2.7, run on
//! the same file in the same surroundings.
use super::surroundings;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::wait::eventually;

const SOON: Duration = Duration::from_secs(20);

/// Every kind of line that depends on the configuration, with names of one length.
const CONFIG: &str = "global_defs {
    router_id R1
    script_user root
    enable_script_security
    vrrp_version 3
    vrrp_garp_master_refresh 60
    vrrp_garp_lower_prio_repeat 3
    vrrp_skip_check_adv_addr
    dynamic_interfaces allow_if_changes
    vrrp_garp_interval 0.005
    vrrp_gna_interval 0.000001
}
garp_group {
    garp_interval 0.0123456
    gna_interval 2
    interfaces {
        v1
        p1
    }
}
garp_group {
    garp_interval 0
    interface p0
}
vrrp_script chk {
    script \"/bin/true\"
    interval 60
    weight 5
}
track_file tf {
    file /tmp/xvrrp-no-such-file
    weight 2
}
vrrp_sync_group G1 {
    group {
        VI_1
        VI_2
    }
    track_file { tf weight 0 }
    notify \"/bin/true a b\"
}
interface_up_down_delays {
    v1 0.5 1
}
track_group TG {
    group {
        VI_2
        VI_3
    }
}
static_ipaddress {
    10.9.7.1/24 dev v1 track_group TG
    10.9.8.1/24 dev v0 brd + no_track
    2001:db8:7::1/64 dev v1 track_group TG
}
static_routes {
    10.57.0.0/16 via 10.9.7.9 dev v1 track_group TG
    10.59.0.0/16 via 10.9.0.250
}
static_rules {
    from 10.9.7.0/24 iif v1 table 100 preference 200 track_group TG
    from 10.9.8.0/24 table 100
}
vrrp_instance VI_1 {
    state MASTER
    interface v0
    virtual_router_id 51
    priority 100
    advert_int 0.5
    promote_secondaries
    virtual_ipaddress {
        10.9.0.100/24
        10.9.0.101/24 dev v1 label v1:x brd + no_track
        10.9.0.103/24 scope link
    }
    virtual_ipaddress_excluded {
        10.9.0.102/24
        10.9.0.104 peer 10.9.7.1
        2001:db8::5
        2001:db8::6/64 -nodad home mngtmpaddr noprefixroute preferred_lft 3000
        239.9.0.1 autojoin
    }
    virtual_routes {
        10.50.0.0/16 via 10.9.0.254 dev v0
        10.51.0.0/16 dev v1 scope link table 100 metric 5 no_track
        10.52.0.0/16 via 10.9.1.9 dev v1 realms 3/4 congctl lock cubic rtt 1.5s rto_min lock 250ms features ecn mtu lock 1400
        10.53.0.0/16 nexthop via 10.9.1.9 dev v1 weight 3 nexthop via 10.9.0.9 onlink dev v0
        blackhole 10.58.0.0/16
        10.54.0.0/16 dev v1 append tos 0x10 window 9 quickack 1 fastopen_no_cookie 1
        10.55.0.0/16 dev v1 protocol static no_track add onlink
    }
    virtual_rules {
        from 10.1.0.0/16 to 10.2.0.0/16 tos 0x10 fwmark 5/0xff table 100 preference 100
        not from all oif v1 table 100 suppress_prefixlength 8 suppress_ifgroup 3 realms 1/2 preference 101
        uidrange 1-5 ipproto tcp sport 1-2 dport 3-4 tunnel-id 7 goto 150 preference 102
        from 10.3.0.0/16 blackhole preference 103 protocol 99 no_track
        from 2001:db8::/32 table 100
        from 10.4.0.0/16 type prohibit
    }
    track_interface {
        v1
    }
    notify_master \"/bin/true 'a b'\" root
    notify_deleted
}
vrrp_instance VI_2 {
    interface v0
    virtual_router_id 52
    priority 90
    version 2
    nopreempt
    promote_secondaries
    lower_prio_no_advert
    authentication {
        auth_type PASS
        auth_pass secret
    }
    virtual_ipaddress {
        10.9.0.110
    }
}
vrrp_instance VI_3 {
    interface v0
    virtual_router_id 53
    priority 90
    advert_int 0.5
    track_file { tf }
    track_script { chk }
    virtual_ipaddress {
        fe80::100
        2001:db8::100/64
    }
}
vrrp_instance VI_4 {
    interface v1
    virtual_router_id 54
    unicast_src_ip 10.9.1.1
    unicast_ttl 200
    check_unicast_src
    unicast_peer {
        10.9.1.2
        10.9.1.3 min_ttl 250 max_ttl 255
    }
    garp_master_delay 3
    preempt_delay 2.5
    strict_mode off
    dont_track_primary
    promote_secondaries
    notify_priority_changes
    virtual_ipaddress {
        10.9.1.100/24
    }
}
";

const INSTANCES: [&str; 4] = ["VI_1", "VI_2", "VI_3", "VI_4"];

/// Lines of `keepalived.data` that differ or are not there, and why.
const DIFFERENT: [(&str, &str); 8] = [
    (" libnftnl version ", "xvrrp speaks to nftables itself"),
    ("   fd_in ", "adverts come through an XDP program or a socket of the interface"),
    ("   No sockets allocated", "what xvrrp says instead"),
    ("   Last transition = ", "a moment"),
    ("   Read timeout = ", "a moment"),
    (" GARP next time ", "a moment"),
    (" GNA next time ", "a moment"),
    ("   Not IPv6 forwarding. Last checked ", "xvrrp asks when it announces, and keeps no note"),
];

/// Sections that are not there: xvrrp has no pool of sockets.
const NO_SECTION: &str = "------< VRRP Sockpool >------";

/// What a daemon wrote about itself when all instances were master.
struct Written {
    data: String,
    stats: String,
    json: String,
    cleared: String,
}

fn written(kind: Kind) -> Written {
    let namespace = surroundings(&format!("{kind:?}").to_lowercase());
    for (setting, value) in [
        ("v0/promote_secondaries", "0"),
        ("v0/rp_filter", "2"),
        ("v1/promote_secondaries", "1"),
        ("p0/promote_secondaries", "0"),
        ("p0/arp_filter", "1"),
        ("p1/promote_secondaries", "0"),
        ("p1/arp_ignore", "3"),
    ] {
        let path = format!("/proc/sys/net/ipv4/conf/{setting}");
        namespace.enter(|| std::fs::write(&path, value)).expect("it is set");
    }
    let daemon = Daemon::start(kind, &namespace, CONFIG);
    for instance in INSTANCES {
        daemon.wait_state(0, instance, "MASTER", SOON);
    }
    let file = |name: &str| {
        let path = daemon.directory().join(name);
        eventually(SOON, name, || {
            let text = std::fs::read_to_string(&path).ok()?;
            // keepalived writes in place: half a file is possible.
            let whole = text.ends_with("Sent: 0\n") || text.ends_with(']') || text.ends_with("]\n");
            (whole || text.contains("------< Interfaces >------")).then_some(())
        });
        std::thread::sleep(Duration::from_millis(100));
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name} of {kind:?}");
        std::fs::read_to_string(&path).expect("it is readable")
    };
    // Addresses are on the interfaces by the time they are announced.
    std::thread::sleep(Duration::from_millis(500));
    for signal in ["DATA", "STATS", "JSON"] {
        daemon.send(number(signal));
    }
    let (data, stats, json) =
        (file("keepalived.data"), file("keepalived.stats"), file("keepalived.json"));
    daemon.send(number("STATS_CLEAR"));
    std::thread::sleep(Duration::from_millis(300));
    std::fs::remove_file(daemon.directory().join("keepalived.stats")).expect("it is there");
    daemon.send(number("STATS"));
    let cleared = file("keepalived.stats");
    let left: BTreeSet<String> = std::fs::read_dir(daemon.directory().join("."))
        .expect("a directory")
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("keepalived.") && name.matches('.').count() > 1)
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    Written { data, stats, json, cleared }
}

/// The number that the installed keepalived gives a signal.
fn number(name: &str) -> i32 {
    let mut command = std::process::Command::new("keepalived");
    let output = command.arg(format!("--signum={name}")).output().expect("keepalived runs");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

/// The lines that must be equal.
fn lines(data: &str) -> Vec<&str> {
    let mut section = "";
    let kept = data.lines().filter(|line| {
        if line.starts_with("------<") {
            section = line;
        }
        section != NO_SECTION && !DIFFERENT.iter().any(|(start, _)| line.starts_with(start))
    });
    kept.collect()
}

/// `text` with the digits after each of `keys` taken out.
fn without(text: &str, keys: &[&str]) -> String {
    let mut text = text.to_owned();
    for key in keys {
        let mut parts = text.split(key);
        let mut rest = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            rest.push_str(key);
            rest.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'));
        }
        text = rest;
    }
    text
}

#[test]
fn the_files_are_those_of_keepalived() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    let (theirs, ours) = (written(Kind::Keepalived), written(Kind::Xvrrp));
    let (their_lines, our_lines) = (lines(&theirs.data), lines(&ours.data));
    let differ = their_lines.iter().zip(&our_lines).filter(|(their, our)| their != our);
    let differ: Vec<_> = differ.map(|(their, our)| format!("-{their}\n+{our}\n")).collect();
    assert!(differ.is_empty(), "{}", differ.concat());
    assert_eq!(their_lines.len(), our_lines.len(), "{}", ours.data);
    for moment in
        ["   Last transition = ", "   Read timeout = ", " GARP next time ", " GNA next time "]
    {
        let shape = |data: &str| -> Vec<String> {
            let digit = |c: char| if c.is_ascii_digit() { '0' } else { c };
            let lines = data.lines().filter(|line| line.starts_with(moment));
            lines.map(|line| line.chars().map(digit).collect()).collect()
        };
        assert_eq!(shape(&theirs.data), shape(&ours.data), "{moment}");
    }
    let changing = ["    Sent: "];
    assert_eq!(without(&theirs.stats, &changing), without(&ours.stats, &changing));
    assert_eq!(without(&theirs.cleared, &changing), without(&ours.cleared, &changing));
    assert!(
        ours.cleared.matches("Became master: 0").count() == INSTANCES.len(),
        "{}",
        ours.cleared
    );
    let changing = ["\"last_transition\":", "\"advert_sent\":"];
    let (theirs, ours) = (without(&theirs.json, &changing), without(&ours.json, &changing));
    assert_eq!(theirs.trim_end(), ours.trim_end());
}
