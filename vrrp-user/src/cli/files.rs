//! Where do configuration files come from on a real host: the file system.
use crate::config::source::{Source, Unreadable};
use std::io::ErrorKind;
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

impl Source for Files {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        std::fs::read(path).map_err(|error| unreadable(&error))
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

    fn config_id(&self) -> String {
        if let Some(id) = &self.config_id {
            return id.clone();
        }
        let name = rustix::system::uname();
        let name = name.nodename().to_string_lossy();
        name.split('.').next().unwrap_or_default().to_owned()
    }
}
