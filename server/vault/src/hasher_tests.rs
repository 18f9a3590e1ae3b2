//! Tests of the hashing pool: right, wrong and outdated hashes, a full queue, and abandoned jobs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use argon2::Params;

use super::{Hasher, PasswordVerdict, Slot, print, work};
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

async fn verdict(
    hasher: &Hasher,
    password: Secret<String>,
    hash: &PasswordHash,
) -> PasswordVerdict {
    let compared = hasher.compare(password, hash.clone()).await;
    compared.expect("compared").verdict()
}

#[test]
fn every_comparison_costs_as_much_as_the_dearest() {
    let params = |memory, passes| Params::new(memory, passes, 1, Some(32)).expect("parameters");
    let salt = [3; 16];
    let hash = |params: &Params| print(params, &salt, &[0; 32]);
    let dearest = Arc::new(AtomicU64::new(work(&params(32, 5))));
    let mut slot = Slot::new(params(32, 5), Arc::clone(&dearest));
    let mut costs = Vec::new();
    // Cheaper by passes, by memory, and by a little of both; as set now; and more expensive, twice.
    let kept = [
        (32, 2),
        (16, 1),
        (31, 5),
        (32, 5),
        (48, 7),
        (32, 5),
        (32, 2),
    ];
    for (memory, passes) in kept {
        let before = slot.worked;
        slot.compare(b"a password", &hash(&params(memory, passes)))
            .expect("compared");
        costs.push(slot.worked - before);
    }
    assert_eq!(
        costs[..4],
        [160, 160, 155, 160],
        "less than 8 KiB is not made up"
    );
    assert_eq!(costs[4..], [336; 3], "from the first dear one on");
}

#[tokio::test]
async fn what_is_learnt_at_the_start_raises_the_cost() {
    let hasher = hasher(|_| ());
    assert_eq!(hasher.pool.dearest.load(Ordering::Relaxed), 2 * 19_456);
    hasher.learn(["m=19456,t=1,p=1", "m=20000,t=3,p=1", "nonsense", "m=,t=1"]);
    assert_eq!(hasher.pool.dearest.load(Ordering::Relaxed), 60_000);
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
    let right = PasswordVerdict::Right { outdated: false };
    let decomposed = secret("zoe\u{308} likes correct horses");
    assert_eq!(verdict(&hasher, decomposed, &hash).await, right);
    for wrong in [
        "",
        "Zo\u{eb} likes correct horses",
        "zo\u{eb} likes correct horse",
    ] {
        let verified = verdict(&hasher, secret(wrong), &hash).await;
        assert_eq!(verified, PasswordVerdict::Wrong);
    }
    let decoy = verdict(&hasher, secret(password), &hasher.decoy()).await;
    assert_eq!(decoy, PasswordVerdict::Wrong);

    let stronger = self::hasher(|settings| settings.argon2_memory_kib = 20_000);
    let outdated = PasswordVerdict::Right { outdated: true };
    assert_eq!(verdict(&stronger, secret(password), &hash).await, outdated);
    let strong = stronger
        .hash(secret(password), [4; 16])
        .await
        .expect("hashed");
    // A hash with more memory than is set now (the setting was lowered) still works.
    assert_eq!(verdict(&hasher, secret(password), &strong).await, outdated);
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
        let verified = verdict(&hasher, secret(&other), &hash).await;
        assert_eq!(verified, PasswordVerdict::Wrong, "{index}");
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
            .compare(secret("x"), PasswordHash::new(bad.to_owned()))
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
    let stronger = hasher(|settings| {
        settings.argon2_memory_kib = 65_536;
        settings.argon2_iterations = 3;
    });
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
