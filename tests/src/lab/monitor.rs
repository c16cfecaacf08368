//! When did the kernel tell of links, addresses and routes: a listener of the lab's own, so that what
//! measures shares no fault with what is measured.
use std::io::Read as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::net::netlink::SocketAddrNetlink;
use socket2::{Domain, Socket, Type};

use super::netns::Namespace;

/// What the kernel told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// A link is like this: its index, and whether it is up and has a carrier.
    Link(u32, bool),
    /// An address is on the link with this index.
    Added(u32, IpAddr),
    /// An address left it.
    Removed(u32, IpAddr),
    /// There is a route to this destination, in whichever table.
    RouteAdded(IpAddr),
    /// There was one.
    RouteRemoved(IpAddr),
}

/// A running listener; ends on drop.
#[derive(Debug)]
pub struct Monitor {
    told: Arc<Mutex<Vec<(u64, Told)>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// `RTMGRP_LINK`, and of IPv4 and IPv6 `IFADDR` and `ROUTE`.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

impl Monitor {
    /// Listens in a namespace from now on.
    pub fn start(namespace: &Namespace) -> Self {
        let open = || -> std::io::Result<Socket> {
            let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, None)?;
            rustix::net::bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
            rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, 64 << 20)?;
            socket.set_read_timeout(Some(Duration::from_millis(20)))?;
            Ok(socket)
        };
        let socket = namespace.enter(open).unwrap_or_else(|error| panic!("netlink: {error}"));
        let (told, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (writer, stopped) = (Arc::clone(&told), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while !stopped.load(Ordering::Relaxed) {
                let Ok(len) = (&socket).read(&mut buffer) else { continue };
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let at = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
                let news = messages(buffer.get(..len).unwrap_or_default());
                lock(&writer).extend(news.into_iter().map(|told| (at, told)));
            }
        });
        Self { told, stop, thread: Some(thread) }
    }

    /// How much was told so far: a mark to look from later.
    pub fn mark(&self) -> usize {
        lock(&self.told).len()
    }

    /// What was told since `mark` of any of `addresses`.
    pub fn about(&self, mark: usize, addresses: &[IpAddr]) -> Vec<Told> {
        let of = |told: Told| match told {
            Told::Link(..) => None,
            Told::Added(_, address)
            | Told::Removed(_, address)
            | Told::RouteAdded(address)
            | Told::RouteRemoved(address) => Some(address),
        };
        let told = lock(&self.told);
        let since = told.iter().skip(mark).map(|(_, told)| *told);
        since.filter(|told| of(*told).is_some_and(|about| addresses.contains(&about))).collect()
    }

    /// When each thing since `mark` was told that `pick` likes, in nanoseconds since 1970.
    pub fn since(&self, mark: usize, pick: impl Fn(Told) -> bool) -> Vec<u64> {
        let told = lock(&self.told);
        told.iter().skip(mark).filter(|(_, told)| pick(*told)).map(|(at, _)| *at).collect()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    at(bytes, offset).map(u32::from_ne_bytes)
}

/// Every message of one datagram that has a meaning here.
fn messages(mut bytes: &[u8]) -> Vec<Told> {
    let mut all = Vec::new();
    while let Some(len) = word(bytes, 0).and_then(|len| usize::try_from(len).ok()) {
        let Some(one) = bytes.get(..len).filter(|one| one.len() >= 16) else { break };
        all.extend(message(one));
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    all
}

/// Header of 16 bytes, then `ifinfomsg`, `ifaddrmsg` or `rtmsg`, then attributes.
fn message(bytes: &[u8]) -> Option<Told> {
    const UP_AND_RUNNING: u32 = 0x1 | 0x40;
    let kind = at(bytes, 4).map(u16::from_ne_bytes)?;
    let index = word(bytes, 20)?;
    match kind {
        16 => Some(Told::Link(index, word(bytes, 24)? & UP_AND_RUNNING == UP_AND_RUNNING)),
        17 => Some(Told::Link(index, false)),
        20 => Some(Told::Added(index, address(bytes)?)),
        21 => Some(Told::Removed(index, address(bytes)?)),
        24 => Some(Told::RouteAdded(destination(bytes)?)),
        25 => Some(Told::RouteRemoved(destination(bytes)?)),
        _ => None,
    }
}

/// `IFA_LOCAL`, or where there is none `IFA_ADDRESS`.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    attribute(bytes, 24, 2).or_else(|| attribute(bytes, 24, 1))
}

/// `RTA_DST`.
fn destination(bytes: &[u8]) -> Option<IpAddr> {
    attribute(bytes, 28, 1)
}

/// The attribute of this kind, if it is an address; `offset` is where attributes begin.
fn attribute(bytes: &[u8], mut offset: usize, wanted: u16) -> Option<IpAddr> {
    while let (Some(len), Some(kind)) = (at(bytes, offset), at(bytes, offset + 2)) {
        let (len, kind) = (usize::from(u16::from_ne_bytes(len)), u16::from_ne_bytes(kind));
        let value = bytes.get(offset + 4..offset + len)?;
        if kind == wanted {
            return match value.len() {
                4 => at::<4>(value, 0).map(IpAddr::from),
                16 => at::<16>(value, 0).map(IpAddr::from),
                _ => None,
            };
        }
        offset += len.max(4).next_multiple_of(4);
    }
    None
}
