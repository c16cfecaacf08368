//! The `xvrrp` binary: arguments in, exit status out.
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match xvrrp::cli::compat::called(std::env::args_os()) {
        Some(words) => xvrrp::cli::compat::run(words),
        None => xvrrp::cli::Cli::parse().run(),
    };
    match done {
        Ok(status) => status,
        Err(e) => {
            xvrrp::cli::complain(format_args!("error: {e:#}"));
            xvrrp::cli::FAILED.into()
        }
    }
}
