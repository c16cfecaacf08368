//! How is the daemon of one router started, asked and stopped?
use super::status::Status;
use crate::program::output;
use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a daemon may take to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// One daemon; stopped when this goes.
pub(super) struct Daemon {
    child: Child,
    binary: PathBuf,
    control: PathBuf,
    log: PathBuf,
}

/// The files of one daemon.
pub(super) struct Files {
    /// Its configuration.
    pub(super) config: PathBuf,
    /// Its control socket.
    pub(super) control: PathBuf,
    /// What it logs.
    pub(super) log: PathBuf,
}

impl Daemon {
    /// Starts `binary` in a namespace.
    pub(super) fn start(binary: &Path, namespace: &str, files: &Files) -> Result<Self> {
        let log = File::options().create(true).append(true).open(&files.log);
        let log = log.with_context(|| format!("cannot write {}", files.log.display()))?;
        let mut command = Command::new("ip");
        // ip and setpriv replace themselves, so our child is the daemon. Should we be killed, it is
        // told to stop. Out of our process group, Ctrl-C reaches only us.
        command
            .args(["netns", "exec", namespace, "setpriv", "--pdeathsig", "TERM"])
            .arg(binary)
            .arg("run")
            .arg("--config")
            .arg(&files.config)
            .arg("--control")
            .arg(&files.control)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let child = command.spawn().context("cannot run ip netns exec")?;
        let (control, log) = (files.control.clone(), files.log.clone());
        Ok(Self { child, binary: binary.to_owned(), control, log })
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What `xvrrp show --json` says.
    pub(super) fn status(&self) -> Result<Status> {
        let mut show = Command::new(&self.binary);
        show.args(["show", "--json", "--control"]).arg(&self.control);
        Status::parse(&output(&mut show)?)
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot wait for a daemon")
    }

    /// The last lines of its log.
    pub(super) fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let from = text.lines().count().saturating_sub(12);
        text.lines().skip(from).map(|line| format!("    {line}\n")).collect()
    }

    /// Ends it as a crash would.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.child.kill().context("cannot kill a daemon")?;
        self.child.wait().context("cannot wait for a daemon").map(drop)
    }

    /// Asks it to stop.
    pub(super) fn ask_to_stop(&mut self) -> Result<()> {
        if self.ended()?.is_none() {
            let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
            kill_process(pid.context("a daemon without a number")?, Signal::TERM)?;
        }
        Ok(())
    }

    /// Asks it to stop, and waits; `None` if it had to be killed.
    pub(super) fn stop(&mut self) -> Result<Option<ExitStatus>> {
        self.ask_to_stop()?;
        let limit = Instant::now() + PATIENCE;
        while Instant::now() < limit {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            sleep(Duration::from_millis(10));
        }
        self.kill()?;
        Ok(None)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(why) = self.stop() {
            eprintln!("lab: {why:#}");
        }
    }
}
