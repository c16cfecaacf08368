//! How do the lines of `notify_fifo` get to their reader.
//!
//! A thread of its own writes; the loop hands lines over through a bounded queue and never waits.
//! A FIFO without a reader, or with a slow one, loses lines, which are counted and said once.
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use vrrp_common::ident::Priority;

/// Lines that may wait for the writer.
const QUEUE: usize = 8192;

/// The loop's end.
#[derive(Debug)]
pub struct Fifo {
    lines: Option<SyncSender<Message>>,
    writer: Option<JoinHandle<()>>,
    dropped: u64,
}

#[derive(Debug)]
enum Message {
    Line(String),
    Paths(Vec<PathBuf>),
}

/// What a line says happened: keepalived's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Became master.
    Master,
    /// Became backup.
    Backup,
    /// Fell into FAULT, or was removed by a reload.
    Fault,
    /// The daemon stops.
    Stop,
    /// Priority changed while master.
    MasterPriority,
    /// Priority changed otherwise.
    BackupPriority,
}

impl Event {
    const fn word(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::MasterPriority => "MASTER_PRIORITY",
            Self::BackupPriority => "BACKUP_PRIORITY",
        }
    }
}

/// The line keepalived writes for an instance.
pub fn line(name: &str, event: Event, Priority(priority): Priority) -> String {
    format!("INSTANCE \"{name}\" {} {priority}\n", event.word())
}

impl Fifo {
    /// Starts the writer.
    pub fn start() -> std::io::Result<Self> {
        let (lines, received) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("notify".to_owned())
            .spawn(move || write_all(&received))?;
        Ok(Self { lines: Some(lines), writer: Some(writer), dropped: 0 })
    }

    /// Writes to these from now on; those no longer named are removed if we made them.
    pub fn set_paths(&mut self, paths: Vec<PathBuf>) {
        self.post(Message::Paths(paths));
    }

    /// Hands a line over.
    pub fn send(&mut self, line: String) {
        self.post(Message::Line(line));
    }

    fn post(&mut self, message: Message) {
        let Some(lines) = &self.lines else { return };
        if let Err(TrySendError::Full(_)) = lines.try_send(message) {
            if self.dropped == 0 {
                tracing::warn!("notify FIFO: lines are dropped, the writer does not keep up");
            }
            self.dropped += 1;
        }
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(writer) = self.writer.take() {
            // The writer only ever writes without blocking, so it ends at once.
            let _ = writer.join();
        }
    }
}

/// A FIFO that is open for writing.
struct Target {
    path: PathBuf,
    file: File,
    created: bool,
    complained: bool,
}

fn write_all(messages: &Receiver<Message>) {
    let mut targets: Vec<Target> = Vec::new();
    for message in messages {
        match message {
            Message::Line(line) => targets.iter_mut().for_each(|target| target.write(&line)),
            Message::Paths(paths) => {
                let (kept, gone): (Vec<_>, Vec<_>) =
                    targets.into_iter().partition(|target| paths.contains(&target.path));
                gone.into_iter().for_each(Target::remove);
                targets = kept;
                for path in paths {
                    if targets.iter().all(|target| target.path != path) {
                        match open(&path) {
                            Ok(target) => targets.push(target),
                            Err(e) => tracing::error!("notify FIFO {}: {e}", path.display()),
                        }
                    }
                }
            }
        }
    }
    targets.into_iter().for_each(Target::remove);
}

impl Target {
    fn write(&mut self, line: &str) {
        // A line is shorter than PIPE_BUF, so it is written whole or not at all.
        match self.file.write_all(line.as_bytes()) {
            Ok(()) => self.complained = false,
            // Open for reading as well, so a missing reader fills the pipe instead of failing.
            Err(e) => {
                if !self.complained {
                    let full = e.kind() == ErrorKind::WouldBlock;
                    let why = if full { "it is full: is anything reading it?" } else { "" };
                    tracing::warn!("notify FIFO {}: line lost: {e} {why}", self.path.display());
                }
                self.complained = true;
            }
        }
    }

    fn remove(self) {
        if self.created {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens the FIFO, making it where nothing is there.
fn open(path: &Path) -> std::io::Result<Target> {
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
    Ok(Target { path: path.to_owned(), file, created, complained: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn lines_arrive_and_what_was_made_is_removed() {
        let directory = std::env::temp_dir().join(format!("xvrrp-fifo-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("fifo");
        let mut fifo = Fifo::start().unwrap();
        fifo.set_paths(vec![path.clone()]);
        fifo.send(line("VI_1", Event::Master, Priority(100)));
        let mut reader = loop {
            if let Ok(file) = File::open(&path) {
                break file;
            }
        };
        let mut text = [0; 27];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"INSTANCE \"VI_1\" MASTER 100\n");
        drop(fifo);
        assert!(!path.exists());
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_plain_file_is_left_alone() {
        let path = std::env::temp_dir().join(format!("xvrrp-nofifo-{}", std::process::id()));
        std::fs::write(&path, "mine").unwrap();
        assert!(open(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        std::fs::remove_file(&path).unwrap();
    }
}
