//! What does `keepalived.stats` hold: what each instance has counted.
use super::{Lines, Router, line};
use vrrp_common::counter::Counter;
use vrrp_common::layout::Counts;

/// keepalived's counters of one router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    /// `advert_rcvd`.
    pub received: u64,
    /// `advert_sent`.
    pub sent: u64,
    /// `become_master`.
    pub became_master: u64,
    /// `release_master`.
    pub released_master: u64,
    /// `packet_len_err`.
    pub length: u64,
    /// `advert_interval_err`.
    pub interval: u64,
    /// `ip_ttl_err`.
    pub ttl: u64,
    /// `invalid_type_rcvd`.
    pub kind: u64,
    /// `addr_list_err`.
    pub addresses: u64,
    /// `invalid_authtype`.
    pub auth_type: u64,
    /// `authtype_mismatch`.
    pub auth_mismatch: u64,
    /// `auth_failure`.
    pub auth_failure: u64,
    /// `pri_zero_rcvd`.
    pub zero_received: u64,
    /// `pri_zero_sent`.
    pub zero_sent: u64,
}

impl Counted {
    /// Since the daemon began to count, or since `from`.
    pub fn of(router: &Router, from: Option<&Self>) -> Self {
        let count = |counter: Counter| count(&router.counts, counter);
        let engine = &router.engine;
        let all = Self {
            received: count(Counter::Received),
            sent: engine.adverts_sent,
            became_master: engine.became_master,
            released_master: engine.released_master,
            length: count(Counter::Length),
            interval: count(Counter::Interval),
            ttl: count(Counter::Ttl),
            kind: count(Counter::Type),
            addresses: count(Counter::AddressListDiffers),
            auth_type: count(Counter::AuthTypeInvalid),
            auth_mismatch: count(Counter::AuthTypeMismatch),
            auth_failure: count(Counter::AuthFailure),
            zero_received: count(Counter::PriorityZero),
            zero_sent: engine.priority_zero_sent,
        };
        match from {
            Some(from) => all.since(from),
            None => all,
        }
    }

    fn since(self, from: &Self) -> Self {
        // A counter that began anew has counted all it shows since then.
        let since = |now: u64, then: u64| now.checked_sub(then).unwrap_or(now);
        Self {
            received: since(self.received, from.received),
            sent: since(self.sent, from.sent),
            became_master: since(self.became_master, from.became_master),
            released_master: since(self.released_master, from.released_master),
            length: since(self.length, from.length),
            interval: since(self.interval, from.interval),
            ttl: since(self.ttl, from.ttl),
            kind: since(self.kind, from.kind),
            addresses: since(self.addresses, from.addresses),
            auth_type: since(self.auth_type, from.auth_type),
            auth_mismatch: since(self.auth_mismatch, from.auth_mismatch),
            auth_failure: since(self.auth_failure, from.auth_failure),
            zero_received: since(self.zero_received, from.zero_received),
            zero_sent: since(self.zero_sent, from.zero_sent),
        }
    }
}

fn count(counts: &Counts, counter: Counter) -> u64 {
    counts.0.get(counter as usize).copied().unwrap_or(0)
}

/// The file.
pub fn render<'a>(counted: impl Iterator<Item = (&'a str, Counted)>) -> String {
    let mut to = Lines::default();
    for (name, counted) in counted {
        line!(to, "VRRP Instance: {name}");
        line!(to, "  Advertisements:");
        line!(to, "    Received: {}", counted.received);
        line!(to, "    Sent: {}", counted.sent);
        line!(to, "  Became master: {}", counted.became_master);
        line!(to, "  Released master: {}", counted.released_master);
        line!(to, "  Packet Errors:");
        line!(to, "    Length: {}", counted.length);
        line!(to, "    TTL: {}", counted.ttl);
        line!(to, "    Invalid Type: {}", counted.kind);
        line!(to, "    Advertisement Interval: {}", counted.interval);
        line!(to, "    Address List: {}", counted.addresses);
        line!(to, "  Authentication Errors:");
        line!(to, "    Invalid Type: {}", counted.auth_type);
        line!(to, "    Type Mismatch: {}", counted.auth_mismatch);
        line!(to, "    Failure: {}", counted.auth_failure);
        line!(to, "  Priority Zero:");
        line!(to, "    Received: {}", counted.zero_received);
        line!(to, "    Sent: {}", counted.zero_sent);
    }
    to.0
}
