//! Who is measured: how a daemon is started so that nothing but its work is measured, and what it
//! has cost.
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::frr::Frr;
use super::topology::Bed;
use crate::lab::daemon::Directory;
use crate::lab::fifo::Fifo;
use crate::lab::report::Show;

/// Who.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// Ours.
    Xvrrp,
    /// Ours without XDP: packet sockets with a classic filter.
    Sockets,
    /// keepalived.
    Keepalived,
    /// keepalived with `vrrp_rt_priority`.
    KeepalivedRt,
    /// FRR's vrrpd, with zebra.
    Frr,
}

impl Subject {
    /// In reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xvrrp => "xvrrp",
            Self::Sockets => "xvrrp, sockets",
            Self::Keepalived => "keepalived",
            Self::KeepalivedRt => "keepalived, real-time",
            Self::Frr => "FRR",
        }
    }

    /// Whether it is ours.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Xvrrp | Self::Sockets)
    }

    /// What it needs in `global_defs`.
    const fn globals(self) -> &'static str {
        match self {
            Self::KeepalivedRt => "    vrrp_rt_priority 50\n    vrrp_no_swap\n",
            Self::Xvrrp | Self::Sockets | Self::Keepalived | Self::Frr => "",
        }
    }
}

/// A daemon that is measured. It logs nothing; what it does is told by a FIFO and seen on the wire.
pub struct Running {
    subject: Subject,
    child: Child,
    directory: Directory,
    fifo: Fifo,
    binary: PathBuf,
    frr: Option<Frr>,
    /// CPU time of each thread when it was last seen: one that has ended did not give it back.
    used: RefCell<HashMap<(u32, OsString), u64>>,
    /// When it was started.
    pub started: Instant,
}

