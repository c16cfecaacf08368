//! How does xvrrp answer when it is called as `keepalived`: its flags, exit statuses and files.
//!
//! Called so are those whose first word is a path that ends in `keepalived`, or `xvrrp keepalived`.
use super::background::{self, Side};
use super::files::Files;
use super::pid_file::PidFile;
use super::{FAILED, complain, run};
use crate::config::{self, render, security};
use crate::control::protocol::DEFAULT_SOCKET;
use crate::daemon::dumps::Kind;
use crate::daemon::logging::{self, Format};
use crate::daemon::service::Options;
use crate::dataplane::port::XdpMode;
use crate::program::host::System;
use anyhow::Context as _;
use clap::Parser;
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_appender::non_blocking::WorkerGuard;

/// keepalived's exit statuses: a configuration test with errors, one with insecure scripts, and no
/// configuration at all.
const BAD_CONFIG: u8 = 5;
const INSECURE: u8 = 6;
const NO_CONFIG: u8 = 6;

/// What is answered to `-v`. Exporters split the first line at spaces and drop the `v`; they look
/// for `--enable-json` in the rest.
const VERSION: &str = concat!(
    "Keepalived v2.2.7 (01/16,2022)\n\n",
    "This is xvrrp ",
    env!("CARGO_PKG_VERSION"),
    ", which answers as keepalived 2.2.7 does.\n",
    "Load balancing, BFD, SNMP, D-Bus and mail are not in it.\n\n",
    "configure options: --enable-json\n\n",
    "Config options:  VRRP VRRP_AUTH JSON\n",
);

/// Arguments of keepalived 2.2.7.
#[derive(Debug, Parser)]
#[command(name = "keepalived", disable_version_flag = true, max_term_width = 100)]
#[command(about = "xvrrp, called as keepalived")]
struct Args {
    /// Configuration
    #[arg(
        short = 'f',
        long,
        value_name = "FILE",
        default_value = "/etc/keepalived/keepalived.conf"
    )]
    use_file: PathBuf,
    /// Stay in the foreground
    #[arg(short = 'n', long)]
    dont_fork: bool,
    /// Log to stderr
    #[arg(short = 'l', long)]
    log_console: bool,
    /// Log details
    #[arg(short = 'D', long)]
    log_detail: bool,
    /// Facility of the system's log: 0 to 7 or local0 to local7, or daemon
    #[arg(short = 'S', long, value_name = "FACILITY", value_parser = facility)]
    log_facility: Option<Facility>,
    /// Do not log to the system's log
    #[arg(short = 'G', long)]
    no_syslog: bool,
    /// Where to write the process id
    #[arg(short = 'p', long, value_name = "FILE")]
    pid: Option<PathBuf>,
    /// Where to write it once more, for what looks for keepalived's VRRP process
    #[arg(short = 'r', long = "vrrp_pid", value_name = "FILE")]
    vrrp_pid: Option<PathBuf>,
    /// Run in this network namespace
    #[arg(short = 's', long, value_name = "NAME")]
    namespace: Option<String>,
    /// What `@id` conditions are compared with, instead of this host's name
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
    /// Check the configuration, and write what is wrong to stderr or FILE
    #[arg(short = 't', long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    config_test: Option<Option<PathBuf>>,
    /// Log the configuration as it is understood
    #[arg(short = 'd', long)]
    dump_conf: bool,
    /// Mask of rights that new files do not get, in octal
    #[arg(short = 'u', long, value_name = "MASK", value_parser = mask)]
    umask: Option<u32>,
    /// Leave a core file where the daemon fails
    #[arg(short = 'm', long)]
    core_dump: bool,
    /// Print the number of the signal for STOP, RELOAD, DATA, STATS, STATS_CLEAR or JSON
    #[arg(long, value_name = "NAME")]
    signum: Option<String>,
    /// Print the version
    #[arg(short = 'v', long)]
    version: bool,

    /// Only VRRP: always so here
    #[arg(short = 'P', long)]
    vrrp: bool,
    /// Only the health checker, which stays with keepalived
    #[arg(short = 'C', long)]
    check: bool,
    #[command(flatten)]
    without: Without,

    /// Path adverts take (not keepalived's)
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    xdp_mode: run::Mode,
    /// Control socket (not keepalived's)
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
    /// Started by a process that waits until this one is up
    #[arg(long, hide = true)]
    in_background: bool,
}

/// Flags with nothing behind them here.
#[derive(Debug, clap::Args)]
struct Without {
    /// No BFD: always so here
    #[arg(short = 'B', long = "no_bfd")]
    no_bfd: bool,
    /// All processes: here is one
    #[arg(long)]
    all: bool,
    /// No process is started anew: here is one
    #[arg(short = 'R', long)]
    dont_respawn: bool,
    /// Nothing of IPVS is touched
    #[arg(short = 'I', long)]
    dont_release_ipvs: bool,
    /// A missing file is always an error
    #[arg(short = 'e', long)]
    all_config: bool,
    /// Addresses are always removed at the end
    #[arg(short = 'X', long)]
    release_vips: bool,
    /// Not written: there is no checker
    #[arg(short = 'c', long = "checkers_pid", value_name = "FILE")]
    checkers_pid: Option<PathBuf>,
    /// Not written: there is no BFD
    #[arg(short = 'b', long = "bfd_pid", value_name = "FILE")]
    bfd_pid: Option<PathBuf>,

