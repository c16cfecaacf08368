//! When are keepalived's dump files written, and from what.
//!
//! The signals are keepalived's own. Those that come together are answered from one copy of
//! everything, so that the files agree; each is written beside its place and renamed, so that nobody
//! reads half of one. The main thread asks, and threads of their own write.
use super::advert_loop::Message;
use super::questions::Question;
use super::service::Handle;
use super::{clock, interfaces};
use crate::config::host::Host as _;
use crate::config::model::{Config, DumpFiles, Name};
use crate::config::program::{Program, Scripts};
use crate::engine::snapshot::Known;
use crate::net::statics::STATICS;
use crate::net::task::OwnedReport;
use crate::program::host::System;
use crate::program::launch;
use crate::report::keepalived::stats::Counted;
use crate::report::keepalived::{Dump, Link, Router, Runs, Watched, data, json, stats};
use crate::report::standard::Clock;
use crate::report::view::View;
use anyhow::Context as _;
use rustix::fs::{Mode, OFlags};
use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Signals that come within this are answered together.
const TOGETHER: Duration = Duration::from_millis(20);

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// `keepalived.data`.
    Data,
    /// `keepalived.stats`.
    Stats,
    /// `keepalived.stats`, and counting begins anew.
    StatsClear,
    /// `keepalived.json`.
    Json,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Data, Self::Stats, Self::StatsClear, Self::Json];

    /// The number of keepalived's signal for it.
    pub fn signal(self) -> i32 {
        match self {
            Self::Data => libc::SIGUSR1,
            Self::Stats => libc::SIGUSR2,
            Self::StatsClear => libc::SIGRTMAX() - 1,
            Self::Json => libc::SIGRTMIN() + 2,
        }
    }
}

/// The signals, caught from now on.
#[derive(Debug)]
pub struct Signals([Signal; 4]);

impl Signals {
    /// Catches them.
    ///
    /// # Errors
    /// Where the system does not let it.
    pub fn catch() -> std::io::Result<Self> {
        let [data, stats, clear, json] =
            Kind::ALL.map(|kind| signal(SignalKind::from_raw(kind.signal())));
        Ok(Self([data?, stats?, clear?, json?]))
    }

    async fn next(&mut self) -> Kind {
        let [data, stats, clear, json] = &mut self.0;
        tokio::select! {
            _ = data.recv() => Kind::Data,
            _ = stats.recv() => Kind::Stats,
            _ = clear.recv() => Kind::StatsClear,
            _ = json.recv() => Kind::Json,
        }
    }
}

/// Answers signals until the daemon ends.
pub async fn serve(handle: Handle, mut signals: Signals, dump: bool) {
    // What had been counted when the last clear came: the loop's own counters go on.
    let mut cleared = Arc::new(HashMap::new());
    let namespace = handle.namespace.clone();
    if dump {
        match answer(&handle, None, Arc::clone(&cleared), namespace.clone()).await {
            Ok(_) => {}
            Err(why) => tracing::error!("dump of the configuration: {why:#}"),
        }
    }
    loop {
        let mut wanted = BTreeSet::from([signals.next().await]);
        while let Ok(more) = tokio::time::timeout(TOGETHER, signals.next()).await {
            wanted.insert(more);
        }
        match answer(&handle, Some(wanted), Arc::clone(&cleared), namespace.clone()).await {
            Ok(Some(counted)) => cleared = Arc::new(counted),
            Ok(None) => {}
            Err(why) => tracing::error!("dump files: {why:#}"),
        }
    }
}

type Cleared = HashMap<Name, Counted>;

/// What the loop does not know.
struct Seen {
    links: Vec<Link>,
    running: BTreeSet<Name>,
}

