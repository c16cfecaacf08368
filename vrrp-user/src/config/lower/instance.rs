//! What does a `vrrp_instance` block say, before it is set against defaults and against itself.
use super::address::{self, VipDraft};
use super::alike::{self, Alike};
use super::announce;
use super::globals::{GarpDraft, count, count_or_none, down_timer, protocol_version, seconds};
use super::program::{deleted, program};
use super::route::{self, RouteDraft};
use super::rule::{self, RuleDraft};
use super::{parts, value};
use crate::config::findings::{Findings, Span};
use crate::config::keyword::{Keyword, Shape, apply, built, ignored, not_built, obsolete, ours};
use crate::config::model::{Name, Peer};
use crate::config::token::Word;
use crate::config::tree::Node;
use std::net::IpAddr;
use std::time::Duration;
use vrrp_common::ident::{Priority, Version, Vrid};

/// What was given, each with its place where a later check may have something to say.
#[derive(Default)]
pub(in crate::config) struct Draft {
    pub(super) interface: Option<(Name, Span)>,
    pub(super) vrid: Option<(Vrid, Span)>,
    pub(super) version: Option<(Version, Span)>,
    pub(super) v2_interop: Option<Span>,
    pub(super) priority: Option<Priority>,
    pub(super) master: Option<Span>,
    pub(super) advert_int: Option<(Duration, Word)>,
    pub(super) nopreempt: Option<Span>,
    pub(super) preempt_delay: Option<(Duration, Span)>,
    pub(super) strict: Option<bool>,
    pub(super) unicast_source: Option<(IpAddr, Span)>,
    pub(super) multicast_source: Option<(IpAddr, Span)>,
    pub(super) group: Option<(IpAddr, Span)>,
    pub(super) peers: Vec<(Peer, Span)>,
    pub(super) unicast_ttl: Option<(u8, Span)>,
    pub(super) fault_no_peer: bool,
    pub(super) authentication: Option<(parts::Authentication, Span)>,
    pub(super) skip_check_adv_addr: Option<bool>,
    pub(super) plain_checksum: Option<bool>,
    pub(super) no_addresses: bool,
    pub(super) addresses: Vec<VipDraft>,
    pub(super) excluded: Vec<VipDraft>,
    pub(super) routes: Vec<RouteDraft>,
    pub(super) rules: Vec<RuleDraft>,
    pub(super) alike: Alike,
    pub(super) dont_track_primary: bool,
    pub(super) track_source: Option<Span>,
    pub(super) garp: GarpDraft,
    pub(super) lower_prio_no_advert: Option<bool>,
    pub(super) higher_prio_send_advert: Option<bool>,
    pub(super) down_timer_adverts: Option<u8>,
    pub(super) owner_ignore_adverts: Option<bool>,
    pub(super) accept: Option<bool>,
    pub(super) promote_secondaries: bool,
    pub(super) no_repair: bool,
}

impl AsMut<Alike> for Draft {
    fn as_mut(&mut self) -> &mut Alike {
        &mut self.alike
    }
}

const MAIL: &str = "no mail is sent";
const VMAC: &str = "a virtual MAC address on a macvlan device";

