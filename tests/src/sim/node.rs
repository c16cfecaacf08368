//! One router host: an engine, and a model of the dataplane before it.
use super::fabric::Packet;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use vrrp_common::ident::{Family, Priority, RouterId, Version};
use vrrp_common::time::{Centis, Instant};
use vrrp_common::wire::vrrp::{Advert as Message, Header, Timing};
use xvrrp::config::model::{Config, Instance};
use xvrrp::config::tracked::SyncGroup;
use xvrrp::engine::Engine;
use xvrrp::engine::input::{Advert, Heard, Input, LinkAddresses, LinkState, Stamp};
use xvrrp::engine::output::{Expectation, Output, Why};
use xvrrp::engine::snapshot::{RouterSnapshot, State};

/// How adverts reach the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Path {
    /// Expected ones only leave a stamp. An expectation takes effect this long after it was asked
    /// for.
    Fast(Duration),
    /// The engine is told of each.
    Slow,
}

/// A node.
#[derive(Clone)]
pub struct Node {
    /// Last byte of its address.
    pub host: u8,
    /// How adverts reach the engine.
    pub path: Path,
    /// What it is configured to do.
    pub instances: Vec<Instance>,
    /// And its sync groups.
    pub groups: Vec<Arc<SyncGroup>>,
    /// Which interfaces work.
    pub links: BTreeMap<&'static str, bool>,
    /// It handles nothing, though its dataplane goes on.
    pub paused: bool,
    engine: Option<Engine>,
    dataplane: Dataplane,
    wakes: u64,
}

/// What the XDP program and its maps would hold.
#[derive(Clone, Default)]
struct Dataplane {
    routers: BTreeMap<RouterId, Rule>,
    /// What changes later, and when.
    pending: VecDeque<(Instant, RouterId, Option<Expectation>)>,
    inbox: VecDeque<Advert>,
    news: u64,
}

#[derive(Clone)]
struct Rule {
    instance: Arc<Instance>,
    source: Option<IpAddr>,
    expectation: Option<Expectation>,
    stamp: Stamp,
}

impl Heard for Dataplane {
    fn stamp(&self, router: RouterId) -> Stamp {
        self.routers.get(&router).map(|rule| rule.stamp).unwrap_or_default()
    }
}

/// What a node did that others can see.
pub enum Deed {
    /// It sent an advert.
    Sent(Packet),
    /// It changed its state.
    Changed {
        /// The name of the router.
        name: String,
        /// From this state.
        from: State,
        /// To this one.
        to: State,
        /// Why.
        why: Why,
    },
}

impl Node {
    /// A node that is not running.
    pub fn new(host: u8, path: Path, instances: Vec<Instance>) -> Self {
        Self {
            host,
            path,
            instances,
            groups: Vec::new(),
            links: BTreeMap::from([("eth0", true), ("eth4", true)]),
            paused: false,
            engine: None,
            dataplane: Dataplane::default(),
            wakes: 0,
        }
    }

    /// Whether its process lives.
    pub fn alive(&self) -> bool {
        self.engine.is_some()
    }

    /// Adverts that woke its engine.
    pub fn news(&self) -> u64 {
        self.dataplane.news
    }

    /// Deadlines that woke it.
    pub fn wakes(&self) -> u64 {
        self.wakes
    }

    /// Its routers.
    pub fn snapshot(&self) -> Vec<RouterSnapshot> {
        self.engine.as_ref().map(Engine::snapshot).unwrap_or_default()
    }

    /// When it wants to be woken.
    pub fn deadline(&self) -> Option<Instant> {
        self.engine.as_ref().filter(|_| !self.paused)?.deadline()
    }

    /// Feeds what decides what it will do to `into`, for a dataplane that is told at once: what
    /// that expects is what the engine does.
    pub fn digest(&self, now: Instant, into: &mut impl Hasher) {
        self.paused.hash(into);
        self.alive().hash(into);
        let Some(engine) = &self.engine else { return };
        engine.digest(now, &self.dataplane, into);
        for advert in &self.dataplane.inbox {
            (advert.source, advert.header.0, now.since(advert.at)).hash(into);
        }
    }

    /// Its process starts.
    pub fn start(&mut self, now: Instant, deeds: &mut Vec<Deed>) {
        if self.alive() {
            return;
        }
        self.engine = Some(Engine::new());
        self.dataplane = Dataplane::default();
        self.paused = false;
        for name in ["eth0", "eth4"] {
            self.tell_link(now, name, deeds);
        }
        self.reload(now, deeds);
    }

