//! Does the dataplane do on real interfaces what it says, and the same on every path.
use rustix::event::{PollFd, PollFlags, poll};
use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant as Clock};
use vrrp_common::counter::Counter;
use vrrp_common::ident::{Family, RouterId, Vrid};
use vrrp_common::layout::{Expect, Rule, address, rule_flag};
use vrrp_common::mirror::wanted;
use vrrp_common::time::Instant;
use vrrp_common::wire::locate;
use vrrp_tests::frames::{Frame, Message};
use vrrp_tests::kernel_rig::{Wire, detach_links_of, forbid_bpf, in_namespace, ip, veth};
use xvrrp::dataplane::mirror::{Link, Shown, Wanted};
use xvrrp::dataplane::plane::{Plane, Settings};
use xvrrp::dataplane::port::{Dataplane, Path, PortReport, RouterRule, XdpMode};
use xvrrp::dataplane::{clock, hook, sys, tags};
use xvrrp::engine::input::Heard;

const ROUTER: RouterId = RouterId(3);
const V3: u32 = rule_flag::V3 | rule_flag::CHECKSUM_PLAIN | rule_flag::CHECKSUM_PSEUDO;

fn sender() -> IpAddr {
    IpAddr::from([192, 0, 2, 251])
}

fn message() -> Message {
    Message::v3(10, &[IpAddr::from([192, 0, 2, 1])])
}

fn advert() -> Frame {
    Frame::group(&message(), sender())
}

fn plane(mode: XdpMode) -> Plane {
    Plane::new(Settings::new(mode)).expect("a dataplane")
}

/// Opens an interface and waits for its path.
fn open(plane: &mut Plane, interface: &str, ifindex: u32) -> anyhow::Result<PortReport> {
    plane.open(interface, ifindex)?;
    plane.settled(interface)
}

/// Waits until ports have changed by themselves.
#[track_caller]
fn changes(plane: &mut Plane) -> Vec<PortReport> {
    let mut changed = Vec::new();
    wait("a change", || {
        changed = plane.changes();
        !changed.is_empty()
    });
    changed
}

fn rule(router: RouterId, vrid: u8) -> RouterRule {
    let rule = Rule { flags: V3, ..Rule::default() };
    let vrid = Vrid::new(vrid).unwrap();
    RouterRule { router, family: Family::V4, vrid, rule, peers: Vec::new() }
}

fn expectation(generation: u32) -> Expect {
    let header = advert().payload[..8].try_into().unwrap();
    Expect { generation, remarks: 0, source: address(sender()), header }
}

/// Waits until `done`, draining nothing.
#[track_caller]
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let start = Clock::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(5), "{what} does not happen");
        sleep(Duration::from_millis(1));
    }
}

/// Waits until a descriptor is readable, and hands over what there is.
fn drain(plane: &mut Plane) -> Vec<(RouterId, Instant, u32, Vec<u8>)> {
    let mut all = Vec::new();
    let start = Clock::now();
    while all.is_empty() && start.elapsed() < Duration::from_millis(500) {
        let mut waiting: Vec<PollFd<'_>> = plane
            .descriptors()
            .into_iter()
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let timeout = Duration::from_millis(100).try_into().unwrap();
        if poll(&mut waiting, Some(&timeout)).unwrap() > 0 {
            plane.drain(&mut |news| {
                all.push((news.router, news.at, news.remarks, news.packet.to_vec()));
            });
        }
    }
    all
}

/// Counts of a router and of the one port, by counter name, without zeros.
fn counts(plane: &Plane) -> Vec<(&'static str, &'static str, u64)> {
    let port = plane.ports().remove(0).counts;
    [("router", plane.counts(ROUTER)), ("port", port)]
        .into_iter()
        .flat_map(|(whose, counts)| {
            Counter::ALL.iter().map(move |c| (whose, c.name(), counts.0[*c as usize]))
        })
        .filter(|(.., count)| *count > 0)
        .collect()
}

