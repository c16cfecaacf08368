//! The lab: two routers and a host in network namespaces, to watch or to let a demo play in.
/// Prints a line; that nobody reads it is an error like others, which ends the lab tidily.
macro_rules! say {
    ($($line:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout(), $($line)*)?;
    }};
}

mod daemon;
mod demo;
mod leftovers;
mod live;
mod network;
mod ping;
mod plan;
mod status;
mod view;

use crate::privilege::Privilege;
use anyhow::{Context as _, Result, bail, ensure};
use daemon::{Daemon, Files};
use leftovers::Folder;
use network::Network;
use plan::{Machine, ROUTERS};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Exit status after Ctrl-C, as a shell has it.
const INTERRUPTED: u8 = 130;

/// Everything that a lab has made. The order matters: daemons stop before their namespaces go.
struct Lab {
    daemons: [Option<Daemon>; 2],
    network: Network,
    folder: Folder,
    binary: PathBuf,
    stop: Arc<AtomicBool>,
}

/// `cargo xtask run` without arguments, once `binary` is built and we are root.
pub(crate) fn run(binary: &Path, demo: bool) -> Result<ExitCode> {
    ensure!(
        Privilege::now() == Privilege::Root,
        "the lab makes network namespaces and loads an XDP program: run this as root"
    );
    let binary = binary.canonicalize().with_context(|| format!("no {}", binary.display()))?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    leftovers::sweep();
    let mut lab = Lab::build(&binary, Arc::clone(&stop))?;
    let done = if demo { demo::play(&mut lab) } else { live::watch(&mut lab) };
    // A failure that Ctrl-C caused is none; the live view has no other end.
    if stop.load(Ordering::Relaxed) {
        if demo {
            eprintln!("demo: interrupted");
        }
        return Ok(ExitCode::from(if demo { INTERRUPTED } else { 0 }));
    }
    done
}

impl Drop for Lab {
    /// All daemons are told at once; each then waits for its own.
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().flatten() {
            if let Err(why) = daemon.ask_to_stop() {
                eprintln!("lab: {why:#}");
            }
        }
    }
}

impl Lab {
    fn build(binary: &Path, stop: Arc<AtomicBool>) -> Result<Self> {
        let folder = Folder::create()?;
        let network = Network::build(std::process::id())?;
        let daemons = [None, None];
        let mut lab = Self { daemons, network, folder, binary: binary.to_owned(), stop };
        for (index, router) in ROUTERS.iter().enumerate() {
            let config = router.config().context("a router without a configuration")?;
            fs::write(lab.files(*router).config, config)?;
            lab.start(index)?;
        }
        Ok(lab)
    }

    fn files(&self, router: Machine) -> Files {
        let file = |end: &str| self.folder.file(&format!("{}.{end}", router.name));
        Files { config: file("conf"), control: file("sock"), log: file("log") }
    }

    /// Starts the daemon of a router.
    fn start(&mut self, index: usize) -> Result<()> {
        let router = ROUTERS[index];
        let namespace = self.network.namespace(router.name);
        let daemon = Daemon::start(&self.binary, &namespace, &self.files(router))?;
        self.daemons[index] = Some(daemon);
        Ok(())
    }

    /// The running daemon of a router; one that ended by itself is an error with its last words.
    fn daemon(&mut self, index: usize) -> Result<&mut Daemon> {
        let name = ROUTERS[index].name;
        let daemon = self.daemons[index].as_mut();
        let daemon = daemon.with_context(|| format!("{name} has no daemon"))?;
        if let Some(status) = daemon.ended()? {
            bail!("the daemon of {name} ended: {status}; it said\n{}", daemon.log_tail());
        }
        Ok(daemon)
    }

    /// Whether the user asked for the end.
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Asks `question` until it has an answer, and says how long that took since `from`.
    fn eventually<T>(
        &mut self,
        from: Instant,
        limit: Duration,
        mut question: impl FnMut(&mut Self) -> Result<Option<T>>,
    ) -> Result<Option<(T, Duration)>> {
        loop {
            if let Some(answer) = question(self)? {
                return Ok(Some((answer, from.elapsed())));
            }
            if from.elapsed() > limit {
                return Ok(None);
            }
            ensure!(!self.stopped(), "interrupted");
            sleep(Duration::from_millis(5));
        }
    }
}
