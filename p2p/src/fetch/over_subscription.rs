//! How many sources more than needed to ask at first.

/// Extra sources so that, with probability 99 %, `k` of those asked answer in time, if each is late
/// or failing with probability `p`: `k p / (1 - p) + 2.33 sqrt(k p) / (1 - p)`, rounded up.
///
/// The mean number of failures among those asked, plus 2.33 standard deviations (the 99th percentile
/// of the normal distribution). Below half a percent nothing is added, since hedges cover that.
#[must_use]
pub fn over_subscription(k: u32, p: f32) -> u32 {
    const NEGLIGIBLE: f64 = 0.005;
    /// Beyond this nobody is reliable and more requests only add load.
    const HOPELESS: f64 = 0.5;
    const PERCENTILE_99: f64 = 2.33;
    let p = f64::from(p);
    if p.is_nan() || p < NEGLIGIBLE {
        return 0;
    }
    let p = p.min(HOPELESS);
    let late = f64::from(k) * p;
    let extra = ((late + PERCENTILE_99 * late.sqrt()) / (1.0 - p)).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 2 k + 4.66 sqrt(k), never negative, and saturating"
    )]
    let extra = extra as u32;
    extra
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_examples() {
        for (k, p, extra) in [
            (67, 0.02, 5),
            (67, 0.07, 11),
            (67, 0.15, 21),
            (34, 0.02, 3),
            (34, 0.07, 7),
            (34, 0.15, 13),
            (95, 0.02, 6),
        ] {
            assert_eq!(over_subscription(k, p), extra, "k={k} p={p}");
        }
    }

    #[test]
    fn reliable_sources_are_not_over_subscribed_and_odd_numbers_do_no_harm() {
        for p in [0.0, 0.004, -1.0, f32::NAN] {
            assert_eq!(over_subscription(1000, p), 0);
        }
        assert_eq!(over_subscription(0, 1.0), 0);
        assert!(over_subscription(100, f32::INFINITY) < 200);
    }
}
