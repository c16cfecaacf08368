//! What does the JSON of `xvrrp show` hold.
//!
//! Durations are in milliseconds where the name ends in `_ms` and in microseconds where it ends in
//! `_us`. Fields are added, never renamed, within one `version` of the format.
use super::standard;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of this format.
pub const FORMAT: u32 = 1;

/// Everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the daemon.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// The configuration file in force.
    pub config: String,
    /// Why the last reload was refused, if it was.
    pub reload_error: Option<String>,
    /// Log lines that were dropped, for nobody read them in time.
    #[serde(default)]
    pub log_dropped: u64,
    /// Routers, by name.
    pub instances: Vec<Instance>,
    /// Sync groups, by name.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Static addresses, routes and rules.
    #[serde(default)]
    pub statics: Vec<Static>,
    /// Where adverts come in.
    pub ports: Vec<Port>,
    /// What the controller had to do itself.
    pub controller: Controller,
    /// The process under the names of RFC 8347 and RFC 6527.
    #[serde(default)]
    pub ietf_vrrp: standard::Process,
}

/// One virtual router.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Instance {
    /// Name in the configuration.
    pub name: String,
    /// Interface of its adverts.
    pub interface: String,
    /// Virtual router id.
    pub vrid: u8,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// VRRP version spoken.
    pub protocol: u8,
    /// Whether VRRPv2 is spoken beside it (`v2_interop`).
    pub v2_interop: bool,
    /// `INIT`, `BACKUP`, `MASTER` or `FAULT`.
    pub state: String,
    /// Its sync group.
    #[serde(default)]
    pub group: Option<String>,
    /// Effective priority.
    pub priority: u8,
    /// Configured priority.
    pub base_priority: u8,
    /// Time in this state.
    pub since_ms: u64,
    /// `self`, the address of the master, or nothing where none is known.
    pub master: Option<String>,
    /// Priority of another master.
    pub master_priority: Option<u8>,
    /// How adverts come in: `xdp-native`, `xdp-skb`, `socket`; nothing while the interface is missing.
    pub path: Option<String>,
    /// Address its own adverts come from.
    pub source: Option<String>,
    /// Whether a higher priority takes over from a lower master.
    pub preempt: bool,
    /// Own advertisement interval.
    pub advert_interval_us: u64,
    /// Active_Adver_Interval.
    pub master_interval_us: u64,
    /// Skew_Time.
    pub skew_us: u64,
    /// Active_Down_Interval.
    pub down_interval_us: u64,
    /// Time until its next timer ends: in BACKUP that of the master's silence.
    #[serde(default)]
    pub timer_ms: Option<u64>,
    /// Time for which it preempts no other master, for an operator demoted it.
    #[serde(default)]
    pub hold_ms: Option<u64>,
    /// Why it is in FAULT.
    pub faults: Vec<Fault>,
    /// What makes the effective priority differ from the configured one.
    pub weights: Vec<Weight>,
    /// Virtual addresses.
    pub addresses: Vec<Address>,
    /// Virtual routes.
    pub routes: Vec<Route>,
    /// Virtual rules.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Adverts sent.
    pub adverts_sent: u64,
    /// Adverts of priority 0 sent.
    pub priority_zero_sent: u64,
    /// Times it became master.
    pub became_master: u64,
    /// Times it stopped being master.
    pub released_master: u64,
    /// Received packets by verdict and remark.
    pub counters: BTreeMap<String, u64>,
    /// The router under the names of RFC 8347 and RFC 6527.
    #[serde(default)]
    pub ietf_vrrp: standard::Router,
}

/// One sync group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Group {
    /// Name in the configuration.
    pub name: String,
    /// The state of all of its members.
    pub state: String,
    /// Time in this state.
    pub since_ms: u64,
    /// Its members.
    pub members: Vec<String>,
    /// Those that have faults of their own.
    pub faulty: Vec<String>,
    /// Those that could be master, but wait for others.
    pub ready: Vec<String>,
}

/// One reason for FAULT.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Fault {
    /// Kind: `interface`, `no-source`, `dataplane`, `tracked-interface`, `address-interface`,
    /// `route-interface`, `rule-interface`, `static-interface`, `source-missing`, `script`, `file`, `process`, `awaited` or `group-member`.
    pub reason: String,
    /// What it is about.
    pub object: String,
    /// What is known of that, in words.
    #[serde(default)]
    pub detail: Option<String>,
}

