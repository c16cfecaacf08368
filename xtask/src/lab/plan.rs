//! What is in the lab: names, addresses and configurations.
//!
//! ```text
//!     r1 eth0 ---.                  .--- eth4 r1
//!                +-- br0      br4 --+
//!     r2 eth0 ---+   (switch)       +--- eth4 r2
//!                |                  |
//!   host eth0 ---'                  '--- eth4 host
//! ```
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

/// The instance that the demo watches.
pub(super) const INSTANCE: &str = "VI_1";
/// Its address on the first segment.
pub(super) const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
/// Its `no_track` address on the second segment.
pub(super) const FREE_VIP: Ipv4Addr = Ipv4Addr::new(10, 4, 0, 100);
/// Between two adverts, in milliseconds.
const INTERVAL_MS: u64 = 100;

/// The interfaces of every machine, and the bridges they are plugged into.
pub(super) const SEGMENTS: [(&str, &str, u8); 2] = [("eth0", "br0", 0), ("eth4", "br4", 4)];

/// A machine with an interface on both segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Machine {
    /// Its short name.
    pub(super) name: &'static str,
    /// Last byte of its addresses.
    pub(super) number: u8,
    /// Priority of its router; the host has none.
    priority: Option<u8>,
}

/// Which of [`ROUTERS`] has the higher priority.
pub(super) const PREFERRED: usize = 0;
/// The two routers.
pub(super) const ROUTERS: [Machine; 2] = [
    Machine { name: "r1", number: 1, priority: Some(150) },
    Machine { name: "r2", number: 2, priority: Some(100) },
];
/// The host that uses the virtual addresses.
pub(super) const HOST: Machine = Machine { name: "host", number: 10, priority: None };
/// The namespace of the bridges.
pub(super) const SWITCH: &str = "sw";

impl Machine {
    /// Its own address on a segment.
    pub(super) fn address(self, segment: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, segment, 0, self.number)
    }

    /// The configuration of its router.
    pub(super) fn config(self) -> Option<String> {
        let priority = self.priority?;
        let mut text = String::new();
        for (name, vrid, addresses) in [
            (INSTANCE, 51, [format!("{VIP}/24"), format!("{FREE_VIP}/24 dev eth4 no_track")]),
            ("VI_6", 61, ["fe80::100/64".to_owned(), "2001:db8::100/64".to_owned()]),
        ] {
            let [first, second] = addresses;
            let (seconds, thousandths) = (INTERVAL_MS / 1000, INTERVAL_MS % 1000);
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "vrrp_instance {name} {{\n    version 3\n    state BACKUP\n    interface eth0\n    \
                 virtual_router_id {vrid}\n    priority {priority}\n    \
                 advert_int {seconds}.{thousandths:03}\n    \
                 virtual_ipaddress {{\n        {first}\n        {second}\n    }}\n}}\n",
            );
        }
        Some(text)
    }

    /// Active_Down_Interval of its router (RFC 9568 section 6.1), in whole milliseconds.
    pub(super) fn down_interval(self) -> Duration {
        let skew = INTERVAL_MS * u64::from(256 - u16::from(self.priority.unwrap_or(0))) / 256;
        Duration::from_millis(3 * INTERVAL_MS + skew)
    }
}

/// Namespace of machine `name` in the lab of process `owner`.
pub(super) fn namespace(owner: u32, name: &str) -> String {
    format!("xv{owner}-{name}")
}

/// The switch's end of the cable of `interface` of machine `name`.
pub(super) fn port(name: &str, interface: &str) -> String {
    format!("{name}-{interface}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_routers_have_a_configuration() {
        assert_eq!(HOST.config(), None);
        let text = ROUTERS[PREFERRED].config().unwrap();
        assert!(text.contains("advert_int 0.100\n"), "{text}");
        assert!(text.contains("10.4.0.100/24 dev eth4 no_track\n"), "{text}");
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }

    #[test]
    fn the_down_interval_is_the_rfcs() {
        // 3 x 100 ms + (256 - 100) x 100 ms / 256
        assert_eq!(ROUTERS[1].down_interval(), Duration::from_millis(360));
    }

    #[test]
    fn interface_names_fit_the_kernel() {
        for machine in ROUTERS.iter().chain([&HOST]) {
            assert!(port(machine.name, "eth4").len() <= 15);
        }
    }
}
