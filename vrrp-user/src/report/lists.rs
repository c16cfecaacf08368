//! What do counters and the XDP program look like as text.
use super::grid::{Column, Style, lines};
use super::model::{Hook, Instance, Program, Snapshot};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use vrrp_common::counter::{Counter, Kind};

/// Counters of every instance in the order of `keepalived.stats`, then those that it does not have,
/// where they are not zero, then what the interfaces counted for no instance.
pub fn stats(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    for instance in &snapshot.instances {
        instance_stats(&mut text, instance);
    }
    for port in &snapshot.ports {
        let rejected = of_kind(&port.counters, Kind::Rejected);
        if !rejected.is_empty() {
            let _ = writeln!(text, "Interface: {}\n  Of No Instance:", port.interface);
            for (name, count) in rejected {
                let _ = writeln!(text, "    {name}: {count}");
            }
        }
    }
    text
}

fn instance_stats(text: &mut String, instance: &Instance) {
    let of = |counter: Counter| {
        instance.counters.get(counter.name()).map_or_else(|| "0".to_owned(), u64::to_string)
    };
    let own = |count: u64| count.to_string();
    // Beside each heading the lines below it, and which of our counters they show.
    let shown = [
        Counter::Received,
        Counter::Length,
        Counter::Ttl,
        Counter::Type,
        Counter::Interval,
        Counter::AddressListDiffers,
        Counter::AuthTypeInvalid,
        Counter::AuthTypeMismatch,
        Counter::AuthFailure,
        Counter::PriorityZero,
    ];
    let groups: [(&str, Vec<(&str, String)>); 4] = [
        (
            "Packet Errors",
            vec![
                ("Length", of(Counter::Length)),
                ("TTL", of(Counter::Ttl)),
                ("Invalid Type", of(Counter::Type)),
                ("Advertisement Interval", of(Counter::Interval)),
                ("Address List", of(Counter::AddressListDiffers)),
            ],
        ),
        (
            "Authentication Errors",
            vec![
                ("Invalid Type", of(Counter::AuthTypeInvalid)),
                ("Type Mismatch", of(Counter::AuthTypeMismatch)),
                ("Failure", of(Counter::AuthFailure)),
            ],
        ),
        (
            "Priority Zero",
            vec![
                ("Received", of(Counter::PriorityZero)),
                ("Sent", own(instance.priority_zero_sent)),
            ],
        ),
        (
            "Other",
            Counter::ALL
                .iter()
                .filter(|counter| !shown.contains(counter))
                .map(|counter| (counter.name(), of(*counter)))
                .filter(|(_, count)| count != "0")
                .collect(),
        ),
    ];
    let _ = writeln!(text, "VRRP Instance: {}", instance.name);
    let _ = writeln!(text, "  Advertisements:\n    Received: {}", of(Counter::Received));
    let _ = writeln!(text, "    Sent: {}", instance.adverts_sent);
    let _ = writeln!(text, "  Became master: {}", instance.became_master);
    let _ = writeln!(text, "  Released master: {}", instance.released_master);
    for (heading, values) in groups.iter().filter(|(_, values)| !values.is_empty()) {
        let _ = writeln!(text, "  {heading}:");
        for (name, value) in values {
            let _ = writeln!(text, "    {name}: {value}");
        }
    }
}

