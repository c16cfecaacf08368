//! How do a router and the process look in the words of RFC 8347 (YANG) and RFC 6527 (MIB)?
//!
//! Leaf names are those of the module `ietf-vrrp`, object names those of the VRRP MIBs. Counters come
//! from the one list in `vrrp_common::counter`, which knows both.
use crate::engine::history::NewMasterReason;
use crate::engine::snapshot::{RouterSnapshot, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;
use vrrp_common::counter::Counter;
use vrrp_common::ident::{Family, Priority};
use vrrp_common::layout::Counts;
use vrrp_common::time::Instant;

/// Counters that RFC 8347 and RFC 6527 have once per process and not per router.
const GLOBAL: [Counter; 4] = [Counter::Checksum, Counter::Version, Counter::Vrid, Counter::Ttl];

/// The same moment on the clock of timers and on that of people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// On the monotonic clock.
    pub now: Instant,
    /// Since 1970 in UTC.
    pub wall: Duration,
}

/// One virtual router: `vrrp-instance` of RFC 8347.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Router {
    /// `initialize`, `backup` or `master`. FAULT is `initialize`.
    pub state: String,
    /// Whether its priority is 255.
    pub is_owner: bool,
    /// Source of the last advert of another master.
    pub last_adv_source: Option<String>,
    /// When it last left Initialize (RFC 3339, UTC); nothing while it is there.
    pub up_datetime: Option<String>,
    /// Active_Down_Interval in centiseconds, rounded up.
    pub master_down_interval: u64,
    /// Skew_Time in microseconds.
    pub skew_time: u64,
    /// What caused the last change of state.
    pub last_event: String,
    /// Why it last became master.
    pub new_master_reason: String,
    /// Counters.
    pub statistics: Statistics,
    /// The objects of RFC 6527 (`vrrpv3OperationsTable`, `vrrpv3StatisticsTable`) as SNMP has them,
    /// and for VRRPv2 the counters of RFC 2787 that it does not have. Not among them: the virtual
    /// MAC address, for none is used, and times of an SNMP agent, in whose place there are dates.
    pub mib: BTreeMap<String, Value>,
}

/// The process: the container `vrrp` of RFC 8347.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Process {
    /// Number of virtual routers.
    pub virtual_routers: u64,
    /// Number of interfaces they are on.
    pub interfaces: u64,
    /// Counters over all routers and interfaces.
    pub statistics: Statistics,
    /// The same counters by the names of RFC 6527.
    pub mib: BTreeMap<String, u64>,
}

/// Counters by leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Statistics {
    /// Since when they count (RFC 3339, UTC).
    pub discontinuity_datetime: String,
    /// The counters.
    #[serde(flatten)]
    pub counters: BTreeMap<String, u64>,
}

