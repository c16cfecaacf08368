//! How are the daemons started, watched and stopped.
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use super::netns::{Namespace, run};
use super::report::Show;
use super::wait::eventually;

/// Which daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Ours.
    Xvrrp,
    /// The reference.
    Keepalived,
}

#[derive(Debug, Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A directory of one test, removed on drop.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// A new one whose name says `tag`.
    pub fn new(tag: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("xv{}-{number}-{tag}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        Self(path)
    }

    /// A file in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running daemon; killed on drop, and its log printed if the test failed.
#[derive(Debug)]
pub struct Daemon {
    kind: Kind,
    name: String,
    child: Child,
    directory: Directory,
    log: Arc<Log>,
    readers: Vec<JoinHandle<()>>,
}

/// The xvrrp binary: `XVRRP_BIN`, or the one beside the tests. Cargo builds a package's binary for
/// that package's own tests only; where it is missing or older than its sources it is built now.
pub fn binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(find_or_build).clone()
}

fn find_or_build() -> PathBuf {
    if let Some(path) = std::env::var_os("XVRRP_BIN") {
        return path.into();
    }
    let here = std::env::current_exe().unwrap_or_else(|error| panic!("who am I: {error}"));
    let profile = here.parent().and_then(Path::parent).unwrap_or_else(|| panic!("{here:?}"));
    let path = profile.join("xvrrp");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let newest = ["vrrp-common/src", "vrrp-ebpf/src", "vrrp-user/src"]
        .iter()
        .filter_map(|sources| newest(&workspace.join(sources)))
        .max();
    let built = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
    if built.is_none() || built < newest {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&workspace).args(["build", "--package", "vrrp-user", "--bin", "xvrrp"]);
        if profile.ends_with("release") {
            command.arg("--release");
        }
        run(&mut command);
    }
    path
}

/// When anything below `folder` was last changed.
fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            if path.is_dir() { newest(&path) } else { entry.metadata().ok()?.modified().ok() }
        })
        .max()
}

/// Runs xvrrp to its end: how it ended, and what it wrote to either stream.
#[track_caller]
pub fn xvrrp(args: &[&OsStr]) -> (ExitStatus, String) {
    let output = Command::new(binary()).args(args).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("xvrrp {args:?}: {error}"));
    let told = [output.stdout, output.stderr].concat();
    (output.status, String::from_utf8_lossy(&told).into_owned())
}

impl Daemon {
    /// Starts `kind` in `namespace` with this configuration.
    #[track_caller]
    pub fn start(kind: Kind, namespace: &Namespace, config: &str) -> Self {
        Self::start_with(kind, namespace, config, &[])
    }