/// Writes what is wanted; where nothing is, the log gets what `keepalived.data` would.
async fn answer(
    handle: &Handle,
    wanted: Option<BTreeSet<Kind>>,
    cleared: Arc<Cleared>,
    namespace: Option<String>,
) -> anyhow::Result<Option<Cleared>> {
    let (answer, view) = oneshot::channel();
    handle.mailbox.send(Message::Ask(Question::View(answer)));
    let view = view.await.context("the daemon is stopping")?;
    let clock = Clock { now: view.now, wall: clock::wall() };
    let links = if wanted.as_ref().is_none_or(|wanted| wanted.contains(&Kind::Data)) {
        interfaces::list().await.unwrap_or_else(|why| {
            tracing::warn!("dump files: interfaces: {why:#}");
            Vec::new()
        })
    } else {
        Vec::new()
    };
    let owned = handle.owned.lock().map(|owned| owned.clone()).unwrap_or_default();
    let running = handle.running.lock().map(|running| running.clone()).unwrap_or_default();
    let seen = Seen { links, running };
    let writing = move || {
        let mut owned = owned;
        let config = Arc::clone(&view.config);
        let statics = owned.remove(&STATICS).unwrap_or_default();
        let routers = routers(&view, |router| owned.remove(&router).unwrap_or_default());
        let found = Found { routers: &routers, statics: &statics, seen };
        write(wanted.as_ref(), &config, found, clock, &cleared, namespace.as_deref())
    };
    tokio::task::spawn_blocking(writing).await.context("writing")?
}

/// In the order of the configuration.
fn routers(
    view: &View,
    mut owned: impl FnMut(vrrp_common::ident::RouterId) -> OwnedReport,
) -> Vec<Router> {
    let config = &view.config;
    let order: HashMap<&Name, usize> =
        config.instances.iter().enumerate().map(|(i, instance)| (&instance.name, i)).collect();
    let routers = view.routers.iter().map(|(engine, counts)| {
        let owned = owned(engine.id);
        Router { engine: engine.clone(), counts: *counts, owned }
    });
    let mut routers: Vec<Router> = routers.collect();
    routers.sort_by_key(|router| order.get(&router.engine.instance.name).copied());
    routers
}

/// What is told of.
struct Found<'a> {
    routers: &'a [Router],
    statics: &'a OwnedReport,
    seen: Seen,
}

/// Writes what is wanted; what had been counted, where counting is to begin anew.
fn write(
    wanted: Option<&BTreeSet<Kind>>,
    config: &Config,
    Found { routers, statics, seen }: Found<'_>,
    clock: Clock,
    cleared: &Cleared,
    namespace: Option<&str>,
) -> anyhow::Result<Option<Cleared>> {
    let zone = jiff::tz::TimeZone::system();
    let date = |at: Duration| date(at, &zone);
    let default = default_user(config);
    let program = |program: &Program| runs(program, &config.globals.scripts, default);
    let dump = Dump {
        config,
        routers,
        clock,
        date: &date,
        program: &program,
        user: default,
        links: &without_virtual(seen.links, config),
        statics,
        watched: &watched(config, routers, seen.running),
        umask: 0o177,
        namespace,
    };
    let Some(wanted) = wanted else {
        data::render(&dump).lines().for_each(|line| tracing::info!("{line}"));
        return Ok(None);
    };
    let files = &config.globals.dump_files;
    let counted = || {
        routers.iter().map(|router| {
            let name = &router.engine.instance.name;
            Counted::of(router, cleared.get(name))
        })
    };
    let names = || routers.iter().map(|router| &*router.engine.instance.name);
    if wanted.contains(&Kind::Data) {
        let path = place("keepalived.data", files.state.as_deref(), files, namespace);
        put(&path, &data::render(&dump))?;
    }
    if wanted.contains(&Kind::Json) {
        let path = place("keepalived.json", files.json.as_deref(), &DumpFiles::default(), None);
        put(&path, &json::render(&dump, counted()))?;
    }
    if wanted.contains(&Kind::Stats) || wanted.contains(&Kind::StatsClear) {
        let path = place("keepalived.stats", files.stats.as_deref(), &DumpFiles::default(), None);
        put(&path, &stats::render(names().zip(counted())))?;
    }
    Ok(wanted.contains(&Kind::StatsClear).then(|| {
        let all = routers.iter().map(|r| (r.engine.instance.name.clone(), Counted::of(r, None)));
        all.collect()
    }))
}

