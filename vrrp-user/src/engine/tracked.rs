//! What is known of scripts, files and processes, and which routers care.
//!
//! The world tells raw results; what they amount to (`rise` and `fall`, a quorum and its delays) is
//! worked out here. An object keeps what is known of it through a reload; one whose configuration
//! changed keeps it until the first result under the new one, which counts at once.
use super::digest::from;
use super::snapshot::Known;
use super::tracking::Tracking;
use crate::config::model::{Config, Name};
use crate::config::tracked::{Script, Track, TrackedFile, TrackedProcess};
use foldhash::HashMap;
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use vrrp_common::ident::RouterId;
use vrrp_common::time::Instant;

/// Every tracked object but interfaces.
#[derive(Clone, Default)]
pub(super) struct Objects {
    scripts: HashMap<Name, Entry<ScriptState>>,
    files: HashMap<Name, Entry<FileState>>,
    processes: HashMap<Name, Entry<ProcessState>>,
    /// When a count of processes that changed has lasted long enough.
    due: BTreeSet<(Instant, Name)>,
}

#[derive(Clone, Default)]
struct Entry<T> {
    /// Nothing, where a router tracks what no configuration declares.
    state: Option<T>,
    routers: BTreeSet<RouterId>,
}

#[derive(Clone)]
struct ScriptState {
    config: Arc<Script>,
    good: Option<bool>,
    /// No result under this configuration yet.
    fresh: bool,
    /// Results in a row that say otherwise than `good`.
    against: u32,
}

#[derive(Clone)]
struct FileState {
    config: Arc<TrackedFile>,
    value: Option<i64>,
}

#[derive(Clone)]
struct ProcessState {
    config: Arc<TrackedProcess>,
    good: Option<bool>,
    fresh: bool,
    count: Option<u32>,
    /// When `good` becomes its opposite, unless the count changes again.
    due: Option<Instant>,
}

impl ScriptState {
    fn new(config: Arc<Script>) -> Self {
        let good = config.init_fail.then_some(false);
        Self { config, good, fresh: true, against: 0 }
    }

    /// Takes in a result. Says whether it changed anything for those who track it.
    fn result(&mut self, succeeded: bool) -> bool {
        let at_once = std::mem::take(&mut self.fresh) && !self.config.init_fail;
        if self.good == Some(succeeded) {
            self.against = 0;
            return false;
        }
        let needed = if succeeded { self.config.rise } else { self.config.fall };
        self.against += 1;
        if self.good.is_some() && !at_once && self.against < needed {
            return false;
        }
        self.good = Some(succeeded);
        self.against = 0;
        true
    }
}

impl ProcessState {
    /// Takes in a count. Says whether it changed anything for those who track it.
    fn count(&mut self, now: Instant, count: u32) -> bool {
        let more = self.count.is_some_and(|before| count > before);
        let fresh = std::mem::take(&mut self.fresh);
        self.count = Some(count);
        let config = &self.config;
        let good = count >= config.quorum && config.quorum_max.is_none_or(|max| count <= max);
        if self.good == Some(good) {
            self.due = None;
            return false;
        }
        // keepalived: it is the direction of the count that says which delay, for a fork may also be
        // one too many.
        let delay = if more { config.fork_delay } else { config.terminate_delay };
        if self.good.is_none() || fresh || delay.is_zero() {
            self.good = Some(good);
            self.due = None;
            return true;
        }
        self.due.get_or_insert(now + delay);
        false
    }
}

impl Objects {
    /// Takes in a result of a script. Says whether it changed anything for those who track it.
    pub(super) fn script(&mut self, name: &Name, succeeded: bool) -> bool {
        state(&mut self.scripts, name).is_some_and(|script| script.result(succeeded))
    }

    /// Takes in what a file holds.
    pub(super) fn file(&mut self, name: &Name, value: i64) -> bool {
        state(&mut self.files, name).is_some_and(|file| file.value.replace(value) != Some(value))
    }

