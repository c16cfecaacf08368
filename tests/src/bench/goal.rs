//! Which goals did a run reach, and which did it miss.
use serde_json::{Value, json};
use std::fmt;
use xvrrp::dataplane::cost;

use super::sample::{Record, Series, short};
use super::subject::Subject;

/// What a figure is judged beside.
#[derive(Clone, Copy, Debug)]
enum Beside {
    /// By itself.
    Nothing,
    /// As a share of this peer's.
    Share(Subject),
    /// By how much it is more than this peer's.
    MoreThan(Subject),
    /// By how much it is more than another figure of ours.
    MoreThanOur(&'static str),
}

/// What it has to be.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// The median, no more.
    Most(f64),
    /// The median, no less.
    Least(f64),
    /// A count that is to be 0 each time: a median would hide the one repetition where it was not.
    Zero,
}

/// What one figure of ours is to be.
#[derive(Clone, Copy, Debug)]
struct Goal {
    /// The name of a scenario, or what those of several begin with: that ends in a space.
    scenario: &'static str,
    metric: &'static str,
    unit: &'static str,
    beside: Beside,
    wanted: Wanted,
}

const fn most(
    scenario: &'static str,
    metric: &'static str,
    limit: f64,
    unit: &'static str,
) -> Goal {
    Goal { scenario, metric, unit, beside: Beside::Nothing, wanted: Wanted::Most(limit) }
}

const fn least(
    scenario: &'static str,
    metric: &'static str,
    limit: f64,
    unit: &'static str,
) -> Goal {
    Goal { wanted: Wanted::Least(limit), ..most(scenario, metric, limit, unit) }
}

const fn zero(scenario: &'static str, metric: &'static str) -> Goal {
    Goal { wanted: Wanted::Zero, ..most(scenario, metric, 0.0, "") }
}

/// What `goal` says is not of the figure itself, but of how it stands beside another.
const fn beside(beside: Beside, goal: Goal) -> Goal {
    Goal { beside, ..goal }
}

const CORE: &str = "% of a core";
const CPU: &str = "CPU of the daemon";
const ONE: &str = "VRRPv3, IPv4, 1 address";
const MADE: &str = "xdp-ns on a cable, 255 routers";
const PAST_EMPTY: Beside = Beside::MoreThanOur(cost::EMPTY);

const GOALS: &[Goal] = &[
    most("xdp-ns", ONE, 27.0, "ns"),
    beside(Beside::MoreThanOur(ONE), most("xdp-ns", "VRRPv3, IPv4, 20 addresses", 10.0, "ns")),
    beside(PAST_EMPTY, most("xdp-ns", "ARP", 2.0, "ns")),
    beside(PAST_EMPTY, most("xdp-ns", "UDP", 2.0, "ns")),
    beside(PAST_EMPTY, most("xdp-ns", "unknown VRID", 8.0, "ns")),
    beside(PAST_EMPTY, most("xdp-ns", "wrong TTL", 8.0, "ns")),
    least(MADE, "judged", 10.0, "million/s"),
    zero(MADE, "adverts not counted"),
    beside(
        Beside::Share(Subject::Keepalived),
        most("idle-backup 255 x 1 cs", CPU, 1.0 / 50.0, CORE),
    ),
    most("idle-backup 4080 x 1 cs", CPU, 1.0, CORE),
    zero("idle-backup 4080 x 1 cs", "routers with a false transition"),
    zero("idle-backup 4080 x 1 cs", "adverts not counted"),
    most("active 255 x 1 cs", "CPU per advert", 3.0, "us"),
    // Not 100: the time looked at begins and ends between adverts.
    least("active 255 x 1 cs", "adverts sent", 99.9, "% of those due"),
    most("active 255 x 1 cs", "deviation, 99 %", 90.0, "us"),
    most("active 4080 x 10 cs", "CPU per advert", 2.0, "us"),
    most("active 4080 x 10 cs", "deviation, 99 %", 300.0, "us"),
    least("active 4080 x 1 cs", "adverts sent", 99.9, "% of those due"),
    most("takeover 255 x 1 cs", "announcement, last router", 40.0, "ms"),
    beside(
        Beside::MoreThan(Subject::Keepalived),
        most("takeover 255 x 100 cs", "announcement, last router", 5.0, "ms"),
    ),
    zero("mass-takeover ", "adverts before the masters died"),
    most("mass-takeover 4080 x 10 cs", "announcement, last router", 370.0, "ms"),
    most("mass-takeover 4080 x 1 cs", "first advert, last router", 50.0, "ms"),
    most("mass-takeover 4080 x 1 cs", "announcement, last router", 100.0, "ms"),
    zero("flood, ", "routers with a false transition"),
    zero("flood, ", "adverts not counted"),
    // Not where the adverts are valid: those have to be looked at.
    most("flood, bad checksum, ", CPU, 2.0, CORE),
    most("flood, unknown VRID, ", CPU, 2.0, CORE),
    most("flood, wrong TTL, ", CPU, 2.0, CORE),
    most("flood, UDP, ", CPU, 2.0, CORE),
    most("start 4080 x 100 cs", "until all are Backup", 300.0, "ms"),
    most("reload 4079 x 10 cs", "CPU of an unchanged reload", 100.0, "ms"),
    most("reload 4079 x 10 cs", "longest pause between adverts", 1.1, "intervals"),
    most("reload 4079 x 10 cs", "until one more instance runs", 20.0, "ms"),
    most("memory 1", "resident as Backup", 16.0, "MB"),
    most("memory 1", "resident as master", 16.0, "MB"),
    most("memory 4080", "resident as Backup", 32.0, "MB"),
    most("memory 4080", "resident as master", 32.0, "MB"),
    most("scale 65280", "until all are Backup", 5_000.0, "ms"),
    most("scale 65280", "CPU as Backup", 10.0, CORE),
];

