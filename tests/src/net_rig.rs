//! What the suite of links, addresses and adverts needs of network namespaces.
pub mod scene;

use anyhow::{Context, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::Command as Process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use vrrp_common::ident::RouterId;
use xvrrp::net::task::{Command, Event, Options, Owned, OwnedReport, run};

/// Whether tests that need root can run; says why not. With `XVRRP_REQUIRE_ROOT=1` it is an error.
pub fn root() -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    assert!(std::env::var_os("XVRRP_REQUIRE_ROOT").is_none(), "root is required");
    println!("skipped: network namespaces need root");
    false
}

/// A network namespace, removed when dropped.
pub struct Netns {
    name: String,
}

impl Netns {
    /// A new one, with its loopback up.
    pub fn new(part: &str) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("xv-net-{}-{number}-{part}", std::process::id());
        ip(&["netns", "add", &name])?;
        let netns = Self { name };
        netns.ip("link set lo up")?;
        Ok(netns)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` in it.
    pub fn ip(&self, arguments: &str) -> Result<String> {
        let mut all = vec!["-n", &self.name];
        all.extend(arguments.split_whitespace());
        ip(&all)
    }

    /// Runs many `ip` commands in it with one process.
    pub fn batch(&self, lines: &str) -> Result<()> {
        use std::io::Write;
        let mut child = Process::new("ip")
            .args(["-n", &self.name, "-batch", "-"])
            .stdin(std::process::Stdio::piped())
            .spawn()?;
        child.stdin.take().context("stdin")?.write_all(lines.as_bytes())?;
        ensure!(child.wait()?.success(), "ip -batch failed");
        Ok(())
    }

    /// Writes a sysctl in it.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let value = value.to_owned();
        self.within(move || std::fs::write(path, value))??;
        Ok(())
    }

    /// Runs something on a thread in it.
    pub fn within<T: Send + 'static>(
        &self,
        what: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        self.spawn(what)?
            .join()
            .map_err(|_| anyhow::anyhow!("the thread in {} panicked", self.name))
    }

    /// Starts a thread in it.
    pub fn spawn<T: Send + 'static>(
        &self,
        what: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>> {
        let file = File::open(format!("/var/run/netns/{}", self.name))?;
        Ok(std::thread::spawn(move || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("enter the namespace");
            what()
        }))
    }

    /// Index of an interface.
    pub fn ifindex(&self, name: &str) -> Result<u32> {
        let line = self.ip(&format!("-o link show dev {name}"))?;
        Ok(line.split(':').next().context("no index")?.trim().parse()?)
    }

    /// Starts capturing what arrives in it on any interface.
    pub fn capture(&self) -> Result<Capture> {
        const ETH_P_ALL: u16 = 3;
        let protocol = Protocol::from(i32::from(ETH_P_ALL.to_be()));
        let socket =
            self.within(move || Socket::new(Domain::PACKET, Type::RAW, Some(protocol)))??;
        socket.set_recv_buffer_size(8 << 20)?;
        Ok(Capture { socket })
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del", &self.name]);
    }
}

fn ip(arguments: &[&str]) -> Result<String> {
    let output = Process::new("ip").args(arguments).output().context("ip")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {error}", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

/// Frames that arrived somewhere.
pub struct Capture {
    socket: Socket,
}

impl Capture {
    /// The first frame `wanted` says yes to, within a time.
    pub fn find(&self, within: Duration, wanted: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let end = Instant::now() + within;
        loop {
            let left = end.checked_duration_since(Instant::now())?;
            self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1)))).ok()?;
            let mut buffer = vec![0; 2048];
            match (&self.socket).read(&mut buffer) {
                Ok(length) if wanted(&buffer[..length]) => {
                    buffer.truncate(length);
                    return Some(buffer);
                }
                _ => {}
            }
        }
    }

    /// Every frame until none arrives for a time.
    pub fn all(&self, silence: Duration) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.find(silence, |_| true)).collect()
    }
}

/// The network task, running in a namespace.
pub struct Task {
    commands: Option<UnboundedSender<Command>>,
    events: Receiver<Event>,
    owned: Owned,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Task {
    /// Starts it; `first` is known to it from the beginning.
    pub fn start(netns: &Netns, options: Options, first: Vec<Command>) -> Result<Self> {
        let (commands, queue) = unbounded_channel();
        for command in first {
            commands.send(command)?;
        }
        let (heard, events) = channel();
        let owned: Owned = Arc::new(Mutex::new(HashMap::new()));
        let shared = owned.clone();
        let thread = netns.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(run(
                queue,
                move |event| {
                    let _ = heard.send(event);
                },
                shared,
                options,
            ))
        })?;
        Ok(Self { commands: Some(commands), events, owned, thread: Some(thread) })
    }

    /// Tells it something.
    pub fn tell(&self, command: Command) {
        self.commands.as_ref().expect("running").send(command).expect("running");
    }

    /// The next event `wanted` says yes to; those before it are dropped.
    pub fn event(&self, within: Duration, mut wanted: impl FnMut(&Event) -> bool) -> Option<Event> {
        let end = Instant::now() + within;
        loop {
            let left = end.checked_duration_since(Instant::now())?;
            let event = self.events.recv_timeout(left).ok()?;
            if wanted(&event) {
                return Some(event);
            }
        }
    }

    /// Every event until it is silent for a time.
    pub fn events(&self, silence: Duration) -> Vec<Event> {
        std::iter::from_fn(|| self.events.recv_timeout(silence).ok()).collect()
    }

    /// The report of a router.
    pub fn report(&self, router: RouterId) -> OwnedReport {
        self.owned.lock().expect("report").get(&router).cloned().unwrap_or_default()
    }

    /// Waits until the report of a router is as `wanted`.
    pub fn settles(&self, router: RouterId, wanted: impl Fn(&OwnedReport) -> bool) {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let report = self.report(router);
            if wanted(&report) {
                return;
            }
            assert!(Instant::now() < end, "still {report:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends it and waits until it has finished.
    pub fn stop(mut self) -> Result<()> {
        self.commands = None;
        let thread = self.thread.take().context("running")?;
        thread.join().map_err(|_| anyhow::anyhow!("the task panicked"))?
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
