//! Which addresses does this host own and yet take no packets for (`no_accept`), and how does the
//! kernel come to know?
//!
//! RFC 9568 section 6.1, Accept_Mode: a master that is not the owner drops packets addressed to the
//! virtual addresses, but never neighbour solicitations and advertisements; nor ARP, which is not IP.
//! keepalived does it with a firewall table, and so does this: table `inet xvrrp`, made when a router
//! asks for it. An address is in its sets before it is on an interface, and until it has left it.
use super::nft::{self, Attributes, Kind, Nft, Transaction};
use super::sys;
use crate::config::model::{Instance, Name, Vip};
use netlink_sys::Socket;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use vrrp_common::ident::RouterId;
use vrrp_common::time::Instant;

/// Name of the table.
const TABLE: &str = "xvrrp";
/// Pause before a table that could not be made, or that someone keeps removing, is made again.
const PAUSE: Duration = Duration::from_secs(1);
/// Elements in one message: a list of them is one attribute, and that has a length of 16 bits.
const ELEMENTS: usize = 500;

/// An address no packets are taken for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Refused {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    /// A link-local address is one of its interface only: another may have the same.
    OnLink(Ipv6Addr, Name),
}

impl Refused {
    fn of(vip: &Vip) -> Self {
        match vip.address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                Self::OnLink(address, vip.dev.clone())
            }
            IpAddr::V6(address) => Self::V6(address),
        }
    }

    const fn set(&self) -> Set {
        match self {
            Self::V4(_) => Set::V4,
            Self::V6(_) => Set::V6,
            Self::OnLink(..) => Set::OnLink,
        }
    }

    fn key(&self) -> Vec<u8> {
        match self {
            Self::V4(address) => address.octets().to_vec(),
            Self::V6(address) => address.octets().to_vec(),
            Self::OnLink(address, dev) => {
                let mut key = address.octets().to_vec();
                key.extend(dev.bytes().take(15));
                key.resize(32, 0);
                key
            }
        }
    }
}

/// The sets of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Set {
    V4,
    V6,
    OnLink,
}

impl Set {
    const ALL: [Self; 3] = [Self::V4, Self::V6, Self::OnLink];

    const fn name(self) -> &'static str {
        match self {
            Self::V4 => "virtual_v4",
            Self::V6 => "virtual_v6",
            Self::OnLink => "virtual_link_local",
        }
    }

    /// The type by which `nft` shows a key, and its length.
    const fn key(self) -> (u32, u32) {
        const V4: u32 = 7;
        const V6: u32 = 8;
        const INTERFACE: u32 = 41;
        match self {
            Self::V4 => (V4, 4),
            Self::V6 => (V6, 16),
            Self::OnLink => (V6 << 6 | INTERFACE, 32),
        }
    }
}

/// What one router wants.
struct Router {
    refused: Vec<Refused>,
    own: bool,
}

/// The table as it should be and as it is.
#[derive(Default)]
pub(crate) struct Guard {
    /// Those that refuse something.
    routers: HashMap<RouterId, Router>,
    /// By how many masters an address is refused.
    wanted: BTreeMap<Refused, usize>,
    /// What is in the kernel's sets.
    held: BTreeSet<Refused>,
    /// To be compared.
    touched: BTreeSet<Refused>,
    nft: Option<Nft>,
    watch: Option<AsyncFd<Socket>>,
    made: bool,
    /// When it was last made, or tried to be.
    tried: Option<Instant>,
}

impl Guard {
    /// A router exists or changed; whether it owns its addresses stays.
    pub(crate) fn router(&mut self, id: RouterId, instance: &Instance) {
        let own = self.routers.get(&id).is_some_and(|router| router.own);
        self.own(id, false);
        self.routers.remove(&id);
        let refused = match instance.accept {
            true => Vec::new(),
            false => instance.vips().map(Refused::of).collect(),
        };
        self.routers.insert(id, Router { refused, own: false });
        self.own(id, own);
    }

