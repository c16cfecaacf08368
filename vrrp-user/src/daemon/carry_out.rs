//! What becomes of each thing the engine asks for, and of each change of a link.
use super::advert_loop::{AdvertLoop, known};
use super::groups::Wanted;
use super::past::Transition;
use super::placed::Place;
use super::remarked::Remarked;
use super::{clock, plan};
use crate::config::model::{Instance, Name};
use crate::dataplane::port::PortReport;
use crate::engine::input::{Input, LinkState};
use crate::engine::output::{Expectation, Output, Why};
use crate::engine::snapshot::State;
use crate::net::task::{Command, Link};
use crate::notify::event::{Event, Notice};
use crate::report::why::reason;
use anyhow::Context as _;
use std::net::IpAddr;
use std::sync::Arc;
use vrrp_common::ident::{Priority, RouterId};
use vrrp_common::layout::{Expect, address};
use vrrp_common::time::Instant;

/// What the loop keeps of a router.
#[derive(Clone, Debug)]
pub struct Router {
    /// Its configuration.
    pub instance: Arc<Instance>,
    /// Where its adverts come from.
    pub source: Option<IpAddr>,
    /// Its effective priority, as it was told last.
    pub priority: Priority,
    /// Its announced addresses, sorted.
    pub addresses: Vec<IpAddr>,
    /// When news of another master last came.
    pub heard: Instant,
    /// Remarks that the loop made itself.
    pub remarked: Remarked,
    /// When its counters were last at zero.
    pub counted_since: Instant,
    /// Whether dataplane and sockets have a place for it, as far as it is known.
    pub place: Place,
}

/// What the loop keeps of an interface that adverts are received on.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// Its index when it was opened.
    pub ifindex: u32,
    /// Whether its best path is being asked for.
    pub pending: bool,
    /// Whether anything is received meanwhile.
    pub ready: bool,
}

impl AdvertLoop {
    /// Does what the engine asks for.
    pub(super) fn carry_out(&mut self, output: Output) {
        match output {
            Output::Started { router, instance } => self.started(router, instance),
            Output::Stopped { router } => self.stopped(router),
            Output::Source { router, source } => {
                if let Some(Some(known)) = self.routers.get_mut(router.index()) {
                    known.source = source;
                    self.place(router);
                }
            }
            Output::Advert { router, priority } => {
                if self.place_of(router).says(priority) {
                    self.transmitter.queue(router, priority);
                }
            }
            Output::Own { router, own: true, .. } if !self.place_of(router).works() => {}
            Output::Own { router, own, announce } => {
                self.send_net(Command::Own { router, own, announce });
            }
            Output::Announce { router, times } => {
                self.send_net(Command::Announce { router, times });
            }
            Output::AnnounceElsewhere { router } => {
                self.send_net(Command::AnnounceElsewhere { router });
            }
            Output::Expect { router, expectation } => {
                let expect = expectation.map_or_else(Expect::default, |e| layout(&e));
                self.plane.expect(router, &expect);
            }
            Output::Transition { router, from, to, priority, why } => {
                self.transition(router, from, to, priority, &why);
            }
            Output::GroupTransition { group, to } => self.group_transition(&group, to),
            Output::LowerHeard { router } => self.notify(router, Event::LowerHeard, None),
            Output::PriorityChanged { router, priority } => {
                self.priority_changed(router, priority);
            }
            Output::Remark { router, what } => {
                if let Some(known) = known(&self.routers, router) {
                    tracing::warn!("({}) {what}", known.instance.name);
                }
            }
        }
    }

    fn started(&mut self, router: RouterId, instance: Arc<Instance>) {
        if self.routers.len() <= router.index() {
            self.routers.resize(router.index() + 1, None);
        }
        let mut addresses: Vec<IpAddr> = instance.addresses.iter().map(|v| v.address).collect();
        addresses.sort_unstable();
        let slot = &mut self.routers[router.index()];
        let before = slot.take();
        *slot = Some(match before {
            Some(before) => Router { instance: Arc::clone(&instance), addresses, ..before },
            None => Router {
                instance: Arc::clone(&instance),
                source: None,
                priority: instance.priority,
                addresses,
                heard: Instant::ZERO,
                remarked: Remarked::default(),
                counted_since: clock::now(),
                place: Place::Unknown,
            },
        });
        self.send_net(Command::Router { router, instance: Arc::clone(&instance) });
        if let Err(e) = self.open_port(&instance.interface) {
            tracing::error!("{e:#}");
        }
        self.place(router);
    }

