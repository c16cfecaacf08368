//! Which addresses does a `virtual_ipaddress` block list.
use super::parts::{drop_value, missing, no_block};
use super::value;
use crate::config::findings::{Findings, Span};
use crate::config::model::{Name, Vip};
use crate::config::suggest::nearest;
use crate::config::token::Word;
use crate::config::tree::Node;
use std::net::{IpAddr, Ipv4Addr};

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

/// Options that take a value, options that take none, those of IPv6 among both, and those known to
/// keepalived only.
const VALUES: &[&str] = &["brd", "broadcast", "dev", "label", "peer", "preferred_lft", "scope"];
const FLAGS: &[&str] = &["-nodad", "autojoin", "home", "mngtmpaddr", "no_track", "noprefixroute"];
const ONLY_V6: &[&str] = &["-nodad", "home", "mngtmpaddr", "preferred_lft"];
const NOT_BUILT: &[&str] = &["track_group", "use_vmac"];

/// `ADDRESS[/LENGTH] [brd ADDRESS|+|-] [dev NAME] [scope SCOPE] [label NAME] [peer ADDRESS]
/// [preferred_lft SECONDS|forever] [-nodad] [home] [mngtmpaddr] [noprefixroute] [autojoin]
/// [no_track]` a line.
pub(super) fn read(node: &Node, into: &mut Vec<VipDraft>, findings: &mut Findings) {
    for line in node.children() {
        no_block(line, findings);
        if let Some(draft) = address(line, findings) {
            into.push(draft);
        }
    }
}

/// What depends on other options, which may come later.
#[derive(Default)]
struct Later<'a> {
    broadcast: Option<&'a Word>,
    peer: Option<(IpAddr, Span)>,
    preferred: Option<Option<u32>>,
    temporaries: Option<Span>,
    join: Option<Span>,
}

fn address(line: &Node, findings: &mut Findings) -> Option<VipDraft> {
    let (first, options) = line.words.split_first()?;
    let (address, prefix) = value::prefix(first, findings)?;
    let vip = Vip::new(address, prefix, "");
    let mut draft = VipDraft { vip, dev: None, span: first.span, no_track: None };
    let mut later = Later::default();
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let name = &*option.text;
        let known = |word: &str| [VALUES, FLAGS, NOT_BUILT].iter().any(|list| list.contains(&word));
        if ONLY_V6.contains(&name) && address.is_ipv4() {
            findings
                .warning("ipv6-only", option.span, format!("`{name}` has no effect here"))
                .label("ignored: it is for IPv6 addresses");
            if VALUES.contains(&name) {
                options.next();
            }
        } else if VALUES.contains(&name) {
            match options.next() {
                Some(word) => valued(&mut draft, &mut later, name, word, findings),
                None => missing(option.span, name, findings),
            }
        } else if FLAGS.contains(&name) {
            let treatment = &mut draft.vip.treatment;
            match name {
                "-nodad" => treatment.detect_duplicates = true,
                "home" => treatment.home = true,
                "noprefixroute" => treatment.no_prefix_route = true,
                "mngtmpaddr" => later.temporaries = Some(option.span),
                "autojoin" => later.join = Some(option.span),
                _ => draft.no_track = Some(option.span),
            }
        } else if NOT_BUILT.contains(&name) {
            findings.error(
                "not-built",
                option.span,
                format!("`{name}` on an address is known to keepalived and not built yet"),
            );
            if name == "track_group" {
                options.next();
            }
        } else {
            let entry = findings.error(
                "unknown-option",
                option.span,
                format!("unknown option `{name}` of an address"),
            );
            if name.parse::<IpAddr>().is_ok() || name.contains('/') {
                entry.help("put each address on its own line");
            } else {
                let all = VALUES.iter().chain(FLAGS).chain(NOT_BUILT).copied();
                if let Some(near) = nearest(name, all) {
                    entry.help(format!("did you mean `{near}`?"));
                }
                let ahead = options.as_slice().first();
                drop_value(&mut options, ahead, known);
            }
        }
    }
    finish(&mut draft, &later, first, findings).then_some(draft)
}

/// Takes an option with its value.
fn valued<'a>(
    draft: &mut VipDraft,
    later: &mut Later<'a>,
    name: &str,
    word: &'a Word,
    findings: &mut Findings,
) {
    let vip = &mut draft.vip;
    match name {
        "dev" => draft.dev = value::interface(word, findings),
        "scope" if vip.address.is_ipv6() => {
            findings
                .warning("scope", word.span, "`scope` has no effect here")
                .label("the kernel derives the scope of an IPv6 address");
        }
        "scope" => vip.scope = value::scope(word, findings).unwrap_or_default(),
        "label" => label(vip, word, findings),
        "peer" => later.peer = peer(vip.address, word, findings).map(|peer| (peer, word.span)),
        "preferred_lft" => later.preferred = preferred(word, findings),
        _ if vip.address.is_ipv6() => {
            findings.error("bad-broadcast", word.span, "an IPv6 address has no broadcast address");
        }
        _ => later.broadcast = Some(word),
    }
}

