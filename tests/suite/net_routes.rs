//! Do routes follow their router, their links and their source addresses in a real kernel?
use anyhow::Result;
use std::time::Instant;
use vrrp_tests::net_rig::root;
use vrrp_tests::net_rig::scene::*;
use xvrrp::config::model::{Instance, Route};
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
    let first = Instance {
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
    let hop = route("10.66.0.1/32", None, Some("e4"));
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
    // Another's route to the same destination is not ours to replace.
    net.router.ip("route add 10.80.0.0/16 via 10.60.0.3")?;
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
