//! Which program does a keyword name, and who runs it.
use crate::config::findings::Findings;
use crate::config::program::{Deleted, Owner, Program, User};
use crate::config::token::{Word, command};
use crate::config::tree::Node;

/// `KEYWORD PROGRAM [USER [GROUP]]`; a program with arguments is one quoted word.
pub(super) fn program(node: &Node, findings: &mut Findings) -> Option<Box<Program>> {
    let (first, user) = node.arguments().split_first()?;
    let words = words(node.keyword(), first, findings)?;
    let (user, origin) = (self::user(user, findings), findings.origin(first.span));
    Some(Box::new(Program { words, user, origin }))
}

/// `notify_deleted [PROGRAM [USER [GROUP]]]`.
pub(super) fn deleted(node: &Node, findings: &mut Findings) -> Deleted {
    Deleted { given: true, program: program(node, findings) }
}

/// What follows the name of a FIFO.
pub(super) fn owner(node: &Node, findings: &mut Findings) -> Option<Owner> {
    let words = node.arguments().get(1..)?;
    let user = user(words, findings)?;
    Some(Owner { user, origin: findings.origin(words.first()?.span) })
}

/// `USER [GROUP]`, if there is one.
pub(super) fn user(words: &[Word], findings: &mut Findings) -> Option<User> {
    let name = words.first()?;
    for word in words {
        if word.text.is_empty() || word.text.contains(char::is_control) {
            findings.error(
                "bad-user",
                word.span,
                format!("`{}` cannot name a user or a group", word.text),
            );
            return None;
        }
    }
    let group = words.get(1).map(|word| word.text.to_string());
    Some(User { name: name.text.to_string(), group })
}

/// The words of the command line that `word` is.
pub(super) fn words(keyword: &str, word: &Word, findings: &mut Findings) -> Option<Vec<String>> {
    let Some(words) = command(&word.text) else {
        findings
            .error("unclosed-quote", word.span, format!("a quote in `{keyword}` is never closed"))
            .label("quotes inside the quotes part the words of the command");
        return None;
    };
    if words.first().is_none_or(String::is_empty) {
        findings.error("missing-value", word.span, format!("`{keyword}` names no program"));
        return None;
    }
    if words.iter().any(|word| word.contains('\0')) {
        findings.error(
            "bad-program",
            word.span,
            format!("a word of `{keyword}` holds a zero byte: no program can be given it"),
        );
        return None;
    }
    Some(words)
}