/// Everything that can happen to a router, on one path; what it left behind.
fn story(mode: XdpMode, path: Path) -> Vec<String> {
    let (a, b) = veth("xva", "xvb");
    let mut plane = plane(mode);
    let report = open(&mut plane, "xva", a).unwrap();
    assert_eq!(report.path, path, "{:?}", report.why);
    assert_eq!(report.program.is_some(), path != Path::Socket);
    let wire = Wire::on(b);
    let mut left = Vec::new();
    plane.set_router("xva", &rule(ROUTER, 10)).unwrap();
    plane.listen("xva");
    let all = Wanted { verdicts: wanted::ACCEPTED | wanted::REJECTED, router: None };
    let mut look = plane.mirror(all).unwrap().look().unwrap();
    plane.set_router("xva", &rule(RouterId(4), 11)).unwrap();
    plane.listen("xva");

    // The kernel begins to stamp packets a moment after the first socket asks for it.
    sleep(Duration::from_millis(300));

    // News, with the time it came at.
    let before = clock::monotonic();
    wire.send(&advert().bytes());
    // Read late: the time is the arrival's all the same.
    sleep(Duration::from_secs(1));
    let late = clock::monotonic();
    let news = drain(&mut plane);
    assert_eq!(news.len(), 1);
    assert!(news[0].1 >= before && late.since(news[0].1) > Duration::from_millis(300), "{news:?}");
    left.push(format!("{:?}", (news[0].0, news[0].2, &news[0].3)));

    // Expected: a stamp, and nobody is told.
    plane.expect(ROUTER, &expectation(5));
    let before = clock::monotonic();
    for _ in 0..3 {
        wire.send(&advert().bytes());
    }
    wait("the stamp", || {
        plane.drain(&mut |news| panic!("{news:?}"));
        plane.counts(ROUTER).0[0] == 4
    });
    let stamp = plane.stamp(ROUTER);
    assert!(stamp.at >= before && stamp.at <= clock::monotonic());
    left.push(format!("{}", stamp.generation));

    // Faults, strangers, other VLANs; a priority tag is no VLAN.
    let mut bad = advert();
    bad.hop_limit = 3;
    wire.send(&bad.bytes());
    wire.send(&Frame::group(&Message { vrid: 12, ..message() }, sender()).bytes());
    wire.send(&Frame { tags: vec![(0x8100, 5)], ..advert() }.bytes());
    wire.send(&Frame { fragment: 0x2000, ..advert() }.bytes());
    let strange = Message { priority: 0, ..message() };
    wire.send(&Frame { tags: vec![(0x8100, 0xe000)], ..Frame::group(&strange, sender()) }.bytes());
    let news = drain(&mut plane);
    assert_eq!(news.len(), 1, "{news:?}");
    left.push(format!("{:?}", (news[0].0, news[0].2, &news[0].3)));
    left.push(format!("{:?}", counts(&plane)));

    // IPv6, plain and behind a header that must not be there; and what only looks like it.
    plane.set_router("xva", &RouterRule { family: Family::V6, ..rule(RouterId(7), 10) }).unwrap();
    plane.listen("xva");
    let from = "fe80::251".parse().unwrap();
    let v6 = Frame::group(&Message::v3(10, &["fe80::1".parse().unwrap()]), from);
    let options = vec![112, 0, 0, 0, 0, 0, 0, 0];
    wire.send(&Frame { protocol: 0, options: options.clone(), ..v6.clone() }.bytes());
    wire.send(&Frame { protocol: 44, options, ..v6.clone() }.bytes());
    wire.send(&Frame { protocol: 17, ..v6.clone() }.bytes());
    wire.send(&Frame { options: vec![1; 12], ..Frame::of(&message(), sender(), sender()) }.bytes());
    wire.send(&v6.bytes());
    let news = drain(&mut plane);
    assert_eq!(news.len(), 1, "{news:?}");
    left.push(format!("{:?}", (news[0].0, news[0].2, &news[0].3)));
    left.push(format!("{:?}", counts(&plane)));
    plane.remove_router(RouterId(7));

    // A router that is gone hears nothing, and comes back with nothing behind it.
    plane.remove_router(ROUTER);
    wire.send(&advert().bytes());
    wait("the stranger", || {
        plane.drain(&mut |news| panic!("{news:?}"));
        plane.ports()[0].counts.0[Counter::Vrid as usize] == 2
    });
    plane.set_router("xva", &rule(ROUTER, 10)).unwrap();
    plane.listen("xva");
    assert_eq!(plane.stamp(ROUTER).generation, 0);
    assert_eq!(plane.counts(ROUTER).0, [0; vrrp_common::counter::COUNTERS]);
    wire.send(&advert().bytes());
    left.push(format!("{}", drain(&mut plane).len()));

    // Whoever looked saw all of it. Of a burst through sockets the times are not to the microsecond.
    let shown = look.frames();
    assert_eq!(look.lost(), 0);
    let link = if path == Path::Socket { Link::Ip } else { Link::Ethernet };
    let words = |shown: &Shown| {
        assert_eq!((shown.ifindex, shown.link), (a, link));
        let place = locate::frame(&shown.bytes[..]).filter(|_| link == Link::Ethernet);
        format!("{:?} {:02x?}", shown.judged, &shown.bytes[place.map_or(0, |place| place.ip)..])
    };
    let mut seen: Vec<String> = shown.iter().map(words).collect();
    seen.sort();
    left.push(seen.join("\n"));

    // Closed: the kernel is as it was.
    plane.close("xva");
    wait("detaching", || hook::programs(a).unwrap().is_empty());
    assert!(plane.ports().is_empty());
    ip("link del xva");
    left
}

