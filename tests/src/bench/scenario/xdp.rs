//! What does a packet cost in the program: in test runs, and on a cable.
use super::{Plan, backup};
use crate::bench::live::Bouncer;
use crate::bench::sample::{Record, count, figure};
use crate::bench::subject::Subject;
use crate::bench::topology::{VRIDS, routers};
use std::time::Duration;
use xvrrp::dataplane::cost;

/// Every kind of packet, beside an empty program in the same rounds; then adverts of 255 routers at
/// the highest rate the kernel makes, to a daemon on native XDP.
pub fn run(plan: &Plan, record: &mut Record) -> Result<(), String> {
    for repetition in 0..plan.repetitions {
        let costs =
            cost::measure(if plan.quick { 10 } else { 60 }).map_err(|e| format!("{e:#}"))?;
        let figures: Vec<_> =
            costs.iter().map(|cost| (cost.packet, "ns", figure(cost.nanos))).collect();
        record.add("xdp-ns", "xvrrp", repetition, &figures);
    }
    cable(plan, record)
}

fn cable(plan: &Plan, record: &mut Record) -> Result<(), String> {
    let each = if plan.quick { 4_000 } else { 40_000 };
    let (bed, routers) = (plan.bed(VRIDS)?, routers(VRIDS));
    let kernel = |why| format!("frames made by the kernel: {why}");
    let bouncer = Bouncer::new(&bed).map_err(kernel)?;
    let ours = plan.subjects.iter().copied().filter(|subject| subject.is_ours()).collect();
    let plan = Plan { subjects: ours, ..plan.clone() };
    plan.alternate(record, |record, subject, repetition| {
        // Frames of this kind are for who has a program: without one of ours it takes another.
        let _passing = match subject {
            Subject::Sockets => Some(bouncer.let_pass(&bed).map_err(kernel)?),
            _ => None,
        };
        let (running, masters) = backup(&plan, &bed, subject, &routers, 100)?;
        let mut nanos = Vec::new();
        for which in &routers {
            let frame = which.advert(200, 100);
            nanos.push(bouncer.send(&bed, &frame, each).map_err(kernel)?);
        }
        let masters = masters.stop().adverts;
        let sent = masters + u64::from(each) * u64::try_from(VRIDS).unwrap_or(0);
        std::thread::sleep(Duration::from_millis(200));
        let counted = running.counted().ok_or("show does not answer")?;
        let all: u64 = nanos.iter().map(|nanos| u64::from(*nanos)).sum();
        let took = figure(all) * f64::from(each);
        nanos.sort_unstable();
        let best = nanos.first().copied().unwrap_or(0);
        record.add(
            "xdp-ns on a cable, 255 routers",
            subject.name(),
            repetition,
            &[
                ("sent and received", "million/s", 1e3 * count(nanos.len()) / figure(all)),
                ("the same, best of 255 runs", "million/s", 1e3 / f64::from(best)),
                ("judged", "million/s", 1e3 * figure(counted.saturating_sub(masters)) / took),
                ("adverts not counted", "", figure(sent.saturating_sub(counted))),
            ],
        );
        running.stop();
        Ok(())
    })
}
