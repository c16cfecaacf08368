//! How often did something take how long.
use std::time::Duration;

/// How often something took how long.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Upper bounds of the buckets in nanoseconds, ascending.
    pub bounds: &'static [u64],
    /// How many took no longer than the bound and longer than the one before.
    pub counts: Vec<u64>,
    /// How many there were, those above the last bound included.
    pub total: u64,
    /// All of them together, in nanoseconds.
    pub sum: u64,
}

impl Histogram {
    /// Without an observation.
    pub fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len()], total: 0, sum: 0 }
    }

    /// One more.
    pub fn observe(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds.partition_point(|bound| *bound < nanos);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.total += 1;
        self.sum = self.sum.saturating_add(nanos);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut histogram = Histogram::new(&[10, 20]);
        for nanos in [0, 10, 11, 20, 21] {
            histogram.observe(Duration::from_nanos(nanos));
        }
        assert_eq!(histogram.counts, [2, 2]);
        assert_eq!((histogram.total, histogram.sum), (5, 62));
    }
}
