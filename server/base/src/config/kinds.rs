//! The kinds of values that settings can have: how each is parsed, and what it allows.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use data_encoding::BASE64URL_NOPAD;
use ipnet::IpNet;
use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Targets;
use url::Url;

use crate::config::postgres_url;
use crate::model::{Secret, typed};

/// The database that a URL names.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// SQLite, in the file at this path.
    Sqlite(PathBuf),
    /// PostgreSQL: the whole URL, which may contain a password.
    Postgres(Secret<String>),
}

/// Shows which database it is, but never a server's URL.
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://[secret]"),
        }
    }
}

/// The algorithm that signs access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
}

impl SigningAlgorithm {
    /// The `alg` value, as in the setting and the key file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Parses one kind of value from text.
pub(super) trait Kind {
    /// The parsed type.
    type Value;

    /// Parses `text`. The error is a sentence that says what is allowed, without quoting the text.
    fn read(&self, text: &str) -> Result<Self::Value, String>;

    /// Says what is allowed, to follow "it takes" and for the table.
    fn allowed(&self) -> String;

    /// Tells whether the text may contain a secret, and so must never be shown.
    fn secret(&self) -> bool {
        false
    }

    /// Returns the error for a text that is not of this kind.
    fn refused(&self) -> String {
        format!("it takes {}", self.allowed())
    }
}

/// A whole number between two bounds, inclusive.
pub(super) struct Whole(pub u32, pub u32);

impl Kind for Whole {
    type Value = u32;
    fn read(&self, text: &str) -> Result<u32, String> {
        let within = |number: &u32| (self.0..=self.1).contains(number);
        text.parse()
            .ok()
            .filter(within)
            .ok_or_else(|| self.refused())
    }
    fn allowed(&self) -> String {
        format!("a whole number from {} to {}", self.0, self.1)
    }
}

/// One word of a list.
pub(super) struct Choice<T: 'static>(pub &'static [(&'static str, T)]);

/// `true` or `false`.
pub(super) const SWITCH: Choice<bool> = Choice(&[("true", true), ("false", false)]);

impl<T: Copy> Kind for Choice<T> {
    type Value = T;
    fn read(&self, text: &str) -> Result<T, String> {
        let fits = |(word, _): &&(&str, T)| word.eq_ignore_ascii_case(text);
        let found = self.0.iter().find(fits);
        found.map(|&(_, value)| value).ok_or_else(|| self.refused())
    }
    fn allowed(&self) -> String {
        let words: Vec<&str> = self.0.iter().map(|&(word, _)| word).collect();
        words.join(" or ")
    }
}

/// An address and port to listen on.
pub(super) struct Listen;

impl Kind for Listen {
    type Value = SocketAddr;
    fn read(&self, text: &str) -> Result<SocketAddr, String> {
        text.parse().map_err(|_| self.refused())
    }
    fn allowed(&self) -> String {
        "an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned()
    }
}

/// An `http` or `https` origin: no path, no user.
pub(super) struct Origin;

impl Kind for Origin {
    type Value = String;
    fn read(&self, text: &str) -> Result<String, String> {
        let origin = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
        let (scheme, authority) = origin.split_once("://").ok_or_else(|| self.refused())?;
        let known = matches!(scheme, "http" | "https");
        if known && host_and_port(authority).is_some() {
            Ok(origin)
        } else {
            Err(self.refused())
        }
    }
    fn allowed(&self) -> String {
        "an http or https address without a path, such as https://login.example.com".to_owned()
    }
}

/// The prefix of an Android app's origin. The hash of its signing certificate follows.
const ANDROID_APP: &str = "android:apk-key-hash:";

/// Where passkeys may be used: origins and Android apps, separated by commas.
pub(super) struct PasskeyOrigins;

impl PasskeyOrigins {
    fn read_one(text: &str) -> Option<String> {
        let Some(hash) = text.strip_prefix(ANDROID_APP) else {
            return Origin.read(text).ok();
        };
        // A SHA-256 hash, in base64url.
        let bytes = BASE64URL_NOPAD.decode(hash.as_bytes()).ok()?;
        (bytes.len() == 32).then(|| text.to_owned())
    }
}

impl Kind for PasskeyOrigins {
    type Value = Vec<String>;
    fn read(&self, text: &str) -> Result<Vec<String>, String> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts
            .map(|part| Self::read_one(part).ok_or_else(|| self.refused()))
            .collect()
    }
    fn allowed(&self) -> String {
        "https addresses without a path (http on this machine only) and android:apk-key-hash:HASH of apps, separated by commas".to_owned()
    }
}

/// Several origins, separated by commas.
pub(super) struct Origins;

impl Kind for Origins {
    type Value = Vec<String>;
    fn read(&self, text: &str) -> Result<Vec<String>, String> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts
            .map(|part| Origin.read(part))
            .collect::<Result<_, _>>()
            .map_err(|_| self.refused())
    }
    fn allowed(&self) -> String {
        "http or https addresses without a path, separated by commas".to_owned()
    }
}

/// The domain that passkeys are bound to. Never an IP address, which browsers refuse (WebAuthn
/// §5.1.2).
pub(super) struct Domain;

impl Kind for Domain {
    type Value = String;
    fn read(&self, text: &str) -> Result<String, String> {
        let domain = text.to_ascii_lowercase();
        let label = |label: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
            !label.is_empty() && label.chars().all(fits)
        };
        if domain.split('.').all(label) && domain.parse::<IpAddr>().is_err() {
            Ok(domain)
        } else {
            Err(self.refused())
        }
    }
    fn allowed(&self) -> String {
        "a domain, such as example.com".to_owned()
    }
}

