//! `xvrrp doctor`: what on this machine stands in the way, and which path do adverts take.
use super::FAILED;
use super::run::missing_privilege;
use crate::control::client;
use crate::control::protocol::DEFAULT_SOCKET;
use crate::dataplane::object;
use crate::dataplane::plane::{Plane, Settings};
use crate::dataplane::port::{Dataplane as _, Path, PortReport, XdpMode};
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit status where every check passed but some interface uses the generic hook.
const GENERIC: u8 = 10;
/// Exit status where every check passed but some interface uses packet sockets.
const SOCKET: u8 = 11;

/// Arguments of `xvrrp doctor`.
///
/// Exit status: 0 all is well and every interface takes native XDP, 10 some take the generic hook,
/// 11 some take packet sockets, 1 something fails.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Interfaces to try; without any, those of the running daemon are reported
    interfaces: Vec<String>,
    /// Control socket of the daemon
    #[arg(long, value_name = "SOCKET", default_value = DEFAULT_SOCKET)]
    control: PathBuf,
}

/// The outcome of one check.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// Checks the machine and prints a line for each finding.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut worst = Verdict::Ok;
    let mut out = std::io::stdout();
    let mut say = |verdict: Verdict, what: &str, detail: &str| {
        worst = worst.max(verdict);
        // A reader that has seen enough changes nothing about what is found.
        let _ = writeln!(out, "{verdict:<5} {what:<14} {detail}");
    };
    for (verdict, what, detail) in machine() {
        say(verdict, what, &detail);
    }
    let mut paths = Vec::new();
    if args.interfaces.is_empty() {
        match client::snapshot(&args.control) {
            Ok(snapshot) => {
                for port in snapshot.ports {
                    let why = port.why.map_or_else(String::new, |why| format!(": {why}"));
                    say(path_verdict(&port.path), &port.interface, &format!("{}{why}", port.path));
                    paths.push(port.path);
                }
            }
            Err(e) => say(Verdict::Warn, "daemon", &format!("{e:#}")),
        }
    } else {
        for name in &args.interfaces {
            match try_interface(name) {
                Ok(port) => {
                    let why = port.why.map_or_else(String::new, |why| format!(": {why}"));
                    let path = port.path.name();
                    say(path_verdict(path), name, &format!("{path}{why}"));
                    paths.push(path.to_owned());
                }
                Err(e) => say(Verdict::Fail, name, &format!("{e:#}")),
            }
        }
    }
    Ok(if worst == Verdict::Fail {
        FAILED.into()
    } else if paths.iter().any(|path| path == Path::Socket.name()) {
        SOCKET.into()
    } else if paths.iter().any(|path| path == Path::XdpSkb.name()) {
        GENERIC.into()
    } else {
        ExitCode::SUCCESS
    })
}

fn path_verdict(path: &str) -> Verdict {
    if path == Path::XdpNative.name() { Verdict::Ok } else { Verdict::Warn }
}

/// Attaches as the daemon would, reports, and detaches.
fn try_interface(name: &str) -> anyhow::Result<PortReport> {
    let ifindex = fs::read_to_string(format!("/sys/class/net/{name}/ifindex"))
        .map_err(|_| anyhow::anyhow!("there is no such interface here"))?;
    let mut plane = Plane::new(Settings::new(XdpMode::Auto))?;
    plane.open(name, ifindex.trim().parse()?)?;
    plane.settled(name)
}

/// What does not depend on an interface.
fn machine() -> Vec<(Verdict, &'static str, String)> {
    let mut found = Vec::new();
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    found.push((Verdict::Ok, "kernel", read("/proc/sys/kernel/osrelease")));
    found.push(match object::bytes() {
        Ok(bytes) => (Verdict::Ok, "program", format!("built in, {} bytes", bytes.len())),
        Err(e) => (Verdict::Fail, "program", e.to_string()),
    });
    found.push(match missing_privilege(XdpMode::Auto) {
        None => (Verdict::Ok, "privileges", "CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF".to_owned()),
        Some(missing) => (Verdict::Fail, "privileges", missing),
    });
    found.push(match read("/proc/sys/net/core/bpf_jit_enable").as_str() {
        "0" => (
            Verdict::Warn,
            "bpf jit",
            "off, the program is interpreted: sysctl -w net.core.bpf_jit_enable=1".to_owned(),
        ),
        "" => (Verdict::Warn, "bpf jit", "unknown: this kernel does not say".to_owned()),
        _ => (Verdict::Ok, "bpf jit", "on".to_owned()),
    });
    found
}
