//! What does a packet cost in the program, on this machine.
//!
//! The kernel runs the program on a frame many times (`BPF_PROG_TEST_RUN`) and says how long one
//! took. An empty program, run in turn with it, shows how much of that is the running itself. No
//! interface is touched.
use super::port::XdpMode;
use super::program::{LoadError, Program};
use super::settings::Settings;
use anyhow::Context as _;
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use vrrp_common::ident::{Family, Mac, Priority, Vrid};
use vrrp_common::layout::{self, Expect, PortKey, Rule, rule_flag, rule_index};
use vrrp_common::proto;
use vrrp_common::time::Centis;
use vrrp_common::wire::vrrp::{Advert, ChecksumForm, Timing};
use vrrp_common::wire::{ethernet, ipv4, ipv6};

/// Runs of the program the kernel makes at once.
const RUNS: u32 = 10_000;
/// `lo`: the interface that frames of test runs come from.
const LOOPBACK: u32 = 1;

/// What one kind of packet costs.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Which kind.
    pub packet: &'static str,
    /// Nanoseconds, the least of many runs: one that nothing interrupted.
    pub nanos: u64,
}

/// The empty program among the costs.
pub const EMPTY: &str = "empty program";

/// A kind of packet.
struct Case {
    name: &'static str,
    frame: Vec<u8>,
    /// For the VRIDs this is of, the frame is what is expected.
    expected: bool,
}

const V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 251);
const V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 251);

/// A frame to the group with an advert of these addresses.
fn frame(vrid: u8, addresses: &[IpAddr], source: IpAddr, protocol: u8, ttl: u8) -> Vec<u8> {
    let (group, ethertype) = match source {
        IpAddr::V4(_) => (IpAddr::V4(proto::GROUP_V4), proto::ETHERTYPE_IPV4),
        IpAddr::V6(_) => (IpAddr::V6(proto::GROUP_V6), proto::ETHERTYPE_IPV6),
    };
    let mac = Mac([2, 0, 0, 0, 0, 1]);
    let mut bytes = ethernet::header(ethernet::multicast_mac(group), mac, ethertype).to_vec();
    let mut buffer = [0; proto::MAX_MESSAGE];
    let parts = Vrid::new(vrid).zip(Centis::new(100)).and_then(|(vrid, interval)| {
        let timing = Timing::V3 { interval, checksum: ChecksumForm::Plain };
        let advert = Advert { vrid, priority: Priority(200), timing, addresses };
        advert.emit(source, group, &mut buffer)
    });
    let message: &[u8] = parts.unwrap_or_default();
    let payload_len = u16::try_from(message.len()).unwrap_or(0);
    match (source, group) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = ipv4::Header { source, destination, id: 1, ttl, payload_len }.emit();
            let mut header = header.unwrap_or_default();
            header[9] = protocol;
            bytes.extend(header);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => bytes.extend(
            ipv6::Header {
                source,
                destination,
                class: 0,
                next: protocol,
                hop_limit: ttl,
                payload_len,
            }
            .emit(),
        ),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
    }
    bytes.extend(message);
    bytes
}

fn cases() -> Vec<Case> {
    let list =
        |count: u8| -> Vec<IpAddr> { (0..count).map(|n| [198, 51, 100, n].into()).collect() };
    let v6 = [IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1))];
    let vrrp = proto::PROTOCOL;
    let of = |vrid, count, protocol, ttl| frame(vrid, &list(count), V4.into(), protocol, ttl);
    let case = |name, frame| Case { name, frame, expected: false };
    let expected = |name, frame| Case { name, frame, expected: true };
    let mut arp = of(1, 1, vrrp, 255);
    arp[12..14].copy_from_slice(&[8, 6]);
    let mut damaged = of(1, 1, vrrp, 255);
    if let Some(byte) = damaged.get_mut(40) {
        *byte ^= 0x5a;
    }
    vec![
        case("ARP", arp),
        case("UDP", of(1, 1, 17, 64)),
        expected("VRRPv3, IPv4, 1 address", of(1, 1, vrrp, 255)),
        expected("VRRPv3, IPv4, 20 addresses", of(2, 20, vrrp, 255)),
        expected("VRRPv3, IPv4, 255 addresses", of(3, 255, vrrp, 255)),
        expected("VRRPv3, IPv6, 1 address", frame(4, &v6, V6.into(), vrrp, 255)),
        case("wrong TTL", of(1, 1, vrrp, 254)),
        case("unknown VRID", of(99, 1, vrrp, 255)),
        case("bad checksum", damaged),
        case("more news than a router is told of", of(5, 1, vrrp, 255)),
    ]
}

/// Measures every kind in turn, `rounds` times.
///
/// # Errors
/// Where the program cannot be loaded or run.
pub fn measure(rounds: u32) -> anyhow::Result<Vec<Cost>> {
    let (mut program, _loaded) = Program::load(&Settings::new(XdpMode::Skb))?;
    let key = PortKey { ifindex: LOOPBACK, outer: 0, inner: 0 };
    program.set_port(&key, Some(0)).context("the map of ports")?;
    let flags = rule_flag::V3 | rule_flag::CHECKSUM_PLAIN | rule_flag::CHECKSUM_PSEUDO;
    for (router, vrid) in (0..).zip(1..=5) {
        let vrid = Vrid::new(vrid).context("a VRID")?;
        let rule = Rule { router: router + 1, flags, ..Rule::default() };
        for family in [Family::V4, Family::V6] {
            program.set_rule(rule_index(0, family, vrid), &rule, true)?;
        }
    }
    let cases = cases();
    for case in cases.iter().filter(|case| case.expected) {
        let v6 = case.frame.get(12) == Some(&0x86);
        let (source, at): (IpAddr, _) = if v6 { (V6.into(), 54) } else { (V4.into(), 34) };
        let header = case.frame.get(at..).and_then(|rest| rest.first_chunk());
        let header = *header.context("a VRRP header")?;
        let expect = Expect { generation: 1, remarks: 0, source: layout::address(source), header };
        program.expect(usize::from(header[1]) - 1, &expect);
    }
    let mut costs: Vec<Cost> =
        cases.iter().map(|case| Cost { packet: case.name, nanos: u64::MAX }).collect();
    let mut empty = Cost { packet: EMPTY, nanos: u64::MAX };
    let any = &cases[0].frame;
    for _ in 0..rounds {
        empty.nanos = empty.nanos.min(program.empty(|xdp| run(xdp, any))??);
        for (case, cost) in cases.iter().zip(&mut costs) {
            cost.nanos = cost.nanos.min(program.raw(|xdp| run(xdp, &case.frame))??);
        }
    }
    costs.insert(0, empty);
    Ok(costs)
}

/// Nanoseconds of one of many runs.
fn run(xdp: &Xdp, frame: &[u8]) -> Result<u64, LoadError> {
    let mut options = TestRunOptions::new();
    options.data_in = Some(frame);
    options.repeat = RUNS;
    let result = xdp.test_run(options)?;
    Ok(u64::try_from(result.duration.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_case_has_a_name_of_its_own_and_expectations_are_of_known_vrids() {
        let cases = cases();
        let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), cases.len());
        for case in cases.iter().filter(|case| case.expected) {
            let at = if case.frame[12] == 0x86 { 54 } else { 34 };
            assert_eq!(case.frame[at], 0x31);
            assert!((1..=5).contains(&case.frame[at + 1]));
        }
    }
}
