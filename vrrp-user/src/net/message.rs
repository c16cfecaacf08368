//! How rtnetlink says it: changes read from messages, operations written as messages.
use super::change::{Change, Device, Held, Operation, PROTOCOL, Place, Told};
use super::look::{FOREVER, Look};
use super::{route_message, rule_message};
use crate::config::model::Treatment;
use crate::config::routing::Order;
use netlink_packet_core::{
    DefaultNla, Emitable, NLA_F_NESTED, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL,
    NLM_F_MULTIPART, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NlasIterator,
};
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, CacheInfo,
};
use rtnetlink::packet_route::link::{
    AfSpecInet, AfSpecUnspec, LinkAttribute, LinkFlags, LinkLayerType, LinkMessage,
};
use rtnetlink::packet_route::route::{RouteAddress, RouteMessage, RouteProtocol};
use rtnetlink::packet_route::rule::RuleMessage;
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use std::net::IpAddr;
use vrrp_common::ident::Mac;

/// Attribute of IPv4 settings within those of a link.
const INET_CONF: u16 = 1;
/// Number of `promote_secondaries` among them.
const PROMOTE_SECONDARIES: u16 = 20;

/// What a message with these flags tells, or `None` where it is about nothing of interest.
pub(crate) fn change(message: &RouteNetlinkMessage, flags: u16) -> Option<Change> {
    match message {
        // Bridges tell of their ports in messages of their own family: the link itself is not meant.
        RouteNetlinkMessage::NewLink(link)
            if link.header.interface_family == AddressFamily::Unspec =>
        {
            Some(Change::Link(device(link)?))
        }
        RouteNetlinkMessage::DelLink(link)
            if link.header.interface_family == AddressFamily::Unspec =>
        {
            Some(Change::LinkGone { ifindex: link.header.index })
        }
        RouteNetlinkMessage::NewAddress(address) => Some(Change::Address(held(address)?)),
        RouteNetlinkMessage::DelAddress(address) => Some(Change::AddressGone(held(address)?.place)),
        RouteNetlinkMessage::NewRoute(route) => {
            let told = if flags & NLM_F_MULTIPART != 0 {
                Told::Listed
            } else if flags & NLM_F_REPLACE != 0 {
                Told::Replaced
            } else {
                Told::New
            };
            Some(Change::Route(route_message::path(route)?, told))
        }
        RouteNetlinkMessage::DelRoute(route) => {
            Some(Change::RouteGone(route_message::path(route)?))
        }
        RouteNetlinkMessage::NewRule(rule) => Some(Change::Rule(rule_message::rule(rule)?)),
        RouteNetlinkMessage::DelRule(rule) => Some(Change::RuleGone(rule_message::rule(rule)?)),
        _ => None,
    }
}

fn device(message: &LinkMessage) -> Option<Device> {
    let header = &message.header;
    let mut device = Device {
        ifindex: header.index,
        name: "".into(),
        mac: Mac::default(),
        mtu: 0,
        // IFF_RUNNING is the operational state: up, or unknown where a driver does not tell.
        up: header.flags.contains(LinkFlags::Up | LinkFlags::Running),
        admin_up: header.flags.contains(LinkFlags::Up),
        promotes: false,
        carrier_changes: 0,
    };
    let ethernet = matches!(header.link_layer_type, LinkLayerType::Ether | LinkLayerType::Loopback);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => device.name = name.as_str().into(),
            LinkAttribute::AfSpecUnspec(families) => device.promotes = promotes(families),
            LinkAttribute::Mtu(mtu) => device.mtu = *mtu,
            LinkAttribute::CarrierChanges(changes) => device.carrier_changes = *changes,
            LinkAttribute::Address(bytes) if ethernet => {
                device.mac = Mac(bytes.as_slice().try_into().unwrap_or_default());
            }
            _ => {}
        }
    }
    (!device.name.is_empty()).then_some(device)
}

fn promotes(families: &[AfSpecUnspec]) -> bool {
    let inet = families.iter().find_map(|family| match family {
        AfSpecUnspec::Inet(settings) => Some(settings),
        _ => None,
    });
    inet.into_iter().flatten().any(
        |setting| matches!(setting, AfSpecInet::DevConf(conf) if conf.promote_secondaries != 0),
    )
}

