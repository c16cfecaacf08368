//! What number, time, switch or address does a word say.
use crate::config::findings::Findings;
use crate::config::token::Word;
use crate::config::tree::Node;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// A whole number in `range`.
pub(super) fn number(
    word: &Word,
    range: RangeInclusive<u32>,
    what: &str,
    findings: &mut Findings,
) -> Option<u32> {
    match word.text.parse::<u32>() {
        Ok(number) if range.contains(&number) => Some(number),
        _ => {
            outside(word, &format!("{} to {}", range.start(), range.end()), what, findings);
            None
        }
    }
}

/// [`number`] where the range fits a byte.
pub(super) fn byte(
    word: &Word,
    range: RangeInclusive<u8>,
    what: &str,
    findings: &mut Findings,
) -> Option<u8> {
    let wide = u32::from(*range.start())..=u32::from(*range.end());
    number(word, wide, what, findings).and_then(|number| u8::try_from(number).ok())
}

fn outside(word: &Word, range: &str, what: &str, findings: &mut Findings) {
    findings
        .error("out-of-range", word.span, format!("`{what}` cannot be `{}`", word.text))
        .label(format!("expected a number from {range}"));
}

/// Seconds with up to nine decimals, exactly.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 9 {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let nanos: u32 =
        if fraction.is_empty() { 0 } else { format!("{fraction:0<9}").parse().ok()? };
    // A century: far beyond every use, far below every overflow.
    (whole <= 3_155_760_000).then(|| Duration::new(whole, nanos))
}

/// Seconds up to `most`.
pub(super) fn duration(
    word: &Word,
    most: u64,
    what: &str,
    findings: &mut Findings,
) -> Option<Duration> {
    match seconds(&word.text) {
        Some(value) if value <= Duration::from_secs(most) => Some(value),
        _ => {
            findings
                .error("out-of-range", word.span, format!("`{what}` cannot be `{}`", word.text))
                .label(format!("expected seconds from 0 to {most}, decimals allowed"));
            None
        }
    }
}

/// keepalived's BOOL; a bare keyword means yes.
pub(super) fn switch(node: &Node, findings: &mut Findings) -> Option<bool> {
    let Some(word) = node.arguments().first() else { return Some(true) };
    match &*word.text.to_ascii_lowercase() {
        "on" | "true" | "yes" => Some(true),
        "off" | "false" | "no" => Some(false),
        _ => {
            findings
                .error(
                    "bad-switch",
                    word.span,
                    format!("`{}` cannot be `{}`", node.keyword(), word.text),
                )
                .label("expected on, off, true, false, yes or no");
            None
        }
    }
}

/// An absolute path.
pub(super) fn path(node: &Node, findings: &mut Findings) -> Option<PathBuf> {
    let word = node.arguments().first()?;
    if !word.text.starts_with('/') {
        findings.error("bad-path", word.span, format!("`{}` is not an absolute path", word.text));
        return None;
    }
    Some(PathBuf::from(&*word.text))
}

/// The name of a network namespace: a file of `/run/netns`.
pub(super) fn namespace(node: &Node, findings: &mut Findings) -> Option<String> {
    let word = node.arguments().first()?;
    if word.text.is_empty() || word.text.starts_with('.') || word.text.contains(['/', '\0']) {
        findings.error(
            "bad-name",
            word.span,
            format!("`{}` cannot name a network namespace", word.text),
        );
        return None;
    }
    Some(word.text.to_string())
}

/// An address without prefix length.
pub(super) fn address(word: &Word, findings: &mut Findings) -> Option<IpAddr> {
    let parsed = word.text.parse().ok();
    if parsed.is_none() {
        not_an_address(word, findings);
    }
    parsed
}

pub(super) fn not_an_address(word: &Word, findings: &mut Findings) {
    findings.error("bad-address", word.span, format!("`{}` is not an IP address", word.text));
}

/// `ADDRESS[/LENGTH]`; without a length, the whole address.
pub(super) fn prefix(word: &Word, findings: &mut Findings) -> Option<(IpAddr, u8)> {
    let (address, length) = match word.text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (&*word.text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        not_an_address(word, findings);
        return None;
    };
    let most = whole(address);
    let Some(length) = length else { return Some((address, most)) };
    match length.parse::<u8>() {
        Ok(length) if length <= most => Some((address, length)),
        _ => {
            findings
                .error(
                    "bad-prefix",
                    word.span,
                    format!("`{}` has no valid prefix length", word.text),
                )
                .label(format!("expected a length from 0 to {most}"));
            None
        }
    }
}

/// The prefix length of one address.
pub(super) const fn whole(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// A scope by name or number, as rtnetlink counts.
pub(super) fn scope(word: &Word, findings: &mut Findings) -> Option<u8> {
    let known = match &*word.text {
        "global" | "universe" => Some(0),
        "site" => Some(200),
        "link" => Some(253),
        "host" => Some(254),
        "nowhere" => Some(255),
        other => other.parse().ok(),
    };
    if known.is_none() {
        findings
            .error("bad-scope", word.span, format!("`{}` is not a scope", word.text))
            .label("expected global, site, link, host, nowhere or a number up to 255");
    }
    known
}

/// A name the kernel takes for an interface.
pub(super) fn interface(
    word: &Word,
    findings: &mut Findings,
) -> Option<crate::config::model::Name> {
    let text = &*word.text;
    let bad = text.is_empty()
        || text.len() > 15
        || text == "."
        || text == ".."
        || text.contains(['/', ':'])
        || text.contains(|c: char| c.is_whitespace() || c.is_control());
    if bad {
        findings
            .error("bad-interface", word.span, format!("`{text}` cannot name an interface"))
            .label("1 to 15 printable bytes without `/`, `:` or white space");
        return None;
    }
    Some(word.text.clone())
}

/// The address with all bits after the prefix set to `ones`.
pub(super) fn host_bits(address: Ipv4Addr, length: u8, ones: bool) -> Ipv4Addr {
    let host = u32::MAX.checked_shr(u32::from(length)).unwrap_or(0);
    let bits = address.to_bits();
    Ipv4Addr::from_bits(if ones { bits | host } else { bits & !host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact() {
        assert_eq!(seconds("1"), Some(Duration::from_secs(1)));
        assert_eq!(seconds("0.01"), Some(Duration::from_millis(10)));
        assert_eq!(seconds(".5"), Some(Duration::from_millis(500)));
        assert_eq!(seconds("2."), Some(Duration::from_secs(2)));
        assert_eq!(seconds("40.950000000000"), Some(Duration::from_millis(40_950)));
        assert_eq!(seconds("0.000000001"), Some(Duration::from_nanos(1)));
        for bad in ["", ".", "1.2.3", "-1", "+1", "1e3", "0.0000000001", "99999999999999999999"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn broadcast_addresses() {
        let address = Ipv4Addr::new(10, 1, 2, 3);
        assert_eq!(host_bits(address, 24, true), Ipv4Addr::new(10, 1, 2, 255));
        assert_eq!(host_bits(address, 24, false), Ipv4Addr::new(10, 1, 2, 0));
        assert_eq!(host_bits(address, 32, true), address);
        assert_eq!(host_bits(address, 0, true), Ipv4Addr::BROADCAST);
    }
}
