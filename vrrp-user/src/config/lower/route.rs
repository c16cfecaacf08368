//! Which routes does a `virtual_routes` or `static_routes` block list.
use super::hop;
use super::parts::{drop_value, no_block};
use super::value;
use super::words::{Families, Line, any_base, network, protocol, realms, round_trip, table, tos};
use crate::config::findings::{Findings, Span};
use crate::config::routing::{Order, Route, RouteKind, metric};
use crate::config::suggest::nearest;
use crate::config::token::Word;
use crate::config::tree::Node;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use vrrp_common::ident::Family;

/// A route and its place.
pub(in crate::config) struct RouteDraft {
    pub(super) route: Route,
    pub(super) span: Span,
}

const VALUES: &[&str] = &[
    "to",
    "from",
    "via",
    "gw",
    "or",
    "dev",
    "oif",
    "src",
    "table",
    "metric",
    "priority",
    "preference",
    "scope",
    "tos",
    "dsfield",
    "protocol",
    "proto",
    "realms",
    "expires",
    "pref",
    "features",
    "congctl",
    "ttl-propagate",
];
const FLAGS: &[&str] =
    &["no_track", "onlink", "add", "append", "prepend", "inet", "inet6", "nexthop"];
/// The rest of `ip route`, each with the number of words it takes.
const NOT_BUILT: &[(&str, usize)] =
    &[("vrf", 1), ("as", 2), ("encap", usize::MAX), ("nat", 1), ("xresolve", 1)];

/// What a number of [`metric`] looks like.
#[derive(Clone, Copy)]
enum Unit {
    /// A number up to this, and perhaps `lock` before it.
    Lockable(u32),
    /// A number up to this.
    Number(u32),
    /// A time in so many parts of a millisecond, and perhaps `lock` before it.
    Time(u32),
}

const METRICS: &[(&str, u16, Unit)] = &[
    ("mtu", metric::MTU, Unit::Lockable(u32::MAX)),
    ("window", metric::WINDOW, Unit::Number(u32::MAX)),
    ("rtt", metric::RTT, Unit::Time(8)),
    ("rttvar", metric::RTT_VARIANCE, Unit::Time(4)),
    ("ssthresh", metric::SLOW_START, Unit::Lockable(u32::MAX)),
    ("cwnd", metric::CONGESTION_WINDOW, Unit::Lockable(u32::MAX)),
    ("advmss", metric::SEGMENT, Unit::Lockable(u32::MAX)),
    ("reordering", metric::REORDERING, Unit::Lockable(u32::MAX)),
    ("hoplimit", metric::HOP_LIMIT, Unit::Number(255)),
    ("initcwnd", metric::FIRST_WINDOW, Unit::Number(u32::MAX)),
    ("rto_min", metric::LEAST_TIMEOUT, Unit::Time(1)),
    ("initrwnd", metric::FIRST_RECEIVE_WINDOW, Unit::Number(u32::MAX)),
    ("quickack", metric::QUICK_ACK, Unit::Number(1)),
    ("fastopen_no_cookie", metric::FAST_OPEN, Unit::Number(1)),
];

/// A route a line, as `ip route add` takes it, options in any order, next hops last.
pub(super) fn read(node: &Node, into: &mut Vec<RouteDraft>, findings: &mut Findings) {
    for line in node.children() {
        no_block(line, findings);
        into.extend(route(&line.words, line.span(), findings));
    }
}

/// One line.
pub(super) fn route(words: &[Word], span: Span, findings: &mut Findings) -> Option<RouteDraft> {
    let mut draft = Draft {
        route: Route::to(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        destination: None,
        families: Families::default(),
        broken: false,
    };
    let mut line = Line::new(words);
    while let Some(word) = line.next() {
        match &*word.text {
            "nexthop" => {
                draft.broken |= !hop::read(
                    word,
                    &mut line,
                    &mut draft.route,
                    &mut draft.families,
                    &known,
                    findings,
                );
            }
            name if VALUES.contains(&name) => {
                let taken = draft.value(word, &mut line, findings);
                draft.broken |= taken.is_none();
            }
            name if FLAGS.contains(&name) => draft.flag(word, findings),
            name => {
                if let Some((_, number, unit)) = METRICS.iter().find(|(known, ..)| *known == name) {
                    draft.broken |=
                        draft.metric(word, *number, *unit, &mut line, findings).is_none();
                } else if let Some((_, kind)) =
                    RouteKind::NAMES.iter().find(|(known, _)| *known == name)
                {
                    draft.route.kind = RouteKind(*kind);
                } else {
                    draft.other(word, &mut line, findings);
                }
            }
        }
    }
    draft.finish(span, findings)
}

/// Whether a word is an option or a destination.
fn known(word: &str) -> bool {
    options().any(|option| option == word) || looks_like_destination(word)
}

fn options() -> impl Iterator<Item = &'static str> {
    let metrics = METRICS.iter().map(|(name, ..)| *name);
    let kinds = RouteKind::NAMES.iter().map(|(name, _)| *name);
    let not_built = NOT_BUILT.iter().map(|(name, _)| *name);
    VALUES.iter().chain(FLAGS).copied().chain(metrics).chain(kinds).chain(not_built)
}

