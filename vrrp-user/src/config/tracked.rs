//! What is watched besides the instances' own interfaces, and which instances change together: the
//! part of the validated configuration that is about tracking.
use super::model::{Name, Origin, TrackInterface};
use super::program::{Notify, Program};
use std::path::PathBuf;
use std::time::Duration;

/// One `vrrp_script`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// Its name.
    pub name: Name,
    /// Where it was declared.
    pub origin: Origin,
    /// `script` and `user`.
    pub program: Program,
    /// `interval`: from one start to the next; a millisecond at least.
    pub interval: Duration,
    /// `timeout`: a run that takes longer is ended and has failed; [`Self::interval`] unless given.
    pub timeout: Duration,
    /// `weight` of lines that give none; here only for reports.
    pub weight: i16,
    /// `reverse` of lines that give none; here only for reports.
    pub reverse: bool,
    /// `rise`: successes in a row until it is good.
    pub rise: u32,
    /// `fall`: failures in a row until it is bad.
    pub fall: u32,
    /// `init_fail`: it counts as bad until it has succeeded.
    pub init_fail: bool,
}

/// One `track_file` (top level).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackedFile {
    /// Its name.
    pub name: Name,
    /// Where it was declared.
    pub origin: Origin,
    /// `file`: holds one number; a file that is missing or holds none counts as 0.
    pub path: PathBuf,
    /// `weight` of lines that give none; here only for reports.
    pub weight: i16,
    /// `reverse` of lines that give none; here only for reports.
    pub reverse: bool,
    /// `init_file`: what to write at the start.
    pub init: Option<FileInit>,
}

/// `init_file`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileInit {
    /// The number to write.
    pub value: i64,
    /// `overwrite`: even where the file is there.
    pub overwrite: bool,
}

/// One `vrrp_track_process`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackedProcess {
    /// Its name.
    pub name: Name,
    /// Where it was declared.
    pub origin: Origin,
    /// `process`: the command, and perhaps its arguments.
    pub command: Vec<String>,
    /// `param_match`: how arguments are compared; `None` where they are not.
    pub arguments: Option<ArgumentMatch>,
    /// `full_command`: compare the whole command line instead of the name the kernel has for it.
    pub full_command: bool,
    /// `weight` of lines that give none; here only for reports.
    pub weight: i16,
    /// `reverse` of lines that give none; here only for reports.
    pub reverse: bool,
    /// `quorum`: so many of them must run.
    pub quorum: u32,
    /// `quorum_max`: and no more than so many.
    pub quorum_max: Option<u32>,
    /// `fork_delay` or `delay`: how long it must last that one more makes the count good, or too
    /// many.
    pub fork_delay: Duration,
    /// `terminate_delay` or `delay`: how long it must last that one less makes it bad, or good.
    pub terminate_delay: Duration,
}

/// `param_match`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgumentMatch {
    /// Exactly these arguments.
    Exact,
    /// `initial`: it has these first, and the last word may go on.
    Initial,
    /// `partial`: it has exactly these first; more may follow.
    Partial,
}

/// One line of `track_script`, `track_file` or `track_process`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Track {
    /// The name of the [`Script`], [`TrackedFile`] or [`TrackedProcess`].
    pub object: Name,
    /// `weight` of this line or, where it has none, of the object. 0: bad is a fault. A script or
    /// process adds a positive one while good, a negative one while bad; a file's number is
    /// multiplied by it.
    pub weight: i16,
    /// `reverse`: the other way round.
    pub reverse: bool,
}

/// What an instance or a group tracks by name, besides interfaces.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tracks {
    /// `track_script`.
    pub scripts: Vec<Track>,
    /// `track_file`.
    pub files: Vec<Track>,
    /// `track_process`.
    pub processes: Vec<Track>,
}

/// One `vrrp_sync_group`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncGroup {
    /// Its name.
    pub name: Name,
    /// Where it was declared.
    pub origin: Origin,
    /// `group`: names of instances, each in one group at most.
    pub members: Vec<Name>,
    /// `track_interface`: for each member.
    pub track_interfaces: Vec<TrackInterface>,
    /// `track_script`, `track_file`, `track_process`: for each member.
    pub tracks: Tracks,
    /// `sync_group_tracking_weight`: members may have weights of their own; here only for reports.
    pub tracking_weight: bool,
    /// Whom to tell of the group's changes.
    pub notify: Notify,
    /// `notify_priority_changes`, where it is given: already in the members, here for reports.
    pub notify_priority_changes: Option<bool>,
}

/// One line of `interface_up_down_delays`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkDelay {
    /// The interface.
    pub interface: Name,
    /// How long it must be down to count as down.
    pub down: Duration,
    /// How long it must be up to count as up.
    pub up: Duration,
}
