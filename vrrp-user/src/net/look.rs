//! What is an address like besides where it is, and is it as it was asked for.
use super::slots::Slot;
use crate::config::model::{Name, Treatment, Vip};
use foldhash::HashMap;
use std::net::Ipv4Addr;

/// A lifetime without end.
pub(crate) const FOREVER: u32 = u32::MAX;

/// What is said of an address, as it is asked for and as the kernel tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Look {
    /// IPv4; `None` for the interface's name.
    pub(crate) label: Option<Name>,
    /// IPv4.
    pub(crate) broadcast: Option<Ipv4Addr>,
    /// IPv4, as rtnetlink numbers it. The kernel derives that of an IPv6 address.
    pub(crate) scope: u8,
    /// How the kernel treats it, as far as it can be told: an IPv4 address is not tested for
    /// duplicates.
    pub(crate) treatment: Treatment,
    /// Seconds that are left of its preference.
    pub(crate) preferred: u32,
    /// Seconds that are left of its life.
    pub(crate) valid: u32,
}

impl Look {
    /// How a virtual address is asked for.
    pub(crate) fn of(vip: &Vip) -> Self {
        Self {
            label: vip.label.clone(),
            broadcast: vip.broadcast,
            scope: vip.scope,
            treatment: vip.treatment,
            preferred: vip.preferred.unwrap_or(FOREVER),
            valid: FOREVER,
        }
    }

    /// Whether `actual`, which the kernel told of an address on `dev`, is what was asked for.
    pub(crate) fn is(&self, actual: &Self, dev: &Name) -> bool {
        let name = |look: &Self| look.label.clone().unwrap_or_else(|| dev.clone());
        // A preference that was given an end comes to it by itself.
        let preferred = match self.preferred {
            FOREVER => actual.preferred == FOREVER,
            seconds => actual.preferred <= seconds,
        };
        name(self) == name(actual)
            && self.broadcast == actual.broadcast
            && self.scope == actual.scope
            && self.treatment == actual.treatment
            && preferred
            && self.valid == actual.valid
    }
}

/// What the kernel was asked for of what is there now, and what it made of it. Where that is something
/// else it would be again, so it is left at that.
#[derive(Default, Debug)]
pub(crate) struct Made(HashMap<Slot, Option<Box<(Look, Look)>>>);

impl Made {
    /// It was asked for one thing, and made this of it.
    pub(crate) fn note(&mut self, slot: Slot, asked: Look, made: Look) {
        // Most are as they were asked for, and what is like that is like the wish too.
        let other = !asked.is(&made, &slot.dev);
        self.0.insert(slot, other.then(|| Box::new((asked, made))));
    }

    /// Whether an address that is there is what asking for `wanted` comes to.
    pub(crate) fn fits(&self, slot: &Slot, wanted: &Look, actual: &Look) -> bool {
        let again = |(asked, made): &(Look, Look)| asked == wanted && made.is(actual, &slot.dev);
        let other = || self.0.get(slot).and_then(Option::as_deref);
        wanted.is(actual, &slot.dev) || other().is_some_and(again)
    }

    /// Whether it is there because it was asked for: who changes an address may take the mark off that
    /// says so.
    pub(crate) fn knows(&self, slot: &Slot) -> bool {
        self.0.contains_key(slot)
    }

    /// It is gone.
    pub(crate) fn forget(&mut self, slot: &Slot) {
        self.0.remove(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_changes_by_itself_is_no_difference() {
        let dev: Name = "e0".into();
        let vip = Vip::new("2001:db8::1".parse().unwrap(), 64, "e0");
        let asked = Look::of(&Vip { preferred: Some(60), ..vip.clone() });
        let later = |preferred| Look { preferred, ..asked.clone() };
        assert!(asked.is(&later(60), &dev) && asked.is(&later(0), &dev));
        assert!(!asked.is(&later(61), &dev) && !asked.is(&later(FOREVER), &dev));
        let plain = Look::of(&vip);
        assert!(!plain.is(&asked, &dev), "someone gave it an end");
        assert!(!plain.is(&Look { valid: 60, ..plain.clone() }, &dev));
        // The kernel labels an address with its interface.
        assert!(plain.is(&Look { label: Some("e0".into()), ..plain.clone() }, &dev));
        assert!(!plain.is(&Look { label: Some("e1".into()), ..plain.clone() }, &dev));
    }

    /// A kernel that does not know what it is asked for must not be asked for ever.
    #[test]
    fn what_it_makes_of_a_wish_is_left_at_that() {
        let vip = Vip::new("2001:db8::1".parse().unwrap(), 64, "e0");
        let (slot, plain) = (Slot::of(&vip), Look::of(&vip));
        let joined = Treatment { join: true, ..Treatment::default() };
        let asked = Look { treatment: joined, ..plain.clone() };
        let mut made = Made::default();
        assert!(!made.fits(&slot, &asked, &plain));
        made.note(slot.clone(), asked.clone(), plain.clone());
        assert!(made.fits(&slot, &asked, &plain));
        assert!(!made.fits(&slot, &asked, &Look { preferred: 5, ..plain.clone() }));
        assert!(!made.fits(&slot, &plain, &asked), "another wish");
        assert!(made.knows(&slot));
        made.forget(&slot);
        assert!(!made.knows(&slot) && !made.fits(&slot, &asked, &plain));
    }
}
