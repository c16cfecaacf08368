//! Where do many routers run: two namespaces, cables between them, and a configuration for both
//! daemons.
use std::process::Command;
use std::time::{Duration, Instant};

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
    /// Gives real interfaces back before the namespaces go.
    real: Option<Real>,
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
    /// Cables for `count` routers: virtual ones, or the real one between two interfaces of this
    /// machine, which are moved into the namespaces and lose their addresses.
    ///
    /// # Errors
    /// Where a real cable is too few, or an interface is not to be had.
    pub fn new(count: usize, real: Option<&(String, String)>) -> Result<Self, String> {
        let (dut, peer) = (Namespace::new("dut"), Namespace::new("peer"));
        let cables = count.div_ceil(VRIDS);
        if real.is_some() && cables > 1 {
            return Err(format!("{count} routers need {cables} cables, and there is one"));
        }
        // The peer answers nothing, so that it costs little.
        peer.enter(|| {
            for key in ["ipv6/conf/default/disable_ipv6", "ipv4/conf/default/arp_ignore"] {
                let value = if key.ends_with("ignore") { "8" } else { "1" };
                std::fs::write(format!("/proc/sys/net/{key}"), value)
                    .unwrap_or_else(|error| panic!("{key}: {error}"));
            }
        });
        let mut words = String::new();
        let real = real.map(|(near, far)| Real::take(&dut, near, &peer, far)).transpose()?;
        for port in 0..cables {
            if real.is_none() {
                let (dev, far) = (dut_port(port), dut.name());
                let veth = format!("link add p{port} type veth peer name {dev} netns {far}\n");
                words.push_str(&veth);
            }
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
        let bed = Self { real, dut, peer, ports };
        bed.wait_for_carrier()?;
        Ok(bed)
    }

    /// A real link takes its time.
    fn wait_for_carrier(&self) -> Result<(), String> {
        let end = Instant::now() + Duration::from_secs(20);
        while self.real.is_some() && !self.dut.ip("-o link show dev d0").contains("LOWER_UP") {
            if Instant::now() > end {
                return Err("no carrier: is there a cable between the two interfaces?".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// Two interfaces of this machine, away from where they belong.
struct Real {
    /// Namespace, name there, own name.
    moved: Vec<(String, String, String)>,
}

impl Real {
    fn take(dut: &Namespace, near: &str, peer: &Namespace, far: &str) -> Result<Self, String> {
        let mut real = Self { moved: Vec::new() };
        for (namespace, own, name) in [(dut, near, dut_port(0)), (peer, far, "p0".to_owned())] {
            let moved = ip(&["link", "set", own, "netns", namespace.name()]);
            moved.map_err(|why| format!("{own} cannot be moved into a namespace: {why}"))?;
            real.moved.push((namespace.name().to_owned(), name.clone(), own.to_owned()));
            namespace.try_ip(&format!("link set {own} down"))?;
            namespace.try_ip(&format!("link set {own} name {name}"))?;
        }
        Ok(real)
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        // The thread's, whose namespace the interfaces were taken from.
        let here = rustix::thread::gettid().as_raw_nonzero().to_string();
        for (namespace, name, own) in &self.moved {
            for words in [
                vec!["link", "set", name, "down"],
                vec!["link", "set", name, "name", own],
                vec!["link", "set", own, "netns", &here],
            ] {
                let words: Vec<&str> = ["-n", namespace].into_iter().chain(words).collect();
                if let Err(why) = ip(&words) {
                    eprintln!("bench: giving {own} back: ip {}: {why}", words.join(" "));
                }
            }
        }
    }
}

fn ip(words: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(words).output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
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
