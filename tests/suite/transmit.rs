//! Are the adverts that reach the other end of a link the ones that were to be sent?
use anyhow::{Context, Result, ensure};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};
use vrrp_common::ident::{Family, Mac, Priority, RouterId, Version, Vrid};
use vrrp_common::proto;
use vrrp_common::time::Centis;
use vrrp_common::wire::checksum::Sum;
use vrrp_common::wire::vrrp::{Advert, ChecksumForm, Timing};
use vrrp_common::wire::{ethernet, ipv4, ipv6};
use vrrp_tests::net_rig::{Netns, root};
use xvrrp::config::model::{Instance, Peer, Transport, Vip};
use xvrrp::net::membership::Membership;
use xvrrp::net::transmit::{Sent, Transmitter};

const SOON: Duration = Duration::from_secs(5);

struct Link {
    router: Netns,
    host: Netns,
    ifindex: u32,
}

const MAC: Mac = Mac([2, 0, 0, 0, 9, 1]);
const HOST_MAC: Mac = Mac([2, 0, 0, 0, 9, 2]);

impl Link {
    fn new() -> Result<Self> {
        let (router, host) = (Netns::new("tr")?, Netns::new("th")?);
        let link = Self { router, host, ifindex: 77 };
        link.plug()?;
        Ok(link)
    }

    /// Makes the link, always with the same index.
    fn plug(&self) -> Result<()> {
        let Self { router, host, ifindex } = self;
        let name = host.name();
        router.ip(&format!(
            "link add e0 index {ifindex} address {MAC} type veth peer name e0 address {HOST_MAC} \
             netns {name}"
        ))?;
        for (netns, number) in [(router, 1), (host, 2)] {
            netns.ip("link set e0 up")?;
            netns.ip(&format!("addr add 10.9.0.{number}/24 dev e0"))?;
            netns.ip(&format!("addr add 2001:db8:9::{number}/64 dev e0 nodad"))?;
            netns.ip(&format!("addr add fe80::{number}/64 dev e0 nodad"))?;
        }
        Ok(())
    }
}

fn instance(version: Version, addresses: &[&str]) -> Instance {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    let family = Family::of(addresses[0]);
    let mut instance = Instance::new("A", "e0", Vrid::new(10).unwrap(), family);
    instance.version = version;
    instance.addresses = addresses.into_iter().map(|address| Vip::new(address, 24, "e0")).collect();
    instance
}

/// What the peer must see: the codec's message behind headers written here.
fn expected(
    instance: &Instance,
    priority: u8,
    source: IpAddr,
    destination: IpAddr,
    (ttl, id): (u8, u16),
) -> Vec<u8> {
    let addresses: Vec<IpAddr> = instance.addresses.iter().map(|vip| vip.address).collect();
    let timing = match instance.version {
        Version::V2 => Timing::V2 { seconds: 1, password: instance.password },
        Version::V3 => {
            Timing::V3 { interval: Centis::new(100).unwrap(), checksum: instance.checksum.send }
        }
    };
    let advert =
        Advert { vrid: instance.vrid, priority: Priority(priority), timing, addresses: &addresses };
    let mut buffer = [0; 1500];
    let message = advert.emit(source, destination, &mut buffer).unwrap();
    let payload_len = u16::try_from(message.len()).unwrap();
    let (to, ethertype) = (
        if destination.is_multicast() { ethernet::multicast_mac(destination) } else { HOST_MAC },
        if source.is_ipv4() { proto::ETHERTYPE_IPV4 } else { proto::ETHERTYPE_IPV6 },
    );
    let mut frame = ethernet::header(to, MAC, ethertype).to_vec();
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = ipv4::Header { source, destination, id, ttl, payload_len };
            frame.extend(header.emit().unwrap());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => frame.extend(
            ipv6::Header {
                source,
                destination,
                class: 0xc0,
                next: 112,
                hop_limit: ttl,
                payload_len,
            }
            .emit(),
        ),
        _ => unreachable!("one family"),
    }
    frame.extend(message);
    frame
}

