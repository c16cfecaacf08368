//! What do the members of a sync group do together.
//!
//! A group is looked at after each input that changed how one of its members stands, so that all of
//! them change in the same drain. Its faults are those its members have on their own account: a fault
//! that a member has only because of another never holds the group back.
use super::Engine;
use super::input::Heard;
use super::machine::Event;
use super::output::{Output, Why};
use super::router::Router;
use super::snapshot::{Fault, GroupSnapshot, Reason, State};
use crate::config::model::Name;
use crate::config::tracked::SyncGroup;
use std::collections::BTreeSet;
use std::sync::Arc;
use vrrp_common::ident::RouterId;
use vrrp_common::time::Instant;

/// What the engine remembers of one group.
#[derive(Clone)]
pub(super) struct Group {
    pub(super) config: Arc<SyncGroup>,
    /// In the order of the configuration.
    pub(super) members: Arc<[RouterId]>,
    /// The state that was last told.
    state: State,
    since: Instant,
    /// It has waited for what its members track.
    waits: bool,
    /// Members with faults of their own.
    pub(super) faulty: BTreeSet<Name>,
}

/// How one member stands, as far as it matters to the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Standing {
    state: State,
    /// It has a fault of its own that is no mere lack of news.
    faulty: bool,
    /// It waits for news of what it tracks.
    waits: bool,
    /// It waits for the end of the startup delay.
    delayed: bool,
    /// Backup: its timer has ended.
    ready: bool,
    /// Initialize or Fault: by itself it would be master at once.
    leads: bool,
}

/// Who changed the group, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cause {
    pub(super) member: Option<RouterId>,
    /// What it knows is told to other routers, so that they need not wait.
    pub(super) resign: bool,
}

impl Cause {
    /// No member in particular.
    pub(super) const NONE: Self = Self { member: None, resign: false };
}

/// What all members should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    /// Not started.
    Wait,
    Be(State),
}

impl Router {
    pub(super) fn standing(&self, now: Instant) -> Standing {
        let waits = self.is_waiting();
        Standing {
            state: self.state,
            faulty: !waits && !self.faults.is_empty(),
            waits,
            delayed: self.state == State::Initialize && self.timers.main.is_some(),
            ready: self.ready,
            leads: self.leads(now),
        }
    }
}

impl Group {
    /// Of members that have not been told of.
    pub(super) fn new(now: Instant, config: Arc<SyncGroup>, members: Arc<[RouterId]>) -> Self {
        let state = State::Initialize;
        Self { config, members, state, since: now, waits: false, faulty: BTreeSet::new() }
    }

    /// The same group with another configuration.
    pub(super) fn change(self, config: Arc<SyncGroup>, members: Arc<[RouterId]>) -> Self {
        Self { config, members, ..self }
    }
}

fn verdict(members: &[Standing]) -> Verdict {
    let any = |what: fn(&Standing) -> bool| members.iter().any(what);
    let all = |what: fn(&Standing) -> bool| members.iter().all(what);
    let in_fault = any(|member| member.state == State::Fault);
    if any(|member| member.faulty) {
        return Verdict::Be(State::Fault);
    }
    if any(|member| member.waits) {
        // keepalived: what has a fault keeps it until all is known.
        return if in_fault { Verdict::Be(State::Fault) } else { Verdict::Wait };
    }
    if any(|member| member.state == State::Backup) {
        // keepalived: master only if everyone may, for anything else ends in flapping.
        return Verdict::Be(match all(|member| member.ready) {
            true => State::Active,
            false => State::Backup,
        });
    }
    if any(|member| member.state == State::Active) {
        // Those who are new to it join.
        return Verdict::Be(State::Active);
    }
    if !in_fault && any(|member| member.delayed) {
        return Verdict::Wait;
    }
    Verdict::Be(match all(|member| member.leads) {
        true => State::Active,
        false => State::Backup,
    })
}

impl Engine {
    /// Makes the members of a group agree.
    pub(super) fn settle(&mut self, now: Instant, name: &Name, cause: Cause, heard: &dyn Heard) {
        let Some(members) = self.groups.get(name).map(|group| group.members.clone()) else {
            return;
        };
        let mut caught_up = false;
        let target = loop {
            let verdict = verdict(&self.standings(now, &members));
            let Verdict::Be(target) = verdict else { break None };
            let agree = members.iter().all(|id| self.state_of(*id) == Some(target));
            if agree || caught_up {
                break Some(target);
            }
            // What a member heard in silence may be what keeps the group from changing.
            caught_up = true;
            for id in &*members {
                self.act(now, *id, |router, cx| router.catch_up(cx, heard));
            }
        };
        let before = self.outputs.len();
        if let Some(target) = target {
            self.change_members(now, &members, target, cause);
        }
        self.conclude(now, name, target, before);
    }

