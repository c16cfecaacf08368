//! In every order of everything that can happen: is there ever a second master without cause, and
//! is there one in the end?
use std::net::IpAddr;
use std::time::{Duration, Instant};
use vrrp_common::ident::{Family, Priority, Version, Vrid};
use vrrp_tests::model::search::{Found, Safety, search};
use vrrp_tests::model::world::World;
use vrrp_tests::model::{Faults, Scenario};
use xvrrp::config::model::{Instance, Vip};

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
        instance.addresses = vec![Vip {
            address: IpAddr::from([192, 0, 2, 1]),
            prefix: 24,
            dev: "eth0".into(),
            label: None,
            broadcast: None,
            scope: 0,
            no_track: false,
        }];
        instance
    };
    priorities.iter().map(router).collect()
}

fn scenario(priorities: &[u8]) -> Scenario {
    Scenario {
        instances: routers(priorities),
        ticks: 8,
        delay: [1, 1],
        staggered: false,
        faults: Faults::NONE,
    }
}

fn run(name: &str, scenario: &Scenario, safety: Safety) -> Found {
    let started = Instant::now();
    match search(scenario, safety) {
        Ok(found) => {
            println!("{name}: {found:?} in {:?}", started.elapsed());
            found
        }
        Err(why) => panic!("{name}:\n{why}"),
    }
}

fn nothing(_: &World) -> Result<(), String> {
    Ok(())
}

#[test]
fn probe() {
    run("two, together", &scenario(&[192, 64]), World::at_most_one);
    let two = Scenario { delay: [1, 2], staggered: true, ..scenario(&[192, 64]) };
    run("two, staggered", &two, World::worse_will_hear);
    for losses in [Some(1), Some(2), Some(4), None] {
        let faults = Faults { losses, ..Faults::NONE };
        let two = Scenario { delay: [1, 1], faults, ..scenario(&[192, 64]) };
        run(&format!("two, {losses:?} losses"), &two, nothing);
    }
}