fn looks_like_destination(word: &str) -> bool {
    matches!(word, "default" | "default6" | "all" | "any")
        || word.contains('/')
        || word.parse::<IpAddr>().is_ok()
}

struct Draft<'a> {
    route: Route,
    /// `default` has no family yet.
    destination: Option<(Option<(IpAddr, u8)>, &'a Word)>,
    families: Families<'a>,
    broken: bool,
}

impl<'a> Draft<'a> {
    /// An option that takes a value. `None` where something is wrong with it.
    fn value(
        &mut self,
        option: &'a Word,
        line: &mut Line<'a>,
        findings: &mut Findings,
    ) -> Option<()> {
        let mut word = line.value(option, findings)?;
        let Self { route, families, .. } = self;
        match &*option.text {
            "to" => {
                // `to` may stand between the kind of a route and its destination, or before both.
                if let Some((_, kind)) =
                    RouteKind::NAMES.iter().find(|(known, _)| *known == &*word.text)
                {
                    route.kind = RouteKind(*kind);
                    word = line.value(option, findings)?;
                }
                self.target(word, findings)?;
            }
            "from" => {
                families.see(Family::V6, option, findings);
                route.from = network(word, findings)?.filter(|(_, length)| *length > 0);
                if let Some((address, _)) = route.from {
                    families.address(address, word, findings);
                }
            }
            "via" | "gw" => route.via = Some(hop::gateway(word, line, families, findings)?),
            "or" => {
                // keepalived's old way to say two next hops.
                let second = hop::gateway(word, line, families, findings)?;
                findings
                    .warning("obsolete", option.span, "`or` is obsolete")
                    .help("write `nexthop via FIRST nexthop via SECOND`");
                let first = route.via.take();
                route.hops.extend([first, Some(second)].into_iter().flatten().map(hop::plain));
            }
            "dev" | "oif" => route.dev = Some(value::interface(word, findings)?),
            "src" => {
                let source = value::address(word, findings)?;
                families.address(source, word, findings);
                route.source = Some(source);
            }
            "table" => route.table = table(word, findings)?,
            "scope" => route.scope = Some(value::scope(word, findings)?),
            "tos" | "dsfield" => route.tos = Some(tos(word, findings)?),
            "protocol" | "proto" => route.protocol = Some(protocol(word, findings)?),
            "realms" => {
                families.see(Family::V4, option, findings);
                route.realms = realms(word, findings)?;
            }
            "expires" => {
                families.see(Family::V6, option, findings);
                route.expires = Some(value::number(word, 1..=u32::MAX, "expires", findings)?);
            }
            "pref" => {
                families.see(Family::V6, option, findings);
                route.preference = Some(preference(word, findings)?);
            }
            "features" => {
                if &*word.text != "ecn" {
                    findings
                        .error(
                            "bad-feature",
                            word.span,
                            format!("there is no feature `{}`", word.text),
                        )
                        .label("expected ecn");
                    return None;
                }
                route.metrics.values.insert(metric::FEATURES, 1);
            }
            "congctl" => {
                if &*word.text == "lock" {
                    route.metrics.lock |= 1 << metric::CONGESTION_CONTROL;
                    word = line.value(option, findings)?;
                }
                if word.text.is_empty() || word.text.len() > 15 {
                    findings
                        .error(
                            "bad-name",
                            word.span,
                            format!("`{}` cannot be a congestion control", word.text),
                        )
                        .label("1 to 15 bytes");
                    return None;
                }
                route.metrics.congestion = Some((&*word.text).into());
            }
            "ttl-propagate" => {
                if !matches!(&*word.text, "enabled" | "disabled") {
                    findings
                        .error(
                            "bad-switch",
                            word.span,
                            format!("`ttl-propagate` cannot be `{}`", word.text),
                        )
                        .label("expected enabled or disabled");
                    return None;
                }
                findings
                    .warning("ignored", option.span, "`ttl-propagate` has no effect here")
                    .label("the kernel has it for MPLS routes only");
            }
            name => {
                route.metric = Some(value::number(word, 0..=u32::MAX, name, findings)?);
            }
        }
        Some(())
    }

    fn metric(
        &mut self,
        option: &'a Word,
        number: u16,
        unit: Unit,
        line: &mut Line<'a>,
        findings: &mut Findings,
    ) -> Option<()> {
        let mut word = line.value(option, findings)?;
        if &*word.text == "lock" && !matches!(unit, Unit::Number(_)) {
            self.route.metrics.lock |= 1 << number;
            word = line.value(option, findings)?;
        }
        let value = match unit {
            Unit::Lockable(most) | Unit::Number(most) => {
                value::number(word, 0..=most, &option.text, findings)?
            }
            Unit::Time(parts) => round_trip(word, parts, &option.text, findings)?,
        };
        self.route.metrics.values.insert(number, value);
        Some(())
    }

