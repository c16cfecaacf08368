//! What the world is like, worked out by other means than the engine's.
use super::*;

/// The world as it is, and what is known of it.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) config: Config,
    /// What each link is like, since when, and whether it counts as up.
    pub(super) links: BTreeMap<&'static str, (LinkState, Instant, bool)>,
    /// Links that had no address when they last worked.
    pub(super) bare: BTreeSet<&'static str>,
    pub(super) addresses: BTreeSet<&'static str>,
    /// keepalived's counter, good from `rise` on.
    pub(super) scripts: BTreeMap<&'static str, Option<u32>>,
    pub(super) files: BTreeMap<&'static str, Option<i64>>,
    /// Count, whether it counts as good, and when the opposite will.
    pub(super) processes: BTreeMap<&'static str, (Option<u32>, bool, Option<Instant>)>,
    pub(super) states: BTreeMap<Name, State>,
    /// Routers that have not been backup or master since they were made.
    pub(super) fresh: BTreeSet<Name>,
    pub(super) ids: BTreeMap<RouterId, Name>,
    pub(super) told: BTreeMap<Name, State>,
}

impl World {
    pub(super) fn script(&mut self, name: &'static str, succeeded: bool) {
        let (rise, fall) = (2, 3);
        let counter = self.scripts.get_mut(name).unwrap();
        let Some(result) = counter else {
            *counter = Some(if succeeded { rise + fall - 1 } else { 0 });
            return;
        };
        *result = match succeeded {
            true if *result + 1 < rise => *result + 1,
            true => rise + fall - 1,
            false if *result > rise => *result - 1,
            false => 0,
        };
    }

    pub(super) fn count(&mut self, name: &'static str, count: u32) {
        let now = self.now;
        let (before, good, due) = self.processes.get_mut(name).unwrap();
        let is_good = (2..=3).contains(&count);
        let delay = match (name, *before) {
            ("p1", Some(before)) if count > before => DELAY,
            ("p1", Some(_)) => 2 * DELAY,
            _ => Duration::ZERO,
        };
        if is_good == *good || delay.is_zero() {
            (*good, *due) = (is_good, None);
        } else {
            due.get_or_insert(now + delay);
        }
        *before = Some(count);
    }

    pub(super) fn link(&mut self, name: &'static str, state: LinkState) {
        let now = self.now;
        let (before, since, up) = self.links.get_mut(name).unwrap();
        let is_up = |state: &LinkState| matches!(state, LinkState::Up(_));
        if is_up(before) != is_up(&state) {
            *since = now;
        }
        *before = state;
        match state {
            LinkState::Up(addresses) if addresses == LinkAddresses::default() => {
                self.bare.insert(name);
            }
            LinkState::Up(_) => {
                self.bare.remove(name);
            }
            LinkState::Down(_) | LinkState::Missing => {}
        }
        if state == LinkState::Missing {
            *up = false;
        }
        self.links_count(name);
    }

    pub(super) fn links_count(&mut self, name: &'static str) {
        let (state, since, up) = self.links.get_mut(name).unwrap();
        let is_up = matches!(state, LinkState::Up(_));
        let delay = self.config.link_delays.iter().find(|delay| *delay.interface == *name);
        let wait = delay.map_or(Duration::ZERO, |d| if is_up { d.up } else { d.down });
        if self.now >= *since + wait {
            *up = is_up;
        }
    }

    /// What is due has come.
    pub(super) fn serve(&mut self) {
        for name in LINKS {
            self.links_count(name);
        }
        for (_, good, due) in self.processes.values_mut() {
            if due.is_some_and(|due| due <= self.now) {
                (*good, *due) = (!*good, None);
            }
        }
    }

    pub(super) fn up(&self, name: &Name) -> bool {
        self.links.get(&**name).is_some_and(|(_, _, up)| *up)
    }

    pub(super) fn group_of(&self, instance: &Instance) -> Option<&SyncGroup> {
        let mut groups = self.config.groups.iter();
        groups.find(|group| group.members.contains(&instance.name)).map(Arc::as_ref)
    }

    /// Own lines and the group's; of two about one object the group's, but an own one without weight.
    pub(super) fn lines<T: Clone>(
        &self,
        instance: &Instance,
        own: &[T],
        of: impl Fn(&SyncGroup) -> Vec<T>,
        key: impl Fn(&T) -> (Name, i16),
    ) -> Vec<T> {
        let mut lines: BTreeMap<Name, T> = BTreeMap::new();
        for line in self.group_of(instance).map(of).unwrap_or_default() {
            lines.insert(key(&line).0, line);
        }
        for line in own {
            if key(line).1 == 0 || !lines.contains_key(&key(line).0) {
                lines.insert(key(line).0, line.clone());
            }
        }
        lines.into_values().collect()
    }