/// Whether the sums of a captured frame are right, whoever computed what was expected.
fn sound(instance: &Instance, frame: &[u8]) {
    let (source, destination, message): (IpAddr, IpAddr, _) = match instance.family {
        Family::V4 => {
            assert_eq!(Sum::ZERO.add_bytes(&frame[14..34]).fold(), 0xffff);
            let ip = |at: usize| Ipv4Addr::from(*frame[at..].first_chunk::<4>().unwrap());
            (ip(26).into(), ip(30).into(), &frame[34..])
        }
        Family::V6 => {
            let ip = |at: usize| Ipv6Addr::from(*frame[at..].first_chunk::<16>().unwrap());
            (ip(22).into(), ip(38).into(), &frame[54..])
        }
    };
    let plain = instance.version == Version::V2
        || instance.family == Family::V4 && instance.checksum.send == ChecksumForm::Plain;
    let mut sum = Sum::ZERO.add_bytes(message);
    if !plain {
        let length = u16::try_from(message.len()).unwrap();
        sum = sum.add_pseudo_header(source, destination, length);
    }
    assert_eq!(sum.fold(), 0xffff);
}

/// Sends one advert of each priority and compares what arrives, byte for byte.
fn compare(link: &Link, instance: &Instance, source: &str, destinations: &[&str]) -> Result<()> {
    let source: IpAddr = source.parse()?;
    let ttl = match instance.transport {
        Transport::Unicast { ttl, .. } => ttl,
        Transport::Multicast { .. } => 255,
    };
    let capture = link.host.capture()?;
    let (sending, ifindex) = (instance.clone(), link.ifindex);
    let priorities = [100, 0, 255, 100];
    let sent = link.router.within(move || -> Result<Sent> {
        let mut transmitter = Transmitter::new();
        transmitter.set_router(RouterId(3), &sending, ifindex, MAC, Some(source))?;
        for priority in priorities {
            // Without a flush between: the second one must not change the first.
            transmitter.queue(RouterId(3), Priority(priority));
        }
        transmitter.flush();
        Ok(transmitter.sent(RouterId(3)))
    })??;
    let count = u64::try_from(priorities.len() * destinations.len())?;
    ensure!(sent == Sent { sent: count, failed: 0 }, "{sent:?}");
    let mut missing = Vec::new();
    for (number, priority) in (1..).zip(priorities) {
        for destination in destinations {
            missing.push(expected(instance, priority, source, destination.parse()?, (ttl, number)));
        }
    }
    while !missing.is_empty() {
        let found = capture.find(SOON, |frame| missing.iter().any(|one| one == frame));
        let frame = found.with_context(|| format!("not seen: {missing:02x?}"))?;
        sound(instance, &frame);
        missing.retain(|one| *one != frame);
    }
    Ok(())
}

#[test]
fn multicast() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let link = Link::new()?;
    let v4 = ["10.9.0.50", "10.9.0.51", "192.0.2.7"];
    let mut v2 = instance(Version::V2, &v4);
    compare(&link, &v2, "10.9.0.1", &["224.0.0.18"])?;
    v2.password = Some(*b"secret\0\0");
    compare(&link, &v2, "10.9.0.1", &["224.0.0.18"])?;
    v2.transport = Transport::Multicast { group: "224.0.0.81".parse()? };
    compare(&link, &v2, "10.9.0.1", &["224.0.0.81"])?;
    let mut v3 = instance(Version::V3, &v4);
    for form in [ChecksumForm::Plain, ChecksumForm::PseudoHeader] {
        v3.checksum.send = form;
        compare(&link, &v3, "10.9.0.1", &["224.0.0.18"])?;
    }
    let v6 = instance(Version::V3, &["fe80::50", "2001:db8:9::50"]);
    compare(&link, &v6, "fe80::1", &["ff02::12"])
}

#[test]
fn unicast() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let link = Link::new()?;
    link.host.ip("addr add 10.9.0.3/24 dev e0")?;
    let cases: [(&str, &[&str], u8); 3] = [
        ("10.9.0.1", &["10.9.0.2", "10.9.0.3"], 64),
        ("2001:db8:9::1", &["2001:db8:9::2"], 255),
        ("fe80::1", &["fe80::2"], 255),
    ];
    for (source, peers, ttl) in cases {
        let own = if source.contains(':') { "fe80::50" } else { "10.9.0.50" };
        let mut instance = instance(Version::V3, &[own]);
        instance.transport = Transport::Unicast {
            peers: peers
                .iter()
                .map(|peer| Peer { address: peer.parse().unwrap(), min_ttl: 0, max_ttl: 255 })
                .collect(),
            ttl,
        };
        compare(&link, &instance, source, peers)?;
    }
    Ok(())
}

