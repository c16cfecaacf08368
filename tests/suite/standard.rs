//! Do the leaves of RFC 8347 and RFC 6527 say what happened on the wire?
use std::ffi::OsStr;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind, xvrrp};
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::report::{number, text};
use vrrp_tests::lab::switch::Switch;
use vrrp_tests::lab::wait::eventually;

/// Longer than anything takes that is to happen.
const SOON: Duration = Duration::from_secs(10);
const VRID: u8 = 51;

fn leaves(daemon: &Daemon) -> Value {
    daemon.show().instance("VI_1")["ietf_vrrp"].clone()
}

fn process(daemon: &Daemon, leaf: &str) -> u64 {
    number(daemon.show().0["ietf_vrrp"].get("statistics"), leaf)
}

fn counter(leaves: &Value, leaf: &str) -> u64 {
    number(leaves.get("statistics"), leaf)
}

/// Seconds of a day in an RFC 3339 time in UTC.
fn second_of_day(datetime: &str) -> u64 {
    let time = datetime.split_once('T').and_then(|(_, time)| time.strip_suffix('Z'));
    let parts = time.unwrap_or_else(|| panic!("{datetime}")).split([':', '.']);
    let parts: Vec<u64> = parts.map(|part| part.parse().expect("a number")).collect();
    let [hours, minutes, seconds, _] = parts[..] else { panic!("{datetime}") };
    (hours * 60 + minutes) * 60 + seconds
}

fn assert_recent(datetime: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let ago = (now % 86_400 + 86_400 - second_of_day(datetime)) % 86_400;
    assert!(ago < 60, "{datetime} is {ago} s ago");
}

/// `show NAME --json` says of one router what `show --json` says of all, and of the process too.
fn named(daemon: &Daemon) {
    let control = daemon.directory().join("control");
    let args = ["show", "VI_1", "--json", "--control"].map(OsStr::new);
    let (status, told) = xvrrp(&[&args[..], &[control.as_os_str()]].concat());
    assert!(status.success(), "{told}");
    let one: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
    let all = daemon.show().0;
    let keys = |value: &Value| {
        value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default()
    };
    assert_eq!(keys(&one), keys(&all));
    for place in ["/instances/0/ietf_vrrp", "/instances/0/ietf_vrrp/statistics"] {
        let [one, all] = [&one, &all].map(|value| value.pointer(place).map(keys));
        assert!(one.as_ref().is_some_and(|keys| keys.len() > 5), "{one:?}");
        assert_eq!(one, all);
    }
    let wrong = "/ietf_vrrp/statistics/checksum-errors";
    assert_eq!(one.pointer(wrong), Some(&Value::from(1)), "{told}");
    // Our own reasons, which no standard names.
    for reason in ["fragment", "source", "own_address", "first_address_not_link_local"] {
        let place = format!("/instances/0/counters/{reason}");
        assert_eq!(one.pointer(&place), Some(&Value::from(0)), "{reason}");
    }
}

