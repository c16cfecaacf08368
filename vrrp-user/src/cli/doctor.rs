//! `xvrrp doctor`: what on this machine stands in the way, and which path do adverts take.
mod interface;
mod machine;

use super::FAILED;
use super::asked::Asked;
use crate::control::client;
use crate::dataplane::plane::{Plane, Settings};
use crate::dataplane::port::{Dataplane as _, Path, PortReport, XdpMode};
use std::fmt;
use std::io::Write as _;
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
    #[command(flatten)]
    asked: Asked,
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

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Finding {
    verdict: Verdict,
    what: String,
    detail: String,
    /// The command that mends it.
    fix: Option<String>,
}

impl Finding {
    fn ok(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, what: what.into(), detail: detail.into(), fix: None }
    }

    fn warn(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, ..Self::ok(what, detail) }
    }

    fn fail(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, ..Self::ok(what, detail) }
    }

    /// With the command that mends it.
    fn fixed_by(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}

/// Checks the machine and prints a line for each finding, and below it what mends it.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut findings = machine::findings();
    let mut paths = Vec::new();
    let mut interfaces = args.interfaces.clone();
    if interfaces.is_empty() {
        match client::snapshot(&args.asked.control) {
            Ok(snapshot) => {
                for port in snapshot.ports {
                    findings.push(path(&port.interface, &port.path, port.why));
                    paths.push(port.path);
                    interfaces.push(port.interface);
                }
            }
            Err(why) => findings.push(Finding::warn("daemon", format!("{why:#}"))),
        }
    } else {
        for name in &interfaces {
            match try_interface(name) {
                Ok(port) => {
                    findings.push(path(name, port.path.name(), port.why));
                    paths.push(port.path.name().to_owned());
                }
                Err(why) => findings.push(Finding::fail(name, format!("{why:#}"))),
            }
        }
    }
    for name in &interfaces {
        findings.extend(interface::findings(name));
    }
    let mut out = std::io::stdout();
    for Finding { verdict, what, detail, fix } in &findings {
        // A reader that has seen enough changes nothing about what is found.
        let _ = writeln!(out, "{verdict:<5} {what:<24} {detail}");
        if let Some(fix) = fix {
            let _ = writeln!(out, "      {:<24} fix: {fix}", "");
        }
    }
    Ok(if findings.iter().any(|finding| finding.verdict == Verdict::Fail) {
        FAILED.into()
    } else if paths.iter().any(|path| path == Path::Socket.name()) {
        SOCKET.into()
    } else if paths.iter().any(|path| path == Path::XdpSkb.name()) {
        GENERIC.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// What an interface's path is worth.
fn path(interface: &str, path: &str, why: Option<String>) -> Finding {
    if path == Path::XdpNative.name() {
        return Finding::ok(interface, path);
    }
    let why = why.unwrap_or_else(|| "no reason known".to_owned());
    let fix = remedy(interface, &why);
    let finding = Finding::warn(interface, format!("{path}: {why}"));
    match fix {
        Some(fix) => finding.fixed_by(fix),
        None => finding,
    }
}

/// The command that mends what the kernel complains of, where there is one.
fn remedy(interface: &str, why: &str) -> Option<String> {
    let why = why.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if any(&["lro", "gro_hw", "gro-hw"]) {
        Some(format!("ethtool -K {interface} lro off rx-gro-hw off"))
    } else if any(&["rxvlan"]) {
        Some(format!("ethtool -K {interface} rxvlan off"))
    } else if any(&["too few free tx rings", "queue", "channels"]) {
        Some(format!("ethtool -L {interface} combined 1"))
    } else if any(&["is taken by program"]) {
        Some(format!("ip link set dev {interface} xdp off    # if nobody needs that program"))
    } else if any(&["mtu", "too large"]) {
        Some(format!("ip link set dev {interface} mtu 1500"))
    } else {
        None
    }
}

/// Attaches as the daemon would, reports, and detaches.
fn try_interface(name: &str) -> anyhow::Result<PortReport> {
    let ifindex =
        interface::index(name).ok_or_else(|| anyhow::anyhow!("there is no such interface here"))?;
    let mut plane = Plane::new(Settings::new(XdpMode::Auto))?;
    plane.open(name, ifindex)?;
    plane.settled(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_complains_of_has_a_remedy() {
        for (why, wanted) in [
            ("virtio_net: Can't set XDP while host is implementing GRO_HW/CSUM", "rx-gro-hw off"),
            ("Too few free TX rings available", "ethtool -L eth0"),
            ("its XDP hook is taken by program 7 (other); xvrrp leaves it alone", "xdp off"),
            ("it takes VLAN tags out of frames; try `ethtool -K eth0 rxvlan off`", "rxvlan off"),
        ] {
            let fix = path("eth0", "socket", Some(why.to_owned())).fix.unwrap_or_default();
            assert!(fix.contains(wanted), "{why}: {fix}");
        }
        assert_eq!(path("eth0", "xdp-native", None).verdict, Verdict::Ok);
        assert_eq!(path("eth0", "socket", Some("--xdp-mode off".to_owned())).fix, None);
    }
}
