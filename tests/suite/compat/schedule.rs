//! Are the threads that adverts and addresses depend on scheduled as `global_defs` says, and no other.
use super::surroundings;
use std::time::Duration;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::wait::eventually;

const CONFIG: &str = "global_defs {
    vrrp_priority -15
    vrrp_rt_priority 12
    vrrp_cpu_affinity 0
    vrrp_no_swap
    vrrp_delay_after_boot 1
}
vrrp_instance V {
    interface v0
    virtual_router_id 7
    version 3
    advert_int 0.1
    virtual_ipaddress { 10.9.0.100/24 }
}
";

/// Name, nice value, real-time priority, policy and processors of every thread.
fn threads(pid: u32) -> Vec<(String, i32, u32, u32, String)> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let threads = tasks.flatten().filter_map(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        let name = stat.split(['(', ')']).nth(1)?.to_owned();
        // Fields 19, 40 and 41 of proc_pid_stat(5); the first after the name is the third.
        let fields: Vec<&str> = stat.rsplit(") ").next()?.split(' ').collect();
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        let number = |field: usize| fields.get(field - 3)?.parse().ok();
        let nice = fields.get(19 - 3)?.parse().ok()?;
        Some((name, nice, number(40)?, number(41)?, allowed.trim().to_owned()))
    });
    threads.collect()
}

#[test]
fn one_thread_comes_first_and_memory_stays() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let namespace = surroundings("first");
    let daemon = Daemon::start(Kind::Xvrrp, &namespace, CONFIG);
    daemon.wait_state(0, "V", "MASTER", Duration::from_secs(20));
    let pid = daemon.id();
    let thread = |name: &str| {
        eventually(Duration::from_secs(5), name, || {
            threads(pid).into_iter().find(|thread| thread.0 == name)
        })
    };
    // SCHED_RR is 2; the kernel adds a flag of its own to what it tells.
    assert_eq!(thread("vrrp"), ("vrrp".to_owned(), -15, 12, 2, "0".to_owned()));
    let (_, nice, realtime, ..) = thread("network");
    assert_eq!((nice, realtime), (-10, 0), "after adverts, before everything else");
    let others: Vec<_> = threads(pid).into_iter().filter(|thread| thread.0 == "xvrrp").collect();
    assert!(!others.is_empty());
    let ours = threads(std::process::id()).first().map(|(_, nice, ..)| *nice);
    assert!(
        others.iter().all(|(_, nice, realtime, ..)| (Some(*nice), *realtime) == (ours, 0)),
        "{others:?}"
    );
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).expect("VmLck");
    assert_ne!(locked.trim(), "0 kB");
}

/// Whole seconds since the machine was booted.
fn uptime() -> u64 {
    let up = std::fs::read_to_string("/proc/uptime").expect("Linux");
    up.split('.').next().and_then(|up| up.parse().ok()).expect("seconds")
}

#[test]
fn it_is_quiet_until_so_long_after_the_boot() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let namespace = surroundings("boot");
    let end = uptime() + 8;
    let config = CONFIG.replace("after_boot 1\n", &format!("after_boot {end}\n"));
    assert_ne!(config, CONFIG);
    let daemon = Daemon::start(Kind::Xvrrp, &namespace, &config);
    daemon.wait_state(0, "V", "MASTER", Duration::from_secs(40));
    assert!(uptime() >= end, "master {} s after the boot", uptime());
}
