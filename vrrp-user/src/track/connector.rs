//! How does the kernel tell of processes: the process events connector.
//!
//! It speaks only in the network namespace the machine started with, and only to who sees all of
//! its processes. In another network namespace the socket is made in that of process 1.
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_CONNECTOR};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// The connector's number for process events, its group and its one value.
const PROCESSES: u32 = 1;
const LISTEN: u32 = 1;

/// Bytes of the netlink header, of the connector's, and of an event before its data.
const NETLINK: usize = 16;
const CONNECTOR: usize = 20;
const EVENT: usize = 16;

/// Room for the messages of a burst: each takes a page's part, thousands come at once.
const BUFFER: usize = 4 << 20;

/// What a process did; threads are left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    /// The kernel hears us.
    Listening,
    /// A new process.
    Fork { parent: u32, child: u32 },
    /// It became another program, or took another name.
    Name(u32),
    /// It ended.
    Exit(u32),
}

/// The socket.
pub(super) struct Connector(Socket);

impl Connector {
    /// Begins to listen; fails where the kernel does not confirm that it speaks.
    pub(super) fn open() -> io::Result<Self> {
        let here = Self::open_here();
        if here.is_ok() {
            return here;
        }
        // This thread does nothing else with the network.
        let first = std::fs::File::open("/proc/1/ns/net").map_err(|e| {
            io::Error::new(e.kind(), format!("not here, and not where process 1 is: {e}"))
        })?;
        move_into_link_name_space(first.as_fd(), Some(LinkNameSpaceType::Network))?;
        Self::open_here()
    }

    fn open_here() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_CONNECTOR)?;
        socket.set_non_blocking(true)?;
        socket.bind(&SocketAddr::new(0, PROCESSES))?;
        let connector = Self(socket);
        connector.set_buffer(BUFFER);
        connector.0.send(&listen(), 0)?;
        let patience = Timespec { tv_sec: 1, tv_nsec: 0 };
        loop {
            let mut ready = [PollFd::new(&connector, PollFlags::IN)];
            if poll(&mut ready, Some(&patience))? == 0 {
                return Err(io::Error::other("the kernel does not answer"));
            }
            let mut listening = false;
            if connector.drain(|event| listening |= event == Event::Listening).is_err() || listening
            {
                return Ok(connector);
            }
        }
    }

    /// As many bytes as root may ask for, or as anybody may.
    pub(super) fn set_buffer(&self, bytes: usize) {
        use rustix::net::sockopt;
        if sockopt::set_socket_recv_buffer_size_force(self, bytes).is_err() {
            let _ = sockopt::set_socket_recv_buffer_size(self, bytes);
        }
    }

    /// Takes everything that was told; fails where something was lost.
    pub(super) fn drain(&self, mut take: impl FnMut(Event)) -> io::Result<()> {
        loop {
            match self.0.recv_from_full() {
                // Port 0 is the kernel.
                Ok((message, from)) if from.port_number() == 0 => {
                    if let Some(event) = event(&message) {
                        take(event);
                    }
                }
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl AsFd for Connector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The request to be told.
fn listen() -> Vec<u8> {
    const OPERATION: usize = size_of::<u32>();
    let length = NETLINK + CONNECTOR + OPERATION;
    let done = 3_u16;
    let mut message = Vec::with_capacity(length);
    message.extend(u32::try_from(length).unwrap_or(0).to_ne_bytes());
    message.extend(done.to_ne_bytes());
    message.extend([0; 2 + 4 + 4]);
    message.extend(PROCESSES.to_ne_bytes());
    message.extend(PROCESSES.to_ne_bytes());
    message.extend([0; 4 + 4]);
    message.extend(u16::try_from(OPERATION).unwrap_or(0).to_ne_bytes());
    message.extend([0; 2]);
    message.extend(LISTEN.to_ne_bytes());
    message
}

/// What a message says, if it concerns a process.
fn event(message: &[u8]) -> Option<Event> {
    let word = |at: usize| {
        let bytes = message.get(at..)?.first_chunk()?;
        Some(u32::from_ne_bytes(*bytes))
    };
    if word(NETLINK)? != PROCESSES || word(NETLINK + 4)? != PROCESSES {
        return None;
    }
    let start = NETLINK + CONNECTOR;
    let data = |number: usize| word(start + EVENT + number * 4);
    match word(start)? {
        0 => Some(Event::Listening),
        // Parent's thread and process, child's thread and process.
        1 if data(2)? == data(3)? => Some(Event::Fork { parent: data(1)?, child: data(3)? }),
        // Exec, and a new name: thread and process.
        2 | 0x200 if data(0)? == data(1)? => Some(Event::Name(data(1)?)),
        0x8000_0000 if data(0)? == data(1)? => Some(Event::Exit(data(1)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(what: u32, data: &[u32]) -> Vec<u8> {
        let mut message = listen();
        message.truncate(NETLINK + CONNECTOR);
        let words = [what, 0, 0, 0].into_iter().chain(data.iter().copied());
        message.extend(words.flat_map(u32::to_ne_bytes));
        message
    }

    #[test]
    fn threads_and_what_is_cut_off_say_nothing() {
        assert_eq!(event(&message(0, &[])), Some(Event::Listening));
        let fork = Event::Fork { parent: 7, child: 9 };
        assert_eq!(event(&message(1, &[8, 7, 9, 9])), Some(fork));
        assert_eq!(event(&message(1, &[7, 7, 10, 9])), None);
        assert_eq!(event(&message(2, &[9, 9])), Some(Event::Name(9)));
        assert_eq!(event(&message(0x200, &[10, 9])), None);
        assert_eq!(event(&message(0x8000_0000, &[9, 9, 0, 0])), Some(Event::Exit(9)));
        assert_eq!(event(&message(0x8000_0000, &[10, 9, 0, 0])), None);
        let whole = message(1, &[8, 7, 9, 9]);
        for length in 0..whole.len() {
            assert_eq!(event(&whole[..length]), None, "{length}");
        }
    }
}
