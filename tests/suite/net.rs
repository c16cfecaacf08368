//! Do links, addresses, routes, announcements and adverts work in a real kernel?
use anyhow::Result;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vrrp_common::ident::{Family, Mac, RouterId, Vrid};
use vrrp_common::wire::{arp, ndisc};
use vrrp_tests::net_rig::{Capture, Netns, Task, root};
use xvrrp::config::model::{Instance, Route, Vip};
use xvrrp::engine::input::{LinkAddresses, LinkState};
use xvrrp::net::task::{Command, Event, Link, Options, OwnedReport, Presence};

const SOON: Duration = Duration::from_secs(5);
const QUIET: Duration = Duration::from_millis(300);
const A: RouterId = RouterId(0);
const B: RouterId = RouterId(1);

/// A router and a host with two links between them: `e0`, with addresses, and `e4`.
struct Net {
    router: Netns,
    host: Netns,
}

impl Net {
    fn new() -> Result<Self> {
        let (router, host) = (Netns::new("r")?, Netns::new("h")?);
        for name in ["e0", "e4"] {
            add_link(&router, &host, name)?;
        }
        router.ip("addr add 10.9.0.1/24 dev e0")?;
        Ok(Self { router, host })
    }

    fn mac(&self, interface: &str) -> Result<Mac> {
        let path = format!("/sys/class/net/{interface}/address");
        let output = std::process::Command::new("ip")
            .args(["netns", "exec", self.router.name(), "cat", &path])
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        let mut mac = [0; 6];
        for (byte, hex) in mac.iter_mut().zip(text.trim().split(':')) {
            *byte = u8::from_str_radix(hex, 16)?;
        }
        Ok(Mac(mac))
    }

    fn has(&self, address: &str) -> bool {
        let listing = self.router.ip("-o addr show").unwrap();
        listing.split_whitespace().any(|word| word == address)
    }
}

fn add_link(router: &Netns, host: &Netns, name: &str) -> Result<()> {
    router.ip(&format!("link add {name} type veth peer name {name} netns {}", host.name()))?;
    for netns in [router, host] {
        netns.ip(&format!("link set {name} up"))?;
    }
    Ok(())
}

fn vip(address: &str, dev: &str) -> Vip {
    let (address, prefix) = address.split_once('/').unwrap();
    Vip {
        address: address.parse().unwrap(),
        prefix: prefix.parse().unwrap(),
        dev: dev.into(),
        label: None,
        broadcast: None,
        scope: 0,
        no_track: false,
    }
}

fn no_track(address: &str, dev: &str) -> Vip {
    Vip { no_track: true, ..vip(address, dev) }
}

fn instance(vips: impl IntoIterator<Item = Vip>) -> Instance {
    let mut instance = Instance::new("A", "e0", Vrid::new(10).unwrap(), Family::V4);
    instance.addresses = vips.into_iter().collect();
    instance.garp.repeat = 1;
    instance
}

fn router(router: RouterId, instance: Instance) -> Command {
    Command::Router { router, instance: Arc::new(instance) }
}

const fn own(router: RouterId, own: bool) -> Command {
    Command::Own { router, own, announce: 1 }
}

fn start(net: &Net, first: Vec<Command>) -> Result<Task> {
    let task = Task::start(&net.router, Options::default(), first)?;
    task.event(SOON, |event| matches!(event, Event::Ready)).expect("ready");
    Ok(task)
}

fn presences(report: &OwnedReport) -> Vec<Presence> {
    report.addresses.iter().map(|address| address.presence.clone()).collect()
}

fn link(task: &Task, name: &str, wanted: impl Fn(&LinkState) -> bool) -> Link {
    let is =
        |event: &Event| matches!(event, Event::Link(l) if *l.name == *name && wanted(&l.state));
    match task.event(SOON, is) {
        Some(Event::Link(link)) => link,
        _ => panic!("no such event of {name}"),
    }
}

const fn up(state: &LinkState) -> bool {
    matches!(state, LinkState::Up(_))
}

fn announced(capture: &Capture, mac: Mac, address: &str) -> bool {
    let frame = announcement(mac, address);
    capture.find(SOON, |seen| seen == frame).is_some()
}

