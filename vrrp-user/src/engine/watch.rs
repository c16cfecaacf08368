//! Which backups hear their masters as they should, and when they are looked at.
//!
//! What moves such a backup's timer is so little that thousands are looked at, one after the other
//! in memory, in the time one of them would take to act. It says when a router is due, and nothing
//! else: the advert a stamp stands for is heard, with all it does besides, when the router next acts.
use super::expected::Next;
use super::input::{Heard, Stamp};
use super::router::Router;
use super::snapshot::State;
use std::time::Duration;
use vrrp_common::ident::RouterId;
use vrrp_common::time::Instant;

const NOWHERE: u32 = u32::MAX;

/// Which stamps set the Active_Down_Timer anew, and to what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Watch {
    /// Of the expectation.
    pub(super) generation: u32,
    /// What came before this is old, or was read.
    pub(super) not_before: Instant,
    /// Active_Down_Interval after the expected advert.
    pub(super) down: Duration,
}

impl Watch {
    /// When the router is due after `stamp`; nothing where it says nothing.
    pub(super) fn due(&self, stamp: Stamp) -> Option<Instant> {
        let moves = stamp.generation == self.generation && stamp.at >= self.not_before;
        moves.then(|| stamp.at + self.down)
    }
}

impl Router {
    /// What stamps would do to its timer and to nothing that others go by: a backup whose timer has
    /// ended holds its group up, and is not among those.
    pub(super) fn watch(&self, id: RouterId) -> Option<Watch> {
        if self.state != State::Backup || self.ready || self.deadline() != self.timers.main {
            return None;
        }
        let Next { generation, stamped, advert } = self.expected.next(id)?;
        let moves =
            !self.ignores(&advert) && !self.says_again(&advert) && self.refreshes(advert.header);
        moves.then(|| Watch {
            generation,
            not_before: self.heard_at.max(stamped + Duration::from_nanos(1)),
            down: self.silence(advert.header.interval()),
        })
    }
}

/// Backups that are looked at together. Who may be due before it is worth while to look again is
/// none of them and has a deadline of its own.
#[derive(Clone, Default)]
pub(super) struct Watches {
    /// By number, as far as somebody has one.
    watched: Vec<Watched>,
    /// So few that they are searched from one end to the other.
    lanes: Vec<Members>,
}

/// Those whose silences are alike within a factor of two, in groups small enough that nobody else
/// waits long while one is looked at.
type Lane = (u32, u32);
const GROUP: u32 = 4096;

#[derive(Clone, Copy)]
struct Watched {
    watch: Watch,
    due: Instant,
    /// Among the members of its lane.
    place: u32,
}

#[derive(Clone)]
struct Members {
    lane: Lane,
    routers: Vec<RouterId>,
    /// None of them is due before.
    first: Option<Instant>,
}

const UNWATCHED: Watched = Watched {
    watch: Watch { generation: 0, not_before: Instant::ZERO, down: Duration::ZERO },
    due: Instant::ZERO,
    place: NOWHERE,
};

impl Watched {
    fn lane(&self, router: RouterId) -> Lane {
        (self.watch.down.as_nanos().checked_ilog2().unwrap_or(0), router.0 / GROUP)
    }

    fn is_soon(&self, now: Instant) -> bool {
        self.due <= now + self.watch.down / 4
    }

    fn look(&mut self, stamp: Stamp) {
        self.due = self.watch.due(stamp).unwrap_or(self.due).max(self.due);
    }
}

impl Watches {
    /// None of those who are looked at together is due before.
    pub(super) fn first(&self) -> Option<Instant> {
        self.lanes.iter().filter_map(|members| members.first).min()
    }

    /// When one of those who are looked at together is due, should it hear nothing more.
    pub(super) fn of(&self, router: RouterId) -> Option<Instant> {
        self.watched.get(router.index()).filter(|w| w.place != NOWHERE).map(|w| w.due)
    }

