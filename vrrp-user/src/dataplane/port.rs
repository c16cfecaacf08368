//! What the rest of the program knows of the dataplane.
use super::mirror::{Mirror, Wanted};
use crate::engine::input::{Heard, Stamp};
use foldhash::HashMap;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use vrrp_common::counter::Counter;
use vrrp_common::ident::{Family, RouterId, Vrid};
use vrrp_common::layout::{Address, Counts, Expect, Peer, PortKey, Rule};
use vrrp_common::time::Instant;
use vrrp_common::wire::check::Owner;

/// Which path adverts of an interface take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Path {
    /// XDP in the driver.
    XdpNative,
    /// XDP in the kernel's generic hook.
    XdpSkb,
    /// Packet socket.
    Socket,
}

impl Path {
    /// As `show` and metrics print it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::XdpNative => "xdp-native",
            Self::XdpSkb => "xdp-skb",
            Self::Socket => "socket",
        }
    }
}

/// `--xdp-mode`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum XdpMode {
    /// Native, else generic, else socket.
    #[default]
    Auto,
    /// Native or an error.
    Native,
    /// Generic or an error.
    Skb,
    /// Socket path only.
    Off,
}

/// A port: where frames arrive, and which path they take.
#[derive(Clone, Debug)]
pub struct PortReport {
    /// Its number.
    pub port: u32,
    /// Interface and tags.
    pub key: PortKey,
    /// Interface name.
    pub interface: String,
    /// The path.
    pub path: Path,
    /// Why not the fastest one, where it is not.
    pub why: Option<String>,
    /// Whether the program was asked for and the kernel has not answered yet.
    pub pending: bool,
    /// Whether anything receives there at all.
    pub ready: bool,
    /// Kernel id of the program, where there is one.
    pub program: Option<u32>,
    /// Counters of packets that belong to no router.
    pub counts: Counts,
}

/// A router as the dataplane knows it.
#[derive(Clone, Debug)]
pub struct RouterRule {
    /// Its number.
    pub router: RouterId,
    /// Family of its adverts.
    pub family: Family,
    /// Its VRID.
    pub vrid: Vrid,
    /// What it accepts (`router` is filled in by the dataplane).
    pub rule: Rule,
    /// Unicast peers.
    pub peers: Vec<(IpAddr, Peer)>,
}

/// A valid advert that was not expected.
#[derive(Clone, Debug)]
pub struct News<'a> {
    /// Who it is for.
    pub router: RouterId,
    /// When it arrived.
    pub at: Instant,
    /// Remark bits that were counted with it.
    pub remarks: u32,
    /// From the IP header to the end of the IP packet.
    pub packet: &'a [u8],
}

/// The dataplane. One value serves every interface of a network namespace; it lives on the loop's
/// thread and never waits: what takes the kernel a while is asked for, and told by `changes`.
pub trait Dataplane: Heard {
    /// Starts receiving on an interface and asks for the best path it can have. Where sockets are
    /// allowed one receives at once, until the program does; else nothing does before the program.
    /// Joins no multicast group: that is the sockets' business.
    fn open(&mut self, interface: &str, ifindex: u32) -> anyhow::Result<PortReport>;
    /// Ports that changed by themselves since last asked: the path that was asked for was given or
    /// refused, or someone else detached the program and a socket took over. A port that is not
    /// ready any more stays, with its routers, until it is opened again or closed.
    fn changes(&mut self) -> Vec<PortReport>;
    /// Judges what arrives there from now on. To be called when the routers of an interface that was
    /// opened are set, or the adverts of those that are not would count as of unknown routers.
    fn listen(&mut self, interface: &str);
    /// Stops receiving there and forgets its rules.
    fn close(&mut self, interface: &str);
    /// Adds or changes a router on an open interface.
    fn set_router(&mut self, interface: &str, router: &RouterRule) -> anyhow::Result<()>;
    /// Forgets a router: its rule, peers, expectation, stamp and counters.
    fn remove_router(&mut self, router: RouterId);
    /// Sets what a router expects; the default value for nothing.
    fn expect(&mut self, router: RouterId, expect: &Expect);
    /// Hands over everything that has arrived, in the order of arrival per interface and path; while
    /// the path of an interface changes only the times of arrival tell their order. What arrives
    /// meanwhile may stay for the next call and keeps its descriptor readable, so wait for levels,
    /// not edges.
    fn drain(&mut self, news: &mut dyn FnMut(News<'_>));
    /// Descriptors that become readable when there is something to drain or a change to be told;
    /// they change with `open`, `close` and `changes`.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>>;
    /// Counters of a router since it was set.
    fn counts(&self, router: RouterId) -> Counts;
    /// The last protocol error of a router, by its value of `vrrpv3StatisticsProtoErrReason` in RFC
    /// 6527; 0 for none.
    fn protocol_error(&self, router: RouterId) -> u8;
    /// Takes back that an advert that was handed over as news, with these remarks, is valid: it is
    /// rejected for `counter`.
    fn refuse(&mut self, router: RouterId, remarks: u32, counter: Counter);
    /// Shows judged frames from now on to who gets the answer, and to nobody else. Nothing is copied
    /// before they look or after they stop.
    fn mirror(&mut self, wanted: Wanted) -> std::io::Result<Mirror>;
    /// Shows no more, for this reason.
    fn end_mirror(&mut self, why: &'static str);
    /// What was rejected since last asked, but for what the program rejected.
    fn rejected(&mut self) -> HashMap<Owner, Counts>;
    /// Every open port.
    fn ports(&self) -> Vec<PortReport>;
    /// Routers for which something may have come since last asked that nobody received, for the way they
    /// are heard by changed. (News that found a buffer full comes again: an advert that is not expected
    /// is news each time.)
    fn missed(&mut self) -> Vec<RouterId>;
}

/// A stamp from shared memory.
pub const fn stamp(at: u64, generation: u32) -> Stamp {
    Stamp { at: Instant::from_nanos(at), generation }
}

/// A map address as an IP address.
pub fn ip(family: Family, address: &Address) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([address[0], address[1], address[2], address[3]]),
        Family::V6 => IpAddr::from(*address),
    }
}
