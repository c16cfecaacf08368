//! How is nf_tables told: transactions on a netlink socket.
//!
//! The kernel is spoken to directly, without the program `nft`: a takeover has no time for another
//! process, and nothing has to be installed.
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use rustix::io::Errno;
use std::io;
use std::time::Duration;

/// Number of nf_tables among the users of this netlink protocol.
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// Family `inet`: IPv4 and IPv6.
const INET: u8 = 1;
const HEADER: usize = 16;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;
const NESTED: u16 = 0x8000;
/// A netlink answer with an error number, which is 0 for success.
const ERROR: u16 = 2;
/// Netlink multicast group in which changes are told.
const CHANGES: u32 = 7;
/// Answers are there when a transaction has been sent; a silence of this length means there is none.
const PATIENCE: Duration = Duration::from_secs(2);
/// Room for what is told of changes: some ten thousand elements.
const NEWS: usize = 16 << 20;
/// Room for answers.
const ANSWER: usize = 64 << 10;

/// Kinds of message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Kind {
    NewTable = 0,
    DeleteTable = 2,
    NewChain = 3,
    NewRule = 6,
    NewSet = 9,
    NewElements = 12,
    DeleteElements = 14,
}

/// Kinds of message by which something disappears: table, chain, rule, set, element.
const LOSSES: [u8; 5] = [2, 5, 8, 11, 14];

/// Attributes of one message.
#[derive(Clone, Default, Debug)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// With bytes as they are.
    pub(super) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// With a number, which nf_tables wants in network order.
    pub(super) fn number(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// With a text.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// With attributes inside one attribute.
    pub(super) fn nested(self, kind: u16, inner: &Self) -> Self {
        self.bytes(kind | NESTED, &inner.0)
    }
}

/// Changes that happen all together or not at all.
#[derive(Debug)]
pub(super) struct Transaction {
    bytes: Vec<u8>,
    sequence: u32,
    /// Where the last message begins.
    last: usize,
}

impl Transaction {
    pub(super) fn new() -> Self {
        let mut transaction = Self { bytes: Vec::new(), sequence: 0, last: 0 };
        transaction.frame(BATCH_BEGIN, 0, 0, SUBSYSTEM, &Attributes::default());
        transaction
    }

    /// One more change; what is there already is no error.
    pub(super) fn add(&mut self, kind: Kind, attributes: &Attributes) {
        let create = match kind {
            Kind::DeleteTable | Kind::DeleteElements => 0,
            // Without it a rule goes before those that are there.
            Kind::NewRule => CREATE | APPEND,
            _ => CREATE,
        };
        self.frame(SUBSYSTEM << 8 | kind as u16, create, INET, 0, attributes);
    }

    fn frame(&mut self, kind: u16, flags: u16, family: u8, resource: u16, attributes: &Attributes) {
        self.last = self.bytes.len();
        self.sequence += 1;
        let length = u32::try_from(HEADER + 4 + attributes.0.len()).unwrap_or(u32::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((REQUEST | flags).to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend([family, 0]);
        self.bytes.extend(resource.to_be_bytes());
        self.bytes.extend(&attributes.0);
    }

    /// The bytes, with the sequence numbers of the first and of the last change. The last change
    /// asks for an answer, which is the answer for all.
    fn finish(mut self) -> (Vec<u8>, u32) {
        let flags = self.last + 6;
        let wanted = REQUEST | ACK | u16::from_ne_bytes([self.bytes[flags], self.bytes[flags + 1]]);
        self.bytes[flags..flags + 2].copy_from_slice(&wanted.to_ne_bytes());
        let last = self.sequence;
        self.frame(BATCH_END, 0, 0, SUBSYSTEM, &Attributes::default());
        (self.bytes, last)
    }
}

/// A socket transactions go through.
pub(super) struct Nft {
    socket: Socket,
    /// The number the kernel knows the socket by.
    pub(super) port: u32,
}

impl Nft {
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        let port = socket.bind_auto()?.port_number();
        socket.set_cap_ack(true)?;
        rustix::net::sockopt::set_socket_timeout(
            &socket,
            rustix::net::sockopt::Timeout::Recv,
            Some(PATIENCE),
        )?;
        // A transaction is one datagram, and large sets make large ones.
        let _ = rustix::net::sockopt::set_socket_send_buffer_size_force(&socket, 4 << 20);
        Ok(Self { socket, port })
    }

    /// Carries out a transaction, or nothing of it.
    pub(super) fn commit(&self, transaction: Transaction) -> io::Result<()> {
        let (bytes, last) = transaction.finish();
        self.socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
        let mut first_error = None;
        let mut buffer = Vec::with_capacity(ANSWER);
        loop {
            buffer.clear();
            match self.socket.recv(&mut buffer, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(first_error.unwrap_or(error)),
            }
            for message in messages(&buffer).filter(|message| message.kind == ERROR) {
                let Some(code) = message.body.first_chunk() else { continue };
                let code = i32::from_ne_bytes(*code);
                if code != 0 && first_error.is_none() {
                    first_error = Some(io::Error::from_raw_os_error(-code));
                }
                // An error of the first message, which changes nothing, is one of the whole.
                if message.sequence == last || message.sequence == 1 {
                    return first_error.map_or(Ok(()), Err);
                }
            }
        }
    }
}

/// A socket that tells what others change.
pub(super) fn listen() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    // Our own changes are told too, each element of a large set.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, NEWS);
    socket.set_non_blocking(true)?;
    socket.add_membership(CHANGES)?;
    Ok(socket)
}

