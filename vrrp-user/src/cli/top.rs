//! `xvrrp top`: what a running daemon does, live on a terminal.
//!
//! A thread asks the daemon, so that keys are answered while it does not.
mod draw;
mod live;

use super::asked::Asked;
use crate::control::client;
use anyhow::{Context as _, bail};
use live::{Live, Wish};
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::io::{IsTerminal as _, stdin, stdout};
use std::process::ExitCode;
use std::sync::mpsc::{TryRecvError, sync_channel};
use std::time::{Duration, Instant};

/// How long a key may wait for the next look at it, and a report for the screen.
const PERIOD: Duration = Duration::from_millis(100);

/// Arguments of `xvrrp top`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Seconds between two looks
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    delay: u64,
    #[command(flatten)]
    asked: Asked,
}

/// Runs until `q`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if !stdout().is_terminal() || !stdin().is_terminal() {
        bail!("`top` needs a terminal; `xvrrp show --watch` does not");
    }
    // Said on the screen as it was, where it can be read afterwards.
    let first = client::snapshot(&args.asked.control)?;
    let colour = super::terminal::style().colour;
    let (reports, received) = sync_channel(1);
    let (socket, delay) = (args.asked.control.clone(), Duration::from_secs(args.delay));
    std::thread::Builder::new()
        .name("ask".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(delay);
                let report = client::snapshot(&socket).map_err(|why| format!("{why:#}"));
                if reports.send((Instant::now(), report)).is_err() {
                    return;
                }
            }
        })
        .context("the thread that asks")?;
    let mut live = Live::new(first, Instant::now());
    let mut terminal = ratatui::init();
    let result = loop {
        if let Err(why) = terminal.draw(|frame| draw::screen(frame, &mut live, colour)) {
            break Err(why.into());
        }
        match look(&mut live) {
            Ok(Wish::Stay) => {}
            Ok(Wish::Leave) => break Ok(ExitCode::SUCCESS),
            Err(why) => break Err(why),
        }
        match received.try_recv() {
            Ok((at, Ok(snapshot))) => live.report(snapshot, at),
            Ok((_, Err(why))) => live.silent(why),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => live.silent("nobody asks any more".to_owned()),
        }
    };
    ratatui::restore();
    result
}

/// Waits a moment for keys and takes those there are.
fn look(live: &mut Live) -> anyhow::Result<Wish> {
    let mut patience = PERIOD;
    while event::poll(patience).context("the terminal")? {
        patience = Duration::ZERO;
        if let Event::Key(key) = event::read().context("the terminal")?
            && key.kind == KeyEventKind::Press
            && live.key(key) == Wish::Leave
        {
            return Ok(Wish::Leave);
        }
    }
    Ok(Wish::Stay)
}