    fn change_members(&mut self, now: Instant, members: &[RouterId], target: State, cause: Cause) {
        let leader = self.leader(now, members, target, cause);
        let member = leader.and_then(|id| self.name_of(id));
        let running = members
            .iter()
            .any(|id| matches!(self.state_of(*id), Some(State::Backup | State::Active)));
        let first = leader.into_iter();
        for id in first.chain(members.iter().copied().filter(|id| Some(*id) != leader)) {
            self.act(now, id, |router, cx| {
                if router.state == target {
                    return;
                }
                let synced = || Why::Synced {
                    member: member.clone().unwrap_or_else(|| router.instance.name.clone()),
                };
                let own = match router.state {
                    State::Fault => Why::Recovered,
                    State::Initialize if !running => Why::Startup,
                    State::Initialize | State::Backup | State::Active => synced(),
                };
                let event = match target {
                    State::Fault => Event::Faulty(match (&member, router.faults.first()) {
                        (_, Some(own)) if !router.is_waiting() => own.clone(),
                        (Some(member), _) => {
                            Fault { reason: Reason::Member, object: member.clone() }
                        }
                        (None, own) => own.cloned().unwrap_or_else(|| Fault {
                            reason: Reason::Member,
                            object: router.instance.name.clone(),
                        }),
                    }),
                    State::Active => Event::Promoted(own),
                    State::Backup | State::Initialize => {
                        Event::Demoted { why: own, resign: cause.resign }
                    }
                };
                router.step(cx, event);
            });
        }
    }

    /// The member that takes the others along.
    fn leader(
        &self,
        now: Instant,
        members: &[RouterId],
        target: State,
        cause: Cause,
    ) -> Option<RouterId> {
        let leads = |id: &RouterId| {
            self.router(*id).is_some_and(|router| match target {
                State::Fault => router.standing(now).faulty,
                State::Active => router.ready || router.state == State::Active,
                State::Backup | State::Initialize => router.state == target,
            })
        };
        // In keepalived it changes before the others do.
        cause.member.filter(leads).or_else(|| members.iter().copied().find(leads))
    }

    /// Notes what the group is now, and tells of it if that is new.
    fn conclude(&mut self, now: Instant, name: &Name, target: Option<State>, before: usize) {
        let Some(group) = self.groups.get(name) else { return };
        let faulty = group.members.iter().filter_map(|id| self.routers.get(id.index())?.as_ref());
        let faulty = faulty.filter(|router| !router.faults.is_empty());
        let faulty = faulty.map(|router| router.instance.name.clone()).collect();
        let Some(group) = self.groups.get_mut(name) else { return };
        group.faulty = faulty;
        let to = target.unwrap_or(State::Initialize);
        if group.state == to {
            group.waits |= target.is_none() && !group.faulty.is_empty();
            return;
        }
        let starts = group.state == State::Initialize && !group.waits;
        (group.state, group.since, group.waits) = (to, now, false);
        if target.is_none() {
            // All of its members are new, and nobody was told that the old ones stopped together.
            return;
        }
        let output = Output::GroupTransition { group: name.clone(), to };
        match starts && to == State::Backup {
            true => self.outputs.insert(before, output),
            false => self.outputs.push_back(output),
        }
    }

    /// The other members of its group.
    pub(super) fn others(&self, id: RouterId) -> Vec<RouterId> {
        let group = self.router(id).and_then(|router| router.group.as_ref());
        let group = group.and_then(|group| self.groups.get(&group.name));
        group.map_or_else(Vec::new, |group| {
            group.members.iter().copied().filter(|other| *other != id).collect()
        })
    }

    /// Every group, by name.
    pub fn groups(&self) -> Vec<GroupSnapshot> {
        let mut groups: Vec<_> = self.groups.values().map(|group| self.group(group)).collect();
        groups.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        groups
    }

    fn group(&self, group: &Group) -> GroupSnapshot {
        let members = || group.members.iter().filter_map(|id| self.router(*id));
        let names = |of: fn(&&Router) -> bool| {
            members().filter(of).map(|router| router.instance.name.clone()).collect()
        };
        GroupSnapshot {
            name: group.config.name.clone(),
            state: group.state,
            since: group.since,
            members: names(|_| true),
            faulty: names(|router| !router.faults.is_empty()),
            ready: names(|router| router.ready),
        }
    }

    fn standings(&self, now: Instant, members: &[RouterId]) -> Vec<Standing> {
        members.iter().filter_map(|id| Some(self.router(*id)?.standing(now))).collect()
    }

    fn router(&self, id: RouterId) -> Option<&Router> {
        self.routers.get(id.index())?.as_ref()
    }

    fn state_of(&self, id: RouterId) -> Option<State> {
        self.router(id).map(|router| router.state)
    }

    fn name_of(&self, id: RouterId) -> Option<Name> {
        self.router(id).map(|router| router.instance.name.clone())
    }
}
