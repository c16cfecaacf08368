//! What is said of a virtual address.
use super::model::Name;
use std::net::{IpAddr, Ipv4Addr};

/// A virtual address.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Vip {
    /// The address.
    pub address: IpAddr,
    /// Prefix length; with a peer, the whole address.
    pub prefix: u8,
    /// `dev`, or the instance's interface.
    pub dev: Name,
    /// `label` (IPv4).
    pub label: Option<Name>,
    /// `brd` (IPv4): none, `+`/`-` computed, or given.
    pub broadcast: Option<Ipv4Addr>,
    /// `scope` (IPv4), as rtnetlink numbers it (0 global, 253 link, 254 host).
    pub scope: u8,
    /// `no_track`: the state of [`Self::dev`] causes no fault.
    pub no_track: bool,
    /// `peer`, of the same family: the other end of the line.
    pub peer: Option<IpAddr>,
    /// `preferred_lft` (IPv6): seconds it may be chosen as the source of new connections; `None` for
    /// ever.
    pub preferred: Option<u32>,
    /// How the kernel is to treat it.
    pub treatment: Treatment,
}

/// How the kernel is to treat an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Treatment {
    /// `-nodad` (IPv6): duplicate address detection, which is otherwise left out.
    pub detect_duplicates: bool,
    /// `home` (IPv6): the home address of mobile IPv6.
    pub home: bool,
    /// `mngtmpaddr` (IPv6): temporary addresses are made from it.
    pub temporaries: bool,
    /// `noprefixroute`: no route to its subnet comes with it.
    pub no_prefix_route: bool,
    /// `autojoin`: it is a multicast group, to be joined.
    pub join: bool,
}

impl Vip {
    /// An address of which nothing else is said.
    pub fn new(address: IpAddr, prefix: u8, dev: &str) -> Self {
        Self {
            address,
            prefix,
            dev: dev.into(),
            label: None,
            broadcast: None,
            scope: 0,
            no_track: false,
            peer: None,
            preferred: Self::usual_preference(address, prefix),
            treatment: Treatment::default(),
        }
    }

    /// keepalived's `preferred_lft` where none is given: an IPv6 address without a subnet is not to be
    /// chosen as a source.
    pub(in crate::config) fn usual_preference(address: IpAddr, prefix: u8) -> Option<u32> {
        (address.is_ipv6() && prefix == 128).then_some(0)
    }
}
