//! What does an advert look like on the wire, and how does its priority change in place.
use crate::config::model::Instance;
use std::net::IpAddr;
use vrrp_common::ident::{Family, Mac, Priority, Version};
use vrrp_common::proto;
use vrrp_common::time::Centis;
use vrrp_common::wire::checksum::Sum;
use vrrp_common::wire::vrrp::{Advert, Timing};
use vrrp_common::wire::{ethernet, ipv4, ipv6};

/// Where the priority stands in a message.
const PRIORITY: usize = 2;
/// Where the checksum stands in a message.
const CHECKSUM: usize = 6;

/// A complete packet.
#[derive(Clone, Debug)]
pub(crate) struct Prebuilt {
    bytes: Box<[u8]>,
    /// Where the IP header starts.
    ip: usize,
    /// Where the message starts.
    message: usize,
    /// Sum of everything the checksum covers but the priority and the checksum itself.
    sum: Sum,
    /// IPv4 only: sum of the header without identification and checksum.
    header_sum: Option<Sum>,
    id: u16,
}

impl Prebuilt {
    /// An Ethernet frame to a multicast group; `None` where the advert does not fit a packet.
    pub(crate) fn frame(
        instance: &Instance,
        version: Version,
        mac: Mac,
        source: IpAddr,
        group: IpAddr,
    ) -> Option<Self> {
        let ethertype = match source {
            IpAddr::V4(_) => proto::ETHERTYPE_IPV4,
            IpAddr::V6(_) => proto::ETHERTYPE_IPV6,
        };
        let header = ethernet::header(ethernet::multicast_mac(group), mac, ethertype);
        Self::build(instance, version, &header, source, group, proto::HOP_LIMIT)
    }

    /// An IP packet to a peer; `None` where the advert does not fit.
    pub(crate) fn packet(
        instance: &Instance,
        version: Version,
        source: IpAddr,
        peer: IpAddr,
        ttl: u8,
    ) -> Option<Self> {
        Self::build(instance, version, &[], source, peer, ttl)
    }

    /// As it is sent.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Makes it an advert with this priority.
    pub(crate) fn patch(&mut self, priority: Priority) {
        let checksum = self.sum.add_word(u16::from(priority.0) << 8).checksum();
        if let Some(message) = self.bytes.get_mut(self.message..) {
            message[PRIORITY] = priority.0;
            message[CHECKSUM..CHECKSUM + 2].copy_from_slice(&checksum.to_be_bytes());
        }
        if let Some(sum) = self.header_sum {
            // Zero would ask the kernel to choose one where it completes the header.
            self.id = self.id.checked_add(1).unwrap_or(1);
            let checksum = sum.add_word(self.id).checksum();
            let header = &mut self.bytes[self.ip..self.ip + ipv4::HEADER_LEN];
            header[ipv4::ID..ipv4::ID + 2].copy_from_slice(&self.id.to_be_bytes());
            header[ipv4::CHECKSUM..ipv4::CHECKSUM + 2].copy_from_slice(&checksum.to_be_bytes());
        }
    }

    fn build(
        instance: &Instance,
        version: Version,
        link: &[u8],
        source: IpAddr,
        destination: IpAddr,
        ttl: u8,
    ) -> Option<Self> {
        let addresses: Vec<IpAddr> = instance.addresses.iter().map(|vip| vip.address).collect();
        let advert = Advert {
            vrid: instance.vrid,
            // With priority 0 in its place the checksum field holds the sum of all the rest.
            priority: Priority::RELEASE,
            timing: timing(instance, version)?,
            addresses: &addresses,
        };
        let family = Family::of(source);
        if family != Family::of(destination) || addresses.iter().any(|a| Family::of(*a) != family) {
            return None;
        }
        let mut message = vec![0; advert.len(family)];
        advert.emit(source, destination, &mut message)?;
        let checksum = u16::from_be_bytes([message[CHECKSUM], message[CHECKSUM + 1]]);
        let payload_len = u16::try_from(message.len()).ok()?;

        let most = link.len() + ipv6::HEADER_LEN + message.len();
        let mut bytes = Vec::with_capacity(most);
        bytes.extend(link);
        let ip = bytes.len();
        let mut header_sum = None;
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let header =
                    ipv4::Header { source, destination, id: 0, ttl, payload_len }.emit()?;
                let mut summed = header;
                summed[ipv4::CHECKSUM..ipv4::CHECKSUM + 2].fill(0);
                header_sum = Some(Sum::ZERO.add_bytes(&summed));
                bytes.extend(header);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => bytes.extend(
                ipv6::Header {
                    source,
                    destination,
                    class: ipv4::TOS_CONTROL,
                    next: proto::PROTOCOL,
                    hop_limit: ttl,
                    payload_len,
                }
                .emit(),
            ),
            _ => return None,
        }
        let start = bytes.len();
        bytes.append(&mut message);
        Some(Self {
            bytes: bytes.into_boxed_slice(),
            ip,
            message: start,
            sum: Sum::ZERO.add_word(!checksum),
            header_sum,
            id: 0,
        })
    }
}

