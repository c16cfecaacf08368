//! Does an instance make sense as a whole, and what does it come to with the defaults.
use super::globals::{GarpDraft, Global};
use super::instance::Draft;
use super::parts::Kind;
use super::reach::{families, family, first_link_local, transport};
use super::track::TracksDraft;
use super::transition::v2_interop;
use crate::config::findings::{Findings, Span};
use crate::config::model::{Checksum, Garp, Instance, Name, TrackInterface, Vip};
use crate::config::tree::Node;
use std::time::Duration;
use vrrp_common::ident::{Family, Priority, Version};
use vrrp_common::wire::vrrp::ChecksumForm;

/// Where the parts of an instance stand, for checks between instances.
pub(super) struct Spans {
    pub(super) name: Span,
    pub(super) vrid: Span,
    /// Of [`Instance::vips`], in its order.
    pub(super) vips: Vec<Span>,
    /// Of [`Instance::track_interfaces`].
    pub(super) track_interfaces: Vec<Span>,
    /// Whether it says itself how [`Instance::notify_priority_changes`] is to be.
    pub(super) notify_priority_changes: bool,
    /// What is tracked by name, to become [`Instance::tracks`].
    pub(super) tracks: TracksDraft,
}

/// Sets a draft against the defaults and against itself. `None` if it lacks what every instance
/// must have.
pub(super) fn finish(
    node: &Node,
    mut draft: Draft,
    global: &Global,
    findings: &mut Findings,
) -> Option<(Instance, Spans)> {
    let word = node.arguments().first()?;
    let (name, span) = (&*word.text, word.span);
    if name.is_empty() || name.contains(|c: char| c == '"' || c.is_control()) {
        findings.error("bad-name", span, "an instance's name cannot be empty or hold quotes");
        return None;
    }
    let strict = draft.strict.unwrap_or(global.strict);
    let interface = interface(node, &draft, global, findings);
    let vrid = match draft.vrid {
        Some(vrid) => Some(vrid),
        None => {
            if !given(node, "virtual_router_id") {
                findings
                    .error("missing-vrid", span, format!("`{name}` has no `virtual_router_id`"))
                    .help("add `virtual_router_id N`, 1 to 255, the same on all its routers");
            }
            None
        }
    };
    let family = family(&draft);
    let version = version(&draft, family, global, findings);
    families(&draft, family, findings);
    no_addresses(node, &draft, findings);
    let priority = priority(&draft, findings);
    let preempt = preempt(&mut draft, priority, findings);
    let advert_interval = advert_interval(&draft, version, findings);
    let v2_interop = v2_interop(&draft, family, version, advert_interval, findings);
    let password = password(&draft, version, v2_interop, strict, findings);
    let (transport, source) = transport(&draft, family, strict, global, findings);
    if strict {
        strictly(&mut draft, priority, findings);
    }
    first_link_local(&draft, family, strict, findings);
    let (interface, (vrid, vrid_span)) = (interface?, vrid?);

    let mut instance = Instance::new(word.text.clone(), interface.clone(), vrid, family);
    let mut spans = Spans {
        name: span,
        vrid: vrid_span,
        vips: Vec::new(),
        track_interfaces: Vec::new(),
        notify_priority_changes: draft.alike.notify_priority_changes.is_some(),
        tracks: std::mem::take(&mut draft.alike.tracks),
    };
    instance.origin = findings.origin(span);
    instance.version = version;
    instance.v2_interop = v2_interop;
    instance.priority = priority;
    instance.start_as_master = draft.master.is_some();
    instance.advert_interval = advert_interval;
    instance.preempt = preempt;
    instance.preempt_delay = draft.preempt_delay.map_or(Duration::ZERO, |(delay, _)| delay);
    instance.transport = transport;
    instance.source = source;
    instance.password = password;
    let plain = draft.plain_checksum.unwrap_or(global.plain_checksum);
    instance.checksum = Checksum {
        send: if plain { ChecksumForm::Plain } else { ChecksumForm::PseudoHeader },
        accept_both: true,
    };
    instance.check_address_list = !draft.skip_check_adv_addr.unwrap_or(global.skip_check_adv_addr);
    instance.drops_other_lists = strict && version == Version::V2 && instance.check_address_list;
    instance.dont_track_primary = draft.dont_track_primary;
    addresses(&draft, &mut instance, &mut spans, findings);
    for route in &draft.routes {
        if instance.routes.contains(&route.route) {
            findings.warning("repeated", route.span, "the route is given again");
        } else {
            instance.routes.push(route.route.clone());
        }
    }
    let tracked = tracked(draft.alike.track_interfaces, &interface, priority, findings);
    (instance.track_interfaces, spans.track_interfaces) = tracked.into_iter().unzip();
    instance.track_source = draft.track_source.is_some() && instance.source.is_some();
    if let Some(span) = draft.track_source
        && instance.source.is_none()
    {
        findings
            .warning("track-source", span, "`track_src_ip` has no effect without a source address")
            .help("add `unicast_src_ip` or `mcast_src_ip`");
    }
    instance.notify = draft.alike.notify;
    instance.garp = garp(draft.garp, global.garp, strict);
    if instance.vips().all(|vip| vip.dev == instance.interface) {
        instance.garp.elsewhere = Duration::ZERO;
    }
    instance.answer_lower = match draft.lower_prio_no_advert.or(global.lower_prio_no_advert) {
        Some(silent) => !silent,
        None => version == Version::V3,
    };
    instance.answer_higher =
        draft.higher_prio_send_advert.unwrap_or(global.higher_prio_send_advert);
    instance.down_timer_adverts =
        draft.down_timer_adverts.or(global.down_timer_adverts).unwrap_or(3);
    instance.owner_ignore_adverts =
        draft.owner_ignore_adverts.unwrap_or(global.owner_ignore_adverts);
    instance.notify_priority_changes =
        draft.alike.notify_priority_changes.unwrap_or(global.own.notify_priority_changes);
    instance.accept = draft.accept.unwrap_or(!strict) || priority == Priority::OWNER;
    instance.strict = strict;
    instance.promote_secondaries = draft.promote_secondaries;
    instance.no_repair = draft.no_repair;
    Some((instance, spans))
}

