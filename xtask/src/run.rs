//! How do the lab and the daemon get from source to running?
use crate::packages::{self, IP};
use crate::privilege::Privilege;
use crate::program::shown;
use crate::{build, setup};
use anyhow::{Context as _, Result, bail};
use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

/// `cargo xtask run -- ARGS`: the daemon takes our place, so that signals reach it.
pub(crate) fn daemon(args: &[OsString], release: bool) -> Result<ExitCode> {
    setup::ensure()?;
    let binary = build::daemon(release)?;
    let privilege = Privilege::now();
    let mut command = match privilege.command(&binary) {
        Some(command) => command,
        // It may yet do what it is asked, or say better than we can what it lacks.
        None => Command::new(&binary),
    };
    command.arg("run").args(args);
    Err(command.exec()).with_context(|| format!("cannot run {}", shown(&command)))
}

/// `cargo xtask run`: built as the user who asks, run as root.
pub(crate) fn lab(demo: bool, release: bool) -> Result<ExitCode> {
    setup::ensure()?;
    let binary = build::daemon(release)?;
    let privilege = Privilege::now();
    packages::provide(&[IP], privilege)?;
    if privilege == Privilege::Root {
        return crate::lab::run(&binary, demo);
    }
    let this = env::current_exe().context("cannot find our own program")?;
    let Some(mut command) = privilege.command(this) else {
        bail!("the lab makes network namespaces and loads an XDP program: run this as root");
    };
    command.arg("lab").arg("--binary").arg(binary);
    if demo {
        command.arg("--demo");
    }
    Err(command.exec()).with_context(|| format!("cannot run {}", shown(&command)))
}
