//! What does the nftables table of `no_accept` look like: its sets, its rules, its elements?
use super::nft::{Attributes, Kind, Transaction};
use crate::config::model::{Name, Vip};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Name of the table.
pub(super) const TABLE: &str = "xvrrp";
/// Elements in one message: a list of them is one attribute, and that has a length of 16 bits.
const ELEMENTS: usize = 500;

/// An address no packets are taken for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Refused {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    /// A link-local address is one of its interface only: another may have the same.
    OnLink(Ipv6Addr, Name),
}

impl Refused {
    pub(super) fn of(vip: &Vip) -> Self {
        match vip.address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                Self::OnLink(address, vip.dev.clone())
            }
            IpAddr::V6(address) => Self::V6(address),
        }
    }

    const fn set(&self) -> Set {
        match self {
            Self::V4(_) => Set::V4,
            Self::V6(_) => Set::V6,
            Self::OnLink(..) => Set::OnLink,
        }
    }

    fn key(&self) -> Vec<u8> {
        match self {
            Self::V4(address) => address.octets().to_vec(),
            Self::V6(address) => address.octets().to_vec(),
            Self::OnLink(address, dev) => {
                let mut key = address.octets().to_vec();
                key.extend(dev.bytes().take(15));
                key.resize(32, 0);
                key
            }
        }
    }
}

/// The sets of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Set {
    V4,
    V6,
    OnLink,
}

impl Set {
    const ALL: [Self; 3] = [Self::V4, Self::V6, Self::OnLink];

    const fn name(self) -> &'static str {
        match self {
            Self::V4 => "virtual_v4",
            Self::V6 => "virtual_v6",
            Self::OnLink => "virtual_link_local",
        }
    }

    /// The type by which `nft` shows a key, and its length.
    const fn key(self) -> (u32, u32) {
        const V4: u32 = 7;
        const V6: u32 = 8;
        const INTERFACE: u32 = 41;
        match self {
            Self::V4 => (V4, 4),
            Self::V6 => (V6, 16),
            Self::OnLink => (V6 << 6 | INTERFACE, 32),
        }
    }
}

/// Removes a table whether it is there or not.
pub(super) fn remove_table(transaction: &mut Transaction, name: &str) {
    let table = Attributes::default().text(1, name);
    transaction.add(Kind::NewTable, &table);
    transaction.add(Kind::DeleteTable, &table);
}

/// Removes a table that is there.
pub(super) fn delete_table(transaction: &mut Transaction, name: &str) {
    transaction.add(Kind::DeleteTable, &Attributes::default().text(1, name));
}

/// Makes the table with empty sets.
pub(super) fn make_table(transaction: &mut Transaction, table: &str) {
    let attributes = Attributes::default;
    transaction.add(Kind::NewTable, &attributes().text(1, table));
    for (id, set) in (1..).zip(Set::ALL) {
        let (kind, length) = set.key();
        let set = attributes().text(1, table).text(2, set.name());
        // Byte order of the keys, by which `nft` shows them.
        let order = [0, 4, 2, 0, 0, 0];
        let set = set.number(3, 0).number(4, kind).number(5, length).number(10, id);
        transaction.add(Kind::NewSet, &set.bytes(13, &order));
    }
    // Before the filters of others, as keepalived's. Input only: what others may send with a virtual
    // address as its source is theirs to know (section 8.1.1 wants redirects to come from it).
    let (local_in, just_before_filters, accept) = (1, u32::MAX, 1);
    let hook = attributes().number(1, local_in).number(2, just_before_filters);
    let chain = attributes().text(1, table).text(3, CHAIN).nested(4, &hook);
    transaction.add(Kind::NewChain, &chain.number(5, accept).text(7, "filter"));
    for rule in rules() {
        let rule = attributes().text(1, table).text(2, CHAIN).nested(4, &rule);
        transaction.add(Kind::NewRule, &rule);
    }
}

