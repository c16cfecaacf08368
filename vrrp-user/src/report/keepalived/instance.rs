//! What does `keepalived.data` say of an instance.
use super::{Dump, Lines, Router, address, line, number, routing, short, switch};
use crate::config::model::{TrackInterface, Transport};
use crate::config::program::Program;
use crate::config::tracked::{Track, Tracks};
use crate::engine::snapshot::State;
use vrrp_common::ident::{Family, Version};

/// All lines of one.
pub(super) fn render(to: &mut Lines, dump: &Dump<'_>, router: &Router) {
    let instance = &*router.engine.instance;
    line!(to, " VRRP Instance = {}", instance.name);
    line!(to, "   VRRP Version = {}", number(instance.version));
    let group = dump.config.groups.iter().find(|group| group.members.contains(&instance.name));
    if let Some(group) = group {
        line!(to, "   Sync group = {}", group.name);
    }
    if instance.family == Family::V6 {
        line!(to, "   Using Native IPv6");
    }
    state(to, dump, router);
    place(to, dump, router);
    settings(to, router);
    addresses(to, router);
    if !instance.track_interfaces.is_empty() {
        line!(to, "   Tracked interfaces :");
        tracked_interfaces(to, &instance.track_interfaces);
    }
    tracked(to, &instance.tracks, "processes");
    line!(to, "   Using smtp notification = no");
    let deleted = &instance.notify.deleted;
    line!(to, "   Notify deleted = {}", switch(deleted.given, "Deleted", "Fault"));
    let notify = &instance.notify;
    for (program, what) in [
        (&notify.backup, "Backup"),
        (&notify.master, "Master"),
        (&notify.fault, "Fault"),
        (&notify.stop, "Stop"),
        (&deleted.program, "Deleted"),
        (&notify.any, "Generic"),
        (&notify.lower, "Master rx lower pri"),
    ] {
        script(to, dump, program.as_deref(), what);
    }
    let changes = switch(instance.notify_priority_changes, "true", "false");
    line!(to, "   Notify priority changes = {changes}");
}

fn state(to: &mut Lines, dump: &Dump<'_>, router: &Router) {
    let (engine, instance) = (&router.engine, &*router.engine.instance);
    line!(to, "   State = {}", engine.shown());
    if engine.state == State::Backup {
        let master = engine.master.map_or("(none)".to_owned(), |master| master.to_string());
        line!(to, "   Master router = {master}");
        line!(to, "   Master priority = {}", engine.master_priority.map_or(0, |p| p.0));
        if instance.version == Version::V3 {
            let centis = engine.master_interval.as_millis() / 10;
            line!(to, "   Master advert int = {}.{:02} sec", centis / 100, centis % 100);
        }
    }
    let unicast = matches!(instance.transport, Transport::Unicast { .. });
    // keepalived names only some of its flags.
    let flags = unicast
        || !instance.preempt
        || !instance.check_address_list
        || instance.source.is_some()
        || instance.dont_track_primary
        || instance.track_source;
    line!(to, "   Flags:{}", switch(flags, "", " none"));
    if unicast {
        line!(to, "     Using unicast");
    }
    line!(to, "   Wantstate = {}", engine.state);
    line!(to, "   Number of config faults = 0");
    line!(to, "   Number of interface and track script faults = {}", engine.faults.len());
    line!(to, "   Number of track scripts init = 0");
    line!(to, "   Last transition = {}", dump.moment(engine.since));
    match engine.deadline {
        Some(deadline) => line!(to, "   Read timeout = {}", dump.moment(deadline)),
        None => line!(to, "   Read timeout = DISABLED"),
    }
    line!(to, "   Master down timer = {} usecs", engine.down_interval.as_micros());
}

fn place(to: &mut Lines, dump: &Dump<'_>, router: &Router) {
    let instance = &*router.engine.instance;
    line!(to, "   Interface = {}", instance.interface);
    if instance.dont_track_primary {
        line!(to, "   VRRP interface tracking disabled");
    }
    if !instance.check_address_list {
        line!(to, "   Skip checking advert IP addresses");
    }
    if instance.strict {
        line!(to, "   Enforcing strict VRRP compliance");
    }
    let source = router.engine.source.map_or("(none)".to_owned(), |source| source.to_string());
    let given = switch(instance.source.is_some(), " (from configuration)", "");
    line!(to, "   Using src_ip = {source}{given}");
    if let Transport::Multicast { group } = instance.transport {
        if group.is_ipv4() {
            line!(to, "   Multicast address {group}");
        } else {
            let link = dump.links.iter().find(|link| *link.name == *instance.interface);
            let index = link.map_or(0, |link| link.index);
            line!(to, "   Multicast address {group}, ifindex {index}");
        }
    }
}

