//! Whatever comes, in whatever order: what must be true after every input.
use super::*;
use crate::config::model::{Globals, TrackInterface};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What an outsider who sees only the outputs knows of one router.
#[derive(Default)]
struct Seen {
    instance: Option<Arc<Instance>>,
    state: Option<State>,
    owns: bool,
    expects: Option<Expectation>,
    last_generation: u32,
    source: Option<IpAddr>,
    sent: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Serve,
    Advert { router: u32, host: u8, version: Version, priority: u8, centis: u16, age: u64 },
    Stamp { age: u64, generation: u32 },
    Link { name: usize, kind: u8 },
    Lost { router: u32, address: usize },
    Missed(u32),
    Announce(u32),
    Reload(Vec<(u8, u8, u8)>),
    Shutdown,
}

fn step() -> impl Strategy<Value = Step> {
    let router = || 0u32..5;
    prop_oneof![
        4 => (0u64..5_000_000_000).prop_map(Step::Pass),
        6 => Just(Step::Serve),
        8 => (
            (router(), 8u8..14),
            prop_oneof![Just(Version::V2), Just(Version::V3)],
            prop_oneof![Just(0u8), Just(255), 95u8..105],
            0u16..300,
            0u64..3_000_000_000,
        )
            .prop_map(|((router, host), version, priority, centis, age)| Step::Advert {
                router, host, version, priority, centis, age,
            }),
        4 => (0u64..3_000_000_000, 0u32..12)
            .prop_map(|(age, generation)| Step::Stamp { age, generation }),
        4 => (0usize..3, 0u8..4).prop_map(|(name, kind)| Step::Link { name, kind }),
        1 => (router(), 0usize..4).prop_map(|(router, address)| Step::Lost { router, address }),
        1 => router().prop_map(Step::Missed),
        1 => router().prop_map(Step::Announce),
        3 => prop::collection::vec((0u8..4, 0u8..4, any::<u8>()), 0..4).prop_map(Step::Reload),
        1 => Just(Step::Shutdown),
    ]
}

/// One of many shapes of an instance; names repeat between reloads, so instances change.
fn instance(number: u8, shape: u8, bits: u8) -> Instance {
    let mut instance = fixture();
    instance.name = format!("vr{number}").as_str().into();
    instance.vrid = Vrid::new(number + 1).unwrap();
    instance.priority = Priority([100, 100, 101, 255][usize::from(shape)]);
    instance.v2_interop = shape == 1;
    instance.preempt = bits & 1 == 0;
    instance.start_as_master = bits & 2 != 0;
    instance.dont_track_primary = bits & 4 != 0;
    if bits & 8 != 0 {
        instance.preempt_delay = 2500 * MS;
    }
    if bits & 16 != 0 {
        let interface = name("eth4");
        let weight = if bits & 32 != 0 { -3 } else { 0 };
        instance.track_interfaces = vec![TrackInterface { interface, weight, reverse: false }];
    }
    if bits & 64 != 0 {
        instance.excluded = vec![Vip { no_track: bits & 128 != 0, ..vip(44, "eth5") }];
    }
    instance.garp.refresh = u32::from(bits % 3) * 1000 * MS;
    instance
}

fn input(step: &Step, now: Instant) -> Option<Input> {
    Some(match *step {
        Step::Pass(_) | Step::Stamp { .. } => return None,
        Step::Serve => Input::Deadline,
        Step::Advert { router, host, version, priority, centis, age } => Input::Advert(Advert {
            router: RouterId(router),
            at: now - Duration::from_nanos(age),
            source: v4(host),
            header: header(version, priority, centis),
            same_addresses: host % 2 == 0,
            remarks: 0,
        }),
        Step::Link { name, kind } => {
            let state = match kind {
                0 => LinkState::Missing,
                1 => LinkState::Down(addresses()),
                2 => LinkState::Up(LinkAddresses::default()),
                _ => LinkState::Up(addresses()),
            };
            Input::Link { name: ["eth0", "eth4", "eth5"][name].into(), state }
        }
        Step::Lost { router, address } => Input::Lost { router: RouterId(router), address },
        Step::Missed(router) => Input::Missed(RouterId(router)),
        Step::Announce(router) => Input::Announce(RouterId(router)),
        Step::Reload(ref shapes) => {
            let mut instances: BTreeMap<u8, Instance> = BTreeMap::new();
            for (number, shape, bits) in shapes {
                instances.insert(*number, instance(*number, *shape, *bits));
            }
            let globals = Globals {
                startup_delay: u32::try_from(shapes.len() / 3).unwrap() * 1500 * MS,
                ..Globals::default()
            };
            let instances = instances.into_values().map(Arc::new).collect();
            Input::Reload(Arc::new(Config { globals, instances, ..Config::default() }))
        }
        Step::Shutdown => Input::Shutdown,
    })
}