fn announcement(mac: Mac, address: &str) -> Vec<u8> {
    match address.parse().unwrap() {
        IpAddr::V4(address) => arp::gratuitous(mac, address).to_vec(),
        IpAddr::V6(address) => ndisc::unsolicited(mac, address).to_vec(),
    }
}

#[test]
fn links() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    // A killed predecessor left a virtual address, which even became the first of its interface.
    net.router.ip("addr add 10.8.0.9/24 dev e4")?;
    net.router.ip("addr add 10.8.0.1/24 dev e4")?;
    let first = vec![router(A, instance([vip("10.8.0.9/24", "e4")]))];
    let task = Task::start(&net.router, Options::default(), first)?;
    let mut seen = Vec::new();
    task.event(SOON, |event| {
        if let Event::Link(link) = event {
            seen.push(link.clone());
        }
        matches!(event, Event::Ready)
    })
    .expect("ready");
    let e4 = seen.iter().find(|link| &*link.name == "e4").expect("e4 before ready");
    assert_eq!((e4.ifindex, e4.mac), (net.router.ifindex("e4")?, net.mac("e4")?));
    assert_eq!(e4.mtu, 1500);
    let LinkState::Up(LinkAddresses { v4, .. }) = e4.state else { panic!("{e4:?}") };
    assert_eq!(v4, Some([10, 8, 0, 1].into()), "the virtual address is not the link's own");
    // The link-local address appears when it is no longer tentative.
    let e0 = |state: &LinkState| matches!(state, LinkState::Up(a) if a.v6.is_some());
    let known = seen.iter().find(|link| &*link.name == "e0").expect("e0");
    if !e0(&known.state) {
        link(&task, "e0", e0);
    }
    // Carrier lost and back, admin down and up.
    for (netns, name) in [(&net.host, "e4"), (&net.router, "e4")] {
        netns.ip(&format!("link set {name} down"))?;
        link(&task, name, |state| matches!(state, LinkState::Down(_)));
        netns.ip(&format!("link set {name} up"))?;
        link(&task, name, up);
    }
    net.router.ip("link set e4 down")?;
    net.router.ip("link set e4 name e5")?;
    link(&task, "e4", |state| *state == LinkState::Missing);
    net.router.ip(&format!("link set e5 netns {}", net.host.name()))?;
    link(&task, "e5", |state| *state == LinkState::Missing);
    task.stop()
}

#[test]
fn addresses_come_and_go() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    net.router.ip("addr add 10.9.0.52/24 dev e0")?;
    let labelled = Vip {
        label: Some("e0:vip".into()),
        broadcast: Some([10, 6, 0, 255].into()),
        scope: 253,
        ..vip("10.6.0.51/24", "e0")
    };
    let instance = Instance {
        excluded: vec![vip("2001:db8::50/64", "e0"), vip("2001:db8::51/128", "e4")],
        ..instance([vip("10.9.0.50/24", "e0"), labelled, vip("10.9.0.52/24", "e0")])
    };
    let task = start(&net, vec![router(A, instance)])?;
    let gone = |report: &OwnedReport| presences(report) == vec![Presence::Absent; 5];
    task.settles(A, gone);
    assert!(!net.has("10.9.0.52/24"), "left by a former process");
    let capture = net.host.capture()?;
    task.tell(own(A, true));
    task.settles(A, |report| presences(report) == vec![Presence::Present; 5]);
    let listing = net.router.ip("-o -d addr show")?;
    let line = |address: &str| {
        listing.lines().find(|line| line.contains(address)).unwrap_or_else(|| panic!("{listing}"))
    };
    assert!(line("10.6.0.51/24").contains("brd 10.6.0.255 scope link"), "{listing}");
    assert!(line("10.6.0.51/24").contains("e0:vip"), "{listing}");
    assert!(line("2001:db8::50/64").contains("nodad"), "{listing}");
    assert!(!line("2001:db8::50/64").contains("deprecated"), "{listing}");
    assert!(line("2001:db8::51/128").contains("preferred_lft 0sec"), "{listing}");
    let frames = capture.all(QUIET);
    for (dev, address) in
        [("e0", "10.9.0.50"), ("e0", "10.6.0.51"), ("e0", "2001:db8::50"), ("e4", "2001:db8::51")]
    {
        // Not in the order of this list: each is looked for among what came so far.
        assert!(frames.contains(&announcement(net.mac(dev)?, address)), "{address}");
    }
    task.tell(own(A, false));
    task.settles(A, gone);
    assert!(!net.router.ip("addr show")?.contains("2001:db8"));

    // What the kernel does not take is said in its words, and tried again when something changes.
    net.router.sysctl("net.ipv6.conf.e4.disable_ipv6", "1")?;
    task.tell(own(A, true));
    let refused =
        Presence::Failed("Permission denied: ipv6: IPv6 is disabled on this device".into());
    task.settles(A, |report| presences(report)[4] == refused);
    net.router.sysctl("net.ipv6.conf.e4.disable_ipv6", "0")?;
    task.settles(A, |report| presences(report) == vec![Presence::Present; 5]);
    task.tell(own(A, false));
    task.settles(A, gone);
    assert!(net.has("10.9.0.1/24"));
    task.stop()
}

