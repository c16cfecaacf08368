//! What do the small blocks of an instance say: peers, authentication, tracked interfaces.
use super::value;
use crate::config::findings::{Findings, Span};
use crate::config::keyword::{Keyword, Shape, apply, built};
use crate::config::model::{Peer, TrackInterface};
use crate::config::token::Word;
use crate::config::tree::Node;

/// `authentication`.
#[derive(Default)]
pub(in crate::config) struct Authentication {
    pub(super) kind: Option<Kind>,
    pub(super) password: Option<[u8; 8]>,
}

/// `auth_type`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Pass,
    /// Unknown or refused; the error is already told.
    Refused,
}

/// What stands in `authentication`.
pub(in crate::config) static AUTHENTICATION: &[Keyword<Authentication>] = &[
    built("auth_type", Shape::Value, auth_type, "PASS"),
    built("auth_pass", Shape::Value, auth_pass, "the password; eight characters count"),
];

fn auth_type(target: &mut Authentication, node: &Node, findings: &mut Findings) {
    let Some(word) = node.arguments().first() else { return };
    target.kind = Some(match &*word.text {
        "PASS" => Kind::Pass,
        "AH" => {
            findings
                .error(
                    "not-built",
                    word.span,
                    "`AH` authentication is known to keepalived and not built",
                )
                .label("IPsec AH was removed from VRRP in 2004 (RFC 3768)");
            Kind::Refused
        }
        other => {
            findings
                .error("bad-auth", word.span, format!("there is no authentication type `{other}`"))
                .label("expected PASS");
            Kind::Refused
        }
    });
}

fn auth_pass(target: &mut Authentication, node: &Node, findings: &mut Findings) {
    let Some(word) = node.arguments().first() else { return };
    let bytes = word.text.as_bytes();
    if bytes.is_empty() {
        findings.error("bad-auth", word.span, "the password is empty");
        return;
    }
    if bytes.len() > 8 {
        // Not echoed: diagnostics end up in logs.
        findings.warning(
            "truncated",
            word.span,
            "only the first 8 characters of `auth_pass` count",
        );
    }
    let mut password = [0; 8];
    for (to, from) in password.iter_mut().zip(bytes) {
        *to = *from;
    }
    target.password = Some(password);
}

pub(super) fn authentication(node: &Node, findings: &mut Findings) -> Authentication {
    let mut authentication = Authentication::default();
    apply("authentication", AUTHENTICATION, &mut authentication, node.children(), findings);
    authentication
}

/// `unicast_peer`: `ADDRESS [min_ttl N] [max_ttl N]` a line.
pub(super) fn peers(node: &Node, peers: &mut Vec<(Peer, Span)>, findings: &mut Findings) {
    for line in node.children() {
        no_block(line, findings);
        let Some((first, options)) = line.words.split_first() else { continue };
        let Some(address) = value::address(first, findings) else { continue };
        let mut peer = Peer { address, min_ttl: 0, max_ttl: 255 };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            let target = match &*option.text {
                "min_ttl" => &mut peer.min_ttl,
                "max_ttl" => &mut peer.max_ttl,
                other => {
                    findings
                        .error("unknown-option", option.span, format!("unknown option `{other}`"))
                        .label("a peer takes min_ttl and max_ttl");
                    let ahead = options.as_slice().first();
                    drop_value(&mut options, ahead, |word| matches!(word, "min_ttl" | "max_ttl"));
                    continue;
                }
            };
            match options.next() {
                Some(word) => {
                    if let Some(ttl) = value::byte(word, 0..=255, &option.text, findings) {
                        *target = ttl;
                    }
                }
                None => missing(option.span, &option.text, findings),
            }
        }
        if peer.min_ttl > peer.max_ttl {
            findings.error(
                "bad-ttl",
                first.span,
                format!(
                    "no advert of {address} could pass: min_ttl {} is above max_ttl {}",
                    peer.min_ttl, peer.max_ttl
                ),
            );
        }
        match peers.iter().find(|(before, _)| before.address == address) {
            Some((_, before)) => {
                findings
                    .warning("repeated", first.span, format!("peer {address} is given again"))
                    .also(*before, "given before");
            }
            None => peers.push((peer, first.span)),
        }
    }
}

/// `track_interface`: `NAME [weight N [reverse]]` a line.
pub(super) fn track_interface(
    node: &Node,
    tracked: &mut Vec<(TrackInterface, Span)>,
    findings: &mut Findings,
) {
    for line in node.children() {
        no_block(line, findings);
        let Some((first, options)) = line.words.split_first() else { continue };
        let Some(interface) = value::interface(first, findings) else { continue };
        let mut entry = TrackInterface { interface, weight: 0, reverse: false };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match &*option.text {
                "weight" => match options.next() {
                    Some(word) => match word.text.parse::<i16>() {
                        Ok(weight @ -253..=253) => entry.weight = weight,
                        _ => {
                            findings
                                .error(
                                    "out-of-range",
                                    word.span,
                                    format!("`weight` cannot be `{}`", word.text),
                                )
                                .label("expected a number from -253 to 253");
                        }
                    },
                    None => missing(option.span, "weight", findings),
                },
                "reverse" => entry.reverse = true,
                "noreverse" => entry.reverse = false,
                other => {
                    findings
                        .error("unknown-option", option.span, format!("unknown option `{other}`"))
                        .label("a tracked interface takes weight and reverse");
                    let ahead = options.as_slice().first();
                    drop_value(&mut options, ahead, |word| matches!(word, "weight" | "reverse"));
                }
            }
        }
        match tracked.iter().find(|(before, _)| before.interface == entry.interface) {
            Some((_, before)) => {
                findings
                    .warning(
                        "repeated",
                        first.span,
                        format!("interface {} is given again; the first line counts", first.text),
                    )
                    .also(*before, "given before");
            }
            None => tracked.push((entry, first.span)),
        }
    }
}

/// After an unknown option: drops what looks like its value, so that one slip is told once.
pub(super) fn drop_value<'a>(
    options: &mut impl Iterator<Item = &'a Word>,
    ahead: Option<&Word>,
    known: impl Fn(&str) -> bool,
) {
    if ahead.is_some_and(|word| !known(&word.text)) {
        options.next();
    }
}

/// An option at the end of a line that needs a value.
pub(super) fn missing(span: Span, option: &str, findings: &mut Findings) {
    findings.error("missing-value", span, format!("`{option}` needs a value"));
}

/// A line of a list has no block of its own.
pub(super) fn no_block(line: &Node, findings: &mut Findings) {
    if line.block.is_some() {
        findings.error(
            "unexpected-block",
            line.span(),
            format!("`{}` takes no block", line.keyword()),
        );
    }
}
