//! The validated configuration: what the rest of the program may take for granted.
//!
//! Everything here has passed validation: ranges hold, names are unique, a VRID is used once per
//! interface and family, every address of an instance but the excluded ones is of its family.
use super::place::Place;
use super::program::{Notify, Scripts};
pub use super::routing::{Route, Rule, Statics};
use super::tracked::{LinkDelay, Script, SyncGroup, TrackedFile, TrackedProcess, Tracks};
pub use super::vip::{Treatment, Vip};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use vrrp_common::ident::{Family, Priority, Version, Vrid};
use vrrp_common::wire::vrrp::{ChecksumForm, Header};

/// A name of an interface, an instance or another object, cheap to share.
pub type Name = Arc<str>;

/// A whole configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Config {
    /// `global_defs`.
    pub globals: Globals,
    /// `vrrp_instance` blocks in the order of the file.
    pub instances: Vec<Arc<Instance>>,
    /// `vrrp_sync_group` blocks in the order of the file; their members exist.
    pub groups: Vec<Arc<SyncGroup>>,
    /// `vrrp_script` blocks that something tracks.
    pub scripts: Vec<Arc<Script>>,
    /// `track_file` blocks that something tracks.
    pub files: Vec<Arc<TrackedFile>>,
    /// `vrrp_track_process` blocks that something tracks.
    pub tracked: Vec<Arc<TrackedProcess>>,
    /// `interface_up_down_delays`.
    pub link_delays: Vec<LinkDelay>,
    /// What is there whatever the instances' states.
    pub statics: Statics,
    /// `garp_group` blocks; an interface is in one at most.
    pub garp_groups: Vec<GarpGroup>,
}

/// `global_defs`, as far as it is not folded into the instances.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Globals {
    /// `router_id`.
    pub router_id: Option<String>,
    /// `dynamic_interfaces`: interfaces may be missing at start.
    pub dynamic_interfaces: bool,
    /// `allow_if_changes`: they may return as another kind, as they always may.
    pub interfaces_change: bool,
    /// `vrrp_startup_delay`.
    pub startup_delay: Duration,
    /// `notify_fifo`.
    pub notify_fifo: Option<PathBuf>,
    /// `vrrp_notify_fifo`.
    pub vrrp_notify_fifo: Option<PathBuf>,
    /// `vrrp_garp_interval`: least time between two gratuitous ARPs on an interface.
    pub garp_interval: Duration,
    /// `vrrp_gna_interval`: the same for unsolicited neighbour advertisements.
    pub gna_interval: Duration,
    /// `vrrp_notify_priority_changes`.
    pub notify_priority_changes: bool,
    /// How programs are run.
    pub scripts: Scripts,
    /// How the thread that adverts depend on is scheduled.
    pub scheduling: Scheduling,
    /// `vrrp_delay_after_boot`: stay quiet until so long after the boot.
    pub delay_after_boot: Duration,
    /// `net_namespace`.
    pub namespace: Option<String>,
    /// Where keepalived's dump files go.
    pub dump_files: DumpFiles,
    /// `metrics`: where they are served, unless the command line says so.
    pub metrics: Option<Place>,
    /// `reload_file`: there while the configuration is read at a reload.
    pub reload_file: Option<PathBuf>,
    /// `log_unknown_vrids`: adverts of VRIDs that are not configured are worth a warning.
    pub log_unknown_vrids: bool,
    /// `vrrp_netlink_monitor_rcv_bufs`: receive buffer of the netlink socket, in bytes.
    pub netlink_buffer: Option<u32>,
    /// What instances take that say nothing themselves: already in them, here for reports.
    pub defaults: Defaults,
}

/// How the thread that adverts depend on is scheduled, as of the start.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scheduling {
    /// `vrrp_priority`: nice value, -20 to 19.
    pub nice: Option<i8>,
    /// `vrrp_rt_priority`: real-time priority, 1 to 99.
    pub realtime: Option<u8>,
    /// `vrrp_cpu_affinity`: processors; empty for all.
    pub processors: Vec<u16>,
    /// `vrrp_no_swap`: memory stays in memory.
    pub no_swap: bool,
}

