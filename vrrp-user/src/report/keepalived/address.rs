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
    if let Some(peer) = vip.peer {
        let _ = write!(text, " peer {peer}/{}", vip.prefix);
    }
    let treatment = vip.treatment;
    for (is, word) in [
        (treatment.home, " home"),
        (treatment.detect_duplicates, " -nodad"),
        (treatment.temporaries, " mngtmpaddr"),
        (treatment.no_prefix_route, " noprefixroute"),
        (treatment.join, " autojoin"),
        (vip.no_track, " no_track"),
    ] {
        text.push_str(if is { word } else { "" });
    }
    match vip.preferred {
        _ if vip.address.is_ipv4() => {}
        Some(0) => text.push_str(" deprecated"),
        Some(seconds) => drop(write!(text, " preferred_lft {seconds}")),
        None => text.push_str(" preferred_lft forever"),
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
