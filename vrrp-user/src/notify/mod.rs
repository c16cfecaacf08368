//! Who is told of transitions: FIFOs, and programs that are run.
//!
//! A thread of its own tells; the loop hands notices over through a bounded queue and never waits.
//! Programs are started in the order of the notices and, as with keepalived, do not wait for one
//! another.
pub mod event;
mod fifo;

use crate::config::model::{Config, Name};
use crate::config::program::{Program, Scripts};
use crate::program::launch::{self, GRACE, Runnable};
use event::{Event, Notice};
use fifo::{Fifo, Wanted};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Notices that may wait.
const QUEUE: usize = 262_144;
/// Programs that may run at once; further ones wait for one of them to end.
const PROGRAMS: usize = 256;
/// Programs that may wait.
const WAITING: usize = 8192;
/// How long what is run at the stop may take, as with keepalived.
const STOP: Duration = Duration::from_secs(1);

/// The loop's end.
#[derive(Clone, Debug)]
pub struct Notifier {
    queue: mpsc::Sender<Message>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Tell(Notice),
    Use(Arc<Config>),
}

impl Notifier {
    /// Starts the thread that tells; it ends when every copy of the notifier is gone and what was
    /// told at last is done.
    ///
    /// # Errors
    /// Where the system has no thread or descriptor left.
    pub fn start() -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, received) = mpsc::channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&dropped);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name("notify".to_owned())
            .spawn(move || runtime.block_on(serve(received, &count)))?;
        Ok((Self { queue, dropped }, thread))
    }

    /// Tells whom `config` says from now on.
    pub fn configure(&self, config: Arc<Config>) {
        self.post(Message::Use(config));
    }

    /// Hands a notice over.
    pub fn tell(&self, notice: Notice) {
        self.post(Message::Tell(notice));
    }

    fn post(&self, message: Message) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(message) {
            // Said by the thread that does not keep up, once it does.
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn serve(mut queue: mpsc::Receiver<Message>, dropped: &AtomicU64) {
    let mut teller = Teller::new();
    while let Some(message) = queue.recv().await {
        match message {
            Message::Use(config) => teller.configure(&config),
            Message::Tell(notice) => teller.tell(&notice),
        }
        let dropped = dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::error!("{dropped} notices were dropped: telling them does not keep up");
        }
    }
    teller.finish().await;
}

struct Teller {
    rules: Scripts,
    fifos: Vec<Fifo>,
    /// By program, so that its user is looked up once for each configuration.
    known: HashMap<Key, Option<Runnable>>,
    running: JoinSet<()>,
    /// Those of the stop, which are waited for.
    last: JoinSet<()>,
    permits: Arc<Semaphore>,
    /// Programs that wait for a permit give up when this is dropped.
    open: watch::Sender<()>,
    refused: u64,
}

/// What tells programs apart.
type Key = (Vec<String>, Option<(String, Option<String>)>);

fn key(program: &Program) -> Key {
    let user = program.user.as_ref().map(|user| (user.name.clone(), user.group.clone()));
    (program.words.clone(), user)
}

impl Teller {
    fn new() -> Self {
        Self {
            rules: Scripts::default(),
            fifos: Vec::new(),
            known: HashMap::new(),
            running: JoinSet::new(),
            last: JoinSet::new(),
            permits: Arc::new(Semaphore::new(PROGRAMS)),
            open: watch::channel(()).0,
            refused: 0,
        }
    }

    fn configure(&mut self, config: &Config) {
        let globals = &config.globals;
        self.rules = globals.scripts.clone();
        self.known.clear();
        let wanted = [
            (&globals.notify_fifo, &globals.scripts.fifo, &globals.scripts.fifo_owner),
            (
                &globals.vrrp_notify_fifo,
                &globals.scripts.vrrp_fifo,
                &globals.scripts.vrrp_fifo_owner,
            ),
        ];
        let mut kept = Vec::new();
        for (path, script, owner) in wanted {
            let Some(path) = path.clone() else { continue };
            let script = script.as_ref().and_then(|script| self.runnable(script));
            let owner = owner.as_ref().map(|owner| &owner.user);
            let owner = launch::account(owner, &self.rules).ok();
            match self.fifos.iter().position(|fifo| fifo.path() == path) {
                Some(place) => {
                    let mut fifo = self.fifos.swap_remove(place);
                    fifo.read_by(script);
                    kept.push(fifo);
                }
                None => match Fifo::open(Wanted { path: path.clone(), script, owner }) {
                    Ok(fifo) => kept.push(fifo),
                    Err(e) => tracing::error!("notify FIFO {}: {e}", path.display()),
                },
            }
        }
        for gone in std::mem::replace(&mut self.fifos, kept) {
            self.running.spawn(gone.close());
        }
    }

