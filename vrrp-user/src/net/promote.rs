//! Which removals of addresses would take others along.
//!
//! The kernel keeps IPv4 addresses of one subnet in a row behind the first, and removes all of them
//! with it unless `promote_secondaries` is set. The first may well be a virtual address, of an
//! interface without an address of its own or left by a killed process; the others are the
//! interface's own or another router's.
use super::change::Place;
use super::table::Table;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Links where addresses outside `removed` must be kept from following one of them.
pub(crate) fn endangered(table: &Table, removed: &BTreeSet<Place>) -> BTreeSet<u32> {
    let mut links = BTreeSet::new();
    for same_link in removed.iter().collect::<Vec<_>>().chunk_by(|a, b| a.ifindex == b.ifindex) {
        let ifindex = same_link[0].ifindex;
        if table.by_index(ifindex).is_none_or(|device| device.promotes) {
            continue;
        }
        let followers: BTreeSet<(u32, u8)> = table
            .addresses(ifindex)
            .filter(|held| held.secondary && !removed.contains(&held.place))
            .filter_map(|held| subnet(&held.place))
            .collect();
        if same_link.iter().filter_map(|place| subnet(place)).any(|net| followers.contains(&net)) {
            links.insert(ifindex);
        }
    }
    links
}

fn subnet(place: &Place) -> Option<(u32, u8)> {
    let IpAddr::V4(address) = place.address else { return None };
    let host_bits = 32 - u32::from(place.prefix.min(32));
    let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
    Some((address.to_bits() & mask, place.prefix))
}
