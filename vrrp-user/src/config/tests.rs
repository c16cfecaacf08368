//! Does the loader read what it should.
mod addresses;
mod language;
mod routing;
mod tracking;

use super::diagnostic::{Diagnostic, Severity};
use super::model::{Config, Instance, Transport};
use super::source::{Source, Unreadable};
use super::{keyword, load, render};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vrrp_common::ident::{Family, Priority, Version};
use vrrp_common::wire::vrrp::ChecksumForm;

/// Files in memory on a host called `main`.
#[derive(Default)]
struct Memory(BTreeMap<PathBuf, Vec<u8>>);

impl Source for Memory {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        self.0.get(path).cloned().ok_or(Unreadable::Missing)
    }

    fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, Unreadable> {
        let pattern = glob::Pattern::new(pattern).map_err(|e| Unreadable::Other(e.to_string()))?;
        Ok(self.0.keys().filter(|path| pattern.matches_path(path)).cloned().collect())
    }

    fn config_id(&self) -> String {
        "main".to_owned()
    }
}

fn files(files: &[(&str, &str)]) -> Memory {
    Memory(files.iter().map(|(name, text)| (name.into(), text.as_bytes().to_vec())).collect())
}

pub(super) fn text(text: &str) -> (Option<Config>, Vec<Diagnostic>) {
    load(Path::new("t.conf"), &files(&[("t.conf", text)]))
}

fn lines(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().map(ToString::to_string).collect()
}

fn good(source: &str) -> Config {
    let (config, diagnostics) = text(source);
    assert_eq!(lines(&diagnostics), [] as [&str; 0]);
    config.expect("a configuration without errors")
}

fn instance(body: &str) -> Instance {
    let config =
        good(&format!("vrrp_instance V {{\n interface eth0\n virtual_router_id 5\n{body}\n}}\n"));
    (*config.instances[0]).clone()
}

/// The diagnostics of an instance with these lines, which start at line 4.
fn bad(body: &str) -> Vec<String> {
    let (_, diagnostics) =
        text(&format!("vrrp_instance V {{\n interface eth0\n virtual_router_id 5\n{body}\n}}\n"));
    lines(&diagnostics)
}

pub(super) const VIP: &str = "virtual_ipaddress { 10.0.0.1 }\n";

#[test]
fn a_transition_keeps_version_3_and_the_password_of_version_2() {
    let load = |more: &str| {
        let body = format!("{VIP}version 3\n{more}");
        let (config, _) = text(&format!(
            "vrrp_instance V {{\n interface eth0\n virtual_router_id 5\n{body}\n}}\n"
        ));
        let instance = (*config.expect("usable").instances[0]).clone();
        (instance.versions().collect::<Vec<_>>(), instance.v2_interop, instance.password)
    };
    assert_eq!(load(""), (vec![Version::V3], false, None));
    assert_eq!(load("v2_interop"), (vec![Version::V3, Version::V2], true, None));
    let password = "v2_interop\nauthentication {\n auth_type PASS\n auth_pass 1111\n}";
    assert_eq!(load(password).2, Some(*b"1111\0\0\0\0"));
}

#[test]
fn a_plain_file() {
    let config = good(
        "! a comment\nglobal_defs {\n router_id r1 # another\n}\n\
         vrrp_instance VI_1{\n state MASTER\n interface eth0\n virtual_router_id 51\n\
         priority 150\n advert_int 1\n authentication { auth_type PASS\n auth_pass 1111 }\n\
         virtual_ipaddress\n {\n 10.0.0.1/24 dev eth1 label eth1:v brd + no_track\n 10.0.0.2 }\n}\n",
    );
    assert_eq!(config.globals.router_id.as_deref(), Some("r1"));
    let instance = &config.instances[0];
    assert_eq!((&*instance.name, &*instance.interface), ("VI_1", "eth0"));
    assert_eq!((instance.vrid.get(), instance.priority.0), (51, 150));
    assert_eq!((instance.version, instance.family), (Version::V2, Family::V4));
    assert!(instance.start_as_master && instance.preempt && !instance.answer_lower);
    assert_eq!(instance.password, Some(*b"1111\0\0\0\0"));
    assert_eq!(instance.origin.line, 5);
    let [first, second] = instance.addresses.as_slice() else { panic!("two addresses") };
    assert_eq!((first.prefix, &*first.dev, first.no_track), (24, "eth1", true));
    assert_eq!(first.broadcast, Some("10.0.0.255".parse().unwrap()));
    assert_eq!((second.prefix, &*second.dev, second.no_track), (32, "eth0", false));
}

