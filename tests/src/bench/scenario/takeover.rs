//! How long is nobody master: from each dead master's last advert to the last router's word.
use super::{Plan, backup, interval, size};
use crate::bench::load::Sent;
use crate::bench::sample::{Record, count, figure, percentile};
use crate::bench::topology::{Which, routers};
use crate::bench::wire::{Seen, Tap, What};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// 255 routers at the shortest interval and at a second.
pub fn run(plan: &Plan, record: &mut Record) -> Result<(), String> {
    let sizes: &[(usize, u16)] = if plan.small() { &[(255, 10)] } else { &[(255, 1), (255, 100)] };
    each(plan, record, "takeover", sizes)
}

/// 4,080 routers on sixteen interfaces.
pub fn mass(plan: &Plan, record: &mut Record) -> Result<(), String> {
    let sizes: &[(usize, u16)] =
        if plan.small() { &[(1_020, 10)] } else { &[(4_080, 10), (4_080, 1)] };
    each(plan, record, "mass-takeover", sizes)
}

fn each(
    plan: &Plan,
    record: &mut Record,
    name: &str,
    sizes: &[(usize, u16)],
) -> Result<(), String> {
    for (routers, centis) in sizes {
        measure(plan, record, name, *routers, *centis)?;
    }
    Ok(())
}

/// What the standard asks for with priority 100.
fn theory(centis: u16) -> Duration {
    interval(centis) * 3 + interval(centis) * 156 / 256
}

fn measure(
    plan: &Plan,
    record: &mut Record,
    name: &str,
    number: usize,
    centis: u16,
) -> Result<(), String> {
    let (bed, routers) = (plan.bed(number)?, routers(number));
    let scenario = format!("{name} {}", size(number, centis));
    let theory = theory(centis);
    plan.alternate(record, |record, subject, repetition| {
        let (running, masters) = backup(plan, &bed, subject, &routers, centis)?;
        // While they live nobody is deposed.
        let before = Tap::start(&bed.peer, &bed.ports);
        std::thread::sleep(Duration::from_millis(300) + interval(centis) * 2);
        let (early, _) = before.stop();
        let tap = Tap::start(&bed.peer, &bed.ports);
        let sent = masters.stop();
        let end = Instant::now() + theory + Duration::from_secs(5);
        let complete = || {
            tap.look(|seen| {
                let kinds = [What::Advert(100), What::Announcement];
                kinds.iter().all(|kind| first(seen, *kind).len() >= number)
            })
        };
        while Instant::now() < end && !complete() {
            std::thread::sleep(Duration::from_millis(50));
        }
        let (seen, _) = tap.stop();
        running.stop();
        let adverts = delays(&sent, &first(&seen, What::Advert(100)));
        let announced = delays(&sent, &first(&seen, What::Announcement));
        let ms = |delays: &[u64], percent| {
            percentile(delays, percent).map_or(f64::NAN, |nanos| figure(nanos) / 1e6)
        };
        record.add(
            &scenario,
            subject.name(),
            repetition,
            &[
                ("theory", "ms", theory.as_secs_f64() * 1e3),
                ("first advert, median", "ms", ms(&adverts, 50.0)),
                ("first advert, last router", "ms", ms(&adverts, 100.0)),
                ("announcement, last router", "ms", ms(&announced, 100.0)),
                ("routers that took over", "", count(adverts.len())),
                ("routers that announced", "", count(announced.len())),
                ("adverts before the masters died", "", count(early.len())),
            ],
        );
        Ok(())
    })
}

/// When each router was first seen to do something.
fn first(seen: &[Seen], what: What) -> HashMap<Which, u64> {
    let mut first = HashMap::new();
    for seen in seen.iter().filter(|seen| seen.what == what) {
        first.entry(Which { port: seen.port, vrid: seen.vrid }).or_insert(seen.at);
    }
    first
}

/// Nanoseconds from a master's last word, sorted.
fn delays(sent: &Sent, first: &HashMap<Which, u64>) -> Vec<u64> {
    let mut delays: Vec<u64> = first
        .iter()
        .filter_map(|(which, at)| Some(at.saturating_sub(*sent.last.get(which)?)))
        .collect();
    delays.sort_unstable();
    delays
}
