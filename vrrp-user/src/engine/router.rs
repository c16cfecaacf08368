//! What does the engine remember of one router.
use super::crowd::Crowd;
use super::expected::Expected;
use super::faults::{self, World};
use super::history::History;
use super::input::{Heard, LinkState};
use super::machine::Event;
use super::output::Output;
use super::snapshot::{Fault, Reason, State};
use super::timing;
use super::tracking::Tracking;
use crate::config::model::{Instance, Name, Vip};
use crate::config::tracked::SyncGroup;
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use vrrp_common::ident::{Priority, RouterId};
use vrrp_common::time::Instant;

/// One process that is late is late for all of its routers, so one remark in this time says it.
const LATE_REMARKS: Duration = Duration::from_secs(10);

/// What a router may use while one input is handled.
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) id: RouterId,
    pub(super) world: World<'a>,
    pub(super) outputs: &'a mut VecDeque<Output>,
    pub(super) generations: &'a mut u32,
    pub(super) crowd: &'a mut Crowd,
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
    /// `garp_extra_if`.
    pub(super) elsewhere: Option<Instant>,
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
    pub(super) group: Option<Arc<SyncGroup>>,
    pub(super) state: State,
    pub(super) since: Instant,
    /// Its own: those of the other members of its group are not among them.
    pub(super) faults: BTreeSet<Fault>,
    /// It has not been backup or master yet, and does not become so before it is known what the
    /// objects it tracks are like.
    pub(super) waits: bool,
    /// After tracking.
    pub(super) priority: Priority,
    pub(super) source: Option<IpAddr>,
    /// The dataplane and the sockets have a place for it.
    pub(super) placed: bool,
    pub(super) timers: Timers,
    /// Backup: when the Active_Down_Timer was last set.
    pub(super) heard_at: Instant,
    /// Backup: it was set to Skew_Time, for the master resigned.
    pub(super) resigned: bool,
    /// Backup: a lower master was heard since.
    pub(super) lower_heard: bool,
    /// Backup: its timer has ended, but not every member of its group may be master.
    pub(super) ready: bool,
    /// Backup: lower masters are put up with until then (`preempt_delay`).
    pub(super) patient_until: Option<Instant>,
    /// Living masters are not preempted until then, for an operator said so.
    pub(super) held_until: Option<Instant>,
    /// Active_Adver_Interval.
    pub(super) master_interval: Duration,
    pub(super) master: Option<IpAddr>,
    pub(super) master_priority: Option<Priority>,
    /// Backup: who set the timer, by an advert of which version.
    pub(super) followed: Option<(IpAddr, u8)>,
    pub(super) expected: Expected,
    /// Active: when a lower or resigning router was last answered out of turn.
    pub(super) answered: Option<Instant>,
    /// Active: when it was last told that a lower router was heard.
    pub(super) lower_told: Option<Instant>,
    /// The last remark made: about whom, and which. Boxed, for there is seldom one.
    pub(super) remarked: Option<Box<(Instant, IpAddr, &'static str)>>,
    pub(super) counts: Counts,
    pub(super) history: History,
    pub(super) prevented: Vec<u64>,
}

impl Router {
    /// A router that has not started.
    pub(super) fn new(
        now: Instant,
        instance: Arc<Instance>,
        group: Option<Arc<SyncGroup>>,
        world: World<'_>,
    ) -> Self {
        let mut router = Self {
            state: State::Initialize,
            since: now,
            faults: BTreeSet::new(),
            waits: true,
            priority: instance.priority,
            source: None,
            placed: true,
            timers: Timers::default(),
            heard_at: now,
            resigned: false,
            lower_heard: false,
            ready: false,
            patient_until: None,
            held_until: None,
            master_interval: instance.advert_interval,
            master: None,
            master_priority: None,
            followed: None,
            expected: Expected::default(),
            answered: None,
            lower_told: None,
            remarked: None,
            counts: Counts::default(),
            history: History::new(now),
            prevented: Vec::new(),
            instance,
            group,
        };
        router.priority = faults::effective_priority(router.tracking(), world);
        router.carry_prevented(&[], &[], world);
        router
    }

