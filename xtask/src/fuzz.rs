//! How is the real fuzzer run, and what does it need that nothing else here does?
use crate::program::{find, output, pass, workspace};
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

/// Where the targets are.
const FOLDER: &str = "tests/fuzz";

/// Files of ours only, of a version that is known to work.
const INSTALL: &str = "cargo install cargo-fuzz --version 0.13.2 --root target/tools/fuzz";

/// `cargo xtask fuzz`: one target, or each in turn, for so long each.
///
/// What is new to a corpus is added to it, and kept out of the repository unless someone adds it.
pub(crate) fn run(target: Option<&str>, seconds: u64) -> Result<ExitCode> {
    let targets = targets()?;
    let wanted: Vec<_> = match target {
        Some(target) => targets.iter().filter(|name| *name == target).collect(),
        None => targets.iter().collect(),
    };
    if wanted.is_empty() {
        bail!("no such target; there are: {}", targets.join(", "));
    }
    let missing = missing();
    if !missing.is_empty() {
        for (what, remedy) in &missing {
            eprintln!("fuzz: missing: {what}: {remedy}");
        }
        eprintln!("fuzz: the committed corpora run without: cargo xtask test frames");
        return Ok(ExitCode::FAILURE);
    }
    for name in wanted {
        println!("fuzz: {name} for {seconds} s");
        let mut fuzz = cargo_fuzz().context("cargo-fuzz was there")?;
        // The code under test has no unsafe part, so there is nothing for a sanitizer to find.
        fuzz.args(["run", "--fuzz-dir", FOLDER, "--sanitizer", "none"]);
        fuzz.args(["--target-dir", "target/fuzz", name, "--"]);
        fuzz.args([&format!("-max_total_time={seconds}"), "-max_len=2048", "-timeout=25"]);
        fuzz.arg("-print_final_stats=1");
        pass(fuzz.stdin(Stdio::null()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The names of all targets.
fn targets() -> Result<Vec<String>> {
    let folder = workspace().join(FOLDER).join("targets");
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// What is missing, and how to get it.
fn missing() -> Vec<(&'static str, &'static str)> {
    let mut missing = Vec::new();
    let nightly = output(Command::new("rustup").args(["run", "nightly", "rustc", "--version"]));
    if nightly.is_err() {
        let remedy = "rustup toolchain install nightly --profile minimal";
        missing.push(("a nightly compiler", remedy));
    }
    if cargo_fuzz().is_none() {
        missing.push(("cargo-fuzz", INSTALL));
    }
    missing
}

/// cargo-fuzz, ours or what is on the PATH, with the nightly compiler.
fn cargo_fuzz() -> Option<Command> {
    let ours: PathBuf = workspace().join("target/tools/fuzz/bin/cargo-fuzz");
    let program = if ours.is_file() { ours } else { find("cargo-fuzz")? };
    let mut command = Command::new(program);
    command.arg("fuzz").current_dir(workspace()).env("RUSTUP_TOOLCHAIN", "nightly");
    // Set by the cargo that runs us, and not a nightly one.
    for variable in ["CARGO", "RUSTC", "RUSTDOC"] {
        command.env_remove(variable);
    }
    Some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_built_and_has_a_corpus() {
        let manifest =
            std::fs::read_to_string(workspace().join(FOLDER).join("Cargo.toml")).unwrap();
        let targets = targets().unwrap();
        assert_eq!(targets, ["config", "engine_trace", "frame"]);
        for target in targets {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
            assert!(workspace().join(FOLDER).join("corpus").join(&target).is_dir(), "{target}");
        }
    }

    #[test]
    fn an_unknown_target_is_refused_before_anything_is_run() {
        let refused = run(Some("nothing"), 1).unwrap_err().to_string();
        assert!(refused.contains("engine_trace"), "{refused}");
    }
}