#[test]
fn leaves_follow_the_wire() {
    if !gate::open(&[Need::Root]) {
        return;
    }
    let switch = Switch::new("std");
    let us = Namespace::new("std-us");
    let port = switch.attach(&us, "eth0");
    us.ip("addr add 10.0.0.1/24 dev eth0");
    let wire = port.capture();
    let peer = port.injector();
    let vips = ["10.0.0.100".parse::<IpAddr>().unwrap()];
    let advert = |priority, centis, vips: &[IpAddr]| {
        Packet::advert(Path::multicast("10.0.0.9"), VRID, priority, v3(centis), vips)
    };
    // 30 cs: a down interval of 90 cs and a skew of 18.28125 cs.
    let vrrp = Vrrp { interval: "0.3".into(), ..Vrrp::new("10.0.0.100/24") };
    let daemon = Daemon::start(Kind::Xvrrp, &us, &file("", &[vrrp]));
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    let now = leaves(&daemon);
    assert_eq!(text(&now, "state"), "backup");
    assert_eq!(text(&now, "last-event"), "vrrp-event-startup");
    assert_eq!(text(&now, "new-master-reason"), "not-master");
    assert_eq!(now["is-owner"], Value::Bool(false));
    assert_eq!(now["last-adv-source"], Value::Null);
    assert_eq!(number(Some(&now), "master-down-interval"), 109, "centiseconds, rounded up");
    assert_eq!(number(Some(&now), "skew-time"), 182_812, "microseconds");
    assert_recent(text(&now, "up-datetime"));
    assert_recent(text(&now["statistics"], "discontinuity-datetime"));
    assert_eq!(counter(&now, "advertisement-rcvd"), 0);

    // Silence.
    daemon.wait_state(0, "VI_1", "MASTER", SOON);
    let up = text(&now, "up-datetime").to_owned();
    let now = leaves(&daemon);
    assert_eq!(text(&now, "state"), "master");
    assert_eq!(text(&now, "last-event"), "vrrp-event-master-timeout");
    assert_eq!(text(&now, "new-master-reason"), "no-response");
    // The two looks are taken at two moments, and each is rounded down.
    let moved = second_of_day(text(&now, "up-datetime")).abs_diff(second_of_day(&up));
    assert!(moved <= 1 || moved == 86_399, "it went through no Initialize: {now}");
    assert_eq!(counter(&now, "master-transitions"), 1);

    // A better router: heard, followed, and then gone with priority 0.
    peer.send(&advert(200, 30, &vips).frame());
    daemon.wait_state(0, "VI_1", "BACKUP", SOON);
    let mark = daemon.mark();
    let now = leaves(&daemon);
    assert_eq!(text(&now, "last-event"), "vrrp-event-higher-priority-backup");
    assert_eq!(text(&now, "last-adv-source"), "10.0.0.9");
    assert_eq!(counter(&now, "advertisement-rcvd"), 1);
    let others = ["10.0.0.101".parse::<IpAddr>().unwrap()];
    for frame in [
        // Another list; another interval; and five that are wrong.
        advert(200, 30, &others).frame(),
        advert(200, 40, &vips).frame(),
        advert(200, 30, &vips).resealed(|message| message[0] = 0x32).frame(),
        advert(200, 30, &vips).resealed(|message| message[3] += 1).frame(),
        advert(200, 30, &vips).resealed(|message| message[0] = 0x41).frame(),
        advert(200, 30, &vips).resealed(|message| message[1] = VRID + 1).frame(),
        Packet { ttl: 254, ..advert(200, 30, &vips) }.frame(),
        advert(0, 30, &vips).frame(),
    ] {
        peer.send(&frame);
    }
    let mut damaged = advert(200, 30, &vips);
    damaged.message[7] ^= 1;
    peer.send(&damaged.frame());
    daemon.wait_state(mark, "VI_1", "MASTER", SOON);
    let now = leaves(&daemon);
    assert_eq!(text(&now, "new-master-reason"), "priority", "the master resigned");
    for (leaf, count) in [
        ("master-transitions", 2),
        ("advertisement-rcvd", 4),
        ("interval-errors", 1),
        ("priority-zero-pkts-rcvd", 1),
        ("priority-zero-pkts-sent", 0),
        ("invalid-type-pkts-rcvd", 1),
        ("address-list-errors", 1),
        ("packet-length-errors", 1),
    ] {
        assert_eq!(counter(&now, leaf), count, "{leaf}: {now}");
    }
    for (object, value) in [
        ("vrrpv3OperationsVrId", u64::from(VRID)),
        ("vrrpv3OperationsInetAddrType", 1),
        ("vrrpv3OperationsStatus", 3),
        ("vrrpv3OperationsPriority", 100),
        ("vrrpv3OperationsAddrCount", 1),
        ("vrrpv3OperationsAdvInterval", 30),
        ("vrrpv3OperationsPreemptMode", 1),
        ("vrrpv3OperationsAcceptMode", 1),
        ("vrrpv3OperationsRowStatus", 1),
        ("vrrpv3StatisticsMasterTransitions", 2),
        ("vrrpv3StatisticsNewMasterReason", 1),
        ("vrrpv3StatisticsRcvdAdvertisements", 4),
        ("vrrpv3StatisticsAdvIntervalErrors", 1),
        ("vrrpv3StatisticsIpTtlErrors", 1),
        ("vrrpv3StatisticsProtoErrReason", 3),
        ("vrrpv3StatisticsRcvdPriZeroPackets", 1),
        ("vrrpv3StatisticsSentPriZeroPackets", 0),
        ("vrrpv3StatisticsRcvdInvalidTypePackets", 1),
        ("vrrpv3StatisticsAddressListErrors", 1),
        ("vrrpv3StatisticsPacketLengthErrors", 1),
        ("vrrpv3StatisticsRefreshRate", 0),
    ] {
        assert_eq!(number(now.get("mib"), object), value, "{object}");
    }
    for object in ["vrrpv3OperationsMasterIpAddr", "vrrpv3OperationsPrimaryIpAddr"] {
        assert_eq!(text(&now["mib"], object), "10.0.0.1");
    }
    assert!(number(now.get("mib"), "vrrpv3OperationsUpTime") > 0);
    let all = &daemon.show().0["ietf_vrrp"]["mib"];
    for object in
        ["vrrpv3RouterChecksumErrors", "vrrpv3RouterVersionErrors", "vrrpv3RouterVrIdErrors"]
    {
        assert_eq!(number(Some(all), object), 1, "{object}");
    }
    named(&daemon);
    for leaf in ["checksum-errors", "version-errors", "vrid-errors", "ip-ttl-errors"] {
        assert_eq!(process(&daemon, leaf), 1, "{leaf}");
    }
    let all = &daemon.show().0["ietf_vrrp"];
    assert_eq!(number(Some(all), "virtual-routers"), 1);
    assert_eq!(number(Some(all), "interfaces"), 1);

    // What was sent is what was seen, with the adverts that are between the two looks.
    eventually(SOON, "as many adverts as are counted", || {
        let before = wire.adverts(0, "10.0.0.1").len() as u64;
        let sent = counter(&leaves(&daemon), "advertisement-sent");
        let after = wire.adverts(0, "10.0.0.1").len() as u64;
        (before == sent && sent == after && sent > 2).then_some(())
    });

    // Its interface fails, and comes back.
    let mark = daemon.mark();
    port.cut();
    daemon.wait_state(mark, "VI_1", "FAULT", SOON);
    let now = leaves(&daemon);
    assert_eq!(text(&now, "state"), "initialize");
    assert_eq!(text(&now, "last-event"), "vrrp-event-interface-down");
    assert_eq!(now["up-datetime"], Value::Null);
    port.mend();
    daemon.wait_state(mark, "VI_1", "BACKUP", SOON);
    assert_eq!(text(&leaves(&daemon), "last-event"), "vrrp-event-interface-up");
}
