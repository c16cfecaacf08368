//! Builds the XDP program and hands its object to `include_bytes!`.
//!
//! `cargo xtask setup` finds or installs a compiler that can build for BPF and writes where it is to
//! `target/tools/ebpf.env`. Without that file the crate still builds, with an empty object: such a
//! binary runs with `--xdp-mode off` only, and says so.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What to run to mend a build without the program.
const REMEDY: &str = "run `cargo xtask setup`, then build again";

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = manifest.parent().expect("the crate is in a workspace").to_path_buf();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let object = out.join("xvrrp.o");
    let tools = root.join("target/tools/ebpf.env");
    println!("cargo::rustc-env=XVRRP_EBPF_OBJECT={}", object.display());
    println!("cargo::rerun-if-changed={}", tools.display());
    for watched in ["vrrp-ebpf", "vrrp-common", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    let built = match fs::read_to_string(&tools) {
        Ok(env) => build(&root, &out, &env),
        Err(_) => Err(format!("no eBPF toolchain is set up: {REMEDY}")),
    };
    let bytes = match built {
        Ok(path) => fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())),
        Err(why) if tools.exists() => panic!("the XDP program does not build: {why}"),
        Err(why) => {
            println!("cargo::warning=xvrrp is built without its XDP program: {why}");
            Vec::new()
        }
    };
    fs::write(&object, bytes).unwrap_or_else(|e| panic!("{}: {e}", object.display()));
}

/// Runs the compiler that `tools` names; returns the object's path.
fn build(root: &Path, out: &Path, tools: &str) -> Result<PathBuf, String> {
    let value = |key: &str| {
        tools
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .ok_or_else(|| format!("target/tools/ebpf.env has no {key}: {REMEDY}"))
    };
    let target = out.join("ebpf");
    let mut cargo = Command::new(value("CARGO")?);
    // What cargo and rustup set for a build script would steer the other compiler astray; what says
    // where the network is must stay.
    let kept = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR"];
    for (key, _) in env::vars_os() {
        let name = key.to_string_lossy();
        let foreign = name.starts_with("CARGO") || name.starts_with("RUST");
        let foreign = foreign || name == "TARGET" || name == "HOST";
        if foreign && !kept.iter().any(|kept| name.starts_with(kept)) {
            cargo.env_remove(&key);
        }
    }
    for line in tools.lines() {
        if let Some((key, value)) = line.strip_prefix("ENV ").and_then(|rest| rest.split_once('='))
        {
            cargo.env(key, value);
        }
    }
    let linker = value("LINKER")?;
    let flags = [
        &format!("-Clinker={linker}"),
        "-Clink-arg=--btf",
        "-Cdebuginfo=2",
        "-Ctarget-cpu=v3",
        // The object holds no path of the machine that built it.
        &format!("--remap-path-prefix={}=/xvrrp", root.display()),
    ]
    .join("\x1f");
    cargo
        .current_dir(root)
        .env("RUSTC", value("RUSTC")?)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .args(["build", "--release", "--locked", "--package", "vrrp-ebpf", "--bin", "vrrp-ebpf"])
        .args(["-Z", "build-std=core", "--target", "bpfel-unknown-none", "--target-dir"])
        .arg(&target);
    let output = cargo.output().map_err(|e| format!("{cargo:?}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{cargo:?}:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(target.join("bpfel-unknown-none/release/vrrp-ebpf"))
}
