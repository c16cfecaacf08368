//! What can the kernel tell of links, addresses, routes and rules, freed from how netlink says it.
use super::look::Look;
use super::path::Path;
use crate::config::model::{Name, Rule};
use rustix::io::Errno;
use std::fmt;
use std::net::IpAddr;
use vrrp_common::ident::Mac;

/// Number under which addresses are marked as ours, and routes and rules if no other is configured.
pub(crate) const PROTOCOL: u8 = crate::config::routing::PROTOCOL;

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
    /// A route is there.
    Route(Path, Told),
    /// A route is gone.
    RouteGone(Path),
    /// A rule is there.
    Rule(Rule),
    /// A rule is gone.
    RuleGone(Rule),
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

/// On what occasion the kernel tells of a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// Someone asked, or we added it.
    Listed,
    /// It is new.
    New,
    /// It took the place of another.
    Replaced,
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
    /// Add a rule.
    AddRule(Rule),
    /// Remove a rule.
    DeleteRule(Rule),
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
