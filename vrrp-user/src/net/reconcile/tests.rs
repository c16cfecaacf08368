//! Is what is planned what is wanted, whatever the kernel tells and in whatever order?
use super::super::change::Device;
use super::*;
use crate::config::model::Treatment;
use crate::engine::input::{LinkAddresses, LinkState};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;
use vrrp_common::ident::{Family, Mac, Vrid};

/// A kernel that tells what it does, as far as it matters here.
#[derive(Default)]
struct Kernel {
    links: BTreeMap<Name, Device>,
    addresses: Vec<Held>,
    told: Vec<Change>,
    next: u32,
    /// It knows none of the newer flags.
    forgetful: bool,
}

impl Kernel {
    fn plug(&mut self, name: &str) {
        self.next += 1;
        let device = Device {
            ifindex: self.next,
            name: name.into(),
            mac: Mac([2; 6]),
            mtu: 1500,
            up: true,
            admin_up: true,
            promotes: true,
            carrier_changes: 0,
        };
        self.told.push(Change::Link(device.clone()));
        self.links.insert(name.into(), device);
    }

    fn unplug(&mut self, name: &str) {
        self.set(name, false);
        let Some(device) = self.links.remove(name) else { return };
        self.flush(|held| held.place.ifindex == device.ifindex);
        self.told.push(Change::LinkGone { ifindex: device.ifindex });
    }

    fn set(&mut self, name: &str, up: bool) {
        let Some(device) = self.links.get_mut(name) else { return };
        (device.up, device.admin_up) = (up, up);
        device.carrier_changes += 1;
        let ifindex = device.ifindex;
        self.told.push(Change::Link(device.clone()));
        if !up {
            self.flush(|held| held.place.ifindex == ifindex && held.place.address.is_ipv6());
        }
    }

    fn flush(&mut self, which: impl Fn(&Held) -> bool) {
        for held in self.addresses.extract_if(.., |held| which(held)) {
            self.told.push(Change::AddressGone(held.place));
        }
    }

    fn add(&mut self, place: Place, look: &Look, ours: bool) -> Outcome {
        let refuse = |errno| Err(Refusal { errno, why: None });
        if !self.links.values().any(|device| device.ifindex == place.ifindex) {
            return refuse(Errno::NODEV);
        }
        let same = |held: &Held| {
            held.place.ifindex == place.ifindex
                && held.place.address == place.address
                && ((held.place.prefix, held.place.peer) == (place.prefix, place.peer)
                    || place.address.is_ipv6())
        };
        if self.addresses.iter().any(same) {
            return refuse(Errno::EXIST);
        }
        let mut look = look.clone();
        self.forgetful.then(|| look.treatment = Treatment::default());
        let held = Held { ours, ..Held::asked(place, &look) };
        self.addresses.push(held.clone());
        self.told.push(Change::Address(held));
        Ok(())
    }