    fn stopped(&mut self, router: RouterId) {
        let Some(Some(gone)) = self.routers.get_mut(router.index()).map(Option::take) else {
            return;
        };
        // Its last words are still queued.
        self.transmitter.flush();
        self.transmitter.remove_router(router);
        self.plane.remove_router(router);
        self.counted_since = clock::now();
        self.groups.be(router, None);
        self.send_net(Command::Forget { router });
        self.close_if_unused(&gone.instance.interface);
        let event = if self.stopping { Event::Stop } else { Event::Deleted };
        self.workers.notifier.tell(Notice::instance(&gone.instance, event, gone.priority));
    }

    /// Tells of a router, with the priority it has.
    fn notify(&mut self, router: RouterId, event: Event, priority: Option<Priority>) {
        let Some(Some(known)) = self.routers.get_mut(router.index()) else { return };
        known.priority = priority.unwrap_or(known.priority);
        self.workers.notifier.tell(Notice::instance(&known.instance, event, known.priority));
    }

    fn group_transition(&self, name: &Name, to: State) {
        tracing::info!("Group({name}) is {to} now");
        let event = match to {
            State::Active => Event::Master,
            State::Backup => Event::Backup,
            State::Fault => Event::Fault,
            State::Initialize => return,
        };
        if let Some(group) = self.config.groups.iter().find(|group| group.name == *name) {
            self.workers.notifier.tell(Notice::group(group, event));
        }
    }

    /// The groups stop, after all their members.
    pub(super) fn groups_stop(&self) {
        for group in &self.config.groups {
            self.workers.notifier.tell(Notice::group(group, Event::Stop));
        }
    }

    /// Tells dataplane, sockets and transmitter about a router whose interface exists.
    fn place(&mut self, router: RouterId) {
        let Some(known) = known(&self.routers, router) else { return };
        let instance = Arc::clone(&known.instance);
        let source = known.source;
        let Some(link) = self.links.get(&instance.interface).filter(|link| link.ifindex != 0)
        else {
            self.transmitter.remove_router(router);
            self.groups.be(router, None);
            return;
        };
        let (ifindex, mac) = (link.ifindex, link.mac);
        let mut works = true;
        if let Err(e) = self.transmitter.set_router(router, &instance, ifindex, mac, source) {
            tracing::error!("({}) adverts cannot be sent: {e}", instance.name);
            works = false;
        }
        let wanted = plan::group(&instance).map(|group| Wanted {
            ifindex,
            group,
            instance: instance.name.clone(),
            interface: instance.interface.clone(),
        });
        self.groups.be(router, wanted);
        if self.open.contains_key(&instance.interface) {
            works &= self.judge(router);
            if !self.opened.contains(&instance.interface) {
                self.opened.push(instance.interface.clone());
            }
        }
        if let Some(Some(known)) = self.routers.get_mut(router.index()) {
            let before = known.place;
            known.place = before.tried(works);
            if known.place.works() != before.works() {
                self.placements.push((router, works));
            }
        }
    }

    /// Tells the dataplane what a router takes; whether it has a place for it.
    fn judge(&mut self, router: RouterId) -> bool {
        let Some(known) = known(&self.routers, router) else { return true };
        let Router { instance, source, priority, .. } = known;
        let rule = plan::rule(router, instance, *source, *priority);
        let done = self.plane.set_router(&instance.interface, &rule);
        if let Err(e) = &done {
            tracing::error!("({}) adverts cannot be received: {e:#}", instance.name);
        }
        done.is_ok()
    }

    /// Tries those again for which there was no place.
    pub(super) fn place_again(&mut self) {
        let lost: Vec<RouterId> = (0..)
            .zip(&self.routers)
            .filter(|(_, router)| router.as_ref().is_some_and(|router| !router.place.works()))
            .map(|(id, _)| RouterId(id))
            .collect();
        for router in lost {
            self.place(router);
        }
        self.tell_placements(clock::now());
    }

