//! Does an election end as it must, whatever happens before: laws over many seeds.
//!
//! `XVRRP_SEEDS` sets how many seeds are tried, `XVRRP_SEED` tries one.
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use vrrp_common::ident::{Family, Priority, Version, Vrid};
use vrrp_tests::sim::fabric::Rules;
use vrrp_tests::sim::node::Path;
use vrrp_tests::sim::plan::{Act, Plan, Weather, part};
use vrrp_tests::sim::random;
use vrrp_tests::sim::trace::{Trace, hold};
use vrrp_tests::sim::{Change, Lan};
use xvrrp::config::tracked::{SyncGroup, Tracks};
use xvrrp::engine::output::Why;
use xvrrp::engine::snapshot::State;
use xvrrp::engine::timing;

const FAST: Path = Path::Fast(Duration::ZERO);

/// The names of a plan's virtual routers.
fn names(plan: &Plan) -> BTreeSet<String> {
    plan.nodes.iter().flat_map(|(_, instances)| instances).map(|i| i.name.to_string()).collect()
}

/// Exactly one master a virtual router, and nobody who would have to preempt it.
fn elected(lan: &Lan<'_>, plan: &Plan) -> Result<(), String> {
    for name in names(plan) {
        let routers = lan.routers(&name);
        let masters: Vec<_> =
            routers.iter().filter(|(_, router)| router.state == State::Active).collect();
        let [(node, master)] = masters[..] else {
            let nodes: Vec<_> = masters.iter().map(|(node, _)| node).collect();
            return Err(format!("{name} has the masters {nodes:?}"));
        };
        for (other, router) in &routers {
            let (priority, preempts) = (router.effective_priority, router.instance.preempt);
            if priority > master.effective_priority && (preempts || priority == Priority::OWNER) {
                return Err(format!("{name}: node {other} must preempt node {node}"));
            }
            if other != node && router.state != State::Backup {
                return Err(format!("{name}: node {other} is {}", router.state));
            }
        }
    }
    Ok(())
}

/// Runs a plan to its end and then for twelve intervals in which nothing may happen.
fn settles(plan: &Plan, path: Path, trace: &mut Trace) -> Result<(), String> {
    let mut lan = Lan::new(plan, path, trace);
    lan.run(plan.settled)?;
    elected(&lan, plan)?;
    let before = lan.changes.len();
    lan.run(plan.settled + 12 * plan.interval)?;
    match lan.changes.get(before) {
        Some(change) => Err(format!("flapped: {change:?}")),
        None => elected(&lan, plan),
    }
}

#[test]
fn one_master_remains_after_the_last_fault() {
    hold("one_master_remains_after_the_last_fault", 2000, |seed, trace| {
        settles(&Plan::random(seed, Weather::Foul), FAST, trace)
    });
}

#[test]
fn a_dataplane_that_is_told_late_harms_nobody() {
    hold("a_dataplane_that_is_told_late_harms_nobody", 500, |seed, trace| {
        let plan = Plan::random(seed, Weather::Foul);
        let lag = part(plan.interval, seed % 1500);
        settles(&plan, Path::Fast(lag), trace)
    });
}

#[test]
fn nobody_flaps_in_fair_weather() {
    hold("nobody_flaps_in_fair_weather", 500, |seed, trace| {
        let plan = Plan::random(seed, Weather::Fair);
        settles(&plan, FAST, trace)?;
        // Each router may have been master once before the better one came.
        let mut lan = Lan::new(&plan, FAST, trace);
        lan.run(plan.settled)?;
        for node in 0..plan.nodes.len() {
            for name in names(&plan) {
                let rises = |change: &&Change| {
                    (change.node, &change.name, change.to) == (node, &name, State::Active)
                };
                let count = lan.changes.iter().filter(rises).count();
                if count > 1 {
                    return Err(format!("{name}: node {node} was master {count} times"));
                }
            }
        }
        Ok(())
    });
}

