//! Which addresses does a `virtual_ipaddress` block list.
use super::parts::{drop_value, missing, no_block};
use super::value;
use crate::config::findings::{Findings, Span};
use crate::config::model::{Name, Vip};
use crate::config::suggest::nearest;
use crate::config::tree::Node;
use std::net::IpAddr;

/// An address whose interface may still be the instance's.
pub(in crate::config) struct VipDraft {
    vip: Vip,
    dev: Option<Name>,
    pub(super) span: Span,
    /// Where `no_track` stands.
    pub(super) no_track: Option<Span>,
}

impl VipDraft {
    /// The address.
    pub(super) fn address(&self) -> IpAddr {
        self.vip.address
    }

    /// On its own interface, or on `interface`.
    pub(super) fn on(&self, interface: &Name) -> Vip {
        Vip { dev: self.dev.clone().unwrap_or_else(|| interface.clone()), ..self.vip.clone() }
    }
}

/// Options that take a value, options that take none, and those known to keepalived only.
const VALUES: &[&str] = &["brd", "broadcast", "dev", "label", "scope"];
const FLAGS: &[&str] = &["no_track"];
const NOT_BUILT: &[&str] = &[
    "-nodad",
    "autojoin",
    "home",
    "mngtmpaddr",
    "noprefixroute",
    "peer",
    "preferred_lft",
    "track_group",
    "use_vmac",
];

/// `ADDRESS[/LENGTH] [brd ADDRESS|+|-] [dev NAME] [scope SCOPE] [label NAME] [no_track]` a line.
pub(super) fn read(node: &Node, into: &mut Vec<VipDraft>, findings: &mut Findings) {
    for line in node.children() {
        no_block(line, findings);
        if let Some(draft) = address(line, findings) {
            into.push(draft);
        }
    }
}

fn address(line: &Node, findings: &mut Findings) -> Option<VipDraft> {
    let (first, options) = line.words.split_first()?;
    let (address, prefix) = value::prefix(first, findings)?;
    let unusable = match address {
        IpAddr::V4(address) => address.is_unspecified() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unspecified(),
    };
    if unusable || address.is_multicast() {
        findings.error(
            "bad-address",
            first.span,
            format!("`{address}` cannot be a virtual address: no interface can have it"),
        );
        return None;
    }
    let dev: Name = Name::from("");
    let mut draft = VipDraft {
        vip: Vip { address, prefix, dev, label: None, broadcast: None, scope: 0, no_track: false },
        dev: None,
        span: first.span,
        no_track: None,
    };
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match &*option.text {
            name if VALUES.contains(&name) => {
                let Some(word) = options.next() else {
                    missing(option.span, name, findings);
                    continue;
                };
                match name {
                    "dev" => draft.dev = value::interface(word, findings),
                    "scope" if address.is_ipv6() => {
                        findings
                            .warning("scope", word.span, "`scope` has no effect here")
                            .label("the kernel derives the scope of an IPv6 address");
                    }
                    "scope" => {
                        draft.vip.scope = value::scope(word, findings).unwrap_or_default();
                    }
                    "label" => label(&mut draft.vip, word, findings),
                    _ => broadcast(&mut draft.vip, word, findings),
                }
            }
            "no_track" => {
                draft.vip.no_track = true;
                draft.no_track = Some(option.span);
            }
            name if NOT_BUILT.contains(&name) => {
                findings.error(
                    "not-built",
                    option.span,
                    format!("`{name}` on an address is known to keepalived and not built yet"),
                );
                if matches!(name, "peer" | "preferred_lft") {
                    options.next();
                }
            }
            other => {
                let entry = findings.error(
                    "unknown-option",
                    option.span,
                    format!("unknown option `{other}` of an address"),
                );
                if other.parse::<IpAddr>().is_ok() || other.contains('/') {
                    entry.help("put each address on its own line");
                } else {
                    let known = VALUES.iter().chain(FLAGS).chain(NOT_BUILT).copied();
                    if let Some(near) = nearest(other, known) {
                        entry.help(format!("did you mean `{near}`?"));
                    }
                    let ahead = options.as_slice().first();
                    drop_value(&mut options, ahead, |word| {
                        [VALUES, FLAGS, NOT_BUILT].iter().any(|list| list.contains(&word))
                    });
                }
            }
        }
    }
    Some(draft)
}

fn label(vip: &mut Vip, word: &crate::config::token::Word, findings: &mut Findings) {
    if vip.address.is_ipv6() {
        findings.error("bad-label", word.span, "an IPv6 address has no label");
    } else if word.text.is_empty() || word.text.len() > 15 {
        findings
            .error("bad-label", word.span, format!("`{}` cannot be a label", word.text))
            .label("1 to 15 bytes");
    } else {
        vip.label = Some((&*word.text).into());
    }
}

fn broadcast(vip: &mut Vip, word: &crate::config::token::Word, findings: &mut Findings) {
    let IpAddr::V4(address) = vip.address else {
        findings.error("bad-broadcast", word.span, "an IPv6 address has no broadcast address");
        return;
    };
    vip.broadcast = match &*word.text {
        "+" => Some(value::host_bits(address, vip.prefix, true)),
        "-" => Some(value::host_bits(address, vip.prefix, false)),
        text => match text.parse() {
            Ok(broadcast) => Some(broadcast),
            Err(_) => {
                findings
                    .error(
                        "bad-broadcast",
                        word.span,
                        format!("`{text}` is not a broadcast address"),
                    )
                    .label("expected an IPv4 address, + or -");
                None
            }
        },
    };
}