/// Counters of one kind that are not zero, in their order.
fn of_kind(counters: &BTreeMap<String, u64>, kind: Kind) -> Vec<(&'static str, u64)> {
    Counter::ALL
        .iter()
        .filter(|counter| counter.kind() == kind)
        .filter_map(|counter| Some((counter.name(), *counters.get(counter.name())?)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

const HOOKS: [Column; 5] = [
    Column("Interface", false),
    Column("Path", false),
    Column("Program", true),
    Column("Accepted", true),
    Column("Rejected", true),
];

/// The programs, the interfaces they are on, and verdicts by reason.
pub fn xdp(programs: &[Program], style: Style) -> String {
    let mut text = String::new();
    for program in programs.iter().filter(|program| program.id != 0) {
        let _ = writeln!(text, "Program {} ({})", program.id, program.name);
        let number = |value: Option<u32>| value.map_or("unknown".to_owned(), |v| v.to_string());
        let instructions = number(program.verified_instructions);
        let _ = writeln!(text, "  Instructions Verified: {instructions}");
        let _ = writeln!(text, "  Size: {} bytes", number(program.size));
        let jited = program
            .jited_size
            .map_or("none, it is interpreted".to_owned(), |size| format!("{size} bytes"));
        let _ = writeln!(text, "  Machine Code: {jited}");
        let average = program.run_time_ns.checked_div(program.runs);
        let time = match (average, program.counting) {
            (Some(average), _) => format!("{average} ns a run, {} runs", program.runs),
            (None, true) => "no run yet".to_owned(),
            (None, false) => {
                "not measured (`--watch`, or sysctl -w kernel.bpf_stats_enabled=1)".to_owned()
            }
        };
        let _ = writeln!(text, "  Run Time: {time}");
    }
    let hooks: Vec<(&Program, &Hook)> = programs
        .iter()
        .flat_map(|program| program.interfaces.iter().map(move |hook| (program, hook)))
        .collect();
    let rows: Vec<[String; 5]> = hooks
        .iter()
        .map(|(program, hook)| {
            let sum = |kind| of_kind(&hook.counters, kind).iter().map(|(_, n)| n).sum::<u64>();
            [
                hook.interface.clone(),
                hook.path.clone(),
                if program.id == 0 { "-".to_owned() } else { program.id.to_string() },
                sum(Kind::Accepted).to_string(),
                sum(Kind::Rejected).to_string(),
            ]
        })
        .collect();
    text.push_str(&lines(HOOKS, &rows, style));
    for (_, hook) in hooks {
        for (kind, word) in [(Kind::Rejected, "rejected"), (Kind::Remark, "remarked")] {
            for (name, count) in of_kind(&hook.counters, kind) {
                let _ = writeln!(text, "{}: {word}: {name} {count}", hook.interface);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(counts: &[(Counter, u64)]) -> BTreeMap<String, u64> {
        let mut all: BTreeMap<String, u64> =
            Counter::ALL.iter().map(|counter| (counter.name().to_owned(), 0)).collect();
        all.extend(counts.iter().map(|(counter, count)| (counter.name().to_owned(), *count)));
        all
    }

    #[test]
    fn stats_are_in_keepaliveds_order() {
        let instance = Instance {
            name: "VI_1".into(),
            adverts_sent: 5,
            counters: counters(&[(Counter::Received, 7), (Counter::Ttl, 2), (Counter::Vrid, 3)]),
            ..Instance::default()
        };
        let snapshot = Snapshot { instances: vec![instance], ..Snapshot::default() };
        assert_eq!(
            stats(&snapshot),
            "VRRP Instance: VI_1\n  Advertisements:\n    Received: 7\n    Sent: 5\n  \
             Became master: 0\n  Released master: 0\n  Packet Errors:\n    Length: 0\n    TTL: 2\n    \
             Invalid Type: 0\n    Advertisement Interval: 0\n    Address List: 0\n  \
             Authentication Errors:\n    Invalid Type: 0\n    Type Mismatch: 0\n    Failure: 0\n  \
             Priority Zero:\n    Received: 0\n    Sent: 0\n  Other:\n    vrid: 3\n"
        );
    }

    #[test]
    fn interfaces_without_a_program_are_shown_too() {
        let hook = Hook {
            interface: "eth0".into(),
            path: "socket".into(),
            counters: counters(&[(Counter::Received, 7), (Counter::Checksum, 2)]),
        };
        let none = Program { interfaces: vec![hook], ..Program::default() };
        assert_eq!(
            xdp(&[none], Style::default()),
            "Interface  Path    Program  Accepted  Rejected\n\
             eth0       socket        -         7         2\n\
             eth0: rejected: checksum 2\n"
        );
    }
}
