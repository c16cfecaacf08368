//! What does a router do when something happens: the state machine of RFC 9568 section 6.4.
//!
//! For version 2 it is that of RFC 3768 section 6.4, which differs only where an arm says so.
//! Fault is keepalived's: Initialize that ends by itself when the last fault goes away.
use super::history::Preempts;
use super::input::Advert;
use super::output::{Output, Why};
use super::router::{Context, Router, Timers};
use super::snapshot::{Fault, Reason, State};
use crate::config::model::Name;
use std::time::Duration;
use vrrp_common::ident::Priority;
use vrrp_common::time::Instant;

/// What can happen to one router.
pub(super) enum Event<'a> {
    /// It must stop.
    Shutdown,
    /// Its main timer ended.
    Expired,
    /// A valid advert.
    Advert(&'a Advert),
    /// The first fault.
    Faulty(Fault),
    /// The last fault is gone.
    Recovered,
    /// Someone removed a tracked address.
    Lost(Name),
    /// Every member of its sync group may be master, so all are.
    Promoted(Why),
    /// Not every member may, so none is.
    Demoted {
        /// For the log.
        why: Why,
        /// Others shall not wait for what is known already.
        resign: bool,
    },
}

impl Router {
    /// Does what `event` asks for in the present state.
    pub(super) fn step(&mut self, cx: &mut Context<'_>, event: Event<'_>) {
        match (self.state, event) {
            // RFC 9568 section 6.4.1; keepalived adds faults, and a `state MASTER` that does not wait.
            // It starts when its faults are looked at, or those of its group.
            (State::Initialize, Event::Expired) => {}
            // Section 6.4.1 knows no advert: nothing was started that could care.
            (State::Initialize, Event::Advert(_)) => {}
            // The first fault a router or its group has at its start.
            (State::Initialize, Event::Faulty(fault)) => {
                self.enter(cx, State::Fault, Why::Faulty(fault));
            }
            (State::Initialize | State::Fault, Event::Promoted(why)) => self.become_active(cx, why),
            (State::Initialize | State::Fault, Event::Demoted { why, .. }) => {
                self.become_backup(cx, why);
            }
            (State::Initialize, Event::Recovered | Event::Lost(_) | Event::Shutdown) => {}

            // Section 6.4.2, (310) Shutdown: nothing is sent.
            (State::Backup, Event::Shutdown) => {
                self.expect_nothing(cx);
                self.enter(cx, State::Initialize, Why::Shutdown);
            }
            // Section 6.4.2, Active_Down_Timer fires. keepalived: a member of a sync group then waits
            // until all others could be master too.
            (State::Backup, Event::Expired) => {
                if self.group.is_none() {
                    self.take_over(cx);
                } else {
                    self.ready = true;
                    self.timers.main = Some(cx.now + self.down_interval());
                }
            }
            (State::Backup, Event::Promoted(_)) => self.take_over(cx),
            // Section 6.4.2, ADVERTISEMENT received.
            (State::Backup, Event::Advert(advert)) => self.heard_in_backup(cx, advert),
            (State::Backup, Event::Faulty(fault)) => {
                self.expect_nothing(cx);
                self.enter(cx, State::Fault, Why::Faulty(fault));
            }
            // It has started, it has no fault, and it owns no address.
            (State::Backup, Event::Recovered | Event::Lost(_) | Event::Demoted { .. }) => {}

            // Section 6.4.3, Shutdown: priority 0.
            (State::Active, Event::Shutdown) => {
                self.resign(cx);
                self.enter(cx, State::Initialize, Why::Shutdown);
            }
            // Section 6.4.3, Adver_Timer fires.
            (State::Active, Event::Expired) => self.advertise(cx, self.priority),
            // Section 6.4.3, ADVERTISEMENT received.
            (State::Active, Event::Advert(advert)) => self.heard_in_active(cx, advert),
            // keepalived: others shall not wait for what this router knows already.
            (State::Active, Event::Faulty(fault)) => {
                self.resign(cx);
                self.enter(cx, State::Fault, Why::Faulty(fault));
            }
            // keepalived: a master without its address is none, so someone else may be.
            (State::Active, Event::Lost(address)) => {
                self.resign(cx);
                self.become_backup(cx, Why::AddressLost { address });
            }
            // keepalived: what made the group a backup is a better master, most often, and that
            // takes over at once.
            (State::Active, Event::Demoted { why, resign }) => {
                if resign {
                    self.resign(cx);
                } else {
                    cx.outputs.push_back(Output::Own { router: cx.id, own: false, announce: 0 });
                }
                self.become_backup(cx, why);
            }
            // It has started, and it has no fault.
            (State::Active, Event::Recovered | Event::Promoted(_)) => {}

            // keepalived: a recovered router waits like one that starts. The owner does not wait
            // (section 6.4.1).
            (State::Fault, Event::Recovered) => {
                if self.priority == Priority::OWNER && !self.is_held(cx.now) {
                    self.become_active(cx, Why::Recovered);
                } else {
                    self.become_backup(cx, Why::Recovered);
                }
            }
            (State::Fault, Event::Shutdown) => self.enter(cx, State::Initialize, Why::Shutdown),
            // As in Initialize.
            (State::Fault, Event::Advert(_)) => {}
            (State::Fault, Event::Expired | Event::Faulty(_) | Event::Lost(_)) => {}
        }
    }

