//! What the suites of the network task have in common: two links, virtual addresses, expectations.
use super::{Capture, Netns, Task};
use anyhow::Result;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use vrrp_common::ident::{Family, Mac, RouterId, Vrid};
use vrrp_common::wire::{arp, ndisc};
use xvrrp::config::model::{Instance, Vip};
use xvrrp::engine::input::LinkState;
use xvrrp::net::task::{Command, Event, Link, Options, OwnedReport, Presence};

/// Time for what must happen soon.
pub const SOON: Duration = Duration::from_secs(5);
/// Time after which nothing more is expected to happen.
pub const QUIET: Duration = Duration::from_millis(300);
/// A router.
pub const A: RouterId = RouterId(0);
/// Another router.
pub const B: RouterId = RouterId(1);

/// A router and a host with two links between them: `e0`, with addresses, and `e4`.
pub struct Net {
    /// Where the task runs.
    pub router: Netns,
    /// Who sees what it sends.
    pub host: Netns,
}

impl Net {
    /// Both links up, `e0` with 10.9.0.1/24.
    pub fn new() -> Result<Self> {
        let (router, host) = (Netns::new("r")?, Netns::new("h")?);
        for name in ["e0", "e4"] {
            add_link(&router, &host, name)?;
        }
        router.ip("addr add 10.9.0.1/24 dev e0")?;
        Ok(Self { router, host })
    }

    /// Ethernet address of an interface of the router.
    pub fn mac(&self, interface: &str) -> Result<Mac> {
        let path = format!("/sys/class/net/{interface}/address");
        let output = std::process::Command::new("ip")
            .args(["netns", "exec", self.router.name(), "cat", &path])
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        let mut mac = [0; 6];
        for (byte, hex) in mac.iter_mut().zip(text.trim().split(':')) {
            *byte = u8::from_str_radix(hex, 16)?;
        }
        Ok(Mac(mac))
    }

    /// Whether the router has an address, on any interface.
    pub fn has(&self, address: &str) -> bool {
        let listing = self.router.ip("-o addr show").unwrap();
        listing.split_whitespace().any(|word| word == address)
    }
}

/// One more link between them.
pub fn add_link(router: &Netns, host: &Netns, name: &str) -> Result<()> {
    router.ip(&format!("link add {name} type veth peer name {name} netns {}", host.name()))?;
    for netns in [router, host] {
        netns.ip(&format!("link set {name} up"))?;
    }
    Ok(())
}

/// A virtual address.
pub fn vip(address: &str, dev: &str) -> Vip {
    let (address, prefix) = address.split_once('/').unwrap();
    Vip::new(address.parse().unwrap(), prefix.parse().unwrap(), dev)
}

/// A virtual address with `no_track`.
pub fn no_track(address: &str, dev: &str) -> Vip {
    Vip { no_track: true, ..vip(address, dev) }
}

/// An instance that announces each address once.
pub fn instance(vips: impl IntoIterator<Item = Vip>) -> Instance {
    let mut instance = Instance::new("A", "e0", Vrid::new(10).unwrap(), Family::V4);
    instance.addresses = vips.into_iter().collect();
    instance.garp.repeat = 1;
    instance
}

/// The command that makes a router known.
pub fn router(router: RouterId, instance: Instance) -> Command {
    Command::Router { router, instance: Arc::new(instance) }
}

/// The command to own its addresses, or not.
pub const fn own(router: RouterId, own: bool) -> Command {
    Command::Own { router, own, announce: 1 }
}

/// The network task, after its first listing.
pub fn start(net: &Net, first: Vec<Command>) -> Result<Task> {
    let task = Task::start(&net.router, Options::default(), first)?;
    task.event(SOON, |event| matches!(event, Event::Ready)).expect("ready");
    Ok(task)
}

/// What became of each address.
pub fn presences(report: &OwnedReport) -> Vec<Presence> {
    report.addresses.iter().map(|address| address.presence.clone()).collect()
}

/// The next event of a link like this.
pub fn link(task: &Task, name: &str, wanted: impl Fn(&LinkState) -> bool) -> Link {
    let is =
        |event: &Event| matches!(event, Event::Link(l) if *l.name == *name && wanted(&l.state));
    match task.event(SOON, is) {
        Some(Event::Link(link)) => link,
        _ => panic!("no such event of {name}"),
    }
}

/// Whether it works.
pub const fn up(state: &LinkState) -> bool {
    matches!(state, LinkState::Up(_))
}

/// Whether an address is announced soon.
pub fn announced(capture: &Capture, mac: Mac, address: &str) -> bool {
    let frame = announcement(mac, address);
    capture.find(SOON, |seen| seen == frame).is_some()
}

/// The frame that announces an address.
pub fn announcement(mac: Mac, address: &str) -> Vec<u8> {
    match address.parse().unwrap() {
        IpAddr::V4(address) => arp::gratuitous(mac, address).to_vec(),
        IpAddr::V6(address) => ndisc::unsolicited(mac, address).to_vec(),
    }
}
