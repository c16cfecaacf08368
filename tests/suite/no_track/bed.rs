//! Where do these tests run: a router with `eth0` and an `eth4` that goes away.
use std::time::Duration;

use serde_json::Value;
use vrrp_tests::lab::capture::{Capture, address};
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::frame::{Packet, Path, v3};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::report::number;
use vrrp_tests::lab::switch::{Port, Switch};
use vrrp_tests::lab::wait::{eventually, throughout};

pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Longer than any reaction takes: for what must not happen.
pub(crate) const WHILE: Duration = Duration::from_millis(1500);
/// `garp_master_repeat` of the test.
pub(crate) const REPEAT: usize = 2;

pub(crate) const PRESENT: &str = "present";
pub(crate) const PENDING_DOWN: &str = "pending (link down)";
pub(crate) const PENDING_GONE: &str = "pending (no device)";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Variant {
    pub(crate) kind: Kind,
    pub(crate) no_track: bool,
    pub(crate) ipv6: bool,
}

pub(crate) struct Bed {
    pub(crate) variant: Variant,
    pub(crate) far: Switch,
    pub(crate) us: Namespace,
    pub(crate) primary: Port,
    /// More lines of the instance; `NET` is a network of the family.
    pub(crate) more: String,
}

impl Bed {
    pub(crate) fn new(variant: Variant, more: &str) -> Self {
        let (near, far) = (Switch::new("nt-near"), Switch::new("nt-far"));
        let us = Namespace::new("nt-us");
        let primary = near.attach(&us, "eth0");
        us.ip(if variant.ipv6 {
            "addr add fe80::1/64 dev eth0"
        } else {
            "addr add 10.0.0.1/24 dev eth0"
        });
        let mut bed = Self { variant, far, us, primary, more: String::new() };
        bed.more = more.replace("NET", bed.net());
        bed
    }

