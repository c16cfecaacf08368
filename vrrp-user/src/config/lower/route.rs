//! Which routes does a `virtual_routes` block list.
use super::parts::{drop_value, missing, no_block};
use super::value;
use crate::config::findings::{Findings, Span};
use crate::config::model::Route;
use crate::config::suggest::nearest;
use crate::config::token::Word;
use crate::config::tree::Node;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A route and its place.
pub(in crate::config) struct RouteDraft {
    pub(super) route: Route,
    pub(super) span: Span,
}

const VALUES: &[&str] =
    &["to", "via", "gw", "dev", "src", "table", "metric", "priority", "preference", "scope"];
const FLAGS: &[&str] = &["no_track"];
/// The rest of `ip route`, each with the number of words it takes.
const NOT_BUILT: &[(&str, usize)] = &[
    ("tos", 1),
    ("dsfield", 1),
    ("proto", 1),
    ("protocol", 1),
    ("mtu", 1),
    ("hoplimit", 1),
    ("advmss", 1),
    ("rtt", 1),
    ("rttvar", 1),
    ("reordering", 1),
    ("window", 1),
    ("cwnd", 1),
    ("ssthresh", 1),
    ("realms", 1),
    ("rto_min", 1),
    ("initcwnd", 1),
    ("initrwnd", 1),
    ("features", 1),
    ("quickack", 1),
    ("congctl", 1),
    ("pref", 1),
    ("expires", 1),
    ("ttl-propagate", 1),
    ("fastopen_no_cookie", 1),
    ("vrf", 1),
    ("or", 1),
    ("encap", usize::MAX),
    ("nexthop", usize::MAX),
    ("blackhole", 0),
    ("unreachable", 0),
    ("prohibit", 0),
    ("throw", 0),
    ("unicast", 0),
    ("local", 0),
    ("broadcast", 0),
    ("multicast", 0),
    ("onlink", 0),
    ("add", 0),
    ("append", 0),
    ("prepend", 0),
    ("inet", 0),
    ("inet6", 0),
    ("track_group", 1),
];

/// `[to] ADDRESS[/LENGTH]|default [via|gw A] [dev N] [src A] [table T] [metric M] [scope S]
/// [no_track]` a line, options in any order.
pub(super) fn read(node: &Node, into: &mut Vec<RouteDraft>, findings: &mut Findings) {
    for line in node.children() {
        no_block(line, findings);
        if let Some(draft) = route(line, findings) {
            into.push(draft);
        }
    }
}

