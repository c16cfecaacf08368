//! What does `keepalived.data` say of pauses between announcements.
use super::{Dump, Lines, line, seconds, short};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use vrrp_common::ident::Family;
use vrrp_common::time::Instant;

/// Interfaces that keep their pauses together.
pub(super) struct Group<'a> {
    /// Counted from 1 where there is a block `interfaces`, else 0.
    pub(super) number: u32,
    /// Between gratuitous ARPs.
    pub(super) garp: Option<Duration>,
    /// Between unsolicited neighbour advertisements.
    pub(super) gna: Option<Duration>,
    interfaces: Vec<&'a str>,
}

/// Those that are configured, and where there are pauses for all, each further interface of an
/// instance or an address as one of its own.
pub(super) fn groups<'a>(dump: &Dump<'a>) -> Vec<Group<'a>> {
    let mut numbers = 0;
    let configured = dump.config.garp_groups.iter().map(|group| {
        numbers += u32::from(group.numbered);
        Group {
            number: if group.numbered { numbers } else { 0 },
            garp: group.garp_interval.map(rounded),
            gna: group.gna_interval.map(rounded),
            interfaces: group.interfaces.iter().map(|name| &**name).collect(),
        }
    });
    let mut groups: Vec<Group<'_>> = configured.collect();
    let globals = &dump.config.globals;
    let [garp, gna] = [globals.garp_interval, globals.gna_interval]
        .map(|interval| Some(rounded(interval)).filter(|interval| !interval.is_zero()));
    if garp.is_none() && gna.is_none() {
        return groups;
    }
    let mut seen: HashSet<&str> =
        groups.iter().flat_map(|group| group.interfaces.iter().copied()).collect();
    for instance in &dump.config.instances {
        for name in std::iter::once(&instance.interface).chain(instance.vips().map(|vip| &vip.dev))
        {
            if seen.insert(name) {
                groups.push(Group { number: 0, garp, gna, interfaces: vec![name] });
            }
        }
    }
    groups
}

/// To microseconds, which keepalived counts.
fn rounded(interval: Duration) -> Duration {
    let micros = interval.as_nanos().saturating_add(500) / 1000;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// In which group each interface is.
pub(super) fn by_interface<'a>(groups: &'a [Group<'a>]) -> HashMap<&'a str, &'a Group<'a>> {
    groups
        .iter()
        .flat_map(|group| group.interfaces.iter().map(move |name| (*name, group)))
        .collect()
}

/// All of them.
pub(super) fn render(to: &mut Lines, dump: &Dump<'_>, groups: &[Group<'_>]) {
    if groups.is_empty() {
        return;
    }
    line!(to, "------< Gratuitous ARP delays >------");
    let last = last_announced(dump);
    let order: HashMap<&str, usize> =
        dump.links.iter().enumerate().map(|(number, link)| (&*link.name, number)).collect();
    for group in groups {
        line!(to, "------< GARP delay group {} >------", group.number);
        for (kind, family, interval) in
            [("GARP", Family::V4, group.garp), ("GNA", Family::V6, group.gna)]
        {
            let Some(interval) = interval else { continue };
            line!(to, " {kind} interval = {}", short(interval));
            let last = group.interfaces.iter().filter_map(|name| last.get(&(*name, family))).max();
            let next = last.map_or(Duration::ZERO, |last| dump.wall(*last + interval));
            let date = (dump.date)(next);
            // The year is left out.
            let date = date.rsplit_once(' ').map_or(&*date, |(date, _)| date);
            line!(to, " {kind} next time {} ({date})", seconds(next));
        }
        line!(to, " Interfaces");
        let mut names = group.interfaces.clone();
        names.sort_by_key(|name| order.get(name).copied().unwrap_or(usize::MAX));
        for name in names {
            line!(to, "  {name}");
        }
    }
}

/// When something was last announced on each interface.
fn last_announced<'a>(dump: &Dump<'a>) -> HashMap<(&'a str, Family), Instant> {
    let mut last = HashMap::new();
    for router in dump.routers {
        for (vip, report) in router.engine.instance.vips().zip(&router.owned.addresses) {
            let Some(at) = report.announced_last else { continue };
            let known = last.entry((&*vip.dev, Family::of(vip.address))).or_insert(at);
            *known = at.max(*known);
        }
    }
    last
}
