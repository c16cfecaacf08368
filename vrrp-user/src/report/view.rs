//! What is known of the daemon at one moment: what reports are made of.
use super::histogram::Histogram;
use crate::config::model::{Config, Name};
use crate::dataplane::port::PortReport;
use crate::engine::snapshot::{GroupSnapshot, RouterSnapshot};
use std::sync::Arc;
use vrrp_common::layout::Counts;
use vrrp_common::time::Instant;

/// A copy of what the loop knows. Of many routers it is made in parts, each of which is what a
/// router was at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// When it was taken.
    pub now: Instant,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// When a part of the counters was last at zero: at the start, or when a router or a port went.
    pub counted_since: Instant,
    /// Routers, with their counters.
    pub routers: Vec<(RouterSnapshot, Counts)>,
    /// Sync groups.
    pub groups: Vec<GroupSnapshot>,
    /// Check scripts, and whether they are good where that is known.
    pub scripts: Vec<(Name, Option<bool>)>,
    /// Ports.
    pub ports: Vec<PortReport>,
    /// Adverts handed over as news.
    pub events: u64,
    /// Times the dataplane woke the loop.
    pub wakeups: u64,
    /// Adverts the kernel would not send.
    pub send_errors: u64,
    /// From the last advert of a master to the first one of this router.
    pub takeover: Histogram,
    /// How late timers were served.
    pub lateness: Histogram,
}
