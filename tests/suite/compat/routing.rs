//! Do routes, rules and static objects come out in the kernel as keepalived 2.2.7 brings them there
//! from the same file.
use super::surroundings;
use std::time::{Duration, Instant};
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::wait::eventually;

const SOON: Duration = Duration::from_secs(20);

/// Every option that both take. What is tracked is on the instance's own interface or on `v1`.
const CONFIG: &str = "global_defs {
    dynamic_interfaces
}
track_group TG {
    group { V }
}
static_ipaddress {
    10.20.0.1/24 dev v1 track_group TG
    10.21.0.1/24 dev v0 brd + label v0:s scope link
    2001:db8:8::1/64 dev v1
    2001:db8:9::1/64 dev v0
    2001:db8:21::1/128 dev v0 no_track
}
static_routes {
    10.22.0.0/16 via 10.20.0.9 dev v1 track_group TG
    10.23.0.0/16 via 10.9.0.9
    2001:db8:22::/48 via 2001:db8:8::9 dev v1
}
static_rules {
    from 10.20.0.0/24 table 100 preference 50
    from 10.21.0.0/24 table 100
    to 10.22.0.0/16 iif v1 table 100 preference 51 track_group TG
}
vrrp_instance V {
    state MASTER
    interface v0
    virtual_router_id 51
    priority 200
    virtual_ipaddress {
        10.9.0.100/24
    }
    virtual_routes {
        10.50.0.0/16 via 10.9.0.9 dev v0
        src 10.9.0.100 to 10.51.0.0/16 via 10.9.0.9 dev v0 metric 5 table 100
        10.52.0.0/16 dev v1 scope link tos 0x10 priority 7
        10.53.0.0/16 via 10.9.1.9 dev v1 mtu lock 1400 hoplimit 60 advmss 1300 rtt 300ms rttvar 0.25s reordering 5 window 6000 cwnd lock 9 ssthresh lock 20 rto_min lock 250ms initcwnd 11 initrwnd 12 features ecn quickack 1 congctl lock cubic fastopen_no_cookie 1
        10.54.0.0/16 via 10.9.1.9 dev v1 realms 3/4
        10.55.0.0/16 nexthop via 10.9.1.9 dev v1 weight 3 nexthop via 10.9.0.9 dev v0 weight 5
        10.56.0.0/16 via 10.77.0.1 dev v1 onlink
        blackhole 10.57.0.0/16 metric 9
        unreachable 10.58.0.0/16 no_track
        prohibit 10.59.0.0/16 table 100
        throw 10.60.0.0/16 table 1000
        10.61.0.0/16 dev v1 protocol static no_track append
        10.62.0.0/16 dev v1 add
        10.63.0.0/16 via 10.9.0.9 or 10.9.0.8
        10.65.0.0/16 dev v1 mtu 70000 advmss 70000
        default via 10.9.0.254
        local 10.64.0.1/32 dev v1 scope host table 100
        2001:db8:50::/48 via 2001:db8:9::9 dev v0
        2001:db8:51::/48 via 2001:db8:9::9 dev v0 pref high metric 50 mtu 1300
        2001:db8:52::/48 nexthop via 2001:db8:9::9 dev v0 weight 2 nexthop via 2001:db8:8::9 dev v1
        unreachable 2001:db8:53::/48
        2001:db8:54::/48 from 2001:db8:aa::/48 dev v1
        2001:db8:55::/48 dev v1 src 2001:db8:8::1 protocol 99 no_track
    }
    virtual_rules {
        from 10.9.0.0/24 table 100 preference 100
        to 10.50.0.0/16 iif v1 oif v0 tos 0x10 fwmark 0x10/0xff table 100 priority 101
        not from 10.8.0.0/24 fwmark 7 realms 1/2 table 100 suppress_prefixlength 8 suppress_ifgroup 5 order 102
        from 10.1.0.0/16 goto 200 preference 103
        from 10.2.0.0/16 blackhole preference 104
        from 10.3.0.0/16 type prohibit preference 105
        from 10.4.0.0/16 unreachable preference 106
        from 10.5.0.0/16 nop preference 107
        uidrange 1000-2000 lookup 1000 preference 108
        ipproto tcp sport 10-20 dport 30-40 lookup main preference 109
        tunnel-id 77 table 100 preference 110
        l3mdev preference 111
        from 10.6.0.0/16 table 100
        to 10.7.0.0/16 table 101
        from 10.8.0.0/16 table 100 preference 112 protocol 99 no_track
        from all table 100 preference 113
        from 2001:db8:1::/48 table 100
        from 2001:db8:2::/48 to 2001:db8:3::/48 iif v1 table 2000 preference 300
    }
}
";

