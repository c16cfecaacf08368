//! `xvrrp demote`: take the mastership from an instance, and see who has it then.
use super::asked::Asked;
use super::{FAILED, complain};
use crate::control::client;
use crate::control::protocol::{Command, LONGEST_HOLD_MS};
use anyhow::bail;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How often to look.
const PERIOD: Duration = Duration::from_millis(50);

/// Arguments of `xvrrp demote`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The instance
    name: String,
    /// Seconds for which it preempts no other master afterwards; one that falls silent it replaces
    /// all the same
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(0..=LONGEST_HOLD_MS / 1000)
    )]
    hold: u64,
    /// Seconds to wait for another router to become master
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(0..=3600)
    )]
    wait: u64,
    #[command(flatten)]
    asked: Asked,
}

/// Hands over and waits.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let command = Command::Demote { instance: args.name.clone(), hold_ms: args.hold * 1000 };
    client::order(&args.asked.control, command)?;
    let end = Instant::now() + Duration::from_secs(args.wait);
    loop {
        let snapshot = client::instance(&args.asked.control, &args.name)?;
        let Some(instance) = snapshot.instances.first() else {
            bail!("a reload removed {}", args.name)
        };
        match (instance.state.as_str(), &instance.master) {
            ("BACKUP", Some(master)) => {
                let _ = writeln!(std::io::stdout(), "{}: {master} is master", args.name);
                return Ok(ExitCode::SUCCESS);
            }
            ("MASTER", _) => {
                complain(format_args!(
                    "error: nobody else took over, so {} is master again",
                    args.name
                ));
                return Ok(FAILED.into());
            }
            (state, _) if Instant::now() >= end => {
                complain(format_args!(
                    "error: no other master was heard within {} s; {} is in {state}",
                    args.wait, args.name
                ));
                return Ok(FAILED.into());
            }
            _ => std::thread::sleep(PERIOD),
        }
    }
}