/// The case `no_track` is made for: the link goes and returns, or the interface itself does.
#[test]
fn link_returns() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    net.host.ip("link set e4 down")?;
    let vips = ["10.8.0.50/24", "2001:db8:4::50/64"].map(|address| no_track(address, "e4"));
    let task = start(&net, vec![router(A, instance(vips))])?;
    let all = |presence: Presence| {
        move |report: &OwnedReport| presences(report) == [presence.clone(), presence.clone()]
    };
    let capture = net.host.capture()?;
    task.tell(own(A, true));
    task.settles(A, all(Presence::PendingLinkDown));
    assert!(net.has("10.8.0.50/24") && net.has("2001:db8:4::50/64"), "configured while down");
    task.tell(Command::Announce { router: A, times: 3 });

    let returned = |times: u64| -> Result<()> {
        task.settles(A, |report| {
            all(Presence::Present)(report) && report.addresses.iter().all(|a| a.announced == times)
        });
        let mac = net.mac("e4")?;
        let frames = capture.all(QUIET);
        for address in ["10.8.0.50", "2001:db8:4::50"] {
            let frame = announcement(mac, address);
            assert_eq!(frames.iter().filter(|seen| **seen == frame).count(), 1, "{address}");
        }
        assert!(net.has("10.8.0.50/24") && net.has("2001:db8:4::50/64"));
        Ok(())
    };
    net.host.ip("link set e4 up")?;
    returned(1)?;
    // Administratively down: the kernel takes the IPv6 address away, and nobody is to blame.
    std::thread::sleep(Duration::from_secs(1));
    net.router.ip("link set e4 down")?;
    task.settles(A, all(Presence::PendingLinkDown));
    net.router.ip("link set e4 up")?;
    returned(2)?;
    std::thread::sleep(Duration::from_secs(1));
    net.router.ip("link del e4")?;
    task.settles(A, all(Presence::PendingNoDevice));
    add_link(&net.router, &net.host, "e4")?;
    returned(3)?;
    // Renamed is as good as gone, and the address under the old name is not touched.
    net.router.ip("link set e4 down")?;
    net.router.ip("link set e4 name e5")?;
    task.settles(A, all(Presence::PendingNoDevice));
    net.router.ip("link set e5 name e4")?;
    net.router.ip("link set e4 up")?;
    task.settles(A, all(Presence::Present));
    let lost = |event: &Event| matches!(event, Event::Lost { .. });
    assert!(!task.events(QUIET).iter().any(lost), "nobody removed anything");
    task.stop()
}

