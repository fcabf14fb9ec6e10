//! The account that a Twilio form names. A signature covers the parameters
//! without separators, so it cannot vouch for how they were cut: where the tenant's
//! account is known, a form must name exactly one. Whether it is the tenant's is
//! seen when the event is applied.

/// Reason for a form without an account, or with two.
pub const UNNAMED: &str = "no_account";

/// Whether a form has one well-formed `AccountSid`.
pub fn names_one(form: &[u8]) -> bool {
    let mut named = form_urlencoded::parse(form).filter(|(name, _)| name == "AccountSid");
    match (named.next(), named.next()) {
        (Some((_, sid)), None) => is_account_sid(&sid),
        _ => false,
    }
}

/// `AC` and 32 hex digits.
pub fn is_account_sid(text: &str) -> bool {
    text.strip_prefix("AC").is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_whole_account_must_be_named() {
        let sid = "AC00000000000000000000000000000001";
        for (form, expected) in [
            (format!("CallSid=CA1&AccountSid={sid}"), true),
            (format!("AccountSid={sid}&AccountSid={sid}"), false),
            (format!("AccountSid={sid}CallStatuscompleted"), false),
            ("AccountSid=".to_owned(), false),
            ("CallSid=CA1".to_owned(), false),
        ] {
            assert_eq!(names_one(form.as_bytes()), expected, "{form}");
        }
    }
}