/// Two nodes with one sync group each of two or three routers on two LANs, and what goes wrong
/// with nodes, links and LANs, together and one by one.
fn grouped(seed: u64) -> Plan {
    let mut random = random::of(&[seed, 77]);
    let mut plan = plain(seed, random.pick(&[1, 10, 100]), &[100, 100]);
    let members = 2 + usize::from(random.chance(1, 2));
    let names = ["vr1", "vr2", "vr3"];
    // Who is better is better everywhere, or nobody ever rests: keepalived's manual says so, too.
    let priorities = [random.pick(&[50, 100, 255]), random.pick(&[50, 100, 101, 150])];
    let preempt = [random.chance(3, 4), random.chance(3, 4)];
    for (node, (_, instances)) in plan.nodes.iter_mut().enumerate() {
        let shape = instances[0].clone();
        let lans = ["eth0", "eth4", "eth0"];
        *instances = (1u8..)
            .zip(names.iter().zip(lans))
            .take(members)
            .map(|(number, (name, lan))| {
                let mut instance = shape.clone();
                instance.name = (*name).into();
                instance.interface = lan.into();
                instance.vrid = Vrid::new(number).expect("not 0");
                instance.priority = Priority(priorities[node]);
                instance.preempt = preempt[node];
                instance.family = Family::V4;
                let vip = &mut instance.addresses[0];
                vip.address = Ipv4Addr::new(192, 0, 2, number).into();
                vip.dev = instance.interface.clone();
                instance
            })
            .collect();
    }
    plan.groups = vec![Arc::new(SyncGroup {
        name: "G".into(),
        origin: Default::default(),
        members: names[..members].iter().map(|name| (*name).into()).collect(),
        track_interfaces: Vec::new(),
        tracks: Tracks::default(),
        tracking_weight: false,
        notify: Default::default(),
        notify_priority_changes: None,
    })];
    let storm = 30_000;
    plan.calm = part(plan.interval, storm);
    let jitter = part(plan.interval, random.pick(&[1, 20, 300]));
    let wire = Rules { jitter, loss: random.pick(&[0, 0, 100, 300]), ..Rules::CALM };
    plan.script.push((Duration::ZERO, Act::Wire(wire)));
    for _ in 0..random.below(30) {
        let at = part(plan.interval, 1000 + random.below(storm - 1000));
        let node = usize::from(random.chance(1, 2));
        let lan = random.pick(&["eth0", "eth4"]);
        let split = vec![false, random.chance(1, 2)];
        let act = match random.below(12) {
            0 => Act::Kill(node),
            1 => Act::Stop(node),
            2 | 3 => Act::Start(node),
            4 => Act::Pause(node),
            5 => Act::Resume(node),
            6..9 => Act::Link(node, lan, random.chance(1, 2)),
            9 => Act::Split(split),
            10 => Act::Cut(lan, split),
            _ => Act::Lose(node, usize::from(random.chance(1, 2))),
        };
        plan.script.push((at, act));
    }
    for node in 0..2 {
        plan.script.push((plan.calm, Act::Resume(node)));
        plan.script.push((plan.calm, Act::Start(node)));
        for lan in ["eth0", "eth4"] {
            plan.script.push((plan.calm, Act::Link(node, lan, true)));
            plan.script.push((plan.calm, Act::Cut(lan, vec![false, false])));
        }
    }
    plan.script.push((plan.calm, Act::Split(vec![false, false])));
    plan.script.push((plan.calm, Act::Wire(Rules::CALM)));
    plan.script.sort_by_key(|(at, _)| *at);
    plan.settled = plan.calm + 5 * plan.longest_down_interval();
    plan
}

