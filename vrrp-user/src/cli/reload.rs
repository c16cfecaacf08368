//! `xvrrp reload`: make a running daemon read its configuration again.
use super::FAILED;
use crate::control::client;
use crate::control::protocol::{Answer, Command, DEFAULT_SOCKET};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `xvrrp reload`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Control socket of the daemon
    #[arg(long, value_name = "SOCKET", default_value = DEFAULT_SOCKET)]
    control: PathBuf,
}

/// Waits for the result and prints it.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match client::ask(&args.control, Command::Reload)? {
        Answer::Done => {
            let _ = writeln!(std::io::stdout(), "the new configuration is in force");
            Ok(ExitCode::SUCCESS)
        }
        Answer::Error(why) => {
            super::complain(format_args!(
                "error: refused, the running configuration stays:\n{why}"
            ));
            Ok(FAILED.into())
        }
        _ => anyhow::bail!("the daemon answered something else"),
    }
}
