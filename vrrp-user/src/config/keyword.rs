//! Which keywords are there, and what becomes of each.
//!
//! Every block has one table. It drives the loader, the suggestions and the list printed for
//! users, so the three cannot differ.
use super::findings::Findings;
use super::lower;
use super::suggest::nearest;
use super::tree::Node;

/// What the loader does with a keyword of a block whose content goes into `T`.
pub(super) struct Keyword<T: 'static> {
    pub(super) name: &'static str,
    pub(super) status: Status<T>,
    /// For users: what it says, or why nothing comes of it.
    pub(super) about: &'static str,
}

/// Takes a statement into the block's content.
pub(super) type Action<T> = fn(&mut T, &Node, &mut Findings);

pub(super) enum Status<T: 'static> {
    /// It works.
    Built(Shape, Action<T>),
    /// It works and keepalived does not know it.
    Ours(Shape, Action<T>),
    /// It has no effect here: a warning.
    Ignored,
    /// It has no effect in keepalived either: a warning.
    Obsolete,
    /// It belongs to another program: one warning for each kind.
    Skipped,
    /// keepalived has it, this program does not yet: an error.
    NotBuilt,
}

/// How a statement must look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// The keyword alone.
    Flag,
    /// The keyword and perhaps on/off, true/false or yes/no.
    Switch,
    /// One argument.
    Value,
    /// One argument and a block.
    Named,
    /// A block.
    Block,
    /// So many arguments at least and at most.
    Words(usize, usize),
    /// A program, in quotes if it has arguments, and perhaps a user and a group. The first counts.
    Program,
    /// The same, or nothing.
    MaybeProgram,
}

/// A keyword as documentation shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The block it stands in; empty for the top level.
    pub block: &'static str,
    /// The keyword.
    pub name: &'static str,
    /// `implemented`, `xvrrp only`, `ignored`, `obsolete`, `skipped` or `not built`.
    pub status: &'static str,
    /// What it says, or why nothing comes of it.
    pub about: &'static str,
}

/// Every keyword of every block.
pub fn all() -> Vec<Entry> {
    let mut all = Vec::new();
    list("", lower::ROOT, &mut all);
    list("global_defs", lower::globals::GLOBALS, &mut all);
    list("vrrp_instance", lower::instance::INSTANCE, &mut all);
    list("authentication", lower::parts::AUTHENTICATION, &mut all);
    list("vrrp_sync_group", lower::group::GROUP, &mut all);
    list("track_group", lower::statics::TRACK_GROUP, &mut all);
    list("vrrp_script", lower::watched::SCRIPT, &mut all);
    list("track_file", lower::watched::FILE, &mut all);
    list("garp_group", lower::announce::GROUP, &mut all);
    list("vrrp_track_process", lower::watched::PROCESS, &mut all);
    all
}

/// The list of all keywords for users, in Markdown.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Keywords\n\n\
         What becomes of each keyword of keepalived.conf. This list is made from the tables the\n\
         loader works by (`XVRRP_BLESS=1 cargo test -p vrrp-tests --test config`).\n\n\
         - implemented: it works as in keepalived\n\
         - xvrrp only: keepalived does not know it\n\
         - ignored, obsolete, skipped: no effect, a warning\n\
         - not built: an error that says so\n",
    );
    let mut block = None;
    for entry in all() {
        if block != Some(entry.block) {
            block = Some(entry.block);
            let title = if entry.block.is_empty() { "top level" } else { entry.block };
            text.push_str(&format!("\n## {title}\n\n| Keyword | Status | |\n|---|---|---|\n"));
        }
        text.push_str(&format!("| `{}` | {} | {} |\n", entry.name, entry.status, entry.about));
    }
    text
}

/// The implemented keywords for the manual page, in man(7).
pub fn roff() -> String {
    let mut text = String::new();
    let mut block = None;
    let works = |entry: &Entry| matches!(entry.status, "implemented" | "xvrrp only");
    for entry in all().iter().filter(|entry| works(entry)) {
        if block != Some(entry.block) {
            block = Some(entry.block);
            let title = if entry.block.is_empty() { "top level" } else { entry.block };
            text.push_str(&format!(".SS {}\n", escaped(title)));
        }
        let (name, about) = (escaped(entry.name), escaped(entry.about));
        text.push_str(&format!(".TP\n.B {name}\n{about}\n"));
    }
    text
}

/// A hyphen that is typed is not one that a line may break at, and a line must not begin like a
/// request.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn list<T>(block: &'static str, table: &'static [Keyword<T>], all: &mut Vec<Entry>) {
    all.extend(table.iter().map(|keyword| Entry {
        block,
        name: keyword.name,
        status: match keyword.status {
            Status::Built(..) => "implemented",
            Status::Ours(..) => "xvrrp only",
            Status::Ignored => "ignored",
            Status::Obsolete => "obsolete",
            Status::Skipped => "skipped",
            Status::NotBuilt => "not built",
        },
        about: keyword.about,
    }));
}

pub(super) const fn built<T>(
    name: &'static str,
    shape: Shape,
    action: Action<T>,
    about: &'static str,
) -> Keyword<T> {
    Keyword { name, status: Status::Built(shape, action), about }
}

