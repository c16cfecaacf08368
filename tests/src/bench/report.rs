//! Which files does a run write: every figure, and a report a person reads.
use serde_json::Value;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use super::goal::{self, Verdict};
use super::plot::{self, Bar, Line};
use super::sample::{Record, short};

/// Writes `result.json`, `samples.csv`, `report.md` and its pictures to `folder`; where the report is.
///
/// # Errors
/// Where a file cannot be written.
pub fn write(record: &Record, card: &Value, folder: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let goals = goal::judge(record);
    let mut json = record.json(card);
    json["goals"] = goals.iter().map(Verdict::json).collect();
    std::fs::write(folder.join("result.json"), serde_json::to_string_pretty(&json)?)?;
    std::fs::write(folder.join("samples.csv"), record.csv())?;
    let mut text = head(record, card);
    text.push_str(&reached(&goals));
    for scenario in record.scenarios() {
        let _ = writeln!(text, "\n## {scenario}\n");
        text.push_str(&table(record, scenario));
        for (number, (metric, unit)) in record.metrics(scenario).into_iter().enumerate() {
            let bars = bars(record, scenario, metric);
            if bars.len() < 2 || bars.iter().all(|bar| bar.value == 0.0) {
                continue;
            }
            let name = format!("{}-{number}.svg", file_name(scenario));
            let title = format!("{scenario}: {metric}");
            std::fs::write(folder.join(&name), plot::bars(&title, unit, &bars))?;
            let _ = writeln!(text, "\n![{metric}]({name})");
        }
    }
    text.push_str(&growth(record, folder)?);
    let report = folder.join("report.md");
    std::fs::write(&report, text)?;
    Ok(report)
}

fn file_name(scenario: &str) -> String {
    scenario.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect()
}

fn head(record: &Record, card: &Value) -> String {
    let mut text = format!("# What was measured\n\nRun {}. Of this machine:\n\n", record.run);
    for (key, value) in card.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = writeln!(text, "- {key}: {value}");
    }
    text.push_str("\nHow busy it was (load averages of 1, 5 and 15 minutes):\n\n");
    for (scenario, load) in &record.load {
        let _ = writeln!(text, "- before {scenario}: {load}");
    }
    for note in &record.notes {
        let _ = writeln!(text, "- note: {note}");
    }
    text.push_str(
        "\nSubjects took turns within each scenario. Figures are medians of the repetitions, with the \
         least and the most in brackets; a ratio is of medians of this run.\n",
    );
    text
}

/// Goals and what became of them, where any was judged.
fn reached(goals: &[Verdict]) -> String {
    if goals.is_empty() {
        return String::new();
    }
    let mut text = "\n## Goals\n\n".to_owned();
    text.push_str(
        "Goals are for full runs on a machine like the one they were set on, with two cores and \
         virtual Ethernet: a missed one is told, and fails nothing.\n\n\
         | goal | wanted | measured | reached |\n|---|---|---:|---|\n",
    );
    for verdict in goals {
        let Verdict { goal, wanted, figure, reached, .. } = verdict;
        let reached = if *reached { "yes" } else { "**no**" };
        let _ = writeln!(text, "| {goal} | {wanted} | {figure} | {reached} |");
    }
    text
}

/// Figures by subject, and ours over each of the others.
fn table(record: &Record, scenario: &str) -> String {
    let subjects = record.subjects(scenario);
    let ours = subjects.first().copied().unwrap_or_default();
    let mut text = "| |".to_owned();
    for subject in &subjects {
        let _ = write!(text, " {subject} |");
    }
    for other in subjects.iter().skip(1) {
        let _ = write!(text, " {ours} / {other} |");
    }
    let columns = subjects.len() * 2 - 1;
    let _ = write!(text, "\n|---|{}\n", "---:|".repeat(columns));
    for (metric, unit) in record.metrics(scenario) {
        let unit = if unit.is_empty() { String::new() } else { format!(", {unit}") };
        let _ = write!(text, "| {metric}{unit} |");
        for subject in &subjects {
            let series = record.series(scenario, subject, metric);
            let (least, most) = (series.values.first(), series.values.last());
            match (series.median(), least, most) {
                (Some(median), Some(least), Some(most)) if least != most => {
                    let (median, least, most) = (short(median), short(*least), short(*most));
                    let _ = write!(text, " {median} ({least} to {most}) |");
                }
                (Some(median), ..) => {
                    let _ = write!(text, " {} |", short(median));
                }
                (None, ..) => text.push_str(" |"),
            }
        }
        let one = record.series(scenario, ours, metric);
        for other in subjects.iter().skip(1) {
            let other = record.series(scenario, other, metric);
            match one.ratio(&other) {
                Ok(ratio) if ratio.is_finite() && ratio != 1.0 => {
                    let _ = write!(text, " {} |", short(ratio));
                }
                Ok(_) | Err(_) => text.push_str(" |"),
            }
        }
        text.push('\n');
    }
    text
}

fn bars(record: &Record, scenario: &str, metric: &str) -> Vec<Bar> {
    let bar = |(colour, subject): (usize, &str)| {
        let series = record.series(scenario, subject, metric);
        let range = (*series.values.first()?, *series.values.last()?);
        Some(Bar { label: subject.to_owned(), colour, value: series.median()?, range })
    };
    record.subjects(scenario).into_iter().enumerate().filter_map(bar).collect()
}

/// Cost against the number of routers, where it was measured for several.
fn growth(record: &Record, folder: &Path) -> io::Result<String> {
    let sizes: Vec<(f64, &str)> = record
        .scenarios()
        .into_iter()
        .filter_map(|scenario| Some((scenario.strip_prefix("scale ")?.parse().ok()?, scenario)))
        .collect();
    let Some((_, first)) = sizes.first() else { return Ok(String::new()) };
    if sizes.len() < 2 {
        return Ok(String::new());
    }
    let mut text = "\n## Cost against the number of routers\n".to_owned();
    for (number, (metric, unit)) in record.metrics(first).into_iter().enumerate() {
        let mut lines = Vec::new();
        for subject in record.subjects(first) {
            let points = sizes.iter().filter_map(|(size, scenario)| {
                Some((*size, record.series(scenario, subject, metric).median()?))
            });
            lines.push(Line { label: subject.to_owned(), points: points.collect() });
        }
        let name = format!("growth-{number}.svg");
        let title = format!("{metric} ({unit})");
        std::fs::write(folder.join(&name), plot::lines(&title, "routers", &lines))?;
        let _ = writeln!(text, "\n![{metric}]({name})");
    }
    Ok(text)
}
