//! Do the manual pages name what there is: every verb and option, and every keyword that works.
use super::Cli;
use crate::config::keyword;
use clap::CommandFactory as _;
use std::path::Path;

const PROGRAM: &str = include_str!("../../man/xvrrp.8");
const LANGUAGE: &str = include_str!("../../man/xvrrp.conf.5");

/// What the reader sees of a page's source, nearly.
fn plain(page: &str) -> String {
    page.replace("\\-", "-").replace("\\fI", " ").replace("\\fP", " ").replace('"', " ")
}

/// A section, or a subsection, of a page.
fn section<'a>(page: &'a str, title: &str) -> &'a str {
    let (macro_name, _) = title.split_once(' ').unwrap_or((title, ""));
    let start = page.find(&format!("\n{title}\n")).unwrap_or_else(|| panic!("no {title}"));
    let body = &page[start + title.len() + 2..];
    let ends = [format!("\n{macro_name} "), "\n.SH ".to_owned()];
    let end = ends.iter().filter_map(|end| body.find(end)).min().unwrap_or(body.len());
    &body[..end]
}

fn names(text: &str, wanted: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || c == ',' || c == '|').any(|word| word == wanted)
}

#[test]
fn every_verb_and_option_is_in_the_manual() {
    let page = plain(PROGRAM);
    let mut command = Cli::command();
    command.build();
    for argument in ["-h", "--help", "-V", "--version"] {
        assert!(names(section(&page, ".SS help"), argument), "{argument}");
    }
    let synopsis = section(&page, ".SH SYNOPSIS");
    let mut seen = 0;
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        let name = verb.get_name();
        assert!(names(synopsis, name), "synopsis of {name}");
        let text = section(&page, &format!(".SS {name}"));
        for argument in verb.get_arguments().filter(|argument| argument.get_id() != "help") {
            let long = argument.get_long().map(|long| format!("--{long}"));
            let short = argument.get_short().map(|short| format!("-{short}"));
            let positional = argument.is_positional().then(|| {
                argument.get_id().as_str().to_uppercase().trim_end_matches('S').to_owned()
            });
            for wanted in long.iter().chain(&short).chain(&positional) {
                seen += 1;
                assert!(names(text, wanted), "{wanted} of {name} is not in xvrrp.8");
            }
            let hidden = argument.is_hide_possible_values_set() || argument.is_positional();
            for value in argument.get_possible_values().iter().filter(|_| !hidden) {
                let value = value.get_name();
                let flag = matches!(value, "true" | "false");
                assert!(flag || names(text, value), "{value} of {name} is not in xvrrp.8");
            }
        }
    }
    assert!(seen >= 14, "{seen}");
}

/// `XVRRP_BLESS=1` writes the list anew.
#[test]
fn the_manual_lists_the_keywords_that_work() {
    const BEGIN: &str = ".\\\" begin of the list\n";
    const END: &str = ".\\\" end of the list\n";
    let (before, rest) = LANGUAGE.split_once(BEGIN).unwrap();
    let (list, after) = rest.split_once(END).unwrap();
    if std::env::var_os("XVRRP_BLESS").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/xvrrp.conf.5");
        let page = [before, BEGIN, &keyword::roff(), END, after].concat();
        std::fs::write(file, page).unwrap();
        return;
    }
    assert!(list == keyword::roff(), "run this test with XVRRP_BLESS=1");
}

/// What the page says by hand about a keyword is about one that works or is skipped.
#[test]
fn what_the_manual_explains_is_not_something_unbuilt() {
    let text = plain(section(LANGUAGE, ".SH DIFFERENCES FROM KEEPALIVED"));
    let ours: Vec<_> = keyword::all().into_iter().filter(|e| e.status == "xvrrp only").collect();
    assert!(!ours.is_empty());
    for entry in ours {
        assert!(names(&text, entry.name), "{} is nowhere explained", entry.name);
    }
    for entry in keyword::all().iter().filter(|entry| entry.status == "not built") {
        let bold = format!(".B {}\n", entry.name);
        assert!(!text.contains(&bold), "{} is not built", entry.name);
    }
}
