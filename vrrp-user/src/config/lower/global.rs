//! What is kept of `global_defs` while it is read, and what does it come to.
use super::value;
use crate::config::findings::Findings;
use crate::config::model::{Defaults, Globals, Name};
use crate::config::place::Place;
use crate::config::program::Program;
use crate::config::tree::Node;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;
use vrrp_common::ident::Version;

/// `global_defs`: what stays global, and defaults of instances.
#[derive(Default)]
pub(in crate::config) struct Global {
    pub(super) own: Globals,
    pub(super) version: Option<Version>,
    pub(super) default_interface: Option<Name>,
    pub(super) group_v4: Option<Ipv4Addr>,
    pub(super) group_v6: Option<Ipv6Addr>,
    pub(super) garp: GarpDraft,
    pub(super) strict: bool,
    pub(super) skip_check_adv_addr: bool,
    pub(super) lower_prio_no_advert: Option<bool>,
    pub(super) higher_prio_send_advert: bool,
    pub(super) down_timer_adverts: Option<u8>,
    pub(super) owner_ignore_adverts: bool,
    pub(super) plain_checksum: bool,
    pub(super) check_unicast_source: bool,
    /// `reload_file`, and perhaps its path.
    pub(super) reload_file: Option<Option<PathBuf>>,
    pub(super) startup: Option<Box<Program>>,
    pub(super) startup_timeout: Option<u32>,
    pub(super) shutdown: Option<Box<Program>>,
    pub(super) shutdown_timeout: Option<u32>,
}

/// How long a startup or shutdown script may take, in seconds.
const SCRIPT_TIMEOUT: u32 = 10;

impl Global {
    /// What stays global.
    pub(super) fn finish(mut self) -> Globals {
        let timed = |script: Option<Box<Program>>, timeout: Option<u32>| {
            script.map(|script| (*script, timeout.unwrap_or(SCRIPT_TIMEOUT)))
        };
        self.own.scripts.startup = timed(self.startup, self.startup_timeout);
        self.own.scripts.shutdown = timed(self.shutdown, self.shutdown_timeout);
        let instance = self.own.dump_files.instance.as_ref();
        self.own.reload_file = self.reload_file.map(|given| {
            given.unwrap_or_else(|| match instance {
                Some(instance) => format!("/run/keepalived_{instance}.reload").into(),
                None => "/run/keepalived.reload".into(),
            })
        });
        let plain = Defaults::default();
        self.own.defaults = Defaults {
            interface: self.default_interface,
            version: self.version.unwrap_or(plain.version),
            group_v4: self.group_v4.unwrap_or(plain.group_v4),
            group_v6: self.group_v6.unwrap_or(plain.group_v6),
            garp: super::finish::garp(GarpDraft::default(), self.garp, false),
            answer_lower: !self.lower_prio_no_advert.unwrap_or(false),
            answer_higher: self.higher_prio_send_advert,
            down_timer_adverts: self.down_timer_adverts.unwrap_or(plain.down_timer_adverts),
            check_unicast_source: self.check_unicast_source,
            skip_check_adv_addr: self.skip_check_adv_addr,
            strict: self.strict,
        };
        self.own
    }
}

/// The announcement settings that were given.
#[derive(Clone, Copy, Default)]
pub(in crate::config) struct GarpDraft {
    pub(super) delay: Option<Duration>,
    pub(super) repeat: Option<u32>,
    pub(super) refresh: Option<Duration>,
    pub(super) refresh_repeat: Option<u32>,
    pub(super) lower_delay: Option<Duration>,
    pub(super) lower_repeat: Option<u32>,
    /// Zero where only virtual MAC addresses are meant, or none.
    pub(super) elsewhere: Option<Duration>,
}

pub(super) fn text(node: &Node) -> Option<String> {
    node.arguments().first().map(|word| word.text.to_string())
}

