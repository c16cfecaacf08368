//! Does every text get an answer soon, and is a configuration that is taken one that can be run?
use rustix::time::{ClockId, clock_gettime};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use vrrp_common::ident::{Family, Priority, RouterId, Version};
use vrrp_common::time;
use xvrrp::config::model::{Config, Instance, Transport};
use xvrrp::config::source::{Source, Unreadable};
use xvrrp::config::{load, render};
use xvrrp::engine::Engine;
use xvrrp::engine::input::{Heard, Input, LinkAddresses, LinkState, Stamp};

/// Bytes of the longest text that is read here.
pub const LONGEST: usize = 16 << 10;

/// An answer that takes longer is none. It is the time of this thread alone: how long the machine
/// does something else says nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// Diagnostics of one text that are drawn.
const DRAWN: usize = 6;

/// What stands between two files in one input: a byte that no text has.
pub const NEXT_FILE: u8 = 0xff;

/// Files `f0`, `f1` and so on, that may include each other.
struct Files<'a>(Vec<&'a [u8]>);

impl Source for Files<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        let number = path.to_str().and_then(|name| name.strip_prefix('f')?.parse::<usize>().ok());
        let found = number.and_then(|number| self.0.get(number));
        found.map(|bytes| bytes.to_vec()).ok_or(Unreadable::Missing)
    }

    fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, Unreadable> {
        let names = (0..self.0.len()).map(|number| format!("f{number}"));
        let all = pattern.contains('*');
        Ok(names.filter(|name| all || name == pattern).map(PathBuf::from).collect())
    }

    fn config_id(&self) -> String {
        "main".to_owned()
    }
}

/// Reads one text, or several divided by [`NEXT_FILE`].
pub fn judge(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    let files = Files(bytes.split(|byte| *byte == NEXT_FILE).take(8).collect());
    let started = busy();
    let (config, diagnostics) = load(Path::new("f0"), &files);
    // Drawing takes longer than reading, and which are drawn is the text's choice anyway.
    for diagnostic in diagnostics.iter().take(DRAWN) {
        let pretty = render::pretty(diagnostic, false);
        let control = |c: char| c.is_control() && c != '\n';
        assert!(!pretty.contains(control), "{pretty:?}");
        assert!(!diagnostic.to_string().contains(['\n', '\0']), "{diagnostic}");
    }
    assert!(render::json(&diagnostics).is_ok());
    assert_eq!(config.is_none(), render::count(&diagnostics).0 > 0, "a refusal says why");
    let took = busy() - started;
    assert!(took < PATIENCE, "{took:?}");
    if let Some(config) = config {
        is_sound(&config);
        runs(config);
    }
}

/// For how long this thread has worked.
fn busy() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it began at zero")
}

/// What the rest of the program takes for granted.
fn is_sound(config: &Config) {
    let mut names = HashSet::new();
    let mut numbers = HashSet::new();
    for instance in &config.instances {
        assert!(names.insert(&instance.name), "two instances are named {}", instance.name);
        let number = (&instance.interface, instance.vrid, instance.family);
        // Unicast instances are told apart by their own address as well.
        if matches!(instance.transport, Transport::Multicast { .. }) {
            assert!(numbers.insert(number), "two instances are {number:?}");
        }
        in_range(instance);
    }
}

fn in_range(instance: &Instance) {
    let name = &instance.name;
    assert_ne!(instance.priority, Priority::RELEASE, "{name}");
    let interval = instance.advert_interval;
    let sendable = match instance.version {
        Version::V2 => interval.subsec_nanos() == 0 && (1..=255).contains(&interval.as_secs()),
        Version::V3 => {
            interval.as_millis().is_multiple_of(10) && (10..=40_950).contains(&interval.as_millis())
        }
    };
    assert!(sendable, "{name}: {interval:?} in version {:?}", instance.version);
    assert!(instance.family == Family::V4 || instance.version == Version::V3, "{name}");
    assert!(instance.addresses.len() <= 255, "{name}");
    for vip in &instance.addresses {
        assert_eq!(Family::of(vip.address), instance.family, "{name}");
    }
    for vip in instance.vips() {
        let longest = if vip.address.is_ipv4() { 32 } else { 128 };
        assert!(vip.prefix <= longest, "{name}: {}/{}", vip.address, vip.prefix);
        assert!(!vip.dev.is_empty(), "{name}");
    }
    if let Transport::Unicast { peers, .. } = &instance.transport {
        assert!(!peers.is_empty(), "{name}");
        assert!(peers.iter().all(|peer| Family::of(peer.address) == instance.family), "{name}");
        assert!(peers.iter().all(|peer| peer.min_ttl <= peer.max_ttl), "{name}");
    }
    assert!(instance.down_timer_adverts > 0, "{name}");
    assert!(instance.source.is_none_or(|source: IpAddr| Family::of(source) == instance.family));
}

/// A memory in which nothing was ever heard.
struct Silence;

impl Heard for Silence {
    fn stamp(&self, _: RouterId) -> Stamp {
        Stamp::default()
    }
}

/// Starts it, lets a few timers end, and stops it again.
fn runs(config: Config) {
    let mut now = time::Instant::from_nanos(1_000_000_000_000);
    let mut engine = Engine::new();
    let tell = |engine: &mut Engine, now, input| {
        engine.handle(now, input, &Silence);
        while engine.poll().is_some() {}
    };
    let addresses = LinkAddresses {
        v4: Some(Ipv4Addr::new(192, 0, 2, 10)),
        v6: Some(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x10)),
    };
    for instance in &config.instances {
        let (name, state) = (instance.interface.clone(), LinkState::Up(addresses));
        tell(&mut engine, now, Input::Link { name, state });
    }
    tell(&mut engine, now, Input::Reload(Arc::new(config)));
    for _ in 0..16 {
        let Some(deadline) = engine.deadline() else { break };
        now = now.max(deadline);
        tell(&mut engine, now, Input::Deadline);
        assert!(engine.deadline().is_none_or(|next| next > now), "a timer that does not move on");
    }
    tell(&mut engine, now, Input::Shutdown);
    assert_eq!(engine.deadline(), None);
    assert!(engine.snapshot().is_empty());
}
