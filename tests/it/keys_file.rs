//! The key file under a running server, and the files with sealed content: which replacements are
//! accepted and which refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use contract_tests::{Server, tests};
use countersign::app::App;
use countersign::chance::Chance;
use countersign::config::Settings;

tests! {
    a_foreign_key_file_is_not_taken_over_by_a_running_server,
    a_key_that_was_added_is_taken_over_by_a_running_server,
    after_a_rotation_the_older_key_file_is_refused,
    a_database_that_others_can_read_is_refused,
    a_key_file_may_begin_with_a_byte_order_mark,
}

/// Replaces a file as an operator should: in one step, and private.
fn replace(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, text).expect("written");
    fs::set_permissions(&draft, Permissions::from_mode(0o600)).expect("private");
    fs::rename(&draft, path).expect("replaced");
}

/// Returns the key file of another server.
async fn foreign(server: &Server) -> String {
    let other = tempfile::TempDir::new().expect("a folder");
    let settings = Settings::for_test(other.path()).expect("settings");
    App::open(settings, server.clock.clone(), Chance::seeded(77))
        .await
        .expect("another server");
    fs::read_to_string(other.path().join("keys.json")).expect("its keys")
}

/// Returns the result of a start on the data of this server.
async fn start_again(server: &Server) -> Result<App, String> {
    let mut settings = Settings::for_test(server.folder()).expect("settings");
    settings.database_url = server.database.url();
    let opened = App::open(settings, server.clock.clone(), Chance::seeded(78)).await;
    opened.map_err(|error| format!("{error:#}"))
}

async fn a_key_file_may_begin_with_a_byte_order_mark() {
    let server = Server::start().await;
    let keys = server.folder().join("keys.json");
    let right = fs::read_to_string(&keys).expect("the keys");
    replace(&keys, &format!("\u{feff}{right}"));
    let opened = start_again(&server).await;
    assert!(opened.is_ok(), "{:?}", opened.err());
}

async fn a_foreign_key_file_is_not_taken_over_by_a_running_server() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let keys = server.folder().join("keys.json");
    let right = fs::read_to_string(&keys).expect("the keys");
    let published = server.get("/.well-known/jwks.json").await.is(200).text;
    replace(&keys, &foreign(&server).await);
    // The server checks the file as well. Only the first check sees the change.
    let looked = server.app.ctx().vault.reload_if_changed();
    assert!(!matches!(looked, Ok(true)), "taken over");

    alice.me().await.is(200);
    assert_eq!(
        server.get("/.well-known/jwks.json").await.is(200).text,
        published
    );
    alice.sign_in().await;
    let mut bob = server.registered("bob@example.com").await;
    bob.enable_authenticator().await;

    replace(&keys, &right);
    server
        .app
        .ctx()
        .vault
        .reload_if_changed()
        .expect("the right keys");
    let server = server.restarted().await;
    for person in [&mut alice, &mut bob] {
        person.server = server.clone();
        server.wait(30);
        person.sign_in().await;
    }
}

async fn a_key_that_was_added_is_taken_over_by_a_running_server() {
    let server = Server::start().await;
    let operator = start_again(&server).await.expect("the operator's program");
    let added = operator
        .ctx()
        .vault
        .rotate_signing(server.clock.now())
        .expect("rotated");
    // The server checks the file as well. Only one of the two sees the change.
    server
        .app
        .ctx()
        .vault
        .reload_if_changed()
        .expect("reloaded");
    assert!(
        server
            .get("/.well-known/jwks.json")
            .await
            .is(200)
            .text
            .contains(&added.id)
    );
}

async fn after_a_rotation_the_older_key_file_is_refused() {
    let server = Server::start().await;
    let keys = server.folder().join("keys.json");
    let older = fs::read_to_string(&keys).expect("the keys");
    let operator = start_again(&server).await.expect("the operator's program");
    let added = operator
        .ctx()
        .vault
        .rotate_sealing(server.clock.now())
        .expect("rotated");
    operator.check_keys().await.expect("known from now on");
    let newer = fs::read_to_string(&keys).expect("the keys");
    replace(&keys, &older);
    let line = start_again(&server)
        .await
        .err()
        .expect("what the new key sealed would be lost");
    assert!(line.contains(&added.id), "{line}");
    replace(&keys, &newer);
    start_again(&server).await.expect("the right keys");
}

async fn a_database_that_others_can_read_is_refused() {
    let server = Server::start().await;
    let Some(file) = server.database.file() else {
        return;
    };
    server.stop().await;
    fs::set_permissions(file, Permissions::from_mode(0o644)).expect("set");
    let line = start_again(&server).await.err().expect("refused");
    assert!(
        line.contains("countersign.db") && line.contains("0644") && line.contains("chmod 600"),
        "{line}"
    );
    fs::set_permissions(file, Permissions::from_mode(0o600)).expect("set");
    start_again(&server).await.expect("private again");
}
