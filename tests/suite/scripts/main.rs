//! Do programs run as keepalived runs them, and does whatever they do keep adverts from leaving.
//!
//! - [`told`][]: the lines of FIFOs and the arguments of notify programs, beside keepalived's
//! - [`hostile`][]: check scripts that hang, fork, flood and die
//! - [`whose`][]: who runs what, and what is refused
//! - [`tracked`][]: scripts, files and processes from the system to the state
mod hostile;
mod told;
mod tracked;
mod whose;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vrrp_tests::lab::conf::Vrrp;
use vrrp_tests::lab::daemon::Directory;
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::switch::{Port, Switch};

/// Longer than anything takes that is to happen.
const SOON: Duration = Duration::from_secs(15);

/// One router on a segment of its own, at 10.0.0.1/24 on `eth0`, and a directory for its programs.
struct Bed {
    switch: Switch,
    us: Namespace,
    port: Port,
    folder: Directory,
}

impl Bed {
    fn new() -> Self {
        let switch = Switch::new("sc");
        let us = Namespace::new("sc-us");
        let port = switch.attach(&us, "eth0");
        us.ip("addr add 10.0.0.1/24 dev eth0");
        Self { switch, us, port, folder: Directory::new("scripts") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A script in the directory.
    fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        write(&path, &format!("#!/bin/sh\n{text}\n"));
        mode(&path, 0o755);
        path
    }

    /// The lines of a file in the directory.
    fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .unwrap_or_else(|error| panic!("{path:?}: {error}"));
}

/// `VI_1` with one address at ten adverts a second.
fn plain() -> Vrrp {
    Vrrp::new("10.0.0.100/24")
}