    /// Ends what the timers that are due were for.
    pub(super) fn expire(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        let due = |timer: Option<Instant>| timer.filter(|at| *at <= now);
        let Timers { main, second_round, refresh, lower, elsewhere } = self.timers;
        let garp = self.instance.garp;
        if let Some(at) = due(main) {
            self.timers.main = None;
            if self.state == State::Active {
                let next = super::timing::next_period(at, self.instance.advert_interval, cx.now);
                self.timers.main = Some(next);
            }
            self.step(cx, Event::Expired);
        }
        // These run in Active only, and leaving it stops them.
        if due(second_round).is_some() {
            self.timers.second_round = None;
            self.announce(cx, garp.repeat);
        }
        if let Some(at) = due(refresh) {
            self.timers.refresh = (!garp.refresh.is_zero())
                .then(|| super::timing::next_period(at, garp.refresh, cx.now));
            self.announce(cx, garp.refresh_repeat);
        }
        if due(lower).is_some() {
            self.timers.lower = None;
            self.announce(cx, garp.lower_repeat);
        }
        if let Some(at) = due(elsewhere) {
            self.timers.elsewhere = (!garp.elsewhere.is_zero())
                .then(|| super::timing::next_period(at, garp.elsewhere, cx.now));
            if self.state == State::Active {
                cx.outputs.push_back(Output::AnnounceElsewhere { router: cx.id });
            }
        }
    }

    /// Priority, preemption or interval changed: what follows from them follows at once.
    pub(super) fn rules_changed(&mut self, cx: &mut Context<'_>) {
        if self.state != State::Backup {
            return;
        }
        if !self.ready {
            self.set_down_timer();
        }
        if let Some((_, header)) = self.expected.advert()
            && !self.refreshes(header)
        {
            self.expect_nothing(cx);
        }
    }

    /// Nothing is boring from now on.
    pub(super) fn expect_nothing(&mut self, cx: &mut Context<'_>) {
        if self.expected.retire() {
            cx.outputs.push_back(Output::Expect { router: cx.id, expectation: None });
        }
    }

    /// Announces the addresses, if it has them.
    pub(super) fn announce(&self, cx: &mut Context<'_>, times: u32) {
        if self.state == State::Active && times > 0 {
            cx.outputs.push_back(Output::Announce { router: cx.id, times });
        }
    }

    /// Whether what it would start to is known but for what it tracks.
    pub(super) fn is_waiting(&self) -> bool {
        !self.faults.is_empty() && self.faults.iter().all(|fault| fault.reason == Reason::Awaited)
    }

    /// Whether it starts, or returns, as the master.
    pub(super) fn leads(&self, now: Instant) -> bool {
        // Section 6.4.1, (110): the owner; keepalived: `state MASTER`.
        (self.priority == Priority::OWNER && !self.is_held(now))
            || (self.state == State::Initialize && self.instance.start_as_master)
    }

    /// Outside of a sync group: becomes what its faults and timers say it should be by now.
    pub(super) fn settle(&mut self, cx: &mut Context<'_>) {
        match (self.state, self.faults.first().cloned()) {
            (State::Initialize, _) if self.timers.main.is_none() => self.start(cx),
            (State::Backup | State::Active, Some(fault)) => self.step(cx, Event::Faulty(fault)),
            (State::Fault, None) => self.step(cx, Event::Recovered),
            // It waited for others of a group that it left.
            (State::Backup, None) if self.ready => self.take_over(cx),
            (State::Initialize | State::Backup | State::Active | State::Fault, _) => {}
        }
    }

