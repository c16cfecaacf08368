//! How adverts leave: prebuilt packets, patched in place, sent in batches without waiting.
use super::frame::Prebuilt;
use super::sys;
use crate::config::model::{Instance, Name, Transport};
use foldhash::HashMap;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use vrrp_common::ident::{Family, Mac, Priority, RouterId};

/// Send buffer of a socket: room for an advert of every possible router of an interface.
const SEND_BUFFER: usize = 1 << 20;
/// IPPROTO_RAW: packets are handed over with their IP header, and nothing is received.
const WITH_HEADER: i32 = 255;

/// Adverts sent and not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    /// Packets the kernel took.
    pub sent: u64,
    /// Packets it refused: full buffer, dead link, no route.
    pub failed: u64,
}

impl Sent {
    fn count(&mut self, outcome: &io::Result<()>) {
        match outcome {
            Ok(()) => self.sent += 1,
            Err(_) => self.failed += 1,
        }
    }
}

/// How packets leave: one socket for each, so that an interface that stands still fills only its own
/// buffer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Way {
    /// Whole frames on an interface.
    Frames { ifindex: u32 },
    /// IP packets on an interface; the kernel finds the neighbour.
    Packets { ifindex: u32, family: Family },
}

impl Way {
    fn open(self, interface: &str) -> io::Result<Socket> {
        let socket = match self {
            Self::Frames { ifindex } => sys::packet_socket(ifindex)?,
            Self::Packets { family, .. } => {
                let domain = match family {
                    Family::V4 => Domain::IPV4,
                    Family::V6 => Domain::IPV6,
                };
                let protocol = Some(Protocol::from(WITH_HEADER));
                let socket = Socket::new(domain, Type::RAW.nonblocking().cloexec(), protocol)?;
                socket.bind_device(Some(interface.as_bytes()))?;
                socket
            }
        };
        // Refused where limits are tight; the default buffer then has to do.
        let _ = rustix::net::sockopt::set_socket_send_buffer_size_force(&socket, SEND_BUFFER);
        Ok(socket)
    }
}

/// A socket, closed with its last router.
struct Shared {
    socket: Socket,
    interface: Name,
    users: usize,
}

struct Router {
    way: Way,
    /// For the group, or for each peer: one of each version that is spoken.
    packets: Box<[Packet]>,
    queued: bool,
    sent: Sent,
}

struct Packet {
    /// For peers: boxed, for most routers have none.
    destination: Option<Box<sys::Destination>>,
    prebuilt: Prebuilt,
}

/// The adverts of every router of a network namespace. Lives on the loop's thread.
#[derive(Default)]
pub struct Transmitter {
    /// By number.
    routers: Vec<Option<Router>>,
    sockets: HashMap<Way, Shared>,
    /// Routers with patched packets, in the order of queueing.
    queue: Vec<(Way, RouterId)>,
    total: Sent,
    /// Sockets nobody uses any more.
    closed: Vec<Socket>,
}

