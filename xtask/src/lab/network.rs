//! How is the lab's network made and removed?
use super::plan::{self, HOST, Machine, ROUTERS, SEGMENTS, SWITCH};
use crate::program::{output, shown};
use anyhow::{Context as _, Result, bail};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

/// The namespaces of one lab; they go when this does.
pub(super) struct Network {
    owner: u32,
}

impl Network {
    /// Makes namespaces, bridges, cables and addresses.
    pub(super) fn build(owner: u32) -> Result<Self> {
        // Made first, so that a failure half-way removes what is there.
        let network = Self { owner };
        let machines: Vec<Machine> = ROUTERS.into_iter().chain([HOST]).collect();
        for name in machines.iter().map(|machine| machine.name).chain([SWITCH]) {
            output(Command::new("ip").args(["netns", "add", &network.namespace(name)]))?;
        }
        let mut wiring = String::new();
        for (interface, bridge, _) in SEGMENTS {
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(wiring, "link add {bridge} type bridge mcast_snooping 0");
            let _ = writeln!(wiring, "link set {bridge} up");
            for machine in &machines {
                let port = plan::port(machine.name, interface);
                let peer = network.namespace(machine.name);
                let _ = writeln!(
                    wiring,
                    "link add {port} type veth peer name {interface} netns {peer}\n\
                     link set {port} master {bridge} up",
                );
            }
        }
        network.batch(SWITCH, &wiring)?;
        for machine in machines {
            let mut setup = "link set lo up\n".to_owned();
            for (interface, _, segment) in SEGMENTS {
                let address = machine.address(segment);
                let _ = writeln!(
                    setup,
                    "addr add {address}/24 dev {interface}\nlink set {interface} up",
                );
            }
            network.batch(machine.name, &setup)?;
        }
        Ok(network)
    }

    /// The namespace of a machine.
    pub(super) fn namespace(&self, machine: &str) -> String {
        plan::namespace(self.owner, machine)
    }

    /// `ip` in the namespace of a machine.
    pub(super) fn ip(&self, machine: &str) -> Command {
        let mut ip = Command::new("ip");
        ip.args(["-n", &self.namespace(machine)]);
        ip
    }

    fn batch(&self, machine: &str, commands: &str) -> Result<()> {
        let mut ip = self.ip(machine);
        ip.args(["-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = ip.spawn().with_context(|| format!("cannot run {}", shown(&ip)))?;
        child.stdin.take().context("no pipe to ip")?.write_all(commands.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            bail!("cannot wire {}: {}\n{commands}", self.namespace(machine), complaint.trim());
        }
        Ok(())
    }

    /// Plugs or pulls the cable of a machine's interface, at the switch's end.
    pub(super) fn cable(&self, machine: &str, interface: &str, plugged: bool) -> Result<()> {
        let state = if plugged { "up" } else { "down" };
        let port = plan::port(machine, interface);
        output(self.ip(SWITCH).args(["link", "set", &port, state])).map(drop)
    }

    /// The hardware address of a machine's interface.
    pub(super) fn mac(&self, machine: &str, interface: &str) -> Result<String> {
        let found = self.json(machine, &["link", "show", "dev", interface])?;
        let mac = found[0]["address"].as_str();
        mac.map(str::to_owned).with_context(|| format!("{machine} {interface} has no address"))
    }

    /// The hardware address that the host believes `address` to be at.
    pub(super) fn neighbour(&self, address: Ipv4Addr) -> Result<Option<String>> {
        let found = self.json(HOST.name, &["neigh", "show", "to", &address.to_string()])?;
        Ok(found[0]["lladdr"].as_str().map(str::to_owned))
    }

    /// Whether the kernel of a machine has `address`.
    pub(super) fn has(&self, machine: &str, address: Ipv4Addr) -> Result<bool> {
        let found = self.json(machine, &["addr", "show"])?;
        let links = found.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(links
            .iter()
            .filter_map(|link| link["addr_info"].as_array())
            .flatten()
            .any(|info| info["local"].as_str() == Some(&address.to_string())))
    }

    fn json(&self, machine: &str, query: &[&str]) -> Result<serde_json::Value> {
        let text = output(self.ip(machine).arg("-json").args(query))?;
        // iproute2 prints nothing at all for an empty list in places.
        let text = if text.trim().is_empty() { "[]" } else { text.trim() };
        serde_json::from_str(text).context("ip -json printed something else")
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove(self.owner);
    }
}

/// Removes the namespaces of the lab of `owner`, and their links with them.
pub(super) fn remove(owner: u32) {
    let names = ROUTERS.iter().chain([&HOST]).map(|machine| machine.name).chain([SWITCH]);
    let listed = output(Command::new("ip").args(["netns", "list"])).unwrap_or_default();
    for name in names.map(|name| plan::namespace(owner, name)) {
        if !listed.lines().any(|line| line.split_whitespace().next() == Some(&name)) {
            continue;
        }
        if let Err(why) = output(Command::new("ip").args(["netns", "delete", &name])) {
            eprintln!("lab: {why:#}");
        }
    }
}
