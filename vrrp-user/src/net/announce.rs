//! When is which address announced: pacing, repetition, and calm while links flap.
use crate::config::model::{GarpGroup, Name};
use foldhash::HashMap;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;
use vrrp_common::ident::{Family, Mac, RouterId};
use vrrp_common::time::Instant;

/// Which address: its router and its number there.
pub(crate) type Which = (RouterId, usize);
/// Announcements of one interface in one family follow each other with the same pace.
pub(crate) type Lane = (u32, Family);

/// An address to be announced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Announcement {
    /// Whose.
    pub(crate) router: RouterId,
    /// Which of its addresses.
    pub(crate) address: usize,
    /// How often.
    pub(crate) times: u32,
    /// It came back, with its link or after someone removed it; flapping must not flood.
    pub(crate) returned: bool,
}

/// Where an announcement goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    /// The link.
    pub(crate) ifindex: u32,
    /// Its Ethernet address.
    pub(crate) mac: Mac,
    /// The virtual address.
    pub(crate) address: IpAddr,
}

/// An address that comes back again within this time is announced once more at its end, not each
/// time: a flapping link would flood its neighbours.
const CALM: Duration = Duration::from_secs(1);
/// First announcements handed over at once in one lane; the rest follows when other work had its turn.
const BURST: usize = 512;
/// Repeated announcements handed over at once in all lanes together: thousands of them must not keep
/// an address that is added a moment later from its first.
const REPEATS: usize = 64;
/// Time until the next attempt after a full socket buffer.
const AGAIN: Duration = Duration::from_millis(2);

/// What is left to be done for one address.
#[derive(Clone, Copy, Debug, Default)]
struct Left {
    times: u32,
    /// In which queues it stands: in each at most once, so that a backlog is never longer than the
    /// list of addresses.
    first: bool,
    repeated: bool,
}

#[derive(Debug, Default)]
struct Queue {
    /// To be announced for the first time since they arrived.
    first: VecDeque<Which>,
    /// To be announced again.
    repeats: VecDeque<Which>,
    left: HashMap<Which, Left>,
    not_before: Instant,
}

impl Queue {
    /// Announces an address before all repeats, and so often as `times` makes of what is left.
    fn add(&mut self, which: Which, times: impl FnOnce(u32) -> u32) {
        let left = self.left.entry(which).or_default();
        left.times = times(left.times);
        if !left.first {
            left.first = true;
            self.first.push_back(which);
        }
    }

    /// The next one, a repeat only where that is asked for and nothing is waiting to be announced for
    /// the first time.
    fn next(&mut self, repeats: bool) -> Option<Which> {
        loop {
            let first = self.first.pop_front();
            let which = match first {
                Some(which) => which,
                None if repeats => self.repeats.pop_front()?,
                None => return None,
            };
            let Some(left) = self.left.get_mut(&which) else { continue };
            *(if first.is_some() { &mut left.first } else { &mut left.repeated }) = false;
            // All that was left of it may have been done from the other queue.
            let due = left.times > 0;
            left.times = left.times.saturating_sub(1);
            if left.times > 0 && !left.repeated {
                left.repeated = true;
                self.repeats.push_back(which);
            }
            if !left.first && !left.repeated {
                self.left.remove(&which);
            }
            if due {
                return Some(which);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.repeats.is_empty()
    }
}

/// Least time between two announcements: gratuitous ARPs, neighbour advertisements.
type Pauses = (Duration, Duration);

/// Interfaces that keep their pauses together.
#[derive(Debug)]
struct Group {
    pauses: Pauses,
    members: Vec<Name>,
    not_before: BTreeMap<Family, Instant>,
}

/// Announcements to be made.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    lanes: BTreeMap<Lane, Queue>,
    returned: BTreeMap<Which, Instant>,
    later: BTreeMap<(Instant, Which), u32>,
    /// Of interfaces that are in no group.
    pauses: Pauses,
    groups: Vec<Group>,
    /// In which group a link is.
    grouped: BTreeMap<u32, usize>,
}

impl Announcer {
    /// Least time between two announcements of an interface, or of those in a group.
    pub(crate) fn set_pauses(&mut self, pauses: Pauses, groups: &[GarpGroup]) {
        self.pauses = pauses;
        self.groups.truncate(groups.len());
        for (number, group) in groups.iter().enumerate() {
            let [garp, gna] =
                [group.garp_interval, group.gna_interval].map(Option::unwrap_or_default);
            let pauses = (garp, gna);
            let members = group.interfaces.clone();
            match self.groups.get_mut(number) {
                Some(old) => (old.pauses, old.members) = (pauses, members),
                None => self.groups.push(Group { pauses, members, not_before: BTreeMap::new() }),
            }
        }
    }

