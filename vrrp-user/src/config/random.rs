//! Which numbers does `${_RANDOM}` stand for: those of the C library's `random`, which keepalived
//! draws from, and the same on every machine for one `random_seed`.
use std::collections::VecDeque;

/// A term is the sum of the one so far before it and of the one `NEAR` before it.
const FAR: usize = 31;
const NEAR: usize = 3;
/// Terms that are dropped at the start.
const DROPPED: usize = 310;

/// A generator of the additive kind.
#[derive(Debug)]
pub(super) struct Random {
    /// The last [`FAR`] terms.
    terms: VecDeque<u32>,
}

impl Random {
    /// Begins with a seed.
    pub(super) fn new(seed: u32) -> Self {
        const MODULUS: i64 = 0x7fff_ffff;
        // The seed counts as signed, and 0 as 1.
        let mut word = i64::from(seed.max(1).cast_signed());
        let mut terms = VecDeque::with_capacity(FAR + 1);
        for number in 0..FAR {
            if number > 0 {
                word = (16_807 * word).rem_euclid(MODULUS);
            }
            let [a, b, c, d, ..] = word.to_le_bytes();
            terms.push_back(u32::from_le_bytes([a, b, c, d]));
        }
        // The first three come again before sums begin.
        terms.rotate_left(NEAR);
        let mut random = Self { terms };
        for _ in 0..DROPPED {
            random.term();
        }
        random
    }

    fn term(&mut self) -> u32 {
        let at = |index: usize| self.terms.get(index).copied().unwrap_or_default();
        let term = at(0).wrapping_add(at(FAR - NEAR));
        self.terms.pop_front();
        self.terms.push_back(term);
        term
    }

    /// The next number, of 31 bits.
    pub(super) fn next(&mut self) -> u32 {
        self.term() >> 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_c_library() {
        let first = |seed| {
            let mut random = Random::new(seed);
            [random.next(), random.next(), random.next()]
        };
        // What `srandom` and `random` of the GNU C library give.
        assert_eq!(first(1), [1_804_289_383, 846_930_886, 1_681_692_777]);
        assert_eq!(first(0), first(1));
        assert_eq!(first(5), [590_011_675, 99_788_765, 2_131_925_610]);
        assert_eq!(first(12_345), [383_100_999, 858_300_821, 357_768_173]);
        assert_eq!(first(4_294_967_295), [254_925_627, 1_205_188_300, 366_127_624]);
        assert_eq!(first(2_147_483_648), [1_336_741_213, 1_210_407_648, 1_447_044_896]);
    }
}