fn held(message: &AddressMessage) -> Option<Held> {
    let header = &message.header;
    let (mut address, mut local) = (None, None);
    let mut flags = AddressFlags::from_bits_retain(u32::from(header.flags.bits()));
    let mut look = Look {
        label: None,
        broadcast: None,
        scope: header.scope.into(),
        treatment: Treatment::default(),
        preferred: FOREVER,
        valid: FOREVER,
    };
    let mut ours = false;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Address(ip) => address = Some(*ip),
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Flags(all) => flags = *all,
            AddressAttribute::Protocol(protocol) => ours = u8::from(*protocol) == PROTOCOL,
            AddressAttribute::Label(label) => look.label = Some(label.as_str().into()),
            AddressAttribute::Broadcast(broadcast) => look.broadcast = Some(*broadcast),
            AddressAttribute::CacheInfo(lifetimes) => {
                (look.preferred, look.valid) = (lifetimes.ifa_preferred, lifetimes.ifa_valid);
            }
            _ => {}
        }
    }
    let v6 = header.family == AddressFamily::Inet6;
    if v6 {
        look.scope = 0;
    }
    look.treatment = Treatment {
        detect_duplicates: v6 && !flags.contains(AddressFlags::Nodad),
        home: flags.contains(AddressFlags::Homeaddress),
        temporaries: flags.contains(AddressFlags::Managetempaddr),
        no_prefix_route: flags.contains(AddressFlags::Noprefixroute),
        join: flags.contains(AddressFlags::Mcautojoin),
    };
    let duplicate = flags.contains(AddressFlags::Dadfailed);
    let undecided =
        flags.contains(AddressFlags::Tentative) && !flags.contains(AddressFlags::Optimistic);
    let own = local.or(address)?;
    Some(Held {
        place: Place {
            ifindex: header.index,
            address: own,
            prefix: header.prefix_len,
            // On a point-to-point link the kernel calls the other end the address.
            peer: address.filter(|address| *address != own),
        },
        look,
        secondary: header.family == AddressFamily::Inet && flags.contains(AddressFlags::Secondary),
        unusable: duplicate || undecided,
        duplicate,
        ours,
    })
}

pub(super) fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}

/// A message with its header filled in, ready to be written.
pub(crate) fn request(
    body: RouteNetlinkMessage,
    flags: u16,
    sequence: u32,
) -> NetlinkMessage<RouteNetlinkMessage> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(header, body.into());
    message.finalize();
    message
}

/// An operation and the flags it is asked with.
pub(crate) fn operation(operation: &Operation) -> (RouteNetlinkMessage, u16) {
    const CREATE: u16 = NLM_F_CREATE | NLM_F_EXCL;
    match operation {
        Operation::AddAddress { place, look } => {
            let mut message = address(place);
            message.header.scope = look.scope.into();
            let attributes = &mut message.attributes;
            attributes.extend(look.broadcast.map(AddressAttribute::Broadcast));
            let label = look.label.as_ref().map(ToString::to_string);
            attributes.extend(label.map(AddressAttribute::Label));
            attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)));
            let flags = flags(look.treatment, place.address.is_ipv6());
            if !flags.is_empty() {
                attributes.push(AddressAttribute::Flags(flags));
            }
            if look.preferred != FOREVER {
                let mut lifetimes = CacheInfo::default();
                (lifetimes.ifa_preferred, lifetimes.ifa_valid) = (look.preferred, look.valid);
                attributes.push(AddressAttribute::CacheInfo(lifetimes));
            }
            (RouteNetlinkMessage::NewAddress(message), CREATE)
        }
        Operation::DeleteAddress(place) => (RouteNetlinkMessage::DelAddress(address(place)), 0),
        Operation::Promote { ifindex, on } => {
            let mut message = LinkMessage::default();
            message.header.index = *ifindex;
            message.attributes.push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet(vec![
                AfSpecInet::Other(DefaultNla::new(INET_CONF | NLA_F_NESTED, setting(*on))),
            ])]));
            (RouteNetlinkMessage::SetLink(message), 0)
        }
        Operation::AddRoute(path) => {
            let flags = NLM_F_CREATE
                | match path.order {
                    Order::Prepend => 0,
                    Order::Append => NLM_F_APPEND,
                    Order::Add => NLM_F_EXCL,
                };
            (RouteNetlinkMessage::NewRoute(route_message::route(&path.now())), flags)
        }
        Operation::DeleteRoute(path) => {
            (RouteNetlinkMessage::DelRoute(route_message::route(path)), 0)
        }
        Operation::AddRule(rule) => {
            (RouteNetlinkMessage::NewRule(rule_message::message(rule)), CREATE)
        }
        Operation::DeleteRule(rule) => {
            (RouteNetlinkMessage::DelRule(rule_message::message(rule)), 0)
        }
    }
}

