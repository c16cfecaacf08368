//! Is this packet a valid advert, and does it say what was expected.
//!
//! The checks of RFC 9568 section 7.1 in their order: the first fault names the packet, and a
//! rejected packet moves that one counter. The XDP program and the packet sockets run this code.
//!
//! Ours is what is sent to the VRRP group, and what is sent to the address a unicast router listens
//! on or to a group of its own. VRRP to any other unicast address passes: this host may be a router that forwards it.
//! A rule is looked up before anything is judged, so that a fault is counted for its router; where
//! there is none, both versions and checksum forms are right, and the VRID is what is wrong.
use super::bytes::Bytes;
use super::checksum::Sum;
use super::locate::{self, Contents, Envelope, Place, Tags, halves};
use super::vrrp::Header;
use crate::counter::Counter;
use crate::ident::{Family, Vrid};
use crate::layout::{LARGE_EVENT, Peer, PeerKey, Rank, Rule, rule_flag, rule_index};
use crate::proto;

/// What a packet is judged by.
pub trait Tables {
    /// The port of frames with these tags, where any router listens.
    fn port(&self, tags: Tags) -> Option<u32>;
    /// The rule at [`rule_index`].
    fn rule(&self, index: u32) -> Option<&Rule>;
    /// A unicast peer.
    fn peer(&self, key: &PeerKey) -> Option<Peer>;
    /// What a router expects, if it is this: source and VRRP header, in memory order.
    fn expected(&self, router: u32, source: [u64; 2], header: u64) -> Option<Match>;
    /// Whether what a router expects is a VRRPv3 advert from this source.
    fn expects_v3_of(&self, router: u32, source: [u64; 2]) -> bool;
}

/// An expectation that was met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Match {
    /// Its generation.
    pub generation: u32,
    /// Its remarks.
    pub remarks: u32,
}

/// Whose counter moves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Owner {
    /// A router's, by its number.
    Router(u32),
    /// A port's: the packet belongs to no router.
    Port(u32),
}

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Not ours: it goes on untouched.
    Pass,
    /// Dropped for this reason.
    Reject(Counter, Owner),
    /// A valid advert.
    Accept(Accepted),
}

/// What a valid advert is to its router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// To be handed over.
    News(Rank),
    /// What was expected, by this generation: it only stamps.
    Expected(u32),
    /// VRRPv2 beside the VRRPv3 of a sender that is followed: it only counts.
    Ignored,
}

/// A valid advert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// Whose.
    pub router: u32,
    /// The port it came in by.
    pub port: u32,
    /// What it is to that router.
    pub meaning: Meaning,
    /// Remarks: bit n for the counter with number n.
    pub remarks: u32,
    /// Flags of its rule.
    pub flags: u32,
    /// Where the IP packet begins.
    pub offset: usize,
    /// How long the IP packet is; at most [`LARGE_EVENT`].
    pub length: usize,
}

/// Why a packet that is ours is no valid advert.
enum Fault {
    /// By this check.
    Of(Counter),
    /// It goes on in a buffer that cannot be read here.
    OutOfReach,
}

impl From<Counter> for Fault {
    #[inline(always)]
    fn from(counter: Counter) -> Self {
        Self::Of(counter)
    }
}

/// Judges an Ethernet frame.
#[inline(always)]
pub fn frame<B: Bytes + ?Sized, T: Tables>(bytes: &B, tables: &T) -> Verdict {
    match locate::frame(bytes) {
        Some(place) => packet(bytes, place, tables),
        None => Verdict::Pass,
    }
}

/// Judges the IP packet at a place.
#[inline(always)]
pub fn packet<B: Bytes + ?Sized, T: Tables>(bytes: &B, place: Place, tables: &T) -> Verdict {
    let contents = locate::contents(bytes, place.family, place.ip);
    if contents == Contents::Other {
        return Verdict::Pass;
    }
    let Some(port) = tables.port(place.tags) else {
        return Verdict::Pass;
    };
    match contents {
        Contents::Other => Verdict::Pass,
        Contents::Faulty(counter) => Verdict::Reject(counter, Owner::Port(port)),
        Contents::Vrrp(envelope) => message(bytes, &envelope, port, tables),
    }
}