/// What stands in a `vrrp_instance`.
pub(in crate::config) static INSTANCE: &[Keyword<Draft>] = &[
    built("state", Shape::Value, state, "MASTER or BACKUP: whether to claim the role at start"),
    built("interface", Shape::Value, interface, "where adverts are sent and received"),
    built("virtual_router_id", Shape::Value, vrid, "1 to 255, the same on all routers"),
    built(
        "priority",
        Shape::Value,
        priority,
        "1 to 255, the highest wins; 255, which `state MASTER` without a priority means, owns the addresses; otherwise 100",
    ),
    built(
        "advert_int",
        Shape::Value,
        advert_int,
        "seconds between adverts; fractions in version 3",
    ),
    built(
        "version",
        Shape::Value,
        |draft, node, findings| {
            draft.version =
                protocol_version(node, findings).map(|version| (version, value_span(node)));
        },
        "2 or 3; IPv6 is always 3",
    ),
    built(
        "virtual_ipaddress",
        Shape::Block,
        |draft, node, findings| address::read(node, &mut draft.addresses, findings),
        "addresses announced in adverts",
    ),
    built(
        "virtual_ipaddress_excluded",
        Shape::Block,
        |draft, node, findings| address::read(node, &mut draft.excluded, findings),
        "addresses owned but not announced in adverts",
    ),
    built(
        "no_virtual_ipaddress",
        Shape::Flag,
        |draft, _, _| draft.no_addresses = true,
        "an instance without addresses is meant",
    ),
    built(
        "virtual_routes",
        Shape::Block,
        |draft, node, findings| route::read(node, &mut draft.routes, findings),
        "routes present while master",
    ),
    built(
        "virtual_rules",
        Shape::Block,
        |draft, node, findings| rule::read(node, &mut draft.rules, findings),
        "rules for routing present while master",
    ),
    built(
        "nopreempt",
        Shape::Flag,
        |draft, node, _| draft.nopreempt = Some(node.span()),
        "do not depose a lower master",
    ),
    built("preempt", Shape::Flag, |draft, _, _| draft.nopreempt = None, "the default"),
    built("preempt_delay", Shape::Value, preempt_delay, "seconds before deposing a lower master"),
    built(
        "unicast_src_ip",
        Shape::Value,
        |draft, node, findings| draft.unicast_source = address_of(node, findings),
        "our own address in unicast adverts",
    ),
    built(
        "unicast_peer",
        Shape::Block,
        |draft, node, findings| parts::peers(node, &mut draft.peers, findings),
        "send adverts to these routers instead of the group",
    ),
    built("unicast_ttl", Shape::Value, unicast_ttl, "TTL or hop limit of unicast adverts"),
    built(
        "unicast_fault_no_peer",
        Shape::Flag,
        |draft, _, _| draft.fault_no_peer = true,
        "no multicast when peers are missing: an error here",
    ),
    built(
        "check_unicast_src",
        Shape::Flag,
        |_, _, _| (),
        "unicast adverts are taken from peers only; always so here",
    ),
    built(
        "mcast_src_ip",
        Shape::Value,
        |draft, node, findings| draft.multicast_source = address_of(node, findings),
        "our own address in multicast adverts",
    ),
    built(
        "mcast_dst_ip",
        Shape::Value,
        |draft, node, findings| draft.group = address_of(node, findings),
        "the multicast group of adverts",
    ),
    built(
        "authentication",
        Shape::Block,
        |draft, node, findings| {
            let read = parts::authentication(node, findings);
            draft.authentication = Some((read, node.span()));
        },
        "VRRPv2 password",
    ),
    built(
        "track_interface",
        Shape::Block,
        alike::interfaces,
        "interfaces whose state causes a fault or moves the priority",
    ),
    built(
        "dont_track_primary",
        Shape::Flag,
        |draft, _, _| draft.dont_track_primary = true,
        "the state of the instance's own interface causes no fault",
    ),
    built(
        "track_script",
        Shape::Block,
        alike::scripts,
        "vrrp_script blocks whose failure is a fault or moves the priority",
    ),
    built(
        "track_process",
        Shape::Block,
        alike::processes,
        "vrrp_track_process blocks whose state is a fault or moves the priority",
    ),
    built(
        "track_file",
        Shape::Block,
        alike::files,
        "track_file blocks whose number is a fault or moves the priority",
    ),
    built(
        "track_src_ip",
        Shape::Flag,
        |draft, node, _| draft.track_source = Some(node.span()),
        "the absence of the given source address is a fault",
    ),
    built(
        "garp_master_delay",
        Shape::Value,
        |draft, node, findings| draft.garp.delay = seconds(node, findings),
        "vrrp_garp_master_delay of this instance",
    ),
    built(
        "garp_master_repeat",
        Shape::Value,
        |draft, node, findings| draft.garp.repeat = count(node, findings),
        "vrrp_garp_master_repeat of this instance",
    ),
    built(
        "garp_master_refresh",
        Shape::Value,
        |draft, node, findings| draft.garp.refresh = seconds(node, findings),
        "vrrp_garp_master_refresh of this instance",
    ),
    built(
        "garp_master_refresh_repeat",
        Shape::Value,
        |draft, node, findings| draft.garp.refresh_repeat = count(node, findings),
        "vrrp_garp_master_refresh_repeat of this instance",
    ),
    built(
        "garp_lower_prio_delay",
        Shape::Value,
        |draft, node, findings| draft.garp.lower_delay = seconds(node, findings),
        "vrrp_garp_lower_prio_delay of this instance",
    ),
    built(
        "garp_lower_prio_repeat",
        Shape::Value,
        |draft, node, findings| draft.garp.lower_repeat = count_or_none(node, findings),
        "vrrp_garp_lower_prio_repeat of this instance",
    ),
    built(
        "garp_extra_if",
        Shape::Words(1, 2),
        |draft, node, findings| draft.garp.elsewhere = announce::elsewhere(node, 0, findings),
        "vrrp_garp_extra_if of this instance; 0 for none",
    ),
    built(
        "vmac_garp_intvl",
        Shape::Words(1, 2),
        |draft, node, findings| draft.garp.elsewhere = announce::elsewhere(node, 0, findings),
        "the old name of garp_extra_if",
    ),
    built(
        "accept",
        Shape::Flag,
        |draft, _, _| draft.accept = Some(true),
        "packets to the virtual addresses are for this host; the default without strict_mode",
    ),
    built(
        "no_accept",
        Shape::Flag,
        |draft, _, _| draft.accept = Some(false),
        "packets to the virtual addresses are dropped unless the priority is 255; IPv6 neighbour \
         discovery is not",
    ),
    built(
        "strict_mode",
        Shape::Switch,
        |draft, node, findings| draft.strict = value::switch(node, findings),
        "hold the configuration against the RFC; drop VRRPv2 adverts with another address list, but the \
         owner's",
    ),
    built(
        "skip_check_adv_addr",
        Shape::Switch,
        |draft, node, findings| draft.skip_check_adv_addr = value::switch(node, findings),
        "vrrp_skip_check_adv_addr of this instance",
    ),
    built(
        "v3_checksum_as_v2",
        Shape::Switch,
        |draft, node, findings| draft.plain_checksum = value::switch(node, findings),
        "send VRRPv3 over IPv4 with a checksum without pseudo-header; both are taken always",
    ),
    built(
        "lower_prio_no_advert",
        Shape::Switch,
        |draft, node, findings| draft.lower_prio_no_advert = value::switch(node, findings),
        "do not answer a lower master's advert",
    ),
    built(
        "higher_prio_send_advert",
        Shape::Switch,
        |draft, node, findings| draft.higher_prio_send_advert = value::switch(node, findings),
        "send a last advert when giving way to a higher master",
    ),
    built(
        "down_timer_adverts",
        Shape::Value,
        |draft, node, findings| draft.down_timer_adverts = down_timer(node, findings),
        "adverts that must be missed until the master is down, 1 to 100; default 3",
    ),
    built(
        "owner_ignore_adverts",
        Shape::Switch,
        |draft, node, findings| draft.owner_ignore_adverts = value::switch(node, findings),
        "the address owner ignores adverts of others",
    ),
    built(
        "notify_priority_changes",
        Shape::Switch,
        alike::priority_changes,
        "write priority changes to the notify FIFOs",
    ),
    built(
        "notify",
        Shape::Program,
        alike::any,
        "run at every change, with INSTANCE, the name, the state and the priority added",
    ),
    built(
        "notify_master",
        Shape::Program,
        alike::master,
        "run at a change to MASTER: a program, in quotes with arguments, and perhaps user and group",
    ),
    built("notify_backup", Shape::Program, alike::backup, "run at a change to BACKUP"),
    built("notify_fault", Shape::Program, alike::fault, "run at a change to FAULT"),
    built("notify_stop", Shape::Program, alike::stop, "run when xvrrp stops"),
    built(
        "notify_deleted",
        Shape::MaybeProgram,
        |draft, node, findings| draft.alike.notify.deleted = deleted(node, findings),
        "say DELETED, not FAULT, when a reload takes the instance away; run then, if it is a program",
    ),
    built(
        "notify_master_rx_lower_pri",
        Shape::Program,
        |draft, node, findings| draft.alike.notify.lower = program(node, findings),
        "run when a master hears a lower one",
    ),
    built(
        "promote_secondaries",
        Shape::Flag,
        |draft, _, _| draft.promote_secondaries = true,
        "let the kernel keep the other addresses of a subnet when one goes, as long as the instance \
         exists",
    ),
    ours(
        "no_repair",
        Shape::Flag,
        |draft, _, _| draft.no_repair = true,
        "as keepalived: a lost address stays lost until the next change to MASTER",
    ),
    ours(
        "v2_interop",
        Shape::Flag,
        |draft, node, _| draft.v2_interop = Some(node.span()),
        "with version 3 over IPv4: send and take version 2 too, while routers are replaced; not to \
         stay (RFC 9568 section 8.4)",
    ),
    not_built("vrf", "unicast inside a VRF"),
    not_built("track_bfd", "BFD sessions that move the priority"),
    not_built("use_vmac", VMAC),
    not_built("use_vmac_addr", VMAC),
    not_built("vmac_xmit_base", VMAC),
    not_built("use_ipvlan", "the addresses on an ipvlan device"),
    not_built("auth_hmac", "adverts with an HMAC"),
    not_built("timer_expired_backup", "backup state when adverts could not be sent in time"),
    not_built("thread_timer_expired", "another name of timer_expired_backup"),
    ignored("smtp_alert", MAIL),
    ignored("kernel_rx_buf_size", "buffers have room for bursts of thousands of packets"),
    ignored("old_unicast_checksum", "both checksum forms are taken always"),
    ignored("lvs_sync_daemon_interface", "load balancing stays with keepalived"),
    obsolete("debug", "it has no effect in keepalived either"),
    obsolete("native_ipv6", "the family follows from the addresses"),
    obsolete("linkbeat_use_polling", "netlink tells of every link change"),
];

