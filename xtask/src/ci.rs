//! What must a change pass?
use crate::program::{cargo, pass, shown};
use crate::{suites, tidy};
use anyhow::{Context as _, Result, bail};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// `cargo xtask ci`.
pub(crate) fn run() -> Result<ExitCode> {
    step(cargo().args(["fmt", "--all", "--check"]))?;
    if tidy::run()? != ExitCode::SUCCESS {
        bail!("the invariants do not hold");
    }
    crate::setup::ensure()?;
    step(cargo().args(["clippy", "--all-targets", "--", "-D", "warnings"]))?;
    deny()?;
    let start = Instant::now();
    println!("ci: cargo xtask test");
    let code = suites::run(&[])?;
    println!("ci: cargo xtask test took {} s", start.elapsed().as_secs());
    Ok(code)
}

/// One command that must succeed.
fn step(command: &mut Command) -> Result<()> {
    println!("ci: {}", shown(command));
    let start = Instant::now();
    pass(command.stdin(Stdio::null()))?;
    println!("ci: took {} s", start.elapsed().as_secs());
    Ok(())
}

/// Licences, sources and duplicates of the dependencies, where cargo-deny is installed. Known
/// vulnerabilities change without a change of ours and need the network: they only warn.
fn deny() -> Result<()> {
    let mut there = cargo();
    there.args(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if !there.status().context("cannot run cargo")?.success() {
        println!("ci: cargo deny is not installed, dependencies are not checked");
        return Ok(());
    }
    step(cargo().args(["deny", "--all-features", "check", "bans", "licenses", "sources"]))?;
    if let Err(why) = step(cargo().args(["deny", "check", "advisories"])) {
        println!("ci: warning: {why:#}");
    }
    Ok(())
}
