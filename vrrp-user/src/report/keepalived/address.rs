//! How does keepalived write an address.
use crate::config::model::Vip;
use crate::net::task::Presence;
use std::fmt::Write as _;
use std::net::IpAddr;

/// An address with everything that is set about it.
pub fn vip(vip: &Vip, presence: Option<&Presence>) -> String {
    let mut text = prefixed(vip.address, vip.prefix);
    // Writing to a string cannot fail.
    if let Some(broadcast) = vip.broadcast {
        let _ = write!(text, " brd {broadcast}");
    }
    let _ = write!(text, " dev {} scope {}", vip.dev, scope(vip.scope));
    if let Some(label) = &vip.label {
        let _ = write!(text, " label {label}");
    }
    if vip.no_track {
        text.push_str(" no_track");
    }
    if vip.address.is_ipv6() {
        text.push_str(if vip.prefix == 128 { " deprecated" } else { " preferred_lft forever" });
    }
    if matches!(presence, Some(Presence::Present | Presence::PendingLinkDown)) {
        text.push_str(" set");
    }
    text
}

/// Without the length where it is the whole address.
pub(super) fn prefixed(address: IpAddr, length: u8) -> String {
    match (address, length) {
        (IpAddr::V4(_), 32) | (IpAddr::V6(_), 128) => address.to_string(),
        _ => format!("{address}/{length}"),
    }
}

fn scope(scope: u8) -> String {
    match scope {
        0 => "global".to_owned(),
        200 => "site".to_owned(),
        253 => "link".to_owned(),
        254 => "host".to_owned(),
        255 => "nowhere".to_owned(),
        other => other.to_string(),
    }
}
