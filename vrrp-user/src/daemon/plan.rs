//! What does an instance mean for the dataplane: its rule, its peers, its group.
use crate::config::model::{Instance, Transport};
use crate::dataplane::port::RouterRule;
use std::net::IpAddr;
use vrrp_common::ident::{Family, Priority, RouterId, Version};
use vrrp_common::layout::{self, Peer, Rule, rule_flag};
use vrrp_common::proto;
use vrrp_common::wire::vrrp::ChecksumForm;

/// What `instance` accepts, with `source` as its own address and `priority` as its effective one.
pub fn rule(
    router: RouterId,
    instance: &Instance,
    source: Option<IpAddr>,
    priority: Priority,
) -> RouterRule {
    let mut flags = instance.versions().fold(0, |flags, version| {
        flags
            | match version {
                Version::V2 => rule_flag::V2,
                Version::V3 => rule_flag::V3,
            }
    });
    let form = match instance.checksum.send {
        ChecksumForm::Plain => rule_flag::CHECKSUM_PLAIN,
        ChecksumForm::PseudoHeader => rule_flag::CHECKSUM_PSEUDO | rule_flag::SENDS_PSEUDO,
    };
    flags |= form;
    if instance.checksum.accept_both {
        flags |= rule_flag::CHECKSUM_PLAIN | rule_flag::CHECKSUM_PSEUDO;
    }
    if instance.password.is_some() {
        flags |= rule_flag::AUTH_PASS;
    }
    if instance.addresses.is_empty() {
        flags |= rule_flag::NO_ADDRESSES;
    }
    // What a router itself announces it cannot refuse from others (keepalived does not care what
    // comes first).
    if let Some(IpAddr::V6(first)) = instance.addresses.first().map(|vip| vip.address)
        && !first.is_unicast_link_local()
    {
        flags |= rule_flag::FIRST_ADDRESS_ANY;
    }
    let mut peers = Vec::new();
    let mut local = [0; 16];
    if let Transport::Unicast { peers: configured, .. } = &instance.transport {
        flags |= rule_flag::UNICAST;
        // Without an address of its own it hears nothing, for nothing is addressed to it.
        local = source.map_or([0; 16], layout::address);
        peers.extend(configured.iter().map(|peer| {
            let ttl = Peer { min_ttl: peer.min_ttl, max_ttl: peer.max_ttl, pad: [0; 2] };
            (peer.address, ttl)
        }));
    }
    if let Transport::Multicast { group } = instance.transport
        && group != standard_group(instance.family)
    {
        flags |= rule_flag::OWN_GROUP;
        local = layout::address(group);
    }
    let rule = Rule {
        router: 0,
        flags,
        local,
        source: source.map_or([0; 16], layout::address),
        auth: instance.password.unwrap_or_default(),
        interval_v2: u8::try_from(instance.interval_v2().as_secs()).unwrap_or(u8::MAX),
        priority: priority.0,
        pad: [0; 6],
    };
    RouterRule { router, family: instance.family, vrid: instance.vrid, rule, peers }
}

/// The group of RFC 9568 sections 5.1.1.2 and 5.1.2.2.
const fn standard_group(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(proto::GROUP_V4),
        Family::V6 => IpAddr::V6(proto::GROUP_V6),
    }
}

/// The group it listens to, if it does.
pub const fn group(instance: &Instance) -> Option<IpAddr> {
    match instance.transport {
        Transport::Multicast { group } => Some(group),
        Transport::Unicast { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Peer as ConfiguredPeer, Vip};
    use vrrp_common::ident::Vrid;

    const LOW: Priority = Priority(3);

    #[test]
    fn unicast_hears_only_what_is_addressed_to_its_own_source() {
        let mut instance = Instance::new("VI_1", "eth0", Vrid::new(7).unwrap(), Family::V4);
        let peer = ConfiguredPeer { address: [10, 0, 0, 2].into(), min_ttl: 254, max_ttl: 255 };
        instance.transport = Transport::Unicast { peers: vec![peer], ttl: 255 };
        let planned = rule(RouterId(3), &instance, Some([10, 0, 0, 1].into()), LOW);
        assert_eq!(planned.rule.flags & rule_flag::UNICAST, rule_flag::UNICAST);
        assert_eq!(planned.rule.local[..5], [10, 0, 0, 1, 0]);
        assert_eq!(planned.rule.priority, 3);
        assert_eq!(planned.peers.len(), 1);
        assert_eq!((planned.peers[0].1.min_ttl, planned.peers[0].1.max_ttl), (254, 255));
        assert_eq!(group(&instance), None);
        assert_eq!(rule(RouterId(3), &instance, None, LOW).rule.local, [0; 16]);
    }

    #[test]
    fn a_transition_takes_both_versions_and_the_password_of_one() {
        let mut instance = Instance::new("VI_1", "eth0", Vrid::new(7).unwrap(), Family::V4);
        instance.version = Version::V3;
        assert_eq!(
            rule(RouterId(0), &instance, None, LOW).rule.flags & rule_flag::BOTH,
            rule_flag::V3
        );
        instance.v2_interop = true;
        instance.password = Some(*b"secret\0\0");
        let planned = rule(RouterId(0), &instance, None, LOW).rule;
        assert_eq!(planned.flags & rule_flag::BOTH, rule_flag::BOTH);
        assert_eq!(planned.flags & rule_flag::AUTH_PASS, rule_flag::AUTH_PASS);
    }

    #[test]
    fn a_first_address_of_its_own_kind_is_taken() {
        let mut instance = Instance::new("VI_1", "eth0", Vrid::new(7).unwrap(), Family::V6);
        for (first, any) in [("fe80::100", false), ("2001:db8::1", true)] {
            let address = first.parse().unwrap();
            instance.addresses = vec![Vip::new(address, 64, "eth0")];
            let flags = rule(RouterId(0), &instance, None, LOW).rule.flags;
            assert_eq!(flags & rule_flag::FIRST_ADDRESS_ANY != 0, any, "{first}");
        }
    }

    #[test]
    fn the_checksum_form_it_sends_is_among_those_it_takes() {
        let mut instance = Instance::new("VI_1", "eth0", Vrid::new(7).unwrap(), Family::V4);
        for accept_both in [false, true] {
            for send in [ChecksumForm::Plain, ChecksumForm::PseudoHeader] {
                instance.checksum.send = send;
                instance.checksum.accept_both = accept_both;
                let flags = rule(RouterId(0), &instance, None, LOW).rule.flags;
                let plain = flags & rule_flag::CHECKSUM_PLAIN != 0;
                let pseudo = flags & rule_flag::CHECKSUM_PSEUDO != 0;
                assert_eq!(plain, accept_both || send == ChecksumForm::Plain);
                assert_eq!(pseudo, accept_both || send == ChecksumForm::PseudoHeader);
                assert_eq!(
                    flags & rule_flag::SENDS_PSEUDO != 0,
                    send == ChecksumForm::PseudoHeader
                );
            }
        }
    }
}
