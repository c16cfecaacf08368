//! Which processes count for which tracked one: matching and counting, without a system.
use crate::config::tracked::{ArgumentMatch, TrackedProcess};
use std::collections::HashMap;
use std::sync::Arc;

/// The kernel keeps so many bytes of a process's name.
const NAME: usize = 15;

/// What a process is called.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Called {
    /// The kernel's name for it.
    pub(super) name: Vec<u8>,
    /// Its command line, each word ended by a zero; asked for only where something is matched by it.
    pub(super) line: Vec<u8>,
}

/// Whether `called` is one of `tracked`.
fn matches(tracked: &TrackedProcess, called: &Called) -> bool {
    let Some((command, arguments)) = tracked.command.split_first() else { return false };
    if !tracked.full_command && tracked.arguments.is_none() {
        let wanted = command.as_bytes();
        return called.name == wanted.get(..NAME).unwrap_or(wanted);
    }
    let mut line = called.line.splitn(2, |byte| *byte == 0);
    if line.next() != Some(command.as_bytes()) {
        return false;
    }
    let has = line.next().unwrap_or_default();
    let mut wanted: Vec<u8> = Vec::new();
    for argument in arguments {
        wanted.extend(argument.as_bytes());
        wanted.push(0);
    }
    match tracked.arguments {
        None => true,
        Some(ArgumentMatch::Exact) => has == wanted,
        Some(ArgumentMatch::Partial) => has.starts_with(&wanted),
        Some(ArgumentMatch::Initial) => {
            // The last word may go on.
            wanted.pop();
            has.starts_with(&wanted)
        }
    }
}

/// The processes that count, and for what.
#[derive(Clone, Debug, Default)]
pub(super) struct Roster {
    tracked: Vec<Arc<TrackedProcess>>,
    /// By number: for which of `tracked`.
    processes: HashMap<u32, Vec<usize>>,
}

impl Roster {
    pub(super) fn new(tracked: Vec<Arc<TrackedProcess>>) -> Self {
        Self { tracked, processes: HashMap::new() }
    }

    /// Whether command lines are needed.
    pub(super) fn needs_lines(&self) -> bool {
        self.tracked.iter().any(|tracked| tracked.full_command || tracked.arguments.is_some())
    }

    pub(super) fn tracked(&self) -> &[Arc<TrackedProcess>] {
        &self.tracked
    }

    /// A process is called so now.
    pub(super) fn is_called(&mut self, process: u32, called: &Called) {
        let counts: Vec<usize> = self
            .tracked
            .iter()
            .enumerate()
            .filter(|(_, tracked)| matches(tracked, called))
            .map(|(number, _)| number)
            .collect();
        if counts.is_empty() {
            self.processes.remove(&process);
        } else {
            self.processes.insert(process, counts);
        }
    }

    /// A process divided: the new one is called like the old one, until it says otherwise.
    pub(super) fn forked(&mut self, parent: u32, child: u32) {
        if let Some(counts) = self.processes.get(&parent).cloned() {
            self.processes.insert(child, counts);
        }
    }

    pub(super) fn ended(&mut self, process: u32) {
        self.processes.remove(&process);
    }

    pub(super) fn clear(&mut self) {
        self.processes.clear();
    }

    /// How many there are of each.
    pub(super) fn counts(&self) -> Vec<u32> {
        let mut counts = vec![0_u32; self.tracked.len()];
        for number in self.processes.values().flatten() {
            if let Some(count) = counts.get_mut(*number) {
                *count = count.saturating_add(1);
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Origin;
    use std::time::Duration;

    fn tracked(
        words: &[&str],
        arguments: Option<ArgumentMatch>,
        full_command: bool,
    ) -> Arc<TrackedProcess> {
        Arc::new(TrackedProcess {
            name: "p".into(),
            origin: Origin::default(),
            command: words.iter().map(|word| (*word).to_owned()).collect(),
            arguments,
            full_command,
            weight: 1,
            reverse: false,
            quorum: 1,
            quorum_max: None,
            fork_delay: Duration::ZERO,
            terminate_delay: Duration::ZERO,
        })
    }

    fn called(name: &str, line: &[&str]) -> Called {
        let line = line.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
        Called { name: name.into(), line }
    }

    #[test]
    fn a_name_is_the_kernels_unless_the_command_is_asked_for() {
        let by_name = tracked(&["haproxy"], None, false);
        assert!(matches(&by_name, &called("haproxy", &["/usr/sbin/haproxy", "-f", "x"])));
        assert!(!matches(&by_name, &called("haproxy2", &["haproxy"])));
        let long = tracked(&["a-name-of-twenty-one"], None, false);
        assert!(matches(&long, &called("a-name-of-twent", &[])));
        let full = tracked(&["/usr/sbin/haproxy"], None, true);
        assert!(matches(&full, &called("other", &["/usr/sbin/haproxy", "-f", "x"])));
        assert!(!matches(&full, &called("haproxy", &["haproxy"])));
        assert!(!matches(&full, &called("haproxy", &[])));
    }

    #[test]
    fn arguments_are_compared_as_asked() {
        use ArgumentMatch::{Exact, Initial, Partial};
        let line = called("x", &["cmd", "-f", "file", "-d"]);
        for (how, words, expected) in [
            (Exact, &["cmd", "-f", "file", "-d"][..], true),
            (Exact, &["cmd", "-f", "file"], false),
            (Exact, &["cmd"], false),
            (Partial, &["cmd", "-f", "file"], true),
            (Partial, &["cmd", "-f", "fil"], false),
            (Partial, &["cmd"], true),
            (Initial, &["cmd", "-f", "fil"], true),
            (Initial, &["cmd", "-f", "file", "-d", "x"], false),
            (Initial, &["cmd"], true),
        ] {
            let tracked = tracked(words, Some(how), true);
            assert_eq!(matches(&tracked, &line), expected, "{how:?} {words:?}");
        }
        assert!(matches(&tracked(&["cmd"], Some(Exact), true), &called("x", &["cmd"])));
    }

    #[test]
    fn counts_follow_forks_names_and_ends() {
        let mut roster = Roster::new(vec![
            tracked(&["a"], None, false),
            tracked(&["b"], None, false),
            tracked(&["a"], None, false),
        ]);
        roster.is_called(10, &called("a", &[]));
        roster.is_called(11, &called("c", &[]));
        assert_eq!(roster.counts(), [1, 0, 1]);
        roster.forked(10, 12);
        roster.forked(11, 13);
        assert_eq!(roster.counts(), [2, 0, 2]);
        roster.is_called(12, &called("b", &[]));
        assert_eq!(roster.counts(), [1, 1, 1]);
        roster.ended(10);
        roster.ended(99);
        assert_eq!(roster.counts(), [0, 1, 0]);
        roster.clear();
        assert_eq!(roster.counts(), [0, 0, 0]);
    }
}
