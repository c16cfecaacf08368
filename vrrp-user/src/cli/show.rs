//! `xvrrp show`: what is a running daemon doing.
use super::asked::Asked;
use super::terminal;
use crate::control::client;
use crate::report::grid::Style;
use crate::report::model::Snapshot;
use crate::report::{detail, lists, table};
use anyhow::bail;
use aya::sys::{Stats, enable_stats};
use serde::Serialize;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `xvrrp show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `brief`, `stats`, `events`, `xdp`, `instance NAME`, or the name of an instance [default: a
    /// line for each instance]
    what: Option<String>,
    /// Of this instance only
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print it again every so many seconds (2 unless told)
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = clap::value_parser!(u32).range(1..=86_400)
    )]
    watch: Option<u32>,
    #[command(flatten)]
    asked: Asked,
}

/// What to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum View<'a> {
    Overview,
    Brief(Option<&'a str>),
    Stats(Option<&'a str>),
    Events(Option<&'a str>),
    Xdp,
    One(&'a str),
}

impl<'a> View<'a> {
    fn of(what: Option<&'a str>, name: Option<&'a str>) -> anyhow::Result<Self> {
        Ok(match (what, name) {
            (None, _) => Self::Overview,
            (Some("brief"), name) => Self::Brief(name),
            (Some("stats"), name) => Self::Stats(name),
            (Some("events"), name) => Self::Events(name),
            (Some("xdp"), None) => Self::Xdp,
            (Some("instance"), Some(name)) | (Some(name), None) => Self::One(name),
            (Some(what), Some(name)) => bail!(
                "`{what} {name}`: NAME may follow `brief`, `stats`, `events` and `instance` only"
            ),
        })
    }

    /// Asks the daemon, and writes its answer down.
    fn ask(self, socket: &Path, json: Option<bool>, style: Style) -> anyhow::Result<String> {
        let snapshot = |name: Option<&str>| {
            let snapshot = match name {
                Some(name) => client::instance(socket, name),
                None => client::snapshot(socket),
            };
            snapshot.inspect(remark_version)
        };
        match (self, json) {
            (Self::Overview | Self::Brief(None), Some(line)) => written(&snapshot(None)?, line),
            (Self::Brief(Some(name)) | Self::One(name), Some(line)) => {
                written(&snapshot(Some(name))?, line)
            }
            (Self::Overview, None) => Ok(table::overview(&snapshot(None)?, style)),
            (Self::Brief(name), None) => Ok(table::brief(&snapshot(name)?, style)),
            (Self::One(name), None) => {
                let snapshot = snapshot(Some(name))?;
                Ok(snapshot.instances.iter().map(|i| detail::instance(i, style)).collect())
            }
            (Self::Stats(name), None) => Ok(lists::stats(&snapshot(name)?)),
            (Self::Stats(name), Some(line)) => {
                let mut counters = client::counters(socket)?;
                if let Some(name) = name {
                    // An unknown name is told with the nearest one.
                    let interfaces = snapshot(Some(name))?.ports;
                    counters.instances.retain(|known, _| known == name);
                    counters
                        .ports
                        .retain(|known, _| interfaces.iter().any(|port| port.interface == *known));
                }
                written(&counters, line)
            }
            (Self::Events(name), json) => {
                let mut events = client::events(socket)?;
                if let Some(name) = name {
                    // One that a reload removed may still be remembered.
                    if !events.iter().any(|event| event.instance == name) {
                        snapshot(Some(name))?;
                    }
                    events.retain(|event| event.instance == name);
                }
                match json {
                    Some(line) => written(&events, line),
                    None => Ok(table::events(&events, style)),
                }
            }
            (Self::Xdp, Some(line)) => written(&client::programs(socket)?, line),
            (Self::Xdp, None) => Ok(lists::xdp(&client::programs(socket)?, style)),
        }
    }
}

/// JSON, on one line or on many.
fn written(value: &impl Serialize, line: bool) -> anyhow::Result<String> {
    let text =
        if line { serde_json::to_string(value)? } else { serde_json::to_string_pretty(value)? };
    Ok(format!("{text}\n"))
}

fn remark_version(snapshot: &Snapshot) {
    let ours = env!("CARGO_PKG_VERSION");
    if snapshot.version != ours {
        super::complain(format_args!(
            "note: the daemon is xvrrp {}, and this program {ours}",
            snapshot.version
        ));
    }
}

/// Prints the daemon's state.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let view = View::of(args.what.as_deref(), args.name.as_deref())?;
    let Some(seconds) = args.watch else {
        let text = view.ask(&args.asked.control, args.json.then_some(false), terminal::style())?;
        // A reader that has seen enough is no failure.
        let _ = std::io::stdout().write_all(text.as_bytes());
        return Ok(ExitCode::SUCCESS);
    };
    // Only while someone looks: counting costs each run of each program of the machine.
    let _counting = (view == View::Xdp).then(|| enable_stats(Stats::RunTime).ok());
    loop {
        let text = match view.ask(&args.asked.control, args.json.then_some(true), terminal::style())
        {
            Ok(text) => text,
            // It may be restarted meanwhile. JSON is for programs, which had better know at once.
            Err(why) if !args.json => format!("{why:#}\n"),
            Err(why) => return Err(why),
        };
        if !terminal::show_again(&text) {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(Duration::from_secs(u64::from(seconds)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_views_and_all_else_names_instances() {
        let of = |what, name| View::of(what, name);
        assert_eq!(of(None, None).unwrap(), View::Overview);
        assert_eq!(of(Some("brief"), None).unwrap(), View::Brief(None));
        assert_eq!(of(Some("stats"), Some("V")).unwrap(), View::Stats(Some("V")));
        assert_eq!(of(Some("V"), None).unwrap(), View::One("V"));
        assert_eq!(of(Some("instance"), Some("stats")).unwrap(), View::One("stats"));
        assert_eq!(of(Some("instance"), None).unwrap(), View::One("instance"));
        assert!(of(Some("V"), Some("W")).is_err());
        assert!(of(Some("xdp"), Some("W")).is_err());
    }
}
