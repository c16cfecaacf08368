//! Which advert would be boring, and what do the dataplane's stamps mean.
//!
//! A stamp says that the expected advert came again. Reading it must leave a router exactly where
//! hearing each of those adverts would have left it.
use super::input::{Advert, Stamp};
use super::output::Expectation;
use std::net::IpAddr;
use vrrp_common::ident::RouterId;
use vrrp_common::time::Instant;
use vrrp_common::wire::vrrp::Header;

/// What a router expects and what it last made of the stamps.
#[derive(Default)]
pub(super) struct Expected {
    current: Option<Known>,
    /// The one before: the dataplane may still match it while the new one is being written.
    previous: Option<Known>,
    /// Arrival of the last stamp that was read.
    stamped: Instant,
    /// Stamps that were read but came after what is being handled; rarely more than one.
    held: Vec<Arrival>,
}

#[derive(Clone, Copy)]
struct Known {
    expectation: Expectation,
    same_addresses: bool,
}

#[derive(Clone, Copy)]
struct Arrival {
    at: Instant,
    known: Known,
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

    /// Notes a stamp, if it is a new one of an expectation that is still known.
    pub(super) fn note(&mut self, stamp: Stamp) {
        if stamp.at <= self.stamped {
            return;
        }
        let Some(known) = [self.current, self.previous]
            .into_iter()
            .flatten()
            .find(|known| known.expectation.generation == stamp.generation)
        else {
            return;
        };
        self.stamped = stamp.at;
        let arrival = Arrival { at: stamp.at, known };
        match self.held.last_mut() {
            // The dataplane overwrites its stamp as well: the last of equal adverts says it all.
            Some(last) if last.known.expectation.generation == stamp.generation => *last = arrival,
            _ => self.held.push(arrival),
        }
    }

    /// Arrival of the first advert that was noted and not yet taken.
    pub(super) fn held(&self) -> Option<Instant> {
        self.held.first().map(|arrival| arrival.at)
    }

    /// The first noted advert that arrived no later than `until`.
    pub(super) fn take(&mut self, router: RouterId, until: Instant) -> Option<Advert> {
        let first = self.held.first().filter(|arrival| arrival.at <= until)?;
        let Arrival { at, known: Known { expectation, same_addresses } } = *first;
        self.held.remove(0);
        Some(Advert {
            router,
            at,
            source: expectation.source,
            header: expectation.header,
            same_addresses,
            remarks: expectation.remarks,
        })
    }
}
