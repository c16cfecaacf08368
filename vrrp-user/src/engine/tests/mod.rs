//! Does each event do what the RFCs and keepalived say.
mod active;
mod backup;
mod demote;
mod digest;
mod expected;
mod faults;
mod groups;
mod history;
mod initialize;
mod invariants;
mod reload;
mod together;
mod tracked;
mod transition;

use super::Engine;
use super::input::{Advert, Heard, Input, LinkAddresses, LinkState, Stamp};
use super::output::{Expectation, Output, Why};
use super::snapshot::{RouterSnapshot, State};
use crate::config::model::{Config, Instance, Name, Vip};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use vrrp_common::ident::{Family, Priority, RouterId, Version, Vrid};
use vrrp_common::time::Instant;
use vrrp_common::wire::vrrp::Header;

pub(super) const ROUTER: RouterId = RouterId(0);
pub(super) const PEER: u8 = 251;
pub(super) const MS: Duration = Duration::from_millis(1);

/// One engine with a clock and a stamp to set.
pub(super) struct Rig {
    pub(super) engine: Engine,
    pub(super) now: Instant,
    pub(super) stamp: Stamp,
}

impl Heard for Stamp {
    fn stamp(&self, _: RouterId) -> Stamp {
        *self
    }
}

impl Rig {
    /// Interfaces work, and nothing is configured.
    pub(super) fn new() -> Self {
        let now = Instant::from_nanos(1_000_000_000_000);
        let mut rig = Self { engine: Engine::new(), now, stamp: Stamp::default() };
        for name in ["eth0", "eth4", "eth5"] {
            assert_eq!(rig.tell(up(name)), []);
        }
        rig
    }

    /// Starts one instance and forgets what that said.
    pub(super) fn with(instance: Instance) -> Self {
        let mut rig = Self::new();
        rig.load([instance]);
        rig
    }

    /// The fixture, as master after the down interval.
    pub(super) fn active(instance: Instance) -> Self {
        let mut rig = Self::with(instance);
        if rig.state() == State::Backup {
            rig.expire();
        }
        assert_eq!(rig.state(), State::Active);
        rig
    }

    pub(super) fn tell(&mut self, input: Input) -> Vec<Output> {
        self.engine.handle(self.now, input, &self.stamp);
        std::iter::from_fn(|| self.engine.poll()).collect()
    }

    pub(super) fn load(&mut self, instances: impl IntoIterator<Item = Instance>) -> Vec<Output> {
        let instances = instances.into_iter().map(Arc::new).collect();
        self.tell(Input::Reload(Arc::new(Config { instances, ..Config::default() })))
    }

    pub(super) fn pass(&mut self, time: Duration) -> &mut Self {
        self.now = self.now + time;
        self
    }

    /// Waits for the next deadline.
    pub(super) fn expire(&mut self) -> Vec<Output> {
        self.now = self.now.max(self.engine.deadline().unwrap());
        self.tell(Input::Deadline)
    }

    /// An advert of priority `priority` from host `host`, now.
    pub(super) fn hear(&mut self, host: u8, priority: u8) -> Vec<Output> {
        let advert = self.advert(host, priority, 100);
        self.tell(Input::Advert(advert))
    }

    pub(super) fn advert(&self, host: u8, priority: u8, centis: u16) -> Advert {
        let version = self.router().instance.version;
        Advert {
            router: ROUTER,
            at: self.now,
            source: v4(host),
            header: header(version, priority, centis),
            same_addresses: true,
            remarks: 0,
        }
    }

    pub(super) fn router(&self) -> RouterSnapshot {
        self.engine.router_snapshot(ROUTER).unwrap()
    }

    pub(super) fn state(&self) -> State {
        self.router().state
    }

    /// Time until the next deadline.
    pub(super) fn wait(&self) -> Duration {
        self.engine.deadline().unwrap().since(self.now)
    }
}

pub(super) fn v4(host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, host))
}

pub(super) fn header(version: Version, priority: u8, centis: u16) -> Header {
    let [high, low] = centis.to_be_bytes();
    match version {
        Version::V3 => Header([0x31, 10, priority, 2, high, low, 0, priority]),
        Version::V2 => Header([0x21, 10, priority, 2, 0, low / 100, 0, priority]),
    }
}

