//! How many of the RFCs' items hold, by the tests that were just run?
//!
//! The items are lines of `tests/cases/conformance.tsv`, whose form a test of its own checks: number,
//! reference, statement, and the tests that show it or the reason why there are none.
use std::collections::BTreeSet;

/// Where the items are, in the workspace.
pub(crate) const TABLE: &str = "tests/cases/conformance.tsv";

/// What became of the tests.
#[derive(Default)]
pub(crate) struct Ran {
    /// Names of those that passed, skipped ones included.
    pub(crate) passed: BTreeSet<String>,
    /// Names of those that failed.
    pub(crate) failed: BTreeSet<String>,
    /// Names of those that passed without doing anything.
    pub(crate) skipped: BTreeSet<String>,
}

/// One line that says it; numbers of what failed and of what was not run behind it.
pub(crate) fn summary(table: &str, ran: &Ran) -> String {
    let (mut all, mut hold, mut virtual_mac, mut not_built) = (0, 0, 0, 0);
    let (mut fail, mut not_run) = (Vec::new(), Vec::new());
    for line in table.lines().skip(1) {
        let (Some((number, _)), Some((_, shown))) = (line.split_once('\t'), line.rsplit_once('\t'))
        else {
            continue;
        };
        all += 1;
        if shown.starts_with("virtual MAC: ") {
            virtual_mac += 1;
        } else if shown.starts_with("not built yet: ") {
            not_built += 1;
        } else {
            let tests: Vec<_> = shown.split("; ").map(name).collect();
            if tests.iter().any(|test| ran.failed.contains(*test)) {
                fail.push(number);
            } else if tests
                .iter()
                .all(|test| ran.passed.contains(*test) && !ran.skipped.contains(*test))
            {
                hold += 1;
            } else {
                not_run.push(number);
            }
        }
    }
    let mut text = format!("conformance: {hold} of {all} hold");
    for (count, what) in [(virtual_mac, "need a virtual MAC"), (not_built, "not built yet")] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    for (numbers, what) in [(fail, "FAILED"), (not_run, "not shown in this run")] {
        if !numbers.is_empty() {
            text.push_str(&format!(", {} {what}: {}", numbers.len(), numbers.join(" ")));
        }
    }
    text
}

/// `TARGET PATH (CASE)` without what libtest does not print.
fn name(shown: &str) -> &str {
    let path = shown.split_once(' ').map_or(shown, |(_, path)| path);
    path.split_once(" (").map_or(path, |(path, _)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: &str = "item\treference\tstatement\tshown\n\
        1\tRFC\tone\tkernel a::b; operation stop::stop (SIGTERM as master)\n\
        2\tRFC\ttwo\tvirtual MAC: none\n\
        3\tRFC\tthree\tnot built yet: nothing\n\
        4\tRFC\tfour\tkernel a::b; kernel c\n";

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn items_hold_where_all_their_tests_ran_and_passed() {
        let passed = set(&["a::b", "stop::stop", "c"]);
        let ran = Ran { passed, ..Ran::default() };
        assert_eq!(
            summary(FEW, &ran),
            "conformance: 2 of 4 hold, 1 need a virtual MAC, 1 not built yet"
        );
        let ran = Ran { failed: set(&["a::b"]), skipped: set(&["c"]), ..ran };
        assert!(summary(FEW, &ran).ends_with(", 2 FAILED: 1 4"));
        let ran = Ran { failed: set(&[]), ..ran };
        assert!(summary(FEW, &ran).ends_with(", 1 not shown in this run: 4"));
        assert!(summary(FEW, &Ran::default()).starts_with("conformance: 0 of 4 hold"));
    }
}
