//! `xvrrp completions`: what a shell reads to complete the command line.
use super::Cli;
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::io::Write as _;
use std::process::ExitCode;

/// Arguments of `xvrrp completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// For this shell
    #[arg(hide_possible_values = true)]
    shell: Shell,
}

/// Prints them.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "xvrrp", &mut script);
    let _ = std::io::stdout().write_all(&script);
    Ok(ExitCode::SUCCESS)
}