#[test]
fn every_path_tells_the_same_story() {
    in_namespace(|| {
        let native = story(XdpMode::Auto, Path::XdpNative);
        assert_eq!(native, story(XdpMode::Skb, Path::XdpSkb));
        assert_eq!(native, story(XdpMode::Off, Path::Socket));
        let counted = r#"("router", "received", 5), ("router", "priority_zero", 1), ("router", "ttl", 1), ("port", "vrid", 1), ("port", "fragment", 1)"#;
        assert_eq!(native[3], format!("[{counted}]"));
        // Five adverts, three that are rejected, three of IPv6, a stranger and one advert more.
        assert_eq!(native.last().unwrap().lines().count(), 13);
        assert!(native[5].contains(r#"("port", "fragment", 2), ("port", "ip_header", 1)"#));
    });
}

/// With `--xdp-mode off` a kernel without BPF, or a policy against it, is no obstacle.
#[test]
fn sockets_make_no_bpf_call() {
    in_namespace(|| {
        forbid_bpf();
        story(XdpMode::Off, Path::Socket);
    });
}

#[test]
fn a_taken_hook_is_named_and_left_alone() {
    in_namespace(|| {
        let (a, b) = veth("xva", "xvb");
        let mut first = plane(XdpMode::Native);
        let id = open(&mut first, "xva", a).unwrap().program.unwrap();
        let why = open(&mut plane(XdpMode::Native), "xva", a).unwrap_err();
        let words = format!("program {id} (xvrrp)");
        assert!(format!("{why:#}").contains(&words), "{why:#}");
        let mut second = plane(XdpMode::Auto);
        let report = open(&mut second, "xva", a).unwrap();
        assert_eq!(report.path, Path::Socket);
        assert!(report.why.as_ref().unwrap().contains(&words), "{report:?}");
        assert_eq!(hook::programs(a).unwrap(), [id]);
        first.set_router("xva", &rule(ROUTER, 10)).unwrap();
        first.listen("xva");
        Wire::on(b).send(&advert().bytes());
        assert_eq!(drain(&mut first).len(), 1);
        drop(first);
        assert!(hook::programs(a).unwrap().is_empty());
    });
}

#[test]
fn where_native_is_refused_generic_serves_and_says_why() {
    in_namespace(|| {
        ip("link add xvbr type bridge");
        ip("link set xvbr up");
        let index = vrrp_tests::kernel_rig::ifindex("xvbr");
        let report = open(&mut plane(XdpMode::Auto), "xvbr", index).unwrap();
        assert_eq!(report.path, Path::XdpSkb);
        let why = report.why.unwrap();
        assert!(why.contains("xdp-native") && why.contains("os error 95"), "{why}");
        let why = open(&mut plane(XdpMode::Native), "xvbr", index).unwrap_err();
        assert!(format!("{why:#}").contains("xvbr"), "{why:#}");
    });
}

#[test]
fn sockets_take_over_when_the_program_is_detached() {
    in_namespace(|| {
        let (a, b) = veth("xva", "xvb");
        let mut plane = plane(XdpMode::Auto);
        let id = open(&mut plane, "xva", a).unwrap().program.unwrap();
        plane.set_router("xva", &rule(ROUTER, 10)).unwrap();
        plane.listen("xva");
        plane.expect(ROUTER, &expectation(9));
        let wire = Wire::on(b);
        wire.send(&advert().bytes());
        wait("the program's stamp", || plane.stamp(ROUTER).generation == 9);
        sleep(Duration::from_secs(1));
        assert!(plane.changes().is_empty());
        let by_program = plane.stamp(ROUTER).at;
        // Opening what is open changes nothing.
        assert_eq!(open(&mut plane, "xva", a).unwrap().path, Path::XdpNative);
        assert_eq!(hook::programs(a).unwrap(), [id]);

        assert_eq!(detach_links_of(id), 1);
        let changed = changes(&mut plane);
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].path, Path::Socket);
        assert!(changed[0].why.as_ref().unwrap().contains("detached"));
        assert_eq!(plane.missed(), [ROUTER]);
        assert_eq!(plane.missed(), []);
        assert!(plane.changes().is_empty());
        // The same expectation, the same counters.
        wire.send(&advert().bytes());
        wait("the socket's stamp", || {
            plane.drain(&mut |news| panic!("{news:?}"));
            plane.stamp(ROUTER).at > by_program
        });
        assert_eq!(plane.counts(ROUTER).0[0], 2);
        // And opening again puts the program back, with everything it knew.
        assert_eq!(open(&mut plane, "xva", a).unwrap().path, Path::XdpNative);
        plane.listen("xva");
        let by_socket = plane.stamp(ROUTER).at;
        wire.send(&advert().bytes());
        wait("the program's stamp", || plane.stamp(ROUTER).at > by_socket);
        assert_eq!(plane.counts(ROUTER).0[0], 3);
    });
}

