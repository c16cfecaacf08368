//! What is there of files and users on this machine.
use crate::config::host::{Account, Facts, Host, Kind};
use crate::config::source::Unreadable;
use nix::unistd::{Gid, Group, Uid, User};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Where programs are looked for if nobody said it, as in the C library.
const STANDARD_PATH: &str = "/bin:/usr/bin";

/// This machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

fn unreadable(error: &std::io::Error) -> Unreadable {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Unreadable::Missing,
        _ => Unreadable::Other(error.to_string()),
    }
}

impl Host for System {
    fn look(&self, path: &Path) -> Result<Facts, Unreadable> {
        let metadata = std::fs::symlink_metadata(path).map_err(|error| unreadable(&error))?;
        let kind = match metadata.file_type() {
            kind if kind.is_file() => Kind::File,
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_symlink() => Kind::Link,
            _ => Kind::Other,
        };
        let mode = metadata.mode() & 0o7777;
        Ok(Facts { kind, owner: metadata.uid(), group: metadata.gid(), mode })
    }

    fn link(&self, path: &Path) -> Result<PathBuf, Unreadable> {
        std::fs::read_link(path).map_err(|error| unreadable(&error))
    }

    fn here(&self) -> PathBuf {
        std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
    }

    fn search(&self) -> Vec<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_else(|| STANDARD_PATH.into());
        std::env::split_paths(&path).collect()
    }

    fn user(&self, name: &str) -> Option<Account> {
        let by_number = || User::from_uid(Uid::from_raw(name.parse().ok()?)).ok()?;
        let user = User::from_name(name).ok().flatten().or_else(by_number)?;
        Some(Account { uid: user.uid.as_raw(), gid: user.gid.as_raw() })
    }

    fn group(&self, name: &str) -> Option<u32> {
        let group = Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw());
        group.or_else(|| name.parse().ok())
    }

    fn own(&self) -> Account {
        Account { uid: Uid::effective().as_raw(), gid: Gid::effective().as_raw() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_users_are_those_of_the_system() {
        let root = System.look(Path::new("/")).unwrap();
        assert_eq!((root.kind, root.owner), (Kind::Directory, 0));
        assert_eq!(System.look(Path::new("/proc/self")).unwrap().kind, Kind::Link);
        assert_eq!(System.look(Path::new("/dev/null")).unwrap().kind, Kind::Other);
        assert_eq!(System.look(Path::new("/no/such")), Err(Unreadable::Missing));
        assert_eq!(System.user("root"), Some(Account { uid: 0, gid: 0 }));
        assert_eq!(System.user("0"), Some(Account { uid: 0, gid: 0 }));
        assert_eq!(System.user("no-such-user"), None);
        assert_eq!(System.group("root"), Some(0));
        assert_eq!(System.group("4711"), Some(4711));
        assert_eq!(System.group("no-such-group"), None);
    }
}
