//! Tests of the vault: sealed rows, the key file, and rotation.

mod reload;
mod tokens;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{AccessClaims, Place, TokenFlaw, Vault, digest, same};
use crate::chance::Chance;
use crate::config::{Settings, SigningAlgorithm};
use crate::model::Time;
use crate::model::ids::Id;
use countersign_base::clock::Clock;

const NOW: Time = Time::from_seconds(1_800_000_000);

/// A folder for one test, deleted at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "countersign-vault-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self, algorithm: SigningAlgorithm, seed: u64) -> anyhow::Result<Vault> {
        let mut settings = Settings::for_test(&self.0)?;
        settings.signing_algorithm = algorithm;
        Vault::open(&settings, &Clock::held(NOW), &Chance::seeded(seed))
    }

    fn vault(&self) -> Vault {
        self.open(SigningAlgorithm::EdDsa, 1).expect("a vault")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn claims(vault: &Vault, at: Time) -> AccessClaims {
    AccessClaims {
        iss: vault.issuer().to_owned(),
        aud: vault.issuer().to_owned(),
        sub: "user-1".to_owned(),
        client_id: "countersign".to_owned(),
        exp: at.seconds() + 900,
        iat: at.seconds(),
        nbf: None,
        jti: "1".to_owned(),
        auth_time: at.seconds(),
        acr: "aal1".to_owned(),
        amr: vec!["pwd".to_owned()],
        sid: "session-1".to_owned(),
    }
}

fn token(vault: &Vault, at: Time) -> String {
    vault
        .sign(&claims(vault, at))
        .expect("signed")
        .expose()
        .clone()
}

#[test]
fn keyed_hashes_keep_parts_and_domains_apart() {
    let folder = Folder::new();
    let vault = folder.vault();
    let one = vault.keyed_hash("code", &[b"ab", b"c"]);
    assert_eq!(one, folder.vault().keyed_hash("code", &[b"ab", b"c"]));
    assert_ne!(one, vault.keyed_hash("code", &[b"a", b"bc"]));
    assert_ne!(one, vault.keyed_hash("code", &[b"abc"]));
    assert_ne!(one, vault.keyed_hash("source", &[b"ab", b"c"]));
    assert_ne!(
        one,
        Folder::new()
            .open(SigningAlgorithm::EdDsa, 2)
            .expect("a vault")
            .keyed_hash("code", &[b"ab", b"c"])
    );
    assert!(same(&one, &one) && !same(&one, &one[1..]) && !same(&digest(b"a"), &digest(b"b")));
}

#[test]
fn a_sealed_value_opens_in_its_row_only() {
    let folder = Folder::new();
    let vault = folder.vault();
    let (user, row) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let place = Place::factor_secret(Id::new(user), Id::new(row));
    let sealed = vault.seal(&place, [9; 24], b"secret").expect("sealed");
    assert!(!sealed.windows(6).any(|part| part == b"secret"));
    assert_eq!(
        vault.unseal(&place, &sealed).expect("opened").expose(),
        b"secret"
    );
    for other in [
        Place::factor_secret(Id::new(user), Id::new(user)),
        Place::factor_secret(Id::new(row), Id::new(row)),
        Place::letter(Id::new(user), Id::new(row)),
    ] {
        assert!(vault.unseal(&other, &sealed).is_err());
    }
    for index in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[index] ^= 1;
        assert!(vault.unseal(&place, &changed).is_err(), "byte {index}");
        assert!(vault.unseal(&place, &sealed[..index]).is_err());
    }
}

#[test]
fn a_wrong_ring_is_noticed() {
    let (right, wrong) = (Folder::new(), Folder::new());
    let vault = right.vault();
    let other = wrong.open(SigningAlgorithm::EdDsa, 2).expect("a vault");
    let canaries = vault.canaries().expect("canaries");
    assert_eq!(canaries.len(), 1);
    for canary in &canaries {
        vault
            .check_canary(&canary.key_id, &canary.sealed)
            .expect("right");
        let line = other
            .check_canary(&canary.key_id, &canary.sealed)
            .expect_err("wrong");
        assert!(line.to_string().contains("keys.json"));
        let mut moved: Value =
            serde_json::from_str(&fs::read_to_string(right.0.join("keys.json")).expect("read"))
                .expect("JSON");
        moved["hash_key"] = json!(base64::engine::general_purpose::STANDARD.encode([7; 32]));
        fs::write(right.0.join("keys.json"), moved.to_string()).expect("written");
        assert!(
            right
                .vault()
                .check_canary(&canary.key_id, &canary.sealed)
                .is_err(),
            "another hash key"
        );
    }
}