/// Is the keyword there, be its value good or bad? Then its absence is not the problem.
fn given(node: &Node, keyword: &str) -> bool {
    node.children().iter().any(|child| child.keyword() == keyword)
}

fn interface(node: &Node, draft: &Draft, global: &Global, findings: &mut Findings) -> Option<Name> {
    if let Some((name, _)) = &draft.interface {
        return Some(name.clone());
    }
    if given(node, "interface") {
        return None;
    }
    if global.default_interface.is_none() {
        let word = node.arguments().first()?;
        findings
            .error("missing-interface", word.span, format!("`{}` has no `interface`", word.text))
            .help("add `interface NAME`, or `default_interface NAME` to global_defs");
    }
    global.default_interface.clone()
}

fn version(draft: &Draft, family: Family, global: &Global, findings: &mut Findings) -> Version {
    match (draft.version, family) {
        (Some((Version::V2, span)), Family::V6) => {
            findings
                .warning("version-3", span, "IPv6 needs version 3, which is used")
                .label("VRRPv2 knows only IPv4");
            Version::V3
        }
        (_, Family::V6) => Version::V3,
        (Some((version, _)), Family::V4) => version,
        (None, Family::V4) => global.version.unwrap_or(Version::V2),
    }
}

fn no_addresses(node: &Node, draft: &Draft, findings: &mut Findings) {
    if draft.no_addresses || !draft.addresses.is_empty() {
        return;
    }
    // An address with an error in it is not a missing address.
    let tried = node
        .children()
        .iter()
        .any(|child| child.keyword() == "virtual_ipaddress" && !child.children().is_empty());
    if tried {
        return;
    }
    if let Some(word) = node.arguments().first() {
        findings
            .error("no-addresses", word.span, format!("`{}` has no `virtual_ipaddress`", word.text))
            .help("add one, or `no_virtual_ipaddress` if that is meant");
    }
}

/// keepalived: who is MASTER and gives no priority has the highest, that of the owner.
fn priority(draft: &Draft, findings: &mut Findings) -> Priority {
    match (draft.priority, draft.master) {
        (Some(priority), _) => priority,
        (None, None) => Priority::DEFAULT,
        (None, Some(span)) => {
            findings
                .warning("default-owner", span, "`state MASTER` without `priority` means 255")
                .label("the owner of the addresses, whom nobody deposes")
                .help("write `priority 255`, or another where it is no owner");
            Priority::OWNER
        }
    }
}

