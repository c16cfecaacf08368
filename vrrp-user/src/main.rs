//! The `xvrrp` binary: arguments in, exit status out.
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match xvrrp::cli::Cli::parse().run() {
        Ok(status) => status,
        Err(e) => {
            xvrrp::cli::complain(format_args!("error: {e:#}"));
            xvrrp::cli::FAILED.into()
        }
    }
}