/// RFC 9568 section 8.4.2: each advert goes out in both versions, the newer first, and to each peer.
#[test]
fn both_versions() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let link = Link::new()?;
    link.host.ip("addr add 10.9.0.3/24 dev e0")?;
    // Without them packets would wait for an answer, each peer's for its own.
    for number in [2, 3] {
        let peer = format!("10.9.0.{number} lladdr {HOST_MAC} dev e0 nud permanent");
        link.router.ip(&format!("neigh replace {peer}"))?;
    }
    let mut multicast = instance(Version::V3, &["10.9.0.50", "192.0.2.7"]);
    multicast.v2_interop = true;
    multicast.password = Some(*b"secret\0\0");
    let peer = |text: &str| Peer { address: text.parse().unwrap(), min_ttl: 0, max_ttl: 255 };
    let peers = vec![peer("10.9.0.2"), peer("10.9.0.3")];
    let unicast =
        Instance { transport: Transport::Unicast { peers, ttl: 255 }, ..multicast.clone() };
    let source: IpAddr = "10.9.0.1".parse()?;
    for (instance, destinations) in
        [(multicast, vec!["224.0.0.18"]), (unicast, vec!["10.9.0.2", "10.9.0.3"])]
    {
        let capture = link.host.capture()?;
        let (sending, ifindex) = (instance.clone(), link.ifindex);
        let priorities = [100, 0];
        let sent = link.router.within(move || -> Result<Sent> {
            let mut transmitter = Transmitter::new();
            transmitter.set_router(RouterId(3), &sending, ifindex, MAC, Some(source))?;
            for priority in priorities {
                transmitter.queue(RouterId(3), Priority(priority));
            }
            transmitter.flush();
            Ok(transmitter.sent(RouterId(3)))
        })??;
        let count = u64::try_from(priorities.len() * destinations.len() * 2)?;
        ensure!(sent == Sent { sent: count, failed: 0 }, "{sent:?}");
        for (number, priority) in (1..).zip(priorities) {
            for destination in &destinations {
                for version in [Version::V3, Version::V2] {
                    let alone = Instance { version, ..instance.clone() };
                    let to = destination.parse()?;
                    let awaited = expected(&alone, priority, source, to, (255, number));
                    // In this order: what a search passes over it does not find again.
                    let frame = capture.find(SOON, |frame| frame == awaited);
                    sound(&alone, &frame.with_context(|| format!("not seen: {awaited:02x?}"))?);
                }
            }
        }
    }
    Ok(())
}

/// A dead link, no source, no such router: counted, and never waited for.
#[test]
fn failures() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let link = Link::new()?;
    let capture = link.host.capture()?;
    link.router.ip("link set e0 down")?;
    let (instance, ifindex) = (instance(Version::V3, &["10.9.0.50"]), link.ifindex);
    let name = link.router.name().to_owned();
    let ip = move |arguments: &str| {
        let all = ["-n", &name].into_iter().chain(arguments.split_whitespace());
        std::process::Command::new("ip").args(all).status().unwrap();
    };
    let sending = instance.clone();
    let mut transmitter = link.router.within(move || -> Result<Transmitter> {
        let source = Some(IpAddr::from([10, 9, 0, 1]));
        let mut transmitter = Transmitter::new();
        transmitter.queue(RouterId(9), Priority(1));
        assert_eq!(transmitter.total(), Sent { sent: 0, failed: 1 });
        transmitter.set_router(RouterId(0), &sending, ifindex, MAC, None)?;
        transmitter.queue(RouterId(0), Priority(1));
        for router in 1..=100 {
            transmitter.set_router(RouterId(router), &sending, ifindex, MAC, source)?;
            transmitter.queue(RouterId(router), Priority(1));
        }
        let started = Instant::now();
        transmitter.flush();
        assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
        assert_eq!(transmitter.total(), Sent { sent: 0, failed: 102 });
        assert_eq!(transmitter.sent(RouterId(0)), Sent { sent: 0, failed: 1 });
        ip("link set e0 up");
        transmitter.queue(RouterId(5), Priority(2));
        transmitter.flush();
        // Counters survive a change of the router.
        transmitter.set_router(RouterId(5), &sending, ifindex, MAC, source)?;
        assert_eq!(transmitter.sent(RouterId(5)), Sent { sent: 1, failed: 1 });
        ip("link del e0");
        Ok(transmitter)
    })??;
    let source = IpAddr::from([10, 9, 0, 1]);
    let arrives = |id| {
        let frame = expected(&instance, 2, source, proto::GROUP_V4.into(), (255, id));
        capture.find(SOON, |seen| seen == frame).is_some()
    };
    assert!(arrives(2));
    // The interface returns under the same index: one advert notices, the next goes out.
    link.plug()?;
    let transmitter = link.router.within(move || {
        transmitter.queue(RouterId(5), Priority(1));
        transmitter.flush();
        transmitter.queue(RouterId(5), Priority(2));
        transmitter.flush();
        transmitter
    })?;
    assert_eq!(transmitter.sent(RouterId(5)), Sent { sent: 2, failed: 2 });
    assert!(arrives(2));
    Ok(())
}

