//! Routes and rules for routing as the validated configuration has them.
use super::model::Name;
use std::collections::BTreeMap;
use std::net::IpAddr;
use vrrp_common::ident::Family;

/// The number keepalived has in the kernel's list of routing protocols: what marks routes and rules
/// as ours unless the configuration says another.
pub const PROTOCOL: u8 = 18;
/// The main table.
pub const MAIN: u32 = 254;

/// A virtual or static route.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Route {
    /// `unicast`, `blackhole` and so on.
    pub kind: RouteKind,
    /// Destination; `default` is the unspecified address with prefix 0.
    pub destination: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// `from` (IPv6): which sources it is for.
    pub from: Option<(IpAddr, u8)>,
    /// `via` or `gw`.
    pub via: Option<IpAddr>,
    /// `dev`.
    pub dev: Option<Name>,
    /// `onlink`: the gateway is on the link, whatever the addresses say.
    pub onlink: bool,
    /// `nexthop`: several ways, instead of `via` and `dev`.
    pub hops: Vec<NextHop>,
    /// `src`.
    pub source: Option<IpAddr>,
    /// `scope` (IPv4).
    pub scope: Option<u8>,
    /// `table`.
    pub table: u32,
    /// `metric`, `priority` or `preference`.
    pub metric: Option<u32>,
    /// `tos` (IPv4).
    pub tos: Option<u8>,
    /// `protocol`; [`PROTOCOL`] where none is given.
    pub protocol: Option<u8>,
    /// `realms` (IPv4): source in the upper half, destination in the lower.
    pub realms: u32,
    /// `expires` (IPv6): seconds until the kernel drops it.
    pub expires: Option<u32>,
    /// `pref` (IPv6), as the kernel numbers it.
    pub preference: Option<u8>,
    /// `mtu`, `rtt` and so on.
    pub metrics: Metrics,
    /// Where it stands among routes to the same destination.
    pub order: Order,
    /// `no_track`: the state of [`Self::dev`] causes no fault.
    pub no_track: bool,
    /// `track_group` of a static route.
    pub track_group: Option<Name>,
}

/// What becomes of packets that match a route, as the kernel numbers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RouteKind(pub u8);

/// One of several ways.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NextHop {
    /// `via`.
    pub via: Option<IpAddr>,
    /// `dev`.
    pub dev: Option<Name>,
    /// `weight`, 1 to 256.
    pub weight: Option<u16>,
    /// `onlink`.
    pub onlink: bool,
    /// `realms` (IPv4).
    pub realms: u32,
}

/// Where a route stands among others to the same destination.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Order {
    /// `prepend`, the default: before them.
    #[default]
    Prepend,
    /// `append`: behind them.
    Append,
    /// `add`: refused where there is one.
    Add,
}

/// Properties of connections that use a route, by the kernel's numbers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Metrics {
    /// Numbers.
    pub values: BTreeMap<u16, u32>,
    /// `congctl`.
    pub congestion: Option<Name>,
    /// `lock`: those the kernel must not learn, a bit each.
    pub lock: u32,
}

/// Numbers of the kernel for [`Metrics`] (`RTAX_*`).
pub mod metric {
    /// `mtu`.
    pub const MTU: u16 = 2;
    /// `window`.
    pub const WINDOW: u16 = 3;
    /// `rtt`, in eighths of a millisecond.
    pub const RTT: u16 = 4;
    /// `rttvar`, in quarters of a millisecond.
    pub const RTT_VARIANCE: u16 = 5;
    /// `ssthresh`.
    pub const SLOW_START: u16 = 6;
    /// `cwnd`.
    pub const CONGESTION_WINDOW: u16 = 7;
    /// `advmss`.
    pub const SEGMENT: u16 = 8;
    /// `reordering`.
    pub const REORDERING: u16 = 9;
    /// `hoplimit`.
    pub const HOP_LIMIT: u16 = 10;
    /// `initcwnd`.
    pub const FIRST_WINDOW: u16 = 11;
    /// `features`, a bit each.
    pub const FEATURES: u16 = 12;
    /// `rto_min`, in milliseconds.
    pub const LEAST_TIMEOUT: u16 = 13;
    /// `initrwnd`.
    pub const FIRST_RECEIVE_WINDOW: u16 = 14;
    /// `quickack`.
    pub const QUICK_ACK: u16 = 15;
    /// `congctl`.
    pub const CONGESTION_CONTROL: u16 = 16;
    /// `fastopen_no_cookie`.
    pub const FAST_OPEN: u16 = 17;
}

