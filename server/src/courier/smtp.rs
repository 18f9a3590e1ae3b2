//! A mail server: one connection for each mail, so that no mail meets what another left behind.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use lettre::Message;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use url::Url;

use super::email::Delivery;

#[cfg(test)]
#[path = "smtp_tests.rs"]
mod tests;

/// The longest one delivery may take in all; with the farewell less than a lease, so that nobody else
/// sends it meanwhile.
const LONGEST: Duration = Duration::from_secs(45);

/// How long the answer to a QUIT is waited for: the mail is taken by then, whatever it is.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where mail is handed over, and how.
pub(super) struct Smtp {
    server: (String, u16),
    tls: Tls,
    hello: ClientId,
    credentials: Option<Credentials>,
    patience: Duration,
    longest: Duration,
}

impl Smtp {
    /// Reads the URL of a mail server; `domain` is whom we say we are.
    ///
    /// # Errors
    /// The URL is none, or the system has no root certificates. They hold nothing of the URL.
    pub(super) fn new(url: &str, domain: &str, patience: Duration) -> Result<Self> {
        let url = Url::parse(url).map_err(|_| anyhow!("it is no URL"))?;
        let host = url.host_str().context("it names no host")?;
        // A URL has an IPv6 address in brackets, a socket has it without.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let parameters = || {
            let parameters = TlsParameters::new(host.to_owned());
            parameters.context("TLS cannot be set up with the system's root certificates")
        };
        let mut query = url.query_pairs();
        let asked = query.find_map(|(name, value)| (name == "tls").then_some(value));
        let (tls, port) = match (url.scheme(), asked.as_deref()) {
            ("smtp", None) => (Tls::None, SMTP_PORT),
            ("smtp", Some("opportunistic")) => (Tls::Opportunistic(parameters()?), SUBMISSION_PORT),
            ("smtp", Some("required")) => (Tls::Required(parameters()?), SUBMISSION_PORT),
            ("smtps", _) => (Tls::Wrapper(parameters()?), SUBMISSIONS_PORT),
            _ => bail!("its scheme is neither smtp nor smtps, or its tls is not known"),
        };
        let plain = |text| {
            let text = percent_decode_str(text).decode_utf8();
            text.map(String::from)
                .map_err(|_| anyhow!("user or password is not UTF-8"))
        };
        let credentials = match url.password() {
            Some(password) => Some(Credentials::new(plain(url.username())?, plain(password)?)),
            None => None,
        };
        Ok(Self {
            server: (host.to_owned(), url.port().unwrap_or(port)),
            tls,
            hello: ClientId::Domain(domain.to_owned()),
            credentials,
            patience,
            // One step may take `patience`; a server that is slow at every step is not waited for.
            longest: (patience * 3).min(LONGEST),
        })
    }

    /// Hands a mail over.
    pub(super) async fn send(&self, message: &Message) -> Delivery {
        // A conversation that is given up takes its connection with it.
        let error = match timeout(self.longest, self.hand_over(message)).await {
            Ok(Ok(mut connection)) => {
                // Taken is taken, however the conversation ends.
                drop(timeout(FAREWELL, connection.quit()).await);
                return Delivery::Done(None);
            }
            Ok(Err(error)) => error,
            Err(_) => return Delivery::Failed("the mail server took too long".to_owned()),
        };
        // RFC 4954 §6: these refuse our name and password, which is not the receiver's doing.
        let status = error.status().map(u16::from);
        let ours = status.is_some_and(|status| matches!(status, 530 | 534 | 535 | 538));
        let refused = error.is_permanent() && !ours;
        let why = format!("{:#}", anyhow::Error::new(error));
        if refused {
            Delivery::Refused(why)
        } else {
            Delivery::Failed(why)
        }
    }

    async fn hand_over(&self, message: &Message) -> Result<AsyncSmtpConnection, Error> {
        let mut connection = self.connect().await?;
        let (envelope, text) = (message.envelope(), message.formatted());
        connection.send(envelope, &text).await?;
        Ok(connection)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let (host, port) = &self.server;
        let at_once = match &self.tls {
            Tls::Wrapper(parameters) => Some(parameters.clone()),
            Tls::None | Tls::Opportunistic(_) | Tls::Required(_) => None,
        };
        let (server, patience) = ((host.as_str(), *port), Some(self.patience));
        let connecting =
            AsyncSmtpConnection::connect_tokio1(server, patience, &self.hello, at_once, None);
        let mut connection = connecting.await?;
        let upgrade = match &self.tls {
            Tls::Required(parameters) => Some(parameters),
            Tls::Opportunistic(parameters) => connection.can_starttls().then_some(parameters),
            Tls::None | Tls::Wrapper(_) => None,
        };
        if let Some(parameters) = upgrade {
            // An error when the server does not offer it: nothing is sent in plain text then.
            connection.starttls(parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}