/// The path of a file or a folder.
pub(super) struct Place;

impl Kind for Place {
    type Value = PathBuf;
    fn read(&self, text: &str) -> Result<PathBuf, String> {
        if text.is_empty() {
            Err(self.refused())
        } else {
            Ok(PathBuf::from(text))
        }
    }
    fn allowed(&self) -> String {
        "a path".to_owned()
    }
}

/// The database's URL.
pub(super) struct Database;

impl Kind for Database {
    type Value = DatabaseUrl;
    fn read(&self, text: &str) -> Result<DatabaseUrl, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return match postgres_url::flaw(text) {
                None => Ok(DatabaseUrl::Postgres(Secret::new(text.to_owned()))),
                Some(why) => Err(why.to_owned()),
            };
        }
        let rest = text.strip_prefix("sqlite:").ok_or_else(|| self.refused())?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        // Each connection to ":memory:" would have its own database. "file:" is SQLite's own kind
        // of URL and could mean another file than the one that we protect.
        let url = path
            .get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case("file:"));
        if path.is_empty() || path.starts_with(':') || path.contains('?') || url {
            return Err(self.refused());
        }
        Ok(DatabaseUrl::Sqlite(PathBuf::from(path)))
    }
    fn allowed(&self) -> String {
        "sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE".to_owned()
    }
    fn secret(&self) -> bool {
        true
    }
}

/// The mail server. Empty means that mail is written to files.
pub(super) struct Smtp;

impl Kind for Smtp {
    type Value = Option<Secret<String>>;
    fn read(&self, text: &str) -> Result<Option<Secret<String>>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| self.refused())?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        // Programs read such a URL in different ways, and some would connect to another server.
        if rest.matches('@').count() > usize::from(authority.contains('@')) {
            return Err(
                "in user and password, @ is written %40, / is written %2F, ? is written %3F, # is written %23"
                    .to_owned(),
            );
        }
        // The library's errors may quote the URL, and so the password. None of them is shown.
        AsyncSmtpTransport::<Tokio1Executor>::from_url(text).map_err(|_| self.refused())?;
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let query = text.split_once('?').map_or("", |(_, query)| query);
        let encrypted = scheme == "smtps" || query.split('&').any(|part| part == "tls=required");
        if encrypted || host_and_port(host).is_some_and(|(host, _)| is_loopback(host)) {
            Ok(Some(Secret::new(text.to_owned())))
        } else {
            Err("it would send codes and the password in plain text to another machine; add ?tls=required for STARTTLS, or use smtps://".to_owned())
        }
    }
    fn allowed(&self) -> String {
        "smtp://USER:PASSWORD@HOST:PORT?tls=required or smtps://USER:PASSWORD@HOST:PORT".to_owned()
    }
    fn secret(&self) -> bool {
        true
    }
}

/// The sender of mail.
pub(super) struct Sender;

impl Kind for Sender {
    type Value = Mailbox;
    fn read(&self, text: &str) -> Result<Mailbox, String> {
        // A control character in the name would make the message builder panic.
        if text.chars().any(char::is_control) {
            return Err(self.refused());
        }
        text.parse().map_err(|_| self.refused())
    }
    fn allowed(&self) -> String {
        "a mail address, such as Countersign <no-reply@example.com>".to_owned()
    }
}

