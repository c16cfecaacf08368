//! What do many routers look like, a line each.
use super::grid::{Column, Style, lines};
use super::model::{Event, Instance, Snapshot};

/// Columns of `xvrrp show`.
const COLUMNS: [Column; 8] = [
    Column("Name", false),
    Column("Interface", false),
    Column("VRID", true),
    Column("State", false),
    Column("Priority", true),
    Column("Last Transition", false),
    Column("Master", false),
    Column("Path", false),
];

/// Columns of `xvrrp show brief`, in the order of Cisco's `show vrrp brief`.
const BRIEF: [Column; 10] = [
    Column("Interface", false),
    Column("Grp", true),
    Column("A-F", false),
    Column("Pri", true),
    Column("Time", true),
    Column("Own", false),
    Column("Pre", false),
    Column("State", false),
    Column("Master addr", false),
    Column("Group addr", false),
];

/// Columns of `xvrrp show events`.
const EVENTS: [Column; 6] = [
    Column("When", false),
    Column("Name", false),
    Column("From", false),
    Column("To", false),
    Column("Priority", true),
    Column("Why", false),
];

/// Instances, by name.
fn sorted(snapshot: &Snapshot) -> Vec<&Instance> {
    let mut instances: Vec<&Instance> = snapshot.instances.iter().collect();
    instances.sort_by(|a, b| a.name.cmp(&b.name));
    instances
}

/// The overview: one line per instance, sorted by name, then what needs attention.
pub fn overview(snapshot: &Snapshot, style: Style) -> String {
    let instances = sorted(snapshot);
    let rows: Vec<[String; 8]> = instances.iter().map(|instance| row(instance)).collect();
    let mut text = lines(COLUMNS, &rows, style);
    for instance in instances {
        for fault in &instance.faults {
            text.push_str(&format!(
                "{}: fault: {} {}\n",
                instance.name, fault.reason, fault.object
            ));
        }
        for address in &instance.addresses {
            if address.state.starts_with("pending") || address.state == "failed" {
                let why = address.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
                text.push_str(&format!(
                    "{}: {} dev {}: {}{why}\n",
                    instance.name, address.address, address.dev, address.state
                ));
            }
        }
    }
    for own in snapshot.statics.iter().filter(|own| own.state != "present") {
        let why = own.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        text.push_str(&format!("static {}: {}{why}\n", own.object, own.state));
    }
    for group in &snapshot.groups {
        let members = group.members.join(", ");
        text.push_str(&format!("group {}: {}: {members}\n", group.name, group.state));
    }
    for port in &snapshot.ports {
        if let Some(why) = &port.why {
            text.push_str(&format!("{}: {}: {why}\n", port.interface, port.path));
        }
    }
    if let Some(error) = &snapshot.reload_error {
        text.push_str(&format!("last reload refused: {error}\n"));
    }
    text
}

fn row(instance: &Instance) -> [String; 8] {
    let dash = || "-".to_owned();
    [
        instance.name.clone(),
        instance.interface.clone(),
        instance.vrid.to_string(),
        instance.state.clone(),
        instance.priority.to_string(),
        age(instance.since_ms),
        instance.master.clone().unwrap_or_else(dash),
        instance.path.clone().unwrap_or_else(dash),
    ]
}

/// One line per instance, by interface and group.
pub fn brief(snapshot: &Snapshot, style: Style) -> String {
    let mut instances = sorted(snapshot);
    instances
        .sort_by(|a, b| (&a.interface, a.vrid, &a.family).cmp(&(&b.interface, b.vrid, &b.family)));
    let rows: Vec<[String; 10]> = instances.iter().map(|instance| brief_row(instance)).collect();
    lines(BRIEF, &rows, style)
}

