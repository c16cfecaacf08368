//! Is a configuration file good: `xvrrp check FILE`.
use super::files::Files;
use crate::config::diagnostic::Severity;
use crate::config::{self, render, security};
use crate::program::host::System;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// keepalived's exit status of a configuration test that found errors.
const BAD_CONFIGURATION: u8 = 5;

/// Check a configuration file and list every problem in it.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The file.
    pub file: PathBuf,
    /// Print the problems as JSON.
    #[arg(long, conflicts_with = "short")]
    pub json: bool,
    /// Print one line for each problem: file:line:column: error: text.
    #[arg(long)]
    pub short: bool,
    /// What `@id` conditions are compared with, instead of this host's name.
    #[arg(long, short = 'i', value_name = "ID")]
    pub config_id: Option<String>,
}

/// Prints all diagnostics and their number; fails if one of them is an error.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let files = Files { config_id: args.config_id };
    let (config, mut diagnostics) = config::load(&args.file, &files);
    let mut good = config.is_some();
    if let Some(mut config) = config {
        let programs = security::enforce(&mut config, &System);
        good = programs.iter().all(|problem| problem.severity != Severity::Error);
        diagnostics.extend(programs.iter().map(|problem| problem.diagnostic(&files)));
        // The process is about to end, and to take thousands of instances apart takes a while.
        std::mem::forget(config);
    }
    let mut out = std::io::stdout().lock();
    let mut text = String::new();
    if args.json {
        writeln!(text, "{}", render::json(&diagnostics)?)?;
    } else {
        let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        for diagnostic in &diagnostics {
            if args.short {
                writeln!(text, "{diagnostic}")?;
            } else {
                writeln!(text, "{}\n", render::pretty(diagnostic, colour))?;
            }
        }
        writeln!(text, "{}", render::summary(&diagnostics))?;
    }
    // The status says whether the file is good, also to a reader that has seen enough.
    let _ = out.write_all(text.as_bytes());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(BAD_CONFIGURATION) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(name: &str, text: Option<&str>) -> String {
        let file = std::env::temp_dir().join(format!("xvrrp-check-{}-{name}", std::process::id()));
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let args = Args { file: file.clone(), json: false, short: true, config_id: None };
        let status = run(args).unwrap();
        if text.is_some() {
            std::fs::remove_file(&file).unwrap();
        }
        // An exit status can be printed and not compared.
        format!("{status:?}")
    }

    #[test]
    fn errors_and_a_missing_file_give_5_and_warnings_0() {
        let good = "vrrp_instance V {\n interface eth0\n virtual_router_id 1\n debug 1\n\
                    virtual_ipaddress { 192.0.2.1 }\n}\n";
        let five = format!("{:?}", ExitCode::from(BAD_CONFIGURATION));
        assert_eq!(status("good", Some(good)), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(status("bad", Some("vrrp_instance V {")), five);
        assert_eq!(status("missing", None), five);
    }
}
