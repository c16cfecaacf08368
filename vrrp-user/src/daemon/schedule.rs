//! When does the thread that adverts depend on get a processor, and does its memory stay.
use crate::config::model::Scheduling;
use crate::net;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fmt::Display;

/// Schedules the calling thread. What cannot be had is said, and the daemon runs without it.
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
    if let Some(nice) = scheduling.nice
        && let Err(why) = setpriority_process(None, nice.into())
    {
        missed("vrrp_priority", &why);
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
