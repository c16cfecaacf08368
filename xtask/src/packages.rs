//! How does a missing Debian package get installed?
use crate::privilege::Privilege;
use crate::program::{find, output, pass, shown};
use anyhow::{Context as _, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// Where Debian's packages ask whether they may start their services.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// A program the project runs, and the package that has it.
#[derive(Clone, Copy)]
pub(crate) struct Need {
    /// Name of the program.
    pub(crate) program: &'static str,
    /// Name of the package.
    pub(crate) package: &'static str,
    /// What it is for.
    pub(crate) purpose: &'static str,
}

/// Namespaces, links and addresses.
pub(crate) const IP: Need =
    Need { program: "ip", package: "iproute2", purpose: "network namespaces" };
/// The peer that compatibility is measured against.
pub(crate) const KEEPALIVED: Need =
    Need { program: "keepalived", package: "keepalived", purpose: "tests against another VRRP" };

/// Whether packages can be looked up here at all.
pub(crate) fn has_apt() -> bool {
    find("apt-get").is_some() && find("dpkg-query").is_some()
}

/// Those of `packages` that are not installed.
pub(crate) fn missing<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    let installed = |package: &str| {
        output(Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}", package]))
            .is_ok_and(|status| status == "installed")
    };
    packages.iter().copied().filter(|package| !installed(package)).collect()
}

/// Whether apt knows each of `packages`, after a refresh of its lists where it does not.
pub(crate) fn available(packages: &[&str], privilege: Privilege) -> Result<bool> {
    let known = || {
        packages.iter().all(|package| {
            output(Command::new("apt-cache").args(["policy", package])).is_ok_and(|policy| {
                policy.lines().any(|line| {
                    line.trim().strip_prefix("Candidate:").is_some_and(|c| c.trim() != "(none)")
                })
            })
        })
    };
    if known() {
        return Ok(true);
    }
    let Some(mut update) = privilege.command("apt-get") else { return Ok(false) };
    eprintln!("setup: refreshing the package lists");
    pass(update.args(["update", "-q"]).stdin(Stdio::null()).stdout(Stdio::null()))?;
    Ok(known())
}

/// Installs `packages`; their services are not started.
pub(crate) fn install(packages: &[&str], privilege: Privilege) -> Result<()> {
    let advice = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if !has_apt() {
        bail!("no apt on this system; install what Debian calls: {}", packages.join(" "));
    }
    if !available(packages, privilege)? {
        bail!("apt does not know all of these; as root: apt-get update && {advice}");
    }
    let Some(mut apt) = privilege.command("env") else {
        bail!("packages are missing and this needs root: {advice}");
    };
    eprintln!("setup: installing {}", packages.join(" "));
    let _quiet = Quiet::new(privilege)?;
    apt.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-q"])
        .arg("--no-install-recommends")
        .args(packages)
        .stdin(Stdio::null());
    pass(&mut apt).with_context(|| format!("as root, by hand: {advice}"))
}

/// Makes sure that the programs of `needs` are there.
pub(crate) fn provide(needs: &[Need], privilege: Privilege) -> Result<()> {
    let absent: Vec<_> = needs.iter().filter(|need| find(need.program).is_none()).collect();
    if absent.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = absent.iter().map(|need| need.package).collect();
    install(&packages, privilege).with_context(|| {
        let reasons: Vec<_> =
            absent.iter().map(|need| format!("{} for {}", need.program, need.purpose)).collect();
        format!("missing: {}", reasons.join(", "))
    })
}

/// While it lives, freshly installed services stay stopped: a peer's daemon on the real network
/// would be a second master.
struct Quiet(Option<Privilege>);

impl Quiet {
    fn new(privilege: Privilege) -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self(None));
        }
        let script = format!("printf '#!/bin/sh\\nexit 101\\n' >{POLICY} && chmod 755 {POLICY}");
        if let Some(mut sh) = privilege.command("sh") {
            pass(sh.args(["-c", &script]))?;
        }
        Ok(Self(Some(privilege)))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(mut rm) = self.0.and_then(|privilege| privilege.command("rm")) {
            rm.args(["-f", POLICY]);
            if let Err(why) = pass(&mut rm) {
                eprintln!("setup: remove {POLICY} by hand ({}): {why:#}", shown(&rm));
            }
        }
    }
}
