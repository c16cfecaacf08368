//! What is watched besides links: runs of check scripts, numbers in files, counts of processes.
//!
//! Each kind has a thread of its own, which exists while something of its kind is tracked: a script
//! that hangs says nothing of a file, and a file system that hangs nothing of a script. What they
//! find goes to the loop as an input of the engine, which alone knows what it means.
mod connector;
pub mod files;
mod number;
pub mod processes;
mod roster;
pub mod scripts;
mod watches;

use crate::config::model::Config;
use crate::engine::input::Input;
use std::sync::Arc;

/// Takes what was found to where it is wanted; must not wait.
pub trait Deliver: Fn(Input) + Send + Sync {}
impl<F: Fn(Input) + Send + Sync> Deliver for F {}

/// The loop's end of the threads that watch.
pub struct Tracker {
    deliver: Arc<dyn Deliver>,
    running: scripts::Running,
    scripts: Option<scripts::Handle>,
    files: Option<files::Handle>,
    processes: Option<processes::Handle>,
}

impl std::fmt::Debug for Tracker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracker").finish_non_exhaustive()
    }
}

impl Tracker {
    /// Watches nothing yet.
    pub fn new(deliver: Arc<dyn Deliver>) -> Self {
        let running = scripts::Running::default();
        Self { deliver, running, scripts: None, files: None, processes: None }
    }

    /// Scripts that are running at any moment.
    pub fn running(&self) -> scripts::Running {
        Arc::clone(&self.running)
    }

    /// Watches what `config` tracks, and nothing else; what was watched before and is still tracked
    /// goes on undisturbed. Does not wait.
    pub fn watch(&mut self, config: &Arc<Config>) {
        let deliver = &self.deliver;
        start(&mut self.scripts, !config.scripts.is_empty(), "scripts", || {
            scripts::Handle::start(Arc::clone(deliver), Arc::clone(&self.running))
        });
        start(&mut self.files, !config.files.is_empty(), "files", || {
            files::Handle::start(Arc::clone(deliver))
        });
        start(&mut self.processes, !config.tracked.is_empty(), "processes", || {
            processes::Handle::start(Arc::clone(deliver))
        });
        if let Some(scripts) = &self.scripts {
            scripts.watch(Arc::clone(config));
        }
        if let Some(files) = &self.files {
            files.watch(config.files.clone());
        }
        if let Some(processes) = &self.processes {
            processes.watch(config.tracked.clone());
        }
    }

    /// Ends every run and watches nothing any more. What comes back waits, for a second or so at
    /// most, until the last of them has ended.
    #[must_use = "runs may be left over"]
    pub fn stop(self) -> impl FnOnce() + Send {
        let Self { scripts, files, processes, .. } = self;
        // Dropping an end tells its thread; those of files and processes leave nothing behind, and
        // may be held up by what they look at.
        drop((files, processes));
        let scripts = scripts.map(scripts::Handle::stop);
        move || {
            if let Some(thread) = scripts {
                let _ = thread.join();
            }
        }
    }
}

/// Starts a thread that is needed. One that is needed no longer is kept: it waits and costs nothing.
fn start<T>(
    slot: &mut Option<T>,
    needed: bool,
    what: &str,
    new: impl FnOnce() -> std::io::Result<T>,
) {
    if slot.is_none() && needed {
        match new() {
            Ok(started) => *slot = Some(started),
            Err(e) => tracing::error!("{what} cannot be tracked: {e}"),
        }
    }
}

/// What `config` tracks is like now: for the moment it is applied, so that no router starts in a
/// state that is over at once. May wait for a file system. Files that are to be made are made;
/// `reload` says that one that is there keeps its number.
pub fn survey(config: &Config, reload: bool) -> Vec<Input> {
    let mut found = Vec::new();
    for file in &config.files {
        files::prepare(file, reload);
        if let Some(value) = files::read(&file.path) {
            found.push(Input::File { name: file.name.clone(), value });
        }
    }
    found.extend(processes::count_all(&config.tracked));
    found
}
