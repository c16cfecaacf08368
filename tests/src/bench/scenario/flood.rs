//! What can a flood do: to the CPU, to legitimate adverts, to who is master.
use super::{Plan, backup, percent};
use crate::bench::load::Flood;
use crate::bench::sample::{Record, count, figure};
use crate::bench::subject::socket_drops;
use crate::bench::topology::{Which, routers};
use crate::bench::wire::{Tap, What};
use crate::frames::{Frame, Message};
use crate::lab::capture::address;
use crate::lab::frame::{Packet, Path, v3};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Routers; one VRID is left to be unknown.
const ROUTERS: usize = 254;
const CENTIS: u16 = 10;

/// Six kinds of packets, as fast as one thread can send them.
pub fn run(plan: &Plan, record: &mut Record) -> Result<(), String> {
    let all = [
        "bad checksum",
        "unknown VRID",
        "wrong TTL",
        "UDP",
        "valid but foreign",
        "copies of the master",
    ];
    let kinds = if plan.quick { &all[..1] } else { &all[..] };
    for kind in kinds {
        measure(plan, record, kind)?;
    }
    Ok(())
}

/// Frames of a kind, all routers in turn.
fn frames(kind: &str) -> Vec<Vec<u8>> {
    let of = |which: &Which| {
        let vip = [address(&which.vip())];
        let good = || Packet::advert(Path::multicast("10.0.0.3"), which.vrid, 50, v3(CENTIS), &vip);
        match kind {
            "bad checksum" => {
                let mut packet = good();
                packet.message[6] ^= 0x5a;
                packet.frame()
            }
            "unknown VRID" => good().resealed(|message| message[1] = 255).frame(),
            "wrong TTL" => Packet { ttl: 254, ..good() }.frame(),
            "UDP" => {
                let message = Message::v3(which.vrid, &vip);
                let source: IpAddr = [10, 0, 0, 3].into();
                Frame { protocol: 17, ..Frame::group(&message, source) }.bytes()
            }
            "valid but foreign" => good().frame(),
            _ => which.advert(200, CENTIS),
        }
    };
    routers(ROUTERS).iter().map(of).collect()
}

fn measure(plan: &Plan, record: &mut Record, kind: &str) -> Result<(), String> {
    let (bed, routers) = (plan.bed(ROUTERS)?, routers(ROUTERS));
    let scenario = format!("flood, {kind}, {}", super::size(ROUTERS, CENTIS));
    plan.alternate(record, |record, subject, repetition| {
        let before = socket_drops(&bed);
        let (running, masters) = backup(plan, &bed, subject, &routers, CENTIS)?;
        let tap = Tap::start(&bed.peer, &bed.ports);
        let (begun, cpu) = (Instant::now(), running.cpu());
        let flood = Flood::start(&bed, frames(kind));
        std::thread::sleep(plan.period());
        let (sent, lasted) = flood.stop();
        let (took, used) = (begun.elapsed(), running.cpu() - cpu);
        let (seen, _) = tap.stop();
        let spoke: BTreeSet<u8> = seen
            .iter()
            .filter(|seen| matches!(seen.what, What::Advert(_)))
            .map(|seen| seen.vrid)
            .collect();
        let legitimate = masters.stop();
        std::thread::sleep(Duration::from_millis(200));
        let dropped = socket_drops(&bed) - before;
        let mut figures = vec![
            ("packets of the flood", "1/s", figure(sent) / lasted.as_secs_f64()),
            ("CPU of the daemon", "% of a core", percent(used, took)),
            ("routers with a false transition", "", count(spoke.len())),
            ("packets dropped at sockets", "", figure(dropped)),
            ("latest burst of the load", "ms", legitimate.latest.as_secs_f64() * 1e3),
            ("adverts refused at first", "", figure(legitimate.refused)),
        ];
        // What is valid counts as received, whoever sent it.
        if subject.is_ours() {
            let valid = matches!(kind, "valid but foreign" | "copies of the master");
            let flooded = if valid { sent } else { 0 };
            let counted = running.counted().ok_or("show does not answer")?;
            let lost = (legitimate.adverts + flooded).saturating_sub(counted);
            figures.push(("adverts not counted", "", figure(lost)));
        }
        record.add(&scenario, subject.name(), repetition, &figures);
        running.stop();
        Ok(())
    })
}
