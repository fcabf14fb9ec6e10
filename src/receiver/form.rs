//! The shape of a Twilio form. A signature covers the parameters without
//! separators, so it cannot vouch for how they were cut: whoever has seen one
//! request can send its very text again with names and values cut elsewhere.
//! Whether the account is the tenant's is seen when the event is applied.

use tallyline_secrets::signature::twilio;

/// Fields whose loss would change what is told of a call.
const FIELDS: [&str; 7] =
    ["AccountSid", "CallDuration", "CallSid", "CallStatus", "ParentCallSid", "SequenceNumber", "Timestamp"];

/// What was signed besides the address: its query and the form.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    pub query: &'a str,
    pub form: &'a [u8],
}

impl Sent<'_> {
    /// A field that the signed text speaks of and the form does not have: its
    /// name or its value became part of another one, or of the query.
    pub fn lost_field(self) -> Option<&'static str> {
        let missing = |field: &&str| !form_urlencoded::parse(self.form).any(|(name, _)| name == **field);
        let mut text = None;
        FIELDS.into_iter().filter(missing).find(|field| {
            let text =
                text.get_or_insert_with(|| [self.query.as_bytes(), &twilio::signed_parameters(self.form)].concat());
            text.windows(field.len()).any(|part| part == field.as_bytes())
        })
    }
}

/// Whether a form has one well-formed `AccountSid`.
pub fn names_one_account(form: &[u8]) -> bool {
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

    const SID: &str = "AC00000000000000000000000000000001";

    #[test]
    fn one_whole_account_must_be_named() {
        for (form, expected) in [
            (format!("CallSid=CA1&AccountSid={SID}"), true),
            (format!("AccountSid={SID}&AccountSid={SID}"), false),
            (format!("AccountSid={SID}CallStatuscompleted"), false),
            ("AccountSid=".to_owned(), false),
            ("CallSid=CA1".to_owned(), false),
        ] {
            assert_eq!(names_one_account(form.as_bytes()), expected, "{form}");
        }
    }

    #[test]
    fn a_field_that_became_part_of_something_else_is_lost() {
        let lost = |query, form: &str| Sent { query, form: form.as_bytes() }.lost_field();
        assert_eq!(lost("", "CallSid=CA1&CallStatus=ringing&CallerName=Ann"), None);
        assert_eq!(lost("", "CallSid=CA1&CallDuration=&ParentCallSid=CA2"), None);
        for (form, field) in [
            ("CallSid=CA1&CallStatus=completed&CallDuration4=2", "CallDuration"),
            ("CallSid=CA1&CallStatus=completed&CallDurati=on42", "CallDuration"),
            ("ApiVersion=2010-04-01CallDuration42&CallSid=CA1&CallStatus=completed", "CallDuration"),
            ("CallSid=CA1CallStatuscompleted", "CallStatus"),
            ("CallSid=CA1&CallStatus=completed&SequenceNumber=3Time&stamp=Tue", "Timestamp"),
            ("CallSid=CA1&CallStatus=ringing&Parent=CallSidCA2", "ParentCallSid"),
        ] {
            assert_eq!(lost("", form), Some(field), "{form}");
        }
        assert_eq!(lost("v=1AccountSidAC1", "CallSid=CA1"), Some("AccountSid"));
    }
}
