//! Is there a rustup toolchain with library source, and a bpf-linker for it?
use super::own_linker;
use super::record::{Record, Version, library};
use crate::program::{find as on_path, output, workspace};
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The first toolchain that will do, stable ones first.
pub(super) fn find() -> Result<Record> {
    let rustup = on_path("rustup").context("no rustup")?;
    let list = output(Command::new(rustup).args(["toolchain", "list", "-v"]))?;
    let mut toolchains: Vec<PathBuf> = folders(&list);
    toolchains.sort_by_key(|folder| !folder.to_string_lossy().contains("stable"));
    let with_source = toolchains.iter().find(|folder| library(&folder.join("bin/rustc")).is_ok());
    let Some(toolchain) = with_source else {
        bail!("no toolchain of rustup has the component rust-src");
    };
    let rustc = toolchain.join("bin/rustc");
    let linker = linker().with_context(|| {
        format!("{} has its source, but there is no bpf-linker", toolchain.display())
    })?;
    let version = Version::of(&rustc)?;
    Ok(Record { cargo: toolchain.join("bin/cargo"), rustc, linker, version })
}

/// The folders in what `rustup toolchain list -v` prints: the last word of each line.
fn folders(list: &str) -> Vec<PathBuf> {
    list.lines()
        .filter_map(|line| line.find(" /").or(line.find("\t/")).map(|at| &line[at + 1..]))
        .map(PathBuf::from)
        .collect()
}

/// A bpf-linker that at least starts.
fn linker() -> Option<PathBuf> {
    let starts = |linker: &Path| {
        output(Command::new(linker).arg("--version").current_dir(workspace())).is_ok()
    };
    [Some(own_linker()), on_path("bpf-linker")].into_iter().flatten().find(|linker| starts(linker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_read_from_any_line() {
        let list = "stable-x86_64 (active, default) /root/.rustup/toolchains/stable-x86_64\n\
                    nightly-x86_64\t/home/a b/.rustup/toolchains/nightly-x86_64\n";
        let expected = [
            "/root/.rustup/toolchains/stable-x86_64",
            "/home/a b/.rustup/toolchains/nightly-x86_64",
        ];
        assert_eq!(folders(list), expected.map(PathBuf::from));
        assert!(folders("no installed toolchains\n").is_empty());
    }
}
