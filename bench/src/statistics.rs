//! Median, range and percentile of repeated measurements.
//!
//! Medians, because a shared machine disturbs single rounds; ranges, because a median alone hides that.
//! Nothing is interpolated but the middle of an even count.

/// Repeated measurements of one figure, in the order they were made.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.0
    }

    /// The middle value, or the mean of the two in the middle; `None` of nothing.
    pub(crate) fn median(&self) -> Option<f64> {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        if sorted.len() % 2 == 1 {
            return Some(upper);
        }
        Some((sorted[middle - 1] + upper) / 2.0)
    }

    /// The smallest value that at least `percent` of all do not exceed (nearest rank).
    pub(crate) fn percentile(&self, percent: usize) -> Option<f64> {
        let sorted = self.sorted();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied()
    }

    /// Smallest and largest.
    pub(crate) fn range(&self) -> Option<(f64, f64)> {
        let sorted = self.sorted();
        Some((*sorted.first()?, *sorted.last()?))
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Series {
        Series(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        values.iter().copied().collect()
    }

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(series(&[9.0, 1.0, 5.0]).median(), Some(5.0));
        assert_eq!(series(&[4.0, 1.0, 2.0, 9.0]).median(), Some(3.0));
        assert_eq!(series(&[7.0]).median(), Some(7.0));
        assert_eq!(series(&[]).median(), None);
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let hundred: Series = (1..=100).map(f64::from).collect();
        assert_eq!(hundred.percentile(99), Some(99.0));
        assert_eq!(hundred.percentile(100), Some(100.0));
        assert_eq!(series(&[3.0, 1.0]).percentile(99), Some(3.0));
        assert_eq!(series(&[]).percentile(99), None);
    }

    #[test]
    fn the_range_spans_all_rounds() {
        assert_eq!(series(&[3.0, -1.0, 2.0]).range(), Some((-1.0, 3.0)));
        assert_eq!(series(&[]).range(), None);
    }
}