    /// Not built: addresses are removed at the end
    #[arg(short = 'V', long)]
    dont_release_vrrp: bool,
    /// Not built: changes of addresses are not logged
    #[arg(short = 'a', long)]
    address_monitoring: bool,
    /// Not built: SNMP
    #[arg(short = 'x', long)]
    snmp: bool,
    /// Not built: SNMP
    #[arg(short = 'A', long, value_name = "SOCKET")]
    snmp_agent_socket: Option<String>,
    /// Not built: the pattern of core files is left alone
    #[arg(short = 'M', long, value_name = "PATTERN", num_args = 0..=1, require_equals = true)]
    core_dump_pattern: Option<Option<String>>,
    /// Not built: log to a file; use the system's log
    #[arg(short = 'g', long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    log_file: Option<Option<PathBuf>>,
    /// Nothing to flush
    #[arg(long)]
    flush_log_file: bool,
    /// genhash stays with keepalived
    #[arg(short = 'T', long)]
    genhash: bool,
}

impl Without {
    /// What is asked for and does not happen.
    fn told(&self) -> impl Iterator<Item = &'static str> {
        [
            (
                self.dont_release_vrrp,
                "-V: addresses and routes are removed at the end all the same",
            ),
            (self.address_monitoring, "-a: changes of addresses are not logged"),
            (self.snmp || self.snmp_agent_socket.is_some(), "-x: SNMP is not offered"),
            (self.core_dump_pattern.is_some(), "-M: the pattern of core files is left alone"),
            (self.log_file.is_some(), "-g: no log file is written; use -l or the system's log"),
        ]
        .into_iter()
        .filter_map(|(asked, why)| asked.then_some(why))
    }
}

/// A facility of syslog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Facility {
    Daemon,
    Local(u8),
}

fn facility(text: &str) -> Result<Facility, String> {
    match text {
        "daemon" => Ok(Facility::Daemon),
        "user" => Err("the facility user is not offered".to_owned()),
        local => match local.trim_start_matches("local").parse() {
            Ok(number @ 0..=7) => Ok(Facility::Local(number)),
            _ => Err("expected 0 to 7, local0 to local7, or daemon".to_owned()),
        },
    }
}

fn mask(text: &str) -> Result<u32, String> {
    let digits = text.trim_start_matches("0o");
    match u32::from_str_radix(digits, 8) {
        Ok(mask) if mask <= 0o777 => Ok(mask),
        _ => Err("expected up to 0777".to_owned()),
    }
}

/// Whether a program called like this is meant to be keepalived, and its arguments.
pub fn called(mut words: impl Iterator<Item = OsString>) -> Option<Vec<OsString>> {
    let first = words.next()?;
    if Path::new(&first).file_name()? == "keepalived" {
        return Some(std::iter::once(first).chain(words).collect());
    }
    (words.next()? == "keepalived").then(|| std::iter::once(first).chain(words).collect())
}