    /// Where a route leads.
    pub(crate) fn net(&self) -> &'static str {
        if self.variant.ipv6 { "2001:db8:77::/48" } else { "192.0.2.0/24" }
    }

    /// Whether the kernel has that route.
    pub(crate) fn routed(&self) -> bool {
        let family = if self.variant.ipv6 { "-6" } else { "-4" };
        self.us.ip(&format!("{family} route show")).contains(self.net())
    }

    /// What JSON says of it.
    #[track_caller]
    pub(crate) fn route_state(&self, daemon: &Daemon) -> String {
        let show = daemon.show();
        let routes = show.instance("VI_1").get("routes").and_then(Value::as_array);
        let state = routes.and_then(|routes| routes.first()?.get("state")?.as_str());
        state.unwrap_or_else(|| panic!("no route: {}", show.0)).to_owned()
    }

    /// Creates `eth4`, up.
    pub(crate) fn plug(&self) -> Port {
        self.far.attach(&self.us, "eth4")
    }

    /// The address on `eth0`.
    pub(crate) fn own(&self) -> &'static str {
        if self.variant.ipv6 { "fe80::100/64" } else { "10.0.0.100/24" }
    }

    /// The address on `eth4`.
    pub(crate) fn vip(&self) -> &'static str {
        if self.variant.ipv6 { "2001:db8:2::2/64" } else { "2.2.2.2/24" }
    }

    pub(crate) fn bare(&self) -> &'static str {
        if self.variant.ipv6 { "2001:db8:2::2" } else { "2.2.2.2" }
    }

    pub(crate) fn bare_own(&self) -> &'static str {
        if self.variant.ipv6 { "fe80::100" } else { "10.0.0.100" }
    }

    pub(crate) fn source(&self) -> &'static str {
        if self.variant.ipv6 { "fe80::1" } else { "10.0.0.1" }
    }

    /// The instance as it is in every row.
    pub(crate) fn instance(&self) -> Vrrp {
        let no_track = if self.variant.no_track { " no_track" } else { "" };
        Vrrp::new(self.own())
            .vip(&format!("{} dev eth4{no_track}", self.vip()))
            .line(&format!("garp_master_repeat {REPEAT}"))
            .line("garp_master_delay 0")
            .line(&self.more)
    }

    pub(crate) fn start(&self, globals: &str) -> Daemon {
        Daemon::start(self.variant.kind, &self.us, &file(globals, &[self.instance()]))
    }

    /// Starts it and waits until both addresses are there and announced.
    pub(crate) fn master(&self, wire: &Capture) -> Daemon {
        self.master_with(wire, "")
    }

    /// The same with global settings.
    pub(crate) fn master_with(&self, wire: &Capture, globals: &str) -> Daemon {
        let near = self.primary.capture();
        let daemon = self.start(globals);
        daemon.wait_state(0, "VI_1", "MASTER", SOON);
        self.wait_owned();
        for (wire, address) in [(&near, self.bare_own()), (wire, self.bare())] {
            eventually(SOON, &format!("the first announcements of {address}"), || {
                (wire.announcements(0, address).len() >= REPEAT).then_some(())
            });
        }
        self.runs(&daemon, PRESENT);
        daemon
    }

    /// An advert of another router, better than ours.
    pub(crate) fn higher(&self) -> Vec<u8> {
        let peer = if self.variant.ipv6 { "fe80::2" } else { "10.0.0.2" };
        let list = [address(self.bare_own()), address(self.bare())];
        Packet::advert(Path::multicast(peer), 51, 200, v3(10), &list).frame()
    }

    pub(crate) fn has_own(&self) -> bool {
        self.us.has("eth0", self.own())
    }

    pub(crate) fn has_vip(&self) -> bool {
        self.us.has("eth4", self.vip())
    }

    #[track_caller]
    pub(crate) fn wait_owned(&self) {
        eventually(SOON, "both addresses", || (self.has_own() && self.has_vip()).then_some(()));
    }

    #[track_caller]
    pub(crate) fn wait_bare(&self) {
        eventually(SOON, "no virtual address", || {
            (!self.has_own() && !self.has_vip()).then_some(())
        });
    }

    /// It is the master, and the address on `eth4` is in this state: in the kernel and, of ours, in
    /// every form of `show`.
    #[track_caller]
    pub(crate) fn runs(&self, daemon: &Daemon, presence: &str) {
        self.shows(daemon, "MASTER", presence, &[]);
        eventually(SOON, "the address on eth0", || self.has_own().then_some(()));
        match presence {
            PRESENT => eventually(SOON, "the address on eth4", || self.has_vip().then_some(())),
            // The kernel takes IPv6 addresses off a device that is set down, and keeps IPv4 ones.
            PENDING_DOWN => {
                assert!(self.has_vip() || self.variant.ipv6, "{:?}", self.us.addresses());
            }
            _ => assert!(!self.has_vip()),
        }
    }

    /// Its state, the state of the address on `eth4`, and every reason for FAULT, in text and JSON.
    /// keepalived has nothing like it.
    #[track_caller]
    pub(crate) fn shows(
        &self,
        daemon: &Daemon,
        state: &str,
        presence: &str,
        faults: &[(&str, &str)],
    ) {
        if self.variant.kind == Kind::Keepalived {
            return;
        }
        let mut last = String::new();
        let end = std::time::Instant::now() + SOON;
        while let Err(why) = self.is_shown(daemon, state, presence, faults) {
            assert!(std::time::Instant::now() < end, "not shown: {why}, before that: {last}");
            last = why;
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn is_shown(
        &self,
        daemon: &Daemon,
        state: &str,
        presence: &str,
        faults: &[(&str, &str)],
    ) -> Result<(), String> {
        let show = daemon.show();
        let instance = show.instance("VI_1");
        let vip = show.address("VI_1", self.vip());
        let (overview, detail) = (daemon.words(None), daemon.words(Some("VI_1")));
        let field = |value: &Value, key: &str| value.get(key).cloned().unwrap_or_default();
        let listed: Vec<(String, String)> = field(instance, "faults")
            .as_array()
            .into_iter()
            .flatten()
            .map(|fault| {
                let word = |key| field(fault, key).as_str().unwrap_or_default().to_owned();
                (word("reason"), word("object"))
            })
            .collect();
        let wanted: Vec<(String, String)> =
            faults.iter().map(|(why, what)| ((*why).to_owned(), (*what).to_owned())).collect();
        let has = |text: &str, words: &[&str]| {
            text.lines().any(|line| words.iter().all(|word| line.contains(word)))
        };
        let on = format!("{} dev eth4: {presence}", self.vip());
        let prevented = format!("no_track (prevented {} faults)", field(vip, "prevented"));
        let counts =
            format!("announced {}, repaired {}", field(vip, "announced"), field(vip, "repaired"));
        let own = if state == "MASTER" { PRESENT } else { "absent" };
        let pending = overview.lines().filter(|line| line.contains("pending")).count();
        let checks = [
            ("state in JSON", show.state("VI_1") == state),
            ("reasons in JSON", listed == wanted),
            ("the address in JSON", show.presence("VI_1", self.vip()) == presence),
            ("no_track in JSON", field(vip, "no_track") == Value::Bool(self.variant.no_track)),
            ("the own address in JSON", show.presence("VI_1", self.own()) == own),
            ("state in the overview", has(&overview, &["VI_1", "eth0", " 51 ", state])),
            (
                "reasons in the overview",
                faults.iter().all(|f| has(&overview, &["fault", f.0, f.1])),
            ),
            ("pending in the overview", pending == usize::from(presence.starts_with("pending"))),
            (
                "the address in the overview",
                !presence.starts_with("pending") || has(&overview, &["VI_1: ", &on]),
            ),
            ("state in full", has(&detail, &["State:", state])),
            ("reasons in full", faults.iter().all(|fault| has(&detail, &["Fault:", fault.1]))),
            (
                "no other reason in full",
                detail.lines().filter(|line| line.contains("Fault:")).count() == faults.len(),
            ),
            ("the address in full", has(&detail, &["Address:", &on, &counts])),
            ("no_track in full", has(&detail, &[&on, &prevented]) == self.variant.no_track),
        ];
        match checks.iter().find(|(_, holds)| !holds) {
            None => Ok(()),
            Some((what, _)) => Err(format!("{what}\n{}\n{overview}\n{detail}", show.0)),
        }
    }

    #[track_caller]
    pub(crate) fn number(&self, daemon: &Daemon, key: &str) -> u64 {
        let show = daemon.show();
        let address: &Value = show.address("VI_1", self.vip());
        number(Some(address), key)
    }

    /// Faults that `no_track` has prevented; keepalived does not count them.
    #[track_caller]
    pub(crate) fn prevented(&self, daemon: &Daemon) -> u64 {
        match self.variant.kind {
            Kind::Xvrrp => self.number(daemon, "prevented"),
            Kind::Keepalived => 0,
        }
    }

    /// One round of announcements on `eth4` since `mark`, and no second one.
    #[track_caller]
    pub(crate) fn announced_once(&self, wire: &Capture, mark: usize) {
        eventually(SOON, "announcements on eth4", || {
            (wire.announcements(mark, self.bare()).len() >= REPEAT).then_some(())
        });
        throughout(WHILE, "one round of announcements", || {
            match wire.announcements(mark, self.bare()).len() {
                REPEAT => Ok(()),
                count => Err(format!("{count} announcements")),
            }
        });
    }

    /// Nobody but us noticed: no transition since `said`, adverts of one priority since `mark`, and
    /// what is on `eth0` was not announced again.
    #[track_caller]
    pub(crate) fn undisturbed(&self, daemon: &Daemon, said: usize, wire: &Capture, mark: usize) {
        assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
        let adverts = wire.adverts(mark, self.source());
        assert!(adverts.len() >= 5, "{} adverts", adverts.len());
        assert!(adverts.iter().all(|advert| advert.priority() == 100), "{adverts:?}");
        assert_eq!(wire.announcements(mark, self.bare_own()).len(), 0, "on eth0");
    }

    /// How often the instance became master, stopped being it, and said goodbye.
    #[track_caller]
    pub(crate) fn terms(&self, daemon: &Daemon) -> [u64; 3] {
        if self.variant.kind == Kind::Keepalived {
            return [0; 3];
        }
        let show = daemon.show();
        let instance = show.instance("VI_1");
        ["became_master", "released_master", "priority_zero_sent"]
            .map(|key| number(Some(instance), key))
    }

    /// The reason a lost `eth4` is for its address.
    pub(crate) fn reason(&self) -> (&'static str, String) {
        ("address-interface", format!("{} dev eth4", self.vip()))
    }

    /// The loss of `eth4` is a fault, for this reason and no other: others are told, and every
    /// address goes.
    #[track_caller]
    pub(crate) fn faulted(&self, daemon: &Daemon, said: usize, wire: &Capture, mark: usize) {
        let (why, what) = self.reason();
        self.faulted_by(daemon, said, wire, mark, &[(why, &what)]);
    }

    /// The same for these reasons.
    #[track_caller]
    pub(crate) fn faulted_by(
        &self,
        daemon: &Daemon,
        said: usize,
        wire: &Capture,
        mark: usize,
        reasons: &[(&str, &str)],
    ) {
        daemon.wait_state(said, "VI_1", "FAULT", SOON);
        wire.wait_advert(mark, self.source(), SOON, |advert| advert.priority() == 0);
        self.wait_bare();
        self.shows(daemon, "FAULT", "absent", reasons);
        let last = wire.adverts(mark, self.source());
        assert!(last.last().is_some_and(|advert| advert.priority() == 0), "silent in FAULT");
    }

    /// By way of BACKUP it becomes master again, with everything, and announces it.
    #[track_caller]
    pub(crate) fn recovered(&self, daemon: &Daemon, said: usize) {
        daemon.wait_state(said, "VI_1", "BACKUP", SOON);
        daemon.wait_state(said, "VI_1", "MASTER", SOON);
        self.wait_owned();
        self.runs(daemon, PRESENT);
    }
}
