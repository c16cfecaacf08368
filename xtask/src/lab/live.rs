//! How is the lab shown while a user plays with it?
use super::plan::{FREE_VIP, HOST, INSTANCE, ROUTERS, VIP};
use super::status::Status;
use super::view::{Paint, Seen, changes, tables};
use super::{Lab, plan};
use anyhow::Result;
use std::collections::VecDeque;
use std::io::{IsTerminal as _, Write as _, stdout};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(500);
/// A killed daemon is started again after this, to show the way back too.
const REVIVAL: Duration = Duration::from_secs(10);
/// Lines of history.
const HISTORY: usize = 8;
/// Daemons that never once answered by then have a problem that waiting will not cure.
const GRACE: Duration = Duration::from_secs(10);

/// What is known of one router.
#[derive(Default)]
struct Memory {
    last: Option<Status>,
    trouble: String,
    dead_since: Option<Instant>,
    worked: bool,
}

/// Shows the lab until the user ends it.
pub(super) fn watch(lab: &mut Lab) -> Result<ExitCode> {
    let start = Instant::now();
    let terminal = stdout().is_terminal();
    let mut memories = [Memory::default(), Memory::default()];
    let mut history = VecDeque::new();
    let mut answered = false;
    if !terminal {
        say!("{}", hints(lab));
    }
    while !lab.stopped() {
        for (index, memory) in memories.iter_mut().enumerate() {
            for line in look(lab, index, memory)? {
                let ms = start.elapsed().as_millis();
                let line = format!("{:>6}.{} s  {line}", ms / 1000, ms % 1000 / 100);
                if !terminal {
                    say!("{line}");
                }
                history.push_back(line);
            }
            answered |= memory.last.is_some();
        }
        if !answered && start.elapsed() > GRACE {
            anyhow::bail!("no daemon answers: {}", memories[0].trouble);
        }
        while history.len() > HISTORY {
            history.pop_front();
        }
        if terminal {
            draw(lab, &memories, &history)?;
        }
        sleep(PERIOD);
    }
    say!("\nlab: stopping");
    Ok(ExitCode::SUCCESS)
}

/// Asks one router; starts its daemon again where it is dead for long. Returns what happened.
fn look(lab: &mut Lab, index: usize, memory: &mut Memory) -> Result<Vec<String>> {
    let name = ROUTERS[index].name;
    let mut lines = Vec::new();
    let Some(daemon) = lab.daemons[index].as_mut() else { return Ok(lines) };
    if let Some(status) = daemon.ended()? {
        // Gone before it ever answered: it cannot start.
        anyhow::ensure!(
            memory.worked,
            "the daemon of {name} ended: {status}; it said\n{}",
            daemon.log_tail()
        );
        let since = *memory.dead_since.get_or_insert_with(|| {
            lines.push(format!("{name} its daemon ended: {status}"));
            Instant::now()
        });
        memory.last = None;
        let left = REVIVAL.saturating_sub(since.elapsed());
        memory.trouble = format!("daemon ended ({status}), starts again in {} s", left.as_secs());
        if left.is_zero() {
            lab.start(index)?;
            *memory = Memory { worked: true, ..Memory::default() };
            memory.trouble = "starting".to_owned();
            lines.push(format!("{name} its daemon starts again"));
        }
        return Ok(lines);
    }
    match daemon.status() {
        Ok(status) => {
            if let Some(last) = &memory.last {
                lines.extend(changes(name, last, &status));
            } else {
                for instance in &status.instances {
                    lines.push(format!("{name} {} is {}", instance.name, instance.state));
                }
            }
            *memory = Memory { last: Some(status), worked: true, ..Memory::default() };
        }
        Err(why) => {
            memory.trouble = format!("{why:#}");
        }
    }
    Ok(lines)
}

/// Draws over the last picture: home, each line cleared to its end, the rest cleared.
fn draw(lab: &mut Lab, memories: &[Memory; 2], history: &VecDeque<String>) -> Result<()> {
    let seen: Vec<_> = ROUTERS
        .iter()
        .zip(memories)
        .map(|(router, memory)| Seen {
            router: router.name,
            status: memory.last.as_ref().ok_or(&memory.trouble),
        })
        .collect();
    let mut text = format!(
        "xvrrp lab {}: r1, r2 and host on 10.0.0.0/24 (eth0) and 10.4.0.0/24 (eth4)\n\n",
        std::process::id()
    );
    text.push_str(&tables(&seen, Paint(true)));
    text.push_str("\nwhat happened\n");
    for line in history {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("\ntry, in another terminal as root\n");
    text.push_str(&hints(lab));
    let mut out = stdout().lock();
    out.write_all(b"\x1b[H")?;
    for line in text.lines() {
        writeln!(out, "{line}\x1b[K")?;
    }
    out.write_all(b"\x1b[J")?;
    Ok(out.flush()?)
}

/// Three things to try, as commands.
fn hints(lab: &mut Lab) -> String {
    let preferred = ROUTERS[plan::PREFERRED].name;
    let pid = lab.daemons[plan::PREFERRED].as_ref().map_or(0, super::daemon::Daemon::pid);
    let router = lab.network.namespace(preferred);
    let host = lab.network.namespace(HOST.name);
    format!(
        "  kill the master:            kill -9 {pid}    (r2 takes over; r1 is back after {} s)\n\
         \x20 down the no_track link:     ip -n {router} link set eth4 down    \
         ({INSTANCE} stays MASTER, {FREE_VIP} waits; then up)\n\
         \x20 down the link of the VIP:   ip -n {router} link set eth0 down    \
         (FAULT, r2 takes over; watch: ip netns exec {host} ping {VIP})\n\
         Ctrl-C ends the lab and removes all of it.\n",
        REVIVAL.as_secs(),
    )
}