/// A link that takes nothing: its buffer fills, what does not fit is counted, others are not kept
/// waiting.
#[test]
fn full_buffer() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let link = Link::new()?;
    link.router.ip("link add e1 index 78 type veth peer name e1p")?;
    link.router.ip("link set e1 up")?;
    link.router.ip("link set e1p up")?;
    let slow = std::process::Command::new("tc")
        .args(["-n", link.router.name(), "qdisc", "replace", "dev", "e0", "root"])
        .args(["tbf", "rate", "8kbit", "burst", "1500", "limit", "100000000"])
        .output()?;
    if !slow.status.success() {
        println!("skipped: no queueing discipline: {}", String::from_utf8_lossy(&slow.stderr));
        return Ok(());
    }
    let instance = instance(Version::V2, &["10.9.0.50"]);
    link.router.within(move || -> Result<()> {
        let source = Some(IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1)));
        let mut transmitter = Transmitter::new();
        transmitter.set_router(RouterId(0), &instance, 77, MAC, source)?;
        transmitter.set_router(RouterId(1), &instance, 78, MAC, source)?;
        let started = Instant::now();
        for _ in 0..20_000 {
            transmitter.queue(RouterId(0), Priority(1));
            transmitter.queue(RouterId(1), Priority(1));
            transmitter.flush();
        }
        let slow = transmitter.sent(RouterId(0));
        println!("on a link that stands still: {slow:?} in {:?}", started.elapsed());
        ensure!(slow.failed > 0 && slow.sent + slow.failed == 20_000, "{slow:?}");
        ensure!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        let other = transmitter.sent(RouterId(1));
        ensure!(other == Sent { sent: 20_000, failed: 0 }, "{other:?}");
        Ok(())
    })?
}

/// Groups are joined for as long as someone needs them, more of them than one socket could join.
#[test]
fn membership() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let link = Link::new()?;
    let ifindex = link.ifindex;
    let name = link.router.name().to_owned();
    let joined = move |group: &str| {
        let arguments = ["-n", &name, "maddr", "show", "dev", "e0"];
        let listing = std::process::Command::new("ip").args(arguments).output().unwrap();
        let listing = String::from_utf8(listing.stdout).unwrap();
        listing.split_whitespace().any(|word| word == group)
    };
    link.router.within(move || -> Result<()> {
        let mut membership = Membership::new();
        for _ in 0..2 {
            membership.join(ifindex, proto::GROUP_V4.into())?;
            membership.join(ifindex, proto::GROUP_V6.into())?;
        }
        ensure!(joined("224.0.0.18") && joined("ff02::12") && joined("33:33:00:00:00:12"));
        for n in 0..100 {
            membership.join(ifindex, IpAddr::from([224, 0, 1, n]))?;
        }
        ensure!(joined("224.0.1.99"));
        membership.leave(ifindex, proto::GROUP_V4.into());
        ensure!(joined("224.0.0.18"), "still needed");
        membership.leave(ifindex, proto::GROUP_V4.into());
        ensure!(!joined("224.0.0.18") && joined("ff02::12"));
        ensure!(!membership.contains(ifindex, proto::GROUP_V4.into()));
        ensure!(membership.join(4711, proto::GROUP_V4.into()).is_err(), "no such interface");
        drop(membership);
        ensure!(!joined("ff02::12") && !joined("224.0.1.99"));
        Ok(())
    })?
}
