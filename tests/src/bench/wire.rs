//! How are many frames sent with one call, and how is what comes back noted with the kernel's times.
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::net::netdevice::name_to_index;
use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

use crate::lab::netns::Namespace;

/// Frames handed over with one call.
pub const BATCH: usize = 256;
/// What a tap keeps of a frame: up to the VRRP header behind an IPv4 header.
const SNAP: usize = 64;
/// Bytes of control messages of one frame.
const CONTROL: usize = 64;

fn int<T: TryInto<i32>>(value: T) -> i32 {
    value.try_into().unwrap_or_else(|_| panic!("not an int"))
}

fn bound(dev: Option<&str>, protocol: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::PACKET, Type::RAW.cloexec(), None)?;
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: every bit pattern is a `sockaddr_ll`, and a storage has room for any address.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    link.sll_protocol = protocol.to_be();
    if let Some(dev) = dev {
        link.sll_ifindex = int(name_to_index(&socket, dev)?);
    }
    let len =
        libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
    // SAFETY: the storage was filled as the family says, to this length.
    socket.bind(&unsafe { SockAddr::new(storage, len) })?;
    Ok(socket)
}

fn set(socket: &Socket, level: i32, option: i32, value: i32) -> io::Result<()> {
    let len = libc::socklen_t::try_from(size_of::<i32>()).map_err(io::Error::other)?;
    // SAFETY: the kernel reads an `int` that outlives the call.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), len)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives a FIFO room for what tens of thousands of routers say at once.
pub fn widen(fifo: &std::fs::File) -> io::Result<()> {
    // SAFETY: a call that takes a descriptor and a number.
    let size = unsafe { libc::fcntl(fifo.as_raw_fd(), libc::F_SETPIPE_SZ, 1 << 20) };
    if size > 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Frames that are sent again and again on one interface.
pub struct Sender {
    socket: Socket,
    frames: Vec<Vec<u8>>,
}

impl Sender {
    /// On `dev` of `namespace`, past its queue.
    pub fn open(namespace: &Namespace, dev: &str, frames: Vec<Vec<u8>>) -> Self {
        let socket = namespace.enter(|| {
            let socket = bound(Some(dev), 0)?;
            set(&socket, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, 1)?;
            Ok::<_, io::Error>(socket)
        });
        let socket = socket.unwrap_or_else(|error| panic!("packet socket on {dev}: {error}"));
        Self { socket, frames }
    }

    /// How many frames it has.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Sends the frames of a range; how many the kernel took.
    pub fn send(&self, range: std::ops::Range<usize>) -> usize {
        let mut taken = 0;
        for frames in self.frames[range].chunks(BATCH) {
            let mut parts: Vec<libc::iovec> = frames
                .iter()
                .map(|frame| libc::iovec {
                    iov_base: frame.as_ptr().cast_mut().cast(),
                    iov_len: frame.len(),
                })
                .collect();
            let mut messages: Vec<libc::mmsghdr> = parts
                .iter_mut()
                .map(|part| {
                    // SAFETY: all zero is a valid empty message header.
                    let mut message: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
                    message.msg_hdr.msg_iov = part;
                    message.msg_hdr.msg_iovlen = 1;
                    message
                })
                .collect();
            let count = u32::try_from(messages.len()).unwrap_or(0);
            // SAFETY: every header points to one part, and that to a frame; the kernel reads them
            // and all outlive the call.
            let sent =
                unsafe { libc::sendmmsg(self.socket.as_raw_fd(), messages.as_mut_ptr(), count, 0) };
            taken += usize::try_from(sent).unwrap_or(0);
            // The kernel takes no more of them now.
            if usize::try_from(sent) != Ok(frames.len()) {
                break;
            }
        }
        taken
    }
}

/// What a frame from the other end was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// An advert with this priority.
    Advert(u8),
    /// A gratuitous ARP.
    Announcement,
}

/// A frame from the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// When the kernel saw it, in nanoseconds since 1970.
    pub at: u64,
    /// On which cable.
    pub port: u16,
    /// Whose.
    pub vrid: u8,
    /// What.
    pub what: What,
}

