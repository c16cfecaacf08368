//! What keeps a router from taking part, and what its interfaces do to its priority.
use super::links::Links;
use super::snapshot::{Fault, Reason};
use crate::config::model::{Instance, Name, Route, Vip};
use std::collections::BTreeSet;
use std::net::IpAddr;
use vrrp_common::ident::{Family, Priority};

/// Address adverts are sent from: the configured one, else the interface's own.
pub(super) fn source(instance: &Instance, links: &Links) -> Option<IpAddr> {
    let addresses = links.addresses(&instance.interface);
    instance.source.or(match instance.family {
        // RFC 9568 sections 5.1.1.1 and 5.1.2.1.
        Family::V4 => addresses.v4.map(IpAddr::V4),
        Family::V6 => addresses.v6.map(IpAddr::V6),
    })
}

/// Every fault there is at this moment.
pub(super) fn faults(instance: &Instance, links: &Links) -> BTreeSet<Fault> {
    let mut faults = BTreeSet::new();
    let mut add = |reason, object| {
        faults.insert(Fault { reason, object });
    };
    if links.up(&instance.interface) {
        if source(instance, links).is_none() {
            add(Reason::NoSource, instance.interface.clone());
        }
    } else if !instance.dont_track_primary {
        add(Reason::Interface, instance.interface.clone());
    }
    for track in &instance.track_interfaces {
        if track.weight == 0 && links.up(&track.interface) == track.reverse {
            add(Reason::TrackedInterface, track.interface.clone());
        }
    }
    for vip in instance.vips() {
        if !vip.no_track && vip.dev != instance.interface && !links.up(&vip.dev) {
            add(Reason::AddressInterface, address_name(vip));
        }
    }
    for route in &instance.routes {
        if let Some(dev) = &route.dev
            && !route.no_track
            && *dev != instance.interface
            && !links.up(dev)
        {
            add(Reason::RouteInterface, route_name(route, dev));
        }
    }
    faults
}

/// Whether only `no_track` keeps the loss of this address's interface from being a fault.
pub(super) fn spared(instance: &Instance, vip: &Vip) -> bool {
    vip.no_track && !needs(instance, &vip.dev)
}

/// Whether the loss of an interface is a fault.
pub(super) fn needs(instance: &Instance, name: &Name) -> bool {
    let tracks = || instance.track_interfaces.iter();
    *name == instance.interface
        || tracks().any(|track| track.weight == 0 && !track.reverse && track.interface == *name)
        || instance.vips().any(|vip| !vip.no_track && vip.dev == *name)
        || instance.routes.iter().any(|r| !r.no_track && r.dev.as_ref() == Some(name))
}

/// What each weighted interface does to the priority now.
pub(super) fn weights<'a>(
    instance: &'a Instance,
    links: &'a Links,
) -> impl Iterator<Item = (&'a Name, i16)> {
    instance.track_interfaces.iter().filter_map(|track| {
        // A positive weight is a reward for being up, a negative one a penalty for being down;
        // `reverse` turns the direction of the adjustment round.
        let applies = if links.up(&track.interface) { track.weight > 0 } else { track.weight < 0 };
        let weight = if track.reverse { track.weight.saturating_neg() } else { track.weight };
        applies.then_some((&track.interface, weight))
    })
}

/// The configured priority with every weight applied.
pub(super) fn effective_priority(instance: &Instance, links: &Links) -> Priority {
    // 255 is no point on the scale but says who owns the addresses (RFC 9568 section 5.2.4).
    if instance.priority == Priority::OWNER {
        return Priority::OWNER;
    }
    let adjustment: i64 = weights(instance, links).map(|(_, weight)| i64::from(weight)).sum();
    let sum = (i64::from(instance.priority.0) + adjustment).clamp(1, 254);
    Priority(u8::try_from(sum).unwrap_or(instance.priority.0))
}

/// An address as a person would write it.
pub(super) fn address_name(vip: &Vip) -> Name {
    format!("{}/{} dev {}", vip.address, vip.prefix, vip.dev).into()
}

fn route_name(route: &Route, dev: &Name) -> Name {
    if route.prefix == 0 && route.destination.is_unspecified() {
        return format!("default dev {dev}").into();
    }
    format!("{}/{} dev {dev}", route.destination, route.prefix).into()
}
