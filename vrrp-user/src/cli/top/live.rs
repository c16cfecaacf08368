//! What is known of the routers, what is selected of it, and what a key changes.
use crate::report::model::{Instance, Snapshot};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::widgets::TableState;
use std::collections::BTreeMap;
use std::time::Instant;
use vrrp_common::counter::{Counter, Kind};

/// Rows that a page key moves by.
const PAGE: u16 = 10;

/// What a key asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    /// Go on.
    Stay,
    /// End.
    Leave,
}

/// By what rows are sorted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    Name,
    State,
    Rate,
    Margin,
    Transitions,
    Rejected,
}

impl Order {
    const ALL: [Self; 6] =
        [Self::Name, Self::State, Self::Rate, Self::Margin, Self::Transitions, Self::Rejected];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::State => "state",
            Self::Rate => "adverts",
            Self::Margin => "margin",
            Self::Transitions => "transitions",
            Self::Rejected => "rejected",
        }
    }

    fn next(self) -> Self {
        let at = Self::ALL.iter().position(|order| *order == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }
}

/// One router's line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) interface: String,
    pub(super) vrid: u8,
    pub(super) state: String,
    pub(super) priority: u8,
    pub(super) master: String,
    /// Adverts a second, sent and received, in tenths.
    pub(super) rate: u64,
    /// BACKUP: how long until the master counts as dead, in milliseconds.
    pub(super) margin: Option<u64>,
    pub(super) transitions: u64,
    pub(super) rejected: u64,
}

/// An interface's line: packets a second, in tenths.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Port {
    pub(super) path: String,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
}

/// Everything that is shown.
pub(super) struct Live {
    now: Snapshot,
    at: Instant,
    before: Option<(Snapshot, Instant)>,
    pub(super) order: Order,
    pub(super) filter: String,
    /// The filter is being typed.
    pub(super) typing: bool,
    /// One router in full.
    pub(super) opened: Option<String>,
    pub(super) scrolled: u16,
    pub(super) selected: TableState,
    /// Why there is no news.
    pub(super) trouble: Option<String>,
}

impl Live {
    pub(super) fn new(now: Snapshot, at: Instant) -> Self {
        Self {
            now,
            at,
            before: None,
            order: Order::Name,
            filter: String::new(),
            typing: false,
            opened: None,
            scrolled: 0,
            selected: TableState::default().with_selected(0),
            trouble: None,
        }
    }

    /// The daemon has told.
    pub(super) fn report(&mut self, snapshot: Snapshot, at: Instant) {
        let same_process = snapshot.pid == self.now.pid;
        let before = (std::mem::replace(&mut self.now, snapshot), self.at);
        // Counters of a daemon that was restarted begin anew.
        self.before = same_process.then_some(before);
        self.at = at;
        self.trouble = None;
    }

    /// It has not, and why.
    pub(super) fn silent(&mut self, why: String) {
        self.trouble = Some(why);
    }

    pub(super) const fn snapshot(&self) -> &Snapshot {
        &self.now
    }

    /// The router that is shown in full.
    pub(super) fn opened(&self) -> Option<&Instance> {
        let name = self.opened.as_ref()?;
        self.now.instances.iter().find(|instance| instance.name == *name)
    }

    /// How many routers are in a state.
    pub(super) fn count(&self, state: &str) -> usize {
        self.now.instances.iter().filter(|instance| instance.state == state).count()
    }

    /// Tenths a second between the last two reports.
    fn rate(&self, now: u64, before: Option<u64>) -> u64 {
        let (Some((_, at)), Some(before)) = (&self.before, before) else { return 0 };
        let millis = u64::try_from(self.at.duration_since(*at).as_millis()).unwrap_or(u64::MAX);
        (now.saturating_sub(before) * 10_000).checked_div(millis).unwrap_or(0)
    }

