//! `xvrrp reload`: make a running daemon read its configuration again.
use super::FAILED;
use super::asked::Asked;
use crate::control::client;
use crate::control::protocol::{Answer, Command};
use std::io::Write as _;
use std::process::ExitCode;

/// Arguments of `xvrrp reload`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    asked: Asked,
}

/// Waits for the result and prints it.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match client::ask(&args.asked.control, Command::Reload)? {
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
