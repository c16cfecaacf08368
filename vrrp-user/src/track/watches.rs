//! Which directories have to be watched to see every change of what a path leads to.
//!
//! Each directory on the way is, for the name that comes next: so a file that is replaced, a link
//! that is turned, and a directory that is made or moved are all seen. The kernel tells a directory
//! that is watched twice apart from none, and so does this.
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// Links followed on the way to one file, as in the kernel.
const LINKS: usize = 40;

/// What a directory tells of its entries, and of itself.
const EVENTS: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// What is known of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// A file was begun, and whoever does so will close it.
    Begun,
    /// Anything else.
    Any,
}

/// The watches of every path.
#[derive(Debug)]
pub(super) struct Watches {
    inotify: OwnedFd,
    /// For which paths, by number, a name in a directory matters, and whether it is their last.
    interest: HashMap<(i32, OsString), Vec<(usize, bool)>>,
}

impl Watches {
    /// None yet.
    ///
    /// # Errors
    /// Where the system has no such thing left.
    pub(super) fn new() -> rustix::io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { inotify, interest: HashMap::new() })
    }

    /// Watches all of `paths`, whatever was watched before.
    ///
    /// # Errors
    /// Where a directory that is there cannot be watched.
    pub(super) fn set(&mut self, paths: &[PathBuf]) -> Result<(), (PathBuf, rustix::io::Errno)> {
        let before = std::mem::take(&mut self.interest);
        let mut result = Ok(());
        for (number, path) in paths.iter().enumerate() {
            if let Err(why) = self.along(number, path) {
                result = Err(why);
            }
        }
        for (watch, _) in before.into_keys() {
            if !self.interest.keys().any(|(kept, _)| *kept == watch) {
                // It may be gone with its directory, or have been removed for another name.
                let _ = inotify::remove_watch(&self.inotify, watch);
            }
        }
        result
    }

    fn along(&mut self, number: usize, path: &Path) -> Result<(), (PathBuf, rustix::io::Errno)> {
        let mut folder = PathBuf::from("/");
        let mut links = 0;
        let mut ahead: Vec<OsString> = names(path).rev().collect();
        while let Some(name) = ahead.pop() {
            if name == ".." {
                folder.pop();
                continue;
            }
            let watch = match inotify::add_watch(&self.inotify, &folder, EVENTS) {
                Ok(watch) => watch,
                // It went while we looked: the directory before it tells of that.
                Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(()),
                Err(why) => return Err((folder, why)),
            };
            let numbers = self.interest.entry((watch, name.clone())).or_default();
            let entry = (number, ahead.is_empty());
            if !numbers.contains(&entry) {
                numbers.push(entry);
            }
            let next = folder.join(&name);
            // After the watch, so that no change falls between.
            let Ok(metadata) = std::fs::symlink_metadata(&next) else { return Ok(()) };
            if !metadata.is_symlink() {
                folder = next;
                continue;
            }
            links += 1;
            let Ok(target) = std::fs::read_link(&next) else { return Ok(()) };
            if links > LINKS {
                return Ok(());
            }
            if target.is_absolute() {
                folder = PathBuf::from("/");
            }
            ahead.extend(names(&target).rev());
        }
        Ok(())
    }

    /// Which paths may have changed, and how, or nothing where any of them may have.
    pub(super) fn changed(&self) -> Option<Vec<(usize, Change)>> {
        let mut changed = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut lost = false;
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => break,
            };
            let events = event.events();
            let Some(name) = event.file_name() else {
                // Of the directory itself, or of the queue: too much or too little is known.
                lost |= !events.contains(ReadFlags::IGNORED) || self.watches(event.wd());
                continue;
            };
            let name = OsStr::from_bytes(name.to_bytes());
            let key = (event.wd(), name.to_owned());
            let made = events.contains(ReadFlags::CREATE) && !events.contains(ReadFlags::ISDIR);
            for &(number, last) in self.interest.get(&key).into_iter().flatten() {
                changed.push((number, if made && last { Change::Begun } else { Change::Any }));
            }
        }
        (!lost).then_some(changed)
    }

    fn watches(&self, watch: i32) -> bool {
        self.interest.keys().any(|(kept, _)| *kept == watch)
    }
}

impl AsFd for Watches {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}
