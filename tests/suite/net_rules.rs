//! Do rules follow their router, and are they put back, in a real kernel?
use anyhow::Result;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vrrp_common::ident::Family;
use vrrp_tests::net_rig::root;
use vrrp_tests::net_rig::scene::*;
use xvrrp::config::model::{Config, Instance, Route, Rule, Statics};
use xvrrp::config::routing::{RuleAction, StaticAddress};
use xvrrp::engine::input::LinkState;
use xvrrp::net::statics::STATICS;
use xvrrp::net::task::{Command, Event, OwnedReport, Presence};

fn rule(family: Family, priority: u32, from: &str) -> Rule {
    let (address, length) = from.split_once('/').unwrap();
    let from = Some((address.parse().unwrap(), length.parse().unwrap()));
    Rule { from, ..Rule::new(family, priority, RuleAction::Table(1000)) }
}

fn with(rules: Vec<Rule>) -> Instance {
    Instance { rules, ..instance([]) }
}

/// Rules that the kernel did not have from its start.
fn listed(net: &Net) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for family in ["-4", "-6"] {
        let text = net.router.ip(&format!("-d {family} rule show"))?;
        let lines = text.lines().filter(|line| !line.contains("proto kernel"));
        all.extend(lines.map(|line| line.replace('\t', " ").trim().to_owned()));
    }
    Ok(all)
}

fn until(net: &Net, wanted: &[&str]) -> Result<()> {
    let end = Instant::now() + SOON;
    loop {
        let lines = listed(net)?;
        if lines == wanted {
            return Ok(());
        }
        assert!(Instant::now() < end, "{lines:?}, not {wanted:?}");
    }
}

#[test]
fn rules() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    let all = |presence: Presence, count: usize| {
        move |report: &OwnedReport| report.rules == vec![presence.clone(); count]
    };
    // A killed predecessor's rule, and another's that is none of our business.
    net.router.ip("rule add from 10.1.0.0/16 table 1000 pref 100 proto 18")?;
    net.router.ip("rule add from 10.9.0.0/16 table 1000 pref 90 proto 18")?;
    const OTHERS: &str = "90: from 10.9.0.0/16 lookup 1000 proto keepalived";
    const V4: &str = "100: from 10.1.0.0/16 lookup 1000 proto keepalived";
    const MISSING: &str = "101: from 10.2.0.0/16 iif e9 [detached] lookup 1000 proto keepalived";
    const V6: &str = "100: from 2001:db8:1::/48 lookup 1000 proto keepalived";
    let missing = Rule { iif: Some("e9".into()), ..rule(Family::V4, 101, "10.2.0.0/16") };
    let first = vec![
        rule(Family::V4, 100, "10.1.0.0/16"),
        missing,
        rule(Family::V6, 100, "2001:db8:1::/48"),
    ];
    let task = start(&net, vec![router(A, with(first.clone()))])?;
    task.settles(A, all(Presence::Absent, 3));
    until(&net, &[OTHERS])?;
    task.tell(own(A, true));
    task.settles(A, all(Presence::Present, 3));
    let there = [OTHERS, V4, MISSING, V6];
    assert_eq!(listed(&net)?, there);
    // Removed by hand, one or all.
    net.router.ip("rule del pref 101")?;
    until(&net, &there)?;
    net.router.ip("-6 rule del pref 100")?;
    net.router.ip("rule del pref 100")?;
    until(&net, &there)?;
    // One is changed, which changes that one.
    let mut changed = first.clone();
    changed[0].tos = 0x10;
    const CHANGED: &str = "100: from 10.1.0.0/16 tos 0x10 lookup 1000 proto keepalived";
    task.tell(router(A, with(changed)));
    until(&net, &[OTHERS, CHANGED, MISSING, V6])?;
    task.settles(A, all(Presence::Present, 3));
    // Two want the same one; it stays until both have given it up.
    task.tell(router(B, with(vec![rule(Family::V6, 100, "2001:db8:1::/48")])));
    task.tell(own(B, true));
    task.settles(B, all(Presence::Present, 1));
    task.tell(own(A, false));
    until(&net, &[OTHERS, V6])?;
    // What a reload takes away.
    task.tell(own(A, true));
    task.tell(Command::Forget { router: B });
    task.tell(router(A, with(first[..1].to_vec())));
    until(&net, &[OTHERS, V4])?;
    // What the kernel refuses is told.
    let mut refused = rule(Family::V4, 100, "10.1.0.0/16");
    refused.action = RuleAction::Goto(50);
    task.tell(router(A, with(vec![refused])));
    task.settles(A, |report| matches!(&report.rules[..], [Presence::Failed(_)]));
    until(&net, &[OTHERS])?;
    // Its own number, and one under no_repair is left as it is.
    let own_number = Rule { protocol: Some(99), ..rule(Family::V4, 100, "10.1.0.0/16") };
    task.tell(router(A, Instance { no_repair: true, ..with(vec![own_number]) }));
    task.tell(own(A, true));
    task.settles(A, all(Presence::Present, 1));
    until(&net, &[OTHERS, "100: from 10.1.0.0/16 lookup 1000 proto openr"])?;
    net.router.ip("rule del pref 100")?;
    task.settles(A, all(Presence::Absent, 1));
    task.tell(own(A, false));
    task.stop()?;
    until(&net, &[OTHERS])
}

