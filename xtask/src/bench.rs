//! How is it measured: everything is built with optimizations, and the harness runs as root.
use crate::packages::{self, IP, KEEPALIVED};
use crate::privilege::Privilege;
use crate::program::{find, shown, workspace};
use crate::{build, setup};
use anyhow::{Context as _, Result, bail};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// What was asked for.
pub(crate) struct Plan {
    pub(crate) scenarios: Vec<String>,
    pub(crate) against: Vec<String>,
    pub(crate) quick: bool,
    pub(crate) repetitions: u32,
    pub(crate) output: Option<PathBuf>,
}

/// `cargo xtask bench`: built as the user who asks, run as root.
pub(crate) fn run(plan: &Plan) -> Result<ExitCode> {
    setup::ensure()?;
    let privilege = Privilege::now();
    let mut needs = vec![IP];
    if plan.against.iter().any(|peer| peer.starts_with("keepalived")) {
        needs.push(KEEPALIVED);
    }
    packages::provide(&needs, privilege)?;
    if plan.against.iter().any(|peer| peer == "frr") && find("vtysh").is_none() {
        bail!(
            "FRR is not here, and is not installed for you, for its package starts routing daemons: \
             `apt-get install frr`, and `systemctl disable --now frr` where they are not wanted"
        );
    }
    let binary = build::daemon(true)?;
    let harness = build::harness()?;
    let Some(mut command) = privilege.command(harness) else {
        bail!("the harness makes network namespaces and loads an XDP program: run this as root");
    };
    command.env("XVRRP_BIN", binary);
    command.args(&plan.scenarios);
    for peer in &plan.against {
        command.args(["--against", peer]);
    }
    if plan.quick {
        command.arg("--quick");
    }
    command.args(["--repetitions", &plan.repetitions.to_string()]);
    let folder = plan.output.clone().unwrap_or_else(|| workspace().join("target/bench"));
    command.arg("--output").arg(folder);
    Err(command.exec()).with_context(|| format!("cannot run {}", shown(&command)))
}
