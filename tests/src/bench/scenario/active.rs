//! What does it cost to be master, and how punctual are its adverts.
use super::{Plan, interval, master, percent, size};
use crate::bench::sample::{Record, count, figure, percentile};
use crate::bench::topology::routers;
use crate::bench::wire::{Seen, Tap, What};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// 255 routers and 4,080, at the shortest interval and at ten times it.
pub fn run(plan: &Plan, record: &mut Record) -> Result<(), String> {
    let sizes: &[(usize, u16)] =
        if plan.small() { &[(255, 10)] } else { &[(255, 1), (4_080, 10), (4_080, 1)] };
    for (routers, centis) in sizes {
        measure(plan, record, *routers, *centis)?;
    }
    Ok(())
}

fn measure(plan: &Plan, record: &mut Record, number: usize, centis: u16) -> Result<(), String> {
    let (bed, routers) = (plan.bed(number)?, routers(number));
    let scenario = format!("active {}", size(number, centis));
    let plan = &plan.of_size(number, &scenario, record);
    plan.alternate(record, |record, subject, repetition| {
        let running = master(plan, &bed, subject, &routers, centis)?;
        std::thread::sleep(Duration::from_secs(1));
        let tap = Tap::start(&bed.peer, &bed.ports);
        let (begun, cpu) = (Instant::now(), running.cpu());
        std::thread::sleep(plan.period());
        let (took, used) = (begun.elapsed(), running.cpu() - cpu);
        let (seen, dropped) = tap.stop();
        running.stop();
        if dropped > 0 {
            record.note(format!("{scenario}: {dropped} frames were not seen by the harness"));
        }
        let sent: Vec<&Seen> =
            seen.iter().filter(|seen| matches!(seen.what, What::Advert(1..))).collect();
        let punctual = Punctual::of(&sent, interval(centis));
        let due = count(number) * took.as_secs_f64() / interval(centis).as_secs_f64();
        let adverts = count(sent.len() + dropped);
        let spent = used.as_secs_f64() * 1e6;
        record.add(
            &scenario,
            subject.name(),
            repetition,
            &[
                ("CPU of the daemon", "% of a core", percent(used, took)),
                ("CPU per advert", "us", spent / adverts.max(1.0)),
                ("adverts sent", "% of those due", 100.0 * adverts / due),
                ("deviation, median", "us", punctual.p50),
                ("deviation, 99 %", "us", punctual.p99),
                ("deviation, worst", "us", punctual.worst),
                ("drift", "us/s", punctual.drift),
            ],
        );
        Ok(())
    })
}

/// How far adverts were from a grid of intervals, per router; the grid is put where half of the
/// router's adverts are early and half are late.
#[derive(Clone, Copy, Debug, Default)]
pub struct Punctual {
    p50: f64,
    p99: f64,
    worst: f64,
    drift: f64,
}

impl Punctual {
    /// In microseconds.
    pub fn of(adverts: &[&Seen], interval: Duration) -> Self {
        let step = i128::try_from(interval.as_nanos()).unwrap_or(1);
        let mut times: HashMap<(u16, u8), Vec<i128>> = HashMap::new();
        for seen in adverts {
            times.entry((seen.port, seen.vrid)).or_default().push(seen.at.into());
        }
        let (mut deviations, mut drifts) = (Vec::new(), Vec::new());
        for times in times.values().filter(|times| times.len() > 2) {
            let first = times[0];
            // The n-th advert is compared with n intervals: who sends fewer than are due drifts.
            let offsets: Vec<i128> =
                (0..).zip(times).map(|(n, at)| at - first - n * step).collect();
            let mut sorted = offsets.clone();
            sorted.sort_unstable();
            let middle = sorted[sorted.len() / 2];
            deviations.extend(offsets.iter().map(|offset| (offset - middle).unsigned_abs()));
            let half = offsets.len() / 2;
            let mean = |part: &[i128]| {
                part.iter().sum::<i128>() / i128::try_from(part.len().max(1)).unwrap_or(1)
            };
            let (early, late) = (mean(&offsets[..half]), mean(&offsets[half..]));
            let apart =
                Duration::from_nanos(u64::try_from(times[times.len() - 1] - first).unwrap_or(1));
            let micros =
                figure(u64::try_from((late - early).unsigned_abs()).unwrap_or(u64::MAX)) / 1e3;
            drifts.push(micros / (apart.as_secs_f64() / 2.0));
        }
        deviations.sort_unstable();
        drifts.sort_by(f64::total_cmp);
        let micros = |percent| {
            let nanos = percentile(&deviations, percent).unwrap_or(0);
            figure(u64::try_from(nanos).unwrap_or(u64::MAX)) / 1e3
        };
        Self {
            p50: micros(50.0),
            p99: micros(99.0),
            worst: micros(100.0),
            drift: percentile(&drifts, 50.0).unwrap_or(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_no_deviation_and_a_slow_clock_drifts() {
        let seen = |step: u64| -> Vec<Seen> {
            let at = |n| 1_000 + n * step;
            (0..1_001)
                .map(|n| Seen { at: at(n), port: 0, vrid: 1, what: What::Advert(100) })
                .collect()
        };
        let of = |list: &[Seen]| {
            Punctual::of(&list.iter().collect::<Vec<_>>(), Duration::from_millis(10))
        };
        let exact = of(&seen(10_000_000));
        assert!(exact.worst == 0.0 && exact.drift == 0.0, "{exact:?}");
        // One per mille slow: a millisecond a second.
        let slow = of(&seen(10_010_000));
        assert!((slow.drift - 999.0).abs() < 2.0, "{slow:?}");
        assert!(slow.worst > 4_900.0, "{slow:?}");
    }
}
