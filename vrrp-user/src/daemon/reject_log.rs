//! What is said of rejected packets, and how often (RFC 9568 section 7.1: log them, rate-limited).
//!
//! Whoever rejects, be it in the kernel, only counts. The main thread looks every few seconds
//! whether anything was counted at all, and says so: once for each router or interface and reason,
//! then less and less often for as long as it goes on.
use super::advert_loop::Message;
use super::clock;
use super::mailbox::Sender;
use super::questions::Question;
use crate::config::model::Name;
use crate::dataplane::rejects::{Rejects, listed};
use foldhash::HashMap;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;
use vrrp_common::counter::Counter;
use vrrp_common::layout::Counts;
use vrrp_common::time::Instant;
use vrrp_common::wire::check::Owner;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(3);
/// From one line of a kind to the next; it doubles each time, up to the longest.
const PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Lines of one look; what has to wait is said at the next.
const LINES: usize = 10;

/// What the loop knows of rejects.
#[derive(Debug, Default)]
pub struct Known {
    /// Names of routers, by number.
    pub routers: Vec<Option<Name>>,
    /// Names of the interfaces of ports.
    pub ports: HashMap<u32, String>,
    /// What was rejected behind sockets or by the loop, since last asked.
    pub rejected: HashMap<Owner, Counts>,
    /// `log_unknown_vrids`.
    pub unknown_vrids: bool,
}

/// Looks, and says, until the loop ends.
pub async fn run(mut rejects: Rejects, mailbox: Sender<Message>) {
    let mut watch = Watch::default();
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let in_kernel = rejects.any().unwrap_or_else(|why| {
            tracing::debug!("counters of rejected packets: {why}");
            false
        });
        if in_kernel || rejects.elsewhere() {
            let read = spawn_blocking(move || {
                let more = if in_kernel { rejects.more() } else { Ok(Vec::new()) };
                (rejects, more)
            });
            let Ok((back, more)) = read.await else { return };
            rejects = back;
            let more = more.unwrap_or_else(|why| {
                tracing::debug!("counters of rejected packets: {why}");
                Vec::new()
            });
            let (answer, known) = oneshot::channel();
            mailbox.send(Message::Ask(Question::Rejects(answer)));
            let Ok(mut known) = known.await else { return };
            let elsewhere = listed(std::mem::take(&mut known.rejected));
            for (owner, counter, count) in more.into_iter().chain(elsewhere) {
                watch.add(&known, owner, counter, count);
            }
        }
        for line in watch.lines(clock::now()) {
            if line.quiet {
                tracing::debug!("{}", line.text);
            } else {
                tracing::warn!("{}", line.text);
            }
        }
    }
}

/// A line for the log.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Line {
    text: String,
    /// It is no sign of a mistake.
    quiet: bool,
}

/// What was said of which kind of packet.
#[derive(Debug, Default)]
struct Watch(BTreeMap<(String, Counter), Pair>);

#[derive(Debug, Default)]
struct Pair {
    /// Packets that were not told of yet.
    waiting: u64,
    /// When a line was last written, and how long the next one waits.
    said: Option<(Instant, Duration)>,
    quiet: bool,
}

impl Watch {
    fn add(&mut self, known: &Known, owner: Owner, counter: Counter, count: u64) {
        let whose = match owner {
            Owner::Router(router) => {
                let name = usize::try_from(router).ok().and_then(|at| known.routers.get(at));
                name.and_then(Option::as_ref).map(|name| format!("({name})"))
            }
            Owner::Port(port) => known.ports.get(&port).map(|interface| format!("{interface}:")),
        };
        // Whoever it was is gone.
        let Some(whose) = whose else { return };
        let pair = self.0.entry((whose, counter)).or_default();
        pair.waiting = pair.waiting.saturating_add(count);
        // Other virtual routers on the same segment are nobody's mistake.
        pair.quiet = counter == Counter::Vrid && !known.unknown_vrids;
    }