/// Whether a goal was reached.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    /// The goal in words.
    pub goal: String,
    /// What was wanted.
    pub wanted: String,
    /// What was measured, in the unit of what was wanted; no number where nothing came that could
    /// be timed.
    pub measured: f64,
    /// The same, to be read.
    pub figure: String,
    /// Whether that is what was wanted.
    pub reached: bool,
}

impl Verdict {
    /// As JSON.
    pub fn json(&self) -> Value {
        json!({
            "goal": self.goal,
            "wanted": self.wanted,
            "measured": self.measured,
            "reached": self.reached,
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: wanted {}, measured {}", self.goal, self.wanted, self.figure)
    }
}

/// Every goal whose figures are in the record, judged by them: no other can be.
pub fn judge(record: &Record) -> Vec<Verdict> {
    let scenarios = record.scenarios();
    let judged = |goal: &Goal| -> Vec<Verdict> {
        let measured = scenarios.iter().filter(|scenario| goal.is_of(scenario));
        measured.filter_map(|scenario| goal.judge(record, scenario)).collect()
    };
    GOALS.iter().flat_map(judged).collect()
}

impl Goal {
    fn is_of(&self, scenario: &str) -> bool {
        let several = self.scenario.ends_with(' ') && scenario.starts_with(self.scenario);
        several || scenario == self.scenario
    }

    fn judge(&self, record: &Record, scenario: &str) -> Option<Verdict> {
        let of = |subject: Subject, metric: &str| record.series(scenario, subject.name(), metric);
        // A peer that did not do it at all is nothing to be compared with.
        let other = |subject, metric| of(subject, metric).median().filter(|it| it.is_finite());
        let ours = of(Subject::Xvrrp, self.metric);
        let measured = match self.beside {
            Beside::Nothing => self.wanted.of(&ours)?,
            Beside::Share(peer) => {
                ours.ratio(&of(peer, self.metric)).ok().filter(|ratio| ratio.is_finite())?
            }
            Beside::MoreThan(peer) => ours.median()? - other(peer, self.metric)?,
            Beside::MoreThanOur(metric) => ours.median()? - other(Subject::Xvrrp, metric)?,
        };
        Some(Verdict {
            goal: format!("{scenario}: {}", self.words()),
            wanted: with_unit(&self.wanted.to_string(), self.unit()),
            figure: with_unit(&self.wanted.shown(measured), self.unit()),
            measured,
            reached: self.wanted.is(measured),
        })
    }

    fn words(&self) -> String {
        let metric = self.metric;
        match self.beside {
            Beside::Nothing => metric.to_owned(),
            Beside::Share(peer) => format!("{metric}, as a share of {}'s", peer.name()),
            Beside::MoreThan(peer) => format!("{metric}, more than {}'s", peer.name()),
            Beside::MoreThanOur(other) => format!("{metric}, more than {other}"),
        }
    }

    /// A share has none.
    const fn unit(&self) -> &'static str {
        match self.beside {
            Beside::Share(_) => "",
            Beside::Nothing | Beside::MoreThan(_) | Beside::MoreThanOur(_) => self.unit,
        }
    }
}

impl Wanted {
    fn of(self, series: &Series) -> Option<f64> {
        match self {
            Self::Most(_) | Self::Least(_) => series.median(),
            Self::Zero => series.values.last().copied(),
        }
    }