    fn place_of(&self, router: RouterId) -> Place {
        known(&self.routers, router).map_or(Place::Unknown, |known| known.place)
    }

    /// Begins to receive on an interface that a router needs, if it exists.
    pub(super) fn open_port(&mut self, name: &Name) -> anyhow::Result<()> {
        let Some(ifindex) = self.links.get(name).map(|link| link.ifindex) else { return Ok(()) };
        if ifindex == 0 || self.open.get(name).is_some_and(|open| open.ifindex == ifindex) {
            return Ok(());
        }
        let port = self.plane.open(name, ifindex).context(DEAF)?;
        if !port.pending {
            say_path(&port);
        }
        let opened = Opened { ifindex, pending: port.pending, ready: port.ready };
        self.open.insert(name.clone(), opened);
        self.watched.clear();
        Ok(())
    }

    /// Whether adverts are received on an interface.
    pub(super) fn hears(&self, name: &Name) -> bool {
        self.open.get(name).is_some_and(|open| open.ready)
    }

    pub(super) fn used(&self, name: &Name) -> bool {
        self.routers.iter().flatten().any(|r| r.instance.interface == *name)
    }

    pub(super) fn close_if_unused(&mut self, name: &Name) {
        if !self.used(name) && self.open.contains_key(name) {
            self.close_port(name);
        }
    }

    /// A link appeared, changed or vanished.
    pub(super) fn link(&mut self, link: Link) {
        let name = link.name.clone();
        let before = self.links.insert(name.clone(), link.clone());
        let same_device =
            before.as_ref().is_some_and(|b| b.ifindex == link.ifindex && b.mac == link.mac);
        if self.open.get(&name).is_some_and(|open| open.ifindex != link.ifindex) {
            self.close_port(&name);
        }
        let was_open = self.open.contains_key(&name);
        if self.used(&name)
            && let Err(e) = self.open_port(&name)
        {
            tracing::error!("{e:#}");
        }
        if !same_device || was_open != self.open.contains_key(&name) {
            self.place_all(&name);
        }
        let addresses = link.addresses.clone();
        self.tell(clock::now(), Input::Addresses { name: name.clone(), addresses });
        self.tell_link(&name);
        if link.ifindex == 0 {
            self.links.remove(&name);
        }
    }

    /// Stops receiving on an interface. What was counted there is forgotten, and reports say so.
    fn close_port(&mut self, name: &Name) {
        self.open.remove(name);
        self.plane.close(name);
        self.watched.clear();
        self.counted_since = clock::now();
        for known in self.routers.iter_mut().flatten() {
            if known.instance.interface == *name {
                known.remarked = Remarked::default();
                known.counted_since = self.counted_since;
            }
        }
    }

    pub(super) fn place_all(&mut self, name: &Name) {
        let on_it: Vec<RouterId> = self
            .routers
            .iter()
            .zip(0..)
            .filter(|(r, _)| r.as_ref().is_some_and(|r| r.instance.interface == *name))
            .map(|(_, id)| RouterId(id))
            .collect();
        for router in on_it {
            self.place(router);
        }
    }

    /// Tells the engine how a link is.
    pub(super) fn tell_link(&mut self, name: &Name) {
        let Some(link) = self.links.get(name) else { return };
        let mut state = link.state;
        if let LinkState::Up(addresses) = state {
            // A router that hears nothing must not become master: for it the interface is down.
            state = if self.used(name) && !self.hears(name) {
                LinkState::Down(addresses)
            } else {
                LinkState::Up(addresses)
            };
        }
        self.tell_of_many(clock::now(), Input::Link { name: name.clone(), state });
    }

    /// Takes note of ports that changed by themselves.
    pub(super) fn take_changes(&mut self) {
        for port in self.plane.changes() {
            self.watched.clear();
            let name: Name = port.interface.as_str().into();
            let Some(open) = self.open.get_mut(&name) else { continue };
            let was = *open;
            *open = Opened { pending: port.pending, ready: port.ready, ..was };
            if was.pending && !port.ready {
                self.close_port(&name);
                let why = port.why.as_deref().unwrap_or("no reason known");
                let why = format!("{DEAF}: {name}: cannot receive: {why}");
                if let Some(why) = self.refuse(&name, why) {
                    tracing::error!("{why}");
                }
            } else if was.pending {
                say_path(&port);
            } else {
                let path = port.path.name();
                let why = port.why.as_deref().unwrap_or("no reason known");
                tracing::warn!("{name}: adverts take the {path} path from now on: {why}");
            }
            if self.hears(&name) != was.ready && self.used(&name) {
                self.tell_link(&name);
            }
        }
    }