    fn start(&mut self, cx: &mut Context<'_>) {
        if self.is_waiting() {
            return;
        }
        if let Some(fault) = self.faults.first().cloned() {
            self.enter(cx, State::Fault, Why::Faulty(fault));
        } else if self.leads(cx.now) {
            self.become_active(cx, Why::Startup);
        } else {
            // Section 6.4.1, (120).
            self.become_backup(cx, Why::Startup);
        }
    }

    fn take_over(&mut self, cx: &mut Context<'_>) {
        let why = match (self.resigned, self.lower_heard) {
            (true, _) => Why::MasterResigned,
            (false, true) => Why::Preempted,
            (false, false) => Why::MasterDown,
        };
        self.become_active(cx, why);
    }

    pub(super) fn set_down_timer(&mut self) {
        let wait = if self.resigned { self.skew() } else { self.down_interval() };
        self.timers.main = Some(self.heard_at + wait);
    }

    fn become_active(&mut self, cx: &mut Context<'_>, why: Why) {
        let garp = self.instance.garp;
        self.expect_nothing(cx);
        self.advertise(cx, self.priority);
        cx.outputs.push_back(Output::Own { router: cx.id, own: true, announce: garp.repeat });
        self.enter(cx, State::Active, why);
        // What the last master advertised is over: this one advertises its own.
        self.master_interval = self.instance.advert_interval;
        let after = |delay: Duration| (!delay.is_zero()).then(|| cx.now + delay);
        self.timers = Timers {
            main: Some(cx.now + cx.crowd.first_period(cx.now, self.instance.advert_interval)),
            second_round: after(garp.delay),
            refresh: after(garp.refresh),
            lower: None,
            elsewhere: after(garp.elsewhere),
        };
    }

    pub(super) fn become_backup(&mut self, cx: &mut Context<'_>, why: Why) {
        self.enter(cx, State::Backup, why);
        self.heard_at = cx.now;
        self.master_interval = self.instance.advert_interval;
        self.set_down_timer();
    }

    /// Gives the mastership away.
    pub(super) fn resign(&mut self, cx: &mut Context<'_>) {
        if cx.world.links.up(&self.instance.interface) {
            self.advertise(cx, Priority::RELEASE);
        }
        cx.outputs.push_back(Output::Own { router: cx.id, own: false, announce: 0 });
    }

    pub(super) fn advertise(&mut self, cx: &mut Context<'_>, priority: Priority) {
        if self.source.is_none() {
            return;
        }
        for _ in self.instance.versions() {
            self.counts.adverts_sent += 1;
            self.counts.priority_zero_sent += u64::from(priority == Priority::RELEASE);
        }
        cx.outputs.push_back(Output::Advert { router: cx.id, priority });
    }

    /// Changes the state; what belonged to the last one ends.
    pub(super) fn enter(&mut self, cx: &mut Context<'_>, to: State, why: Why) {
        let from = std::mem::replace(&mut self.state, to);
        self.since = cx.now;
        let preempts = match (self.priority, self.patient_until.or(self.held_until)) {
            (Priority::OWNER, _) => Preempts::AsOwner,
            (_, Some(_)) => Preempts::AfterDelay,
            (_, None) => Preempts::AtOnce,
        };
        self.history.note(cx.now, to, &why, preempts);
        self.timers = Timers::default();
        self.resigned = false;
        self.lower_heard = false;
        self.ready = false;
        self.waits &= matches!(to, State::Initialize | State::Fault);
        self.patient_until = None;
        if matches!(to, State::Active | State::Initialize) {
            self.held_until = None;
        }
        self.followed = None;
        self.answered = None;
        self.counts.became_master += u64::from(to == State::Active);
        self.counts.released_master += u64::from(from == State::Active);
        let (router, priority) = (cx.id, self.priority);
        cx.outputs.push_back(Output::Transition { router, from, to, priority, why });
    }

    pub(super) fn expect_more(&mut self, cx: &mut Context<'_>, advert: &Advert) {
        if self.expected.expect(advert, cx.generations) {
            let expectation = self.expected.current();
            cx.outputs.push_back(Output::Expect { router: cx.id, expectation });
        }
    }
}
