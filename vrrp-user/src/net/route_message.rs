//! How rtnetlink says routes.
use super::message::{family, ip};
use super::path::{Head, Hop, Path};
use crate::config::model::Name;
use crate::config::routing::{Metrics, Order, RouteKind, metric};
use netlink_packet_core::{DefaultNla, Nla as _};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{
    RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteNextHop, RouteNextHopFlags,
    RoutePreference, RouteProtocol, RouteRealm, RouteVia,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Number of the locks among the metrics.
const LOCK: u16 = 1;

/// The route a message tells, or `None` where it is one that nobody can have configured.
pub(super) fn path(message: &RouteMessage) -> Option<Path> {
    let header = &message.header;
    let destination = match header.address_family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        AddressFamily::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    if header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let kind = header.kind.into();
    let v6 = destination.is_ipv6();
    let mut path = Path {
        head: Head {
            table: u32::from(header.table),
            destination,
            prefix: header.destination_prefix_length,
        },
        kind,
        protocol: header.protocol.into(),
        from: None,
        tos: header.tos,
        metric: 0,
        scope: if v6 { 0 } else { header.scope.into() },
        source: None,
        preference: 0,
        expires: None,
        metrics: Metrics::default(),
        hops: Vec::new(),
        order: Order::default(),
    };
    let mut hop = Hop {
        via: None,
        ifindex: None,
        weight: 0,
        onlink: header.flags.contains(RouteFlags::Onlink),
        realms: 0,
        needed: true,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(table) => path.head.table = *table,
            RouteAttribute::Destination(to) => path.head.destination = ip(to)?,
            RouteAttribute::Source(from) => {
                path.from = Some((ip(from)?, header.source_prefix_length));
            }
            RouteAttribute::PrefSource(source) => path.source = Some(ip(source)?),
            RouteAttribute::Priority(metric) => path.metric = *metric,
            RouteAttribute::Preference(preference) => path.preference = (*preference).into(),
            RouteAttribute::CacheInfo(cache) if cache.expires != 0 => {
                // What is left of it changes all the time.
                path.expires = Some(0);
            }
            RouteAttribute::Metrics(metrics) => path.metrics = told(metrics),
            RouteAttribute::MultiPath(hops) => {
                path.hops = hops.iter().map(way).collect::<Option<_>>()?;
            }
            other => part(&mut hop, other)?,
        }
    }
    if path.hops.is_empty() && RouteKind(kind).leads() {
        path.hops.push(hop);
    }
    Some(path)
}

fn way(told: &RouteNextHop) -> Option<Hop> {
    let mut hop = Hop {
        via: None,
        ifindex: Some(told.interface_index),
        weight: told.hops,
        onlink: told.flags.contains(RouteNextHopFlags::Onlink),
        realms: 0,
        needed: true,
    };
    for attribute in &told.attributes {
        part(&mut hop, attribute)?;
    }
    Some(hop)
}

/// `None` where it cannot be understood.
fn part(hop: &mut Hop, attribute: &RouteAttribute) -> Option<()> {
    match attribute {
        RouteAttribute::Gateway(via) => hop.via = Some(ip(via)?),
        RouteAttribute::Via(RouteVia::Inet6(via)) => hop.via = Some((*via).into()),
        RouteAttribute::Via(RouteVia::Inet(via)) => hop.via = Some((*via).into()),
        RouteAttribute::Oif(ifindex) => hop.ifindex = Some(*ifindex),
        RouteAttribute::Realm(realm) => {
            hop.realms = u32::from(realm.source) << 16 | u32::from(realm.destination);
        }
        // Packets are wrapped up: nothing of ours.
        RouteAttribute::Encap(_) => return None,
        _ => {}
    }
    Some(())
}

