//! How large is the dataplane, and which paths may it take.
use super::port::XdpMode;
use vrrp_common::layout;

/// How the dataplane is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// `--xdp-mode`.
    pub mode: XdpMode,
    /// Most interfaces.
    pub ports: u32,
    /// Most routers; every [`RouterId`] is below.
    pub routers: u32,
    /// Bytes of the ring buffer: a power of two, and a multiple of the page size.
    pub ring_bytes: u32,
    /// News of one router and one rank in one span of time ([`layout::next_news`]), where there is a
    /// limit, which is at most 15.
    pub news: Option<u32>,
    /// Whether the program logs every verdict.
    pub log: bool,
}

impl Settings {
    /// Defaults for a mode: 64 interfaces, 4096 routers.
    pub const fn new(mode: XdpMode) -> Self {
        let news = Some(layout::NEWS_A_SPAN);
        Self { mode, ports: 64, routers: 4096, ring_bytes: 1 << 20, news, log: false }
    }

    /// Rounded to what the kernel can index quickest, and never less than the defaults.
    pub(super) fn rounded(self) -> Self {
        Self {
            ports: self.ports.max(1),
            routers: self.routers.max(4096).checked_next_power_of_two().unwrap_or(1 << 31),
            ..self
        }
    }
}
