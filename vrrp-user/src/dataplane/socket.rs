//! How adverts are received where the XDP program cannot be.
//!
//! One packet socket an interface, with a classic filter for VRRP. What it hands over is judged by
//! the same code as in the kernel.
use super::{clock, sys};
use socket2::{SockFilter, SockRef};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use vrrp_common::proto;
use vrrp_common::time::Instant;
use vrrp_common::wire::locate::{self, Place, Tags};

/// A packet socket on one interface.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
    last_empty: Instant,
}

/// A packet that was received.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// Its bytes in the buffer.
    pub len: usize,
    /// All its bytes.
    pub length: usize,
    /// Where the IP packet begins, and of which family it is.
    pub place: Place,
    /// When it arrived.
    pub at: Instant,
}

impl PacketSocket {
    /// Starts receiving on an interface.
    pub fn open(ifindex: u32) -> io::Result<Self> {
        let last_empty = clock::monotonic();
        Ok(Self { socket: sys::packet_socket(ifindex, &filter())?, last_empty })
    }

    /// The next packet, if there is one.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Option<Arrived> {
        loop {
            let asked = clock::monotonic();
            let received = match sys::receive(self.socket.as_raw_fd(), buffer) {
                Ok(received) => received,
                // The interface went down, which is told once; what came before is still there.
                Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => continue,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => {
                    self.last_empty = asked;
                    return None;
                }
            };
            let Some(family) = locate::family(received.protocol) else {
                continue;
            };
            return Some(Arrived {
                len: received.len.min(buffer.len()),
                length: received.len,
                place: Place { tags: Tags::default(), family, ip: 0 },
                at: clock::arrival(
                    received.realtime,
                    clock::realtime(),
                    clock::monotonic(),
                    self.last_empty,
                ),
            });
        }
    }

    /// Receives nothing more and is not readable any more, until it is closed.
    pub fn mute(&mut self) {
        let nothing =
            SockFilter::new(u16::from((libc::BPF_RET | libc::BPF_K).to_le_bytes()[0]), 0, 0, 0);
        if let Err(why) = SockRef::from(&self.socket).attach_filter(&[nothing]) {
            tracing::debug!(%why, "a packet socket that is to be closed stays open to packets");
            return;
        }
        // What came before the filter did; nothing follows it.
        while self.receive(&mut [0]).is_some() {}
    }

    /// Readable when there are packets.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Untagged VRRP: protocol 112 in IPv4, next header 112 in IPv6 or anything to the IPv6 group. A tag
/// with VLAN id 0 is none.
fn filter() -> Vec<SockFilter> {
    let op = |code: u32, jt: u8, jf: u8, k: u32| {
        // Operation codes are one byte.
        SockFilter::new(u16::from(code.to_le_bytes()[0]), jt, jf, k)
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let load_byte = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let and = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
    let end = libc::BPF_RET | libc::BPF_K;
    let meta = |field: i32| (libc::SKF_AD_OFF + field).cast_unsigned();
    let group = proto::GROUP_V6.octets();
    let group_word =
        |at: usize| u32::from_be_bytes([group[at], group[at + 1], group[at + 2], group[at + 3]]);
    let vrrp = u32::from(proto::PROTOCOL);
    vec![
        op(load, 0, 0, meta(libc::SKF_AD_VLAN_TAG)),
        op(and, 0, 0, 0xfff),
        op(equal, 0, 11, 0),
        op(load, 0, 0, meta(libc::SKF_AD_PROTOCOL)),
        op(equal, 0, 2, u32::from(proto::ETHERTYPE_IPV4)),
        op(load_byte, 0, 0, 9),
        op(equal, 8, 7, vrrp),
        op(equal, 0, 6, u32::from(proto::ETHERTYPE_IPV6)),
        op(load_byte, 0, 0, 6),
        op(equal, 5, 0, vrrp),
        op(load, 0, 0, 24),
        op(equal, 0, 2, group_word(0)),
        op(load, 0, 0, 36),
        op(equal, 1, 0, group_word(12)),
        op(end, 0, 0, 0),
        op(end, 0, 0, 0x4_0000),
    ]
}
