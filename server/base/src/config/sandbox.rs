//! The settings of the sandbox: nothing of another server's is opened, and nothing leaves the machine.

use std::ffi::OsString;
use std::path::Path;

use phonenumber::country;

use super::sources::GivenSettings;
use super::{DatabaseUrl, Flags, Settings, SettingsError};

/// What the sandbox has of its own. Given all the same, it may be a production server's.
const OWN: [&str; 9] = [
    "database_url",
    "key_file",
    "data_dir",
    "smtp_url",
    "twilio_account_sid",
    "twilio_auth_token",
    "twilio_from",
    "sms_webhook_url",
    "sms_webhook_secret",
];

/// Countries whose numbers get text messages, where nobody names others.
const COUNTRIES: [country::Id; 4] = [
    country::Id::US,
    country::Id::GB,
    country::Id::DE,
    country::Id::FR,
];

/// What the sandbox starts with.
pub struct SandboxSettings {
    /// Its settings, with its data in the folder that was named.
    pub settings: Settings,
    /// Whether somebody said where to listen.
    pub listens_as_told: bool,
    /// Whether somebody said what its address is.
    pub known_as_told: bool,
    /// Whether somebody said what is logged.
    pub logs_as_told: bool,
}

impl Settings {
    /// Reads the settings of a sandbox that keeps its data in `folder`.
    ///
    /// # Errors
    /// As [`Settings::load`]; and when a database, a key file, or what sends messages is named: the
    /// sandbox opens none that it did not make.
    pub fn for_sandbox(
        flags: &Flags,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        folder: &Path,
    ) -> Result<SandboxSettings, SettingsError> {
        let found = GivenSettings::gather(flags, environment)?;
        if let Some((name, origin)) = OWN
            .iter()
            .find_map(|name| Some((name, found.origin(name)?)))
        {
            return Err(SettingsError(format!(
                "setting {name} ({origin}): the sandbox keeps everything to itself and opens nothing of another server: leave it out, or use `countersign serve`"
            )));
        }
        let mut settings = Self::read(&found)?;
        settings.sandbox = true;
        settings.database_url = DatabaseUrl::Sqlite(folder.join("countersign.db"));
        settings.key_file = folder.join("keys.json");
        settings.data_dir = folder.to_owned();
        if found.origin("sms_countries").is_none() {
            settings.sms_countries = COUNTRIES.to_vec();
        }
        // What all of its people share, so that one test does not use up another's.
        let policy = &mut settings.policy;
        for (name, limit, most) in [
            (
                "sms_per_prefix_hour",
                &mut policy.sms_per_prefix_hour,
                10_000,
            ),
            ("sms_per_day", &mut policy.sms_per_day, 10_000_000),
            (
                "mail_calls_per_source",
                &mut policy.mail_calls_per_source,
                100_000,
            ),
            (
                "passkey_sign_ins_per_source",
                &mut policy.passkey_sign_ins_per_source,
                1_000_000,
            ),
        ] {
            if found.origin(name).is_none() {
                *limit = most;
            }
        }
        settings.check()?;
        Ok(SandboxSettings {
            settings,
            listens_as_told: found.origin("listen").is_some(),
            known_as_told: found.origin("public_url").is_some(),
            logs_as_told: found.origin("log_filter").is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{OWN, Settings};

    #[test]
    fn nothing_of_another_server_is_opened() {
        let named = |name: &str| {
            let flags = vec![(name.to_owned(), "anything".to_owned())];
            Settings::for_sandbox(&flags, [], Path::new("/nonexistent"))
        };
        for name in OWN {
            let told = named(name).err().expect("refused").to_string();
            assert!(told.contains(name), "{told}");
        }
        let flags = vec![("issuer_name".to_owned(), "Shop".to_owned())];
        let chosen = Settings::for_sandbox(&flags, [], Path::new("/nonexistent"));
        let settings = chosen.expect("allowed").settings;
        assert!(settings.sandbox && settings.issuer_name == "Shop");
        assert_eq!(settings.issuer(), "http://localhost:8080/sandbox");
    }
}