#[cfg(unix)]
#[test]
fn the_key_file_is_private_or_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.vault();
    let path = folder.0.join("keys.json");
    let mode = |path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&folder.0)), (0o600, 0o700));
    assert_eq!(
        fs::read_dir(&folder.0).expect("there").count(),
        1,
        "no draft is left"
    );
    for (wide, shown) in [(0o604, "0604"), (0o666, "0666"), (0o602, "0602")] {
        fs::set_permissions(&path, fs::Permissions::from_mode(wide)).expect("set");
        let line = format!(
            "{:#}",
            folder
                .open(SigningAlgorithm::EdDsa, 1)
                .err()
                .expect("refused")
        );
        assert!(
            line.contains(shown) && line.contains("chmod 600") && !line.contains('\n'),
            "{line}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_group_may_read_the_key_file_and_goes_on_reading_it_after_a_rotation() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.vault();
    let path = folder.0.join("keys.json");
    for (wide, seed) in [(0o640, 2), (0o660, 3)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(wide)).expect("set");
        let vault = folder.open(SigningAlgorithm::EdDsa, seed);
        let vault = vault.expect("a vault");
        vault.rotate_sealing(NOW).expect("rotated");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, wide);
    }
}

#[test]
fn what_killed_changes_left_is_removed() {
    let folder = Folder::new();
    let vault = folder.vault();
    let leave = || {
        for name in ["keys.json.4711-0123456789abcdef.new", "keys.json.1-a.new"] {
            fs::write(folder.0.join(name), "{}").expect("written");
        }
    };
    let names = || {
        let entries = fs::read_dir(&folder.0).expect("there");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("there")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    };
    // Files with other names are not drafts, and must stay.
    for name in ["keys.json.of-2025", "keys.json.backup-1.new", "other-1.new"] {
        fs::write(folder.0.join(name), "{}").expect("written");
    }
    let kept = names();
    leave();
    folder.vault();
    assert_eq!(names(), kept, "by a start");
    leave();
    vault.rotate_sealing(NOW).expect("rotated");
    assert_eq!(names(), kept, "by the next change");
    leave();
    vault.sweep();
    assert_eq!(names(), kept, "by a server that runs");
}

#[test]
fn a_retired_key_is_gone_from_every_server_and_the_ring_is_still_known() {
    let folder = Folder::new();
    let (vault, replica) = (folder.vault(), folder.vault());
    let place = Place::letter(Id::new(Uuid::from_u128(1)), Id::new(Uuid::from_u128(2)));
    let before = vault.seal(&place, [1; 24], b"old").expect("sealed");
    assert!(vault.older_sealing().0.is_empty(), "the newest seals");
    let first = vault.canaries().expect("canaries")[0].key_id.clone();
    assert!(vault.retire_sealing(&first, NOW).is_err());
    vault.rotate_sealing(NOW).expect("rotated");
    let (older, since) = vault.older_sealing();
    assert_eq!((older, since), (vec![first.clone()], NOW.plus_seconds(20)));

    let anew = vault.reseal(&place, &before).expect("opened");
    let anew = anew.expect("an older key sealed it");
    assert_eq!(vault.reseal(&place, &anew).expect("opened"), None);
    vault.retire_sealing(&first, NOW).expect("retired");
    assert!(
        replica
            .reload_if_changed()
            .expect("a later state of the ring")
    );
    for vault in [&vault, &replica, &folder.vault()] {
        assert!(vault.is_retired(&first));
        assert!(vault.unseal(&place, &before).is_err());
        assert_eq!(
            vault.unseal(&place, &anew).expect("opened").expose(),
            b"old"
        );
        assert_eq!(vault.canaries().expect("canaries").len(), 1);
    }
}

#[test]
fn a_broken_key_file_is_refused_without_showing_it() {
    let folder = Folder::new();
    folder.vault();
    let path = folder.0.join("keys.json");
    for broken in [
        "{",
        "{\"version\": 1, \"hash_key\": \"c2VjcmV0\", \"sealing\": [], \"signing\": []}",
        "{\"version\": \"c2VjcmV0\"}",
    ] {
        fs::write(&path, broken).expect("written");
        let line = format!(
            "{:#}",
            folder
                .open(SigningAlgorithm::EdDsa, 1)
                .err()
                .expect("refused")
        );
        assert!(
            line.contains("keys.json") && !line.contains("c2VjcmV0") && !line.contains('\n'),
            "{line}"
        );
    }
}