/// Whoever can reach the place can read all of it, and no password is asked for.
pub(super) fn metrics(global: &mut Global, node: &Node, findings: &mut Findings) {
    let [word, more @ ..] = node.arguments() else { return };
    let place: Place = match word.text.parse() {
        Ok(place) => place,
        Err(why) => {
            let what = format!("`{}` is no place for metrics", word.text);
            findings.error("bad-place", word.span, what).label(&why);
            return;
        }
    };
    let exposed = match more.first() {
        None => false,
        Some(word) if &*word.text == "exposed" => true,
        Some(word) => {
            let what = format!("`{}` says nothing of metrics", word.text);
            findings.error("bad-place", word.span, what).label("expected `exposed`, or nothing");
            return;
        }
    };
    if let Place::Tcp(address) = &place
        && !address.ip().is_loopback()
        && !exposed
    {
        findings
            .error(
                "bad-place",
                word.span,
                format!("metrics at {address} can be read from elsewhere"),
            )
            .label(format!("say `metrics {address} exposed` if that is meant"));
        return;
    }
    global.own.metrics = Some(place);
}

pub(super) fn dynamic_interfaces(global: &mut Global, node: &Node, findings: &mut Findings) {
    global.own.dynamic_interfaces = true;
    match node.arguments().first() {
        None => {}
        Some(word) if &*word.text == "allow_if_changes" => global.own.interfaces_change = true,
        Some(word) => {
            findings
                .warning("unknown-option", word.span, format!("`{}` is ignored", word.text))
                .label("expected `allow_if_changes`, or nothing");
        }
    }
}

pub(super) fn version(global: &mut Global, node: &Node, findings: &mut Findings) {
    global.version = protocol_version(node, findings);
}

pub(super) fn protocol_version(node: &Node, findings: &mut Findings) -> Option<Version> {
    let word = node.arguments().first()?;
    match &*word.text {
        "2" => Some(Version::V2),
        "3" => Some(Version::V3),
        other => {
            findings
                .error("bad-version", word.span, format!("there is no VRRP version `{other}`"))
                .label("expected 2 or 3");
            None
        }
    }
}

pub(super) fn group_v4(global: &mut Global, node: &Node, findings: &mut Findings) {
    if let Some(IpAddr::V4(group)) = group(node, IpAddr::is_ipv4, findings) {
        global.group_v4 = Some(group);
    }
}

pub(super) fn group_v6(global: &mut Global, node: &Node, findings: &mut Findings) {
    if let Some(IpAddr::V6(group)) = group(node, IpAddr::is_ipv6, findings) {
        global.group_v6 = Some(group);
    }
}

fn group(node: &Node, family: fn(&IpAddr) -> bool, findings: &mut Findings) -> Option<IpAddr> {
    let word = node.arguments().first()?;
    let address = value::address(word, findings)?;
    if !address.is_multicast() || !family(&address) {
        findings.error(
            "bad-group",
            word.span,
            format!("`{address}` is no multicast group of this family"),
        );
        return None;
    }
    Some(address)
}

/// A day: the longest of keepalived's own bounds.
const LONGEST: u64 = 86_400;

pub(super) fn seconds(node: &Node, findings: &mut Findings) -> Option<Duration> {
    let word = node.arguments().first()?;
    value::duration(word, LONGEST, node.keyword(), findings)
}

pub(super) fn count(node: &Node, findings: &mut Findings) -> Option<u32> {
    let word = node.arguments().first()?;
    value::number(word, 1..=1000, node.keyword(), findings)
}

pub(super) fn count_or_none(node: &Node, findings: &mut Findings) -> Option<u32> {
    let word = node.arguments().first()?;
    value::number(word, 0..=1000, node.keyword(), findings)
}

pub(super) fn down_timer(node: &Node, findings: &mut Findings) -> Option<u8> {
    let word = node.arguments().first()?;
    value::byte(word, 1..=100, node.keyword(), findings)
}
