//! Which lines say just what they look like, and which words and braces do they hold.
//!
//! Nearly all lines of a large file do. Their words are found in one pass over the text as it stands
//! in the file; [`super::token::split`] would find the same.
use super::findings::Span;
use super::token::{Token, Word, Words, offset};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Brace,
    /// Stands for itself.
    Graphic,
    /// May mean something else than itself, or nothing.
    Special,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Special; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte.to_le_bytes()[0] {
            b' ' | b'\t' => Class::Space,
            b'{' | b'}' => Class::Brace,
            b'#' | b'!' | b'"' | b'\'' | b'\\' | b'$' => Class::Special,
            byte if byte.is_ascii_graphic() => Class::Graphic,
            _ => Class::Special,
        };
        byte += 1;
    }
    classes
};

fn class(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

/// The length of the word at the start of `bytes` that stands for itself, up to where it does not.
pub(super) fn word(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|&&byte| class(byte) == Class::Graphic).count()
}

/// Whether a word may end before this byte.
pub(super) fn parts(byte: u8) -> bool {
    matches!(class(byte), Class::Space | Class::Brace)
}

/// Whether a line is such a one: nothing but ASCII, without comment, quote, backslash or variable, and
/// no condition, sequence or include.
pub(super) fn is_plain(line: &str) -> bool {
    line.bytes().all(|byte| class(byte) != Class::Special)
        && !line.trim_ascii_start().starts_with(['@', '~'])
        && !line.trim_ascii_start().starts_with("include")
}

/// Splits such a line, which starts at byte `start` of a file.
pub(super) fn split(
    line: &str,
    file: u32,
    start: usize,
    words: &mut Words,
    tokens: &mut Vec<Token>,
) {
    let span = |from: usize, to: usize| Span {
        file,
        start: offset(start + from),
        end: offset(start + to),
    };
    let before = tokens.len();
    let bytes = line.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let from = at;
        at += 1;
        match class(byte) {
            Class::Graphic => {
                at += word(&bytes[at..]);
                let text = words.share(&line[from..at]);
                tokens.push(Token::Word(Word { text, span: span(from, at) }));
            }
            Class::Brace if byte == b'{' => tokens.push(Token::Open(span(from, at))),
            Class::Brace => tokens.push(Token::Close(span(from, at))),
            Class::Space | Class::Special => {}
        }
    }
    if tokens.len() > before {
        tokens.push(Token::End);
    }
}

#[cfg(test)]
mod tests {
    use super::super::findings::Findings;
    use super::super::token::{self, Line, uncommented};
    use super::*;
    use proptest::prelude::*;

    const FILE: u32 = 3;
    const START: usize = 4_000;

    fn both(line: &str) -> [Vec<Token>; 2] {
        let (mut plain, mut careful) = (Vec::new(), Vec::new());
        split(line, FILE, START, &mut Words::default(), &mut plain);
        let mut findings = Findings::default();
        let read = uncommented(Line::literal(line, FILE, START));
        token::split(&read, &mut Words::default(), &mut careful, &mut findings);
        assert!(findings.finish().is_empty(), "{line:?}");
        [plain, careful]
    }

    /// What is not to be taken as it stands.
    #[test]
    fn others() {
        for line in [
            "a # b",
            "a ! b",
            "a 'b'",
            "a \"b\"",
            "a\\",
            "a $b",
            "$A=b",
            " @id a",
            "@^id a",
            " include a",
            "includer a",
            "\t~SEQ(i, 1, 3) a",
            "a\u{b}b",
            "a\u{7f}",
            "a\rb",
            "\u{e4}",
            "a\u{a0}b",
        ] {
            assert!(!is_plain(line), "{line:?}");
        }
        for line in
            ["", " ", "a", "\ta b{", "} }", "a@b ~c", "x include", "[a-z]*?;:,.|&<>=()%^+-/`_"]
        {
            assert!(is_plain(line), "{line:?}");
            let [plain, careful] = both(line);
            assert_eq!(plain, careful, "{line:?}");
        }
    }

    proptest! {
        /// One pass finds what the careful way finds, at the same places.
        #[test]
        fn the_same_words(line in "[ \ta-c{}@~;.]{0,20}") {
            prop_assume!(is_plain(&line));
            let [plain, careful] = both(&line);
            prop_assert_eq!(plain, careful);
        }
    }
}
