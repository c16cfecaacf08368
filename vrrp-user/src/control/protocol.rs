//! What can be asked over the control socket.
use crate::report::model::Snapshot;
use serde::{Deserialize, Serialize};

/// Version of this protocol; a daemon refuses others.
pub const VERSION: u32 = 1;

/// The longest request line in bytes.
pub const MAX_REQUEST: usize = 4096;

/// Where the daemon listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/xvrrp/control.sock";

/// A request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// [`VERSION`].
    pub version: u32,
    /// What is asked for.
    pub command: Command,
}

/// What can be asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Everything the daemon knows.
    Snapshot,
    /// Read the configuration again; answered when it is in force or refused.
    Reload,
}

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Command::Snapshot`].
    Snapshot(Box<Snapshot>),
    /// Done.
    Done,
    /// Not done, and why.
    Error(String),
}
