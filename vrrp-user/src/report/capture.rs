//! What does a captured frame look like, as JSON and as a line like tcpdump's.
//!
//! It may be anything: what cannot be read is said to be cut off, and never followed.
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};
use vrrp_common::mirror::Judged;
use vrrp_common::proto;
use vrrp_common::wire::locate;

/// What the bytes of a frame begin with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// An Ethernet header.
    Ethernet,
    /// An IP header.
    Ip,
}

/// A captured frame.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Frame {
    /// Arrival: seconds since 1970 in UTC, by the clock of when it was told.
    pub time_s: u64,
    /// And nanoseconds.
    pub time_ns: u32,
    /// The interface it came in by.
    pub interface: String,
    /// What the bytes begin with.
    pub link: Link,
    /// The instance it was for, where that is known.
    pub instance: Option<String>,
    /// `accepted` or `rejected`.
    pub verdict: String,
    /// What an accepted advert was: `expected`, `news` or `ignored`. What the other was rejected for:
    /// the name of the counter it moved.
    pub reason: String,
    /// Names of counters that moved beside.
    pub remarks: Vec<String>,
    /// Bytes of the frame.
    pub length: u32,
    /// Its first bytes in hexadecimal.
    pub bytes: String,
}

impl Frame {
    /// Puts a verdict into words.
    pub fn judge(&mut self, judged: Judged) {
        let (verdict, reason) = match judged.rejected() {
            Some(counter) => ("rejected", counter.name()),
            None => ("accepted", judged.meaning()),
        };
        self.verdict = verdict.to_owned();
        self.reason = reason.to_owned();
        self.remarks = judged.remarks().map(|counter| counter.name().to_owned()).collect();
    }

    /// The verdict, the reason, whose it was and what was remarked.
    pub fn words(&self) -> String {
        let mut words = format!("{}: {}", self.verdict, self.reason);
        for word in self.instance.iter().chain(&self.remarks) {
            let _ = write!(words, ", {word}");
        }
        words
    }

    /// One line, which begins with `time`.
    pub fn line(&self, time: &str, bytes: &[u8]) -> String {
        let packet = packet(bytes, self.link).unwrap_or_else(|| "[cut off]".to_owned());
        // An interface may be called nearly anything.
        format!("{time} {} {packet} [{}]", self.interface, self.words())
            .replace(char::is_control, "?")
    }
}

/// Bytes as text.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// And back; nothing where it is no such text.
pub fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// The packet in a frame; nothing where it is cut off before there is anything to tell.
fn packet(bytes: &[u8], link: Link) -> Option<String> {
    match link {
        Link::Ethernet => {
            let place = locate::frame(bytes)?;
            let tags = match (place.tags.outer, place.tags.inner) {
                (0, _) => String::new(),
                (outer, 0) => format!("vlan {}, ", outer - 1),
                (outer, inner) => format!("vlan {}, vlan {}, ", outer - 1, inner - 1),
            };
            Some(tags + &ip(bytes.get(place.ip..)?)?)
        }
        Link::Ip => ip(bytes),
    }
}

/// An IP packet.
fn ip(bytes: &[u8]) -> Option<String> {
    let version = bytes.first()? >> 4;
    let (source, destination, hops, at, length): (IpAddr, IpAddr, u8, usize, usize) =
        if version == 6 {
            let address = |at: usize| -> Option<Ipv6Addr> {
                Some(Ipv6Addr::from(*bytes.get(at..)?.first_chunk::<16>()?))
            };
            let length = usize::from(number(bytes, 4)?);
            (address(8)?.into(), address(24)?.into(), *bytes.get(7)?, 40, length)
        } else {
            let address = |at: usize| Some(IpAddr::from(*bytes.get(at..)?.first_chunk::<4>()?));
            let at = usize::from(bytes.first()? & 0xf) * 4;
            let length = usize::from(number(bytes, 2)?).saturating_sub(at);
            (address(12)?, address(16)?, *bytes.get(8)?, at, length)
        };
    let family = if version == 6 { "IP6" } else { "IP" };
    let mut text = format!("{family} {source} > {destination}: ");
    let end = at.saturating_add(length).min(bytes.len());
    let next = if version == 6 { bytes.get(6) } else { bytes.get(9) };
    let message = bytes.get(at..end).unwrap_or_default();
    if next != Some(&proto::PROTOCOL) {
        let _ = write!(text, "VRRP behind another header, length {length}");
    } else {
        vrrp(&mut text, message, length, version == 6)?;
    }
    if hops != proto::HOP_LIMIT {
        let _ = write!(text, ", ttl {hops}");
    }
    Some(text)
}

