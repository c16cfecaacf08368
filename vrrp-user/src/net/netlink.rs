//! How is the kernel asked, and how does it answer: one rtnetlink socket.
//!
//! Requests, their acknowledgements, dumps and notifications share one socket, so there is one order
//! of events: when an operation is acknowledged, everything it caused has been told before.
use super::change::{Change, Operation, Outcome, Refusal};
use super::message::{self, Dump};
use super::sys;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP_INTR, NLMSG_ALIGNTO, NetlinkMessage, NetlinkPayload,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rtnetlink::MulticastGroup;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rustix::io::Errno;
use std::io;
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// Messages sent with one call. The refusals among them, and the notifications they cause, must fit the
/// receive buffer together.
const BATCH: usize = 64;
/// Room for one answer: the kernel fills up to 32 KiB at a time, a single link may need more.
const ANSWER: usize = 256 << 10;
/// The kernel answers at once; a silence of this length means that an answer was lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// The socket.
pub(crate) struct Netlink {
    socket: AsyncFd<Socket>,
    sequence: u32,
    buffer: Vec<u8>,
    follows_routes: bool,
}

/// Something from the socket.
enum Received {
    Change(Change),
    Ack {
        sequence: u32,
        outcome: Outcome,
    },
    Done {
        sequence: u32,
    },
    /// What is being dumped changed while it was.
    Interrupted {
        sequence: u32,
    },
}

/// Why what is known of the kernel can no longer be trusted: everything must be read again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lapse {
    /// Notifications or answers were lost.
    #[error("the netlink receive buffer overflowed")]
    Overrun,
    /// No answer came.
    #[error("the kernel did not answer")]
    Silence,
    /// The kernel does not list what was asked for.
    #[error("the kernel refuses to list: {0}")]
    Refused(Refusal),
    /// The socket itself fails.
    #[error("netlink: {0}")]
    Io(#[from] io::Error),
}

impl Netlink {
    /// A socket that hears of links and addresses.
    pub(crate) fn open(receive_buffer: usize) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        // Errors need not quote the request.
        socket.set_cap_ack(true)?;
        // Refusals come with an explanation since 4.12.
        let _ = socket.set_ext_ack(true);
        // Kernels before 4.20 do not have it; they answer with more than was asked for.
        let _ = socket.set_netlink_get_strict_chk(true);
        set_receive_buffer(&socket, receive_buffer)?;
        for group in [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr]
        {
            socket.add_membership(group as u32)?;
        }
        Ok(Self {
            socket: sys::watch(socket)?,
            sequence: 0,
            buffer: Vec::with_capacity(ANSWER),
            follows_routes: false,
        })
    }

    /// Hears of routes and rules too; `true` where it did not before. Not from the start: a router may
    /// learn a million of them.
    pub(crate) fn follow_routes(&mut self) -> io::Result<bool> {
        let first = !self.follows_routes;
        if first {
            for group in [
                MulticastGroup::Ipv4Route,
                MulticastGroup::Ipv6Route,
                MulticastGroup::Ipv4Rule,
                MulticastGroup::Ipv6Rule,
            ] {
                self.socket.get_ref().add_membership(group as u32)?;
            }
            self.follows_routes = true;
        }
        Ok(first)
    }

    /// Makes room for this many bytes of what has not been read.
    pub(crate) fn set_receive_buffer(&self, bytes: usize) -> io::Result<()> {
        set_receive_buffer(self.socket.get_ref(), bytes)
    }

    /// Waits for something to read.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        let mut guard = self.socket.readable().await?;
        // Whether anything is left is found out by reading until there is nothing.
        guard.retain_ready();
        Ok(())
    }

    /// Reads what is there without waiting.
    pub(crate) fn drain(&mut self, mut change: impl FnMut(Change)) -> Result<(), Lapse> {
        while self.receive(&mut |received| {
            if let Received::Change(told) = received {
                change(told);
            }
        })? {}
        Ok(())
    }

    /// Has everything of a kind told. `Ok(false)` where it changed meanwhile: to be asked again.
    pub(crate) async fn dump(
        &mut self,
        what: Dump,
        mut change: impl FnMut(Change),
    ) -> Result<bool, Lapse> {
        let (body, flags) = message::dump(what);
        let asked = self.next_sequence();
        let mut bytes = Vec::new();
        append(&mut bytes, body, flags, asked);
        self.send(&bytes).await?;
        let mut result = None;
        let mut consistent = true;
        while result.is_none() {
            let more = self.receive(&mut |received| match received {
                Received::Change(told) => change(told),
                Received::Interrupted { sequence } if sequence == asked => consistent = false,
                Received::Done { sequence } if sequence == asked => result = Some(Ok(())),
                Received::Ack { sequence, outcome: Err(refusal) } if sequence == asked => {
                    result = Some(Err(Lapse::Refused(refusal)));
                }
                _ => {}
            })?;
            if !more && result.is_none() {
                self.wait().await?;
            }
        }
        result.unwrap_or(Err(Lapse::Silence)).map(|()| consistent)
    }

    /// Carries out operations in their order, many with one call, and returns what became of each.
    /// Changes told meanwhile, by ourselves or by others, are handed over in their order.
    pub(crate) async fn execute(
        &mut self,
        operations: &[Operation],
        mut change: impl FnMut(Change),
    ) -> Result<Vec<Outcome>, Lapse> {
        let mut outcomes = Vec::with_capacity(operations.len());
        for batch in operations.chunks(BATCH) {
            let first = self.sequence.wrapping_add(1);
            let last = batch.len() - 1;
            let mut bytes = Vec::new();
            for (number, operation) in batch.iter().enumerate() {
                let (body, flags) = message::operation(operation);
                // The kernel answers in order, and always where it refuses: the answer to the last one
                // says that all the others were carried out or have been answered.
                let flags = if number == last { flags | NLM_F_ACK } else { flags };
                let sequence = self.next_sequence();
                append(&mut bytes, body, flags, sequence);
            }
            self.send(&bytes).await?;
            let mut answers: Vec<Outcome> = vec![Ok(()); batch.len()];
            let mut answered = false;
            while !answered {
                let more = self.receive(&mut |received| match received {
                    Received::Change(told) => change(told),
                    Received::Ack { sequence, outcome } => {
                        let number = sequence.wrapping_sub(first) as usize;
                        if let Some(answer) = answers.get_mut(number) {
                            *answer = outcome;
                            answered |= number == last;
                        }
                    }
                    Received::Done { .. } | Received::Interrupted { .. } => {}
                })?;
                if !more && !answered {
                    self.wait().await?;
                }
            }
            outcomes.append(&mut answers);
        }
        Ok(outcomes)
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    async fn send(&self, bytes: &[u8]) -> Result<(), Lapse> {
        let to_kernel = SocketAddr::new(0, 0);
        loop {
            match self.socket.get_ref().send_to(bytes, &to_kernel, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.socket.writable().await?.clear_ready();
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn wait(&self) -> Result<(), Lapse> {
        match tokio::time::timeout(PATIENCE, self.readable()).await {
            Ok(ready) => Ok(ready?),
            Err(_) => Err(Lapse::Silence),
        }
    }

    /// Reads one answer without waiting; `Ok(false)` where there is none.
    fn receive(&mut self, each: &mut dyn FnMut(Received)) -> Result<bool, Lapse> {
        self.buffer.clear();
        let Self { socket, buffer, .. } = self;
        loop {
            match socket.get_ref().recv(buffer, 0) {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    clear_readiness(socket);
                    return Ok(false);
                }
                Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                    return Err(Lapse::Overrun);
                }
                Err(error) => return Err(error.into()),
            }
        }
        parse(buffer, each);
        Ok(true)
    }
}

fn set_receive_buffer(socket: &Socket, bytes: usize) -> io::Result<()> {
    // Beyond the limit of the system, where we may.
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, bytes).is_err() {
        rustix::net::sockopt::set_socket_recv_buffer_size(socket, bytes)?;
    }
    Ok(())
}

