//! What does a keepalived.conf say: text to tokens with spans, to a tree, to a validated model.
//!
//! [`load`] never stops at the first problem: it reports every problem of every file in the order
//! of the text. It does no IO of its own; files, globs and the host's name come from a [`Source`].
mod builtin;
pub mod diagnostic;
mod expand;
mod findings;
pub mod host;
pub mod keyword;
mod lower;
pub mod model;
pub mod place;
mod plain;
pub mod program;
mod random;
pub mod render;
pub mod routing;
pub mod security;
mod sequence;
pub mod source;
mod suggest;
mod token;
pub mod tracked;
mod tree;
mod variable;
mod vip;

#[cfg(test)]
mod tests;

use diagnostic::{Diagnostic, Severity};
use findings::Findings;
use model::Config;
use source::Source;
use std::path::Path;

/// Reads, expands and validates the file at `path` with everything it includes.
///
/// The configuration is there only when no diagnostic is an error. Diagnostics come in the order
/// of the text, an included file's where it is included.
pub fn load(path: &Path, source: &dyn Source) -> (Option<Config>, Vec<Diagnostic>) {
    let mut findings = Findings::default();
    let (mut nodes, drawn) = expand::read(path, source, source.seed(), &mut findings);
    // It may come after what it is for, or among it; keepalived reads the files again, too.
    if drawn && let Some(seed) = lower::random_seed(&nodes) {
        findings = Findings::default();
        (nodes, _) = expand::read(path, source, seed, &mut findings);
    }
    let config = lower::lower(nodes, &mut findings);
    let diagnostics = findings.finish();
    let failed = diagnostics.iter().any(|found| found.severity == Severity::Error);
    ((!failed).then_some(config), diagnostics)
}
