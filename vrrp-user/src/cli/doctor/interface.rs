//! What on one interface stands in the way.
use super::Finding;
use crate::dataplane::{hook, sys, tags};
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use serde_json::Value;
use std::fs;
use std::process::{Command, Stdio};

/// Bit of `ETH_FLAG_LRO`.
const LRO: u32 = 1 << 15;

/// Its index, if it is there.
pub(super) fn index(name: &str) -> Option<u32> {
    let socket =
        socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
    name_to_index(socket, name).ok()
}

/// Everything about it, where it is there; that it is not is told elsewhere.
pub(super) fn findings(name: &str) -> Vec<Finding> {
    let Some(ifindex) = index(name) else { return Vec::new() };
    let mut found = Vec::new();
    found.extend(hardware(name));
    found.extend(programs(name, ifindex));
    match description(name) {
        Some(link) => found.extend(link_findings(name, &link)),
        None => found.push(Finding::warn(
            format!("{name} link"),
            "unknown: `ip -json address show` says nothing (is iproute2 installed?)",
        )),
    }
    found.extend(sysctls(name, &|path| {
        fs::read_to_string(format!("/proc/sys/net/{path}")).ok()?.trim().parse().ok()
    }));
    found
}

fn hardware(name: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Ok(driver) = sys::driver(name) {
        found.push(Finding::ok(format!("{name} driver"), driver));
    }
    if let Ok(flags) = sys::ethtool_flags(name) {
        let what = format!("{name} lro");
        found.push(if flags & LRO == 0 {
            Finding::ok(what, "off")
        } else {
            Finding::warn(what, "on: drivers refuse XDP, and a router must not merge packets")
                .fixed_by(format!("ethtool -K {name} lro off"))
        });
    }
    if let Ok(strips) = tags::strips(name) {
        let what = format!("{name} vlan offload");
        found.push(if strips {
            Finding::ok(what, "on; it is turned off while the program is there")
        } else {
            Finding::ok(what, "off")
        });
    }
    let features = Command::new("ethtool").args(["-k", name]).stdin(Stdio::null()).output();
    if let Ok(output) = features {
        found.extend(gro_hw(name, &String::from_utf8_lossy(&output.stdout)));
    }
    found
}

fn gro_hw(name: &str, features: &str) -> Option<Finding> {
    let line = features.lines().find_map(|line| line.trim().strip_prefix("rx-gro-hw:"))?.trim();
    let what = format!("{name} gro-hw");
    Some(if line.starts_with("on") {
        Finding::warn(what, "on: drivers refuse XDP then")
            .fixed_by(format!("ethtool -K {name} rx-gro-hw off"))
    } else {
        Finding::ok(what, "off")
    })
}

fn programs(name: &str, ifindex: u32) -> Option<Finding> {
    let ids = hook::programs(ifindex).ok()?;
    let what = format!("{name} xdp");
    let names: Vec<String> = ids
        .iter()
        .map(|id| format!("{id} ({})", hook::name(*id).unwrap_or_else(|| "unknown".to_owned())))
        .collect();
    let ours = |name: &String| name.ends_with(" (xvrrp)");
    Some(if names.is_empty() {
        Finding::ok(what, "no other program")
    } else if names.iter().all(ours) {
        Finding::ok(what, format!("program {}", names.join(", ")))
    } else {
        Finding::warn(what, format!("taken by program {}", names.join(", ")))
            .fixed_by(format!("ip link set dev {name} xdp off    # if nobody needs that program"))
    })
}

/// What iproute2 knows.
fn description(name: &str) -> Option<Value> {
    let mut command = Command::new("ip");
    command.args(["-json", "-details", "address", "show", "dev", name]);
    let output = command.stdin(Stdio::null()).output().ok()?;
    let links: Vec<Value> = serde_json::from_slice(&output.stdout).ok()?;
    links.into_iter().next()
}

fn link_findings(name: &str, link: &Value) -> Vec<Finding> {
    let flags = link["flags"].as_array().cloned().unwrap_or_default();
    let has = |flag: &str| flags.iter().any(|known| known == flag);
    let mut found = Vec::new();
    let what = format!("{name} link");
    found.push(if !has("UP") {
        Finding::warn(what, "administratively down").fixed_by(format!("ip link set {name} up"))
    } else if !has("LOWER_UP") {
        Finding::warn(what, "no carrier: look at the cable, or at the other end")
    } else {
        Finding::ok(what, "up")
    });
    let what = format!("{name} multicast");
    found.push(if has("MULTICAST") {
        Finding::ok(what, "on")
    } else {
        Finding::fail(what, "off: adverts to a group are neither sent nor heard")
            .fixed_by(format!("ip link set {name} multicast on"))
    });
    if let Some(master) = link["master"].as_str() {
        found.push(Finding::warn(
            format!("{name} master"),
            format!("a port of {master}: an instance belongs on {master}, and not here"),
        ));
    }
    let addresses = link["addr_info"].as_array().cloned().unwrap_or_default();
    let any = |family: &str, scope: &str| {
        addresses.iter().any(|address| {
            address["family"] == family && (scope.is_empty() || address["scope"] == scope)
        })
    };
    let what = format!("{name} source");
    found.push(match (any("inet", ""), any("inet6", "link")) {
        (true, true) => Finding::ok(what, "an IPv4 and a link-local IPv6 address"),
        (true, false) => Finding::ok(what, "an IPv4 address, and no link-local one for IPv6"),
        (false, true) => Finding::ok(what, "a link-local IPv6 address, and none for IPv4"),
        (false, false) => Finding::fail(what, "no address that adverts can come from")
            .fixed_by(format!("ip address add ADDRESS/PREFIX dev {name}")),
    });
    found
}

