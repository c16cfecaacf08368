//! What does a router do when something happens: the state machine of RFC 9568 section 6.4.
//!
//! For version 2 it is that of RFC 3768 section 6.4, which differs only where an arm says so.
//! Fault is keepalived's: Initialize that ends by itself when the last fault goes away.
use super::history::Preempts;
use super::input::Advert;
use super::output::{Output, Why};
use super::router::{Context, Router, Timers};
use super::snapshot::{Fault, State};
use crate::config::model::Name;
use std::net::IpAddr;
use std::time::Duration;
use vrrp_common::ident::{Priority, Version};
use vrrp_common::time::Instant;
use vrrp_common::wire::vrrp::Header;

/// What can happen to one router.
pub(super) enum Event<'a> {
    /// It may start.
    Startup,
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
}

/// What an advert means to a router that competes with its sender.
enum Rank {
    /// The sender resigns.
    Resigning,
    /// The sender is better by priority.
    Better,
    /// The sender is better by address alone.
    BetterAddress,
    /// The sender is worse.
    Worse,
}

impl Router {
    /// Does what `event` asks for in the present state.
    pub(super) fn step(&mut self, cx: &mut Context<'_>, event: Event<'_>) {
        match (self.state, event) {
            // RFC 9568 section 6.4.1; keepalived adds faults, and a `state MASTER` that does not wait.
            (State::Initialize, Event::Startup | Event::Expired) => self.start(cx),
            // Section 6.4.1 knows no advert: nothing was started that could care.
            (State::Initialize, Event::Advert(_)) => {}
            // A fault while waiting to start is seen at the start.
            (State::Initialize, Event::Faulty(_) | Event::Recovered | Event::Lost(_)) => {}
            (State::Initialize, Event::Shutdown) => {}

            // Section 6.4.2, (310) Shutdown: nothing is sent.
            (State::Backup, Event::Shutdown) => {
                self.expect_nothing(cx);
                self.enter(cx, State::Initialize, Why::Shutdown);
            }
            // Section 6.4.2, Active_Down_Timer fires.
            (State::Backup, Event::Expired) => {
                let why = match (self.resigned, self.lower_heard) {
                    (true, _) => Why::MasterResigned,
                    (false, true) => Why::Preempted,
                    (false, false) => Why::MasterDown,
                };
                self.become_active(cx, why);
            }
            // Section 6.4.2, ADVERTISEMENT received.
            (State::Backup, Event::Advert(advert)) => self.heard_in_backup(cx, advert),
            (State::Backup, Event::Faulty(fault)) => {
                self.expect_nothing(cx);
                self.enter(cx, State::Fault, Why::Faulty(fault));
            }
            // It has started, it has no fault, and it owns no address.
            (State::Backup, Event::Startup | Event::Recovered | Event::Lost(_)) => {}

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
            // It has started, and it has no fault.
            (State::Active, Event::Startup | Event::Recovered) => {}

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
            (State::Fault, Event::Startup | Event::Expired | Event::Faulty(_) | Event::Lost(_)) => {
            }
        }
    }

    /// Ends what the timers that are due were for.
    pub(super) fn expire(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        let due = |timer: Option<Instant>| timer.filter(|at| *at <= now);
        let Timers { main, second_round, refresh, lower } = self.timers;
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
    }