/// Members never differ, which each node looks after itself.
#[test]
fn one_node_has_the_whole_group_after_the_last_fault() {
    hold("one_node_has_the_whole_group_after_the_last_fault", 1500, |seed, trace| {
        let plan = grouped(seed);
        settles(&plan, FAST, trace)?;
        let mut lan = Lan::new(&plan, FAST, trace);
        lan.run(plan.settled)?;
        let masters: BTreeSet<usize> = names(&plan)
            .iter()
            .flat_map(|name| lan.routers(name))
            .filter(|(_, router)| router.state == State::Active)
            .map(|(node, _)| node)
            .collect();
        if masters.len() == 1 { Ok(()) } else { Err(format!("the masters {masters:?}")) }
    });
}

#[test]
fn groups_end_on_the_fast_path_where_hearing_everything_ends() {
    hold("groups_end_on_the_fast_path_where_hearing_everything_ends", 1000, |seed, trace| {
        same_on_both_paths(&grouped(seed), trace)
    });
}

/// The same plan, with stamps and with every advert told.
///
/// Routers in transition are not paused here: which version 2 the dataplane drops follows from whom
/// the engine last said it follows, and when it says that late while two masters advertise, what is
/// dropped counts as lost.
#[test]
fn the_fast_path_ends_where_hearing_everything_ends() {
    hold("the_fast_path_ends_where_hearing_everything_ends", 1500, |seed, trace| {
        let mut plan = Plan::random(seed, Weather::Foul);
        if plan.nodes.iter().flat_map(|(_, instances)| instances).any(|i| i.v2_interop) {
            plan.script.retain(|(_, act)| !matches!(act, Act::Pause(_)));
        }
        same_on_both_paths(&plan, trace)
    });
}

fn same_on_both_paths(plan: &Plan, trace: &mut Trace) -> Result<(), String> {
    let mut lans = Vec::new();
    let end = plan.settled + 4 * plan.interval;
    for path in [FAST, Path::Slow] {
        let mut lan = Lan::new(plan, path, trace);
        lan.run(end)?;
        let told: Vec<_> = lan.nodes.iter().map(|node| node.news()).collect();
        let routers: Vec<_> = names(plan)
            .iter()
            .flat_map(|name| lan.routers(name))
            .map(|(node, router)| {
                (
                    node,
                    router.state,
                    router.since,
                    router.effective_priority,
                    router.adverts_sent,
                    router.became_master,
                )
            })
            .collect();
        // Routers of one node that act at the same time have no order.
        let mut changes = lan.changes;
        changes.sort_by(|a, b| (a.at, a.node, &a.name).cmp(&(b.at, b.node, &b.name)));
        lans.push((changes, routers, lan.sent, told));
    }
    let [fast, slow] = &lans[..] else { return Err("two runs".into()) };
    let differing = fast.0.iter().zip(&slow.0).find(|(fast, slow)| fast != slow);
    if let Some((fast, slow)) = differing {
        return Err(format!("fast {fast:?}\n     slow {slow:?}"));
    }
    if (fast.0.len(), &fast.1, fast.2) != (slow.0.len(), &slow.1, slow.2) {
        return Err(format!("fast {:?}\n     slow {:?}", fast.1, slow.1));
    }
    if fast.3.iter().zip(&slow.3).any(|(fast, slow)| fast > slow) {
        return Err(format!("told more: {:?} than {:?}", fast.3, slow.3));
    }
    Ok(())
}

