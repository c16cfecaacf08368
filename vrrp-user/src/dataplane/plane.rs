//! The dataplane of a network namespace: every interface on the best path it has.
//!
//! Rules and expectations are kept in plain memory for the sockets and mirrored into the maps for
//! the program, so an interface can change its path at any time. Stamps and counters are what both
//! together know.
use super::attach::{self, chain};
use super::hook;
use super::memory::Memory;
use super::object::Missing;
use super::port::{Dataplane, News, Path, PortReport, RouterRule, XdpMode, stamp};
use super::program::{Link, LoadError, Program};
pub use super::settings::Settings;
use super::socket::PacketSocket;
use super::tags::InFrames;
use crate::engine::input::{Heard, Stamp};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use vrrp_common::ident::RouterId;
use vrrp_common::layout::{self, Counts, Expect, LARGE_EVENT, PeerKey, PortKey, rule_index};
use vrrp_common::time::Instant;

/// More packets than a socket's buffer can hold, so that a flood does not keep a drain from ending.
const MOST_QUEUED: u32 = 16_384;

/// What receives on a port.
#[derive(Debug)]
enum Receiver {
    Xdp(Link, InFrames),
    Socket(PacketSocket),
    /// The interface is gone, or refuses even a socket.
    None,
}

#[derive(Debug)]
struct Port {
    interface: String,
    key: PortKey,
    path: Path,
    why: Option<String>,
    receiver: Receiver,
    overflowed: bool,
}

#[derive(Debug)]
struct Router {
    port: u32,
    rule: u32,
    peers: Vec<PeerKey>,
    /// [`layout::Seen::lost`] when last asked.
    lost: u32,
}

/// The dataplane. Dropping it detaches the program everywhere and closes the sockets.
#[derive(Debug)]
pub struct Plane {
    settings: Settings,
    program: Option<Program>,
    /// Why there is no program.
    unavailable: Option<String>,
    ports: BTreeMap<u32, Port>,
    routers: BTreeMap<u32, Router>,
    memory: Memory,
    buffer: Box<[u8]>,
}

impl Plane {
    /// Loads the program, unless the mode is [`XdpMode::Off`]. With [`XdpMode::Auto`] a program
    /// that cannot be loaded leaves the sockets; the reason is in every port's report.
    pub fn new(settings: Settings) -> Result<Self, LoadError> {
        let settings = settings.rounded();
        let (program, unavailable) = match settings.mode {
            XdpMode::Off => (None, Some("--xdp-mode off".to_owned())),
            XdpMode::Native | XdpMode::Skb => (Some(Program::load(&settings)?), None),
            XdpMode::Auto => match Program::load(&settings) {
                Ok(program) => (Some(program), None),
                // Such a binary runs without only where it was told to.
                Err(why @ LoadError::Missing(Missing)) => return Err(why),
                Err(why) => (None, Some(chain(&why))),
            },
        };
        Ok(Self {
            settings,
            program,
            unavailable,
            ports: BTreeMap::new(),
            routers: BTreeMap::new(),
            memory: Memory::default(),
            buffer: vec![0; LARGE_EVENT + 1].into_boxed_slice(),
        })
    }

    /// Why there is no XDP program, where there is none.
    pub fn unavailable(&self) -> Option<&str> {
        self.unavailable.as_deref()
    }

    /// The loaded program, for test runs.
    pub const fn program(&mut self) -> Option<&mut Program> {
        self.program.as_mut()
    }

    fn find(&self, interface: &str) -> Option<u32> {
        self.ports.iter().find(|(_, port)| port.interface == interface).map(|(&number, _)| number)
    }

    fn free_port(&self) -> anyhow::Result<u32> {
        (0..self.settings.ports).find(|number| !self.ports.contains_key(number)).with_context(
            || format!("all {} ports of the dataplane are in use", self.settings.ports),
        )
    }