/// Carries an output out, and says what is wrong with it.
fn watch(seen: &mut BTreeMap<RouterId, Seen>, output: Output) -> Result<(), TestCaseError> {
    let known = |seen: &BTreeMap<RouterId, Seen>, router| seen.contains_key(&router);
    match output {
        Output::Started { router, instance } => {
            seen.entry(router).or_default().instance = Some(instance);
        }
        Output::Stopped { router } => {
            let gone = seen.remove(&router);
            prop_assert!(gone.is_some_and(|gone| !gone.owns && gone.expects.is_none()));
        }
        Output::Source { router, source } => {
            prop_assert!(known(seen, router));
            let router = seen.get_mut(&router).unwrap();
            prop_assert_ne!(router.source, source);
            router.source = source;
        }
        Output::Advert { router, priority } => {
            prop_assert!(known(seen, router));
            let router = seen.get_mut(&router).unwrap();
            prop_assert!(router.source.is_some());
            router.sent += router.instance.iter().flat_map(|i| i.versions()).count() as u64;
            // Only a master resigns.
            prop_assert!(priority != Priority::RELEASE || router.owns);
        }
        Output::Own { router, own, .. } => {
            prop_assert!(known(seen, router));
            seen.get_mut(&router).unwrap().owns = own;
        }
        Output::Announce { router, times } => {
            prop_assert!(seen.get(&router).is_some_and(|router| router.owns));
            prop_assert!(times > 0);
        }
        Output::AnnounceElsewhere { router } => {
            prop_assert!(seen.get(&router).is_some_and(|router| router.owns));
        }
        Output::Expect { router, expectation } => {
            prop_assert!(known(seen, router));
            let router = seen.get_mut(&router).unwrap();
            if let Some(expectation) = expectation {
                prop_assert!(expectation.generation >= router.last_generation);
                router.last_generation = expectation.generation;
            }
            router.expects = expectation;
        }
        Output::Transition { router, from, to, .. } => {
            prop_assert!(known(seen, router));
            let router = seen.get_mut(&router).unwrap();
            prop_assert_eq!(router.state.unwrap_or(State::Initialize), from);
            prop_assert_ne!(from, to);
            router.state = Some(to);
        }
        Output::GroupTransition { .. } => {}
        Output::PriorityChanged { router, .. }
        | Output::LowerHeard { router }
        | Output::Remark { router, .. } => {
            prop_assert!(known(seen, router));
        }
    }
    Ok(())
}

/// Compares what an outsider knows with what the engine says of itself.
fn agree(engine: &Engine, seen: &BTreeMap<RouterId, Seen>) -> Result<(), TestCaseError> {
    let routers = engine.snapshot();
    prop_assert_eq!(routers.len(), seen.len());
    for router in routers {
        let known = &seen[&router.id];
        prop_assert_eq!(known.state.unwrap_or(State::Initialize), router.state);
        prop_assert_eq!(known.instance.as_ref(), Some(&router.instance));
        prop_assert_eq!(known.source, router.source);
        prop_assert_eq!(known.sent, router.adverts_sent);
        prop_assert_eq!(known.owns, router.state == State::Active);
        prop_assert_eq!(engine.find(&router.instance.name), Some(router.id));
        if router.state != State::Initialize {
            prop_assert_eq!(router.state == State::Fault, !router.faults.is_empty());
        }
        if let Some(expectation) = known.expects {
            prop_assert_eq!(router.state, State::Backup);
            // What is boring must be an advert that this router would follow for ever.
            let preempts = router.instance.preempt || router.effective_priority == Priority::OWNER;
            let priority = expectation.header.priority();
            prop_assert!(priority != Priority::RELEASE);
            prop_assert!(!preempts || priority >= router.effective_priority);
        }
        let waits = matches!(router.state, State::Backup | State::Active);
        prop_assert!(!waits || router.deadline.is_some());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn hold_after_every_input(steps in prop::collection::vec(step(), 1..120)) {
        let mut engine = Engine::new();
        let mut seen = BTreeMap::new();
        let mut stamp = Stamp::default();
        let mut now = Instant::from_nanos(1_000_000_000_000);
        for step in &steps {
            match *step {
                Step::Pass(nanos) => now = now + Duration::from_nanos(nanos),
                Step::Serve => now = engine.deadline().unwrap_or(now).max(now),
                Step::Stamp { age, generation } => {
                    stamp = Stamp { at: now - Duration::from_nanos(age), generation };
                }
                _ => {}
            }
            let Some(input) = input(step, now) else { continue };
            let served = matches!(input, Input::Deadline);
            engine.handle(now, input, &stamp);
            while let Some(output) = engine.poll() {
                watch(&mut seen, output)?;
            }
            agree(&engine, &seen)?;
            prop_assert!(!served || engine.deadline().is_none_or(|deadline| deadline > now));
        }
    }
}
