//! How do binary, unit, manual and the rest become packages that Debian installs?
use crate::program::{find, output, pass, workspace};
use crate::{build, setup};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// After installing. The daemon is not started: a router that begins to speak because it was
/// installed surprises everybody.
const POSTINST: &str = r#"#!/bin/sh
set -e
if [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
    # An upgrade of a running daemon takes effect at its next start, which is the operator's to choose.
fi
"#;

/// Before removing: the daemon steps down, and gives its addresses back.
const PRERM: &str = r#"#!/bin/sh
set -e
if [ "$1" = remove ] && [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
    systemctl stop UNIT || true
fi
"#;

/// After removing.
const POSTRM: &str = r#"#!/bin/sh
set -e
if [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
"#;

/// `cargo xtask dist`: builds the packages below `out`.
pub(crate) fn run(debug: bool, out: &Path) -> Result<ExitCode> {
    let Some(dpkg) = find("dpkg-deb") else {
        bail!("dpkg-deb is not installed (apt-get install dpkg)");
    };
    setup::ensure()?;
    let binary = build::daemon(!debug)?;
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let arch = output(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned();
    let version = env!("CARGO_PKG_VERSION");
    for package in [daemon(&binary, out, version, &arch)?, name(out, version)?] {
        let file = out.join(format!("{}.deb", package.file));
        let mut build = Command::new(&dpkg);
        // One that is only tried is large, and gone soon.
        let pressed = if debug { "-Znone" } else { "-Zxz" };
        build.args(["--root-owner-group", pressed, "--build"]).arg(&package.tree).arg(&file);
        if let Ok(time) = output(Command::new("git").current_dir(workspace()).args(COMMIT_TIME)) {
            // The same sources make the same package.
            build.env("SOURCE_DATE_EPOCH", time.trim());
        }
        output(&mut build)?;
        fs::remove_dir_all(&package.tree)?;
        println!("{}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

const COMMIT_TIME: [&str; 3] = ["log", "-1", "--format=%ct"];

/// The files of a package, laid out.
struct Package {
    tree: PathBuf,
    file: String,
}

/// A folder to lay files out in.
struct Tree(PathBuf);

impl Tree {
    fn new(path: PathBuf) -> Result<Self> {
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(path.join("DEBIAN"))?;
        Ok(Self(path))
    }

    fn file(&self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Result<()> {
        let file = self.0.join(path);
        let folder = file.parent().context("a file in no folder")?;
        fs::create_dir_all(folder)?;
        fs::write(&file, content).with_context(|| path.to_owned())?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
        // Whatever the umask is.
        for folder in folder.ancestors().take_while(|folder| folder.starts_with(&self.0)) {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    }

    /// A copy of a file of the workspace.
    fn copy(&self, from: &str, to: &str) -> Result<()> {
        let content = fs::read(workspace().join(from)).with_context(|| from.to_owned())?;
        self.file(to, content, 0o644)
    }

    /// The same, compressed without name and time in it.
    fn compressed(&self, from: &str, to: &str) -> Result<()> {
        self.copy(from, to)?;
        pass(Command::new("gzip").args(["-9", "-n", "-f"]).arg(self.0.join(to)))
    }

    fn scripts(&self, unit: &str) -> Result<()> {
        self.file("DEBIAN/postinst", POSTINST, 0o755)?;
        self.file("DEBIAN/prerm", PRERM.replace("UNIT", unit), 0o755)?;
        self.file("DEBIAN/postrm", POSTRM, 0o755)
    }
}

/// The package with the daemon.
fn daemon(binary: &Path, out: &Path, version: &str, arch: &str) -> Result<Package> {
    let file = format!("xvrrp_{version}_{arch}");
    let tree = Tree::new(out.join(&file))?;
    tree.file("usr/sbin/xvrrp", fs::read(binary)?, 0o755)?;
    let copies = [
        ("vrrp-user/dist/xvrrp.service", "usr/lib/systemd/system/xvrrp.service"),
        ("vrrp-user/dist/xvrrp.default", "etc/default/xvrrp"),
        ("vrrp-user/dist/xvrrp.conf.example", "usr/share/doc/xvrrp/examples/xvrrp.conf"),
        ("vrrp-user/dist/grafana-dashboard.json", "usr/share/xvrrp/grafana-dashboard.json"),
        ("vrrp-user/dist/alerts.yml", "usr/share/xvrrp/alerts.yml"),
        ("LICENSE", "usr/share/doc/xvrrp/copyright"),
        ("README.md", "usr/share/doc/xvrrp/README.md"),
        ("docs/keywords.md", "usr/share/doc/xvrrp/docs/keywords.md"),
        ("docs/control.md", "usr/share/doc/xvrrp/docs/control.md"),
        ("docs/no_track.md", "usr/share/doc/xvrrp/docs/no_track.md"),
        ("docs/network-cards.md", "usr/share/doc/xvrrp/docs/network-cards.md"),
    ];
    for (from, to) in copies {
        tree.copy(from, to)?;
    }
    tree.compressed("vrrp-user/man/xvrrp.8", "usr/share/man/man8/xvrrp.8")?;
    tree.compressed("vrrp-user/man/xvrrp.conf.5", "usr/share/man/man5/xvrrp.conf.5")?;
    let completions = [
        ("bash", "usr/share/bash-completion/completions/xvrrp"),
        ("zsh", "usr/share/zsh/vendor-completions/_xvrrp"),
        ("fish", "usr/share/fish/vendor_completions.d/xvrrp.fish"),
    ];
    for (shell, to) in completions {
        tree.file(to, output(Command::new(binary).args(["completions", shell]))?, 0o644)?;
    }
    tree.file("DEBIAN/conffiles", "/etc/default/xvrrp\n", 0o644)?;
    tree.scripts("xvrrp.service")?;
    let kilobytes = fs::metadata(binary)?.len().div_ceil(1024);
    let control = format!(
        "Package: xvrrp\nVersion: {version}\nArchitecture: {arch}\nMaintainer: xvrrp <root@localhost>\n\
         Installed-Size: {kilobytes}\nDepends: {}\nSection: net\nPriority: optional\n\
         Description: VRRP router redundancy with an XDP dataplane\n \
         Speaks VRRP (RFC 9568, RFC 3768) for virtual addresses that move between routers, and reads\n \
         keepalived.conf. Adverts are checked and counted by a program in the kernel, which is part of\n \
         this package: no compiler is needed.\n",
        libraries()?
    );
    tree.file("DEBIAN/control", control, 0o644)?;
    Ok(Package { tree: tree.0, file })
}

/// The C library that was linked with, or a later one.
fn libraries() -> Result<String> {
    let mut query = Command::new("dpkg-query");
    let version = output(query.args(["-W", "-f", "${source:Upstream-Version}", "libc6"]))?;
    Ok(format!("libc6 (>= {})", version.trim()))
}

/// The package with keepalived's name.
fn name(out: &Path, version: &str) -> Result<Package> {
    let file = format!("xvrrp-keepalived_{version}_all");
    let tree = Tree::new(out.join(&file))?;
    let unit = "usr/lib/systemd/system/keepalived.service";
    tree.copy("vrrp-user/dist/keepalived.service", unit)?;
    tree.copy("LICENSE", "usr/share/doc/xvrrp-keepalived/copyright")?;
    tree.scripts("keepalived.service")?;
    let folder = tree.0.join("usr/sbin");
    fs::create_dir_all(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
    symlink("xvrrp", folder.join("keepalived"))?;
    let control = format!(
        "Package: xvrrp-keepalived\nVersion: {version}\nArchitecture: all\n\
         Maintainer: xvrrp <root@localhost>\nDepends: xvrrp (= {version})\nProvides: keepalived\n\
         Conflicts: keepalived\nReplaces: keepalived\nSection: net\nPriority: optional\n\
         Description: xvrrp under the name of keepalived\n \
         The command and the unit keepalived, for software that knows no other name. Only the VRRP half\n \
         of keepalived is there.\n"
    );
    tree.file("DEBIAN/control", control, 0o644)?;
    Ok(Package { tree: tree.0, file })
}
