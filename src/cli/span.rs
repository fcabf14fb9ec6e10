//! Spans of time as people write them: `90s`, `5m`, `2h`, `3d`.

use std::time::Duration;

/// Reads a span, for clap.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a number with s, m, h or d, such as 90s, 5m, 2h, 3d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    // A hundred years are more than anybody means, and fit every type of time.
    let seconds = number.checked_mul(seconds).filter(|seconds| *seconds <= 100 * 366 * 86_400).ok_or("too long")?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        assert_eq!(["0s", "90s", "5m", "2h", "3d"].map(|s| parse(s).unwrap().as_secs()), [0, 90, 300, 7_200, 259_200]);
        for wrong in ["", "5", "m", "-5m", "5 m", "1.5h", "5w", "99999999999d", "18446744073709551615d", "5é"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
