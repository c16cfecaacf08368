//! Do links, addresses and announcements work in a real kernel?
use anyhow::Result;
use std::time::Duration;
use vrrp_common::ident::RouterId;
use vrrp_tests::net_rig::scene::*;
use vrrp_tests::net_rig::{Task, root};
use xvrrp::config::model::{Instance, Vip};
use xvrrp::engine::input::{LinkAddresses, LinkState};
use xvrrp::net::task::{Command, Event, Options, OwnedReport, Presence};

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
    // The last of what it is asked for at once, and one in the middle.
    for (dev, number) in [("e4", 4), ("e0", 3)] {
        let setting = format!("net.ipv6.conf.{dev}.disable_ipv6");
        net.router.sysctl(&setting, "1")?;
        task.tell(own(A, true));
        let mut expected = vec![Presence::Present; 5];
        let why = "Permission denied: ipv6: IPv6 is disabled on this device";
        expected[number] = Presence::Failed(why.into());
        task.settles(A, |report| presences(report) == expected);
        net.router.sysctl(&setting, "0")?;
        task.settles(A, |report| presences(report) == vec![Presence::Present; 5]);
        task.tell(own(A, false));
        task.settles(A, gone);
    }
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
    task.tell(Command::Batch(vec![own(A, false), own(B, true)]));
    task.settles(B, |report| presences(report) == [Presence::Present]);
    task.tell(own(A, true));
    task.settles(A, |report| presences(report) == [Presence::Present]);
    task.tell(Command::Batch(vec![Command::Forget { router: B }, own(A, true)]));
    task.settles(A, |report| report.addresses[0].announced >= 3);
    let seen = removed.join().unwrap();
    assert!(!seen.contains("10.9.0.50"), "{seen}");
    assert!(net.has("10.9.0.50/24"));
    task.tell(Command::Forget { router: A });
    task.stop()?;
    assert!(!net.has("10.9.0.50/24"), "gone when the task is");
    Ok(())
}

/// Addresses of one subnet on an interface that has none of its own, or only behind a virtual one:
/// those that stay are not taken along.
#[test]
fn same_subnet() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    net.router.sysctl("net.ipv4.conf.all.promote_secondaries", "0")?;
    net.router.sysctl("net.ipv4.conf.e4.promote_secondaries", "0")?;
    // Left by a killed process, before the interface got its own address.
    net.router.ip("addr add 10.8.0.50/24 dev e4")?;
    net.router.ip("addr add 10.8.0.1/24 dev e4")?;
    let [a, b] = ["10.7.0.50/24", "10.7.0.60/24"].map(|address| vip(address, "e4"));
    let first = instance([a, vip("10.8.0.50/24", "e4")]);
    let task = start(&net, vec![router(A, first), router(B, instance([b]))])?;
    task.tell(own(A, true));
    task.settles(A, |report| presences(report) == [Presence::Present, Presence::Present]);
    task.tell(own(B, true));
    task.settles(B, |report| presences(report) == [Presence::Present]);
    assert!(net.has("10.8.0.1/24"), "the interface's own address");
    task.events(QUIET);
    task.tell(own(A, false));
    task.settles(A, |report| presences(report) == [Presence::Absent, Presence::Absent]);
    assert!(!net.has("10.7.0.50/24") && net.has("10.7.0.60/24") && net.has("10.8.0.1/24"));
    let lost = |event: &Event| matches!(event, Event::Lost { .. });
    assert!(!task.events(QUIET).iter().any(lost), "nobody removed anything");
    assert_eq!(task.report(B).addresses[0].announced, 1, "it was there all the time");
    let promotes = net
        .router
        .within(|| std::fs::read_to_string("/proc/sys/net/ipv4/conf/e4/promote_secondaries"))??;
    assert_eq!(promotes.trim(), "0", "as it was");
    task.stop()
}
