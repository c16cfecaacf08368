//! How does a missing Debian package get installed?
use crate::privilege::Privilege;
use crate::program::{find, output, pass};
use anyhow::{Context as _, Result, bail, ensure};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Installs its arguments. Freshly installed services stay stopped, as a peer's daemon on the real
/// network would be a second master; the file that says so goes in any case, also on Ctrl-C.
const INSTALL: &str = r#"
set -e
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
apt-get install -y -q --no-install-recommends "$@"
"#;

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
/// Looks at the rules the daemon makes.
pub(crate) const NFT: Need =
    Need { program: "nft", package: "nftables", purpose: "tests of no_accept" };

/// Reads what the daemon captures.
pub(crate) const TSHARK: Need =
    Need { program: "tshark", package: "tshark", purpose: "tests of xvrrp capture" };

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

/// Fetches apt's lists, once: those an image came with name versions that may be years old or gone.
fn refresh(privilege: Privilege) -> Result<()> {
    static REFRESHED: OnceLock<()> = OnceLock::new();
    if REFRESHED.get().is_some() {
        return Ok(());
    }
    let Some(mut update) = privilege.command("apt-get") else {
        bail!("refreshing apt's lists needs root: apt-get update");
    };
    eprintln!("setup: refreshing the package lists");
    pass(update.args(["update", "-q"]).stdin(Stdio::null()).stdout(Stdio::null()))?;
    REFRESHED.get_or_init(|| ());
    Ok(())
}

/// Installs `packages`, or their newer versions; their services are not started.
pub(crate) fn install(packages: &[&str], privilege: Privilege) -> Result<()> {
    let advice = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if !has_apt() {
        bail!("no apt on this system; install what Debian calls: {}", packages.join(" "));
    }
    if let Err(why) = refresh(privilege) {
        // Lists that are good enough may be there: a machine without network has its packages.
        eprintln!("setup: {why:#}");
    }
    let Some(mut sh) = privilege.command("sh") else {
        bail!("packages are missing and this needs root: {advice}");
    };
    eprintln!("setup: installing {}", packages.join(" "));
    sh.args(["-c", INSTALL, "install"]).args(packages).stdin(Stdio::null());
    let status = sh.status().context("cannot run sh")?;
    ensure!(status.success(), "apt-get failed ({status}); as root, by hand: {advice}");
    Ok(())
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
