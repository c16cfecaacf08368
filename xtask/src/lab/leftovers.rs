//! Where does a lab keep its files, and what became of labs that were killed?
//!
//! The folder of a lab is named by its process and that process's start, so a later lab can tell a
//! dead owner from a living one, and a reused process number from the owner.
use super::{network, plan};
use crate::program::output;
use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// The folder of all labs.
const FOLDER: &str = "/run/xvrrp-lab";

/// The files of one lab; they go when this does.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A folder for the lab of this process.
    pub(super) fn create() -> Result<Self> {
        let owner = std::process::id();
        let start = started(owner).context("/proc does not know this process")?;
        let path = Path::new(FOLDER).join(format!("{owner}-{start}"));
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o700).recursive(true);
        builder.create(FOLDER).with_context(|| format!("cannot create {FOLDER}"))?;
        builder.recursive(false);
        builder.create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path })
    }

    /// A file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(why) = fs::remove_dir_all(&self.path) {
            eprintln!("lab: cannot remove {}: {why}", self.path.display());
        }
        // Stays while another lab has its folder there.
        let _ = fs::remove_dir(FOLDER);
    }
}

/// Removes what labs with a dead owner left.
pub(super) fn sweep() {
    let Ok(entries) = fs::read_dir(FOLDER) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let Some((owner, start)) = path.file_name().and_then(|name| parse(name.to_str()?)) else {
            continue;
        };
        if started(owner) == Some(start) {
            continue;
        }
        eprintln!("lab: removing what the killed lab {owner} left");
        for router in plan::ROUTERS {
            end_all(&plan::namespace(owner, router.name));
        }
        network::remove(owner);
        drop(Folder { path });
    }
}

/// Ends what still runs in a namespace.
fn end_all(namespace: &str) {
    let list = || output(Command::new("ip").args(["netns", "pids", namespace])).unwrap_or_default();
    for signal in [Signal::TERM, Signal::KILL] {
        let pids = list();
        let pids: Vec<Pid> =
            pids.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect();
        if pids.is_empty() {
            return;
        }
        for pid in pids {
            // It may have ended meanwhile.
            let _ = kill_process(pid, signal);
        }
        sleep(Duration::from_millis(500));
    }
}

/// Process and start in the name of a folder.
fn parse(name: &str) -> Option<(u32, u64)> {
    let (owner, start) = name.split_once('-')?;
    Some((owner.parse().ok()?, start.parse().ok()?))
}

/// When a living process was started, in ticks since boot.
fn started(pid: u32) -> Option<u64> {
    started_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22 of `/proc/<pid>/stat`; field 2 may hold spaces and parentheses. A zombie is dead.
fn started_in(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_found_behind_any_name() {
        let rest = "1 1 1 0 -1 4194304 100 0 0 0 1 2 3 4 20 0 1 0 9876 1000 10";
        assert_eq!(started_in(&format!("7 (a) b (c) S {rest}")), Some(9876));
        assert_eq!(started_in(&format!("7 (xtask) Z {rest}")), None);
        assert_eq!(started_in("7 (xtask"), None);
    }

    #[test]
    fn this_process_lives_and_an_impossible_one_does_not() {
        assert!(started(std::process::id()).is_some());
        assert_eq!(started(u32::MAX), None);
    }

    #[test]
    fn foreign_names_are_left_alone() {
        assert_eq!(parse("12-345"), Some((12, 345)));
        assert_eq!(parse("notes"), None);
        assert_eq!(parse("12-"), None);
    }
}
