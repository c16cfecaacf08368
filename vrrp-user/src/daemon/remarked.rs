//! How often does the loop find that an advert it takes is not like ours?
use vrrp_common::counter::Counter;
use vrrp_common::layout::Counts;

/// How often the loop remarked that an advert is not like ours.
#[derive(Clone, Copy, Debug, Default)]
pub struct Remarked {
    /// Its list of addresses.
    pub address_list: u64,
    /// Its interval.
    pub interval: u64,
}

impl Remarked {
    /// Adds them to what the dataplane counted.
    pub const fn add_to(self, counts: &mut Counts) {
        counts.0[Counter::AddressListDiffers as usize] += self.address_list;
        counts.0[Counter::IntervalDiffers as usize] += self.interval;
    }
}
