//! Which file did cargo build?
use crate::program::{cargo, shown};
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;
use std::process::Stdio;

/// Builds the `xvrrp` binary and says where it is.
pub(crate) fn daemon(release: bool) -> Result<PathBuf> {
    binary("vrrp-user", "xvrrp", release)
}

/// Builds the benchmark harness with optimizations and says where it is.
pub(crate) fn harness() -> Result<PathBuf> {
    binary("vrrp-tests", "bench", true)
}

fn binary(package: &str, name: &str, release: bool) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--package", package, "--bin", name]);
    build.arg("--message-format=json-render-diagnostics");
    if release {
        build.arg("--release");
    }
    let child = build.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let output = child.and_then(std::process::Child::wait_with_output);
    let output = output.with_context(|| format!("cannot run {}", shown(&build)))?;
    if !output.status.success() {
        bail!("{name} does not build");
    }
    executable(&String::from_utf8_lossy(&output.stdout), name)
        .with_context(|| format!("cargo names no {name} binary"))
}

/// The executable in cargo's messages, one JSON object a line.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_told_from_the_library() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"name":"xvrrp","kind":["lib"]},"executable":null}
{"reason":"build-script-executed","package_id":"x"}
{"reason":"compiler-artifact","target":{"name":"xvrrp","kind":["bin"]},"executable":"/t/xvrrp"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "xvrrp"), Some(PathBuf::from("/t/xvrrp")));
        assert_eq!(executable("not json", "xvrrp"), None);
    }
}
