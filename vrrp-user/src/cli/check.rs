//! Is a configuration file good: `xvrrp check FILE`.
use super::files::Files;
use crate::config::{self, render};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// keepalived's exit status of a configuration test that found errors.
const BAD_CONFIGURATION: u8 = 5;

/// Check a configuration file and list every problem in it.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The file.
    pub file: PathBuf,
    /// Print the problems as JSON.
    #[arg(long, conflicts_with = "short")]
    pub json: bool,
    /// Print one line for each problem: file:line:column: error: text.
    #[arg(long)]
    pub short: bool,
    /// What `@id` conditions are compared with, instead of this host's name.
    #[arg(long, short = 'i', value_name = "ID")]
    pub config_id: Option<String>,
}

/// Prints all diagnostics and their number; fails if one of them is an error.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let files = Files { config_id: args.config_id };
    let (config, diagnostics) = config::load(&args.file, &files);
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", render::json(&diagnostics)?)?;
    } else {
        let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        for diagnostic in &diagnostics {
            if args.short {
                writeln!(out, "{diagnostic}")?;
            } else {
                writeln!(out, "{}\n", render::pretty(diagnostic, colour))?;
            }
        }
        writeln!(out, "{}", render::summary(&diagnostics))?;
    }
    Ok(if config.is_some() { ExitCode::SUCCESS } else { ExitCode::from(BAD_CONFIGURATION) })
}
