//! Figures as text: thousands apart, money to the last micro-unit, shares in
//! integers. Only means come as floats.

use chrono::TimeDelta;

/// What stands where a figure does not exist (0/0).
pub const NONE: &str = "–";

/// A whole number with a comma between thousands; U+2212 before a negative one.
pub fn integer(value: i64) -> String {
    let sign = if value < 0 { "−" } else { "" };
    format!("{sign}{}", grouped(value.unsigned_abs()))
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Micro-units as units, exactly: at least `min_decimals` decimals, more only
/// where they are not zero.
pub fn micros(value: i64, min_decimals: usize) -> String {
    let sign = if value < 0 { "−" } else { "" };
    let units = grouped(value.unsigned_abs() / 1_000_000);
    let fraction = format!("{:06}", value.unsigned_abs() % 1_000_000);
    let kept = fraction.trim_end_matches('0').len().max(min_decimals);
    match kept {
        0 => format!("{sign}{units}"),
        _ => format!("{sign}{units}.{}", &fraction[..kept]),
    }
}

/// `numerator / denominator` in percent with one decimal, rounded half up;
/// [`NONE`] for a denominator of zero.
pub fn percent(numerator: i64, denominator: i64) -> String {
    per_mille(numerator, denominator).map_or_else(|| NONE.to_owned(), |tenths| format!("{} %", tenths_text(tenths)))
}

/// Tenths of a percent, rounded half up; `None` for a denominator of zero.
pub fn per_mille(numerator: i64, denominator: i64) -> Option<i64> {
    rounded(i128::from(numerator) * 1000, i128::from(denominator))
}

/// `amount / count` in steps of `step`, rounded half up; `None` for a count of zero.
pub fn per_unit(amount: i64, count: i64, step: i64) -> Option<i64> {
    rounded(i128::from(amount), i128::from(count) * i128::from(step))
}

fn rounded(numerator: i128, denominator: i128) -> Option<i64> {
    if denominator <= 0 {
        return None;
    }
    i64::try_from((numerator * 2 + denominator).div_euclid(2 * denominator)).ok()
}

/// Tenths as text: 123 is `12.3`.
pub fn tenths_text(tenths: i64) -> String {
    let sign = if tenths < 0 { "−" } else { "" };
    format!("{sign}{}.{}", grouped(tenths.unsigned_abs() / 10), tenths.unsigned_abs() % 10)
}

/// A number that is no exact sum, rounded to tenths; [`NONE`] beyond what can be shown.
pub fn tenths(value: f64) -> String {
    let tenths = (value * 10.0).round();
    if tenths.abs() < 9e15 { tenths_text(tenths as i64) } else { NONE.to_owned() }
}

/// Seconds as the two largest units: `3 h 12 min`, `12 min 5 s`, `5 s`.
pub fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, m) => format!("{m} min {} s", seconds % 60),
        (0, h, m) => format!("{h} h {m} min"),
        (d, h, _) => format!("{} d {h} h", integer(d)),
    }
}

/// Talk time in hours and minutes, or minutes and seconds when short.
pub fn talk_time(seconds: i64) -> String {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    if hours > 0 { format!("{} h {minutes} min", integer(hours)) } else { duration(seconds) }
}

/// How long ago, from a difference of database times.
pub fn age(difference: TimeDelta) -> String {
    duration(difference.num_seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart_and_signs_kept() {
        let texts = [0, 7, 999, 1000, 1_234_567, -1000, i64::MIN].map(integer);
        assert_eq!(texts, ["0", "7", "999", "1,000", "1,234,567", "−1,000", "−9,223,372,036,854,775,808"]);
    }

    #[test]
    fn money_is_exact_to_the_micro_unit() {
        let texts = [0, 1, 1_500_000, 12_345_678_901, -35_400, 1_000_000].map(|m| micros(m, 2));
        assert_eq!(texts, ["0.00", "0.000001", "1.50", "12,345.678901", "−0.0354", "1.00"]);
        assert_eq!(micros(3_000_000, 0), "3");
    }

    #[test]
    fn shares_round_half_up_and_zero_by_zero_is_no_number() {
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(2, 3), "66.7 %");
        assert_eq!(percent(1, 2000), "0.1 %");
        assert_eq!(percent(0, 5), "0.0 %");
        assert_eq!(percent(0, 0), "–");
        assert_eq!(percent(-1, 4), "−25.0 %");
        assert_eq!(percent(i64::MAX, 1), "–", "what does not fit is not made up");
    }

    #[test]
    fn durations_name_their_two_largest_units() {
        assert_eq!([5, 65, 3600, 90_061].map(duration), ["5 s", "1 min 5 s", "1 h 0 min", "1 d 1 h"]);
    }
}
