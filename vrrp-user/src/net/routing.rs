//! What has to be done about routes and rules together, and what of them matters.
use super::change::{Change, Operation, Outcome, Told};
use super::message::Dump;
use super::path::Path;
use super::patience::Patience;
use super::routes::Routes;
use super::rules::Rules;
use super::table::Table;
use super::task::Presence;
use crate::config::model::{Instance, Rule};
use std::collections::BTreeSet;
use vrrp_common::ident::RouterId;
use vrrp_common::time::Instant;

/// Routes and rules of every router.
#[derive(Default, Debug)]
pub(crate) struct Routing {
    routes: Routes,
    rules: Rules,
    patience: Patience<Repair>,
    look: bool,
    stale: bool,
}

/// What may have to be put back again and again.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Repair {
    /// A route.
    Route(Path),
    /// A rule.
    Rule(Rule),
}

impl Routing {
    /// A router exists or changed.
    pub(crate) fn set(&mut self, id: RouterId, instance: &Instance, own: bool) {
        self.routes.set(id, instance, own);
        self.rules.set(id, instance, own);
        self.patience = Patience::default();
        self.look = true;
    }

    /// A router is gone.
    pub(crate) fn forget(&mut self, id: RouterId) {
        self.routes.forget(id);
        self.rules.forget(id);
        self.look = true;
    }

    /// A router takes over, or gives up.
    pub(crate) fn own(&mut self, id: RouterId, own: bool) {
        self.routes.own(id, own);
        self.rules.own(id, own);
        self.look = true;
    }

    /// Something changed that may make possible what was not.
    pub(crate) fn look_again(&mut self) {
        self.look = true;
    }

    /// The kernel may have dropped routes without a word, as it does when a link goes down.
    pub(crate) fn mark_stale(&mut self) {
        self.stale = !self.is_empty();
    }

    /// Whether what is known of routes and rules has to be read again.
    pub(crate) fn take_stale(&mut self) -> bool {
        let (routes, rules) = (self.routes.refresh(), self.rules.refresh());
        std::mem::take(&mut self.stale) | routes | rules
    }

    /// Everything was read again.
    pub(crate) fn fresh(&mut self) {
        self.stale = false;
        self.look = true;
    }

    /// What has to be asked for to know all that matters.
    pub(crate) fn dumps(&mut self) -> Vec<Dump> {
        self.routes.refresh();
        self.rules.refresh();
        let mut dumps = Vec::new();
        if !self.routes.is_empty() {
            for protocol in self.routes.protocols() {
                dumps.extend([Dump::RoutesV4(protocol), Dump::RoutesV6(protocol)]);
            }
        }
        if !self.rules.is_empty() {
            dumps.extend([Dump::RulesV4, Dump::RulesV6]);
        }
        dumps
    }

    /// Whether nobody has any.
    pub(crate) fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.rules.is_empty()
    }

    /// What became of a router's routes and rules.
    pub(crate) fn report(&self, id: RouterId) -> (Vec<Presence>, Vec<Presence>) {
        (self.routes.report(id), self.rules.report(id))
    }

    /// Takes in what the kernel told, if it is about a route or a rule; else gives it back.
    pub(crate) fn apply(&mut self, change: Change, table: &mut Table) -> Option<Change> {
        match change {
            Change::Route(path, told) => {
                if !self.routes.concerns(&path) {
                    // One of another's may have taken the place of ours.
                    self.stale |= told == Told::Replaced && self.routes.leads(&path.head);
                    return None;
                }
                let several = |path: &Path| path.hops.len() > 1;
                // To IPv6 each way is a route of its own: this one may be what became of another.
                if told != Told::Listed
                    && (told == Told::Replaced
                        || path.head.destination.is_ipv6()
                            && (several(&path) || table.routes(&path.head).iter().any(several)))
                {
                    self.stale = true;
                }
                table.apply(Change::Route(path, told));
            }
            Change::RouteGone(path) => {
                if self.routes.leads(&path.head) {
                    self.stale |= !table.routes(&path.head).contains(&path);
                    table.apply(Change::RouteGone(path));
                    self.look = true;
                }
            }
            Change::Rule(rule) => {
                if self.rules.concerns(&rule) {
                    table.apply(Change::Rule(rule));
                }
            }
            Change::RuleGone(rule) => {
                if self.rules.concerns(&rule) {
                    table.apply(Change::RuleGone(rule));
                    self.look = true;
                }
            }
            other => return Some(other),
        }
        None
    }

    /// What has to be removed, before addresses change, and added, after they did: a route needs its
    /// preferred source. Packets are sent by a rule only where the routes are already, and still.
    pub(crate) fn plan(
        &mut self,
        table: &Table,
        now: Instant,
        touched: &mut BTreeSet<RouterId>,
    ) -> (Vec<Operation>, Vec<Operation>) {
        self.look |= !self.patience.due(now).is_empty();
        if !std::mem::take(&mut self.look) {
            return (Vec::new(), Vec::new());
        }
        let mut allows = |repair| self.patience.allows(&repair, now);
        let (mut removes, rules) = self.rules.plan(table, &mut allows, touched);
        let (routes, mut adds) = self.routes.plan(table, &mut allows, touched);
        removes.extend(routes);
        adds.extend(rules);
        (removes, adds)
    }

    /// When to make a plan even if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.patience.deadline()
    }

    /// What became of an operation.
    pub(crate) fn done(
        &mut self,
        operation: &Operation,
        outcome: Outcome,
        table: &mut Table,
        touched: &mut BTreeSet<RouterId>,
    ) {
        match operation {
            Operation::AddRoute(path) => {
                // Perhaps it is the way to the gateway of one that was refused.
                self.look |= outcome.is_ok();
                self.routes.added(path, &outcome, table, touched);
            }
            Operation::DeleteRoute(path) => self.routes.deleted(path, &outcome, table),
            Operation::AddRule(rule) => self.rules.done(rule, true, outcome, table, touched),
            Operation::DeleteRule(rule) => self.rules.done(rule, false, outcome, table, touched),
            _ => {}
        }
    }
}
