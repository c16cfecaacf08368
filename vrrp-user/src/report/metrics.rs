//! What does Prometheus read: text with a line a value.
//!
//! Names and labels that begin with `keepalived_` are those of the widely used exporter for
//! keepalived, so that its dashboards go on working; what is ours begins with `vrrp_`. The text is
//! written by hand: for thousands of routers the labels of one are put together once, and not for
//! each of its thirty values.
use super::gather;
use super::histogram::Histogram;
use super::view::View;
use crate::config::model::{Name, Vip};
use crate::dataplane::port::{Path, PortReport};
use crate::engine::snapshot::{RouterSnapshot, State};
use crate::net::task::{OwnedReport, Presence};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::time::Duration;
use vrrp_common::counter::{Counter, Kind};
use vrrp_common::ident::RouterId;
use vrrp_common::layout::Counts;

/// What a scrape is made of.
#[derive(Debug)]
pub struct Scrape<'a> {
    /// The loop's part.
    pub view: &'a View,
    /// What became of addresses.
    pub owned: &'a HashMap<RouterId, OwnedReport>,
    /// Check scripts that run at this moment.
    pub running: &'a BTreeSet<Name>,
    /// Log lines that were dropped.
    pub log_dropped: u64,
    /// Whether the configuration that was read last is in force.
    pub reloaded: bool,
}

/// A value of one router.
type Value = fn(&RouterSnapshot, &Counts) -> u64;

/// Counters per router under the names of the exporter: name, help, value.
const KEEPALIVED: [(&str, &str, Value); 15] = [
    ("advertisements_received_total", "Advertisements received", |_, c| of(c, Counter::Received)),
    ("advertisements_sent_total", "Advertisements sent", |r, _| r.adverts_sent),
    ("become_master_total", "Became master", |r, _| r.became_master),
    ("release_master_total", "Released master", |r, _| r.released_master),
    ("packet_length_errors_total", "Packet length errors", |_, c| of(c, Counter::Length)),
    ("advertisements_interval_errors_total", "Advertisement interval errors", |_, c| {
        of(c, Counter::Interval)
    }),
    ("ip_ttl_errors_total", "TTL errors", |_, c| of(c, Counter::Ttl)),
    ("invalid_type_received_total", "Invalid type errors", |_, c| of(c, Counter::Type)),
    ("address_list_errors_total", "Address list errors", |_, c| of(c, Counter::AddressListDiffers)),
    ("authentication_invalid_total", "Authentication invalid", |_, c| {
        of(c, Counter::AuthTypeInvalid)
    }),
    ("authentication_mismatch_total", "Authentication mismatch", |_, c| {
        of(c, Counter::AuthTypeMismatch)
    }),
    ("authentication_failure_total", "Authentication failure", |_, c| of(c, Counter::AuthFailure)),
    ("priority_zero_received_total", "Priority zero received", |_, c| of(c, Counter::PriorityZero)),
    ("priority_zero_sent_total", "Priority zero sent", |r, _| r.priority_zero_sent),
    // A setting that the exporter gives out as a counter.
    ("gratuitous_arp_delay_total", "Gratuitous ARP delay", |r, _| r.instance.garp.delay.as_secs()),
];

const fn of(counts: &Counts, counter: Counter) -> u64 {
    counts.0[counter as usize]
}

/// The whole page.
pub fn text(scrape: &Scrape<'_>) -> String {
    let routers: Vec<(&RouterSnapshot, &Counts, String)> = scrape
        .view
        .routers
        .iter()
        .map(|(router, counts)| (router, counts, router_labels(router)))
        .collect();
    let mut page = Page(String::with_capacity(4096 + routers.len() * 3072));
    page.one("keepalived_up", "gauge", "Status", 1);
    for (name, help, value) in KEEPALIVED {
        page.family("keepalived_", name, "counter", help);
        for (router, counts, labels) in &routers {
            page.value("keepalived_", name, labels, value(router, counts));
        }
    }
    exporters_states(&mut page, &routers);
    scripts(&mut page, scrape);
    ours(&mut page, scrape, &routers);
    addresses(&mut page, scrape, &routers);
    ports(&mut page, scrape);
    controller(&mut page, scrape);
    page.0
}

/// `iname`, `intf` and `vrid`, as the exporter has them.
fn router_labels(router: &RouterSnapshot) -> String {
    let instance = &router.instance;
    let (name, interface) = (escaped(&instance.name), escaped(&instance.interface));
    format!("iname=\"{name}\",intf=\"{interface}\",vrid=\"{}\"", instance.vrid)
}

/// Here `intf` is the interface of the address.
fn address_labels(router: &RouterSnapshot, vip: &Vip) -> String {
    let instance = &router.instance;
    let (name, interface) = (escaped(&instance.name), escaped(&vip.dev));
    let (vrid, address) = (instance.vrid, gather::vip_text(vip));
    format!("iname=\"{name}\",intf=\"{interface}\",vrid=\"{vrid}\",ip_address=\"{address}\"")
}

type Labelled<'a> = [(&'a RouterSnapshot, &'a Counts, String)];