    /// What stamps do to this one's timer, and nothing else.
    pub(super) fn watch(&self, router: RouterId) -> Option<Watch> {
        self.watched.get(router.index()).map(|w| w.watch).filter(|watch| watch.generation != 0)
    }

    /// Watches a router with this deadline, or nobody under this number any more. Says whether it is
    /// looked at with others; if not, the deadline is its own.
    pub(super) fn set(
        &mut self,
        now: Instant,
        router: RouterId,
        watch: Option<Watch>,
        deadline: Option<Instant>,
    ) -> bool {
        self.leave(router);
        let (Some(watch), Some(due)) = (watch, deadline) else { return false };
        if self.watched.len() <= router.index() {
            self.watched.resize(router.index() + 1, UNWATCHED);
        }
        self.watched[router.index()] = Watched { watch, due, place: NOWHERE };
        self.join(now, router)
    }

    /// Looks at one that has a deadline of its own. Says whether it is looked at with others from now
    /// on, or else its deadline, if it has another now.
    pub(super) fn look_again(
        &mut self,
        now: Instant,
        router: RouterId,
        heard: &dyn Heard,
    ) -> (bool, Option<Instant>) {
        let Some(one) = self.watched.get_mut(router.index()) else { return (false, None) };
        let before = one.due;
        if one.watch.generation == 0 {
            return (false, None);
        }
        one.look(heard.stamp(router));
        let due = Some(one.due).filter(|due| *due > before);
        (due.is_some() && self.join(now, router), due)
    }

    fn join(&mut self, now: Instant, router: RouterId) -> bool {
        let one = &mut self.watched[router.index()];
        if one.is_soon(now) {
            return false;
        }
        let lane = one.lane(router);
        let at = self.lanes.iter().position(|members| members.lane == lane).unwrap_or_else(|| {
            self.lanes.push(Members { lane, routers: Vec::new(), first: None });
            self.lanes.len() - 1
        });
        let members = &mut self.lanes[at];
        // A router number is 32 bits and each is a member once, so a place fits too.
        one.place = u32::try_from(members.routers.len()).unwrap_or(NOWHERE);
        members.routers.push(router);
        members.first = Some(members.first.unwrap_or(one.due).min(one.due));
        true
    }

    fn leave(&mut self, router: RouterId) {
        let Some(one) = self.watched.get_mut(router.index()) else { return };
        let old = std::mem::replace(one, UNWATCHED);
        if old.place == NOWHERE {
            return;
        }
        let lane = old.lane(router);
        let Some(at) = self.lanes.iter().position(|members| members.lane == lane) else { return };
        let members = &mut self.lanes[at];
        members.routers.swap_remove(old.place as usize);
        if let Some(moved) = members.routers.get(old.place as usize) {
            self.watched[moved.index()].place = old.place;
        }
        if members.routers.is_empty() {
            self.lanes.swap_remove(at);
        }
    }

