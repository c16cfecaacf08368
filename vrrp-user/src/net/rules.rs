//! Which rules have to be added and removed so that the kernel has those that are wanted.
use super::change::{Change, Operation, Outcome, Refusal};
use super::owners::Owners;
use super::routing::Repair;
use super::table::Table;
use super::task::Presence;
use crate::config::model::{Instance, Rule};
use rustix::io::Errno;
use std::collections::BTreeSet;
use vrrp_common::ident::RouterId;

/// Rules of every router.
#[derive(Default, Debug)]
pub(crate) struct Rules {
    /// As the kernel tells them.
    owners: Owners<Rule>,
    /// Rules nobody has any more, to be removed where they are present.
    orphans: BTreeSet<Rule>,
    /// Every rule that matters here.
    known: BTreeSet<Rule>,
    /// [`Self::known`] has to be made anew.
    outdated: bool,
}

impl Rules {
    pub(crate) fn set(&mut self, id: RouterId, instance: &Instance, own: bool) {
        let wanted = instance.rules.iter().map(Rule::bare);
        self.orphans.extend(self.owners.set(id, (own, instance.no_repair), wanted));
        self.outdated = true;
    }

    pub(crate) fn forget(&mut self, id: RouterId) {
        self.orphans.extend(self.owners.forget(id));
    }

    pub(crate) fn own(&mut self, id: RouterId, own: bool) {
        self.owners.own(id, own);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.orphans.is_empty() && self.owners.is_empty()
    }

    pub(crate) fn report(&self, id: RouterId) -> Vec<Presence> {
        self.owners.report(id)
    }

    /// Whether what the kernel tells of a rule matters.
    pub(crate) fn concerns(&self, rule: &Rule) -> bool {
        self.known.contains(rule)
    }

    /// Notes which rules matter from now on. Says whether there are some the kernel has not been asked
    /// for.
    pub(crate) fn refresh(&mut self) -> bool {
        if !std::mem::take(&mut self.outdated) {
            return false;
        }
        let known: BTreeSet<Rule> = self.owners.wanted().chain(&self.orphans).cloned().collect();
        let more = !known.is_subset(&self.known);
        self.known = known;
        more
    }

    /// What has to be removed, and added.
    pub(crate) fn plan(
        &mut self,
        table: &Table,
        allows: &mut impl FnMut(Repair) -> bool,
        touched: &mut BTreeSet<RouterId>,
    ) -> (Vec<Operation>, Vec<Operation>) {
        let mut unwanted = std::mem::take(&mut self.orphans);
        self.outdated |= !unwanted.is_empty();
        let mut wanted = BTreeSet::new();
        let mut adds = Vec::new();
        for (id, owner) in self.owners.iter_mut() {
            for item in &mut owner.items {
                if !owner.own {
                    unwanted.insert(item.what.clone());
                    item.settle(Presence::Absent, id, touched);
                    continue;
                }
                let asked = !wanted.insert(item.what.clone());
                if table.rules().contains(&item.what) {
                    item.settle(Presence::Present, id, touched);
                } else if !item.tried || !owner.no_repair && allows(Repair::Rule(item.what.clone()))
                {
                    item.tried = true;
                    if !asked {
                        adds.push(Operation::AddRule(item.what.clone()));
                    }
                } else {
                    item.wait(id, touched);
                }
            }
        }
        let gone = |rule: &Rule| table.rules().contains(rule) && !wanted.contains(rule);
        let removes = unwanted.into_iter().filter(gone).map(Operation::DeleteRule).collect();
        (removes, adds)
    }

    /// What became of adding or removing a rule.
    pub(crate) fn done(
        &mut self,
        rule: &Rule,
        added: bool,
        outcome: Outcome,
        table: &mut Table,
        touched: &mut BTreeSet<RouterId>,
    ) {
        if !added {
            let gone = |refusal: &Refusal| matches!(refusal.errno, Errno::NOENT | Errno::SRCH);
            if outcome.as_ref().map_or_else(gone, |()| true) {
                table.apply(Change::RuleGone(rule.clone()));
            }
            return;
        }
        let presence = match outcome {
            // Where it exists it does what is asked for.
            Ok(()) | Err(Refusal { errno: Errno::EXIST, .. }) => {
                table.apply(Change::Rule(rule.clone()));
                Presence::Present
            }
            Err(refusal) => Presence::Failed(refusal.to_string()),
        };
        for (id, owner) in self.owners.iter_mut().filter(|(_, owner)| owner.own) {
            for item in owner.items.iter_mut().filter(|item| item.what == *rule) {
                item.settle(presence.clone(), id, touched);
            }
        }
    }
}
