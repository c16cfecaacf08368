//! What keeps a router from taking part, and what the things it tracks do to its priority.
use super::links::Links;
use super::snapshot::{Fault, Kind, Reason, Weight};
use super::tracked::Objects;
use super::tracking::Tracking;
use crate::config::model::{Instance, Name, Route, Rule, Vip};
use crate::config::tracked::Track;
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

/// What is outside: as much of it as faults and priorities come from.
#[derive(Clone, Copy)]
pub(super) struct World<'a> {
    pub(super) links: &'a Links,
    pub(super) objects: &'a Objects,
}

/// A file's part in the priority that is a fault instead, and the most it may add.
const FILE_FAULT: i64 = -254;
const FILE_MOST: i64 = 253;

/// Every fault of its own that a router has at this moment. A router that `waits` has not started,
/// and does not before it is known what the objects it tracks are like.
pub(super) fn faults(tracking: Tracking<'_>, world: World<'_>, waits: bool) -> BTreeSet<Fault> {
    let World { links, .. } = world;
    let instance = tracking.instance;
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
    if instance.track_source
        && let Some(source) = instance.source
        && !links.has(&instance.interface, source)
    {
        add(Reason::SourceMissing, format!("{source} dev {}", instance.interface).into());
    }
    for track in tracking.interfaces() {
        if track.weight == 0 && links.up(&track.interface) == track.reverse {
            add(Reason::TrackedInterface, track.interface.clone());
        }
    }
    for vip in instance.vips() {
        if !vip.no_track && vip.dev != instance.interface && !links.up(&vip.dev) {
            add(Reason::AddressInterface, address_name(vip));
        }
    }
    let lost = |dev: &Name| *dev != instance.interface && !links.up(dev);
    for route in &instance.routes {
        if let Some(dev) = route.tracked().filter(|dev| lost(dev)) {
            add(Reason::RouteInterface, route_name(route, dev));
        }
    }
    for rule in &instance.rules {
        for dev in rule.tracked().filter(|dev| lost(dev)) {
            add(Reason::RuleInterface, format!("rule {} dev {dev}", rule.priority).into());
        }
    }
    for dev in instance.static_interfaces.iter().filter(|dev| lost(dev)) {
        add(Reason::StaticInterface, dev.clone());
    }
    add_objects(tracking, world.objects, waits, add);
    faults
}

fn add_objects(
    tracking: Tracking<'_>,
    objects: &Objects,
    waits: bool,
    mut add: impl FnMut(Reason, Name),
) {
    for track in tracking.scripts().filter(|track| track.weight == 0) {
        match objects.script_good(&track.object) {
            Some(good) if good == track.reverse => add(Reason::Script, track.object.clone()),
            None if waits => add(Reason::Awaited, format!("script {}", track.object).into()),
            Some(_) | None => {}
        }
    }
    for track in tracking.files() {
        match objects.file_value(&track.object) {
            Some(value) if file_part(track, value) <= FILE_FAULT => {
                add(Reason::File, track.object.clone());
            }
            None if waits => add(Reason::Awaited, format!("file {}", track.object).into()),
            Some(_) | None => {}
        }
    }
    for track in tracking.processes() {
        match objects.process_good(&track.object) {
            Some(good) if track.weight == 0 && good == track.reverse => {
                add(Reason::Process, track.object.clone());
            }
            None if waits => add(Reason::Awaited, format!("process {}", track.object).into()),
            Some(_) | None => {}
        }
    }
}

/// What a number in a file means to one who tracks it: a part of the priority, or a fault.
fn file_part(track: &Track, value: i64) -> i64 {
    let direction = if track.reverse { -1 } else { 1 };
    match track.weight {
        0 if (value != 0) != track.reverse => FILE_FAULT,
        0 => 0,
        weight => value
            .saturating_mul(i64::from(weight))
            .saturating_mul(direction)
            .clamp(FILE_FAULT, FILE_MOST),
    }
}

/// Whether only `no_track` keeps the loss of this address's interface from being a fault.
pub(super) fn spared(tracking: Tracking<'_>, vip: &Vip) -> bool {
    vip.no_track && !needs(tracking, &vip.dev)
}

/// Whether the loss of an interface is a fault.
pub(super) fn needs(tracking: Tracking<'_>, name: &Name) -> bool {
    let Tracking { instance, .. } = tracking;
    let mut tracks = tracking.interfaces();
    *name == instance.interface
        || tracks.any(|track| track.weight == 0 && !track.reverse && track.interface == *name)
        || instance.vips().any(|vip| !vip.no_track && vip.dev == *name)
        || instance.routes.iter().any(|route| route.tracked() == Some(name))
        || instance.rules.iter().flat_map(Rule::tracked).any(|dev| dev == name)
        || instance.static_interfaces.contains(name)
}

/// What each weighted object does to the priority now.
pub(super) fn weights<'a>(
    tracking: Tracking<'a>,
    world: World<'a>,
) -> impl Iterator<Item = Weight> + 'a {
    let World { links, objects } = world;
    let interfaces = tracking.interfaces().filter_map(move |track| {
        let good = Some(links.up(&track.interface));
        let amount = part(track.weight, track.reverse, good)?;
        Some(Weight { kind: Kind::Interface, object: track.interface.clone(), amount, known: None })
    });
    let scripts = tracking.scripts().filter_map(move |track| {
        let object = &track.object;
        let amount = part(track.weight, track.reverse, objects.script_good(object))?;
        let known = objects.known_script(object);
        Some(Weight { kind: Kind::Script, object: object.clone(), amount, known })
    });
    let files = tracking.files().filter_map(move |track| {
        let object = &track.object;
        let amount = file_part(track, objects.file_value(object)?);
        if amount == 0 || amount <= FILE_FAULT {
            return None;
        }
        let (amount, known) = (i16::try_from(amount).ok()?, objects.known_file(object));
        Some(Weight { kind: Kind::File, object: object.clone(), amount, known })
    });
    let processes = tracking.processes().filter_map(move |track| {
        let object = &track.object;
        let amount = part(track.weight, track.reverse, objects.process_good(object))?;
        let known = objects.known_process(object);
        Some(Weight { kind: Kind::Process, object: object.clone(), amount, known })
    });
    interfaces.chain(scripts).chain(files).chain(processes)
}

/// A positive weight is a reward for being good, a negative one a penalty for being bad; `reverse`
/// turns the direction of the adjustment round. What is not known yet adjusts nothing.
fn part(weight: i16, reverse: bool, good: Option<bool>) -> Option<i16> {
    let applies = if good? { weight > 0 } else { weight < 0 };
    applies.then_some(if reverse { weight.saturating_neg() } else { weight })
}

/// The configured priority with every weight applied.
pub(super) fn effective_priority(tracking: Tracking<'_>, world: World<'_>) -> Priority {
    let base = tracking.instance.priority;
    // 255 is no point on the scale but says who owns the addresses (RFC 9568 section 5.2.4).
    if base == Priority::OWNER {
        return Priority::OWNER;
    }
    let adjustment: i64 = weights(tracking, world).map(|weight| i64::from(weight.amount)).sum();
    let sum = (i64::from(base.0) + adjustment).clamp(1, 254);
    Priority(u8::try_from(sum).unwrap_or(base.0))
}

/// An address as a person would write it.
pub(super) fn address_name(vip: &Vip) -> Name {
    format!("{}/{} dev {}", vip.address, vip.prefix, vip.dev).into()
}

fn route_name(route: &Route, dev: &Name) -> Name {
    format!("{} dev {dev}", route.target()).into()
}
