//! Writes secrets into answers. This is the only place where a secret leaves in a body.

use serde::Serializer;

use crate::model::Secret;

/// Writes a secret into an answer. Use `#[serde(serialize_with = "exposed")]` on the few fields
/// that give a secret to its owner. Every answer is `Cache-Control: no-store`.
///
/// # Errors
/// Returns the serializer's error.
pub fn exposed<S: Serializer>(secret: &Secret<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// Writes several secrets, as [`exposed`] writes one.
///
/// # Errors
/// Returns the serializer's error.
pub fn exposed_all<S: Serializer>(
    secrets: &[Secret<String>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(secrets.iter().map(Secret::expose))
}

/// Writes an optional secret, as [`exposed`] does. Use it with `skip_serializing_if`.
///
/// # Errors
/// Returns the serializer's error.
pub fn exposed_if<S: Serializer>(
    secret: &Option<Secret<String>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_some(secret.expose()),
        None => serializer.serialize_none(),
    }
}
