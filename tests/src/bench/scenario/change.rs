//! What does change cost: a start, a reload, a link that fails.
use super::{PATIENCE, Plan, interval, master, size};
use crate::bench::sample::{Record, count};
use crate::bench::subject::Running;
use crate::bench::topology::{configuration, dut_port, routers};
use crate::bench::wire::{Seen, Tap, What};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// From the start of the process until every router is Backup.
pub fn start(plan: &Plan, record: &mut Record) -> Result<(), String> {
    let number = if plan.small() { 255 } else { 4_080 };
    let (bed, routers) = (plan.bed(number)?, routers(number));
    let scenario = format!("start {}", size(number, 100));
    plan.alternate(record, |record, subject, repetition| {
        let make = |globals: &str| configuration(&routers, 100, 100, globals);
        let running = Running::start(subject, &plan.binary, &bed, make);
        let ready = running.wait("BACKUP", number, PATIENCE)?;
        let took = ready - running.started;
        let cpu = running.cpu();
        record.add(
            &scenario,
            subject.name(),
            repetition,
            &[
                ("until all are Backup", "ms", took.as_secs_f64() * 1e3),
                ("CPU", "ms", cpu.as_secs_f64() * 1e3),
            ],
        );
        running.stop();
        Ok(())
    })
}

/// SIGHUP while master of all: nothing is different, then one instance more.
pub fn reload(plan: &Plan, record: &mut Record) -> Result<(), String> {
    let number = if plan.small() { 254 } else { 4_079 };
    let (bed, all) = (plan.bed(number + 1)?, routers(number + 1));
    let routers = &all[..number];
    let centis = 10;
    let scenario = format!("reload {}", size(number, centis));
    let window = Duration::from_secs(2);
    plan.alternate(record, |record, subject, repetition| {
        let running = master(plan, &bed, subject, routers, centis)?;
        // Past the second round of announcements.
        std::thread::sleep(Duration::from_secs(6));
        let cpu = running.cpu();
        std::thread::sleep(window);
        let usual = running.cpu() - cpu;
        let tap = Tap::start(&bed.peer, &bed.ports);
        std::thread::sleep(interval(centis) * 3);
        let cpu = running.cpu();
        running.reload(|globals| configuration(routers, centis, 100, globals));
        std::thread::sleep(window);
        let cost = (running.cpu() - cpu).saturating_sub(usual);
        let (seen, _) = tap.stop();
        let gap = longest_gap(&seen).as_secs_f64() / interval(centis).as_secs_f64();
        let told = running.told("BACKUP");
        let asked = Instant::now();
        running.reload(|globals| configuration(&all, centis, 100, globals));
        let runs = running.wait("BACKUP", told + 1, PATIENCE)? - asked;
        record.add(
            &scenario,
            subject.name(),
            repetition,
            &[
                ("CPU of an unchanged reload", "ms", cost.as_secs_f64() * 1e3),
                ("longest pause between adverts", "intervals", gap),
                ("until one more instance runs", "ms", runs.as_secs_f64() * 1e3),
            ],
        );
        running.stop();
        Ok(())
    })
}

/// The longest time any router sent no advert.
fn longest_gap(seen: &[Seen]) -> Duration {
    let mut last = HashMap::new();
    let mut longest = 0;
    for seen in seen.iter().filter(|seen| matches!(seen.what, What::Advert(_))) {
        if let Some(before) = last.insert((seen.port, seen.vrid), seen.at) {
            longest = longest.max(seen.at.saturating_sub(before));
        }
    }
    Duration::from_nanos(longest)
}

/// One of many interfaces goes down: when all of its routers are in FAULT, and whether any other is.
pub fn link(plan: &Plan, record: &mut Record) -> Result<(), String> {
    let number = if plan.small() { 510 } else { 4_080 };
    let (bed, routers) = (plan.bed(number)?, routers(number));
    let scenario = format!("link-event {}", size(number, 10));
    plan.alternate(record, |record, subject, repetition| {
        let running = master(plan, &bed, subject, &routers, 10)?;
        std::thread::sleep(Duration::from_millis(500));
        let (cpu, before) = (running.cpu(), running.told("FAULT"));
        let down = Instant::now();
        bed.dut.ip(&format!("link set {} down", dut_port(0)));
        let failed = running.wait("FAULT", before + 255, PATIENCE);
        std::thread::sleep(Duration::from_millis(500));
        let (used, told) = (running.cpu() - cpu, running.told("FAULT"));
        bed.dut.ip(&format!("link set {} up", dut_port(0)));
        let failed = failed? - down;
        record.add(
            &scenario,
            subject.name(),
            repetition,
            &[
                ("until its routers are in FAULT", "ms", failed.as_secs_f64() * 1e3),
                ("CPU within half a second", "ms", used.as_secs_f64() * 1e3),
                ("routers of others in FAULT", "", count(told - before - 255)),
            ],
        );
        running.stop();
        Ok(())
    })
}