fn brief_row(instance: &Instance) -> [String; 10] {
    let mark = |is: bool, letter: &str| if is { letter.to_owned() } else { String::new() };
    let dash = || "-".to_owned();
    let master = match instance.master.as_deref() {
        Some("self") => instance.source.clone(),
        other => other.map(str::to_owned),
    };
    let first = instance.addresses.first();
    [
        instance.interface.clone(),
        instance.vrid.to_string(),
        if instance.family == "ipv6" { "IPv6" } else { "IPv4" }.to_owned(),
        instance.priority.to_string(),
        (instance.down_interval_us / 1000).to_string(),
        mark(instance.base_priority == 255, "Y"),
        mark(instance.preempt, "Y"),
        match instance.state.as_str() {
            "MASTER" => "Master",
            "BACKUP" => "Backup",
            "FAULT" => "Fault",
            _ => "Init",
        }
        .to_owned(),
        master.unwrap_or_else(dash),
        first.map_or_else(dash, |address| {
            address.address.split('/').next().unwrap_or_default().to_owned()
        }),
    ]
}

/// Transitions, the last one last.
pub fn events(events: &[Event], style: Style) -> String {
    let rows: Vec<[String; 6]> = events
        .iter()
        .map(|event| {
            [
                event.datetime.clone(),
                event.instance.clone(),
                event.from.clone(),
                event.to.clone(),
                event.priority.to_string(),
                event.why.clone(),
            ]
        })
        .collect();
    lines(EVENTS, &rows, style)
}

/// The two largest units of a time, as in `3m2s`.
pub fn age(ms: u64) -> String {
    let seconds = ms / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let seconds = seconds % 60;
    if days > 0 {
        format!("{days}d{hours}h")
    } else if hours > 0 {
        format!("{hours}h{minutes}m")
    } else if minutes > 0 {
        format!("{minutes}m{seconds}s")
    } else if seconds > 0 {
        format!("{seconds}s")
    } else {
        format!("{ms}ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::{Address, Fault};

    #[test]
    fn columns_line_up_and_faults_follow() {
        let instance = |name: &str, state: &str| Instance {
            name: name.into(),
            interface: "eth0".into(),
            vrid: 51,
            state: state.into(),
            priority: 100,
            since_ms: 182_000,
            master: Some("self".into()),
            path: Some("xdp-native".into()),
            ..Instance::default()
        };
        let mut second = instance("VI_10", "FAULT");
        second.faults =
            vec![Fault { reason: "interface".into(), object: "eth4".into(), ..Fault::default() }];
        let mut first = instance("A", "MASTER");
        first.addresses = vec![Address {
            address: "2.2.2.2/24".into(),
            dev: "ETH4".into(),
            state: "pending (link down)".into(),
            ..Address::default()
        }];
        let snapshot = Snapshot { instances: vec![second, first], ..Snapshot::default() };
        assert_eq!(
            overview(&snapshot, Style::default()),
            "Name   Interface  VRID  State   Priority  Last Transition  Master  Path\n\
             A      eth0         51  MASTER       100  3m2s             self    xdp-native\n\
             VI_10  eth0         51  FAULT        100  3m2s             self    xdp-native\n\
             A: 2.2.2.2/24 dev ETH4: pending (link down)\n\
             VI_10: fault: interface eth4\n"
        );
    }

    #[test]
    fn brief_is_in_ciscos_order() {
        let instance = Instance {
            name: "VI_1".into(),
            interface: "eth0".into(),
            vrid: 51,
            family: "ipv4".into(),
            state: "MASTER".into(),
            priority: 255,
            base_priority: 255,
            preempt: true,
            down_interval_us: 3_003_906,
            master: Some("self".into()),
            source: Some("10.0.0.1".into()),
            addresses: vec![Address { address: "10.0.0.100/24".into(), ..Address::default() }],
            ..Instance::default()
        };
        let snapshot = Snapshot { instances: vec![instance], ..Snapshot::default() };
        assert_eq!(
            brief(&snapshot, Style::default()),
            "Interface  Grp  A-F   Pri  Time  Own  Pre  State   Master addr  Group addr\n\
             eth0        51  IPv4  255  3003  Y    Y    Master  10.0.0.1     10.0.0.100\n"
        );
    }

    #[test]
    fn ages() {
        let shown = [999, 59_000, 61_000, 3_600_000, 90_061_000].map(age);
        assert_eq!(shown, ["999ms", "59s", "1m1s", "1h0m", "1d1h"]);
    }
}