    /// The lines, filtered and sorted.
    pub(super) fn rows(&self) -> Vec<Row> {
        let before: BTreeMap<&str, &Instance> = self
            .before
            .iter()
            .flat_map(|(snapshot, _)| &snapshot.instances)
            .map(|instance| (instance.name.as_str(), instance))
            .collect();
        let filter = self.filter.to_lowercase();
        let matches = |instance: &&Instance| {
            [&instance.name, &instance.interface, &instance.state]
                .iter()
                .any(|word| word.to_lowercase().contains(&filter))
        };
        let mut rows: Vec<Row> = self
            .now
            .instances
            .iter()
            .filter(matches)
            .map(|instance| Row {
                name: instance.name.clone(),
                interface: instance.interface.clone(),
                vrid: instance.vrid,
                state: instance.state.clone(),
                priority: instance.priority,
                master: instance.master.clone().unwrap_or_else(|| "-".to_owned()),
                rate: self.rate(adverts(instance), before.get(&*instance.name).map(|i| adverts(i))),
                margin: instance.timer_ms.filter(|_| instance.state == "BACKUP"),
                transitions: instance.became_master + instance.released_master,
                rejected: sum(&instance.counters, Kind::Rejected),
            })
            .collect();
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        // What needs attention comes first.
        match self.order {
            Order::Name => {}
            Order::State => rows.sort_by_key(|row| match row.state.as_str() {
                "FAULT" => 0,
                "INIT" => 1,
                "MASTER" => 2,
                _ => 3,
            }),
            Order::Rate => rows.sort_by_key(|row| std::cmp::Reverse(row.rate)),
            Order::Margin => rows.sort_by_key(|row| row.margin.unwrap_or(u64::MAX)),
            Order::Transitions => rows.sort_by_key(|row| std::cmp::Reverse(row.transitions)),
            Order::Rejected => rows.sort_by_key(|row| std::cmp::Reverse(row.rejected)),
        }
        rows
    }

    /// Adverts of all routers a second, in tenths.
    pub(super) fn total_rate(&self) -> u64 {
        let all = |snapshot: &Snapshot| snapshot.instances.iter().map(adverts).sum::<u64>();
        self.rate(all(&self.now), self.before.as_ref().map(|(snapshot, _)| all(snapshot)))
    }