/// `Thu Nov 26 14:29:39.554393 2026`.
fn date(at: Duration, zone: &jiff::tz::TimeZone) -> String {
    let Ok(at) = jiff::Timestamp::try_from(std::time::UNIX_EPOCH + at) else {
        return "invalid time ".to_owned();
    };
    at.to_zoned(zone.clone()).strftime("%a %b %e %H:%M:%S.%6f %Y").to_string()
}

/// Where a file belongs: where it is configured, or beside other temporary ones.
fn place(name: &str, given: Option<&Path>, files: &DumpFiles, namespace: Option<&str>) -> PathBuf {
    if let Some(given) = given {
        return given.to_owned();
    }
    let directory = std::env::var_os("TMPDIR").map(PathBuf::from);
    let directory = directory.filter(|path| path.is_absolute());
    let directory = directory.unwrap_or_else(|| PathBuf::from("/tmp"));
    let parts: Vec<&str> = if files.use_instance {
        [namespace, files.instance.as_deref()].into_iter().flatten().collect()
    } else {
        Vec::new()
    };
    match name.split_once('.').filter(|_| !parts.is_empty()) {
        Some((stem, kind)) => directory.join(format!("{stem}.{}.{kind}", parts.join("_"))),
        None => directory.join(name),
    }
}

/// Writes a whole file or none, for its owner alone.
fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let what = || format!("writing {}", path.display());
    // One that a killed daemon left; nothing is written through a link that others put there.
    let _none = std::fs::remove_file(&beside);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(&beside, flags, Mode::RUSR | Mode::WUSR).with_context(what)?;
    let written = std::fs::File::from(file).write_all(text.as_bytes());
    let done = written.and_then(|()| std::fs::rename(&beside, path));
    if done.is_err() {
        let _none = std::fs::remove_file(&beside);
    }
    done.with_context(what)
}

fn without_virtual(mut links: Vec<Link>, config: &Config) -> Vec<Link> {
    let statics = config.statics.addresses.iter().map(|own| own.vip.address);
    let virtual_ones = config.instances.iter().flat_map(|i| i.vips().map(|vip| vip.address));
    let virtual_ones: BTreeSet<IpAddr> = virtual_ones.chain(statics).collect();
    for link in &mut links {
        link.v4.retain(|address| !virtual_ones.contains(&IpAddr::V4(*address)));
        link.v6.retain(|address| !virtual_ones.contains(&IpAddr::V6(*address)));
    }
    links
}

/// User and group of programs that name none: those of the daemon, unless a user was found for them.
fn default_user(config: &Config) -> (u32, u32) {
    let own = System.own();
    let found = launch::account(None, &config.globals.scripts).unwrap_or(own);
    (found.uid, found.gid)
}

/// A program as it is run: its path was settled with the configuration.
fn runs(program: &Program, scripts: &Scripts, default: (u32, u32)) -> Runs {
    let found = launch::account(program.user.as_ref(), scripts);
    let user = found.map_or(default, |account| (account.uid, account.gid));
    Runs { words: program.words.clone(), user }
}

/// What the routers know of what they track. What is tracked without weight and is no fault is good.
fn watched(config: &Config, routers: &[Router], running: BTreeSet<Name>) -> Watched {
    let mut watched = Watched { running, ..Watched::default() };
    for router in routers {
        let tracks = &router.engine.instance.tracks;
        let group = config.groups.iter().find(|g| g.members.contains(&router.engine.instance.name));
        let lists = [Some(tracks), group.map(|group| &group.tracks)];
        for track in lists.into_iter().flatten().flat_map(|tracks| &tracks.scripts) {
            let faulty = router.engine.faults.iter().any(|fault| fault.object == track.object);
            if track.weight == 0 && !faulty {
                watched.scripts.insert(track.object.clone(), !track.reverse);
            }
        }
        for weight in &router.engine.weights {
            let name = weight.object.clone();
            match &weight.known {
                Some(Known::Script { good: Some(good), .. }) => {
                    watched.scripts.insert(name, *good);
                }
                Some(Known::File { value: Some(value), .. }) => {
                    watched.files.insert(name, *value);
                }
                Some(Known::Process { count: Some(count), .. }) => {
                    watched.processes.insert(name, *count);
                }
                _ => {}
            }
        }
    }
    watched
}
