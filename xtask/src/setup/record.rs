//! Which compiler and linker were chosen, and do they still fit?
use super::tools;
use crate::program::output;
use anyhow::{Context as _, Result, bail, ensure};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A compiler, its cargo and a linker, proven to build for BPF together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Record {
    /// Its cargo.
    pub(super) cargo: PathBuf,
    /// The compiler.
    pub(super) rustc: PathBuf,
    /// bpf-linker.
    pub(super) linker: PathBuf,
    /// What the compiler called itself when it was tried.
    pub(super) version: Version,
}

/// A compiler's own description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Version {
    /// As in `1.96.0`.
    pub(super) release: String,
    /// The commit it was built from.
    pub(super) commit: String,
    /// As in `22.1.8`.
    pub(super) llvm: String,
}

impl Version {
    /// Asks `rustc`.
    pub(super) fn of(rustc: &Path) -> Result<Self> {
        Self::parse(&output(Command::new(rustc).arg("-vV"))?)
    }

    fn parse(text: &str) -> Result<Self> {
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
                .map(str::to_owned)
                .with_context(|| format!("rustc -vV says no {key}"))
        };
        Ok(Self {
            release: value("release")?,
            commit: value("commit-hash")?,
            llvm: value("LLVM version")?,
        })
    }

    /// As in `22`.
    pub(super) fn llvm_major(&self) -> &str {
        self.llvm.split('.').next().unwrap_or(&self.llvm)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} LLVM {}", self.release, self.commit, self.llvm)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Version { release, llvm, .. } = &self.version;
        let (rustc, linker) = (self.rustc.display(), self.linker.display());
        write!(f, "rustc {release} with LLVM {llvm} ({rustc}), linker {linker}")
    }
}

impl Record {
    fn path() -> PathBuf {
        tools().join("ebpf.env")
    }

    /// The last choice.
    pub(super) fn load() -> Result<Self> {
        let path = Self::path();
        let Ok(text) = fs::read_to_string(&path) else {
            bail!("no toolchain was chosen before");
        };
        Self::parse(&text).with_context(|| format!("{} is of no use", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                .with_context(|| format!("it has no {key}"))
        };
        let mut version = value("VERSION")?.splitn(2, " LLVM ");
        let (release, commit) =
            version.next().and_then(|text| text.split_once(' ')).context("VERSION is cut off")?;
        Ok(Self {
            cargo: value("CARGO")?.into(),
            rustc: value("RUSTC")?.into(),
            linker: value("LINKER")?.into(),
            version: Version {
                release: release.to_owned(),
                commit: commit.to_owned(),
                llvm: version.next().context("VERSION names no LLVM")?.to_owned(),
            },
        })
    }

    /// Makes this the choice. Rewritten only when it differs: the build watches the file.
    pub(super) fn save(&self) -> Result<()> {
        let path = Self::path();
        let text = self.text();
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        let draft = path.with_extension("draft");
        fs::write(&draft, text)
            .and_then(|()| fs::rename(&draft, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Forgets the choice, so that a plain build goes without the XDP program and says so, instead
    /// of failing by tools that are gone.
    pub(super) fn forget() -> Result<()> {
        match fs::remove_file(Self::path()) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                Err(why).with_context(|| format!("cannot remove {}", Self::path().display()))
            }
            _ => Ok(()),
        }
    }

    fn text(&self) -> String {
        let Self { cargo, rustc, linker, version } = self;
        let (cargo, rustc, linker) = (cargo.display(), rustc.display(), linker.display());
        format!("CARGO={cargo}\nRUSTC={rustc}\nLINKER={linker}\nVERSION={version}\n")
    }

    /// Whether it is all still there and unchanged.
    pub(super) fn fits(&self) -> Result<()> {
        let version = Version::of(&self.rustc)?;
        ensure!(version == self.version, "rustc was {}, is now {version}", self.version);
        library(&self.rustc)?;
        output(Command::new(&self.cargo).arg("--version"))?;
        output(Command::new(&self.linker).arg("--version"))?;
        Ok(())
    }
}

/// The source of the library of `rustc`: an error where it is missing or another version's.
pub(super) fn library(rustc: &Path) -> Result<PathBuf> {
    let sysroot = output(Command::new(rustc).args(["--print", "sysroot"]))?;
    let source = Path::new(sysroot.trim()).join("lib/rustlib/src/rust");
    let core = source.join("library/core/Cargo.toml");
    ensure!(core.is_file(), "{} has no library source ({})", rustc.display(), core.display());
    let real = source.canonicalize()?;
    // Debian's source package is unpacked as rustc-<release>; a mismatched pair fails late and
    // obscurely (E0522), so look now.
    let named = real.file_name().and_then(|name| name.to_str()?.strip_prefix("rustc-"));
    if let Some(named) = named {
        let release = Version::of(rustc)?.release;
        ensure!(named == release, "the library source is of {named}, rustc of {release}");
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERBOSE: &str = "rustc 1.96.0 (ac68faa20 2026-05-25)\nbinary: rustc\n\
        commit-hash: ac68faa20c58\ncommit-date: 2026-05-25\nhost: x86_64-unknown-linux-gnu\n\
        release: 1.96.0\nLLVM version: 22.1.8\n";

    #[test]
    fn a_record_survives_the_file() {
        let record = Record {
            cargo: "/usr/bin/cargo".into(),
            rustc: "/usr/bin/rustc".into(),
            linker: "/a folder/bpf-linker".into(),
            version: Version::parse(VERBOSE).unwrap(),
        };
        assert_eq!(Record::parse(&record.text()).unwrap(), record);
        assert_eq!(record.version.llvm_major(), "22");
    }

    #[test]
    fn a_record_without_a_version_is_not_trusted() {
        let text = "CARGO=/usr/bin/cargo\nRUSTC=/usr/bin/rustc\nLINKER=/x/bpf-linker\n";
        assert!(Record::parse(text).is_err());
    }

    #[test]
    fn a_replaced_compiler_does_not_fit() {
        let rustc = crate::program::find("rustc").expect("cargo test has a rustc");
        let mut version = Version::of(&rustc).unwrap();
        version.release.push_str("-other");
        let record = Record { cargo: rustc.clone(), rustc: rustc.clone(), linker: rustc, version };
        let why = record.fits().unwrap_err().to_string();
        assert!(why.contains("is now"), "{why}");
    }
}
