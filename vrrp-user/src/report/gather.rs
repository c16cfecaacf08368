//! How do the engine's, the network's and the dataplane's views become one snapshot.
use super::standard::Clock;
use super::{model, routing, standard, why};
use crate::config::model::{Name, Statics, Vip};
use crate::dataplane::port::{Path, PortReport};
use crate::engine::snapshot::{GroupSnapshot, RouterSnapshot, State};
use crate::net::task::{OwnedReport, Presence};
use std::collections::BTreeMap;
use std::time::Duration;
use vrrp_common::counter::Counter;
use vrrp_common::ident::{Family, Priority, Version};
use vrrp_common::layout::Counts;
use vrrp_common::time::Instant;

/// One router's report.
pub fn instance(
    clock: Clock,
    router: &RouterSnapshot,
    counts: &Counts,
    owned: &OwnedReport,
    path: Option<Path>,
) -> model::Instance {
    let config = &router.instance;
    let master = match router.state {
        State::Active => Some("self".to_owned()),
        _ => router.master.map(|address| address.to_string()),
    };
    let addresses = config.vips().enumerate().map(|(i, vip)| {
        let report = owned.addresses.get(i);
        let (state, why) = presence(report.map(|r| &r.presence));
        model::Address {
            address: vip_text(vip),
            dev: vip.dev.to_string(),
            excluded: i >= config.addresses.len(),
            state,
            why,
            no_track: vip.no_track,
            prevented: router.prevented.get(i).copied().unwrap_or(0),
            announced: report.map_or(0, |r| r.announced),
            repaired: report.map_or(0, |r| r.repaired),
        }
    });
    let routes = config.routes.iter().enumerate().map(|(i, route)| {
        let (state, why) = presence(owned.routes.get(i));
        model::Route { route: routing::route(route), state, why, no_track: route.no_track }
    });
    let rules = config.rules.iter().enumerate().map(|(i, rule)| {
        let (state, why) = presence(owned.rules.get(i));
        model::Rule { rule: routing::rule(rule), state, why, no_track: rule.no_track }
    });
    model::Instance {
        name: config.name.to_string(),
        interface: config.interface.to_string(),
        vrid: config.vrid.get(),
        family: match config.family {
            Family::V4 => "ipv4".to_owned(),
            Family::V6 => "ipv6".to_owned(),
        },
        protocol: match config.version {
            Version::V2 => 2,
            Version::V3 => 3,
        },
        v2_interop: config.v2_interop,
        state: router.shown().to_string(),
        group: router.group.as_ref().map(|group| group.to_string()),
        priority: router.effective_priority.0,
        base_priority: config.priority.0,
        since_ms: millis(clock.now.since(router.since)),
        master,
        master_priority: match router.state {
            State::Backup => router.master_priority.map(|Priority(priority)| priority),
            _ => None,
        },
        path: path.map(|path| path.name().to_owned()),
        source: router.source.map(|address| address.to_string()),
        preempt: config.preempt,
        advert_interval_us: micros(config.advert_interval),
        master_interval_us: micros(router.master_interval),
        skew_us: micros(router.skew),
        down_interval_us: micros(router.down_interval),
        timer_ms: router.deadline.map(|at| millis(at.since(clock.now))),
        hold_ms: router
            .held_until
            .filter(|until| *until > clock.now)
            .map(|until| millis(until.since(clock.now))),
        faults: why::faults(router),
        weights: why::weights(router),
        addresses: addresses.collect(),
        routes: routes.collect(),
        rules: rules.collect(),
        adverts_sent: router.adverts_sent,
        priority_zero_sent: router.priority_zero_sent,
        became_master: router.became_master,
        released_master: router.released_master,
        counters: counters(counts),
        ietf_vrrp: standard::router(clock, router, counts),
    }
}

