//! What do the lines of `track_script`, `track_file` and `track_process` say.
use super::parts::{drop_value, missing, no_block};
use crate::config::findings::{Findings, Span};
use crate::config::token::Word;
use crate::config::tree::Node;

/// One line, before it is known whether there is such an object.
pub(in crate::config) struct TrackDraft {
    pub(super) object: Word,
    /// The object's own counts where none is given.
    pub(super) weight: Option<(i16, Span)>,
    pub(super) reverse: Option<bool>,
}

/// All lines of an instance or a group.
#[derive(Default)]
pub(in crate::config) struct TracksDraft {
    pub(super) scripts: Vec<TrackDraft>,
    pub(super) files: Vec<TrackDraft>,
    pub(super) processes: Vec<TrackDraft>,
}

/// Weights of files and processes, which keepalived lets be one more than those of scripts.
pub(super) const MOST: i16 = 254;
/// Weights of scripts and interfaces.
pub(super) const MOST_OF_SCRIPTS: i16 = 253;

/// `NAME [weight N [reverse|noreverse]]` a line.
pub(super) fn read(node: &Node, most: i16, into: &mut Vec<TrackDraft>, findings: &mut Findings) {
    for line in node.children() {
        no_block(line, findings);
        let Some((object, options)) = line.words.split_first() else { continue };
        let mut draft = TrackDraft { object: object.clone(), weight: None, reverse: None };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match &*option.text {
                "weight" => match options.next() {
                    Some(word) => {
                        draft.weight = weight(word, most, findings).map(|n| (n, word.span));
                    }
                    None => missing(option.span, "weight", findings),
                },
                "reverse" => draft.reverse = Some(true),
                "noreverse" | "no_reverse" => draft.reverse = Some(false),
                other => {
                    findings
                        .error("unknown-option", option.span, format!("unknown option `{other}`"))
                        .label("a tracked object takes weight, reverse and noreverse");
                    let ahead = options.as_slice().first();
                    let known = |word: &str| matches!(word, "weight" | "reverse" | "noreverse");
                    drop_value(&mut options, ahead, known);
                }
            }
        }
        into.push(draft);
    }
}

/// A weight up to `most` either way. One beyond 253 is taken as keepalived takes it.
pub(super) fn weight(word: &Word, most: i16, findings: &mut Findings) -> Option<i16> {
    match word.text.parse::<i16>() {
        Ok(weight) if (-most..=most).contains(&weight) => Some(weight),
        Ok(weight @ (-254 | 254)) => {
            findings
                .warning("out-of-range", word.span, format!("`weight` cannot be `{weight}`"))
                .label(format!("taken as {}", weight.signum() * most));
            Some(weight.signum() * most)
        }
        _ => {
            findings
                .error("out-of-range", word.span, format!("`weight` cannot be `{}`", word.text))
                .label(format!("expected a number from -{most} to {most}"));
            None
        }
    }
}