/// In steady state no advert wakes a backup, and its own timer does so no more often than it must:
/// each time it is at most an interval behind the dataplane.
#[test]
fn nobody_is_told_what_is_boring() {
    hold("nobody_is_told_what_is_boring", 200, |seed, trace| {
        let plan = Plan::random(seed, Weather::Fair);
        let mut lan = Lan::new(&plan, FAST, trace);
        lan.run(plan.settled)?;
        let told = |lan: &Lan<'_>| lan.nodes.iter().map(|node| node.news()).sum::<u64>();
        let woken = |lan: &Lan<'_>| lan.nodes.iter().map(|node| node.wakes()).sum::<u64>();
        let (told_before, woken_before, sent) = (told(&lan), woken(&lan), lan.sent);
        let quiet = 100 * plan.interval;
        lan.run(plan.settled + quiet)?;
        if told(&lan) > told_before {
            return Err(format!("{} adverts were told", told(&lan) - told_before));
        }
        let sent = lan.sent - sent;
        if sent < 100 {
            return Err("there was nothing to hear".into());
        }
        // A master is woken for each advert, and for two more rounds of announcements.
        let mut most = u128::from(sent);
        for name in names(&plan) {
            for (_, router) in lan.routers(&name) {
                most += match router.state {
                    State::Active => 2,
                    _ => {
                        let least = router.down_interval - router.master_interval;
                        quiet.as_nanos() / least.as_nanos() + 1
                    }
                };
            }
        }
        let woken = u128::from(woken(&lan) - woken_before);
        if woken > most { Err(format!("woken {woken} times, not {most}")) } else { Ok(()) }
    });
}

/// A LAN in which every router of `priorities` runs one virtual router with the defaults.
fn plain(seed: u64, centis: u64, priorities: &[u8]) -> Plan {
    let mut plan = Plan::random(seed, Weather::Fair);
    while plan.nodes.len() != priorities.len() {
        plan = Plan::random(plan.seed.wrapping_add(1_000_003), Weather::Fair);
    }
    let interval = Duration::from_millis(centis * 10);
    for ((_, instances), priority) in plan.nodes.iter_mut().zip(priorities) {
        instances.truncate(1);
        let instance = &mut instances[0];
        instance.version = Version::V3;
        instance.v2_interop = false;
        instance.answer_lower = true;
        instance.priority = Priority(*priority);
        instance.advert_interval = interval;
        instance.preempt = true;
        instance.preempt_delay = Duration::ZERO;
        instance.start_as_master = false;
        instance.track_interfaces.clear();
    }
    plan.interval = interval;
    plan.script = (0..priorities.len()).map(|node| (Duration::ZERO, Act::Start(node))).collect();
    plan.calm = Duration::ZERO;
    plan.settled = 3 * plan.longest_down_interval();
    plan
}

#[test]
fn equals_at_one_centisecond_elect_exactly_one_by_address() {
    hold("equals_at_one_centisecond_elect_exactly_one_by_address", 300, |seed, trace| {
        let plan = plain(seed, 1, &[100, 100, 100]);
        settles(&plan, FAST, trace)?;
        let mut lan = Lan::new(&plan, FAST, trace);
        lan.run(plan.settled)?;
        let routers = lan.routers(&plan.nodes[0].1[0].name);
        let best = plan.nodes.iter().map(|(host, _)| *host).max();
        let master = routers.iter().find(|(_, router)| router.state == State::Active);
        // All expired at once, so all were masters and the addresses decided.
        match master.map(|(node, _)| plan.nodes[*node].0) {
            host if host == best => Ok(()),
            host => Err(format!("{host:?} is master, not {best:?}")),
        }
    });
}

#[test]
fn neighbours_at_one_centisecond_elect_the_better() {
    hold("neighbours_at_one_centisecond_elect_the_better", 300, |seed, trace| {
        settles(&plain(seed, 1, &[100, 101]), FAST, trace)
    });
}

