//! How is a packet socket tied to an interface, how are many packets sent with one call, and how does
//! their sender get a processor first.
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags};
use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};
use std::io::{self, IoSlice};
use std::os::fd::AsFd;

/// Packets handed to the kernel with one call; the kernel's own limit is 1024.
const BATCH: usize = 256;

/// A packet socket that sends whole Ethernet frames on one interface and receives nothing.
pub(crate) fn packet_socket(ifindex: u32) -> io::Result<Socket> {
    // Protocol 0: the socket is in no receive path.
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)?;
    let index = i32::try_from(ifindex).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is one of the platform's address types: smaller than the storage, and
    // every bit pattern, all zeroes included, is a valid value of it.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    #[expect(clippy::cast_possible_truncation, reason = "AF_PACKET is 17")]
    let family = libc::AF_PACKET as libc::sa_family_t;
    address.sll_family = family;
    address.sll_ifindex = index;
    let len = socklen::<libc::sockaddr_ll>();
    // SAFETY: the storage holds a `sockaddr_ll` with its family set, and `len` is its size.
    let address = unsafe { SockAddr::new(storage, len) };
    socket.bind(&address)?;
    Ok(socket)
}

const fn socklen<T>() -> libc::socklen_t {
    #[expect(clippy::cast_possible_truncation, reason = "address types have a few dozen bytes")]
    let len = size_of::<T>() as libc::socklen_t;
    len
}

/// Where a packet goes on a socket that is not tied to one destination.
pub(crate) type Destination = rustix::net::SocketAddrAny;

/// Sends `packets` in order without ever waiting, and tells `outcome` for each, by its number, what
/// became of it. A packet the kernel refuses does not keep the next ones from being tried, except
/// where the socket's buffer is full: then all that are left fail likewise.
pub(crate) fn send_all(
    socket: &Socket,
    packets: &[(Option<Destination>, &[u8])],
    mut outcome: impl FnMut(usize, io::Result<()>),
) {
    let slices: Vec<[IoSlice<'_>; 1]> =
        packets.iter().map(|(_, packet)| [IoSlice::new(packet)]).collect();
    let mut next = 0;
    while next < packets.len() {
        let end = packets.len().min(next + BATCH);
        let mut controls: Vec<SendAncillaryBuffer<'_, '_, '_>> =
            (next..end).map(|_| SendAncillaryBuffer::default()).collect();
        let mut messages: Vec<MMsgHdr<'_>> = packets[next..end]
            .iter()
            .zip(&slices[next..end])
            .zip(&mut controls)
            .map(|(((destination, _), slice), control)| match destination {
                Some(destination) => MMsgHdr::new_with_addr(destination, slice, control),
                None => MMsgHdr::new(slice, control),
            })
            .collect();
        match rustix::net::sendmmsg(socket.as_fd(), &mut messages, SendFlags::DONTWAIT) {
            // The kernel stops at the first packet it refuses and names the error only when asked
            // again, with that packet in front.
            Ok(sent) => {
                for number in next..next + sent {
                    outcome(number, Ok(()));
                }
                if sent == 0 {
                    outcome(next, Err(io::ErrorKind::WriteZero.into()));
                }
                next += sent.max(1);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                for number in next..packets.len() {
                    outcome(number, Err(io::ErrorKind::WouldBlock.into()));
                }
                return;
            }
            Err(error) => {
                outcome(next, Err(error.into()));
                next += 1;
            }
        }
    }
}

/// Gives the calling thread a real-time priority (`SCHED_RR`). Threads and programs it starts do not
/// inherit it.
pub(crate) fn realtime(priority: u8) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority.into() };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 is the calling thread, and the parameters are read during the call only.
    let done = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives a netlink socket to tokio, which tells when it can be read.
pub(crate) fn watch(
    socket: netlink_sys::Socket,
) -> io::Result<tokio::io::unix::AsyncFd<netlink_sys::Socket>> {
    // SAFETY: the socket owns an open descriptor, always returns that same one, and neither closes
    // nor replaces it before it is dropped, together with its registration.
    Ok(unsafe { tokio::io::unix::AsyncFd::register(socket) }?)
}
