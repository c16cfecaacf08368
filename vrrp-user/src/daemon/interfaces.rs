//! Which interfaces has this host, in full.
use crate::report::keepalived::{Link, Settings};
use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::{AfSpecInet, AfSpecUnspec, LinkAttribute, LinkInfo};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// All of them, in the order of their numbers.
///
/// # Errors
/// Where netlink does not answer.
pub async fn list() -> anyhow::Result<Vec<Link>> {
    let (connection, handle, _) = rtnetlink::new_connection().context("netlink")?;
    let connection = tokio::spawn(connection);
    let mut links = BTreeMap::new();
    let mut found = handle.link().get().execute();
    while let Some(message) = found.try_next().await.context("links")? {
        let mut link = Link {
            index: message.header.index,
            flags: message.header.flags.bits(),
            hardware: message.header.link_layer_type.into(),
            ..Link::default()
        };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name = name,
                LinkAttribute::Mtu(mtu) => link.mtu = mtu,
                LinkAttribute::Address(address) => link.mac = address,
                LinkAttribute::Broadcast(address) => link.broadcast = address,
                LinkAttribute::LinkInfo(info) => {
                    link.made = info.iter().any(|part| matches!(part, LinkInfo::Kind(_)));
                }
                LinkAttribute::AfSpecUnspec(families) => link.settings = settings(&families),
                _ => {}
            }
        }
        links.insert(link.index, link);
    }
    let mut found = handle.address().get().execute();
    while let Some(message) = found.try_next().await.context("addresses")? {
        let Some(link) = links.get_mut(&message.header.index) else { continue };
        let (mut local, mut address) = (None, None);
        for attribute in message.attributes {
            match attribute {
                AddressAttribute::Local(ip) => local = Some(ip),
                AddressAttribute::Address(ip) => address = Some(ip),
                _ => {}
            }
        }
        match local.or(address) {
            Some(IpAddr::V4(ip)) => link.v4.push(ip),
            Some(IpAddr::V6(ip)) if ip.is_unicast_link_local() => link.v6.push(ip),
            _ => {}
        }
    }
    connection.abort();
    Ok(links.into_values().collect())
}

fn settings(families: &[AfSpecUnspec]) -> Settings {
    let inet = families.iter().filter_map(|family| match family {
        AfSpecUnspec::Inet(inet) => Some(inet),
        _ => None,
    });
    let set = inet.flatten().find_map(|inet| match inet {
        AfSpecInet::DevConf(set) => Some(set),
        _ => None,
    });
    set.map_or_else(Settings::default, |set| Settings {
        arp_ignore: set.arp_ignore != 0,
        arp_filter: set.arpfilter != 0,
        rp_filter: set.rp_filter,
        promote_secondaries: set.promote_secondaries != 0,
    })
}
