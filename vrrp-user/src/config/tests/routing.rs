//! Are routes, rules and static objects read as they are written.
use super::{VIP, bad, good, instance, text};
use crate::config::model::{Instance, Route};
use crate::config::routing::{Metrics, NextHop, Order, RouteKind, Rule, RuleAction, metric};
use vrrp_common::ident::Family;

fn route(line: &str) -> Route {
    let instance = instance(&format!("virtual_routes {{\n{line}\n}}\n{VIP}"));
    instance.routes.into_iter().next().expect("a route")
}

fn rule(line: &str) -> Rule {
    let instance = instance(&format!("virtual_rules {{\n{line}\n}}\n{VIP}"));
    instance.rules.into_iter().next().expect("a rule")
}

fn metrics(values: &[(u16, u32)], lock: &[u16]) -> Metrics {
    Metrics {
        values: values.iter().copied().collect(),
        congestion: None,
        lock: lock.iter().fold(0, |bits, number| bits | 1 << number),
    }
}

#[test]
fn every_option_of_a_route() {
    let to = |destination: &str, prefix| Route::to(destination.parse().unwrap(), prefix);
    let via = |route: Route| Route { via: Some("10.0.0.9".parse().unwrap()), ..route };
    let plain = || via(to("10.1.0.0", 16));
    let dev = |route: Route| Route { dev: Some("eth1".into()), ..route };
    let with =
        |values: &[(u16, u32)], lock: &[u16]| Route { metrics: metrics(values, lock), ..plain() };
    let cases = [
        ("10.1.0.0/16 via 10.0.0.9", plain()),
        ("to 10.1.0.0/16 gw 10.0.0.9", plain()),
        ("inet 10.1.0.0/16 via inet 10.0.0.9 prepend", plain()),
        ("10.1.0.0/16 via 10.0.0.9 oif eth1", dev(plain())),
        ("10.1.0.0/16 dev eth1", dev(to("10.1.0.0", 16))),
        ("default via 10.0.0.9", via(to("0.0.0.0", 0))),
        ("inet6 default dev eth1", dev(to("::", 0))),
        ("default6 dev eth1", dev(to("::", 0))),
        (
            "10.1.0.0/16 via 10.0.0.9 src 10.0.0.1",
            Route { source: Some("10.0.0.1".parse().unwrap()), ..plain() },
        ),
        ("10.1.0.0/16 via 10.0.0.9 table local", Route { table: 255, ..plain() }),
        ("10.1.0.0/16 via 10.0.0.9 table 0x100", Route { table: 256, ..plain() }),
        ("10.1.0.0/16 via 10.0.0.9 metric 5", Route { metric: Some(5), ..plain() }),
        ("10.1.0.0/16 via 10.0.0.9 priority 5", Route { metric: Some(5), ..plain() }),
        ("10.1.0.0/16 via 10.0.0.9 preference 0", Route { metric: Some(0), ..plain() }),
        ("10.1.0.0/16 via 10.0.0.9 scope site", Route { scope: Some(200), ..plain() }),
        ("10.1.0.0/16 via 10.0.0.9 tos 0x10", Route { tos: Some(16), ..plain() }),
        ("10.1.0.0/16 via 10.0.0.9 dsfield AF21", Route { tos: Some(0x48), ..plain() }),
        (
            "10.1.0.0/16 via 10.0.0.9 protocol bird no_track",
            Route { protocol: Some(12), no_track: true, ..plain() },
        ),
        ("10.1.0.0/16 via 10.0.0.9 realms 3/4", Route { realms: 0x3_0004, ..plain() }),
        ("10.1.0.0/16 via 10.0.0.9 realms 4", Route { realms: 4, ..plain() }),
        ("10.1.0.0/16 via 10.0.0.9 onlink", Route { onlink: true, ..plain() }),
        ("10.1.0.0/16 via 10.0.0.9 append", Route { order: Order::Append, ..plain() }),
        ("10.1.0.0/16 via 10.0.0.9 add", Route { order: Order::Add, ..plain() }),
        ("blackhole 10.1.0.0/16", Route { kind: RouteKind(6), ..to("10.1.0.0", 16) }),
        ("unreachable to default", Route { kind: RouteKind(7), ..to("0.0.0.0", 0) }),
        ("to prohibit 10.1.0.0/16", Route { kind: RouteKind(8), ..to("10.1.0.0", 16) }),
        ("throw 2001:db8::/32", Route { kind: RouteKind(9), ..to("2001:db8::", 32) }),
        ("local 10.1.0.1 dev eth1", Route { kind: RouteKind(2), ..dev(to("10.1.0.1", 32)) }),
        ("10.1.0.0/16 via 10.0.0.9 mtu lock 1400", with(&[(metric::MTU, 1400)], &[metric::MTU])),
        ("10.1.0.0/16 via 10.0.0.9 window 9", with(&[(metric::WINDOW, 9)], &[])),
        ("10.1.0.0/16 via 10.0.0.9 rtt 0.3s", with(&[(metric::RTT, 2400)], &[])),
        ("10.1.0.0/16 via 10.0.0.9 rttvar 1000", with(&[(metric::RTT_VARIANCE, 1000)], &[])),
        (
            "10.1.0.0/16 via 10.0.0.9 rto_min lock 250ms",
            with(&[(metric::LEAST_TIMEOUT, 250)], &[metric::LEAST_TIMEOUT]),
        ),
        ("10.1.0.0/16 via 10.0.0.9 ssthresh 9", with(&[(metric::SLOW_START, 9)], &[])),
        ("10.1.0.0/16 via 10.0.0.9 cwnd 9", with(&[(metric::CONGESTION_WINDOW, 9)], &[])),
        ("10.1.0.0/16 via 10.0.0.9 advmss 9", with(&[(metric::SEGMENT, 9)], &[])),
        ("10.1.0.0/16 via 10.0.0.9 reordering 9", with(&[(metric::REORDERING, 9)], &[])),
        ("10.1.0.0/16 via 10.0.0.9 hoplimit 9", with(&[(metric::HOP_LIMIT, 9)], &[])),
        ("10.1.0.0/16 via 10.0.0.9 initcwnd 9", with(&[(metric::FIRST_WINDOW, 9)], &[])),
        ("10.1.0.0/16 via 10.0.0.9 initrwnd 9", with(&[(metric::FIRST_RECEIVE_WINDOW, 9)], &[])),
        ("10.1.0.0/16 via 10.0.0.9 quickack 1", with(&[(metric::QUICK_ACK, 1)], &[])),
        ("10.1.0.0/16 via 10.0.0.9 features ecn", with(&[(metric::FEATURES, 1)], &[])),
        ("10.1.0.0/16 via 10.0.0.9 fastopen_no_cookie 1", with(&[(metric::FAST_OPEN, 1)], &[])),
        (
            "2001:db8::/32 dev eth1 pref high expires 60",
            Route { preference: Some(1), expires: Some(60), ..dev(to("2001:db8::", 32)) },
        ),
        (
            "2001:db8::/32 from 2001:db8:1::/48 dev eth1",
            Route {
                from: Some(("2001:db8:1::".parse().unwrap(), 48)),
                ..dev(to("2001:db8::", 32))
            },
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(route(line), expected, "{line}");
    }
    let cubic = route("10.1.0.0/16 via 10.0.0.9 congctl lock cubic").metrics;
    assert_eq!(cubic.congestion.as_deref(), Some("cubic"));
    assert_eq!(cubic.lock, 1 << metric::CONGESTION_CONTROL);
    let hops = route(
        "10.1.0.0/16 metric 7 nexthop via 10.0.0.9 dev eth1 weight 256 onlink nexthop dev eth2 realms 2",
    );
    let first = NextHop {
        via: Some("10.0.0.9".parse().unwrap()),
        dev: Some("eth1".into()),
        weight: Some(256),
        onlink: true,
        realms: 0,
    };
    let second =
        NextHop { via: None, dev: Some("eth2".into()), weight: None, onlink: false, realms: 2 };
    assert_eq!((hops.metric, hops.hops), (Some(7), vec![first, second]));
}

#[test]
fn every_option_of_a_rule() {
    let table = |more: &dyn Fn(&mut Rule)| {
        let mut rule = Rule::new(Family::V4, 9, RuleAction::Table(7));
        more(&mut rule);
        rule
    };
    let from = |rule: &mut Rule| rule.from = Some(("10.0.0.0".parse().unwrap(), 8));
    let cases: Vec<(&str, Rule)> = vec![
        ("from 10.0.0.0/8 table 7 preference 9", table(&from)),
        ("lookup 7 order 9 from 10.0.0.0/8", table(&from)),
        ("inet from 10.0.0.0/8 table 0x7 priority 0x9", table(&from)),
        ("to 10.0.0.1 table 7 priority 9", table(&|r| r.to = Some(([10, 0, 0, 1].into(), 32)))),
        (
            "not from all table 7 priority 9",
            table(&|rule| {
                rule.from = Some(([0; 4].into(), 0));
                rule.inverted = true;
            }),
        ),
        ("tos 0x10 table 7 priority 9", table(&|rule| rule.tos = 16)),
        ("dsfield EF table 7 priority 9", table(&|rule| rule.tos = 0xb8)),
        ("fwmark 0x10 table 7 priority 9", table(&|rule| rule.mark = Some((16, None)))),
        ("fwmark 1/0xff table 7 priority 9", table(&|rule| rule.mark = Some((1, Some(255))))),
        ("realms 1/2 table 7 priority 9", table(&|rule| rule.realms = 0x1_0002)),
        ("iif eth1 table 7 priority 9", table(&|rule| rule.iif = Some("eth1".into()))),
        ("dev eth1 table 7 priority 9", table(&|rule| rule.iif = Some("eth1".into()))),
        ("oif eth1 table 7 priority 9", table(&|rule| rule.oif = Some("eth1".into()))),
        ("suppress_prefixlength 0 table 7 priority 9", table(&|r| r.suppress_prefix = Some(0))),
        ("sup_pl 8 table 7 priority 9", table(&|rule| rule.suppress_prefix = Some(8))),
        ("suppress_ifgroup 3 table 7 priority 9", table(&|rule| rule.suppress_group = Some(3))),
        ("sup_group default table 7 priority 9", table(&|rule| rule.suppress_group = Some(0))),
        ("tunnel-id 77 table 7 priority 9", table(&|rule| rule.tunnel = 77)),
        ("uidrange 10-20 table 7 priority 9", table(&|rule| rule.users = Some((10, 20)))),
        (
            "protocol static no_track table 7 priority 9",
            table(&|rule| {
                rule.protocol = Some(4);
                rule.no_track = true;
            }),
        ),
        ("ipproto tcp table 7 priority 9", table(&|rule| rule.ip_protocol = Some(6))),
        ("ip_proto 50 table 7 priority 9", table(&|rule| rule.ip_protocol = Some(50))),
        ("sport 80 table 7 priority 9", table(&|rule| rule.source_ports = Some((80, 80)))),
        ("dport 1-9 table 7 priority 9", table(&|rule| rule.destination_ports = Some((1, 9)))),
        ("goto 20 priority 9", Rule::new(Family::V4, 9, RuleAction::Goto(20))),
        ("type nop priority 9", Rule::new(Family::V4, 9, RuleAction::Nop)),
        ("blackhole priority 9", Rule::new(Family::V4, 9, RuleAction::Blackhole)),
        ("unreachable priority 9", Rule::new(Family::V4, 9, RuleAction::Unreachable)),
        ("type prohibit priority 9", Rule::new(Family::V4, 9, RuleAction::Prohibit)),
        ("inet6 l3mdev priority 9", Rule::new(Family::V6, 9, RuleAction::L3mdev)),
    ];
    for (line, expected) in cases {
        assert_eq!(rule(line), expected, "{line}");
    }
}

/// Each family counts down from 16384, in the order of the file and not of the kinds of blocks.
#[test]
fn rules_without_preference_are_numbered_in_their_order() {
    let (config, diagnostics) = text(&format!(
        "static_rules {{\n from 10.1.0.0/16 table 1\n}}\n\
         vrrp_instance V {{\n interface eth0\n virtual_router_id 5\n\
         virtual_rules {{\n from 10.2.0.0/16 table 1\n from 2001:db8::/32 table 1\n\
         from 10.3.0.0/16 table 1 preference 7\n from 10.4.0.0/16 table 1\n}}\n{VIP}}}\n\
         static_rules {{\n from 10.5.0.0/16 table 1\n}}\n"
    ));
    let config = config.expect("only warnings");
    let priorities = |rules: &[Rule]| rules.iter().map(|rule| rule.priority).collect::<Vec<_>>();
    assert_eq!(priorities(&config.statics.rules), [16384, 16381]);
    assert_eq!(priorities(&config.instances[0].rules), [16383, 16384, 7, 16382]);
    assert_eq!(diagnostics.len(), 5);
}

#[test]
fn static_objects_and_whom_they_matter_to() {
    let body = "interface eth0\n virtual_router_id";
    let config = good(&format!(
        "global_defs {{\n default_interface eth7\n}}\n\
         track_group G {{\n group {{\n A B\n}}\n}}\n\
         static_ipaddress {{\n 10.1.0.1/24 dev eth1 track_group G\n 10.1.1.1/24\n}}\n\
         static_routes {{\n 10.2.0.0/16 dev eth2 track_group G\n 10.3.0.0/16 via 10.1.0.9\n}}\n\
         static_rules {{\n iif eth3 oif eth4 table 7 preference 9 track_group G\n}}\n\
         vrrp_instance A {{\n {body} 1\n{VIP}}}\n\
         vrrp_instance B {{\n {body} 2\n dont_track_primary\n\
         virtual_ipaddress {{ 10.0.0.2 }}\n}}\n\
         vrrp_instance C {{\n {body} 3\n virtual_ipaddress {{ 10.0.0.3 }}\n}}\n"
    ));
    let statics = &config.statics;
    let devs: Vec<_> = statics.addresses.iter().map(|own| &*own.vip.dev).collect();
    assert_eq!(devs, ["eth1", "eth7"]);
    assert_eq!(statics.addresses[0].track_group.as_deref(), Some("G"));
    assert_eq!(statics.routes.len(), 2);
    assert_eq!(statics.rules[0].track_group.as_deref(), Some("G"));
    let names = |instance: &Instance| {
        instance.static_interfaces.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let tracked: Vec<_> = config.instances.iter().map(|instance| names(instance)).collect();
    let both = ["eth1", "eth2", "eth3"].map(str::to_owned).to_vec();
    assert_eq!(tracked, [both.clone(), both, vec![]]);
}

/// One slip, one error, at the word that is wrong.
#[test]
fn what_is_wrong_is_told_where_it_stands() {
    let found = |block: &str, line: &str| {
        let found = bad(&format!("{block} {{\n {line}\n}}\n{VIP}"));
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        found[0].clone()
    };
    // Line 5, where the options begin in column 2.
    let routes = [
        ("10.1.0.0/16 via 10.0.0.9 mtu big", "5:31", "`mtu` cannot be `big`"),
        ("10.1.0.0/16 via 10.0.0.9 mtu", "5:27", "`mtu` needs a value"),
        ("10.1.0.0/16 via 10.0.0.9 hoplimit 256", "5:36", "`hoplimit` cannot be `256`"),
        ("10.1.0.0/16 via 10.0.0.9 rtt 3h", "5:31", "`rtt` cannot be `3h`"),
        ("10.1.0.0/16 via 10.0.0.9 rtt 121s", "5:31", "`rtt` cannot be `121s`"),
        ("10.1.0.0/16 via 10.0.0.9 tos 0x11", "5:31", "`0x11` cannot be a tos"),
        ("10.1.0.0/16 via 10.0.0.9 tos fast", "5:31", "`fast` is not a tos"),
        ("10.1.0.0/16 via 10.0.0.9 table 0", "5:33", "`0` is not a routing table"),
        ("10.1.0.0/16 via 10.0.0.9 realms 1/2/3", "5:34", "are not realms"),
        ("10.1.0.0/16 via 10.0.0.9 features tls", "5:36", "no feature `tls`"),
        ("10.1.0.0/16 via 10.0.0.9 quickack 2", "5:36", "`quickack` cannot be `2`"),
        ("10.1.0.0/16 via 10.0.0.9 protocol foo", "5:36", "`foo` is not a protocol"),
        ("10.1.0.0/16 via 10.0.0.9 expires 5", "5:27", "`expires` is for IPv6 only"),
        ("2001:db8::/32 dev e realms 5", "5:22", "`realms` is for IPv4 only"),
        ("2001:db8::/32 dev e pref best", "5:27", "`pref` cannot be `best`"),
        ("10.1.0.0/16 via 2001:db8::1", "5:18", "`2001:db8::1` is for IPv6 only"),
        ("10.1.0.0/16", "5:2", "the route leads nowhere"),
        ("via 10.0.0.9", "5:2", "the route has no destination"),
        ("blackhole 10.1.0.0/16 dev eth1", "5:12", "a blackhole route leads nowhere"),
        ("10.1.0.0/16 nexthop weight 2", "5:14", "the next hop leads nowhere"),
        ("10.1.0.0/16 nexthop dev e weight 257", "5:35", "`weight` cannot be `257`"),
        ("10.1.0.0/16 nexthop dev e no_track", "5:28", "`no_track` is no option of a next hop"),
        ("10.1.0.0/16 via 10.0.0.8 nexthop via 10.0.0.9", "5:2", "go with one way"),
        ("10.1.0.0/16 via 10.0.0.9 encap ip id 5", "5:27", "`encap` on a route is known"),
        ("10.1.0.0/16 vrf red", "5:14", "`vrf` on a route is known"),
        ("10.1.0.0/16 dev e track_group G", "5:20", "`track_group` belongs on static routes"),
        ("10.1.0.0/16 dev e mtru 5", "5:20", "unknown option `mtru`"),
    ];
    for (line, place, what) in routes {
        let told = found("virtual_routes", line);
        assert!(
            told.contains(&format!("t.conf:{place}:")) && told.contains(what),
            "{line}: {told}"
        );
    }
    let rules = [
        ("from 10.0.0.0/8", "5:2", "the rule does nothing"),
        ("from 10.0.0.1/8 table 5", "5:7", "has bits set after its prefix"),
        ("from 10.0.0.0/8 to 2001:db8::/32 table 5 preference 1", "5:21", "is for IPv6 only"),
        ("table 5 goto 9 preference 1", "5:10", "a rule does one thing only"),
        ("goto 9 preference 9", "5:2", "leads back or nowhere"),
        ("goto 9", "5:2", "leads back or nowhere"),
        ("blackhole realms 5 preference 1", "5:12", "`realms` goes with a table only"),
        ("fwmark 5/x table 5 preference 1", "5:9", "`fwmark` cannot be `5/x`"),
        ("uidrange 9-5 table 5 preference 1", "5:11", "`uidrange` cannot be `9-5`"),
        ("sport 0-5 table 5 preference 1", "5:8", "`sport` cannot be `0-5`"),
        ("ipproto foo table 5 preference 1", "5:10", "`foo` is not a protocol"),
        ("tunnel-id -1 table 5 preference 1", "5:12", "`tunnel-id` cannot be `-1`"),
        ("preference -1 table 5", "5:13", "`preference` cannot be `-1`"),
        ("suppress_prefixlength 129 table 5 preference 1", "5:24", "cannot be `129`"),
        ("10.0.0.0/8 table 5 preference 1", "5:2", "unknown option `10.0.0.0/8`"),
        ("table 5 preference", "5:10", "`preference` needs a value"),
    ];
    for (line, place, what) in rules {
        let told = found("virtual_rules", line);
        assert!(
            told.contains(&format!("t.conf:{place}:")) && told.contains(what),
            "{line}: {told}"
        );
    }
    for (line, what) in [
        ("static_ipaddress {\n 10.1.0.1/24\n}", "2:2: the static address has no interface"),
        ("static_routes {\n 10.1.0.0/16 dev e track_group G\n}", "2:32: there is no track group"),
        (
            "static_rules {\n table 5 preference 1 track_group\n}",
            "2:23: `track_group` needs a value",
        ),
        ("track_group G {\n}", "1:13: track group `G` has no member"),
        ("track_group G {\n group {\n W\n}\n}", "3:2: there is no instance `W`"),
        (
            "track_group G {\n group {\n V\n}\n}\nstatic_routes {\n default via 10.0.0.9 track_group G\n}",
            "7:23: nothing can be tracked for this route",
        ),
    ] {
        let (_, diagnostics) = text(&format!(
            "{line}\nvrrp_instance V {{\n interface eth0\n virtual_router_id 5\n{VIP}}}\n"
        ));
        let told = super::lines(&diagnostics);
        assert_eq!(told.len(), 1, "{line}: {told:?}");
        let (place, words) = what.split_once(": ").unwrap();
        let right = told[0].contains(&format!("t.conf:{place}")) && told[0].contains(words);
        assert!(right, "{line}: {}", told[0]);
    }
}
