//! `xvrrp announce` and `xvrrp log`: small things to have done by a running daemon.
use crate::control::client;
use crate::control::protocol::{Command, DEFAULT_SOCKET};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `xvrrp announce`.
#[derive(Debug, clap::Args)]
pub struct Announce {
    /// The instance; without one, every instance that is master
    name: Option<String>,
    /// Control socket of the daemon
    #[arg(long, value_name = "SOCKET", default_value = DEFAULT_SOCKET)]
    control: PathBuf,
}

/// Has addresses announced.
pub fn announce(args: &Announce) -> anyhow::Result<ExitCode> {
    client::order(&args.control, Command::Announce(args.name.clone()))?;
    Ok(ExitCode::SUCCESS)
}

/// Arguments of `xvrrp log`.
#[derive(Debug, clap::Args)]
pub struct Log {
    /// error, warn, info, debug, trace, or a filter like `info,xvrrp::engine=debug`
    filter: String,
    /// Control socket of the daemon
    #[arg(long, value_name = "SOCKET", default_value = DEFAULT_SOCKET)]
    control: PathBuf,
}

/// Changes what is logged.
pub fn log(args: &Log) -> anyhow::Result<ExitCode> {
    client::order(&args.control, Command::LogLevel(args.filter.clone()))?;
    let _ = writeln!(std::io::stdout(), "the daemon logs {} until it is restarted", args.filter);
    Ok(ExitCode::SUCCESS)
}
