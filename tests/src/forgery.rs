//! Forged access tokens: foreign keys, foreign algorithms, changed claims.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::Value;

/// Returns the header of a token.
pub fn head(token: &str) -> Value {
    part(token, 0)
}

/// Returns the claims of a token.
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).expect("a JWT");
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn print(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Signs the same header and claims with a key that the server does not know.
pub fn by_foreign_key(token: &str) -> String {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
    let key = EncodingKey::from_ed_der(document.as_ref());
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = head(token)["kid"].as_str().map(str::to_owned);
    header.typ = Some("at+jwt".to_owned());
    encode(&header, &claims(token), &key).expect("a token")
}

/// Signs the same claims with the server's public key, as if it were a shared secret (RFC 8725
/// §2.1).
pub fn by_public_key_as_secret(token: &str, public: &str) -> String {
    let mut header = Header::new(Algorithm::HS256);
    header.kid = head(token)["kid"].as_str().map(str::to_owned);
    header.typ = Some("at+jwt".to_owned());
    encode(
        &header,
        &claims(token),
        &EncodingKey::from_secret(public.as_bytes()),
    )
    .expect("a token")
}

/// Removes the signature, and names this algorithm.
pub fn unsigned(token: &str, algorithm: &str) -> String {
    let mut head = head(token);
    head["alg"] = Value::from(algorithm);
    format!("{}.{}.", print(&head), print(&claims(token)))
}

/// Changes a claim and keeps the signature.
pub fn with_claim(token: &str, claim: &str, value: impl Into<Value>) -> String {
    let mut claims = claims(token);
    claims[claim] = value.into();
    let parts: Vec<&str> = token.split('.').collect();
    format!("{}.{}.{}", parts[0], print(&claims), parts[2])
}

/// Changes a member of the header and keeps the signature.
pub fn with_head(token: &str, member: &str, value: impl Into<Value>) -> String {
    let mut head = head(token);
    head[member] = value.into();
    let parts: Vec<&str> = token.split('.').collect();
    format!("{}.{}.{}", print(&head), parts[1], parts[2])
}
