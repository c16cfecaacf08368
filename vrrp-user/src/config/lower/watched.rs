//! What do the blocks of things that can be tracked say: scripts, files and processes.
use super::track::{MOST, MOST_OF_SCRIPTS, weight};
use super::{program, value};
use crate::config::findings::{Findings, Span};
use crate::config::keyword::{Keyword, Shape, apply, built};
use crate::config::model::Name;
use crate::config::program::{Program, User};
use crate::config::tracked::{ArgumentMatch, FileInit, Script, TrackedFile, TrackedProcess};
use crate::config::tree::Node;
use std::path::PathBuf;
use std::time::Duration;

/// A thing that can be tracked, and where its name stands.
pub(super) struct Watched<T> {
    pub(super) name: Name,
    pub(super) span: Span,
    pub(super) weight: i16,
    pub(super) reverse: bool,
    /// What it is, unless something about it is wrong.
    pub(super) object: Option<T>,
}

/// `vrrp_script` as it is read.
#[derive(Default)]
pub(in crate::config) struct ScriptDraft {
    words: Option<Vec<String>>,
    user: Option<User>,
    interval: Option<Duration>,
    timeout: Option<Duration>,
    weight: Option<i16>,
    reverse: bool,
    rise: Option<u32>,
    fall: Option<u32>,
    init_fail: bool,
}

/// What stands in a `vrrp_script`.
pub(in crate::config) static SCRIPT: &[Keyword<ScriptDraft>] = &[
    built(
        "script",
        Shape::Value,
        |draft, node, findings| {
            let Some(word) = node.arguments().first() else { return };
            draft.words = program::words("script", word, findings);
        },
        "the program, with its arguments in quotes; exit status 0 is success",
    ),
    built(
        "interval",
        Shape::Value,
        |draft, node, findings| draft.interval = time(node, findings),
        "seconds from one start to the next, decimals allowed; default 1",
    ),
    built(
        "timeout",
        Shape::Value,
        |draft, node, findings| draft.timeout = time(node, findings),
        "seconds after which a run has failed; default interval",
    ),
    built(
        "weight",
        Shape::Words(1, 2),
        |draft, node, findings| {
            (draft.weight, draft.reverse) = weighted(node, MOST_OF_SCRIPTS, findings);
        },
        "-253 to 253 and perhaps reverse, for lines that give none; 0, the default: failure is a \
         fault",
    ),
    built(
        "rise",
        Shape::Value,
        |draft, node, findings| draft.rise = rounds(node, findings),
        "successes in a row until it is good; default 1",
    ),
    built(
        "fall",
        Shape::Value,
        |draft, node, findings| draft.fall = rounds(node, findings),
        "failures in a row until it is bad; default 1",
    ),
    built(
        "user",
        Shape::Words(1, 2),
        |draft, node, findings| draft.user = program::user(node.arguments(), findings),
        "user and perhaps group that run it; default script_user",
    ),
    built(
        "init_fail",
        Shape::Flag,
        |draft, _, _| draft.init_fail = true,
        "it counts as failed until it has succeeded",
    ),
];

/// `track_file` as it is read.
#[derive(Default)]
pub(in crate::config) struct FileDraft {
    path: Option<PathBuf>,
    weight: Option<i16>,
    reverse: bool,
    init: Option<FileInit>,
}

/// What stands in a `track_file`.
pub(in crate::config) static FILE: &[Keyword<FileDraft>] = &[
    built(
        "file",
        Shape::Value,
        |draft, node, findings| draft.path = value::path(node, findings),
        "the file; it holds one number, and one that is missing or holds none counts as 0",
    ),
    built(
        "weight",
        Shape::Words(1, 2),
        |draft, node, findings| (draft.weight, draft.reverse) = weighted(node, MOST, findings),
        "-254 to 254 and perhaps reverse: what the number is multiplied by, for lines that give \
         none; 0: a number but 0 is a fault; default 1",
    ),
    built(
        "init_file",
        Shape::Words(0, 2),
        init_file,
        "the number, 0 unless given, to write where there is no file; overwrite: at every start",
    ),
];

/// `vrrp_track_process` as it is read.
#[derive(Default)]
pub(in crate::config) struct ProcessDraft {
    command: Vec<String>,
    arguments: Option<ArgumentMatch>,
    full_command: bool,
    weight: Option<i16>,
    reverse: bool,
    quorum: Option<(u32, Span)>,
    quorum_max: Option<(u32, Span)>,
    fork_delay: Option<Duration>,
    terminate_delay: Option<Duration>,
}

