//! How do the lines of `notify_fifo` get to their reader, and who is the reader.
//!
//! Writing never waits. A FIFO without a reader, or with a slow one, loses lines, which are counted
//! and said. The script of a FIFO is started with its path, and again by a reload if it has ended.
use crate::config::host::{Account, Host as _};
use crate::program::host::System;
use crate::program::launch::{self, Run, Runnable};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long a reader may go on with what it has not read, once nothing is written any more.
const READING: Duration = Duration::from_millis(300);
/// How long it may take after it was asked to end.
const GRACE: Duration = Duration::from_secs(1);

/// A FIFO that is open for writing.
pub(super) struct Fifo {
    path: PathBuf,
    file: File,
    created: bool,
    lost: u64,
    reader: Option<Reader>,
}

/// The script at the other end.
struct Reader {
    runnable: Runnable,
    task: JoinHandle<()>,
    end: oneshot::Sender<()>,
}

/// What is to be written to, by whom it is read, and to whom it belongs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    pub(super) path: PathBuf,
    pub(super) script: Option<Runnable>,
    /// To whom it is given if it is made.
    pub(super) owner: Option<Account>,
}

impl Fifo {
    /// Opens the FIFO, making it where nothing is there.
    pub(super) fn open(wanted: Wanted) -> std::io::Result<Self> {
        let (file, created) = open(&wanted.path, wanted.owner)?;
        let mut fifo = Self { path: wanted.path, file, created, lost: 0, reader: None };
        fifo.read_by(wanted.script);
        Ok(fifo)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its reader from now on. One that runs and is the same goes on.
    pub(super) fn read_by(&mut self, script: Option<Runnable>) {
        let running = self.reader.as_ref().filter(|reader| !reader.task.is_finished());
        if running.map(|reader| &reader.runnable) == script.as_ref() {
            return;
        }
        if let Some(reader) = self.reader.take() {
            // Its task sees to it that it ends.
            drop(reader.end);
        }
        let Some(runnable) = script else { return };
        let path = self.path.to_string_lossy().into_owned();
        match runnable.start(&[&path]) {
            Ok(run) => {
                let (end, ended) = oneshot::channel();
                let task = tokio::spawn(keep(run, path, ended));
                self.reader = Some(Reader { runnable, task, end });
            }
            Err(e) => tracing::error!("notify FIFO {path}: {} not started: {e}", runnable.name()),
        }
    }

    pub(super) fn write(&mut self, line: &str) {
        // A line is shorter than PIPE_BUF, so it is written whole or not at all.
        match self.file.write_all(line.as_bytes()) {
            Ok(()) => {
                if self.lost > 0 {
                    let (path, lost) = (self.path.display(), self.lost);
                    tracing::warn!("notify FIFO {path}: {lost} lines were lost");
                    self.lost = 0;
                }
            }
            // Open for reading as well, so a missing reader fills the pipe instead of failing.
            Err(e) => {
                if self.lost == 0 {
                    let full = e.kind() == ErrorKind::WouldBlock;
                    let why = if full { "it is full: is anything reading it?" } else { "" };
                    tracing::warn!("notify FIFO {}: line lost: {e} {why}", self.path.display());
                }
                self.lost += 1;
            }
        }
    }

    /// Writes no more, and ends the reader once it has read what there is.
    pub(super) async fn close(self) {
        // First the name, so that a reader that opens it again finds nothing.
        if self.created {
            let _ = std::fs::remove_file(&self.path);
        }
        drop(self.file);
        if let Some(mut reader) = self.reader
            && tokio::time::timeout(READING, &mut reader.task).await.is_err()
        {
            drop(reader.end);
            let _ = reader.task.await;
        }
    }
}

/// Sees to it that a reader that ends is no zombie, and that it ends when it is to.
async fn keep(mut run: Run, path: String, end: oneshot::Receiver<()>) {
    tokio::select! {
        status = run.ended() => match status {
            Ok(status) => tracing::warn!(
                "notify FIFO {path}: its script {}; a reload starts it again",
                launch::words(status)
            ),
            Err(e) => tracing::error!("notify FIFO {path}: its script was lost: {e}"),
        },
        _ = end => run.end(GRACE).await,
    }
}

fn open(path: &Path, owner: Option<Account>) -> std::io::Result<(File, bool)> {
    use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
    let created = match mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR) {
        Ok(()) => true,
        Err(rustix::io::Errno::EXIST) => false,
        Err(e) => return Err(e.into()),
    };
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW).bits())
        .map_err(std::io::Error::other)?;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.file_type().is_fifo() {
        return Err(std::io::Error::other("it exists and is not a FIFO"));
    }
    if created && let Some(Account { uid, gid }) = owner.filter(|owner| *owner != System.own()) {
        fchown(&file, Some(uid), Some(gid))?;
    }
    Ok((file, created))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[tokio::test]
    async fn lines_arrive_and_what_was_made_is_removed() {
        let directory = std::env::temp_dir().join(format!("xvrrp-fifo-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("fifo");
        let mut fifo =
            Fifo::open(Wanted { path: path.clone(), script: None, owner: None }).unwrap();
        fifo.write("INSTANCE \"VI_1\" MASTER 100\n");
        let mut reader = File::open(&path).unwrap();
        let mut text = [0; 27];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"INSTANCE \"VI_1\" MASTER 100\n");
        fifo.close().await;
        assert!(!path.exists());
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_plain_file_is_left_alone() {
        let path = std::env::temp_dir().join(format!("xvrrp-nofifo-{}", std::process::id()));
        std::fs::write(&path, "mine").unwrap();
        assert!(open(&path, None).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        std::fs::remove_file(&path).unwrap();
    }

    #[tokio::test]
    async fn a_full_pipe_loses_lines_and_waits_for_nobody() {
        let path = std::env::temp_dir().join(format!("xvrrp-full-{}", std::process::id()));
        let mut fifo = Fifo::open(Wanted { path, script: None, owner: None }).unwrap();
        let line = format!("{}\n", "x".repeat(1000));
        (0..200).for_each(|_| fifo.write(&line));
        assert!(fifo.lost > 0 && fifo.lost < 200, "{}", fifo.lost);
        fifo.close().await;
    }
}