    /// Its process dies without a word.
    pub fn kill(&mut self) {
        self.engine = None;
    }

    /// Its process ends as it should.
    pub fn stop(&mut self, now: Instant, deeds: &mut Vec<Deed>) {
        self.resume(now, deeds);
        self.tell(now, Input::Shutdown, deeds);
        self.engine = None;
    }

    /// Its process handles what has come meanwhile.
    pub fn resume(&mut self, now: Instant, deeds: &mut Vec<Deed>) {
        self.paused = false;
        self.drain(now, deeds);
        self.tell(now, Input::Deadline, deeds);
    }

    /// Its configuration is read again.
    pub fn reload(&mut self, now: Instant, deeds: &mut Vec<Deed>) {
        let instances = self.instances.iter().cloned().map(Arc::new).collect();
        let config = Config { instances, groups: self.groups.clone(), ..Config::default() };
        self.tell(now, Input::Reload(Arc::new(config)), deeds);
    }

    /// One of its interfaces changes.
    pub fn set_link(&mut self, now: Instant, name: &'static str, up: bool, deeds: &mut Vec<Deed>) {
        self.links.insert(name, up);
        self.tell_link(now, name, deeds);
    }

    /// Someone removes the first address of its router number `index`.
    pub fn lose(&mut self, now: Instant, index: usize, deeds: &mut Vec<Deed>) {
        let name = &self.instances[index].name;
        let found = self.engine.as_ref().and_then(|engine| engine.find(name));
        if let Some(router) = found {
            self.tell(now, Input::Lost { router, address: 0 }, deeds);
        }
    }

    /// A packet arrives.
    pub fn receive(&mut self, now: Instant, packet: &Packet, deeds: &mut Vec<Deed>) {
        if self.alive() && self.links[&*packet.lan] {
            self.dataplane.receive(now, self.path, packet);
            if !self.paused {
                self.drain(now, deeds);
            }
        }
    }

    /// Its deadline has come.
    pub fn wake(&mut self, now: Instant, deeds: &mut Vec<Deed>) {
        self.wakes += 1;
        // As the daemon: as a rule the master of a backup lives, and that is all.
        let Some(engine) = &mut self.engine else { return };
        engine.look(now, &self.dataplane);
        if engine.deadline().is_none_or(|deadline| deadline <= now) {
            self.tell(now, Input::Deadline, deeds);
        }
    }

    fn drain(&mut self, now: Instant, deeds: &mut Vec<Deed>) {
        while let Some(advert) = self.dataplane.inbox.pop_front() {
            self.dataplane.news += 1;
            self.tell(now, Input::Advert(advert), deeds);
        }
    }

    fn tell_link(&mut self, now: Instant, name: &'static str, deeds: &mut Vec<Deed>) {
        let addresses = LinkAddresses {
            v4: Some(Ipv4Addr::new(192, 0, 2, self.host)),
            v6: Some(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(self.host))),
        };
        let state = match self.links[name] {
            true => LinkState::Up(addresses),
            false => LinkState::Down(addresses),
        };
        self.tell(now, Input::Link { name: name.into(), state }, deeds);
    }

    fn tell(&mut self, now: Instant, input: Input, deeds: &mut Vec<Deed>) {
        let Some(engine) = &mut self.engine else { return };
        engine.handle(now, input, &self.dataplane);
        while let Some(output) = engine.poll() {
            deeds.extend(self.dataplane.carry_out(now, self.path, &self.links, output));
        }
        for group in &self.groups {
            let members = engine.snapshot();
            let mut members =
                members.iter().filter(|router| group.members.contains(&router.instance.name));
            let first = members.next().map(|router| router.state);
            assert!(
                members.all(|router| Some(router.state) == first),
                "members of {} differ",
                group.name
            );
        }
    }
}

impl Dataplane {
    fn receive(&mut self, now: Instant, path: Path, packet: &Packet) {
        while let Some((_, router, expectation)) =
            self.pending.pop_front_if(|(at, _, _)| *at <= now)
        {
            if let Some(rule) = self.routers.get_mut(&router) {
                rule.expectation = expectation;
            }
        }
        let header = packet.header;
        let Some((router, rule)) = self.routers.iter_mut().find(|(_, rule)| rule.takes(packet))
        else {
            return;
        };
        if let (Path::Fast(_), Some(expectation)) = (path, rule.expectation)
            && expectation.source == packet.source
            && expectation.header == header
        {
            rule.stamp = Stamp { at: now, generation: expectation.generation };
            return;
        }
        // RFC 9568 section 8.4.2: version 2 of a sender whose version 3 is expected.
        if let (Path::Fast(_), Some(expectation)) = (path, rule.expectation)
            && rule.instance.v2_interop
            && header.version() == 2
            && expectation.source == packet.source
            && expectation.header.version() == 3
        {
            return;
        }
        let same_addresses = rule
            .instance
            .addresses
            .iter()
            .map(|vip| vip.address)
            .eq(packet.addresses.iter().copied());
        let (router, at, source) = (*router, now, packet.source);
        let advert = Advert { router, at, source, header, same_addresses, remarks: 0 };
        self.inbox.push_back(advert);
    }

