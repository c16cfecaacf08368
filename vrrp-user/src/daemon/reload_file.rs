//! How do those who write the configuration learn that it is being read: `reload_file`.
use rustix::fs::{Mode, OFlags};
use std::path::{Path, PathBuf};

/// The file is there, and empty, as long as this lives.
#[derive(Debug)]
pub struct Reading(Option<PathBuf>);

impl Reading {
    /// Reading begins.
    pub fn begin(path: Option<PathBuf>) -> Self {
        if let Some(path) = &path {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
            let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
            if let Err(why) = rustix::fs::open(path, flags | OFlags::CLOEXEC, mode) {
                tracing::warn!("reload_file {}: {why}", path.display());
            }
        }
        Self(path)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            remove(path);
        }
    }
}

/// The configuration that names it has been read.
pub fn remove(path: &Path) {
    if let Err(why) = std::fs::remove_file(path)
        && why.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("reload_file {}: {why}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_empty_while_reading_goes_on_and_then_gone() {
        let path = std::env::temp_dir().join(format!("xvrrp-reading-{}", std::process::id()));
        std::fs::write(&path, "being written").unwrap();
        let reading = Reading::begin(Some(path.clone()));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        drop(reading);
        assert!(!path.exists());
        drop(Reading::begin(Some(path.join("no/such/directory"))));
        drop(Reading::begin(None));
    }
}