    /// A link of which something is announced has this name.
    pub(crate) fn group(&mut self, ifindex: u32, name: &Name) {
        let number = self.groups.iter().position(|group| group.members.contains(name));
        match number {
            Some(number) => drop(self.grouped.insert(ifindex, number)),
            None => drop(self.grouped.remove(&ifindex)),
        }
    }

    /// The groups changed, or the names of links.
    pub(crate) fn regroup<'a>(&mut self, name: impl Fn(u32) -> Option<&'a Name>) {
        self.grouped.clear();
        let links: BTreeSet<u32> = self.lanes.keys().map(|lane| lane.0).collect();
        for ifindex in links {
            if let Some(name) = name(ifindex) {
                self.group(ifindex, name);
            }
        }
    }

    /// From when on a lane may be served.
    fn turn(&self, lane: &Lane, queue: &Queue) -> Instant {
        let group = self.grouped.get(&lane.0).and_then(|number| self.groups.get(*number));
        let shared = group.and_then(|group| group.not_before.get(&lane.1));
        queue.not_before.max(shared.copied().unwrap_or_default())
    }

    /// Announces an address a number of times. Where it is already being announced, it is so until
    /// the greater number is reached.
    pub(crate) fn add(&mut self, lane: Lane, which: Which, times: u32) {
        if times == 0 {
            return;
        }
        self.lanes.entry(lane).or_default().add(which, |left| left.max(times));
    }

    /// The same for an address that came back with its link, or was put back: at once, or where that
    /// happened only a moment ago, a little later.
    pub(crate) fn add_returned(&mut self, lane: Lane, which: Which, times: u32, now: Instant) {
        match self.returned.get(&which) {
            Some(last) if now.since(*last) < CALM => {
                self.later.insert((*last + CALM, which), times);
            }
            _ => {
                self.returned.insert(which, now);
                self.add(lane, which, times);
            }
        }
    }

    /// Addresses that came back a while ago and are due to be announced, to be given to
    /// [`Self::add_returned`] again if they are still there.
    pub(crate) fn calmed(&mut self, now: Instant) -> Vec<(Which, u32)> {
        let mut due = Vec::new();
        while let Some(first) = self.later.first_entry() {
            let (at, which) = *first.key();
            if at > now {
                break;
            }
            due.push((which, first.remove()));
        }
        due
    }