fn settings(to: &mut Lines, router: &Router) {
    let (engine, instance) = (&router.engine, &*router.engine.instance);
    let garp = &instance.garp;
    line!(to, "   Gratuitous ARP delay = {}", garp.delay.as_secs());
    line!(to, "   Gratuitous ARP repeat = {}", garp.repeat);
    line!(to, "   Gratuitous ARP refresh = {}", garp.refresh.as_secs());
    line!(to, "   Gratuitous ARP refresh repeat = {}", garp.refresh_repeat);
    line!(to, "   Gratuitous ARP lower priority delay = {}", garp.lower_delay.as_secs());
    line!(to, "   Gratuitous ARP lower priority repeat = {}", garp.lower_repeat);
    line!(to, "   Down timer adverts = {}", instance.down_timer_adverts);
    if !garp.elsewhere.is_zero() {
        let seconds = garp.elsewhere.as_secs();
        line!(to, "   Gratuitous ARP for each secondary i/f = {seconds}");
    }
    let lower = switch(instance.answer_lower, "true", "false");
    line!(to, "   Send advert after receive lower priority advert = {lower}");
    let higher = switch(instance.answer_higher, "true", "false");
    line!(to, "   Send advert after receive higher priority advert = {higher}");
    line!(to, "   Virtual Router ID = {}", instance.vrid);
    line!(to, "   Priority = {}", instance.priority.0);
    line!(to, "   Effective priority = {}", engine.effective_priority.0);
    let weights: i32 = engine.weights.iter().map(|weight| i32::from(weight.amount)).sum();
    line!(to, "   Total priority = {}", i32::from(instance.priority.0) + weights);
    match instance.version {
        Version::V2 => {
            line!(to, "   Advert interval = {} sec", instance.advert_interval.as_secs());
        }
        Version::V3 => {
            line!(to, "   Advert interval = {} milli-sec", instance.advert_interval.as_millis());
        }
    }
    if engine.state == State::Backup && instance.version == Version::V3 {
        let interval = engine.master_interval.as_millis();
        line!(to, "   Master advert interval = {interval} milli-sec");
    }
    line!(to, "   Accept = {}", switch(instance.accept, "enabled", "disabled"));
    line!(to, "   Preempt = {}", switch(instance.preempt, "enabled", "disabled"));
    if !instance.preempt_delay.is_zero() {
        line!(to, "   Preempt delay = {} secs", short(instance.preempt_delay));
    }
    let promote = switch(instance.promote_secondaries, "enabled", "disabled");
    line!(to, "   Promote_secondaries = {promote}");
    match &instance.password {
        Some(secret) => {
            line!(to, "   Authentication type = SIMPLE_PASSWORD");
            line!(to, "   Password = {}", password(secret));
        }
        None if instance.version == Version::V2 => line!(to, "   Authentication type = none"),
        None => {}
    }
}

/// Up to the first zero, as C ends strings.
pub(super) fn password(password: &[u8; 8]) -> String {
    let bytes = password.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

fn addresses(to: &mut Lines, router: &Router) {
    let instance = &*router.engine.instance;
    let presence = |i: usize| router.owned.addresses.get(i).map(|report| &report.presence);
    if !instance.addresses.is_empty() {
        line!(to, "   Virtual IP ({}):", instance.addresses.len());
    }
    for (i, vip) in instance.vips().enumerate() {
        if i == instance.addresses.len() {
            line!(to, "   Virtual IP Excluded :");
        }
        line!(to, "     {}", address::vip(vip, presence(i)));
    }
    if let Transport::Unicast { peers, ttl } = &instance.transport {
        line!(to, "   Unicast TTL = {ttl}");
        line!(to, "   Check unicast src : yes");
        line!(to, "   Unicast Peer :");
        for peer in peers {
            let (min, max) = (peer.min_ttl, peer.max_ttl);
            line!(to, "     {} min_ttl {min} max_ttl {max}", peer.address);
        }
        line!(to, "   Unicast checksum compatibility = no");
    }
    line!(to, "   No sockets allocated");
    if !instance.routes.is_empty() {
        line!(to, "   Virtual Routes :");
        for route in &instance.routes {
            line!(to, "     {}", routing::route(route));
        }
    }
    if !instance.rules.is_empty() {
        line!(to, "   Virtual Rules :");
        for rule in &instance.rules {
            line!(to, "     {}", routing::rule(rule));
        }
    }
}

/// Lines of `track_interface`.
pub(super) fn tracked_interfaces(to: &mut Lines, tracks: &[TrackInterface]) {
    for track in tracks {
        let reverse = switch(track.reverse, " reverse", "");
        line!(to, "     {} weight {}{reverse}", track.interface, track.weight);
    }
}

/// Lists of what is tracked by name; `processes` is how a list of processes is headed.
pub(super) fn tracked(to: &mut Lines, tracks: &Tracks, processes: &str) {
    let lists = [
        ("scripts", &tracks.scripts, ""),
        ("files", &tracks.files, ","),
        (processes, &tracks.processes, ","),
    ];
    for (kind, list, comma) in lists {
        if list.is_empty() {
            continue;
        }
        line!(to, "   Tracked {kind} :");
        for Track { object, weight, reverse } in list {
            line!(to, "     {object}{comma} weight {weight}{}", switch(*reverse, " reverse", ""));
        }
    }
}

/// The line of a program that is run at a transition.
pub(super) fn script(to: &mut Lines, dump: &Dump<'_>, program: Option<&Program>, what: &str) {
    let Some(program) = program else { return };
    let (command, (user, group)) = dump.command(program);
    line!(to, "   {what} state transition script = {command}, uid:gid {user}:{group}");
}