    /// Everything it tracks.
    pub(super) fn tracking(&self) -> Tracking<'_> {
        Tracking { instance: &self.instance, group: self.group.as_deref() }
    }

    /// When its next timer ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let Timers { main, second_round, refresh, lower, elsewhere } = self.timers;
        [main, second_round, refresh, lower, elsewhere].into_iter().flatten().min()
    }

    /// Skew_Time at this moment.
    pub(super) fn skew(&self) -> Duration {
        timing::skew(self.instance.version, self.master_interval, self.priority)
    }

    /// Active_Down_Interval at this moment.
    pub(super) fn down_interval(&self) -> Duration {
        self.silence(self.master_interval)
    }

    /// Active_Down_Interval of a master that advertises at this interval.
    pub(super) fn silence(&self, interval: Duration) -> Duration {
        let Instance { version, down_timer_adverts, .. } = *self.instance;
        timing::down_interval(version, interval, self.priority, down_timer_adverts)
    }

    /// Hears what the dataplane heard alone. News that is older is then old: what it would have
    /// done to a backup ended with the stamped advert.
    pub(super) fn catch_up(&mut self, cx: &mut Context<'_>, heard: &dyn Heard) {
        if let Some(advert) = self.expected.heard(cx.id, heard.stamp(cx.id)) {
            self.step(cx, Event::Advert(&advert));
        }
    }

    /// Says so where a master missed a whole interval: who looks for the reason of a flap should
    /// find it (RFC 9568 section 2.5). `said` is when it was last said of any.
    pub(super) fn remark_late(&self, cx: &mut Context<'_>, said: &mut Option<Instant>) {
        let Some(due) = self.timers.main.filter(|_| self.state == State::Active) else { return };
        let late = cx.now.since(due);
        if late < self.instance.advert_interval
            || said.is_some_and(|said| cx.now <= said + LATE_REMARKS)
        {
            return;
        }
        *said = Some(cx.now);
        let what = format!("this process is late: an advert was due {} ms ago", late.as_millis());
        cx.outputs.push_back(Output::Remark { router: cx.id, what });
    }

    /// Looks at what it tracks again: address, priority and faults are what the world says then. What
    /// follows from the faults is left to [`Self::settle`] or to its group.
    pub(super) fn look(&mut self, cx: &mut Context<'_>) {
        let source = faults::source(&self.instance, cx.world.links);
        if source != self.source {
            self.source = source;
            cx.outputs.push_back(Output::Source { router: cx.id, source });
        }
        let priority = faults::effective_priority(self.tracking(), cx.world);
        if priority != self.priority {
            self.priority = priority;
            cx.outputs.push_back(Output::PriorityChanged { router: cx.id, priority });
            self.rules_changed(cx);
        }
        self.faults = faults::faults(self.tracking(), cx.world, self.waits);
        if !self.placed {
            let object = self.instance.interface.clone();
            self.faults.insert(Fault { reason: Reason::Dataplane, object });
        }
    }

    /// An interface stopped working: counts the faults that `no_track` prevents.
    pub(super) fn link_lost(&mut self, name: &Name) {
        if faults::needs(self.tracking(), name) {
            return;
        }
        let mut prevented = std::mem::take(&mut self.prevented);
        for (index, vip) in self.instance.vips().enumerate() {
            if vip.dev == *name && vip.no_track {
                count(&mut prevented, index);
            }
        }
        self.prevented = prevented;
    }

    /// Keeps the counts of addresses that stay; what is new on a dead link is prevented at once.
    pub(super) fn carry_prevented(&mut self, vips: &[Vip], counts: &[u64], world: World<'_>) {
        let mut prevented = Vec::new();
        for (index, vip) in self.instance.vips().enumerate() {
            let before = vips
                .iter()
                .position(|before| before.address == vip.address && before.dev == vip.dev);
            let carried = match before {
                Some(before) => counts.get(before).copied().unwrap_or(0),
                None => {
                    u64::from(faults::spared(self.tracking(), vip) && !world.links.up(&vip.dev))
                }
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
