//! May this process do what only root may, and how?
use crate::program;
use std::ffi::OsStr;
use std::io::{IsTerminal as _, stdin};
use std::process::{Command, Stdio};

/// How to run something as root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Privilege {
    /// We are root.
    Root,
    /// With sudo, which asks for no password or has a terminal to ask on.
    Sudo,
    /// Not at all.
    None,
}

impl Privilege {
    /// What we have.
    pub(crate) fn now() -> Self {
        if rustix::process::geteuid().is_root() {
            return Self::Root;
        }
        if program::find("sudo").is_none() {
            return Self::None;
        }
        let silent = Command::new("sudo")
            .args(["-n", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if silent || stdin().is_terminal() { Self::Sudo } else { Self::None }
    }

    /// `program` as root with our environment, where that is possible.
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Option<Command> {
        match self {
            Self::Root => Some(Command::new(program)),
            Self::Sudo => {
                let mut sudo = Command::new("sudo");
                sudo.arg("-E").arg(program);
                Some(sudo)
            }
            Self::None => None,
        }
    }
}
