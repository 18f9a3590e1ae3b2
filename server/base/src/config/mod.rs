//! Settings: one table yields flags, environment variables, file keys, help and
//! `server/OPERATING.md`. All settings are checked at the start.

mod kinds;
mod links;
mod postgres_url;
mod sandbox;
mod sms;
mod sources;
mod table;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;

pub use kinds::{DatabaseUrl, LogFormat, SigningAlgorithm};
pub use sms::TwilioSender;
pub use table::{Row, Settings, rows};

use kinds::{
    is_loopback, origin_as_sent, origin_host, origin_is_app, origin_is_loopback, origin_is_of,
    origin_is_secure,
};
use sources::GivenSettings;

/// Why the server does not start: one line with the setting, its source and what is allowed.
///
/// It never contains the value of a setting that can hold a secret.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingsError(String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

/// The flags of the command line: names of settings (as in the file) with their texts, and
/// `config`.
pub type Flags = Vec<(String, String)>;

impl Settings {
    /// Reads all settings. A flag wins over the environment, the environment over the file, and the
    /// file over the default.
    ///
    /// # Errors
    /// Fails for an unknown `COUNTERSIGN_` variable, an unknown key of the file, or a value that is
    /// not allowed.
    pub fn load(
        flags: &Flags,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let settings = Self::read(&GivenSettings::gather(flags, environment)?)?;
        settings.check()?;
        Ok(settings)
    }

    /// Returns all settings at their defaults, with the data in `dir` and any free port. Ignores
    /// the environment. For integrators' tests.
    ///
    /// # Errors
    /// A test proves that the defaults are valid, so no error is expected.
    pub fn for_test(dir: &Path) -> Result<Self, SettingsError> {
        let mut settings = Self::read(&GivenSettings::nothing())?;
        settings.listen.set_port(0);
        settings.public_url = "http://localhost".to_owned();
        settings.database_url = DatabaseUrl::Sqlite(dir.join("countersign.db"));
        settings.key_file = dir.join("keys.json");
        settings.data_dir = dir.to_owned();
        Ok(settings)
    }