    /// Puts the best receiver there is on an interface.
    fn receiver(
        &mut self,
        interface: &str,
        ifindex: u32,
    ) -> anyhow::Result<(Path, Receiver, Option<String>)> {
        let mode = self.settings.mode;
        let why = match &mut self.program {
            None => self.unavailable.clone(),
            Some(program) => match attach::attach(program, interface, ifindex, mode) {
                Ok(on) => return Ok((on.path, Receiver::Xdp(on.link, on.tags), on.why)),
                Err(why) if mode == XdpMode::Auto => Some(chain(&why)),
                Err(why) => return Err(why.into()),
            },
        };
        let socket = PacketSocket::open(ifindex)
            .with_context(|| why.clone().unwrap_or_default())
            .context("no packet socket either")?;
        Ok((Path::Socket, Receiver::Socket(socket), why))
    }

    /// Takes what receives on a port away. The program is detached before its port is forgotten:
    /// between the two, frames pass to the IP stack.
    fn release(&mut self, key: &PortKey, receiver: Receiver) {
        let Some(program) = &mut self.program else {
            return;
        };
        if let Receiver::Xdp(link, _tags) = receiver
            && let Err(why) = program.detach(link)
        {
            // As when the interface is gone.
            tracing::debug!(ifindex = key.ifindex, %why, "detaching the XDP program");
        }
        if let Err(why) = program.set_port(key, None) {
            tracing::warn!(ifindex = key.ifindex, why = chain(&why), "forgetting a port");
        }
    }

    fn report(&self, number: u32, port: &Port) -> PortReport {
        let program = self.program.as_ref();
        let xdp = matches!(port.receiver, Receiver::Xdp(..));
        PortReport {
            port: number,
            key: port.key,
            interface: port.interface.clone(),
            path: port.path,
            why: port.why.clone(),
            program: program.filter(|_| xdp).map(Program::id),
            counts: sum(
                self.memory.port_counts.get(&number),
                program.and_then(|program| program.port_counts(number).ok()),
            ),
        }
    }

    fn fall_back(&mut self, number: u32) -> Option<PortReport> {
        let mut port = self.ports.remove(&number)?;
        let detached = "the XDP program was detached by someone else";
        let (receiver, why) = match PacketSocket::open(port.key.ifindex) {
            Ok(socket) => (Receiver::Socket(socket), detached.to_owned()),
            Err(why) => (Receiver::None, format!("{detached}; no packet socket either: {why}")),
        };
        let old = std::mem::replace(&mut port.receiver, receiver);
        self.release(&port.key, old);
        port.path = Path::Socket;
        port.why = Some(why);
        // What came between the two was missed.
        port.overflowed = true;
        let report = self.report(number, &port);
        self.ports.insert(number, port);
        Some(report)
    }

    /// Takes a rule and its peers away.
    fn forget_rule(&mut self, router: &Router) {
        self.memory.rules.remove(&router.rule);
        if let Some(program) = &mut self.program
            && let Err(why) = program.set_rule(router.rule, &layout::Rule::default(), false)
        {
            tracing::warn!(why = chain(&why), "forgetting a rule");
        }
        for peer in &router.peers {
            self.forget_peer(peer);
        }
    }

    fn forget_peer(&mut self, peer: &PeerKey) {
        self.memory.peers.remove(peer);
        if let Some(program) = &mut self.program
            && let Err(why) = program.remove_peer(peer)
        {
            tracing::warn!(why = chain(&why), "forgetting a peer");
        }
    }

    fn forget_counts(&mut self, router: u32) -> anyhow::Result<()> {
        self.memory.clear_router(router);
        if let Some(program) = &mut self.program {
            program.expect(router as usize, &Expect::default());
            program.clear_router(router)?;
        }
        Ok(())
    }
}

impl Heard for Plane {
    fn stamp(&self, router: RouterId) -> Stamp {
        let socket = self.memory.seen.get(&router.0).copied().unwrap_or_default();
        let xdp = self.program.as_ref().map_or(socket, |program| program.seen(router.index()));
        let last = if socket.at > xdp.at { socket } else { xdp };
        stamp(last.at, last.generation)
    }
}

