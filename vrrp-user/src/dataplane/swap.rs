//! How does a port get from its packet socket to the program and back without losing an advert or
//! counting one twice.
//!
//! The program is attached first, with no port to judge for: every frame passes and reaches the
//! socket. Then it is told of the port, and what it judges it keeps from the socket, which is read
//! for a while longer because frames that had passed before may still be on their way there. In the
//! generic hook it is the same: it comes before packet sockets are served.
use super::attach::chain;
use super::attacher::{Answer, Request, Ticket};
use super::plane::Plane;
use super::port::{Path, PortReport, XdpMode};
use super::program::Program;
use super::socket::PacketSocket;
use vrrp_common::layout::PortKey;

/// Why a port has no program yet.
const PENDING: &str = "the XDP program is being attached";

/// What receives on a port.
#[derive(Debug)]
pub(super) enum Receiver {
    Xdp,
    Socket(PacketSocket),
    /// Nothing yet, or the interface is gone, or refuses even a socket.
    None,
}

#[derive(Debug)]
pub(super) struct Port {
    pub(super) interface: String,
    pub(super) key: PortKey,
    pub(super) path: Path,
    pub(super) why: Option<String>,
    pub(super) receiver: Receiver,
    /// The program is there, or was asked for.
    pub(super) ticket: Option<Ticket>,
    /// It was asked for and there is no answer yet.
    pub(super) pending: bool,
    /// The socket that received before the program did.
    pub(super) lingering: Option<PacketSocket>,
    /// It has everything it will ever have.
    pub(super) lingered: bool,
    /// Whether what arrives is judged.
    pub(super) listening: bool,
    /// Something may have come that nobody received.
    pub(super) missed: bool,
}

impl Port {
    pub(super) fn new(interface: &str, ifindex: u32, listening: bool) -> Self {
        Self {
            interface: interface.to_owned(),
            key: PortKey { ifindex, outer: 0, inner: 0 },
            path: Path::Socket,
            why: None,
            receiver: Receiver::None,
            ticket: None,
            pending: false,
            lingering: None,
            lingered: false,
            listening,
            missed: false,
        }
    }

    /// Whether anything receives.
    pub(super) const fn ready(&self) -> bool {
        !matches!(self.receiver, Receiver::None)
    }

    /// The socket to be read, and whether it is the last time.
    pub(super) const fn socket(&mut self) -> Option<&mut PacketSocket> {
        match (&mut self.receiver, &mut self.lingering) {
            (Receiver::Socket(socket), _) | (_, Some(socket)) => Some(socket),
            _ => None,
        }
    }
}

impl Plane {
    /// Puts a receiver on a port, and asks for the program where there is one.
    pub(super) fn start(&mut self, port: &mut Port) -> Result<(), String> {
        let ifindex = port.key.ifindex;
        let asks = self.program.is_some();
        let strict = asks && matches!(self.settings.mode, XdpMode::Native | XdpMode::Skb);
        port.path = Path::Socket;
        port.why = if asks { Some(PENDING.to_owned()) } else { self.unavailable.clone() };
        if !strict {
            match PacketSocket::open(ifindex) {
                Ok(socket) => {
                    // The new one receives before the old one is gone.
                    let old = std::mem::replace(&mut port.receiver, Receiver::Socket(socket));
                    port.missed |= matches!(old, Receiver::Socket(_));
                    self.retire(old);
                }
                Err(error) => {
                    let old = std::mem::replace(&mut port.receiver, Receiver::None);
                    self.retire(old);
                    let why = port.why.take().unwrap_or_default();
                    let why = format!("no packet socket either: {why}: {error}");
                    port.why = Some(why.clone());
                    if !asks {
                        return Err(why);
                    }
                }
            }
        }
        if asks {
            let ticket = Ticket(self.tickets);
            self.tickets += 1;
            port.ticket = Some(ticket);
            port.pending = true;
            let (interface, mode) = (port.interface.clone(), self.settings.mode);
            self.attacher.ask(Request::Attach { ticket, interface, ifindex, mode });
        }
        Ok(())
    }

    /// Takes what receives on a port away. Frames pass to the IP stack from when the port is
    /// forgotten; the program is detached when there is time.
    pub(super) fn release(&mut self, port: Port) {
        if let Some(program) = &mut self.program
            && let Err(why) = program.set_port(&port.key, None)
        {
            tracing::warn!(ifindex = port.key.ifindex, why = chain(&why), "forgetting a port");
        }
        if let Some(ticket) = port.ticket {
            self.attacher.ask(Request::Detach(ticket));
        }
        self.retire(port.receiver);
        if let Some(socket) = port.lingering {
            self.attacher.close(socket);
        }
    }

