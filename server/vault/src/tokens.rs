//! Access tokens: JWTs that are signed and strictly checked (RFC 9068), and the public keys to verify them.

use std::sync::atomic::Ordering;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};

use crate::config::SigningAlgorithm;
use crate::keyring::{Ring, SigningKey};
use crate::model::{self, Secret, Time};
use crate::{Clocks, Keys};

/// The only type of token that this server signs and accepts (RFC 9068 §2.1, RFC 8725 §3.11).
const TYPE: &str = "at+jwt";

/// The greatest length of a token that is read, in bytes. Ours have about 700.
const TOKEN_MAX: usize = 4096;

/// The claims of an access token (RFC 9068 §2.2). Times are in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The issuer: the server's public URL.
    pub iss: String,
    /// The audience: the same.
    pub aud: String,
    /// The user's id.
    pub sub: String,
    /// The client that it was issued to.
    pub client_id: String,
    /// When it expires.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// From when on it counts. Ours have none, but one that is there is obeyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// The token's id.
    pub jti: String,
    /// When the person last proved who they are.
    pub auth_time: i64,
    /// How strongly the person was authenticated.
    pub acr: String,
    /// The authentication methods (RFC 8176).
    pub amr: Vec<String>,
    /// The session's id.
    pub sid: String,
}

/// Why a token is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFlaw {
    /// It is not a token of this server, or not valid yet.
    Invalid,
    /// It has expired.
    Expired,
}

/// A public key as the JWK set publishes it, with public members only (RFC 7517 §9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The key's id.
    pub kid: String,
    /// `OKP` or `EC`.
    pub kty: &'static str,
    /// `EdDSA` or `ES256`.
    pub alg: &'static str,
    /// `Ed25519` or `P-256`.
    pub crv: &'static str,
    /// The key, or its first coordinate, in base64url.
    pub x: String,
    /// The second coordinate, in base64url; `None` for Ed25519.
    pub y: Option<String>,
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'a str,
    alg: &'a str,
    kid: &'a str,
}

/// A signing key, prepared once for signing and checking tokens.
pub(super) struct TokenKey {
    kid: String,
    header: String,
    decoding: DecodingKey,
    validation: Validation,
}

impl TokenKey {
    /// Prepares the key for tokens of `issuer`.
    pub(super) fn new(key: &SigningKey, issuer: &str) -> anyhow::Result<Self> {
        let (algorithm, decoding) = match key.pair.algorithm() {
            SigningAlgorithm::EdDsa => (
                Algorithm::EdDSA,
                DecodingKey::from_ed_der(key.pair.public()),
            ),
            SigningAlgorithm::Es256 => (
                Algorithm::ES256,
                DecodingKey::from_ec_der(key.pair.public()),
            ),
        };
        // The algorithm comes from the key, never from the token (RFC 8725 §3.1).
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[issuer]);
        // The library would use the system's clock. `judge_times` uses ours.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let header = Header {
            typ: TYPE,
            alg: key.pair.algorithm().as_str(),
            kid: &key.id,
        };
        let header = serde_json::to_vec(&header).context("printing a token's header")?;
        Ok(Self {
            kid: key.id.clone(),
            header: URL_SAFE_NO_PAD.encode(header),
            decoding,
            validation,
        })
    }
}

/// Signs `claims` with the key that signs at their `iat`.
pub(super) fn sign(
    ring: &Ring,
    keys: &[TokenKey],
    claims: &AccessClaims,
) -> model::Result<Secret<String>> {
    let key = ring.signer(Time::from_seconds(claims.iat));
    let key = key.context("the key ring has no signing key")?;
    let prepared = keys.iter().find(|prepared| prepared.kid == key.id);
    let mut token = prepared
        .context("a signing key is not prepared")?
        .header
        .clone();
    let payload = serde_json::to_vec(claims).context("printing a token's claims")?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    // `jsonwebtoken::encode` would parse the private key again for each token.
    let signature = key.pair.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(Secret::new(token))
}

