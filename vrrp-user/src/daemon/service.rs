//! How does the daemon start, reload and stop.
use super::advert_loop::{AdvertLoop, Message};
use super::dumps;
use super::handover::{Ended, Loaded, Workers};
use super::mailbox::{self, Sender};
use super::metrics;
use super::reload_file::{self, Reading};
use super::{freed, logging, network, preflight, reject_log, schedule, supervisor};
use crate::cli::background::Up;
use crate::cli::files::Files;
use crate::config;
use crate::config::diagnostic::Severity;
use crate::config::model::Config;
use crate::config::place::Place;
use crate::config::program::{Program, Scripts};
use crate::control::{capture, server};
use crate::dataplane::plane::{Plane, Settings};
use crate::dataplane::port::XdpMode;
use crate::net::{guard, task};
use crate::notify::Notifier;
use crate::program;
use crate::program::launch::{self, Runnable};
use crate::track::{self, Running, Tracker};
use anyhow::{Context as _, anyhow};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, oneshot};
use vrrp_common::ident::RouterId;

/// What the daemon is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Configuration file.
    pub config: PathBuf,
    /// Where configuration files come from.
    pub files: Files,
    /// Control socket.
    pub control: PathBuf,
    /// Which paths adverts may take.
    pub xdp_mode: XdpMode,
    /// Where metrics are served, if at all.
    pub metrics: Option<Place>,
    /// Whether the XDP program logs every verdict.
    pub debug_dataplane: bool,
    /// What is logged.
    pub log: logging::Control,
    /// The network namespace this thread was moved to, if it was.
    pub namespace: Option<String>,
    /// Who waits until the daemon is up.
    pub up: Option<Up>,
    /// Whether the configuration is logged as it is understood.
    pub dump: bool,
}

/// What the control socket and signals act on.
#[derive(Clone)]
pub struct Handle {
    /// The loop.
    pub mailbox: Sender<Message>,
    /// The network task's account of addresses.
    pub owned: task::Owned,
    /// The configuration file.
    pub config: Arc<Path>,
    /// Where its text comes from.
    pub files: Files,
    /// The network namespace the daemon was moved to.
    pub namespace: Option<String>,
    /// Routers the dataplane has room for: fixed when it is made.
    pub room: u32,
    /// Why the last reload was refused.
    pub reload_error: Arc<Mutex<Option<String>>>,
    /// What is logged.
    pub log: logging::Control,
    /// Where metrics are served.
    pub metrics: metrics::Serving,
    /// Check scripts that run.
    pub running: Running,
    /// Whose turn it is to reload: what is read later must be applied later.
    pub turn: Arc<Turn>,
    /// Asked to give freed memory back.
    pub freed: Arc<Notify>,
    /// `reload_file` of the configuration that runs.
    pub reload_file: Arc<Mutex<Option<PathBuf>>>,
}

/// Who may reload.
#[derive(Debug)]
pub struct Turn {
    /// One at a time.
    lock: tokio::sync::Mutex<()>,
    /// A signal waits for it.
    signalled: AtomicBool,
    /// Threads that may read at once: one, but for those that hang.
    readers: Arc<tokio::sync::Semaphore>,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            lock: tokio::sync::Mutex::default(),
            signalled: AtomicBool::new(false),
            readers: Arc::new(tokio::sync::Semaphore::new(READERS)),
        }
    }
}

/// How long reading a configuration may take. What it takes beyond, a file system that hangs takes.
const READING: Duration = Duration::from_secs(15);

/// Readings that may hang until no more is tried.
const READERS: usize = 4;

impl Handle {
    /// SIGHUP. One that waits for its turn will read what is written by now, so a second need not.
    pub async fn hang_up(&self) {
        if self.turn.signalled.swap(true, Ordering::AcqRel) {
            return;
        }
        let _turn = self.turn.lock.lock().await;
        self.turn.signalled.store(false, Ordering::Release);
        // Said in the log.
        let _refused = self.take().await;
    }

    /// Reads the configuration again and applies it; on any error the running one stays.
    pub async fn reload(&self) -> Result<(), String> {
        let _turn = self.turn.lock.lock().await;
        self.take().await
    }