    /// A router is gone.
    pub(crate) fn forget(&mut self, id: RouterId) {
        self.own(id, false);
        self.routers.remove(&id);
    }

    /// A router becomes or ceases to be master.
    pub(crate) fn own(&mut self, id: RouterId, own: bool) {
        let Some(router) = self.routers.get_mut(&id).filter(|router| router.own != own) else {
            return;
        };
        router.own = own;
        for refused in &router.refused {
            let masters = self.wanted.entry(refused.clone()).or_default();
            *masters = if own { *masters + 1 } else { masters.saturating_sub(1) };
            if *masters == 0 {
                self.wanted.remove(refused);
            }
            self.touched.insert(refused.clone());
        }
    }

    /// Takes away what a killed predecessor left. Where there is no nf_tables it left nothing.
    pub(crate) fn clear(&self) {
        if self.is_needed() {
            // Made anew at once.
            return;
        }
        let outcome = Nft::open().and_then(|nft| nft.commit(removal()));
        if let Err(error) = outcome {
            tracing::debug!(%error, "no table of a predecessor can be looked for");
        }
    }

    /// To be called before addresses are added: refuses packets to those that will be.
    pub(crate) fn protect(&mut self, now: Instant) {
        self.look();
        if !self.is_needed() {
            return;
        }
        if self.made {
            let new: Vec<Refused> = self
                .touched
                .iter()
                .filter(|refused| self.wanted.contains_key(*refused))
                .filter(|refused| !self.held.contains(*refused))
                .cloned()
                .collect();
            if new.is_empty() {
                return;
            }
            let mut transaction = Transaction::new();
            elements(&mut transaction, Kind::NewElements, &new);
            match self.commit(transaction) {
                Ok(()) => {
                    self.held.extend(new);
                    return;
                }
                Err(error) => tracing::warn!("table {TABLE}: {error}; it is made anew"),
            }
            self.made = false;
            self.tried = None;
        }
        if self.deadline().is_none_or(|deadline| deadline <= now) {
            self.make(now);
        }
    }

    /// To be called when addresses have been removed: lets packets to them be, whoever gets them.
    pub(crate) fn release(&mut self) {
        if !self.made {
            return;
        }
        let touched = std::mem::take(&mut self.touched);
        let old: Vec<Refused> = touched
            .into_iter()
            .filter(|refused| self.held.contains(refused) && !self.wanted.contains_key(refused))
            .collect();
        let outcome = if self.is_needed() {
            if old.is_empty() {
                return;
            }
            let mut transaction = Transaction::new();
            elements(&mut transaction, Kind::DeleteElements, &old);
            self.commit(transaction)
        } else {
            // Nobody asks for it any more.
            self.remove();
            return;
        };
        for refused in &old {
            self.held.remove(refused);
        }
        if let Err(error) = outcome {
            tracing::warn!("table {TABLE}: {error}; it is made anew");
            self.made = false;
            self.tried = None;
        }
    }

    /// Takes the table away.
    pub(crate) fn remove(&mut self) {
        if std::mem::take(&mut self.made)
            && let Err(error) = self.commit(removal())
        {
            tracing::error!("table {TABLE} cannot be removed: {error}");
        }
        self.held.clear();
        self.watch = None;
    }

