//! What can the engine be told.
use crate::config::model::{Config, Name};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use vrrp_common::ident::RouterId;
use vrrp_common::time::Instant;
use vrrp_common::wire::vrrp::Header;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A valid advert that was not the expected one.
    Advert(Advert),
    /// An interface changed, appeared or vanished.
    Link {
        /// Its name.
        name: Name,
        /// What it is like now.
        state: LinkState,
    },
    /// The addresses of an interface that are its own and can be used, for `track_src_ip`.
    Addresses {
        /// Its name.
        name: Name,
        /// All of them.
        addresses: Arc<[IpAddr]>,
    },
    /// Someone else removed a virtual address or route from the kernel. For a tracked one the
    /// instance gives the mastership away, as keepalived does; for a `no_track` one nothing
    /// happens here, for the reconciler puts it back.
    Lost {
        /// The router that owns it.
        router: RouterId,
        /// Which of [`crate::config::model::Instance::vips`].
        address: usize,
    },
    /// A run of a `vrrp_script` ended.
    Script {
        /// Its name.
        name: Name,
        /// It ended in time with exit status 0.
        succeeded: bool,
    },
    /// What a `track_file` holds now.
    File {
        /// Its name.
        name: Name,
        /// Its number; 0 where there is none.
        value: i64,
    },
    /// How many processes of a `vrrp_track_process` run now.
    Processes {
        /// Its name.
        name: Name,
        /// So many.
        count: u32,
    },
    /// Whether the dataplane and the sockets have a place for a router. One without neither hears nor
    /// says anything, so it has a fault.
    Placed {
        /// The router.
        router: RouterId,
        /// Whether there is one.
        placed: bool,
    },
    /// Adverts to a router may have been missed: nothing is expected any more, so that the next is news
    /// again.
    Missed(RouterId),
    /// The deadline of [`super::Engine::deadline`] has passed.
    Deadline,
    /// A new configuration: only differences are applied.
    Reload(Arc<Config>),
    /// Announce the addresses of a master now.
    Announce(RouterId),
    /// An operator takes the mastership away: a master sends priority 0 and gives its addresses back,
    /// and for `hold` no living master is preempted. A master that falls silent is replaced all the
    /// same.
    Demote {
        /// The router.
        router: RouterId,
        /// How long the others have precedence; nothing for not at all.
        hold: Duration,
    },
    /// Stop: masters send priority 0 and give their addresses back.
    Shutdown,
}

/// A received advert that passed every check.
#[derive(Clone, Debug)]
pub struct Advert {
    /// Who it is for.
    pub router: RouterId,
    /// When it arrived, which may be before now.
    pub at: Instant,
    /// IP source.
    pub source: IpAddr,
    /// The eight header bytes.
    pub header: Header,
    /// Whether its address list has the addresses this router has (order apart).
    pub same_addresses: bool,
    /// Remark bits the dataplane counted with it, to be repeated for each like it.
    pub remarks: u32,
}

/// What a link is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LinkState {
    /// There is no such interface.
    #[default]
    Missing,
    /// It exists, but is administratively down or has no carrier.
    Down(LinkAddresses),
    /// It works.
    Up(LinkAddresses),
}

/// The link's own addresses: what adverts can be sent from. Virtual addresses are not among them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkAddresses {
    /// First IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// First IPv6 link-local address that is not tentative.
    pub v6: Option<Ipv6Addr>,
}

/// When an expected advert was last heard, and under which expectation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamp {
    /// Arrival; [`Instant::ZERO`] for never.
    pub at: Instant,
    /// The generation of the expectation it matched.
    pub generation: u32,
}

/// The memory the dataplane stamps. Reading it costs no system call.
pub trait Heard {
    /// The last stamp of a router.
    fn stamp(&self, router: RouterId) -> Stamp;
}