fn timing(instance: &Instance, version: Version) -> Option<Timing> {
    Some(match version {
        Version::V2 => Timing::V2 {
            seconds: u8::try_from(instance.interval_v2().as_secs()).ok()?,
            password: instance.password,
        },
        Version::V3 => Timing::V3 {
            interval: Centis::new(u16::try_from(instance.advert_interval.as_millis() / 10).ok()?)?,
            checksum: instance.checksum.send,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Vip;
    use std::time::Duration;
    use vrrp_common::ident::Vrid;
    use vrrp_common::wire::vrrp::{ChecksumForm, Header};

    fn instance(version: Version, family: Family, count: u8) -> Instance {
        let mut instance = Instance::new("A", "eth0", Vrid::new(10).unwrap(), family);
        instance.version = version;
        for n in 0..count {
            let (address, prefix) = match family {
                Family::V4 => (IpAddr::from([10, 0, 0, n]), 24),
                Family::V6 => (IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(n)]), 64),
            };
            instance.addresses.push(Vip::new(address, prefix, "eth0"));
        }
        instance
    }

    /// Every priority patched in place equals the message written anew by the codec.
    #[test]
    fn patching_equals_writing() {
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let forms = [
            (Version::V2, Family::V4, ChecksumForm::Plain, None),
            (Version::V2, Family::V4, ChecksumForm::Plain, Some(*b"secret\0\0")),
            (Version::V3, Family::V4, ChecksumForm::Plain, None),
            (Version::V3, Family::V4, ChecksumForm::PseudoHeader, None),
            (Version::V3, Family::V6, ChecksumForm::Plain, None),
        ];
        for (version, family, form, password) in forms {
            for count in [0, 1, 20] {
                let mut instance = instance(version, family, count);
                instance.checksum.send = form;
                instance.password = password;
                instance.advert_interval = Duration::from_secs(2);
                let (source, group, ip_len) = match family {
                    Family::V4 => (IpAddr::from([192, 0, 2, 1]), proto::GROUP_V4.into(), 20),
                    Family::V6 => {
                        (IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 99]), proto::GROUP_V6.into(), 40)
                    }
                };
                let mut frame = Prebuilt::frame(&instance, version, mac, source, group).unwrap();
                for priority in 0..=255 {
                    frame.patch(Priority(priority));
                    let addresses: Vec<_> = instance.addresses.iter().map(|v| v.address).collect();
                    let advert = Advert {
                        vrid: instance.vrid,
                        priority: Priority(priority),
                        timing: timing(&instance, version).unwrap(),
                        addresses: &addresses,
                    };
                    let mut buffer = [0; 1500];
                    let message = advert.emit(source, group, &mut buffer).unwrap();
                    assert_eq!(&frame.bytes()[14 + ip_len..], message);
                    if family == Family::V4 {
                        let header = &frame.bytes()[14..34];
                        assert_eq!(Sum::ZERO.add_bytes(header).fold(), 0xffff);
                    }
                }
            }
        }
    }

    #[test]
    fn identification_is_never_zero() {
        let instance = instance(Version::V2, Family::V4, 1);
        let source = IpAddr::from([192, 0, 2, 1]);
        let mut packet =
            Prebuilt::packet(&instance, instance.version, source, source, 255).unwrap();
        for _ in 0..70_000 {
            packet.patch(Priority(1));
            assert_ne!(packet.bytes()[4..6], [0, 0]);
        }
    }

    /// RFC 9568 section 8.4.2: each version says the interval in its own unit, and VRRPv2 never less
    /// than it is.
    #[test]
    fn a_transition_says_the_interval_twice() {
        let mut instance = instance(Version::V3, Family::V4, 1);
        instance.v2_interop = true;
        let source = IpAddr::from([192, 0, 2, 1]);
        for (millis, centis, seconds) in
            [(10, 1, 1), (500, 50, 1), (1000, 100, 1), (1010, 101, 2), (40_950, 4095, 41)]
        {
            instance.advert_interval = Duration::from_millis(millis);
            let headers: Vec<_> = instance
                .versions()
                .map(|version| {
                    let packet = Prebuilt::packet(&instance, version, source, source, 255).unwrap();
                    Header(*packet.bytes()[20..].first_chunk().unwrap())
                })
                .collect();
            let [new, old] = headers[..] else { panic!("{headers:?}") };
            assert_eq!((new.version(), new.interval_v3()), (3, centis));
            assert_eq!((old.version(), old.interval_v2()), (2, seconds));
        }
    }

    /// One address too many for the count is no packet.
    #[test]
    fn too_many() {
        let mut instance = instance(Version::V3, Family::V4, 255);
        let source = IpAddr::from([192, 0, 2, 1]);
        assert!(Prebuilt::packet(&instance, instance.version, source, source, 255).is_some());
        instance.addresses.push(instance.addresses[0].clone());
        assert!(Prebuilt::packet(&instance, instance.version, source, source, 255).is_none());
    }
}
