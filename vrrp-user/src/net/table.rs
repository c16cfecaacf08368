//! What is in the kernel: links, their addresses, routes and rules of ours, as far as it has told.
use super::change::{Change, Device, Held, Place};
use super::path::{Head, Path};
use super::task::Link;
use crate::config::model::{Name, Rule};
use crate::engine::input::{LinkAddresses, LinkState};
use foldhash::{HashMap, HashMapExt as _};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use vrrp_common::ident::Mac;

const SCOPE_HOST: u8 = 254;

/// Everything the kernel has told.
#[derive(Default, Debug)]
pub(crate) struct Table {
    links: BTreeMap<u32, Entry>,
    names: HashMap<Name, u32>,
    /// Those that matter.
    routes: BTreeMap<Head, BTreeSet<Path>>,
    rules: BTreeSet<Rule>,
    /// What a listing has not told yet.
    unseen: Unseen,
}

#[derive(Debug)]
struct Entry {
    device: Device,
    /// In the order they were told: the first is the one the kernel prefers.
    addresses: BTreeMap<u64, Held>,
    /// Where in that order each is.
    places: HashMap<Key, u64>,
    next: u64,
}

/// What the kernel tells addresses of one link apart by.
type Key = (IpAddr, u8, Option<IpAddr>);

/// Prefix and peer count only for IPv4.
fn key(place: &Place) -> Key {
    let Place { address, prefix, peer, .. } = *place;
    if address.is_ipv6() { (address, 0, None) } else { (address, prefix, peer) }
}

#[derive(Default, Debug)]
struct Unseen {
    links: BTreeSet<u32>,
    addresses: BTreeSet<Place>,
    routes: BTreeSet<Path>,
    rules: BTreeSet<Rule>,
}

/// What a change meant.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Effect {
    /// Names whose link may look different now.
    pub(crate) names: Vec<Name>,
    /// A link stopped working, or may have for a moment.
    pub(crate) fell: Option<Name>,
    /// An address was there before and is not any more.
    pub(crate) vanished: Option<Place>,
    /// A link has another name now: its index, and what it was called.
    pub(crate) renamed: Option<(u32, Name)>,
}

impl Table {
    /// Takes in what the kernel told.
    pub(crate) fn apply(&mut self, change: Change) -> Effect {
        match change {
            Change::Link(device) => self.link(device),
            Change::LinkGone { ifindex } => self.link_gone(ifindex),
            Change::Address(held) => self.address(held),
            Change::AddressGone(place) => self.address_gone(place),
            Change::Route(path, _) => {
                self.unseen.routes.remove(&path);
                self.routes.entry(path.head).or_default().insert(path);
                Effect::default()
            }
            Change::RouteGone(path) => {
                if let Some(paths) = self.routes.get_mut(&path.head) {
                    paths.remove(&path);
                    if paths.is_empty() {
                        self.routes.remove(&path.head);
                    }
                }
                Effect::default()
            }
            Change::Rule(rule) => {
                self.unseen.rules.remove(&rule);
                self.rules.insert(rule);
                Effect::default()
            }
            Change::RuleGone(rule) => {
                self.rules.remove(&rule);
                Effect::default()
            }
        }
    }

    fn link(&mut self, device: Device) -> Effect {
        let ifindex = device.ifindex;
        self.unseen.links.remove(&ifindex);
        let mut effect = Effect { names: vec![device.name.clone()], ..Effect::default() };
        match self.links.get_mut(&ifindex) {
            Some(entry) => {
                let old = std::mem::replace(&mut entry.device, device);
                let new = &entry.device;
                // A change of the carrier's count between two messages that say "up" is a flap
                // whose own messages were lost or merged.
                let flapped = old.up && new.up && old.carrier_changes != new.carrier_changes;
                // Under another Ethernet address its neighbours do not find it.
                let readdressed = old.up && old.mac != new.mac;
                if (old.up && !new.up) || flapped || readdressed || old.name != new.name {
                    effect.fell = Some(old.name.clone());
                }
                if old.name != new.name {
                    let name = new.name.clone();
                    effect.names.push(old.name.clone());
                    if self.names.get(&old.name) == Some(&ifindex) {
                        self.names.remove(&old.name);
                    }
                    self.names.insert(name, ifindex);
                    effect.renamed = Some((ifindex, old.name));
                }
            }
            None => {
                self.names.insert(device.name.clone(), ifindex);
                let (addresses, places) = (BTreeMap::new(), HashMap::new());
                self.links.insert(ifindex, Entry { device, addresses, places, next: 0 });
            }
        }
        effect
    }

    fn link_gone(&mut self, ifindex: u32) -> Effect {
        self.unseen.links.remove(&ifindex);
        let Some(entry) = self.links.remove(&ifindex) else { return Effect::default() };
        let name = entry.device.name;
        if self.names.get(&name) == Some(&ifindex) {
            self.names.remove(&name);
        }
        self.retain_routes(|path| path.hops.iter().all(|hop| hop.ifindex != Some(ifindex)));
        Effect { names: vec![name.clone()], fell: Some(name), ..Effect::default() }
    }

    fn address(&mut self, held: Held) -> Effect {
        self.unseen.addresses.remove(&held.place);
        let Some(entry) = self.links.get_mut(&held.place.ifindex) else { return Effect::default() };
        let next = &mut entry.next;
        let position = *entry.places.entry(key(&held.place)).or_insert_with(|| {
            *next += 1;
            *next
        });
        entry.addresses.insert(position, held);
        Effect { names: vec![entry.device.name.clone()], ..Effect::default() }
    }

