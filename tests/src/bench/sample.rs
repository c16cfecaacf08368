//! What was measured, and which of it may be compared.
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// One run of the harness. Figures of different runs met different loads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunId(u64);

impl RunId {
    /// A new one.
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX) ^ u64::from(std::process::id()))
    }
}

impl Default for RunId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One figure.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// Scenario, with its size: `idle-backup 255 x 1 cs`.
    pub scenario: String,
    /// Who was measured.
    pub subject: String,
    /// Which repetition, from 0.
    pub repetition: usize,
    /// What was measured.
    pub metric: String,
    /// In which unit.
    pub unit: &'static str,
    /// How much.
    pub value: f64,
}

/// Figures of one subject and metric over the repetitions of one run.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    run: RunId,
    /// In order of size.
    pub values: Vec<f64>,
}

impl Series {
    /// The middle one: of an even number the lower.
    pub fn median(&self) -> Option<f64> {
        percentile(&self.values, 50.0)
    }

    /// The median of this over that of `other`.
    ///
    /// # Errors
    /// Where they are of different runs: the machine was another one.
    pub fn ratio(&self, other: &Self) -> Result<f64, OtherRun> {
        if self.run != other.run {
            return Err(OtherRun(self.run, other.run));
        }
        let (ours, theirs) = (self.median().unwrap_or(f64::NAN), other.median());
        Ok(ours / theirs.unwrap_or(f64::NAN))
    }
}

/// Two figures were not measured in one run, so their ratio says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OtherRun(RunId, RunId);

impl fmt::Display for OtherRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "figures of runs {} and {} are not to be compared", self.0, self.1)
    }
}

impl std::error::Error for OtherRun {}

/// The value that `percent` of the sorted `values` do not exceed, by nearest rank.
pub fn percentile<T: Copy>(values: &[T], percent: f64) -> Option<T> {
    let last = values.len().checked_sub(1)?;
    let rank = (percent / 100.0 * count(values.len())).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank is no larger than the length"
    )]
    let index = (rank as usize).saturating_sub(1).min(last);
    values.get(index).copied()
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
pub const fn count(count: usize) -> f64 {
    count as f64
}

/// A number of nanoseconds, packets or bytes as a figure.
#[expect(clippy::cast_precision_loss, reason = "figures here are far below 2^53")]
pub const fn figure(number: u64) -> f64 {
    number as f64
}

/// Everything one run measured.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which run.
    pub run: RunId,
    /// In the order they were taken.
    pub samples: Vec<Sample>,
    /// What a reader has to know beside the figures.
    pub notes: Vec<String>,
    /// How busy the machine was: before each scenario, its name and the load averages.
    pub load: Vec<(String, String)>,
}

impl Record {
    /// Empty.
    pub fn new() -> Self {
        Self { run: RunId::new(), samples: Vec::new(), notes: Vec::new(), load: Vec::new() }
    }

    /// Adds figures of one repetition and shows them.
    pub fn add(
        &mut self,
        scenario: &str,
        subject: &str,
        repetition: usize,
        figures: &[(&str, &'static str, f64)],
    ) {
        let mut line = format!("{scenario} | {subject} | {}:", repetition + 1);
        for (metric, unit, value) in figures {
            line.push_str(&format!(" {metric} {} {unit};", short(*value)));
            self.samples.push(Sample {
                scenario: scenario.to_owned(),
                subject: subject.to_owned(),
                repetition,
                metric: (*metric).to_owned(),
                unit,
                value: *value,
            });
        }
        println!("{line}");
    }

    /// Notes something, once.
    pub fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            println!("note: {note}");
            self.notes.push(note);
        }
    }

    /// Scenarios in the order they were run.
    pub fn scenarios(&self) -> Vec<&str> {
        distinct(self.samples.iter().map(|sample| sample.scenario.as_str()))
    }

    /// Who was measured in a scenario.
    pub fn subjects(&self, scenario: &str) -> Vec<&str> {
        distinct(self.of(scenario).map(|sample| sample.subject.as_str()))
    }

    /// What was measured in a scenario, and the units.
    pub fn metrics(&self, scenario: &str) -> Vec<(&str, &'static str)> {
        distinct(self.of(scenario).map(|sample| (sample.metric.as_str(), sample.unit)))
    }

    /// The figures of one subject.
    pub fn series(&self, scenario: &str, subject: &str, metric: &str) -> Series {
        let mut values: Vec<f64> = self
            .of(scenario)
            .filter(|sample| sample.subject == subject && sample.metric == metric)
            .map(|sample| sample.value)
            .collect();
        values.sort_by(f64::total_cmp);
        Series { run: self.run, values }
    }

    fn of(&self, scenario: &str) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.scenario == scenario)
    }

    /// As JSON, with the card of the machine.
    pub fn json(&self, card: &Value) -> Value {
        let samples = self.samples.iter().map(|sample| {
            json!({
                "scenario": sample.scenario,
                "subject": sample.subject,
                "repetition": sample.repetition,
                "metric": sample.metric,
                "unit": sample.unit,
                "value": sample.value,
            })
        });
        json!({
            "run": self.run.to_string(),
            "machine": card,
            "load": self.load,
            "notes": self.notes,
            "samples": samples.collect::<Vec<_>>(),
        })
    }

    /// As CSV.
    pub fn csv(&self) -> String {
        let mut text = "run,scenario,subject,repetition,metric,unit,value\n".to_owned();
        for sample in &self.samples {
            let Sample { scenario, subject, repetition, metric, unit, value } = sample;
            let run = self.run;
            text.push_str(&format!(
                "{run},{scenario},{subject},{repetition},{metric},{unit},{value}\n"
            ));
        }
        text
    }
}

impl Default for Record {
    fn default() -> Self {
        Self::new()
    }
}

fn distinct<T: PartialEq + Ord + Copy>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    items.filter(|item| seen.insert(*item)).collect()
}

/// A figure with three digits that say something.
pub fn short(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e9 {
        return format!("{value:.0}");
    }
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        0.1.. => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let values: Vec<u32> = (1..=200).collect();
        assert_eq!(percentile(&values, 50.0), Some(100));
        assert_eq!(percentile(&values, 99.0), Some(198));
        assert_eq!(percentile(&values, 100.0), Some(200));
        assert_eq!(percentile(&values, 0.0), Some(1));
        assert_eq!(percentile::<u32>(&[], 50.0), None);
    }

    #[test]
    fn figures_of_different_runs_have_no_ratio() {
        let (mut one, mut other) = (Record::new(), Record::new());
        for record in [&mut one, &mut other] {
            record.add("s", "a", 0, &[("m", "ms", 2.0)]);
            record.add("s", "b", 0, &[("m", "ms", 8.0)]);
        }
        other.run = RunId(one.run.0 + 1);
        let ours = one.series("s", "a", "m");
        assert_eq!(ours.ratio(&one.series("s", "b", "m")), Ok(0.25));
        let refused = ours.ratio(&other.series("s", "b", "m"));
        assert_eq!(refused, Err(OtherRun(one.run, other.run)));
    }
}