fn preempt(draft: &mut Draft, priority: Priority, findings: &mut Findings) -> bool {
    if let Some(master) = draft.master
        && let Some((delay, span)) = draft.preempt_delay
        && !delay.is_zero()
    {
        draft.preempt_delay = None;
        findings
            .warning("preempt-delay", span, "`preempt_delay` does not work with `state MASTER`")
            .label("ignored")
            .also(master, "set here")
            .help("use `state BACKUP` on all routers");
    }
    if priority == Priority::OWNER
        && let Some((delay, span)) = draft.preempt_delay.take()
        && !delay.is_zero()
    {
        findings
            .warning("preempt-delay", span, "`preempt_delay` does not work with `priority 255`")
            .label("ignored: the owner of the addresses always takes them back");
    }
    let Some(nopreempt) = draft.nopreempt else { return true };
    if let Some(master) = draft.master {
        findings
            .warning("nopreempt", nopreempt, "`nopreempt` does not work with `state MASTER`")
            .label("ignored")
            .also(master, "set here")
            .help("use `state BACKUP` on all routers");
        return true;
    }
    if priority == Priority::OWNER {
        findings
            .warning("nopreempt", nopreempt, "`nopreempt` does not work with `priority 255`")
            .label("ignored: the owner of the addresses always takes them back");
        return true;
    }
    if let Some((delay, span)) = draft.preempt_delay.take()
        && !delay.is_zero()
    {
        findings
            .warning("nopreempt", span, "`preempt_delay` has no effect with `nopreempt`")
            .also(nopreempt, "set here");
    }
    false
}

/// The tracked interfaces that keepalived would not pass over either.
fn tracked(
    given: Vec<(TrackInterface, Span)>,
    own: &Name,
    priority: Priority,
    findings: &mut Findings,
) -> Vec<(TrackInterface, Span)> {
    let mut tracked = Vec::new();
    for (track, span) in given {
        if track.interface == *own {
            findings
                .warning("own-interface", span, format!("`{own}` is the instance's own interface"))
                .label("ignored: it is tracked without this, or not with `dont_track_primary`");
        } else if track.weight != 0 && priority == Priority::OWNER {
            findings
                .warning("owner-weight", span, "a weight does not work with `priority 255`")
                .label("ignored: the owner of the addresses keeps its priority");
        } else {
            tracked.push((track, span));
        }
    }
    tracked
}

fn password(
    draft: &Draft,
    version: Version,
    v2_interop: bool,
    strict: bool,
    findings: &mut Findings,
) -> Option<[u8; 8]> {
    let (authentication, span) = draft.authentication.as_ref()?;
    if version == Version::V3 && !v2_interop {
        findings
            .error("auth-v3", *span, "VRRP version 3 has no authentication (RFC 9568 section 9)")
            .help("remove the block; the other routers take adverts without it");
        return None;
    }
    if strict {
        findings
            .warning("strict", *span, "authentication is not used in strict mode")
            .label("as in keepalived: adverts go out without it");
        return None;
    }
    match (authentication.kind, authentication.password) {
        (Some(Kind::Pass), Some(password)) => Some(password),
        (Some(Kind::Refused), _) => None,
        (Some(Kind::Pass), None) => {
            findings.error("bad-auth", *span, "authentication without `auth_pass`");
            None
        }
        (None, _) => {
            findings
                .error("bad-auth", *span, "authentication without `auth_type`")
                .help("add `auth_type PASS`");
            None
        }
    }
}

fn advert_interval(draft: &Draft, version: Version, findings: &mut Findings) -> Duration {
    let Some((interval, word)) = &draft.advert_int else { return Duration::from_secs(1) };
    let step = Duration::from_millis(10);
    let (fits, label) = match version {
        Version::V2 => (
            interval.subsec_nanos() == 0 && interval.as_secs() <= 255,
            "version 2 has whole seconds from 1 to 255",
        ),
        Version::V3 => (
            interval.subsec_nanos() % step.subsec_nanos() == 0 && *interval <= step * 4095,
            "version 3 has steps of 0.01 s up to 40.95 s",
        ),
    };
    if !fits {
        let entry = findings
            .error("out-of-range", word.span, format!("`advert_int` cannot be `{}`", word.text))
            .label(label);
        if version == Version::V2 && interval.as_secs() <= 40 {
            entry.help("use `version 3` for fractions");
        }
    }
    *interval
}

