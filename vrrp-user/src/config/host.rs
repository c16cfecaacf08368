//! What is there of files and users: the questions the rules for programs ask their surroundings.
use super::source::Unreadable;
use std::path::{Path, PathBuf};

/// Files and users. Implemented over the system by the daemon and over memory by tests.
pub trait Host {
    /// What is at `path` itself: a link is not followed.
    ///
    /// # Errors
    /// Where there is nothing, or nothing that can be looked at.
    fn look(&self, path: &Path) -> Result<Facts, Unreadable>;
    /// Where a link points.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn link(&self, path: &Path) -> Result<PathBuf, Unreadable>;
    /// The working directory.
    fn here(&self) -> PathBuf;
    /// The directories of PATH.
    fn search(&self) -> Vec<PathBuf>;
    /// A user, by name or number.
    fn user(&self, name: &str) -> Option<Account>;
    /// A group, by name or number.
    fn group(&self, name: &str) -> Option<u32>;
    /// Who this runs as.
    fn own(&self) -> Account;
}

/// Who a program runs as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Account {
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
}

/// What kind of file it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A regular one.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Anything else.
    Other,
}

/// What is known of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Its kind.
    pub kind: Kind,
    /// The user who owns it.
    pub owner: u32,
    /// The group it belongs to.
    pub group: u32,
    /// The twelve permission bits.
    pub mode: u32,
}