/// One router's report.
pub fn router(clock: Clock, router: &RouterSnapshot, counts: &Counts) -> Router {
    let history = &router.history;
    let own = |counter: &Counter| !GLOBAL.contains(counter);
    let mut leaves = sums(counts, own, Counter::yang_name);
    // Sent adverts are the engine's to count, and the list is of what is received.
    leaves.insert("master-transitions".to_owned(), router.became_master);
    leaves.insert("advertisement-sent".to_owned(), router.adverts_sent);
    leaves.insert("priority-zero-pkts-sent".to_owned(), router.priority_zero_sent);
    // RFC 6527 has this one per router.
    let per_router = |counter: &Counter| own(counter) || *counter == Counter::Ttl;
    let mut mib: BTreeMap<String, Value> = sums(counts, per_router, Counter::mib_name)
        .into_iter()
        .map(|(name, count)| (name, count.into()))
        .collect();
    let reason = match history.new_master {
        NewMasterReason::NotMaster => 0,
        NewMasterReason::Priority => 1,
        NewMasterReason::Preempted => 2,
        NewMasterReason::NoResponse => 3,
    };
    let instance = &router.instance;
    let address = |address: Option<IpAddr>| address.map_or(Value::Null, |a| a.to_string().into());
    let (status, master) = match router.state {
        State::Initialize | State::Fault => (1, None),
        State::Backup => (2, router.master),
        State::Active => (3, router.source),
    };
    let up = history.up_since.map_or(0, |since| centis(clock.now.since(since)));
    for (object, value) in [
        ("vrrpv3OperationsVrId", instance.vrid.get().into()),
        ("vrrpv3OperationsInetAddrType", if instance.family == Family::V4 { 1 } else { 2 }.into()),
        ("vrrpv3OperationsMasterIpAddr", address(master)),
        ("vrrpv3OperationsPrimaryIpAddr", address(router.source)),
        ("vrrpv3OperationsStatus", status.into()),
        ("vrrpv3OperationsPriority", router.effective_priority.0.into()),
        ("vrrpv3OperationsAddrCount", instance.addresses.len().into()),
        ("vrrpv3OperationsAdvInterval", centis(instance.advert_interval).into()),
        ("vrrpv3OperationsPreemptMode", truth(instance.preempt).into()),
        ("vrrpv3OperationsAcceptMode", truth(instance.accept).into()),
        ("vrrpv3OperationsUpTime", up.into()),
        ("vrrpv3OperationsRowStatus", 1.into()),
        ("vrrpv3StatisticsMasterTransitions", router.became_master.into()),
        ("vrrpv3StatisticsNewMasterReason", reason.into()),
        ("vrrpv3StatisticsSentPriZeroPackets", router.priority_zero_sent.into()),
        ("vrrpv3StatisticsProtoErrReason", history.protocol_error.into()),
        // What is counted can be read at any time.
        ("vrrpv3StatisticsRefreshRate", 0.into()),
    ] {
        mib.insert(object.to_owned(), value);
    }
    Router {
        state: match router.state {
            State::Initialize | State::Fault => "initialize",
            State::Backup => "backup",
            State::Active => "master",
        }
        .to_owned(),
        is_owner: router.instance.priority == Priority::OWNER,
        last_adv_source: router.master.map(|address| address.to_string()),
        up_datetime: history.up_since.map(|at| datetime(clock, at)),
        master_down_interval: u64::try_from(router.down_interval.as_nanos().div_ceil(10_000_000))
            .unwrap_or(u64::MAX),
        skew_time: u64::try_from(router.skew.as_micros()).unwrap_or(u64::MAX),
        last_event: history.event.name().to_owned(),
        new_master_reason: history.new_master.name().to_owned(),
        statistics: Statistics {
            discontinuity_datetime: datetime(clock, history.counts_since),
            counters: leaves,
        },
        mib,
    }
}

/// The process's report, from the counts of every router and every port.
pub fn global<'a>(
    clock: Clock,
    counted_since: Instant,
    routers: &'a [(RouterSnapshot, Counts)],
    others: impl IntoIterator<Item = &'a Counts>,
) -> Process {
    let mut total = Counts::default();
    for counts in routers.iter().map(|(_, counts)| counts).chain(others) {
        for (sum, count) in total.0.iter_mut().zip(counts.0) {
            *sum = sum.saturating_add(count);
        }
    }
    let of_all = |counter: &Counter| GLOBAL.contains(counter);
    let interfaces: std::collections::BTreeSet<_> =
        routers.iter().map(|(router, _)| &router.instance.interface).collect();
    // A time to live is the router's in RFC 6527.
    let in_mib = |counter: &Counter| of_all(counter) && *counter != Counter::Ttl;
    Process {
        virtual_routers: routers.len() as u64,
        interfaces: interfaces.len() as u64,
        statistics: Statistics {
            discontinuity_datetime: datetime(clock, counted_since),
            counters: sums(&total, of_all, Counter::yang_name),
        },
        mib: sums(&total, in_mib, Counter::mib_name),
    }
}

