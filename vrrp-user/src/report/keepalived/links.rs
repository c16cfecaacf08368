//! What does `keepalived.data` say of the interfaces of this host.
use super::pauses::{Group, by_interface};
use super::{Dump, Lines, Link, flag, line, switch};
use crate::config::model::{Instance, Rule, TrackInterface};

/// `ARPHRD_ETHER` and `ARPHRD_LOOPBACK`.
const ETHERNET: u16 = 1;
const LOOPBACK: u16 = 772;
/// The weight keepalived lists where an interface does not matter (`dont_track_primary`).
const NOT_TRACKED: i16 = 255;

/// All of them.
pub(super) fn render(to: &mut Lines, dump: &Dump<'_>, groups: &[Group<'_>]) {
    if !dump.links.is_empty() {
        line!(to, "------< Interfaces >------");
    }
    let groups = by_interface(groups);
    for link in dump.links {
        self::link(to, dump, link, groups.get(&*link.name).copied());
    }
}

fn link(to: &mut Lines, dump: &Dump<'_>, link: &Link, group: Option<&Group<'_>>) {
    let first = |address: Option<String>| address.unwrap_or_else(|| "(none)".to_owned());
    line!(to, " Name = {}", link.name);
    line!(to, "   index = {}", link.index);
    line!(to, "   IPv4 address = {}", first(link.v4.first().map(ToString::to_string)));
    if let Some((_, more @ [_, ..])) = link.v4.split_first() {
        line!(to, "   Additional IPv4 addresses :");
        for address in more {
            line!(to, "     {address}");
        }
    }
    line!(to, "   IPv6 address = {}", first(link.v6.first().map(ToString::to_string)));
    if let Some((_, more @ [_, ..])) = link.v6.split_first() {
        line!(to, "   Additional IPv6 addresses :");
        for address in more {
            line!(to, "     {address}");
        }
    }
    if !link.mac.is_empty() && link.hardware != LOOPBACK {
        line!(to, "   MAC = {}", mac(&link.mac));
        line!(to, "   MAC broadcast = {}", mac(&link.broadcast));
    }
    let has = |bit: u32| link.flags & bit != 0;
    line!(
        to,
        "   State = {}UP, {}RUNNING{}{}{}{}{}",
        switch(has(flag::UP), "", "not "),
        switch(has(flag::RUNNING), "", "not "),
        switch(has(flag::BROADCAST), "", ", no broadcast"),
        switch(has(flag::LOOPBACK), ", loopback", ""),
        switch(has(flag::POINT_TO_POINT), ", point to point", ""),
        switch(has(flag::NO_ARP), ", no arp", ""),
        switch(has(flag::MULTICAST), "", ", no multicast"),
    );
    let delay = dump.config.link_delays.iter().find(|delay| *delay.interface == *link.name);
    line!(to, "   Seen up = {}", u8::from(has(flag::UP) && has(flag::RUNNING)));
    line!(to, "   Delayed state change running = false");
    line!(to, "   Up debounce timer = {}us", delay.map_or(0, |delay| delay.up.as_micros()));
    line!(to, "   Down debounce timer = {}us", delay.map_or(0, |delay| delay.down.as_micros()));
    if dump.config.globals.interfaces_change && link.made {
        line!(to, "   Interface type/base can be changed");
    }
    line!(to, "   MTU = {}", link.mtu);
    match link.hardware {
        ETHERNET => line!(to, "   HW Type = ETHERNET"),
        LOOPBACK => line!(to, "   HW Type = LOOPBACK"),
        other => line!(to, "   HW Type = UNKNOWN ({other})"),
    }
    line!(to, "   NIC netlink status update");
    if let Some(group) = group {
        pauses(to, group);
    }
    settings(to, dump, link);
    let mut headed = false;
    let of_static = |instance: &Instance| {
        instance.static_interfaces.iter().any(|dev| **dev == *link.name).then_some((0, false))
    };
    let own = dump.config.instances.iter().map(|i| (i, tracks(dump, i, &link.name)));
    let own: Vec<_> = own.collect();
    // Those to whom only something static matters there come last.
    let last = own.iter().filter(|(_, how)| how.is_none()).map(|(i, _)| (*i, of_static(i)));
    let last: Vec<_> = last.collect();
    for (instance, how) in own.into_iter().chain(last) {
        let Some((weight, reverse)) = how else { continue };
        if !std::mem::replace(&mut headed, true) {
            line!(to, "   Tracking VRRP instances :");
        }
        line!(to, "     {}, weight {weight}{}", instance.name, switch(reverse, " reverse", ""));
    }
}

fn pauses(to: &mut Lines, group: &Group<'_>) {
    if let Some(interval) = group.garp {
        line!(to, "   Gratuitous ARP interval {}ms", interval.as_millis());
    }
    if let Some(interval) = group.gna {
        line!(to, "   Gratuitous NA interval {}ms", interval.as_millis());
    }
    if group.number > 0 {
        line!(to, "   Gratuitous ARP aggregation group {}", group.number);
    }
}

/// What keepalived calls original is what the kernel told last.
fn settings(to: &mut Lines, dump: &Dump<'_>, link: &Link) {
    let settings = &link.settings;
    line!(to, "   Reset ARP config counter 0");
    line!(to, "   Original arp_ignore {}", u8::from(settings.arp_ignore));
    line!(to, "   Original arp_filter {}", u8::from(settings.arp_filter));
    let promoted = dump
        .routers
        .iter()
        .filter(|router| router.owned.promoted && *router.engine.instance.interface == *link.name);
    let promoted = promoted.count();
    // keepalived has it of a link that the kernel told of again, as it does when that was set.
    if promoted > 0 {
        line!(to, "   rp_filter {}", settings.rp_filter);
    }
    let promotes = u8::from(settings.promote_secondaries);
    line!(to, "   Original promote_secondaries {promotes}");
    line!(to, "   Reset promote_secondaries counter {promoted}");
}

/// Whether what happens to the interface matters to an instance, and with which weight.
fn tracks(dump: &Dump<'_>, instance: &Instance, name: &str) -> Option<(i16, bool)> {
    if *instance.interface == *name && instance.dont_track_primary {
        return Some((NOT_TRACKED, false));
    }
    let needs = *instance.interface == *name
        || instance.vips().any(|vip| *vip.dev == *name && !vip.no_track)
        || instance
            .routes
            .iter()
            .any(|route| route.dev.as_deref() == Some(name) && !route.no_track)
        || instance.rules.iter().flat_map(Rule::tracked).any(|dev| **dev == *name);
    let group = dump.config.groups.iter().find(|group| group.members.contains(&instance.name));
    let of_group = group.map(|group| &*group.track_interfaces).unwrap_or_default();
    let mut listed = instance.track_interfaces.iter().chain(of_group);
    let listed = listed.find(|track| *track.interface == *name);
    match listed {
        Some(TrackInterface { weight, reverse, .. }) if !needs => Some((*weight, *reverse)),
        _ => (needs || listed.is_some()).then_some((0, false)),
    }
}

fn mac(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}