/// Settings of the kernel that make virtual addresses do what nobody expects. `read` knows what is
/// below `/proc/sys/net/`.
fn sysctls(name: &str, read: &dyn Fn(&str) -> Option<u32>) -> Vec<Finding> {
    let mut found = Vec::new();
    // The kernel takes the larger one of the interface's and of all.
    let of = |key: &str| {
        let one = read(&format!("ipv4/conf/{name}/{key}"))?;
        Some(one.max(read(&format!("ipv4/conf/all/{key}")).unwrap_or(0)))
    };
    let set = |key: &str, value: u32| {
        // A point in the name of an interface is a slash in that of a key.
        let key_name = name.replace('.', "/");
        let own = format!("sysctl -w net.ipv4.conf.{key_name}.{key}={value}");
        match read(&format!("ipv4/conf/all/{key}")) {
            Some(all) if all > value => format!("{own} net.ipv4.conf.all.{key}={value}"),
            _ => own,
        }
    };
    if let Some(filter) = of("rp_filter") {
        let what = format!("{name} rp_filter");
        found.push(match filter {
            1 => Finding::warn(
                what,
                "strict: what reaches a virtual address by another way than its answer is dropped",
            )
            .fixed_by(set("rp_filter", 2).replace("all.rp_filter=2", "all.rp_filter=0")),
            0 => Finding::ok(what, "off"),
            _ => Finding::ok(what, "loose"),
        });
    }
    if let Some(ignore) = of("arp_ignore") {
        let what = format!("{name} arp_ignore");
        found.push(match ignore {
            8 => {
                Finding::fail(what, "8: no ARP request is answered, for virtual addresses neither")
                    .fixed_by(set("arp_ignore", 0))
            }
            3 => Finding::warn(what, "3: requests for addresses of scope host are not answered")
                .fixed_by(set("arp_ignore", 0)),
            other => Finding::ok(what, other.to_string()),
        });
    }
    if let Some(promote) = of("promote_secondaries") {
        let what = format!("{name} promote_secondaries");
        found.push(if promote == 0 {
            Finding::ok(what, "off; turned on where a removed address would take others along")
        } else {
            Finding::ok(what, "on")
        });
    }
    if let Some(1) = read(&format!("ipv6/conf/{name}/disable_ipv6")) {
        let key_name = name.replace('.', "/");
        found.push(
            Finding::warn(format!("{name} ipv6"), "off: no instance of IPv6 can work here")
                .fixed_by(format!("sysctl -w net.ipv6.conf.{key_name}.disable_ipv6=0")),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use serde_json::json;

    fn traps(settings: &[(&str, u32)]) -> Vec<Finding> {
        let read =
            |path: &str| settings.iter().find(|(known, _)| *known == path).map(|(_, value)| *value);
        let found = sysctls("eth0.5", &read);
        found.into_iter().filter(|finding| finding.verdict != Verdict::Ok).collect()
    }

    #[test]
    fn traps_are_told_with_the_larger_of_two_settings() {
        assert_eq!(traps(&[("ipv4/conf/eth0.5/rp_filter", 2), ("ipv4/conf/all/rp_filter", 1)]), []);
        let strict = traps(&[("ipv4/conf/eth0.5/rp_filter", 0), ("ipv4/conf/all/rp_filter", 1)]);
        assert_eq!(strict[0].fix.as_deref(), Some("sysctl -w net.ipv4.conf.eth0/5.rp_filter=2"));
        let deaf = traps(&[("ipv4/conf/eth0.5/arp_ignore", 1), ("ipv4/conf/all/arp_ignore", 8)]);
        assert_eq!(deaf[0].verdict, Verdict::Fail);
        assert_eq!(
            deaf[0].fix.as_deref(),
            Some("sysctl -w net.ipv4.conf.eth0/5.arp_ignore=0 net.ipv4.conf.all.arp_ignore=0")
        );
        let off = traps(&[("ipv6/conf/eth0.5/disable_ipv6", 1)]);
        assert_eq!(off.len(), 1);
    }

    #[test]
    fn links_without_multicast_or_source_fail() {
        let good = json!({"flags": ["UP", "LOWER_UP", "MULTICAST"],
            "addr_info": [{"family": "inet", "scope": "global"}]});
        let bad = |link: &Value| -> Vec<String> {
            link_findings("eth0", link)
                .into_iter()
                .filter(|finding| finding.verdict != Verdict::Ok)
                .map(|finding| finding.what)
                .collect()
        };
        assert_eq!(bad(&good), Vec::<String>::new());
        let poor = json!({"flags": ["UP"], "master": "br0", "addr_info": []});
        assert_eq!(bad(&poor), ["eth0 link", "eth0 multicast", "eth0 master", "eth0 source"]);
    }

    #[test]
    fn merging_in_hardware_is_told() {
        let told = gro_hw("eth0", "Features for eth0:\nrx-gro-hw: on [fixed]\n");
        assert_eq!(told.map(|finding| finding.verdict), Some(Verdict::Warn));
        assert_eq!(gro_hw("eth0", "nothing"), None);
    }
}
