//! What is written into the configuration files of tests.
use std::fmt;

/// A `vrrp_instance` both daemons understand.
#[derive(Clone, Debug)]
pub struct Vrrp {
    /// Its name.
    pub name: String,
    /// `interface`.
    pub interface: String,
    /// `virtual_router_id`.
    pub vrid: u16,
    /// `version`.
    pub version: u8,
    /// `priority`.
    pub priority: u8,
    /// `advert_int`.
    pub interval: String,
    /// Lines of `virtual_ipaddress`.
    pub vips: Vec<String>,
    /// Anything else, a line each.
    pub lines: Vec<String>,
}

impl Vrrp {
    /// `VI_1` on `eth0` with one address, VRRPv3 at ten adverts a second.
    pub fn new(vip: &str) -> Self {
        Self {
            name: "VI_1".into(),
            interface: "eth0".into(),
            vrid: 51,
            version: 3,
            priority: 100,
            interval: "0.1".into(),
            vips: vec![vip.into()],
            lines: Vec::new(),
        }
    }

    /// With another priority.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// With another name and VRID.
    #[must_use]
    pub fn called(mut self, name: &str, vrid: u16) -> Self {
        self.name = name.into();
        self.vrid = vrid;
        self
    }

    /// In another version, at another interval.
    #[must_use]
    pub fn version(mut self, version: u8, interval: &str) -> Self {
        self.version = version;
        self.interval = interval.into();
        self
    }

    /// With one more address.
    #[must_use]
    pub fn vip(mut self, vip: &str) -> Self {
        self.vips.push(vip.into());
        self
    }

    /// With one more line.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.into());
        self
    }
}

impl fmt::Display for Vrrp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "vrrp_instance {} {{", self.name)?;
        writeln!(f, "    state BACKUP\n    interface {}", self.interface)?;
        writeln!(f, "    virtual_router_id {}\n    version {}", self.vrid, self.version)?;
        writeln!(f, "    priority {}\n    advert_int {}", self.priority, self.interval)?;
        // Without it keepalived blocks VRRPv3 addresses with a firewall it may not have.
        if self.version == 3 {
            writeln!(f, "    accept")?;
        }
        for line in &self.lines {
            writeln!(f, "    {line}")?;
        }
        if !self.vips.is_empty() {
            writeln!(f, "    virtual_ipaddress {{")?;
            for vip in &self.vips {
                writeln!(f, "        {vip}")?;
            }
            writeln!(f, "    }}")?;
        }
        writeln!(f, "}}")
    }
}

/// A file with these instances and `globals` inside `global_defs`.
pub fn file(globals: &str, instances: &[Vrrp]) -> String {
    let mut text = format!("global_defs {{\n    router_id lab\n{globals}\n}}\n");
    for instance in instances {
        text.push_str(&instance.to_string());
    }
    text
}
