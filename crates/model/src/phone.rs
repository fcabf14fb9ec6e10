//! Telephone numbers in E.164 form, or nothing: a number is never guessed.

/// Digits of a national number from which on it may already hold its country code.
const NATIONAL_DIGITS: usize = 10;

/// `+` and 7 to 15 digits, once spaces, dashes, brackets and dots are removed.
///
/// A number without `+` is accepted only with a `default_country_code` (digits,
/// with or without `+`): one trunk zero is dropped, and the code is put in front
/// unless the number starts with it and has 10 digits more. Words such as
/// `anonymous`, `client:` and `sip:` addresses and codes starting with 0 give `None`.
pub fn normalise_e164(raw: &str, default_country_code: Option<&str>) -> Option<String> {
    let bare: String =
        raw.chars().filter(|c| !matches!(c, ' ' | '\u{a0}' | '-' | '(' | ')' | '[' | ']' | '.')).collect();
    let digits = match bare.strip_prefix('+') {
        Some(digits) => digits.to_owned(),
        None => with_country_code(&bare, default_country_code?)?,
    };
    let plausible =
        (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    plausible.then(|| format!("+{digits}"))
}

fn with_country_code(national: &str, code: &str) -> Option<String> {
    let code = code.strip_prefix('+').unwrap_or(code);
    if !(1..=3).contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if let Some(rest) = national.strip_prefix(code)
        && rest.len() >= NATIONAL_DIGITS
    {
        return Some(national.to_owned());
    }
    let national = national.strip_prefix('0').unwrap_or(national);
    // An empty or one-digit "number" must not pass on the strength of the code.
    (national.len() >= 4).then(|| format!("{code}{national}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_normalised_or_refused() {
        for (raw, code, want) in [
            ("+12025550143", None, Some("+12025550143")),
            ("+1 (202) 555-01.43", None, Some("+12025550143")),
            ("+91 98000 00001", Some("1"), Some("+919800000001")),
            ("9800000001", Some("91"), Some("+919800000001")),
            ("09800000001", Some("+91"), Some("+919800000001")),
            ("919800000001", Some("91"), Some("+919800000001")),
            ("9198000001", Some("91"), Some("+919198000001")),
            ("2025550143", None, None),
            ("12025550143", Some("1"), Some("+12025550143")),
            ("+123456", None, None),
            ("+1234567", None, Some("+1234567")),
            ("+123456789012345", None, Some("+123456789012345")),
            ("+1234567890123456", None, None),
            ("+0123456789", None, None),
            ("+1", None, None),
            ("", Some("91"), None),
            ("1", Some("91"), None),
            ("anonymous", Some("91"), None),
            ("client:joe", None, None),
            ("sip:+12025550143@example.test", None, None),
            ("+1202555O143", None, None),
            ("+１２０２５５５０１４３", None, None),
            ("2025550143", Some("x"), None),
        ] {
            assert_eq!(normalise_e164(raw, code).as_deref(), want, "{raw} {code:?}");
        }
    }
}
