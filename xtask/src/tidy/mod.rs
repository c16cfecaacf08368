//! Do the invariants of ARCHITECTURE.md hold that can be read off the source?
mod code;
mod rules;

use crate::program::workspace;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A file of ours: where it is, from the root of the workspace, and what is in it.
struct Source {
    path: String,
    text: String,
}

/// `cargo xtask tidy`.
pub(crate) fn run() -> Result<ExitCode> {
    let (files, complaints) = check(workspace())?;
    for complaint in &complaints {
        println!("tidy: {complaint}");
    }
    if complaints.is_empty() {
        println!("tidy: {files} files keep the rules");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// How many files there are under `root`, and what is wrong with them.
fn check(root: &Path) -> Result<(usize, Vec<String>)> {
    let mut sources = Vec::new();
    collect(root, root, &mut sources)?;
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    let home = root.to_str().context("the workspace's path is not text")?;
    let complaints = rules::apply(&sources, home);
    Ok((sources.len(), complaints))
}

/// Text files under `folder`, without what is built, hidden or the version control's.
fn collect(root: &Path, folder: &Path, into: &mut Vec<Source>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    for entry in entries {
        let path: PathBuf = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let hidden = name.starts_with('.') && name != ".ci" && name != ".cargo";
        if hidden || name == "target" {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, into)?;
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(root)?.to_string_lossy().into_owned();
            into.push(Source { path, text });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_keeps_the_rules() {
        let (files, complaints) = check(workspace()).unwrap();
        assert!(files > 20, "only {files} files were found");
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }
}
