//! What the loop tells the network task, and what it hears from it.
use super::statics::STATICS;
use super::work::Work;
use crate::config::model::{Config, Instance, Name};
use crate::engine::input::LinkState;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::UnboundedReceiver;
use vrrp_common::ident::{Mac, RouterId};
use vrrp_common::time::Instant;

/// From the loop to the network task.
#[derive(Clone, Debug)]
pub enum Command {
    /// A router exists or changed; its addresses stay as they are wanted.
    Router {
        /// Its number.
        router: RouterId,
        /// Its configuration.
        instance: Arc<Instance>,
    },
    /// A router is gone; what it owned is removed unless another router owns it too.
    Forget {
        /// Its number.
        router: RouterId,
    },
    /// Its addresses and routes should be present (and announced when they are), or absent.
    Own {
        /// The router.
        router: RouterId,
        /// Present or absent.
        own: bool,
        /// Announcements of each address once it is present.
        announce: u32,
    },
    /// Announce what is present on working links.
    Announce {
        /// The router.
        router: RouterId,
        /// How often each.
        times: u32,
    },
    /// Announce one address on each interface but the router's own.
    AnnounceElsewhere {
        /// The router.
        router: RouterId,
    },
    /// Global settings or static objects changed.
    Globals(Arc<Config>),
    /// Read everything from the kernel again and repair.
    Resync,
    /// All of these at once: an address that one router gives up and another takes over in between
    /// never leaves the kernel.
    Batch(Vec<Command>),
}

/// From the network task to the loop.
#[derive(Clone, Debug)]
pub enum Event {
    /// An interface appeared, changed or vanished.
    Link(Link),
    /// Someone else removed an address of a router that owns it.
    Lost {
        /// The router.
        router: RouterId,
        /// Which of [`Instance::vips`].
        address: usize,
    },
    /// The first complete listing of links and addresses has been handed over.
    Ready,
}

/// One interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Its name.
    pub name: Name,
    /// Its index; 0 when missing.
    pub ifindex: u32,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Its MTU.
    pub mtu: u32,
    /// Up, down or missing, with the addresses adverts can be sent from.
    pub state: LinkState,
    /// All of its own addresses that can be used.
    pub addresses: Arc<[IpAddr]>,
}

/// What became of one virtual address, route or rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Presence {
    /// Not wanted, and not there.
    Absent,
    /// There, on a working link.
    Present,
    /// There, but its link is down: announced when the link returns.
    PendingLinkDown,
    /// Its interface does not exist: added and announced when it appears.
    PendingNoDevice,
    /// The kernel refused it.
    Failed(String),
}

/// One address in reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressReport {
    /// What became of it.
    pub presence: Presence,
    /// Announcements sent (gratuitous ARP or neighbour advertisements).
    pub announced: u64,
    /// When the last of them was sent.
    pub announced_last: Option<Instant>,
    /// Times it was put back after someone removed it or its link came back without it.
    pub repaired: u64,
}

/// What became of a router's addresses, by [`Instance::vips`], routes and rules, in their order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OwnedReport {
    /// Addresses.
    pub addresses: Vec<AddressReport>,
    /// Routes.
    pub routes: Vec<Presence>,
    /// Rules.
    pub rules: Vec<Presence>,
    /// `promote_secondaries` was set on its interface, where it had not been.
    pub promoted: bool,
}

/// Shared with whoever reports.
pub type Owned = Arc<Mutex<HashMap<RouterId, OwnedReport>>>;

/// What may be set about the task itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Receive buffer of the netlink socket in bytes. Where it overflows everything is read again.
    pub receive_buffer: usize,
}

impl Default for Options {
    fn default() -> Self {
        // Ten thousand notifications: the kernel counts about a kilobyte for each.
        Self { receive_buffer: 16 << 20 }
    }
}

/// Follows links and makes addresses and routes what they should be, in the network namespace of the
/// calling thread, until `commands` is closed. Then it finishes what it was told: when this returns
/// the kernel has acknowledged the removal of everything that is no longer owned.
///
/// Routers that are made known before this runs are taken into account from the first listing on:
/// their addresses are no own addresses of a link, even where a former process left them there, and
/// those are removed.
///
/// # Errors
/// Where there is no netlink socket to be had, or it fails for good.
pub async fn run(
    mut commands: UnboundedReceiver<Command>,
    events: impl Fn(Event) + Send + 'static,
    owned: Owned,
    options: Options,
) -> anyhow::Result<()> {
    let mut work = Work::open(events, owned, options)?;
    while let Ok(command) = commands.try_recv() {
        work.command(command);
    }
    work.list().await?;
    loop {
        work.settle().await?;
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => work.command(command),
                None => break,
            },
            ready = work.readable() => ready?,
            () = work.due() => {}
        }
        // What is there by now makes one plan.
        while let Ok(command) = commands.try_recv() {
            work.command(command);
        }
    }
    work.command(Command::Own { router: STATICS, own: false, announce: 0 });
    work.retire();
    work.settle().await?;
    work.finish();
    Ok(())
}
