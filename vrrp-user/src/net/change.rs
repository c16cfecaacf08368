//! What can the kernel tell of links, addresses and routes, freed from how netlink says it.
use super::look::Look;
use crate::config::model::Name;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use vrrp_common::ident::Mac;

/// Number under which addresses and routes are marked as ours: the one keepalived has in the
/// kernel's list of routing protocols.
pub(crate) const PROTOCOL: u8 = 18;

/// One message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// A link is there, like this.
    Link(Device),
    /// A link is gone.
    LinkGone {
        /// Its index.
        ifindex: u32,
    },
    /// An address is there.
    Address(Held),
    /// An address is gone.
    AddressGone(Place),
    /// A route of ours is there.
    Route(Path),
    /// A route of ours is gone.
    RouteGone(Path),
}

/// A link as the kernel describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Device {
    /// Its index.
    pub(crate) ifindex: u32,
    /// Its name.
    pub(crate) name: Name,
    /// Its Ethernet address; zero for other kinds of link.
    pub(crate) mac: Mac,
    /// Its MTU.
    pub(crate) mtu: u32,
    /// Administratively up and with a carrier.
    pub(crate) up: bool,
    /// Administratively up.
    pub(crate) admin_up: bool,
    /// `promote_secondaries`: an IPv4 address is removed without those that follow it.
    pub(crate) promotes: bool,
    /// Times its carrier came or went: tells of a flap nobody saw.
    pub(crate) carrier_changes: u32,
}

/// Where an address is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Place {
    /// Index of the link.
    pub(crate) ifindex: u32,
    /// The address.
    pub(crate) address: IpAddr,
    /// Prefix length; the peer's, where there is one.
    pub(crate) prefix: u8,
    /// The other end of the line.
    pub(crate) peer: Option<IpAddr>,
}

/// An address of a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    /// Where.
    pub(crate) place: Place,
    /// What else is said of it.
    pub(crate) look: Look,
    /// IPv4: follows another one of its subnet.
    pub(crate) secondary: bool,
    /// IPv6: not usable, or not yet: tentative or found to be a duplicate.
    pub(crate) unusable: bool,
    /// IPv6: another host was found to have it.
    pub(crate) duplicate: bool,
    /// Marked with [`PROTOCOL`].
    pub(crate) ours: bool,
}

impl Held {
    /// What is there once the kernel has done what it was asked for.
    pub(crate) fn asked(place: Place, look: &Look) -> Self {
        let look = look.clone();
        Self { place, look, secondary: false, unusable: false, duplicate: false, ours: true }
    }
}

/// A route of ours, as it is asked for and as the kernel tells it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Path {
    /// Table.
    pub(crate) table: u32,
    /// Destination.
    pub(crate) destination: IpAddr,
    /// Prefix length.
    pub(crate) prefix: u8,
    /// Gateway.
    pub(crate) via: Option<IpAddr>,
    /// Outgoing link.
    pub(crate) ifindex: Option<u32>,
    /// Preferred source.
    pub(crate) source: Option<IpAddr>,
    /// Metric; 0 where none was given.
    pub(crate) metric: u32,
    /// Scope; where it is asked for.
    pub(crate) scope: Option<u8>,
}

/// What IPv6 makes of a route without metric.
const METRIC_V6: u32 = 1024;

impl Path {
    /// Whether `actual`, which the kernel told, is what was asked for.
    pub(crate) fn is(&self, actual: &Self) -> bool {
        let metric = |path: &Self| match (path.metric, path.destination) {
            (0, IpAddr::V6(_)) => METRIC_V6,
            (metric, _) => metric,
        };
        self.table == actual.table
            && self.destination == actual.destination
            && self.prefix == actual.prefix
            && metric(self) == metric(actual)
            && self.via == actual.via
            && self.source == actual.source
            && (self.ifindex.is_none() || self.ifindex == actual.ifindex)
    }
}

/// Those of `paths` that lead where `path` does.
pub(crate) fn alongside<'a>(
    paths: &'a BTreeSet<Path>,
    path: &Path,
) -> impl Iterator<Item = &'a Path> {
    // The least of all with this table, destination and prefix.
    let least = Path { via: None, ifindex: None, source: None, metric: 0, scope: None, ..*path };
    let head = |path: &Path| (path.table, path.destination, path.prefix);
    paths.range(least..).take_while(move |other| head(other) == head(&least))
}

/// One thing to be told to the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    /// Add an address.
    AddAddress {
        /// Where.
        place: Place,
        /// What else is said of it.
        look: Look,
    },
    /// Remove an address.
    DeleteAddress(Place),
    /// Set `promote_secondaries` of a link.
    Promote {
        /// The link.
        ifindex: u32,
        /// On or off.
        on: bool,
    },
    /// Add a route.
    AddRoute(Path),
    /// Remove a route.
    DeleteRoute(Path),
}

/// What became of an operation.
pub(crate) type Outcome = Result<(), Refusal>;

/// Why the kernel does not do something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// Its error number.
    pub(crate) errno: Errno,
    /// Its explanation, where it has one.
    pub(crate) why: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::io::Error::from(self.errno).to_string();
        let words = text.split(" (os error").next().unwrap_or(&text);
        match &self.why {
            Some(why) => write!(f, "{words}: {why}"),
            None => f.write_str(words),
        }
    }
}
