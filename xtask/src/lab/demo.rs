//! Does the lab do what it promises, with nobody at the keyboard?
//!
//! Two acts: the master's daemon is killed, and the cable of a `no_track` address is pulled. Each
//! line printed is something that was looked at, in the daemons and in the kernel; what did not
//! happen in time is listed at the end.
use super::Lab;
use super::ping::Pinger;
use super::plan::{FREE_VIP, HOST, INSTANCE, PREFERRED, ROUTERS, VIP};
use super::status::Instance;
use anyhow::{Context as _, Result, ensure};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// For what has no deadline of its own: starting, noticing a cable.
const PATIENCE: Duration = Duration::from_secs(20);
/// Beyond the protocol's own time: our looking, and a busy machine.
const SLACK: Duration = Duration::from_millis(1000);
/// How long nothing may happen while the cable is out: many times the Active_Down_Interval.
const QUIET: Duration = Duration::from_millis(1500);
/// For one echo reply.
const ECHO: Duration = Duration::from_millis(200);

/// The other router.
const SECOND: usize = 1 - PREFERRED;

/// The demo while it runs.
struct Demo<'a> {
    lab: &'a mut Lab,
    pinger: Pinger,
    failures: Vec<String>,
}

/// Plays it. Success only if everything happened.
pub(super) fn play(lab: &mut Lab) -> Result<ExitCode> {
    let pinger = Pinger::within(&lab.network.namespace(HOST.name))?;
    let mut demo = Demo { lab, pinger, failures: Vec::new() };
    let played = demo.start().and_then(|()| demo.failover()).and_then(|()| demo.pulled_cable());
    if demo.lab.stopped() {
        return Ok(ExitCode::FAILURE);
    }
    let Demo { lab, mut failures, .. } = demo;
    if let Err(why) = played {
        failures.push(format!("{why:#}"));
    }
    if !failures.is_empty() {
        for (router, daemon) in ROUTERS.iter().zip(&lab.daemons) {
            let tail = daemon.as_ref().map(super::Daemon::log_tail).unwrap_or_default();
            eprintln!("demo: the last log lines of {}:\n{tail}", router.name);
        }
    }
    failures.extend(end(lab)?);
    if failures.is_empty() {
        say!("demo: passed, everything above was seen to happen");
        return Ok(ExitCode::SUCCESS);
    }
    for failure in &failures {
        say!("demo: FAILED: {failure}");
    }
    Ok(ExitCode::FAILURE)
}

/// Stops both daemons; returns which did not end as they should.
fn end(lab: &mut Lab) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    for (router, slot) in ROUTERS.iter().zip(&mut lab.daemons) {
        let Some(mut daemon) = slot.take() else { continue };
        match daemon.stop()? {
            Some(status) if status.success() => {}
            Some(status) => failures.push(format!("{} stopped with {status}", router.name)),
            None => failures.push(format!("{} did not stop when asked to", router.name)),
        }
        if lab.network.has(router.name, VIP)? {
            failures.push(format!("{} stopped and left {VIP}", router.name));
        }
    }
    if failures.is_empty() {
        say!("stop         both daemons stopped when asked to and left no address");
    }
    Ok(failures)
}

