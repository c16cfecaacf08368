//! What do the words of routes and rules say: numbers, tables, times, names of the kernel's.
use super::parts::missing;
use super::value;
use crate::config::findings::Findings;
use crate::config::token::Word;
use std::net::{IpAddr, Ipv6Addr};
use vrrp_common::ident::Family;

/// The words of a line, one after the other.
pub(super) struct Line<'a> {
    words: std::slice::Iter<'a, Word>,
}

impl<'a> Line<'a> {
    pub(super) fn new(words: &'a [Word]) -> Self {
        Self { words: words.iter() }
    }

    pub(super) fn next(&mut self) -> Option<&'a Word> {
        self.words.next()
    }

    /// The word after this one, which stays.
    pub(super) fn ahead(&self) -> Option<&'a Word> {
        self.words.as_slice().first()
    }

    /// The value of an option.
    pub(super) fn value(&mut self, option: &Word, findings: &mut Findings) -> Option<&'a Word> {
        let value = self.words.next();
        if value.is_none() {
            missing(option.span, &option.text, findings);
        }
        value
    }

    /// Drops up to so many words.
    pub(super) fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.words.next();
        }
    }
}

/// Decimal, or hexadecimal after `0x`.
pub(super) fn any_base(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) if !hex.starts_with('+') => u32::from_str_radix(hex, 16).ok(),
        _ if text.starts_with('+') => None,
        _ => text.parse().ok(),
    }
}

/// A number of one byte, or a name for it.
fn numbered(word: &Word, names: &[(&str, u8)]) -> Option<u8> {
    let named = names.iter().find(|(name, _)| *name == &*word.text).map(|(_, number)| *number);
    named.or_else(|| any_base(&word.text)?.try_into().ok())
}

/// A routing table; of names those the kernel has.
pub(super) fn table(word: &Word, findings: &mut Findings) -> Option<u32> {
    let known = match &*word.text {
        "default" => Some(253),
        "main" => Some(254),
        "local" => Some(255),
        other => any_base(other).filter(|table| *table != 0),
    };
    if known.is_none() {
        findings
            .error("bad-table", word.span, format!("`{}` is not a routing table", word.text))
            .help("give its number; of names, main, local and default are known");
    }
    known
}

/// Who made a route or a rule.
pub(super) fn protocol(word: &Word, findings: &mut Findings) -> Option<u8> {
    const NAMES: [(&str, u8); 21] = [
        ("none", 0),
        ("redirect", 1),
        ("kernel", 2),
        ("boot", 3),
        ("static", 4),
        ("gated", 8),
        ("ra", 9),
        ("mrt", 10),
        ("zebra", 11),
        ("bird", 12),
        ("dnrouted", 13),
        ("xorp", 14),
        ("ntk", 15),
        ("dhcp", 16),
        ("keepalived", 18),
        ("babel", 42),
        ("bgp", 186),
        ("isis", 187),
        ("ospf", 188),
        ("rip", 189),
        ("eigrp", 192),
    ];
    let known = numbered(word, &NAMES);
    if known.is_none() {
        findings
            .error("bad-protocol", word.span, format!("`{}` is not a protocol", word.text))
            .label("expected a number from 0 to 255, or a name such as static, bird or keepalived");
    }
    known
}

/// The class of service a route or a rule is for.
pub(super) fn tos(word: &Word, findings: &mut Findings) -> Option<u8> {
    const NAMES: [(&str, u8); 21] = [
        ("default", 0),
        ("CS1", 0x20),
        ("AF11", 0x28),
        ("AF12", 0x30),
        ("AF13", 0x38),
        ("CS2", 0x40),
        ("AF21", 0x48),
        ("AF22", 0x50),
        ("AF23", 0x58),
        ("CS3", 0x60),
        ("AF31", 0x68),
        ("AF32", 0x70),
        ("AF33", 0x78),
        ("CS4", 0x80),
        ("AF41", 0x88),
        ("AF42", 0x90),
        ("AF43", 0x98),
        ("CS5", 0xa0),
        ("EF", 0xb8),
        ("CS6", 0xc0),
        ("CS7", 0xe0),
    ];
    let known = numbered(word, &NAMES);
    match known {
        Some(tos) if tos & 3 == 0 => Some(tos),
        Some(_) => {
            findings
                .error("bad-tos", word.span, format!("`{}` cannot be a tos", word.text))
                .label("its lowest two bits belong to ECN, the kernel does not match them");
            None
        }
        None => {
            findings
                .error("bad-tos", word.span, format!("`{}` is not a tos", word.text))
                .label("expected a number from 0 to 252, decimal or 0x.., or a name such as AF21");
            None
        }
    }
}

