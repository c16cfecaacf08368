//! Which programs are to be run, by whom, and at what: the part of the validated configuration that
//! is about notification.
use super::model::Origin;

/// A program to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// The program and its arguments; never empty.
    pub words: Vec<String>,
    /// Who runs it; otherwise `script_user`.
    pub user: Option<User>,
    /// Where it was named.
    pub origin: Origin,
}

/// Who runs a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Name or number.
    pub name: String,
    /// Name or number; otherwise the user's own group.
    pub group: Option<String>,
}

/// `notify` and its kin of an instance or a group. Most have none, and of instances there may be
/// thousands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Notify {
    /// `notify`: run with `INSTANCE` or `GROUP`, the name, the event and the priority.
    pub any: Option<Box<Program>>,
    /// `notify_master`.
    pub master: Option<Box<Program>>,
    /// `notify_backup`.
    pub backup: Option<Box<Program>>,
    /// `notify_fault`.
    pub fault: Option<Box<Program>>,
    /// `notify_stop`.
    pub stop: Option<Box<Program>>,
    /// `notify_master_rx_lower_pri`.
    pub lower: Option<Box<Program>>,
    /// `notify_deleted`: an instance that a reload takes away says `DELETED` and not `FAULT`; run
    /// then, where a program is given.
    pub deleted: Deleted,
}

/// `notify_deleted`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Deleted {
    /// Whether it stands there at all.
    pub given: bool,
    /// Its program, if it names one.
    pub program: Option<Box<Program>>,
}

/// How programs are run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scripts {
    /// `script_user`; otherwise `keepalived_script` where there is such a user, else root.
    pub user: Option<User>,
    /// `enable_script_security`: refuse to run as root what others could change. On by default,
    /// which keepalived's is not.
    pub security: bool,
    /// `use_symlink_paths`: run a script under the name it was given, not the one its links lead to.
    pub symlink_paths: bool,
    /// `set_supplementary_groups`: give programs all groups of their user.
    pub supplementary_groups: bool,
    /// `startup_script` and its timeout in seconds.
    pub startup: Option<(Program, u32)>,
    /// `shutdown_script` and its timeout in seconds.
    pub shutdown: Option<(Program, u32)>,
    /// `notify_fifo_script`: reads `notify_fifo`.
    pub fifo: Option<Box<Program>>,
    /// `vrrp_notify_fifo_script`: reads `vrrp_notify_fifo`.
    pub vrrp_fifo: Option<Box<Program>>,
    /// To whom `notify_fifo` belongs where it is made; otherwise `script_user`.
    pub fifo_owner: Option<Owner>,
    /// To whom `vrrp_notify_fifo` belongs.
    pub vrrp_fifo_owner: Option<Owner>,
}

/// To whom a file is given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// User, and perhaps group.
    pub user: User,
    /// Where it was named.
    pub origin: Origin,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            user: None,
            security: true,
            symlink_paths: false,
            supplementary_groups: false,
            startup: None,
            shutdown: None,
            fifo: None,
            vrrp_fifo: None,
            fifo_owner: None,
            vrrp_fifo_owner: None,
        }
    }
}
