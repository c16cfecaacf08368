//! What must hold before anything is touched.
use crate::config::model::{Config, Name, Statics, Vip};
use crate::config::routing::StaticAddress;
use std::collections::BTreeMap;
use std::io;

/// What is wrong with a configuration on this machine.
#[derive(Debug, Default)]
pub struct Interfaces {
    /// Interfaces that are missing and must not be, with who needs them.
    pub refused: Vec<String>,
    /// Interfaces that are missing and may be.
    pub warned: Vec<String>,
}

/// Looks for missing interfaces. Without `dynamic_interfaces` a missing one is an error, unless
/// only `no_track` addresses or routes need it: those wait for it.
pub fn interfaces(config: &Config, exists: impl Fn(&str) -> bool) -> Interfaces {
    let mut missing: BTreeMap<Name, (bool, Vec<String>)> = BTreeMap::new();
    let mut need = |name: &Name, tracked: bool, who: &dyn Fn() -> String| {
        if !exists(name) {
            let entry = missing.entry(name.clone()).or_default();
            entry.0 |= tracked;
            entry.1.push(who());
        }
    };
    for instance in &config.instances {
        let origin = || format!("{}:{}", instance.origin.file, instance.origin.line);
        let name = &instance.name;
        need(&instance.interface, true, &|| format!("{}: instance {name}", origin()));
        for track in &instance.track_interfaces {
            let who = || format!("{}: track_interface of {name}", origin());
            need(&track.interface, true, &who);
        }
        for vip in instance.vips() {
            let Vip { address, prefix, .. } = vip;
            let who = || format!("{}: address {address}/{prefix} of {name}", origin());
            need(&vip.dev, !vip.no_track, &who);
        }
        for route in &instance.routes {
            if let Some(dev) = &route.dev {
                let who = || format!("{}: route {} of {name}", origin(), route.destination);
                need(dev, !route.no_track, &who);
            }
            for dev in route.hops.iter().filter_map(|hop| hop.dev.as_ref()) {
                let to = &route.destination;
                let who = || format!("{}: a next hop of route {to} of {name}", origin());
                need(dev, !route.no_track, &who);
            }
        }
        for rule in &instance.rules {
            for dev in rule.iif.iter().chain(&rule.oif) {
                let who = || format!("{}: rule {} of {name}", origin(), rule.priority);
                need(dev, !rule.no_track, &who);
            }
        }
    }
    statics(&config.statics, &mut need);
    for group in &config.groups {
        let origin = format!("{}:{}", group.origin.file, group.origin.line);
        for track in &group.track_interfaces {
            let who = || format!("{origin}: track_interface of sync group {}", group.name);
            need(&track.interface, true, &who);
        }
    }
    let mut found = Interfaces::default();
    for (name, (tracked, users)) in missing {
        let who = users.join(", ");
        if tracked && !config.globals.dynamic_interfaces {
            found.refused.push(format!(
                "interface {name} does not exist ({who}); create it, or say `dynamic_interfaces` in \
                 global_defs to wait for it, or `no_track` on the addresses that may do without"
            ));
        } else {
            found.warned.push(format!("interface {name} does not exist yet ({who})"));
        }
    }
    found
}

/// The interfaces of static objects.
fn statics(statics: &Statics, need: &mut impl FnMut(&Name, bool, &dyn Fn() -> String)) {
    for StaticAddress { vip, .. } in &statics.addresses {
        let who = || format!("static address {}/{}", vip.address, vip.prefix);
        need(&vip.dev, !vip.no_track, &who);
    }
    for route in &statics.routes {
        let hops = route.hops.iter().filter_map(|hop| hop.dev.as_ref());
        for dev in route.dev.iter().chain(hops) {
            need(dev, !route.no_track, &|| format!("static route {}", route.destination));
        }
    }
    for rule in &statics.rules {
        for dev in rule.iif.iter().chain(&rule.oif) {
            need(dev, !rule.no_track, &|| format!("static rule {}", rule.priority));
        }
    }
}

/// Looks whether the kernel can do what `no_accept` asks for. Asks it only if some instance does.
///
/// # Errors
/// In words, where it cannot.
pub fn firewall(config: &Config, probe: impl Fn() -> io::Result<()>) -> Result<(), String> {
    let Some(instance) = config.instances.iter().find(|instance| !instance.accept) else {
        return Ok(());
    };
    probe().map_err(|error| {
        let (origin, name) = (&instance.origin, &instance.name);
        format!(
            "{}:{}: instance {name} has no_accept (or strict_mode), which needs nftables in the \
             kernel: {error}; load the module nf_tables (CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET), \
             or say `accept`",
            origin.file, origin.line
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Instance, Vip};
    use std::sync::Arc;
    use vrrp_common::ident::{Family, Vrid};

    fn config(no_track: bool, dynamic_interfaces: bool) -> Config {
        let mut instance = Instance::new("VI_1", "eth5", Vrid::new(1).unwrap(), Family::V4);
        instance
            .addresses
            .push(Vip { no_track, ..Vip::new("2.2.2.2".parse().unwrap(), 24, "ETH4") });
        let mut config = Config { instances: vec![Arc::new(instance)], ..Config::default() };
        config.globals.dynamic_interfaces = dynamic_interfaces;
        config
    }

    #[test]
    fn a_missing_interface_is_refused_unless_it_may_be_missing() {
        let only_eth5 = |name: &str| name == "eth5";
        let refused = interfaces(&config(false, false), only_eth5).refused;
        assert_eq!(refused.len(), 1);
        assert!(refused[0].contains("ETH4") && refused[0].contains("2.2.2.2/24"), "{refused:?}");
        for (no_track, dynamic) in [(true, false), (false, true), (true, true)] {
            let found = interfaces(&config(no_track, dynamic), only_eth5);
            assert_eq!((found.refused.len(), found.warned.len()), (0, 1));
        }
        assert_eq!(interfaces(&config(true, false), |_| false).refused.len(), 1);
    }

    #[test]
    fn the_firewall_is_asked_for_only_where_it_is_needed() {
        let missing = || Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
        let mut config = config(false, false);
        assert_eq!(firewall(&config, missing), Ok(()));
        let mut instance = (*config.instances[0]).clone();
        instance.accept = false;
        config.instances[0] = Arc::new(instance);
        assert_eq!(firewall(&config, || Ok(())), Ok(()));
        let why = firewall(&config, missing).unwrap_err();
        assert!(why.contains("VI_1") && why.contains("nf_tables"), "{why}");
    }
}
