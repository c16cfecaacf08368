//! Which statement is inside which block.
use super::findings::{Findings, Span};
use super::token::{Token, Word};
use std::sync::Arc;

/// Blocks nest two deep in a real file; the bound keeps recursion over the tree small.
const DEPTH: usize = 16;

/// A keyword with its arguments and, if it has one, its block.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The keyword first; never empty.
    pub(super) words: Box<[Word]>,
    /// What stands between its braces; shared, for a large file has millions of them.
    pub(super) block: Option<Arc<[Node]>>,
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

/// Puts statements into blocks as their tokens come. A `{` belongs to the words before it on its line
/// or, if there are none, to the statement before.
#[derive(Default)]
pub(super) struct Builder {
    nodes: Vec<Node>,
    outer: Vec<Level>,
    words: Vec<Word>,
    /// A list with room that nobody uses.
    spare: Vec<Node>,
    too_deep: usize,
}

impl Builder {
    /// Takes the next token.
    pub(super) fn push(&mut self, token: Token, findings: &mut Findings) {
        if self.too_deep > 0 {
            match token {
                Token::Open(_) => self.too_deep += 1,
                Token::Close(_) => self.too_deep -= 1,
                Token::Word(_) | Token::End => {}
            }
            return;
        }
        match token {
            Token::Word(word) => self.words.push(word),
            Token::End => flush(&mut self.words, &mut self.nodes),
            Token::Open(span) => self.open(span, findings),
            Token::Close(span) => {
                flush(&mut self.words, &mut self.nodes);
                match self.outer.pop() {
                    Some(level) => close(&mut self.nodes, &mut self.spare, level),
                    None => {
                        findings
                            .error("stray-brace", span, "`}` without a `{` before it")
                            .label("closes nothing");
                    }
                }
            }
        }
    }

    fn open(&mut self, span: Span, findings: &mut Findings) {
        flush(&mut self.words, &mut self.nodes);
        match self.nodes.last_mut() {
            Some(owner) if owner.block.is_none() => owner.block = Some(Arc::new([])),
            _ => {
                findings
                    .error("stray-brace", span, "`{` without a keyword before it")
                    .label("opens a block that has no name");
                // Its content is parsed to find the matching brace, then dropped.
                self.nodes.push(Node { words: Box::default(), block: Some(Arc::new([])) });
            }
        }
        if self.outer.len() >= DEPTH {
            findings.error(
                "too-deep",
                span,
                format!("blocks nest deeper than {DEPTH}; the rest of this one is skipped"),
            );
            self.too_deep = 1;
            return;
        }
        let inner = std::mem::take(&mut self.spare);
        self.outer.push(Level { nodes: std::mem::replace(&mut self.nodes, inner), open: span });
    }

    /// The whole tree.
    pub(super) fn finish(mut self, findings: &mut Findings) -> Vec<Node> {
        flush(&mut self.words, &mut self.nodes);
        while let Some(level) = self.outer.pop() {
            let owner = level.nodes.last().map_or("", Node::keyword);
            findings
                .error(
                    "unclosed-brace",
                    level.open,
                    format!("the `{{` of `{owner}` is never closed"),
                )
                .label("opened here")
                .help("add a `}` at the end of the block");
            close(&mut self.nodes, &mut self.spare, level);
        }
        self.nodes
    }
}

fn flush(words: &mut Vec<Word>, nodes: &mut Vec<Node>) {
    if !words.is_empty() {
        nodes.push(Node { words: words.drain(..).collect(), block: None });
    }
}

/// Hands the finished block to the statement that opened it and goes on outside.
fn close(nodes: &mut Vec<Node>, spare: &mut Vec<Node>, level: Level) {
    let mut inner = std::mem::replace(nodes, level.nodes);
    match nodes.last_mut() {
        Some(owner) if !owner.words.is_empty() => owner.block = Some(inner.drain(..).collect()),
        _ => {
            nodes.pop();
            inner.clear();
        }
    }
    *spare = inner;
}
