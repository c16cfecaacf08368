//! Is there a compiler that can build the XDP program, and if not, how does one get here?
//!
//! The target `bpfel-unknown-none` has no prebuilt `core`: it takes a compiler *with its own library
//! source*, and a bpf-linker whose LLVM reads that compiler's bitcode. Two routes lead there: a
//! rustup toolchain with the component `rust-src`, and Debian's `rustc-web` family. Everything of
//! ours is kept under `target/tools`; nothing is put into the user's PATH, cargo or rustup.
mod debian;
mod record;
mod rustup;
mod trial;

use crate::privilege::Privilege;
use crate::program::workspace;
use anyhow::{Context as _, Result, bail};
use record::Record;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Where our tools are kept.
fn tools() -> PathBuf {
    workspace().join("target/tools")
}

/// Our own bpf-linker.
fn own_linker() -> PathBuf {
    tools().join("bin/bpf-linker")
}

/// `cargo xtask setup`.
pub(crate) fn run(check: bool) -> Result<ExitCode> {
    match Record::load().and_then(|record| record.fits().map(|()| record)) {
        Ok(record) => {
            println!("setup: {record}: ready");
            doctor();
            return Ok(ExitCode::SUCCESS);
        }
        Err(why) if check => {
            println!("setup: not ready: {why:#}");
            println!("setup: `cargo xtask setup` would take {}", plan());
            return Ok(ExitCode::FAILURE);
        }
        Err(_) => {}
    }
    ensure()?;
    doctor();
    Ok(ExitCode::SUCCESS)
}

/// What the machine needs beside a compiler is the program's own to say: `xvrrp doctor`, where it is
/// built. Its findings do not make a setup fail.
fn doctor() {
    let built = ["release", "debug"].map(|profile| workspace().join("target").join(profile));
    let built = built.into_iter().map(|folder| folder.join("xvrrp")).find(|path| path.exists());
    let Some(binary) = built else {
        println!("setup: next: cargo xtask run; or cargo build, then target/debug/xvrrp doctor");
        return;
    };
    println!("setup: {} doctor, which with names of interfaces tries them:", binary.display());
    let looked = match Privilege::now().command(&binary) {
        Some(mut command) => command.arg("doctor").status(),
        None => Command::new(&binary).arg("doctor").status(),
    };
    if let Err(why) = looked {
        println!("setup: {}: {why}", binary.display());
    }
}

/// Sets up what is missing; silent when nothing is.
pub(crate) fn ensure() -> Result<()> {
    fs::create_dir_all(tools()).with_context(|| format!("cannot create {}", tools().display()))?;
    let lock = File::create(tools().join("lock"))?;
    lock.lock().context("cannot wait for another setup to end")?;
    let stale = match Record::load().and_then(|record| record.fits()) {
        Ok(()) => return Ok(()),
        Err(why) => why,
    };
    eprintln!("setup: the XDP program cannot be built yet: {stale:#}");
    let mut tried = Vec::new();
    for (route, find) in [
        ("a rustup toolchain", rustup::find as fn() -> Result<Record>),
        ("Debian's packages", || debian::find(Privilege::now())),
    ] {
        match find().and_then(|record| trial::build(&record).map(|()| record)) {
            Ok(record) => {
                record.save()?;
                eprintln!("setup: {record}: ready");
                return Ok(());
            }
            Err(why) => {
                eprintln!("setup: not by {route}: {why:#}");
                tried.push(route);
            }
        }
    }
    Record::forget()?;
    bail!("no compiler for the XDP program, tried {}\n{}", tried.join(" and "), advice());
}

/// The route `ensure` would try first.
fn plan() -> String {
    match rustup::find() {
        Ok(record) => record.to_string(),
        Err(_) => "Debian's packages".to_owned(),
    }
}

/// What to type where neither route can be taken for the user.
fn advice() -> String {
    format!(
        "either, as root on Debian or Ubuntu:\n\
         \x20 {}\n\
         or, with rustup and its network:\n\
         \x20 rustup toolchain install nightly --component rust-src\n\
         \x20 cargo install bpf-linker --root {}\n\
         then again: cargo xtask setup",
        debian::advice(),
        tools().display(),
    )
}