/// What the kernel has beside what it has by itself.
fn kernel(namespace: &Namespace) -> Vec<String> {
    let listings = [
        "-d -4 route show table all",
        "-d -6 route show table all",
        "-d -4 rule show",
        "-d -6 rule show",
        "-4 -o addr show",
        "-6 -o addr show",
    ];
    let mut lines = Vec::new();
    for listing in listings {
        let text = namespace.ip(listing);
        // Next hops stand on lines of their own.
        let text = text.replace("\n\tnexthop", " nexthop");
        let own = text.lines().filter(|line| {
            !["proto kernel", "fe80::", "ff00::", "1: lo "].iter().any(|word| line.contains(word))
        });
        lines.extend(own.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    lines
}

/// A daemon with [`CONFIG`], as master.
fn started(kind: Kind, tag: &str) -> (Namespace, Daemon) {
    let namespace = surroundings(tag);
    let daemon = Daemon::start(kind, &namespace, CONFIG);
    daemon.wait_state(0, "V", "MASTER", SOON);
    // The last of it.
    eventually(SOON, "the rules", || {
        namespace.ip("-6 rule show").contains("2001:db8:3::/48").then_some(())
    });
    (namespace, daemon)
}

/// Waits until both have the same.
fn agree(mine: &Namespace, other: &Namespace) {
    let end = Instant::now() + SOON;
    while kernel(mine) != kernel(other) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(kernel(mine), kernel(other));
}

#[test]
fn the_kernel_has_what_keepalived_gives_it() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    let before = kernel(&surroundings("bare"));
    let (mine, mut ours) = started(Kind::Xvrrp, "ours");
    let (other, mut theirs) = started(Kind::Keepalived, "theirs");
    let (got, wanted) = (kernel(&mine), kernel(&other));
    assert_eq!(got, wanted);
    // Every line of the file but the six of the bare surroundings.
    assert_eq!(got.len(), before.len() + 23 + 3 + 18 + 3 + 5 + 1, "{got:#?}");
    let shown = ours.words(Some("V"));
    let objects =
        shown.lines().filter(|line| line.contains("  Route:") || line.contains("  Rule:"));
    assert!(objects.clone().all(|line| line.ends_with(": present")), "{shown}");
    assert_eq!(objects.count(), 23 + 18);

    // The tracked interface of static objects is down and comes back.
    let mark = (ours.mark(), theirs.mark());
    for namespace in [&mine, &other] {
        namespace.ip("link set v1 down");
    }
    ours.wait_state(mark.0, "V", "FAULT", SOON);
    theirs.wait_state(mark.1, "V", "FAULT", SOON);
    agree(&mine, &other);
    for namespace in [&mine, &other] {
        namespace.ip("link set v1 up");
    }
    ours.wait_state(mark.0, "V", "MASTER", SOON);
    theirs.wait_state(mark.1, "V", "MASTER", SOON);
    agree(&mine, &other);

    // keepalived leaves the route with an MTU beyond the kernel's.
    assert!(theirs.stop().success());
    assert!(ours.stop().success());
    assert_eq!(kernel(&mine), before);
}

#[test]
fn a_reload_changes_what_is_changed_and_nothing_else() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let (namespace, daemon) = started(Kind::Xvrrp, "reload");
    let before = kernel(&namespace);
    let changes = [
        ("mtu lock 1400", "mtu lock 1390"),
        ("dev v1 weight 3", "dev v1 weight 4"),
        ("fwmark 0x10/0xff", "fwmark 0x11/0xff"),
        ("from 10.20.0.0/24 table 100", "from 10.20.0.0/24 table 101"),
        ("10.23.0.0/16 via 10.9.0.9", "10.23.0.0/16 via 10.9.0.8"),
        ("10.20.0.1/24 dev v1 track_group TG", "10.20.0.1/24 dev v1"),
        ("metric 50 mtu 1300", "metric 51 mtu 1300"),
    ];
    for (old, new) in changes {
        assert!(CONFIG.contains(old));
        let file = daemon.directory().join("monitor");
        let mut monitor = std::process::Command::new("ip");
        monitor.args(["-n", namespace.name(), "monitor", "route", "rule", "address"]);
        let output = std::fs::File::create(&file).expect("a file");
        let mut monitor = monitor.stdout(output).spawn().expect("ip monitor");
        let told = || std::fs::read_to_string(&file).unwrap_or_default();
        eventually(SOON, "the monitor hears", || {
            namespace.ip("rule add pref 31000 table 99");
            namespace.ip("rule del pref 31000");
            told().contains("31000").then_some(())
        });
        let mark = daemon.mark();
        daemon.reload(&CONFIG.replace(old, new));
        daemon.wait_log(mark, "reloaded", SOON);
        std::thread::sleep(Duration::from_millis(300));
        let after = kernel(&namespace);
        let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
        let come: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
        let one = usize::from(!old.contains("track_group"));
        assert_eq!((gone.len(), come.len()), (one, one), "{old}: {gone:?} {come:?}");
        monitor.kill().expect("killed");
        monitor.wait().expect("its end");
        let told = told().replace("\n\tnexthop", " nexthop");
        let told: Vec<&str> = told.lines().filter(|line| !line.contains("31000")).collect();
        assert_eq!(told.len(), 2 * one, "{old}: {told:#?}");
        let mark = daemon.mark();
        daemon.reload(CONFIG);
        daemon.wait_log(mark, "reloaded", SOON);
        eventually(SOON, "all as before", || (kernel(&namespace) == before).then_some(()));
    }
}

/// A killed daemon's routes and rules are the next one's, or go.
#[test]
fn what_a_killed_daemon_left_is_taken_over_or_removed() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let (namespace, mut daemon) = started(Kind::Xvrrp, "killed");
    let before = kernel(&namespace);
    daemon.kill();
    assert_eq!(kernel(&namespace), before);
    // Before its down interval ends a backup has neither.
    let second = Daemon::start(Kind::Xvrrp, &namespace, &CONFIG.replace("MASTER", "BACKUP"));
    second.wait_state(0, "V", "BACKUP", SOON);
    let statics =
        ["10.20.0.1/24", "10.21.0.1/24", "10.22.0.0/16", "10.23.0.0/16", "16384: from 10.21"];
    eventually(SOON, "only what is static", || {
        let left = kernel(&namespace);
        let rules = left.iter().filter(|line| line.contains("lookup 100 proto keepalived"));
        (rules.count() == 3 && !left.iter().any(|line| line.contains("10.50.0.0/16"))).then_some(())
    });
    let left = kernel(&namespace);
    assert!(statics.iter().all(|own| left.iter().any(|line| line.contains(own))), "{left:?}");
    second.wait_state(0, "V", "MASTER", SOON);
    eventually(SOON, "all again", || (kernel(&namespace) == before).then_some(()));
}
