//! Which words and braces does a line hold.
use super::findings::{Findings, Span};
use super::model::Name;
use foldhash::fast::FixedState;
use std::hash::BuildHasher as _;

/// A word after quoting was undone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Word {
    /// What it says.
    pub(super) text: Name,
    /// Where it stands.
    pub(super) span: Span,
}

/// The words that came last: a large file has the same few keywords and interfaces thousands of
/// times, which then are there once, and what it names becomes a name of the model as it is.
pub(super) struct Words {
    known: Vec<Option<Name>>,
    state: FixedState,
}

impl Default for Words {
    fn default() -> Self {
        // Whoever makes words collide makes them come anew, which is no harm.
        Self { known: vec![None; 1 << Self::BITS], state: FixedState::default() }
    }
}

impl Words {
    const BITS: u32 = 10;

    pub(super) fn share(&mut self, text: &str) -> Name {
        let place = self.state.hash_one(text) >> (u64::BITS - Self::BITS);
        match usize::try_from(place).ok().and_then(|place| self.known.get_mut(place)) {
            Some(Some(known)) if **known == *text => known.clone(),
            Some(other) => other.insert(text.into()).clone(),
            None => text.into(),
        }
    }
}

/// The smallest pieces of a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    /// A keyword or an argument.
    Word(Word),
    /// `{`
    Open(Span),
    /// `}`
    Close(Span),
    /// The end of a line that held something.
    End,
}

/// One line with knowledge of where each of its bytes came from.
#[derive(Clone, Default, Debug)]
pub(super) struct Line {
    /// What is left after comments were removed and variables replaced.
    pub(super) text: String,
    /// In order of `at`; the first starts at 0.
    pub(super) pieces: Vec<Piece>,
}

/// A stretch of a [`Line`] that came from one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// Its first byte in the line.
    pub(super) at: u32,
    /// Where it came from.
    pub(super) span: Span,
    /// Byte for byte from there; otherwise all of it stands for that place (a variable's use).
    pub(super) exact: bool,
}

/// An index as the spans hold it. Files are bounded well below 4 GiB.
pub(super) fn offset(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl Line {
    /// A line straight from a file.
    pub(super) fn literal(text: &str, file: u32, start: usize) -> Self {
        let start = offset(start);
        let span = Span { file, start, end: start.saturating_add(offset(text.len())) };
        Self { text: text.to_owned(), pieces: vec![Piece { at: 0, span, exact: true }] }
    }

    /// Where the bytes `start..end` came from.
    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        let first = self.byte(start);
        if end <= start + 1 {
            return first;
        }
        first.to(self.byte(end - 1))
    }

    fn byte(&self, index: usize) -> Span {
        let index = offset(index);
        let after = self.pieces.partition_point(|piece| piece.at <= index);
        let Some(piece) = after.checked_sub(1).and_then(|before| self.pieces.get(before)) else {
            return Span { file: 0, start: 0, end: 0 };
        };
        if piece.exact {
            let start = piece.span.start.saturating_add(index - piece.at);
            Span { start, end: start.saturating_add(1), ..piece.span }
        } else {
            piece.span
        }
    }

    /// The bytes from `start` on.
    pub(super) fn tail(&self, start: usize) -> Self {
        self.slice(start, self.text.len())
    }

    /// Says nothing any more, and keeps its room.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.pieces.clear();
    }

    /// The bytes `start..end`.
    pub(super) fn slice(&self, start: usize, end: usize) -> Self {
        let mut line = Self::default();
        line.append(self, start, end);
        line
    }

    /// Adds the bytes `start..end` of another line.
    pub(super) fn append(&mut self, from: &Self, start: usize, end: usize) {
        let Some(text) = from.text.get(start..end) else { return };
        if text.is_empty() {
            return;
        }
        let base = offset(self.text.len());
        let (start, end) = (offset(start), offset(end));
        let first = from.pieces.partition_point(|piece| piece.at <= start).saturating_sub(1);
        for piece in from.pieces.get(first..).unwrap_or_default() {
            if piece.at >= end {
                break;
            }
            let cut = start.saturating_sub(piece.at);
            let mut span = piece.span;
            if piece.exact {
                span.start = span.start.saturating_add(cut);
            }
            let at = base + (piece.at + cut - start);
            self.pieces.push(Piece { at, span, exact: piece.exact });
        }
        self.text.push_str(text);
    }

    /// Adds text that stands for `span` as a whole.
    pub(super) fn append_for(&mut self, text: &str, span: Span) {
        if !text.is_empty() {
            self.pieces.push(Piece { at: offset(self.text.len()), span, exact: false });
            self.text.push_str(text);
        }
    }
}

