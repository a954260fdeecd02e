//! Latencies in buckets of at most 1.6 % width: constant memory for millions of samples.

use std::time::Duration;

const SUB_BITS: u32 = 6;
const SUB: u64 = 1 << SUB_BITS;
/// Enough for 2^40 µs, twelve days.
const BUCKETS: usize = (SUB as usize) * 36;

/// Counts of latencies in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    greatest: u64,
}

impl Histogram {
    /// Makes an empty one.
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, greatest: 0 }
    }

    /// Counts one latency.
    pub(crate) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket_of(micros).min(BUCKETS - 1)] += 1;
        self.total += 1;
        self.greatest = self.greatest.max(micros);
    }

    /// Adds all counts of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.greatest = self.greatest.max(other.greatest);
    }

    /// Returns how many were counted.
    pub(crate) fn len(&self) -> u64 {
        self.total
    }

    /// Returns, in milliseconds, the latency that `share` (0 to 1) of all samples did not exceed.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return upper_end(index).min(self.greatest) as f64 / 1e3;
            }
        }
        0.0
    }

    /// Returns the greatest latency in milliseconds.
    pub(crate) fn max_ms(&self) -> f64 {
        self.greatest as f64 / 1e3
    }
}

fn bucket_of(value: u64) -> usize {
    if value < SUB {
        return value as usize;
    }
    let exponent = 63 - value.leading_zeros();
    let shift = exponent - SUB_BITS;
    ((u64::from(shift) + 1) * SUB + ((value >> shift) - SUB)) as usize
}

fn upper_end(index: usize) -> u64 {
    let index = index as u64;
    if index < SUB {
        return index;
    }
    let shift = index / SUB - 1;
    ((index % SUB + SUB + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::{Histogram, bucket_of, upper_end};
    use std::time::Duration;

    #[test]
    fn buckets_are_contiguous_and_narrow() {
        for value in 0..200_000u64 {
            let index = bucket_of(value);
            let above = upper_end(index);
            assert!(above >= value && above - value <= value / 64, "{value} in bucket to {above}");
            assert!(index == 0 || upper_end(index - 1) < value);
        }
    }

    #[test]
    fn quantiles_name_the_right_sample() {
        let mut low = Histogram::new();
        let mut high = Histogram::new();
        for millis in 1..=990 {
            low.record(Duration::from_millis(millis));
        }
        for millis in 991..=1000 {
            high.record(Duration::from_millis(millis));
        }
        low.merge(&high);
        assert_eq!(low.len(), 1000);
        assert!((low.quantile_ms(0.5) - 500.0).abs() < 10.0);
        assert!((low.quantile_ms(0.99) - 990.0).abs() < 18.0);
        assert!((low.max_ms() - 1000.0).abs() < f64::EPSILON);
        assert!(Histogram::new().quantile_ms(0.99).abs() < f64::EPSILON);
    }
}