    /// Looks at all that are looked at together with one who may be due. `soon` gets who has a
    /// deadline of its own from now on.
    pub(super) fn look(
        &mut self,
        now: Instant,
        heard: &dyn Heard,
        mut soon: impl FnMut(RouterId, Instant),
    ) {
        let Self { watched, lanes } = self;
        for Members { routers, first, .. } in &mut *lanes {
            if first.is_none_or(|first| first > now) {
                continue;
            }
            let mut place = 0;
            *first = None;
            while let Some(&router) = routers.get(place) {
                let one = &mut watched[router.index()];
                one.look(heard.stamp(router));
                if one.is_soon(now) {
                    one.place = NOWHERE;
                    soon(router, one.due);
                    routers.swap_remove(place);
                    if let Some(moved) = routers.get(place) {
                        watched[moved.index()].place = u32::try_from(place).unwrap_or(NOWHERE);
                    }
                } else {
                    *first = Some(first.unwrap_or(one.due).min(one.due));
                    place += 1;
                }
            }
        }
        lanes.retain(|members| !members.routers.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const ROUTERS: u32 = 12;

    struct Stamps(Vec<Stamp>);

    impl Heard for Stamps {
        fn stamp(&self, router: RouterId) -> Stamp {
            self.0[router.index()]
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Watch(u32, u64),
        Forget(u32),
        /// Of the expectation, or of an older one.
        Stamp(u32, bool),
        Look,
        Again(u32),
    }

    fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
        let router = 0..ROUTERS;
        let step = prop_oneof![
            (router.clone(), 1u64..200).prop_map(|(router, down)| Step::Watch(router, down)),
            router.clone().prop_map(Step::Forget),
            (router.clone(), any::<bool>()).prop_map(|(router, same)| Step::Stamp(router, same)),
            Just(Step::Look),
            router.prop_map(Step::Again),
        ];
        prop::collection::vec((0u64..40, step), 1..200)
    }

    proptest! {
        /// Whoever looks when, each is due when the last stamp that counts says, and nobody who is due
        /// is left where he would be looked at too late.
        #[test]
        fn everyone_is_due_as_if_alone(steps in steps()) {
            let mut watches = Watches::default();
            let mut stamps = Stamps(vec![Stamp::default(); ROUTERS as usize]);
            // What each is due at, looked at just now, and whether it has a deadline of its own.
            let mut model: BTreeMap<RouterId, (Watch, Instant, bool)> = BTreeMap::new();
            let mut now = Instant::from_nanos(1000);
            for (passed, step) in steps {
                now = now + Duration::from_nanos(passed);
                match step {
                    Step::Watch(router, down) => {
                        let (router, down) = (RouterId(router), Duration::from_nanos(down));
                        let watch = Watch { generation: 1, not_before: now, down };
                        let together = watches.set(now, router, Some(watch), Some(now + down));
                        model.insert(router, (watch, now + down, !together));
                    }
                    Step::Forget(router) => {
                        prop_assert!(!watches.set(now, RouterId(router), None, None));
                        model.remove(&RouterId(router));
                    }
                    Step::Stamp(router, same) => {
                        // One that counts is not lost to one that does not.
                        let stamp = &mut stamps.0[router as usize];
                        if same || stamp.generation != 1 {
                            *stamp = Stamp { at: now, generation: if same { 1 } else { 9 } };
                        }
                    }
                    Step::Look => {
                        let mut soon = BTreeMap::new();
                        watches.look(now, &stamps, |router, due| {
                            soon.insert(router, due);
                        });
                        for (router, due) in soon {
                            let (watch, _, alone) = model.get_mut(&router).unwrap();
                            prop_assert!(!*alone && due <= now + watch.down / 4);
                            *alone = true;
                        }
                        prop_assert!(watches.first().is_none_or(|first| first > now));
                    }
                    Step::Again(router) => {
                        let router = RouterId(router);
                        if let Some((watch, _, alone)) = model.get_mut(&router).filter(|m| m.2) {
                            let (together, due) = watches.look_again(now, router, &stamps);
                            prop_assert!(!together || due > Some(now + watch.down / 4));
                            *alone = !together;
                        }
                    }
                }
                for (router, (watch, due, alone)) in &mut model {
                    *due = watch.due(stamps.0[router.index()]).unwrap_or(*due).max(*due);
                    prop_assert_eq!(watches.of(*router).is_none(), *alone);
                    if let Some(known) = watches.of(*router) {
                        prop_assert!(known <= *due && watches.first() <= Some(known));
                    }
                }
                let mut all = watches.clone();
                let mut due = BTreeMap::new();
                all.look(Instant::from_nanos(u64::MAX), &stamps, |router, at| {
                    due.insert(router, at);
                });
                let together = model.iter().filter(|(_, (_, _, alone))| !alone);
                let together = together.map(|(router, (_, due, _))| (*router, *due));
                prop_assert_eq!(due, together.collect::<BTreeMap<_, _>>());
            }
        }
    }
}