/// A line without its comment: `#` or `!` outside quotes starts one, even inside a word, unless a
/// backslash stands before it, which is then removed.
pub(super) fn uncommented(line: Line) -> Line {
    let mut quote = None;
    let mut escaped = false;
    let mut out = Line::default();
    let mut done = 0;
    let mut end = line.text.len();
    for (at, c) in line.text.char_indices() {
        match (quote, c) {
            (None, '#' | '!') if escaped => {
                out.append(&line, done, at - 1);
                (done, escaped) = (at, false);
            }
            _ if escaped => escaped = false,
            (_, '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '#' | '!') => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    if done == 0 {
        return if end == line.text.len() { line } else { line.slice(0, end) };
    }
    out.append(&line, done, end);
    out
}

/// Splits a line into words and braces and undoes quoting.
pub(super) fn split(
    line: &Line,
    words: &mut Words,
    tokens: &mut Vec<Token>,
    findings: &mut Findings,
) {
    let before = tokens.len();
    let text = line.text.as_str();
    let mut rest = text.char_indices().peekable();
    while let Some((start, c)) = rest.next() {
        let plain = plain(&text[start..]);
        if plain > 0 {
            let span = line.span(start, start + plain);
            let text = words.share(&text[start..start + plain]);
            tokens.push(Token::Word(Word { text, span }));
            // All of it is ASCII.
            for _ in 1..plain {
                rest.next();
            }
            continue;
        }
        match c {
            '{' => tokens.push(Token::Open(line.span(start, start + 1))),
            '}' => tokens.push(Token::Close(line.span(start, start + 1))),
            c if c.is_whitespace() => {}
            _ => {
                let mut word = String::new();
                let mut next = Some((start, c));
                let mut end = start;
                while let Some((at, c)) = next {
                    end = at + c.len_utf8();
                    match c {
                        '"' | '\'' => match quoted(c, &mut rest, &mut word) {
                            Some(closed) => end = closed,
                            None => {
                                end = text.len();
                                findings
                                    .error(
                                        "unclosed-quote",
                                        line.span(at, end),
                                        format!("the quote {c} is never closed"),
                                    )
                                    .help("a quoted string ends on the line it starts on");
                            }
                        },
                        c if c.is_control() => {
                            findings.error(
                                "control-character",
                                line.span(at, end),
                                format!("control character {:#04x} in the text", u32::from(c)),
                            );
                        }
                        '$' => {
                            word.push(c);
                            // An undefined variable stays as it is, its braces too.
                            for _ in 0..braced(&text[end..]) {
                                if let Some((at, c)) = rest.next() {
                                    word.push(c);
                                    end = at + c.len_utf8();
                                }
                            }
                        }
                        c => word.push(c),
                    }
                    next = rest.next_if(|(_, c)| !c.is_whitespace() && *c != '{' && *c != '}');
                }
                let span = line.span(start, end);
                tokens.push(Token::Word(Word { text: words.share(&word), span }));
            }
        }
    }
    if tokens.len() > before {
        tokens.push(Token::End);
    }
}

/// The length of the word at the start of `text` if it stands for itself, else 0.
fn plain(text: &str) -> usize {
    let len = super::plain::word(text.as_bytes());
    let ends = text.as_bytes().get(len).is_none_or(|byte| super::plain::parts(*byte));
    if ends { len } else { 0 }
}

/// The length of `{NAME}` at the start of `text`, all of it ASCII; 0 if there is none.
fn braced(text: &str) -> usize {
    let Some(rest) = text.strip_prefix('{') else { return 0 };
    let len = super::variable::name_len(rest);
    if len > 0 && rest[len..].starts_with('}') { len + 2 } else { 0 }
}

/// The words of a command line that is itself one word of the file: white space parts them, quotes
/// and backslashes work as outside. `None` where a quote is never closed.
pub(super) fn command(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.char_indices().peekable();
    while let Some((_, c)) = rest.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '"' | '\'' => {
                quoted(c, &mut rest, word.get_or_insert_default())?;
            }
            '\\' => {
                let (_, escape) = rest.next()?;
                word.get_or_insert_default().push(escaped(escape, &mut rest));
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

type Chars<'a> = std::iter::Peekable<std::str::CharIndices<'a>>;

/// The rest of a quoted stretch; the offset after its end, or `None` if it has none.
fn quoted(quote: char, rest: &mut Chars<'_>, word: &mut String) -> Option<usize> {
    while let Some((at, c)) = rest.next() {
        match c {
            c if c == quote => return Some(at + 1),
            '\\' => {
                let (_, escape) = rest.next()?;
                word.push(escaped(escape, rest));
            }
            c => word.push(c),
        }
    }
    None
}

/// The character a backslash sequence stands for, as a shell has them.
fn escaped(c: char, rest: &mut Chars<'_>) -> char {
    match c {
        'a' => '\x07',
        'b' => '\x08',
        'E' => '\x1b',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        // Of any character, its last five bits.
        'c' => match rest.next() {
            Some((_, c)) => char::from(u8::try_from(u32::from(c) & 0x1f).unwrap_or_default()),
            None => c,
        },
        'x' => digits(rest, 16, usize::MAX, 0).unwrap_or('x'),
        '0'..='7' => digits(rest, 8, 2, c.to_digit(8).unwrap_or(0)).unwrap_or(c),
        c => c,
    }
}

fn digits(rest: &mut Chars<'_>, radix: u32, most: usize, first: u32) -> Option<char> {
    let mut value = first;
    let mut seen = 0;
    while seen < most
        && let Some((_, c)) = rest.next_if(|(_, c)| c.is_digit(radix))
    {
        value = value.wrapping_mul(radix).wrapping_add(c.to_digit(radix).unwrap_or(0));
        seen += 1;
    }
    if radix == 16 && seen == 0 {
        return None;
    }
    // As a byte, which is what the sequence names.
    Some(char::from(value.to_le_bytes()[0]))
}
