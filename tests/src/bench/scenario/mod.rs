//! What is measured, one file a question.
//!
//! - [`xdp`][]: what a packet costs in the program
//! - [`idle`][]: what it costs to be Backup
//! - [`active`][]: what it costs to be master, and how punctual that is
//! - [`takeover`][]: how long nobody is master
//! - [`flood`][]: what an attacker can do
//! - [`change`][]: start, reload, a link that fails
//! - [`scale`][]: what grows with the number of routers
pub mod active;
pub mod change;
pub mod flood;
pub mod idle;
pub mod scale;
pub mod takeover;
pub mod xdp;

use super::load::Masters;
use super::sample::Record;
use super::subject::{Running, Subject};
use super::topology::{Bed, Which, configuration};
use std::path::PathBuf;
use std::time::Duration;

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The xvrrp that is measured.
    pub binary: PathBuf,
    /// Ours, and the peer.
    pub subjects: Vec<Subject>,
    /// Repetitions of each, alternately.
    pub repetitions: usize,
    /// Short, for a first look and for tests.
    pub quick: bool,
    /// The machine under test and its peer have these interfaces, with a cable between them.
    pub cable: Option<(String, String)>,
}

/// Everything that can be measured.
pub const SCENARIOS: [&str; 11] = [
    "xdp-ns",
    "idle-backup",
    "active",
    "takeover",
    "flood",
    "start",
    "reload",
    "mass-takeover",
    "link-event",
    "scale",
    "memory",
];

/// What needs more routers than an interface can have.
const NOT_ON_ONE_CABLE: [&str; 2] = ["mass-takeover", "link-event"];

/// What can be measured with FRR too: nothing that needs its reload, or to be told of every change,
/// or that it gives way to masters by hundreds, which it does not here.
const WITH_FRR: [&str; 2] = ["active", "memory"];

impl Plan {
    /// Measures one scenario.
    ///
    /// # Errors
    /// Where something did not come to the state it was to be measured in.
    pub fn run(&self, scenario: &str, record: &mut Record) -> Result<(), String> {
        record.load.push((scenario.to_owned(), super::card::load()));
        if !WITH_FRR.contains(&scenario) && self.subjects.contains(&Subject::Frr) {
            record.note(format!("{scenario} is not measured with FRR"));
            return self.without_frr().run(scenario, record);
        }
        if NOT_ON_ONE_CABLE.contains(&scenario) && self.cable.is_some() {
            record.note(format!("{scenario} takes more cables than one"));
            return Ok(());
        }
        match scenario {
            "xdp-ns" => xdp::run(self, record),
            "idle-backup" => idle::run(self, record),
            "active" => active::run(self, record),
            "takeover" => takeover::run(self, record),
            "mass-takeover" => takeover::mass(self, record),
            "flood" => flood::run(self, record),
            "start" => change::start(self, record),
            "reload" => change::reload(self, record),
            "link-event" => change::link(self, record),
            "scale" => scale::run(self, record),
            "memory" => scale::memory(self, record),
            other => Err(format!("no scenario {other}; there are {}", SCENARIOS.join(", "))),
        }
    }

    /// The same for so many routers: of an interface at most with FRR, for it needs a link for each, and
    /// thousands of those take the kernel minutes.
    fn of_size(&self, number: usize, scenario: &str, record: &mut Record) -> Self {
        if number > 255 && self.subjects.contains(&Subject::Frr) {
            record.note(format!("{scenario} is not measured with FRR"));
            return self.without_frr();
        }
        self.clone()
    }

    fn without_frr(&self) -> Self {
        let others = |subject: &Subject| *subject != Subject::Frr;
        let subjects = self.subjects.iter().copied().filter(others).collect();
        Self { subjects, ..self.clone() }
    }

    /// Whether there is one cable only, or little time.
    const fn small(&self) -> bool {
        self.quick || self.cable.is_some()
    }

    /// Cables for so many routers.
    fn bed(&self, count: usize) -> Result<Bed, String> {
        Bed::new(count, self.cable.as_ref())
    }

    /// How long a steady state is looked at.
    pub const fn period(&self) -> Duration {
        Duration::from_secs(if self.quick { 2 } else { 8 })
    }

    /// Measures each subject in turn, as often as planned: A B A B. A subject that does not come to
    /// the state it is to be measured in is noted; ours must.
    fn alternate(
        &self,
        record: &mut Record,
        mut measure: impl FnMut(&mut Record, Subject, usize) -> Result<(), String>,
    ) -> Result<(), String> {
        for repetition in 0..self.repetitions {
            for subject in &self.subjects {
                match measure(record, *subject, repetition) {
                    Err(why) if subject.is_ours() => return Err(why),
                    Err(why) => record.note(format!("not measured: {why}")),
                    Ok(()) => {}
                }
            }
        }
        Ok(())
    }
}

/// How long anything may take to come to the state it is to be measured in.
const PATIENCE: Duration = Duration::from_secs(60);

/// `255 x 1 cs`.
fn size(routers: usize, centis: u16) -> String {
    format!("{routers} x {centis} cs")
}

/// A daemon that is master of all routers.
fn master(
    plan: &Plan,
    bed: &Bed,
    subject: Subject,
    routers: &[Which],
    centis: u16,
) -> Result<Running, String> {
    let make = |globals: &str| configuration(routers, centis, 100, globals);
    let running = Running::start(subject, &plan.binary, bed, make);
    running.wait("MASTER", routers.len(), PATIENCE)?;
    Ok(running)
}

/// A daemon that was master of all routers and is Backup of masters that came since, so that it has
/// received whatever they sent.
fn backup(
    plan: &Plan,
    bed: &Bed,
    subject: Subject,
    routers: &[Which],
    centis: u16,
) -> Result<(Running, Masters), String> {
    let running = master(plan, bed, subject, routers, centis)?;
    let before = running.told("BACKUP");
    let masters = Masters::start(bed, routers, centis);
    running.wait("BACKUP", before + routers.len(), PATIENCE)?;
    // Time for whoever transmits late.
    std::thread::sleep(Duration::from_millis(500) + interval(centis) * 3);
    Ok((running, masters))
}

fn interval(centis: u16) -> Duration {
    Duration::from_millis(u64::from(centis) * 10)
}

/// A share of one CPU in percent.
fn percent(cpu: Duration, of: Duration) -> f64 {
    100.0 * cpu.as_secs_f64() / of.as_secs_f64()
}