impl Transmitter {
    /// Sends nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Builds the packets of a router. Without a `source` there is nothing to send, and adverts
    /// queued meanwhile count as failed. Counters of a router that was known are kept.
    ///
    /// # Errors
    /// Where a socket cannot be had, or where the advert does not fit a packet. The router then
    /// sends nothing.
    pub fn set_router(
        &mut self,
        router: RouterId,
        instance: &Instance,
        ifindex: u32,
        mac: Mac,
        source: Option<IpAddr>,
    ) -> io::Result<()> {
        self.flush();
        let sent = self.sent(router);
        let way = match &instance.transport {
            Transport::Multicast { .. } => Way::Frames { ifindex },
            Transport::Unicast { .. } => Way::Packets { ifindex, family: instance.family },
        };
        let packets = match source {
            Some(source) => packets(instance, ifindex, mac, source),
            None => Some(Box::default()),
        };
        // The new socket before the old one goes: an unchanged way keeps its socket.
        let opened = self.acquire(way, &instance.interface);
        self.remove_router(router);
        opened?;
        let fits = packets.is_some();
        let packets = packets.unwrap_or_default();
        if self.routers.len() <= router.index() {
            self.routers.resize_with(router.index() + 1, || None);
        }
        self.routers[router.index()] = Some(Router { way, packets, queued: false, sent });
        if fits {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{}: the advert does not fit one packet", instance.name),
            ))
        }
    }

    /// Forgets a router; what was queued for it is sent first.
    pub fn remove_router(&mut self, router: RouterId) {
        self.flush();
        if let Some(router) = self.routers.get_mut(router.index()).and_then(Option::take) {
            self.release(router.way);
        }
    }

    /// Queues one advert to every destination of a router. One call of [`Self::flush`] sends what
    /// was queued for many routers.
    pub fn queue(&mut self, router: RouterId, priority: Priority) {
        if self.router(router).is_some_and(|router| router.queued) {
            // Its packets already carry another advert.
            self.flush();
        }
        let Some(Some(state)) = self.routers.get_mut(router.index()) else {
            self.total.failed += 1;
            return;
        };
        if state.packets.is_empty() {
            state.sent.failed += 1;
            self.total.failed += 1;
            return;
        }
        for packet in &mut state.packets {
            packet.prebuilt.patch(priority);
        }
        state.queued = true;
        self.queue.push((state.way, router));
    }

    /// Sends what is queued. Never waits: what the kernel does not take at once is counted as failed.
    pub fn flush(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        let mut queue = std::mem::take(&mut self.queue);
        // Stable: the order within a socket stays the order of queueing.
        queue.sort_by_key(|(way, _)| *way);
        let mut outcomes: Vec<(RouterId, io::Result<()>)> = Vec::with_capacity(queue.len());
        for same_way in queue.chunk_by(|a, b| a.0 == b.0) {
            let way = same_way[0].0;
            let Some(shared) = self.sockets.get_mut(&way) else { continue };
            let mut owners = Vec::new();
            let mut packets = Vec::new();
            for (_, router) in same_way {
                let state = self.routers.get(router.index()).and_then(Option::as_ref);
                for Packet { destination, prebuilt } in
                    state.iter().flat_map(|state| &state.packets)
                {
                    owners.push(*router);
                    packets.push((destination.as_deref().cloned(), prebuilt.bytes()));
                }
            }
            let mut orphaned = false;
            sys::send_all(&shared.socket, &packets, |number, outcome| {
                orphaned |= outcome.as_ref().is_err_and(is_orphaned);
                outcomes.push((owners[number], outcome));
            });
            if orphaned && let Ok(socket) = way.open(&shared.interface) {
                // The interface is back under its old index: the next advert finds it.
                self.closed.push(std::mem::replace(&mut shared.socket, socket));
            }
        }
        for (router, outcome) in outcomes {
            self.total.count(&outcome);
            if let Some(Some(router)) = self.routers.get_mut(router.index()) {
                router.sent.count(&outcome);
                router.queued = false;
            }
        }
        queue.clear();
        self.queue = queue;
    }

    /// Packets of one router since it was first set.
    pub fn sent(&self, router: RouterId) -> Sent {
        self.router(router).map(|router| router.sent).unwrap_or_default()
    }

    fn router(&self, router: RouterId) -> Option<&Router> {
        self.routers.get(router.index())?.as_ref()
    }

    /// Packets of all routers, former ones included.
    pub const fn total(&self) -> Sent {
        self.total
    }

    /// Sockets that nobody uses any more since last asked, to be closed where there is time:
    /// closing a packet socket waits for the kernel.
    pub fn closed(&mut self) -> Vec<Socket> {
        std::mem::take(&mut self.closed)
    }

    fn acquire(&mut self, way: Way, interface: &Name) -> io::Result<()> {
        if let Some(socket) = self.sockets.get_mut(&way) {
            socket.users += 1;
        } else {
            let socket = way.open(interface)?;
            let interface = interface.clone();
            self.sockets.insert(way, Shared { socket, interface, users: 1 });
        }
        Ok(())
    }

    fn release(&mut self, way: Way) {
        if let Some(socket) = self.sockets.get_mut(&way) {
            socket.users -= 1;
            if socket.users == 0 {
                self.closed.extend(self.sockets.remove(&way).map(|shared| shared.socket));
            }
        }
    }
}

/// Whether a socket outlived the interface it was tied to.
fn is_orphaned(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENXIO | libc::ENODEV))
}

/// The packets of a router, or `None` where its advert does not fit.
fn packets(instance: &Instance, ifindex: u32, mac: Mac, source: IpAddr) -> Option<Box<[Packet]>> {
    match &instance.transport {
        Transport::Multicast { group } => instance
            .versions()
            .map(|version| {
                let prebuilt = Prebuilt::frame(instance, version, mac, source, *group)?;
                Some(Packet { destination: None, prebuilt })
            })
            .collect(),
        Transport::Unicast { peers, ttl } => peers
            .iter()
            .flat_map(|peer| instance.versions().map(move |version| (peer.address, version)))
            .map(|(peer, version)| {
                let prebuilt = Prebuilt::packet(instance, version, source, peer, *ttl)?;
                Some(Packet { destination: Some(Box::new(destination(peer, ifindex))), prebuilt })
            })
            .collect(),
    }
}

fn destination(address: IpAddr, ifindex: u32) -> sys::Destination {
    match address {
        IpAddr::V4(v4) => SocketAddr::V4(SocketAddrV4::new(v4, 0)).into(),
        IpAddr::V6(v6) => {
            let scope = if v6.is_unicast_link_local() { ifindex } else { 0 };
            SocketAddr::V6(SocketAddrV6::new(v6, 0, 0, scope)).into()
        }
    }
}