#[test]
fn every_problem_is_told_in_order() {
    let (config, diagnostics) = text(
        "vrrp_instance A {\n interface eth0\n virtual_router_id 0\n priority 256\n advert_intt 1\n\
         }\nvrrp_instance B {\n virtual_router_id 256\n virtual_ipaddress { 10.0.0.1/33 }\n}\n",
    );
    assert!(config.is_none());
    assert_eq!(
        lines(&diagnostics),
        [
            "t.conf:1:15: error: `A` has no `virtual_ipaddress` (add one, or \
             `no_virtual_ipaddress` if that is meant)",
            "t.conf:3:20: error: `virtual_router_id` cannot be `0`",
            "t.conf:4:11: error: `priority` cannot be `256`",
            "t.conf:5:2: error: unknown keyword `advert_intt` (did you mean `advert_int`?)",
            "t.conf:7:15: error: `B` has no `interface` (add `interface NAME`, or \
             `default_interface NAME` to global_defs)",
            "t.conf:8:20: error: `virtual_router_id` cannot be `256`",
            "t.conf:9:22: error: `10.0.0.1/33` has no valid prefix length",
        ]
    );
}

#[test]
fn intervals_by_version() {
    let interval = |body: &str| instance(&format!("{body}\n{VIP}")).advert_interval;
    assert_eq!(interval("advert_int 255"), Duration::from_secs(255));
    assert_eq!(interval("version 3\nadvert_int 0.01"), Duration::from_millis(10));
    assert_eq!(interval("version 3\nadvert_int 40.95"), Duration::from_millis(40_950));
    for wrong in [
        "advert_int 0",
        "advert_int 1.5",
        "advert_int 256",
        "version 3\nadvert_int 0.015",
        "version 3\nadvert_int 40.96",
        "version 3\nadvert_int -1",
    ] {
        let found = bad(&format!("{wrong}\n{VIP}"));
        assert!(found.len() == 1 && found[0].contains("`advert_int` cannot be"), "{found:?}");
    }
}

#[test]
fn unicast() {
    let unicast = instance(&format!(
        "unicast_src_ip 10.0.0.9\nunicast_ttl 64\nunicast_peer {{\n10.0.0.8 min_ttl 60\n\
         10.0.0.7 max_ttl 100 min_ttl 9\n}}\n{VIP}"
    ));
    let Transport::Unicast { peers, ttl } = unicast.transport else { panic!("unicast") };
    assert_eq!(ttl, 64);
    assert_eq!((peers[0].min_ttl, peers[0].max_ttl), (60, 255));
    assert_eq!((peers[1].min_ttl, peers[1].max_ttl), (9, 100));
    assert_eq!(unicast.source, Some("10.0.0.9".parse().unwrap()));
    let own = bad(&format!("unicast_src_ip 10.0.0.9\nunicast_peer {{ 10.0.0.9 }}\n{VIP}"));
    assert!(own[0].contains("our own unicast_src_ip"), "{own:?}");
    let other = bad(&format!("unicast_peer {{ fe80::1 }}\n{VIP}"));
    assert!(other[0].contains("not of the family"), "{other:?}");
}

#[test]
fn ipv6_is_version_3() {
    let v6 = instance("virtual_ipaddress {\nfe80::1\n2001:db8::1/64\n}");
    assert_eq!((v6.version, v6.family, v6.addresses[0].prefix), (Version::V3, Family::V6, 128));
    assert!(v6.answer_lower);
    let found = bad("version 2\nvirtual_ipaddress { 2001:db8::1 }");
    assert!(found[0].contains("warning: IPv6 needs version 3"), "{found:?}");
    assert!(found[1].contains("warning: the first IPv6 address should be link-local"), "{found:?}");
}

