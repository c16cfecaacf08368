//! What is shown of a judged frame to whoever looks.
//!
//! What the program consumes or rejects reaches no other program of the host. While someone asks for
//! it, the program copies each such frame, or its beginning, to a ring buffer of its own together with
//! what became of it.
use crate::counter::Counter;
use crate::wire::check::{Meaning, Owner, Verdict};
use bytemuck::{Pod, Zeroable};
use core::mem::size_of;

/// Bytes of the ring buffer. A reader that looks fifty times a second sees everything of some hundred
/// thousand adverts a second.
pub const RING_BYTES: u32 = 1 << 19;

/// Bytes of a frame that are kept at most.
pub const LONGEST: usize = 512;

/// Frames up to this size use a small record.
pub const SMALL: usize = 120;

/// Which frames are mirrored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Switch {
    /// Bits of [`wanted`]; 0 while nobody looks.
    pub verdicts: u32,
    /// Those of this router, by its number plus one; 0 for all.
    pub router: u32,
    /// Frames that found the ring full.
    pub lost: u64,
}
const _: () = assert!(size_of::<Switch>() == 16);

impl Switch {
    /// Nobody looks.
    pub const OFF: Self = Self { verdicts: 0, router: 0, lost: 0 };

    /// Whether a frame of which this was thought is to be mirrored.
    #[inline(always)]
    pub const fn wants(verdicts: u32, router: u32, judged: Judged) -> bool {
        let bit = if judged.verdict & ACCEPTED != 0 { wanted::ACCEPTED } else { wanted::REJECTED };
        verdicts & bit != 0 && (router == 0 || router == judged.owner)
    }
}

/// Bits of [`Switch::verdicts`].
pub mod wanted {
    /// Valid adverts.
    pub const ACCEPTED: u32 = 1;
    /// Rejected packets.
    pub const REJECTED: u32 = 1 << 1;
}

/// A verdict in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Judged {
    /// The number of the counter a rejected packet moved; or [`ACCEPTED`] and what the advert meant.
    verdict: u32,
    /// The router's number plus one; or [`PORT`] and the port's number.
    owner: u32,
    /// Remarks: bit n for the counter with number n.
    remarks: u32,
}

/// Bit of an accepted advert.
const ACCEPTED: u32 = 1 << 31;
/// Bit of a port's number.
const PORT: u32 = 1 << 31;

impl Judged {
    /// `None` for what is not ours.
    #[inline(always)]
    pub const fn of(verdict: &Verdict) -> Option<Self> {
        match verdict {
            Verdict::Pass => None,
            Verdict::Reject(counter, owner) => {
                let owner = match owner {
                    Owner::Router(router) => *router + 1,
                    Owner::Port(port) => PORT | *port,
                };
                Some(Self { verdict: *counter as u32, owner, remarks: 0 })
            }
            Verdict::Accept(accepted) => {
                let meaning = match accepted.meaning {
                    Meaning::News(_) => 0,
                    Meaning::Expected(_) => 1,
                    Meaning::Ignored => 2,
                };
                let (router, remarks) = (accepted.router, accepted.remarks);
                Some(Self { verdict: ACCEPTED | meaning, owner: router + 1, remarks })
            }
        }
    }

    /// From its parts and back.
    #[inline(always)]
    pub const fn new([verdict, owner, remarks]: [u32; 3]) -> Self {
        Self { verdict, owner, remarks }
    }

    /// Its parts.
    #[inline(always)]
    pub const fn parts(self) -> [u32; 3] {
        [self.verdict, self.owner, self.remarks]
    }

    /// Why it was rejected, if it was.
    pub fn rejected(self) -> Option<Counter> {
        Counter::ALL.get(self.verdict as usize).copied()
    }

    /// What a valid advert was to its router.
    pub const fn meaning(self) -> &'static str {
        match self.verdict & !ACCEPTED {
            0 => "news",
            1 => "expected",
            _ => "ignored",
        }
    }

    /// The router it was for, where that is known.
    pub const fn router(self) -> Option<u32> {
        if self.owner & PORT != 0 { None } else { self.owner.checked_sub(1) }
    }

    /// What was remarked.
    pub fn remarks(self) -> impl Iterator<Item = Counter> {
        let remarks = self.remarks;
        Counter::ALL.iter().copied().filter(move |counter| remarks & 1 << *counter as u32 != 0)
    }
}

/// What precedes a frame in the ring buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Header {
    /// On CLOCK_MONOTONIC in nanoseconds.
    pub at: u64,
    /// The interface.
    pub ifindex: u32,
    /// What was thought of it.
    pub judged: Judged,
    /// Bytes of the frame.
    pub length: u32,
    /// Bytes of it that follow.
    pub captured: u32,
}
const _: () = assert!(size_of::<Header>() == 32);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Rank;
    use crate::wire::check::Accepted;

    fn accepted(meaning: Meaning) -> Verdict {
        let remarks = 1 << Counter::PriorityZero as u32;
        let (offset, length) = (14, 32);
        Verdict::Accept(Accepted { router: 0, port: 3, meaning, remarks, flags: 0, offset, length })
    }

    #[test]
    fn a_verdict_survives_as_numbers() {
        assert_eq!(Judged::of(&Verdict::Pass), None);
        for counter in Counter::ALL {
            let owners = [(Owner::Router(0), Some(0)), (Owner::Port(0), None)];
            for (owner, router) in owners {
                let judged = Judged::of(&Verdict::Reject(*counter, owner)).unwrap();
                assert_eq!((judged.rejected(), judged.router()), (Some(*counter), router));
                assert_eq!(Judged::new(judged.parts()), judged);
            }
        }
        let meanings = [
            (Meaning::News(Rank::Lower), "news"),
            (Meaning::News(Rank::Rival), "news"),
            (Meaning::Expected(7), "expected"),
            (Meaning::Ignored, "ignored"),
        ];
        for (meaning, word) in meanings {
            let judged = Judged::of(&accepted(meaning)).unwrap();
            assert_eq!((judged.rejected(), judged.router()), (None, Some(0)));
            assert_eq!(judged.meaning(), word);
            assert!(judged.remarks().eq([Counter::PriorityZero]));
        }
    }

    #[test]
    fn only_what_is_wanted_is_shown() {
        let of = |verdict| Judged::of(&verdict).unwrap();
        let good = of(accepted(Meaning::News(Rank::Rival)));
        let bad = of(Verdict::Reject(Counter::Ttl, Owner::Router(1)));
        let stray = of(Verdict::Reject(Counter::Vrid, Owner::Port(1)));
        let both = wanted::ACCEPTED | wanted::REJECTED;
        let shown = |verdicts, router| {
            [good, bad, stray].map(|judged| Switch::wants(verdicts, router, judged))
        };
        assert_eq!(shown(0, 0), [false; 3]);
        assert_eq!(shown(both, 0), [true; 3]);
        assert_eq!(shown(wanted::ACCEPTED, 0), [true, false, false]);
        assert_eq!(shown(wanted::REJECTED, 0), [false, true, true]);
        assert_eq!(shown(both, 1), [true, false, false]);
        assert_eq!(shown(both, 2), [false, true, false]);
    }
}