    fn runnable(&mut self, program: &Program) -> Option<Runnable> {
        let rules = &self.rules;
        let entry = self.known.entry(key(program)).or_insert_with(|| {
            let runnable = Runnable::new(program, rules);
            let name = || program.words.first().map_or("", String::as_str);
            runnable.inspect_err(|why| tracing::error!("{} is not run: {why}", name())).ok()
        });
        entry.clone()
    }

    fn tell(&mut self, notice: &Notice) {
        // What has ended is let go of.
        while self.running.try_join_next().is_some() {}
        let stop = notice.event == Event::Stop;
        for (program, words) in notice.programs() {
            let Some(runnable) = self.runnable(program) else { continue };
            let name = notice.subject.name().clone();
            self.run(name, runnable, words, stop);
        }
        let line = notice.line();
        self.fifos.iter_mut().for_each(|fifo| fifo.write(&line));
    }

    fn run(&mut self, of: Name, runnable: Runnable, words: Vec<String>, stop: bool) {
        if stop {
            // It has its second, whatever else still runs.
            if let Some(started) = start(&of, &runnable, &words) {
                self.last
                    .spawn(async move { watch_over(&of, &runnable, started, Some(STOP)).await });
            }
            return;
        }
        if self.running.len() >= PROGRAMS + WAITING {
            if self.refused == 0 {
                tracing::error!("({of}) {} is not run: too many wait", runnable.name());
            }
            self.refused += 1;
            return;
        }
        if self.refused > 0 {
            tracing::error!("{} programs were not run", self.refused);
            self.refused = 0;
        }
        // One that can start does, before anything that is told later.
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            if let Some(started) = start(&of, &runnable, &words) {
                self.running.spawn(async move {
                    watch_over(&of, &runnable, started, None).await;
                    drop(permit);
                });
            }
            return;
        }
        let permits = Arc::clone(&self.permits);
        let mut open = self.open.subscribe();
        self.running.spawn(async move {
            tokio::select! {
                permit = permits.acquire_owned() => {
                    if let Some(started) = start(&of, &runnable, &words) {
                        watch_over(&of, &runnable, started, None).await;
                    }
                    drop(permit);
                }
                _ = open.changed() => {}
            }
        });
    }

    /// Gives what was told at last its time. Other programs get SIGTERM with the end of this thread.
    async fn finish(mut self) {
        drop(self.open);
        for fifo in self.fifos {
            self.last.spawn(fifo.close());
        }
        while self.last.join_next().await.is_some() {}
    }
}

fn start(of: &Name, runnable: &Runnable, words: &[String]) -> Option<launch::Run> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let started = runnable.start(&words);
    started.inspect_err(|e| tracing::error!("({of}) {} not started: {e}", runnable.name())).ok()
}

/// Waits for a program, and says if it failed.
async fn watch_over(of: &Name, runnable: &Runnable, mut run: launch::Run, limit: Option<Duration>) {
    let ended = match limit {
        None => run.ended().await,
        Some(limit) => match tokio::time::timeout(limit, run.ended()).await {
            Ok(ended) => ended,
            Err(_) => {
                tracing::warn!("({of}) {} takes too long and is ended", runnable.name());
                return run.kill(GRACE).await;
            }
        },
    };
    match ended {
        Ok(status) if status.success() => {}
        Ok(status) => {
            tracing::warn!("({of}) {} {}", runnable.name(), launch::words(status));
        }
        Err(e) => tracing::error!("({of}) {} was lost: {e}", runnable.name()),
    }
}

#[cfg(test)]
mod tests;