#[test]
fn conditions_definitions_and_sequences() {
    let config = good(
        "$BASE=10.$NET\n$NET=1.2\n@main $PRIO=240\n@backup $PRIO=200\n@^main nonsense\n\
         $I= \\\nvrrp_instance V${N} { \\\n interface eth${N} \\\n virtual_router_id ${N} \\\n\
         @main priority $PRIO \\\n virtual_ipaddress { \\\n ~LST({A,B}, {1,2},{3,4}) ${BASE}.${A}${B} \\\n\
         ${BASE}.200 \\\n } \\\n}\n~SEQ(N, 1, 3) $I\n",
    );
    assert_eq!(config.instances.len(), 3);
    let last = &config.instances[2];
    assert_eq!((&*last.name, &*last.interface, last.priority.0), ("V3", "eth3", 240));
    let vips: Vec<_> = last.addresses.iter().map(|vip| vip.address.to_string()).collect();
    assert_eq!(vips, ["10.1.2.12", "10.1.2.34", "10.1.2.200"]);
    assert_eq!(last.origin.line, 7);
}

#[test]
fn included_files_are_named_with_their_chain() {
    let memory = files(&[
        ("/etc/x/main.conf", "include sub/*.conf\ninclude none.conf\nfoo\n"),
        ("/etc/x/sub/a.conf", "include {b,c}.inc\n"),
        ("/etc/x/sub/b.inc", "bar\n"),
        ("/etc/x/sub/c.inc", "include no-*.inc\n"),
    ]);
    let (config, diagnostics) = load(Path::new("/etc/x/main.conf"), &memory);
    assert!(config.is_none());
    let found = lines(&diagnostics);
    assert_eq!(found[0], "/etc/x/sub/b.inc:1:1: error: unknown keyword `bar`");
    let place = diagnostics[0].place.as_ref().expect("a place");
    assert_eq!(place.include_chain()[0], ("/etc/x/sub/a.conf".into(), 1));
    assert_eq!(place.include_chain()[1], ("/etc/x/main.conf".into(), 1));
    assert_eq!(found[1], "/etc/x/sub/c.inc:1:9: warning: no file matches no-*.inc");
    assert_eq!(found[2], "/etc/x/main.conf:2:9: error: cannot read /etc/x/none.conf: no such file");
    assert!(found.last().is_some_and(|line| line.starts_with("/etc/x/main.conf:3:1")));
    assert!(render::pretty(&diagnostics[0], false).contains("included from /etc/x/main.conf:1"));
}

#[test]
fn files_that_include_themselves_end() {
    let memory = files(&[("/a", "include /a\ninclude /a\n")]);
    let (config, diagnostics) = load(Path::new("/a"), &memory);
    assert!(config.is_none());
    assert!(diagnostics.iter().any(|found| found.code == "include-depth"));
}

#[test]
fn the_directory_of_the_file_is_known_again_after_an_include() {
    let memory = files(&[
        ("/etc/x/main.conf", "include sub/a.conf\n${_PWD} ${_INSTANCE} ${_HASH}\n"),
        ("/etc/x/sub/a.conf", "${_PWD}\n"),
    ]);
    let (_, diagnostics) = load(Path::new("/etc/x/main.conf"), &memory);
    let found = lines(&diagnostics);
    assert_eq!(found[0], "/etc/x/sub/a.conf:1:1: error: unknown keyword `/etc/x/sub`");
    assert_eq!(found[1], "/etc/x/main.conf:2:1: error: unknown keyword `/etc/x`");
}

#[test]
fn a_long_list_of_problems_is_cut_and_counted() {
    let (config, diagnostics) = text("~SEQ(N, 1, 5000) nonsense${N}\nuse_pid_dir\n");
    assert!(config.is_none());
    assert_eq!(diagnostics.len(), 1002);
    assert_eq!(render::summary(&diagnostics), "5000 errors, 1 warning");
}

#[test]
fn quotes_and_escapes() {
    let config = good(&format!(
        "vrrp_instance \"V \\x41\\102{{#\"'!'! a comment\n {{\n interface 'eth\"0'\n\
         virtual_router_id 5\n{VIP}\n}}\n"
    ));
    assert_eq!(&*config.instances[0].name, "V AB{#!");
    assert_eq!(&*config.instances[0].interface, "eth\"0");
}