#[test]
fn an_interface_that_comes_back_is_opened_again_with_its_routers() {
    in_namespace(|| {
        for mode in [XdpMode::Auto, XdpMode::Off] {
            let (a, _) = veth("xva", "xvb");
            let mut plane = plane(mode);
            let path = open(&mut plane, "xva", a).unwrap().path;
            plane.set_router("xva", &rule(ROUTER, 10)).unwrap();
            plane.listen("xva");
            ip("link del xva");
            if mode == XdpMode::Auto {
                let changed = changes(&mut plane);
                assert!(changed.len() == 1 && !changed[0].ready, "{changed:?}");
            }
            plane.drain(&mut |news| panic!("{news:?}"));
            assert!(open(&mut plane, "xva", a).is_err());
            let (a, b) = veth("xva", "xvb");
            let report = open(&mut plane, "xva", a).unwrap();
            plane.listen("xva");
            assert_eq!((report.path, report.key.ifindex), (path, a));
            Wire::on(b).send(&advert().bytes());
            assert_eq!(drain(&mut plane).len(), 1);
            drop(plane);
            ip("link del xva");
        }
    });
}

/// News that finds no room is counted. It comes again, and meanwhile what is expected stamps as before.
#[test]
fn news_that_finds_the_ring_full_is_counted() {
    in_namespace(|| {
        let (a, b) = veth("xva", "xvb");
        let settings = Settings { ring_bytes: 4096, news: None, ..Settings::new(XdpMode::Native) };
        let mut plane = Plane::new(settings).unwrap();
        open(&mut plane, "xva", a).unwrap();
        plane.set_router("xva", &rule(ROUTER, 10)).unwrap();
        plane.listen("xva");
        let wire = Wire::on(b);
        for _ in 0..100 {
            wire.send(&advert().bytes());
        }
        wait("everything counted", || plane.counts(ROUTER).0[0] == 100);
        plane.expect(ROUTER, &expectation(9));
        wire.send(&advert().bytes());
        wait("the stamp", || plane.stamp(ROUTER).generation == 9);
        let news = drain(&mut plane).len();
        let full = plane.counts(ROUTER).0[Counter::RingFull as usize];
        assert_eq!(u64::try_from(news).unwrap() + full, 100);
        assert!(full > 0 && news > 0);
        assert_eq!(plane.missed(), []);
        plane.expect(ROUTER, &Expect::default());
        wire.send(&advert().bytes());
        assert_eq!(drain(&mut plane).len(), 1);
    });
}