/// What keepalived's strict mode asks for, as far as a configuration can show it.
fn strictly(draft: &mut Draft, priority: Priority, findings: &mut Findings) {
    if let Some(span) = draft.master
        && priority != Priority::OWNER
    {
        findings
            .warning("strict", span, "in strict mode only priority 255 starts as MASTER")
            .label("taken as BACKUP");
        draft.master = None;
    }
    if let Some((delay, span)) = draft.preempt_delay.take()
        && !delay.is_zero()
    {
        findings.warning("strict", span, "strict mode has no preempt delay").label("ignored");
    }
    draft.higher_prio_send_advert = Some(false);
}

fn addresses(draft: &Draft, instance: &mut Instance, spans: &mut Spans, findings: &mut Findings) {
    let interface = instance.interface.clone();
    let room = match instance.family {
        Family::V4 => 255,
        // 1500 bytes hold the IPv6 header, the VRRP header and 90 addresses.
        Family::V6 => 90,
    };
    let mut announced: Vec<(Vip, Span)> = Vec::new();
    let mut excluded: Vec<(Vip, Span)> = Vec::new();
    for (drafts, list) in [(&draft.addresses, 0), (&draft.excluded, 1)] {
        for draft in drafts {
            let vip = draft.on(&interface);
            let same =
                |(other, _): &&(Vip, Span)| other.address == vip.address && other.dev == vip.dev;
            if let Some((_, before)) = announced.iter().chain(&excluded).find(same) {
                findings
                    .warning(
                        "repeated",
                        draft.span,
                        format!("{} is given again; the first counts", vip.address),
                    )
                    .also(*before, "given before");
                continue;
            }
            if let Some(span) = draft.no_track
                && vip.dev == interface
            {
                let entry = findings
                    .warning("no-track", span, "`no_track` has no effect here")
                    .label("the address is on the instance's own interface");
                if !instance.dont_track_primary {
                    entry.help("`dont_track_primary` is for the instance's own interface");
                }
            }
            if list == 0 && announced.len() < room {
                announced.push((vip, draft.span));
                continue;
            }
            if list == 0 && announced.len() == room && excluded.is_empty() {
                findings
                    .warning(
                        "no-room",
                        draft.span,
                        format!("an advert has room for {room} addresses"),
                    )
                    .label("this one and those after it are not announced, as if excluded");
            }
            excluded.push((vip, draft.span));
        }
    }
    spans.vips = announced.iter().chain(&excluded).map(|(_, span)| *span).collect();
    // Copied: taken out in place they would keep the memory of all they came with.
    instance.addresses = announced.iter().map(|(vip, _)| vip.clone()).collect();
    instance.excluded = excluded.iter().map(|(vip, _)| vip.clone()).collect();
}

/// keepalived's order of defaults: the instance, `global_defs`, and for the settings after a lower
/// advert the global ones after becoming master.
pub(super) fn garp(own: GarpDraft, global: GarpDraft, strict: bool) -> Garp {
    let plain = Garp::default();
    let delay = global.delay.unwrap_or(plain.delay);
    let repeat = global.repeat.unwrap_or(plain.repeat);
    let lower_repeat = own.lower_repeat.or(global.lower_repeat).unwrap_or(repeat);
    Garp {
        delay: own.delay.unwrap_or(delay),
        repeat: own.repeat.unwrap_or(repeat),
        refresh: own.refresh.or(global.refresh).unwrap_or(plain.refresh),
        refresh_repeat: own
            .refresh_repeat
            .or(global.refresh_repeat)
            .unwrap_or(plain.refresh_repeat),
        lower_delay: own.lower_delay.or(global.lower_delay).unwrap_or(delay),
        lower_repeat: if strict { 0 } else { lower_repeat },
        elsewhere: own.elsewhere.or(global.elsewhere).unwrap_or(plain.elsewhere),
    }
}
