//! Which lines does a file consist of after comments, conditions, definitions and includes.
use super::builtin::Builtins;
use super::findings::{Findings, Span};
use super::plain;
use super::sequence::{self, Sequence};
use super::source::{LONGEST, Source, Unreadable};
use super::token::{Line, Token, Words, split, uncommented};
use super::tree::{Builder, Node};
use super::variable::{LINE, Replaced, Variables, name_len};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Files that include files.
const INCLUDE_DEPTH: usize = 16;
/// Files in all.
const FILES: usize = 10_000;
/// Bytes after replacement, of all files together.
const TEXT_BYTES: usize = 256 << 20;
/// Words and braces of all files together; a large configuration has a fifth of it.
const TOKENS: usize = 10_000_000;
/// What a line counts besides its bytes, so that empty ones come to an end too.
const LINE_COST: usize = 64;
/// Multi-line definitions and sequences inside each other.
const NESTING: usize = 32;

/// The statements of a file and of all it includes, and whether random numbers are among them.
pub(super) fn read(
    path: &Path,
    source: &dyn Source,
    seed: u32,
    findings: &mut Findings,
) -> (Vec<Node>, bool) {
    let mut expander = Expander {
        source,
        findings,
        variables: Variables::new(Builtins::new(source, seed)),
        id: source.config_id(),
        tokens: Vec::new(),
        words: Words::default(),
        token_count: 0,
        tree: Builder::default(),
        pending: None,
        unused: Vec::new(),
        bytes: 0,
        full: false,
    };
    expander.variables.set_text("_HASH", "#");
    expander.variables.set_text("_BANG", "!");
    expander.variables.set_text("_INSTANCE", &expander.id);
    expander.file(path, None, 0);
    let drawn = expander.variables.drawn();
    (expander.tree.finish(expander.findings), drawn)
}

struct Expander<'a> {
    source: &'a dyn Source,
    findings: &'a mut Findings,
    variables: Variables<'a>,
    id: String,
    /// Of the present line.
    tokens: Vec<Token>,
    words: Words,
    token_count: usize,
    tree: Builder,
    /// A multi-line definition that is being read.
    pending: Option<(String, Vec<Line>)>,
    /// Lines with room for the next ones.
    unused: Vec<Line>,
    bytes: usize,
    full: bool,
}