    /// What is to be sent now, lane by lane: everybody's first announcement before anybody's second.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(Lane, Vec<Which>)> {
        let mut all = Vec::new();
        let mut lanes: Vec<Lane> = self.lanes.keys().copied().collect();
        // Of those that share pauses, who waited longest.
        lanes.sort_by_key(|lane| self.lanes.get(lane).map(|queue| queue.not_before));
        let mut unpaced = Vec::new();
        let mut waiting = false;
        for lane in lanes {
            let ready = |queue: &Queue| !queue.is_empty() && self.turn(&lane, queue) <= now;
            if !self.lanes.get(&lane).is_some_and(ready) {
                continue;
            }
            let group = self.grouped.get(&lane.0).and_then(|number| self.groups.get_mut(*number));
            let (v4, v6) = group.as_ref().map_or(self.pauses, |group| group.pauses);
            let interval = match lane.1 {
                Family::V4 => v4,
                Family::V6 => v6,
            };
            if let Some(group) = group {
                group.not_before.insert(lane.1, now + interval);
            }
            let Some(queue) = self.lanes.get_mut(&lane) else { continue };
            let due: Vec<Which> = if interval.is_zero() {
                unpaced.push(all.len());
                std::iter::from_fn(|| queue.next(false)).take(BURST).collect()
            } else {
                queue.next(true).into_iter().collect()
            };
            waiting |= interval.is_zero() && !queue.first.is_empty();
            queue.not_before = now + interval;
            all.push((lane, due));
        }
        let mut room = if waiting { 0 } else { REPEATS };
        for number in unpaced {
            let (lane, due): &mut (Lane, Vec<Which>) = &mut all[number];
            let Some(queue) = self.lanes.get_mut(lane) else { continue };
            let before = due.len();
            due.extend(std::iter::from_fn(|| queue.next(true)).take(room));
            room -= due.len() - before;
        }
        all.retain(|(_, due)| !due.is_empty());
        // A lane is kept for its pace until that has passed.
        self.lanes.retain(|_, queue| !queue.is_empty() || queue.not_before > now);
        all
    }

    /// One that was due could not be sent for want of room: it is due again soon.
    pub(crate) fn refused(&mut self, lane: Lane, which: Which, now: Instant) {
        let queue = self.lanes.entry(lane).or_default();
        queue.add(which, |left| left + 1);
        queue.not_before = queue.not_before.max(now + AGAIN);
    }

    /// One that was due could not be sent, for its link is down: its next return is the first.
    pub(crate) fn unsent(&mut self, which: Which) {
        self.returned.remove(&which);
    }

    /// Forgets when the addresses of a router came back. What is queued for it finds no address when
    /// it is due.
    pub(crate) fn forget(&mut self, router: RouterId) {
        let mut later = self.returned.split_off(&(router, 0));
        if let Some(next) = router.0.checked_add(1) {
            self.returned.append(&mut later.split_off(&(RouterId(next), 0)));
        }
    }

    /// When there is something to do next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let lanes = self.lanes.iter().filter(|(_, queue)| !queue.is_empty());
        let lanes = lanes.map(|(lane, queue)| self.turn(lane, queue)).min();
        let later = self.later.keys().next().map(|(at, _)| *at);
        lanes.into_iter().chain(later).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: Lane = (7, Family::V4);
    const OTHER: Lane = (7, Family::V6);

    fn which(address: usize) -> Which {
        (RouterId(1), address)
    }

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(10_000_000_000) + Duration::from_millis(millis)
    }

    /// In rounds, so that every address is announced once before any is twice.
    #[test]
    fn rounds() {
        let mut announcer = Announcer::default();
        announcer.add(LANE, which(0), 2);
        announcer.add(LANE, which(1), 1);
        announcer.add(LANE, which(0), 2);
        announcer.add(OTHER, which(2), 0);
        assert_eq!(announcer.due(at(0)), [(LANE, vec![which(0), which(1), which(0)])]);
        assert_eq!(announcer.due(at(0)), []);
        assert_eq!(announcer.deadline(), None);
    }

    /// What is announced for the first time waits for no repeat, whatever its lane, and repeats leave
    /// others their turn.
    #[test]
    fn the_first_before_the_second() {
        let mut announcer = Announcer::default();
        let addresses = 2 * BURST;
        for address in 0..addresses {
            announcer.add(LANE, which(address), 3);
        }
        let count =
            |all: &[(Lane, Vec<Which>)]| all.iter().map(|(_, due)| due.len()).sum::<usize>();
        assert_eq!(announcer.due(at(0)), [(LANE, (0..BURST).map(which).collect())]);
        let rest = announcer.due(at(0));
        assert_eq!(count(&rest), BURST + REPEATS);
        assert_eq!(rest[0].1[..BURST], (BURST..addresses).map(which).collect::<Vec<_>>());
        announcer.add(OTHER, which(addresses), 2);
        let next = announcer.due(at(0));
        assert!(next.iter().any(|(lane, due)| (*lane, due[0]) == (OTHER, which(addresses))));
        assert_eq!(count(&next), 1 + REPEATS);
        let mut sent = BURST + count(&rest) + count(&next);
        while announcer.deadline().is_some() {
            let due = count(&announcer.due(at(0)));
            assert!((1..=REPEATS).contains(&due));
            sent += due;
        }
        assert_eq!(sent, 3 * addresses + 2);
    }

    /// What arrives again while it is being repeated is announced before all repeats, and not more
    /// often than it was asked for; whatever happens, an address stands in each queue once.
    #[test]
    fn arrives_again() {
        let mut announcer = Announcer::default();
        announcer.set_pauses((Duration::from_millis(10), Duration::ZERO), &[]);
        for address in 0..3 {
            announcer.add(LANE, which(address), 2);
        }
        let mut millis = 0;
        let mut next = |announcer: &mut Announcer| {
            millis += 10;
            announcer.due(at(millis)).into_iter().flat_map(|(_, due)| due).next()
        };
        let first: Vec<_> = (0..3).filter_map(|_| next(&mut announcer)).collect();
        assert_eq!(first, [which(0), which(1), which(2)]);
        for _ in 0..5 {
            announcer.add(LANE, which(2), 1);
            announcer.add(LANE, which(2), 1);
            assert_eq!(next(&mut announcer), Some(which(2)));
            let queue = &announcer.lanes[&LANE];
            assert_eq!((queue.first.len(), queue.repeats.len(), queue.left.len()), (0, 3, 3));
        }
        let rest: Vec<_> = std::iter::from_fn(|| next(&mut announcer)).collect();
        assert_eq!(rest, [which(0), which(1)]);
        assert_eq!(announcer.deadline(), None);
    }

    #[test]
    fn pace() {
        let mut announcer = Announcer::default();
        announcer.set_pauses((Duration::from_millis(100), Duration::ZERO), &[]);
        for address in 0..3 {
            announcer.add(LANE, which(address), 1);
            announcer.add(OTHER, which(10 + address), 1);
        }
        let first = announcer.due(at(0));
        assert_eq!(first, [(LANE, vec![which(0)]), (OTHER, (10..13).map(which).collect())]);
        assert_eq!(announcer.deadline(), Some(at(100)));
        assert_eq!(announcer.due(at(99)), []);
        assert_eq!(announcer.due(at(100)), [(LANE, vec![which(1)])]);
        assert_eq!(announcer.due(at(250)), [(LANE, vec![which(2)])]);
        // The pace holds for what comes later, too.
        announcer.add(LANE, which(4), 1);
        assert_eq!(announcer.deadline(), Some(at(350)));
        // One that found no room is not forgotten.
        assert_eq!(announcer.due(at(350)), [(LANE, vec![which(4)])]);
        announcer.refused(LANE, which(4), at(350));
        assert_eq!(announcer.due(at(450)), [(LANE, vec![which(4)])]);
    }

    /// Interfaces of a group take turns; others are not held up, and keep the pace that is for all.
    #[test]
    fn groups_share_a_pace() {
        let group = GarpGroup {
            garp_interval: Some(Duration::from_millis(50)),
            interfaces: vec!["a".into(), "b".into()],
            ..GarpGroup::default()
        };
        let mut announcer = Announcer::default();
        let slow = Duration::from_millis(400);
        announcer.set_pauses((slow, slow), std::slice::from_ref(&group));
        let lane = |ifindex| (ifindex, Family::V4);
        for (ifindex, name) in [(1, "a"), (2, "b"), (3, "c")] {
            announcer.group(ifindex, &name.into());
            for n in 0..2 {
                announcer.add(lane(ifindex), which(n), 1);
            }
        }
        announcer.add((2, Family::V6), which(9), 3);
        let mut sent = Vec::new();
        for millis in 0..500 {
            for (lane, due) in announcer.due(at(millis)) {
                sent.push((millis, lane.0, lane.1, due.len()));
            }
            assert!(announcer.deadline().is_none_or(|deadline| deadline > at(millis)));
        }
        let v4 = Family::V4;
        assert_eq!(
            sent,
            [
                (0, 1, v4, 1),
                // The group says nothing of IPv6, so there is no pause.
                (0, 2, Family::V6, 3),
                (0, 3, v4, 1),
                (50, 2, v4, 1),
                (100, 1, v4, 1),
                (150, 2, v4, 1),
                (400, 3, v4, 1),
            ]
        );
        // A reload without the group: the pace for all.
        announcer.set_pauses((slow, slow), &[]);
        announcer.add(lane(1), which(0), 1);
        announcer.regroup(|_| None);
        assert_eq!(announcer.due(at(600)), [(lane(1), vec![which(0)])]);
        announcer.add(lane(1), which(0), 1);
        assert_eq!(announcer.deadline(), Some(at(1000)));
    }

    #[test]
    fn calm_while_flapping() {
        let mut announcer = Announcer::default();
        let mut sent = Vec::new();
        for millis in 0..2500 {
            let now = at(millis);
            if millis < 1500 {
                announcer.add_returned(LANE, which(0), 1, now);
            }
            for (which, times) in announcer.calmed(now) {
                announcer.add_returned(LANE, which, times, now);
            }
            sent.extend(announcer.due(now).iter().map(|_| millis));
        }
        assert_eq!(sent, [0, 1000, 2000]);
        assert_eq!(announcer.deadline(), None);
        // Not sent after all: what comes next is not held back.
        announcer.add_returned(LANE, which(0), 1, at(5000));
        announcer.due(at(5000));
        announcer.unsent(which(0));
        announcer.add_returned(LANE, which(0), 1, at(5001));
        assert!(announcer.deadline().is_some_and(|deadline| deadline <= at(5001)), "at once");
        announcer.add(LANE, which(1), 1);
        announcer.due(at(5001));
        announcer.add_returned(LANE, (RouterId(2), 0), 1, at(5001));
        announcer.forget(RouterId(1));
        assert_eq!(announcer.returned.keys().collect::<Vec<_>>(), [&(RouterId(2), 0)]);
    }
}
