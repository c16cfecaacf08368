//! What does the engine remember of one router.
use super::expected::Expected;
use super::faults;
use super::history::History;
use super::input::{Heard, LinkState};
use super::links::Links;
use super::machine::Event;
use super::output::Output;
use super::snapshot::{Fault, RouterSnapshot, State};
use super::timing;
use crate::config::model::{Instance, Name, Vip};
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use vrrp_common::ident::{Priority, RouterId};
use vrrp_common::time::Instant;

/// What a router may use while one input is handled.
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) id: RouterId,
    pub(super) links: &'a Links,
    pub(super) outputs: &'a mut VecDeque<Output>,
    pub(super) generations: &'a mut u32,
}

/// Timers of one router. Only the earliest is in the engine's heap.
#[derive(Clone, Copy, Default)]
pub(super) struct Timers {
    /// Startup delay in Initialize, Active_Down_Timer in Backup, Adver_Timer in Active.
    pub(super) main: Option<Instant>,
    /// `garp_master_delay`.
    pub(super) second_round: Option<Instant>,
    /// `garp_master_refresh`.
    pub(super) refresh: Option<Instant>,
    /// `garp_lower_prio_delay`.
    pub(super) lower: Option<Instant>,
}

/// What is counted of one router.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) adverts_sent: u64,
    pub(super) priority_zero_sent: u64,
    pub(super) became_master: u64,
    pub(super) released_master: u64,
}

/// One virtual router.
#[derive(Clone)]
pub(super) struct Router {
    pub(super) instance: Arc<Instance>,
    pub(super) state: State,
    pub(super) since: Instant,
    pub(super) faults: BTreeSet<Fault>,
    /// After tracking.
    pub(super) priority: Priority,
    pub(super) source: Option<IpAddr>,
    pub(super) timers: Timers,
    /// Backup: when the Active_Down_Timer was last set.
    pub(super) heard_at: Instant,
    /// Backup: it was set to Skew_Time, for the master resigned.
    pub(super) resigned: bool,
    /// Backup: a lower master was heard since.
    pub(super) lower_heard: bool,
    /// Backup: lower masters are put up with until then (`preempt_delay`).
    pub(super) patient_until: Option<Instant>,
    /// Active_Adver_Interval.
    pub(super) master_interval: Duration,
    pub(super) master: Option<IpAddr>,
    pub(super) master_priority: Option<Priority>,
    /// Backup: who set the timer, by an advert of which version.
    pub(super) followed: Option<(IpAddr, u8)>,
    pub(super) expected: Expected,
    /// Active: when a lower or resigning router was last answered out of turn.
    pub(super) answered: Option<Instant>,
    /// The last remark made: about whom, and which.
    pub(super) remarked: Option<(Instant, IpAddr, &'static str)>,
    pub(super) counts: Counts,
    pub(super) history: History,
    prevented: Vec<u64>,
}

impl Router {
    /// A router that has not started.
    pub(super) fn new(now: Instant, instance: Arc<Instance>, links: &Links) -> Self {
        let mut router = Self {
            state: State::Initialize,
            since: now,
            faults: faults::faults(&instance, links),
            priority: faults::effective_priority(&instance, links),
            source: None,
            timers: Timers::default(),
            heard_at: now,
            resigned: false,
            lower_heard: false,
            patient_until: None,
            master_interval: instance.advert_interval,
            master: None,
            master_priority: None,
            followed: None,
            expected: Expected::default(),
            answered: None,
            remarked: None,
            counts: Counts::default(),
            history: History::new(now),
            prevented: Vec::new(),
            instance,
        };
        router.carry_prevented(&[], &[], links);
        router
    }

    /// When its next timer ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let Timers { main, second_round, refresh, lower } = self.timers;
        [main, second_round, refresh, lower].into_iter().flatten().min()
    }

    /// Skew_Time at this moment.
    pub(super) fn skew(&self) -> Duration {
        timing::skew(self.instance.version, self.master_interval, self.priority)
    }

    /// Active_Down_Interval at this moment.
    pub(super) fn down_interval(&self) -> Duration {
        timing::down_interval(
            self.instance.version,
            self.master_interval,
            self.priority,
            self.instance.down_timer_adverts,
        )
    }

    /// Hears what the dataplane heard alone. News that is older is then old: what it would have
    /// done to a backup ended with the stamped advert.
    pub(super) fn catch_up(&mut self, cx: &mut Context<'_>, heard: &dyn Heard) {
        if let Some(advert) = self.expected.heard(cx.id, heard.stamp(cx.id)) {
            self.step(cx, Event::Advert(&advert));
        }
    }

