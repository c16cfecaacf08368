//! How does the daemon get into the background.
//!
//! A process with threads cannot fork, and one that has forked cannot say how its child fares. So the
//! program is started once more, in a session of its own, and the one that was called waits until that
//! one is up, or returns its exit status.
use anyhow::Context as _;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

/// Starts the program again with the same words, and waits until it is up.
pub(super) fn start(words: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let mut command = Command::new("/proc/self/exe");
    let mut words = words.into_iter();
    // Not by its own name: the program knows what it is by that.
    command.arg0(
        words
            .next()
            .filter(|name| name.as_encoded_bytes().ends_with(b"keepalived"))
            .unwrap_or_else(|| "keepalived".into()),
    );
    command.args(words).arg("--in-background").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("into the background")?;
    // Comes to an end when it is up, or when it is no more.
    let mut told = [0; UP.len()];
    if child.stdout.take().is_some_and(|mut pipe| pipe.read_exact(&mut told).is_ok()) {
        return Ok(ExitCode::SUCCESS);
    }
    let status = child.wait().context("waiting for the daemon")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.filter(|code| *code != 0).unwrap_or(super::FAILED).into())
}

/// What is written when the daemon is up.
const UP: &[u8] = b"up\n";

/// Where this process is.
#[derive(Debug)]
pub(super) enum Side {
    /// Where it was started.
    Foreground,
    /// In a session of its own; someone waits at this pipe.
    Background(OwnedFd),
}

impl Side {
    /// Leaves session, directory and pipe of who started it.
    pub(super) fn detach() -> anyhow::Result<Self> {
        rustix::process::setsid().context("a session of its own")?;
        std::env::set_current_dir("/").context("/")?;
        let pipe = rustix::io::fcntl_dupfd_cloexec(std::io::stdout().as_fd(), 3)?;
        rustix::stdio::dup2_stdout(nothing()?)?;
        Ok(Self::Background(pipe))
    }

    /// To be called when the daemon is up.
    pub(super) fn up(self) -> Option<Up> {
        match self {
            Self::Foreground => None,
            Self::Background(pipe) => Some(Up(Arc::new(pipe))),
        }
    }
}

fn nothing() -> std::io::Result<File> {
    File::options().read(true).write(true).open("/dev/null")
}

/// Tells who waits that the daemon is up.
#[derive(Clone, Debug)]
pub struct Up(Arc<OwnedFd>);

impl Up {
    /// Says so, and says nothing more to the terminal it was started from.
    pub fn tell(self) {
        if let Ok(nothing) = nothing() {
            let _stays = rustix::stdio::dup2_stderr(nothing);
        }
        // Whoever waited may be gone.
        let _gone = rustix::io::write(&*self.0, UP);
    }
}
