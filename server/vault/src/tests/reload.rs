//! Tests of a key file that changes while it is in use: what is accepted, what is refused, and how often that
//! is logged.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Folder, NOW, claims, token};
use crate::config::SigningAlgorithm;
use crate::model::ids::Id;
use crate::{Place, Vault};

fn refused(vault: &Vault) -> String {
    let error = vault.reload_if_changed().expect_err("refused");
    assert!(
        !vault.reload_if_changed().expect("known"),
        "told once, not at every look"
    );
    format!("{error:#}")
}

/// Replaces the key file as an operator would: as a whole, and private.
fn replace(folder: &Folder, text: &str) {
    let path = folder.0.join("keys.json");
    let draft = folder.0.join("keys.json.draft");
    fs::copy(&path, &draft)
        .or_else(|_| fs::copy(folder.0.join("kept"), &draft))
        .expect("a draft with the mode of the file");
    fs::write(&draft, text).expect("written");
    fs::rename(&draft, &path).expect("replaced");
}

#[test]
fn a_foreign_ring_is_not_taken_over() {
    let (folder, other) = (Folder::new(), Folder::new());
    let vault = folder.vault();
    other.open(SigningAlgorithm::EdDsa, 2).expect("a vault");
    let path = folder.0.join("keys.json");
    let right = fs::read_to_string(&path).expect("read");
    let foreign = fs::read_to_string(other.0.join("keys.json")).expect("read");
    let place = Place::letter(Id::new(Uuid::from_u128(1)), Id::new(Uuid::from_u128(2)));
    let sealed = vault.seal(&place, [1; 24], b"before").expect("sealed");
    let hash = vault.keyed_hash("x", &[]);
    let before = token(&vault, NOW);

    let changed = |change: &dyn Fn(&mut Value)| {
        let mut ring: Value = serde_json::from_str(&right).expect("JSON");
        change(&mut ring);
        ring.to_string()
    };
    let weak = json!(STANDARD.encode([7; 32]));
    for wrong in [
        foreign,
        changed(&|ring| ring["hash_key"] = weak.clone()),
        changed(&|ring| ring["sealing"][0]["key"] = weak.clone()),
        changed(&|ring| ring["sealing"][0]["id"] = json!("seal-0")),
        changed(&|ring| {
            let mut twin = ring["sealing"][0].clone();
            twin["key"] = weak.clone();
            ring["sealing"].as_array_mut().expect("a list").push(twin);
        }),
    ] {
        replace(&folder, &wrong);
        let line = refused(&vault);
        assert!(
            line.contains("keys.json") && line.contains("seal-"),
            "{line}"
        );
        assert_eq!(vault.keyed_hash("x", &[]), hash);
        assert!(vault.verify(&before, NOW).is_ok());
        let during = vault.seal(&place, [2; 24], b"during").expect("sealed");
        assert_eq!(&sealed[..12], &during[..12], "the same key seals");
        assert!(
            vault.rotate_sealing(NOW).is_err(),
            "nothing is added to it unseen"
        );
    }
    replace(&folder, &right);
    assert!(vault.reload_if_changed().expect("the right one"));
    assert!(vault.verify(&before, NOW).is_ok());
    assert_eq!(
        vault.unseal(&place, &sealed).expect("opened").expose(),
        b"before"
    );
    vault.sign(&claims(&vault, NOW)).expect("signed");
}

#[test]
fn an_older_state_of_the_ring_is_not_taken_over() {
    let folder = Folder::new();
    let (vault, replica) = (folder.vault(), folder.vault());
    let older = fs::read_to_string(folder.0.join("keys.json")).expect("read");
    vault.rotate_sealing(NOW).expect("rotated");
    assert!(replica.reload_if_changed().expect("a key was added"));
    replace(&folder, &older);
    for vault in [vault, replica] {
        refused(&vault);
        assert_eq!(vault.canaries().expect("canaries").len(), 2);
    }
}

#[test]
fn a_file_that_is_gone_or_broken_is_told_once_and_taken_when_it_is_back() {
    let folder = Folder::new();
    let vault = folder.vault();
    let path = folder.0.join("keys.json");
    let kept = folder.0.join("kept");
    fs::rename(&path, &kept).expect("moved");
    assert!(refused(&vault).contains("keys.json"));
    replace(&folder, "{");
    refused(&vault);
    fs::rename(&kept, &path).expect("back");
    assert!(vault.reload_if_changed().expect("reloaded"));
    assert!(!vault.reload_if_changed().expect("unchanged"));
}

#[cfg(unix)]
#[test]
fn a_file_made_private_again_is_taken() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let vault = folder.vault();
    let set = |mode| {
        fs::set_permissions(folder.0.join("keys.json"), fs::Permissions::from_mode(mode))
            .expect("set");
    };
    set(0o644);
    assert!(refused(&vault).contains("0644"));
    set(0o600);
    assert!(vault.reload_if_changed().expect("reloaded"));
}

#[cfg(unix)]
#[test]
fn a_rotation_replaces_what_a_link_points_to() {
    use std::os::unix::fs::PermissionsExt;
    let (real, linked) = (Folder::new(), Folder::new());
    let replica = real.vault();
    fs::create_dir_all(&linked.0).expect("a folder");
    let link = linked.0.join("keys.json");
    std::os::unix::fs::symlink(real.0.join("keys.json"), &link).expect("a link");
    let vault = linked.open(SigningAlgorithm::EdDsa, 2).expect("a vault");
    let added = vault.rotate_sealing(NOW).expect("rotated");
    assert!(
        fs::symlink_metadata(&link).expect("there").is_symlink(),
        "the link stays"
    );
    assert!(replica.reload_if_changed().expect("reloaded"));
    let canaries = replica.canaries().expect("canaries");
    assert!(canaries.iter().any(|canary| canary.key_id == added.id));
    let mode = fs::metadata(&link).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(&linked.0).expect("there").count(), 1);
    assert_eq!(fs::read_dir(&real.0).expect("there").count(), 1);
}
