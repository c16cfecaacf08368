//! Which part of a Rust source is code, not comment or text?

/// A line number, from 1, and the words and marks of code on that line.
pub(super) struct Token<'a> {
    pub(super) line: usize,
    pub(super) text: &'a str,
}

/// Identifiers, and `::`; everything else of a source is dropped.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(rest) = source.get(at..)
        && let Some(first) = rest.chars().next()
    {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block(rest)
        } else if let Some(length) = raw_text(rest) {
            length
        } else if first == '"' || rest.starts_with("b\"") || rest.starts_with("c\"") {
            quoted(rest)
        } else if first == '\'' {
            letter(rest)
        } else if first.is_alphabetic() || first == '_' {
            let length =
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            found.push(Token { line, text: &rest[..length] });
            length
        } else if rest.starts_with("::") {
            found.push(Token { line, text: "::" });
            2
        } else {
            first.len_utf8()
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    found
}

/// A block comment; they nest.
fn block(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// `r"…"`, `br#"…"#` and the like.
fn raw_text(rest: &str) -> Option<usize> {
    let start = rest.strip_prefix('b').or_else(|| rest.strip_prefix('c')).unwrap_or(rest);
    let hashes = start.strip_prefix('r')?;
    let inner = hashes.trim_start_matches('#');
    let count = hashes.len() - inner.len();
    let inner = inner.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(count));
    let opened = rest.len() - inner.len();
    Some(inner.find(&close).map_or(rest.len(), |end| opened + end + close.len()))
}

/// `"…"` with escapes, a letter before it included.
fn quoted(rest: &str) -> usize {
    let open = rest.find('"').unwrap_or(0) + 1;
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip_while(|(at, _)| *at < open) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `'x'`, `'\n'`; or the mark of a lifetime, alone.
fn letter(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            chars.next();
            chars.find(|(_, c)| *c == '\'').map_or(rest.len(), |(at, _)| at + 1)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<(usize, &str)> {
        tokens(source).into_iter().map(|token| (token.line, token.text)).collect()
    }

    #[test]
    fn comments_and_text_are_no_code() {
        let source = "// a\n/* b /* c */ d */ e \"f \\\" g\" r#\"h \" i\"# b\"j\" k\n\
            'l' '\\'' 'm, n<'o> \"\np\" q";
        assert_eq!(words(source), [(2, "e"), (2, "k"), (3, "m"), (3, "n"), (3, "o"), (4, "q")]);
    }

    #[test]
    fn paths_keep_their_marks() {
        assert_eq!(words("std::fs"), [(1, "std"), (1, "::"), (1, "fs")]);
        assert_eq!(words("r_x brand"), [(1, "r_x"), (1, "brand")]);
    }

    #[test]
    fn what_is_never_closed_ends_with_the_file() {
        for source in ["/* a", "\"a", "r#\"a\"", "'\\", "'"] {
            assert!(words(source).is_empty(), "{source}");
        }
    }
}