fn told(told: &[RouteMetric]) -> Metrics {
    let mut metrics = Metrics::default();
    for one in told {
        if let RouteMetric::CcAlgo(name) = one {
            metrics.congestion = Some(Name::from(name.as_str()));
            continue;
        }
        let mut bytes = vec![0; one.value_len()];
        one.emit_value(&mut bytes);
        let Ok(value) = bytes.try_into().map(u32::from_ne_bytes) else { continue };
        if one.kind() == LOCK {
            metrics.lock = value;
        } else {
            metrics.values.insert(one.kind(), value);
        }
    }
    metrics
}

/// The message that asks for a route, or for its end.
pub(super) fn route(path: &Path) -> RouteMessage {
    let Path { head, .. } = path;
    let v4 = head.destination.is_ipv4();
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = family(head.destination);
    header.destination_prefix_length = head.prefix;
    // Tables beyond a byte stand only in the attribute.
    header.table = u8::try_from(head.table).unwrap_or(0);
    header.protocol = RouteProtocol::from(path.protocol);
    header.kind = path.kind.into();
    header.scope = path.scope.into();
    header.tos = path.tos;
    let attributes = &mut message.attributes;
    attributes.push(RouteAttribute::Table(head.table));
    if head.prefix > 0 {
        attributes.push(RouteAttribute::Destination(head.destination.into()));
    }
    if let Some((from, length)) = path.from {
        header.source_prefix_length = length;
        attributes.push(RouteAttribute::Source(from.into()));
    }
    if let Some(source) = path.source {
        attributes.push(RouteAttribute::PrefSource(source.into()));
    }
    if path.metric != 0 {
        attributes.push(RouteAttribute::Priority(path.metric));
    }
    if path.preference != 0 {
        attributes.push(RouteAttribute::Preference(RoutePreference::from(path.preference)));
    }
    if let Some(expires @ 1..) = path.expires {
        attributes.push(RouteAttribute::Expires(expires));
    }
    let metrics = metrics(&path.metrics);
    if !metrics.is_empty() {
        attributes.push(RouteAttribute::Metrics(metrics));
    }
    match path.hops.as_slice() {
        [] => {}
        [hop] => {
            if hop.onlink {
                header.flags |= RouteFlags::Onlink;
            }
            attributes.extend(parts(hop, v4));
            attributes.extend(hop.ifindex.map(RouteAttribute::Oif));
        }
        hops => {
            let hops = hops.iter().map(|hop| {
                let mut next = RouteNextHop::default();
                next.flags.set(RouteNextHopFlags::Onlink, hop.onlink);
                next.hops = hop.weight;
                next.interface_index = hop.ifindex.unwrap_or(0);
                next.attributes = parts(hop, v4);
                next
            });
            attributes.push(RouteAttribute::MultiPath(hops.collect()));
        }
    }
    message
}

fn parts(hop: &Hop, v4: bool) -> Vec<RouteAttribute> {
    let via = hop.via.map(|via| match via {
        IpAddr::V6(via) if v4 => RouteAttribute::Via(RouteVia::Inet6(via)),
        via => RouteAttribute::Gateway(via.into()),
    });
    let realm = |realms: u32| {
        let [a, b, c, d] = realms.to_be_bytes();
        RouteAttribute::Realm(RouteRealm {
            source: u16::from_be_bytes([a, b]),
            destination: u16::from_be_bytes([c, d]),
        })
    };
    via.into_iter().chain((hop.realms != 0).then(|| realm(hop.realms))).collect()
}

fn metrics(metrics: &Metrics) -> Vec<RouteMetric> {
    let number = |number: u16, value: u32| {
        RouteMetric::Other(DefaultNla::new(number, value.to_ne_bytes().to_vec()))
    };
    let mut all: Vec<RouteMetric> =
        metrics.values.iter().map(|(kind, value)| number(*kind, *value)).collect();
    if let Some(name) = &metrics.congestion {
        let name = name.as_bytes().iter().copied().chain([0]).collect();
        all.push(RouteMetric::Other(DefaultNla::new(metric::CONGESTION_CONTROL, name)));
    }
    if metrics.lock != 0 && !all.is_empty() {
        all.push(number(LOCK, metrics.lock));
    }
    all
}