/// Judges a VRRP message.
#[inline(always)]
fn message<B: Bytes + ?Sized, T: Tables>(
    bytes: &B,
    envelope: &Envelope,
    port: u32,
    tables: &T,
) -> Verdict {
    let complete = envelope.length >= proto::HEADER_LEN;
    let header = if complete { bytes.word64(envelope.message) } else { None };
    let Some(header) = header.map(|word| Header(word.to_ne_bytes())) else {
        // Without its fixed bytes a message has no version, type or VRID to judge.
        return if !envelope.multicast || (complete && !bytes.whole()) {
            Verdict::Pass
        } else if envelope.hop_limit == proto::HOP_LIMIT {
            Verdict::Reject(Counter::Length, Owner::Port(port))
        } else {
            Verdict::Reject(Counter::Ttl, Owner::Port(port))
        };
    };
    let rule = match Vrid::new(header.vrid()) {
        Some(vrid) => tables.rule(rule_index(port, envelope.family, vrid)),
        None => None,
    };
    let Some(rule) = rule.filter(|rule| rule.router != 0) else {
        if !envelope.multicast {
            return Verdict::Pass;
        }
        let any = rule_flag::BOTH | rule_flag::CHECKSUM_PLAIN | rule_flag::CHECKSUM_PSEUDO;
        return match form(bytes, envelope, header, any) {
            Ok(_) => Verdict::Reject(Counter::Vrid, Owner::Port(port)),
            Err(Fault::Of(counter)) => Verdict::Reject(counter, Owner::Port(port)),
            Err(Fault::OutOfReach) => Verdict::Pass,
        };
    };
    let named = rule.flags & (rule_flag::UNICAST | rule_flag::OWN_GROUP) != 0
        && halves(&rule.local) == envelope.destination;
    if !(envelope.multicast || named) {
        return Verdict::Pass;
    }
    let own_group = named && rule.flags & rule_flag::OWN_GROUP != 0;
    let envelope = Envelope { multicast: envelope.multicast || own_group, ..*envelope };
    let router = rule.router - 1;
    match advert(bytes, &envelope, named, header, rule, tables) {
        Ok(remarks) => accept(&envelope, header, rule, (port, remarks), tables),
        Err(Fault::Of(counter)) => Verdict::Reject(counter, Owner::Router(router)),
        Err(Fault::OutOfReach) => Verdict::Pass,
    }
}

/// Every check of a packet whose rule is known; the remarks on it. `named` is whether it was sent to
/// the destination the rule names, if it names one.
#[inline(always)]
fn advert<B: Bytes + ?Sized, T: Tables>(
    bytes: &B,
    envelope: &Envelope,
    named: bool,
    header: Header,
    rule: &Rule,
    tables: &T,
) -> Result<u32, Fault> {
    let mut remarks = form(bytes, envelope, header, rule.flags)?;
    if rule.flags & (rule_flag::UNICAST | rule_flag::OWN_GROUP) != 0 && !named {
        return Err(Counter::ModeMismatch.into());
    }
    sender(envelope, rule, tables)?;
    if header.version() == 2 {
        authentication(bytes, envelope, header, rule)?;
        // RFC 3768 section 7.1. Beside VRRPv3 it is used as that of VRRPv3 is (RFC 9568 section
        // 8.4.2).
        if !takes_both(rule) && header.interval_v2() != rule.interval_v2 {
            return Err(Counter::Interval.into());
        }
    }
    if header.count() == 0 {
        // Erratum 8299 of RFC 9568.
        if rule.flags & rule_flag::NO_ADDRESSES == 0 {
            return Err(Counter::AddressCountZero.into());
        }
    } else if envelope.family == Family::V6 && rule.flags & rule_flag::FIRST_ADDRESS_ANY == 0 {
        // Erratum 8300.
        let first = bytes.at(envelope.message + proto::HEADER_LEN).ok_or(Counter::Length)?;
        if !is_link_local(*first) {
            return Err(Counter::FirstAddressNotLinkLocal.into());
        }
    }
    // Erratum 8301, and nobody can count by a VRRPv2 interval of zero either.
    let zero = match header.version() {
        2 => takes_both(rule) && header.interval_v2() == 0,
        _ => header.interval_v3() == 0,
    };
    if zero {
        return Err(Counter::IntervalZero.into());
    }
    if header.priority().0 == 0 {
        remarks |= 1 << Counter::PriorityZero as u32;
    }
    Ok(remarks)
}

