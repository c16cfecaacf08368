//! What does it cost to be Backup: CPU, and adverts that got lost.
use super::{Plan, backup, percent, size};
use crate::bench::sample::{Record, figure};
use crate::bench::subject::{Subject, socket_drops};
use crate::bench::topology::{Bed, routers};
use crate::bench::wire::{Tap, What};
use std::time::{Duration, Instant};

/// 255 routers on one interface and 4,080 on sixteen, at a hundred adverts a second each.
pub fn run(plan: &Plan, record: &mut Record) -> Result<(), String> {
    let sizes: &[(usize, u16)] = if plan.quick { &[(255, 10)] } else { &[(255, 1), (4_080, 1)] };
    for (count, centis) in sizes {
        measure(plan, record, *count, *centis)?;
    }
    Ok(())
}

fn measure(plan: &Plan, record: &mut Record, count: usize, centis: u16) -> Result<(), String> {
    let (bed, routers) = (Bed::new(count), routers(count));
    let scenario = format!("idle-backup {}", size(count, centis));
    plan.alternate(record, |record, subject, repetition| {
        let drops = socket_drops(&bed);
        let (running, masters) = backup(plan, &bed, subject, &routers, centis)?;
        let tap = Tap::start(&bed.peer, &bed.ports);
        let (begun, cpu, sent) = (Instant::now(), running.cpu(), masters.sent());
        std::thread::sleep(plan.period());
        let (took, used) = (begun.elapsed(), running.cpu() - cpu);
        let rate = figure(masters.sent() - sent) / took.as_secs_f64();
        // Who is Backup says nothing.
        let (seen, _) = tap.stop();
        let spoke: std::collections::BTreeSet<_> = seen
            .iter()
            .filter(|seen| matches!(seen.what, What::Advert(_)))
            .map(|seen| (seen.port, seen.vrid))
            .collect();
        let sent = masters.stop();
        std::thread::sleep(Duration::from_millis(200));
        let lost = match subject {
            Subject::Xvrrp | Subject::Sockets => {
                sent.adverts - running.counted().ok_or("show does not answer")?.min(sent.adverts)
            }
            Subject::Keepalived | Subject::KeepalivedRt | Subject::Frr => {
                socket_drops(&bed) - drops
            }
        };
        record.add(
            &scenario,
            subject.name(),
            repetition,
            &[
                ("CPU of the daemon", "% of a core", percent(used, took)),
                ("adverts sent to it", "1/s", rate),
                ("adverts not counted", "", figure(lost)),
                ("routers with a false transition", "", super::super::sample::count(spoke.len())),
                ("latest burst of the load", "ms", sent.latest.as_secs_f64() * 1e3),
            ],
        );
        running.stop();
        Ok(())
    })
}