#[test]
fn comments_and_braces_stand_anywhere() {
    let config = good(
        "vrrp_instance A{interface eth0#x\nvirtual_router_id 5!y\n#}\nauthentication\n\n{#{\n\
         auth_type PASS\nauth_pass pa#ss\n}virtual_ipaddress{10.0.0.1}}vrrp_instance B\n{\n\
         interface eth1\n virtual_router_id 5\n no_virtual_ipaddress }\n",
    );
    let [a, b] = config.instances.as_slice() else { panic!("two instances") };
    assert_eq!((&*a.interface, a.vrid.get(), a.password), ("eth0", 5, Some(*b"pa\0\0\0\0\0\0")));
    assert_eq!((&*b.name, b.addresses.len(), b.family), ("B", 0, Family::V4));
}

#[test]
fn blocks_without_end_are_cut() {
    let (config, diagnostics) = text(&"a {\n".repeat(100_000));
    assert!(config.is_none());
    assert!(diagnostics.iter().any(|found| found.code == "too-deep"));
    let (config, _) = text(&"}\n".repeat(100_000));
    assert!(config.is_none());
}

#[test]
fn strict_mode_follows_keepalived() {
    let body = |line: &str| format!("strict_mode\n{line}\n{VIP}");
    let found = bad(&body("authentication {\nauth_type PASS\nauth_pass x\n}"));
    assert!(found.iter().all(|line| line.contains(": warning: ")), "{found:?}");
    assert!(found[0].contains("authentication is not used in strict mode"), "{found:?}");
    let found = bad(&body("unicast_peer { 10.0.0.9 }"));
    assert!(found.iter().any(|line| line.contains("error: strict mode has no unicast peers")));
    let config = text(&format!(
        "global_defs {{\n vrrp_strict\n}}\nvrrp_instance V {{\n interface eth0\n state MASTER\n\
         priority 100\n preempt_delay 3\n virtual_router_id 5\n higher_prio_send_advert\n{VIP}}}\n"
    ));
    let instance = config.0.expect("only warnings").instances[0].clone();
    assert!(!instance.start_as_master && !instance.answer_higher);
    assert_eq!((instance.preempt_delay, instance.garp.lower_repeat), (Duration::ZERO, 0));
}

#[test]
fn only_the_owner_accepts_whatever_is_said() {
    for (lines, accepts) in [
        ("", true),
        ("accept", true),
        ("no_accept", false),
        ("strict_mode", false),
        ("strict_mode\naccept", true),
        ("strict_mode off", true),
        ("priority 255\nno_accept", true),
        ("priority 254\nno_accept", false),
    ] {
        let config = good(&format!(
            "vrrp_instance V {{\n interface eth0\n virtual_router_id 5\n{lines}\n{VIP}}}\n"
        ));
        assert_eq!(config.instances[0].accept, accepts, "{lines}");
    }
}

#[test]
fn passwords() {
    let auth = |lines: &str| format!("authentication {{\n{lines}\n}}\n{VIP}");
    let long = bad(&auth("auth_type PASS\nauth_pass 123456789"));
    assert_eq!(long, ["t.conf:6:11: warning: only the first 8 characters of `auth_pass` count"]);
    assert_eq!(
        bad(&auth("auth_type PASS")),
        ["t.conf:4:1: error: authentication without `auth_pass`"]
    );
    let v3 = bad(&format!("version 3\n{}", auth("auth_type PASS\nauth_pass x")));
    assert!(v3[0].contains("error: VRRP version 3 has no authentication (RFC 9568 section 9)"));
}

#[test]
fn a_master_without_priority_is_the_owner() {
    let priority = |body: &str| {
        let (config, _) = text(&format!(
            "vrrp_instance V {{\n interface eth0\n virtual_router_id 1\n{body}\n{VIP}}}\n"
        ));
        config.expect("usable").instances[0].priority
    };
    assert_eq!(priority("state BACKUP"), Priority::DEFAULT);
    assert_eq!(priority("state MASTER"), Priority::OWNER);
    assert_eq!(priority("state MASTER\npriority 7"), Priority(7));
    let said = bad(&format!("state MASTER\n{VIP}"));
    assert!(said[0].contains("`state MASTER` without `priority` means 255"), "{said:?}");
}