    /// When to try again even if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let due = !self.made && self.is_needed();
        self.tried.filter(|_| due).map(|tried| tried + PAUSE)
    }

    /// Waits until someone changed a table.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match &self.watch {
            Some(watch) => {
                let mut guard = watch.readable().await?;
                guard.clear_ready();
                Ok(())
            }
            None => std::future::pending().await,
        }
    }

    fn is_needed(&self) -> bool {
        self.routers.values().any(|router| !router.refused.is_empty())
    }

    /// Finds out whether someone removed the table or a part of it.
    fn look(&mut self) {
        let (Some(watch), Some(nft)) = (&self.watch, &self.nft) else { return };
        match nft::lost(watch.get_ref(), nft.port, TABLE) {
            Ok(lost) if lost && self.made => {
                tracing::warn!("someone changed table {TABLE}: it is made anew");
                self.made = false;
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!("table {TABLE} is no longer watched: {error}");
                self.watch = None;
            }
        }
    }

    /// Makes the table, in place of any that is there. The addresses of backups are in it too, until
    /// the first [`Self::release`]: a killed predecessor may have left them on an interface.
    fn make(&mut self, now: Instant) {
        self.tried = Some(now);
        let all: BTreeSet<Refused> =
            self.routers.values().flat_map(|router| router.refused.iter().cloned()).collect();
        let all_of_them: Vec<Refused> = all.iter().cloned().collect();
        if self.watch.is_none() {
            self.watch = match nft::listen().and_then(sys::watch) {
                Ok(watch) => Some(watch),
                Err(error) => {
                    tracing::warn!("table {TABLE} cannot be watched: {error}");
                    None
                }
            };
        }
        let mut transaction = Transaction::new();
        remove_table(&mut transaction, TABLE);
        make_table(&mut transaction, TABLE);
        elements(&mut transaction, Kind::NewElements, &all_of_them);
        match self.commit(transaction) {
            Ok(()) => {
                self.made = true;
                self.held.clone_from(&all);
                self.touched = all;
            }
            Err(error) => {
                tracing::error!("no_accept is not in force: table {TABLE} cannot be made: {error}")
            }
        }
    }

    fn commit(&mut self, transaction: Transaction) -> io::Result<()> {
        let nft = match self.nft.take() {
            Some(nft) => nft,
            None => Nft::open()?,
        };
        let outcome = nft.commit(transaction);
        // After a silence an answer may still come; a new socket cannot mistake it.
        let silent = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        if !outcome.as_ref().is_err_and(silent) {
            self.nft = Some(nft);
        }
        outcome
    }
}

/// Finds out whether this kernel can do it: makes such a table and takes it away, in one transaction
/// that nobody sees the middle of.
///
/// # Errors
/// Where it cannot, or this process may not.
pub fn probe() -> io::Result<()> {
    let name = format!("{TABLE}-probe-{}", std::process::id());
    let mut transaction = Transaction::new();
    make_table(&mut transaction, &name);
    transaction.add(Kind::DeleteTable, &Attributes::default().text(1, &name));
    Nft::open()?.commit(transaction)
}

fn removal() -> Transaction {
    let mut transaction = Transaction::new();
    remove_table(&mut transaction, TABLE);
    transaction
}

/// Removes a table whether it is there or not.
fn remove_table(transaction: &mut Transaction, name: &str) {
    let table = Attributes::default().text(1, name);
    transaction.add(Kind::NewTable, &table);
    transaction.add(Kind::DeleteTable, &table);
}

fn make_table(transaction: &mut Transaction, table: &str) {
    let attributes = Attributes::default;
    transaction.add(Kind::NewTable, &attributes().text(1, table));
    for (id, set) in (1..).zip(Set::ALL) {
        let (kind, length) = set.key();
        let set = attributes().text(1, table).text(2, set.name());
        // Byte order of the keys, by which `nft` shows them.
        let order = [0, 4, 2, 0, 0, 0];
        let set = set.number(3, 0).number(4, kind).number(5, length).number(10, id);
        transaction.add(Kind::NewSet, &set.bytes(13, &order));
    }
    // Before the filters of others, as keepalived's. Input only: what others may send with a virtual
    // address as its source is theirs to know (section 8.1.1 wants redirects to come from it).
    let (local_in, just_before_filters, accept) = (1, u32::MAX, 1);
    let hook = attributes().number(1, local_in).number(2, just_before_filters);
    let chain = attributes().text(1, table).text(3, CHAIN).nested(4, &hook);
    transaction.add(Kind::NewChain, &chain.number(5, accept).text(7, "filter"));
    for rule in rules() {
        let rule = attributes().text(1, table).text(2, CHAIN).nested(4, &rule);
        transaction.add(Kind::NewRule, &rule);
    }
}

