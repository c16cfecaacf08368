//! The `xvrrp` binary: arguments in, exit status out.
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match xvrrp::cli::Cli::parse().run() {
        Ok(status) => status,
        Err(e) => {
            eprintln!("error: {e:#}");
            xvrrp::cli::FAILED.into()
        }
    }
}