    /// Own faults of an instance, and its priority.
    pub(super) fn judge(&self, instance: &Instance) -> (BTreeSet<Fault>, Priority) {
        let mut faults = BTreeSet::new();
        let mut sum = i64::from(instance.priority.0);
        let mut fault = |reason, object: &str| {
            faults.insert(Fault { reason, object: object.into() });
        };
        let interface = &instance.interface;
        if !self.up(interface) {
            fault(Reason::Interface, interface);
        } else if instance.source.is_none() && self.bare.contains(&**interface) {
            fault(Reason::NoSource, interface);
        }
        if instance.track_source && !self.addresses.contains(&**interface) {
            fault(Reason::SourceMissing, &format!("192.0.2.99 dev {interface}"));
        }
        for vip in instance.vips() {
            if !vip.no_track && vip.dev != *interface && !self.up(&vip.dev) {
                fault(Reason::AddressInterface, &format!("{}/24 dev {}", vip.address, vip.dev));
            }
        }
        let mut weigh = |weight: i16, reverse: bool, good: bool| {
            if good == (weight > 0) {
                sum += i64::from(weight) * if reverse { -1 } else { 1 };
            }
        };
        let lines = self.lines(
            instance,
            &instance.track_interfaces,
            |group| group.track_interfaces.clone(),
            |track| (track.interface.clone(), track.weight),
        );
        for track in lines {
            let up = self.up(&track.interface);
            match track.weight {
                0 if up == track.reverse => fault(Reason::TrackedInterface, &track.interface),
                0 => {}
                weight => weigh(weight, track.reverse, up),
            }
        }
        let waits = self.fresh.contains(&instance.name);
        let objects = |of: fn(&Tracks) -> &Vec<Track>| {
            let key = |track: &Track| (track.object.clone(), track.weight);
            self.lines(instance, of(&instance.tracks), |group| of(&group.tracks).clone(), key)
        };
        for Track { object, weight, reverse } in objects(|tracks| &tracks.scripts) {
            match (self.scripts[&*object].map(|result| result >= 2), weight) {
                (Some(good), 0) if good == reverse => fault(Reason::Script, &object),
                (None, 0) if waits => fault(Reason::Awaited, &format!("script {object}")),
                (_, 0) | (None, _) => {}
                (Some(good), weight) => weigh(weight, reverse, good),
            }
        }
        for Track { object, weight, reverse } in objects(|tracks| &tracks.processes) {
            let (count, good, _) = self.processes[&*object];
            match (count.map(|_| good), weight) {
                (Some(good), 0) if good == reverse => fault(Reason::Process, &object),
                (None, _) if waits => fault(Reason::Awaited, &format!("process {object}")),
                (_, 0) | (None, _) => {}
                (Some(good), weight) => weigh(weight, reverse, good),
            }
        }
        for Track { object, weight, reverse } in objects(|tracks| &tracks.files) {
            let Some(value) = self.files[&*object] else {
                if waits {
                    fault(Reason::Awaited, &format!("file {object}"));
                }
                continue;
            };
            let status = i128::from(value) * i128::from(weight) * if reverse { -1 } else { 1 };
            match weight {
                0 if (value == 0) == reverse => fault(Reason::File, &object),
                _ if status <= -254 => fault(Reason::File, &object),
                _ => sum += i64::try_from(status.min(253)).unwrap(),
            }
        }
        let priority = match instance.priority {
            Priority::OWNER => Priority::OWNER,
            _ => Priority(u8::try_from(sum.clamp(1, 254)).unwrap()),
        };
        (faults, priority)
    }

    pub(super) fn watch(&mut self, output: &Output) {
        match output {
            Output::Started { router, instance } => {
                let name = &instance.name;
                if self.ids.insert(*router, name.clone()).is_none() {
                    self.states.insert(name.clone(), State::Initialize);
                    self.fresh.insert(name.clone());
                }
            }
            Output::Stopped { router } => {
                let name = self.ids.remove(router).unwrap();
                self.states.remove(&name);
                self.fresh.remove(&name);
            }
            Output::Transition { router, from, to, .. } => {
                let name = self.ids[router].clone();
                assert_eq!(self.states.insert(name.clone(), *to), Some(*from));
                if matches!(to, State::Backup | State::Active) {
                    self.fresh.remove(&name);
                }
            }
            Output::GroupTransition { group, to } => {
                assert_ne!(self.told.insert(group.clone(), *to), Some(*to));
            }
            _ => {}
        }
    }

    /// Members of groups that run: whoever joins them is taken for one that runs, too.
    pub(super) fn of_running(&self) -> Vec<Name> {
        let runs =
            |member: &Name| matches!(self.states.get(member), Some(State::Backup | State::Active));
        let groups = self.config.groups.iter().filter(|group| group.members.iter().any(runs));
        groups.flat_map(|group| group.members.clone()).collect()
    }
}