    fn retire(&self, receiver: Receiver) {
        if let Receiver::Socket(socket) = receiver {
            self.attacher.close(socket);
        }
    }

    /// Takes over what the kernel has answered meanwhile.
    pub(super) fn take_answers(&mut self) {
        for answer in self.attacher.answers() {
            let (Answer::Attached { ticket, .. }
            | Answer::Refused { ticket, .. }
            | Answer::Detached(ticket)
            | Answer::Lingered(ticket)) = answer;
            // An answer about a port that was closed, or opened anew, is nobody's.
            let number = self.ports.iter().find(|(_, port)| port.ticket == Some(ticket));
            let Some(number) = number.map(|(&number, _)| number) else {
                continue;
            };
            let Some(mut port) = self.ports.remove(&number) else {
                continue;
            };
            let tell = !matches!(answer, Answer::Lingered(_));
            match answer {
                Answer::Attached { path, why, .. } => {
                    self.attached(number, &mut port, ticket, path, why);
                }
                Answer::Refused { why, .. } => refused(&mut port, self.settings.mode, why),
                Answer::Detached(_) => self.fall_back(&mut port),
                Answer::Lingered(_) => port.lingered = true,
            }
            if tell {
                let report = self.report(number, &port);
                self.changed.push(report);
            }
            self.ports.insert(number, port);
        }
    }

    fn attached(
        &mut self,
        number: u32,
        port: &mut Port,
        ticket: Ticket,
        path: Path,
        why: Option<String>,
    ) {
        if port.listening
            && let Some(program) = &mut self.program
            && let Err(why) = program.set_port(&port.key, Some(number))
        {
            self.attacher.ask(Request::Detach(ticket));
            refused(port, self.settings.mode, format!("no port to judge for: {}", chain(&why)));
            return;
        }
        port.pending = false;
        port.path = path;
        port.why = why;
        let before = std::mem::replace(&mut port.receiver, Receiver::Xdp);
        if let Receiver::Socket(socket) = before {
            port.lingering = Some(socket);
            port.lingered = false;
            self.linger(port, ticket);
        }
    }

    /// Has the end of lingering told, once the program judges for the port.
    fn linger(&self, port: &Port, ticket: Ticket) {
        if port.listening {
            self.attacher.ask(Request::Linger(ticket));
        }
    }

    /// Someone else detached the program.
    fn fall_back(&mut self, port: &mut Port) {
        port.ticket = None;
        let detached = "the XDP program was detached by someone else";
        // Not the one that may still linger: its interface can be gone.
        if let Some(socket) = port.lingering.take() {
            self.attacher.close(socket);
        }
        let (receiver, why) = match PacketSocket::open(port.key.ifindex) {
            Ok(socket) => (Receiver::Socket(socket), detached.to_owned()),
            Err(why) => (Receiver::None, format!("{detached}; no packet socket either: {why}")),
        };
        port.receiver = receiver;
        port.path = Path::Socket;
        port.why = Some(why);
        // What came between the two was missed.
        port.missed = true;
        if let Some(program) = &mut self.program
            && let Err(why) = program.set_port(&port.key, None)
        {
            tracing::warn!(ifindex = port.key.ifindex, why = chain(&why), "forgetting a port");
        }
    }

    /// Judges what arrives on a port from now on.
    pub(super) fn judge(&mut self, number: u32) {
        let Some(mut port) = self.ports.remove(&number) else {
            return;
        };
        if !port.listening {
            port.listening = true;
            if matches!(port.receiver, Receiver::Xdp)
                && let Some(program) = &mut self.program
            {
                if let Err(why) = program.set_port(&port.key, Some(number)) {
                    let interface = port.interface.as_str();
                    tracing::error!(interface, why = chain(&why), "no frame is judged");
                }
                if let Some(ticket) = port.ticket.filter(|_| port.lingering.is_some()) {
                    self.linger(&port, ticket);
                }
            }
        }
        self.ports.insert(number, port);
    }

    pub(super) fn report(&self, number: u32, port: &Port) -> PortReport {
        let xdp = matches!(port.receiver, Receiver::Xdp);
        PortReport {
            port: number,
            key: port.key,
            interface: port.interface.clone(),
            path: port.path,
            why: port.why.clone(),
            pending: port.pending,
            ready: port.ready(),
            program: self.program.as_ref().filter(|_| xdp).map(Program::id),
            counts: self.port_counts(number),
        }
    }
}

/// The program cannot be there: the socket stays, where one is allowed.
fn refused(port: &mut Port, mode: XdpMode, why: String) {
    port.ticket = None;
    port.pending = false;
    port.why = Some(match (&port.receiver, mode, port.why.take()) {
        (Receiver::None, XdpMode::Auto, Some(socket)) => format!("{why}; {socket}"),
        _ => why,
    });
}
