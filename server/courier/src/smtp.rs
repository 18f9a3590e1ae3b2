//! Sends mail to a mail server, over one connection for each mail, so that no mail is affected by
//! an earlier one.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use lettre::Message;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::{Error, SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use url::Url;

use super::email::Delivery;

/// Why a mail was not accepted, by the point at which the conversation ended.
enum SmtpFailure {
    /// Before this mail was mentioned. Any other mail would fail the same way.
    Before(Error),
    /// At the sender, which is always the same.
    Sender(Error),
    /// At the recipient or the content.
    Mail(Error),
    /// The server cannot accept a mail of this form.
    Unfit(&'static str),
}

impl SmtpFailure {
    /// A permanent refusal ends a mail only if it concerns this mail. If the server refuses our
    /// address, our credentials or our protocol, the operator has to act, and the mail is tried
    /// again meanwhile.
    fn judge(self) -> Delivery {
        let (error, of_this_mail) = match self {
            Self::Unfit(why) => return Delivery::Refused(why.to_owned()),
            Self::Before(error) => (error, false),
            Self::Sender(error) => {
                let of_this_mail = is_of_content(&error);
                (error, of_this_mail)
            }
            Self::Mail(error) => (error, true),
        };
        // RFC 4954 §6: these ask for authentication, whenever they come.
        let status = error.status().map(u16::from);
        let ours = status.is_some_and(|status| matches!(status, 530 | 534 | 535 | 538));
        let refused = error.is_permanent() && of_this_mail && !ours;
        let why = format!("{:#}", anyhow::Error::new(error));
        if refused {
            Delivery::Refused(why)
        } else {
            Delivery::Failed(why)
        }
    }
}

/// Tells whether an answer to MAIL is about the message: too large (RFC 1870 §6.1), or in a form
/// that cannot be passed on (RFC 3463 §3.7, X.6.x).
fn is_of_content(error: &Error) -> bool {
    let enhanced = error.source().map(ToString::to_string);
    error.status().map(u16::from) == Some(552)
        || enhanced.is_some_and(|text| text.starts_with("5.6."))
}

/// Returns our name for the greeting: a domain, or an address literal (RFC 5321 §4.1.3).
fn hello(ourselves: &str) -> ClientId {
    match ourselves.parse() {
        Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) => ClientId::Domain(ourselves.to_owned()),
    }
}

/// Runs the part of the conversation that is about one mail.
async fn talk(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), SmtpFailure> {
    let (envelope, text) = (message.envelope(), message.formatted());
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    let mut options = Vec::new();
    if !addresses.all(|address| AsRef::<str>::as_ref(address).is_ascii()) {
        if !connection
            .server_info()
            .supports_feature(Extension::SmtpUtfEight)
        {
            return Err(SmtpFailure::Unfit(
                "the address needs SMTPUTF8 (RFC 6531), which the mail server does not offer",
            ));
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    if !text.is_ascii() {
        if !connection
            .server_info()
            .supports_feature(Extension::EightBitMime)
        {
            return Err(SmtpFailure::Unfit(
                "the mail needs 8BITMIME (RFC 6152), which the mail server does not offer",
            ));
        }
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let mail = Mail::new(envelope.from().cloned(), options);
    connection
        .command(mail)
        .await
        .map_err(SmtpFailure::Sender)?;
    for to in envelope.to() {
        let recipient = Rcpt::new(to.clone(), Vec::new());
        connection
            .command(recipient)
            .await
            .map_err(SmtpFailure::Mail)?;
    }
    connection.command(Data).await.map_err(SmtpFailure::Mail)?;
    connection.message(&text).await.map_err(SmtpFailure::Mail)?;
    Ok(())
}

#[cfg(test)]
#[path = "smtp_tests.rs"]
mod tests;

/// The longest that one delivery may take. Together with [`FAREWELL`] it is less than a lease, so
/// that nobody else sends the mail meanwhile.
const LONGEST: Duration = Duration::from_secs(45);

/// How long to wait for the answer to QUIT. The mail is already accepted by then, whatever the
/// answer is.
const FAREWELL: Duration = Duration::from_secs(2);

/// A mail server, and how to reach it.
pub(super) struct Smtp {
    server: (String, u16),
    tls: Tls,
    hello: ClientId,
    credentials: Option<Credentials>,
    patience: Duration,
    longest: Duration,
}

impl Smtp {
    /// Parses the URL of a mail server. `ourselves` is our name for the greeting: a domain or an IP
    /// address.
    ///
    /// # Errors
    /// Fails if the URL is invalid, or if the system has no root certificates. Errors never quote
    /// the URL.
    pub(super) fn new(url: &str, ourselves: &str, patience: Duration) -> Result<Self> {
        let url = Url::parse(url).map_err(|_| anyhow!("it is not a URL"))?;
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
            _ => bail!("its scheme is neither smtp nor smtps, or its tls is unknown"),
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
            hello: hello(ourselves),
            credentials,
            patience,
            // One step may take `patience`, but a server that is slow at every step is given up.
            longest: (patience * 3).min(LONGEST),
        })
    }

    /// Sends a mail.
    pub(super) async fn send(&self, message: &Message) -> Delivery {
        // Giving up a conversation closes its connection.
        match timeout(self.longest, self.hand_over(message)).await {
            Ok(Ok(mut connection)) => {
                // The mail is accepted, however the conversation ends.
                drop(timeout(FAREWELL, connection.quit()).await);
                Delivery::Done(None)
            }
            Ok(Err(stopped)) => stopped.judge(),
            Err(_) => Delivery::Failed("the mail server took too long".to_owned()),
        }
    }

    /// Greets the server, with TLS and sign-in, and sends nothing. Returns its name and port.
    ///
    /// # Errors
    /// Fails if the server cannot be reached, or does not accept TLS or the credentials.
    pub(super) async fn greet(&self) -> Result<String> {
        let connected = timeout(self.longest, self.connect()).await;
        let mut connection = connected.context("it took too long")??;
        drop(timeout(FAREWELL, connection.quit()).await);
        let (host, port) = &self.server;
        Ok(format!("{host}, port {port}"))
    }

    async fn hand_over(&self, message: &Message) -> Result<AsyncSmtpConnection, SmtpFailure> {
        let mut connection = self.connect().await.map_err(SmtpFailure::Before)?;
        if let Err(stopped) = talk(&mut connection, message).await {
            drop(timeout(FAREWELL, connection.abort()).await);
            return Err(stopped);
        }
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
            // Fails if the server does not offer it. Nothing is sent in plain text then.
            connection.starttls(parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}