const CHAIN: &str = "input";

/// The rules, in order.
fn rules() -> [Attributes; 4] {
    const IPV4: u8 = 2;
    const IPV6: u8 = 10;
    const ICMPV6: u8 = 58;
    const SOLICITATION: u8 = 135;
    const ADVERTISEMENT: u8 = 136;
    let discovery = [
        family(),
        compare(EQUAL, IPV6),
        meta(1, L4_PROTOCOL),
        compare(EQUAL, ICMPV6),
        payload(TRANSPORT, 0, 1),
        compare(NOT_LESS, SOLICITATION),
        compare(NOT_MORE, ADVERTISEMENT),
        verdict(1),
    ];
    let to = |protocol, offset, length, set: Set| {
        [family(), compare(EQUAL, protocol), payload(NETWORK, offset, length), lookup(set)]
            .into_iter()
            .chain([expression("counter", &Attributes::default()), verdict(0)])
    };
    let on_link = [
        family(),
        compare(EQUAL, IPV6),
        payload(NETWORK, 24, 16),
        meta(2, IN_INTERFACE_NAME),
        lookup(Set::OnLink),
        expression("counter", &Attributes::default()),
        verdict(0),
    ];
    [
        list(discovery),
        list(to(IPV4, 16, 4, Set::V4)),
        list(to(IPV6, 24, 16, Set::V6)),
        list(on_link),
    ]
}

/// Keys of `meta`.
const IN_INTERFACE_NAME: u32 = 6;
const FAMILY: u32 = 15;
const L4_PROTOCOL: u32 = 16;
/// Comparisons.
const EQUAL: u32 = 0;
const NOT_MORE: u32 = 3;
const NOT_LESS: u32 = 5;
/// Where a payload is counted from.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

fn list(expressions: impl IntoIterator<Item = Attributes>) -> Attributes {
    expressions.into_iter().fold(Attributes::default(), |list, one| list.nested(1, &one))
}

fn expression(name: &str, data: &Attributes) -> Attributes {
    Attributes::default().text(1, name).nested(2, data)
}

/// Loads a property of the packet into a register.
fn meta(register: u32, key: u32) -> Attributes {
    expression("meta", &Attributes::default().number(1, register).number(2, key))
}

fn family() -> Attributes {
    meta(1, FAMILY)
}

/// Compares one byte in the first register.
fn compare(how: u32, value: u8) -> Attributes {
    let data = Attributes::default().bytes(1, &[value]);
    expression("cmp", &Attributes::default().number(1, 1).number(2, how).nested(3, &data))
}

/// Loads a part of the packet into the first register.
fn payload(base: u32, offset: u32, length: u32) -> Attributes {
    let place = Attributes::default().number(1, 1).number(2, base);
    expression("payload", &place.number(3, offset).number(4, length))
}

/// Whether the set has what begins in the first register; where not, the rule ends.
fn lookup(set: Set) -> Attributes {
    expression("lookup", &Attributes::default().text(1, set.name()).number(2, 1))
}

/// 0 drops the packet, 1 leaves it to the chains of others.
fn verdict(code: u32) -> Attributes {
    let verdict = Attributes::default().nested(2, &Attributes::default().number(1, code));
    expression("immediate", &Attributes::default().number(1, 0).nested(2, &verdict))
}

/// Adds elements to their sets, or deletes them.
fn elements(transaction: &mut Transaction, kind: Kind, refused: &[Refused]) {
    for set in Set::ALL {
        let of_set: Vec<&Refused> = refused.iter().filter(|one| one.set() == set).collect();
        for some in of_set.chunks(ELEMENTS) {
            let keys = list(some.iter().map(|one| {
                let value = Attributes::default().bytes(1, &one.key());
                Attributes::default().nested(1, &value)
            }));
            let to = Attributes::default().text(1, TABLE).text(2, set.name());
            transaction.add(kind, &to.nested(3, &keys));
        }
    }
}