#[test]
fn removed_by_someone() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    let vips = [no_track("10.8.0.50/24", "e4"), vip("10.9.0.50/24", "e0")];
    let stubborn = Instance { no_repair: true, ..instance([no_track("10.7.0.60/24", "e4")]) };
    let task = start(&net, vec![router(A, instance(vips)), router(B, stubborn)])?;
    task.tell(own(A, true));
    task.tell(own(B, true));
    task.settles(A, |report| presences(report) == [Presence::Present, Presence::Present]);
    task.settles(B, |report| presences(report) == [Presence::Present]);
    let capture = net.host.capture()?;
    task.events(QUIET);

    net.router.ip("addr del 10.8.0.50/24 dev e4")?;
    task.settles(A, |report| report.addresses[0].repaired == 1);
    assert!(announced(&capture, net.mac("e4")?, "10.8.0.50"));
    assert!(net.has("10.8.0.50/24"));
    let lost = |events: Vec<Event>| -> Vec<(RouterId, usize)> {
        let lost = events.into_iter().filter_map(|event| match event {
            Event::Lost { router, address } => Some((router, address)),
            _ => None,
        });
        lost.collect()
    };
    assert_eq!(lost(task.events(QUIET)), [(A, 0)]);

    // A tracked one waits until the router takes over anew.
    net.router.ip("addr del 10.9.0.50/24 dev e0")?;
    net.router.ip("addr del 10.7.0.60/24 dev e4")?;
    assert_eq!(lost(task.events(QUIET)), [(A, 1), (B, 0)]);
    assert!(!net.has("10.9.0.50/24") && !net.has("10.7.0.60/24"));
    task.tell(own(A, false));
    task.settles(A, |report| presences(report) == [Presence::Absent, Presence::Absent]);
    task.tell(own(A, true));
    task.tell(own(B, true));
    task.settles(A, |report| presences(report) == [Presence::Present, Presence::Present]);
    task.settles(B, |report| presences(report) == [Presence::Present]);
    assert_eq!(lost(task.events(QUIET)), []);
    task.stop()
}

/// An address that moves between routers, or is wanted by two, stays in the kernel.
#[test]
fn shared_address() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    let vips = || instance([vip("10.9.0.50/24", "e0")]);
    let task = start(&net, vec![router(A, vips()), router(B, vips())])?;
    task.tell(own(A, true));
    task.settles(A, |report| presences(report) == [Presence::Present]);
    let removed = net.router.spawn(|| {
        let monitor = std::process::Command::new("timeout")
            .args(["2", "ip", "-o", "monitor", "address"])
            .output();
        String::from_utf8(monitor.unwrap().stdout).unwrap()
    })?;
    std::thread::sleep(QUIET);
    task.tell(own(A, false));
    task.tell(own(B, true));
    task.settles(B, |report| presences(report) == [Presence::Present]);
    task.tell(own(A, true));
    task.settles(A, |report| presences(report) == [Presence::Present]);
    task.tell(Command::Forget { router: B });
    task.tell(own(A, true));
    task.settles(A, |report| report.addresses[0].announced >= 3);
    let seen = removed.join().unwrap();
    assert!(!seen.contains("10.9.0.50"), "{seen}");
    assert!(net.has("10.9.0.50/24"));
    task.tell(Command::Forget { router: A });
    task.stop()?;
    assert!(!net.has("10.9.0.50/24"), "gone when the task is");
    Ok(())
}

