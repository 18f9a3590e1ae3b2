//! Tests of access tokens: which are read back, and which are refused.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Folder, NOW, claims, token};
use crate::config::SigningAlgorithm;
use crate::{TokenFlaw, Vault};

/// Returns a token with any header and claims, signed with the ring's own key.
fn forge(vault: &Vault, header: &Value, claims: &Value) -> String {
    let keys = vault.keys();
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", text(header), text(claims));
    let signer = keys.ring.signer(NOW).expect("a signer");
    let signature = signer.pair.sign(message.as_bytes()).expect("signed");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn a_token_is_read_back_until_it_is_over() {
    for algorithm in [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256] {
        let folder = Folder::new();
        let vault = folder.open(algorithm, 1).expect("a vault");
        let token = token(&vault, NOW);
        assert_eq!(
            vault.verify(&token, NOW).expect("good"),
            claims(&vault, NOW)
        );
        let after = |seconds| vault.verify(&token, NOW.plus_seconds(seconds));
        assert!(after(909).is_ok() && after(-10).is_ok());
        assert_eq!(after(910), Err(TokenFlaw::Expired));
        assert_eq!(after(-11), Err(TokenFlaw::Invalid));
        let keys = vault.jwks(NOW);
        assert_eq!((keys.len(), keys[0].alg), (1, algorithm.as_str()));
        assert_eq!(keys[0].y.is_some(), algorithm == SigningAlgorithm::Es256);
    }
}

#[test]
fn tokens_that_are_not_quite_ours_are_refused() {
    let folder = Folder::new();
    let vault = folder.vault();
    let kid = vault.jwks(NOW)[0].kid.clone();
    let header = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": kid});
    let good = serde_json::to_value(claims(&vault, NOW)).expect("JSON");
    assert!(vault.verify(&forge(&vault, &header, &good), NOW).is_ok());

    let refused = |header: &Value, claims: &Value| {
        let token = forge(&vault, header, claims);
        assert_eq!(
            vault.verify(&token, NOW),
            Err(TokenFlaw::Invalid),
            "{header} {claims}"
        );
    };
    for (member, value) in [
        ("typ", json!("JWT")),
        ("typ", json!("AT+JWT")),
        ("typ", Value::Null),
        ("kid", json!("sign-0")),
        ("kid", Value::Null),
        ("alg", json!("none")),
        ("alg", json!("None")),
        ("alg", json!("HS256")),
        ("alg", json!("ES256")),
        ("crit", json!(["exp"])),
    ] {
        let mut header = header.clone();
        header[member] = value;
        refused(&header, &good);
    }
    for claim in [
        "iss",
        "aud",
        "sub",
        "client_id",
        "exp",
        "iat",
        "jti",
        "auth_time",
        "acr",
        "amr",
        "sid",
    ] {
        let mut claims = good.clone();
        claims.as_object_mut().expect("an object").remove(claim);
        refused(&header, &claims);
    }
    for (claim, value) in [
        ("iss", json!("http://other")),
        ("aud", json!("http://other")),
        ("aud", json!(["http://localhost", "http://other"])),
        ("exp", json!("2000000000")),
        ("exp", json!(1e300)),
        ("iat", json!(NOW.seconds() + 60)),
        ("nbf", json!(NOW.seconds() + 60)),
    ] {
        let mut claims = good.clone();
        claims[claim] = value;
        refused(&header, &claims);
    }
}

#[test]
fn signatures_are_checked() {
    let folder = Folder::new();
    let vault = folder.vault();
    let good = token(&vault, NOW);
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let key = &vault.jwks(NOW)[0];
    let public = URL_SAFE_NO_PAD.decode(&key.x).expect("base64url");
    // HS256 with the public key as the secret (RFC 8725 §2.1).
    let header = json!({"typ": "at+jwt", "alg": "HS256", "kid": key.kid}).to_string();
    let payload = message.split_once('.').expect("two parts").1;
    let confused = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header));
    let mac = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &public),
        confused.as_bytes(),
    );
    let other = Folder::new()
        .open(SigningAlgorithm::EdDsa, 2)
        .expect("a vault");
    for bad in [
        format!("{confused}.{}", URL_SAFE_NO_PAD.encode(mac)),
        format!("{message}."),
        message.to_owned(),
        format!("{message}.{}A", &signature[1..]),
        format!("{good}="),
        format!(" {good}"),
        String::new(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        token(&other, NOW),
        format!("{message}.{signature}{}", "A".repeat(5000)),
    ] {
        assert_eq!(vault.verify(&bad, NOW), Err(TokenFlaw::Invalid), "{bad}");
    }
    let expired_and_forged = good.replacen(signature, &"A".repeat(signature.len()), 1);
    assert_eq!(
        vault.verify(&expired_and_forged, NOW.plus_seconds(9_000)),
        Err(TokenFlaw::Invalid)
    );
}
