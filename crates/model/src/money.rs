//! Money and credits: integers only, each with its unit in the name.

use crate::decimal::{DecimalText, Rest};

/// The most that one amount may be: 1e12 micro-units, a million units of the
/// account's currency. More for one call is an error of the sender.
const MAX_MICROS: i64 = 1_000_000_000_000;

/// The most that one entry of a ledger may be, in micro-credits.
const MAX_CREDIT_MICROS: i64 = 1_000_000_000_000_000;

/// Seconds in a billed minute.
const MINUTE_SECONDS: i64 = 60;

/// Decimal text of cents to micro-units of the currency (1 cent = 10,000),
/// rounded half up. `None` when the text is no decimal number, is below zero or
/// gives more than 1e12 micro-units.
pub fn cents_text_to_micros(text: &str) -> Option<i64> {
    let cents = DecimalText::parse(text)?;
    if cents.is_negative() {
        return None;
    }
    let (cut, rest) = cents.scaled(4)?;
    let micros = i64::try_from(cut).ok()? + i64::from(rest == Rest::HalfOrMore);
    (micros <= MAX_MICROS).then_some(micros)
}

/// Decimal text of credits, which may be below zero, to micro-credits. `None` when
/// the text is no decimal number, has more than six decimals (they would have to be
/// rounded) or is beyond 1e9 credits.
pub fn credits_text_to_micros(text: &str) -> Option<i64> {
    let credits = DecimalText::parse(text)?;
    let (micros, rest) = credits.scaled(6)?;
    let micros = i64::try_from(micros).ok().filter(|micros| rest == Rest::Nothing && *micros <= MAX_CREDIT_MICROS)?;
    Some(if credits.is_negative() { -micros } else { micros })
}

/// Started minutes of a call: seconds / 60, rounded up; 0 for 0 seconds or less.
pub fn billed_minutes(duration_seconds: i64) -> i64 {
    ceil_div(duration_seconds.max(0), MINUTE_SECONDS)
}

/// What a call costs in micro-credits: started pulses times the price of a
/// pulse, rounded half up once, at the end. Nothing for 0 seconds. A pulse below
/// one second counts as one second, a negative price as zero; the result stops
/// at `i64::MAX` instead of wrapping.
pub fn charge_micro_credits(duration_seconds: i64, pulse_seconds: i32, micro_credits_per_minute: i64) -> i64 {
    let pulse = i64::from(pulse_seconds.max(1));
    let pulses = i128::from(ceil_div(duration_seconds.max(0), pulse));
    let rate = i128::from(micro_credits_per_minute.max(0));
    let minute = i128::from(MINUTE_SECONDS);
    // pulses * pulse and rate each fit 64 bits, so the product fits 128.
    let exact_times_60 = pulses * i128::from(pulse) * rate;
    i64::try_from((exact_times_60 + minute / 2) / minute).unwrap_or(i64::MAX)
}

fn ceil_div(value: i64, by: i64) -> i64 {
    value / by + i64::from(value % by != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_become_micros_exactly() {
        for (text, want) in [
            ("3.54", Some(35_400)),
            ("0.375", Some(3_750)),
            ("0", Some(0)),
            ("0.0", Some(0)),
            ("-0", Some(0)),
            ("3.5400000000000001", Some(35_400)),
            ("0.00005", Some(1)),
            ("0.00004999999999999999999", Some(0)),
            ("1.00015", Some(10_002)),
            ("0.29", Some(2_900)),
            ("354e-2", Some(35_400)),
            ("0.1e-400", Some(0)),
            ("100000000", Some(1_000_000_000_000)),
            ("100000000.0001", None),
            ("1e15", None),
            ("1e308", None),
            ("123456789012345678901234567890", None),
            ("-0.01", None),
            ("-1e-300", None),
            ("3,54", None),
            ("NaN", None),
            ("Infinity", None),
            ("", None),
            ("3.54 ", None),
        ] {
            assert_eq!(cents_text_to_micros(text), want, "{text}");
        }
    }

    #[test]
    fn credits_are_exact_or_refused() {
        for (text, want) in [
            ("50", Some(50_000_000)),
            ("3.5", Some(3_500_000)),
            ("-2.333333", Some(-2_333_333)),
            ("0.000001", Some(1)),
            ("-0", Some(0)),
            ("1000000000", Some(1_000_000_000_000_000)),
            ("1000000000.000001", None),
            ("0.0000001", None),
            ("+5", None),
            ("5 ", None),
            ("5,0", None),
            ("", None),
            ("-", None),
            ("NaN", None),
        ] {
            assert_eq!(credits_text_to_micros(text), want, "{text}");
        }
    }

    #[test]
    fn minutes_are_started_minutes() {
        for (seconds, want) in [(0, 0), (1, 1), (59, 1), (60, 1), (61, 2), (-5, 0)] {
            assert_eq!(billed_minutes(seconds), want);
        }
    }

    #[test]
    fn credits_are_started_pulses() {
        const ONE: i64 = 1_000_000;
        for (seconds, pulse, rate, want) in [
            (200, 30, ONE, 3_500_000),
            (135, 20, ONE, 2_333_333),
            (133, 60, ONE, 3_000_000),
            (100, 20, ONE, 1_666_667),
            (0, 30, ONE, 0),
            (1, 60, ONE, ONE),
            (60, 60, ONE, ONE),
            (61, 60, ONE, 2 * ONE),
            (1, 1, 30, 1), // 0.5 micro-credits: half goes up
            (1, 1, 29, 0),
            (86_400, 60, i64::MAX, i64::MAX),
            (10, 0, 60, 10),
            (10, 60, -5, 0),
        ] {
            assert_eq!(charge_micro_credits(seconds, pulse, rate), want, "{seconds} {pulse} {rate}");
        }
    }
}