impl Demo<'_> {
    fn start(&mut self) -> Result<()> {
        let (first, second) = (ROUTERS[PREFERRED].name, ROUTERS[SECOND].name);
        let took = self.settled(Instant::now())?;
        say!("start        {first} is MASTER, {second} is BACKUP after {} ms", took.as_millis());
        self.reachable("start", Instant::now(), VIP, PREFERRED, "eth0")?;
        let before = self.instance(SECOND)?;
        sleep(Duration::from_secs(1));
        let after = self.instance(SECOND)?;
        let heard = after.received - before.received.min(after.received);
        say!("adverts      {second} counted {heard} in a second, by {}", after.path);
        for port in self.lab.daemon(SECOND)?.status()?.ports {
            if let Some(why) = port.why {
                say!("adverts      {} of {second} goes by {}: {why}", port.interface, port.path);
            }
        }
        // Ten were sent; a busy machine may put the edges of the second elsewhere.
        self.expect(heard >= 7, || format!("{second} counted {heard} adverts of about 10"));
        Ok(())
    }

    fn failover(&mut self) -> Result<()> {
        let (first, second) = (ROUTERS[PREFERRED].name, ROUTERS[SECOND].name);
        let interval = ROUTERS[SECOND].down_interval();
        let killed = Instant::now();
        self.lab.daemon(PREFERRED)?.kill()?;
        say!("kill         the daemon of {first} got SIGKILL");
        let taken = self.lab.eventually(killed, PATIENCE, |lab| master(lab, SECOND))?;
        let ((), took) = taken.with_context(|| format!("{second} did not become MASTER"))?;
        say!(
            "failover     {second} is MASTER after {} ms (Active_Down_Interval is {} ms)",
            took.as_millis(),
            interval.as_millis()
        );
        self.expect(took <= interval + SLACK, || {
            format!("{second} took {} ms to become MASTER", took.as_millis())
        });
        self.reachable("failover", killed, VIP, SECOND, "eth0")?;

        let started = Instant::now();
        self.lab.start(PREFERRED)?;
        let took = self.settled(started)?;
        say!("return       {first} was started and is MASTER after {} ms", took.as_millis());
        self.reachable("return", started, VIP, PREFERRED, "eth0")?;
        let gone = |lab: &mut Lab| Ok((!lab.network.has(second, VIP)?).then_some(()));
        let gone = self.lab.eventually(Instant::now(), SLACK, gone)?;
        self.expect(gone.is_some(), || format!("{second} is BACKUP and still has {VIP}"));
        Ok(())
    }

    fn pulled_cable(&mut self) -> Result<()> {
        let (first, second) = (ROUTERS[PREFERRED].name, ROUTERS[SECOND].name);
        let before = self.instance(PREFERRED)?;
        let second_before = self.instance(SECOND)?;
        self.reachable("cable", Instant::now(), FREE_VIP, PREFERRED, "eth4")?;
        let pulled = Instant::now();
        self.lab.network.cable(first, "eth4", false)?;
        say!("cable        eth4 of {first} was pulled out ({FREE_VIP} is no_track)");
        self.free_vip_is("pending (link down)", pulled)?;
        let (mut looks, until) = (0, Instant::now() + QUIET);
        while Instant::now() < until {
            let states = [self.instance(PREFERRED)?.state, self.instance(SECOND)?.state];
            ensure!(states == ["MASTER", "BACKUP"], "with the cable out: {states:?}");
            ensure!(!self.lab.stopped(), "interrupted");
            looks += 1;
        }
        let answer = self.pinger.answered(FREE_VIP, ECHO)?;
        self.expect(!answer, || format!("{FREE_VIP} answers through a pulled cable"));
        say!("cable        {INSTANCE} of {first} stayed MASTER in {looks} looks");

        let announced = self.announced()?;
        let plugged = Instant::now();
        self.lab.network.cable(first, "eth4", true)?;
        say!("cable        eth4 of {first} was plugged in");
        self.free_vip_is("present", plugged)?;
        let more = self.lab.eventually(plugged, PATIENCE, |lab| {
            let now = instance(lab, PREFERRED)?.address(FREE_VIP).map_or(0, |vip| vip.announced);
            Ok((now > announced).then_some(()))
        })?;
        let ((), took) = more.with_context(|| format!("{FREE_VIP} was not announced again"))?;
        say!("cable        {FREE_VIP} was announced again after {} ms", took.as_millis());
        let there = self.lab.network.has(first, FREE_VIP)?;
        self.expect(there, || format!("the kernel of {first} has no {FREE_VIP}"));
        self.reachable("cable", plugged, FREE_VIP, PREFERRED, "eth4")?;

        let (after, second_after) = (self.instance(PREFERRED)?, self.instance(SECOND)?);
        let turns = |instance: &Instance| (instance.became_master, instance.released_master);
        self.expect(turns(&before) == turns(&after), || format!("{first} changed its state"));
        self.expect(turns(&second_before) == turns(&second_after), || {
            format!("{second} changed its state")
        });
        let prevented = |instance: &Instance| instance.address(FREE_VIP).map(|vip| vip.prevented);
        self.expect(prevented(&after) > prevented(&before), || {
            "no prevented fault was counted".to_owned()
        });
        let rejected = after.rejected + second_after.rejected;
        self.expect(rejected == 0, || format!("{rejected} packets were rejected"));
        Ok(())
    }

    /// Waits for the preferred router to be master and the other to be its backup.
    fn settled(&mut self, from: Instant) -> Result<Duration> {
        let settled = self.lab.eventually(from, PATIENCE, |lab| {
            let mut states = Vec::new();
            for index in [PREFERRED, SECOND] {
                // Its socket may not be there yet.
                states.push(lab.daemon(index)?.status().ok().and_then(state).unwrap_or_default());
            }
            Ok((states == ["MASTER", "BACKUP"]).then_some(()))
        })?;
        let ((), took) = settled.with_context(|| {
            format!("{} did not become MASTER of {INSTANCE}", ROUTERS[PREFERRED].name)
        })?;
        Ok(took)
    }

    /// Waits until the host reaches `address`, and reaches it on that router.
    fn reachable(
        &mut self,
        act: &str,
        from: Instant,
        address: Ipv4Addr,
        router: usize,
        interface: &str,
    ) -> Result<()> {
        let name = ROUTERS[router].name;
        let mac = self.lab.network.mac(name, interface)?;
        let pinger = &mut self.pinger;
        let reached = self.lab.eventually(from, PATIENCE, |lab| {
            let answered = pinger.answered(address, ECHO)?;
            let there = lab.network.neighbour(address)?.as_deref() == Some(&mac);
            Ok((answered && there).then_some(()))
        })?;
        let ((), took) = reached
            .with_context(|| format!("{act}: the host does not reach {address} on {name}"))?;
        let act = format!("{act:12}");
        say!("{act} the host reaches {address} on {name} after {} ms", took.as_millis());
        Ok(())
    }

    fn free_vip_is(&mut self, state: &str, from: Instant) -> Result<()> {
        let name = ROUTERS[PREFERRED].name;
        let seen = self.lab.eventually(from, PATIENCE, |lab| {
            let instance = instance(lab, PREFERRED)?;
            Ok(instance.address(FREE_VIP).is_some_and(|vip| vip.state == state).then_some(()))
        })?;
        let ((), took) =
            seen.with_context(|| format!("{FREE_VIP} on {name} did not become {state}"))?;
        say!("cable        {FREE_VIP} on {name} is {state} after {} ms", took.as_millis());
        Ok(())
    }

    fn announced(&mut self) -> Result<u64> {
        let instance = self.instance(PREFERRED)?;
        let vip = instance.address(FREE_VIP).context("the no_track address is not shown")?;
        Ok(vip.announced)
    }

    fn instance(&mut self, router: usize) -> Result<Instance> {
        instance(self.lab, router)
    }

    fn expect(&mut self, happened: bool, otherwise: impl FnOnce() -> String) {
        if !happened {
            self.failures.push(otherwise());
        }
    }
}

fn instance(lab: &mut Lab, router: usize) -> Result<Instance> {
    let status = lab.daemon(router)?.status()?;
    status.instance(INSTANCE).cloned().with_context(|| format!("no {INSTANCE} is shown"))
}

fn master(lab: &mut Lab, router: usize) -> Result<Option<()>> {
    Ok((instance(lab, router)?.state == "MASTER").then_some(()))
}

fn state(status: super::status::Status) -> Option<String> {
    status.instance(INSTANCE).map(|instance| instance.state.clone())
}
