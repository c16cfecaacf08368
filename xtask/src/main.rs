//! What can `cargo xtask` do, and what does each verb take?
mod bench;
mod build;
mod ci;
mod conformance;
mod dist;
mod fuzz;
mod lab;
mod packages;
mod privilege;
mod program;
mod run;
mod setup;
mod suites;
mod tidy;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Set up, run, try and test xvrrp.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Find or install the compiler for the XDP program
    Setup {
        /// Change nothing; say what is missing, and exit 1 if anything is
        #[arg(long)]
        check: bool,
    },
    /// Build and run: a lab of two routers, or with `-- --config FILE` the daemon on this machine
    Run {
        /// Play one failover and one link-down in the lab without a terminal, then exit
        #[arg(long, conflicts_with = "daemon")]
        demo: bool,
        /// Build with optimizations
        #[arg(long)]
        release: bool,
        /// Arguments of `xvrrp run`
        #[arg(last = true)]
        daemon: Vec<OsString>,
    },
    /// Build and run all tests, those that need root included
    Test {
        /// Run only tests whose name contains one of these
        filter: Vec<String>,
    },
    /// Measure xvrrp, and a peer in turn with it: all scenarios, or those that are named
    Bench {
        /// xdp-ns, idle-backup, active, takeover, flood, start, reload, mass-takeover, link-event,
        /// scale, memory
        scenarios: Vec<String>,
        /// Whom to compare with, as often as wanted: keepalived, keepalived-rt (with
        /// `vrrp_rt_priority`), frr, sockets (xvrrp without XDP)
        #[arg(long, value_name = "PEER")]
        against: Vec<String>,
        /// Small sizes, short, few repetitions
        #[arg(long)]
        quick: bool,
        /// How often each is measured
        #[arg(long, default_value_t = 5)]
        repetitions: u32,
        /// Where the report goes
        #[arg(long, value_name = "FOLDER")]
        output: Option<PathBuf>,
    },
    /// Everything a change must pass: format, lints, dependencies, invariants, tests
    Ci,
    /// Let the fuzzer look for input that breaks a promise: all targets in turn, or one
    Fuzz {
        /// Which one
        target: Option<String>,
        /// How long each
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Check the invariants of ARCHITECTURE.md that a program can check
    Tidy,
    /// Build Debian packages of the daemon, and of keepalived's name for it
    Dist {
        /// Without optimizations, to try the packages
        #[arg(long)]
        debug: bool,
        /// Where they go
        #[arg(long, default_value = "target/dist")]
        out: PathBuf,
    },
    /// The lab alone, with an xvrrp that is already built
    #[command(hide = true)]
    Lab {
        /// The daemon to run
        #[arg(long)]
        binary: PathBuf,
        /// As for `run`
        #[arg(long)]
        demo: bool,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Setup { check } => setup::run(check),
        Verb::Run { demo, release, daemon } if daemon.is_empty() => run::lab(demo, release),
        Verb::Run { release, daemon, .. } => run::daemon(&daemon, release),
        Verb::Test { filter } => suites::run(&filter),
        Verb::Bench { scenarios, against, quick, repetitions, output } => {
            bench::run(&bench::Plan { scenarios, against, quick, repetitions, output })
        }
        Verb::Ci => ci::run(),
        Verb::Fuzz { target, seconds } => fuzz::run(target.as_deref(), seconds),
        Verb::Tidy => tidy::run(),
        Verb::Dist { debug, out } => dist::run(debug, &out),
        Verb::Lab { binary, demo } => lab::run(&binary, demo),
    };
    match done {
        Ok(code) => code,
        Err(why) => {
            eprintln!("xtask: {why:#}");
            ExitCode::FAILURE
        }
    }
}