/// What stands in a `vrrp_track_process`.
pub(in crate::config) static PROCESS: &[Keyword<ProcessDraft>] = &[
    built("process", Shape::Words(1, usize::MAX), command, "its name, and perhaps its arguments"),
    built(
        "param_match",
        Shape::Words(0, 1),
        param_match,
        "compare arguments: exactly; initial: the last may go on; partial: more may follow",
    ),
    built(
        "weight",
        Shape::Words(1, 2),
        |draft, node, findings| (draft.weight, draft.reverse) = weighted(node, MOST, findings),
        "-254 to 254 and perhaps reverse, for lines that give none; 0, the default: absence is a \
         fault",
    ),
    built(
        "quorum",
        Shape::Value,
        |draft, node, findings| draft.quorum = amount(node, 1, findings),
        "so many must run, 1 to 65535; default 1",
    ),
    built(
        "quorum_max",
        Shape::Value,
        |draft, node, findings| draft.quorum_max = amount(node, 0, findings),
        "and no more than so many, 0 to 65535; default: any number may",
    ),
    built(
        "fork_delay",
        Shape::Value,
        |draft, node, findings| draft.fork_delay = delay(node, findings),
        "seconds that a good number must last",
    ),
    built(
        "terminate_delay",
        Shape::Value,
        |draft, node, findings| draft.terminate_delay = delay(node, findings),
        "seconds that a bad number must last",
    ),
    built(
        "delay",
        Shape::Value,
        |draft, node, findings| {
            draft.fork_delay = delay(node, findings);
            draft.terminate_delay = draft.fork_delay;
        },
        "fork_delay and terminate_delay",
    ),
    built(
        "full_command",
        Shape::Flag,
        |draft, _, _| draft.full_command = true,
        "compare the command line, not the name the kernel has for the process",
    ),
];

/// A `vrrp_script` block.
pub(super) fn script(node: &Node, findings: &mut Findings) -> Option<Watched<Script>> {
    let mut draft = ScriptDraft::default();
    apply("vrrp_script", SCRIPT, &mut draft, node.children(), findings);
    let (name, span) = named(node, findings)?;
    let origin = findings.origin(span);
    let weight = draft.weight.unwrap_or(0);
    let interval = draft.interval.unwrap_or(Duration::from_secs(1));
    let words = needed("script", draft.words, node, findings);
    let object = words.map(|words| Script {
        name: name.clone(),
        origin: origin.clone(),
        program: Program { words, user: draft.user, origin },
        interval,
        timeout: draft.timeout.unwrap_or(interval),
        weight,
        reverse: draft.reverse,
        rise: draft.rise.unwrap_or(1),
        fall: draft.fall.unwrap_or(1),
        init_fail: draft.init_fail,
    });
    Some(Watched { name, span, weight, reverse: draft.reverse, object })
}

/// A `track_file` block.
pub(super) fn file(node: &Node, findings: &mut Findings) -> Option<Watched<TrackedFile>> {
    let mut draft = FileDraft::default();
    apply("track_file", FILE, &mut draft, node.children(), findings);
    let (name, span) = named(node, findings)?;
    let weight = draft.weight.unwrap_or(1);
    let object = needed("file", draft.path, node, findings).map(|path| TrackedFile {
        name: name.clone(),
        origin: findings.origin(span),
        path,
        weight,
        reverse: draft.reverse,
        init: draft.init,
    });
    Some(Watched { name, span, weight, reverse: draft.reverse, object })
}

/// A `vrrp_track_process` block.
pub(super) fn tracked_process(
    node: &Node,
    findings: &mut Findings,
) -> Option<Watched<TrackedProcess>> {
    let mut draft = ProcessDraft::default();
    apply("vrrp_track_process", PROCESS, &mut draft, node.children(), findings);
    let (name, span) = named(node, findings)?;
    if let (Some((least, _)), Some((most, place))) = (draft.quorum, draft.quorum_max)
        && most < least
    {
        let (_, other) = draft.quorum.unwrap_or((least, span));
        findings
            .error("bad-quorum", place, format!("`quorum_max {most}` is below `quorum {least}`"))
            .label("no number of processes would do")
            .also(other, "given here");
    }
    let quorum_max = draft.quorum_max.map(|(most, _)| most);
    // As keepalived: where none may run, none must.
    let least = if quorum_max == Some(0) { 0 } else { 1 };
    let exact = (draft.command.len() > 1).then_some(ArgumentMatch::Exact);
    let arguments = draft.arguments.or(exact);
    let weight = draft.weight.unwrap_or(0);
    let command = (!draft.command.is_empty()).then_some(draft.command);
    let object = needed("process", command, node, findings).map(|command| TrackedProcess {
        name: name.clone(),
        origin: findings.origin(span),
        command,
        arguments,
        full_command: draft.full_command || arguments.is_some(),
        weight,
        reverse: draft.reverse,
        quorum: draft.quorum.map_or(least, |(quorum, _)| quorum),
        quorum_max,
        fork_delay: draft.fork_delay.unwrap_or_default(),
        terminate_delay: draft.terminate_delay.unwrap_or_default(),
    });
    Some(Watched { name, span, weight, reverse: draft.reverse, object })
}