/// Two programs that fight must not keep the kernel busy.
#[test]
fn who_keeps_removing_one_waits() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    let mut first = with(vec![rule(Family::V4, 100, "10.1.0.0/16")]);
    first.routes = vec![Route { dev: Some("e4".into()), ..Route::to([10, 70, 0, 0].into(), 16) }];
    net.router.ip("addr add 10.8.0.1/24 dev e4")?;
    let task = start(&net, vec![router(A, first), own(A, true)])?;
    task.settles(A, |report| {
        report.rules == [Presence::Present] && report.routes == [Presence::Present]
    });
    let (mut rules, mut routes) = (0, 0);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(900) {
        rules += u32::from(net.router.ip("rule del pref 100").is_ok());
        routes += u32::from(net.router.ip("route del 10.70.0.0/16").is_ok());
    }
    // Ten a second and the first one; a slow machine does not get that far.
    assert!(rules <= 22 && routes <= 22, "{rules} and {routes} times");
    task.settles(A, |report| {
        report.rules == [Presence::Present] && report.routes == [Presence::Present]
    });
    task.stop()
}

fn statics(addresses: &[&str], routes: Vec<Route>, rules: Vec<Rule>) -> Command {
    let addresses = addresses
        .iter()
        .map(|address| StaticAddress { vip: vip(address, "e4"), track_group: None })
        .collect();
    let statics = Statics { addresses, routes, rules, groups: vec![] };
    Command::Globals(Arc::new(Config { statics, ..Config::default() }))
}

#[test]
fn static_objects() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    let route = Route {
        via: Some([10, 20, 0, 9].into()),
        dev: Some("e4".into()),
        ..Route::to([10, 70, 0, 0].into(), 16)
    };
    const RULE: &str = "100: from 10.1.0.0/16 lookup 1000 proto keepalived";
    let rules = || vec![rule(Family::V4, 100, "10.1.0.0/16")];
    let all = statics(&["10.20.0.1/24", "2001:db8:20::1/64"], vec![route.clone()], rules());
    let task =
        vrrp_tests::net_rig::Task::start(&net.router, Default::default(), vec![all.clone()])?;
    // They are there before the links are told, so that adverts can be sent from them.
    let found = task.event(SOON, |event| matches!(event, Event::Link(link) if *link.name == *"e4"));
    let Some(Event::Link(link)) = found else { panic!("e4 is not told") };
    let LinkState::Up(addresses) = link.state else { panic!("{link:?}") };
    assert_eq!(addresses.v4, Some([10, 20, 0, 1].into()));
    assert!(link.addresses.contains(&"2001:db8:20::1".parse()?));
    assert!(task.event(SOON, |event| matches!(event, Event::Ready)).is_some());
    let present = |report: &OwnedReport| {
        presences(report) == vec![Presence::Present; 2]
            && report.routes == [Presence::Present]
            && report.rules == [Presence::Present]
    };
    task.settles(STATICS, present);
    let line = "10.70.0.0/16 via 10.20.0.9 dev e4";
    let routes = || net.router.ip("route show proto 18");
    assert_eq!(routes()?.trim(), line);
    until(&net, &[RULE])?;
    // Put back, whoever takes them; nobody is told.
    net.router.ip("addr del 10.20.0.1/24 dev e4")?;
    net.router.ip("rule del pref 100")?;
    until(&net, &[RULE])?;
    let end = Instant::now() + SOON;
    while !net.has("10.20.0.1/24") || routes()?.trim() != line {
        assert!(Instant::now() < end, "not put back");
    }
    net.router.ip("link set e4 down")?;
    net.router.ip("link set e4 up")?;
    task.settles(STATICS, present);
    net.router.ip("link del e4")?;
    task.settles(STATICS, |report| report.routes == [Presence::PendingNoDevice]);
    add_link(&net.router, &net.host, "e4")?;
    task.settles(STATICS, present);
    assert!(!task.events(QUIET).iter().any(|event| matches!(event, Event::Lost { .. })));
    // A virtual address of a router that is the same is the link's own all the same.
    task.tell(router(A, instance([vip("10.20.0.1/24", "e4")])));
    task.tell(own(A, true));
    task.settles(A, |report| presences(report) == [Presence::Present]);
    task.tell(own(A, false));
    task.settles(A, |report| presences(report) == [Presence::Absent]);
    assert!(net.has("10.20.0.1/24"));
    // A reload.
    task.tell(statics(&["10.20.0.2/24"], vec![], rules()));
    task.settles(STATICS, |report| presences(report) == [Presence::Present]);
    assert!(!net.has("10.20.0.1/24") && net.has("10.20.0.2/24"));
    assert_eq!(routes()?, "");
    until(&net, &[RULE])?;
    task.tell(all);
    task.settles(STATICS, present);
    task.stop()?;
    until(&net, &[])?;
    assert!(!net.has("10.20.0.1/24") && !net.has("2001:db8:20::1/64"));
    assert_eq!(routes()?, "");
    Ok(())
}
