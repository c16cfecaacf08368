//! Are addresses what keepalived 2.2.7 makes of the same file, do they stay so, and do they go.
use super::surroundings;
use std::collections::BTreeMap;
use std::time::Duration;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::wait::eventually;

const SOON: Duration = Duration::from_secs(20);

const CONFIG: &str = "global_defs {
    script_user root
    vrrp_garp_master_repeat 1
}
vrrp_instance VI_1 {
    state MASTER
    interface v0
    virtual_router_id 51
    priority 200
    virtual_ipaddress {
        10.9.0.100/24
        10.9.0.101/24 brd +
        10.9.0.102/24 brd -
        10.9.2.103/24 brd 10.9.2.255 dev v1 label v1:x
        10.9.0.104 scope link
        10.9.0.105 scope 42
        10.9.0.106 peer 10.9.9.106
        10.9.3.107/24 noprefixroute
        10.9.4.108/31 brd +
        10.9.5.109/24 peer 10.9.9.109
        239.9.0.1 autojoin
    }
    virtual_ipaddress_excluded {
        2001:db8::1
        2001:db8::2/64
        2001:db8::3/64 -nodad
        2001:db8::4/64 home
        2001:db8::5/64 mngtmpaddr
        2001:db8::6/64 noprefixroute
        2001:db8::7/64 preferred_lft 0
        2001:db8::8/64 preferred_lft 3000
        2001:db8::9 preferred_lft forever
        2001:db8::a peer 2001:db8:1::a
        2001:db8::b peer 2001:db8:1::b preferred_lft 4000
        2001:db8::c/64 preferred_lft 2
        ff05::1:3 autojoin
    }
}
";
const COUNT: usize = 24;

/// Everything `ip` tells of each address that was there at no start: what counts down in hundreds,
/// for the daemons did not start in the same second.
fn told(namespace: &Namespace) -> BTreeMap<String, String> {
    let listing = namespace.ip("-o -d addr show");
    let virtual_ones = listing.lines().filter_map(|line| {
        let (_, rest) = line.split_once(": ")?;
        let words: Vec<&str> = rest.split_whitespace().filter(|word| *word != "\\").collect();
        let (dev, address) = (words.first()?, words.get(2)?);
        let own = ["127.0.0.1/8", "::1/128", "10.9.0.1/24", "10.9.1.1/24"].contains(address);
        if own || address.starts_with("fe80::") {
            return None;
        }
        // keepalived 2.2.7 does not mark addresses as its own.
        let words = words.join(" ").replace(" proto keepalived", "").replace(" proto 18", "");
        let rounded = words.split(' ').map(|word| {
            let seconds = word.strip_suffix("sec").and_then(|number| number.parse::<u32>().ok());
            seconds.map_or(word.to_owned(), |seconds| format!("{}00sec", seconds.div_ceil(100)))
        });
        Some((format!("{address} {dev}"), rounded.collect::<Vec<_>>().join(" ")))
    });
    virtual_ones.collect()
}

/// All addresses, when none is tentative any more and the one that soon ends its preference has.
fn settled(namespace: &Namespace) -> BTreeMap<String, String> {
    eventually(SOON, "the addresses", || {
        let told = told(namespace);
        let over = told.get("2001:db8::c/64 v0").is_some_and(|line| line.contains("deprecated"));
        let undecided = told.values().any(|line| line.contains("tentative"));
        (told.len() >= COUNT && over && !undecided).then_some(told)
    })
}

/// What the kernel tells of changes to addresses for a while.
fn changes(namespace: &Namespace, seconds: &str) -> String {
    let words = ["-n", namespace.name(), "-o", "monitor", "address"];
    let mut command = std::process::Command::new("timeout");
    let output = command.args([seconds, "ip"]).args(words).output().expect("timeout runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn addresses_are_those_of_keepalived() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    let theirs = {
        let namespace = surroundings("theirs");
        let _daemon = Daemon::start(Kind::Keepalived, &namespace, CONFIG);
        settled(&namespace)
    };
    let namespace = surroundings("ours");
    let mut daemon = Daemon::start(Kind::Xvrrp, &namespace, CONFIG);
    let ours = settled(&namespace);
    assert_eq!(theirs, ours);
    assert_eq!(ours.len(), COUNT);
    assert_eq!(changes(&namespace, "2"), "", "it is content with what the kernel made of them");

    // What someone else changes is put right, once.
    namespace.ip("addr change 2001:db8::2/64 dev v0 preferred_lft 0 valid_lft forever");
    namespace.ip("addr change 10.9.0.104/32 dev v0 preferred_lft 50 valid_lft 60");
    namespace.ip("addr change 2001:db8::8/64 dev v0 preferred_lft 5000 valid_lft forever");
    eventually(SOON, "all as before", || (told(&namespace) == ours).then_some(()));
    assert_eq!(changes(&namespace, "2"), "");
    // What only came nearer to its end is not.
    namespace.ip("addr change 2001:db8::8/64 dev v0 preferred_lft 1000 valid_lft forever nodad");
    assert_eq!(changes(&namespace, "1"), "");
    let line = told(&namespace)["2001:db8::8/64 v0"].clone();
    assert!(line.contains("preferred_lft 1000sec"), "{line}");

    // A reload makes anew what is different, and only that.
    let mark = namespace.ip("-o addr show dev v0 to 10.9.0.101");
    let config = CONFIG.replace("scope 42", "scope 43").replace("peer 10.9.9.106", "peer 10.9.9.6");
    daemon.reload(&config.replace("2001:db8::9 preferred_lft forever", "2001:db8::9"));
    eventually(SOON, "the other options", || {
        let told = told(&namespace);
        let is = |key: &str, part: &str| told.get(key).is_some_and(|line| line.contains(part));
        let done = is("10.9.0.105/32 v0", "scope 43")
            && is("10.9.0.106 v0", "peer 10.9.9.6/32")
            && is("2001:db8::9/128 v0", "deprecated");
        done.then_some(())
    });
    assert_eq!(namespace.ip("-o addr show dev v0 to 10.9.0.101"), mark);
    assert_eq!(told(&namespace).len(), COUNT);

    daemon.stop();
    assert_eq!(told(&namespace), BTreeMap::new());
}

/// With `-nodad` the kernel may find that another host has the address: that is said.
#[test]
fn a_duplicate_is_told() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let namespace = surroundings("dup");
    let far = Namespace::new("dupfar");
    namespace.ip(&format!("link set p0 netns {}", far.name()));
    far.ip("link set p0 up");
    far.ip("addr add 2001:db8::d/64 dev p0 nodad");
    namespace.enter(|| {
        for key in ["accept_dad", "dad_transmits"] {
            for dev in ["all", "v0"] {
                let path = format!("/proc/sys/net/ipv6/conf/{dev}/{key}");
                std::fs::write(&path, "1").unwrap_or_else(|error| panic!("{path}: {error}"));
            }
        }
    });
    let config = "vrrp_instance VI_1 {
        state MASTER
        interface v0
        virtual_router_id 51
        virtual_ipaddress { 10.9.0.100 }
        virtual_ipaddress_excluded { 2001:db8::d/64 -nodad }
    }";
    let daemon = Daemon::start(Kind::Xvrrp, &namespace, config);
    daemon.wait_log(0, "another host has it, says duplicate address detection", SOON);
    let words = daemon.words(Some("VI_1"));
    assert!(words.contains("another host has it"), "{words}");
}
