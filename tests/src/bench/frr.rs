//! FRR as the one who is measured: what it needs that a configuration of keepalived does not say.
//!
//! FRR runs VRRP on macvlan interfaces that somebody else has made, one a router, each with the virtual
//! MAC address of its VRID; zebra tells vrrpd of them. What state its routers are in is asked of it,
//! for it tells nobody.
use super::topology::{Bed, batch};
use crate::lab::daemon::Directory;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where Debian has its programs.
const PROGRAMS: &str = "/usr/lib/frr";
/// Whose files they read.
const USER: &str = "frr:frr";

/// zebra, and the interfaces of every router.
pub struct Frr {
    zebra: Child,
    /// Removes the interfaces.
    removal: String,
    namespace: String,
}

/// A router, as far as FRR asks for it.
#[derive(Default)]
struct Router {
    interface: String,
    vrid: u8,
    priority: String,
    millis: u64,
    address: String,
}

/// The routers of a configuration that [`super::topology::configuration`] made.
fn routers(text: &str) -> Vec<Router> {
    let mut routers = Vec::new();
    let mut router = Router::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["interface", interface] => interface.clone_into(&mut router.interface),
            ["virtual_router_id", vrid] => router.vrid = vrid.parse().unwrap_or(0),
            ["priority", priority] => priority.clone_into(&mut router.priority),
            ["advert_int", seconds] => {
                let seconds: f64 = seconds.parse().unwrap_or(0.0);
                let millis = Duration::from_secs_f64(seconds).as_millis();
                router.millis = u64::try_from(millis).unwrap_or(0);
            }
            [address] => {
                if let Some(address) = address.strip_suffix("/32") {
                    address.clone_into(&mut router.address);
                    routers.push(std::mem::take(&mut router));
                }
            }
            _ => {}
        }
    }
    routers
}

impl Frr {
    /// Makes the interfaces, starts zebra, and starts vrrpd with the routers of `text`.
    pub fn start(bed: &Bed, directory: &Directory, text: &str) -> (Self, Child) {
        let (mut links, mut removal) = (String::new(), String::new());
        let mut lines: Vec<(String, String)> = Vec::new();
        for (number, router) in routers(text).iter().enumerate() {
            let Router { interface, vrid, priority, millis, address } = router;
            let dev = format!("m{number}");
            let mac = format!("00:00:5e:00:01:{vrid:02x}");
            let _ = write!(
                links,
                "link add {dev} link {interface} address {mac} type macvlan mode bridge\n\
                 addr add {address}/32 dev {dev}\nlink set {dev} up\n"
            );
            let _ = writeln!(removal, "link del {dev}");
            if lines.last().is_none_or(|(last, _)| last != interface) {
                lines.push((interface.clone(), format!("interface {interface}\n")));
            }
            if let Some((_, lines)) = lines.last_mut() {
                let _ = write!(
                    lines,
                    " vrrp {vrid} version 3\n vrrp {vrid} priority {priority}\n \
                     vrrp {vrid} advertisement-interval {millis}\n vrrp {vrid} ip {address}\n"
                );
            }
        }
        batch(&bed.dut, &links);
        let file = directory.join("vrrpd.conf");
        let text: String = lines.into_iter().map(|(_, lines)| lines).collect();
        std::fs::write(&file, text).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        // It gives up being root before it reads anything.
        let own = Command::new("chown").args(["-R", USER]).arg(directory.join("")).status();
        assert!(own.is_ok_and(|status| status.success()), "no user {USER}: is FRR installed?");
        let zebra = spawn(bed, directory, "zebra", None);
        let end = Instant::now() + Duration::from_secs(10);
        while !directory.join("zserv").exists() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let vrrpd = spawn(bed, directory, "vrrpd", Some(&file));
        let namespace = bed.dut.name().to_owned();
        (Self { zebra, removal, namespace }, vrrpd)
    }

    /// zebra's process.
    pub fn zebra(&self) -> u32 {
        self.zebra.id()
    }

    /// How many routers are in a state of keepalived's name for it now.
    pub fn count(&self, directory: &Directory, state: &str) -> usize {
        let mut ask = Command::new("vtysh");
        ask.arg("--vty_socket").arg(directory.join("")).args(["-c", "show vrrp json"]);
        let Ok(output) = ask.stderr(Stdio::null()).output() else { return 0 };
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let name = if state == "MASTER" { "Master" } else { "Backup" };
        let is = |router: &&Value| router["v4"]["status"].as_str() == Some(name);
        answer.as_array().map_or(0, |routers| routers.iter().filter(is).count())
    }
}

fn spawn(bed: &Bed, directory: &Directory, program: &str, file: Option<&Path>) -> Child {
    let mut command = Command::new(Path::new(PROGRAMS).join(program));
    command.arg("-i").arg(directory.join(&format!("{program}.pid")));
    command.arg("-z").arg(directory.join("zserv"));
    command.arg("--vty_socket").arg(directory.join("")).args(["-P", "0"]);
    // Nowhere.
    command.args(["--log", "file:/dev/null"]);
    if let Some(file) = file {
        command.arg("-f").arg(file);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = bed.dut.enter(|| command.spawn());
    child.unwrap_or_else(|error| panic!("cannot start FRR's {program}: {error}"))
}

impl Drop for Frr {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.zebra.id().cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.zebra.wait();
        let Ok(mut ip) = Command::new("ip")
            .args(["-n", &self.namespace, "-force", "-batch", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
        else {
            return;
        };
        if let Some(mut input) = ip.stdin.take() {
            let _ = std::io::Write::write_all(&mut input, self.removal.as_bytes());
        }
        let _ = ip.wait();
    }
}