    fn execute(&mut self, operation: &Operation) -> Outcome {
        match operation {
            Operation::AddAddress { place, look } => self.add(*place, look, true),
            Operation::DeleteAddress(place) => {
                let before = self.addresses.len();
                self.flush(|held| held.place == *place);
                if self.addresses.len() == before {
                    return Err(Refusal { errno: Errno::ADDRNOTAVAIL, why: None });
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn has(&self, vip: &Vip) -> bool {
        self.links.get(&vip.dev).is_some_and(|device| {
            let place = Slot::of(vip).place(device.ifindex);
            self.addresses.iter().any(|held| held.place == place)
        })
    }
}

/// Both together.
#[derive(Default)]
struct World {
    kernel: Kernel,
    reconciler: Reconciler,
    now: Instant,
    lost: Vec<User>,
    announced: Vec<Announcement>,
}

impl World {
    fn new() -> Self {
        let mut world = Self::default();
        world.kernel.plug("e0");
        world.kernel.plug("e4");
        world
    }

    /// Until there is nothing left to do. Returns the operations it took.
    fn settle(&mut self) -> usize {
        let mut count = 0;
        for _ in 0..50 {
            for change in std::mem::take(&mut self.kernel.told) {
                self.reconciler.apply(change);
            }
            let operations = self.reconciler.plan(self.now);
            if operations.is_empty() {
                self.lost.extend(self.reconciler.take_lost());
                self.announced.extend(self.reconciler.take_announcements());
                return count;
            }
            count += operations.len();
            let outcomes: Vec<_> = operations.iter().map(|o| self.kernel.execute(o)).collect();
            for change in std::mem::take(&mut self.kernel.told) {
                self.reconciler.apply(change);
            }
            for (operation, outcome) in operations.iter().zip(outcomes) {
                self.reconciler.done(operation, outcome);
            }
        }
        panic!("it never comes to rest");
    }

    /// Everything is told from the beginning; what was not told yet is lost.
    fn list(&mut self) {
        self.kernel.told.clear();
        self.reconciler.begin_listing();
        for device in self.kernel.links.values() {
            self.reconciler.apply(Change::Link(device.clone()));
        }
        for held in self.kernel.addresses.clone() {
            self.reconciler.apply(Change::Address(held));
        }
        self.reconciler.finish_listing();
    }

    fn reports(&mut self) -> HashMap<RouterId, OwnedReport> {
        let reports = self.reconciler.take_reports();
        reports.into_iter().filter_map(|(id, report)| Some((id, report?))).collect()
    }
}

fn vip(address: &str, prefix: u8, dev: &str, no_track: bool) -> Vip {
    let address = address.parse().unwrap();
    Vip { no_track, ..Vip::new(address, prefix, dev) }
}

fn instance(vips: Vec<Vip>) -> Arc<Instance> {
    let mut instance = Instance::new("A", "e0", Vrid::new(1).unwrap(), Family::V4);
    instance.addresses = vips;
    Arc::new(instance)
}

const A: RouterId = RouterId(0);
const B: RouterId = RouterId(1);

/// A reload that changes a label or an IPv6 prefix replaces the address.
#[test]
fn reload() {
    let mut world = World::new();
    let before = vec![vip("10.0.0.1", 24, "e4", true), vip("2001:db8::1", 64, "e4", true)];
    let mut after = before.clone();
    after[0].label = Some("e4:x".into());
    after[1].prefix = 128;
    world.reconciler.router(A, instance(before.clone()));
    world.reconciler.own(A, true, 1);
    world.settle();
    assert!(before.iter().all(|vip| world.kernel.has(vip)));
    world.reconciler.router(A, instance(before.clone()));
    assert_eq!(world.settle(), 0, "nothing is different");
    world.reconciler.router(A, instance(after.clone()));
    assert_eq!(world.settle(), 4);
    assert!(after.iter().all(|vip| world.kernel.has(vip)));
    assert!(!world.kernel.has(&before[1]));
    let report = &world.reports()[&A];
    assert!(report.addresses.iter().all(|a| a.presence == Presence::Present && a.repaired == 0));
    assert_eq!(world.lost, []);
    // Only on another interface, and only the second one.
    world.reconciler.router(A, instance(vec![vip("2001:db8::1", 128, "e0", true)]));
    world.settle();
    assert!(!after.iter().any(|vip| world.kernel.has(vip)));
    assert_eq!(world.kernel.addresses.len(), 1);
}

/// What someone changed of an address is put right, and what the kernel makes of it is not fought.
#[test]
fn altered() {
    let mut world = World::new();
    world.kernel.forgetful = true;
    let mut vips = vec![vip("10.0.0.1", 24, "e4", true), vip("2001:db8::1", 64, "e4", true)];
    vips[0].peer = Some([10, 0, 1, 1].into());
    vips[1].treatment.no_prefix_route = true;
    world.reconciler.router(A, instance(vips.clone()));
    world.reconciler.own(A, true, 1);
    assert_eq!(world.settle(), 2);
    assert!(vips.iter().all(|vip| world.kernel.has(vip)));
    world.list();
    assert_eq!(world.settle(), 0, "it is made no better");
    for number in 0..2 {
        let held = &mut world.kernel.addresses[number];
        held.look.preferred = 0;
        held.ours = false;
        world.kernel.told.push(Change::Address(held.clone()));
        assert_eq!(world.settle(), 2);
    }
    assert!(world.kernel.addresses.iter().all(|held| held.look.preferred == u32::MAX));
    assert_eq!(world.lost, []);
    // What was there before is left alone.
    let (before, ifindex) = (vip("10.0.0.7", 24, "e0", true), world.kernel.links["e0"].ifindex);
    let look = Look { preferred: 0, ..Look::of(&before) };
    world.kernel.add(Slot::of(&before).place(ifindex), &look, false).unwrap();
    world.settle();
    world.reconciler.router(B, instance(vec![before]));
    world.reconciler.own(B, true, 1);
    assert_eq!(world.settle(), 0);
    world.reconciler.own(B, false, 1);
    world.reconciler.forget(B);
    assert_eq!(world.settle(), 1);
    // Another peer is another IPv4 address.
    vips[0].peer = None;
    world.reconciler.router(A, instance(vips.clone()));
    assert_eq!(world.settle(), 2);
    assert!(vips.iter().all(|vip| world.kernel.has(vip)));
    assert_eq!(world.kernel.addresses.len(), 2);
    // Another host has it: that is said.
    world.kernel.addresses[0].duplicate = true;
    world.list();
    world.settle();
    let said = Presence::Failed(DUPLICATE.to_owned());
    assert!(world.reports()[&A].addresses.iter().any(|address| address.presence == said));
}

/// Someone removes it again and again: put back at once, but not for ever at once.
#[test]
fn fight() {
    let mut world = World::new();
    let vips = vec![vip("10.0.0.1", 24, "e4", true)];
    world.reconciler.router(A, instance(vips.clone()));
    world.reconciler.own(A, true, 1);
    world.settle();
    let mut repairs = 0;
    for _ in 0..100 {
        world.kernel.flush(|_| true);
        repairs += world.settle();
    }
    assert_eq!(repairs, 10);
    assert!(!world.kernel.has(&vips[0]));
    let deadline = world.reconciler.deadline().unwrap();
    assert!(deadline.since(world.now) <= Duration::from_secs(1));
    world.now = deadline;
    assert_eq!(world.settle(), 1);
    assert!(world.kernel.has(&vips[0]));
}

/// The address the owner's interface already has is its own: the source of adverts, and left alone.
#[test]
fn owner() {
    let mut world = World::new();
    let own = vip("10.0.0.1", 24, "e0", false);
    let mut owner = Instance::clone(&instance(vec![own.clone()]));
    owner.priority = Priority::OWNER;
    let ifindex = world.kernel.links["e0"].ifindex;
    world.kernel.add(Slot::of(&own).place(ifindex), &Look::of(&own), false).unwrap();
    world.reconciler.router(A, Arc::new(owner.clone()));
    world.settle();
    let source = |world: &mut World| {
        let links = world.reconciler.take_links();
        links.iter().find(|link| &*link.name == "e0").map(|link| link.state)
    };
    let v4 = Some([10, 0, 0, 1].into());
    assert_eq!(source(&mut world), Some(LinkState::Up(LinkAddresses { v4, v6: None })));
    world.reconciler.own(A, true, 1);
    assert_eq!(world.settle(), 0);
    assert_eq!(world.announced.len(), 1);
    world.reconciler.own(A, false, 1);
    assert_eq!(world.settle(), 0);
    assert!(world.kernel.has(&own));
    // To everyone else it is a virtual address that is not owned.
    owner.priority = Priority::DEFAULT;
    world.reconciler.router(A, Arc::new(owner));
    world.settle();
    assert!(!world.kernel.has(&own));
    let none = LinkAddresses::default();
    assert_eq!(source(&mut world), Some(LinkState::Up(none)));
}

/// While a flap is told only by the carrier's count, addresses are announced anew all the same.
#[test]
fn unseen_flap() {
    let mut world = World::new();
    world.reconciler.router(A, instance(vec![vip("10.0.0.1", 24, "e4", true)]));
    world.reconciler.own(A, true, 3);
    world.settle();
    let times = |world: &World| world.announced.iter().map(|a| a.times).collect::<Vec<_>>();
    assert_eq!(times(&world), [3]);
    world.kernel.set("e4", false);
    world.kernel.set("e4", true);
    world.list();
    world.settle();
    assert_eq!(times(&world), [3, 5], "garp_master_repeat's default");
    assert!(world.announced[1].returned);
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Own(usize, bool),
    Router(usize, bool),
    Link(bool, bool),
    Plug(bool, bool),
    Foreign(usize),
    Lapse,
    Settle,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        (0..3_usize, any::<bool>()).prop_map(|(router, own)| Action::Own(router, own)),
        (0..3_usize, any::<bool>()).prop_map(|(router, there)| Action::Router(router, there)),
        any::<(bool, bool)>().prop_map(|(first, up)| Action::Link(first, up)),
        any::<(bool, bool)>().prop_map(|(first, up)| Action::Plug(first, up)),
        (0..8_usize).prop_map(Action::Foreign),
        Just(Action::Lapse),
        Just(Action::Settle),
    ];
    proptest::collection::vec(action, 1..60)
}

proptest! {
    /// Whatever happens: in the end an address is in the kernel exactly where someone wants it and
    /// its interface exists, every report says so, and no tracked address is put back behind the
    /// engine's back.
    #[test]
    fn ends_as_wanted(actions in actions()) {
        let all = [
            vip("10.0.0.1", 24, "e0", false),
            vip("10.0.0.1", 32, "e0", true),
            vip("10.0.0.2", 24, "e4", true),
            vip("10.0.0.3", 24, "e4", false),
            vip("2001:db8::1", 64, "e4", true),
            vip("2001:db8::2", 64, "e4", false),
        ];
        // Of some addresses there are two owners.
        let sets = [all[..4].to_vec(), all[2..].to_vec(), vec![all[0].clone(), all[4].clone()]];
        let mut world = World::new();
        let mut known = [false; 3];
        let mut owns = [false; 3];
        let name = |first| if first { "e0" } else { "e4" };
        for action in actions {
            match action {
                Action::Own(router, own) => {
                    world.reconciler.own(RouterId(u32::try_from(router).unwrap()), own, 1);
                    owns[router] = own && known[router];
                }
                Action::Router(router, true) => {
                    let id = RouterId(u32::try_from(router).unwrap());
                    world.reconciler.router(id, instance(sets[router].clone()));
                    known[router] = true;
                }
                Action::Router(router, false) => {
                    world.reconciler.forget(RouterId(u32::try_from(router).unwrap()));
                    (known[router], owns[router]) = (false, false);
                }
                Action::Link(first, up) => world.kernel.set(name(first), up),
                Action::Plug(first, true) => {
                    if !world.kernel.links.contains_key(name(first)) {
                        world.kernel.plug(name(first));
                    }
                }
                Action::Plug(first, false) => world.kernel.unplug(name(first)),
                Action::Foreign(number) => {
                    let place = world.kernel.addresses.get(number).map(|held| held.place);
                    world.kernel.flush(|held| Some(held.place) == place);
                }
                Action::Lapse => world.list(),
                Action::Settle => {
                    world.settle();
                }
            }
        }
        world.settle();
        // The engine's answer to a lost tracked address: give up, and take over again.
        for (router, _) in std::mem::take(&mut world.lost) {
            if owns[router.index()] {
                world.reconciler.own(router, false, 1);
                world.reconciler.own(router, true, 1);
            }
        }
        world.now = world.now + Duration::from_secs(5);
        world.settle();
        for vip in &all {
            let users = (0..3).filter(|n| sets[*n].contains(vip));
            let wanted = users.clone().any(|n| owns[n]);
            let device = world.kernel.links.get(&vip.dev);
            prop_assert_eq!(world.kernel.has(vip), wanted && device.is_some(), "{:?}", vip);
        }
        let reports: Vec<_> = (0..3_u32).map(|n| world.reconciler.report(RouterId(n))).collect();
        for n in 0..3 {
            prop_assert_eq!(reports[n].is_some(), known[n]);
            for (vip, report) in sets[n].iter().zip(reports[n].iter().flat_map(|r| &r.addresses)) {
                let expected = match world.kernel.links.get(&vip.dev) {
                    _ if !owns[n] => Presence::Absent,
                    None => Presence::PendingNoDevice,
                    Some(device) if device.up => Presence::Present,
                    Some(_) => Presence::PendingLinkDown,
                };
                prop_assert_eq!(&report.presence, &expected, "{:?} of {}", vip, n);
            }
        }
    }
}

/// What was removed by hand while nobody owned it is nobody's loss; what is tracked waits.
#[test]
fn tracked_waits() {
    let mut world = World::new();
    let vips = vec![vip("10.0.0.1", 24, "e4", false), vip("10.0.0.2", 24, "e4", true)];
    world.reconciler.router(A, instance(vips.clone()));
    world.reconciler.router(B, instance(vec![vips[0].clone()]));
    world.reconciler.own(A, true, 1);
    world.settle();
    world.kernel.flush(|_| true);
    world.settle();
    assert_eq!(world.lost, [(A, 0), (A, 1)]);
    assert!(!world.kernel.has(&vips[0]) && world.kernel.has(&vips[1]));
    // Another router that takes over is another matter.
    world.reconciler.own(B, true, 1);
    world.settle();
    assert!(world.kernel.has(&vips[0]));
    assert_eq!(world.reports()[&A].addresses[0].presence, Presence::Absent);
}

/// A removal of ours whose answer was lost is over: who removes something later is to blame.
#[test]
fn unanswered_removal() {
    let mut world = World::new();
    world.reconciler.router(A, instance(vec![vip("10.0.0.1", 24, "e4", false)]));
    world.reconciler.router(B, instance(vec![vip("10.0.0.2", 24, "e4", false)]));
    world.reconciler.own(A, true, 1);
    world.reconciler.own(B, true, 1);
    world.settle();
    world.reconciler.own(B, false, 0);
    for operation in world.reconciler.plan(world.now) {
        world.kernel.execute(&operation).unwrap();
    }
    world.list();
    world.settle();
    assert_eq!((world.lost.len(), world.kernel.addresses.len()), (0, 1));
    world.kernel.flush(|_| true);
    world.settle();
    assert_eq!(world.lost, [(A, 0)]);
}
