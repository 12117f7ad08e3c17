//! Medians, and ratios of figures from the same round.

use serde::{Deserialize, Serialize};

/// The value in the middle; the mean of two where there are two. `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.is_empty() {
        None
    } else if sorted.len() % 2 == 1 {
        Some(sorted[middle])
    } else {
        Some(f64::midpoint(sorted[middle - 1], sorted[middle]))
    }
}

/// How many times as long one took as another.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Ratio {
    /// In the median round.
    pub median: f64,
    /// In the round that was best for the one.
    pub lowest: f64,
    /// In the round that was worst for it.
    pub highest: f64,
}

/// The ratio of `theirs` to `ours`, round by round: what slows a whole round down, another program
/// or a hot processor, cancels out. Rounds that only one of them has are left out.
pub fn ratio(theirs: &[f64], ours: &[f64]) -> Option<Ratio> {
    let ratios: Vec<f64> = theirs.iter().zip(ours).map(|(theirs, ours)| theirs / ours).collect();
    Some(Ratio {
        median: median(&ratios)?,
        lowest: ratios.iter().copied().fold(f64::INFINITY, f64::min),
        highest: ratios.iter().copied().fold(0.0, f64::max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn a_slow_round_does_not_change_the_ratio() {
        let ours = [1.0, 1.0, 5.0];
        let theirs = [2.0, 3.0, 10.0];
        let ratio = ratio(&theirs, &ours).unwrap();
        assert_eq!(ratio, Ratio { median: 2.0, lowest: 2.0, highest: 3.0 });
    }

    #[test]
    fn rounds_without_a_partner_are_left_out() {
        assert_eq!(ratio(&[2.0, 100.0], &[1.0]).unwrap().highest, 2.0);
        assert_eq!(ratio(&[], &[1.0]), None);
    }
}