/// Reads the statements of one block.
pub(super) fn read(node: &Node, findings: &mut Findings) -> Draft {
    let mut draft = Draft::default();
    apply("vrrp_instance", INSTANCE, &mut draft, node.children(), findings);
    draft
}

fn value_span(node: &Node) -> Span {
    node.arguments().first().map_or(node.span(), |word| word.span)
}

fn address_of(node: &Node, findings: &mut Findings) -> Option<(IpAddr, Span)> {
    let word = node.arguments().first()?;
    value::address(word, findings).map(|address| (address, word.span))
}

fn state(draft: &mut Draft, node: &Node, findings: &mut Findings) {
    let Some(word) = node.arguments().first() else { return };
    match &*word.text {
        "MASTER" => draft.master = Some(word.span),
        "BACKUP" => draft.master = None,
        other => {
            findings
                .error("bad-state", word.span, format!("there is no state `{other}`"))
                .label("expected MASTER or BACKUP");
        }
    }
}

fn interface(draft: &mut Draft, node: &Node, findings: &mut Findings) {
    let Some(word) = node.arguments().first() else { return };
    draft.interface = value::interface(word, findings).map(|name| (name, word.span));
}

fn vrid(draft: &mut Draft, node: &Node, findings: &mut Findings) {
    let Some(word) = node.arguments().first() else { return };
    draft.vrid = value::byte(word, 1..=255, node.keyword(), findings)
        .and_then(Vrid::new)
        .map(|vrid| (vrid, word.span));
}

