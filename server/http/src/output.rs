//! How answers are written: the one place where a secret leaves in a body.

use serde::Serializer;

use crate::model::Secret;

/// Writes a secret into an answer, for `#[serde(serialize_with = "exposed")]` on the few fields that
/// hand one to its owner. Every answer is `Cache-Control: no-store`.
///
/// # Errors
/// The serializer's.
pub fn exposed<S: Serializer>(secret: &Secret<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// The same for several.
///
/// # Errors
/// The serializer's.
pub fn exposed_all<S: Serializer>(
    secrets: &[Secret<String>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(secrets.iter().map(Secret::expose))
}

/// The same for one that may not be there, beside `skip_serializing_if`.
///
/// # Errors
/// The serializer's.
pub fn exposed_if<S: Serializer>(
    secret: &Option<Secret<String>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_some(secret.expose()),
        None => serializer.serialize_none(),
    }
}