    /// No number is never what was wanted.
    fn is(self, measured: f64) -> bool {
        match self {
            Self::Most(limit) => measured <= limit,
            Self::Least(limit) => measured >= limit,
            Self::Zero => measured == 0.0,
        }
    }

    /// In full where the short figure would be on the other side of the limit.
    fn shown(self, measured: f64) -> String {
        let short = short(measured);
        let tells = short.parse().is_ok_and(|told| self.is(told) == self.is(measured));
        if tells { short } else { measured.to_string() }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Most(limit) => write!(f, "at most {limit}"),
            Self::Least(limit) => write!(f, "at least {limit}"),
            Self::Zero => f.write_str("0 in every repetition"),
        }
    }
}

fn with_unit(number: &str, unit: &str) -> String {
    if unit.is_empty() { number.to_owned() } else { format!("{number} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::scenario::SCENARIOS;

    const COST: &str = include_str!("../../../vrrp-user/src/dataplane/cost.rs");

    /// Figures of a subject in scenario `s`, one a repetition.
    fn record(figures: &[(Subject, &str, &[f64])]) -> Record {
        let mut record = Record::new();
        for (subject, metric, values) in figures {
            for (repetition, value) in values.iter().enumerate() {
                record.add("s", subject.name(), repetition, &[(metric, "ms", *value)]);
            }
        }
        record
    }

    #[track_caller]
    fn judged(goal: Goal, record: &Record) -> (f64, bool) {
        let verdict = goal.judge(record, "s").expect("measured");
        (verdict.measured, verdict.reached)
    }

    #[test]
    fn the_median_is_reached_or_missed_and_the_limit_is_reached() {
        let record = record(&[(Subject::Xvrrp, "m", &[9.0, 2.0, 1.0])]);
        assert_eq!(judged(most("s", "m", 2.0, "ms"), &record), (2.0, true));
        assert_eq!(judged(most("s", "m", 1.9, "ms"), &record), (2.0, false));
        assert_eq!(judged(least("s", "m", 2.0, "ms"), &record), (2.0, true));
        assert_eq!(judged(least("s", "m", 2.1, "ms"), &record), (2.0, false));
    }

    #[test]
    fn a_figure_is_not_rounded_to_what_was_wanted() {
        assert_eq!(Wanted::Least(99.9).shown(99.87), "99.87");
        assert_eq!(Wanted::Most(370.0).shown(370.25), "370.25");
        assert_eq!(Wanted::Most(370.0).shown(368.25), "368");
        assert_eq!(Wanted::Most(370.0).shown(f64::NAN), "NaN");
    }

    #[test]
    fn what_was_not_measured_is_not_judged_and_no_number_is_a_miss() {
        let peer = Subject::Keepalived;
        let ours = record(&[(Subject::Xvrrp, "m", &[2.0]), (Subject::Xvrrp, "nan", &[f64::NAN])]);
        let goal = most("s", "m", 2.0, "ms");
        assert_eq!(goal.judge(&ours, "another"), None);
        assert_eq!(most("s", "n", 2.0, "ms").judge(&ours, "s"), None);
        for other in [Beside::Share(peer), Beside::MoreThan(peer), Beside::MoreThanOur("n")] {
            assert_eq!(beside(other, goal).judge(&ours, "s"), None, "{other:?}");
        }
        assert_eq!(goal.judge(&record(&[(peer, "m", &[1.0])]), "s"), None);
        let nothing = most("s", "nan", 2.0, "ms").judge(&ours, "s").expect("measured");
        assert!(!nothing.reached && nothing.json()["measured"].is_null(), "{nothing}");
        assert_eq!(judge(&ours), []);
    }

    #[test]
    fn a_share_is_of_the_peer_in_the_same_run() {
        let goal = beside(Beside::Share(Subject::Keepalived), most("s", "m", 0.02, "ms"));
        let of =
            |theirs| record(&[(Subject::Xvrrp, "m", &[1.0]), (Subject::Keepalived, "m", theirs)]);
        assert_eq!(judged(goal, &of(&[50.0])), (0.02, true));
        assert_eq!(judged(goal, &of(&[40.0])), (0.025, false));
        assert_eq!(goal.judge(&of(&[0.0]), "s"), None);
        let verdict = goal.judge(&of(&[40.0]), "s").expect("measured");
        let words = "s: m, as a share of keepalived's: wanted at most 0.02, measured 0.0250";
        assert_eq!(verdict.to_string(), words);
    }

    #[test]
    fn a_difference_is_to_the_peer_or_to_another_figure_of_ours() {
        let peer = Subject::Keepalived;
        let record = record(&[
            (Subject::Xvrrp, "m", &[7.0]),
            (Subject::Xvrrp, "n", &[4.0]),
            (peer, "m", &[9.0]),
        ]);
        let goal = most("s", "m", 2.0, "ms");
        assert_eq!(judged(beside(Beside::MoreThan(peer), goal), &record), (-2.0, true));
        assert_eq!(judged(beside(Beside::MoreThanOur("n"), goal), &record), (3.0, false));
    }

    #[test]
    fn a_count_in_a_single_repetition_is_a_miss() {
        let of = |counts| record(&[(Subject::Xvrrp, "m", counts)]);
        assert_eq!(judged(zero("s", "m"), &of(&[0.0, 1.0, 0.0])), (1.0, false));
        assert_eq!(judged(zero("s", "m"), &of(&[0.0, 0.0, 0.0])), (0.0, true));
    }

    #[test]
    fn every_kind_of_flood_is_judged() {
        let mut record = Record::new();
        for kind in ["UDP", "valid but foreign"] {
            let figures = [("routers with a false transition", "", 0.0), (CPU, CORE, 3.0)];
            record.add(&format!("flood, {kind}, 254 x 10 cs"), "xvrrp", 0, &figures);
        }
        let verdicts = judge(&record);
        let missed: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.reached).collect();
        assert_eq!((verdicts.len(), missed.len()), (3, 1), "{verdicts:?}");
        assert_eq!(missed[0].goal, "flood, UDP, 254 x 10 cs: CPU of the daemon");
    }

    /// Where a scenario is measured.
    fn source(scenario: &str) -> &'static str {
        match scenario {
            "xdp-ns" => include_str!("scenario/xdp.rs"),
            "idle-backup" => include_str!("scenario/idle.rs"),
            "active" => include_str!("scenario/active.rs"),
            "takeover" | "mass-takeover" => include_str!("scenario/takeover.rs"),
            "flood" => include_str!("scenario/flood.rs"),
            "start" | "reload" | "link-event" => include_str!("scenario/change.rs"),
            "scale" | "memory" => include_str!("scenario/scale.rs"),
            other => panic!("no scenario {other}"),
        }
    }

    /// Whether the source can make this name: of a flood its kind is in it, of others their size.
    fn names(source: &str, scenario: &str) -> bool {
        if let Some(kind) = scenario.strip_prefix("flood, ") {
            return kind.is_empty() || source.contains(&quoted(kind.trim_end_matches(", ")));
        }
        let numbers = scenario.split(' ').filter_map(|word| word.parse::<u32>().ok());
        let numbers: Vec<String> =
            numbers
                .map(|n| {
                    if n < 1_000 {
                        n.to_string()
                    } else {
                        format!("{}_{:03}", n / 1_000, n % 1_000)
                    }
                })
                .collect();
        if source.contains("sizes: &[(usize, u16)]") {
            return source.contains(&format!("({})", numbers.join(", ")));
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        numbers.iter().all(|number| source.split(|c| !is_word(c)).any(|word| word == number))
    }

    fn quoted(name: &str) -> String {
        format!("\"{name}\"")
    }

    /// A goal with a name that nothing has would never be judged, and nobody would miss it.
    #[test]
    fn every_goal_is_of_something_that_is_measured() {
        for goal in GOALS {
            let name = goal.scenario.split([' ', ',']).next().unwrap_or_default();
            assert!(SCENARIOS.contains(&name), "{goal:?}");
            let source = source(name);
            assert!(names(source, goal.scenario), "{goal:?}");
            let measured = |metric: &str| match goal.scenario {
                "xdp-ns" => goal.unit == "ns" && COST.contains(&quoted(metric)),
                _ => source.contains(&format!("({}, {},", quoted(metric), quoted(goal.unit))),
            };
            assert!(measured(goal.metric), "{goal:?}");
            if let Beside::MoreThanOur(other) = goal.beside {
                assert!(measured(other), "{goal:?}");
            }
        }
        assert!(source("xdp-ns").contains(&quoted(MADE)));
    }
}