    fn carry_out(
        &mut self,
        now: Instant,
        path: Path,
        links: &BTreeMap<&'static str, bool>,
        output: Output,
    ) -> Vec<Deed> {
        match output {
            Output::Started { router, instance } => {
                let fresh = Rule {
                    instance: instance.clone(),
                    source: None,
                    expectation: None,
                    stamp: Stamp::default(),
                };
                self.routers.entry(router).or_insert(fresh).instance = instance;
            }
            Output::Stopped { router } => {
                self.routers.remove(&router);
                self.pending.retain(|(_, pending, _)| *pending != router);
                self.inbox.retain(|advert| advert.router != router);
            }
            Output::Source { router, source } => {
                if let Some(rule) = self.routers.get_mut(&router) {
                    rule.source = source;
                }
            }
            Output::Expect { router, expectation } => {
                let lag = match path {
                    Path::Fast(lag) => lag,
                    Path::Slow => Duration::ZERO,
                };
                self.pending.push_back((now + lag, router, expectation));
            }
            Output::Advert { router, priority } => {
                let works = |rule: &&Rule| links[&*rule.instance.interface];
                let rule = self.routers.get(&router).filter(works);
                return rule.map(|rule| rule.send(priority)).unwrap_or_default();
            }
            Output::Transition { router, from, to, why, .. } => {
                let rule = self.routers.get(&router);
                let name = rule.map(|rule| rule.instance.name.to_string()).unwrap_or_default();
                return vec![Deed::Changed { name, from, to, why }];
            }
            Output::Own { .. }
            | Output::Announce { .. }
            | Output::AnnounceElsewhere { .. }
            | Output::GroupTransition { .. }
            | Output::LowerHeard { .. }
            | Output::PriorityChanged { .. }
            | Output::Remark { .. } => {}
        }
        Vec::new()
    }
}

impl Rule {
    fn takes(&self, packet: &Packet) -> bool {
        let (instance, header) = (&self.instance, packet.header);
        instance.interface == packet.lan
            && instance.family == packet.family
            && instance.vrid.get() == header.vrid()
            && match instance.version {
                // RFC 3768 section 7.1 discards another interval.
                Version::V2 => {
                    header.version() == 2 && header.interval() == instance.advert_interval
                }
                // Section 8.4.2 of RFC 9568 takes any.
                Version::V3 => {
                    header.version() == 3 || instance.v2_interop && header.version() == 2
                }
            }
    }

    fn send(&self, priority: Priority) -> Vec<Deed> {
        self.instance.versions().filter_map(|version| self.send_in(version, priority)).collect()
    }

    fn send_in(&self, version: Version, priority: Priority) -> Option<Deed> {
        let instance = &self.instance;
        let interval = instance.advert_interval;
        let timing = match version {
            Version::V2 => Timing::V2 {
                seconds: u8::try_from(instance.interval_v2().as_secs()).ok()?,
                password: None,
            },
            Version::V3 => Timing::V3 {
                interval: Centis::new(u16::try_from(interval.as_millis() / 10).ok()?)?,
                checksum: instance.checksum.send,
            },
        };
        let addresses: Arc<[IpAddr]> = instance.addresses.iter().map(|vip| vip.address).collect();
        let message = Message { vrid: instance.vrid, priority, timing, addresses: &addresses };
        let group = match instance.family {
            Family::V4 => IpAddr::V4(vrrp_common::proto::GROUP_V4),
            Family::V6 => IpAddr::V6(vrrp_common::proto::GROUP_V6),
        };
        let mut buffer = [0; 128];
        let source = self.source?;
        let header = Header(*message.emit(source, group, &mut buffer)?.first_chunk()?);
        let (lan, family) = (instance.interface.clone(), instance.family);
        Some(Deed::Sent(Packet { lan, source, family, header, addresses }))
    }
}