fn named(node: &Node, findings: &mut Findings) -> Option<(Name, Span)> {
    let word = node.arguments().first()?;
    if word.text.is_empty() || word.text.contains(char::is_control) {
        findings.error("bad-name", word.span, "a name cannot be empty");
        return None;
    }
    Some((word.text.clone(), word.span))
}

/// What a block is nothing without. A value with an error in it is not a missing one.
fn needed<T>(keyword: &str, value: Option<T>, node: &Node, findings: &mut Findings) -> Option<T> {
    if value.is_none() && !node.children().iter().any(|child| child.keyword() == keyword) {
        let word = node.arguments().first()?;
        findings
            .error("missing-value", word.span, format!("`{}` has no `{keyword}`", word.text))
            .help(format!("add `{keyword} ...`"));
    }
    value
}

/// `weight N [reverse]`.
fn weighted(node: &Node, most: i16, findings: &mut Findings) -> (Option<i16>, bool) {
    let weight = node.arguments().first().and_then(|word| weight(word, most, findings));
    let Some(word) = node.arguments().get(1) else { return (weight, false) };
    if &*word.text != "reverse" {
        findings
            .error("unknown-option", word.span, format!("unknown option `{}`", word.text))
            .label("expected reverse");
    }
    (weight, &*word.text == "reverse")
}

/// The longest that keepalived takes, in seconds.
const LONGEST: u64 = 4294;

fn time(node: &Node, findings: &mut Findings) -> Option<Duration> {
    let word = node.arguments().first()?;
    let time = value::duration(word, LONGEST, node.keyword(), findings)?;
    if time >= Duration::from_millis(1) {
        return Some(time);
    }
    if time.is_zero() {
        findings
            .warning("out-of-range", word.span, format!("`{}` cannot be 0", node.keyword()))
            .label("taken as 1, as keepalived does");
        return Some(Duration::from_secs(1));
    }
    findings
        .error("out-of-range", word.span, format!("`{}` cannot be `{}`", node.keyword(), word.text))
        .label("expected a millisecond at least");
    None
}

fn rounds(node: &Node, findings: &mut Findings) -> Option<u32> {
    let word = node.arguments().first()?;
    value::number(word, 1..=i32::MAX.unsigned_abs(), node.keyword(), findings)
}

fn amount(node: &Node, least: u32, findings: &mut Findings) -> Option<(u32, Span)> {
    let word = node.arguments().first()?;
    let amount = value::number(word, least..=65_535, node.keyword(), findings)?;
    Some((amount, word.span))
}

fn delay(node: &Node, findings: &mut Findings) -> Option<Duration> {
    let word = node.arguments().first()?;
    value::duration(word, 3600, node.keyword(), findings)
}

fn init_file(draft: &mut FileDraft, node: &Node, findings: &mut Findings) {
    let mut init = FileInit { value: 0, overwrite: false };
    for word in node.arguments() {
        match (&*word.text, word.text.parse::<i32>()) {
            ("overwrite", _) => init.overwrite = true,
            (_, Ok(value)) => {
                init.value = i64::from(value);
                if !(-254..=254).contains(&value) {
                    findings
                        .warning("out-of-range", word.span, format!("{value} is a strange number"))
                        .label("priorities have room for numbers from -254 to 254");
                }
            }
            (other, Err(_)) => {
                findings
                    .error("out-of-range", word.span, format!("`init_file` cannot be `{other}`"))
                    .label("expected a number, overwrite, or both");
            }
        }
    }
    draft.init = Some(init);
}

fn command(draft: &mut ProcessDraft, node: &Node, findings: &mut Findings) {
    let words = node.arguments();
    if let Some(empty) = words.first().filter(|word| word.text.is_empty()) {
        findings.error("missing-value", empty.span, "`process` names no program");
        return;
    }
    draft.command = words.iter().map(|word| word.text.to_string()).collect();
}

fn param_match(draft: &mut ProcessDraft, node: &Node, findings: &mut Findings) {
    draft.arguments = match node.arguments().first() {
        None => Some(ArgumentMatch::Exact),
        Some(word) => match &*word.text {
            "initial" => Some(ArgumentMatch::Initial),
            "partial" => Some(ArgumentMatch::Partial),
            other => {
                findings
                    .error("bad-match", word.span, format!("`param_match` cannot be `{other}`"))
                    .label("expected initial, partial or nothing");
                None
            }
        },
    };
}