    /// The same with more arguments.
    #[track_caller]
    pub fn start_with(kind: Kind, namespace: &Namespace, config: &str, more: &[&str]) -> Self {
        let name = format!("{kind:?} in {}", namespace.name());
        let directory = Directory::new("daemon");
        let file = directory.join("vrrp.conf");
        std::fs::write(&file, config).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        let mut command = match kind {
            Kind::Xvrrp => {
                let mut command = Command::new(binary());
                command.args(["run", "--config"]).arg(&file);
                command.arg("--control").arg(directory.join("control"));
                command
            }
            Kind::Keepalived => {
                let mut command = Command::new("keepalived");
                command.args(["--vrrp", "--dont-fork", "--log-console", "--log-detail"]);
                command.args(["--no-syslog", "--dont-respawn"]);
                command.arg("--use-file").arg(&file);
                command.arg("--pid").arg(directory.join("pid"));
                command.arg("--vrrp_pid").arg(directory.join("vrrp.pid"));
                command
            }
        };
        // Where both daemons put their dump files.
        command.env("TMPDIR", &directory.0);
        command.args(more).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = namespace.enter(|| command.spawn());
        let mut child = child.unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let log = Arc::new(Log::default());
        let pipes: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
            child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        ];
        let readers = pipes.into_iter().flatten().map(|pipe| {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                    log.lock().push(String::from_utf8_lossy(&line).into_owned());
                    log.more.notify_all();
                }
            })
        });
        let readers = readers.collect();
        Self { kind, name, child, directory, log, readers }
    }

    /// Which daemon it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where its files are.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Its configuration file.
    pub fn file(&self) -> PathBuf {
        self.directory.join("vrrp.conf")
    }

    /// Everything it has logged.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().clone()
    }

    /// How much it has logged: a mark to look from later.
    pub fn mark(&self) -> usize {
        self.log.lock().len()
    }

    /// Lines since `mark` that contain `phrase`.
    pub fn logged(&self, mark: usize, phrase: &str) -> Vec<String> {
        let lines = self.log.lock();
        lines.iter().skip(mark).filter(|line| line.contains(phrase)).cloned().collect()
    }

    /// Waits for a line since `mark` that contains `phrase`, and returns it.
    #[track_caller]
    pub fn wait_log(&self, mark: usize, phrase: &str, deadline: Duration) -> String {
        self.wait_line(mark, phrase, deadline, |line| line.contains(phrase))
    }

    #[track_caller]
    fn wait_line(
        &self,
        mark: usize,
        phrase: &str,
        deadline: Duration,
        test: impl Fn(&str) -> bool,
    ) -> String {
        let end = Instant::now() + deadline;
        let mut lines = self.log.lock();
        loop {
            if let Some(line) = lines.iter().skip(mark).find(|line| test(line)) {
                return line.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{}: not logged within {deadline:?}: {phrase}", self.name);
            let woken = self.log.more.wait_timeout(lines, left);
            (lines, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until it says that instance `name` entered `state`, in words both daemons use
    /// (keepalived writes them small at the start).
    #[track_caller]
    pub fn wait_state(&self, mark: usize, name: &str, state: &str, deadline: Duration) {
        let phrase = format!("({name}) Entering {state} STATE");
        let small = phrase.to_lowercase();
        self.wait_line(mark, &phrase, deadline, |line| line.to_lowercase().contains(&small));
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal)
            .unwrap_or_else(|error| panic!("{}: {error} for {signal:?}", self.name));
    }

    /// Replaces the configuration file and asks for a reload.
    #[track_caller]
    pub fn reload(&self, config: &str) {
        std::fs::write(self.file(), config).unwrap_or_else(|error| panic!("{error}"));
        self.hang_up();
    }

    /// Replaces the configuration file and runs `xvrrp reload`: whether it was taken, and what that
    /// said.
    #[track_caller]
    pub fn ask_reload(&self, config: &str) -> (bool, String) {
        std::fs::write(self.file(), config).unwrap_or_else(|error| panic!("{error}"));
        self.ask_again()
    }

    /// `xvrrp reload` with the file as it is.
    #[track_caller]
    pub fn ask_again(&self) -> (bool, String) {
        let control = self.directory.join("control");
        let (status, told) = xvrrp(&["reload".as_ref(), "--control".as_ref(), control.as_os_str()]);
        (status.success(), told)
    }

    /// Changes what it logs.
    #[track_caller]
    pub fn set_log(&self, filter: &str) {
        let control = self.directory.join("control");
        let arguments =
            ["log".as_ref(), filter.as_ref(), "--control".as_ref(), control.as_os_str()];
        let (status, told) = xvrrp(&arguments);
        assert!(status.success(), "log {filter}: {told}");
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// A signal by its number: those of real time have no names.
    #[track_caller]
    pub fn send(&self, signal: i32) {
        let pid = self.child.id().to_string();
        run(Command::new("kill").args([format!("-{signal}"), pid]));
    }

    /// SIGSTOP: it runs no longer but is there.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGKILL, as a crash: nothing is said to anyone. The parent is stopped first, for the death
    /// of keepalived's parent is a request to its child to end in an orderly way.
    pub fn kill(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            let _ = kill_process(self.pid(), Signal::STOP);
            for child in children(self.child.id()) {
                let _ = kill_process(child, Signal::KILL);
            }
            let _ = kill_process(self.pid(), Signal::KILL);
            let _ = self.child.wait();
        }
    }

    /// SIGTERM, and how it ended.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended(Duration::from_secs(10))
    }

    /// Waits until it has ended by itself, and all that it said is in the log.
    #[track_caller]
    pub fn ended(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        let child = &mut self.child;
        let status = eventually(deadline, &what, || child.try_wait().ok().flatten());
        eventually(deadline, "the end of its log", || {
            self.readers.iter().all(JoinHandle::is_finished).then_some(())
        });
        status
    }

    /// Is it running.
    pub fn alive(&mut self) -> bool {
        self.child.try_wait().ok().flatten().is_none()
    }

    /// What `xvrrp show --json` says.
    pub fn try_show(&self) -> Result<Show, String> {
        let output = Command::new(binary())
            .args(["show", "--json", "--control"])
            .arg(self.directory.join("control"))
            .output()
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Show::parse(&output.stdout)
    }

    /// What `xvrrp show` prints for people: of all instances, or of one.
    #[track_caller]
    pub fn words(&self, instance: Option<&str>) -> String {
        let control = self.directory.join("control");
        let mut args = vec![OsStr::new("show"), OsStr::new("--control"), control.as_os_str()];
        args.extend(instance.map(OsStr::new));
        let (status, told) = xvrrp(&args);
        assert!(status.success(), "{}: {told}", self.name);
        told
    }

    /// The same, waiting for a daemon that is still starting.
    #[track_caller]
    pub fn show(&self) -> Show {
        eventually(Duration::from_secs(10), "show --json answers", || self.try_show().ok())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("---- log of {} ----", self.name);
            for line in self.log() {
                eprintln!("{line}");
            }
            // Reading a FIFO would wait for whoever writes.
            let file = self.file();
            if std::fs::metadata(&file).is_ok_and(|file| file.is_file())
                && let Ok(config) = std::fs::read_to_string(&file)
            {
                eprintln!("---- its configuration ----\n{config}----");
            }
        }
    }
}

fn children(pid: u32) -> Vec<Pid> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let list = list.unwrap_or_default();
    list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}
