//! What grows with the number of routers: time to start, memory, and CPU as Backup.
use super::{PATIENCE, Plan, backup, percent};
use crate::bench::sample::{Record, figure};
use crate::bench::subject::Running;
use crate::bench::topology::{configuration, routers};
use std::time::Instant;

/// The largest size that a peer is asked to run.
const PEERS: usize = 4_080;

/// From 1 router to every VRID of 256 interfaces, at one second.
pub fn run(plan: &Plan, record: &mut Record) -> Result<(), String> {
    let sizes: &[usize] =
        if plan.small() { &[1, 16, 255] } else { &[1, 16, 255, 1_020, 4_080, 16_320, 65_280] };
    for number in sizes {
        let (bed, routers) = (plan.bed(*number)?, routers(*number));
        let scenario = format!("scale {number}");
        let fits = |subject: &crate::bench::subject::Subject| subject.is_ours() || *number <= PEERS;
        let subjects = plan.subjects.iter().copied().filter(fits).collect();
        let repetitions = if *number > PEERS { 1 } else { plan.repetitions };
        let plan = Plan { subjects, repetitions, ..plan.clone() };
        plan.alternate(record, |record, subject, repetition| {
            let make = |globals: &str| configuration(&routers, 100, 100, globals);
            let running = Running::start(subject, &plan.binary, &bed, make);
            let ready = running.wait("BACKUP", *number, PATIENCE)?;
            let took = ready - running.started;
            let resident = running.resident();
            running.stop();
            let (running, masters) = backup(&plan, &bed, subject, &routers, 100)?;
            let (begun, cpu) = (Instant::now(), running.cpu());
            std::thread::sleep(plan.period());
            let used = percent(running.cpu() - cpu, begun.elapsed());
            let sent = masters.stop();
            record.add(
                &scenario,
                subject.name(),
                repetition,
                &[
                    ("until all are Backup", "ms", took.as_secs_f64() * 1e3),
                    ("resident memory", "MB", figure(resident) / 1024.0),
                    ("CPU as Backup", "% of a core", used),
                    ("latest burst of the load", "ms", sent.latest.as_secs_f64() * 1e3),
                ],
            );
            running.stop();
            Ok(())
        })?;
    }
    Ok(())
}

/// Resident memory with one router and with 4,080, as Backup and after some time as master.
pub fn memory(plan: &Plan, record: &mut Record) -> Result<(), String> {
    let sizes: &[usize] = if plan.small() { &[1] } else { &[1, 4_080] };
    for number in sizes {
        let (bed, routers) = (plan.bed(*number)?, routers(*number));
        let scenario = format!("memory {number}");
        let plan = &plan.of_size(*number, &scenario, record);
        plan.alternate(record, |record, subject, repetition| {
            let make = |globals: &str| configuration(&routers, 100, 100, globals);
            let running = Running::start(subject, &plan.binary, &bed, make);
            running.wait("BACKUP", *number, PATIENCE)?;
            let backup = running.resident();
            running.wait("MASTER", *number, PATIENCE)?;
            std::thread::sleep(plan.period());
            let master = running.resident();
            running.stop();
            record.add(
                &scenario,
                subject.name(),
                repetition,
                &[
                    ("resident as Backup", "MB", figure(backup) / 1024.0),
                    ("resident as master", "MB", figure(master) / 1024.0),
                ],
            );
            Ok(())
        })?;
    }
    Ok(())
}
