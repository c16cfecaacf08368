//! Which addresses does this host own and yet take no packets for (`no_accept`), and how does the
//! kernel come to know?
//!
//! RFC 9568 section 6.1, Accept_Mode: a master that is not the owner drops packets addressed to the
//! virtual addresses, but never neighbour solicitations and advertisements; nor ARP, which is not IP.
//! keepalived does it with a firewall table, and so does this: table `inet xvrrp`, made when a router
//! asks for it. An address is in its sets before it is on an interface, and until it has left it.
use super::nft::{self, Kind, Nft, Theft, Transaction};
use super::ruleset::{Refused, TABLE, delete_table, elements, make_table, remove_table};
use super::sys;
use crate::config::model::Instance;
use foldhash::HashMap;
use netlink_sys::Socket;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use vrrp_common::ident::RouterId;
use vrrp_common::time::Instant;

/// Pause before a table that could not be made, or that someone keeps removing, is made again.
const PAUSE: Duration = Duration::from_secs(1);

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
    /// A router exists or changed, and owns its addresses or does not.
    pub(crate) fn router(&mut self, id: RouterId, instance: &Instance, own: bool) {
        self.forget(id);
        if !instance.accept {
            let refused = instance.vips().map(Refused::of).collect();
            self.routers.insert(id, Router { refused, own: false });
            self.own(id, own);
        }
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
        let theft = match nft::theft(watch.get_ref(), nft.port, TABLE) {
            Ok(theft) => theft,
            Err(error) => {
                tracing::warn!("table {TABLE} is no longer watched: {error}");
                self.watch = None;
                return;
            }
        };
        if !self.made || theft == Theft::None {
            return;
        }
        if theft == Theft::Perhaps {
            // What is there already is neither an error nor news; where the table is gone it fails.
            let held: Vec<Refused> = self.held.iter().cloned().collect();
            let mut transaction = Transaction::new();
            elements(&mut transaction, Kind::NewElements, &held);
            if held.is_empty() || self.commit(transaction).is_ok() {
                return;
            }
        }
        tracing::warn!("someone changed table {TABLE}: it is made anew");
        self.made = false;
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
    delete_table(&mut transaction, &name);
    Nft::open()?.commit(transaction)
}

fn removal() -> Transaction {
    let mut transaction = Transaction::new();
    remove_table(&mut transaction, TABLE);
    transaction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Vip;
    use vrrp_common::ident::{Family, Vrid};

    fn instance(accept: bool, addresses: &[&str]) -> Instance {
        let mut instance = Instance::new("VI_1", "eth0", Vrid::new(7).unwrap(), Family::V6);
        instance.accept = accept;
        instance.addresses = addresses
            .iter()
            .map(|address| Vip::new(address.parse().unwrap(), 64, "eth0"))
            .collect();
        instance
    }

    fn wanted(guard: &Guard) -> Vec<String> {
        guard.wanted.keys().map(|refused| format!("{refused:?}")).collect()
    }

    #[test]
    fn an_address_is_refused_while_any_master_refuses_it() {
        let mut guard = Guard::default();
        let (a, b) = (RouterId(0), RouterId(1));
        assert!(!guard.is_needed());
        guard.router(a, &instance(false, &["fe80::1", "2001:db8::1"]), false);
        guard.router(b, &instance(false, &["2001:db8::1"]), false);
        assert!(guard.is_needed() && wanted(&guard).is_empty(), "nobody is master");
        guard.own(a, true);
        guard.own(a, true);
        guard.own(b, true);
        assert_eq!(wanted(&guard), ["V6(2001:db8::1)", "OnLink(fe80::1, \"eth0\")"]);
        guard.own(a, false);
        assert_eq!(wanted(&guard), ["V6(2001:db8::1)"]);
        // A master stays one when it is configured anew.
        guard.router(b, &instance(false, &["2001:db8::2"]), true);
        assert_eq!(wanted(&guard), ["V6(2001:db8::2)"]);
        guard.router(b, &instance(true, &["2001:db8::2"]), true);
        assert!(wanted(&guard).is_empty());
        guard.router(b, &instance(false, &["2001:db8::2"]), true);
        assert_eq!(wanted(&guard), ["V6(2001:db8::2)"]);
        guard.forget(b);
        guard.forget(a);
        assert!(wanted(&guard).is_empty() && !guard.is_needed());
    }
}