    fn address_gone(&mut self, place: Place) -> Effect {
        self.unseen.addresses.remove(&place);
        let Some(entry) = self.links.get_mut(&place.ifindex) else { return Effect::default() };
        let Some(position) = entry.places.remove(&key(&place)) else { return Effect::default() };
        entry.addresses.remove(&position);
        let names = vec![entry.device.name.clone()];
        // The kernel drops a route whose preferred source is gone without a word.
        self.retain_routes(|path| path.source != Some(place.address));
        Effect { names, vanished: Some(place), ..Effect::default() }
    }

    /// A complete listing begins: what it does not tell until [`Self::finish_listing`] is gone.
    pub(crate) fn begin_listing(&mut self) {
        self.unseen = Unseen {
            links: self.links.keys().copied().collect(),
            addresses: self
                .links
                .values()
                .flat_map(|e| e.addresses.values().map(|h| h.place))
                .collect(),
            routes: self.paths(),
            rules: self.rules.clone(),
        };
    }

    /// What was known before the listing and not told by it, as changes to be applied.
    pub(crate) fn finish_listing(&mut self) -> Vec<Change> {
        let Unseen { links, addresses, routes, rules } = std::mem::take(&mut self.unseen);
        let addresses = addresses.into_iter().map(Change::AddressGone);
        let links = links.into_iter().map(|ifindex| Change::LinkGone { ifindex });
        let routes = routes.into_iter().map(Change::RouteGone);
        let rules = rules.into_iter().map(Change::RuleGone);
        // A link that is gone takes its addresses along; nobody removed those.
        links.chain(addresses).chain(routes).chain(rules).collect()
    }

    /// A listing of routes and rules alone begins.
    pub(crate) fn begin_routes(&mut self) {
        self.unseen.routes = self.paths();
        self.unseen.rules = self.rules.clone();
    }

    fn paths(&self) -> BTreeSet<Path> {
        self.routes.values().flatten().cloned().collect()
    }

    fn retain_routes(&mut self, keep: impl Fn(&Path) -> bool) {
        for paths in self.routes.values_mut() {
            paths.retain(&keep);
        }
        self.routes.retain(|_, paths| !paths.is_empty());
    }

    /// The link of this name.
    pub(crate) fn device(&self, name: &str) -> Option<&Device> {
        self.links.get(self.names.get(name)?).map(|entry| &entry.device)
    }

    /// The link with this index.
    pub(crate) fn by_index(&self, ifindex: u32) -> Option<&Device> {
        self.links.get(&ifindex).map(|entry| &entry.device)
    }

    /// `promote_secondaries` of a link is set, or not any more.
    pub(crate) fn promote(&mut self, ifindex: u32, on: bool) {
        if let Some(entry) = self.links.get_mut(&ifindex) {
            entry.device.promotes = on;
        }
    }

    /// Every name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.names.keys()
    }

    /// An address, IPv6 under whatever prefix.
    pub(crate) fn held(&self, place: &Place) -> Option<&Held> {
        let entry = self.links.get(&place.ifindex)?;
        entry.addresses.get(entry.places.get(&key(place))?)
    }

    /// Every address of a link.
    pub(crate) fn addresses(&self, ifindex: u32) -> impl Iterator<Item = &Held> {
        self.links.get(&ifindex).into_iter().flat_map(|entry| entry.addresses.values())
    }

    /// Routes that lead to a destination, of those that matter.
    pub(crate) fn routes(&self, head: &Head) -> &BTreeSet<Path> {
        const NONE: &BTreeSet<Path> = &BTreeSet::new();
        self.routes.get(head).unwrap_or(NONE)
    }

    /// Rules that matter.
    pub(crate) fn rules(&self) -> &BTreeSet<Rule> {
        &self.rules
    }

    /// How a name looks to the rest of the program: the addresses of `excluded` are not the link's
    /// own.
    pub(crate) fn view(&self, name: &Name, excluded: impl Fn(&Held) -> bool) -> Link {
        let Some(entry) = self.names.get(name).and_then(|ifindex| self.links.get(ifindex)) else {
            return Link {
                name: name.clone(),
                ifindex: 0,
                mac: Mac::default(),
                mtu: 0,
                state: LinkState::Missing,
                addresses: Arc::default(),
            };
        };
        let own = || entry.addresses.values().filter(|held| !excluded(held));
        let v4 = own()
            .filter_map(|held| match held.place.address {
                IpAddr::V4(v4) => Some((held.look.scope >= SCOPE_HOST, held.secondary, v4)),
                IpAddr::V6(_) => None,
            })
            // The first of the least: addresses follow each other in the kernel's order.
            .min_by_key(|(host, secondary, _)| (*host, *secondary))
            .map(|(_, _, v4)| v4);
        let v6 = own().find_map(|held| match held.place.address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() && !held.unusable => Some(v6),
            _ => None,
        });
        let addresses = LinkAddresses { v4, v6 };
        let usable = own().filter(|held| !held.unusable).map(|held| held.place.address);
        let device = &entry.device;
        Link {
            name: name.clone(),
            ifindex: device.ifindex,
            mac: device.mac,
            mtu: device.mtu,
            state: if device.up { LinkState::Up(addresses) } else { LinkState::Down(addresses) },
            addresses: usable.collect(),
        }
    }
}