/// Checks a token strictly at `now` (RFC 9068 §4, RFC 8725 §3).
pub(super) fn verify(
    keys: &Keys,
    token: &str,
    clocks: &Clocks,
    now: Time,
) -> Result<AccessClaims, TokenFlaw> {
    if token.len() > TOKEN_MAX {
        return Err(TokenFlaw::Invalid);
    }
    let published = |key: &TokenKey| keys.ring.published(now).any(|one| one.id == key.kid);
    let presented = match keys.signatures.signer(token) {
        Some(place) => {
            let signer = keys.tokens.get(place).filter(|key| published(key));
            signer.ok_or(TokenFlaw::Invalid)?;
            payload(token)?
        }
        None => {
            let place = signer_of(keys, token)?;
            let signer = keys.tokens.get(place).filter(|key| published(key));
            let signer = signer.ok_or(TokenFlaw::Invalid)?;
            let presented = decode::<AccessClaims>(token, &signer.decoding, &signer.validation)
                .map_err(|_| TokenFlaw::Invalid)?
                .claims;
            keys.signatures.remember(token, place);
            presented
        }
    };
    judge_times(&presented, clocks.leeway_seconds, now)
        .inspect_err(|_| tell_of_clocks(&presented, clocks, now))?;
    Ok(presented)
}

/// Returns the index of the key that a token names.
fn signer_of(keys: &Keys, token: &str) -> Result<usize, TokenFlaw> {
    let header = decode_header(token).map_err(|_| TokenFlaw::Invalid)?;
    // `jku`, `jwk`, `x5u` and `x5c` are ignored, since keys come from the ring only (RFC 8725 §3.10). `crit`
    // lists extensions that this server does not have (RFC 7515 §4.1.11).
    if header.typ.as_deref() != Some(TYPE) || header.crit.is_some() {
        return Err(TokenFlaw::Invalid);
    }
    let kid = header.kid.ok_or(TokenFlaw::Invalid)?;
    let named = keys.tokens.iter().position(|key| key.kid == kid);
    named.ok_or(TokenFlaw::Invalid)
}

/// Reads the claims of a token whose signature, issuer and audience were already checked.
fn payload(token: &str) -> Result<AccessClaims, TokenFlaw> {
    let part = token.split('.').nth(1).ok_or(TokenFlaw::Invalid)?;
    let json = URL_SAFE_NO_PAD.decode(part);
    let json = json.map_err(|_| TokenFlaw::Invalid)?;
    serde_json::from_slice(&json).map_err(|_| TokenFlaw::Invalid)
}

/// Checks `iat`, `nbf` and `exp` against our clock (RFC 7519 §4.1.4–4.1.6).
fn judge_times(presented: &AccessClaims, leeway: i64, now: Time) -> Result<(), TokenFlaw> {
    let now = now.seconds();
    let begun = |moment: i64| moment <= now.saturating_add(leeway);
    if !begun(presented.iat) || !presented.nbf.is_none_or(begun) {
        Err(TokenFlaw::Invalid)
    } else if presented.exp.saturating_add(leeway) <= now {
        Err(TokenFlaw::Expired)
    } else {
        Ok(())
    }
}

/// Logs, at most once a minute, that a token was signed in the future, by how much. The signature is ours, so
/// nobody else can cause this.
fn tell_of_clocks(presented: &AccessClaims, clocks: &Clocks, now: Time) {
    let Clocks {
        leeway_seconds: allowed,
        told,
    } = clocks;
    let ahead = presented.iat.saturating_sub(now.seconds());
    let last = told.load(Ordering::Relaxed);
    let lately = last <= now.seconds() && now.seconds() < last.saturating_add(60);
    if ahead <= *allowed || lately {
        return;
    }
    told.store(now.seconds(), Ordering::Relaxed);
    tracing::warn!(
        seconds = ahead,
        allowed,
        "a token was signed in the future: the clocks of the replicas differ by at least this much, or this clock went back"
    );
}

/// Returns the public part of a key.
pub(super) fn public_key(key: &SigningKey) -> PublicKey {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let public = key.pair.public();
    let algorithm = key.pair.algorithm();
    let (kty, crv, x, y) = match algorithm {
        SigningAlgorithm::EdDsa => ("OKP", "Ed25519", text(public), None),
        SigningAlgorithm::Es256 => {
            // An uncompressed point: one byte for the form, then the two coordinates (SEC 1 §2.3.3).
            let (x, y) = public.get(1..).unwrap_or_default().split_at(32);
            ("EC", "P-256", text(x), Some(text(y)))
        }
    };
    PublicKey {
        kid: key.id.clone(),
        kty,
        alg: algorithm.as_str(),
        crv,
        x,
        y,
    }
}
