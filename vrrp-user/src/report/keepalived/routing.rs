//! How does keepalived write a route or a rule.
use super::address::prefixed;
use crate::config::routing::{MAIN, NextHop, Order, PROTOCOL, Route, RouteKind, Rule, RuleAction};
use crate::config::routing::{Metrics, metric};
use crate::report::routing::part;
use std::fmt::Write as _;
use std::net::IpAddr;
use vrrp_common::ident::Family;

/// A route as keepalived lists it.
pub fn route(route: &Route) -> String {
    // It takes a kind for the wish to add.
    let kind = route.kind != RouteKind::UNICAST;
    let mut text = match route.order {
        Order::Add => "add ".to_owned(),
        _ if kind => "add ".to_owned(),
        Order::Prepend => "prepend ".to_owned(),
        Order::Append => "append ".to_owned(),
    };
    // Writing to a string cannot fail.
    if kind {
        let _ = write!(text, "{} ", route.kind.name());
    }
    text.push_str(&prefixed(route.destination, route.prefix));
    if let Some((from, length)) = route.from {
        let _ = write!(text, " from {}", prefixed(from, length));
    }
    part(&mut text, "src", route.source);
    part(&mut text, "tos", route.tos);
    if let Some(via) = route.via {
        let _ = write!(text, " via {}", gateway(via));
    }
    part(&mut text, "dev", route.dev.as_deref());
    if route.table != MAIN {
        let _ = write!(text, " table {}", route.table);
    }
    // keepalived marks a route for itself only where it watches it, or meant to.
    let protocol = route.protocol.filter(|_| route.no_track);
    if let Some(protocol) = protocol.or((!route.no_track).then_some(PROTOCOL)) {
        let _ = write!(text, " proto {protocol}");
    }
    part(&mut text, "scope", route.scope);
    part(&mut text, "metric", route.metric);
    if route.onlink && route.destination.is_ipv4() {
        text.push_str(" onlink");
    }
    if route.realms >> 16 != 0 {
        let _ = write!(text, " realms {}/{}", route.realms >> 16, route.realms & 0xffff);
    } else if route.realms != 0 {
        let _ = write!(text, " realm {}", route.realms);
    }
    if let Some(expires) = route.expires {
        let _ = write!(text, " expires {expires}sec");
    }
    metrics(&mut text, &route.metrics);
    if let Some(preference) = route.preference {
        let name = match preference {
            0 => "medium",
            1 => "high",
            _ => "low",
        };
        let _ = write!(text, " pref {name}");
    }
    if let Some(value) = route.metrics.values.get(&metric::FAST_OPEN) {
        let _ = write!(text, " fastopen_no_cookie {value}");
    }
    for hop in &route.hops {
        next_hop(&mut text, hop);
    }
    // Nor does it watch a route without an interface of its own.
    if route.no_track || route.dev.is_none() {
        text.push_str(" no_track");
    }
    part(&mut text, "track_group", route.track_group.as_deref());
    text
}

fn gateway(via: IpAddr) -> String {
    format!("{} {via}", if via.is_ipv6() { "inet6" } else { "inet" })
}

fn next_hop(text: &mut String, hop: &NextHop) {
    text.push_str(" nexthop");
    if let Some(via) = hop.via {
        let _ = write!(text, " via {}", gateway(via));
    }
    part(text, "dev", hop.dev.as_deref());
    part(text, "weight", hop.weight);
    if hop.onlink {
        text.push_str(" onlink");
    }
    if hop.realms != 0 {
        // keepalived looks at the route's realms for whether there are two.
        let _ = write!(text, " realm {}", hop.realms & 0xffff);
    }
}

fn metrics(text: &mut String, metrics: &Metrics) {
    let get = |number: u16| metrics.values.get(&number).copied();
    let locked = |number: u16| metrics.lock & 1 << number != 0;
    if let Some(name) = &metrics.congestion {
        let lock = if locked(metric::CONGESTION_CONTROL) { "lock " } else { "" };
        let _ = write!(text, " congctl {name}{lock}");
    }
    let times = [
        ("rtt", metric::RTT, 8),
        ("rttvar", metric::RTT_VARIANCE, 4),
        ("rto_min", metric::LEAST_TIMEOUT, 1),
    ];
    for (name, number, parts) in times {
        if let Some(value) = get(number) {
            let lock = if locked(number) { " lock" } else { "" };
            let _ = write!(text, " {name}{lock} {}", time(value, parts));
        }
    }
    if get(metric::FEATURES).is_some() {
        text.push_str(" features ecn");
    }
    let numbers = [
        ("mtu", metric::MTU),
        ("window", metric::WINDOW),
        ("ssthresh", metric::SLOW_START),
        ("cwnd", metric::CONGESTION_WINDOW),
        ("advmss", metric::SEGMENT),
        ("reordering", metric::REORDERING),
        ("hoplimit", metric::HOP_LIMIT),
        ("initcwnd", metric::FIRST_WINDOW),
        ("initrwnd", metric::FIRST_RECEIVE_WINDOW),
        ("quickack", metric::QUICK_ACK),
    ];
    for (name, number) in numbers {
        if let Some(value) = get(number) {
            let lock = if locked(number) { "lock " } else { "" };
            let _ = write!(text, " {name} {lock}{value}");
        }
    }
}

