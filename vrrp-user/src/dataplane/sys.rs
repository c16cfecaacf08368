//! Which system calls does no crate offer: those on packet sockets and on a device's offloads.
use socket2::{Domain, SockAddr, SockAddrStorage, SockFilter, Socket, Type};
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// One received packet.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// Its bytes; more than the buffer where it was cut off.
    pub len: usize,
    /// EtherType.
    pub protocol: u16,
    /// Arrival on CLOCK_REALTIME in nanoseconds.
    pub realtime: Option<u64>,
}

/// A socket that receives from one interface what `filter` lets through, from the network header
/// on, with arrival times, and nothing that was sent here.
pub fn packet_socket(ifindex: u32, filter: &[SockFilter]) -> io::Result<OwnedFd> {
    // Protocol 0 receives nothing until the socket is bound: no packet of another interface, or
    // from before the filter, gets in.
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.attach_filter(filter)?;
    set(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)?;
    // Takes effect a moment later where no other socket asked before; until then the time is that
    // of reading.
    set(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
    // Needs CAP_NET_ADMIN; the default holds some hundred adverts as well.
    let _default_kept = set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 4 << 20);
    socket.bind(&address(ifindex)?)?;
    Ok(socket.into())
}

fn address(ifindex: u32) -> io::Result<SockAddr> {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: every bit pattern is a `sockaddr_ll`, and a storage has room for any address.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    link.sll_protocol = u16::try_from(libc::ETH_P_ALL).map_err(io::Error::other)?.to_be();
    link.sll_ifindex = i32::try_from(ifindex).map_err(io::Error::other)?;
    let len =
        libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
    // SAFETY: the storage was filled as the family says, to this length.
    Ok(unsafe { SockAddr::new(storage, len) })
}

fn set(socket: &Socket, level: i32, option: i32, value: i32) -> io::Result<()> {
    let len = libc::socklen_t::try_from(size_of::<i32>()).map_err(io::Error::other)?;
    // SAFETY: the kernel reads an `int` that outlives the call.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), len)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// More than this is asked of the kernel by itself, and given back when it is freed; and no more than
/// this is kept at the end of what a thread has.
#[cfg(target_env = "gnu")]
const KEPT: i32 = 512 << 10;

/// Large to the allocator when it is freed, and not so large that the kernel is asked for it.
const LARGE: usize = 256 << 10;

/// Has the allocator keep little of what is freed. By itself it learns from the largest piece that is
/// freed, which is that of loading the program, to keep twice as much for each thread for ever.
pub fn keep_little() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets numbers of the allocator, which any thread may do at any time.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

/// Gives freed memory back to the kernel: what was needed once, to load something, would stay resident
/// for as long as the process lives.
pub fn trim_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: a call into the allocator, which any thread may make at any time.
    unsafe {
        libc::malloc_trim(0);
    }
    // That leaves out what is free at the end of a thread's own memory, which is looked at when
    // something large is freed there.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGE)));
}

/// Room for one `SCM_TIMESTAMPNS`, aligned as control messages are.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Receives one packet without waiting.
pub fn receive(socket: RawFd, buffer: &mut [u8]) -> io::Result<Received> {
    let mut from = MaybeUninit::<libc::sockaddr_ll>::zeroed();
    let mut control = Control([0; 64]);
    let mut data = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zero is a valid empty message header.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_name = from.as_mut_ptr().cast();
    message.msg_namelen =
        libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
    message.msg_iov = &raw mut data;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len();
    // SAFETY: every pointer in `message` is to memory of the length beside it that outlives this.
    let len =
        unsafe { libc::recvmsg(socket, &raw mut message, libc::MSG_DONTWAIT | libc::MSG_TRUNC) };
    let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: zeroed, and any bytes are a `sockaddr_ll`.
    let protocol = u16::from_be(unsafe { from.assume_init() }.sll_protocol);
    Ok(Received { len, protocol, realtime: timestamp(&message) })
}

fn timestamp(message: &libc::msghdr) -> Option<u64> {
    // SAFETY: the kernel filled the header and its control buffer, which are both still there.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !next.is_null() {
        // SAFETY: `CMSG_FIRSTHDR` and `CMSG_NXTHDR` give aligned headers inside the buffer.
        let header = unsafe { &*next };
        if header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_TIMESTAMPNS {
            // SAFETY: the data of this type is a `timespec`, read without need for alignment.
            let time: libc::timespec =
                unsafe { std::ptr::read_unaligned(libc::CMSG_DATA(next).cast()) };
            let seconds = u64::try_from(time.tv_sec).ok()?;
            let nanos = u64::try_from(time.tv_nsec).ok()?;
            return seconds.checked_mul(1_000_000_000)?.checked_add(nanos);
        }
        // SAFETY: as above.
        next = unsafe { libc::CMSG_NXTHDR(message, next) };
    }
    None
}

/// One request to a device's driver; `request` begins with its number.
fn ethtool<const N: usize>(interface: &str, request: &mut [u32; N]) -> io::Result<()> {
    let name = interface.as_bytes();
    if name.len() >= libc::IFNAMSIZ {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: all zero is a valid `ifreq`.
    let mut ifreq: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    for (to, from) in ifreq.ifr_name.iter_mut().zip(name) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    ifreq.ifr_ifru.ifru_data = request.as_mut_ptr().cast();
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    // SAFETY: the kernel reads the number of the request and writes at most what that request has
    // room for; every caller's array is as large.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut ifreq) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `linux/sockios.h`.
const SIOCETHTOOL: libc::Ioctl = 0x8946;
/// `linux/ethtool.h`.
const ETHTOOL_GDRVINFO: u32 = 0x3;
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETHTOOL_SFLAGS: u32 = 0x26;

/// Name of a device's driver.
pub fn driver(interface: &str) -> io::Result<String> {
    // `struct ethtool_drvinfo` is 196 bytes; the name is 32 of them, after the number.
    let mut info = [0; 49];
    info[0] = ETHTOOL_GDRVINFO;
    ethtool(interface, &mut info)?;
    let name: Vec<u8> = info[1..9]
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .take_while(|byte| *byte != 0)
        .collect();
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// Some offloads of a device, as `ETH_FLAG_` bits.
pub fn ethtool_flags(interface: &str) -> io::Result<u32> {
    let mut value = [ETHTOOL_GFLAGS, 0];
    ethtool(interface, &mut value)?;
    Ok(value[1])
}

/// Sets them.
pub fn set_ethtool_flags(interface: &str, flags: u32) -> io::Result<()> {
    ethtool(interface, &mut [ETHTOOL_SFLAGS, flags])
}
