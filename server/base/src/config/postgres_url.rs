//! Checks the URL of a PostgreSQL server before the driver parses it, since the driver's errors
//! quote parts of it.

use std::net::Ipv6Addr;

/// Returns why a URL is refused, without quoting it; `None` if the driver will read it as it was
/// meant.
///
/// The form is libpq's (its manual, "Connection URIs"), without what libpq reads differently from
/// people: an `@`, `/` or `?` in a password.
pub(super) fn flaw(url: &str) -> Option<&'static str> {
    let rest = url
        .strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"));
    let Some(rest) = rest else {
        return Some("it does not begin with postgres://");
    };
    if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some("it contains a space or a control character: write a space as %20");
    }
    if !percent_encoded(rest) {
        return Some(
            "a % in it is not followed by two hexadecimal digits; % itself is written %25",
        );
    }
    // The driver searches for the end of user and password up to the first slash.
    let end = rest.find(['@', '/']).unwrap_or(rest.len());
    let (user, server) = match rest.split_at(end) {
        (user, server) if server.starts_with('@') => (user, &server[1..]),
        _ => ("", rest),
    };
    if user.contains('?') || server.contains('@') {
        return Some("in user and password, @ is written %40, / is written %2F, ? is written %3F");
    }
    let (server, query) = server.split_once('?').unwrap_or((server, ""));
    let (hosts, _) = server.split_once('/').unwrap_or((server, ""));
    if !hosts.split(',').all(is_host) {
        return Some("what should be HOST or HOST:PORT is neither");
    }
    let parameter = |part: &str| {
        let (key, value) = part.split_once('=').unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphabetic() || c == '_';
        !key.is_empty() && key.chars().all(plain) && !value.contains('=')
    };
    if !query.is_empty() && !query.split('&').all(parameter) {
        return Some("what follows the ? is not NAME=VALUE with & between");
    }
    None
}

/// Tells whether every `%` begins the code of a byte other than NUL.
fn percent_encoded(text: &str) -> bool {
    let mut parts = text.split('%');
    parts.next();
    parts.all(|part| {
        let code = part.get(..2).filter(|code| *code != "00");
        code.is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()))
    })
}

/// Tells whether this is a host, with or without a port. The host is a name, an address, an encoded
/// socket folder, or empty.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(text) => {
            let Some((host, port)) = text.split_once(']') else {
                return false;
            };
            let address = host
                .split_once('%')
                .map_or(host, |(address, _zone)| address);
            if address.parse::<Ipv6Addr>().is_err() {
                return false;
            }
            (host, port)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '%' | ':');
    let port = port.strip_prefix(':').unwrap_or(port);
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    host.chars().all(named)
        && (port.is_empty() || digits && port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::flaw;

    #[test]
    fn what_the_driver_understands_is_taken() {
        for good in [
            "postgres://",
            "postgres:///countersign",
            "postgresql://db.example.com",
            "postgres://u:p@db.example.com:5433/countersign?sslmode=verify-full&connect_timeout=5",
            "postgres://u:hunter%202%40%2F%3a@127.0.0.1/x",
            "postgres://u:a#c!d$e&f=(g)*~@h/d",
            "postgres://u:p:q@h/d",
            "postgres://u@[::1]:5432/d",
            "postgres://u@[fe80::1%25eth0]/d",
            "postgres://u:p@%2Fvar%2Frun%2Fpostgresql/d",
            "postgres://u:p@one.example,two.example:5433,:5434/d?target_session_attrs=read-write",
            "postgres://u:zo\u{eb}@h/d",
            "postgres:///d?host=/var/run/postgresql&user=u",
        ] {
            assert_eq!(flaw(good), None, "{good}");
        }
    }

    #[test]
    fn what_the_driver_would_quote_is_refused_and_not_shown() {
        for bad in [
            "postgres://u:hunt er2@127.0.0.1/x",
            "postgres://u:hunter2\n@127.0.0.1/x",
            "postgres://u:hunter2%@h/x",
            "postgres://u:hunter2%zz@h/x",
            "postgres://u:hunter2%00@h/x",
            "postgres://u:hunter2%\u{eb}@h/x",
            "postgres://u:hunter2@hunter2@h/x",
            "postgres://u:hunter2/hunter2@h/x",
            "postgres://u:hunter2",
            "postgres://u:p@[::1/hunter2",
            "postgres://u:p@[]/hunter2",
            "postgres://u:p@[::1]hunter2/d",
            "postgres://u:p@h:99999/hunter2",
            "postgres://u:p@h:0/hunter2",
            "postgres://u:p@h#hunter2/d",
            "postgres://u:p@h/d?hunter2",
            "postgres://u:p@h/d?password=hunter2=",
            "postgres://u:p@h/d?=hunter2",
            "postgres://u:p@h/d?a=b&",
            "postgres://h?password=hunter2@hunter2",
            "postgres://h:5432?password=hunter2@hunter2",
            "mysql://u:hunter2@h/d",
        ] {
            let why = flaw(bad).expect(bad);
            assert!(!why.contains("hunter2") && !why.contains('\n'), "{why}");
        }
    }
}
