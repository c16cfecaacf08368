//! How are all tests run, and what is said of those that were skipped and of what all show?
//!
//! Two groups. The crates' own tests share nothing and run in parallel. The suites of `vrrp-tests`
//! and the demo need root, make namespaces, and measure time: one test at a time within a suite.
use crate::conformance::{self, Ran};
use crate::packages::{self, IP, KEEPALIVED, NFT, TSHARK};
use crate::privilege::Privilege;
use crate::program::{cargo, pass, shown, workspace};
use crate::setup;
use anyhow::{Context as _, Result, anyhow};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Command, ExitCode, Stdio};
use std::thread;

/// Set where a suite that needs root has it: a skip is a failure then.
const REQUIRE_ROOT: &str = "XVRRP_REQUIRE_ROOT";

/// Why something was not run.
struct Skip {
    test: String,
    reason: String,
}

/// `cargo xtask test`.
pub(crate) fn run(filter: &[String]) -> Result<ExitCode> {
    let mut skips = Vec::new();
    if let Err(why) = setup::ensure() {
        let reason = format!("no compiler for it: {why:#}");
        skips.push(Skip { test: "everything with the XDP program".to_owned(), reason });
    }
    let privilege = Privilege::now();
    let mut rooted = privilege != Privilege::None;
    if let Some(reason) = privilege.lacks()? {
        skips.push(Skip { test: "everything that needs it".to_owned(), reason });
    }
    if rooted && let Err(why) = packages::provide(&[IP, KEEPALIVED, NFT, TSHARK], privilege) {
        rooted = false;
        let reason = format!("{why:#}");
        skips.push(Skip { test: "everything that needs root".to_owned(), reason });
    }
    // The suites run the daemon, and cargo builds it for the tests of its own package only.
    pass(cargo().args(["build", "--workspace", "--exclude", "vrrp-ebpf"]).stdin(Stdio::null()))?;

    let mut own = cargo();
    own.args(["test", "--no-fail-fast", "--package", "vrrp-common", "--package", "vrrp-user"]);
    own.args(["--package", "xtask", "--lib", "--bins"]);
    let mut docs = cargo();
    docs.args(["test", "--doc", "--package", "vrrp-common", "--package", "vrrp-user"]);
    let mut suites = cargo();
    suites.args(["test", "--no-fail-fast", "--package", "vrrp-tests", "--package", "xtask"]);
    suites.args(["--lib", "--test", "*"]).env("RUST_TEST_THREADS", "1");
    if rooted && skips.is_empty() {
        suites.env(REQUIRE_ROOT, "1");
    }
    if privilege == Privilege::Sudo && rooted {
        // Built as the user, run as root.
        suites.env(runner_variable()?, "sudo -E");
    }
    let mut code = ExitCode::SUCCESS;
    let mut sieve = Sieve { skips, ..Sieve::default() };
    for mut group in [own, docs, suites] {
        group.arg("--").arg("--show-output").args(filter);
        if !stream(&mut group, &mut sieve)? {
            code = ExitCode::FAILURE;
            sieve.failed.push(shown(&group));
        }
    }
    report(&sieve.skips);
    for failed in &sieve.failed {
        println!("test: FAILED: {failed}");
    }
    let table = workspace().join(conformance::TABLE);
    let table = fs::read_to_string(&table).with_context(|| table.display().to_string())?;
    println!("{}", conformance::summary(&table, &sieve.ran()));
    Ok(code)
}

/// Runs one group; passes its output on, except that of passing tests, in which skips are noted.
fn stream(group: &mut Command, sieve: &mut Sieve) -> Result<bool> {
    println!("test: {}", shown(group));
    group.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = group.spawn().with_context(|| format!("cannot run {}", shown(group)))?;
    let complaints = child.stderr.take().context("no pipe from cargo")?;
    let complaints = thread::spawn(move || past_the_harness(complaints));
    for line in BufReader::new(child.stdout.take().context("no pipe from cargo")?).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        if sieve.shows(&line) {
            println!("{line}");
        }
    }
    let succeeded = child.wait()?.success();
    sieve.skips.extend(complaints.join().map_err(|_| anyhow!("the reader of stderr died"))??);
    Ok(succeeded)
}

