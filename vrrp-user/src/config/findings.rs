//! How do the stages of the loader report what they find, and in which order is it told.
use super::diagnostic::{Diagnostic, Place, Severity, SourceFile};
use super::model::Origin;
use std::sync::Arc;

/// More diagnostics than anybody reads; the rest are only counted.
const LIMIT: usize = 1000;

/// A stretch of a file, small enough to sit in every token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Span {
    /// Index of the file.
    pub(super) file: u32,
    /// First byte.
    pub(super) start: u32,
    /// Byte after the last.
    pub(super) end: u32,
}

impl Span {
    /// From the start of `self` to the end of `other`, if both are in one file.
    pub(super) fn to(self, other: Self) -> Self {
        if self.file == other.file && self.start <= other.end {
            Self { end: other.end, ..self }
        } else {
            self
        }
    }
}

/// The files read so far and the diagnostics about them.
#[derive(Default)]
pub(super) struct Findings {
    files: Vec<Arc<SourceFile>>,
    /// The `include` that brought in each of them.
    includes: Vec<Option<Span>>,
    /// Each with the span it is about, which is what orders them.
    list: Vec<(Option<Span>, Diagnostic)>,
    left_out_errors: usize,
    left_out_warnings: usize,
}

/// A diagnostic being written.
pub(super) struct Entry<'a> {
    files: &'a [Arc<SourceFile>],
    diagnostic: Option<&'a mut Diagnostic>,
}

impl Entry<'_> {
    /// What to say at the place itself.
    pub(super) fn label(self, label: impl Into<String>) -> Self {
        if let Some(diagnostic) = self.diagnostic {
            diagnostic.label = Some(clean(label.into()));
            return Self { files: self.files, diagnostic: Some(diagnostic) };
        }
        self
    }

    /// What to do about it.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        if let Some(diagnostic) = self.diagnostic {
            diagnostic.help = Some(clean(help.into()));
            return Self { files: self.files, diagnostic: Some(diagnostic) };
        }
        self
    }

    /// Another place that matters.
    pub(super) fn also(self, span: Span, why: impl Into<String>) -> Self {
        if let Some(diagnostic) = self.diagnostic {
            if let Some(place) = place(self.files, span) {
                diagnostic.related.push((place, clean(why.into())));
            }
            return Self { files: self.files, diagnostic: Some(diagnostic) };
        }
        self
    }
}

/// Control characters of a hostile file must reach neither a terminal nor a log.
fn clean(text: String) -> String {
    if text.contains(char::is_control) {
        return text.replace(char::is_control, "\u{fffd}");
    }
    text
}

fn place(files: &[Arc<SourceFile>], span: Span) -> Option<Place> {
    let file = files.get(span.file as usize)?.clone();
    // Spans count bytes, and one may begin or end inside a character (of the mark for what is not
    // UTF-8, for one).
    let [start, end] = [span.start, span.end].map(|at| (at as usize).min(file.text.len()));
    let start = u32::try_from(file.text.floor_char_boundary(start)).unwrap_or(span.start);
    let end = u32::try_from(file.text.ceil_char_boundary(end)).unwrap_or(span.end);
    Some(Place { file, start, end })
}

