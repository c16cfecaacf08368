//! How rtnetlink says rules.
use crate::config::model::Name;
use crate::config::routing::{Rule, RuleAction};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{RouteProtocol, RouteRealm};
use rtnetlink::packet_route::rule::{
    RuleAction as Action, RuleAttribute, RuleFlags, RuleMessage, RulePortRange, RuleUidRange,
};
use vrrp_common::ident::Family;

/// What stands for "no such limit" in `suppress_prefixlength` and `suppress_ifgroup`.
const NONE: u32 = u32::MAX;

/// The rule a message tells, as [`Rule::bare`] writes it; `None` where it is one that nobody can have
/// configured.
pub(super) fn rule(message: &RuleMessage) -> Option<Rule> {
    let header = &message.header;
    let family = match header.family {
        AddressFamily::Inet => Family::V4,
        AddressFamily::Inet6 => Family::V6,
        _ => return None,
    };
    let (mut mark, mut mask) = (0, 0);
    let (mut table, mut target) = (u32::from(header.table), 0);
    let mut rule = Rule::new(family, 0, RuleAction::Nop);
    rule.protocol = Some(0);
    rule.inverted = header.flags.contains(RuleFlags::Invert);
    rule.tos = header.tos;
    let mut l3mdev = false;
    let limit = |value: u32| (value != NONE).then_some(value);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Source(from) => rule.from = Some((*from, header.src_len)),
            RuleAttribute::Destination(to) => rule.to = Some((*to, header.dst_len)),
            RuleAttribute::Iifname(name) => rule.iif = Some(Name::from(name.as_str())),
            RuleAttribute::Oifname(name) => rule.oif = Some(Name::from(name.as_str())),
            RuleAttribute::Goto(priority) => target = *priority,
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::FwMark(value) => mark = *value,
            RuleAttribute::FwMask(value) => mask = *value,
            RuleAttribute::Realm(realm) => {
                rule.realms = u32::from(realm.source) << 16 | u32::from(realm.destination);
            }
            RuleAttribute::TunId(tunnel) => rule.tunnel = *tunnel,
            RuleAttribute::SuppressIfGroup(group) => rule.suppress_group = limit(*group),
            RuleAttribute::SuppressPrefixLen(length) => rule.suppress_prefix = limit(*length),
            RuleAttribute::Table(number) => table = *number,
            RuleAttribute::L3MDev(on) => l3mdev = *on,
            RuleAttribute::UidRange(users) => rule.users = Some((users.start, users.end)),
            RuleAttribute::Protocol(protocol) => rule.protocol = Some((*protocol).into()),
            RuleAttribute::IpProtocol(protocol) => rule.ip_protocol = Some((*protocol).into()),
            RuleAttribute::SourcePortRange(ports) => {
                rule.source_ports = Some((ports.start, ports.end));
            }
            RuleAttribute::DestinationPortRange(ports) => {
                rule.destination_ports = Some((ports.start, ports.end));
            }
            _ => {}
        }
    }
    rule.mark = ((mark, mask) != (0, 0)).then_some((mark, Some(mask)));
    rule.action = match header.action {
        Action::ToTable if l3mdev => RuleAction::L3mdev,
        Action::ToTable => RuleAction::Table(table),
        Action::Goto => RuleAction::Goto(target),
        Action::Nop => RuleAction::Nop,
        Action::Blackhole => RuleAction::Blackhole,
        Action::Unreachable => RuleAction::Unreachable,
        Action::Prohibit => RuleAction::Prohibit,
        _ => return None,
    };
    Some(rule)
}

/// The message that asks for a rule, or for its end.
pub(super) fn message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    let header = &mut message.header;
    header.family = family(rule.family);
    header.tos = rule.tos;
    if rule.inverted {
        header.flags |= RuleFlags::Invert;
    }
    let attributes = &mut message.attributes;
    if let Some((from, length)) = rule.from {
        header.src_len = length;
        attributes.push(RuleAttribute::Source(from));
    }
    if let Some((to, length)) = rule.to {
        header.dst_len = length;
        attributes.push(RuleAttribute::Destination(to));
    }
    header.action = match rule.action {
        RuleAction::Table(table) => {
            // Tables beyond a byte stand only in the attribute.
            header.table = u8::try_from(table).unwrap_or(0);
            attributes.push(RuleAttribute::Table(table));
            Action::ToTable
        }
        RuleAction::L3mdev => {
            attributes.push(RuleAttribute::L3MDev(true));
            Action::ToTable
        }
        RuleAction::Goto(target) => {
            attributes.push(RuleAttribute::Goto(target));
            Action::Goto
        }
        RuleAction::Nop => Action::Nop,
        RuleAction::Blackhole => Action::Blackhole,
        RuleAction::Unreachable => Action::Unreachable,
        RuleAction::Prohibit => Action::Prohibit,
    };
    attributes.push(RuleAttribute::Priority(rule.priority));
    if let Some((mark, mask)) = rule.mark {
        attributes.push(RuleAttribute::FwMark(mark));
        attributes.extend(mask.map(RuleAttribute::FwMask));
    }
    if rule.realms != 0 {
        let [a, b, c, d] = rule.realms.to_be_bytes();
        attributes.push(RuleAttribute::Realm(RouteRealm {
            source: u16::from_be_bytes([a, b]),
            destination: u16::from_be_bytes([c, d]),
        }));
    }
    let text = |name: &Name| name.to_string();
    attributes.extend(rule.iif.as_ref().map(text).map(RuleAttribute::Iifname));
    attributes.extend(rule.oif.as_ref().map(text).map(RuleAttribute::Oifname));
    attributes.extend(rule.suppress_prefix.map(RuleAttribute::SuppressPrefixLen));
    attributes.extend(rule.suppress_group.map(RuleAttribute::SuppressIfGroup));
    if rule.tunnel != 0 {
        attributes.push(RuleAttribute::TunId(rule.tunnel));
    }
    let users = rule.users.map(|(start, end)| RuleUidRange { start, end });
    attributes.extend(users.map(RuleAttribute::UidRange));
    let protocol = rule.protocol.map(RouteProtocol::from);
    attributes.extend(protocol.map(RuleAttribute::Protocol));
    let above = rule.ip_protocol.map(|number| RuleAttribute::IpProtocol(number.into()));
    attributes.extend(above);
    let range = |(start, end)| RulePortRange { start, end };
    attributes.extend(rule.source_ports.map(range).map(RuleAttribute::SourcePortRange));
    attributes.extend(rule.destination_ports.map(range).map(RuleAttribute::DestinationPortRange));
    message
}

pub(super) const fn family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}