/// Where keepalived's dump files go, where not to its usual places.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DumpFiles {
    /// `state_dump_file`.
    pub state: Option<PathBuf>,
    /// `stats_dump_file`.
    pub stats: Option<PathBuf>,
    /// `json_dump_file`.
    pub json: Option<PathBuf>,
    /// `json_version 2`: the list is in an object.
    pub json_object: bool,
    /// `data_use_instance`: the state's file is named after [`Self::instance`] and the namespace.
    pub use_instance: bool,
    /// `instance`.
    pub instance: Option<String>,
}

/// Settings of `global_defs` for instances that say nothing themselves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Defaults {
    /// `default_interface`.
    pub interface: Option<Name>,
    /// `vrrp_version`.
    pub version: Version,
    /// `vrrp_mcast_group4`.
    pub group_v4: Ipv4Addr,
    /// `vrrp_mcast_group6`.
    pub group_v6: Ipv6Addr,
    /// `vrrp_garp_*`.
    pub garp: Garp,
    /// `vrrp_lower_prio_no_advert` off.
    pub answer_lower: bool,
    /// `vrrp_higher_prio_send_advert`.
    pub answer_higher: bool,
    /// `vrrp_down_timer_adverts`.
    pub down_timer_adverts: u8,
    /// `vrrp_check_unicast_src`.
    pub check_unicast_source: bool,
    /// `vrrp_skip_check_adv_addr`.
    pub skip_check_adv_addr: bool,
    /// `vrrp_strict`.
    pub strict: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            interface: None,
            version: Version::V2,
            group_v4: vrrp_common::proto::GROUP_V4,
            group_v6: vrrp_common::proto::GROUP_V6,
            garp: Garp::default(),
            answer_lower: true,
            answer_higher: false,
            down_timer_adverts: 3,
            check_unicast_source: false,
            skip_check_adv_addr: false,
            strict: false,
        }
    }
}

