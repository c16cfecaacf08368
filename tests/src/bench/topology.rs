//! Where do many routers run: two namespaces, cables between them, and a configuration for both
//! daemons.
use std::process::Command;

use crate::lab::daemon::Directory;
use crate::lab::frame::{Packet, Path, v3};
use crate::lab::netns::{Namespace, run};

/// VRIDs of one interface.
pub const VRIDS: usize = 255;

/// One virtual router.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Which {
    /// On which cable.
    pub port: u16,
    /// Its VRID.
    pub vrid: u8,
}

/// The machine under test, the machine that is all its peers, and what connects them.
pub struct Bed {
    /// Where daemons run.
    pub dut: Namespace,
    /// Where load comes from.
    pub peer: Namespace,
    /// Interfaces of [`Self::peer`], by number.
    pub ports: Vec<String>,
}

/// Interface of the machine under test on a cable.
pub fn dut_port(port: usize) -> String {
    format!("d{port}")
}

fn octets(port: u16) -> (u16, u16) {
    // 10.0 to 10.63 are interfaces, 10.64 to 10.127 their virtual addresses.
    (port >> 8, port & 0xff)
}

fn address(port: u16, host: u8) -> String {
    let (high, low) = octets(port);
    format!("10.{high}.{low}.{host}")
}

impl Which {
    /// Its name in configurations.
    pub fn name(self) -> String {
        format!("V{}_{}", self.port, self.vrid)
    }

    /// Its virtual address.
    pub fn vip(self) -> String {
        let (high, low) = octets(self.port);
        format!("10.{}.{low}.{}", 64 + high, self.vrid)
    }

    /// An advert of its master, as the peer sends it.
    pub fn advert(self, priority: u8, centis: u16) -> Vec<u8> {
        let path = Path::multicast(&address(self.port, 2));
        let vip = crate::lab::capture::address(&self.vip());
        Packet::advert(path, self.vrid, priority, v3(centis), &[vip]).frame()
    }
}

/// The first `count` routers.
pub fn routers(count: usize) -> Vec<Which> {
    (0..count)
        .map(|number| {
            let port = u16::try_from(number / VRIDS).unwrap_or(u16::MAX);
            let vrid = u8::try_from(number % VRIDS + 1).unwrap_or(u8::MAX);
            Which { port, vrid }
        })
        .collect()
}

impl Bed {
    /// Cables for `count` routers.
    pub fn new(count: usize) -> Self {
        let (dut, peer) = (Namespace::new("dut"), Namespace::new("peer"));
        let cables = count.div_ceil(VRIDS);
        // The peer answers nothing, so that it costs little.
        peer.enter(|| {
            for key in ["ipv6/conf/default/disable_ipv6", "ipv4/conf/default/arp_ignore"] {
                let value = if key.ends_with("ignore") { "8" } else { "1" };
                std::fs::write(format!("/proc/sys/net/{key}"), value)
                    .unwrap_or_else(|error| panic!("{key}: {error}"));
            }
        });
        let mut words = String::new();
        for port in 0..cables {
            let (dev, far) = (dut_port(port), dut.name());
            words.push_str(&format!("link add p{port} type veth peer name {dev} netns {far}\n"));
            words.push_str(&format!("link set p{port} up\n"));
        }
        batch(&peer, &words);
        words.clear();
        for port in 0..cables {
            let (dev, number) = (dut_port(port), u16::try_from(port).unwrap_or(u16::MAX));
            words.push_str(&format!("addr add {}/24 dev {dev}\n", address(number, 1)));
            words.push_str(&format!("link set {dev} up\n"));
        }
        batch(&dut, &words);
        let ports = (0..cables).map(|port| format!("p{port}")).collect();
        Self { dut, peer, ports }
    }
}

pub(super) fn batch(namespace: &Namespace, words: &str) {
    let directory = Directory::new("links");
    let file = directory.join("batch");
    std::fs::write(&file, words).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    run(Command::new("ip").args(["-n", namespace.name(), "-batch"]).arg(&file));
}

/// A configuration of these routers at `centis`, with `globals`, that both daemons understand.
pub fn configuration(routers: &[Which], centis: u16, priority: u8, globals: &str) -> String {
    let interval = format!("{}.{:02}", centis / 100, centis % 100);
    let mut text = format!("global_defs {{\n    router_id bench\n{globals}}}\n");
    for which in routers {
        let (name, dev, vip) = (which.name(), dut_port(which.port.into()), which.vip());
        text.push_str(&format!(
            "vrrp_instance {name} {{\n    state BACKUP\n    interface {dev}\n    \
             virtual_router_id {}\n    version 3\n    priority {priority}\n    \
             advert_int {interval}\n    accept\n    virtual_ipaddress {{\n        \
             {vip}/32\n    }}\n}}\n",
            which.vrid,
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_router_has_an_address_of_its_own() {
        let routers = routers(VRIDS * 256);
        let vips: BTreeSet<_> = routers.iter().map(|which| which.vip()).collect();
        assert_eq!(vips.len(), 65_280);
        assert!(routers.iter().all(|which| which.vrid > 0 && which.port < 256));
    }
}
