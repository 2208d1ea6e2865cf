//! A slope that single values cannot bend, and whether there is one at all.
//!
//! Source: Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968; Mann, "Nonparametric tests against
//! trend", 1945.

/// The median of the slopes between every two points (Theil–Sen), in values per unit of time. None, where fewer than two
/// points differ in time.
#[must_use]
pub fn theil_sen(points: &[(f64, f64)]) -> Option<f64> {
    let slopes = pairs(points).filter(|((at, _), (later, _))| later > at);
    median(slopes.map(|((at, value), (later, other))| (other - value) / (later - at)).collect())
}

/// How sure it is that the values go up (or, negative, down): the normal deviate of Mann and Kendall's test. Points are in
/// the order of time.
#[must_use]
pub fn mann_kendall(points: &[(f64, f64)]) -> f64 {
    let sum: f64 = pairs(points).map(|((_, value), (_, other))| (other - value).partial_cmp(&0.0)).map(sign).sum();
    let n = points.len() as f64;
    let variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0;
    if sum == 0.0 || variance == 0.0 { 0.0 } else { (sum - sum.signum()) / variance.sqrt() }
}

/// The middle value.
#[must_use]
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        _ if values.is_empty() => None,
        0 => Some((values[middle - 1] + values[middle]) / 2.0),
        _ => Some(values[middle]),
    }
}

fn pairs(points: &[(f64, f64)]) -> impl Iterator<Item = ((f64, f64), (f64, f64))> {
    points.iter().enumerate().flat_map(|(n, point)| points[n + 1..].iter().map(|other| (*point, *other)))
}

fn sign(order: Option<std::cmp::Ordering>) -> f64 {
    match order {
        Some(std::cmp::Ordering::Greater) => 1.0,
        Some(std::cmp::Ordering::Less) => -1.0,
        Some(std::cmp::Ordering::Equal) | None => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_wild_value_does_not_bend_the_slope() {
        let mut points: Vec<(f64, f64)> = (0..21_u32).map(|day| (f64::from(day), 120.0 + f64::from(day))).collect();
        points[10].1 = 220.0;
        assert_eq!(theil_sen(&points), Some(1.0));
        assert!(mann_kendall(&points) > 5.0);
        assert_eq!(theil_sen(&points[..1]), None);
    }

    proptest! {
        #[test]
        fn what_goes_up_in_one_direction_of_time_goes_down_in_the_other(values in prop::collection::vec(60_u8..220, 2..40)) {
            let forwards: Vec<(f64, f64)> = (0_u32..).map(f64::from).zip(values.iter().map(|value| f64::from(*value))).collect();
            let backwards: Vec<(f64, f64)> =
                (0_u32..).map(f64::from).zip(values.iter().rev().map(|value| f64::from(*value))).collect();
            prop_assert_eq!(theil_sen(&forwards).map(|slope| -slope), theil_sen(&backwards));
            prop_assert_eq!(mann_kendall(&forwards), -mann_kendall(&backwards));
        }
    }
}
