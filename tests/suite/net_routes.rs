//! Do routes follow their router, their links and their source addresses in a real kernel?
use anyhow::Result;
use std::time::Instant;
use vrrp_tests::net_rig::root;
use vrrp_tests::net_rig::scene::*;
use xvrrp::config::model::{Instance, Route};
use xvrrp::config::routing::{NextHop, Order};
use xvrrp::net::task::{OwnedReport, Presence};

#[test]
fn routes() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    let route = |to: &str, via: Option<&str>, dev: Option<&str>| {
        let (destination, prefix) = to.split_once('/').unwrap();
        Route {
            via: via.map(|via| via.parse().unwrap()),
            dev: dev.map(Into::into),
            no_track: true,
            ..Route::to(destination.parse().unwrap(), prefix.parse().unwrap())
        }
    };
    let first = Instance {
        excluded: vec![no_track("2001:db8:4::50/64", "e4")],
        routes: vec![
            Route {
                source: Some("10.8.0.50".parse()?),
                ..route("10.77.0.0/16", Some("10.8.0.9"), Some("e4"))
            },
            Route { table: 1000, metric: Some(7), ..route("0.0.0.0/0", Some("10.9.0.9"), None) },
            Route { scope: Some(253), ..route("10.78.0.0/16", None, Some("e4")) },
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
    let task = start(&net, vec![router(A, first.clone())])?;
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
    // One route leads to the gateway of another, in whichever order they stand.
    // A gateway must be in a scope nearer than its route, as with keepalived.
    let hop = Route { scope: Some(253), ..route("10.66.0.1/32", None, Some("e4")) };
    let behind = ["10.55.0.0/16", "10.77.0.0/16"].map(|to| route(to, Some("10.66.0.1"), None));
    let [before, after] = behind;
    let mut chained = first.clone();
    chained.routes = vec![before, hop, after];
    task.tell(router(A, chained));
    task.settles(A, |report| report.routes == vec![Presence::Present; 3]);
    // A reload that takes one away, and one the kernel refuses until its gateway is on a link.
    let mut reloaded = first;
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
    // Two routers want the same one; it stays until both have given it up.
    let other = Instance {
        routes: vec![Route {
            source: Some("10.8.0.50".parse()?),
            ..route("10.77.0.0/16", Some("10.8.0.9"), Some("e4"))
        }],
        ..instance([no_track("10.8.0.50/24", "e4")])
    };
    task.tell(own(A, false));
    task.settles(A, |report| report.routes == vec![Presence::Absent; 2]);
    task.tell(router(B, other));
    task.tell(own(B, true));
    task.tell(own(A, true));
    task.settles(B, |report| report.routes == [Presence::Present]);
    task.settles(A, |report| report.routes == vec![Presence::Present; 2]);
    task.tell(own(A, false));
    task.settles(A, |report| report.routes == vec![Presence::Absent; 2]);
    assert_eq!(until(1)?, ["10.77.0.0/16 via 10.8.0.9 dev e4 src 10.8.0.50"]);
    // Another's route to the same destination is not ours to replace: ours is before it, unless we
    // are to add it only if there is none.
    net.router.ip("route add 10.80.0.0/16 via 10.60.0.3")?;
    task.tell(own(A, true));
    task.settles(A, |report| report.routes == vec![Presence::Present; 2]);
    let both =
        ["10.80.0.0/16 via 10.60.0.1 dev e0 proto keepalived", "10.80.0.0/16 via 10.60.0.3 dev e0"];
    let lines = net.router.ip("route show 10.80.0.0/16")?;
    assert_eq!(lines.lines().map(str::trim).collect::<Vec<_>>(), both);
    // Someone replaces it: it is put back.
    net.router.ip("route replace 10.80.0.0/16 via 10.60.0.7")?;
    let again =
        |lines: &str| lines.lines().next().is_some_and(|first| first.contains("10.60.0.1 "));
    let end = Instant::now() + SOON;
    while !again(&net.router.ip("route show 10.80.0.0/16")?) {
        assert!(Instant::now() < end, "it is not put back");
    }
    task.tell(own(A, false));
    task.settles(A, |report| report.routes == vec![Presence::Absent; 2]);
    let mut adding = instance([no_track("10.8.0.50/24", "e4")]);
    adding.routes = vec![
        Route {
            source: Some("10.8.0.50".parse()?),
            ..route("10.77.0.0/16", Some("10.8.0.9"), Some("e4"))
        },
        Route { order: Order::Add, ..route("10.80.0.0/16", Some("10.60.0.1"), None) },
    ];
    task.tell(router(A, adding));
    task.tell(own(A, true));
    let refused = Presence::Failed("another route to this destination exists".into());
    task.settles(A, |report| report.routes == [Presence::Present, refused.clone()]);
    task.tell(own(A, false));
    task.tell(own(B, false));
    task.stop()?;
    assert_eq!(ours()?, [""; 0]);
    assert!(net.router.ip("route show")?.contains("10.80.0.0/16 via 10.60.0.3"));
    Ok(())
}

/// A route with several ways is there as long as one of them is, with those that are.
#[test]
fn next_hops_come_and_go_with_their_links() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    net.router.ip("addr add 10.8.0.1/24 dev e4")?;
    for (dev, address) in [("e0", "2001:db8:9::1/64"), ("e4", "2001:db8:8::1/64")] {
        net.router.ip(&format!("addr add {address} dev {dev} nodad"))?;
    }
    // Those would go with their link.
    net.router.sysctl("net.ipv6.conf.all.keep_addr_on_down", "1")?;
    let hop = |via: &str, dev: &str, weight| NextHop {
        via: Some(via.parse().unwrap()),
        dev: Some(dev.into()),
        weight: Some(weight),
        onlink: false,
        realms: 0,
    };
    let several = |destination: &str, hops| Route {
        hops,
        no_track: true,
        ..Route::to(destination.parse().unwrap(), 16)
    };
    let mut first = instance([]);
    first.routes = vec![
        several("10.70.0.0", vec![hop("10.9.0.9", "e0", 2), hop("10.8.0.9", "e4", 5)]),
        several("2001::", vec![hop("2001:db8:9::9", "e0", 2), hop("2001:db8:8::9", "e4", 5)]),
    ];
    let task = start(&net, vec![router(A, first)])?;
    let present = |report: &OwnedReport| report.routes == [Presence::Present, Presence::Present];
    let shown = |listing: &str| -> Result<Vec<String>> {
        let text = net.router.ip(listing)?;
        let ways = text
            .split("nexthop")
            .flat_map(|part| part.split_whitespace().skip_while(|w| *w != "via").nth(1));
        Ok(ways.map(str::to_owned).collect())
    };
    let until = |wanted: &[&[&str]; 2]| -> Result<()> {
        let end = Instant::now() + SOON;
        loop {
            let v4 = shown("-4 route show proto 18")?;
            let v6 = shown("-6 route show proto 18")?;
            if v4 == wanted[0] && v6 == wanted[1] {
                return Ok(());
            }
            assert!(Instant::now() < end, "{v4:?} {v6:?}, not {wanted:?}");
        }
    };
    let both: [&[&str]; 2] = [&["10.9.0.9", "10.8.0.9"], &["2001:db8:9::9", "2001:db8:8::9"]];
    let one: [&[&str]; 2] = [&["10.9.0.9"], &["2001:db8:9::9"]];
    task.tell(own(A, true));
    task.settles(A, present);
    until(&both)?;
    // The kernel itself leaves out a way whose link is down, and takes it up again.
    net.router.ip("link set e4 down")?;
    task.settles(A, present);
    net.router.ip("link set e4 up")?;
    until(&both)?;
    // With the interface it drops the route, and this is put right.
    net.router.ip("link del e4")?;
    until(&one)?;
    task.settles(A, present);
    add_link(&net.router, &net.host, "e4")?;
    net.router.ip("addr add 10.8.0.1/24 dev e4")?;
    net.router.ip("addr add 2001:db8:8::1/64 dev e4 nodad")?;
    until(&both)?;
    task.settles(A, present);
    net.router.ip("link set e0 down")?;
    net.router.ip("link set e4 down")?;
    task.settles(A, |report| report.routes == vec![Presence::PendingLinkDown; 2]);
    net.router.ip("link set e0 up")?;
    task.settles(A, present);
    task.tell(own(A, false));
    until(&[&[], &[]])?;
    task.stop()
}
