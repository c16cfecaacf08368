//! Which process is the daemon: its id in a file, for as long as it runs.
use anyhow::{Context as _, bail};
use rustix::process::{Pid, getpid, test_kill_process};
use std::path::{Path, PathBuf};

/// A file with our process id, removed on drop.
#[derive(Debug)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Writes it, unless the process an older one names still runs.
    pub(super) fn write(path: &Path) -> anyhow::Result<Self> {
        if let Some(other) = other(path) {
            bail!("daemon is already running: process {other} ({})", path.display());
        }
        let text = format!("{}\n", getpid().as_raw_nonzero());
        // Beside and renamed: whoever waits for the file finds a number in it.
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, path))
            .with_context(|| format!("pid file {}", path.display()))?;
        Ok(Self(path.to_owned()))
    }
}

/// The living process that a file names, if it is not this one.
fn other(path: &Path) -> Option<i32> {
    let text = std::fs::read_to_string(path).ok()?;
    let number: i32 = text.trim().parse().ok()?;
    let pid = Pid::from_raw(number).filter(|pid| *pid != getpid())?;
    // Without the right to signal it, it is there.
    let gone = matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH));
    (!gone).then_some(number)
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let ours = std::fs::read_to_string(&self.0).unwrap_or_default();
        if ours.trim() == getpid().as_raw_nonzero().to_string() {
            let _gone = std::fs::remove_file(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_the_daemon_and_stays_with_a_living_one() {
        let path = std::env::temp_dir().join(format!("xvrrp-pid-{}", std::process::id()));
        let file = PidFile::write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), std::process::id().to_string());
        drop(file);
        assert!(!path.exists());
        // Process 1 is there as long as any.
        std::fs::write(&path, "1\n").unwrap();
        let why = format!("{:#}", PidFile::write(&path).unwrap_err());
        assert!(why.contains("already running"), "{why}");
        for leftover in ["", "no number\n", "2147483646\n"] {
            std::fs::write(&path, leftover).unwrap();
            drop(PidFile::write(&path).unwrap());
        }
        assert!(!path.exists());
    }
}