    async fn take(&self) -> Result<(), String> {
        supervisor::reloading();
        let result = self.try_reload().await;
        match &result {
            Ok(_) => tracing::info!("reloaded {}", self.config.display()),
            Err(why) => tracing::error!("reload refused, the running configuration stays: {why}"),
        }
        supervisor::ready(&match &result {
            Ok(routers) => supervisor::status(*routers),
            Err(_) => "the last reload was refused; see the log".to_owned(),
        });
        if let Ok(mut error) = self.reload_error.lock() {
            *error = result.as_ref().err().cloned();
        }
        result.map(|_| ())
    }

    /// The number of routers there are then.
    async fn try_reload(&self) -> Result<usize, String> {
        let path = Arc::clone(&self.config);
        let (files, namespace) = (self.files.clone(), self.namespace.clone());
        let Ok(reader) = Arc::clone(&self.turn.readers).try_acquire_owned() else {
            return Err(format!(
                "{}: reading it hangs, and has {READERS} times before; restart the daemon",
                self.config.display()
            ));
        };
        let reload_file = self.reload_file.lock().map(|path| path.clone()).unwrap_or_default();
        let load = move || {
            let _reader = reader;
            let reading = Reading::begin(reload_file);
            let config = load(&path, &files)?;
            drop(reading);
            if let Some(other) = &config.globals.namespace
                && namespace.as_ref() != Some(other)
            {
                return Err(format!("`net_namespace {other}` takes effect at a start only"));
            }
            preflight::firewall(&config, guard::probe)?;
            let tracked = track::survey(&config, true);
            Ok::<_, String>(Loaded { config, tracked })
        };
        let loaded = tokio::time::timeout(READING, tokio::task::spawn_blocking(load))
            .await
            .map_err(|_| {
                let path = self.config.display();
                format!("{path}: reading it takes longer than {READING:?}, with all it names")
            })?
            .map_err(|e| format!("reading the configuration: {e}"))??;
        // A router that has no place in the dataplane hears nobody and becomes a second master.
        let count = loaded.config.instances.len();
        if u32::try_from(count).map_or(true, |count| count > self.room) {
            return Err(format!(
                "{count} instances, and this daemon has room for {}: restart it to make more",
                self.room
            ));
        }
        let served = loaded.config.globals.metrics.as_ref();
        let served = self.metrics.prepare(served).await.map_err(|why| format!("{why:#}"))?;
        let next = loaded.config.globals.reload_file.clone();
        let (answer, answered) = oneshot::channel();
        self.mailbox.send(Message::Reload(loaded, answer));
        answered.await.map_err(|_| "the daemon is stopping".to_owned())??;
        self.metrics.apply(served, self);
        if let Ok(mut path) = self.reload_file.lock() {
            *path = next;
        }
        self.freed.notify_one();
        Ok(count)
    }
}

/// Loads a configuration and settles which programs are run; warnings go to the log, errors come
/// back, a line each.
pub fn load(path: &Path, files: &Files) -> Result<Arc<Config>, String> {
    let (config, diagnostics) = config::load(path, files);
    let mut errors = Vec::new();
    for diagnostic in &diagnostics {
        if diagnostic.severity == Severity::Error {
            errors.push(diagnostic.to_string());
        } else {
            tracing::warn!("{diagnostic}");
        }
    }
    match config {
        Some(mut config) => {
            program::settle(&mut config)?;
            Ok(Arc::new(config))
        }
        None => Err(errors.join("\n")),
    }
}

/// A daemon that has yet to read its configuration. From now on no signal that asks a daemon for
/// something ends it: it is answered later.
#[derive(Debug)]
pub struct Begun {
    runtime: Runtime,
    hangup: Signal,
    dumps: dumps::Signals,
}

impl Begun {
    /// Catches them.
    pub fn catch() -> anyhow::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().context("tokio runtime")?;
        let inside = runtime.enter();
        let (hangup, dumps) = (signal(SignalKind::hangup())?, dumps::Signals::catch()?);
        drop(inside);
        Ok(Self { runtime, hangup, dumps })
    }

    /// Runs the daemon with a configuration that was loaded from `options.config` and settled.
    pub fn run(self, options: &Options, config: Arc<Config>) -> anyhow::Result<()> {
        let Self { runtime, hangup, dumps } = self;
        let result = runtime.block_on(serve(options, config, hangup, dumps));
        // A thread that reads a file may hang.
        runtime.shutdown_timeout(LAST);
        result
    }
}

/// How long threads that still read or write may take at the end.
const LAST: Duration = Duration::from_millis(500);