const CHAIN: &str = "input";

/// The rules, in order.
fn rules() -> [Attributes; 4] {
    const IPV4: u8 = 2;
    const IPV6: u8 = 10;
    const ICMPV6: u8 = 58;
    const SOLICITATION: u8 = 135;
    const ADVERTISEMENT: u8 = 136;
    let discovery = [
        family(),
        compare(EQUAL, IPV6),
        meta(1, L4_PROTOCOL),
        compare(EQUAL, ICMPV6),
        payload(TRANSPORT, 0, 1),
        compare(NOT_LESS, SOLICITATION),
        compare(NOT_MORE, ADVERTISEMENT),
        verdict(1),
    ];
    let to = |protocol, offset, length, set: Set| {
        [family(), compare(EQUAL, protocol), payload(NETWORK, offset, length), lookup(set)]
            .into_iter()
            .chain([expression("counter", &Attributes::default()), verdict(0)])
    };
    let on_link = [
        family(),
        compare(EQUAL, IPV6),
        payload(NETWORK, 24, 16),
        meta(2, IN_INTERFACE_NAME),
        lookup(Set::OnLink),
        expression("counter", &Attributes::default()),
        verdict(0),
    ];
    [
        list(discovery),
        list(to(IPV4, 16, 4, Set::V4)),
        list(to(IPV6, 24, 16, Set::V6)),
        list(on_link),
    ]
}

/// Keys of `meta`.
const IN_INTERFACE_NAME: u32 = 6;
const FAMILY: u32 = 15;
const L4_PROTOCOL: u32 = 16;
/// Comparisons.
const EQUAL: u32 = 0;
const NOT_MORE: u32 = 3;
const NOT_LESS: u32 = 5;
/// Where a payload is counted from.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

fn list(expressions: impl IntoIterator<Item = Attributes>) -> Attributes {
    expressions.into_iter().fold(Attributes::default(), |list, one| list.nested(1, &one))
}

fn expression(name: &str, data: &Attributes) -> Attributes {
    Attributes::default().text(1, name).nested(2, data)
}

/// Loads a property of the packet into a register.
fn meta(register: u32, key: u32) -> Attributes {
    expression("meta", &Attributes::default().number(1, register).number(2, key))
}

fn family() -> Attributes {
    meta(1, FAMILY)
}

/// Compares one byte in the first register.
fn compare(how: u32, value: u8) -> Attributes {
    let data = Attributes::default().bytes(1, &[value]);
    expression("cmp", &Attributes::default().number(1, 1).number(2, how).nested(3, &data))
}

/// Loads a part of the packet into the first register.
fn payload(base: u32, offset: u32, length: u32) -> Attributes {
    let place = Attributes::default().number(1, 1).number(2, base);
    expression("payload", &place.number(3, offset).number(4, length))
}

/// Whether the set has what begins in the first register; where not, the rule ends.
fn lookup(set: Set) -> Attributes {
    expression("lookup", &Attributes::default().text(1, set.name()).number(2, 1))
}

/// 0 drops the packet, 1 leaves it to the chains of others.
fn verdict(code: u32) -> Attributes {
    let verdict = Attributes::default().nested(2, &Attributes::default().number(1, code));
    expression("immediate", &Attributes::default().number(1, 0).nested(2, &verdict))
}

/// Adds elements to their sets, or deletes them.
pub(super) fn elements(transaction: &mut Transaction, kind: Kind, refused: &[Refused]) {
    for set in Set::ALL {
        let of_set: Vec<&Refused> = refused.iter().filter(|one| one.set() == set).collect();
        for some in of_set.chunks(ELEMENTS) {
            let keys = list(some.iter().map(|one| {
                let value = Attributes::default().bytes(1, &one.key());
                Attributes::default().nested(1, &value)
            }));
            let to = Attributes::default().text(1, TABLE).text(2, set.name());
            transaction.add(kind, &to.nested(3, &keys));
        }
    }
}
