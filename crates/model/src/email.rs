//! E-mail addresses that name a person, as opposed to what forms and models put
//! where they know none.

/// The most characters that an address may have (RFC 5321).
const MAX_CHARS: usize = 254;

/// Names that stand for nobody, whatever the domain.
const NOBODY: [&str; 19] = [
    "anonymous",
    "donotreply",
    "dummy",
    "email",
    "fake",
    "na",
    "no",
    "nobody",
    "noemail",
    "nomail",
    "none",
    "noreply",
    "notavailable",
    "notprovided",
    "null",
    "placeholder",
    "test",
    "undefined",
    "unknown",
];

/// Domains that nobody has an address at: those reserved for examples (RFC 2606),
/// and what is made up most often.
const NOWHERE: [&str; 12] = [
    "domain.com",
    "email.com",
    "example.com",
    "example.net",
    "example.org",
    "none.com",
    "noemail.com",
    "placeholder.com",
    "sample.com",
    "test.com",
    "unknown.com",
    "yourdomain.com",
];

/// Reserved for the same purpose (RFC 2606, RFC 6761).
const NOWHERE_TOP: [&str; 4] = ["example", "invalid", "localhost", "test"];

/// The address without surrounding blanks, if it can be a person's: one `@`, a
/// domain with a point, no blanks within, and no placeholder.
///
/// Placeholders are known names (`unknown`, `none`, `n/a`, `test` …), with points,
/// dashes and such left out and whatever number they end in, so that `no-reply@`
/// is one of them; addresses at domains of examples (`example.com`, `.test` …)
/// and below them. They are no key to find a contact by, and no data about one.
pub fn usable_email(raw: &str) -> Option<&str> {
    let address = raw.trim();
    let (name, domain) = address.split_once('@')?;
    let shaped = !name.is_empty()
        && !domain.contains('@')
        && domain.split('.').count() > 1
        && domain.split('.').all(|label| !label.is_empty())
        && address.chars().count() <= MAX_CHARS
        && !address.chars().any(|c| c.is_whitespace() || c.is_control());
    (shaped && !is_nobody(name) && !is_nowhere(domain)).then_some(address)
}

fn is_nobody(name: &str) -> bool {
    let letters: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let bare = letters.trim_end_matches(|c: char| c.is_ascii_digit());
    NOBODY.contains(&bare)
}

fn is_nowhere(domain: &str) -> bool {
    let domain = domain.to_lowercase();
    let top = domain.rsplit('.').next().unwrap_or_default();
    let below = |known: &str| domain.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    NOWHERE_TOP.contains(&top) || NOWHERE.iter().any(|known| below(known))
}

#[cfg(test)]
mod tests {
    use super::usable_email;

    #[test]
    fn addresses_of_people_are_taken_as_they_are_written() {
        for address in [
            "asha@acme.in",
            "Asha.Rao+calls@Mail.Acme.co.in",
            "test.driver@acme.in",
            "nora@acme.in",
            "nonesuch@acme.in",
            "info@myexample.com",
            "a@b.co",
            "ñandú@acme.in",
            "42@acme.in",
        ] {
            assert_eq!(usable_email(address), Some(address));
            assert_eq!(usable_email(&format!(" {address}\n")), Some(address));
        }
    }

    #[test]
    fn placeholders_and_what_is_no_address_are_refused() {
        for text in [
            "unknown@example.com",
            "Unknown@Acme.in",
            "lead1@example.com",
            "asha@mail.example.org",
            "asha@EXAMPLE.net",
            "asha@acme.test",
            "asha@acme.invalid",
            "asha@host.localhost",
            "test@test.com",
            "asha@test.com",
            "test2@acme.in",
            "no-reply@acme.in",
            "noreply@acme.in",
            "do.not.reply@acme.in",
            "N/A@acme.in",
            "not_provided@acme.in",
            "none",
            "none@none.com",
            "null",
            "n/a",
            "",
            " ",
            "@acme.in",
            "asha@",
            "asha@acme",
            "asha@.in",
            "asha@acme..in",
            "asha@@acme.in",
            "asha rao@acme.in",
            "asha@acme.in, ravi@acme.in",
        ] {
            assert_eq!(usable_email(text), None, "{text}");
        }
        assert_eq!(usable_email(&format!("{}@acme.in", "a".repeat(250))), None);
    }
}