#[test]
fn limits_are_errors_that_say_so() {
    in_namespace(|| {
        let (a, b) = veth("xva", "xvb");
        let settings = Settings { ports: 1, ..Settings::new(XdpMode::Auto) };
        let mut plane = Plane::new(settings).unwrap();
        open(&mut plane, "xva", a).unwrap();
        let words = |why: anyhow::Error| format!("{why:#}");
        assert_eq!(
            words(open(&mut plane, "xvb", b).unwrap_err()),
            "all 1 ports of the dataplane are in use"
        );
        plane.set_router("xva", &rule(ROUTER, 10)).unwrap();
        plane.listen("xva");
        plane.set_router("xva", &rule(RouterId(4095), 11)).unwrap();
        plane.listen("xva");
        let why = plane.set_router("xva", &rule(RouterId(4096), 12)).unwrap_err();
        assert_eq!(words(why), "the dataplane has room for 4096 routers");
        let why = plane.set_router("xva", &rule(RouterId(4), 10)).unwrap_err();
        assert_eq!(words(why), "VRID 10 (V4) of xva belongs to router 3 already");
        let why = plane.set_router("xvb", &rule(RouterId(4), 10)).unwrap_err();
        assert_eq!(words(why), "xvb is not open");
        // The port of a closed interface is free.
        plane.close("xva");
        open(&mut plane, "xvb", b).unwrap();
    });
}

/// On the one driver there is here: the offload is read and set as `ethtool` would, and because it
/// means nothing on a veth it is left as it is.
#[test]
fn vlan_offload_is_read_and_set() {
    in_namespace(|| {
        let (a, _) = veth("xva", "xvb");
        assert_eq!(sys::driver("xva").unwrap(), "veth");
        assert!(tags::strips("xva").unwrap());
        tags::set("xva", false).unwrap();
        assert!(!tags::strips("xva").unwrap());
        tags::set("xva", true).unwrap();
        let report = open(&mut plane(XdpMode::Auto), "xva", a).unwrap();
        assert_eq!(report.path, Path::XdpNative);
        assert!(tags::strips("xva").unwrap());
        assert!(tags::strips("xvnone").is_err());
    });
}

/// Adverts of one sender while the expectation changes between it and another: a stamp is never of
/// an expectation that was not of that sender.
#[test]
fn expectations_change_under_fire() {
    in_namespace(|| {
        let (a, b) = veth("xva", "xvb");
        let mut plane = plane(XdpMode::Native);
        open(&mut plane, "xva", a).unwrap();
        plane.set_router("xva", &rule(ROUTER, 10)).unwrap();
        plane.listen("xva");
        let wire = Wire::on(b);
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let frame = advert().bytes();
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    wire.send(&frame);
                }
            });
            let start = Clock::now();
            let (mut stamps, mut last, mut generation) = (0, 0, 0);
            // Both threads must have run side by side for a while, however busy the machine is.
            while stamps < 1000 || generation < 200_000 {
                generation += 1;
                let mut expect = expectation(generation);
                if generation % 2 == 1 {
                    expect.source = address(IpAddr::from([192, 0, 2, 250]));
                }
                plane.expect(ROUTER, &expect);
                let stamp = plane.stamp(ROUTER).generation;
                let wrong = !stamp.is_multiple_of(2);
                let late = start.elapsed() > Duration::from_secs(60);
                if wrong || late {
                    stop.store(true, std::sync::atomic::Ordering::Relaxed);
                }
                assert!(!wrong, "stamped for the wrong sender");
                assert!(!late, "{stamps} generations were stamped of {generation}");
                stamps += u32::from(stamp != last);
                last = stamp;
                if generation % 512 == 0 {
                    plane.drain(&mut |_| {});
                }
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    });
}

/// An interface number beyond the flat table, with the program loaded to log what it does.
#[test]
fn high_interface_numbers_with_the_log_on() {
    in_namespace(|| {
        ip("link add xva index 70000 type veth peer name xvb index 70001");
        ip("link set xva up");
        ip("link set xvb up");
        let mut plane =
            Plane::new(Settings { log: true, ..Settings::new(XdpMode::Native) }).unwrap();
        open(&mut plane, "xva", 70_000).unwrap();
        plane.set_router("xva", &rule(ROUTER, 10)).unwrap();
        plane.listen("xva");
        let wire = Wire::on(70_001);
        wire.send(&Frame { hop_limit: 1, ..advert() }.bytes());
        wire.send(&advert().bytes());
        assert_eq!(drain(&mut plane).len(), 1);
        assert_eq!(plane.counts(ROUTER).0[Counter::Ttl as usize], 1);
        plane.close("xva");
        open(&mut plane, "xva", 70_000).unwrap();
        plane.set_router("xva", &rule(ROUTER, 10)).unwrap();
        plane.listen("xva");
        wire.send(&advert().bytes());
        assert_eq!(drain(&mut plane).len(), 1);
    });
}