/// Tells tokio that there is nothing to read until the kernel says otherwise.
fn clear_readiness(socket: &AsyncFd<Socket>) {
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    if let std::task::Poll::Ready(Ok(mut guard)) = socket.poll_read_ready(&mut context) {
        guard.clear_ready();
    }
}

fn append(bytes: &mut Vec<u8>, body: RouteNetlinkMessage, flags: u16, sequence: u32) {
    let message = message::request(body, flags, sequence);
    let start = bytes.len();
    let aligned = message.buffer_len().next_multiple_of(usize::from(NLMSG_ALIGNTO));
    bytes.resize(start + aligned, 0);
    message.serialize(&mut bytes[start..]);
}

/// Reads the messages of one answer. One that cannot be read is skipped: it is about something this
/// program has no word for.
fn parse(mut bytes: &[u8], each: &mut dyn FnMut(Received)) {
    while let Some(length) = bytes.first_chunk::<4>() {
        let length = u32::from_ne_bytes(*length) as usize;
        let Some(one) = bytes.get(..length).filter(|one| one.len() >= 16) else { return };
        match NetlinkMessage::<RouteNetlinkMessage>::deserialize(one) {
            Ok(message) => {
                let sequence = message.header.sequence_number;
                if message.header.flags & NLM_F_DUMP_INTR != 0 {
                    each(Received::Interrupted { sequence });
                }
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => {
                        if let Some(change) = message::change(&inner, message.header.flags) {
                            each(Received::Change(change));
                        }
                    }
                    NetlinkPayload::Done(_) => each(Received::Done { sequence }),
                    NetlinkPayload::Error(error) => {
                        let outcome = match error.code {
                            None => Ok(()),
                            Some(code) => Err(Refusal {
                                errno: Errno::from_raw_os_error(-code.get()),
                                why: message::explanation(&error.header),
                            }),
                        };
                        each(Received::Ack { sequence, outcome });
                    }
                    _ => {}
                }
            }
            Err(error) => tracing::debug!(%error, "netlink message not understood"),
        }
        bytes =
            bytes.get(length.next_multiple_of(usize::from(NLMSG_ALIGNTO))..).unwrap_or_default();
    }
}