/// One `vrrp_instance`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    /// Its name.
    pub name: Name,
    /// Where it was declared.
    pub origin: Origin,
    /// `interface`: where adverts are sent and received.
    pub interface: Name,
    /// `virtual_router_id`.
    pub vrid: Vrid,
    /// `version`; 2 unless told otherwise, 3 for IPv6.
    pub version: Version,
    /// `v2_interop`, never but beside version 3 over IPv4: VRRPv2 is sent and taken too, for a time
    /// of transition (RFC 9568 section 8.4.2).
    pub v2_interop: bool,
    /// Family of the virtual addresses and the adverts.
    pub family: Family,
    /// `priority`; 255 is the address owner.
    pub priority: Priority,
    /// `state MASTER`: do not wait for a down interval at start.
    pub start_as_master: bool,
    /// `advert_int`: whole seconds for version 2, centiseconds for version 3.
    pub advert_interval: Duration,
    /// Not `nopreempt`.
    pub preempt: bool,
    /// `preempt_delay`.
    pub preempt_delay: Duration,
    /// `accept`: packets to the virtual addresses are for this host even when it is not the owner.
    pub accept: bool,
    /// Who the adverts go to and come from.
    pub transport: Transport,
    /// `unicast_src_ip` or `mcast_src_ip`; otherwise the interface's own address.
    pub source: Option<IpAddr>,
    /// `authentication`: VRRPv2 password, zero-padded. With `v2_interop` VRRPv3 adverts have none.
    pub password: Option<[u8; 8]>,
    /// Which checksum forms of VRRPv3 over IPv4 are taken; the first is sent.
    pub checksum: Checksum,
    /// `skip_check_adv_addr` off: compare the address list of every new master with ours.
    pub check_address_list: bool,
    /// `strict_mode` in version 2: an advert with another list than ours is dropped, unless the owner
    /// sent it (RFC 3768 section 7.1). Otherwise it is remarked and used, as keepalived does.
    pub drops_other_lists: bool,
    /// `virtual_ipaddress`: announced in adverts, in the order of the file. May be empty only with
    /// `no_virtual_ipaddress`.
    pub addresses: Vec<Vip>,
    /// `virtual_ipaddress_excluded`: owned but not announced; may be of either family.
    pub excluded: Vec<Vip>,
    /// `virtual_routes`.
    pub routes: Vec<Route>,
    /// `virtual_rules`.
    pub rules: Vec<Rule>,
    /// Interfaces of static objects that matter to it by a `track_group`.
    pub static_interfaces: Vec<Name>,
    /// `track_interface`.
    pub track_interfaces: Vec<TrackInterface>,
    /// `track_script`, `track_file`, `track_process`.
    pub tracks: Tracks,
    /// `dont_track_primary`: the state of [`Self::interface`] causes no fault.
    pub dont_track_primary: bool,
    /// `track_src_ip`: the absence of the given source address is a fault.
    pub track_source: bool,
    /// Gratuitous ARP and unsolicited neighbour advertisements.
    pub garp: Garp,
    /// `lower_prio_no_advert` off: answer a lower advert with our own at once (RFC 9568 section
    /// 6.4.3). Never for version 2 unless asked for.
    pub answer_lower: bool,
    /// `higher_prio_send_advert`: send one last advert when giving way to a higher one.
    pub answer_higher: bool,
    /// `down_timer_adverts`: missed adverts until the master is down; 3 in every RFC.
    pub down_timer_adverts: u8,
    /// `owner_ignore_adverts`.
    pub owner_ignore_adverts: bool,
    /// `strict_mode`: already in the other fields, here for reports.
    pub strict: bool,
    /// `notify_priority_changes`, the instance's, its group's or the global one.
    pub notify_priority_changes: bool,
    /// Whom to tell of changes.
    pub notify: Notify,
    /// `promote_secondaries` is set on [`Self::interface`] while the instance exists.
    pub promote_secondaries: bool,
    /// Restores keepalived's behaviour: a lost address is not repaired before the next MASTER entry.
    pub no_repair: bool,
}

/// A place in a configuration file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Origin {
    /// As given or included.
    pub file: Name,
    /// From 1.
    pub line: u32,
}

/// Multicast to the group, or unicast to peers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transport {
    /// `mcast_dst_ip` or the group of the RFC.
    Multicast {
        /// Destination of adverts.
        group: IpAddr,
    },
    /// `unicast_peer`.
    Unicast {
        /// At least one.
        peers: Vec<Peer>,
        /// `unicast_ttl`: TTL or hop limit of sent adverts.
        ttl: u8,
    },
}

/// One `unicast_peer`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// `min_ttl`.
    pub min_ttl: u8,
    /// `max_ttl`.
    pub max_ttl: u8,
}

/// Checksum forms of VRRPv3 over IPv4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checksum {
    /// Form of sent adverts.
    pub send: ChecksumForm,
    /// Received adverts may use the other form too.
    pub accept_both: bool,
}

/// One line of `track_interface`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackInterface {
    /// The interface.
    pub interface: Name,
    /// `weight`: 0 means its loss is a fault; positive adds while up, negative subtracts while down.
    pub weight: i16,
    /// `reverse`: the other way round.
    pub reverse: bool,
}

/// When and how often virtual addresses are announced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Garp {
    /// `garp_master_delay`: second round after becoming master; zero for none.
    pub delay: Duration,
    /// `garp_master_repeat`: announcements per address and round.
    pub repeat: u32,
    /// `garp_master_refresh`: periodic rounds while master; zero for none.
    pub refresh: Duration,
    /// `garp_master_refresh_repeat`.
    pub refresh_repeat: u32,
    /// `garp_lower_prio_delay`.
    pub lower_delay: Duration,
    /// `garp_lower_prio_repeat`: announcements after a lower master was heard; zero for none.
    pub lower_repeat: u32,
    /// `garp_extra_if all`: time between announcements of one address on each interface but the
    /// instance's while master; zero for none.
    pub elsewhere: Duration,
}

