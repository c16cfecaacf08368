//! On which thread is the kernel kept as the engine wants it.
//!
//! Addresses, routes and announcements are what a failover is about: clients, reports and programs that
//! are told of it come after them.
use super::schedule;
use crate::net::task::{self, Command, Event, Owned};
use anyhow::{Context as _, anyhow};
use tokio::sync::{mpsc::UnboundedReceiver, oneshot};

/// The nice value of the thread, unless that of the loop is higher: adverts come first.
const NICE: i8 = -10;

/// Starts the network task on a thread of its own, in the network namespace of this one, and tells how
/// it ended.
///
/// # Errors
/// Where there is no thread to be had.
pub(super) fn start(
    commands: UnboundedReceiver<Command>,
    events: impl Fn(Event) + Send + 'static,
    owned: Owned,
    nice_of_loop: i8,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>>> {
    let (ended, end) = oneshot::channel();
    let run = move || {
        schedule::be_nice(nice_of_loop.max(NICE), "addresses and announcements");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(task::run(commands, events, owned, task::Options::default()))
    };
    let thread = std::thread::Builder::new().name("network".to_owned());
    thread.spawn(move || ended.send(run())).context("the thread of the network")?;
    Ok(async { end.await.unwrap_or_else(|_| Err(anyhow!("the network's thread panicked"))) })
}
