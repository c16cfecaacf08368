//! Which rules have to be added and removed so that the kernel has those that are wanted.
use super::change::{Change, Operation, Outcome, Refusal};
use super::routing::Repair;
use super::table::Table;
use super::task::Presence;
use crate::config::model::{Instance, Rule};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use vrrp_common::ident::RouterId;

#[derive(Clone, Debug)]
struct Item {
    /// As the kernel tells it.
    rule: Rule,
    presence: Presence,
    /// Adding it was tried since the router took over.
    tried: bool,
}

#[derive(Debug)]
struct Owner {
    own: bool,
    no_repair: bool,
    items: Vec<Item>,
}

/// Rules of every router.
#[derive(Default, Debug)]
pub(crate) struct Rules {
    owners: BTreeMap<RouterId, Owner>,
    /// Rules nobody has any more, to be removed where they are present.
    orphans: BTreeSet<Rule>,
    /// Every rule that matters here.
    known: BTreeSet<Rule>,
    /// [`Self::known`] has to be made anew.
    outdated: bool,
}

impl Rules {
    pub(crate) fn set(&mut self, id: RouterId, instance: &Instance, own: bool) {
        let former = self.owners.remove(&id).map(|owner| owner.items).unwrap_or_default();
        let kept = |rule: &Rule| former.iter().find(|item| item.rule == *rule).cloned();
        let items: Vec<Item> = instance
            .rules
            .iter()
            .map(Rule::bare)
            .map(|rule| {
                let fresh = Item { rule, presence: Presence::Absent, tried: false };
                kept(&fresh.rule).unwrap_or(fresh)
            })
            .collect();
        self.orphans.extend(former.into_iter().map(|item| item.rule));
        self.owners.insert(id, Owner { own, no_repair: instance.no_repair, items });
        self.outdated = true;
    }

    pub(crate) fn forget(&mut self, id: RouterId) {
        if let Some(owner) = self.owners.remove(&id) {
            self.orphans.extend(owner.items.into_iter().map(|item| item.rule));
        }
    }

    pub(crate) fn own(&mut self, id: RouterId, own: bool) {
        if let Some(owner) = self.owners.get_mut(&id) {
            owner.own = own;
            for item in &mut owner.items {
                item.tried = false;
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.orphans.is_empty() && self.owners.values().all(|owner| owner.items.is_empty())
    }

    pub(crate) fn report(&self, id: RouterId) -> Vec<Presence> {
        let items = self.owners.get(&id).map(|owner| owner.items.as_slice()).unwrap_or_default();
        items.iter().map(|item| item.presence.clone()).collect()
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
        let items = self.owners.values().flat_map(|owner| &owner.items);
        let known: BTreeSet<Rule> =
            items.map(|item| &item.rule).chain(&self.orphans).cloned().collect();
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
        for (id, owner) in &mut self.owners {
            for item in &mut owner.items {
                if !owner.own {
                    unwanted.insert(item.rule.clone());
                    item.settle(Presence::Absent, *id, touched);
                    continue;
                }
                let asked = !wanted.insert(item.rule.clone());
                if table.rules().contains(&item.rule) {
                    item.settle(Presence::Present, *id, touched);
                } else if !item.tried || !owner.no_repair && allows(Repair::Rule(item.rule.clone()))
                {
                    item.tried = true;
                    if !asked {
                        adds.push(Operation::AddRule(item.rule.clone()));
                    }
                } else {
                    item.wait(*id, touched);
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
            for item in owner.items.iter_mut().filter(|item| item.rule == *rule) {
                item.settle(presence.clone(), *id, touched);
            }
        }
    }
}

impl Item {
    /// It is not there, and not put back now. One that was refused remains so.
    fn wait(&mut self, id: RouterId, touched: &mut BTreeSet<RouterId>) {
        if self.presence == Presence::Present {
            self.settle(Presence::Absent, id, touched);
        }
    }

    fn settle(&mut self, presence: Presence, id: RouterId, touched: &mut BTreeSet<RouterId>) {
        if self.presence != presence {
            self.presence = presence;
            touched.insert(id);
        }
    }
}