fn priority(draft: &mut Draft, node: &Node, findings: &mut Findings) {
    let Some(word) = node.arguments().first() else { return };
    draft.priority = value::byte(word, 1..=255, node.keyword(), findings).map(Priority);
}

fn advert_int(draft: &mut Draft, node: &Node, findings: &mut Findings) {
    let Some(word) = node.arguments().first() else { return };
    match value::seconds(&word.text) {
        Some(interval) if !interval.is_zero() => draft.advert_int = Some((interval, word.clone())),
        _ => {
            findings
                .error("out-of-range", word.span, format!("`advert_int` cannot be `{}`", word.text))
                .label("expected seconds above 0");
        }
    }
}

fn preempt_delay(draft: &mut Draft, node: &Node, findings: &mut Findings) {
    let Some(word) = node.arguments().first() else { return };
    draft.preempt_delay =
        value::duration(word, 1000, node.keyword(), findings).map(|delay| (delay, word.span));
}

fn unicast_ttl(draft: &mut Draft, node: &Node, findings: &mut Findings) {
    let Some(word) = node.arguments().first() else { return };
    // keepalived takes 0 too; the kernel refuses to send with it.
    draft.unicast_ttl =
        value::byte(word, 1..=255, node.keyword(), findings).map(|ttl| (ttl, word.span));
}
