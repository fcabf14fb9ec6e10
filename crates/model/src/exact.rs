//! Numbers of free-form JSON that would not be read back as they were stored.

use std::borrow::Cow;

/// How often a fraction is written and read until it is the same.
const TURNS: usize = 8;

/// The same JSON with integers beyond 64 bits as texts, since no number holds them,
/// and such fractions as read back as they are: our reader may take a digit in the
/// last place for another, and that again. `json` is well-formed.
pub(crate) fn keep_exact(json: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let mut copied = 0;
    let mut at = 0;
    let bytes = json.as_bytes();
    while let Some(byte) = bytes.get(at) {
        let start = at;
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                at += bytes[at..].iter().take_while(is_part).count();
                let number = &json[start..at];
                if let Some(other) = other_form(number) {
                    kept.push_str(&json[copied..start]);
                    kept.push_str(&other);
                    copied = at;
                }
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    kept.push_str(&json[copied..]);
    Cow::Owned(kept)
}

/// Behind the closing quote of the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// What is kept instead of a number; `None` if it can stay.
fn other_form(number: &str) -> Option<String> {
    let text = || format!("\"{number}\"");
    if !number.contains(['.', 'e', 'E']) {
        let fits = number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
        return (!fits).then(text);
    }
    let first: f64 = serde_json::from_str(number).ok()?;
    let mut value = first;
    for _ in 0..TURNS {
        let written = serde_json::to_string(&value).ok()?;
        let again: f64 = serde_json::from_str(&written).ok()?;
        if again == value {
            return (value != first).then_some(written);
        }
        value = again;
    }
    Some(text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_change_becomes_text() {
        for (json, want) in [
            (r#"{"a":1,"b":-0.5,"c":[0.92,1e2,-0]}"#, r#"{"a":1,"b":-0.5,"c":[0.92,1e2,-0]}"#),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "\"18446744073709551616\""),
            ("[-9223372036854775808,-9223372036854775809]", "[-9223372036854775808,\"-9223372036854775809\"]"),
            (r#"{"a":123456789012345678901234567890,"b":2}"#, r#"{"a":"123456789012345678901234567890","b":2}"#),
            ("33333333333333333333333333333333.0", "3.333333333333334e+31"),
            ("0.9200000000000001", "0.9200000000000001"),
            ("1e308", "1e308"),
            (
                r#"["\"123456789012345678901234567890\\","é 99999999999999999999"]"#,
                r#"["\"123456789012345678901234567890\\","é 99999999999999999999"]"#,
            ),
        ] {
            assert_eq!(keep_exact(json), want);
        }
    }
}