pub(super) const fn ours<T>(
    name: &'static str,
    shape: Shape,
    action: Action<T>,
    about: &'static str,
) -> Keyword<T> {
    Keyword { name, status: Status::Ours(shape, action), about }
}

pub(super) const fn ignored<T>(name: &'static str, about: &'static str) -> Keyword<T> {
    Keyword { name, status: Status::Ignored, about }
}

pub(super) const fn obsolete<T>(name: &'static str, about: &'static str) -> Keyword<T> {
    Keyword { name, status: Status::Obsolete, about }
}

pub(super) const fn skipped<T>(name: &'static str, about: &'static str) -> Keyword<T> {
    Keyword { name, status: Status::Skipped, about }
}

pub(super) const fn not_built<T>(name: &'static str, about: &'static str) -> Keyword<T> {
    Keyword { name, status: Status::NotBuilt, about }
}

/// Takes the statements of a block into `target`.
pub(super) fn apply<T>(
    block: &str,
    table: &'static [Keyword<T>],
    target: &mut T,
    nodes: &[Node],
    findings: &mut Findings,
) {
    let mut seen: Vec<(&'static str, &Node)> = Vec::new();
    let mut skipped: Vec<&'static str> = Vec::new();
    for node in nodes {
        let Some(keyword) = table.iter().find(|keyword| keyword.name == node.keyword()) else {
            unknown(block, table.iter().map(|keyword| keyword.name), node, findings);
            continue;
        };
        let name = keyword.name;
        match &keyword.status {
            Status::Built(shape, action) | Status::Ours(shape, action) => {
                if !fits(*shape, node, findings) {
                    continue;
                }
                let first = matches!(shape, Shape::Program | Shape::MaybeProgram);
                if first || matches!(shape, Shape::Value | Shape::Switch | Shape::Words(..)) {
                    match seen.iter().find(|(before, _)| *before == name) {
                        Some((_, before)) => {
                            let counts = if first { "the first" } else { "this" };
                            findings
                                .warning(
                                    "repeated",
                                    node.span(),
                                    format!("`{name}` is given again; {counts} one counts"),
                                )
                                .also(before.span(), "given before");
                            if first {
                                continue;
                            }
                        }
                        None => seen.push((name, node)),
                    }
                }
                action(target, node, findings);
            }
            Status::Ignored => {
                findings
                    .warning("ignored", node.span(), format!("`{name}` has no effect here"))
                    .label(keyword.about);
            }
            Status::Obsolete => {
                findings
                    .warning("obsolete", node.span(), format!("`{name}` is obsolete"))
                    .label(keyword.about);
            }
            Status::Skipped => {
                if !skipped.contains(&name) {
                    skipped.push(name);
                    findings
                        .warning("skipped", node.span(), format!("`{name}` is skipped"))
                        .label(keyword.about);
                }
            }
            Status::NotBuilt => {
                findings
                    .error(
                        "not-built",
                        node.span(),
                        format!("`{name}` is known to keepalived and not built yet"),
                    )
                    .label(keyword.about);
            }
        }
    }
}

fn unknown(
    block: &str,
    known: impl Iterator<Item = &'static str>,
    node: &Node,
    findings: &mut Findings,
) {
    let word = node.keyword();
    if findings.full() {
        // Only counted: the search below is not worth its time.
        findings.error("unknown-keyword", node.span(), String::new());
        return;
    }
    let place = if block.is_empty() { "top-level" } else { block };
    let elsewhere = all().into_iter().find(|entry| entry.name == word && entry.block != block);
    let entry = findings
        .error("unknown-keyword", node.span(), format!("unknown keyword `{word}`"))
        .label(format!("not a {place} keyword"));
    if let Some(elsewhere) = elsewhere {
        match elsewhere.block {
            "" => entry
                .help(format!("`{word}` belongs at the top level; is a `}}` missing before it?")),
            other => entry.help(format!("`{word}` belongs into a `{other}` block")),
        };
    } else if let Some(near) = nearest(word, known) {
        entry.help(format!("did you mean `{near}`?"));
    }
}

/// Checks the outline of a statement; what is too much is a warning, as keepalived takes it.
fn fits(shape: Shape, node: &Node, findings: &mut Findings) -> bool {
    let name = node.keyword();
    let (least, most, block) = match shape {
        Shape::Flag => (0, 0, false),
        Shape::Switch => (0, 1, false),
        Shape::Value => (1, 1, false),
        Shape::Named => (1, 1, true),
        Shape::Block => (0, 0, true),
        Shape::Words(least, most) => (least, most, false),
        Shape::Program => (1, 3, false),
        Shape::MaybeProgram => (0, 3, false),
    };
    if node.arguments().len() < least {
        let what = if shape == Shape::Named { "a name" } else { "a value" };
        findings.error("missing-value", node.span(), format!("`{name}` needs {what}"));
        return false;
    }
    if let Some(extra) = node.arguments().get(most) {
        findings
            .warning("extra-word", extra.span, format!("`{}` is ignored", extra.text))
            .label(format!("`{name}` takes no more words"));
    }
    if block && node.block.is_none() {
        findings
            .error("missing-block", node.span(), format!("`{name}` needs a block"))
            .help("put its content between `{` and `}`");
        return false;
    }
    if !block && node.block.is_some() {
        findings.error("unexpected-block", node.span(), format!("`{name}` takes no block"));
        return false;
    }
    true
}
