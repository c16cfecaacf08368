//! How do Debian's packages and one `cargo install` make a toolchain for BPF?
use super::record::{Record, Version, library};
use super::{own_linker, tools};
use crate::packages;
use crate::privilege::Privilege;
use crate::program::{cargo, find as on_path, output, pass};
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A current compiler, its cargo and its library source, kept in step by Debian's security updates.
const COMPILER: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
/// Where they are installed.
const BIN: &str = "/usr/bin";
/// The linker's version that is known to work with them.
const LINKER: &str = "0.13.0";
/// The oldest LLVM that version can be built for.
const OLDEST_LLVM: u32 = 21;

/// The commands that do by hand what this does. Which LLVM it takes is known once the compiler is
/// there.
pub(super) fn advice() -> String {
    format!(
        "apt-get update && apt-get install {}\n\
         \x20 apt-get install libzstd-dev zlib1g-dev g++ \\\n\
         \x20   llvm-$({BIN}/rustc -vV | sed -n 's/LLVM version: \\([0-9]*\\).*/\\1/p')-dev",
        COMPILER.join(" ")
    )
}

/// Installs what is missing.
pub(super) fn find(privilege: Privilege) -> Result<Record> {
    let (cargo, rustc) = (Path::new(BIN).join("cargo"), Path::new(BIN).join("rustc"));
    if library(&rustc).is_err() {
        require(&COMPILER, privilege)?;
        library(&rustc)?;
    }
    let mut version = Version::of(&rustc)?;
    let old =
        |version: &Version| version.llvm_major().parse::<u32>().is_ok_and(|v| v < OLDEST_LLVM);
    if old(&version) {
        packages::install(&COMPILER, privilege).context("Debian's compiler is too old")?;
        version = Version::of(&rustc)?;
    }
    let linker = linker(&version, privilege)?;
    Ok(Record { cargo, rustc, linker, version })
}

/// Our bpf-linker, built against the LLVM of `version` unless that is done.
fn linker(version: &Version, privilege: Privilege) -> Result<PathBuf> {
    let major = version.llvm_major();
    let linker = own_linker();
    if built_for(major) && output(Command::new(&linker).arg("--version")).is_ok() {
        return Ok(linker);
    }
    let llvm = format!("llvm-{major}-dev");
    let mut needed = vec![llvm.as_str(), "libzstd-dev", "zlib1g-dev"];
    if on_path("c++").is_none() {
        needed.push("g++");
    }
    require(&needed, privilege)?;
    eprintln!("setup: building bpf-linker {LINKER} for LLVM {major} (a minute or two)");
    let feature = format!("llvm-{major}");
    let mut install = cargo();
    install
        .env("LLVM_PREFIX", format!("/usr/lib/llvm-{major}"))
        .args(["install", "bpf-linker", "--version", LINKER, "--locked", "--force"])
        .args(["--no-default-features", "--features", &feature, "--root"])
        .arg(tools());
    pass(&mut install)?;
    Ok(linker)
}

/// Whether cargo's own record says that our bpf-linker is this version, built for this LLVM.
fn built_for(major: &str) -> bool {
    let text = std::fs::read_to_string(tools().join(".crates2.json")).unwrap_or_default();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let Some(installs) = record["installs"].as_object() else { return false };
    installs.iter().any(|(name, install)| {
        name.starts_with(&format!("bpf-linker {LINKER} "))
            && install["features"].as_array().is_some_and(|features| {
                features.iter().any(|feature| *feature == *format!("llvm-{major}"))
            })
    })
}

/// Installs those of `packages` that are missing.
fn require(packages: &[&str], privilege: Privilege) -> Result<()> {
    if !packages::has_apt() {
        bail!("this system has no apt");
    }
    let missing = packages::missing(packages);
    if missing.is_empty() {
        return Ok(());
    }
    packages::install(&missing, privilege).context("Debian's compiler is not complete")
}