#[test]
fn routes() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    let route = |to: &str, via: Option<&str>, dev: Option<&str>| {
        let (destination, prefix) = to.split_once('/').unwrap();
        Route {
            destination: destination.parse().unwrap(),
            prefix: prefix.parse().unwrap(),
            via: via.map(|via| via.parse().unwrap()),
            dev: dev.map(Into::into),
            source: None,
            scope: None,
            table: 254,
            metric: None,
            no_track: true,
        }
    };
    let instance = Instance {
        excluded: vec![no_track("2001:db8:4::50/64", "e4")],
        routes: vec![
            Route {
                source: Some("10.8.0.50".parse()?),
                ..route("10.77.0.0/16", Some("10.8.0.9"), Some("e4"))
            },
            Route { table: 1000, metric: Some(7), ..route("0.0.0.0/0", Some("10.9.0.9"), None) },
            route("10.78.0.0/16", None, Some("e4")),
            route("2001:db8:77::/48", Some("2001:db8:4::9"), Some("e4")),
            Route { metric: Some(9), ..route("2001:db8:78::/48", None, Some("e4")) },
        ],
        ..instance([no_track("10.8.0.50/24", "e4")])
    };
    // With an address of its own: the kernel flushes the routes of an interface with its last one.
    net.router.ip("addr add 10.8.0.1/24 dev e4")?;
    // A killed predecessor's route, and another's route that is none of our business.
    net.router.ip("route add 10.78.0.0/16 dev e4 proto 18")?;
    net.router.ip("route add 10.79.0.0/16 dev e4 proto 18")?;
    let ours = || -> Result<Vec<String>> {
        let mut all = Vec::new();
        for listing in ["-4 route show table all proto 18", "-6 route show table all proto 18"] {
            let lines = net.router.ip(listing)?;
            all.extend(lines.lines().map(|line| line.trim().to_owned()));
        }
        Ok(all)
    };
    let task = start(&net, vec![router(A, instance.clone())])?;
    let all =
        |presence: Presence| move |report: &OwnedReport| report.routes == vec![presence.clone(); 5];
    task.settles(A, all(Presence::Absent));
    let until = |count: usize| -> Result<Vec<String>> {
        let end = Instant::now() + SOON;
        loop {
            let lines = ours()?;
            if lines.len() == count || Instant::now() > end {
                return Ok(lines);
            }
        }
    };
    assert_eq!(until(1)?, ["10.79.0.0/16 dev e4 scope link"]);
    task.tell(own(A, true));
    task.settles(A, all(Presence::Present));
    let expected = [
        "default via 10.9.0.9 dev e0 table 1000 metric 7",
        "10.77.0.0/16 via 10.8.0.9 dev e4 src 10.8.0.50",
        "10.78.0.0/16 dev e4 scope link",
        "10.79.0.0/16 dev e4 scope link",
        "2001:db8:77::/48 via 2001:db8:4::9 dev e4 metric 1024 pref medium",
        "2001:db8:78::/48 dev e4 metric 9 pref medium",
    ];
    assert_eq!(ours()?, expected);
    // Removed by hand, one after the other with its source address, all with their link.
    net.router.ip("route del 10.77.0.0/16")?;
    net.router.ip("-6 route del 2001:db8:78::/48 metric 9")?;
    assert_eq!(until(6)?, expected);
    net.router.ip("addr del 10.8.0.50/24 dev e4")?;
    assert_eq!(until(6)?, expected);
    net.router.ip("link set e4 down")?;
    let down = |report: &OwnedReport| {
        (0..5).all(|n| report.routes[n] == Presence::PendingLinkDown || n == 1)
            && report.routes[1] == Presence::Present
    };
    task.settles(A, down);
    net.router.ip("link set e4 up")?;
    task.settles(A, all(Presence::Present));
    net.router.ip("route add 10.79.0.0/16 dev e4 proto 18")?;
    assert_eq!(until(6)?, expected);
    net.router.ip("link del e4")?;
    task.settles(A, |report| report.routes[0] == Presence::PendingNoDevice);
    add_link(&net.router, &net.host, "e4")?;
    task.settles(A, all(Presence::Present));
    // A reload that takes one away, and one the kernel refuses until its gateway is on a link.
    let mut reloaded = instance;
    reloaded.routes.truncate(1);
    reloaded.routes.push(route("10.80.0.0/16", Some("10.60.0.1"), None));
    task.tell(router(A, reloaded));
    task.settles(A, |report| {
        report.routes.len() == 2
            && report.routes[0] == Presence::Present
            && matches!(&report.routes[1], Presence::Failed(why) if why.contains("unreachable"))
    });
    assert_eq!(until(1)?, ["10.77.0.0/16 via 10.8.0.9 dev e4 src 10.8.0.50"]);
    net.router.ip("addr add 10.60.0.2/24 dev e0")?;
    task.settles(A, |report| report.routes == vec![Presence::Present; 2]);
    task.tell(own(A, false));
    task.stop()?;
    assert_eq!(ours()?, [""; 0]);
    Ok(())
}

/// A whole transition of many addresses is a few batches.
#[test]
fn thousand_addresses() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    let many = |family: u8| {
        (0..1000_u16).map(move |n| match family {
            4 => vip(&format!("10.20.{}.{}/32", n / 250, n % 250 + 1), "e0"),
            _ => vip(&format!("2001:db8:20::{:x}/64", n + 1), "e0"),
        })
    };
    for family in [4, 6] {
        let task = start(&net, vec![router(A, instance(many(family)))])?;
        let all = |presence: Presence| {
            move |report: &OwnedReport| presences(report).iter().all(|p| *p == presence)
        };
        task.settles(A, |report| report.addresses.len() == 1000);
        for (wanted, presence) in [(true, Presence::Present), (false, Presence::Absent)] {
            let started = Instant::now();
            task.tell(own(A, wanted));
            task.settles(A, all(presence.clone()));
            let took = started.elapsed();
            println!("1000 IPv{family} addresses {presence:?} after {took:?}");
            assert!(took < Duration::from_secs(5), "{took:?}");
            let count = net.router.ip("-o addr show dev e0")?.matches(":20::").count()
                + net.router.ip("-o addr show dev e0")?.matches(" 10.20.").count();
            assert_eq!(count, if wanted { 1000 } else { 0 });
        }
        task.stop()?;
    }
    Ok(())
}

