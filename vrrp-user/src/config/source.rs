//! Where does configuration text come from: the questions the loader asks its surroundings.
use std::path::{Path, PathBuf};

/// Bytes of the longest file that is read; a source need not deliver more than one byte beyond.
pub const LONGEST: usize = 64 << 20;

/// Files, globs, the environment and the name of this host. Implemented over the file system by the command line
/// and over memory by tests.
pub trait Source {
    /// The bytes of a file, at least as many as [`LONGEST`] and one if it has them.
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable>;

    /// Existing files that match a pattern of `*`, `?` and `[...]`, sorted. Braces are already
    /// expanded.
    fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, Unreadable>;

    /// A variable of the environment, for `${_ENV NAME}`.
    fn environment(&self, _name: &str) -> Option<String> {
        None
    }

    /// What `${_RANDOM}` begins with where there is no `random_seed`.
    fn seed(&self) -> u32 {
        1
    }

    /// What a directory is called in full, for `${_PWD}`.
    fn directory(&self, path: &Path) -> PathBuf {
        path.to_path_buf()
    }

    /// What `@id` conditions are compared with: the id given on the command line, or the first
    /// label of the host's name.
    fn config_id(&self) -> String;
}

/// Why a file or a directory could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable {
    /// There is no such file.
    #[error("no such file")]
    Missing,
    /// Anything else, in the system's words.
    #[error("{0}")]
    Other(String),
}
