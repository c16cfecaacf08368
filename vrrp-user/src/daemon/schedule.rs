//! When do the threads that a failover depends on get a processor, and does their memory stay.
use crate::config::model::Scheduling;
use crate::net;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fmt::Display;

/// The nice value of the loop's thread, unless `vrrp_priority` says another.
pub const FIRST: i8 = -20;

/// Has the kernel run this thread before whatever else wants a processor: check scripts and notify
/// programs may want all there are. The threads it has started before stay as they are.
pub fn be_nice(nice: i8, delayed: &str) {
    if let Err(why) = rustix::process::setpriority_process(None, nice.into()) {
        tracing::warn!("a busy machine may delay {delayed}: no higher priority for them: {why}");
    }
}

/// Schedules the calling thread, but for its nice value, which the threads it starts first must not
/// inherit. What cannot be had is said, and the daemon runs without it.
pub fn apply(scheduling: &Scheduling) {
    let missed = |keyword: &str, why: &dyn Display| tracing::warn!("{keyword}: {why}");
    if !scheduling.processors.is_empty() {
        let mut set = CpuSet::new();
        for processor in &scheduling.processors {
            set.set(usize::from(*processor));
        }
        if let Err(why) = sched_setaffinity(None, &set) {
            missed("vrrp_cpu_affinity", &why);
        }
    }
    if let Some(priority) = scheduling.realtime
        && let Err(why) = net::realtime(priority)
    {
        missed("vrrp_rt_priority", &why);
    }
    if scheduling.no_swap {
        // What is not used yet costs nothing until it is.
        let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
        if let Err(why) = mlockall(flags) {
            missed("vrrp_no_swap", &why);
        }
    }
}
