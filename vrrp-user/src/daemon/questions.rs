//! What may be asked of the loop, and how it answers without being late for an advert.
use super::advert_loop::AdvertLoop;
use super::carry_out::Router;
use super::clock;
use super::past::Transition;
use super::reject_log;
use crate::config::model::Name;
use crate::dataplane::mirror::{Mirror, Wanted};
use crate::engine::input::{Input, Stamp};
use crate::engine::snapshot::{RouterSnapshot, State};
use crate::report::view::View;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use vrrp_common::ident::RouterId;
use vrrp_common::layout::Counts;
use vrrp_common::time::Instant;

/// Routers that are copied for a report in one round: between two rounds adverts go out.
const ROUTERS_A_ROUND: usize = 64;

/// An answer about one instance, or the names there are.
pub type Found<T> = Result<T, Vec<Name>>;

/// What may be asked.
#[derive(Debug)]
pub enum Question {
    /// A copy of everything for a report: one for all who wait.
    View(oneshot::Sender<Arc<View>>),
    /// The same with one instance only.
    One(String, oneshot::Sender<Found<View>>),
    /// The last transitions, oldest first.
    Past(oneshot::Sender<Vec<Transition>>),
    /// Announce the addresses of a master, or of all. Says whether there was one.
    Announce(Option<String>, oneshot::Sender<Found<usize>>),
    /// Take the mastership away. Says in which state it was.
    Demote {
        /// The instance.
        name: String,
        /// How long it preempts no other master.
        hold: Duration,
        /// The state it was in.
        answer: oneshot::Sender<Found<State>>,
    },
    /// What is known of rejected packets.
    Rejects(oneshot::Sender<reject_log::Known>),
    /// Show judged frames.
    Capture {
        /// Of this instance only.
        instance: Option<String>,
        /// Bits of [`vrrp_common::mirror::wanted`].
        verdicts: u32,
        /// Where they are shown.
        answer: oneshot::Sender<Found<std::io::Result<Capture>>>,
    },
    /// Whether the loop turns.
    Ping(oneshot::Sender<()>),
}

/// Where judged frames are shown, until another configuration is loaded.
#[derive(Debug)]
pub struct Capture {
    /// The frames.
    pub mirror: Mirror,
    /// Names of routers, by number.
    pub routers: Vec<Option<Name>>,
}

/// Who waits for a copy of everything, and how much of it there is.
#[derive(Debug, Default)]
pub struct Viewing {
    /// Those for whom the present copy is made.
    served: Vec<oneshot::Sender<Arc<View>>>,
    /// Those who came later.
    waiting: Vec<oneshot::Sender<Arc<View>>>,
    /// The next router to copy.
    next: u32,
    routers: Vec<(RouterSnapshot, Counts)>,
}

impl AdvertLoop {
    /// Answers, or begins to.
    pub(super) fn asked(&mut self, question: Question) {
        // Whoever asked may be gone, which is no concern of the loop.
        match question {
            Question::View(answer) => self.viewing.waiting.push(answer),
            Question::One(name, answer) => {
                let found = self.found(&name).map(|router| {
                    let routers = self.copy(router).into_iter().collect();
                    self.view(routers)
                });
                let _gone = answer.send(found);
            }
            Question::Past(answer) => {
                let _gone = answer.send(self.past.all());
            }
            Question::Announce(name, answer) => {
                let _gone = answer.send(self.announce(name.as_deref()));
            }
            Question::Demote { name, hold, answer } => {
                let found = self.found(&name).map(|router| {
                    let before = self.engine.router_snapshot(router);
                    self.tell(clock::now(), Input::Demote { router, hold });
                    before.map_or(State::Initialize, |before| before.state)
                });
                let _gone = answer.send(found);
            }
            Question::Rejects(answer) => {
                let _gone = answer.send(self.rejects());
            }
            Question::Capture { instance, verdicts, answer } => {
                let _gone = answer.send(self.capture(instance.as_deref(), verdicts));
            }
            Question::Ping(answer) => {
                let _gone = answer.send(());
            }
        }
    }

