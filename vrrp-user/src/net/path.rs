//! What is a route to the kernel: as it is asked for, and as it is told.
use super::table::Table;
use super::task::Presence;
use crate::config::routing::{Metrics, Order, PROTOCOL, Route, metric};
use std::net::IpAddr;

/// What the kernel looks routes up by, more or less.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Head {
    /// Table.
    pub(crate) table: u32,
    /// Destination.
    pub(crate) destination: IpAddr,
    /// Prefix length.
    pub(crate) prefix: u8,
}

/// A route.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Path {
    /// Table and destination.
    pub(crate) head: Head,
    /// What becomes of packets, as rtnetlink numbers it.
    pub(crate) kind: u8,
    /// Who made it.
    pub(crate) protocol: u8,
    /// Sources it is for.
    pub(crate) from: Option<(IpAddr, u8)>,
    /// Class of service it is for.
    pub(crate) tos: u8,
    /// Metric; 0 where none was given.
    pub(crate) metric: u32,
    /// Scope; always 0 for IPv6.
    pub(crate) scope: u8,
    /// Preferred source.
    pub(crate) source: Option<IpAddr>,
    /// Preference of IPv6.
    pub(crate) preference: u8,
    /// Seconds it lasts; 0 where the kernel told it.
    pub(crate) expires: Option<u32>,
    /// Properties of connections.
    pub(crate) metrics: Metrics,
    /// Where packets go; none where they go nowhere.
    pub(crate) hops: Vec<Hop>,
    /// Where it is put among others.
    pub(crate) order: Order,
}

/// One way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Hop {
    /// Gateway.
    pub(crate) via: Option<IpAddr>,
    /// Outgoing link.
    pub(crate) ifindex: Option<u32>,
    /// Its share, less one.
    pub(crate) weight: u8,
    /// The gateway is on the link.
    pub(crate) onlink: bool,
    /// Realms.
    pub(crate) realms: u32,
    /// It can be had now. The others may be there: the kernel keeps them while their links are down.
    pub(crate) needed: bool,
}

/// What IPv6 makes of a route without metric.
const METRIC_V6: u32 = 1024;
/// What the kernel makes of a greater MTU.
const MOST_MTU: u32 = 65_520;
/// What the kernel makes of a greater maximum segment size.
const MOST_SEGMENT: u32 = 65_495;

impl Head {
    /// Where a route leads.
    pub(crate) const fn of(route: &Route) -> Self {
        Self { table: route.table, destination: route.destination, prefix: route.prefix }
    }
}

impl Path {
    /// A route without ways.
    fn of(route: &Route) -> Self {
        let v6 = route.destination.is_ipv6();
        Self {
            head: Head::of(route),
            kind: route.kind.0,
            protocol: route.protocol.unwrap_or(PROTOCOL),
            from: route.from,
            tos: route.tos.unwrap_or(0),
            metric: match route.metric {
                None | Some(0) if v6 => METRIC_V6,
                metric => metric.unwrap_or(0),
            },
            scope: route.scope.unwrap_or(0),
            source: route.source,
            preference: route.preference.unwrap_or(0),
            expires: route.expires,
            metrics: told(&route.metrics),
            hops: Vec::new(),
            order: route.order,
        }
    }

    /// Whether `actual`, which the kernel told, is what was asked for: with every way that can be had,
    /// and none that was not asked for.
    pub(crate) fn is(&self, actual: &Self) -> bool {
        let there = |hop: &Hop| actual.hops.iter().any(|other| hop.is(other));
        self.covers(actual) && self.hops.iter().filter(|hop| hop.needed).all(there)
    }

    /// Whether `actual` is at least a part of what was asked for.
    pub(crate) fn covers(&self, actual: &Self) -> bool {
        self.head == actual.head
            && self.kind == actual.kind
            && self.protocol == actual.protocol
            && self.from == actual.from
            && self.tos == actual.tos
            && self.metric == actual.metric
            && self.scope == actual.scope
            && self.source == actual.source
            && self.preference == actual.preference
            && self.expires.is_some() == actual.expires.is_some()
            && self.metrics == actual.metrics
            && self.hops.is_empty() == actual.hops.is_empty()
            && actual.hops.iter().all(|hop| {
                // The only one left may have any share.
                let alone = actual.hops.len() == 1;
                let share = |own: &&Hop| own.weight == hop.weight || alone;
                self.hops
                    .iter()
                    .filter(share)
                    .any(|own| own.is(&Hop { weight: own.weight, ..*hop }))
            })
    }

    /// With the ways only that can be had.
    pub(crate) fn now(&self) -> Self {
        let hops = self.hops.iter().filter(|hop| hop.needed).copied().collect();
        Self { hops, ..self.clone() }
    }
}

impl Hop {
    fn is(&self, actual: &Self) -> bool {
        self.via == actual.via
            && (self.ifindex.is_none() || self.ifindex == actual.ifindex)
            && self.onlink == actual.onlink
            && self.realms == actual.realms
    }
}

/// As the kernel tells them: it cuts some, and does not tell what is 0.
fn told(metrics: &Metrics) -> Metrics {
    let mut metrics = metrics.clone();
    for (number, most) in [(metric::MTU, MOST_MTU), (metric::SEGMENT, MOST_SEGMENT)] {
        if let Some(value) = metrics.values.get_mut(&number) {
            *value = (*value).min(most);
        }
    }
    metrics.values.retain(|_, value| *value != 0);
    metrics
}

/// What has to be true of links before a route can be added.
pub(crate) enum Possible {
    /// It can be, and is like this once it is there.
    Now(Path, Presence),
    /// It cannot.
    Later(Presence),
}

/// Whether a route can be there, as links are now.
pub(crate) fn possible(route: &Route, table: &Table) -> Possible {
    let path = every(route, table);
    if !route.kind.leads() {
        return Possible::Now(path, Presence::Present);
    }
    if !path.hops.iter().any(|hop| hop.needed) {
        let missing = path.hops.is_empty();
        let link = if missing { Presence::PendingNoDevice } else { Presence::PendingLinkDown };
        return Possible::Later(link);
    }
    let up = |ifindex| table.by_index(ifindex).is_some_and(|device| device.up);
    let works = path.hops.iter().any(|hop| hop.ifindex.is_none_or(up));
    Possible::Now(path, if works { Presence::Present } else { Presence::PendingLinkDown })
}

/// A route with every way it may have in the kernel: the interfaces of the others are missing.
pub(crate) fn every(route: &Route, table: &Table) -> Path {
    let mut path = Path::of(route);
    if !route.kind.leads() {
        return path;
    }
    let one = [(route.via, &route.dev, None, route.onlink, route.realms)];
    let many = route.hops.iter().map(|h| (h.via, &h.dev, h.weight, h.onlink, h.realms));
    let one = one.into_iter().filter(|_| route.hops.is_empty());
    for (via, dev, weight, onlink, realms) in one.chain(many) {
        // A route that says where it leads and by which gateways means those on that link.
        let dev = dev.as_ref().or(route.dev.as_ref());
        let weight = weight.and_then(|weight| u8::try_from(weight.saturating_sub(1)).ok());
        let weight = weight.unwrap_or(0);
        let hop = Hop { via, ifindex: None, weight, onlink, realms, needed: true };
        let Some(dev) = dev else {
            path.hops.push(hop);
            continue;
        };
        if let Some(device) = table.device(dev) {
            let (ifindex, needed) = (Some(device.ifindex), device.admin_up);
            path.hops.push(Hop { ifindex, needed, ..hop });
        }
    }
    path
}
