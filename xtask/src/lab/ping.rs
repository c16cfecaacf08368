//! Does an address answer a host in the lab?
use anyhow::{Context as _, Result, anyhow};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrV4, SocketFlags, SocketType, ipproto, recvfrom,
    sendto, socket_with,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Sends echo requests (RFC 792) from within a namespace.
pub(super) struct Pinger {
    socket: OwnedFd,
    ident: u16,
    sequence: u16,
}

impl Pinger {
    /// One whose socket is in a named namespace.
    pub(super) fn within(namespace: &str) -> Result<Self> {
        let path = Path::new("/run/netns").join(namespace);
        let namespace = File::open(&path).with_context(|| format!("no {}", path.display()))?;
        // A socket stays in the namespace it was made in; the thread that went there ends.
        let made = thread::spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            socket_with(AddressFamily::INET, SocketType::RAW, flags, Some(ipproto::ICMP))
        });
        let socket = made.join().map_err(|_| anyhow!("the thread that makes sockets died"))?;
        let socket = socket.with_context(|| format!("no socket in {}", path.display()))?;
        let [_, _, high, low] = std::process::id().to_be_bytes();
        Ok(Self { socket, ident: u16::from_be_bytes([high, low]), sequence: 0 })
    }

    /// Asks once, and waits so long for the answer.
    pub(super) fn answered(&mut self, target: Ipv4Addr, wait: Duration) -> Result<bool> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = request(self.ident, self.sequence);
        let to = SocketAddrV4::new(target, 0);
        match sendto(&self.socket, &request, SendFlags::empty(), &to) {
            // What the kernel says of a host that did not answer ARP.
            Ok(_) | Err(Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::CONNREFUSED) => {}
            Err(why) => return Err(why).context("cannot send an echo request"),
        }
        let limit = Instant::now() + wait;
        loop {
            let mut buffer = [0; 2048];
            match recvfrom(&self.socket, &mut buffer, RecvFlags::empty()) {
                Ok((length, _, _)) => {
                    let packet = buffer.get(..length).unwrap_or_default();
                    if is_reply(packet, target, self.ident, self.sequence) {
                        return Ok(true);
                    }
                }
                Err(Errno::AGAIN) => {
                    let left = limit.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(false);
                    }
                    let left = Timespec::try_from(left).context("too long a wait")?;
                    poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&left))
                        .map(drop)
                        .or_else(|why| if why == Errno::INTR { Ok(()) } else { Err(why) })?;
                }
                Err(Errno::INTR | Errno::HOSTUNREACH | Errno::NETUNREACH) => {}
                Err(why) => return Err(why).context("cannot receive an echo reply"),
            }
        }
    }
}

/// An echo request without data.
fn request(ident: u16, sequence: u16) -> [u8; 8] {
    let ([i, j], [s, t]) = (ident.to_be_bytes(), sequence.to_be_bytes());
    // The ones-complement sum of 8 bytes fits u32; folded twice it fits u16.
    let sum = 0x0800 + u32::from(ident) + u32::from(sequence);
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let [.., c, d] = (!folded).to_be_bytes();
    [8, 0, c, d, i, j, s, t]
}

/// Whether an IPv4 packet is the reply to our request.
fn is_reply(packet: &[u8], from: Ipv4Addr, ident: u16, sequence: u16) -> bool {
    let header = usize::from(packet.first().copied().unwrap_or(0) & 15) * 4;
    let ([i, j], [s, t]) = (ident.to_be_bytes(), sequence.to_be_bytes());
    packet.get(12..16) == Some(&from.octets())
        && packet.get(header) == Some(&0)
        && packet.get(header + 4..header + 8) == Some(&[i, j, s, t])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_completes_to_all_ones() {
        for (ident, sequence) in [(0, 0), (0xffff, 0xffff), (0x1234, 0xf00d)] {
            let words = request(ident, sequence);
            let sum: u32 =
                words.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
            let folded = (sum & 0xffff) + (sum >> 16);
            assert_eq!((folded & 0xffff) + (folded >> 16), 0xffff, "{words:?}");
        }
    }

    #[test]
    fn only_the_answer_to_this_request_counts() {
        let mut packet = vec![0x45; 28];
        packet[12..16].copy_from_slice(&[10, 0, 0, 100]);
        packet[20..28].copy_from_slice(&[0, 0, 0, 0, 0x12, 0x34, 0, 7]);
        let from = Ipv4Addr::new(10, 0, 0, 100);
        assert!(is_reply(&packet, from, 0x1234, 7));
        assert!(!is_reply(&packet, from, 0x1234, 8));
        assert!(!is_reply(&packet, Ipv4Addr::LOCALHOST, 0x1234, 7));
        assert!(!is_reply(&packet[..27], from, 0x1234, 7));
        assert!(!is_reply(&[], from, 0x1234, 7));
        packet[20] = 8;
        assert!(!is_reply(&packet, from, 0x1234, 7), "a request is no reply");
    }
}
