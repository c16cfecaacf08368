//! What do many routers look like, a line each.
use super::model::{Instance, Snapshot};

/// Columns of `xvrrp show`.
const COLUMNS: [&str; 8] =
    ["Name", "Interface", "VRID", "State", "Priority", "Last Transition", "Master", "Path"];

/// The overview: one line per instance, sorted by name, then what needs attention.
pub fn overview(snapshot: &Snapshot) -> String {
    let mut instances: Vec<&Instance> = snapshot.instances.iter().collect();
    instances.sort_by(|a, b| a.name.cmp(&b.name));
    let rows: Vec<[String; 8]> = instances.iter().map(|instance| row(instance)).collect();
    let mut widths = COLUMNS.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = line(&COLUMNS.map(str::to_owned), &widths);
    for row in &rows {
        text.push_str(&line(row, &widths));
    }
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

/// Numbers to the right, words to the left, nothing after the last word.
fn line(cells: &[String; 8], widths: &[usize; 8]) -> String {
    let mut text = String::new();
    for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
        if i > 0 {
            text.push_str("  ");
        }
        match i {
            2 | 4 => text.push_str(&format!("{cell:>width$}")),
            _ => text.push_str(&format!("{cell:<width$}")),
        }
    }
    format!("{}\n", text.trim_end())
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
            overview(&snapshot),
            "Name   Interface  VRID  State   Priority  Last Transition  Master  Path\n\
             A      eth0         51  MASTER       100  3m2s             self    xdp-native\n\
             VI_10  eth0         51  FAULT        100  3m2s             self    xdp-native\n\
             A: 2.2.2.2/24 dev ETH4: pending (link down)\n\
             VI_10: fault: interface eth4\n"
        );
    }

    #[test]
    fn ages() {
        let shown = [999, 59_000, 61_000, 3_600_000, 90_061_000].map(age);
        assert_eq!(shown, ["999ms", "59s", "1m1s", "1h0m", "1d1h"]);
    }
}