    /// How far ahead other backups may be looked at, for a backup that was due and has heard its master
    /// meanwhile: so far that whoever is looked at now is not due again before.
    pub(super) fn horizon(&self, cx: &Context<'_>) -> Option<Instant> {
        let alive = self.state == State::Backup && self.timers.main.is_some_and(|at| at > cx.now);
        alive.then(|| cx.now + self.down_interval() * 2 / 3)
    }

    /// Says so where a master missed a whole interval: who looks for the reason of a flap should
    /// find it (RFC 9568 section 2.5).
    pub(super) fn remark_late(&self, cx: &mut Context<'_>) -> bool {
        let Some(due) = self.timers.main.filter(|_| self.state == State::Active) else {
            return false;
        };
        let late = cx.now.since(due);
        if late < self.instance.advert_interval {
            return false;
        }
        let what = format!("this process is late: an advert was due {} ms ago", late.as_millis());
        cx.outputs.push_back(Output::Remark { router: cx.id, what });
        true
    }

    /// Looks at the interfaces again.
    pub(super) fn links_changed(&mut self, cx: &mut Context<'_>) {
        let source = faults::source(&self.instance, cx.links);
        if source != self.source {
            self.source = source;
            cx.outputs.push_back(Output::Source { router: cx.id, source });
        }
        let priority = faults::effective_priority(&self.instance, cx.links);
        if priority != self.priority {
            self.priority = priority;
            cx.outputs.push_back(Output::PriorityChanged { router: cx.id, priority });
            self.rules_changed(cx);
        }
        let faults = faults::faults(&self.instance, cx.links);
        if faults == self.faults {
            return;
        }
        let new = faults.iter().find(|fault| !self.faults.contains(*fault)).cloned();
        let was_faulty = !self.faults.is_empty();
        self.faults = faults;
        match (was_faulty, self.faults.is_empty(), new) {
            (false, false, Some(fault)) => self.step(cx, Event::Faulty(fault)),
            (true, true, _) => self.step(cx, Event::Recovered),
            _ => {}
        }
    }

    /// An interface stopped working: counts the faults that `no_track` prevents.
    pub(super) fn link_lost(&mut self, name: &Name) {
        let instance = &self.instance;
        for (index, vip) in instance.vips().enumerate() {
            if vip.dev == *name && faults::spared(instance, vip) {
                count(&mut self.prevented, index);
            }
        }
    }

    /// Keeps the counts of addresses that stay; what is new on a dead link is prevented at once.
    pub(super) fn carry_prevented(&mut self, vips: &[Vip], counts: &[u64], links: &Links) {
        let mut prevented = Vec::new();
        for (index, vip) in self.instance.vips().enumerate() {
            let before = vips
                .iter()
                .position(|before| before.address == vip.address && before.dev == vip.dev);
            let carried = match before {
                Some(before) => counts.get(before).copied().unwrap_or(0),
                None => u64::from(faults::spared(&self.instance, vip) && !links.up(&vip.dev)),
            };
            if carried > 0 {
                prevented.resize(index + 1, 0);
                prevented[index] = carried;
            }
        }
        self.prevented = prevented;
    }

    /// Takes the counts by address out, to be carried over.
    pub(super) fn take_prevented(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.prevented)
    }

    /// A copy for reports.
    pub(super) fn snapshot(&self, id: RouterId, links: &Links) -> RouterSnapshot {
        let mut prevented = self.prevented.clone();
        prevented.resize(self.instance.vips().count(), 0);
        RouterSnapshot {
            id,
            instance: self.instance.clone(),
            state: self.state,
            since: self.since,
            faults: self.faults.clone(),
            effective_priority: self.priority,
            weights: faults::weights(&self.instance, links)
                .map(|(name, weight)| (name.clone(), weight))
                .collect(),
            source: self.source,
            master: self.master,
            master_priority: self.master_priority,
            master_interval: self.master_interval,
            skew: self.skew(),
            down_interval: self.down_interval(),
            deadline: self.deadline(),
            adverts_sent: self.counts.adverts_sent,
            priority_zero_sent: self.counts.priority_zero_sent,
            became_master: self.counts.became_master,
            released_master: self.counts.released_master,
            history: self.history,
            prevented,
        }
    }
}

/// Counts one more at `index` of a list that is as long as it has to be.
fn count(counts: &mut Vec<u64>, index: usize) {
    if counts.len() <= index {
        counts.resize(index + 1, 0);
    }
    counts[index] = counts[index].saturating_add(1);
}

/// Whether a link stopped working between two states.
pub(super) fn stopped_working(before: LinkState, after: LinkState) -> bool {
    matches!(before, LinkState::Up(_)) && !matches!(after, LinkState::Up(_))
}