impl Dataplane for Plane {
    fn open(&mut self, interface: &str, ifindex: u32) -> anyhow::Result<PortReport> {
        let number = match self.find(interface) {
            Some(number) => number,
            None => self.free_port()?,
        };
        if let (Some(port), Some(program)) = (self.ports.get(&number), &self.program)
            && port.key.ifindex == ifindex
            && matches!(port.receiver, Receiver::Xdp(..))
            && hook::has(ifindex, program.id())
        {
            return Ok(self.report(number, port));
        }
        if let Some(old) = self.ports.remove(&number) {
            self.release(&old.key, old.receiver);
        }
        let key = PortKey { ifindex, outer: 0, inner: 0 };
        let on = self
            .receiver(interface, ifindex)
            .with_context(|| format!("{interface}: cannot receive"));
        // A port stays, with its rules, when its interface was there before: it may come again.
        let (path, receiver, why, failed) = match on {
            Ok((path, receiver, why)) => (path, receiver, why, None),
            Err(failed) => {
                (Path::Socket, Receiver::None, Some(format!("{failed:#}")), Some(failed))
            }
        };
        let known = self.routers.values().any(|router| router.port == number);
        if let (Some(failed), false) = (&failed, known) {
            self.release(&key, Receiver::None);
            bail!("{failed:#}");
        }
        let port =
            Port { interface: interface.to_owned(), key, path, why, receiver, overflowed: false };
        let report = self.report(number, &port);
        self.ports.insert(number, port);
        if known {
            self.listen(interface);
        }
        failed.map_or(Ok(report), Err)
    }

    fn listen(&mut self, interface: &str) {
        let Some(number) = self.find(interface) else {
            return;
        };
        let key = self.ports[&number].key;
        if let Some(program) = &mut self.program
            && let Err(why) = program.set_port(&key, Some(number))
        {
            tracing::error!(interface, why = chain(&why), "no frame is judged");
        }
    }

    fn close(&mut self, interface: &str) {
        let Some(number) = self.find(interface) else {
            return;
        };
        let here: Vec<u32> = self
            .routers
            .iter()
            .filter(|(_, router)| router.port == number)
            .map(|(&router, _)| router)
            .collect();
        for router in here {
            self.remove_router(RouterId(router));
        }
        if let Some(port) = self.ports.remove(&number) {
            self.release(&port.key, port.receiver);
        }
        self.memory.port_counts.remove(&number);
        if let Some(program) = &mut self.program
            && let Err(why) = program.clear_port(number)
        {
            tracing::warn!(interface, why = chain(&why), "forgetting the counters of a port");
        }
    }

    fn set_router(&mut self, interface: &str, router: &RouterRule) -> anyhow::Result<()> {
        let id = router.router.0;
        if id >= self.settings.routers {
            bail!("the dataplane has room for {} routers", self.settings.routers);
        }
        let port = self.find(interface).with_context(|| format!("{interface} is not open"))?;
        let index = rule_index(port, router.family, router.vrid);
        let other = self.memory.rules.get(&index).map(|rule| rule.router - 1);
        if let Some(other) = other.filter(|other| *other != id) {
            bail!(
                "VRID {} ({:?}) of {interface} belongs to router {other} already",
                router.vrid,
                router.family
            );
        }
        let old = self.routers.remove(&id);
        match &old {
            None => self.forget_counts(id)?,
            Some(old) if old.rule != index => self.forget_rule(old),
            Some(_) => {}
        }
        let rule = layout::Rule { router: id + 1, ..router.rule };
        let mut peers = Vec::with_capacity(router.peers.len());
        for (address, peer) in &router.peers {
            let key = PeerKey { router: id, pad: 0, source: layout::address(*address) };
            self.memory.peers.insert(key, *peer);
            if let Some(program) = &mut self.program {
                program.set_peer(&key, peer).context("adding a unicast peer")?;
            }
            peers.push(key);
        }
        if let Some(program) = &mut self.program {
            program.set_rule(index, &rule, other.is_none()).context("writing a rule")?;
        }
        self.memory.rules.insert(index, rule);
        let kept = old.filter(|old| old.rule == index);
        for peer in kept.iter().flat_map(|old| &old.peers).filter(|peer| !peers.contains(peer)) {
            self.forget_peer(peer);
        }
        let lost = kept.map_or(0, |old| old.lost);
        self.routers.insert(id, Router { port, rule: index, peers, lost });
        Ok(())
    }

