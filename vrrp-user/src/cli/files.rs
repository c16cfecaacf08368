//! Where do configuration files come from on a real host: the file system.
use crate::config::source::{LONGEST, Source, Unreadable};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Files of this host.
#[derive(Clone, Default, Debug)]
pub struct Files {
    /// The id for `@id` conditions; without it the first label of the host's name.
    pub config_id: Option<String>,
}

fn unreadable(error: &std::io::Error) -> Unreadable {
    match error.kind() {
        ErrorKind::NotFound => Unreadable::Missing,
        _ => Unreadable::Other(error.to_string()),
    }
}

/// Opens a file to read. A pipe that nobody writes to is empty; it is not waited for.
fn open(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags | OFlags::NONBLOCK, Mode::empty())?;
    rustix::fs::fcntl_setfl(&file, flags)?;
    Ok(file.into())
}

impl Source for Files {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        // Bounded, because an include may name a device without end.
        let mut bytes = Vec::new();
        open(path)
            .and_then(|file| file.take(LONGEST as u64 + 1).read_to_end(&mut bytes))
            .map_err(|error| unreadable(&error))?;
        Ok(bytes)
    }

    fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, Unreadable> {
        let paths = glob::glob(pattern).map_err(|error| Unreadable::Other(error.msg.to_owned()))?;
        let mut found = Vec::new();
        for path in paths {
            let path = path.map_err(|error| unreadable(error.error()))?;
            if !path.is_dir() {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn seed(&self) -> u32 {
        // Each of these has keys of its own, which come from the system.
        let [a, b, c, d, ..] = RandomState::new().hash_one(0).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    fn directory(&self, path: &Path) -> PathBuf {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
    }

    fn config_id(&self) -> String {
        if let Some(id) = &self.config_id {
            return id.clone();
        }
        let name = rustix::system::uname();
        let name = name.nodename().to_string_lossy();
        name.split('.').next().unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_end_is_read_up_to_the_bound() {
        let read = Files::default().read(Path::new("/dev/zero")).map(|bytes| bytes.len());
        assert_eq!(read, Ok(LONGEST + 1));
    }

    #[test]
    fn what_is_no_file_is_told() {
        let files = Files::default();
        assert_eq!(files.read(Path::new("/no/such/file")), Err(Unreadable::Missing));
        assert!(matches!(files.read(Path::new("/proc")), Err(Unreadable::Other(_))));
        assert_eq!(files.glob("/proc/sel[f]"), Ok(Vec::new()));
        assert_eq!(files.glob("/proc/self/[s]tatus"), Ok(vec!["/proc/self/status".into()]));
    }

    #[test]
    fn the_id_is_the_first_label_of_the_host() {
        let given = Files { config_id: Some("x.y".to_owned()) };
        assert_eq!(given.config_id(), "x.y");
        assert!(!Files::default().config_id().contains('.'));
    }
}