#[test]
fn of_many_first_starts_one_ring_remains() {
    let folder = Folder::new();
    let folder_of = &folder;
    let vaults: Vec<Vault> = std::thread::scope(|scope| {
        let start = |seed| scope.spawn(move || folder_of.open(SigningAlgorithm::EdDsa, seed));
        let starts: Vec<_> = (0..8).map(start).collect();
        let opened = starts.into_iter().map(|start| start.join());
        opened
            .map(|vault| vault.expect("no panic").expect("a vault"))
            .collect()
    });
    let hash = |vault: &Vault| vault.keyed_hash("x", &[]);
    assert!(vaults.iter().all(|vault| hash(vault) == hash(&vaults[0])));
}

#[test]
fn a_new_signing_key_is_published_before_it_signs_and_the_old_one_until_its_tokens_are_over() {
    let folder = Folder::new();
    let (vault, replica) = (folder.vault(), folder.vault());
    let old = vault.jwks(NOW)[0].kid.clone();
    let added = vault.rotate_signing(NOW).expect("rotated");
    assert_eq!(added.from, NOW.plus_seconds(900 + 600));
    assert!(replica.reload_if_changed().expect("reloaded"));
    assert!(!replica.reload_if_changed().expect("unchanged"));
    let kids = |at: i64| -> Vec<String> {
        replica
            .jwks(NOW.plus_seconds(at))
            .into_iter()
            .map(|key| key.kid)
            .collect()
    };
    let signs = |at: i64| {
        let time = NOW.plus_seconds(at);
        let token = token(&vault, time);
        assert!(replica.verify(&token, time).is_ok(), "{at}");
        jsonwebtoken::decode_header(&token)
            .expect("a header")
            .kid
            .expect("a kid")
    };
    assert_eq!(
        (kids(0), signs(0)),
        (vec![old.clone(), added.id.clone()], old.clone())
    );
    assert_eq!(signs(1499), old);
    assert_eq!(
        (kids(1500), signs(1500)),
        (vec![old.clone(), added.id.clone()], added.id.clone())
    );
    let last = token(&vault, NOW.plus_seconds(1499));
    assert!(replica.verify(&last, NOW.plus_seconds(1499 + 909)).is_ok());
    assert_eq!(
        (kids(1500 + 909), kids(1500 + 910)),
        (vec![old, added.id.clone()], vec![added.id])
    );
    vault
        .rotate_signing(NOW.plus_seconds(5_000))
        .expect("rotated");
    assert_eq!(
        fs::read_to_string(folder.0.join("keys.json"))
            .expect("read")
            .matches("EdDSA")
            .count(),
        2
    );
}

#[test]
fn revoking_kills_every_token_at_once() {
    let folder = Folder::new();
    let (vault, replica) = (folder.vault(), folder.vault());
    let before = token(&vault, NOW);
    vault.revoke_signing(NOW).expect("rotated");
    assert!(replica.reload_if_changed().expect("reloaded"));
    assert_eq!(replica.verify(&before, NOW), Err(TokenFlaw::Invalid));
    assert!(replica.verify(&token(&vault, NOW), NOW).is_ok());
}

#[test]
fn a_new_sealing_key_seals_at_once_and_old_ones_go_on_opening() {
    let folder = Folder::new();
    let (vault, replica) = (folder.vault(), folder.vault());
    let place = Place::letter(Id::new(Uuid::from_u128(1)), Id::new(Uuid::from_u128(2)));
    let before = vault.seal(&place, [1; 24], b"old").expect("sealed");
    let hash = vault.keyed_hash("x", &[]);
    let added = vault.rotate_sealing(NOW).expect("rotated");
    let after = vault.seal(&place, [2; 24], b"new").expect("sealed");
    assert_eq!(&after[2..2 + added.id.len()], added.id.as_bytes());
    // The replica has not read the file again. It does so when it meets the unknown key.
    assert_eq!(
        replica.unseal(&place, &after).expect("opened").expose(),
        b"new"
    );
    assert_eq!(
        replica.unseal(&place, &before).expect("opened").expose(),
        b"old"
    );
    assert_eq!(
        (
            vault.canaries().expect("canaries").len(),
            vault.keyed_hash("x", &[])
        ),
        (2, hash)
    );
}