    fn remove_router(&mut self, router: RouterId) {
        let Some(old) = self.routers.remove(&router.0) else {
            return;
        };
        self.forget_rule(&old);
        if let Err(why) = self.forget_counts(router.0) {
            tracing::warn!(router = router.0, "forgetting a router: {why:#}");
        }
    }

    fn expect(&mut self, router: RouterId, expect: &Expect) {
        if !self.routers.contains_key(&router.0) {
            return;
        }
        self.memory.expect.insert(router.0, *expect);
        if let Some(program) = &mut self.program {
            program.expect(router.index(), expect);
        }
    }

    fn drain(&mut self, news: &mut dyn FnMut(News<'_>)) {
        let Self { program, ports, routers, memory, buffer, .. } = self;
        if let Some(program) = program {
            program.drain(&mut |event, packet| {
                // News of a router that was removed, or moved, meanwhile is nobody's.
                if routers.get(&event.router).is_some_and(|router| router.port == event.port) {
                    news(News {
                        router: RouterId(event.router),
                        at: Instant::from_nanos(event.at),
                        remarks: event.remarks,
                        packet,
                    });
                }
            });
        }
        for (&number, port) in ports.iter_mut() {
            let Receiver::Socket(socket) = &mut port.receiver else {
                continue;
            };
            let mut any = false;
            for _ in 0..MOST_QUEUED {
                let Some(arrived) = socket.receive(buffer) else {
                    break;
                };
                any = true;
                let bytes = &buffer[..arrived.len];
                let Some(accepted) = memory.take(number, bytes, arrived.place, arrived.at) else {
                    continue;
                };
                let end = accepted.offset + accepted.length;
                if let Some(packet) = bytes.get(accepted.offset..end) {
                    news(News {
                        router: RouterId(accepted.router),
                        at: arrived.at,
                        remarks: accepted.remarks,
                        packet,
                    });
                }
            }
            port.overflowed |= any && socket.overflowed();
        }
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let ring = self.program.as_ref().map(Program::descriptor);
        let sockets = self.ports.values().filter_map(|port| match &port.receiver {
            Receiver::Socket(socket) => Some(socket.descriptor()),
            Receiver::Xdp(..) | Receiver::None => None,
        });
        ring.into_iter().chain(sockets).collect()
    }

    fn counts(&self, router: RouterId) -> Counts {
        sum(
            self.memory.router_counts.get(&router.0),
            self.program.as_ref().and_then(|program| program.router_counts(router.0).ok()),
        )
    }

    fn ports(&self) -> Vec<PortReport> {
        self.ports.iter().map(|(&number, port)| self.report(number, port)).collect()
    }

    fn lost(&mut self) -> Vec<RouterId> {
        let Self { program, ports, routers, .. } = self;
        let mut lost = Vec::new();
        for (&id, router) in routers.iter_mut() {
            let seen = program.as_ref().map_or(0, |program| program.seen(id as usize).lost);
            let overflowed = ports.get(&router.port).is_some_and(|port| port.overflowed);
            if seen != router.lost || overflowed {
                router.lost = seen;
                lost.push(RouterId(id));
            }
        }
        for port in ports.values_mut() {
            port.overflowed = false;
        }
        lost
    }

    fn check_attached(&mut self) -> Vec<PortReport> {
        let Some(id) = self.program.as_ref().map(Program::id) else {
            return Vec::new();
        };
        let gone: Vec<u32> = self
            .ports
            .iter()
            .filter(|(_, port)| {
                matches!(port.receiver, Receiver::Xdp(..)) && !hook::has(port.key.ifindex, id)
            })
            .map(|(&number, _)| number)
            .collect();
        gone.iter().filter_map(|&number| self.fall_back(number)).collect()
    }
}

fn sum(socket: Option<&Counts>, xdp: Option<Counts>) -> Counts {
    let mut total = xdp.unwrap_or_default();
    for (total, count) in total.0.iter_mut().zip(socket.iter().flat_map(|counts| &counts.0)) {
        *total += count;
    }
    total
}
