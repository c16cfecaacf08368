//! What do `$NAME` and `${NAME}` stand for.
use super::builtin::Builtins;
use super::findings::{Findings, Span};
use super::token::Line;
use foldhash::{HashMap, HashMapExt as _};
use std::rc::Rc;

/// A definition may use others this deep; a definition that uses itself ends here too.
const DEPTH: usize = 32;

/// The definitions so far.
pub(super) struct Variables<'a> {
    values: HashMap<String, Vec<Rc<Line>>>,
    builtins: Builtins<'a>,
}

/// A use of a variable in a line.
struct Use<'a, 'v> {
    name: &'a str,
    /// What it stands for, where it was defined.
    value: Option<&'v [Rc<Line>]>,
    /// What stands between the name and the closing brace.
    parameters: &'a str,
    start: usize,
    end: usize,
}

/// What became of a line.
pub(super) enum Replaced {
    /// It used no multi-line definition: all of it.
    One,
    /// It used one: the lines to go on with after this first one, whose own uses are not yet
    /// replaced.
    Many(Vec<Rc<Line>>),
}

impl<'s> Variables<'s> {
    /// Nothing but what is there without a definition.
    pub(super) fn new(builtins: Builtins<'s>) -> Self {
        Self { values: HashMap::new(), builtins }
    }

    /// Whether a random number was asked for.
    pub(super) fn drawn(&self) -> bool {
        self.builtins.drawn()
    }

    /// Defines or redefines a variable.
    pub(super) fn set(&mut self, name: &str, value: impl IntoIterator<Item = Line>) {
        let value = value.into_iter().map(Rc::new).collect();
        match self.values.get_mut(name) {
            Some(old) => *old = value,
            None => {
                self.values.insert(name.to_owned(), value);
            }
        }
    }

    /// Defines or redefines a variable as a text that stands nowhere.
    pub(super) fn set_text(&mut self, name: &str, text: &str) {
        let nowhere = Span { file: 0, start: 0, end: 0 };
        if let Some([old]) = self.values.get_mut(name).map(Vec::as_mut_slice)
            && let Some(old) = Rc::get_mut(old)
        {
            old.clear();
            old.append_for(text, nowhere);
            return;
        }
        let mut line = Line::default();
        line.append_for(text, nowhere);
        self.set(name, [line]);
    }

    /// Replaces every use of a defined variable, also in what was put in, and makes `out` of it. An
    /// undefined one is left as it is, so that a `$` in existing text keeps its meaning.
    pub(super) fn replace(&self, line: &Line, out: &mut Line, findings: &mut Findings) -> Replaced {
        out.clear();
        let mut done = 0;
        while let Some(found) = self.next_use(&line.text, done) {
            let span = line.span(found.start, found.end);
            out.append(line, done, found.start);
            done = found.end;
            let Some(value) = found.value else {
                let Use { name, parameters, .. } = found;
                out.append_for(&self.builtins.value(name, parameters, span, findings), span);
                continue;
            };
            match value {
                [first, middle @ .., last] => {
                    // The text around the use goes to the first and the last line.
                    out.append(first, 0, first.text.len());
                    let mut lines = middle.to_vec();
                    lines.push(if done < line.text.len() {
                        let mut end = Line::clone(last);
                        end.append(line, done, line.text.len());
                        Rc::new(end)
                    } else {
                        Rc::clone(last)
                    });
                    return Replaced::Many(lines);
                }
                [only] if !only.text.contains('$') => out.append_for(&only.text, span),
                [only] => {
                    let mut text = String::new();
                    self.flatten(&only.text, DEPTH, &mut text, span, findings);
                    out.append_for(&text, span);
                }
                [] => {}
            }
        }
        out.append(line, done, line.text.len());
        Replaced::One
    }

    /// Puts `text` with all uses replaced into `out`; false when that was given up. Giving up must
    /// end all levels at once: every level may use the next twice.
    fn flatten(
        &self,
        text: &str,
        depth: usize,
        out: &mut String,
        span: Span,
        findings: &mut Findings,
    ) -> bool {
        let mut done = 0;
        while let Some(found) = self.next_use(text, done) {
            out.push_str(&text[done..found.start]);
            done = found.end;
            if depth == 0 || out.len() > LINE {
                findings.error(
                    "variable-loop",
                    span,
                    format!("`${}` does not come to an end when replaced", found.name),
                );
                return false;
            }
            match found.value {
                Some([only]) => {
                    if !self.flatten(&only.text, depth - 1, out, span, findings) {
                        return false;
                    }
                }
                Some([]) => {}
                None => {
                    out.push_str(&self.builtins.value(
                        found.name,
                        found.parameters,
                        span,
                        findings,
                    ));
                }
                Some(_) => {
                    findings.error(
                        "variable-lines",
                        span,
                        format!("`${}` has several lines and stands inside one line", found.name),
                    );
                    return false;
                }
            }
        }
        out.push_str(&text[done..]);
        true
    }

    /// The first thing in a finished line that looks like a use and was not replaced: its place,
    /// its name, and whether the name is defined.
    pub(super) fn leftover<'a>(&self, text: &'a str) -> Option<(usize, usize, &'a str, bool)> {
        text.match_indices('$').find_map(|(start, _)| {
            let rest = &text[start + 1..];
            let (braced, bare) = match rest.strip_prefix('{') {
                Some(bare) => (true, bare),
                None => (false, rest),
            };
            let name = &bare[..name_len(bare)];
            let defined = self.values.contains_key(name);
            // A bare `$word` of no definition may be a password.
            let end = start + 1 + usize::from(braced) * 2 + name.len();
            let closed = !braced || bare[name.len()..].starts_with('}');
            let told = !name.is_empty() && closed && (braced || defined);
            told.then_some((start, end, name, defined))
        })
    }

    /// The next use of a defined variable, or of a name that needs no definition, at or after `from`.
    fn next_use<'a>(&self, text: &'a str, from: usize) -> Option<Use<'a, '_>> {
        let mut from = from;
        loop {
            let start = from + text.get(from..)?.find('$')?;
            let rest = &text[start + 1..];
            let (name, parameters, len) = match rest.strip_prefix('{') {
                Some(braced) => {
                    let name = &braced[..name_len(braced)];
                    let after = &braced[name.len()..];
                    let parameters = &after[..parameters_len(after)];
                    let closed = after[parameters.len()..].starts_with('}');
                    (name, parameters, closed.then_some(name.len() + parameters.len() + 3))
                }
                None => {
                    let name = &rest[..name_len(rest)];
                    // keepalived replaces the bare form only before these.
                    let after = rest[name.len()..].chars().next();
                    let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ')');
                    (name, "", after.is_none_or(ends).then_some(name.len() + 1))
                }
            };
            let value = self.values.get(name).map(Vec::as_slice);
            let known = match value {
                Some(_) => parameters.is_empty(),
                None => Builtins::knows(name),
            };
            match len.filter(|_| known) {
                Some(len) => {
                    return Some(Use { name, value, parameters, start, end: start + len });
                }
                None => from = start + 1,
            }
        }
    }
}

/// The length of what may stand between a name and the closing brace.
fn parameters_len(text: &str) -> usize {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '\t' | '_');
    let len = text.find(|c| !part(c)).unwrap_or(text.len());
    if text.starts_with([' ', '\t']) { len } else { 0 }
}

/// A line longer than this after replacement is an attack or a mistake.
pub(super) const LINE: usize = 1 << 20;

/// The length of the variable name at the start of `text`; 0 if there is none.
pub(super) fn name_len(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}
