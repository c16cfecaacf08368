//! Which statement is inside which block.
use super::findings::{Findings, Span};
use super::token::{Token, Word};

/// Blocks nest two deep in a real file; the bound keeps recursion over the tree small.
const DEPTH: usize = 16;

/// A keyword with its arguments and, if it has one, its block.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The keyword first; never empty.
    pub(super) words: Vec<Word>,
    /// What stands between its braces.
    pub(super) block: Option<Vec<Node>>,
}

impl Node {
    /// The keyword.
    pub(super) fn keyword(&self) -> &str {
        self.words.first().map_or("", |word| &word.text)
    }

    /// Where the keyword stands.
    pub(super) fn span(&self) -> Span {
        self.words.first().map_or(Span { file: 0, start: 0, end: 0 }, |word| word.span)
    }

    /// The arguments.
    pub(super) fn arguments(&self) -> &[Word] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The statements of its block; none if it has no block.
    pub(super) fn children(&self) -> &[Node] {
        self.block.as_deref().unwrap_or_default()
    }
}

struct Level {
    nodes: Vec<Node>,
    open: Span,
}

/// Puts statements into blocks. A `{` belongs to the words before it on its line or, if there are
/// none, to the statement before.
pub(super) fn build(tokens: Vec<Token>, findings: &mut Findings) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut outer: Vec<Level> = Vec::new();
    let mut words: Vec<Word> = Vec::new();
    let mut too_deep = 0usize;
    for token in tokens {
        if too_deep > 0 {
            match token {
                Token::Open(_) => too_deep += 1,
                Token::Close(_) => too_deep -= 1,
                Token::Word(_) | Token::End => {}
            }
            continue;
        }
        match token {
            Token::Word(word) => words.push(word),
            Token::End => flush(&mut words, &mut nodes),
            Token::Open(span) => {
                flush(&mut words, &mut nodes);
                match nodes.last_mut() {
                    Some(owner) if owner.block.is_none() => owner.block = Some(Vec::new()),
                    _ => {
                        findings
                            .error("stray-brace", span, "`{` without a keyword before it")
                            .label("opens a block that has no name");
                        // Its content is parsed to find the matching brace, then dropped.
                        nodes.push(Node { words: Vec::new(), block: Some(Vec::new()) });
                    }
                }
                if outer.len() >= DEPTH {
                    findings.error(
                        "too-deep",
                        span,
                        format!("blocks nest deeper than {DEPTH}; the rest of this one is skipped"),
                    );
                    too_deep = 1;
                    continue;
                }
                outer.push(Level { nodes: std::mem::take(&mut nodes), open: span });
            }
            Token::Close(span) => {
                flush(&mut words, &mut nodes);
                match outer.pop() {
                    Some(level) => close(&mut nodes, level),
                    None => {
                        findings
                            .error("stray-brace", span, "`}` without a `{` before it")
                            .label("closes nothing");
                    }
                }
            }
        }
    }
    flush(&mut words, &mut nodes);
    while let Some(level) = outer.pop() {
        let owner = level.nodes.last().map_or("", Node::keyword);
        findings
            .error("unclosed-brace", level.open, format!("the `{{` of `{owner}` is never closed"))
            .label("opened here")
            .help("add a `}` at the end of the block");
        close(&mut nodes, level);
    }
    nodes
}

fn flush(words: &mut Vec<Word>, nodes: &mut Vec<Node>) {
    if !words.is_empty() {
        nodes.push(Node { words: std::mem::take(words), block: None });
    }
}

/// Hands the finished block to the statement that opened it and goes on outside.
fn close(nodes: &mut Vec<Node>, level: Level) {
    let inner = std::mem::replace(nodes, level.nodes);
    match nodes.last_mut() {
        Some(owner) if !owner.words.is_empty() => owner.block = Some(inner),
        _ => {
            nodes.pop();
        }
    }
}
