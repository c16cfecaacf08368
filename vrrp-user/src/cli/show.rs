//! `xvrrp show`: what is a running daemon doing.
use crate::control::client;
use crate::control::protocol::DEFAULT_SOCKET;
use crate::report::model::Snapshot;
use crate::report::{detail, table};
use anyhow::bail;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `xvrrp show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this instance, in full
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Control socket of the daemon
    #[arg(long, value_name = "SOCKET", default_value = DEFAULT_SOCKET)]
    control: PathBuf,
}

/// Prints the daemon's state.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut snapshot = client::snapshot(&args.control)?;
    if let Some(name) = &args.name {
        only(&mut snapshot, name)?;
    }
    let text = match (&args.name, args.json) {
        (_, true) => format!("{}\n", serde_json::to_string_pretty(&snapshot)?),
        (Some(_), false) => snapshot.instances.iter().map(detail::instance).collect(),
        (None, false) => table::overview(&snapshot),
    };
    // A reader that has seen enough is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// Leaves one instance and its port, or says which name is nearest.
fn only(snapshot: &mut Snapshot, name: &str) -> anyhow::Result<()> {
    if !snapshot.instances.iter().any(|instance| instance.name == name) {
        let distance = |known: &str| strsim::damerau_levenshtein(known, name);
        let names = snapshot.instances.iter().map(|instance| instance.name.as_str());
        match names.min_by_key(|known| distance(known)) {
            Some(nearest) => bail!("no instance `{name}`; did you mean `{nearest}`?"),
            None => bail!("no instance `{name}`: the daemon has none at all"),
        }
    }
    snapshot.instances.retain(|instance| instance.name == name);
    let interfaces: Vec<_> = snapshot.instances.iter().map(|i| i.interface.clone()).collect();
    snapshot.ports.retain(|port| interfaces.contains(&port.interface));
    Ok(())
}