/// The service's name in authenticator apps.
pub(super) struct Label;

impl Kind for Label {
    type Value = String;
    fn read(&self, text: &str) -> Result<String, String> {
        // A colon separates issuer and account in an otpauth URI.
        let odd = |c: char| c == ':' || typed::is_harmful(c);
        if !typed::shows(text) || text.chars().count() > 64 || text.chars().any(odd) {
            Err(self.refused())
        } else {
            Ok(text.trim().to_owned())
        }
    }
    fn allowed(&self) -> String {
        "1 to 64 characters without a colon".to_owned()
    }
}

/// Networks, separated by commas.
pub(super) struct Networks;

impl Kind for Networks {
    type Value = Vec<IpNet>;
    fn read(&self, text: &str) -> Result<Vec<IpNet>, String> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts
            .map(|part| {
                let host = || part.parse::<IpAddr>().map(IpNet::from);
                part.parse::<IpNet>().or_else(|_| host())
            })
            .collect::<Result<_, _>>()
            .map_err(|_| self.refused())
    }
    fn allowed(&self) -> String {
        "IP addresses or networks separated by commas, such as 10.0.0.0/8,::1".to_owned()
    }
}

/// The filter for log lines.
pub(super) struct Filter;

impl Kind for Filter {
    type Value = String;
    fn read(&self, text: &str) -> Result<String, String> {
        match EnvFilter::try_new(text) {
            Ok(_) if !text.trim().is_empty() => Ok(without_strangers(text)),
            Ok(_) | Err(_) => Err(self.refused()),
        }
    }
    fn allowed(&self) -> String {
        "a level (error, warn, info, debug, trace) or directives, such as info,countersign=debug"
            .to_owned()
    }
}

/// Libraries that log an error if a stranger sends something malformed. It is no error for the
/// operator: anybody could fill the log with it.
const OF_STRANGERS: [&str; 2] = ["actix_http", "webauthn_rs_core"];

/// Adds to the filter that lines of [`OF_STRANGERS`] appear only where their DEBUG lines do, or
/// where the operator names them.
fn without_strangers(text: &str) -> String {
    let mut filter = text.to_owned();
    for library in OF_STRANGERS {
        let shown = |targets: Targets| targets.would_enable(library, &Level::DEBUG);
        if !text.contains(library) && !text.parse().is_ok_and(shown) {
            filter.push_str(&format!(",{library}=off"));
        }
    }
    filter
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`. Returns `None` for any other form.
fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, port)
        }
        None => {
            let colon = authority.find(':').unwrap_or(authority.len());
            let (host, port) = authority.split_at(colon);
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
            if host.is_empty() || !host.chars().all(fits) {
                return None;
            }
            (host, port)
        }
    };
    if port.is_empty() {
        return Some((host, None));
    }
    let digits = port.strip_prefix(':')?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain
        .then(|| digits.parse().ok())?
        .map(|port| (host, Some(port)))
}

/// Tells whether a host name or address means this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Returns the host of an origin, as [`Origin`] parses it.
pub(super) fn origin_host(origin: &str) -> &str {
    origin
        .split_once("://")
        .and_then(|(_, authority)| host_and_port(authority))
        .map_or("", |(host, _)| host)
}

/// Tells whether an origin (as [`Origin`] parses it) is on this machine.
pub(super) fn origin_is_loopback(origin: &str) -> bool {
    is_loopback(origin_host(origin))
}

/// Tells whether an origin is an Android app.
pub(super) fn origin_is_app(origin: &str) -> bool {
    origin.starts_with(ANDROID_APP)
}

/// Tells whether browsers offer passkeys on pages of this origin: with TLS, or on this machine (a
/// secure context, WebAuthn §5).
pub(super) fn origin_is_secure(origin: &str) -> bool {
    !origin.starts_with("http://") || origin_is_loopback(origin)
}

/// Returns an origin as browsers write it: without its scheme's default port.
pub(super) fn origin_as_sent(origin: &str) -> String {
    let written = Url::parse(origin).map(|url| url.origin());
    match written {
        Ok(tuple) if tuple.is_tuple() => tuple.ascii_serialization(),
        _ => origin.to_owned(),
    }
}

/// Tells whether passkeys of `domain` may be used on pages of this origin: the domain itself and
/// its subdomains (WebAuthn §5.1.2).
pub(super) fn origin_is_of(origin: &str, domain: &str) -> bool {
    let host = origin_host(origin);
    host.parse::<IpAddr>().is_err()
        && host
            .strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