    /// Copies some more routers for who waits for all; at the start, when there is something to
    /// report.
    pub(super) fn show(&mut self) {
        if self.proposals.none_applied() {
            return;
        }
        if self.viewing.served.is_empty() {
            if self.viewing.waiting.is_empty() {
                return;
            }
            self.viewing.served = std::mem::take(&mut self.viewing.waiting);
            self.viewing.next = 0;
            self.viewing.routers = Vec::with_capacity(self.routers.len());
        }
        let end = u32::try_from(self.routers.len()).unwrap_or(u32::MAX);
        for _ in 0..ROUTERS_A_ROUND {
            if self.viewing.next >= end {
                break;
            }
            let router = RouterId(self.viewing.next);
            self.viewing.next += 1;
            if let Some(copy) = self.copy(router) {
                self.viewing.routers.push(copy);
            }
        }
        if self.viewing.next >= end {
            let routers = std::mem::take(&mut self.viewing.routers);
            let view = Arc::new(self.view(routers));
            for answer in std::mem::take(&mut self.viewing.served) {
                let _gone = answer.send(Arc::clone(&view));
            }
        }
        if !self.viewing.served.is_empty() || !self.viewing.waiting.is_empty() {
            self.come_back();
        }
    }

    fn found(&self, name: &str) -> Found<RouterId> {
        self.engine.find(name).ok_or_else(|| {
            self.routers.iter().flatten().map(|router| router.instance.name.clone()).collect()
        })
    }

    fn announce(&mut self, name: Option<&str>) -> Found<usize> {
        let routers = match name {
            Some(name) => vec![self.found(name)?],
            None => (0..).take(self.routers.len()).map(RouterId).collect(),
        };
        let mut masters = 0;
        for router in routers {
            let snapshot = self.engine.router_snapshot(router);
            if snapshot.is_some_and(|snapshot| snapshot.state == State::Active) {
                masters += 1;
                self.tell(clock::now(), Input::Announce(router));
            }
        }
        Ok(masters)
    }

    /// One router as it is now.
    fn copy(&self, router: RouterId) -> Option<(RouterSnapshot, Counts)> {
        let mut snapshot = self.engine.router_snapshot(router)?;
        let mut counts = self.plane.counts(router);
        snapshot.history.protocol_error = self.plane.protocol_error(router);
        if let Some(Some(known)) = self.routers.get(router.index()) {
            known.remarked.add_to(&mut counts);
            snapshot.history.counts_since = known.counted_since;
        }
        // The engine looks at the stamp when its deadline is over, and not before.
        if snapshot.state == State::Backup {
            let stamp = self.plane.stamp(router);
            snapshot.deadline = stamped_deadline(snapshot.deadline, stamp, snapshot.down_interval);
        }
        Some((snapshot, counts))
    }

    fn capture(
        &mut self,
        instance: Option<&str>,
        verdicts: u32,
    ) -> Found<std::io::Result<Capture>> {
        let router = instance.map(|name| self.found(name)).transpose()?;
        let routers = self.routers.iter().map(name).collect();
        let mirror = self.plane.mirror(Wanted { verdicts, router });
        Ok(mirror.map(|mirror| Capture { mirror, routers }))
    }

    fn rejects(&mut self) -> reject_log::Known {
        let ports = self.plane.ports().into_iter().map(|port| (port.port, port.interface));
        reject_log::Known {
            routers: self.routers.iter().map(name).collect(),
            ports: ports.collect(),
            rejected: self.plane.rejected(),
            unknown_vrids: self.config.globals.log_unknown_vrids,
        }
    }

    fn view(&self, routers: Vec<(RouterSnapshot, Counts)>) -> View {
        View {
            now: clock::now(),
            config: Arc::clone(&self.config),
            counted_since: self.counted_since,
            routers,
            groups: self.engine.groups(),
            scripts: self.engine.scripts(&self.config),
            ports: self.plane.ports(),
            events: self.events,
            wakeups: self.wakeups,
            send_errors: self.transmitter.total().failed,
            takeover: self.takeover.clone(),
            lateness: self.lateness.clone(),
        }
    }
}

fn name(router: &Option<Router>) -> Option<Name> {
    router.as_ref().map(|router| router.instance.name.clone())
}

/// When the silence of a master that `stamp` is of ends, if that is later than `deadline`.
fn stamped_deadline(
    deadline: Option<Instant>,
    stamp: Stamp,
    down_interval: Duration,
) -> Option<Instant> {
    deadline.map(|deadline| match stamp.at {
        Instant::ZERO => deadline,
        at => deadline.max(at + down_interval),
    })
}