/// `SOURCE/DESTINATION` or `DESTINATION`, each up to 255 as keepalived has it.
pub(super) fn realms(word: &Word, findings: &mut Findings) -> Option<u32> {
    let realm = |text: &str| any_base(text).filter(|realm| *realm <= 255);
    let both = match word.text.split_once('/') {
        Some((from, to)) => realm(from).zip(realm(to)).map(|(from, to)| from << 16 | to),
        None => realm(&word.text),
    };
    if both.is_none() {
        findings
            .error("bad-realms", word.span, format!("`{}` are not realms", word.text))
            .label("expected [SOURCE/]DESTINATION, numbers from 0 to 255");
    }
    both
}

/// A time between 200 ms and 120 s, in parts of a millisecond. A bare number counts such parts.
pub(super) fn round_trip(
    word: &Word,
    parts: u32,
    what: &str,
    findings: &mut Findings,
) -> Option<u32> {
    const LEAST: u32 = 200;
    const MOST: u32 = 120_000;
    let text = word.text.to_ascii_lowercase();
    let unit = text.find('s').map(|at| text.split_at(at));
    let value = match unit {
        None => text.parse().ok(),
        Some((number, "s" | "sec" | "secs")) => match number.strip_suffix('m') {
            Some(millis) => millis.parse::<u32>().ok().and_then(|n| n.checked_mul(parts)),
            None => value::seconds(number)
                .and_then(|time| u32::try_from(time.as_millis()).ok()?.checked_mul(parts)),
        },
        Some(_) => None,
    };
    let (least, most) = (LEAST.saturating_mul(parts), MOST.saturating_mul(parts));
    match value {
        Some(value) if value <= most => {
            if value < least {
                findings
                    .warning("out-of-range", word.span, format!("`{what}` is taken as 200ms"))
                    .label("no less makes sense to the kernel");
            }
            Some(value.max(least))
        }
        _ => {
            findings
                .error("out-of-range", word.span, format!("`{what}` cannot be `{}`", word.text))
                .label("expected a time from 200ms to 120s, such as 300ms or 1.5s");
            None
        }
    }
}

/// `A-B`, or `A` for both.
pub(super) fn range<T: std::str::FromStr + PartialOrd + Copy>(
    word: &Word,
    what: &str,
    most: &str,
    findings: &mut Findings,
) -> Option<(T, T)> {
    let (first, last) = word.text.split_once('-').unwrap_or((&word.text, &word.text));
    match (first.parse::<T>(), last.parse::<T>()) {
        (Ok(first), Ok(last)) if first <= last => Some((first, last)),
        _ => {
            findings
                .error("bad-range", word.span, format!("`{what}` cannot be `{}`", word.text))
                .label(format!("expected FIRST-LAST, numbers from 0 to {most}"));
            None
        }
    }
}

/// A network: an address and a prefix length with nothing set behind it, or `default`, `all` or `any`
/// of whatever family.
pub(super) fn network(word: &Word, findings: &mut Findings) -> Option<Option<(IpAddr, u8)>> {
    if matches!(&*word.text, "default" | "all" | "any") {
        return Some(None);
    }
    if &*word.text == "default6" {
        return Some(Some((Ipv6Addr::UNSPECIFIED.into(), 0)));
    }
    let (address, prefix) = value::prefix(word, findings)?;
    let network = masked(address, prefix);
    if network != address {
        findings
            .error(
                "bad-prefix",
                word.span,
                format!("`{}` has bits set after its prefix", word.text),
            )
            .help(format!("did you mean `{network}/{prefix}`?"));
        return None;
    }
    Some(Some((address, prefix)))
}

/// The address with all bits after the prefix cleared.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => value::host_bits(address, prefix, false).into(),
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & !host).into()
        }
    }
}

/// What is known of a line's family so far.
#[derive(Default)]
pub(super) struct Families<'a> {
    known: Option<(Family, &'a Word)>,
    mixed: bool,
}

impl<'a> Families<'a> {
    /// A word that is for one family only.
    pub(super) fn see(&mut self, family: Family, word: &'a Word, findings: &mut Findings) {
        match self.known {
            None => self.known = Some((family, word)),
            Some((known, _)) if known == family => {}
            Some((_, before)) if !self.mixed => {
                self.mixed = true;
                let name = |family| if family == Family::V4 { "IPv4" } else { "IPv6" };
                findings
                    .error(
                        "mixed-families",
                        word.span,
                        format!("`{}` is for {} only", word.text, name(family)),
                    )
                    .also(before.span, "this is of the other family");
            }
            Some(_) => {}
        }
    }

    /// An address.
    pub(super) fn address(&mut self, address: IpAddr, word: &'a Word, findings: &mut Findings) {
        self.see(Family::of(address), word, findings);
    }

    /// The family, unless two were seen.
    pub(super) fn settle(&self) -> Option<Family> {
        (!self.mixed).then(|| self.known.map_or(Family::V4, |(family, _)| family))
    }
}
