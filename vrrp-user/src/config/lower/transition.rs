//! May an instance speak both versions for a time, and what should who asks for it know.
use super::instance::Draft;
use crate::config::findings::Findings;
use std::time::Duration;
use vrrp_common::ident::{Family, Version};

/// Whether it speaks VRRPv2 beside VRRPv3 (RFC 9568 section 8.4.2).
pub(super) fn v2_interop(
    draft: &Draft,
    family: Family,
    version: Version,
    interval: Duration,
    findings: &mut Findings,
) -> bool {
    let Some(span) = draft.v2_interop else { return false };
    match (family, version) {
        (Family::V6, _) => {
            findings
                .warning("v2-interop", span, "`v2_interop` does nothing for IPv6")
                .label("VRRPv2 knows only IPv4");
            false
        }
        (Family::V4, Version::V2) => {
            findings
                .error("v2-interop", span, "`v2_interop` is for instances of version 3")
                .help("add `version 3`; version 2 is then sent and taken too");
            false
        }
        (Family::V4, Version::V3) => {
            // Section 8.4.1.
            findings
                .warning("v2-interop", span, "`v2_interop` is for a time of transition")
                .label("every advert is sent twice, and either version can depose this router")
                .help("remove it when the last router of this VRID speaks version 3");
            // Section 8.4.3.1.
            if interval < Duration::from_secs(1) {
                findings
                    .warning("v2-interop", span, "the interval is less than a second")
                    .label("VRRPv2 adverts say a second, though they are sent as often")
                    .help(
                        "give no VRRPv2 router a higher priority than this one: as master it would \
                         be missed for seconds",
                    );
            }
            true
        }
    }
}