fn exporters_states(page: &mut Page, routers: &Labelled<'_>) {
    page.family("", "keepalived_vrrp_state", "gauge", "State of vrrp");
    for (router, _, labels) in routers {
        let state = number(router.state);
        for vip in &router.instance.addresses {
            page.value("", "keepalived_vrrp_state", &address_labels(router, vip), state);
        }
        if router.instance.addresses.is_empty() {
            let labels = format!("{labels},ip_address=\"\"");
            page.value("", "keepalived_vrrp_state", &labels, state);
        }
    }
    let help = "State of vrrp with excluded VIP";
    page.family("", "keepalived_vrrp_excluded_state", "gauge", help);
    for (router, _, _) in routers {
        for vip in router.instance.vips().skip(router.instance.addresses.len()) {
            let labels = address_labels(router, vip);
            page.value("", "keepalived_vrrp_excluded_state", &labels, number(router.state));
        }
    }
}

/// With keepalived's numbers: one that has not ended yet is as bad as in its dump.
fn scripts(page: &mut Page, scrape: &Scrape<'_>) {
    type State = fn(&Scrape<'_>, &Name, Option<bool>) -> bool;
    let families: [(&str, &str, State); 2] = [
        ("keepalived_script_status", "Tracker Script Status", |_, _, good| good == Some(true)),
        ("keepalived_script_state", "Tracker Script State", |s, name, _| s.running.contains(name)),
    ];
    for (name, help, state) in families {
        page.family("", name, "gauge", help);
        for (script, good) in &scrape.view.scripts {
            let labels = format!("name=\"{}\"", escaped(script));
            page.value("", name, &labels, u64::from(state(scrape, script, *good)));
        }
    }
}

/// keepalived's numbers.
const fn number(state: State) -> u64 {
    match state {
        State::Initialize => 0,
        State::Backup => 1,
        State::Active => 2,
        State::Fault => 3,
    }
}

fn ours(page: &mut Page, scrape: &Scrape<'_>, routers: &Labelled<'_>) {
    let now = scrape.view.now;
    page.family("", "vrrp_priority", "gauge", "Effective priority");
    for (router, _, labels) in routers {
        page.value("", "vrrp_priority", labels, u64::from(router.effective_priority.0));
    }
    page.family("", "vrrp_faults", "gauge", "Reasons for FAULT");
    for (router, _, labels) in routers {
        page.value("", "vrrp_faults", labels, router.faults.len() as u64);
    }
    page.family("", "vrrp_state_age_seconds", "gauge", "Time in the present state");
    for (router, _, labels) in routers {
        page.seconds("vrrp_state_age_seconds", labels, now.since(router.since));
    }
    let help = "BACKUP: time until the master's silence would make this router master";
    page.family("", "vrrp_master_down_margin_seconds", "gauge", help);
    for (router, _, labels) in routers {
        if let Some(deadline) = router.deadline.filter(|_| router.state == State::Backup) {
            page.seconds("vrrp_master_down_margin_seconds", labels, deadline.since(now));
        }
    }
}

fn addresses(page: &mut Page, scrape: &Scrape<'_>, routers: &Labelled<'_>) {
    let nothing = OwnedReport::default();
    let labelled: Vec<_> = routers
        .iter()
        .flat_map(|(router, _, _)| {
            let owned = scrape.owned.get(&router.id).unwrap_or(&nothing);
            router.instance.vips().enumerate().map(move |(index, vip)| {
                let prevented = router.prevented.get(index).copied().unwrap_or(0);
                (address_labels(router, vip), vip, owned.addresses.get(index), prevented)
            })
        })
        .collect();
    let help = "1 for the state the address is in";
    page.family("", "vrrp_address_state", "gauge", help);
    for (labels, _, report, _) in &labelled {
        let state = match report.map(|report| &report.presence) {
            None | Some(Presence::Absent) => "absent",
            Some(Presence::Present) => "present",
            Some(Presence::PendingLinkDown) => "pending_link_down",
            Some(Presence::PendingNoDevice) => "pending_no_device",
            Some(Presence::Failed(_)) => "failed",
        };
        let labels = format!("{labels},state=\"{state}\"");
        page.value("", "vrrp_address_state", &labels, 1);
    }
    let help = "Gratuitous ARPs or neighbour advertisements sent";
    page.family("", "vrrp_address_announced_total", "counter", help);
    for (labels, _, report, _) in &labelled {
        let count = report.map_or(0, |report| report.announced);
        page.value("", "vrrp_address_announced_total", labels, count);
    }
    let help = "Times the address was put back";
    page.family("", "vrrp_address_repaired_total", "counter", help);
    for (labels, _, report, _) in &labelled {
        let count = report.map_or(0, |report| report.repaired);
        page.value("", "vrrp_address_repaired_total", labels, count);
    }
    let help = "Faults that no_track prevented";
    page.family("", "vrrp_no_track_prevented_total", "counter", help);
    for (labels, _, _, prevented) in labelled.iter().filter(|(_, vip, _, _)| vip.no_track) {
        page.value("", "vrrp_no_track_prevented_total", labels, *prevented);
    }
}

fn ports(page: &mut Page, scrape: &Scrape<'_>) {
    let mut sums: BTreeMap<&str, Counts> = BTreeMap::new();
    let routers = scrape.view.routers.iter().map(|(r, counts)| (&*r.instance.interface, counts));
    let ports = scrape.view.ports.iter().map(|port| (&*port.interface, &port.counts));
    for (interface, counts) in routers.chain(ports) {
        let sum = sums.entry(interface).or_default();
        for (sum, count) in sum.0.iter_mut().zip(counts.0) {
            *sum = sum.saturating_add(count);
        }
    }
    let help = "VRRP packets by what became of them, of all routers of the interface and of none";
    page.family("", "vrrp_packets_total", "counter", help);
    for (interface, counts) in &sums {
        for counter in Counter::ALL {
            let verdict = match counter.kind() {
                Kind::Accepted => "accepted",
                Kind::Rejected => "rejected",
                Kind::Remark => "remark",
            };
            let (interface, reason) = (escaped(interface), counter.name());
            let labels = format!("intf=\"{interface}\",verdict=\"{verdict}\",reason=\"{reason}\"");
            page.value("", "vrrp_packets_total", &labels, of(counts, *counter));
        }
    }
    let label = |port: &PortReport| format!("intf=\"{}\"", escaped(&port.interface));
    page.family("", "vrrp_fast_path_up", "gauge", "Whether adverts are received by XDP");
    for port in &scrape.view.ports {
        page.value("", "vrrp_fast_path_up", &label(port), u64::from(port.path != Path::Socket));
    }
    page.family("", "vrrp_xdp_mode", "gauge", "1 for the path adverts take");
    for port in &scrape.view.ports {
        let labels = format!("{},mode=\"{}\"", label(port), port.path.name());
        page.value("", "vrrp_xdp_mode", &labels, 1);
    }
}

fn controller(page: &mut Page, scrape: &Scrape<'_>) {
    let view = scrape.view;
    page.family("", "vrrp_build_info", "gauge", "The daemon");
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    page.value("", "vrrp_build_info", &version, 1);
    let counters = [
        ("vrrp_news_total", "Adverts that the controller had to look at", view.events),
        ("vrrp_wakeups_total", "Times that adverts woke the controller", view.wakeups),
        ("vrrp_send_errors_total", "Adverts that the kernel would not send", view.send_errors),
        ("vrrp_log_dropped_total", "Log lines that nobody read in time", scrape.log_dropped),
    ];
    for (name, help, value) in counters {
        page.one(name, "counter", help, value);
    }
    let help = "Whether the configuration that was read last is in force";
    page.one("vrrp_config_reloaded", "gauge", help, u64::from(scrape.reloaded));
    let help = "Time from the last advert of a master to the first one of this router";
    page.histogram("vrrp_takeover_seconds", help, &view.takeover);
    let help = "How late timers were served, those of adverts among them";
    page.histogram("vrrp_advert_jitter_seconds", help, &view.lateness);
}

/// The text so far.
struct Page(String);

impl Page {
    fn family(&mut self, prefix: &str, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {prefix}{name} {help}\n# TYPE {prefix}{name} {kind}");
    }

    fn value(&mut self, prefix: &str, name: &str, labels: &str, value: u64) {
        let parts = [prefix, name, "{", labels, "} "];
        for part in parts {
            self.0.push_str(part);
        }
        let _ = writeln!(self.0, "{value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.family("", name, kind, help);
        let _ = writeln!(self.0, "{name} {value}");
    }

    fn seconds(&mut self, name: &str, labels: &str, time: Duration) {
        let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
        let _ = writeln!(self.0, "{name}{{{labels}}} {seconds}.{nanos:09}");
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.family("", name, "histogram", help);
        let mut sum = 0;
        for (bound, count) in histogram.bounds.iter().zip(&histogram.counts) {
            sum += count;
            let bound = decimal(*bound);
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{bound}\"}} {sum}");
        }
        let (total, sum) = (histogram.total, decimal(histogram.sum));
        let _ = writeln!(self.0, "{name}_bucket{{le=\"+Inf\"}} {total}");
        let _ = writeln!(self.0, "{name}_sum {sum}\n{name}_count {total}");
    }
}

/// Nanoseconds as seconds, without needless zeros.
fn decimal(nanos: u64) -> String {
    let text = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// As it may stand between quotation marks.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_be_broken_out_of() {
        assert_eq!(escaped("a\"} 1\n\\"), "a\\\"} 1\\n\\\\");
    }

    #[test]
    fn a_histogram_adds_up() {
        let mut histogram = Histogram::new(&[1_000_000, 2_500_000_000]);
        for ms in [1, 2, 3000] {
            histogram.observe(Duration::from_millis(ms));
        }
        let mut page = Page(String::new());
        page.histogram("h", "help", &histogram);
        assert_eq!(
            page.0,
            "# HELP h help\n# TYPE h histogram\nh_bucket{le=\"0.001\"} 1\nh_bucket{le=\"2.5\"} 2\n\
             h_bucket{le=\"+Inf\"} 3\nh_sum 3.003\nh_count 3\n"
        );
    }
}
