//! Where do these tests run: a router with `eth0` and an `eth4` that goes away.
use std::time::Duration;

use serde_json::Value;
use vrrp_tests::lab::capture::Capture;
use vrrp_tests::lab::conf::{Vrrp, file};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::netns::Namespace;
use vrrp_tests::lab::report::number;
use vrrp_tests::lab::switch::{Port, Switch};
use vrrp_tests::lab::wait::{eventually, throughout};

pub(crate) const SOON: Duration = Duration::from_secs(10);
/// Longer than any reaction takes: for what must not happen.
pub(crate) const WHILE: Duration = Duration::from_millis(1500);
/// `garp_master_repeat` of the test.
pub(crate) const REPEAT: usize = 2;

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
    /// More lines of the instance.
    pub(crate) more: String,
}

impl Bed {
    pub(crate) fn new(variant: Variant) -> Self {
        let (near, far) = (Switch::new("nt-near"), Switch::new("nt-far"));
        let us = Namespace::new("nt-us");
        let primary = near.attach(&us, "eth0");
        us.ip(if variant.ipv6 {
            "addr add fe80::1/64 dev eth0"
        } else {
            "addr add 10.0.0.1/24 dev eth0"
        });
        Self { variant, far, us, primary, more: String::new() }
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

    pub(crate) fn source(&self) -> &'static str {
        if self.variant.ipv6 { "fe80::1" } else { "10.0.0.1" }
    }

    pub(crate) fn config(&self, globals: &str) -> String {
        let no_track = if self.variant.no_track { " no_track" } else { "" };
        let instance = Vrrp::new(self.own())
            .vip(&format!("{} dev eth4{no_track}", self.vip()))
            .line(&format!("garp_master_repeat {REPEAT}"))
            .line("garp_master_delay 0")
            .line(&self.more);
        file(globals, &[instance])
    }

    pub(crate) fn start(&self, globals: &str) -> Daemon {
        Daemon::start(self.variant.kind, &self.us, &self.config(globals))
    }

    /// Starts it and waits until both addresses are there and announced.
    pub(crate) fn master(&self, wire: &Capture) -> Daemon {
        let daemon = self.start("");
        daemon.wait_state(0, "VI_1", "MASTER", SOON);
        self.wait_owned();
        eventually(SOON, "the first announcements", || {
            (wire.announcements(0, self.bare()).len() >= REPEAT).then_some(())
        });
        self.shown(&daemon, "present");
        daemon
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

    /// What `show` says of an address on `eth4`; keepalived has nothing like it.
    #[track_caller]
    pub(crate) fn shown(&self, daemon: &Daemon, state: &str) {
        if self.variant.kind == Kind::Xvrrp {
            eventually(SOON, &format!("shown as {state}"), || {
                (daemon.show().presence("VI_1", self.vip()) == state).then_some(())
            });
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

    /// Nobody but us noticed: no transition since `said`, and adverts without a gap since `mark`.
    #[track_caller]
    pub(crate) fn undisturbed(&self, daemon: &Daemon, said: usize, wire: &Capture, mark: usize) {
        assert_eq!(daemon.logged(said, "Entering"), Vec::<String>::new());
        let adverts = wire.adverts(mark, self.source());
        assert!(adverts.len() >= 5, "{} adverts", adverts.len());
        assert!(adverts.iter().all(|advert| advert.priority() == 100), "{adverts:?}");
    }

    /// The loss of `eth4` is a fault: others are told, and every address goes.
    #[track_caller]
    pub(crate) fn faulted(&self, daemon: &Daemon, said: usize, wire: &Capture, mark: usize) {
        daemon.wait_state(said, "VI_1", "FAULT", SOON);
        wire.wait_advert(mark, self.source(), SOON, |advert| advert.priority() == 0);
        self.wait_bare();
        if self.variant.kind == Kind::Xvrrp {
            let show = daemon.show();
            assert_eq!(show.state("VI_1"), "FAULT");
            let faults = show.instance("VI_1").get("faults").map(Value::to_string);
            assert!(faults.as_ref().is_some_and(|why| why.contains("eth4")), "{faults:?}");
        }
    }

    /// By way of BACKUP it becomes master again, with everything.
    #[track_caller]
    pub(crate) fn recovered(&self, daemon: &Daemon, said: usize) {
        daemon.wait_state(said, "VI_1", "BACKUP", SOON);
        daemon.wait_state(said, "VI_1", "MASTER", SOON);
        self.wait_owned();
        self.shown(daemon, "present");
    }
}