    /// Returns warnings for settings that are allowed but deserve the operator's attention at the
    /// start.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let blocks = u64::from(self.hash_slots) * u64::from(self.argon2_memory_kib);
        if memory_kib().is_some_and(|all| blocks > all / 4) {
            warnings.push(format!(
                "hash_slots times argon2_memory_kib is {blocks} KiB, more than a quarter of this machine's memory: lower one of them"
            ));
        }
        if self.smtp_url.is_some() && is_loopback(self.mail_from.email.domain()) {
            warnings.push(format!(
                "mail_from is {}, an address of this machine: mail servers may refuse it, and its mails look forged",
                self.mail_from.email
            ));
        }
        if !self.is_for_this_machine() {
            if self.smtp_url.is_none() {
                let outbox = self.data_dir.join("outbox");
                warnings.push(format!(
                    "smtp_url is not set, so no mail is sent: mails are written to {}",
                    outbox.display()
                ));
            }
            let no_sender = self.twilio_account_sid.is_none() && self.sms_webhook_url.is_none();
            if !self.sms_countries.is_empty() && no_sender {
                warnings.push(
                    "sms_countries is set without twilio_account_sid or sms_webhook_url, so no text message is sent: they are written to the outbox"
                        .to_owned(),
                );
            }
            let behind_a_proxy =
                self.public_url.starts_with("https://") || self.listen.ip().is_loopback();
            if behind_a_proxy && self.trusted_proxies.is_empty() {
                warnings.push(
                    "trusted_proxies is empty, so all clients seem to be the proxy: they share their limits, and one of them can lock out the others. Set it to the address that the proxy connects from (127.0.0.1,::1 for one on this machine), and let the proxy set X-Forwarded-For to the address of its client instead of passing on the client's header"
                        .to_owned(),
                );
            }
            if self.public_url.starts_with("http://") {
                warnings.push(
                    "public_url is http, but passwords and tokens need TLS: put a TLS proxy in front"
                        .to_owned(),
                );
            }
        }
        warnings
    }

    /// Who issues the access tokens, and for whom they are. The sandbox's name has a path, which no
    /// `public_url` has: no other server takes its tokens.
    pub fn issuer(&self) -> String {
        match self.sandbox {
            true => format!("{}/sandbox", self.public_url),
            false => self.public_url.clone(),
        }
    }

    /// Returns the host under which clients know this server: a domain, or an IP address without
    /// brackets.
    pub fn public_host(&self) -> &str {
        origin_host(&self.public_url)
    }

    /// Tells whether clients know this server by an address of this machine. Only then is a client
    /// on this machine its operator.
    pub fn is_for_this_machine(&self) -> bool {
        origin_is_loopback(&self.public_url)
    }

    /// Returns the origins of the pages and apps where passkeys may be used, as browsers write
    /// them. The list is empty if passkeys are off, or if clients know this server by an IP
    /// address, to which passkeys cannot be bound.
    pub fn passkey_pages(&self) -> Vec<String> {
        let offered = [&self.public_url].into_iter().filter(|_| self.passkeys);
        let further = self.passkey_origins.iter().filter(|_| self.passkeys);
        offered
            .chain(further)
            .filter(|origin| self.takes_passkeys_of(origin))
            .map(|origin| origin_as_sent(origin))
            .collect()
    }

    fn takes_passkeys_of(&self, origin: &str) -> bool {
        let domain = &self.passkey_rp_id;
        let app = origin_is_app(origin) && domain.parse::<IpAddr>().is_err();
        app || origin_is_of(origin, domain)
    }

    /// Checks rules that concern two settings at once.
    fn check(&self) -> Result<(), SettingsError> {
        let policy = &self.policy;
        let rules = [
            (
                self.argon2_memory_kib >= 47_104 || self.argon2_iterations >= 2,
                "argon2_iterations must be at least 2 unless argon2_memory_kib is at least 47104",
            ),
            (
                policy.soft_limit < policy.hard_limit,
                "soft_limit must be less than hard_limit",
            ),
            (
                policy.wait_first_seconds <= policy.wait_max_seconds,
                "wait_first_seconds must not be more than wait_max_seconds",
            ),
            (
                policy.code_mails_per_hour <= policy.code_mails_per_day,
                "code_mails_per_hour must not be more than code_mails_per_day",
            ),
            (
                policy.notices_per_hour <= policy.notices_per_day,
                "notices_per_hour must not be more than notices_per_day",
            ),
            (
                policy.sms_per_number_hour <= policy.sms_per_number_day,
                "sms_per_number_hour must not be more than sms_per_number_day",
            ),
            (
                self.twilio_account_sid.is_some() == self.twilio_auth_token.is_some()
                    && self.twilio_account_sid.is_some() == self.twilio_from.is_some(),
                "twilio_account_sid, twilio_auth_token and twilio_from must be set together",
            ),
            (
                self.sms_webhook_url.is_some() == self.sms_webhook_secret.is_some(),
                "sms_webhook_url and sms_webhook_secret must be set together",
            ),
            (
                self.twilio_account_sid.is_none() || self.sms_webhook_url.is_none(),
                "text messages are sent by Twilio or by the webhook, not both: unset twilio_account_sid or sms_webhook_url",
            ),
            (
                policy.session_idle_seconds <= policy.session_seconds,
                "session_idle_seconds must not be more than session_seconds",
            ),
            (
                policy.api_key_default_days <= policy.api_key_max_days,
                "api_key_default_days must not be more than api_key_max_days",
            ),
            (
                self.passkey_origins
                    .iter()
                    .all(|origin| self.takes_passkeys_of(origin)),
                "passkey_origins must all be on passkey_rp_id or below it, and passkey_rp_id must be a domain, not an IP address",
            ),
            (
                self.passkey_origins
                    .iter()
                    .all(|origin| origin_is_secure(origin)),
                "passkey_origins must be https, since browsers offer no passkeys on other pages",
            ),
            (
                self.passkey_pages()
                    .iter()
                    .all(|origin| origin_is_secure(origin)),
                "public_url is http with a name that is not this machine, and there browsers offer no passkeys: put a TLS proxy in front and set public_url to its https address, or set passkeys to false",
            ),
            (
                !self.passkeys
                    || self.passkey_rp_id == origin_host(&self.public_url)
                    || !self.passkey_pages().is_empty(),
                "passkey_rp_id must be the host of public_url, or a domain above it or above one of passkey_origins",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(SettingsError(format!("settings: {rule}"))),
            None => Ok(()),
        }
    }
}

/// Returns the machine's memory in KiB, if the system tells it (proc(5)).
fn memory_kib() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = told
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Returns all settings as the markdown table in `server/OPERATING.md`.
pub fn table() -> String {
    let mut text = "| Setting (key in the file) | Flag | Environment | Default | Allowed | Meaning |\n|---|---|---|---|---|---|\n".to_owned();
    for row in rows() {
        let line = format!(
            "| `{}` | `--{}` | `{}` | {} | {} | {} |\n",
            row.name,
            row.flag(),
            row.variable(),
            row.default_shown(),
            row.allowed,
            row.help
        );
        text.push_str(&line);
    }
    text
}
