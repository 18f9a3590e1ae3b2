//! Collects the texts of settings from flags, environment and file, and words the errors about
//! them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;

use crate::config::kinds::Kind;
use crate::config::links;
use crate::config::table::{CONFIG, PREFIX, rows, variable};
use crate::config::{Flags, SettingsError};
use crate::model::typed;

/// The text of a setting, with its source in words.
struct Text {
    text: String,
    origin: String,
}

/// The texts of all given settings, each from its strongest source.
pub(super) struct GivenSettings(BTreeMap<String, Text>);

impl GivenSettings {
    /// Holds no setting.
    pub(super) const fn nothing() -> Self {
        Self(BTreeMap::new())
    }

    /// Collects the settings of all sources.
    pub(super) fn gather(
        flags: &Flags,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let mut strong = Self::nothing();
        strong.add_environment(environment)?;
        for (name, text) in flags {
            let origin = format!("flag --{}", name.replace('_', "-"));
            strong.add(name, text.clone(), origin);
        }
        let mut found = Self::nothing();
        if let Some(file) = strong.0.remove(CONFIG) {
            found.add_file(&file)?;
        }
        found.0.extend(strong.0);
        Ok(found)
    }

    /// Returns where a setting came from, in words; `None` if it was not given.
    pub(super) fn origin(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| text.origin.as_str())
    }

    /// Reads a setting without a fixed default; `None` if it was not given.
    pub(super) fn given<K: Kind>(
        &self,
        name: &str,
        kind: &K,
    ) -> Result<Option<K::Value>, SettingsError> {
        let Some(Text { text, origin }) = self.0.get(name) else {
            return Ok(None);
        };
        let told = |reason: String| {
            let shown = if kind.secret() {
                "the value (not shown, since it may contain a password)".to_owned()
            } else {
                format!("{text:?}")
            };
            SettingsError(format!(
                "setting {name} ({origin}): {shown} is not allowed: {reason}"
            ))
        };
        kind.read(text).map(Some).map_err(told)
    }

    /// Reads a setting, or uses its default.
    pub(super) fn value<K: Kind>(
        &self,
        name: &str,
        kind: &K,
        default: &str,
    ) -> Result<K::Value, SettingsError> {
        if let Some(value) = self.given(name, kind)? {
            return Ok(value);
        }
        let told = |reason| SettingsError(format!("setting {name}, its default: {reason}"));
        kind.read(default).map_err(told)
    }

    /// Stores a text. An empty text counts as not given, whatever the setting: tools that fill in a
    /// form leave it empty.
    fn add(&mut self, name: &str, text: String, origin: String) {
        if !text.is_empty() {
            self.0.insert(name.to_owned(), Text { text, origin });
        }
    }

    fn add_environment(
        &mut self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(), SettingsError> {
        let known: BTreeMap<String, &str> = rows()
            .iter()
            .map(|row| (row.variable(), row.name))
            .collect();
        for (key, text) in environment {
            let Some(key) = key.to_str().filter(|key| key.starts_with(PREFIX)) else {
                continue;
            };
            let Some(name) = known.get(key) else {
                if links::is_foreign(key, &text.to_string_lossy()) {
                    continue;
                }
                return Err(SettingsError(format!(
                    "the environment variable {key} is not a setting: see `countersign settings`"
                )));
            };
            let text = text.into_string().map_err(|_| {
                SettingsError(format!("the environment variable {key} is not UTF-8"))
            })?;
            self.add(name, text, format!("environment {}", variable(name)));
        }
        Ok(())
    }

    fn add_file(&mut self, file: &Text) -> Result<(), SettingsError> {
        let Text { text: path, origin } = file;
        let refuse = |why: String| SettingsError(format!("settings file {path} ({origin}): {why}"));
        let text = fs::read_to_string(path)
            .map_err(|error| refuse(format!("{error}: name a file that can be read")))?;
        let text = typed::without_mark(&text);
        // The parser's own error quotes the line, which may contain a password.
        let document: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            refuse(format!("line {line} is not TOML"))
        })?;
        let rows = rows();
        for (key, value) in document {
            let Some(row) = rows
                .iter()
                .find(|row| row.name == key && row.name != CONFIG)
            else {
                return Err(refuse(format!(
                    "{key:?} is not a setting: see `countersign settings`"
                )));
            };
            let text = plain(value)
                .ok_or_else(|| refuse(format!("{key} must be a text, a number, true or false")))?;
            self.add(row.name, text, format!("file {path}"));
        }
        Ok(())
    }
}

/// Returns the text of a TOML value. The members of a list are joined with commas.
fn plain(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        toml::Value::Array(members) => {
            let texts: Option<Vec<String>> = members.into_iter().map(plain).collect();
            texts.map(|texts| texts.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}