fn flags(treatment: Treatment, v6: bool) -> AddressFlags {
    let Treatment { detect_duplicates, home, temporaries, no_prefix_route, join } = treatment;
    [
        // Duplicate address detection would delay the takeover, and find the old master.
        (v6 && !detect_duplicates, AddressFlags::Nodad),
        (home, AddressFlags::Homeaddress),
        (temporaries, AddressFlags::Managetempaddr),
        (no_prefix_route, AddressFlags::Noprefixroute),
        (join, AddressFlags::Mcautojoin),
    ]
    .into_iter()
    .filter_map(|(is, flag)| is.then_some(flag))
    .collect()
}

/// The value of `promote_secondaries` as an attribute. The crate's own form cannot say "off".
fn setting(on: bool) -> Vec<u8> {
    let attribute = DefaultNla::new(PROMOTE_SECONDARIES, u32::from(on).to_ne_bytes().to_vec());
    let mut bytes = vec![0; attribute.buffer_len()];
    attribute.emit(&mut bytes);
    bytes
}

fn address(place: &Place) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(place.address);
    message.header.prefix_len = place.prefix;
    message.header.index = place.ifindex;
    message.attributes.push(AddressAttribute::Local(place.address));
    message.attributes.push(AddressAttribute::Address(place.peer.unwrap_or(place.address)));
    message
}

pub(super) fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

/// What can be asked for as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dump {
    /// Every link.
    Links,
    /// Every address.
    Addresses,
    /// Routes of one family and protocol.
    RoutesV4(u8),
    /// Routes of one family and protocol.
    RoutesV6(u8),
    /// Rules of one family.
    RulesV4,
    /// Rules of one family.
    RulesV6,
}

/// A question for everything of a kind.
pub(crate) fn dump(dump: Dump) -> (RouteNetlinkMessage, u16) {
    let routes = |family, protocol: u8| {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        // A kernel that checks strictly leaves out all others: a router may hold a million.
        message.header.protocol = RouteProtocol::from(protocol);
        RouteNetlinkMessage::GetRoute(message)
    };
    let rules = |family| {
        let mut message = RuleMessage::default();
        message.header.family = family;
        RouteNetlinkMessage::GetRule(message)
    };
    let body = match dump {
        Dump::Links => RouteNetlinkMessage::GetLink(LinkMessage::default()),
        Dump::Addresses => RouteNetlinkMessage::GetAddress(AddressMessage::default()),
        Dump::RoutesV4(protocol) => routes(AddressFamily::Inet, protocol),
        Dump::RoutesV6(protocol) => routes(AddressFamily::Inet6, protocol),
        Dump::RulesV4 => rules(AddressFamily::Inet),
        Dump::RulesV6 => rules(AddressFamily::Inet6),
    };
    (body, NLM_F_DUMP)
}

/// The kernel's explanation of a refusal, in what follows the error number: the header of the
/// request, then attributes.
pub(crate) fn explanation(quoted: &[u8]) -> Option<String> {
    const HEADER_LEN: usize = 16;
    const MESSAGE: u16 = 1;
    let mut attributes = NlasIterator::new(quoted.get(HEADER_LEN..)?);
    let text = attributes.find_map(|attribute| {
        let attribute = attribute.ok()?;
        (attribute.kind() == MESSAGE).then(|| attribute.value().to_vec())
    })?;
    let text = String::from_utf8_lossy(&text);
    Some(text.trim_end_matches(['\0', '.']).to_owned()).filter(|text| !text.is_empty())
}
