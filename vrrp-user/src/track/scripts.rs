//! When does a check script run, and when has it failed.
//!
//! A script runs every `interval`, counted from one start to the next. One that is still running
//! when the next run is due is not started twice. One that takes longer than its `timeout` has
//! failed, at once, and is then ended with all it started in its process group.
use super::Deliver;
use crate::config::model::{Config, Name};
use crate::config::program::Scripts;
use crate::config::tracked::Script;
use crate::engine::input::Input;
use crate::program::launch::{self, GRACE, Runnable};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long runs may take to end when the daemon does.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// Names of scripts that are running at this moment.
pub type Running = Arc<Mutex<BTreeSet<Name>>>;

/// A script is running as long as this lives.
struct Mark<'a>(&'a Running, &'a Name);

impl<'a> Mark<'a> {
    fn new(running: &'a Running, name: &'a Name) -> Self {
        running.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        Self(running, name)
    }
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(self.1);
    }
}

/// The other end of the thread that runs scripts.
#[derive(Debug)]
pub struct Handle {
    wanted: mpsc::UnboundedSender<Arc<Config>>,
    thread: JoinHandle<()>,
}

impl Handle {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system has no thread or descriptor left.
    pub fn start(deliver: Arc<dyn Deliver>, running: Running) -> std::io::Result<Self> {
        let (wanted, received) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name("scripts".to_owned())
            .spawn(move || runtime.block_on(serve(received, deliver, running)))?;
        Ok(Self { wanted, thread })
    }

    /// Runs the scripts of `config` from now on.
    pub fn watch(&self, config: Arc<Config>) {
        if self.wanted.send(config).is_err() {
            tracing::error!("the thread that runs scripts has ended");
        }
    }

    /// Tells the thread to end; it does when the last run has.
    pub fn stop(self) -> JoinHandle<()> {
        self.thread
    }
}

/// A script that is run again and again.
struct Kept {
    script: Arc<Script>,
    runnable: Runnable,
    /// Dropped to end it; what it says is how long the last run may take to end.
    going: watch::Sender<Duration>,
}

async fn serve(
    mut wanted: mpsc::UnboundedReceiver<Arc<Config>>,
    deliver: Arc<dyn Deliver>,
    marks: Running,
) {
    let mut kept: HashMap<Name, Kept> = HashMap::new();
    let mut running = JoinSet::new();
    loop {
        let config = tokio::select! {
            config = wanted.recv() => config,
            Some(_) = running.join_next() => continue,
        };
        let Some(config) = config else { break };
        let mut next = HashMap::new();
        for script in &config.scripts {
            let Some(runnable) = runnable(script, &config.globals.scripts) else { continue };
            let name = script.name.clone();
            // Where it stands in the file is no change.
            let same =
                |old: &Kept| old.runnable == runnable && timing(&old.script) == timing(script);
            let entry = match kept.remove(&name) {
                Some(old) if same(&old) => old,
                _ => {
                    let (going, gone) = watch::channel(GRACE);
                    let task = (Arc::clone(script), runnable.clone(), gone, Arc::clone(&deliver));
                    running.spawn(repeat(task.0, task.1, task.2, task.3, Arc::clone(&marks)));
                    Kept { script: Arc::clone(script), runnable, going }
                }
            };
            next.insert(name, entry);
        }
        kept = next;
    }
    for entry in kept.values() {
        let _ = entry.going.send(LAST_GRACE);
    }
    drop(kept);
    let ends = async { while running.join_next().await.is_some() {} };
    if timeout(LAST_GRACE * 3, ends).await.is_err() {
        tracing::error!("a check script does not end, and is left behind");
    }
}

fn timing(script: &Script) -> (Duration, Duration) {
    (script.interval, script.timeout)
}

fn runnable(script: &Script, rules: &Scripts) -> Option<Runnable> {
    Runnable::new(&script.program, rules)
        .inspect_err(|why| tracing::error!("vrrp_script {} is not run: {why}", script.name))
        .ok()
}

/// Runs one script again and again, until `gone` says so.
async fn repeat(
    script: Arc<Script>,
    runnable: Runnable,
    mut gone: watch::Receiver<Duration>,
    deliver: Arc<dyn Deliver>,
    running: Running,
) {
    // The runtime's own timers have a grain of a millisecond, and so has keepalived's `interval`.
    let mut due = interval(script.interval.max(Duration::from_millis(1)));
    due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut last = None;
    loop {
        tokio::select! {
            _ = due.tick() => {}
            () = told(&mut gone) => return,
        }
        let mark = Mark::new(&running, &script.name);
        let failure = match runnable.start(&[]) {
            Err(e) => Some(format!("cannot be started: {e}")),
            Ok(mut run) => tokio::select! {
                ended = timeout(script.timeout, run.ended()) => match ended {
                    Ok(Ok(status)) if status.success() => None,
                    Ok(Ok(status)) => Some(launch::words(status)),
                    Ok(Err(e)) => Some(format!("was lost: {e}")),
                    Err(_) => {
                        let why = format!("took longer than {:?}", script.timeout);
                        report(&script, &deliver, &mut last, Some(why));
                        let grace = *gone.borrow();
                        run.end(grace).await;
                        continue;
                    }
                },
                () = told(&mut gone) => {
                    let grace = *gone.borrow();
                    return run.end(grace).await;
                }
            },
        };
        drop(mark);
        report(&script, &deliver, &mut last, failure);
    }
}

/// Ends when the other side has dropped its end.
async fn told(gone: &mut watch::Receiver<Duration>) {
    while gone.changed().await.is_ok() {}
}

/// Hands a result over; one that differs from the one before is said.
fn report(
    script: &Script,
    deliver: &Arc<dyn Deliver>,
    last: &mut Option<Option<String>>,
    failure: Option<String>,
) {
    let succeeded = failure.is_none();
    if last.as_ref() != Some(&failure) {
        match &failure {
            Some(why) => tracing::warn!("vrrp_script {}: {} {why}", script.name, command(script)),
            None => tracing::info!("vrrp_script {} succeeds", script.name),
        }
        *last = Some(failure);
    }
    deliver(Input::Script { name: script.name.clone(), succeeded });
}

fn command(script: &Script) -> &str {
    script.program.words.first().map_or("", String::as_str)
}

#[cfg(test)]
mod tests;