    /// Takes in a count of processes.
    pub(super) fn processes(&mut self, now: Instant, name: &Name, count: u32) -> bool {
        let Some(counted) = state(&mut self.processes, name) else { return false };
        let before = counted.due;
        let changed = counted.count(now, count);
        let after = counted.due;
        if before != after {
            before.map(|at| self.due.remove(&(at, name.clone())));
            after.map(|at| self.due.insert((at, name.clone())));
        }
        changed
    }

    /// When [`Self::expire`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A count of processes that has lasted long enough, if there is such a one.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Name> {
        let (at, name) = self.due.first()?.clone();
        if at > now {
            return None;
        }
        self.due.pop_first();
        if let Some(counted) = state(&mut self.processes, &name) {
            counted.due = None;
            counted.good = counted.good.map(|good| !good);
        }
        Some(name)
    }

    /// Takes in a new configuration.
    pub(super) fn load(&mut self, config: &Config) {
        let scripts = config.scripts.iter().map(|new| (&new.name, new));
        load(&mut self.scripts, scripts, ScriptState::new, |old, new| {
            let same = Script { origin: new.origin.clone(), ..(*old.config).clone() } == **new;
            old.fresh |= !same;
            old.against = if same { old.against } else { 0 };
            old.config = new.clone();
        });
        let files = config.files.iter().map(|new| (&new.name, new));
        let new_file = |config| FileState { config, value: None };
        load(&mut self.files, files, new_file, |old, new| old.config = new.clone());
        let processes = config.tracked.iter().map(|new| (&new.name, new));
        let new_process =
            |config| ProcessState { config, good: None, fresh: true, count: None, due: None };
        load(&mut self.processes, processes, new_process, |old, new| {
            let origin = new.origin.clone();
            if (TrackedProcess { origin, ..(*old.config).clone() }) != **new {
                old.fresh = true;
                old.due = None;
            }
            old.config = new.clone();
        });
        let due = self
            .processes
            .iter()
            .filter_map(|(name, entry)| Some((entry.state.as_ref()?.due?, name.clone())));
        self.due = due.collect();
    }

    /// The routers that care about a script.
    pub(super) fn of_script(&self, name: &Name) -> Vec<RouterId> {
        routers(&self.scripts, name)
    }

    /// The routers that care about a file.
    pub(super) fn of_file(&self, name: &Name) -> Vec<RouterId> {
        routers(&self.files, name)
    }

    /// The routers that care about processes.
    pub(super) fn of_process(&self, name: &Name) -> Vec<RouterId> {
        routers(&self.processes, name)
    }

    /// A router cares about what it tracks from now on.
    pub(super) fn watch(&mut self, router: RouterId, tracking: Tracking<'_>) {
        watch(&mut self.scripts, router, tracking.scripts());
        watch(&mut self.files, router, tracking.files());
        watch(&mut self.processes, router, tracking.processes());
    }

    /// And no longer does.
    pub(super) fn forget(&mut self, router: RouterId, tracking: Tracking<'_>) {
        forget(&mut self.scripts, router, tracking.scripts());
        forget(&mut self.files, router, tracking.files());
        forget(&mut self.processes, router, tracking.processes());
    }

    /// Whether a script is good; nothing before that is known.
    pub(super) fn script_good(&self, name: &Name) -> Option<bool> {
        self.scripts.get(name)?.state.as_ref()?.good
    }

    /// What a file holds; nothing before that is known.
    pub(super) fn file_value(&self, name: &Name) -> Option<i64> {
        self.files.get(name)?.state.as_ref()?.value
    }

    /// Whether as many processes run as should; nothing before that is known.
    pub(super) fn process_good(&self, name: &Name) -> Option<bool> {
        self.processes.get(name)?.state.as_ref()?.good
    }

    /// What is known of a script, for reports.
    pub(super) fn known_script(&self, name: &Name) -> Option<Known> {
        let script = self.scripts.get(name)?.state.as_ref()?;
        let needed =
            if script.good == Some(true) { script.config.fall } else { script.config.rise };
        Some(Known::Script { good: script.good, against: script.against, needed })
    }

    /// What is known of a file, for reports.
    pub(super) fn known_file(&self, name: &Name) -> Option<Known> {
        let file = self.files.get(name)?.state.as_ref()?;
        Some(Known::File { path: file.config.path.clone(), value: file.value })
    }

    /// What is known of processes, for reports.
    pub(super) fn known_process(&self, name: &Name) -> Option<Known> {
        let counted = self.processes.get(name)?.state.as_ref()?;
        Some(Known::Process {
            count: counted.count,
            quorum: counted.config.quorum,
            quorum_max: counted.config.quorum_max,
            changes: counted.due.is_some(),
        })
    }

    /// Feeds all of it to `into`.
    pub(super) fn digest(&self, now: Instant, into: &mut impl Hasher) {
        for (name, entry) in sorted(&self.scripts) {
            let state = entry.state.as_ref().map(|s| (s.good, s.fresh, s.against));
            (name, state).hash(into);
        }
        for (name, entry) in sorted(&self.files) {
            (name, entry.state.as_ref().map(|file| file.value)).hash(into);
        }
        for (name, entry) in sorted(&self.processes) {
            let state = entry.state.as_ref();
            let state = state.map(|p| (p.good, p.fresh, p.count, p.due.map(|at| from(now, at))));
            (name, state).hash(into);
        }
    }
}