/// Whether anyone else removed something from a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Theft {
    /// No.
    None,
    /// Too much was told to be kept, and perhaps that was among it.
    Perhaps,
    /// Yes.
    Seen,
}

/// Reads what has been told, without waiting: whether anyone but `port` removed something from
/// `table`.
pub(super) fn theft(socket: &Socket, port: u32, table: &str) -> io::Result<Theft> {
    let mut buffer = Vec::with_capacity(ANSWER);
    let mut theft = Theft::None;
    loop {
        buffer.clear();
        match socket.recv(&mut buffer, 0) {
            Ok(_) if messages(&buffer).any(|message| message.robs(port, table)) => {
                theft = Theft::Seen;
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(theft),
            Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                theft = theft.max(Theft::Perhaps);
            }
            Err(error) => return Err(error),
        }
    }
}

/// One netlink message.
struct Message<'a> {
    kind: u16,
    sequence: u32,
    port: u32,
    body: &'a [u8],
}

impl Message<'_> {
    /// Whether it tells that someone but `port` removed something from `table`.
    fn robs(&self, port: u32, table: &str) -> bool {
        let [subsystem, kind] = self.kind.to_be_bytes();
        // The table's name is the first attribute of each of these messages.
        let name = self.body.get(8..).and_then(|rest| rest.get(..table.len()));
        let ends = self.body.get(8 + table.len()) == Some(&0);
        u16::from(subsystem) == SUBSYSTEM
            && LOSSES.contains(&kind)
            && self.port != port
            && self.body.first() == Some(&INET)
            && name == Some(table.as_bytes())
            && ends
    }
}

fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let header: &[u8; HEADER] = bytes.first_chunk()?;
        let number = |at: usize| {
            u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let length = usize::try_from(number(0)).ok()?;
        let body = bytes.get(HEADER..length)?;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, sequence: number(8), port: number(12), body })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_its_length_and_pads_its_attributes() {
        let mut transaction = Transaction::new();
        transaction.add(Kind::NewTable, &Attributes::default().text(1, "xvrrp"));
        let (bytes, last) = transaction.finish();
        let all: Vec<_> = messages(&bytes).collect();
        let kinds: Vec<u16> = all.iter().map(|message| message.kind).collect();
        assert_eq!(kinds, [BATCH_BEGIN, 0x0a00, BATCH_END]);
        assert_eq!((all[1].sequence, last), (2, 2));
        assert_eq!(all[1].body, b"\x01\0\0\0\x0a\0\x01\0xvrrp\0\0\0");
    }

    #[test]
    fn only_what_others_take_from_our_table_is_a_loss() {
        let told = |kind: u16, port: u32, name: &str| {
            let mut transaction = Transaction::new();
            let attributes = Attributes::default().text(1, name);
            transaction.frame(kind, 0, INET, 0, &attributes);
            let (mut bytes, _) = transaction.finish();
            bytes[20 + 12..20 + 16].copy_from_slice(&port.to_ne_bytes());
            messages(&bytes).any(|message| message.robs(7, "xvrrp"))
        };
        assert!(told(0x0a02, 8, "xvrrp") && told(0x0a08, 0, "xvrrp"));
        assert!(!told(0x0a02, 7, "xvrrp"), "our own doing");
        assert!(!told(0x0a00, 8, "xvrrp"), "an addition");
        assert!(!told(0x0a02, 8, "xvrrp2") && !told(0x0a02, 8, "xvrr"), "another table");
        assert!(!told(0x0102, 8, "xvrrp"), "another subsystem");
    }
}
