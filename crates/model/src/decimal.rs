//! Decimal numbers read from their text, never through binary floating point.

use rust_decimal::Decimal;

/// More significant digits than this before the point is out of any range here.
const MAX_WHOLE_DIGITS: i64 = 30;

/// Digits after the point that a [`Decimal`] of seconds keeps.
const SECONDS_SCALE: u32 = 18;

/// A number cut into its parts: `-12.5e3` is negative, `12`, `5`, 3.
pub(crate) struct DecimalText<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

/// What is lost when a number is cut to a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    Nothing,
    BelowHalf,
    HalfOrMore,
}

impl<'a> DecimalText<'a> {
    /// Accepts `-?digits[.digits][e[+-]digits]`, which is JSON's grammar plus
    /// leading zeros. `None` for anything else, `NaN` and `1:02` among them.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        Some(Self { negative, whole: whole.as_bytes(), fraction: fraction.as_bytes(), exponent })
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.digits().all(|digit| digit == b'0')
    }

    /// Below zero; `-0` is not.
    pub(crate) fn is_negative(&self) -> bool {
        self.negative && !self.is_zero()
    }

    /// The magnitude times 10^`scale`, cut to a whole number, and what was cut.
    /// `None` when it has more than [`MAX_WHOLE_DIGITS`] digits.
    pub(crate) fn scaled(&self, scale: u32) -> Option<(i128, Rest)> {
        let Some(first) = self.digits().position(|digit| digit != b'0') else {
            return Some((0, Rest::Nothing));
        };
        let first = i64::try_from(first).ok()?;
        let length = i64::try_from(self.whole.len() + self.fraction.len()).ok()?;
        // Index of the first digit behind the shifted point.
        let point = i64::try_from(self.whole.len()).ok()? + self.exponent + i64::from(scale);
        if point - first > MAX_WHOLE_DIGITS {
            return None;
        }
        let value = (first..point).fold(0_i128, |sum, at| sum * 10 + i128::from(self.digit(at)));
        let rest = if point >= length {
            Rest::Nothing
        } else if point >= 0 && self.digit(point) >= 5 {
            Rest::HalfOrMore
        } else if (point.max(first)..length).any(|at| self.digit(at) != 0) {
            Rest::BelowHalf
        } else {
            Rest::Nothing
        };
        Some((value, rest))
    }

    fn digits(&self) -> impl Iterator<Item = u8> + '_ {
        self.whole.iter().chain(self.fraction).copied()
    }

    fn digit(&self, at: i64) -> u8 {
        let Ok(at) = usize::try_from(at) else {
            return 0;
        };
        let found = match at.checked_sub(self.whole.len()) {
            None => self.whole.get(at),
            Some(behind) => self.fraction.get(behind),
        };
        found.map_or(0, |digit| digit - b'0')
    }
}

/// An exponent, clamped far outside of every range that matters.
fn parse_exponent(text: &str) -> Option<i64> {
    const FAR: i64 = 1_000_000_000_000;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let size = digits.bytes().fold(0_i64, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(FAR));
    Some(sign * size)
}

/// A whole number from 0 to `max`; `42`, `42.0` and `4.2e1` are all 42.
pub(crate) fn whole_number(text: &str, max: i64) -> Option<i64> {
    let number = DecimalText::parse(text)?;
    let (value, rest) = number.scaled(0)?;
    if number.is_negative() || rest != Rest::Nothing || value > i128::from(max) {
        return None;
    }
    i64::try_from(value).ok()
}

/// Seconds from 0 to `max`, exact to 18 digits after the point. What is smaller
/// still stays above zero, because "talked" means any conversation at all.
pub(crate) fn seconds(text: &str, max: i64) -> Option<Decimal> {
    let number = DecimalText::parse(text)?;
    if number.is_negative() {
        return None;
    }
    let (mut value, rest) = number.scaled(SECONDS_SCALE)?;
    if value == 0 && rest != Rest::Nothing {
        value = 1;
    }
    let seconds = Decimal::try_from_i128_with_scale(value, SECONDS_SCALE).ok()?;
    (seconds <= Decimal::from(max)).then(|| seconds.normalize())
}

/// A number from 0 on, with the digits that it was written with; nothing where
/// that takes more digits than a [`Decimal`] has.
pub(crate) fn as_given(text: &str) -> Option<Decimal> {
    let number = DecimalText::parse(text)?;
    if number.is_negative() {
        return None;
    }
    let scale = u32::try_from(i64::try_from(number.fraction.len()).ok()? - number.exponent).unwrap_or(0);
    let (value, rest) = number.scaled(scale)?;
    (rest == Rest::Nothing).then(|| Decimal::try_from_i128_with_scale(value, scale).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_exact_or_nothing() {
        for (text, want) in [
            ("42", Some(42)),
            ("42.0", Some(42)),
            ("042", Some(42)),
            ("4.2e1", Some(42)),
            ("4200E-2", Some(42)),
            ("0", Some(0)),
            ("-0", Some(0)),
            ("0e999999999999999999999", Some(0)),
            ("42.5", None),
            ("-5", None),
            ("1e9", None),
            ("1e400", None),
            ("123456789012345678901234567890", None),
            ("abc", None),
            ("1:02", None),
            ("NaN", None),
            ("+1", None),
            ("1.", None),
            (".5", None),
            ("", None),
            (" 1", None),
        ] {
            assert_eq!(whole_number(text, 86_400), want, "{text}");
        }
    }

    #[test]
    fn seconds_keep_their_fraction() {
        for (text, want) in [
            ("27.2", Some("27.2")),
            ("27.20", Some("27.2")),
            ("0.0000001", Some("0.0000001")),
            ("0.1e-400", Some("0.000000000000000001")),
            ("1e-999999999999999999999999", Some("0.000000000000000001")),
            ("86400", Some("86400")),
            ("86400.5", None),
            ("86401", None),
            ("-1", None),
            ("1e12", None),
            ("1e308", None),
            ("-0.0", Some("0")),
        ] {
            let got = seconds(text, 86_400).map(|s| s.to_string());
            assert_eq!(got.as_deref(), want, "{text}");
        }
    }

    #[test]
    fn amounts_keep_the_digits_that_they_were_written_with() {
        for (text, want) in [
            ("0.012", Some("0.012")),
            ("123", Some("123")),
            ("1.50", Some("1.50")),
            ("0", Some("0")),
            ("-0", Some("0")),
            ("12e-3", Some("0.012")),
            ("1.2e3", Some("1200")),
            ("1e30", None),
            ("1e-40", None),
            ("-0.1", None),
            ("0.1234567890123456789012345678901", None),
            ("1e999999999999999999", None),
            ("abc", None),
        ] {
            assert_eq!(as_given(text).map(|amount| amount.to_string()).as_deref(), want, "{text}");
        }
    }
}