/// Passes on what cargo says, and what tests say past the harness's capture; notes skips.
fn past_the_harness(complaints: impl Read) -> Result<Vec<Skip>> {
    let mut skips = Vec::new();
    for line in BufReader::new(complaints).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        match line.strip_prefix("skipped: ").and_then(|rest| rest.split_once(": ")) {
            Some((test, reason)) => {
                skips.push(Skip { test: test.to_owned(), reason: reason.to_owned() });
            }
            None => eprintln!("{line}"),
        }
    }
    Ok(skips)
}

/// Tells the output of passing tests from everything else that libtest prints.
#[derive(Default)]
struct Sieve {
    within: bool,
    test: String,
    skips: Vec<Skip>,
    failed: Vec<String>,
    passed: BTreeSet<String>,
}

impl Sieve {
    /// Whether `line` is worth showing; notes skips and failures.
    fn shows(&mut self, line: &str) -> bool {
        if line == "successes:" {
            self.within = true;
        } else if line == "failures:" || line.starts_with("test result: ") {
            self.within = false;
        } else if let Some(test) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failed.push(test.to_owned());
        } else if let Some(test) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... ok"))
        {
            self.passed.insert(test.to_owned());
        }
        if !self.within {
            return true;
        }
        if let Some(test) =
            line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            test.clone_into(&mut self.test);
        } else if let Some(reason) = line.strip_prefix("skipped: ") {
            let (test, reason) = (self.test.clone(), reason.to_owned());
            self.skips.push(Skip { test, reason });
        }
        false
    }
}

impl Sieve {
    /// What became of all tests.
    fn ran(self) -> Ran {
        let skipped = self.skips.into_iter().map(|skip| skip.test).collect();
        Ran { passed: self.passed, failed: self.failed.into_iter().collect(), skipped }
    }
}

/// What was not run, by reason.
fn report(skips: &[Skip]) {
    let mut reasons: Vec<_> = skips.iter().map(|skip| skip.reason.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    for reason in reasons {
        let tests: Vec<_> =
            skips.iter().filter(|s| s.reason == reason).map(|s| s.test.as_str()).collect();
        println!("test: skipped {}: {reason}\n      {}", tests.len(), tests.join("\n      "));
    }
}

/// The variable by which cargo learns how to run what it built for this machine.
fn runner_variable() -> Result<String> {
    let text = crate::program::output(Command::new("rustc").arg("-vV").current_dir(workspace()))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not say what it runs on")?;
    Ok(format!("CARGO_TARGET_{}_RUNNER", host.to_uppercase().replace('-', "_")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_are_found_in_what_passing_tests_print() {
        let output = "\nrunning 2 tests\ntest a::one ... ok\ntest two ... ok\n\nsuccesses:\n\n\
            ---- a::one stdout ----\nskipped: not root\nmore\n\n---- two stdout ----\nchatter\n\n\n\
            successes:\n    a::one\n    two\n\ntest result: ok. 2 passed; 0 failed\n";
        let mut sieve = Sieve::default();
        let shown: Vec<_> = output.lines().filter(|line| sieve.shows(line)).collect();
        let skips = &sieve.skips;
        assert_eq!(skips.len(), 1);
        assert_eq!((skips[0].test.as_str(), skips[0].reason.as_str()), ("a::one", "not root"));
        assert_eq!(shown.last(), Some(&"test result: ok. 2 passed; 0 failed"));
        assert!(!shown.contains(&"chatter"));
        let ran = sieve.ran();
        assert!(ran.passed.contains("a::one") && ran.passed.contains("two"));
        assert!(ran.skipped.contains("a::one") && !ran.skipped.contains("two"));
    }

    #[test]
    fn skips_are_found_past_the_harness() {
        let said = "   Compiling x\nskipped: a::one: needs root (a, b: c)\n";
        let skips = past_the_harness(said.as_bytes()).unwrap();
        assert_eq!(skips.len(), 1);
        assert_eq!(skips[0].test, "a::one");
        assert_eq!(skips[0].reason, "needs root (a, b: c)");
    }

    #[test]
    fn what_failing_tests_print_is_shown() {
        let output = "test one ... ok\ntest two ... FAILED\nsuccesses:\n\n---- one stdout ----\nquiet\n\nsuccesses:\n    one\n\n\
            failures:\n\n---- two stdout ----\nskipped: never mind\nloud\n\ntest result: FAILED.";
        let mut sieve = Sieve::default();
        let shown: Vec<_> = output.lines().filter(|line| sieve.shows(line)).collect();
        assert!(sieve.skips.is_empty());
        assert_eq!(sieve.failed, ["two"]);
        assert!(shown.contains(&"loud") && !shown.contains(&"quiet"));
    }
}