#[test]
fn defaults_come_from_the_globals() {
    let config = good(&format!(
        "vrrp_instance A {{\n virtual_router_id 1\n{VIP}}}\n\
         vrrp_instance B {{\n interface eth1\n virtual_router_id 1\n version 2\n advert_int 2\n\
         garp_master_delay 1\n garp_lower_prio_repeat 0\n down_timer_adverts 4\n\
         skip_check_adv_addr off\n mcast_dst_ip 224.0.0.50\n lower_prio_no_advert off\n\
         higher_prio_send_advert no\n v3_checksum_as_v2 false\n{VIP}}}\n\
         global_defs {{\n vrrp_version 3\n default_interface eth9\n vrrp_garp_master_delay 10\n\
         vrrp_garp_master_repeat 2\n vrrp_garp_master_refresh 60\n vrrp_skip_check_adv_addr\n\
         vrrp_mcast_group4 224.0.0.99\n vrrp_down_timer_adverts 5\n v3_checksum_as_v2\n\
         vrrp_higher_prio_send_advert\n vrrp_garp_interval 0.001\n vrrp_startup_delay 5.5\n\
         notify_fifo /run/fifo\n dynamic_interfaces\n}}\n"
    ));
    let [a, b] = config.instances.as_slice() else { panic!("two instances") };
    assert_eq!((&*a.interface, a.version), ("eth9", Version::V3));
    assert_eq!((&*b.interface, b.version), ("eth1", Version::V2));
    let seconds = Duration::from_secs;
    assert_eq!((a.garp.delay, a.garp.lower_delay), (seconds(10), seconds(10)));
    assert_eq!((a.garp.repeat, a.garp.lower_repeat, a.garp.refresh), (2, 2, seconds(60)));
    assert_eq!((b.garp.delay, b.garp.lower_delay), (seconds(1), seconds(10)));
    assert_eq!((b.garp.repeat, b.garp.lower_repeat), (2, 0));
    assert_eq!((a.down_timer_adverts, b.down_timer_adverts), (5, 4));
    assert_eq!((a.check_address_list, b.check_address_list), (false, true));
    assert_eq!((a.answer_lower, b.answer_lower), (true, true));
    assert_eq!((a.answer_higher, b.answer_higher), (true, false));
    assert_eq!(a.checksum.send, ChecksumForm::Plain);
    assert_eq!(b.checksum.send, ChecksumForm::PseudoHeader);
    let group = |group: &str| Transport::Multicast { group: group.parse().unwrap() };
    assert_eq!(a.transport, group("224.0.0.99"));
    assert_eq!(b.transport, group("224.0.0.50"));
    assert_eq!(config.globals.garp_interval, Duration::from_millis(1));
    assert_eq!(config.globals.startup_delay, Duration::from_millis(5500));
    assert_eq!(config.globals.notify_fifo, Some(PathBuf::from("/run/fifo")));
    assert!(config.globals.dynamic_interfaces);
}

#[test]
fn routes() {
    let routes = instance(&format!(
        "virtual_routes {{\n default via 10.0.0.254 dev eth1 no_track\n\
         src 10.0.0.1 to 10.1.0.0/16 gw 10.0.0.253 metric 5 table 7\n\
         default via fe80::1 dev eth1\n 10.2.0.0/16 dev eth2 scope link table main\n}}\n{VIP}"
    ))
    .routes;
    assert_eq!((routes[0].prefix, routes[0].table, routes[0].no_track), (0, 254, true));
    assert_eq!(routes[0].via, Some("10.0.0.254".parse().unwrap()));
    assert_eq!(routes[1].source, Some("10.0.0.1".parse().unwrap()));
    assert_eq!((routes[1].prefix, routes[1].table, routes[1].metric), (16, 7, Some(5)));
    assert!(routes[2].destination.is_ipv6() && routes[2].prefix == 0);
    assert_eq!((routes[3].scope, routes[3].dev.as_deref()), (Some(253), Some("eth2")));
}

#[test]
fn tracked_interfaces_and_preemption() {
    let tracking = instance(&format!(
        "track_interface {{\n eth1\n eth2 weight -20\n eth3 weight 5 reverse\n}}\n\
         dont_track_primary\n nopreempt\n no_repair\n{VIP}"
    ));
    let tracked: Vec<_> = tracking
        .track_interfaces
        .iter()
        .map(|track| (&*track.interface, track.weight, track.reverse))
        .collect();
    assert_eq!(tracked, [("eth1", 0, false), ("eth2", -20, false), ("eth3", 5, true)]);
    assert!(tracking.dont_track_primary && !tracking.preempt && tracking.no_repair);
    let master = bad(&format!("state MASTER\npriority 100\nnopreempt\n{VIP}"));
    assert!(master[0].contains("`nopreempt` does not work with `state MASTER`"), "{master:?}");
    let delayed = instance(&format!("preempt_delay 1.25\n{VIP}"));
    assert_eq!(delayed.preempt_delay, Duration::from_millis(1250));
}

