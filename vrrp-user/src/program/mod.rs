//! How are the programs of the configuration found, judged and run.
//!
//! Everything here may wait for a file system or the list of users, and is called from no thread
//! that adverts depend on.
pub mod host;
pub mod launch;
mod sys;

use crate::config::model::Config;
use crate::config::security::{self, Problem};

/// Settles by the rules of [`security`] which programs of `config` are run on this machine; those
/// that are not are said and left out.
///
/// # Errors
/// In words, a line each, where the configuration cannot be used.
pub fn settle(config: &mut Config) -> Result<(), String> {
    let problems = security::enforce(config, &host::System);
    let fatal: Vec<String> =
        problems.iter().filter(|problem| problem.fatal).map(Problem::to_string).collect();
    if !fatal.is_empty() {
        return Err(fatal.join("\n"));
    }
    for problem in problems {
        match problem.severity {
            crate::config::diagnostic::Severity::Error => tracing::error!("{problem}"),
            crate::config::diagnostic::Severity::Warning => tracing::warn!("{problem}"),
        }
    }
    Ok(())
}