async fn serve(
    options: &Options,
    config: Arc<Config>,
    mut hangup: Signal,
    dumps: dumps::Signals,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let control = server::Listener::bind(&options.control)?;

    if let Some(path) = &config.globals.reload_file {
        reload_file::remove(path);
    }
    let serving = metrics::Serving::new(options.metrics.clone());
    let scraped = serving.prepare(config.globals.metrics.as_ref()).await?;
    let scripts = &config.globals.scripts;
    tokio::select! {
        () = once("startup_script", scripts.startup.as_ref(), scripts) => {}
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    }
    let first = Arc::clone(&config);
    let tracked = tokio::task::spawn_blocking(move || track::survey(&first, false)).await?;
    let first = Loaded { config: Arc::clone(&config), tracked };

    let (mailbox, inbox) = mailbox::channel().context("eventfd")?;
    let (net, commands) = mpsc::unbounded_channel();
    let farewell = net.clone();
    // The engine numbers the routers of its first configuration in their order. Known beforehand,
    // addresses that a killed predecessor left are not taken for an interface's own.
    for (number, instance) in (0..).zip(&config.instances) {
        let router = RouterId(number);
        net.send(task::Command::Router { router, instance: Arc::clone(instance) })?;
    }
    net.send(task::Command::Globals(Arc::clone(&config)))?;
    let routers = config.instances.len();
    let (ended, mut loop_ended) = oneshot::channel();
    let (notifier, telling) = Notifier::start().context("the thread that notifies")?;
    let watcher = mailbox.clone();
    let tracker = Tracker::new(Arc::new(move |input| {
        watcher.send(Message::Tracked(input));
    }));
    let running = tracker.running();
    let workers = Workers { notifier, tracker };
    let mode = options.xdp_mode;
    let settings = Settings { log: options.debug_dataplane, ..settings(mode, &config) };
    let room = settings.routers;
    let (counting, counted) = oneshot::channel();
    let scheduling = config.globals.scheduling.clone();
    let nice = scheduling.nice.unwrap_or(schedule::FIRST);
    let vrrp = std::thread::Builder::new().name("vrrp".to_owned()).spawn(move || {
        schedule::apply(&scheduling);
        let begun = Plane::new(settings)
            .map_err(anyhow::Error::from)
            .map(|mut plane| {
                let _unheard = counting.send(plane.rejects());
                plane
            })
            .and_then(|plane| AdvertLoop::new(first, Box::new(plane), net, inbox, workers));
        let _ = ended.send(begun.map_or_else(Ended::with, |vrrp| {
            schedule::be_nice(nice, "adverts");
            vrrp.run()
        }));
    })?;
    let rejecting = mailbox.clone();
    tokio::spawn(async move {
        if let Ok(rejects) = counted.await {
            reject_log::run(rejects, rejecting).await;
        }
    });
    let handle = Handle {
        mailbox: mailbox.clone(),
        owned: task::Owned::default(),
        config: options.config.clone().into(),
        files: options.files.clone(),
        namespace: options.namespace.clone(),
        room,
        reload_error: Arc::default(),
        log: options.log.clone(),
        metrics: serving,
        running,
        turn: Arc::default(),
        freed: Arc::default(),
        reload_file: Arc::new(Mutex::new(config.globals.reload_file.clone())),
    };
    handle.metrics.apply(scraped, &handle);
    tokio::spawn(dumps::serve(handle.clone(), dumps, options.dump));
    let asked = Arc::clone(&handle.freed);
    tokio::spawn(async move { freed::give_back(&asked).await });
    tokio::spawn(supervisor::report(handle.clone(), routers, options.up.clone()));
    let events = mailbox.clone();
    let deliver = move |event| {
        events.send(Message::Net(event));
    };
    let network = network::start(commands, deliver, Arc::clone(&handle.owned), nice)?;
    tokio::pin!(network);

    let mut end = None;
    let mut farewell = Some(farewell);
    let network = loop {
        tokio::select! {
            // Ends when the loop has dropped its channel and everything owned is removed.
            done = &mut network => break done.context("netlink"),
            done = &mut loop_ended, if end.is_none() => {
                let done = done.unwrap_or_else(|_| Ended::with(anyhow!("the loop panicked")));
                if done.result.is_err() {
                    // Nobody advertises any more, so nothing may be owned any more.
                    disown(&handle.owned, farewell.as_ref());
                }
                farewell = None;
                end = Some(Leaving::begin(done));
            }
            _ = terminate.recv() => stop(&mailbox),
            _ = interrupt.recv() => stop(&mailbox),
            _ = hangup.recv() => {
                let handle = handle.clone();
                tokio::spawn(async move { handle.hang_up().await });
            }
            client = control.accept() => match client {
                Ok(client) => { tokio::spawn(server::serve(client, handle.clone())); }
                Err(e) => tracing::warn!("control socket: {e}"),
            }
        }
    };
    let end = match end {
        Some(end) => end,
        None => {
            if network.is_err() {
                // Without netlink nothing can be owned any more: step down.
                mailbox.send(Message::Shutdown);
            }
            let done = loop_ended.await;
            Leaving::begin(done.unwrap_or_else(|_| Ended::with(anyhow!("the loop panicked"))))
        }
    };
    if vrrp.join().is_err() {
        tracing::error!("the loop's thread panicked");
    }
    capture::told().await;
    let result = end.finish(telling).await;
    result.and(network)
}

