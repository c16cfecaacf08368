//! What is wrong in a configuration, and where.
use super::model::Name;
use std::fmt;
use std::sync::Arc;

/// A file as it was read.
#[derive(PartialEq, Eq, Debug)]
pub struct SourceFile {
    /// Its path as given or as the glob produced it.
    pub name: Name,
    /// Its text; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// Offset of each line's first byte.
    lines: Vec<u32>,
    /// The `include` that brought it in.
    pub included_from: Option<Place>,
}

/// A stretch of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file.
    pub file: Arc<SourceFile>,
    /// First byte.
    pub start: u32,
    /// Byte after the last.
    pub end: u32,
}

/// Does it keep the configuration from being used?
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Yes.
    Error,
    /// No.
    Warning,
}

/// One problem.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// A short stable name of the kind of problem.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where; absent when no file could be read at all.
    pub place: Option<Place>,
    /// What to say at the place itself.
    pub label: Option<String>,
    /// Other places that matter, and why.
    pub related: Vec<(Place, String)>,
    /// What to do about it.
    pub help: Option<String>,
    /// How many problems this entry stands for: 1, or those left out of a long list.
    pub count: usize,
}

impl SourceFile {
    /// A file and the place of the `include` that named it.
    pub fn new(name: &str, text: String, included_from: Option<Place>) -> Self {
        let mut lines = vec![0];
        for (at, byte) in text.bytes().enumerate() {
            if byte == b'\n' {
                lines.push(u32::try_from(at + 1).unwrap_or(u32::MAX));
            }
        }
        Self { name: name.into(), text, lines, included_from }
    }

    /// The number from 1 of the line that holds the byte at `offset`.
    pub fn line_at(&self, offset: u32) -> u32 {
        u32::try_from(self.lines.partition_point(|start| *start <= offset)).unwrap_or(u32::MAX)
    }

    /// Byte range of line `line` (from 1), without its end-of-line characters.
    pub fn line_range(&self, line: u32) -> std::ops::Range<usize> {
        let index = line.saturating_sub(1) as usize;
        let start = self.lines.get(index).map_or(self.text.len(), |start| *start as usize);
        let end = self.lines.get(index + 1).map_or(self.text.len(), |next| *next as usize);
        let line = self.text.get(start..end).unwrap_or_default();
        start..start + line.trim_end_matches(['\n', '\r']).len()
    }
}

impl Place {
    /// Line number, from 1.
    pub fn line(&self) -> u32 {
        self.file.line_at(self.start)
    }

    /// Column in characters, from 1.
    pub fn column(&self) -> usize {
        let line = self.file.line_range(self.line());
        let before = self.file.text.get(line.start..self.start as usize);
        before.map_or(1, |before| before.chars().count() + 1)
    }

    /// The files on the way here from the root: one `(file, line)` for each `include`, innermost
    /// first.
    pub fn include_chain(&self) -> Vec<(Name, u32)> {
        let mut chain = Vec::new();
        let mut from = self.file.included_from.as_ref();
        while let Some(place) = from {
            chain.push((place.file.name.clone(), place.line()));
            from = place.file.included_from.as_ref();
        }
        chain
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.name, self.line(), self.column())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// The one-line form: `file:line:column: error: text`, with the remedy in parentheses.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}: {}", self.severity, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}
