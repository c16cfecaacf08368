//! `xvrrp bench`: how fast is it on this machine.
use super::NO_PERMISSION;
use super::run::missing_privilege;
use crate::dataplane::cost;
use crate::dataplane::port::XdpMode;
use std::io::Write as _;
use std::process::ExitCode;

/// Arguments of `xvrrp bench`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to measure: `xdp`, the nanoseconds a packet costs in the XDP program
    what: What,
    /// Rounds; of each packet the least counts
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum What {
    /// The program, with test runs in the kernel
    Xdp,
}

/// Measures and prints.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(missing) = missing_privilege(XdpMode::Auto) {
        super::complain(format_args!("error: {missing}"));
        return Ok(NO_PERMISSION.into());
    }
    let What::Xdp = args.what;
    let costs = cost::measure(args.rounds)?;
    let empty = costs.iter().find(|cost| cost.packet == cost::EMPTY).map_or(0, |cost| cost.nanos);
    let mut out = std::io::stdout();
    writeln!(out, "{:>8} {:>12} {:>14}", "ns", "over empty", "Mpps, 1 core")?;
    for cost in costs {
        let nanos = cost.nanos.max(1);
        // Thousandths of a million a second.
        let (whole, rest) = (1_000 / nanos, 1_000 % nanos * 10 / nanos);
        let over = nanos.saturating_sub(empty);
        writeln!(out, "{nanos:>8} {over:>12} {:>14}  {}", format!("{whole}.{rest}"), cost.packet)?;
    }
    Ok(ExitCode::SUCCESS)
}
