//! Does the network task hold when there is much at once: addresses, changes, announcements?
use anyhow::Result;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vrrp_tests::net_rig::scene::*;
use vrrp_tests::net_rig::{Task, root};
use xvrrp::engine::input::{LinkAddresses, LinkState};
use xvrrp::net::task::{Command, Event, Options, OwnedReport, Presence};

/// A whole transition of many addresses is a few batches.
#[test]
fn thousand_addresses() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    let many = |family: u8| {
        (0..1000_u16).map(move |n| match family {
            4 => vip(&format!("10.20.{}.{}/32", n / 250, n % 250 + 1), "e0"),
            _ => vip(&format!("2001:db8:20::{:x}/64", n + 1), "e0"),
        })
    };
    for family in [4, 6] {
        let task = start(&net, vec![router(A, instance(many(family)))])?;
        let all = |presence: Presence| {
            move |report: &OwnedReport| presences(report).iter().all(|p| *p == presence)
        };
        task.settles(A, |report| report.addresses.len() == 1000);
        for (wanted, presence) in [(true, Presence::Present), (false, Presence::Absent)] {
            let started = Instant::now();
            task.tell(own(A, wanted));
            task.settles(A, all(presence.clone()));
            let took = started.elapsed();
            println!("1000 IPv{family} addresses {presence:?} after {took:?}");
            assert!(took < Duration::from_secs(5), "{took:?}");
            let count = net.router.ip("-o addr show dev e0")?.matches(":20::").count()
                + net.router.ip("-o addr show dev e0")?.matches(" 10.20.").count();
            assert_eq!(count, if wanted { 1000 } else { 0 });
        }
        task.stop()?;
    }
    Ok(())
}

/// A receive buffer that holds next to nothing, and more happening than anyone could read.
#[test]
fn overrun() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    let vips = [
        no_track("10.8.0.50/24", "e4"),
        no_track("2001:db8:4::50/64", "e4"),
        vip("10.9.0.50/24", "e0"),
    ];
    let options = Options { receive_buffer: 4096 };
    let task = Task::start(&net.router, options, vec![router(A, instance(vips))])?;
    task.event(SOON, |event| matches!(event, Event::Ready)).expect("ready");
    task.tell(own(A, true));
    task.settles(A, |report| presences(report) == vec![Presence::Present; 3]);
    let mut lines = String::new();
    for n in 0..2000 {
        lines += &format!("addr add 10.30.{}.{}/32 dev e0\n", n / 250, n % 250 + 1);
    }
    for _ in 0..500 {
        lines += "link set e4 down\nlink set e4 up\n";
    }
    lines += "link set e4 down\naddr add 10.8.0.1/24 dev e4\n";
    net.router.batch(&lines)?;
    let state = |state: &LinkState| matches!(state, LinkState::Down(LinkAddresses { v4: Some(v4), .. }) if v4.octets() == [10, 8, 0, 1]);
    link(&task, "e4", state);
    task.settles(A, |report| {
        presences(report)
            == [Presence::PendingLinkDown, Presence::PendingLinkDown, Presence::Present]
    });
    let capture = net.host.capture()?;
    net.router.ip("link set e4 up")?;
    task.settles(A, |report| presences(report) == vec![Presence::Present; 3]);
    assert!(announced(&capture, net.mac("e4")?, "10.8.0.50"), "announced by the last event");
    for address in ["10.8.0.50/24", "2001:db8:4::50/64", "10.9.0.50/24"] {
        assert!(net.has(address), "{address}");
    }
    let lost = |event: &Event| matches!(event, Event::Lost { .. });
    assert!(!task.events(QUIET).iter().any(lost), "nobody removed anything");
    task.stop()
}

/// Announcements follow each other with the configured pace, and a flapping link floods nobody.
#[test]
fn calm() -> Result<()> {
    if !root() {
        return Ok(());
    }
    let net = Net::new()?;
    let vips = (1..=4).map(|n| no_track(&format!("10.8.0.5{n}/24"), "e4"));
    let mut config = xvrrp::config::model::Config::default();
    config.globals.garp_interval = Duration::from_millis(50);
    let first = vec![Command::Globals(Arc::new(config)), router(A, instance(vips))];
    let task = start(&net, first)?;
    let capture = net.host.capture()?;
    let mac = net.mac("e4")?;
    let is_ours =
        |frame: &Vec<u8>| (1..=4).any(|n| *frame == announcement(mac, &format!("10.8.0.5{n}")));
    let started = Instant::now();
    task.tell(Command::Own { router: A, own: true, announce: 3 });
    task.settles(A, |report| report.addresses.iter().all(|a| a.announced == 3));
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(11 * 50), "12 with a pause between: {took:?}");
    assert_eq!(capture.all(QUIET).iter().filter(|frame| is_ours(frame)).count(), 12);

    let mut lines = String::new();
    for _ in 0..200 {
        lines += "link set e4 down\nlink set e4 up\n";
    }
    let started = Instant::now();
    net.router.batch(&lines)?;
    let flapping = started.elapsed();
    std::thread::sleep(Duration::from_millis(1500));
    let frames = capture.all(QUIET).iter().filter(|frame| is_ours(frame)).count();
    let rounds = 2 + usize::try_from(flapping.as_secs()).unwrap();
    println!("200 flaps in {flapping:?}: {frames} announcements of 4 addresses");
    assert!((4..=4 * rounds).contains(&frames), "{frames}");
    task.settles(A, |report| presences(report) == vec![Presence::Present; 4]);
    task.stop()
}