/// Notes adverts and announcements that come in by any interface of a namespace.
pub struct Tap {
    seen: Arc<Mutex<Vec<Seen>>>,
    dropped: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tap {
    /// From now on; `ports` are the interfaces by number.
    pub fn start(namespace: &Namespace, ports: &[String]) -> Self {
        let open = || -> io::Result<(Socket, Vec<u32>)> {
            let socket = bound(None, u16::try_from(libc::ETH_P_ALL).map_err(io::Error::other)?)?;
            set(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)?;
            set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 256 << 20)?;
            set(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
            socket.set_read_timeout(Some(std::time::Duration::from_millis(20)))?;
            let indices = ports.iter().map(|port| name_to_index(&socket, port));
            let indices = indices.collect::<Result<_, _>>()?;
            Ok((socket, indices))
        };
        let (socket, indices) = namespace.enter(open).unwrap_or_else(|e| panic!("tap: {e}"));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let dropped = Arc::new(AtomicUsize::new(0));
        let (to, end, lost) = (Arc::clone(&seen), Arc::clone(&stop), Arc::clone(&dropped));
        let thread = std::thread::spawn(move || {
            let port = |index: i32| {
                let index = u32::try_from(index).ok()?;
                u16::try_from(indices.iter().position(|known| *known == index)?).ok()
            };
            let mut batch = Batch::new();
            while !end.load(Ordering::Relaxed) {
                let count = batch.receive(&socket);
                if count > 0 {
                    let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
                    to.extend((0..count).filter_map(|number| {
                        let (at, index, bytes) = batch.frame(number)?;
                        let (vrid, what) = read(bytes)?;
                        Some(Seen { at, port: port(index)?, vrid, what })
                    }));
                }
            }
            lost.store(drops(&socket), Ordering::Relaxed);
        });
        Self { seen, dropped, stop, thread: Some(thread) }
    }

    /// How much was seen so far.
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether `test` is true of what was seen so far.
    pub fn look<T>(&self, test: impl FnOnce(&[Seen]) -> T) -> T {
        test(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everything that was seen, and how many frames found its buffer full.
    pub fn stop(mut self) -> (Vec<Seen>, usize) {
        self.join();
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        (seen, self.dropped.load(Ordering::Relaxed))
    }

    fn join(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.join();
    }
}

fn drops(socket: &Socket) -> usize {
    let mut stats = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut len = libc::socklen_t::try_from(size_of::<libc::tpacket_stats>()).unwrap_or(0);
    // SAFETY: the kernel writes at most `len` bytes to `stats`.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut stats).cast(),
            &raw mut len,
        )
    };
    if done == 0 { stats.tp_drops as usize } else { 0 }
}

/// What a frame of a router under test says: VRRP over IPv4, or ARP about an address of which the
/// last byte is the VRID.
fn read(bytes: &[u8]) -> Option<(u8, What)> {
    match (bytes.get(12..14)?, bytes.get(23)?) {
        ([8, 0], 112) => Some((*bytes.get(35)?, What::Advert(*bytes.get(36)?))),
        ([8, 6], _) => {
            let (sender, target) = (bytes.get(28..32)?, bytes.get(38..42)?);
            (sender == target).then_some((sender[3], What::Announcement))
        }
        _ => None,
    }
}

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Slot {
    bytes: [u8; SNAP],
    control: [u8; CONTROL],
    from: libc::sockaddr_ll,
}

/// Room for many frames.
struct Batch {
    slots: Vec<Slot>,
    lengths: Vec<usize>,
    controls: Vec<usize>,
}

impl Batch {
    fn new() -> Self {
        // SAFETY: all zero is a valid slot.
        let slot: Slot = unsafe { MaybeUninit::zeroed().assume_init() };
        Self { slots: vec![slot; BATCH], lengths: vec![0; BATCH], controls: vec![0; BATCH] }
    }

    /// Waits for frames for a moment; how many came.
    fn receive(&mut self, socket: &Socket) -> usize {
        let mut parts: Vec<libc::iovec> = self
            .slots
            .iter_mut()
            .map(|slot| libc::iovec { iov_base: slot.bytes.as_mut_ptr().cast(), iov_len: SNAP })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = parts
            .iter_mut()
            .zip(&mut self.slots)
            .map(|(part, slot)| {
                // SAFETY: all zero is a valid empty message header.
                let mut message: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
                message.msg_hdr.msg_iov = part;
                message.msg_hdr.msg_iovlen = 1;
                message.msg_hdr.msg_control = slot.control.as_mut_ptr().cast();
                message.msg_hdr.msg_controllen = CONTROL;
                message.msg_hdr.msg_name = (&raw mut slot.from).cast();
                message.msg_hdr.msg_namelen =
                    libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or(0);
                message
            })
            .collect();
        let count = u32::try_from(messages.len()).unwrap_or(0);
        // SAFETY: every pointer is to memory of the length beside it that outlives the call.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                count,
                libc::MSG_WAITFORONE,
                std::ptr::null_mut(),
            )
        };
        let got = usize::try_from(got).unwrap_or(0);
        for (number, message) in messages.iter().take(got).enumerate() {
            self.lengths[number] = (message.msg_len as usize).min(SNAP);
            self.controls[number] = message.msg_hdr.msg_controllen;
        }
        got
    }

    fn frame(&self, number: usize) -> Option<(u64, i32, &[u8])> {
        let slot = self.slots.get(number)?;
        let control = slot.control.get(..*self.controls.get(number)?)?;
        let at = crate::lab::socket::timestamp(control)?;
        Some((at, slot.from.sll_ifindex, slot.bytes.get(..*self.lengths.get(number)?)?))
    }
}
