//! Which machine was it, with which versions of everything, and how busy.
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

fn read(path: &str) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// The load averages, as the kernel words them.
pub fn load() -> String {
    read("/proc/loadavg").split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// The first line a program says of itself.
fn version(program: &str, flag: &str) -> String {
    let output = Command::new(program).arg(flag).output();
    let said = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    said.lines().next().unwrap_or("not installed").trim().to_owned()
}

/// Nanoseconds a tick of the coarse clock takes.
pub fn tick() -> u64 {
    let resolution = rustix::time::clock_getres(rustix::time::ClockId::MonotonicCoarse);
    u64::try_from(resolution.tv_nsec).unwrap_or(0)
}

/// The card.
pub fn card(xvrrp: &Path) -> Value {
    let cpus = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpus.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, value)| value).to_owned()
    };
    let memory = read("/proc/meminfo").lines().next().unwrap_or_default().to_owned();
    json!({
        "cpu": field("model name"),
        "cpus": cpus.lines().filter(|line| line.starts_with("processor")).count(),
        "virtual": cpus.contains(" hypervisor"),
        "memory": memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()),
        "kernel": read("/proc/sys/kernel/osrelease"),
        "clock": read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "tick_ns": tick(),
        "bpf_jit": read("/proc/sys/net/core/bpf_jit_enable"),
        "load": load(),
        "xvrrp": version(&xvrrp.to_string_lossy(), "--version"),
        "keepalived": version("keepalived", "--version"),
        "frr": version("/usr/lib/frr/vrrpd", "--version"),
    })
}
