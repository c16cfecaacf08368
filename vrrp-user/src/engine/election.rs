//! What does an advert mean to a router that competes with its sender: the parts "ADVERTISEMENT
//! received" of RFC 9568 sections 6.4.2 and 6.4.3.
use super::input::Advert;
use super::output::{Output, Why};
use super::router::{Context, Router};
use super::snapshot::State;
use std::net::IpAddr;
use std::time::Duration;
use vrrp_common::ident::{Priority, Version};
use vrrp_common::time::Instant;
use vrrp_common::wire::vrrp::Header;

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
    /// Section 6.4.2, ADVERTISEMENT received in Backup.
    pub(super) fn heard_in_backup(&mut self, cx: &mut Context<'_>, advert: &Advert) {
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
    pub(super) fn heard_in_active(&mut self, cx: &mut Context<'_>, advert: &Advert) {
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
            Rank::Worse => {
                self.answer_lower(cx);
                self.tell_lower(cx);
            }
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
        self.ready = false;
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

    /// Tells of a lower master. Regular adverts come an interval apart, and more of them than that
    /// shall not start a program each.
    fn tell_lower(&mut self, cx: &mut Context<'_>) {
        let spacing = self.instance.advert_interval / 2;
        if self.lower_told.is_none_or(|told| cx.now >= told + spacing) {
            self.lower_told = Some(cx.now);
            cx.outputs.push_back(Output::LowerHeard { router: cx.id });
        }
    }

    fn answer_lower(&mut self, cx: &mut Context<'_>) {
        let interval = self.instance.advert_interval;
        // Once an interval is enough: the regular advert asserts as well.
        if self.answered.is_some_and(|answered| cx.now < answered + interval) {
            return;
        }
        self.answered = Some(cx.now);
        if self.instance.answer_lower {
            self.advertise(cx, self.priority);
        }
        self.undo_lower(cx);
    }

    /// keepalived: hosts may have listened to the lower master.
    pub(super) fn undo_lower(&mut self, cx: &mut Context<'_>) {
        let garp = self.instance.garp;
        if self.state == State::Active && garp.lower_repeat > 0 && self.timers.lower.is_none() {
            self.announce(cx, garp.lower_repeat);
            if !garp.lower_delay.is_zero() {
                self.timers.lower = Some(cx.now + garp.lower_delay);
            }
        }
    }

    /// Own adverts that were looped back, adverts without an interval to count by, lists that strict
    /// mode drops, and what `owner_ignore_adverts` asks to overlook.
    pub(super) fn ignores(&self, advert: &Advert) -> bool {
        self.source == Some(advert.source)
            || advert.header.interval() == Duration::ZERO
            || self.instance.drops(advert.header, advert.same_addresses)
            || (self.instance.owner_ignore_adverts && self.priority == Priority::OWNER)
    }

    /// Version 2 from a router that is followed by its version 3: section 8.4.2 ignores it, whatever
    /// it says.
    pub(super) fn says_again(&self, advert: &Advert) -> bool {
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
    pub(super) fn preempts(&self) -> bool {
        self.instance.preempt || self.priority == Priority::OWNER
    }

    /// Whether each advert like this one, whenever it comes, sets the timer anew. What is accepted
    /// for the time of a `preempt_delay` only must stay news, or the end of that time is missed; so
    /// must what may be dropped for its list, of which an expectation knows the checksum alone.
    pub(super) fn refreshes(&self, header: Header) -> bool {
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
        if let Some((at, about, said)) = self.remarked.as_deref().copied()
            && ((about, said) == (source, what) || cx.now < at + self.instance.advert_interval)
        {
            return;
        }
        self.remarked = Some(Box::new((cx.now, source, what)));
        let what = format!("{what} ({source})");
        cx.outputs.push_back(Output::Remark { router: cx.id, what });
    }
}