/// A message of `length` bytes, of which there may be fewer.
fn vrrp(text: &mut String, message: &[u8], length: usize, v6: bool) -> Option<()> {
    let [first, vrid, priority, count, a, b, ..] = *message else {
        let _ = write!(text, "VRRP, cut off, length {length}");
        return Some(());
    };
    let (version, kind) = (first >> 4, first & 0xf);
    let _ = match kind {
        proto::ADVERTISEMENT => write!(text, "VRRPv{version}, Advertisement"),
        kind => write!(text, "VRRPv{version}, type {kind}"),
    };
    let _ = write!(text, ", vrid {vrid}, prio {priority}");
    let _ = match version {
        2 => write!(text, ", authtype {a}, intvl {b}s"),
        _ => write!(text, ", intvl {}cs", u16::from_be_bytes([a & 0xf, b])),
    };
    let _ = write!(text, ", length {length}");
    let list = message.get(proto::HEADER_LEN..).unwrap_or_default();
    let count = usize::from(count);
    let addresses: Vec<String> = if v6 {
        list.as_chunks::<16>().0.iter().map(|a| Ipv6Addr::from(*a).to_string()).collect()
    } else {
        list.as_chunks::<4>().0.iter().map(|a| IpAddr::from(*a).to_string()).collect()
    };
    for (at, address) in addresses.iter().take(count).enumerate() {
        let _ = write!(text, "{} {address}", if at == 0 { ", addrs:" } else { "," });
    }
    if addresses.len() < count {
        let _ = write!(text, " and {} more", count - addresses.len());
    }
    Some(())
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ethernet, IPv4 and VRRPv3 of VRID 51, priority 200, 100 cs, one address.
    const ADVERT: &str = "01005e000012020000000001080045c0002000010000ff70\
                          d955c00002fbe0000012313\
                          3c801006400000a000064";

    fn frame() -> Frame {
        Frame {
            time_s: 1,
            time_ns: 2,
            interface: "eth0".to_owned(),
            link: Link::Ethernet,
            instance: Some("VI\n1".to_owned()),
            verdict: "accepted".to_owned(),
            reason: "news".to_owned(),
            remarks: vec!["priority_zero".to_owned()],
            length: 46,
            bytes: ADVERT.to_owned(),
        }
    }

    #[test]
    fn an_advert_as_a_line() {
        let advert = bytes(ADVERT).unwrap();
        assert_eq!(hex(&advert), ADVERT);
        assert_eq!(
            frame().line("12:00:00", &advert),
            "12:00:00 eth0 IP 192.0.2.251 > 224.0.0.18: VRRPv3, Advertisement, vrid 51, prio 200, \
             intvl 100cs, length 12, addrs: 10.0.0.100 [accepted: news, VI?1, priority_zero]"
        );
    }

    #[test]
    fn whatever_is_cut_off_or_turned_over_makes_one_line() {
        let advert = bytes(ADVERT).unwrap();
        for length in 0..advert.len() {
            for flip in [0, 0xff, 0x40] {
                let mut part = advert[..length].to_vec();
                if let Some(last) = part.last_mut() {
                    *last ^= flip;
                }
                for link in [Link::Ethernet, Link::Ip] {
                    let line = Frame { link, ..frame() }.line("now", &part);
                    assert_eq!(line.lines().count(), 1, "{line}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_hexadecimal_is_none() {
        for bad in ["0", "0g", "ä", "000"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
