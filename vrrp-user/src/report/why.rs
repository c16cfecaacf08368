//! Why is a router in FAULT, and why is its priority what it is?
use super::model;
use crate::engine::snapshot::{Fault, Kind, Known, Reason, RouterSnapshot};
use std::fmt::Write as _;

/// Every fault, with what is known of what it comes from.
pub fn faults(router: &RouterSnapshot) -> Vec<model::Fault> {
    let known = |fault: &Fault| {
        router.known.iter().find(|(about, _)| about == fault).map(|(_, known)| words(known))
    };
    router
        .faults
        .iter()
        .map(|fault| model::Fault {
            reason: reason(fault.reason).to_owned(),
            object: fault.object.to_string(),
            detail: known(fault),
        })
        .collect()
}

/// Every part of the priority beside the configured one.
pub fn weights(router: &RouterSnapshot) -> Vec<model::Weight> {
    router
        .weights
        .iter()
        .map(|weight| model::Weight {
            kind: kind(weight.kind).to_owned(),
            object: weight.object.to_string(),
            weight: weight.amount,
            detail: weight.known.as_ref().map(words),
        })
        .collect()
}

/// A fault's kind as reports name it.
pub const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Interface => "interface",
        Reason::NoSource => "no-source",
        Reason::Dataplane => "dataplane",
        Reason::TrackedInterface => "tracked-interface",
        Reason::AddressInterface => "address-interface",
        Reason::RouteInterface => "route-interface",
        Reason::RuleInterface => "rule-interface",
        Reason::StaticInterface => "static-interface",
        Reason::SourceMissing => "source-missing",
        Reason::Script => "script",
        Reason::File => "file",
        Reason::Process => "process",
        Reason::Awaited => "awaited",
        Reason::Member => "group-member",
    }
}

/// A fault's kind in words, to be followed by its object.
pub fn reason_words(reason: &str) -> &str {
    match reason {
        "interface" => "its interface is down or missing:",
        "no-source" => "no address to send from on",
        "dataplane" => "no place to send and receive its adverts on",
        "tracked-interface" => "tracked interface is not as it should be:",
        "address-interface" => "interface of a virtual address is down or missing:",
        "route-interface" => "interface of a virtual route is down or missing:",
        "rule-interface" => "interface of a virtual rule is down or missing:",
        "static-interface" => "interface of a static object is down or missing:",
        "source-missing" => "source address is missing:",
        "script" => "tracked script is not as it should be:",
        "file" => "tracked file says so:",
        "process" => "tracked process is not as it should be:",
        "awaited" => "nothing is known yet of",
        "group-member" => "fault of another member of its sync group:",
        other => other,
    }
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Interface => "interface",
        Kind::Script => "script",
        Kind::File => "file",
        Kind::Process => "process",
    }
}

fn words(known: &Known) -> String {
    match known {
        Known::Script { good: None, .. } => "no result yet".to_owned(),
        Known::Script { good: Some(good), against, needed } => {
            let (is, other) = if *good { ("good", "failures") } else { ("bad", "successes") };
            format!("{is}, {against} of {needed} {other} in a row to change")
        }
        Known::File { path, value: None } => format!("{} was not read yet", path.display()),
        Known::File { path, value: Some(value) } => format!("{} holds {value}", path.display()),
        Known::Process { count, quorum, quorum_max, changes } => {
            let mut words = match count {
                Some(count) => format!("{count} running"),
                None => "not counted yet".to_owned(),
            };
            let _ = write!(words, ", at least {quorum} wanted");
            if let Some(most) = quorum_max {
                let _ = write!(words, ", at most {most}");
            }
            if *changes {
                words.push_str(", changed just now");
            }
            words
        }
        Known::Member(faults) => {
            let faults: Vec<String> = faults
                .iter()
                .map(|fault| format!("{} {}", reason(fault.reason), fault.object))
                .collect();
            faults.join(", ")
        }
    }
}