impl Running {
    /// Starts `subject` with the configuration `make` makes, given more lines of `global_defs`.
    pub fn start(
        subject: Subject,
        binary: &Path,
        bed: &Bed,
        make: impl FnOnce(&str) -> String,
    ) -> Self {
        let directory = Directory::new("bench");
        let fifo = Fifo::new(directory.join("fifo"));
        let end = std::fs::OpenOptions::new().read(true).write(true).open(fifo.path());
        if let Err(error) = end.and_then(|end| super::wire::widen(&end)) {
            panic!("{:?}: {error}", fifo.path());
        }
        let globals = globals(subject, &fifo);
        if subject == Subject::Frr {
            let started = Instant::now();
            let (frr, child) = Frr::start(bed, &directory, &make(&globals));
            let (binary, frr) = (binary.to_owned(), Some(frr));
            return Self {
                subject,
                child,
                directory,
                fifo,
                binary,
                frr,
                used: RefCell::default(),
                started,
            };
        }
        let file = directory.join("vrrp.conf");
        std::fs::write(&file, make(&globals)).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        let mut command = if subject.is_ours() {
            let mut command = Command::new(binary);
            command.args(["run", "--log", "error", "--config"]).arg(&file);
            command.arg("--control").arg(directory.join("control"));
            if subject == Subject::Sockets {
                command.args(["--xdp-mode", "off"]);
            }
            command
        } else {
            // To no syslog and to no console: nowhere.
            let mut command = Command::new("keepalived");
            command.args(["--vrrp", "--dont-fork", "--no-syslog", "--dont-respawn"]);
            command.arg("--use-file").arg(&file);
            command.arg("--pid").arg(directory.join("pid"));
            command.arg("--vrrp_pid").arg(directory.join("vrrp.pid"));
            command
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let errors = std::fs::File::create(directory.join("stderr"));
        command.stderr(errors.map_or_else(|_| Stdio::null(), Stdio::from));
        let started = Instant::now();
        let child = bed.dut.enter(|| command.spawn());
        let child = child.unwrap_or_else(|error| panic!("cannot start {subject:?}: {error}"));
        let binary = binary.to_owned();
        Self {
            subject,
            child,
            directory,
            fifo,
            binary,
            frr: None,
            used: RefCell::default(),
            started,
        }
    }

    /// Which it is.
    pub const fn subject(&self) -> Subject {
        self.subject
    }

    /// Waits until the FIFO has told this many times that a router is in `state`; when it had.
    ///
    /// # Errors
    /// Where it does not within `deadline`: how many there were.
    pub fn wait(&self, state: &str, count: usize, deadline: Duration) -> Result<Instant, String> {
        let end = Instant::now() + deadline;
        loop {
            let told = self.told(state);
            let now = Instant::now();
            if told >= count {
                return Ok(now);
            }
            if now > end {
                let said = std::fs::read_to_string(self.directory.join("stderr"));
                let name = self.subject.name();
                return Err(format!(
                    "{name}: {told} of {count} routers in {state} after {deadline:?} {}",
                    said.unwrap_or_default()
                ));
            }
            // To look at many lines costs more.
            std::thread::sleep(Duration::from_millis(if count > 8_192 { 10 } else { 1 }));
        }
    }

    /// How often the FIFO has told of `state`; of FRR, which tells nothing, how many are in it.
    pub fn told(&self, state: &str) -> usize {
        match &self.frr {
            Some(frr) => frr.count(&self.directory, state),
            None => self.fifo.count(&format!(" {state} ")),
        }
    }

    /// Gives it another configuration and SIGHUP.
    pub fn reload(&self, make: impl FnOnce(&str) -> String) {
        let text = make(&globals(self.subject, &self.fifo));
        let file = self.directory.join("vrrp.conf");
        std::fs::write(&file, text).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        if let Err(error) = kill_process(Pid::from_child(&self.child), signal) {
            panic!("{}: {signal:?}: {error}", self.subject.name());
        }
    }

    fn processes(&self) -> Vec<u32> {
        let mut all = vec![self.child.id()];
        all.extend(self.frr.as_ref().map(Frr::zebra));
        let mut next = 0;
        while let Some(pid) = all.get(next).copied() {
            let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            all.extend(
                list.unwrap_or_default().split_whitespace().filter_map(|c| c.parse::<u32>().ok()),
            );
            next += 1;
        }
        all
    }

    /// CPU time of all its threads that were ever seen here.
    pub fn cpu(&self) -> Duration {
        let mut used = self.used.borrow_mut();
        for pid in self.processes() {
            let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { continue };
            for task in tasks.flatten() {
                let text = std::fs::read_to_string(task.path().join("schedstat"));
                let text = text.unwrap_or_default();
                let ran = text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok());
                if let Some(ran) = ran {
                    used.insert((pid, task.file_name()), ran);
                }
            }
        }
        Duration::from_nanos(used.values().sum())
    }

    /// Resident memory of all its processes in KiB.
    pub fn resident(&self) -> u64 {
        let of = |pid| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        self.processes().into_iter().filter_map(of).sum()
    }

    /// What `show --json` says; ours only.
    pub fn show(&self) -> Option<Show> {
        let output = Command::new(&self.binary)
            .args(["show", "--json", "--control"])
            .arg(self.directory.join("control"))
            .output()
            .ok()?;
        Show::parse(&output.stdout).ok()
    }

    /// Adverts it has counted; ours only.
    pub fn counted(&self) -> Option<u64> {
        let show = self.show()?;
        let of = |router: &serde_json::Value| router.get("counters")?.get("received")?.as_u64();
        Some(show.instances().iter().filter_map(of).sum())
    }

    /// Asks it to end, and waits.
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            if self.child.try_wait().ok().flatten().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn globals(subject: Subject, fifo: &Fifo) -> String {
    format!("{}    vrrp_notify_fifo {}\n", subject.globals(), fifo.path().display())
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            for pid in self.processes().into_iter().rev() {
                if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            let _ = self.child.wait();
        }
    }
}

/// Frames that found a raw IP socket of the namespace full: adverts a keepalived did not see.
pub fn socket_drops(bed: &Bed) -> u64 {
    let text = bed.dut.enter(|| std::fs::read_to_string("/proc/thread-self/net/raw"));
    let text = text.unwrap_or_default();
    let drops = |line: &str| line.split_whitespace().last()?.parse::<u64>().ok();
    text.lines().skip(1).filter_map(drops).sum()
}