    /// Priority, preemption or interval changed: what follows from them follows at once.
    pub(super) fn rules_changed(&mut self, cx: &mut Context<'_>) {
        if self.state != State::Backup {
            return;
        }
        self.set_down_timer();
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

    fn start(&mut self, cx: &mut Context<'_>) {
        if let Some(fault) = self.faults.first().cloned() {
            self.enter(cx, State::Fault, Why::Faulty(fault));
        } else if self.priority == Priority::OWNER || self.instance.start_as_master {
            // Section 6.4.1, (110): the owner; keepalived: `state MASTER`.
            self.become_active(cx, Why::Startup);
        } else {
            // Section 6.4.1, (120).
            self.become_backup(cx, Why::Startup);
        }
    }

    /// Section 6.4.2, ADVERTISEMENT received in Backup.
    fn heard_in_backup(&mut self, cx: &mut Context<'_>, advert: &Advert) {
        let (header, at) = (advert.header, advert.at);
        // Older than what set the timer: overtaken on its way, or by a stamp.
        let old = at < self.heard_at && !self.says_better(advert);
        if self.ignores(advert) || old || self.says_again(advert) {
            return;
        }
        if header.priority() == Priority::RELEASE {
            // Active_Down_Timer is Skew_Time of the present Active_Adver_Interval.
            self.heard_at = at;
            self.resigned = true;
            self.set_down_timer();
            return;
        }
        self.master = Some(advert.source);
        self.master_priority = Some(header.priority());
        let lower = header.priority() < self.priority;
        if lower && self.preempts() && !self.is_patient(at) {
            // Discarded: the timer runs on, and takes over at its end.
            self.lower_heard = true;
            return;
        }
        if !lower {
            self.patient_until = None;
        }
        self.follow(advert);
        self.remark_differences(cx, advert);
        if self.refreshes(header) {
            self.expect_more(cx, advert);
        } else {
            self.expect_nothing(cx);
        }
    }

    /// Section 6.4.3, ADVERTISEMENT received in Active.
    fn heard_in_active(&mut self, cx: &mut Context<'_>, advert: &Advert) {
        if self.ignores(advert) {
            return;
        }
        let (priority, source) = (advert.header.priority(), advert.source);
        if priority == Priority::OWNER && self.priority == Priority::OWNER {
            // Section 8.3.2: log it.
            self.remark(cx, source, "another router says it owns the addresses too");
        }
        match self.rank(advert) {
            // Section 6.4.3, (630): advert at once, Adver_Timer anew.
            Rank::Resigning => self.answer_resigning(cx),
            // Section 6.4.3, (650), whatever Preempt_Mode.
            Rank::Better => self.give_way(cx, advert, Why::HigherPriority { source, priority }),
            Rank::BetterAddress => self.give_way(cx, advert, Why::HigherAddress { source }),
            // Who may not preempt would not have taken over from the router that did its work
            // while this process stood still.
            Rank::Worse if !self.preempts() && self.was_late(cx.now) => {
                self.give_way(cx, advert, Why::Late);
            }
            // Section 6.4.3, (670): discard and assert. RFC 3768 only discards.
            Rank::Worse => self.answer_lower(cx),
        }
    }

    fn rank(&self, advert: &Advert) -> Rank {
        let priority = advert.header.priority();
        if priority == Priority::RELEASE {
            Rank::Resigning
        } else if priority > self.priority {
            Rank::Better
        } else if priority == self.priority && Some(advert.source) > self.source {
            // Addresses compare as unsigned bytes in network order.
            Rank::BetterAddress
        } else {
            Rank::Worse
        }
    }

    fn give_way(&mut self, cx: &mut Context<'_>, advert: &Advert, why: Why) {
        if self.instance.answer_higher {
            self.advertise(cx, self.priority);
        }
        cx.outputs.push_back(Output::Own { router: cx.id, own: false, announce: 0 });
        self.enter(cx, State::Backup, why);
        self.master = Some(advert.source);
        self.master_priority = Some(advert.header.priority());
        self.follow(advert);
        if self.refreshes(advert.header) {
            self.expect_more(cx, advert);
        }
    }

    /// The timer starts anew from an accepted advert.
    fn follow(&mut self, advert: &Advert) {
        self.heard_at = advert.at;
        self.resigned = false;
        self.lower_heard = false;
        // Section 8.4.2: the seconds of version 2 are an interval like any other.
        self.master_interval = advert.header.interval();
        self.followed = Some((advert.source, advert.header.version()));
        self.set_down_timer();
    }

    fn answer_resigning(&mut self, cx: &mut Context<'_>) {
        let interval = self.instance.advert_interval;
        // No skew is shorter than this, so an answer that waits for it comes soon enough, and a
        // flood of resignations causes no flood of adverts.
        let spacing = interval / 256;
        match self.answered.map(|answered| answered + spacing).filter(|soonest| cx.now < *soonest) {
            Some(soonest) => {
                self.timers.main = self.timers.main.map(|main| main.min(soonest));
            }
            None => {
                self.answered = Some(cx.now);
                self.timers.main = Some(cx.now + interval);
                self.advertise(cx, self.priority);
            }
        }
    }

    fn answer_lower(&mut self, cx: &mut Context<'_>) {
        let garp = self.instance.garp;
        let interval = self.instance.advert_interval;
        // Once an interval is enough: the regular advert asserts as well.
        if self.answered.is_some_and(|answered| cx.now < answered + interval) {
            return;
        }
        self.answered = Some(cx.now);
        if self.instance.answer_lower {
            self.advertise(cx, self.priority);
        }
        // keepalived: hosts may have listened to the lower master.
        if garp.lower_repeat > 0 && self.timers.lower.is_none() {
            self.announce(cx, garp.lower_repeat);
            if !garp.lower_delay.is_zero() {
                self.timers.lower = Some(cx.now + garp.lower_delay);
            }
        }
    }

    /// Own adverts that were looped back, adverts without an interval to count by, lists that strict
    /// mode drops, and what `owner_ignore_adverts` asks to overlook.
    fn ignores(&self, advert: &Advert) -> bool {
        self.source == Some(advert.source)
            || advert.header.interval() == Duration::ZERO
            || self.instance.drops(advert.header, advert.same_addresses)
            || (self.instance.owner_ignore_adverts && self.priority == Priority::OWNER)
    }

    /// Version 2 from a router that is followed by its version 3: section 8.4.2 ignores it, whatever
    /// it says.
    fn says_again(&self, advert: &Advert) -> bool {
        advert.header.version() == 2 && self.followed == Some((advert.source, 3))
    }

    /// Version 3 from a router that is followed by its version 2, though some of that came later: it
    /// would have been ignored, had this been handled in time.
    fn says_better(&self, advert: &Advert) -> bool {
        advert.header.version() == 3
            && advert.header.priority() != Priority::RELEASE
            && self.followed == Some((advert.source, 2))
    }

    /// The owner preempts whatever Preempt_Mode says (section 6.1).
    fn preempts(&self) -> bool {
        self.instance.preempt || self.priority == Priority::OWNER
    }

    /// Whether each advert like this one, whenever it comes, sets the timer anew. What is accepted
    /// for the time of a `preempt_delay` only must stay news, or the end of that time is missed; so
    /// must what may be dropped for its list, of which an expectation knows the checksum alone.
    fn refreshes(&self, header: Header) -> bool {
        header.priority() != Priority::RELEASE
            && !self.instance.drops(header, false)
            && (!self.preempts() || header.priority() >= self.priority)
    }

    /// `preempt_delay`: counted from the first lower advert.
    fn is_patient(&mut self, at: Instant) -> bool {
        let delay = self.instance.preempt_delay;
        if delay.is_zero() || self.priority == Priority::OWNER {
            return self.is_held(at);
        }
        at < *self.patient_until.get_or_insert(at + delay) || self.is_held(at)
    }

    /// Whether the Adver_Timer is overdue by so much that others must have taken over.
    fn was_late(&self, now: Instant) -> bool {
        self.timers.main.is_some_and(|main| now > main + self.down_interval())
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
            main: Some(cx.now + self.instance.advert_interval),
            second_round: after(garp.delay),
            refresh: after(garp.refresh),
            lower: None,
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
        if cx.links.up(&self.instance.interface) {
            self.advertise(cx, Priority::RELEASE);
        }
        cx.outputs.push_back(Output::Own { router: cx.id, own: false, announce: 0 });
    }

    fn advertise(&mut self, cx: &mut Context<'_>, priority: Priority) {
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
    fn enter(&mut self, cx: &mut Context<'_>, to: State, why: Why) {
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

    fn expect_more(&mut self, cx: &mut Context<'_>, advert: &Advert) {
        if self.expected.expect(advert, cx.generations) {
            let expectation = self.expected.current();
            cx.outputs.push_back(Output::Expect { router: cx.id, expectation });
        }
    }

    /// Section 7.1: these are logged, and the advert is used.
    fn remark_differences(&mut self, cx: &mut Context<'_>, advert: &Advert) {
        if self.instance.check_address_list && !advert.same_addresses {
            self.remark(cx, advert.source, "the master announces other addresses than ours");
        } else if self.instance.version == Version::V3
            && self.master_interval != self.instance.advert_interval
        {
            self.remark(cx, advert.source, "the master advertises at another interval than ours");
        }
    }

    /// Says something once, and not more often than adverts come.
    fn remark(&mut self, cx: &mut Context<'_>, source: IpAddr, what: &'static str) {
        if let Some((at, about, said)) = self.remarked
            && ((about, said) == (source, what) || cx.now < at + self.instance.advert_interval)
        {
            return;
        }
        self.remarked = Some((cx.now, source, what));
        let what = format!("{what} ({source})");
        cx.outputs.push_back(Output::Remark { router: cx.id, what });
    }
}
