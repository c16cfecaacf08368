//! Do this compiler and this linker really build for BPF together?
//!
//! Their versions do not tell: bpf-linker does not say which LLVM it was built with. A wrong pair
//! that got recorded would break every later build, so the smallest XDP program is built first.
use super::record::Record;
use super::tools;
use anyhow::{Context as _, Result, bail, ensure};
use std::env;
use std::fs;
use std::process::{Command, Stdio};

/// A package outside our workspace.
const MANIFEST: &str = "[package]\nname = \"trial\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
    [workspace]\n[profile.release]\npanic = \"abort\"\ndebug = 2\ncodegen-units = 1\n";

/// A program that passes every packet.
const PROGRAM: &str = "#![no_std]\n#![no_main]\n\
    #[no_mangle]\n#[link_section = \"xdp\"]\n\
    pub extern \"C\" fn trial(_: *mut core::ffi::c_void) -> i32 { 2 }\n\
    #[panic_handler]\nfn panic(_: &core::panic::PanicInfo) -> ! { loop {} }\n";

/// Builds it with `record`'s tools; the error holds the end of what they complained of.
pub(super) fn build(record: &Record) -> Result<()> {
    eprintln!("setup: trying {record} (half a minute)");
    let folder = tools().join("trial");
    fs::create_dir_all(folder.join("src")).context("cannot create the trial package")?;
    fs::write(folder.join("Cargo.toml"), MANIFEST)?;
    fs::write(folder.join("src/main.rs"), PROGRAM)?;
    let mut cargo = Command::new(&record.cargo);
    // What our own cargo and rustup set would steer the other compiler astray; what says where the
    // network is must stay.
    let kept = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR"];
    for (key, _) in env::vars_os() {
        let name = key.to_string_lossy();
        let foreign = name.starts_with("CARGO") || name.starts_with("RUST");
        if foreign && !kept.iter().any(|kept| name.starts_with(kept)) {
            cargo.env_remove(&key);
        }
    }
    let flags = format!("-Clinker={}\x1f-Clink-arg=--btf", record.linker.display());
    cargo
        .current_dir(&folder)
        .env("RUSTC", &record.rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .args(["build", "--release", "-Z", "build-std=core", "--target", "bpfel-unknown-none"])
        .args(["--target-dir", "target"])
        .stdin(Stdio::null());
    let output =
        cargo.output().with_context(|| format!("cannot run {}", record.cargo.display()))?;
    let object = folder.join("target/bpfel-unknown-none/release/trial");
    let made = fs::read(&object).unwrap_or_default();
    fs::remove_dir_all(&folder).context("cannot remove the trial package")?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let from = complaint.lines().count().saturating_sub(15);
        let tail: Vec<_> = complaint.lines().skip(from).collect();
        bail!("the smallest XDP program does not build:\n{}", tail.join("\n"));
    }
    // An ELF file for machine 247, EM_BPF.
    ensure!(made.starts_with(b"\x7fELF"), "the linker made no object");
    ensure!(made.get(18..20) == Some(&[247, 0]), "the linker's object is not for BPF");
    Ok(())
}
