//! What is handed to the loop at its start and on reload, and what it hands back at its end.
use crate::config::model::Config;
use crate::engine::input::Input;
use crate::notify::Notifier;
use crate::track::Tracker;
use std::sync::Arc;

/// A configuration, ready to be applied.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Arc<Config>,
    /// What it tracks is like this.
    pub tracked: Vec<Input>,
}

/// How the loop ended, and what it leaves to somebody who may wait.
#[derive(Debug)]
pub struct Ended {
    /// Why, if not because it was told to.
    pub result: anyhow::Result<()>,
    /// Still watching.
    pub tracker: Option<Tracker>,
    /// What was applied last.
    pub config: Option<Arc<Config>>,
}

impl Ended {
    /// Before it began.
    pub fn with(error: anyhow::Error) -> Self {
        Self { result: Err(error), tracker: None, config: None }
    }
}

/// What tells and what watches on the loop's behalf, each on threads of its own.
#[derive(Debug)]
pub struct Workers {
    /// Tells of transitions.
    pub notifier: Notifier,
    /// Watches what is tracked.
    pub tracker: Tracker,
}