/// What follows from the options together; whether the address can be had at all.
fn finish(draft: &mut VipDraft, later: &Later<'_>, first: &Word, findings: &mut Findings) -> bool {
    let vip = &mut draft.vip;
    let address = vip.address;
    vip.no_track = draft.no_track.is_some();
    let unusable = match address {
        IpAddr::V4(address) => address.is_unspecified() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unspecified(),
    };
    let group = address.is_multicast() && later.join.is_none();
    if unusable || group {
        let entry = findings.error(
            "bad-address",
            first.span,
            format!("`{address}` cannot be a virtual address: no interface can have it"),
        );
        if group {
            entry.help("`autojoin` makes an interface join a multicast group");
        }
        return false;
    }
    if let Some(span) = later.join {
        vip.treatment.join = true;
        if !address.is_multicast() {
            findings
                .error("bad-autojoin", span, format!("`{address}` is no group that can be joined"))
                .label("`autojoin` is for multicast addresses; the kernel refuses it here");
        }
    }
    if let Some((peer, span)) = later.peer {
        if vip.prefix != value::whole(address) {
            findings
                .warning("peer-prefix", first.span, "an address with a peer has no prefix length")
                .label("ignored: it is an address alone")
                .also(span, "the peer");
        }
        (vip.peer, vip.prefix) = ((peer != address).then_some(peer), value::whole(address));
    }
    if let Some(word) = later.broadcast {
        broadcast(vip, word, later.peer.map(|(_, span)| span), findings);
    }
    if let Some(span) = later.temporaries {
        vip.treatment.temporaries = true;
        if vip.prefix != 64 {
            findings
                .error("bad-mngtmpaddr", span, "`mngtmpaddr` needs a prefix length of 64")
                .label("temporary addresses have 64 bits of their own; the kernel refuses others");
        }
    }
    vip.preferred = later.preferred.unwrap_or_else(|| Vip::usual_preference(address, vip.prefix));
    true
}

fn label(vip: &mut Vip, word: &Word, findings: &mut Findings) {
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

fn peer(address: IpAddr, word: &Word, findings: &mut Findings) -> Option<IpAddr> {
    let Ok(peer) = word.text.parse::<IpAddr>() else {
        let entry = findings.error(
            "bad-peer",
            word.span,
            format!("`{}` cannot be the peer of `{address}`", word.text),
        );
        entry.label("expected an address without prefix length");
        return None;
    };
    if peer.is_ipv4() != address.is_ipv4() {
        findings
            .error("bad-peer", word.span, format!("`{peer}` cannot be the peer of `{address}`"))
            .label("it is of the other family");
        return None;
    }
    Some(peer)
}

/// Seconds, or for ever; `None` where it is neither.
fn preferred(word: &Word, findings: &mut Findings) -> Option<Option<u32>> {
    match &*word.text {
        "forever" => Some(None),
        text => match text.parse::<u32>() {
            Ok(u32::MAX) => Some(None),
            Ok(seconds) => Some(Some(seconds)),
            Err(_) => {
                findings
                    .error("bad-lifetime", word.span, format!("`preferred_lft` cannot be `{text}`"))
                    .label("expected seconds or forever");
                None
            }
        },
    }
}

fn broadcast(vip: &mut Vip, word: &Word, peer: Option<Span>, findings: &mut Findings) {
    let IpAddr::V4(address) = vip.address else { return };
    let computed = matches!(&*word.text, "+" | "-");
    if let Some(peer) = peer {
        findings
            .warning("peer-broadcast", word.span, "an address with a peer has no broadcast address")
            .label("ignored")
            .also(peer, "the peer");
    } else if computed && vip.prefix > 30 {
        findings
            .warning(
                "no-broadcast",
                word.span,
                format!("a /{} has no broadcast address", vip.prefix),
            )
            .label("ignored");
    } else if computed {
        vip.broadcast = Some(value::host_bits(address, vip.prefix, &*word.text == "+"));
    } else if let Ok(broadcast) = word.text.parse::<Ipv4Addr>() {
        vip.broadcast = (!broadcast.is_unspecified()).then_some(broadcast);
    } else {
        findings
            .error(
                "bad-broadcast",
                word.span,
                format!("`{}` is not a broadcast address", word.text),
            )
            .label("expected an IPv4 address, + or -");
    }
}
