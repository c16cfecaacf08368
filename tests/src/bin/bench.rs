//! `bench`: measures xvrrp and its peers; `cargo xtask bench` builds and runs it.
use std::path::PathBuf;
use std::process::ExitCode;

use vrrp_tests::bench::sample::Record;
use vrrp_tests::bench::scenario::{Plan, SCENARIOS};
use vrrp_tests::bench::subject::Subject;
use vrrp_tests::bench::{card, goal, report};
use vrrp_tests::gate;

/// What was asked for.
struct Asked {
    plan: Plan,
    scenarios: Vec<String>,
    folder: PathBuf,
}

fn asked() -> Result<Asked, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let beside = here.with_file_name("xvrrp");
    let mut plan = Plan {
        binary: std::env::var_os("XVRRP_BIN").map_or(beside, PathBuf::from),
        subjects: vec![Subject::Xvrrp],
        repetitions: 5,
        quick: false,
        cable: None,
    };
    let (mut near, mut far) = (None, None);
    let (mut scenarios, mut folder) = (Vec::new(), PathBuf::from("target/bench"));
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--against" => match value()?.as_str() {
                "keepalived" => plan.subjects.push(Subject::Keepalived),
                "keepalived-rt" => plan.subjects.push(Subject::KeepalivedRt),
                "frr" => plan.subjects.push(Subject::Frr),
                "sockets" => plan.subjects.push(Subject::Sockets),
                other => return Err(format!("cannot run against {other}")),
            },
            "--dut" => near = Some(value()?),
            "--peer" => far = Some(value()?),
            "--quick" => plan.quick = true,
            "--repetitions" => {
                plan.repetitions = value()?.parse().map_err(|_| "--repetitions needs a number")?;
            }
            "--output" => folder = value()?.into(),
            name if SCENARIOS.contains(&name) => scenarios.push(name.to_owned()),
            other => {
                return Err(format!("{other}? Scenarios: {}", SCENARIOS.join(", ")));
            }
        }
    }
    plan.cable = match (near, far) {
        (Some(near), Some(far)) => Some((near, far)),
        (None, None) => None,
        _ => return Err("--dut and --peer are the two ends of one cable: give both".to_owned()),
    };
    if plan.quick {
        plan.repetitions = plan.repetitions.min(2);
    }
    if scenarios.is_empty() {
        scenarios = SCENARIOS.map(str::to_owned).to_vec();
    }
    Ok(Asked { plan, scenarios, folder })
}

fn main() -> ExitCode {
    let Asked { plan, scenarios, folder } = match asked() {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("bench: {why}");
            return ExitCode::FAILURE;
        }
    };
    if !gate::open(&[gate::Need::Root, gate::Need::Bpf]) {
        return ExitCode::FAILURE;
    }
    let card = card::card(&plan.binary);
    let (mut record, mut code) = (Record::new(), ExitCode::SUCCESS);
    for scenario in &scenarios {
        if let Err(why) = plan.run(scenario, &mut record) {
            eprintln!("bench: {scenario}: {why}");
            record.note(format!("{scenario} failed: {why}"));
            code = ExitCode::FAILURE;
        }
        // What was measured is kept, whatever becomes of the rest.
        match report::write(&record, &card, &folder) {
            Ok(report) if scenarios.last() == Some(scenario) => println!("{}", report.display()),
            Ok(_) => {}
            Err(why) => {
                eprintln!("bench: {}: {why}", folder.display());
                return ExitCode::FAILURE;
            }
        }
    }
    for missed in goal::judge(&record).iter().filter(|verdict| !verdict.reached) {
        println!("goal missed: {missed}");
    }
    code
}
