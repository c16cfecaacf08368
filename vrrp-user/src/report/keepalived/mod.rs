//! How does the daemon look in keepalived's own dump files.
//!
//! Exporters, network systems and scripts read `keepalived.data`, `keepalived.stats` and
//! `keepalived.json`, so the lines, their order and their indentation are those of keepalived 2.2.7.
//! Nothing is read here: what a line needs besides the configuration is in [`Dump`].
//!
//! - `data`: `keepalived.data`, with `globals`, `pauses`, `statics`, `instance`, `tracked` and `links`
//! - `stats`: `keepalived.stats`
//! - `json`: `keepalived.json`
//! - `address`, `routing`: addresses, routes and rules as they are written in all three
pub mod address;
pub mod data;
pub mod globals;
pub mod instance;
pub mod json;
pub mod links;
pub mod pauses;
pub mod routing;
pub mod statics;
pub mod stats;
#[cfg(test)]
mod tests;
pub mod tracked;

use crate::config::model::{Config, Name};
use crate::config::program::Program;
use crate::engine::snapshot::{RouterSnapshot, State};
use crate::net::task::OwnedReport;
use crate::report::standard::Clock;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use vrrp_common::ident::Version;
use vrrp_common::layout::Counts;
use vrrp_common::time::Instant;

/// Everything the files tell, of one moment.
pub struct Dump<'a> {
    /// The configuration in force.
    pub config: &'a Config,
    /// Routers in the order of the configuration.
    pub routers: &'a [Router],
    /// When it was taken.
    pub clock: Clock,
    /// A moment since 1970 as `ctime` writes it in local time, without the end of line.
    pub date: &'a dyn Fn(Duration) -> String,
    /// What is run for a program of the configuration, and by whom.
    pub program: &'a dyn Fn(&Program) -> Runs,
    /// User and group of programs that name none.
    pub user: (u32, u32),
    /// The interfaces of this host.
    pub links: &'a [Link],
    /// What the kernel has of static objects.
    pub statics: &'a OwnedReport,
    /// What is known of tracked objects.
    pub watched: &'a Watched,
    /// `keepalived`'s file creation mask.
    pub umask: u32,
    /// The network namespace the daemon was told to live in.
    pub namespace: Option<&'a str>,
}

/// One router.
pub struct Router {
    /// What the engine knows.
    pub engine: RouterSnapshot,
    /// What was counted.
    pub counts: Counts,
    /// What the kernel has.
    pub owned: OwnedReport,
}

/// A program as it is run.
pub struct Runs {
    /// Path and arguments.
    pub words: Vec<String>,
    /// User and group.
    pub user: (u32, u32),
}

/// One interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// IPv4 addresses that are not virtual ones.
    pub v4: Vec<Ipv4Addr>,
    /// IPv6 link-local addresses that are not virtual ones.
    pub v6: Vec<Ipv6Addr>,
    /// Hardware address.
    pub mac: Vec<u8>,
    /// Hardware broadcast address.
    pub broadcast: Vec<u8>,
    /// `IFF_*`.
    pub flags: u32,
    /// MTU in bytes.
    pub mtu: u32,
    /// `ARPHRD_*`.
    pub hardware: u16,
    /// It is of a kind that is made, such as veth, bridge or VLAN, and no card.
    pub made: bool,
    /// Settings of IPv4 on it.
    pub settings: Settings,
}

/// Settings of IPv4 on an interface, as the kernel has them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// `arp_ignore`, not which kind of it.
    pub arp_ignore: bool,
    /// `arp_filter`.
    pub arp_filter: bool,
    /// `rp_filter`.
    pub rp_filter: i32,
    /// `promote_secondaries`.
    pub promote_secondaries: bool,
}

/// What is known of tracked objects.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Watched {
    /// Scripts that have ended at least once, and whether they count as good.
    pub scripts: BTreeMap<Name, bool>,
    /// Scripts that are running now.
    pub running: BTreeSet<Name>,
    /// Numbers in files.
    pub files: BTreeMap<Name, i64>,
    /// Numbers of processes.
    pub processes: BTreeMap<Name, u32>,
}

impl Dump<'_> {
    /// A moment of the monotonic clock on that of people.
    fn wall(&self, at: Instant) -> Duration {
        if at > self.clock.now {
            self.clock.wall + at.since(self.clock.now)
        } else {
            self.clock.wall.saturating_sub(self.clock.now.since(at))
        }
    }

    /// `SECONDS.MICROSECONDS (DATE)`.
    fn moment(&self, at: Instant) -> String {
        let wall = self.wall(at);
        format!("{} ({})", seconds(wall), (self.date)(wall))
    }

    /// `'WORD' 'WORD'`, and the ids that run it.
    fn command(&self, program: &Program) -> (String, (u32, u32)) {
        let runs = (self.program)(program);
        let words: Vec<_> = runs.words.iter().map(|word| format!("'{word}'")).collect();
        (words.join(" "), runs.user)
    }

    /// The state of a sync group: its members are in it together.
    fn group_state(&self, members: &[Name]) -> State {
        let states = self
            .routers
            .iter()
            .filter(|router| members.contains(&router.engine.instance.name))
            .map(|router| router.engine.state);
        let mut states: Vec<State> = states.collect();
        states.sort_unstable();
        match (states.first(), states.last()) {
            (_, Some(State::Fault)) => State::Fault,
            (Some(State::Active), _) => State::Active,
            (Some(State::Initialize), _) | (None, _) => State::Initialize,
            (Some(State::Backup | State::Fault), _) => State::Backup,
        }
    }
}

const fn number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}

/// `SECONDS.MICROSECONDS`.
fn seconds(time: Duration) -> String {
    format!("{}.{:06}", time.as_secs(), time.subsec_micros())
}

/// Seconds in six digits at most, as C's `%g` writes numbers.
fn short(time: Duration) -> String {
    let digits = format!("{:.5e}", time.as_secs_f64());
    let (mantissa, exponent) = digits.split_once('e').unwrap_or((&digits, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let bare = |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    match usize::try_from(5 - exponent) {
        Ok(0) => format!("{:.0}", time.as_secs_f64()),
        Ok(decimals) if exponent >= -4 => bare(&format!("{:.decimals$}", time.as_secs_f64())),
        _ => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", bare(mantissa), exponent.abs())
        }
    }
}

/// `IFF_*`, as far as it is shown.
mod flag {
    pub(super) const UP: u32 = 0x1;
    pub(super) const BROADCAST: u32 = 0x2;
    pub(super) const LOOPBACK: u32 = 0x8;
    pub(super) const POINT_TO_POINT: u32 = 0x10;
    pub(super) const RUNNING: u32 = 0x40;
    pub(super) const NO_ARP: u32 = 0x80;
    pub(super) const MULTICAST: u32 = 0x1000;
}

/// A growing text of lines.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, line: fmt::Arguments<'_>) {
        use fmt::Write as _;
        let _infallible = writeln!(self.0, "{line}");
    }
}

/// Adds a line.
macro_rules! line {
    ($to:expr, $($words:tt)*) => { $to.line(format_args!($($words)*)) };
}
use line;

const fn switch(on: bool, yes: &'static str, no: &'static str) -> &'static str {
    if on { yes } else { no }
}
