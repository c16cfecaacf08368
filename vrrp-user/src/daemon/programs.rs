//! What does the kernel know of the XDP program, and where is it.
use crate::report::view::View;
use crate::report::{gather, model};
use aya::programs::{ProgramInfo, loaded_programs};
use std::collections::BTreeSet;
use vrrp_common::layout::Counts;

/// The programs on the daemon's interfaces; interfaces without one are under the id 0. This asks the
/// kernel.
///
/// # Errors
/// In words, where the kernel does not say.
pub fn programs(view: &View) -> Result<Vec<model::Program>, String> {
    let ids: BTreeSet<u32> = view.ports.iter().filter_map(|port| port.program).collect();
    let mut found = Vec::new();
    if !ids.is_empty() {
        for program in loaded_programs() {
            let program =
                program.map_err(|why| format!("asking for the loaded programs: {why}"))?;
            if ids.contains(&program.id()) {
                found.push(describe(&program));
            }
        }
    }
    if view.ports.iter().any(|port| port.program.is_none()) {
        found.push(model::Program { name: "none".to_owned(), ..model::Program::default() });
    }
    for program in &mut found {
        let here = view.ports.iter().filter(|port| port.program.unwrap_or(0) == program.id);
        program.interfaces = here.map(|port| hook(view, port)).collect();
    }
    Ok(found)
}

fn describe(program: &ProgramInfo) -> model::Program {
    let enabled = std::fs::read_to_string("/proc/sys/kernel/bpf_stats_enabled");
    model::Program {
        id: program.id(),
        name: program.name_as_str().unwrap_or_default().to_owned(),
        verified_instructions: program.verified_instruction_count(),
        size: program.size_translated(),
        jited_size: Some(program.size_jitted()).filter(|size| *size > 0),
        runs: program.run_count(),
        run_time_ns: u64::try_from(program.run_time().as_nanos()).unwrap_or(u64::MAX),
        counting: enabled.is_ok_and(|enabled| enabled.trim() == "1"),
        interfaces: Vec::new(),
    }
}

fn hook(view: &View, port: &crate::dataplane::port::PortReport) -> model::Hook {
    let mut sum = Counts::default();
    let routers = view.routers.iter().filter(|(r, _)| *r.instance.interface == *port.interface);
    for counts in routers.map(|(_, counts)| counts).chain([&port.counts]) {
        for (sum, count) in sum.0.iter_mut().zip(counts.0) {
            *sum = sum.saturating_add(count);
        }
    }
    model::Hook {
        interface: port.interface.clone(),
        path: port.path.name().to_owned(),
        counters: gather::counters(&sum),
    }
}