/// Where the route goes, as written: `default` has no family yet.
enum Destination<'a> {
    Default(&'a Word),
    Prefix(IpAddr, u8, &'a Word),
}

fn route(line: &Node, findings: &mut Findings) -> Option<RouteDraft> {
    let mut destination = None;
    let mut route = Route {
        destination: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        prefix: 0,
        via: None,
        dev: None,
        source: None,
        scope: None,
        table: 254,
        metric: None,
        no_track: false,
    };
    let mut broken = false;
    let mut words = line.words.iter();
    while let Some(word) = words.next() {
        match &*word.text {
            name if VALUES.contains(&name) => {
                let Some(value) = words.next() else {
                    missing(word.span, name, findings);
                    return None;
                };
                let taken = match name {
                    "to" => target(value, &mut destination, findings),
                    "via" | "gw" => set(&mut route.via, value::address(value, findings)),
                    "src" => set(&mut route.source, value::address(value, findings)),
                    "dev" => set(&mut route.dev, value::interface(value, findings)),
                    "scope" => set(&mut route.scope, value::scope(value, findings)),
                    "table" => match table(value, findings) {
                        Some(table) => {
                            route.table = table;
                            true
                        }
                        None => false,
                    },
                    _ => set(&mut route.metric, value::number(value, 0..=u32::MAX, name, findings)),
                };
                broken |= !taken;
            }
            "no_track" => route.no_track = true,
            name => {
                if let Some((_, values)) = NOT_BUILT.iter().find(|(known, _)| *known == name) {
                    findings.error(
                        "not-built",
                        word.span,
                        format!("`{name}` on a route is known to keepalived and not built yet"),
                    );
                    for _ in 0..(*values).min(line.words.len()) {
                        words.next();
                    }
                    broken = true;
                } else if destination.is_none() && looks_like_destination(name) {
                    broken |= !target(word, &mut destination, findings);
                } else {
                    let entry = findings.error(
                        "unknown-option",
                        word.span,
                        format!("unknown option `{name}` of a route"),
                    );
                    let not_built = NOT_BUILT.iter().map(|(known, _)| *known);
                    let known = VALUES.iter().chain(FLAGS).copied().chain(not_built);
                    if let Some(near) = nearest(name, known) {
                        entry.help(format!("did you mean `{near}`?"));
                    }
                    let ahead = words.as_slice().first();
                    drop_value(&mut words, ahead, |word| {
                        VALUES.contains(&word)
                            || FLAGS.contains(&word)
                            || NOT_BUILT.iter().any(|(known, _)| *known == word)
                            || looks_like_destination(word)
                    });
                    broken = true;
                }
            }
        }
    }
    if broken {
        return None;
    }
    let Some(destination) = destination else {
        findings
            .error("missing-value", line.span(), "the route has no destination")
            .help("write ADDRESS/LENGTH or default");
        return None;
    };
    resolve(route, &destination, findings)
}

/// Settles the family and what hangs on it.
fn resolve(
    mut route: Route,
    destination: &Destination<'_>,
    findings: &mut Findings,
) -> Option<RouteDraft> {
    let word = match destination {
        Destination::Default(word) => {
            if route.via.or(route.source).is_some_and(|address| address.is_ipv6())
                || &*word.text == "default6"
            {
                route.destination = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
            }
            *word
        }
        Destination::Prefix(address, prefix, word) => {
            (route.destination, route.prefix) = (*address, *prefix);
            *word
        }
    };
    let v6 = route.destination.is_ipv6();
    for (name, address) in [("via", route.via), ("src", route.source)] {
        if let Some(address) = address.filter(|address| address.is_ipv6() != v6) {
            findings.error(
                "mixed-families",
                word.span,
                format!("`{name} {address}` and the destination are of different families"),
            );
            return None;
        }
    }
    if route.via.is_none() && route.dev.is_none() {
        findings
            .error("missing-value", word.span, "the route leads nowhere")
            .help("give it `via ADDRESS` or `dev NAME`");
        return None;
    }
    Some(RouteDraft { route, span: word.span })
}

fn set<T>(target: &mut Option<T>, value: Option<T>) -> bool {
    let good = value.is_some();
    *target = value;
    good
}

fn looks_like_destination(word: &str) -> bool {
    matches!(word, "default" | "default6" | "all")
        || word.contains('/')
        || word.parse::<IpAddr>().is_ok()
}

fn target<'a>(
    word: &'a Word,
    destination: &mut Option<Destination<'a>>,
    findings: &mut Findings,
) -> bool {
    if matches!(&*word.text, "default" | "default6" | "all") {
        *destination = Some(Destination::Default(word));
        return true;
    }
    let Some((address, prefix)) = value::prefix(word, findings) else { return false };
    let network = network(address, prefix);
    if network != address {
        findings
            .error(
                "bad-prefix",
                word.span,
                format!("`{}` has bits set after its prefix", word.text),
            )
            .help(format!("did you mean `{network}/{prefix}`?"));
        return false;
    }
    *destination = Some(Destination::Prefix(address, prefix, word));
    true
}

/// The address with all bits after the prefix cleared.
fn network(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => value::host_bits(address, prefix, false).into(),
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & !host).into()
        }
    }
}

fn table(word: &Word, findings: &mut Findings) -> Option<u32> {
    let known = match &*word.text {
        "default" => Some(253),
        "main" => Some(254),
        "local" => Some(255),
        other => other.parse().ok().filter(|table| *table != 0),
    };
    if known.is_none() {
        findings
            .error("bad-table", word.span, format!("`{}` is not a routing table", word.text))
            .help("give its number; of names, main, local and default are known");
    }
    known
}