    fn flag(&mut self, word: &'a Word, findings: &mut Findings) {
        match &*word.text {
            "no_track" => self.route.no_track = true,
            "onlink" => self.route.onlink = true,
            "add" => self.route.order = Order::Add,
            "append" => self.route.order = Order::Append,
            "inet" => self.families.see(Family::V4, word, findings),
            "inet6" => self.families.see(Family::V6, word, findings),
            _ => self.route.order = Order::Prepend,
        }
    }

    fn other(&mut self, word: &'a Word, line: &mut Line<'a>, findings: &mut Findings) {
        let name = &*word.text;
        if let Some((_, values)) = NOT_BUILT.iter().find(|(known, _)| *known == name) {
            findings.error(
                "not-built",
                word.span,
                format!("`{name}` on a route is known to keepalived and not built yet"),
            );
            line.skip((*values).min(MOST_WORDS));
            self.broken = true;
        } else if name == "track_group" {
            findings.error(
                "unknown-option",
                word.span,
                "`track_group` belongs on static routes: a virtual route is tracked by its instance",
            );
            line.skip(1);
            self.broken = true;
        } else if self.destination.is_none() && looks_like_destination(name) {
            self.broken |= self.target(word, findings).is_none();
        } else {
            let entry = findings.error(
                "unknown-option",
                word.span,
                format!("unknown option `{name}` of a route"),
            );
            if let Some(near) = nearest(name, options()) {
                entry.help(format!("did you mean `{near}`?"));
            }
            let ahead = line.ahead();
            drop_value(&mut std::iter::from_fn(|| line.next()), ahead, known);
            self.broken = true;
        }
    }

    fn target(&mut self, word: &'a Word, findings: &mut Findings) -> Option<()> {
        let network = network(word, findings)?;
        if let Some((address, _)) = network {
            self.families.address(address, word, findings);
        }
        self.destination = Some((network, word));
        Some(())
    }

    /// Settles the family and what hangs on it.
    fn finish(self, span: Span, findings: &mut Findings) -> Option<RouteDraft> {
        let Self { mut route, destination, families, broken } = self;
        let family = families.settle().filter(|_| !broken)?;
        let Some((network, word)) = destination else {
            findings
                .error("missing-value", span, "the route has no destination")
                .help("write ADDRESS/LENGTH or default");
            return None;
        };
        (route.destination, route.prefix) = network.unwrap_or(match family {
            Family::V4 => (Ipv4Addr::UNSPECIFIED.into(), 0),
            Family::V6 => (Ipv6Addr::UNSPECIFIED.into(), 0),
        });
        let span = word.span;
        if family == Family::V6 {
            for (name, given) in [("tos", route.tos.take()), ("scope", route.scope.take())] {
                if given.is_some() {
                    findings
                        .warning("ignored", span, format!("`{name}` has no effect here"))
                        .label("IPv6 routes have none");
                }
            }
        }
        if !leads(&route, span, findings) {
            return None;
        }
        if !route.no_track
            && route.dev.is_some()
            && route.protocol.is_some_and(|protocol| protocol != crate::config::routing::PROTOCOL)
        {
            // keepalived could not follow it under another number.
            findings
                .warning("protocol", span, "`protocol` has no effect without `no_track`")
                .label("the route is marked as keepalived's");
            route.protocol = None;
        }
        Some(RouteDraft { route, span })
    }
}

/// More words than a line can have.
const MOST_WORDS: usize = 64;

/// Whether the ways of a route fit each other and its kind.
fn leads(route: &Route, span: Span, findings: &mut Findings) -> bool {
    let single = route.via.is_some() || route.dev.is_some();
    if !route.kind.leads() {
        if single || !route.hops.is_empty() || route.onlink {
            let kind = route.kind.name();
            findings.error(
                "bad-route",
                span,
                format!("a {kind} route leads nowhere: it takes no `via`, `dev` or `nexthop`"),
            );
            return false;
        }
        return true;
    }
    if !route.hops.is_empty() {
        if route.via.is_some() || route.onlink || route.realms != 0 {
            findings
                .error("bad-route", span, "`via`, `onlink` and `realms` go with one way")
                .help("give them to each `nexthop`");
            return false;
        }
        return true;
    }
    if !single {
        findings
            .error("missing-value", span, "the route leads nowhere")
            .help("give it `via ADDRESS` or `dev NAME`");
        return false;
    }
    true
}

fn preference(word: &Word, findings: &mut Findings) -> Option<u8> {
    let known = match &*word.text {
        "medium" => Some(0),
        "high" => Some(1),
        "low" => Some(3),
        other => any_base(other).and_then(|number| match number {
            0 => Some(0),
            1 => Some(1),
            3 => Some(3),
            _ => None,
        }),
    };
    if known.is_none() {
        findings
            .error("bad-preference", word.span, format!("`pref` cannot be `{}`", word.text))
            .label("expected low, medium or high");
    }
    known
}