/// The best that is left takes over when its own down interval ends, and nobody else does.
#[test]
fn the_winner_takes_over_within_its_down_interval() {
    hold("the_winner_takes_over_within_its_down_interval", 500, |seed, trace| {
        let centis = [1, 10, 100, 4095][usize::try_from(seed % 4).unwrap()];
        let mut plan = plain(seed, centis, &[200, 150, 100, 50]);
        let death = plan.settled + part(plan.interval, 1000 + seed * 37 % 5000);
        let quietly = seed % 3 > 0;
        // Nothing overtakes the resignation, which would make it void.
        let wire = Duration::from_micros(100);
        let rules = Rules { least_delay: wire, jitter: Duration::ZERO, ..Rules::CALM };
        plan.script.insert(0, (Duration::ZERO, Act::Wire(rules)));
        let last = if quietly { Act::Kill(0) } else { Act::Stop(0) };
        plan.script.push((death, last));
        let mut lan = Lan::new(&plan, FAST, trace);
        lan.run(plan.settled)?;
        elected(&lan, &plan)?;
        let before = lan.changes.len();
        lan.run(death + 4 * plan.longest_down_interval())?;
        let rises: Vec<_> =
            lan.changes[before..].iter().filter(|change| change.to == State::Active).collect();
        let [rise] = rises[..] else { return Err(format!("who took over: {rises:?}")) };
        let down = timing::down_interval(Version::V3, plan.interval, Priority(150), 3);
        let skew = timing::skew(Version::V3, plan.interval, Priority(150));
        let waited = rise.at - death;
        // The last advert came up to an interval before the death.
        let (least, most, why) = match quietly {
            true => (down - plan.interval, down + wire, Why::MasterDown),
            false => (skew, skew + wire, Why::MasterResigned),
        };
        if rise.node != 1 || rise.why != why || waited < least || waited > most {
            return Err(format!("{rise:?} after {waited:?}, not {least:?} to {most:?}"));
        }
        Ok(())
    });
}

/// While every advert is delivered in time, whenever each router starts: two are masters at once only
/// for as long as the advert of the better one is on its way to the worse.
#[test]
fn two_are_masters_only_while_an_advert_is_under_way() {
    hold("two_are_masters_only_while_an_advert_is_under_way", 500, |seed, trace| {
        let centis = [1, 10, 100, 4095][usize::try_from(seed % 4).unwrap()];
        let mut plan = plain(seed, centis, &[200, 150, 100]);
        for (node, (at, _)) in plan.script.iter_mut().enumerate() {
            let late = seed.wrapping_mul(7919 + 104_729 * node as u64) % 8000;
            *at = part(plan.interval, late);
        }
        plan.script.sort_by_key(|(at, _)| *at);
        let end = plan.settled + 8 * plan.interval;
        let mut lan = Lan::new(&plan, FAST, trace);
        lan.run(end)?;
        elected(&lan, &plan)?;
        let longest = Rules::CALM.least_delay + Rules::CALM.jitter;
        let mut masters = BTreeMap::new();
        for change in &lan.changes {
            if change.to == State::Active {
                masters.insert(change.node, change.at);
            } else if let Some(since) = masters.remove(&change.node) {
                // One of the two heard the other no later than this after both were masters.
                let together = masters.values().map(|other| change.at - since.max(*other)).max();
                if let Some(together) = together.filter(|together| *together > longest) {
                    return Err(format!("two masters for {together:?}: {change:?}"));
                }
            }
        }
        Ok(())
    });
}

/// Two masters meet: one remains within an interval, and it is the better one.
#[test]
fn a_partition_that_heals_leaves_the_better_master_within_an_interval() {
    hold(
        "a_partition_that_heals_leaves_the_better_master_within_an_interval",
        300,
        |seed, trace| {
            let mut plan =
                plain(seed, [1, 10, 100][usize::try_from(seed % 3).unwrap()], &[100, 90]);
            plan.script.insert(0, (Duration::ZERO, Act::Split(vec![false, true])));
            let heals = plan.settled + part(plan.interval, seed % 1000);
            plan.script.push((heals, Act::Split(vec![false, false])));
            let mut lan = Lan::new(&plan, FAST, trace);
            lan.run(plan.settled)?;
            let before = lan.changes.len();
            if lan.changes.iter().filter(|change| change.to == State::Active).count() != 2 {
                return Err("each side must have a master".into());
            }
            lan.run(heals + plan.interval + Duration::from_micros(260))?;
            elected(&lan, &plan)?;
            match &lan.changes[before..] {
                [change] if change.node == 1 && change.to == State::Backup => Ok(()),
                changes => Err(format!("{changes:?}")),
            }
        },
    );
}
