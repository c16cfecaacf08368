//! Whom does an instance talk to, in which family, and with which addresses in its adverts.
use super::address::VipDraft;
use super::globals::Global;
use super::instance::Draft;
use crate::config::findings::Findings;
use crate::config::model::Transport;
use std::net::IpAddr;
use vrrp_common::ident::Family;

/// The family of the first virtual address; without any, of whatever address is given.
pub(super) fn family(draft: &Draft) -> Family {
    let vips = draft.addresses.iter().map(VipDraft::address);
    let others = [draft.unicast_source, draft.multicast_source, draft.group];
    let others = others.into_iter().flatten().map(|(address, _)| address);
    let peers = draft.peers.iter().map(|(peer, _)| peer.address);
    let excluded = draft.excluded.iter().map(VipDraft::address);
    vips.chain(peers).chain(others).chain(excluded).next().map_or(Family::V4, Family::of)
}

/// Every announced address, peer and source must be of one family.
pub(super) fn families(draft: &Draft, family: Family, findings: &mut Findings) {
    if let Some(first) = draft.addresses.first() {
        let strangers = draft.addresses.iter().filter(|vip| Family::of(vip.address()) != family);
        for stranger in strangers {
            findings
                .error(
                    "mixed-families",
                    stranger.span,
                    format!(
                        "{} and {} are of different families",
                        stranger.address(),
                        first.address()
                    ),
                )
                .also(first.span, "the first address decides the family")
                .help("move it to virtual_ipaddress_excluded or to an instance of its own");
        }
    }
    let peers = draft.peers.iter().map(|(peer, span)| (peer.address, *span));
    let others = [draft.unicast_source, draft.multicast_source, draft.group];
    for (address, span) in peers.chain(others.into_iter().flatten()) {
        if Family::of(address) != family {
            findings.error(
                "mixed-families",
                span,
                format!("{address} is not of the family of the virtual addresses"),
            );
        }
    }
}

/// The first address of an IPv6 advert (RFC 9568 section 5.2.9).
pub(super) fn first_link_local(
    draft: &Draft,
    family: Family,
    strict: bool,
    findings: &mut Findings,
) {
    let Some(first) = draft.addresses.first() else { return };
    let IpAddr::V6(address) = first.address() else { return };
    if family == Family::V4 || address.is_unicast_link_local() {
        return;
    }
    let message = "the first IPv6 address should be link-local (RFC 9568 section 5.2.9)";
    let entry = if strict {
        findings.error("first-link-local", first.span, message)
    } else {
        findings.warning("first-link-local", first.span, message)
    };
    entry
        .label("other routers may reject the adverts")
        .help("put an address of fe80::/10 before it, or move it to virtual_ipaddress_excluded");
}

/// Unicast if there are peers, else multicast; and the source address if one is given.
pub(super) fn transport(
    draft: &Draft,
    family: Family,
    strict: bool,
    global: &Global,
    findings: &mut Findings,
) -> (Transport, Option<IpAddr>) {
    let group = match draft.group {
        Some((group, span)) => {
            if !group.is_multicast() {
                findings.error("bad-group", span, format!("`{group}` is no multicast group"));
            }
            group
        }
        None => match family {
            Family::V4 => global.group_v4.unwrap_or(vrrp_common::proto::GROUP_V4).into(),
            Family::V6 => global.group_v6.unwrap_or(vrrp_common::proto::GROUP_V6).into(),
        },
    };
    for (address, span) in [draft.unicast_source, draft.multicast_source].into_iter().flatten() {
        if address.is_unspecified() || address.is_multicast() {
            findings.error("bad-address", span, format!("`{address}` cannot be a source address"));
        }
    }
    let unicast_source = draft.unicast_source.map(|(address, _)| address);
    let multicast_source = draft.multicast_source.map(|(address, _)| address);
    let Some((_, peer_span)) = draft.peers.first() else {
        let words =
            [draft.unicast_source.map(|(_, span)| span), draft.unicast_ttl.map(|(_, span)| span)];
        for span in words.into_iter().flatten() {
            let entry = if draft.fault_no_peer {
                findings.error("no-peers", span, "there are no unicast peers")
            } else {
                let message = "there are no unicast peers; adverts are multicast";
                findings.warning("no-peers", span, message)
            };
            entry.help("add `unicast_peer { ADDRESS }`");
        }
        return (Transport::Multicast { group }, multicast_source.or(unicast_source));
    };
    if strict {
        findings
            .error("strict", *peer_span, "strict mode has no unicast peers")
            .help("remove vrrp_strict or strict_mode");
    }
    for (peer, span) in &draft.peers {
        if Some(peer.address) == unicast_source {
            findings
                .error("own-peer", *span, format!("{} is our own unicast_src_ip", peer.address))
                .help("list the other routers only");
        }
        if peer.address.is_unspecified() || peer.address.is_multicast() {
            findings.error(
                "bad-address",
                *span,
                format!("`{}` cannot be a unicast peer", peer.address),
            );
        }
    }
    for (what, given) in [("mcast_src_ip", draft.multicast_source), ("mcast_dst_ip", draft.group)] {
        if let Some((_, span)) = given {
            findings.warning("unused", span, format!("`{what}` has no effect with unicast peers"));
        }
    }
    let peers = draft.peers.iter().map(|(peer, _)| *peer).collect();
    let ttl = draft.unicast_ttl.map_or(vrrp_common::proto::HOP_LIMIT, |(ttl, _)| ttl);
    (Transport::Unicast { peers, ttl }, unicast_source)
}
