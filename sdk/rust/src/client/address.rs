//! Decides to which addresses secrets are sent: https, this machine, or what the integrator has
//! explicitly allowed.

use reqwest::Url;

use super::BuildError;

/// Parses a server's address and removes a slash at its end.
///
/// # Errors
///
/// Fails if it is not an http(s) address, has parts that a base address cannot have, or would send
/// secrets over the network unencrypted.
pub(super) fn base(text: &str, plain_http_allowed: bool) -> Result<Url, BuildError> {
    let wrong = |reason: &str| BuildError::Address(format!("{reason}: {}", shown(text)));
    let url: Url = text
        .parse()
        .map_err(|error| wrong(&format!("not a URL ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong("not an http:// or https:// address"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BuildError::Address(
            "a user name or password does not belong in the address".to_owned(),
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("an address has no ? or #"));
    }
    if url.scheme() == "http" && !is_loopback(&url) && !plain_http_allowed {
        return Err(BuildError::PlainHttp(shown(text)));
    }
    Ok(url)
}

/// Returns the address for an error message. One with a `?`, `#` or `@` is not shown: it may
/// contain a secret.
pub(super) fn shown(text: &str) -> String {
    match text.find(['?', '#', '@']) {
        None => text.to_owned(),
        Some(_) => "(address not shown)".to_owned(),
    }
}

/// Tells whether the address is on this machine, so that nothing sent to it leaves the machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    if let Ok(address) = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<std::net::IpAddr>()
    {
        return address.is_loopback();
    }
    // RFC 6761 §6.3: names under localhost always mean this machine.
    host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::base;
    use crate::BuildError;

    #[test]
    fn https_and_this_machine_are_fine() {
        for address in [
            "https://id.example.com",
            "https://id.example.com/auth/",
            "http://localhost:8080",
            "http://shop.localhost",
            "http://127.0.0.1:8080",
            "http://127.8.9.1",
            "http://[::1]:8080",
        ] {
            assert!(base(address, false).is_ok(), "{address}");
        }
    }

    #[test]
    fn plain_http_to_elsewhere_must_be_allowed() {
        for address in [
            "http://id.example.com",
            "http://10.0.0.7:8080",
            "http://localhost.example.com",
            "http://[2001:db8::1]",
        ] {
            assert!(
                matches!(base(address, false), Err(BuildError::PlainHttp(_))),
                "{address}"
            );
            assert!(base(address, true).is_ok(), "{address}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_no_password_repeated() {
        for address in [
            "localhost:8080",
            "ftp://example.com",
            "https://",
            "https://a:hunter2@example.com",
            "https://example.com/?key=hunter2",
        ] {
            let error = base(address, true).expect_err(address).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
