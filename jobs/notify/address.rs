//! Addresses that are posted to: https, or this very machine.

use reqwest::Url;

/// Why an address is not posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    #[error("the address must be a URL such as https://example.com/hooks")]
    NotUrl,
    #[error("the address must begin with https:// (http:// is for this machine only: localhost, 127.0.0.1, [::1])")]
    NotHttps,
    #[error("the address must not hold a user name or password")]
    Credentials,
    #[error("the address must not hold a fragment (#)")]
    Fragment,
}

/// The address as a URL, if it is one that is posted to.
///
/// # Errors
/// Says what is wrong with it, and repeats nothing of it.
pub fn checked_url(text: &str) -> Result<Url, BadAddress> {
    let url = Url::parse(text.trim()).map_err(|_| BadAddress::NotUrl)?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(BadAddress::NotHttps),
        _ => return Err(BadAddress::NotUrl),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadAddress::Credentials);
    }
    if url.fragment().is_some() {
        return Err(BadAddress::Fragment);
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    // Brackets stand around IPv6 only.
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_or_this_machine() {
        for good in [
            "https://example.com/hooks?tenant=1",
            "https://10.0.0.1:8443/",
            "http://localhost:9000/x",
            "http://127.0.0.1/",
            "http://127.8.9.1:80/",
            "http://[::1]:9000/",
            " https://example.com ",
        ] {
            assert!(checked_url(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://example.com/", BadAddress::NotHttps),
            ("http://10.0.0.1/", BadAddress::NotHttps),
            ("http://localhost.example.com/", BadAddress::NotHttps),
            ("http://127.0.0.1.example.com/", BadAddress::NotHttps),
            ("http://0.0.0.0/", BadAddress::NotHttps),
            ("http://[::ffff:127.0.0.1]/", BadAddress::NotHttps),
            ("ftp://example.com/", BadAddress::NotUrl),
            ("file:///etc/passwd", BadAddress::NotUrl),
            ("example.com", BadAddress::NotUrl),
            ("", BadAddress::NotUrl),
            ("https://", BadAddress::NotUrl),
            ("https://user@example.com/", BadAddress::Credentials),
            ("https://user:word@example.com/", BadAddress::Credentials),
            ("https://example.com/#top", BadAddress::Fragment),
        ] {
            assert_eq!(checked_url(bad).map(drop), Err(why), "{bad}");
        }
    }
}
