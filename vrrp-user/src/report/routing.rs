//! How are routes and rules written for people: as `ip route` and `ip rule` do.
use crate::config::routing::{MAIN, Metrics, Route, RouteKind, Rule, RuleAction, metric};
use std::fmt::Write as _;
use std::net::IpAddr;

/// As `ip route` writes it.
pub fn route(route: &Route) -> String {
    let kind = (route.kind != RouteKind::UNICAST).then(|| route.kind.name());
    let mut text = kind.map_or_else(String::new, |kind| format!("{kind} "));
    text.push_str(&route.target());
    let network = |(address, length): (IpAddr, u8)| format!("{address}/{length}");
    part(&mut text, "from", route.from.map(network));
    part(&mut text, "tos", route.tos.map(|tos| format!("0x{tos:02x}")));
    part(&mut text, "via", route.via);
    part(&mut text, "dev", route.dev.as_deref());
    part(&mut text, "table", (route.table != MAIN).then_some(route.table));
    part(&mut text, "proto", route.protocol);
    part(&mut text, "scope", route.scope);
    part(&mut text, "src", route.source);
    part(&mut text, "metric", route.metric);
    part(&mut text, "realms", realms(route.realms));
    text.push_str(if route.onlink { " onlink" } else { "" });
    metrics(&mut text, &route.metrics);
    part(&mut text, "expires", route.expires.map(|expires| format!("{expires}sec")));
    for hop in &route.hops {
        text.push_str(" nexthop");
        part(&mut text, "via", hop.via);
        part(&mut text, "dev", hop.dev.as_deref());
        part(&mut text, "weight", hop.weight);
        part(&mut text, "realms", realms(hop.realms));
        text.push_str(if hop.onlink { " onlink" } else { "" });
    }
    text
}

/// Adds a word with its value, where there is one.
pub(super) fn part(text: &mut String, word: &str, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        // Writing to a string cannot fail.
        let _ = write!(text, " {word} {value}");
    }
}

fn realms(realms: u32) -> Option<String> {
    let (source, destination) = (realms >> 16, realms & 0xffff);
    match source {
        0 => (destination != 0).then(|| destination.to_string()),
        source => Some(format!("{source}/{destination}")),
    }
}

fn metrics(text: &mut String, metrics: &Metrics) {
    const NAMES: [(&str, u16); 14] = [
        ("mtu", metric::MTU),
        ("window", metric::WINDOW),
        ("rtt", metric::RTT),
        ("rttvar", metric::RTT_VARIANCE),
        ("ssthresh", metric::SLOW_START),
        ("cwnd", metric::CONGESTION_WINDOW),
        ("advmss", metric::SEGMENT),
        ("reordering", metric::REORDERING),
        ("hoplimit", metric::HOP_LIMIT),
        ("initcwnd", metric::FIRST_WINDOW),
        ("rto_min", metric::LEAST_TIMEOUT),
        ("initrwnd", metric::FIRST_RECEIVE_WINDOW),
        ("quickack", metric::QUICK_ACK),
        ("fastopen_no_cookie", metric::FAST_OPEN),
    ];
    for (name, number) in NAMES {
        if let Some(value) = metrics.values.get(&number) {
            let lock = if metrics.lock & 1 << number == 0 { "" } else { "lock " };
            part(text, name, Some(format!("{lock}{value}")));
        }
    }
    part(text, "features", metrics.values.get(&metric::FEATURES).map(|_| "ecn"));
    part(text, "congctl", metrics.congestion.as_deref());
}

/// As `ip rule` writes it.
pub fn rule(rule: &Rule) -> String {
    let inverted = if rule.inverted { " not" } else { "" };
    let mut text = format!("{}:{inverted}", rule.priority);
    let network = |(address, length): (IpAddr, u8)| format!("{address}/{length}");
    let given = |network: &(IpAddr, u8)| network.1 > 0;
    let from = rule.from.filter(given).map_or_else(|| "all".to_owned(), network);
    part(&mut text, "from", Some(from));
    part(&mut text, "to", rule.to.filter(given).map(network));
    part(&mut text, "tos", (rule.tos != 0).then(|| format!("0x{:02x}", rule.tos)));
    let mark = rule.mark.map(|(mark, mask)| match mask {
        Some(mask) => format!("0x{mark:x}/0x{mask:x}"),
        None => format!("0x{mark:x}"),
    });
    part(&mut text, "fwmark", mark);
    part(&mut text, "iif", rule.iif.as_deref());
    part(&mut text, "oif", rule.oif.as_deref());
    part(&mut text, "tun_id", (rule.tunnel != 0).then_some(rule.tunnel));
    part(&mut text, "uidrange", rule.users.map(|(first, last)| format!("{first}-{last}")));
    part(&mut text, "ipproto", rule.ip_protocol);
    let ports = |(first, last): (u16, u16)| format!("{first}-{last}");
    part(&mut text, "sport", rule.source_ports.map(ports));
    part(&mut text, "dport", rule.destination_ports.map(ports));
    let action = match rule.action {
        RuleAction::Table(table) => format!("table {table}"),
        RuleAction::L3mdev => "l3mdev".to_owned(),
        RuleAction::Goto(target) => format!("goto {target}"),
        RuleAction::Nop => "nop".to_owned(),
        RuleAction::Blackhole => "blackhole".to_owned(),
        RuleAction::Unreachable => "unreachable".to_owned(),
        RuleAction::Prohibit => "prohibit".to_owned(),
    };
    let _ = write!(text, " {action}");
    part(&mut text, "suppress_prefixlength", rule.suppress_prefix);
    part(&mut text, "suppress_ifgroup", rule.suppress_group);
    part(&mut text, "realms", realms(rule.realms));
    part(&mut text, "proto", rule.protocol);
    text
}