pub(super) fn addresses() -> LinkAddresses {
    let v6 = Some("fe80::10".parse().unwrap());
    LinkAddresses { v4: Some(Ipv4Addr::new(192, 0, 2, 10)), v6 }
}

pub(super) fn up(name: &str) -> Input {
    Input::Link { name: name.into(), state: LinkState::Up(addresses()) }
}

pub(super) fn down(name: &str) -> Input {
    Input::Link { name: name.into(), state: LinkState::Down(addresses()) }
}

pub(super) fn gone(name: &str) -> Input {
    Input::Link { name: name.into(), state: LinkState::Missing }
}

pub(super) fn vip(host: u8, dev: &str) -> Vip {
    Vip::new(v4(host), 24, dev)
}

/// VRID 10 on eth0 at priority 100 and a second, with two addresses.
pub(super) fn fixture() -> Instance {
    let mut instance = Instance::new("one", "eth0", Vrid::new(10).unwrap(), Family::V4);
    instance.version = Version::V3;
    instance.answer_lower = true;
    instance.addresses = vec![vip(1, "eth0"), vip(2, "eth0")];
    instance.garp.delay = Duration::ZERO;
    instance
}

pub(super) fn fixture_v2() -> Instance {
    Instance { version: Version::V2, answer_lower: false, ..fixture() }
}

pub(super) fn advert(priority: u8) -> Output {
    Output::Advert { router: ROUTER, priority: Priority(priority) }
}

pub(super) fn own(own: bool) -> Output {
    Output::Own { router: ROUTER, own, announce: if own { 5 } else { 0 } }
}

pub(super) fn announce(times: u32) -> Output {
    Output::Announce { router: ROUTER, times }
}

pub(super) fn lower_heard() -> Output {
    Output::LowerHeard { router: ROUTER }
}

pub(super) fn transition(from: State, to: State, priority: u8, why: Why) -> Output {
    Output::Transition { router: ROUTER, from, to, priority: Priority(priority), why }
}

/// What an output list asks the dataplane to expect, if it says anything of it.
pub(super) fn expectation(outputs: &[Output]) -> Option<Option<Expectation>> {
    outputs.iter().rev().find_map(|output| match output {
        Output::Expect { expectation, .. } => Some(*expectation),
        _ => None,
    })
}

pub(super) fn name(text: &str) -> Name {
    text.into()
}

/// Whatever comes, in whatever order, and for routers that do not exist.
#[test]
fn inputs_for_unknown_routers_change_nothing() {
    let mut rig = Rig::with(fixture());
    let mut stray = rig.advert(PEER, 200, 100);
    stray.router = RouterId(77);
    let before = format!("{:?}", rig.engine.snapshot());
    for input in [
        Input::Advert(stray),
        Input::Lost { router: RouterId(9), address: 0 },
        Input::Lost { router: ROUTER, address: 99 },
        Input::Announce(RouterId(u32::MAX)),
        Input::Missed(RouterId(3)),
        Input::Deadline,
        gone("eth9"),
    ] {
        assert_eq!(rig.tell(input), []);
    }
    assert_eq!(format!("{:?}", rig.engine.snapshot()), before);
}

#[test]
fn a_router_is_small() {
    assert!(size_of::<crate::engine::router::Router>() <= 640);
}

#[test]
fn sixty_five_thousand_routers_start_and_fire_in_turn() {
    let mut rig = Rig::new();
    let instances = (0..65_536u32).map(|number| {
        let vrid = Vrid::new(u8::try_from(number % 255 + 1).unwrap()).unwrap();
        let interface = format!("eth{}", number % 1000);
        Instance::new(format!("vr{number}"), interface, vrid, Family::V4)
    });
    let instances: Vec<_> = instances.collect();
    rig.load(instances);
    assert_eq!(rig.engine.snapshot().len(), 65_536);
    // Only three of the interfaces exist.
    for _ in 0..10 {
        rig.expire();
    }
    let active = rig.engine.snapshot().iter().filter(|r| r.state == State::Active).count();
    assert_eq!(active, 198);
    rig.tell(Input::Shutdown);
    assert_eq!(rig.engine.deadline(), None);
}
