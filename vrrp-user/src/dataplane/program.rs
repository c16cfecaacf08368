//! What is the loaded XDP program, and what can be done with its maps.
//!
//! The program itself goes to whoever attaches it; its maps stay with the loop.
use super::clock;
use super::link::Link;
use super::log::Messages;
use super::object;
use super::pod::MapPod;
use super::port::Path;
use super::rejects;
use super::settings::Settings;
use super::shared::Shared;
use super::sys;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues, RingBuf};
use aya::programs::{ProgramError, Xdp};
use aya::util::nr_cpus;
use aya::{Ebpf, EbpfError, EbpfLoader};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use thiserror::Error;
use vrrp_common::layout::{
    Counts, EventHeader, Expect, FAST_PORTS, Peer, PeerKey, PortKey, RULES_PER_PORT, Rule, Seen,
    name,
};

/// Why the program is not in the kernel.
#[derive(Debug, Error)]
pub enum LoadError {
    /// It is not in the binary either.
    #[error(transparent)]
    Missing(#[from] object::Missing),
    /// The object or its maps.
    #[error("the XDP program cannot be loaded")]
    Object(#[source] Box<EbpfError>),
    /// The verifier, as a rule.
    #[error("the kernel does not take the XDP program")]
    Program(#[from] ProgramError),
    /// A map.
    #[error("map {map}")]
    Map {
        /// Its name.
        map: &'static str,
        /// What is wrong with it.
        #[source]
        why: MapError,
    },
    /// A map that ought to be in the object.
    #[error("the XDP program has no {0}")]
    Without(&'static str),
    /// Memory shared with the program.
    #[error("map {map} cannot be mapped into memory")]
    Shared {
        /// Its name.
        map: &'static str,
        /// The kernel's reason.
        #[source]
        why: io::Error,
    },
    /// The number of CPUs.
    #[error("{0}")]
    Cpus(&'static str, #[source] io::Error),
    /// Its messages.
    #[error("the XDP program's messages cannot be read")]
    Messages(#[from] aya_log::Error),
    /// The thread that attaches it.
    #[error("no thread to attach the XDP program from")]
    Thread(#[source] io::Error),
}

/// The kernel's header and the least the program reserves.
const SMALLEST_RECORD: u32 = 256;

type Typed<T> = Array<MapData, MapPod<T>>;
pub(super) type PerCpu<T> = PerCpuArray<MapData, MapPod<T>>;

/// The loaded program, to be put on interfaces.
pub struct Loaded {
    program: OwnedFd,
    id: u32,
}

/// The maps of the loaded program.
pub struct Program {
    ebpf: Ebpf,
    id: u32,
    cpus: usize,
    fast_ports: Array<MapData, u32>,
    ports: HashMap<MapData, MapPod<PortKey>, u32>,
    rules: Typed<Rule>,
    peers: HashMap<MapData, MapPod<PeerKey>, MapPod<Peer>>,
    expect: Shared<Expect>,
    seen: Shared<Seen>,
    seen_map: Typed<Seen>,
    /// How long a tick of the kernel lasts.
    tick: u64,
    errors: Shared<u64>,
    errors_map: Array<MapData, u64>,
    router_counts: PerCpu<Counts>,
    port_counts: PerCpu<Counts>,
    /// For whoever else reads what is counted.
    counting: Option<rejects::Maps>,
    events: RingBuf<MapData>,
    /// More records than the ring can hold.
    ring_records: u32,
    messages: Option<Messages>,
    mirror: KernelMirror,
}

/// Where the program shows judged frames: its switch, and the ring buffer.
#[derive(Debug)]
pub(super) struct KernelMirror {
    pub(super) switch: OwnedFd,
    pub(super) ring: OwnedFd,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Loaded {
    /// Its kernel id.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Attaches it. This waits for the kernel.
    pub fn attach(&self, ifindex: u32, path: Path) -> io::Result<Link> {
        Link::create(self.program.as_fd(), ifindex, path == Path::XdpNative)
    }
}

impl Program {
    /// Loads the program; nothing is attached yet.
    pub fn load(settings: &Settings) -> Result<(Self, Loaded), LoadError> {
        let (ports, routers) = (settings.ports, settings.routers);
        // Refused where the limit may not be raised, and not needed since Linux 5.11.
        let unlimited = rustix::process::Rlimit { current: None, maximum: None };
        let _not_permitted =
            rustix::process::setrlimit(rustix::process::Resource::Memlock, unlimited);
        let log = u8::from(settings.log);
        let news = settings.news.unwrap_or(u32::MAX);
        let mut ebpf = EbpfLoader::new()
            // Nothing in the program depends on how this kernel's own types are laid out.
            .btf(None)
            .override_global("LOG", &log, true)
            .override_global("NEWS_A_SPAN", &news, true)
            .map_max_entries(name::RULES, ports * RULES_PER_PORT)
            .map_max_entries(name::PORTS, ports)
            .map_max_entries(name::PORT_COUNTS, ports)
            .map_max_entries(name::PEERS, (routers * 16).max(65_536))
            .map_max_entries(name::EXPECT, routers)
            .map_max_entries(name::SEEN, routers)
            .map_max_entries(name::ERRORS, routers)
            .map_max_entries(name::ROUTER_COUNTS, routers)
            .map_max_entries(name::EVENTS, settings.ring_bytes)
            .load(object::bytes()?)
            .map_err(|why| LoadError::Object(Box::new(why)))?;
        let xdp: &mut Xdp =
            ebpf.program_mut(name::PROGRAM).ok_or(LoadError::Without(name::PROGRAM))?.try_into()?;
        xdp.load()?;
        let id = xdp.info()?.id();
        let program = xdp.fd()?.as_fd().try_clone_to_owned().map_err(LoadError::Thread)?;
        let expect = Shared::expect(descriptor(&ebpf, name::EXPECT)?, routers)
            .map_err(|why| LoadError::Shared { map: name::EXPECT, why })?;
        let seen = Shared::seen(descriptor(&ebpf, name::SEEN)?, routers)
            .map_err(|why| LoadError::Shared { map: name::SEEN, why })?;
        let errors = Shared::numbers(descriptor(&ebpf, name::ERRORS)?, routers)
            .map_err(|why| LoadError::Shared { map: name::ERRORS, why })?;
        let errors_map = take(&mut ebpf, name::ERRORS)?;
        let cpus = nr_cpus().map_err(|(what, why)| LoadError::Cpus(what, why))?;
        let fast_ports = take(&mut ebpf, name::FAST_PORTS)?;
        let ports = take(&mut ebpf, name::PORTS)?;
        let rules = take(&mut ebpf, name::RULES)?;
        let peers = take(&mut ebpf, name::PEERS)?;
        let counting = Some(rejects::Maps {
            all: take(&mut ebpf, name::REJECTED)?,
            routers: again(&ebpf, name::ROUTER_COUNTS)?,
            ports: again(&ebpf, name::PORT_COUNTS)?,
        });
        let router_counts = take(&mut ebpf, name::ROUTER_COUNTS)?;
        let port_counts = take(&mut ebpf, name::PORT_COUNTS)?;
        let events = take(&mut ebpf, name::EVENTS)?;
        let ring_records = settings.ring_bytes / SMALLEST_RECORD + 1;
        let messages = if settings.log { Some(Messages::follow(&mut ebpf)?) } else { None };
        let mirror = KernelMirror {
            switch: owned(&ebpf, name::VARIABLES)?,
            ring: owned(&ebpf, name::MIRRORED)?,
        };
        let seen_map = take(&mut ebpf, name::SEEN)?;
        // The loader has read the types of the whole kernel.
        sys::trim_memory();
        let loaded = Loaded { program, id };
        let program = Self {
            ebpf,
            id,
            cpus,
            fast_ports,
            ports,
            rules,
            peers,
            expect,
            seen,
            seen_map,
            tick: clock::tick(),
            errors,
            errors_map,
            router_counts,
            port_counts,
            counting,
            events,
            ring_records,
            messages,
            mirror,
        };
        Ok((program, loaded))
    }

    /// Its kernel id.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The program itself, for test runs.
    pub fn raw<T>(&mut self, ask: impl FnOnce(&mut Xdp) -> T) -> Result<T, ProgramError> {
        with(&mut self.ebpf, name::PROGRAM, ask)
    }

    /// A program that does nothing, loaded when it is first asked for.
    pub fn empty<T>(&mut self, ask: impl FnOnce(&mut Xdp) -> T) -> Result<T, ProgramError> {
        with(&mut self.ebpf, name::EMPTY, |xdp| {
            if xdp.fd().is_err() {
                xdp.load()?;
            }
            Ok(ask(xdp))
        })?
    }

    /// The maps that count, for another thread to read; there is one who can have them.
    pub(super) const fn counting_maps(&mut self) -> Option<rejects::Maps> {
        self.counting.take()
    }

    /// Where the program shows judged frames.
    pub(super) fn mirror(&self) -> io::Result<KernelMirror> {
        let KernelMirror { switch, ring } = &self.mirror;
        Ok(KernelMirror { switch: switch.try_clone()?, ring: ring.try_clone()? })
    }

    /// Says which port frames of `key` belong to, or that they belong to none.
    pub fn set_port(&mut self, key: &PortKey, port: Option<u32>) -> Result<(), MapError> {
        let value = port.map_or(0, |port| port + 1);
        if key.outer == 0 && key.ifindex < FAST_PORTS {
            return self.fast_ports.set(key.ifindex, value, 0);
        }
        match port {
            Some(_) => self.ports.insert(MapPod(*key), value, 0),
            None => absent(self.ports.remove(&MapPod(*key))),
        }
    }

    /// Writes a rule. One that appears is complete before it names its router.
    pub fn set_rule(&mut self, index: u32, rule: &Rule, appears: bool) -> Result<(), MapError> {
        if appears {
            self.rules.set(index, MapPod(Rule { router: 0, ..*rule }), 0)?;
        }
        self.rules.set(index, MapPod(*rule), 0)
    }

    /// Adds or changes a peer.
    pub fn set_peer(&mut self, key: &PeerKey, peer: &Peer) -> Result<(), MapError> {
        self.peers.insert(MapPod(*key), MapPod(*peer), 0)
    }

    /// Removes a peer.
    pub fn remove_peer(&mut self, key: &PeerKey) -> Result<(), MapError> {
        absent(self.peers.remove(&MapPod(*key)))
    }

    /// Sets an expectation.
    pub fn expect(&mut self, router: usize, expect: &Expect) {
        self.expect.write(router, expect);
    }

    /// Reads a stamp. Where copies came too fast to be stamped, its time is the latest at which the
    /// last of them can have come.
    pub fn seen(&self, router: usize) -> Seen {
        let seen = self.seen.read(router);
        if seen.latest(self.tick) == seen.at {
            return seen;
        }
        // What is noted after the clock was read came before news that will be stamped later: that
        // news, were there any, would have cleared the note.
        let now = clock::monotonic().as_nanos();
        let seen = self.seen.read(router);
        Seen { at: seen.latest(self.tick).min(now).max(seen.at), ..seen }
    }

    /// The last protocol error of a router; 0 for none.
    pub fn last_error(&self, router: usize) -> u8 {
        self.errors.number(router).to_le_bytes()[0]
    }

    /// Forgets it, for another came that the program did not see.
    pub fn clear_error(&mut self, router: u32) -> Result<(), MapError> {
        match self.last_error(router as usize) {
            0 => Ok(()),
            _ => self.errors_map.set(router, 0, 0),
        }
    }

    /// Forgets the stamp, the last error and the counters of a router.
    pub fn clear_router(&mut self, router: u32) -> Result<(), MapError> {
        self.seen_map.set(router, MapPod(Seen::default()), 0)?;
        self.errors_map.set(router, 0, 0)?;
        self.router_counts.set(router, zeros(self.cpus)?, 0)
    }

    /// Forgets the counters of a port.
    pub fn clear_port(&mut self, port: u32) -> Result<(), MapError> {
        self.port_counts.set(port, zeros(self.cpus)?, 0)
    }

    /// Counters of a router over all CPUs.
    pub fn router_counts(&self, router: u32) -> Result<Counts, MapError> {
        self.router_counts.get(&router, 0).map(|counts| total(&counts))
    }

    /// Counters of a port over all CPUs.
    pub fn port_counts(&self, port: u32) -> Result<Counts, MapError> {
        self.port_counts.get(&port, 0).map(|counts| total(&counts))
    }

    /// Hands over every event: its header, and the IP packet. Whoever floods the ring meanwhile
    /// does not keep this from ending.
    pub fn drain(&mut self, event: &mut dyn FnMut(&EventHeader, &[u8])) {
        for _ in 0..self.ring_records {
            let Some(record) = self.events.next() else {
                break;
            };
            let Some((header, packet)) = record.split_first_chunk::<{ size_of::<EventHeader>() }>()
            else {
                continue;
            };
            let header: EventHeader = bytemuck::pod_read_unaligned(header);
            if let Some(packet) = packet.get(..header.length as usize) {
                event(&header, packet);
            }
        }
        if let Some(messages) = &mut self.messages {
            messages.pass_on();
        }
    }

    /// Readable when there are events.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

/// Does something with a program.
fn with<T>(
    ebpf: &mut Ebpf,
    name: &str,
    ask: impl FnOnce(&mut Xdp) -> T,
) -> Result<T, ProgramError> {
    let program = ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?;
    Ok(ask(program.try_into()?))
}

/// The descriptor of an array.
fn descriptor<'a>(ebpf: &'a Ebpf, map: &'static str) -> Result<BorrowedFd<'a>, LoadError> {
    match ebpf.map(map) {
        Some(Map::Array(data)) => Ok(data.fd().as_fd()),
        _ => Err(LoadError::Without(map)),
    }
}

/// A map by its name, as its type.
fn take<M: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    map: &'static str,
) -> Result<M, LoadError> {
    let taken = ebpf.take_map(map).ok_or(LoadError::Without(map))?;
    M::try_from(taken).map_err(|why| LoadError::Map { map, why })
}

/// One more descriptor of a map that stays where it is.
fn owned(ebpf: &Ebpf, map: &'static str) -> Result<OwnedFd, LoadError> {
    let (Map::PerCpuArray(data) | Map::Array(data) | Map::RingBuf(data)) =
        ebpf.map(map).ok_or(LoadError::Without(map))?
    else {
        return Err(LoadError::Without(map));
    };
    data.fd().as_fd().try_clone_to_owned().map_err(|why| LoadError::Shared { map, why })
}

/// One more handle of a map that stays where it is.
fn again(ebpf: &Ebpf, map: &'static str) -> Result<PerCpu<Counts>, LoadError> {
    MapData::from_fd(owned(ebpf, map)?)
        .map(Map::PerCpuArray)
        .and_then(PerCpu::try_from)
        .map_err(|why| LoadError::Map { map, why })
}

/// Removing what is not there is no failure.
fn absent(removed: Result<(), MapError>) -> Result<(), MapError> {
    match removed {
        Err(MapError::KeyNotFound | MapError::ElementNotFound) => Ok(()),
        Err(MapError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::NotFound => {
            Ok(())
        }
        other => other,
    }
}

fn zeros(cpus: usize) -> Result<PerCpuValues<MapPod<Counts>>, MapError> {
    PerCpuValues::try_from(vec![MapPod(Counts::default()); cpus]).map_err(MapError::IoError)
}

pub(super) fn total(counts: &PerCpuValues<MapPod<Counts>>) -> Counts {
    let mut sum = Counts::default();
    for MapPod(Counts(counts)) in counts.iter() {
        for (sum, count) in sum.0.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    sum
}