/// Does what keepalived would.
///
/// # Errors
/// In words, for stderr.
pub fn run(words: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let args = match Args::try_parse_from(words.clone()) {
        Ok(args) => args,
        Err(usage) => {
            let _nobody_reads = usage.print();
            return Ok(if usage.use_stderr() { FAILED.into() } else { ExitCode::SUCCESS });
        }
    };
    if args.version {
        let _nobody_reads = std::io::stderr().write_all(VERSION.as_bytes());
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(name) = &args.signum {
        return Ok(signal_number(name));
    }
    if args.without.genhash || (args.check && !args.vrrp) {
        complain(format_args!("load balancing and its health checks stay with keepalived"));
        return Ok(FAILED.into());
    }
    let files = Files { config_id: args.config_id.clone() };
    if let Some(to) = &args.config_test {
        return test(&args.use_file, &files, to.as_deref());
    }
    if !args.use_file.exists() {
        complain(format_args!("{}: no such file", args.use_file.display()));
        return Ok(NO_CONFIG.into());
    }
    if !args.dont_fork && !args.in_background {
        return background::start(words);
    }
    start(args, files)
}

fn signal_number(name: &str) -> ExitCode {
    let number = match name {
        "STOP" => libc::SIGTERM,
        "RELOAD" => libc::SIGHUP,
        "DATA" => Kind::Data.signal(),
        "STATS" => Kind::Stats.signal(),
        "STATS_CLEAR" => Kind::StatsClear.signal(),
        "JSON" => Kind::Json.signal(),
        other => {
            complain(format_args!("Unknown sigfunc {other}"));
            return FAILED.into();
        }
    };
    let _nobody_reads = writeln!(std::io::stdout(), "{number}");
    ExitCode::SUCCESS
}

/// `-t`: every problem, and a status that says how bad it is.
fn test(file: &Path, files: &Files, to: Option<&Path>) -> anyhow::Result<ExitCode> {
    let (config, diagnostics) = config::load(file, files);
    let mut text = String::new();
    for diagnostic in &diagnostics {
        writeln!(text, "{}\n", render::pretty(diagnostic, false))?;
    }
    let mut status = if config.is_some() { ExitCode::SUCCESS } else { BAD_CONFIG.into() };
    if let Some(mut config) = config {
        for problem in security::enforce(&mut config, &System) {
            writeln!(text, "{problem}")?;
            if problem.fatal {
                status = INSECURE.into();
            }
        }
    }
    match to {
        Some(path) => std::fs::write(path, text).with_context(|| path.display().to_string())?,
        None => {
            let _nobody_reads = std::io::stderr().write_all(text.as_bytes());
        }
    }
    Ok(status)
}

/// Runs the daemon in this process.
fn start(args: Args, files: Files) -> anyhow::Result<ExitCode> {
    let side = if args.in_background { Side::detach()? } else { Side::Foreground };
    if let Some(mask) = args.umask {
        rustix::process::umask(Mode::from_raw_mode(mask));
    }
    if args.core_dump {
        let all = Rlimit { current: None, maximum: None };
        setrlimit(Resource::Core, all).context("-m")?;
    }
    let default = |name: &str| PathBuf::from("/run").join(name);
    let pid = args.pid.clone().unwrap_or_else(|| default("keepalived.pid"));
    let vrrp = args.vrrp_pid.clone().unwrap_or_else(|| default("vrrp.pid"));
    let _pid_files = [PidFile::write(&pid)?, PidFile::write(&vrrp)?];
    let (_guard, log) = log(&args)?;
    for told in args.without.told() {
        tracing::warn!("{told}");
    }
    let control = args.control.unwrap_or_else(|| match &args.namespace {
        None => PathBuf::from(DEFAULT_SOCKET),
        Some(name) => Path::new(DEFAULT_SOCKET).with_file_name(format!("control.{name}.sock")),
    });
    run::start(Options {
        config: std::path::absolute(&args.use_file).unwrap_or(args.use_file),
        files,
        control,
        xdp_mode: XdpMode::from(args.xdp_mode),
        metrics: None,
        debug_dataplane: false,
        log,
        namespace: args.namespace,
        up: side.up(),
        dump: args.dump_conf,
    })
}

/// Logs where keepalived would.
fn log(args: &Args) -> anyhow::Result<(WorkerGuard, logging::Control)> {
    let level = if args.log_detail { "info,xvrrp=debug" } else { "info" };
    if args.log_console {
        return logging::start(level, Format::Text, None).context("-l");
    }
    if args.no_syslog {
        return logging::start("off", Format::Text, None).context("-G");
    }
    let facility = match args.log_facility {
        Some(Facility::Local(number)) => Some(number),
        Some(Facility::Daemon) | None => None,
    };
    if Path::new("/dev/log").exists() {
        return logging::start(level, Format::Syslog, facility).context("the system's log");
    }
    complain(format_args!("there is no /dev/log: logging to stderr"));
    logging::start(level, Format::Text, None).context("-l")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Args {
        let words = std::iter::once("keepalived").chain(words.split_whitespace());
        Args::try_parse_from(words).unwrap()
    }

    #[test]
    fn who_calls_it_keepalived() {
        let called = |words: &[&str]| called(words.iter().map(OsString::from)).map(|w| w.len());
        assert_eq!(called(&["/usr/sbin/keepalived", "-n"]), Some(2));
        assert_eq!(called(&["keepalived"]), Some(1));
        assert_eq!(called(&["xvrrp", "keepalived", "-n", "-l"]), Some(3));
        assert_eq!(called(&["xvrrp", "run"]), None);
        assert_eq!(called(&["xvrrp"]), None);
        assert_eq!(called(&[]), None);
    }

    /// As front-ends call it.
    #[test]
    fn every_flag_is_taken() {
        let all = parsed(
            "-f x -P -n -l -D -S 3 -G -p p -r r -d -s ns -i id -R -x -A s -C -B -I -c c -b b -X -V \
             -a -e -m -M -g -u 022 --all --flush-log-file",
        );
        assert_eq!((all.umask, all.log_facility), (Some(0o22), Some(Facility::Local(3))));
        assert_eq!(all.without.told().count(), 5);
        let long = parsed(
            "--use-file x --vrrp --dont-fork --log-console --log-detail --log-facility=local7 \
             --no-syslog --pid p --vrrp_pid r --dump-conf --namespace ns --config-id id \
             --dont-respawn --config-test=/log --checkers_pid c --bfd_pid b --no_bfd",
        );
        assert_eq!(long.config_test, Some(Some("/log".into())));
        assert_eq!(parsed("-t").config_test, Some(None));
        assert!(Args::try_parse_from(["keepalived", "-S", "9"]).is_err());
        assert!(Args::try_parse_from(["keepalived", "--no-such-flag"]).is_err());
    }

    #[test]
    fn the_first_line_of_the_version_is_keepalived_s() {
        assert!(VERSION.starts_with("Keepalived v2.2.7 (01/16,2022)\n"));
        assert!(VERSION.contains("xvrrp") && VERSION.contains("--enable-json"));
    }
}