impl Findings {
    /// Takes in a file; its number is the `file` of spans.
    pub(super) fn add_file(&mut self, name: &str, text: String, from: Option<Span>) -> u32 {
        self.includes.push(from);
        let from = from.and_then(|span| place(&self.files, span));
        self.files.push(Arc::new(SourceFile::new(&clean(name.to_owned()), text, from)));
        u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX)
    }

    /// The file with this number.
    pub(super) fn file(&self, number: u32) -> Option<Arc<SourceFile>> {
        self.files.get(number as usize).cloned()
    }

    /// How many files were read.
    pub(super) fn file_count(&self) -> usize {
        self.files.len()
    }

    /// Are further diagnostics only counted?
    pub(super) fn full(&self) -> bool {
        self.list.len() >= LIMIT
    }

    /// Was an error found?
    pub(super) fn failed(&self) -> bool {
        self.left_out_errors > 0 || self.has_errors()
    }

    /// The place of `span` as the model records it.
    pub(super) fn origin(&self, span: Span) -> Origin {
        match self.files.get(span.file as usize) {
            Some(file) => Origin { file: file.name.clone(), line: file.line_at(span.start) },
            None => Origin::default(),
        }
    }

    /// An error at `span`.
    pub(super) fn error(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
    ) -> Entry<'_> {
        self.push(Severity::Error, code, Some(span), message.into())
    }

    /// A warning at `span`.
    pub(super) fn warning(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
    ) -> Entry<'_> {
        self.push(Severity::Warning, code, Some(span), message.into())
    }

    /// An error that belongs to no place in a file.
    pub(super) fn error_anywhere(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
    ) -> Entry<'_> {
        self.push(Severity::Error, code, None, message.into())
    }

    fn push(
        &mut self,
        severity: Severity,
        code: &'static str,
        span: Option<Span>,
        message: String,
    ) -> Entry<'_> {
        if self.full() {
            match severity {
                Severity::Error => self.left_out_errors += 1,
                Severity::Warning => self.left_out_warnings += 1,
            }
            return Entry { files: &self.files, diagnostic: None };
        }
        let diagnostic = Diagnostic {
            severity,
            code,
            message: clean(message),
            place: span.and_then(|span| place(&self.files, span)),
            label: None,
            related: Vec::new(),
            help: None,
            count: 1,
        };
        self.list.push((span, diagnostic));
        let diagnostic = self.list.last_mut().map(|(_, diagnostic)| diagnostic);
        Entry { files: &self.files, diagnostic }
    }

    /// Was an error found so far.
    pub(super) fn has_errors(&self) -> bool {
        self.list.iter().any(|(_, found)| found.severity == Severity::Error)
    }

    /// Everything found, in the order of the text.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        // The way from the first file to each. One `include` may bring in many files, which their
        // numbers keep apart: they are numbered as they are read.
        let includes = self.includes;
        self.list.sort_by_cached_key(|(span, _)| {
            let mut path = Vec::new();
            let mut at = *span;
            while let Some(span) = at {
                path.extend([span.start, span.file]);
                at = includes.get(span.file as usize).copied().flatten();
            }
            path.reverse();
            path
        });
        let mut list: Vec<_> = self.list.into_iter().map(|(_, diagnostic)| diagnostic).collect();
        let left_out =
            [(Severity::Error, self.left_out_errors), (Severity::Warning, self.left_out_warnings)];
        for (severity, count) in left_out.into_iter().filter(|(_, count)| *count > 0) {
            let plural = if count == 1 { "" } else { "s" };
            list.push(Diagnostic {
                severity,
                code: "too-many",
                message: format!("{count} more {severity}{plural} not shown"),
                place: None,
                label: None,
                related: Vec::new(),
                help: None,
                count,
            });
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files in the order of inclusion, then line and column; each is read where it is included.
    #[test]
    fn told_in_the_order_of_reading() {
        let mut findings = Findings::default();
        let text = "0123456789\n0123456789\n";
        let at = |file, start| Span { file, start, end: start + 1 };
        let root = findings.add_file("root", text.to_owned(), None);
        // One `include` of three files, the second of which includes another, and one more after it.
        let first = findings.add_file("first", text.to_owned(), Some(at(root, 4)));
        let second = findings.add_file("second", text.to_owned(), Some(at(root, 4)));
        let inner = findings.add_file("inner", text.to_owned(), Some(at(second, 5)));
        let third = findings.add_file("third", text.to_owned(), Some(at(root, 4)));
        let last = findings.add_file("last", text.to_owned(), Some(at(root, 12)));
        let order = [
            at(root, 2),
            at(first, 3),
            at(first, 15),
            at(second, 2),
            at(inner, 1),
            at(inner, 20),
            at(second, 8),
            at(third, 0),
            at(third, 9),
            at(root, 11),
            at(last, 0),
            at(root, 13),
        ];
        // 5 and 12 have no common divisor: every one, and none beside its neighbour.
        for n in 0..order.len() {
            findings.error("x", order[n * 5 % order.len()], "x");
        }
        let told: Vec<_> =
            findings.finish().iter().filter_map(|found| found.place.clone()).collect();
        let told: Vec<_> = told.iter().map(|place| (&*place.file.name, place.start)).collect();
        let names = ["root", "first", "second", "inner", "third", "last"];
        let expected: Vec<_> =
            order.iter().map(|span| (names[span.file as usize], span.start)).collect();
        assert_eq!(told, expected);
    }
}
