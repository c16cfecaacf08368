//! In every order of everything that can happen: is there ever a second master without cause, and
//! is there one in the end?
use std::net::IpAddr;
use std::time::{Duration, Instant};
use vrrp_common::ident::{Family, Priority, Version, Vrid};
use vrrp_tests::model::search::{Found, Order, Safety, compare, search};
use vrrp_tests::model::world::World;
use vrrp_tests::model::{Faults, Scenario};
use xvrrp::config::model::{Instance, Vip};
use xvrrp::engine::timing;

const INTERVAL: Duration = Duration::from_secs(1);

/// Routers of one virtual router. Of a skew of (256 - priority) / 256 seconds, priorities that
/// differ by 32 make whole eighths of a second.
fn routers(priorities: &[u8]) -> Vec<Instance> {
    let router = |priority: &u8| {
        let vrid = Vrid::new(10).expect("a VRID");
        let mut instance = Instance::new("vr", "eth0", vrid, Family::V4);
        instance.version = Version::V3;
        instance.answer_lower = true;
        instance.priority = Priority(*priority);
        instance.advert_interval = INTERVAL;
        // Announcements are no part of an election.
        instance.garp.delay = Duration::ZERO;
        instance.garp.lower_repeat = 0;
        instance.addresses = vec![Vip::new(IpAddr::from([192, 0, 2, 1]), 24, "eth0")];
        instance
    };
    priorities.iter().map(router).collect()
}

/// They start together, and nothing goes wrong.
fn scenario(instances: Vec<Instance>, ticks: u32, delay: [u32; 2]) -> Scenario {
    Scenario { instances, ticks, delay, staggered: false, faults: Faults::NONE }
}