/// A receive buffer that holds next to nothing, and more happening than anyone could read.
#[test]
fn overrun() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    let vips = [
        no_track("10.8.0.50/24", "e4"),
        no_track("2001:db8:4::50/64", "e4"),
        vip("10.9.0.50/24", "e0"),
    ];
    let options = Options { receive_buffer: 4096 };
    let task = Task::start(&net.router, options, vec![router(A, instance(vips))])?;
    task.event(SOON, |event| matches!(event, Event::Ready)).expect("ready");
    task.tell(own(A, true));
    task.settles(A, |report| presences(report) == vec![Presence::Present; 3]);
    let mut lines = String::new();
    for n in 0..2000 {
        lines += &format!("addr add 10.30.{}.{}/32 dev e0\n", n / 250, n % 250 + 1);
    }
    for _ in 0..500 {
        lines += "link set e4 down\nlink set e4 up\n";
    }
    lines += "link set e4 down\naddr add 10.8.0.1/24 dev e4\n";
    net.router.batch(&lines)?;
    let state = |state: &LinkState| matches!(state, LinkState::Down(LinkAddresses { v4: Some(v4), .. }) if v4.octets() == [10, 8, 0, 1]);
    link(&task, "e4", state);
    task.settles(A, |report| {
        presences(report)
            == [Presence::PendingLinkDown, Presence::PendingLinkDown, Presence::Present]
    });
    let capture = net.host.capture()?;
    net.router.ip("link set e4 up")?;
    task.settles(A, |report| presences(report) == vec![Presence::Present; 3]);
    assert!(announced(&capture, net.mac("e4")?, "10.8.0.50"), "announced by the last event");
    for address in ["10.8.0.50/24", "2001:db8:4::50/64", "10.9.0.50/24"] {
        assert!(net.has(address), "{address}");
    }
    let lost = |event: &Event| matches!(event, Event::Lost { .. });
    assert!(!task.events(QUIET).iter().any(lost), "nobody removed anything");
    task.stop()
}

/// Announcements follow each other with the configured pace, and a flapping link floods nobody.
#[test]
fn calm() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    let vips = (1..=4).map(|n| no_track(&format!("10.8.0.5{n}/24"), "e4"));
    let mut config = xvrrp::config::model::Config::default();
    config.globals.garp_interval = Duration::from_millis(50);
    let first = vec![Command::Globals(Arc::new(config)), router(A, instance(vips))];
    let task = start(&net, first)?;
    let capture = net.host.capture()?;
    let mac = net.mac("e4")?;
    let is_ours =
        |frame: &Vec<u8>| (1..=4).any(|n| *frame == announcement(mac, &format!("10.8.0.5{n}")));
    let started = Instant::now();
    task.tell(Command::Own { router: A, own: true, announce: 3 });
    task.settles(A, |report| report.addresses.iter().all(|a| a.announced == 3));
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(11 * 50), "12 with a pause between: {took:?}");
    assert_eq!(capture.all(QUIET).iter().filter(|frame| is_ours(frame)).count(), 12);

    let mut lines = String::new();
    for _ in 0..200 {
        lines += "link set e4 down\nlink set e4 up\n";
    }
    let started = Instant::now();
    net.router.batch(&lines)?;
    let flapping = started.elapsed();
    std::thread::sleep(Duration::from_millis(1500));
    let frames = capture.all(QUIET).iter().filter(|frame| is_ours(frame)).count();
    let rounds = 2 + usize::try_from(flapping.as_secs()).unwrap();
    println!("200 flaps in {flapping:?}: {frames} announcements of 4 addresses");
    assert!((4..=4 * rounds).contains(&frames), "{frames}");
    task.settles(A, |report| presences(report) == vec![Presence::Present; 4]);
    task.stop()
}
