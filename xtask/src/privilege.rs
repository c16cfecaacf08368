//! May this process do what only root may, and how?
use crate::program;
use anyhow::Result;
use std::ffi::OsStr;
use std::fs;
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

/// Capabilities of capability(7) that the lab and the suites use, with their numbers.
const USED: [(u32, &str); 4] =
    [(12, "CAP_NET_ADMIN"), (13, "CAP_NET_RAW"), (21, "CAP_SYS_ADMIN"), (39, "CAP_BPF")];

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

    /// What is missing to make namespaces and load programs; a container's root has only a part of
    /// root's rights.
    pub(crate) fn lacks(self) -> Result<Option<String>> {
        match self {
            Self::Root => {
                let status = fs::read_to_string("/proc/self/status")?;
                Ok(missing(&status).map(|names| format!("root without {names}")))
            }
            Self::Sudo => Ok(None),
            Self::None => Ok(Some("neither root nor sudo".to_owned())),
        }
    }
}

/// Those of [`USED`] that a `/proc/<pid>/status` lacks; without CapEff, all of them.
fn missing(status: &str) -> Option<String> {
    let effective = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok())
        .unwrap_or(0);
    let names: Vec<_> = USED
        .iter()
        .filter(|(number, _)| effective >> number & 1 == 0)
        .map(|(_, name)| *name)
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_rights_are_named() {
        assert_eq!(missing("Name:\tx\nCapEff:\t000001ffffffffff\n"), None);
        // A container's usual root.
        let docker = missing("CapEff:\t00000000a80425fb\n");
        assert_eq!(docker.as_deref(), Some("CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_BPF"));
        assert!(missing("").is_some());
    }
}
