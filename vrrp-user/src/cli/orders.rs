//! `xvrrp announce` and `xvrrp log`: small things to have done by a running daemon.
use super::asked::Asked;
use crate::control::client;
use crate::control::protocol::Command;
use std::io::Write as _;
use std::process::ExitCode;

/// Arguments of `xvrrp announce`.
#[derive(Debug, clap::Args)]
pub struct Announce {
    /// The instance; without one, every instance that is master
    name: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

/// Has addresses announced.
pub fn announce(args: &Announce) -> anyhow::Result<ExitCode> {
    client::order(&args.asked.control, Command::Announce(args.name.clone()))?;
    Ok(ExitCode::SUCCESS)
}

/// Arguments of `xvrrp log`.
#[derive(Debug, clap::Args)]
pub struct Log {
    /// error, warn, info, debug, trace, or a filter like `info,xvrrp::engine=debug`
    filter: String,
    #[command(flatten)]
    asked: Asked,
}

/// Changes what is logged.
pub fn log(args: &Log) -> anyhow::Result<ExitCode> {
    client::order(&args.asked.control, Command::LogLevel(args.filter.clone()))?;
    let _ = writeln!(std::io::stdout(), "the daemon logs {} until it is restarted", args.filter);
    Ok(ExitCode::SUCCESS)
}