    /// What is to be said now.
    fn lines(&mut self, now: Instant) -> Vec<Line> {
        // Who was quiet for a whole pause begins anew.
        self.0.retain(|_, pair| {
            pair.waiting > 0 || pair.said.is_some_and(|(at, pause)| now < at + pause)
        });
        let due =
            |pair: &Pair| pair.waiting > 0 && pair.said.is_none_or(|(at, pause)| now >= at + pause);
        let mut lines = Vec::new();
        let mut left = 0;
        for ((whose, counter), pair) in self.0.iter_mut().filter(|(_, pair)| due(pair)) {
            if lines.len() == LINES {
                left += 1;
                continue;
            }
            let Pair { waiting, said, quiet } = pair;
            let (words, name) = (words(*counter), counter.name());
            let packets = if *waiting == 1 { "packet" } else { "packets" };
            let text = match said {
                None => format!("{whose} rejected {waiting} {packets}: {words} ({name})"),
                Some((at, _)) => format!(
                    "{whose} rejected {waiting} more {packets} in {} s: {words} ({name})",
                    now.since(*at).as_secs()
                ),
            };
            lines.push(Line { text, quiet: *quiet });
            let pause = said.map_or(PAUSE, |(_, pause)| LONGEST_PAUSE.min(pause * 2));
            *said = Some((now, pause));
            *waiting = 0;
        }
        if left > 0 {
            let text =
                format!("packets of {left} more kinds were rejected: see `xvrrp show --json`");
            lines.push(Line { text, quiet: false });
        }
        lines
    }
}

