//! Which frames are injected: adverts as a peer would send them, and wrong in exactly one way.
use std::net::IpAddr;

use vrrp_common::ident::{Family, Priority, Vrid};
use vrrp_common::proto;
use vrrp_common::time::Centis;
use vrrp_common::wire::checksum::Sum;
use vrrp_common::wire::vrrp::{Advert, ChecksumForm, Timing};

/// Who sends and who receives, on every layer.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Destination on the segment; the group's address for multicast.
    pub to: [u8; 6],
}

/// Ethernet source of everything injected.
pub const INJECTOR: [u8; 6] = [2, 0, 0, 0, 0, 0xee];

impl Path {
    /// From `source` to the group of its family.
    #[track_caller]
    pub fn multicast(source: &str) -> Self {
        let source = super::capture::address(source);
        match source {
            IpAddr::V4(_) => {
                Self { source, destination: proto::GROUP_V4.into(), to: [1, 0, 0x5e, 0, 0, 18] }
            }
            IpAddr::V6(_) => {
                let to = [0x33, 0x33, 0, 0, 0, 0x12];
                Self { source, destination: proto::GROUP_V6.into(), to }
            }
        }
    }

    /// From `source` to the one host that has `destination` and `mac`.
    #[track_caller]
    pub fn unicast(source: &str, destination: &str, mac: [u8; 6]) -> Self {
        let source = super::capture::address(source);
        Self { source, destination: super::capture::address(destination), to: mac }
    }
}

/// VRRPv3 timing as keepalived sends it.
#[track_caller]
pub fn v3(centis: u16) -> Timing {
    let interval = Centis::new(centis).unwrap_or_else(|| panic!("{centis} cs"));
    Timing::V3 { interval, checksum: ChecksumForm::PseudoHeader }
}

/// VRRPv2 timing, with a password or without.
pub fn v2(seconds: u8, password: Option<&str>) -> Timing {
    let padded = |word: &str| {
        let mut bytes = [0; proto::AUTH_DATA_LEN];
        for (to, from) in bytes.iter_mut().zip(word.bytes()) {
            *to = from;
        }
        bytes
    };
    Timing::V2 { seconds, password: password.map(padded) }
}

/// A packet still open to damage.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Who to whom.
    pub path: Path,
    /// TTL or hop limit.
    pub ttl: u8,
    /// The VRRP message.
    pub message: Vec<u8>,
    /// IPv4: flags and fragment offset.
    pub fragment: u16,
    /// IPv4: header length in words as claimed.
    pub ihl: u8,
}

impl Packet {
    /// A valid advert.
    #[track_caller]
    pub fn advert(
        path: Path,
        vrid: u8,
        priority: u8,
        timing: Timing,
        addresses: &[IpAddr],
    ) -> Self {
        let vrid = Vrid::new(vrid).unwrap_or_else(|| panic!("VRID {vrid}"));
        let advert = Advert { vrid, priority: Priority(priority), timing, addresses };
        let mut buffer = [0; proto::MAX_MESSAGE];
        let message = advert.emit(path.source, path.destination, &mut buffer);
        let message = message.unwrap_or_else(|| panic!("{} addresses", addresses.len())).to_vec();
        Self { path, ttl: proto::HOP_LIMIT, message, fragment: 0, ihl: 5 }
    }

    /// Changes the message and makes its checksum right again, so that nothing but the change is
    /// wrong with it.
    #[must_use]
    pub fn resealed(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.message);
        if let Some(checksum) = self.message.get_mut(6..8) {
            checksum.copy_from_slice(&[0, 0]);
        }
        let mut sum = Sum::ZERO.add_bytes(&self.message);
        let v2 = self.message.first().is_some_and(|first| first >> 4 == 2);
        if !v2 || Family::of(self.path.source) == Family::V6 {
            let len = u16::try_from(self.message.len()).unwrap_or(u16::MAX);
            sum = sum.add_pseudo_header(self.path.source, self.path.destination, len);
        }
        if let Some(checksum) = self.message.get_mut(6..8) {
            checksum.copy_from_slice(&sum.checksum().to_be_bytes());
        }
        self
    }

    /// The frame on the wire.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let mut frame = Vec::with_capacity(128);
        frame.extend(self.path.to);
        frame.extend(INJECTOR);
        let len = u16::try_from(self.message.len()).unwrap_or(u16::MAX);
        match (self.path.source, self.path.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                frame.extend(proto::ETHERTYPE_IPV4.to_be_bytes());
                let mut header = vec![0x40 | self.ihl, 0xc0];
                header.extend((20 + len).to_be_bytes());
                header.extend([0, 1]);
                header.extend(self.fragment.to_be_bytes());
                header.extend([self.ttl, proto::PROTOCOL, 0, 0]);
                header.extend(source.octets());
                header.extend(destination.octets());
                let checksum = Sum::ZERO.add_bytes(&header).checksum();
                if let Some(field) = header.get_mut(10..12) {
                    field.copy_from_slice(&checksum.to_be_bytes());
                }
                frame.extend(header);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                frame.extend(proto::ETHERTYPE_IPV6.to_be_bytes());
                frame.extend([0x60, 0, 0, 0]);
                frame.extend(len.to_be_bytes());
                frame.extend([proto::PROTOCOL, self.ttl]);
                frame.extend(source.octets());
                frame.extend(destination.octets());
            }
            mixed => panic!("no such packet: {mixed:?}"),
        }
        frame.extend(&self.message);
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::decode::Frame;

    #[test]
    fn what_is_written_is_read_and_resealing_keeps_it_right() {
        let vip = [IpAddr::from([10, 0, 0, 100])];
        for timing in [v3(20), v2(1, None), v2(1, Some("secret"))] {
            let packet = Packet::advert(Path::multicast("10.0.0.2"), 51, 200, timing, &vip);
            let same = packet.clone().resealed(|_| ());
            assert_eq!(same.message, packet.message);
            let frame = packet.resealed(|message| message[2] = 7).frame();
            let advert = Frame { at: 0, bytes: frame }.advert().expect("an advert");
            assert!(advert.checksum_holds());
            assert_eq!((advert.priority(), advert.addresses.as_slice()), (7, vip.as_slice()));
        }
    }
}
