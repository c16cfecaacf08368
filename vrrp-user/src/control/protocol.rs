//! What can be asked over the control socket.
use crate::report::capture::Frame;
use crate::report::model::{Counters, Event, Program, Snapshot};
use serde::{Deserialize, Serialize};

/// The longest time a demoted instance lets others be master: a week.
pub const LONGEST_HOLD_MS: u64 = 7 * 24 * 3600 * 1000;

/// Version of this protocol; a daemon refuses others. Commands and fields are added within one.
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
    /// The same with this instance only, and the port of its interface.
    Instance(String),
    /// Only what is counted.
    Counters,
    /// The last transitions, oldest first.
    Events,
    /// The XDP program as the kernel knows it, and the interfaces it is on.
    Xdp,
    /// Read the configuration again; answered when it is in force or refused.
    Reload,
    /// Announce the addresses of this instance now, or of every master.
    Announce(Option<String>),
    /// Log what this filter lets through from now on.
    LogLevel(String),
    /// Take the mastership from this instance, and let others have it for a while. Answered at once:
    /// who takes over is seen in the instance.
    Demote {
        /// Its name.
        instance: String,
        /// How long it preempts no other master.
        hold_ms: u64,
    },
    /// Show judged frames: many answers, until the client closes its half of the connection.
    Capture {
        /// Of this instance only.
        #[serde(default)]
        instance: Option<String>,
        /// Which.
        #[serde(default)]
        verdict: Verdict,
    },
}

/// Which frames are captured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Both.
    #[default]
    All,
    /// Valid adverts.
    Accepted,
    /// Rejected packets.
    Rejected,
}

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Command::Snapshot`] and [`Command::Instance`].
    Snapshot(Box<Snapshot>),
    /// To [`Command::Counters`].
    Counters(Box<Counters>),
    /// To [`Command::Events`].
    Events(Vec<Event>),
    /// To [`Command::Xdp`].
    Xdp(Vec<Program>),
    /// To [`Command::Capture`]: frames follow, each an answer.
    Capturing,
    /// A captured frame.
    Frame(Box<Frame>),
    /// Behind the last of them.
    Captured {
        /// Frames that were shown.
        frames: u64,
        /// Those that found no room, because they came faster than they were read.
        lost: u64,
        /// Why the daemon ended it, if it did.
        why: Option<String>,
    },
    /// Done.
    Done,
    /// Not done, and why.
    Error(String),
}
