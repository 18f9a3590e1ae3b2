//! Tests of the hashing pool: right, wrong, outdated, busy, and jobs nobody waits for.

use std::path::Path;
use std::time::Instant;

use super::{Hasher, Verified};
use crate::chance::Chance;
use crate::config::Settings;
use crate::model::source::Source;
use crate::model::user::PasswordHash;
use crate::model::{Error, Refusal, Secret};

fn hasher(change: impl FnOnce(&mut Settings)) -> Hasher {
    let mut settings = Settings::for_test(Path::new("/nowhere")).expect("settings");
    settings.hash_slots = 1;
    change(&mut settings);
    Hasher::start(&settings, &Chance::seeded(1)).expect("started")
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

#[tokio::test]
async fn a_password_is_right_wrong_or_outdated() {
    let hasher = hasher(|_| ());
    let password = "zo\u{eb} likes correct horses";
    let hash = hasher
        .hash(secret(password), [3; 16])
        .await
        .expect("hashed");
    assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    let right = Verified::Right { outdated: false };
    let decomposed = secret("zoe\u{308} likes correct horses");
    assert_eq!(
        hasher
            .verify(decomposed, hash.clone())
            .await
            .expect("compared"),
        right
    );
    for wrong in [
        "",
        "Zo\u{eb} likes correct horses",
        "zo\u{eb} likes correct horse",
    ] {
        let verified = hasher.verify(secret(wrong), hash.clone()).await;
        assert_eq!(verified.expect("compared"), Verified::Wrong);
    }
    let decoy = hasher.verify(secret(password), hasher.decoy()).await;
    assert_eq!(decoy.expect("compared"), Verified::Wrong);

    let stronger = self::hasher(|settings| settings.argon2_memory_kib = 20_000);
    let outdated = Verified::Right { outdated: true };
    assert_eq!(
        stronger
            .verify(secret(password), hash.clone())
            .await
            .expect("compared"),
        outdated
    );
    let strong = stronger
        .hash(secret(password), [4; 16])
        .await
        .expect("hashed");
    // A hash with more memory than is set now (the setting went down) still opens.
    assert_eq!(
        hasher
            .verify(secret(password), strong)
            .await
            .expect("compared"),
        outdated
    );
}

#[tokio::test]
async fn every_character_of_a_long_password_counts() {
    let hasher = hasher(|_| ());
    let long = "x".repeat(256);
    let hash = hasher.hash(secret(&long), [3; 16]).await.expect("hashed");
    for index in [71, 72, 127, 255] {
        let mut other = long.clone().into_bytes();
        other[index] = b'y';
        let other = String::from_utf8(other).expect("UTF-8");
        let verified = hasher.verify(secret(&other), hash.clone()).await;
        assert_eq!(verified.expect("compared"), Verified::Wrong, "{index}");
    }
}

#[tokio::test]
async fn what_is_no_hash_is_a_fault_and_costs_no_thread() {
    let hasher = hasher(|_| ());
    for bad in [
        "",
        "secret",
        "$2b$10$abcdefghijklmnopqrstuu",
        "$argon2id$v=19$m=1,t=0,p=0$c2FsdHNhbHQ$aGFzaA",
    ] {
        match hasher
            .verify(secret("x"), PasswordHash::new(bad.to_owned()))
            .await
        {
            Err(Error::Fault(fault)) => assert!(!fault.to_string().contains("secret")),
            Err(Error::Refused(_)) | Ok(_) => panic!("{bad} was taken for a hash"),
        }
    }
    hasher
        .hash(secret("x"), [0; 16])
        .await
        .expect("the thread lives");
}

/// A hasher whose jobs take long enough to be overtaken.
fn slow_hasher(queue: u32) -> Hasher {
    hasher(|settings| {
        settings.hash_queue = queue;
        settings.argon2_iterations = 20;
    })
}

fn spawn(hasher: &Hasher) -> tokio::task::JoinHandle<crate::model::Result<PasswordHash>> {
    let hasher = hasher.clone();
    tokio::spawn(async move { hasher.hash(secret("x"), [0; 16]).await })
}

#[tokio::test]
async fn a_full_queue_is_told() {
    let hasher = slow_hasher(2);
    let jobs: Vec<_> = (0..12).map(|_| spawn(&hasher)).collect();
    let mut busy = 0;
    for job in jobs {
        match job.await.expect("ran") {
            Ok(_) => {}
            Err(Error::Refused(Refusal::Busy { retry_after })) if retry_after > 0 => busy += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!((6..12).contains(&busy), "one runs, two wait: {busy}");
}

#[tokio::test]
async fn jobs_that_nobody_waits_for_are_passed_over() {
    let hasher = slow_hasher(32);
    let started = Instant::now();
    spawn(&hasher).await.expect("ran").expect("hashed");
    let alone = started.elapsed();
    let abandoned: Vec<_> = (0..20).map(|_| spawn(&hasher)).collect();
    tokio::task::yield_now().await;
    abandoned.iter().for_each(tokio::task::JoinHandle::abort);
    tokio::task::yield_now().await;
    let started = Instant::now();
    spawn(&hasher).await.expect("ran").expect("hashed");
    assert!(
        started.elapsed() < alone * 10,
        "at most one of the twenty was run"
    );
}

#[tokio::test]
async fn a_derived_hash_does_not_follow_the_settings() {
    let usual = hasher(|_| ());
    let stronger = hasher(|settings| settings.argon2_iterations = 3);
    let derived = usual.derive(secret("7F3K"), [3; 16]).await;
    let derived = derived.expect("derived");
    assert_eq!(
        stronger
            .derive(secret("7F3K"), [3; 16])
            .await
            .expect("derived"),
        derived
    );
    for (text, salt) in [("7F3K", [4; 16]), ("7F3J", [3; 16])] {
        let other = usual.derive(secret(text), salt).await.expect("derived");
        assert_ne!(other, derived);
    }
}

#[tokio::test]
async fn a_network_that_fills_the_queue_shuts_no_other_out() {
    let hasher = slow_hasher(4);
    let from = |address: &str| hasher.of(Source::Client(address.parse().expect("an address")));
    let many: Vec<_> = (0..12).map(|_| spawn(&from("203.0.113.5"))).collect();
    tokio::task::yield_now().await;
    let one = spawn(&from("198.51.100.7"));
    assert!(one.await.expect("ran").is_ok());
    let mut done = 0;
    for job in many {
        done += usize::from(job.await.expect("ran").is_ok());
    }
    assert!((3..12).contains(&done), "the others go on: {done}");
}
