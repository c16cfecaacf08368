//! What does the live view look like?
use super::status::{Instance, Status};
use std::fmt::Write as _;

/// One router and what it last said of itself, or why it said nothing.
pub(super) struct Seen<'a> {
    /// Name of the router.
    pub(super) router: &'a str,
    /// Its status.
    pub(super) status: Result<&'a Status, &'a str>,
}

/// Colours of a terminal, or none.
#[derive(Clone, Copy)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    fn state(self, state: &str, width: usize) -> String {
        let padded = format!("{state:width$}");
        let code = match state {
            "MASTER" | "present" => "1;32",
            "FAULT" => "1;31",
            _ if state.starts_with("pending") => "1;33",
            _ if state.starts_with("failed") => "1;31",
            _ => return padded,
        };
        if self.0 { format!("\x1b[{code}m{padded}\x1b[0m") } else { padded }
    }
}

/// The tables of routers and of addresses.
pub(super) fn tables(seen: &[Seen<'_>], paint: Paint) -> String {
    let mut text = format!(
        "{:8}{:10}{:8}{:>5}{:>10}  {:26}{:12}{:>8}{:>10}{:>10}\n",
        "router",
        "instance",
        "state",
        "prio",
        "since",
        "master",
        "path",
        "sent",
        "received",
        "rejected",
    );
    // Writing to a String cannot fail, here and below.
    for Seen { router, status } in seen {
        match status {
            Ok(status) => {
                for instance in &status.instances {
                    let _ = writeln!(text, "{router:8}{}", row(instance, paint));
                    for fault in &instance.faults {
                        let _ = writeln!(text, "{:18}because of: {fault}", "");
                    }
                }
            }
            Err(why) => {
                let _ = writeln!(text, "{router:8}{why}");
            }
        }
    }
    let _ = writeln!(
        text,
        "\n{:8}{:10}{:22}{:6}{:26}{:10}{:>10}{:>10}",
        "router", "instance", "address", "dev", "state", "no_track", "announced", "prevented",
    );
    for Seen { router, status } in seen {
        let Ok(status) = status else { continue };
        for instance in &status.instances {
            for address in &instance.addresses {
                let _ = writeln!(
                    text,
                    "{router:8}{:10}{:22}{:6}{}{:10}{:>10}{:>10}",
                    instance.name,
                    address.address,
                    address.dev,
                    paint.state(&address.state, 26),
                    if address.no_track { "yes" } else { "no" },
                    address.announced,
                    address.prevented,
                );
            }
        }
    }
    for Seen { router, status } in seen {
        let Ok(status) = status else { continue };
        for port in &status.ports {
            if let Some(why) = &port.why {
                let _ =
                    writeln!(text, "\n{router:8}{} takes the {}: {why}", port.interface, port.path);
            }
            if port.strays > 0 {
                let _ = writeln!(
                    text,
                    "\n{router:8}{} rejected {} packets that are no router's",
                    port.interface, port.strays
                );
            }
        }
    }
    text
}

fn row(instance: &Instance, paint: Paint) -> String {
    format!(
        "{:10}{}{:>5}{:>10}  {:26}{:12}{:>8}{:>10}{:>10}",
        instance.name,
        paint.state(&instance.state, 8),
        instance.priority,
        span(instance.since_ms),
        instance.master.as_deref().unwrap_or("unknown"),
        instance.path,
        instance.sent,
        instance.received,
        instance.rejected,
    )
}

/// Milliseconds as a reader wants them.
fn span(ms: u64) -> String {
    match ms / 1000 {
        seconds @ 0..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        seconds @ 60..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        seconds => format!("{}:{:02} h", seconds / 3600, seconds / 60 % 60),
    }
}

/// What changed from one status to the next, a line each.
pub(super) fn changes(router: &str, old: &Status, new: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    for now in &new.instances {
        let Some(before) = old.instance(&now.name) else { continue };
        if before.state != now.state {
            lines.push(format!("{router} {} {} -> {}", now.name, before.state, now.state));
        }
        for address in &now.addresses {
            let same = |old: &&super::status::Address| {
                old.address == address.address && old.dev == address.dev
            };
            let Some(was) = before.addresses.iter().find(same) else { continue };
            if was.state != address.state {
                let name = &address.address;
                lines.push(format!("{router} {name} {} -> {}", was.state, address.state));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::EXAMPLE;
    use super::*;

    #[test]
    fn the_tables_show_state_path_counters_and_addresses() {
        let status = Status::parse(EXAMPLE).unwrap();
        let seen = [
            Seen { router: "r1", status: Ok(&status) },
            Seen { router: "r2", status: Err("killed, starts again in 3 s") },
        ];
        let text = tables(&seen, Paint(false));
        let expected = "\
router  instance  state    prio     since  master                    path            sent  received  rejected
r1      VI_1      MASTER    150  1:01 min  self                      xdp-native        17         3         6
r2      killed, starts again in 3 s

router  instance  address               dev   state                     no_track   announced prevented
r1      VI_1      10.0.0.100/24         eth0  present                   no                 5         0
r1      VI_1      10.4.0.100/24         eth4  pending (link down)       yes               10         2

r1      eth0 rejected 7 packets that are no router's

r1      eth1 takes the socket: no room
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_fault_is_shown_with_its_reason() {
        let mut status = Status::parse(EXAMPLE).unwrap();
        status.instances[0].state = "FAULT".into();
        status.instances[0].faults = vec!["interface eth0".into()];
        let text = tables(&[Seen { router: "r1", status: Ok(&status) }], Paint(true));
        assert!(text.contains("\x1b[1;31mFAULT   \x1b[0m"), "{text}");
        assert!(text.contains("because of: interface eth0"), "{text}");
    }

    #[test]
    fn only_changes_of_state_are_events() {
        let old = Status::parse(EXAMPLE).unwrap();
        let mut new = old.clone();
        new.instances[0].sent += 1;
        assert!(changes("r1", &old, &new).is_empty());
        new.instances[0].state = "BACKUP".into();
        new.instances[0].addresses[1].state = "present".into();
        assert_eq!(
            changes("r1", &old, &new),
            ["r1 VI_1 MASTER -> BACKUP", "r1 10.4.0.100/24 pending (link down) -> present"]
        );
    }

    #[test]
    fn spans_change_their_unit() {
        assert_eq!(span(0), "0.0 s");
        assert_eq!(span(59_999), "59.9 s");
        assert_eq!(span(60_000), "1:00 min");
        assert_eq!(span(3_660_000), "1:01 h");
    }
}
