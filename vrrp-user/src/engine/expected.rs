//! Which advert would be boring, and what do the dataplane's stamps mean.
//!
//! A stamp says that the expected advert came again. Reading it must leave a router exactly where
//! hearing each of those adverts would have left it.
use super::digest::from;
use super::input::{Advert, Stamp};
use super::output::Expectation;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use vrrp_common::ident::RouterId;
use vrrp_common::time::Instant;
use vrrp_common::wire::vrrp::Header;

/// What a router expects and what it last made of the stamps.
#[derive(Clone, Default)]
pub(super) struct Expected {
    current: Option<Known>,
    /// The one before: the dataplane may still match it while the new one is being written.
    previous: Option<Known>,
    /// Arrival of the last stamp that was read.
    stamped: Instant,
}

#[derive(Clone, Copy)]
struct Known {
    expectation: Expectation,
    same_addresses: bool,
}

/// The next advert that will be stamped, if one comes.
pub(super) struct Next {
    /// Of the expectation.
    pub(super) generation: u32,
    /// Arrival of the last stamp that was read.
    pub(super) stamped: Instant,
    /// It, but for its arrival.
    pub(super) advert: Advert,
}

impl Known {
    fn advert(self, router: RouterId, at: Instant) -> Advert {
        let Expectation { source, header, remarks, .. } = self.expectation;
        Advert { router, at, source, header, same_addresses: self.same_addresses, remarks }
    }
}

impl Expected {
    /// What is expected now.
    pub(super) fn current(&self) -> Option<Expectation> {
        self.current.map(|known| known.expectation)
    }

    /// Its sender and header.
    pub(super) fn advert(&self) -> Option<(IpAddr, Header)> {
        self.current.map(|known| (known.expectation.source, known.expectation.header))
    }

    /// Expects more of `advert` from now on. Says whether anything changed.
    pub(super) fn expect(&mut self, advert: &Advert, generations: &mut u32) -> bool {
        if let Some(Known { expectation, same_addresses }) = self.current
            && expectation.source == advert.source
            && expectation.header == advert.header
            && expectation.remarks == advert.remarks
            && same_addresses == advert.same_addresses
        {
            return false;
        }
        self.retire();
        *generations = match generations.wrapping_add(1) {
            0 => 1,
            generation => generation,
        };
        self.current = Some(Known {
            expectation: Expectation {
                generation: *generations,
                source: advert.source,
                header: advert.header,
                remarks: advert.remarks,
            },
            same_addresses: advert.same_addresses,
        });
        true
    }

    /// Expects nothing from now on. Says whether anything changed.
    pub(super) fn retire(&mut self) -> bool {
        let current = self.current.take();
        if current.is_some() {
            self.previous = current;
        }
        current.is_some()
    }

    /// The advert that a stamp stands for, if it is a new one of an expectation still known.
    pub(super) fn heard(&mut self, router: RouterId, stamp: Stamp) -> Option<Advert> {
        if stamp.at <= self.stamped {
            return None;
        }
        let known = [self.current, self.previous]
            .into_iter()
            .flatten()
            .find(|known| known.expectation.generation == stamp.generation)?;
        self.stamped = stamp.at;
        Some(known.advert(router, stamp.at))
    }

    /// What the next stamp would stand for.
    pub(super) fn next(&self, router: RouterId) -> Option<Next> {
        let known = self.current?;
        let generation = known.expectation.generation;
        let advert = known.advert(router, self.stamped);
        Some(Next { generation, stamped: self.stamped, advert })
    }

    /// Feeds what [`Self::heard`] goes by to `into`. Generations count from the last one given.
    pub(super) fn digest(
        &self,
        now: Instant,
        stamp: Stamp,
        generations: u32,
        into: &mut impl Hasher,
    ) {
        // One more stamp of this very instant would not be heard.
        (self.stamped >= now).hash(into);
        for known in [self.current, self.previous] {
            known.is_some().hash(into);
            if let Some(Known { expectation, same_addresses }) = known {
                let Expectation { generation, source, header, remarks } = expectation;
                generations.wrapping_sub(generation).hash(into);
                (source, header.0, remarks, same_addresses).hash(into);
                let unread = stamp.at > self.stamped && stamp.generation == generation;
                unread.then(|| from(now, stamp.at)).hash(into);
            }
        }
    }
}