/// The end of what runs programs: it begins with that of the loop, and takes a second or so.
struct Leaving {
    result: anyhow::Result<()>,
    config: Option<Arc<Config>>,
    tracking: Option<tokio::task::JoinHandle<()>>,
}

impl Leaving {
    fn begin(ended: Ended) -> Self {
        let Ended { result, tracker, config } = ended;
        let stop = tracker.map(Tracker::stop);
        Self { result, config, tracking: stop.map(tokio::task::spawn_blocking) }
    }

    /// Waits until the last program has ended or was made to; then runs the `shutdown_script`.
    async fn finish(self, telling: std::thread::JoinHandle<()>) -> anyhow::Result<()> {
        let telling = tokio::task::spawn_blocking(move || telling.join());
        let told = telling.await;
        if !matches!(told, Ok(Ok(()))) {
            tracing::error!("the thread that notifies panicked");
        }
        if let Some(tracking) = self.tracking {
            let _ = tracking.await;
        }
        if let (Ok(()), Some(config)) = (&self.result, &self.config) {
            let scripts = &config.globals.scripts;
            once("shutdown_script", scripts.shutdown.as_ref(), scripts).await;
        }
        self.result
    }
}

/// Runs `startup_script` or `shutdown_script`, if there is one. Whether it succeeds changes nothing.
async fn once(what: &str, script: Option<&(Program, u32)>, rules: &Scripts) {
    let Some((program, limit)) = script else { return };
    let limit = Duration::from_secs(u64::from(*limit));
    let done = match Runnable::new(program, rules) {
        Ok(runnable) => launch::complete(&runnable, limit).await,
        Err(why) => Err(why),
    };
    match done {
        Ok(()) => tracing::info!("{what} succeeded"),
        Err(why) => tracing::warn!("{what}: {} {why}", program.words.join(" ")),
    }
}

/// Steps down.
fn stop(mailbox: &Sender<Message>) {
    supervisor::stopping();
    mailbox.send(Message::Shutdown);
}

/// Room for what the configuration needs, and for as much again to be added by reloads.
fn settings(mode: XdpMode, config: &Config) -> Settings {
    let default = Settings::new(mode);
    let interfaces: HashSet<_> = config.instances.iter().map(|i| &i.interface).collect();
    let room = |count: usize| u32::try_from(count.saturating_mul(2)).unwrap_or(u32::MAX);
    let routers = room(config.instances.len());
    // It is mapped, twice over, for as long as the daemon runs.
    let news = routers.saturating_mul(NEWS).checked_next_power_of_two();
    Settings {
        ports: default.ports.max(room(interfaces.len())),
        routers: default.routers.max(routers),
        ring_bytes: news
            .map_or(default.ring_bytes, |news| news.clamp(LEAST_RING, default.ring_bytes)),
        ..default
    }
}

/// Bytes of an advert's news in the ring, rounded up.
const NEWS: u32 = 512;

/// Bytes of the ring for few routers: room for nearly a thousand adverts.
const LEAST_RING: u32 = 1 << 18;

/// Gives every address and route back.
fn disown(owned: &task::Owned, net: Option<&mpsc::UnboundedSender<task::Command>>) {
    let (Some(net), Ok(owned)) = (net, owned.lock()) else { return };
    for &router in owned.keys() {
        let _ = net.send(task::Command::Own { router, own: false, announce: 0 });
    }
}
