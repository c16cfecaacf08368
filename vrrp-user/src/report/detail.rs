//! What does one router look like, key and value.
use super::grid::{Style, painted};
use super::model::Instance;
use super::table::age;
use super::why::reason_words;
use std::fmt::Write as _;

/// Everything about one instance, as `xvrrp show NAME` prints it.
pub fn instance(instance: &Instance, style: Style) -> String {
    let mut text = String::new();
    let mut put = |key: &str, value: String| {
        let _ = writeln!(text, "{:<32} {value}", format!("{key}:"));
    };
    let unknown = || "unknown".to_owned();
    put("Instance", instance.name.clone());
    put("State", format!("{} for {}", painted(&instance.state, style), age(instance.since_ms)));
    if let Some(timer) = instance.timer_ms {
        put("Timer Left", format!("{timer} ms"));
    }
    if let Some(hold) = instance.hold_ms {
        put("Held Back", format!("for {} (demoted by an operator)", age(hold)));
    }
    for fault in &instance.faults {
        put(
            "  Fault",
            format!("{} {}{}", reason_words(&fault.reason), fault.object, more(&fault.detail)),
        );
    }
    if let Some(group) = &instance.group {
        put("Sync Group", group.clone());
    }
    put("Interface", instance.interface.clone());
    put("Virtual Router ID", instance.vrid.to_string());
    let beside = if instance.v2_interop { " and, for a transition, VRRPv2" } else { "" };
    put("Protocol", format!("VRRPv{}{beside} over {}", instance.protocol, instance.family));
    put("Path", instance.path.clone().unwrap_or_else(unknown));
    put("Source Address", instance.source.clone().unwrap_or_else(unknown));
    put("Master", instance.master.clone().unwrap_or_else(unknown));
    if let Some(priority) = instance.master_priority {
        put("Master Priority", priority.to_string());
    }
    put("Priority", instance.base_priority.to_string());
    put("Effective Priority", instance.priority.to_string());
    for weight in &instance.weights {
        let (by, kind) = (&weight.object, &weight.kind);
        put("  Weight", format!("{:+} by {kind} {by}{}", weight.weight, more(&weight.detail)));
    }
    put("Preempt Mode", if instance.preempt { "yes" } else { "no" }.to_owned());
    put("Advertisement Interval", millis(instance.advert_interval_us));
    put("Master Advertisement Interval", millis(instance.master_interval_us));
    put("Skew Time", millis(instance.skew_us));
    put("Master Down Interval", millis(instance.down_interval_us));
    let standard = &instance.ietf_vrrp;
    put("Last Event", standard.last_event.clone());
    put("New Master Reason", standard.new_master_reason.clone());
    if let Some(since) = &standard.up_datetime {
        put("Up Since", since.clone());
    }
    put("Became Master", instance.became_master.to_string());
    put("Released Master", instance.released_master.to_string());
    put("Advertisements Sent", instance.adverts_sent.to_string());
    put("Priority Zero Sent", instance.priority_zero_sent.to_string());
    put("Addresses", instance.addresses.len().to_string());
    for address in &instance.addresses {
        let state = painted(&address.state, style);
        let mut words = format!("{} dev {}: {state}", address.address, address.dev);
        if let Some(why) = &address.why {
            let _ = write!(words, ": {why}");
        }
        if address.excluded {
            words.push_str(", excluded");
        }
        if address.no_track {
            let _ = write!(words, ", no_track (prevented {} faults)", address.prevented);
        }
        let _ = write!(words, ", announced {}, repaired {}", address.announced, address.repaired);
        put("  Address", words);
    }
    for route in &instance.routes {
        let why = route.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        put("  Route", format!("{}: {}{why}", route.route, route.state));
    }
    for rule in &instance.rules {
        let why = rule.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        put("  Rule", format!("{}: {}{why}", rule.rule, rule.state));
    }
    let counted: Vec<_> = instance.counters.iter().filter(|(_, count)| **count > 0).collect();
    put("Received", if counted.is_empty() { "nothing" } else { "" }.to_owned());
    for (name, count) in counted {
        put(&format!("  {name}"), count.to_string());
    }
    text
}

/// What is known beside, in brackets.
fn more(detail: &Option<String>) -> String {
    detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"))
}

/// Microseconds as milliseconds with up to three decimals.
fn millis(us: u64) -> String {
    match us % 1000 {
        0 => format!("{} ms", us / 1000),
        rest => format!("{}.{rest:03} ms", us / 1000),
    }
}