/// Two routers of each kind there is.
fn pairs() -> [(&'static str, Vec<Instance>); 5] {
    let with = |priorities: &[u8], change: fn(&mut Instance)| {
        let mut routers = routers(priorities);
        routers.iter_mut().for_each(change);
        routers
    };
    [
        ("unequal", routers(&[192, 64])),
        ("equal", routers(&[192, 192])),
        ("nopreempt", with(&[192, 64], |instance| instance.preempt = false)),
        ("owner", routers(&[255, 192])),
        (
            "version 2",
            with(&[192, 64], |instance| {
                instance.version = Version::V2;
                instance.answer_lower = false;
            }),
        ),
    ]
}

/// Searches, and says how much there was.
fn run(name: &str, scenario: &Scenario, safety: Safety) -> Found {
    let started = Instant::now();
    let found =
        search(scenario, Order::Breadth, safety).unwrap_or_else(|why| panic!("{name}:\n{why}"));
    let Found { states, steps, calm, settles } = found;
    println!(
        "{name}: {states} states, {steps} steps; {calm} states after the last fault, settled after \
         {settles:?} at most; took {:?}",
        started.elapsed()
    );
    // What was under way at the last fault arrives and may cross with an answer, whoever waits
    // longest has waited, what it then says arrives and may cross with an answer again.
    let longest = scenario
        .instances
        .iter()
        .map(|instance| timing::down_interval(instance.version, INTERVAL, instance.priority, 3));
    let bound = longest.max().unwrap_or_default() + 4 * scenario.delay[1] * scenario.tick();
    assert!(settles <= bound, "{name}: it may take {settles:?}, more than {bound:?}");
    found
}

/// Where two may be Active there is nothing to ask but whether that ends.
fn anything(_: &World) -> Result<(), String> {
    Ok(())
}

/// Routers of different priorities that start together: while nothing is lost, paused or
/// crashed, and no packet takes longer than the least difference of two skews, no instant ends with
/// two masters.
#[test]
fn never_two_masters_where_nothing_goes_wrong() {
    let two = scenario(routers(&[192, 64]), 16, [1, 3]);
    assert!(run("two", &two, World::at_most_one).states > 300);
    let three = scenario(routers(&[224, 160, 96]), 8, [1, 2]);
    assert!(run("three", &three, World::at_most_one).states > 300);
}

/// Whenever each starts, and equals too: while nothing goes wrong, two are masters only for as long
/// as the advert of the better one is on its way to the worse.
#[test]
fn two_masters_only_until_the_worse_can_know() {
    for (name, pair) in pairs() {
        let staggered = Scenario { staggered: true, ..scenario(pair, 8, [1, 2]) };
        let found = run(&format!("two, {name}"), &staggered, World::worse_will_hear);
        assert!(found.states > 500, "{name}");
    }
    let three = scenario(routers(&[192, 128, 64]), 4, [1, 1]);
    let staggered = Scenario { staggered: true, ..three };
    assert!(run("three", &staggered, World::worse_will_hear).states > 5_000);
}

/// After any losses, a crash and a start again: one master, for good.
#[test]
fn one_master_after_losses_and_crashes() {
    let faults = Faults { losses: None, crashes: 1, ..Faults::NONE };
    for (name, pair) in pairs() {
        let crashing = Scenario { faults, ..scenario(pair, 4, [1, 2]) };
        let found = run(&format!("two, {name}"), &crashing, anything);
        assert!(found.states > 2_000, "{name}");
    }
    let faults = Faults { losses: Some(2), ..Faults::NONE };
    let three = Scenario { faults, ..scenario(routers(&[192, 128, 64]), 4, [1, 1]) };
    assert!(run("three", &three, anything).states > 1_000);
}

/// After a pause of one for longer than a down interval, and losses: one master, for good.
#[test]
fn one_master_after_a_pause() {
    paused(Some(2));
}

/// The same with any number of losses: half a million states of three routers alone.
#[test]
#[ignore = "takes two minutes: run it when the election changes"]
fn one_master_after_any_losses() {
    paused(None);
    let faults = Faults { losses: None, ..Faults::NONE };
    let three = Scenario { faults, ..scenario(routers(&[192, 128, 64]), 4, [1, 1]) };
    assert!(run("three, any losses", &three, anything).states > 100_000);
}

fn paused(losses: Option<u8>) {
    let faults = Faults { losses, pauses: 1, longest_pause: 16, crashes: 0 };
    for (name, pair) in pairs() {
        let paused = Scenario { faults, ..scenario(pair, 4, [1, 1]) };
        let found = run(&format!("two, {name}"), &paused, anything);
        assert!(found.states > 2_000, "{name}");
    }
    let faults = Faults { losses: losses.and(Some(0)).or(Some(1)), ..faults };
    let three = Scenario { faults, ..scenario(routers(&[192, 128, 64]), 4, [1, 1]) };
    assert!(run("three", &three, anything).states > 5_000);
}

/// What does not hold is found: a lost advert makes two masters, and two owners that do not listen
/// stay so.
#[test]
fn what_does_not_hold_is_found() {
    let faults = Faults { losses: None, ..Faults::NONE };
    let lossy = Scenario { faults, ..scenario(routers(&[192, 64]), 4, [1, 1]) };
    let why =
        search(&lossy, Order::Breadth, World::at_most_one).expect_err("losses make two masters");
    assert!(why.ends_with("2 are Active") && why.contains("Lose"), "{why}");

    let mut owners = routers(&[255, 255]);
    for owner in &mut owners {
        owner.owner_ignore_adverts = true;
    }
    let why = search(&scenario(owners, 4, [1, 1]), Order::Breadth, anything)
        .expect_err("they never settle");
    assert!(why.ends_with("need not settle"), "{why}");
}

/// The digest of an engine leaves nothing out that matters: from states that are taken for one the
/// same ways lead to the same states, and so whichever of them is followed, the same is found.
#[test]
fn states_taken_for_one_are_one() {
    let faults = Faults { losses: Some(0), pauses: 1, longest_pause: 16, crashes: 0 };
    for (name, pair) in pairs() {
        let paused = Scenario { faults, ..scenario(pair.clone(), 4, [1, 1]) };
        let faults = Faults { losses: Some(3), crashes: 1, ..Faults::NONE };
        let crashed = Scenario { faults, ..scenario(pair, 4, [1, 1]) };
        for scenario in [paused, crashed] {
            let [breadth, depth] = [Order::Breadth, Order::Depth]
                .map(|order| search(&scenario, order, anything).unwrap_or_else(|e| panic!("{e}")));
            assert_eq!(breadth, depth, "{name}");
            assert_eq!(compare(&scenario), Ok(breadth.states), "{name}");
        }
    }
}