impl Expander<'_> {
    fn file(&mut self, path: &Path, from: Option<Span>, depth: usize) {
        let name = path.display().to_string();
        let bytes = match self.source.read(path) {
            Ok(bytes) => bytes,
            Err(why) => {
                let message = format!("cannot read {name}: {why}");
                match from {
                    Some(span) => self.findings.error("unreadable", span, message),
                    None => self.findings.error_anywhere("unreadable", message),
                };
                return;
            }
        };
        if bytes.len() > LONGEST {
            let message = format!("{name} is longer than {} MiB", LONGEST >> 20);
            match from {
                Some(span) => self.findings.error("too-long", span, message),
                None => self.findings.error_anywhere("too-long", message),
            };
            return;
        }
        let (text, broken) = match String::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                (String::from_utf8_lossy(error.as_bytes()).into_owned(), Some(at))
            }
        };
        let number = self.findings.add_file(&name, text, from);
        let Some(file) = self.findings.file(number) else { return };
        if let Some(at) = broken {
            let start = u32::try_from(at).unwrap_or(u32::MAX);
            let span = Span { file: number, start, end: start.saturating_add(1) };
            self.findings.warning("not-utf8", span, "this is not UTF-8; read as well as possible");
        }
        let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
        self.variables.set_text("_PWD", &self.source.directory(&directory).display().to_string());
        let mut start = 0;
        for text in file.text.split_inclusive('\n') {
            let line = text.trim_end_matches(['\n', '\r']);
            if self.pending.is_none() && self.has_room(line.len()) && plain::is_plain(line) {
                self.bytes += line.len() + LINE_COST;
                plain::split(line, number, start, &mut self.words, &mut self.tokens);
                self.statements();
                start += text.len();
                continue;
            }
            let read = uncommented(Line::literal(line, number, start));
            // A comment inside a definition of several lines does not end it, an empty line does.
            let skipped = read.text.trim().is_empty() && !line.trim().is_empty();
            if !(skipped && self.pending.is_some()) {
                self.line(&read, &directory, depth, 0);
            }
            start += text.len();
            if self.full {
                return;
            }
        }
        if let Some((name, lines)) = self.pending.take() {
            self.variables.set(&name, lines);
        }
    }

    /// Whether another line of this length may be read.
    fn has_room(&self, length: usize) -> bool {
        self.bytes + length + LINE_COST <= TEXT_BYTES
            && self.token_count <= TOKENS
            && length <= LINE
    }

    /// Takes the tokens of a line.
    fn statements(&mut self) {
        self.token_count += self.tokens.len();
        for token in self.tokens.drain(..) {
            self.tree.push(token, self.findings);
        }
    }

    fn line(&mut self, line: &Line, directory: &Path, depth: usize, nesting: usize) {
        if self.full {
            return;
        }
        let mut line = Cow::Borrowed(line);
        if !self.has_room(line.text.len()) || nesting > NESTING {
            self.full = true;
            let end = line.text.len().min(1);
            self.findings.error(
                "too-long",
                line.span(0, end),
                "the configuration is too long, or does not come to an end when definitions are \
                 replaced",
            );
            return;
        }
        self.bytes += line.text.len() + LINE_COST;
        if let Some((name, mut lines)) = self.pending.take() {
            let (mut text, more) = continued(&line);
            let indent = text.text.len() - text.text.trim_start().len();
            // What stands on a line of its own when it is used needs no indentation there.
            if indent > 0 && !lines.is_empty() {
                text = text.tail(indent);
            }
            if !text.text.trim().is_empty() {
                lines.push(text);
            }
            if more {
                self.pending = Some((name, lines));
            } else {
                self.variables.set(&name, lines);
            }
            return;
        }
        let mut replaced = false;
        loop {
            let start = line.text.len() - line.text.trim_start().len();
            if start == line.text.len() {
                return;
            }
            if start > 0 {
                line = Cow::Owned(line.tail(start));
            }
            if line.text.starts_with('@') {
                match self.condition(&line) {
                    Some(rest) => line = Cow::Owned(rest),
                    None => return,
                }
                continue;
            }
            if self.definition(&line) {
                return;
            }
            if line.text.starts_with('~') {
                self.sequence(&line, directory, depth, nesting);
                return;
            }
            if !replaced && line.text.contains('$') {
                replaced = true;
                let mut out = self.unused.pop().unwrap_or_default();
                match self.variables.replace(&line, &mut out, self.findings) {
                    Replaced::One => line = Cow::Owned(out),
                    Replaced::Many(lines) => {
                        self.line(&out, directory, depth, nesting + 1);
                        self.unused.push(out);
                        for line in &lines {
                            self.line(line, directory, depth, nesting + 1);
                        }
                        return;
                    }
                }
                continue;
            }
            break;
        }
        let leftover = || self.variables.leftover(&line.text);
        if let Some((start, end, name, defined)) = line.text.contains('$').then(leftover).flatten()
        {
            let span = line.span(start, end);
            if defined {
                self.findings
                    .warning("not-replaced", span, format!("`${name}` is not replaced here"))
                    .label("the bare form is replaced before white space only")
                    .help(format!("write `${{{name}}}`"));
            } else {
                self.findings.warning("undefined", span, format!("`${{{name}}}` is not defined"));
            }
        }
        let end = line.text.find(char::is_whitespace).unwrap_or(line.text.len());
        match &line.text[..end] {
            "include" | "includer" | "includem" | "includew" | "includeb" | "includea" => {
                self.include(&line, end, directory, depth);
            }
            _ => {
                split(&line, &mut self.words, &mut self.tokens, self.findings);
                self.statements();
            }
        }
        if let Cow::Owned(line) = line
            && self.unused.len() < NESTING
        {
            self.unused.push(line);
        }
    }

    /// What follows `@id` or `@^id` if it holds here.
    fn condition(&self, line: &Line) -> Option<Line> {
        let end = line.text.find(char::is_whitespace).unwrap_or(line.text.len());
        let id = &line.text[1..end];
        let holds = match id.strip_prefix('^') {
            Some(other) => other != self.id,
            None => id == self.id,
        };
        holds.then(|| line.tail(end))
    }

    /// Takes `$NAME=value`.
    fn definition(&mut self, line: &Line) -> bool {
        let Some(rest) = line.text.strip_prefix('$') else { return false };
        let len = name_len(rest);
        if len == 0 || !rest[len..].starts_with('=') {
            return false;
        }
        let name = rest[..len].to_owned();
        let value = line.tail(len + 2);
        let value = value.tail(value.text.len() - value.text.trim_start().len());
        let (first, more) = continued(&value);
        if more {
            let lines = if first.text.trim().is_empty() { Vec::new() } else { vec![first] };
            self.pending = Some((name, lines));
        } else {
            self.variables.set(&name, [first]);
        }
        true
    }

    fn sequence(&mut self, line: &Line, directory: &Path, depth: usize, nesting: usize) {
        let head = match line.text.find(')') {
            Some(end) => line.slice(0, end + 1),
            None => line.clone(),
        };
        let mut out = Line::default();
        let head = match self.variables.replace(&head, &mut out, self.findings) {
            Replaced::One => out,
            Replaced::Many(_) => head,
        };
        let Some((sequence, _)) = sequence::parse(&head.text) else {
            let end = line.text.find(')').map_or(line.text.len(), |end| end + 1);
            self.findings
                .error("bad-sequence", line.span(0, end), "this is not a sequence or a list")
                .help("write ~SEQ(var, start, step, end), ~SEQx(...) or ~LST(var, value, ...)");
            return;
        };
        let rest = line.tail(line.text.find(')').map_or(line.text.len(), |end| end + 1));
        let Sequence { names, rounds } = sequence;
        for values in rounds {
            for (name, value) in names.iter().zip(&values) {
                self.variables.set_text(name, value);
            }
            self.line(&rest, directory, depth, nesting + 1);
            if self.full {
                return;
            }
        }
    }

    fn include(&mut self, line: &Line, end: usize, directory: &Path, depth: usize) {
        let pattern = line.text[end..].trim().trim_matches(['"', '\'']);
        let start = line.text.len() - line.text[end..].trim_start().len();
        let span = line.span(start.min(line.text.len() - 1), line.text.trim_end().len());
        if pattern.is_empty() {
            self.findings.error("missing-value", line.span(0, end), "`include` names no file");
            return;
        }
        if depth + 1 >= INCLUDE_DEPTH || self.findings.file_count() >= FILES {
            self.findings
                .error("include-depth", span, "too many files include each other")
                .label(format!("at most {INCLUDE_DEPTH} deep and {FILES} in all"));
            self.full = self.findings.file_count() >= FILES;
            return;
        }
        let mut files: Vec<PathBuf> = Vec::new();
        for pattern in braces(pattern) {
            let joined = directory.join(&pattern);
            if !pattern.contains(['*', '?', '[']) {
                files.push(joined);
                continue;
            }
            match self.source.glob(&joined.to_string_lossy()) {
                Ok(found) => files.extend(found),
                Err(Unreadable::Missing) => {}
                Err(Unreadable::Other(why)) => {
                    self.findings.error(
                        "unreadable",
                        span,
                        format!("cannot list {pattern}: {why}"),
                    );
                }
            }
        }
        if files.is_empty() {
            self.findings.warning("no-match", span, format!("no file matches {pattern}"));
        }
        for file in files {
            self.file(&file, Some(span), depth + 1);
            let directory = self.source.directory(directory).display().to_string();
            self.variables.set_text("_PWD", &directory);
            if self.full {
                return;
            }
        }
    }
}

/// A line without its continuation mark, and whether it had one.
fn continued(line: &Line) -> (Line, bool) {
    let text = line.text.trim_end();
    match text.strip_suffix('\\') {
        Some(text) => (line.slice(0, text.trim_end().len()), true),
        None => (line.slice(0, text.len()), false),
    }
}

/// The alternatives of `a{b,c}d`, the first group only; more are expanded in turn. Bounded.
fn braces(pattern: &str) -> Vec<String> {
    let mut open = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(pattern) = open.pop() {
        let group = pattern.rfind('{').and_then(|start| {
            let end = start + pattern[start..].find('}')?;
            Some((start, end))
        });
        match group {
            Some((start, end)) if open.len() + done.len() < 1000 => {
                let (head, tail) = (&pattern[..start], &pattern[end + 1..]);
                let alternatives: Vec<_> = pattern[start + 1..end].split(',').collect();
                for alternative in alternatives.into_iter().rev() {
                    open.push(format!("{head}{alternative}{tail}"));
                }
            }
            _ => done.push(pattern),
        }
    }
    done
}