#[test]
fn definitions_that_explode_end() {
    let mut source = String::from("$A0=xxxxxxxxxxxxxxxx\n");
    for n in 1..40 {
        source.push_str(&format!("$A{n}=${{A{}}}${{A{}}}\n", n - 1, n - 1));
    }
    source.push_str("$A39\n$L=${L}\n$L\n$M= \\\n$M \\\n$M\n$M\n");
    let (config, diagnostics) = text(&source);
    assert!(config.is_none());
    assert!(diagnostics.iter().any(|found| found.code == "variable-loop"));
    assert!(diagnostics.iter().any(|found| found.code == "too-long"));
}

#[test]
fn a_missing_file_is_an_error() {
    let (config, diagnostics) = load(Path::new("nowhere"), &Memory::default());
    assert!(config.is_none());
    assert_eq!(lines(&diagnostics), ["error: cannot read nowhere: no such file"]);
}

#[test]
fn every_keyword_of_the_tables_is_known() {
    for entry in keyword::all() {
        let line = format!("{} x {{\n}}\n", entry.name);
        let source = match entry.block {
            "" => line,
            "authentication" => format!("vrrp_instance V {{\nauthentication {{\n{line}}}\n}}\n"),
            "global_defs" => format!("global_defs {{\n{line}}}\n"),
            block => format!("{block} V {{\n{line}}}\n"),
        };
        let (_, diagnostics) = text(&source);
        let name = entry.name;
        let code = |code: &str| {
            let found = |found: &&Diagnostic| {
                found.code == code && found.message.contains(&format!("`{name}`"))
            };
            diagnostics.iter().find(found).map(|found| found.severity)
        };
        assert_eq!(code("unknown-keyword"), None, "{name}");
        let told = match entry.status {
            "ignored" => code("ignored") == Some(Severity::Warning),
            "obsolete" => code("obsolete") == Some(Severity::Warning),
            "skipped" => code("skipped") == Some(Severity::Warning),
            "not built" => code("not-built") == Some(Severity::Error),
            _ => code("not-built").is_none() && code("ignored").is_none(),
        };
        assert!(told, "{name} in {}: {:?}", entry.block, lines(&diagnostics));
        assert!(!entry.about.is_empty(), "{name}");
    }
}

/// RFC 9568 section 6.1 and keepalived agree on these.
#[test]
fn defaults_of_the_rfc() {
    for body in [VIP.to_owned(), format!("version 3\n{VIP}")] {
        let plain = instance(&body);
        assert_eq!((plain.priority.0, plain.preempt), (100, true));
        assert_eq!(plain.advert_interval, Duration::from_secs(1));
        assert!(!plain.start_as_master);
    }
    let (config, diagnostics) = text(&format!("vrrp_instance V {{\n interface eth0\n {VIP}}}\n"));
    assert!(config.is_none());
    let found = lines(&diagnostics);
    assert!(found.len() == 1 && found[0].contains("virtual_router_id"), "{found:?}");
}

/// RFC 9568 section 5.2.4: 1 to 254, and 255 for the owner.
#[test]
fn priorities() {
    for right in [1, 100, 254, 255] {
        assert_eq!(instance(&format!("priority {right}\n{VIP}")).priority.0, right);
    }
    for wrong in ["0", "256", "-1", "x"] {
        let found = bad(&format!("priority {wrong}\n{VIP}"));
        assert!(found.iter().any(|line| line.contains("error: `priority`")), "{found:?}");
    }
}

/// Which checksum a router sends and takes over IPv4 is its own setting.
#[test]
fn checksum_forms() {
    for (lines, form) in
        [("", ChecksumForm::PseudoHeader), ("v3_checksum_as_v2\n", ChecksumForm::Plain)]
    {
        let checksum = instance(&format!("version 3\n{lines}{VIP}")).checksum;
        assert_eq!((checksum.send, checksum.accept_both), (form, true));
    }
}