/// Whole hundredths of a second.
fn centis(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / 10).unwrap_or(u64::MAX)
}

/// A truth value of RFC 2579.
const fn truth(value: bool) -> u8 {
    if value { 1 } else { 2 }
}

/// Counters under another name; those that share one are added.
fn sums(
    counts: &Counts,
    take: impl Fn(&Counter) -> bool,
    name: impl Fn(Counter) -> Option<&'static str>,
) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (counter, count) in Counter::ALL.iter().zip(counts.0).filter(|(counter, _)| take(counter)) {
        if let Some(name) = name(*counter) {
            let sum: &mut u64 = sums.entry(name.to_owned()).or_default();
            *sum = sum.saturating_add(count);
        }
    }
    sums
}

/// A moment as RFC 3339 writes it, in UTC.
pub(super) fn datetime(clock: Clock, at: Instant) -> String {
    let wall = clock.wall.saturating_sub(clock.now.since(at));
    let (seconds, millis) = (wall.as_secs(), wall.subsec_millis());
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day, this many days after 1 January 1970.
const fn date(mut days: u64) -> (u64, u64, u64) {
    // Whole cycles of the calendar first: four hundred years have the same number of days anywhere.
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097;
    while days >= days_in_year(year) {
        days -= days_in_year(year);
        year += 1;
    }
    let february = days_in_year(year) - 337;
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month as u64 + 1, days + 1)
}

const fn days_in_year(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let clock = |seconds, millis| Clock {
            now: Instant::from_nanos(5_000_000_000),
            wall: Duration::from_secs(seconds) + Duration::from_millis(millis),
        };
        let now = Instant::from_nanos(5_000_000_000);
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_799, "2000-02-29T23:59:59.000Z"),
            (1_704_067_199, "2023-12-31T23:59:59.000Z"),
            (1_709_251_200, "2024-03-01T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (13_569_465_600, "2400-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(datetime(clock(seconds, 0), now), text);
        }
        // 1.25 s ago.
        let at = Instant::from_nanos(3_750_000_000);
        assert_eq!(datetime(clock(951_782_400, 0), at), "2000-02-28T23:59:58.750Z");
    }

    #[test]
    fn every_leaf_of_the_standard_is_there_once() {
        let mut counts = Counts::default();
        for (number, count) in (1..).zip(counts.0.iter_mut()) {
            *count = 1 << number;
        }
        let of = |counter: Counter| 1_u64 << (counter as u32 + 1);
        let router = sums(&counts, |counter| !GLOBAL.contains(counter), Counter::yang_name);
        let expected = [
            ("address-list-errors", of(Counter::AddressListDiffers) + of(Counter::AddressList)),
            ("advertisement-rcvd", of(Counter::Received)),
            ("interval-errors", of(Counter::IntervalDiffers) + of(Counter::Interval)),
            ("invalid-type-pkts-rcvd", of(Counter::Type)),
            ("packet-length-errors", of(Counter::Length)),
            ("priority-zero-pkts-rcvd", of(Counter::PriorityZero)),
        ];
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(router, BTreeMap::from(expected));
        let all = global(
            Clock { now: Instant::ZERO, wall: Duration::ZERO },
            Instant::ZERO,
            &[],
            [&counts, &counts],
        );
        let expected = [
            ("checksum-errors", 2 * of(Counter::Checksum)),
            ("ip-ttl-errors", 2 * of(Counter::Ttl)),
            ("version-errors", 2 * of(Counter::Version)),
            ("vrid-errors", 2 * of(Counter::Vrid)),
        ];
        let expected = expected.map(|(name, count)| (name.to_owned(), count));
        assert_eq!(all.statistics.counters, BTreeMap::from(expected));
        assert_eq!(all.mib.len(), 3);
        assert_eq!((all.virtual_routers, all.interfaces), (0, 0));
    }
}
