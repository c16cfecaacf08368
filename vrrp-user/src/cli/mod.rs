//! What can be asked for on the command line.
//!
//! - [`run`]: the daemon
//! - [`compat`]: the same called as keepalived, with [`background`] and its pid files
//! - [`check`]: is this configuration good
//! - [`show`]: what is a running daemon doing
//! - [`top`]: the same, live
//! - [`capture`]: the frames it judges
//! - [`demote`]: hand the mastership over
//! - [`orders`]: announce addresses, change what is logged
//! - [`reload`]: take the changed configuration
//! - [`doctor`]: what on this machine stands in the way
//! - [`completions`]: for shells
//! - [`asked`]: which daemon is asked
//! - [`terminal`]: what it can show
//! - [`bench`]: how fast is it here
pub mod asked;
pub mod background;
pub mod bench;
pub mod capture;
pub mod check;
pub mod compat;
pub mod completions;
pub mod demote;
pub mod doctor;
pub mod files;
#[cfg(test)]
mod manual;
pub mod orders;
mod pid_file;
pub mod reload;
pub mod run;
pub mod show;
pub mod terminal;
pub mod top;

use clap::{Parser, Subcommand};
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

/// Exit status for a failure that has no status of its own.
pub const FAILED: u8 = 1;
/// Exit status for a configuration that cannot be used at start.
pub const BAD_CONFIG: u8 = 2;
/// Exit status for missing privileges.
pub const NO_PERMISSION: u8 = 4;

/// Writes a line to stderr. That nobody reads it ends nothing.
pub fn complain(line: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// VRRP router redundancy with an XDP dataplane.
#[derive(Debug, Parser)]
#[command(name = "xvrrp", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the daemon in the foreground
    Run(run::Args),
    /// Check a configuration file and print every problem in it
    Check(check::Args),
    /// Show what a running daemon does
    Show(show::Args),
    /// Show live what a running daemon does
    Top(top::Args),
    /// Print or record the frames a running daemon accepts and rejects
    Capture(capture::Args),
    /// Hand the mastership of an instance over to another router, and wait until it has it
    Demote(demote::Args),
    /// Announce the addresses of masters now
    Announce(orders::Announce),
    /// Change what a running daemon logs
    Log(orders::Log),
    /// Make a running daemon read its configuration again, and say whether it took it
    Reload(reload::Args),
    /// Look for what on this machine stands in the way, and say which path adverts take
    Doctor(doctor::Args),
    /// Print what a shell reads to complete command lines
    Completions(completions::Args),
    /// Measure on this machine what a packet costs
    Bench(bench::Args),
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            Verb::Run(args) => run::run(args),
            Verb::Check(args) => check::run(args),
            Verb::Show(args) => show::run(&args),
            Verb::Top(args) => top::run(&args),
            Verb::Capture(args) => capture::run(&args),
            Verb::Demote(args) => demote::run(&args),
            Verb::Announce(args) => orders::announce(&args),
            Verb::Log(args) => orders::log(&args),
            Verb::Reload(args) => reload::run(&args),
            Verb::Doctor(args) => doctor::run(&args),
            Verb::Completions(args) => completions::run(&args),
            Verb::Bench(args) => bench::run(&args),
        }
    }
}