impl RouteKind {
    /// Somewhere.
    pub const UNICAST: Self = Self(1);
    /// Every name of a kind, the first of each number the usual one.
    pub const NAMES: [(&str, u8); 10] = [
        ("unicast", 1),
        ("local", 2),
        ("broadcast", 3),
        ("brd", 3),
        ("anycast", 4),
        ("multicast", 5),
        ("blackhole", 6),
        ("unreachable", 7),
        ("prohibit", 8),
        ("throw", 9),
    ];

    /// Whether it leads to an interface.
    pub const fn leads(self) -> bool {
        self.0 < 6
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, number)| *number == self.0).map_or("unknown", |(name, _)| name)
    }
}

impl Route {
    /// A route with no option but its destination.
    pub const fn to(destination: IpAddr, prefix: u8) -> Self {
        Self {
            kind: RouteKind::UNICAST,
            destination,
            prefix,
            from: None,
            via: None,
            dev: None,
            onlink: false,
            hops: Vec::new(),
            source: None,
            scope: None,
            table: MAIN,
            metric: None,
            tos: None,
            protocol: None,
            realms: 0,
            expires: None,
            preference: None,
            metrics: Metrics { values: BTreeMap::new(), congestion: None, lock: 0 },
            order: Order::Prepend,
            no_track: false,
            track_group: None,
        }
    }

    /// The interface whose state matters to whoever has it.
    pub fn tracked(&self) -> Option<&Name> {
        self.dev.as_ref().filter(|_| !self.no_track)
    }

    /// Where it leads, as written.
    pub fn target(&self) -> String {
        if self.prefix == 0 && self.destination.is_unspecified() {
            "default".to_owned()
        } else {
            format!("{}/{}", self.destination, self.prefix)
        }
    }
}

/// A virtual or static rule: which table packets are looked up in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Rule {
    /// IPv4 or IPv6.
    pub family: Family,
    /// `preference`, `order` or `priority`; given out in the order of the file where there is none.
    pub priority: u32,
    /// `not`.
    pub inverted: bool,
    /// `from`.
    pub from: Option<(IpAddr, u8)>,
    /// `to`.
    pub to: Option<(IpAddr, u8)>,
    /// `tos`.
    pub tos: u8,
    /// `fwmark` and, after the slash, its mask.
    pub mark: Option<(u32, Option<u32>)>,
    /// `realms` (IPv4), as for a route.
    pub realms: u32,
    /// `iif` or `dev`.
    pub iif: Option<Name>,
    /// `oif`.
    pub oif: Option<Name>,
    /// `suppress_prefixlength`.
    pub suppress_prefix: Option<u32>,
    /// `suppress_ifgroup`.
    pub suppress_group: Option<u32>,
    /// `tunnel-id`.
    pub tunnel: u64,
    /// `uidrange`.
    pub users: Option<(u32, u32)>,
    /// `protocol`; [`PROTOCOL`] where none is given.
    pub protocol: Option<u8>,
    /// `ipproto`.
    pub ip_protocol: Option<u8>,
    /// `sport`.
    pub source_ports: Option<(u16, u16)>,
    /// `dport`.
    pub destination_ports: Option<(u16, u16)>,
    /// What becomes of packets that match.
    pub action: RuleAction,
    /// `no_track`: the state of its interfaces causes no fault.
    pub no_track: bool,
    /// `track_group` of a static rule.
    pub track_group: Option<Name>,
}

