//! What was a notify fifo told.
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::wait::eventually;

/// A fifo with this test at its reading end.
#[derive(Debug)]
pub struct Fifo {
    path: PathBuf,
    file: File,
    text: Mutex<String>,
}

impl Fifo {
    /// Makes it.
    pub fn new(path: PathBuf) -> Self {
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .unwrap_or_else(|error| panic!("{path:?}: {error}"));
        // Open for writing too: otherwise it ends whenever the daemon closes its end.
        let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("a small flag");
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&path);
        let file = file.unwrap_or_else(|error| panic!("{path:?}: {error}"));
        Self { path, file, text: Mutex::default() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<String> {
        self.read(|text| text.lines().map(str::to_owned).collect())
    }

    /// How often `phrase` was told so far.
    pub fn count(&self, phrase: &str) -> usize {
        self.read(|text| text.matches(phrase).count())
    }

    fn read<T>(&self, look: impl FnOnce(&str) -> T) -> T {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = [0; 65_536];
        while let Ok(len @ 1..) = (&self.file).read(&mut buffer) {
            text.push_str(&String::from_utf8_lossy(buffer.get(..len).unwrap_or_default()));
        }
        look(&text)
    }

    /// Waits for this many lines.
    #[track_caller]
    pub fn wait_count(&self, count: usize, deadline: Duration) {
        eventually(deadline, &format!("{count} lines in the fifo"), || {
            (self.lines().len() >= count).then_some(())
        });
    }
}