/// How an advert ranks to the router it is for.
#[inline(always)]
const fn rank(header: Header, rule: &Rule) -> Rank {
    let priority = header.priority().0;
    if priority != 0 && priority < rule.priority { Rank::Lower } else { Rank::Rival }
}

/// Compares a valid advert with what was expected.
#[inline(always)]
fn accept<T: Tables>(
    envelope: &Envelope,
    header: Header,
    rule: &Rule,
    (port, remarks): (u32, u32),
    tables: &T,
) -> Verdict {
    let router = rule.router - 1;
    let (meaning, remarks) = if header.version() == 2
        && takes_both(rule)
        && tables.expects_v3_of(router, envelope.source)
    {
        // RFC 9568 section 8.4.2. What it says is said in VRRPv3 too, and remarked then.
        (Meaning::Ignored, 1 << Counter::V2Ignored as u32)
    } else {
        match tables.expected(router, envelope.source, u64::from_ne_bytes(header.0)) {
            Some(met) => (Meaning::Expected(met.generation), remarks | met.remarks),
            None => (Meaning::News(rank(header, rule)), remarks),
        }
    };
    Verdict::Accept(Accepted {
        router,
        port,
        meaning,
        remarks,
        flags: rule.flags,
        offset: envelope.ip,
        length: envelope.message - envelope.ip + envelope.length,
    })
}

/// Whether a router takes both versions, for a time of transition.
#[inline(always)]
const fn takes_both(rule: &Rule) -> bool {
    rule.flags & rule_flag::BOTH == rule_flag::BOTH
}

/// TTL, version, type, length and checksum: what is right or wrong whoever is meant.
#[inline(always)]
fn form<B: Bytes + ?Sized>(
    bytes: &B,
    envelope: &Envelope,
    header: Header,
    flags: u32,
) -> Result<u32, Fault> {
    // RFC 9568 sections 5.1.1.3 and 5.1.2.3. What a unicast packet may have left of its TTL is
    // known once its peer is.
    if envelope.multicast && envelope.hop_limit != proto::HOP_LIMIT {
        return Err(Counter::Ttl.into());
    }
    let (known, auth) = match header.version() {
        2 => (flags & rule_flag::V2 != 0, proto::AUTH_DATA_LEN),
        3 => (flags & rule_flag::V3 != 0, 0),
        _ => (false, 0),
    };
    if !known {
        return Err(Counter::Version.into());
    }
    if header.kind() != proto::ADVERTISEMENT {
        return Err(Counter::Type.into());
    }
    let addresses = header.count() as usize * envelope.family.address_len();
    let length = envelope.length;
    if length != proto::HEADER_LEN + addresses + auth
        || length > proto::MAX_MESSAGE
        || envelope.message - envelope.ip + length > LARGE_EVENT
    {
        return Err(Counter::Length.into());
    }
    let Some(sum) = bytes.sum(envelope.message, length) else {
        return Err(if bytes.whole() { Counter::Length.into() } else { Fault::OutOfReach });
    };
    checksum(envelope, header, flags, sum)
}