/// One port's report.
pub fn port(port: &PortReport) -> model::Port {
    model::Port {
        interface: port.interface.clone(),
        vlan: port.key.outer.checked_sub(1),
        path: port.path.name().to_owned(),
        why: port.why.clone(),
        program_id: port.program,
        counters: counters(&port.counts),
    }
}

/// Only what is counted.
pub fn counted(snapshot: &model::Snapshot) -> model::Counters {
    let instances = snapshot.instances.iter().map(|instance| {
        let mut counters = instance.counters.clone();
        let own = [
            ("adverts_sent", instance.adverts_sent),
            ("priority_zero_sent", instance.priority_zero_sent),
            ("became_master", instance.became_master),
            ("released_master", instance.released_master),
        ];
        counters.extend(own.map(|(name, count)| (name.to_owned(), count)));
        (instance.name.clone(), counters)
    });
    let ports = snapshot.ports.iter().map(|port| (port.interface.clone(), port.counters.clone()));
    model::Counters {
        instances: instances.collect(),
        ports: ports.collect(),
        controller: snapshot.controller.clone(),
    }
}

/// One transition's report.
pub fn event(
    clock: Clock,
    at: Instant,
    instance: &str,
    (from, to): (State, State),
    priority: Priority,
    why: String,
) -> model::Event {
    model::Event {
        datetime: standard::datetime(clock, at),
        ago_ms: millis(clock.now.since(at)),
        instance: instance.to_owned(),
        from: from.to_string(),
        to: to.to_string(),
        priority: priority.0,
        why,
    }
}

/// Counters by name, those at zero included: a counter that appears with its first event cannot be
/// told from one that does not exist.
pub fn counters(counts: &Counts) -> BTreeMap<String, u64> {
    Counter::ALL
        .iter()
        .zip(counts.0)
        .map(|(counter, count)| (counter.name().to_owned(), count))
        .collect()
}

/// Static objects.
pub fn statics(statics: &Statics, owned: Option<&OwnedReport>) -> Vec<model::Static> {
    let item = |object: String, found: Option<&Presence>| {
        let (state, why) = presence(found);
        model::Static { object, state, why }
    };
    let addresses = statics.addresses.iter().enumerate().map(|(i, address)| {
        let vip = &address.vip;
        let found = owned.and_then(|owned| owned.addresses.get(i));
        let text = format!("address {} dev {}", vip_text(vip), vip.dev);
        item(text, found.map(|report| &report.presence))
    });
    let routes = statics.routes.iter().enumerate().map(|(i, route)| {
        let found = owned.and_then(|owned| owned.routes.get(i));
        item(format!("route {}", routing::route(route)), found)
    });
    let rules = statics.rules.iter().enumerate().map(|(i, rule)| {
        let found = owned.and_then(|owned| owned.rules.get(i));
        item(format!("rule {}", routing::rule(rule)), found)
    });
    addresses.chain(routes).chain(rules).collect()
}

/// One sync group's report.
pub fn group(now: Instant, group: &GroupSnapshot) -> model::Group {
    let names = |names: &[Name]| names.iter().map(|name| name.to_string()).collect();
    model::Group {
        name: group.name.to_string(),
        state: group.state.to_string(),
        since_ms: millis(now.since(group.since)),
        members: names(&group.members),
        faulty: names(&group.faulty),
        ready: names(&group.ready),
    }
}

fn presence(presence: Option<&Presence>) -> (String, Option<String>) {
    let (state, why) = match presence {
        None | Some(Presence::Absent) => ("absent", None),
        Some(Presence::Present) => ("present", None),
        Some(Presence::PendingLinkDown) => ("pending (link down)", None),
        Some(Presence::PendingNoDevice) => ("pending (no device)", None),
        Some(Presence::Failed(why)) => ("failed", Some(why.clone())),
    };
    (state.to_owned(), why)
}

/// `ADDRESS/PREFIX`.
pub fn vip_text(vip: &Vip) -> String {
    format!("{}/{}", vip.address, vip.prefix)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
