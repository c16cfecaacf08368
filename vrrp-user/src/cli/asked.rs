//! Which daemon is asked.
use crate::control::protocol::DEFAULT_SOCKET;
use std::path::PathBuf;

/// The argument of every verb that asks one.
#[derive(Debug, clap::Args)]
pub struct Asked {
    /// Control socket of the daemon
    #[arg(long, value_name = "SOCKET", default_value = DEFAULT_SOCKET)]
    pub control: PathBuf,
}