    /// Reasons for which packets were rejected, the most frequent first.
    pub(super) fn reasons(&self) -> Vec<(&'static str, u64)> {
        let lists = self.now.instances.iter().map(|i| &i.counters);
        let lists: Vec<_> = lists.chain(self.now.ports.iter().map(|port| &port.counters)).collect();
        let mut reasons: Vec<(&'static str, u64)> = Counter::ALL
            .iter()
            .filter(|counter| counter.kind() == Kind::Rejected)
            .map(|counter| {
                let name = counter.name();
                (name, lists.iter().filter_map(|list| list.get(name)).sum())
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        reasons
    }

    /// What each interface receives.
    pub(super) fn ports(&self) -> BTreeMap<String, Port> {
        let of = |snapshot: &Snapshot, interface: &str, kind: Kind| {
            let routers = snapshot.instances.iter().filter(|i| i.interface == interface);
            let ports = snapshot.ports.iter().filter(|port| port.interface == interface);
            routers.map(|i| sum(&i.counters, kind)).sum::<u64>()
                + ports.map(|port| sum(&port.counters, kind)).sum::<u64>()
        };
        let before = self.before.as_ref().map(|(snapshot, _)| snapshot);
        let rate = |interface: &str, kind| {
            self.rate(of(&self.now, interface, kind), before.map(|b| of(b, interface, kind)))
        };
        let ports = self.now.ports.iter().map(|port| {
            let interface = port.interface.as_str();
            let line = Port {
                path: port.path.clone(),
                accepted: rate(interface, Kind::Accepted),
                rejected: rate(interface, Kind::Rejected),
            };
            (interface.to_owned(), line)
        });
        ports.collect()
    }

    /// What a key does.
    pub(super) fn key(&mut self, key: KeyEvent) -> Wish {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Wish::Leave;
        }
        if self.typing {
            match key.code {
                KeyCode::Enter => self.typing = false,
                KeyCode::Esc => {
                    self.typing = false;
                    self.filter.clear();
                }
                KeyCode::Backspace => {
                    self.filter.pop();
                }
                KeyCode::Char(letter) if self.filter.len() < 64 => self.filter.push(letter),
                _ => {}
            }
            self.selected.select_first();
            return Wish::Stay;
        }
        match (key.code, self.opened.is_some()) {
            (KeyCode::Char('q'), _) => return Wish::Leave,
            (KeyCode::Esc | KeyCode::Backspace | KeyCode::Left, true) => self.opened = None,
            (KeyCode::Down | KeyCode::Char('j'), true) => self.scroll(1),
            (KeyCode::PageDown | KeyCode::Char(' '), true) => self.scroll(PAGE),
            (KeyCode::Up | KeyCode::Char('k'), true) => {
                self.scrolled = self.scrolled.saturating_sub(1);
            }
            (KeyCode::PageUp, true) => self.scrolled = self.scrolled.saturating_sub(PAGE),
            (KeyCode::Esc, false) => self.filter.clear(),
            (KeyCode::Enter | KeyCode::Right, false) => {
                let at = self.selected.selected().unwrap_or(0);
                self.opened = self.rows().get(at).map(|row| row.name.clone());
                self.scrolled = 0;
            }
            (KeyCode::Char('/'), false) => self.typing = true,
            (KeyCode::Char('s'), false) => self.order = self.order.next(),
            (KeyCode::Down | KeyCode::Char('j'), false) => self.selected.select_next(),
            (KeyCode::Up | KeyCode::Char('k'), false) => self.selected.select_previous(),
            (KeyCode::PageDown | KeyCode::Char(' '), false) => self.selected.scroll_down_by(PAGE),
            (KeyCode::PageUp, false) => self.selected.scroll_up_by(PAGE),
            (KeyCode::Home | KeyCode::Char('g'), false) => self.selected.select_first(),
            (KeyCode::End | KeyCode::Char('G'), false) => self.selected.select_last(),
            _ => {}
        }
        Wish::Stay
    }

    fn scroll(&mut self, lines: u16) {
        self.scrolled = self.scrolled.saturating_add(lines).min(1000);
    }
}

/// Adverts of a router so far.
fn adverts(instance: &Instance) -> u64 {
    let received = instance.counters.get(Counter::Received.name()).copied().unwrap_or(0);
    instance.adverts_sent + received
}

fn sum(counters: &BTreeMap<String, u64>, kind: Kind) -> u64 {
    Counter::ALL
        .iter()
        .filter(|counter| counter.kind() == kind)
        .filter_map(|counter| counters.get(counter.name()))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn snapshot(pid: u32, sent: u64) -> Snapshot {
        let instance = |name: &str, state: &str, sent: u64| Instance {
            name: name.into(),
            interface: "eth0".into(),
            state: state.into(),
            adverts_sent: sent,
            timer_ms: Some(3000),
            counters: BTreeMap::from([("ttl".to_owned(), 2)]),
            ..Instance::default()
        };
        let instances = vec![
            instance("b", "BACKUP", 0),
            instance("a", "MASTER", sent),
            instance("c", "FAULT", 0),
        ];
        Snapshot { pid, instances, ..Snapshot::default() }
    }

    fn names(live: &Live) -> String {
        live.rows().into_iter().map(|row| row.name).collect()
    }

    fn press(live: &mut Live, codes: &[KeyCode]) {
        for code in codes {
            assert_eq!(live.key(KeyEvent::new(*code, KeyModifiers::NONE)), Wish::Stay);
        }
    }

    #[test]
    fn rates_are_of_the_time_between_and_of_one_process() {
        let start = Instant::now();
        let mut live = Live::new(snapshot(1, 100), start);
        assert_eq!(live.total_rate(), 0);
        live.report(snapshot(1, 125), start + Duration::from_secs(2));
        assert_eq!(live.total_rate(), 125);
        assert_eq!(live.rows()[0].rate, 125);
        live.report(snapshot(2, 3), start + Duration::from_secs(3));
        assert_eq!(live.total_rate(), 0);
        assert_eq!(live.reasons(), [("ttl", 6)]);
    }

    #[test]
    fn keys_filter_sort_and_open() {
        let mut live = Live::new(snapshot(1, 1), Instant::now());
        assert_eq!(names(&live), "abc");
        press(&mut live, &[KeyCode::Char('s')]);
        assert_eq!((live.order, names(&live).as_str()), (Order::State, "cab"));
        press(&mut live, &[KeyCode::Char('/'), KeyCode::Char('q'), KeyCode::Backspace]);
        press(&mut live, &[KeyCode::Char('M'), KeyCode::Char('a'), KeyCode::Enter]);
        assert_eq!(names(&live), "a");
        press(&mut live, &[KeyCode::Enter]);
        assert_eq!(live.opened().map(|instance| instance.name.as_str()), Some("a"));
        press(&mut live, &[KeyCode::Esc, KeyCode::Esc]);
        assert_eq!(names(&live), "cab");
        let quit = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        assert_eq!(live.key(quit), Wish::Leave);
    }
}