/// One tracked object's part in the priority.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Weight {
    /// `interface`, `script`, `file` or `process`.
    #[serde(default)]
    pub kind: String,
    /// The object.
    pub object: String,
    /// What it adds.
    pub weight: i16,
    /// What is known of it, in words.
    #[serde(default)]
    pub detail: Option<String>,
}

/// One virtual address.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Address {
    /// With prefix length.
    pub address: String,
    /// Its interface.
    pub dev: String,
    /// Listed under `virtual_ipaddress_excluded`.
    pub excluded: bool,
    /// `absent`, `present`, `pending (link down)`, `pending (no device)` or `failed`.
    pub state: String,
    /// The kernel's words where it failed.
    pub why: Option<String>,
    /// Its interface causes no fault.
    pub no_track: bool,
    /// FAULT transitions that `no_track` prevented.
    pub prevented: u64,
    /// Gratuitous ARPs or neighbour advertisements sent.
    pub announced: u64,
    /// Times it was put back.
    pub repaired: u64,
}

/// One virtual route.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Route {
    /// As `ip route` writes it.
    pub route: String,
    /// As for an address.
    pub state: String,
    /// The kernel's words where it failed.
    pub why: Option<String>,
    /// Its interface causes no fault.
    pub no_track: bool,
}

/// One virtual rule.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rule {
    /// As `ip rule` writes it.
    pub rule: String,
    /// As for an address.
    pub state: String,
    /// The kernel's words where it failed.
    pub why: Option<String>,
    /// Its interfaces cause no fault.
    pub no_track: bool,
}

/// One static address, route or rule.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Static {
    /// What it is, as `ip` writes it.
    pub object: String,
    /// As for a virtual address.
    pub state: String,
    /// The kernel's words where it failed.
    pub why: Option<String>,
}

/// Where adverts come in.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Port {
    /// Interface.
    pub interface: String,
    /// VLAN id, where frames carry one.
    pub vlan: Option<u16>,
    /// `xdp-native`, `xdp-skb` or `socket`.
    pub path: String,
    /// Why not the fastest path.
    pub why: Option<String>,
    /// Kernel id of the XDP program.
    pub program_id: Option<u32>,
    /// Packets that belong to no router, by reason.
    pub counters: BTreeMap<String, u64>,
}

/// What the controller had to do itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Controller {
    /// Adverts handed over as news.
    pub events: u64,
    /// Times the dataplane woke it.
    pub wakeups: u64,
    /// Adverts the kernel would not send.
    pub send_errors: u64,
}

/// Only what is counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// By instance, by counter: what it sent and became, and what it received by verdict and remark.
    pub instances: BTreeMap<String, BTreeMap<String, u64>>,
    /// By interface, by reason: packets that belong to no router.
    pub ports: BTreeMap<String, BTreeMap<String, u64>>,
    /// What the controller had to do itself.
    pub controller: Controller,
}

/// One transition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When (RFC 3339, UTC).
    pub datetime: String,
    /// How long ago.
    pub ago_ms: u64,
    /// Name of the instance.
    pub instance: String,
    /// State before.
    pub from: String,
    /// State since.
    pub to: String,
    /// Effective priority.
    pub priority: u8,
    /// Why, in words.
    pub why: String,
}

/// The XDP program as the kernel knows it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Program {
    /// Kernel id.
    pub id: u32,
    /// Name.
    pub name: String,
    /// Instructions the verifier went through.
    pub verified_instructions: Option<u32>,
    /// Size in bytes before it was compiled for the processor.
    pub size: Option<u32>,
    /// Size in bytes for the processor; nothing where it is interpreted.
    pub jited_size: Option<u32>,
    /// Times it ran while the kernel counted them.
    pub runs: u64,
    /// Time it ran meanwhile.
    pub run_time_ns: u64,
    /// Whether the kernel counts runs at this moment.
    pub counting: bool,
    /// Where it is.
    pub interfaces: Vec<Hook>,
}

/// An interface and what was decided there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Hook {
    /// Interface.
    pub interface: String,
    /// `xdp-native`, `xdp-skb` or `socket`.
    pub path: String,
    /// Packets by verdict and remark, of all routers there and of none.
    pub counters: BTreeMap<String, u64>,
}