/// Which form of checksum is right, if any.
///
/// VRRPv2 over IPv4 sums the message (RFC 3768 section 5.3.8); IPv6 always adds the pseudo-header
/// (RFC 9568 section 5.2.8); VRRPv3 over IPv4 does so in RFC 5798 and does not in RFC 9568.
#[inline(always)]
fn checksum(envelope: &Envelope, header: Header, flags: u32, message: Sum) -> Result<u32, Fault> {
    let plain = || message.is_right();
    let pseudo = || {
        let ([a, b], [c, d]) = (envelope.source, envelope.destination);
        let addresses = message.add_memory64(a).add_memory64(b).add_memory64(c).add_memory64(d);
        addresses.add_word(proto::PROTOCOL as u16).add_length(envelope.length).is_right()
    };
    let remarks = if envelope.family == Family::V6 {
        pseudo().then_some(0)
    } else if header.version() == 2 {
        plain().then_some(0)
    } else {
        // The form we send ourselves first: as a rule it is right.
        const OTHER: u32 = 1 << Counter::OtherChecksumForm as u32;
        let takes_plain = flags & rule_flag::CHECKSUM_PLAIN != 0;
        let takes_pseudo = flags & rule_flag::CHECKSUM_PSEUDO != 0;
        match flags & rule_flag::SENDS_PSEUDO != 0 {
            true if takes_pseudo && pseudo() => Some(0),
            true => (takes_plain && plain()).then_some(OTHER),
            false if takes_plain && plain() => Some(0),
            false => (takes_pseudo && pseudo()).then_some(OTHER),
        }
    };
    remarks.ok_or(Fault::Of(Counter::Checksum))
}

/// Whether the sender can be one, and with unicast whether it is a peer.
#[inline(always)]
fn sender<T: Tables>(envelope: &Envelope, rule: &Rule, tables: &T) -> Result<(), Fault> {
    let unicast = rule.flags & rule_flag::UNICAST != 0;
    let source = envelope.source;
    let [a, b, c, d, ..] = source[0].to_ne_bytes();
    let right = match (envelope.family, unicast) {
        (Family::V4, _) => {
            let any = [a, b, c, d];
            any != [0; 4] && any != [255; 4] && a >> 4 != 14 && a != 127
        }
        // RFC 9568 section 5.1.2.1.
        (Family::V6, false) => is_link_local([a, b]),
        (Family::V6, true) => {
            let low = u64::from_be(source[1]);
            a != 0xff && (source[0] != 0 || low > 1)
        }
    };
    if !right {
        return Err(Counter::Source.into());
    }
    if source == halves(&rule.source) {
        return Err(Counter::OwnAddress.into());
    }
    if unicast {
        let mut key = PeerKey { router: rule.router - 1, pad: 0, source: [0; 16] };
        let (first, second) = key.source.split_at_mut(8);
        first.copy_from_slice(&source[0].to_ne_bytes());
        second.copy_from_slice(&source[1].to_ne_bytes());
        let peer = tables.peer(&key).ok_or(Counter::PeerSource)?;
        if envelope.hop_limit < peer.min_ttl || envelope.hop_limit > peer.max_ttl {
            return Err(Counter::Ttl.into());
        }
    }
    Ok(())
}

/// VRRPv2's authentication (RFC 3768 section 5.3.6, RFC 2338 section 5.3.6).
#[inline(always)]
fn authentication<B: Bytes + ?Sized>(
    bytes: &B,
    envelope: &Envelope,
    header: Header,
    rule: &Rule,
) -> Result<(), Fault> {
    let password = rule.flags & rule_flag::AUTH_PASS != 0;
    let ours = if password { proto::AUTH_PASS } else { proto::AUTH_NONE };
    if header.auth_type() > AUTH_HEADER {
        return Err(Counter::AuthTypeInvalid.into());
    }
    if header.auth_type() != ours {
        return Err(Counter::AuthTypeMismatch.into());
    }
    if password {
        let end = envelope.message + envelope.length;
        let theirs = bytes.word64(end - proto::AUTH_DATA_LEN).ok_or(Counter::Length)?;
        if theirs != u64::from_ne_bytes(rule.auth) {
            return Err(Counter::AuthFailure.into());
        }
    }
    Ok(())
}

/// The last type that was ever defined: IP Authentication Header (RFC 2338 section 5.3.6).
const AUTH_HEADER: u8 = 2;

/// fe80::/10.
#[inline(always)]
const fn is_link_local(first: [u8; 2]) -> bool {
    first[0] == 0xfe && first[1] & 0xc0 == 0x80
}
