//! Is every item shown by a test that exists, or is there a reason why it is not.
//!
//! The items are lines of `cases/conformance.tsv`: number, where it is said, what it asks for, and
//! how it is shown. The last column names tests as cargo does, separated by semicolons: target or
//! package, a space, the path of the test, and after another space in brackets the name of a case
//! within it. Or it begins with one of [`REASONS`].
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const TABLE: &str = include_str!("../../cases/conformance.tsv");

/// How a reason begins, and for which items it may be given (all, where there is no list).
const REASONS: [(&str, &[&str]); 2] = [
    (
        "virtual MAC: ",
        &[
            "73", "74", "75", "76", "77", "89", "90", "91", "92", "108", "109", "110", "111",
            "112", "113", "114", "115", "116", "117", "118a", "118b", "118c", "118d",
        ],
    ),
    ("not built yet: ", &[]),
];

/// A line of the table.
struct Item {
    number: &'static str,
    shown: &'static str,
}

fn items() -> Vec<Item> {
    TABLE
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            let [number, reference, statement, shown] = fields[..] else {
                panic!("four columns: {line}");
            };
            assert!(!reference.is_empty() && statement.len() > 10 && !shown.is_empty(), "{line}");
            Item { number, shown }
        })
        .collect()
}

impl Item {
    fn reason(&self) -> Option<(&'static str, &'static [&'static str])> {
        let found = REASONS.into_iter().find(|(begin, _)| self.shown.starts_with(begin));
        if let Some((begin, _)) = found {
            assert!(self.shown.len() > begin.len() + 10, "{}: no reason", self.number);
        }
        found
    }
}

/// 1 to 142, of which 118 is four.
#[test]
fn no_item_is_missing_or_there_twice() {
    let wanted: Vec<String> = (1..=142)
        .flat_map(|number| match number {
            118 => ["a", "b", "c", "d"].map(|part| format!("118{part}")).to_vec(),
            number => vec![number.to_string()],
        })
        .collect();
    let found: Vec<_> = items().iter().map(|item| item.number.to_owned()).collect();
    assert_eq!(found, wanted);
}

#[test]
fn every_item_is_shown_or_explained() {
    let mut wrong = Vec::new();
    let (mut shown, mut explained) = (0, 0);
    for item in items() {
        if let Some((begin, only)) = item.reason() {
            if !only.is_empty() && !only.contains(&item.number) {
                wrong.push(format!("{}: `{begin}` is no reason for it", item.number));
            }
            explained += 1;
            continue;
        }
        for name in item.shown.split("; ") {
            if let Err(why) = exists(name) {
                wrong.push(format!("{}: {name}: {why}", item.number));
            }
        }
        shown += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{shown} items are shown by tests, {explained} are explained");
}

/// The check itself: it finds what is there, and nothing else.
#[test]
fn names_are_looked_up() {
    for right in [
        "conformance table::names_are_looked_up",
        "vrrp-common wire::check_tests::tags",
        "vrrp-common wire::vrrp::tests::golden",
        "vrrp-user engine::tests::backup::silence_makes_it_master",
        "timers version_3",
        "operation stop::stop (SIGTERM as master)",
        "vrrp-tests lab::decode::tests::advert_and_its_checksum",
    ] {
        assert_eq!(exists(right), Ok(()), "{right}");
    }
    for wrong in [
        "conformance table::names_are_looked_down",
        // A function, but no test.
        "conformance table::items",
        "conformance names_are_looked_up",
        "vrrp-common wire::vrrp::golden",
        "nothing version_3",
        "timers",
        "",
        "operation stop::stop (SIGTERM as nobody)",
    ] {
        assert!(exists(wrong).is_err(), "{wrong}");
    }
}

/// Whether a test is where its name says.
fn exists(name: &str) -> Result<(), String> {
    let (name, case) = match name.split_once(" (") {
        Some((name, case)) => (name, Some(case.strip_suffix(')').ok_or("no end of the case")?)),
        None => (name, None),
    };
    let (target, path) = name.split_once(' ').ok_or("not TARGET PATH")?;
    let mut modules: Vec<_> = path.split("::").collect();
    let function = modules.pop().ok_or("no function")?;
    let (root, folder) = target_root(target)?;
    // `a::tests::f` is in tests.rs, in tests/mod.rs, or in a block within a.rs.
    let inline = modules.last() == Some(&"tests");
    let home = file_of(&root, &folder, &modules);
    let (file, within) = match (home, inline) {
        (Some(file), _) => (file, None),
        (None, true) => {
            let outer = modules.get(..modules.len() - 1).unwrap_or_default();
            let file = file_of(&root, &folder, outer).ok_or("no such module")?;
            (file, Some("mod tests {"))
        }
        (None, false) => return Err("no such module".into()),
    };
    let text = read(&file)?;
    let start = match within {
        Some(block) => text.find(block).ok_or("no block of tests")?,
        None => 0,
    };
    let code = text.get(start..).unwrap_or_default();
    if !tests_of(code, within.is_some()).contains(function) {
        return Err(format!("no test {function} in {}", file.display()));
    }
    match case {
        Some(case) if !text.contains(&format!("\"{case}\"")) => {
            Err(format!("no case {case} in {}", file.display()))
        }
        _ => Ok(()),
    }
}

/// The root file of a target, and the folder its modules are in.
fn target_root(target: &str) -> Result<(PathBuf, PathBuf), String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = tests.join("..");
    let (suite, one) = (tests.join("suite").join(target), tests.join("suite"));
    match target {
        "" => Err("no target".into()),
        "vrrp-common" | "vrrp-user" => {
            let folder = workspace.join(target).join("src");
            Ok((folder.join("lib.rs"), folder))
        }
        "vrrp-tests" => Ok((tests.join("src/lib.rs"), tests.join("src"))),
        _ if suite.join("main.rs").exists() => Ok((suite.join("main.rs"), suite)),
        _ if suite.with_extension("rs").exists() => Ok((suite.with_extension("rs"), one)),
        _ => Err("no such target".into()),
    }
}

fn file_of(root: &Path, folder: &Path, modules: &[&str]) -> Option<PathBuf> {
    let Some((last, above)) = modules.split_last() else {
        return Some(root.to_path_buf());
    };
    let above = above.iter().fold(folder.to_path_buf(), |folder, module| folder.join(module));
    let files = [above.join(format!("{last}.rs")), above.join(last).join("mod.rs")];
    files.into_iter().find(|file| file.exists())
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))
}

/// Functions behind `#[test]` at the outermost level, or in the block the code begins with.
fn tests_of(code: &str, block: bool) -> BTreeSet<String> {
    let indent = if block { "    " } else { "" };
    let attribute = format!("{indent}#[test]");
    let mut found = BTreeSet::new();
    let mut marked = false;
    for line in code.lines() {
        let name = line.strip_prefix(indent).and_then(|line| line.strip_prefix("fn "));
        if line == attribute {
            marked = true;
        } else if let Some(name) = name {
            if let (true, Some((name, _))) = (marked, name.split_once('(')) {
                found.insert(name.to_owned());
            }
            marked = false;
        } else if line.contains("#[ignore") {
            marked = false;
        }
    }
    found
}