/// So many parts of a millisecond in seconds or milliseconds, with the six digits C gives a number.
fn time(value: u32, parts: u32) -> String {
    let micros = u64::from(value) * 1000 / u64::from(parts);
    let (unit, whole) = if micros >= 1_000_000 { ("s", 1_000_000) } else { ("ms", 1000) };
    let (integer, rest) = (micros / whole, micros % whole);
    let decimals = if whole == 1000 { 3_usize } else { 6 };
    let room = 6_usize.saturating_sub(integer.to_string().len()).min(decimals);
    // Rounded to what there is room for.
    let step = 10_u64.pow(u32::try_from(decimals.saturating_sub(room)).unwrap_or(0));
    let rounded = (rest + step / 2) / step;
    let text = format!("{integer}.{rounded:0room$}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A rule as keepalived lists it.
pub fn rule(rule: &Rule) -> String {
    let mut text = String::new();
    if rule.from.is_none() && rule.to.is_none() && rule.family == Family::V6 {
        text.push_str("inet6 ");
    }
    if rule.inverted {
        text.push_str("not ");
    }
    match rule.from {
        Some((from, length)) => {
            let _ = write!(text, "from {}", prefixed(from, length));
        }
        None => text.push_str("from all"),
    }
    if let Some((to, length)) = rule.to {
        let _ = write!(text, " to {}", prefixed(to, length));
    }
    let _ = write!(text, " priority {} tos 0x{:x}", rule.priority, rule.tos);
    if let Some((mark, mask)) = rule.mark {
        let _ = write!(text, " fwmark 0x{mark:x}");
        if let Some(mask) = mask.filter(|mask| *mask != u32::MAX) {
            let _ = write!(text, "/0x{mask:x}");
        }
    }
    let range = |(first, last): (u32, u32)| format!("{first}-{last}");
    let wide = |(first, last): (u16, u16)| (u32::from(first), u32::from(last));
    part(&mut text, "iif", rule.iif.as_deref());
    part(&mut text, "oif", rule.oif.as_deref());
    part(&mut text, "suppress_prefixlen", rule.suppress_prefix);
    part(&mut text, "suppress_ifgroup", rule.suppress_group);
    part(&mut text, "tunnel-id", (rule.tunnel != 0).then_some(rule.tunnel));
    part(&mut text, "uidrange", rule.users.map(range));
    if rule.action == RuleAction::L3mdev {
        text.push_str(" l3mdev");
    }
    let protocol = rule.protocol.filter(|_| rule.no_track);
    let protocol = protocol.or((!rule.no_track).then_some(PROTOCOL));
    part(&mut text, "protocol", protocol);
    part(&mut text, "ipproto", rule.ip_protocol);
    part(&mut text, "sport", rule.source_ports.map(wide).map(range));
    part(&mut text, "dport", rule.destination_ports.map(wide).map(range));
    let realms = || format!("{}/{}", rule.realms >> 16, rule.realms & 0xffff);
    part(&mut text, "realms", (rule.realms != 0).then(realms));
    text.push_str(&match rule.action {
        RuleAction::Table(table) => format!(" lookup {table}"),
        RuleAction::L3mdev => " lookup 0".to_owned(),
        RuleAction::Goto(target) => format!(" goto {target}"),
        RuleAction::Nop => " nop".to_owned(),
        RuleAction::Blackhole => " type blackhole".to_owned(),
        RuleAction::Unreachable => " type unreachable".to_owned(),
        RuleAction::Prohibit => " type prohibit".to_owned(),
    });
    if rule.no_track {
        text.push_str(" no_track");
    }
    part(&mut text, "track_group", rule.track_group.as_deref());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_digits() {
        assert_eq!(time(2400, 8), "300ms");
        assert_eq!(time(2401, 8), "300.125ms");
        assert_eq!(time(12_000, 8), "1.5s");
        assert_eq!(time(98_765, 8), "12.3456s");
        assert_eq!(time(960_000, 8), "120s");
        assert_eq!(time(250, 1), "250ms");
        assert_eq!(time(1234, 1), "1.234s");
    }
}
