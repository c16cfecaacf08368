//! What does a captured frame say.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vrrp_common::ident::Family;
use vrrp_common::proto;
use vrrp_common::wire::checksum::Sum;
use vrrp_common::wire::vrrp::Header;

/// A frame and when the kernel saw it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Nanoseconds since 1970.
    pub at: u64,
    /// From the destination address on.
    pub bytes: Vec<u8>,
}

/// A VRRP advert as it stood on the wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenAdvert {
    /// Nanoseconds since 1970.
    pub at: u64,
    /// Who sent it.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// The fixed part.
    pub header: Header,
    /// The address list.
    pub addresses: Vec<IpAddr>,
    /// The whole message.
    pub message: Vec<u8>,
}

impl SeenAdvert {
    /// Its priority.
    pub fn priority(&self) -> u8 {
        self.header.priority().0
    }

    /// Is the checksum right, by the rule of its version and family (either form for v3/IPv4).
    pub fn checksum_holds(&self) -> bool {
        let plain = Sum::ZERO.add_bytes(&self.message);
        let Ok(len) = u16::try_from(self.message.len()) else { return false };
        let pseudo = plain.add_pseudo_header(self.source, self.destination, len);
        match (self.header.version(), Family::of(self.source)) {
            (2, Family::V4) => plain.fold() == 0xffff,
            (_, Family::V4) => plain.fold() == 0xffff || pseudo.fold() == 0xffff,
            (_, Family::V6) => pseudo.fold() == 0xffff,
        }
    }
}

/// Time from `earlier` to `later`, zero if it was the other way round.
pub fn between(earlier: u64, later: u64) -> Duration {
    Duration::from_nanos(later.saturating_sub(earlier))
}

impl Frame {
    fn at<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.bytes.get(offset..)?.first_chunk().copied()
    }

    fn ethertype(&self) -> Option<u16> {
        self.at(12).map(u16::from_be_bytes)
    }

    /// The advert in it, if there is one.
    pub fn advert(&self) -> Option<SeenAdvert> {
        let (source, destination, ttl, message): (IpAddr, IpAddr, u8, &[u8]) =
            match self.ethertype()? {
                proto::ETHERTYPE_IPV4 => {
                    let [first] = self.at(14)?;
                    let total = usize::from(u16::from_be_bytes(self.at(16)?));
                    let [ttl, protocol] = self.at(22)?;
                    let start = 14 + usize::from(first & 0xf) * 4;
                    if protocol != proto::PROTOCOL {
                        return None;
                    }
                    let source = Ipv4Addr::from(self.at::<4>(26)?).into();
                    let destination = Ipv4Addr::from(self.at::<4>(30)?).into();
                    (source, destination, ttl, self.bytes.get(start..14 + total)?)
                }
                proto::ETHERTYPE_IPV6 => {
                    let len = usize::from(u16::from_be_bytes(self.at(18)?));
                    let [next, ttl] = self.at(20)?;
                    if next != proto::PROTOCOL {
                        return None;
                    }
                    let source = Ipv6Addr::from(self.at::<16>(22)?).into();
                    let destination = Ipv6Addr::from(self.at::<16>(38)?).into();
                    (source, destination, ttl, self.bytes.get(54..54 + len)?)
                }
                _ => return None,
            };
        let header = Header(*message.first_chunk()?);
        let list = message.get(proto::HEADER_LEN..)?;
        let count = usize::from(header.count());
        let addresses = match source {
            IpAddr::V4(_) => {
                list.as_chunks::<4>().0.iter().take(count).map(|a| IpAddr::from(*a)).collect()
            }
            IpAddr::V6(_) => {
                list.as_chunks::<16>().0.iter().take(count).map(|a| IpAddr::from(*a)).collect()
            }
        };
        let message = message.to_vec();
        Some(SeenAdvert { at: self.at, source, destination, ttl, header, addresses, message })
    }

    /// The address it announces, if it is a gratuitous ARP (RFC 9568 section 8.1.2) or an
    /// unsolicited neighbour advertisement (section 8.2.2).
    pub fn announces(&self) -> Option<IpAddr> {
        match self.ethertype()? {
            proto::ETHERTYPE_ARP => {
                let sender = self.at::<4>(28)?;
                let target = self.at::<4>(38)?;
                (sender == target).then(|| Ipv4Addr::from(sender).into())
            }
            proto::ETHERTYPE_IPV6 => {
                let [next, limit] = self.at(20)?;
                let [kind] = self.at(54)?;
                let [flags] = self.at(58)?;
                let destination = Ipv6Addr::from(self.at::<16>(38)?);
                // 58: ICMPv6; 136: neighbour advertisement; 0x40: solicited.
                let ours = next == 58
                    && limit == 255
                    && kind == 136
                    && flags & 0x40 == 0
                    && destination.is_multicast();
                let target = self.at::<16>(62)?;
                ours.then(|| Ipv6Addr::from(target).into())
            }
            _ => None,
        }
    }

    /// The sender's Ethernet address.
    pub fn sender(&self) -> Option<[u8; 6]> {
        self.at(6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame that was captured elsewhere, and the same with one bit turned.
    #[test]
    fn advert_and_its_checksum() {
        let mut bytes = vec![
            1, 0, 0x5e, 0, 0, 18, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 36, 0, 0, 0, 0, 255, 112, 0,
            0, 192, 0, 2, 251, 224, 0, 0, 18,
        ];
        bytes.extend([0x31, 10, 200, 2, 0, 100, 0x82, 0x8a, 192, 0, 2, 1, 192, 0, 2, 2]);
        bytes.extend([0; 10]);
        let advert = Frame { at: 7, bytes: bytes.clone() }.advert().expect("an advert");
        assert_eq!((advert.priority(), advert.ttl, advert.at), (200, 255, 7));
        assert_eq!(advert.addresses.len(), 2);
        assert!(advert.checksum_holds());
        if let Some(priority) = bytes.get_mut(36) {
            *priority ^= 1;
        }
        let advert = Frame { at: 7, bytes }.advert().expect("an advert");
        assert!(!advert.checksum_holds());
    }
}