    fn transition(
        &mut self,
        router: RouterId,
        from: State,
        to: State,
        priority: Priority,
        why: &Why,
    ) {
        let stamped = self.plane.stamp(router).at;
        let Some(Some(known)) = self.routers.get_mut(router.index()) else { return };
        if to == State::Active && !known.place.works() {
            return;
        }
        let (now, name) = (clock::now(), &known.instance.name);
        if to == State::Active {
            let heard = std::mem::replace(&mut known.heard, Instant::ZERO);
            let follows = matches!(why, Why::MasterDown | Why::MasterResigned);
            if follows && heard != Instant::ZERO {
                self.takeover.observe(now.since(heard.max(stamped)));
            }
        }
        let instance = name.clone();
        self.past.push(Transition { at: now, instance, from, to, priority, why: why.clone() });
        let why = why_words(why);
        let event = match to {
            State::Active => {
                tracing::info!("({name}) Entering MASTER STATE (was {from}): {why}");
                Event::Master
            }
            State::Backup => {
                tracing::info!("({name}) Entering BACKUP STATE (was {from}): {why}");
                Event::Backup
            }
            State::Fault => {
                tracing::warn!("({name}) Entering FAULT STATE (was {from}): {why}");
                Event::Fault
            }
            State::Initialize => {
                tracing::info!("({name}) Stopped (was {from}): {why}");
                return;
            }
        };
        self.notify(router, event, Some(priority));
    }

    fn priority_changed(&mut self, router: RouterId, priority: Priority) {
        let Some(Some(known)) = self.routers.get_mut(router.index()) else { return };
        known.priority = priority;
        let (instance, works) = (Arc::clone(&known.instance), known.place == Place::Found);
        tracing::info!("({}) Changing effective priority to {priority}", instance.name);
        if works && self.open.contains_key(&instance.interface) {
            // It has a place already.
            self.judge(router);
        }
        if instance.notify_priority_changes {
            let master = self
                .engine
                .router_snapshot(router)
                .is_some_and(|snapshot| snapshot.state == State::Active);
            let event = if master { Event::MasterPriority } else { Event::BackupPriority };
            self.notify(router, event, Some(priority));
        }
    }
}

/// What it means for an interface to have no path.
const DEAF: &str = "no adverts can be received";

fn say_path(port: &PortReport) {
    let (name, path) = (&port.interface, port.path.name());
    match &port.why {
        Some(why) => tracing::warn!("{name}: adverts take the {path} path: {why}"),
        None => tracing::info!("{name}: adverts take the {path} path"),
    }
}

/// An expectation as the map holds it.
fn layout(expectation: &Expectation) -> Expect {
    Expect {
        generation: expectation.generation,
        remarks: expectation.remarks,
        source: address(expectation.source),
        header: expectation.header.0,
    }
}

/// A reason in words.
pub fn why_words(why: &Why) -> String {
    match why {
        Why::Startup => "started".to_owned(),
        Why::Shutdown => "stopping".to_owned(),
        Why::MasterDown => "no advert within the down interval".to_owned(),
        Why::MasterResigned => "the master resigned with priority 0".to_owned(),
        Why::Preempted => "the master has a lower priority".to_owned(),
        Why::HigherPriority { source, priority } => {
            format!("{source} has the higher priority {priority}")
        }
        Why::HigherAddress { source } => format!("{source} has our priority and a higher address"),
        Why::Faulty(fault) => format!("{} {}", reason(fault.reason), fault.object),
        Why::Recovered => "the last fault is gone".to_owned(),
        Why::AddressLost { address } => format!("address {address} was removed by someone else"),
        Why::Demoted => "demoted by an operator".to_owned(),
        Why::Synced { member } => format!("with {member} of its sync group"),
        Why::Late => "this daemon was late and another router took over".to_owned(),
    }
}
