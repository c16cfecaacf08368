//! Which number does each tracked file hold now.
//!
//! A thread of its own, for a file system may keep whoever reads from it waiting for ever.
use super::Deliver;
use super::number::{LONGEST, number};
use super::watches::{Change, Watches};
use crate::config::tracked::TrackedFile;
use crate::daemon::mailbox::{self, Inbox, Sender};
use crate::engine::input::Input;
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks: a file that is written without end must not flood the loop.
const PAUSE: Duration = Duration::from_millis(1);

/// The other end of the thread that watches files.
#[derive(Debug)]
pub struct Handle {
    wanted: Sender<Message>,
}

#[derive(Debug)]
enum Message {
    Watch(Vec<Arc<TrackedFile>>),
    Stop,
}

impl Handle {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system has no thread or descriptor left.
    pub fn start(deliver: Arc<dyn Deliver>) -> std::io::Result<Self> {
        let (wanted, inbox) = mailbox::channel()?;
        let watches = Watches::new()?;
        std::thread::Builder::new()
            .name("files".to_owned())
            .spawn(move || serve(&inbox, watches, &*deliver))?;
        Ok(Self { wanted })
    }

    /// Watches these from now on.
    pub fn watch(&self, files: Vec<Arc<TrackedFile>>) {
        if !self.wanted.send(Message::Watch(files)) {
            tracing::error!("the thread that watches files has ended");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.wanted.send(Message::Stop);
    }
}

/// A file and what was told of it.
struct Watched {
    file: Arc<TrackedFile>,
    told: Option<i64>,
}

impl Watched {
    fn look(&mut self, deliver: &dyn Deliver) {
        let Some(value) = read(&self.file.path) else { return };
        if self.told != Some(value) {
            self.told = Some(value);
            deliver(Input::File { name: self.file.name.clone(), value });
        }
    }
}

fn serve(inbox: &Inbox<Message>, mut watches: Watches, deliver: &dyn Deliver) {
    let mut watched: Vec<Watched> = Vec::new();
    loop {
        let mut ready = [PollFd::new(inbox, PollFlags::IN), PollFd::new(&watches, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return tracing::error!("files are watched no longer: {e}"),
        }
        inbox.quiet();
        let mut all = false;
        while let Some(message) = inbox.take() {
            match message {
                Message::Watch(files) => {
                    watched = files.into_iter().map(|file| Watched { file, told: None }).collect();
                    all = true;
                }
                Message::Stop => return,
            }
        }
        let changed = match watches.changed() {
            Some(_) | None if all => None,
            changed => changed,
        };
        match &changed {
            Some(changed) if changed.is_empty() => continue,
            _ => {}
        }
        // A name that changed may lead elsewhere from now on.
        let paths: Vec<PathBuf> =
            watched.iter().map(|watched| absolute(&watched.file.path)).collect();
        if let Err((folder, why)) = watches.set(&paths) {
            tracing::error!("directory {} cannot be watched: {why}", folder.display());
        }
        for (number, watched) in watched.iter_mut().enumerate() {
            let read = match &changed {
                None => true,
                Some(changed) => changed.iter().any(|(changed, change)| {
                    *changed == number && (*change == Change::Any || !begun(&watched.file.path))
                }),
            };
            if read {
                watched.look(deliver);
            }
        }
        std::thread::sleep(PAUSE);
    }
}

/// Whether a file that has just appeared is one that somebody is about to write, and will be heard
/// of again when that is done: neither a link nor a second name of one.
fn begun(path: &Path) -> bool {
    std::fs::symlink_metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.nlink() == 1)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The number a file holds: 0 where there is no file or no number, nothing where it is out of range
/// and the one before it stays.
pub(super) fn read(path: &Path) -> Option<i64> {
    let text = contents(path).unwrap_or_default();
    let value = number(&text);
    if value.is_none() {
        let text = String::from_utf8_lossy(&text);
        tracing::warn!("{}: {:?} is out of range, ignored", path.display(), text.trim());
    }
    value
}

fn contents(path: &Path) -> std::io::Result<Vec<u8>> {
    let flags =
        i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).map_err(std::io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let mut text = Vec::new();
    file.take(LONGEST as u64).read_to_end(&mut text)?;
    Ok(text)
}

/// Makes the file that `init_file` asks for.
pub(super) fn prepare(file: &TrackedFile, reload: bool) {
    let Some(init) = file.init else { return };
    let path = &file.path;
    let fail = |why: &dyn std::fmt::Display| {
        tracing::error!("track_file {}: {} cannot be made: {why}", file.name, path.display());
    };
    match std::fs::metadata(path) {
        Ok(_) if !init.overwrite || reload => return,
        Ok(metadata) if !metadata.is_file() => return fail(&"it is not a regular file"),
        _ => {}
    }
    // Not through a link that somebody else may have put there.
    let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).custom_flags(flags);
    let written = options.open(path).and_then(|mut out| writeln!(out, "{}", init.value));
    if let Err(why) = written {
        fail(&why);
    }
}

#[cfg(test)]
mod tests;
