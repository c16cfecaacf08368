//! How does a test get network namespaces of its own.
use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

static NEXT: AtomicU32 = AtomicU32::new(1);
static SWEEP: Once = Once::new();

/// A network namespace, removed on drop.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// A new namespace whose name says `tag`, with `lo` up. IPv6 addresses are usable at once
    /// (no duplicate address detection) and no link-local address is made up: tests choose theirs.
    pub fn new(tag: &str) -> Self {
        SWEEP.call_once(sweep);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("xv{}-{number}-{tag}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]));
        let namespace = Self { name };
        namespace.enter(|| {
            for (key, value) in [
                ("ipv6/conf/all/accept_dad", "0"),
                ("ipv6/conf/default/accept_dad", "0"),
                ("ipv6/conf/default/dad_transmits", "0"),
                ("ipv6/conf/default/addr_gen_mode", "1"),
                ("ipv6/conf/default/router_solicitations", "0"),
            ] {
                std::fs::write(format!("/proc/sys/net/{key}"), value)
                    .unwrap_or_else(|error| panic!("cannot set {key}: {error}"));
            }
        });
        namespace.ip("link set lo up");
        namespace
    }

    /// Its name, as in `ip netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` on a thread inside the namespace; sockets and processes made there stay there.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.name);
        let namespace = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .unwrap_or_else(|error| panic!("cannot enter {path}: {error}"));
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs `ip` inside and returns what it prints.
    #[track_caller]
    pub fn ip(&self, words: &str) -> String {
        self.try_ip(words).unwrap_or_else(|error| panic!("ip {words} in {}: {error}", self.name))
    }

    /// Runs `ip` inside; an error is what it complains about.
    pub fn try_ip(&self, words: &str) -> Result<String, String> {
        let output = Command::new("ip")
            .args(["-n", &self.name])
            .args(words.split_whitespace())
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Every address in the namespace as `DEV ADDRESS/PREFIX`.
    pub fn addresses(&self) -> BTreeSet<String> {
        // One line an address: "3: eth0    inet 10.0.0.1/24 scope global eth0".
        self.try_ip("-o addr show")
            .unwrap_or_default()
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace().skip(1);
                let dev = words.next()?;
                let family = words.next()?;
                let address = words.next()?;
                let address =
                    if address.contains('/') { address.to_owned() } else { plain(family, address) };
                Some(format!("{dev} {address}"))
            })
            .collect()
    }

    /// The Ethernet address of `dev`.
    #[track_caller]
    pub fn mac(&self, dev: &str) -> [u8; 6] {
        let link = self.ip(&format!("-o link show dev {dev}"));
        let mac = link.split("link/ether ").nth(1).and_then(|rest| rest.split(' ').next());
        let bytes: Option<Vec<u8>> = mac
            .into_iter()
            .flat_map(|mac| mac.split(':'))
            .map(|byte| u8::from_str_radix(byte, 16).ok())
            .collect();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.unwrap_or_else(|| panic!("no Ethernet address in {link}"))
    }

    /// Is `address` (with its prefix) on `dev`.
    pub fn has(&self, dev: &str, address: &str) -> bool {
        self.addresses().contains(&format!("{dev} {address}"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        delete(&self.name);
    }
}

/// `ip` leaves out the prefix length of a host address.
fn plain(family: &str, address: &str) -> String {
    format!("{address}/{}", if family == "inet6" { 128 } else { 32 })
}

/// Runs a command that must succeed.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Removes what test runs that no longer exist have left.
fn sweep() {
    let Ok(names) = std::fs::read_dir("/run/netns") else { return };
    for name in names.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let owner = name.strip_prefix("xv").and_then(|rest| rest.split('-').next());
        let Some(owner) = owner.and_then(|digits| digits.parse::<u32>().ok()) else { continue };
        if std::path::Path::new(&format!("/proc/{owner}")).exists() {
            continue;
        }
        let pids = Command::new("ip").args(["netns", "pids", &name]).output();
        for pid in pids.iter().flat_map(|output| output.stdout.split(|byte| *byte == b'\n')) {
            let pid = std::str::from_utf8(pid).ok().and_then(|text| text.trim().parse().ok());
            if let Some(pid) = pid.and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        delete(&name);
    }
}

fn delete(name: &str) {
    let _ = Command::new("ip").args(["netns", "del", name]).output();
}