/// What becomes of packets that match a rule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RuleAction {
    /// `table` or `lookup`.
    Table(u32),
    /// `l3mdev`: the table of the VRF device.
    L3mdev,
    /// `goto`: on with the rule of this priority.
    Goto(u32),
    /// `nop`.
    Nop,
    /// `blackhole`.
    Blackhole,
    /// `unreachable`.
    Unreachable,
    /// `prohibit`.
    Prohibit,
}

impl Rule {
    /// A rule for every packet.
    pub const fn new(family: Family, priority: u32, action: RuleAction) -> Self {
        Self {
            family,
            priority,
            inverted: false,
            from: None,
            to: None,
            tos: 0,
            mark: None,
            realms: 0,
            iif: None,
            oif: None,
            suppress_prefix: None,
            suppress_group: None,
            tunnel: 0,
            users: None,
            protocol: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            action,
            no_track: false,
            track_group: None,
        }
    }

    /// The interfaces whose state matters to whoever has it.
    pub fn tracked(&self) -> impl Iterator<Item = &Name> {
        self.iif.iter().chain(&self.oif).filter(|_| !self.no_track)
    }

    /// As the kernel tells it: without what only we know, and with what it fills in.
    #[must_use]
    pub fn bare(&self) -> Self {
        let whole = |prefix: Option<(IpAddr, u8)>| prefix.filter(|(_, length)| *length > 0);
        let mark = self.mark.map(|(mark, mask)| match mask {
            Some(mask) => (mark, mask),
            None if mark == 0 => (0, 0),
            None => (mark, u32::MAX),
        });
        let mark = mark.filter(|mark| *mark != (0, 0)).map(|(mark, mask)| (mark, Some(mask)));
        Self {
            from: whole(self.from),
            to: whole(self.to),
            mark,
            protocol: Some(self.protocol.unwrap_or(PROTOCOL)),
            no_track: false,
            track_group: None,
            ..self.clone()
        }
    }
}

/// What is there from start to stop, whatever the instances' states.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Statics {
    /// `static_ipaddress`.
    pub addresses: Vec<StaticAddress>,
    /// `static_routes`.
    pub routes: Vec<Route>,
    /// `static_rules`.
    pub rules: Vec<Rule>,
    /// `track_group` blocks.
    pub groups: Vec<TrackGroup>,
}

/// A static address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StaticAddress {
    /// The address.
    pub vip: super::model::Vip,
    /// `track_group`.
    pub track_group: Option<Name>,
}

/// Instances to which the interfaces of static objects matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackGroup {
    /// Its name.
    pub name: Name,
    /// Instances.
    pub members: Vec<Name>,
}

impl Statics {
    /// The interfaces that matter to an instance.
    pub fn tracked<'a>(&'a self, instance: &'a str) -> impl Iterator<Item = &'a Name> {
        let addresses = self.addresses.iter().filter(|address| !address.vip.no_track);
        let addresses = addresses.map(|address| (&address.track_group, &address.vip.dev));
        let routes = self.routes.iter().filter_map(|r| Some((&r.track_group, r.tracked()?)));
        // Of a rule keepalived looks at the incoming interface only.
        let rules = self.rules.iter().filter(|rule| !rule.no_track);
        let rules = rules.filter_map(|rule| Some((&rule.track_group, rule.iif.as_ref()?)));
        let member = move |name: &Name| {
            let mut groups = self.groups.iter().filter(|group| group.name == *name);
            groups.any(|group| group.members.iter().any(|member| **member == *instance))
        };
        let tracked = addresses.chain(routes).chain(rules);
        tracked.filter_map(move |(group, dev)| group.as_ref().is_some_and(&member).then_some(dev))
    }
}