/// A reason in words.
const fn words(counter: Counter) -> &'static str {
    match counter {
        Counter::Ttl => "wrong TTL or hop limit, perhaps from beyond a router",
        Counter::Version => "a version of VRRP that is not spoken here",
        Counter::Type => "no advertisement",
        Counter::Length => "wrong length",
        Counter::Checksum => "wrong checksum",
        Counter::Vrid => "a VRID that is not configured here",
        Counter::AddressCountZero => "no address in the list",
        Counter::FirstAddressNotLinkLocal => "the first address is not link-local",
        Counter::IntervalZero => "an interval of zero",
        Counter::Interval => "another interval than ours, which VRRPv2 forbids",
        Counter::AuthTypeInvalid => "an authentication type that does not exist",
        Counter::AuthTypeMismatch => "another authentication type than ours",
        Counter::AuthFailure => "wrong password",
        Counter::Source => "from an address that no router has",
        Counter::PeerSource => "from an address that is not among the unicast peers",
        Counter::ModeMismatch => "multicast to a unicast router, or to another group",
        Counter::Fragment => "a fragment",
        Counter::IpHeader => "a broken IP header, or an extension header",
        Counter::OwnAddress => "from our own address: a loop, or an address that is there twice",
        Counter::AddressList => "another address list than ours",
        Counter::Received
        | Counter::PriorityZero
        | Counter::IntervalDiffers
        | Counter::AddressListDiffers
        | Counter::OtherChecksumForm
        | Counter::RingFull
        | Counter::V2Ignored
        | Counter::Surplus => "not rejected",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vrrp_common::counter::Kind;

    const ONE: Owner = Owner::Router(1);

    fn known() -> Known {
        Known {
            routers: vec![None, Some("VI_1".into())],
            ports: HashMap::from_iter([(0, "eth0".to_owned())]),
            ..Known::default()
        }
    }

    /// After so many seconds.
    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(1_000_000_000_000 + seconds * 1_000_000_000)
    }

    fn texts(watch: &mut Watch, now: Instant) -> Vec<String> {
        watch.lines(now).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn every_reason_has_words() {
        for counter in Counter::ALL {
            assert_eq!(words(*counter) == "not rejected", counter.kind() != Kind::Rejected);
        }
    }

    #[test]
    fn a_flood_makes_fewer_and_fewer_lines_that_add_up() {
        let (known, mut watch) = (known(), Watch::default());
        let (mut lines, mut told) = (Vec::new(), 0);
        for second in (0..86_400).step_by(3) {
            watch.add(&known, ONE, Counter::Ttl, 3000);
            let said = texts(&mut watch, at(second));
            assert!(said.len() <= 1);
            for text in &said {
                assert!(text.starts_with("(VI_1) rejected "), "{text}");
                assert!(
                    text.ends_with("wrong TTL or hop limit, perhaps from beyond a router (ttl)")
                );
                let number = text.split(' ').nth(2).and_then(|word| word.parse::<u64>().ok());
                told += number.unwrap_or_else(|| panic!("{text}"));
            }
            lines.extend(said);
        }
        // Seven doublings, and then one in ten minutes.
        assert!((140..=160).contains(&lines.len()), "{}", lines.len());
        let all = 86_400 / 3 * 3000;
        assert!(told <= all && told + 600 * 1000 + 3000 >= all, "{told} of {all}");
        assert!(lines[1].starts_with("(VI_1) rejected 12000 more packets in 12 s: "), "{lines:?}");
    }

    #[test]
    fn each_router_and_each_reason_has_its_own_line_and_quiet_is_forgotten() {
        let (known, mut watch) = (known(), Watch::default());
        assert_eq!(texts(&mut watch, at(0)), Vec::<String>::new());
        watch.add(&known, ONE, Counter::Ttl, 1);
        watch.add(&known, ONE, Counter::Checksum, 2);
        watch.add(&known, Owner::Port(0), Counter::Fragment, 3);
        // Of nobody any more.
        watch.add(&known, Owner::Router(0), Counter::Ttl, 4);
        watch.add(&known, Owner::Router(9), Counter::Ttl, 4);
        watch.add(&known, Owner::Port(9), Counter::Ttl, 4);
        let first = [
            "(VI_1) rejected 1 packet: wrong TTL or hop limit, perhaps from beyond a router (ttl)",
            "(VI_1) rejected 2 packets: wrong checksum (checksum)",
            "eth0: rejected 3 packets: a fragment (fragment)",
        ];
        assert_eq!(texts(&mut watch, at(1)), first);
        watch.add(&known, ONE, Counter::Ttl, 7);
        assert_eq!(texts(&mut watch, at(10)), Vec::<String>::new());
        let more = texts(&mut watch, at(11));
        assert_eq!(more.len(), 1);
        assert!(more[0].starts_with("(VI_1) rejected 7 more packets in 10 s: "), "{more:?}");
        // Nothing for longer than its pause, and nothing is remembered.
        assert_eq!(texts(&mut watch, at(60)), Vec::<String>::new());
        assert!(watch.0.is_empty());
        watch.add(&known, ONE, Counter::Ttl, 1);
        assert_eq!(texts(&mut watch, at(61)), first[..1]);
    }

    #[test]
    fn thousands_of_routers_at_once_are_bounded_and_none_is_forgotten() {
        let mut known = known();
        known.routers = (0..4080).map(|number| Some(format!("VI_{number}").into())).collect();
        let mut watch = Watch::default();
        for router in 0..4080 {
            watch.add(&known, Owner::Router(router), Counter::Checksum, 5);
        }
        let mut told = std::collections::BTreeSet::new();
        for look in 0..408 {
            let lines = texts(&mut watch, at(3 * look));
            let (named, summary) = lines.split_at(LINES);
            assert_eq!(summary.len(), usize::from(look < 407), "{look}: {lines:?}");
            told.extend(named.to_vec());
        }
        assert_eq!(told.len(), 4080);
    }

    /// Other virtual routers on the segment are heard with every advert of theirs.
    #[test]
    fn vrids_of_others_are_said_aloud_only_where_asked_for() {
        for unknown_vrids in [false, true] {
            let (known, mut watch) = (Known { unknown_vrids, ..known() }, Watch::default());
            watch.add(&known, Owner::Port(0), Counter::Vrid, 3);
            let lines = watch.lines(at(0));
            assert_eq!(lines.len(), 1);
            assert_eq!(lines[0].quiet, !unknown_vrids);
        }
    }
}
