//! The options and the state that the library prints for a ceremony: read, adapted where this server needs
//! other values, and stored with the time by which the device must answer.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use webauthn_rs::prelude::WebauthnError;

use crate::factor::NewCeremony;
use crate::model::{Fault, Result, Time};

/// The field for that time, in UTC microseconds. It stands beside the library's fields, which ignore it.
const UNTIL: &str = "until";

/// Whether the device may still answer the ceremony with this state.
pub fn in_time(state: &str, now: Time) -> bool {
    let state: Value = serde_json::from_str(state).unwrap_or_default();
    let until = state.get(UNTIL).and_then(Value::as_i64);
    until.is_some_and(|until| Time::from_micros(until) > now)
}

/// Builds a ceremony. The same time limit goes into the options for the device and into the state.
pub(super) fn begun(
    mut options: Value,
    mut state: Value,
    now: Time,
    seconds: u32,
) -> Result<NewCeremony> {
    set(&mut options, "/timeout", milliseconds(seconds))?;
    let until = now.plus_seconds(i64::from(seconds)).micros();
    let members = state.as_object_mut().ok_or_else(unknown_library)?;
    members.insert(UNTIL.to_owned(), until.into());
    Ok(NewCeremony {
        options,
        state: state.to_string(),
    })
}

pub(super) fn milliseconds(seconds: u32) -> u64 {
    u64::from(seconds) * 1000
}

pub(super) fn library(error: WebauthnError) -> Fault {
    Fault::bug(anyhow::Error::new(error).context("webauthn-rs"))
}

pub(super) fn unknown_library() -> Fault {
    Fault::bug(anyhow::anyhow!("webauthn-rs prints what we do not know"))
}

pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    Ok(serde_json::from_str(text).map_err(Fault::bug)?)
}

pub(super) fn print(what: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string(what).map_err(Fault::bug)?)
}

pub(super) fn value(what: &impl Serialize) -> Result<Value> {
    Ok(serde_json::to_value(what).map_err(Fault::bug)?)
}

/// Returns what the browser takes as `publicKey`.
pub(super) fn public_key(options: &impl Serialize) -> Result<Value> {
    let found = value(options)?.get_mut("publicKey").map(Value::take);
    Ok(found.ok_or_else(unknown_library)?)
}

/// Replaces a value that the library has set.
pub(super) fn set(within: &mut Value, pointer: &str, what: impl Into<Value>) -> Result<()> {
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    let field = within
        .pointer_mut(parent)
        .and_then(|parent| parent.get_mut(name));
    *field.ok_or_else(unknown_library)? = what.into();
    Ok(())
}
