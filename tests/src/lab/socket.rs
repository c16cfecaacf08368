//! How are frames read and written with the kernel's own timestamps: the socket calls of the lab
//! that no crate offers.
//!
//! Not the program's own sockets: what measures must not share a fault with what is measured.
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use rustix::net::netdevice::name_to_index;
use socket2::{Domain, MaybeUninitSlice, MsgHdrMut, Protocol, SockAddr, Socket, Type};

use super::netns::Namespace;

/// A packet socket on one interface of a namespace.
#[derive(Debug)]
pub struct RawSocket(Socket);

const ALL_PROTOCOLS: u16 = 0x0003;

impl RawSocket {
    /// Opens it. Reads give up after 20 ms so that their thread can be stopped.
    pub fn open(namespace: &Namespace, dev: &str) -> Self {
        let open = || -> io::Result<Socket> {
            let every = Protocol::from(i32::from(ALL_PROTOCOLS.to_be()));
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(every))?;
            let ifindex = name_to_index(&socket, dev)?;
            socket.bind(&link_address(ifindex)?)?;
            socket.set_recv_buffer_size(8 << 20)?;
            socket.set_read_timeout(Some(Duration::from_millis(20)))?;
            stamp_arrivals(&socket)?;
            Ok(socket)
        };
        let socket = namespace.enter(open);
        Self(socket.unwrap_or_else(|error| panic!("packet socket on {dev}: {error}")))
    }

    /// Sends one frame.
    #[track_caller]
    pub fn send(&self, frame: &[u8]) {
        if let Err(error) = self.0.send(frame) {
            panic!("cannot send a frame of {} bytes: {error}", frame.len());
        }
    }

    /// Sends one frame of many, as soon as those before it have left room.
    pub fn send_next(&self, frame: &[u8]) {
        while let Err(error) = self.0.send(frame) {
            let full = error.raw_os_error() == Some(libc::ENOBUFS);
            assert!(full, "cannot send a frame of {} bytes: {error}", frame.len());
            std::thread::yield_now();
        }
    }

    /// The next frame with the time the kernel saw it, in nanoseconds since 1970; `None` where
    /// nothing came for 20 ms.
    pub fn receive(&self) -> Option<(u64, Vec<u8>)> {
        let mut frame = [MaybeUninit::<u8>::uninit(); 2048];
        let mut control = [MaybeUninit::<u8>::zeroed(); 256];
        let (len, control_len) = {
            let mut parts = [MaybeUninitSlice::new(&mut frame)];
            let mut message = MsgHdrMut::new().with_buffers(&mut parts).with_control(&mut control);
            let len = self.0.recvmsg(&mut message, 0).ok()?;
            (len, message.control_len())
        };
        let frame = frame.get(..len)?;
        let control = control.get(..control_len)?;
        // SAFETY: recvmsg has written `len` bytes of the frame and `control_len` of the control
        // messages, and all of the latter was zeroed before.
        let (frame, control) = unsafe { (assume(frame), assume(control)) };
        Some((timestamp(control)?, frame.to_vec()))
    }
}

/// # Safety
/// Every byte must have been written.
unsafe fn assume(bytes: &[MaybeUninit<u8>]) -> &[u8] {
    // SAFETY: the caller vouches for the bytes; MaybeUninit<u8> has the layout of u8.
    unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}

/// Reads the `SCM_TIMESTAMPNS` message: length, level and type, then seconds and nanoseconds.
pub(crate) fn timestamp(control: &[u8]) -> Option<u64> {
    let word = |at: usize| Some(u64::from_ne_bytes(*control.get(at..)?.first_chunk()?));
    let half = |at: usize| Some(i32::from_ne_bytes(*control.get(at..)?.first_chunk()?));
    let mut at = 0;
    loop {
        let len = usize::try_from(word(at)?).ok()?;
        if half(at + 8)? == libc::SOL_SOCKET && half(at + 12)? == libc::SCM_TIMESTAMPNS {
            return Some(word(at + 16)? * 1_000_000_000 + word(at + 24)?);
        }
        at += len.max(16).next_multiple_of(8);
    }
}

fn link_address(ifindex: u32) -> io::Result<SockAddr> {
    let ifindex = i32::try_from(ifindex).map_err(io::Error::other)?;
    let len =
        libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
    // SAFETY: the storage is larger than and aligned for every socket address, and all of the
    // address is written and its length said.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, storage_len| {
            storage.cast::<libc::sockaddr_ll>().write(libc::sockaddr_ll {
                sll_family: u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?,
                sll_protocol: ALL_PROTOCOLS.to_be(),
                sll_ifindex: ifindex,
                sll_hatype: 0,
                sll_pkttype: 0,
                sll_halen: 0,
                sll_addr: [0; 8],
            });
            *storage_len = len;
            Ok(())
        })
    }?;
    Ok(address)
}

fn stamp_arrivals(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    let len = libc::socklen_t::try_from(size_of_val(&on)).map_err(io::Error::other)?;
    // SAFETY: the option takes an int, and the pointer and length are those of one.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            len,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
