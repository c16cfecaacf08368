//! What does a packet cost in the program.
use super::Plan;
use crate::bench::sample::{Record, figure};
use xvrrp::dataplane::cost;

/// Every kind of packet, beside an empty program in the same rounds.
pub fn run(plan: &Plan, record: &mut Record) -> Result<(), String> {
    for repetition in 0..plan.repetitions {
        let costs =
            cost::measure(if plan.quick { 10 } else { 60 }).map_err(|e| format!("{e:#}"))?;
        let figures: Vec<_> =
            costs.iter().map(|cost| (cost.packet, "ns", figure(cost.nanos))).collect();
        record.add("xdp-ns", "xvrrp", repetition, &figures);
    }
    Ok(())
}
