//! What do the routers of a test share: one Ethernet segment.
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::capture::Capture;
use super::netns::Namespace;
use super::socket::RawSocket;
use super::wait::eventually;

const SOON: Duration = Duration::from_secs(20);

/// A bridge in a namespace of its own.
#[derive(Debug)]
pub struct Switch {
    namespace: Arc<Namespace>,
    ports: AtomicU32,
}

/// One link between a switch and a router. The cable end at the switch is where tests look and
/// inject: what passes there is on the wire, whatever the router's own interface does with it.
#[derive(Debug)]
pub struct Port {
    switch: Arc<Namespace>,
    name: String,
}

impl Switch {
    /// A segment without routers.
    pub fn new(tag: &str) -> Self {
        let namespace = Namespace::new(&format!("{tag}-sw"));
        namespace.enter(|| {
            std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
                .expect("the switch is to be silent");
        });
        namespace.ip("link add br0 type bridge mcast_snooping 0 stp_state 0 forward_delay 0");
        namespace.ip("link set br0 up");
        Self { namespace: Arc::new(namespace), ports: AtomicU32::new(1) }
    }

    /// Plugs `router`'s new interface `dev` in, up.
    pub fn attach(&self, router: &Namespace, dev: &str) -> Port {
        let name = format!("p{}", self.ports.fetch_add(1, Ordering::Relaxed));
        self.namespace
            .ip(&format!("link add {name} type veth peer name {dev} netns {}", router.name()));
        self.namespace.ip(&format!("link set {name} master br0 up"));
        router.ip(&format!("link set {dev} up"));
        // Asked for by name the kernel says at once what it would otherwise tell up to a second later.
        eventually(SOON, "a link that works", || {
            router.ip(&format!("link show dev {dev}")).contains(" state UP ").then_some(())
        });
        Port { switch: Arc::clone(&self.namespace), name }
    }

    /// Every broadcast and multicast frame from now on, from whichever port, also one that does not
    /// exist yet.
    pub fn capture(&self) -> Capture {
        Capture::start(RawSocket::open(&self.namespace, "br0"))
    }
}

impl Port {
    /// Everything that passes from now on.
    pub fn capture(&self) -> Capture {
        Capture::start(RawSocket::open(&self.switch, &self.name))
    }

    /// A socket whose frames go to the router.
    pub fn injector(&self) -> RawSocket {
        RawSocket::open(&self.switch, &self.name)
    }

    /// Parts it from the segment and leaves it its carrier: nobody sees that something is wrong.
    pub fn part(&self) {
        self.switch.ip(&format!("link set {} nomaster", self.name));
    }

    /// Makes it part of the segment again.
    pub fn join(&self) {
        self.switch.ip(&format!("link set {} master br0", self.name));
    }

    /// Takes the carrier away.
    pub fn cut(&self) {
        self.switch.ip(&format!("link set {} down", self.name));
    }

    /// Gives the carrier back.
    pub fn mend(&self) {
        self.switch.ip(&format!("link set {} up", self.name));
    }
}