/// One `garp_group`: interfaces that share their pauses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GarpGroup {
    /// `garp_interval`: least time between two gratuitous ARPs on any of them.
    pub garp_interval: Option<Duration>,
    /// `gna_interval`: the same for unsolicited neighbour advertisements.
    pub gna_interval: Option<Duration>,
    /// `interface` and `interfaces`.
    pub interfaces: Vec<Name>,
    /// It has a block `interfaces`, for which keepalived gives it a number.
    pub numbered: bool,
}

impl Default for Garp {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(5),
            repeat: 5,
            refresh: Duration::ZERO,
            refresh_repeat: 1,
            lower_delay: Duration::from_secs(5),
            lower_repeat: 5,
            elsewhere: Duration::ZERO,
        }
    }
}

impl Instance {
    /// An instance with keepalived's defaults and no addresses.
    pub fn new(
        name: impl Into<Name>,
        interface: impl Into<Name>,
        vrid: Vrid,
        family: Family,
    ) -> Self {
        let group = match family {
            Family::V4 => IpAddr::V4(vrrp_common::proto::GROUP_V4),
            Family::V6 => IpAddr::V6(vrrp_common::proto::GROUP_V6),
        };
        let version = match family {
            Family::V4 => Version::V2,
            Family::V6 => Version::V3,
        };
        Self {
            name: name.into(),
            origin: Origin::default(),
            interface: interface.into(),
            vrid,
            version,
            v2_interop: false,
            family,
            priority: Priority::DEFAULT,
            start_as_master: false,
            advert_interval: Duration::from_secs(1),
            preempt: true,
            preempt_delay: Duration::ZERO,
            accept: true,
            transport: Transport::Multicast { group },
            source: None,
            password: None,
            checksum: Checksum { send: ChecksumForm::PseudoHeader, accept_both: true },
            check_address_list: true,
            drops_other_lists: false,
            addresses: Vec::new(),
            excluded: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            static_interfaces: Vec::new(),
            track_interfaces: Vec::new(),
            tracks: Tracks::default(),
            dont_track_primary: false,
            track_source: false,
            garp: Garp::default(),
            answer_lower: version == Version::V3,
            answer_higher: false,
            down_timer_adverts: 3,
            owner_ignore_adverts: false,
            strict: false,
            notify_priority_changes: false,
            notify: Notify::default(),
            promote_secondaries: false,
            no_repair: false,
        }
    }

    /// What each of its adverts is sent in, the better version first: who hears it ignores the other
    /// from then on.
    pub fn versions(&self) -> impl Iterator<Item = Version> {
        [Some(self.version), self.v2_interop.then_some(Version::V2)].into_iter().flatten()
    }

    /// Its interval as VRRPv2 says it: in whole seconds, and rather too long than too short, so
    /// that nobody takes over too soon.
    pub const fn interval_v2(&self) -> Duration {
        let interval = self.advert_interval;
        Duration::from_secs(interval.as_secs() + (interval.subsec_nanos() > 0) as u64)
    }

    /// Whether an advert that passed every other check is dropped for its address list.
    pub fn drops(&self, header: Header, same_addresses: bool) -> bool {
        self.drops_other_lists && !same_addresses && header.priority() != Priority::OWNER
    }

    /// Every address it owns while master: announced ones first, then excluded ones. The position
    /// in this order is the address's number in engine inputs and reports.
    pub fn vips(&self) -> impl Iterator<Item = &Vip> {
        self.addresses.iter().chain(&self.excluded)
    }
}
