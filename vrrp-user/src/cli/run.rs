//! `xvrrp run`: the daemon in the foreground.
use super::files::Files;
use super::{BAD_CONFIG, NO_PERMISSION};
use crate::config::place::Place;
use crate::config::{self, render};
use crate::control::protocol::DEFAULT_SOCKET;
use crate::daemon::service::{Begun, Options};
use crate::daemon::{clock, logging, preflight};
use crate::dataplane::port::XdpMode;
use crate::dataplane::sys;
use crate::net::{guard, namespace};
use crate::program;
use anyhow::Context as _;
use clap::ValueEnum;
use rustix::thread::{CapabilitySet, capabilities};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Configuration files, the first that exists.
const CONFIGS: [&str; 2] = ["/etc/xvrrp/xvrrp.conf", "/etc/keepalived/keepalived.conf"];

/// Arguments of `xvrrp run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Configuration in keepalived's language [default: /etc/xvrrp/xvrrp.conf, else
    /// /etc/keepalived/keepalived.conf]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Path adverts take: XDP in the driver, XDP in the generic hook, or packet sockets
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    xdp_mode: Mode,
    /// Control socket
    #[arg(long, value_name = "SOCKET", default_value = DEFAULT_SOCKET)]
    control: PathBuf,
    /// What to log: error, warn, info, debug, trace, or a filter like `xvrrp::engine=debug`
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
    /// How to log, and where
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: logging::Format,
    /// For `--log-format syslog`: the facility local0 to local7, instead of daemon
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(0..=7))]
    log_facility: Option<u8>,
    /// Serve metrics for Prometheus at http://ADDRESS:PORT/metrics, or at unix:PATH
    #[arg(long, value_name = "WHERE")]
    metrics: Option<Place>,
    /// Run in this network namespace, not the one `net_namespace` names or the present one
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// What `@id` conditions are compared with, instead of this host's name
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
    /// Let the XDP program log every verdict; this costs it time
    #[arg(long)]
    debug_dataplane: bool,
}

/// Values of `--xdp-mode`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum Mode {
    /// Native where the driver can, else generic, else sockets
    #[default]
    Auto,
    /// Native, or no start
    #[value(alias = "drv")]
    Native,
    /// Generic, or no start
    #[value(alias = "generic")]
    Skb,
    /// Packet sockets only
    Off,
}

impl From<Mode> for XdpMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Auto => Self::Auto,
            Mode::Native => Self::Native,
            Mode::Skb => Self::Skb,
            Mode::Off => Self::Off,
        }
    }
}

/// Runs the daemon until it is told to stop.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    // The guard writes what is still queued when it is dropped.
    let (_guard, log) =
        logging::start(&args.log, args.log_format, args.log_facility).context("--log")?;

    start(Options {
        config: args.config.unwrap_or_else(default_config),
        files: Files { config_id: args.config_id },
        control: args.control,
        xdp_mode: XdpMode::from(args.xdp_mode),
        metrics: args.metrics,
        debug_dataplane: args.debug_dataplane,
        log,
        namespace: args.namespace,
        up: None,
        dump: false,
    })
}

/// Reads the configuration and runs the daemon with it.
pub(super) fn start(mut options: Options) -> anyhow::Result<ExitCode> {
    sys::keep_little();
    let begun = Begun::catch()?;
    let path = &options.config;
    let (model, diagnostics) = config::load(path, &options.files);
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    for diagnostic in &diagnostics {
        super::complain(format_args!("{}\n", render::pretty(diagnostic, colour)));
    }
    let Some(mut model) = model else {
        super::complain(format_args!("{}: {}", path.display(), render::summary(&diagnostics)));
        return Ok(BAD_CONFIG.into());
    };
    if let Some(missing) = missing_privilege(options.xdp_mode) {
        super::complain(format_args!("error: {missing}"));
        return Ok(NO_PERMISSION.into());
    }
    if let Err(why) = program::settle(&mut model) {
        super::complain(format_args!("{why}"));
        return Ok(BAD_CONFIG.into());
    }
    let wait = model.globals.delay_after_boot.saturating_sub(clock::since_boot());
    model.globals.startup_delay = model.globals.startup_delay.max(wait);
    if options.namespace.is_none() {
        options.namespace = model.globals.namespace.clone();
    }
    if let Some(name) = &options.namespace {
        namespace::enter(name)?;
    }
    if let Err(why) = preflight::firewall(&model, guard::probe) {
        eprintln!("error: {why}");
        return Ok(BAD_CONFIG.into());
    }
    // The text and its tree were many times what became of them.
    sys::trim_memory();
    begun.run(&options, Arc::new(model))?;
    Ok(ExitCode::SUCCESS)
}

fn default_config() -> PathBuf {
    let found = CONFIGS.iter().map(Path::new).find(|path| path.exists());
    found.unwrap_or(Path::new(CONFIGS[0])).to_owned()
}

/// Which privilege is missing, in words that say what to do.
pub(super) fn missing_privilege(mode: XdpMode) -> Option<String> {
    let mut needed = vec![
        (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN (addresses and routes)"),
        (CapabilitySet::NET_RAW, "CAP_NET_RAW (adverts)"),
    ];
    if mode != XdpMode::Off {
        needed.push((
            CapabilitySet::BPF,
            "CAP_BPF (the XDP program; not needed with `--xdp-mode off`)",
        ));
    }
    let effective = capabilities(None).ok()?.effective;
    // CAP_SYS_ADMIN contains CAP_BPF.
    let has = |wanted: CapabilitySet| {
        effective.contains(wanted)
            || wanted == CapabilitySet::BPF && effective.contains(CapabilitySet::SYS_ADMIN)
    };
    let missing: Vec<&str> =
        needed.into_iter().filter(|(wanted, _)| !has(*wanted)).map(|(_, name)| name).collect();
    if missing.is_empty() {
        return None;
    }
    Some(format!("missing privileges: {}; run as root, or grant them", missing.join(", ")))
}