fn state<'a, T>(entries: &'a mut HashMap<Name, Entry<T>>, name: &Name) -> Option<&'a mut T> {
    entries.get_mut(name)?.state.as_mut()
}

fn routers<T>(entries: &HashMap<Name, Entry<T>>, name: &Name) -> Vec<RouterId> {
    entries.get(name).map(|entry| entry.routers.iter().copied().collect()).unwrap_or_default()
}

/// Objects that stay are told their configuration, the others come and go.
fn load<'a, T, C: 'a>(
    entries: &mut HashMap<Name, Entry<T>>,
    wanted: impl Iterator<Item = (&'a Name, &'a Arc<C>)> + Clone,
    make: impl Fn(Arc<C>) -> T,
    change: impl Fn(&mut T, &Arc<C>),
) {
    let names: BTreeSet<&Name> = wanted.clone().map(|(name, _)| name).collect();
    entries.retain(|name, entry| {
        if !names.contains(name) {
            entry.state = None;
        }
        entry.state.is_some() || !entry.routers.is_empty()
    });
    for (name, config) in wanted {
        let entry = match entries.get_mut(name) {
            Some(entry) => entry,
            None => {
                let routers = BTreeSet::new();
                entries.entry(name.clone()).or_insert(Entry { state: None, routers })
            }
        };
        match &mut entry.state {
            Some(state) => change(state, config),
            none => *none = Some(make(config.clone())),
        }
    }
}

fn watch<'a, T>(
    entries: &mut HashMap<Name, Entry<T>>,
    router: RouterId,
    tracks: impl Iterator<Item = &'a Track>,
) {
    for track in tracks {
        let none = || Entry { state: None, routers: BTreeSet::new() };
        entries.entry(track.object.clone()).or_insert_with(none).routers.insert(router);
    }
}

fn forget<'a, T>(
    entries: &mut HashMap<Name, Entry<T>>,
    router: RouterId,
    tracks: impl Iterator<Item = &'a Track>,
) {
    for track in tracks {
        if let Some(entry) = entries.get_mut(&track.object) {
            entry.routers.remove(&router);
            if entry.state.is_none() && entry.routers.is_empty() {
                entries.remove(&track.object);
            }
        }
    }
}

fn sorted<T>(entries: &HashMap<Name, Entry<T>>) -> Vec<(&Name, &Entry<T>)> {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_unstable_by_key(|(name, _)| *name);
    entries
}
