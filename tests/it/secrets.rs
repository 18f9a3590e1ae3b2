//! Secrets exist nowhere but with those they were given to: not in the database, in no log, in no
//! other answer.

use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract_tests::{PASSWORD, Server, json, logs, tests};
use data_encoding::{BASE32_NOPAD, HEXLOWER};

tests! {
    the_database_holds_no_secret_in_clear,
    the_log_tells_what_happened_and_neither_secrets_nor_addresses,
    what_clients_send_is_in_no_log_line,
    files_are_for_the_owner_alone,
    a_sealed_secret_is_bound_to_its_row,
    a_foreign_key_file_does_not_open_the_database,
}

/// Returns the whole content of the database as bytes.
fn everything(server: &Server) -> Vec<u8> {
    if let Some(file) = server.database.file() {
        let log = file.with_extension("db-wal");
        let mut bytes = std::fs::read(file).expect("the database");
        bytes.extend(std::fs::read(log).unwrap_or_default());
        return bytes;
    }
    let tables = "SELECT table_name::text AS found FROM information_schema.tables WHERE table_schema = 'public'";
    let tables = server.database.texts(tables);
    assert!(tables.len() > 10, "{tables:?}");
    let rows = tables.iter().flat_map(|table| {
        server
            .database
            .texts(&format!("SELECT t::text AS found FROM {table} t"))
    });
    rows.collect::<Vec<_>>().join("\n").into_bytes()
}

/// Returns the forms in which a secret could be stored.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.as_bytes().to_vec()];
    let random = secret.rsplit_once('_').map_or(secret, |(_, random)| random);
    let decoded = URL_SAFE_NO_PAD
        .decode(random)
        .ok()
        .filter(|bytes| bytes.len() == 64)
        .map(|bytes| bytes[32..].to_vec());
    let decoded = decoded.or_else(|| BASE32_NOPAD.decode(random.as_bytes()).ok());
    if let Some(bytes) = decoded {
        forms.push(HEXLOWER.encode(&bytes).into_bytes());
        forms.push(bytes);
    }
    forms
}

async fn the_database_holds_no_secret_in_clear() {
    let server = Server::start().await;
    let begun = server.register("alice@example.com").await.is(202);
    let code = server.mail.code_to("alice@example.com").await;
    let proved = server
        .prove(&begun.text("registrationToken"), &code)
        .await
        .is(201);
    let mut alice = contract_tests::Person::signed_in(&server, "alice@example.com", &proved);
    let mut secrets = vec![
        begun.text("registrationToken"),
        alice.access_token.clone(),
        alice.refresh_token.clone(),
    ];
    let setup = alice.begin_setup("authenticator").await.is(200);
    secrets.extend([
        setup.text("mfaToken"),
        setup.text("secret"),
        setup.text("otpauthUrl"),
    ]);
    alice.enable_authenticator().await;
    secrets.push(alice.authenticator.clone().expect("an app").secret);
    secrets.push(alice.begin_sign_in().await);
    alice.sign_in().await;
    alice.enable_email().await;
    let token = alice.begin_sign_in().await;
    server.switch(&token, "email").await.is(200);
    server
        .app
        .call(async |ctx| countersign::flow::operator::promote(ctx, "alice@example.com").await)
        .await
        .expect("promoted");
    secrets.extend([
        token,
        alice.api_key(&["users:read"]).await,
        PASSWORD.to_owned(),
        alice.access_token.clone(),
    ]);
    server.mail_is_out().await;

    let all = everything(&server);
    let holds = |form: &[u8]| all.windows(form.len()).any(|window| window == form);
    assert!(holds(b"alice@example.com"), "we look in the right place");
    for secret in secrets {
        for form in forms(&secret) {
            assert!(!holds(&form), "{secret} is in the database");
        }
    }
}

async fn the_log_tells_what_happened_and_neither_secrets_nor_addresses() {
    let server = Server::start().await;
    let address = "zelda.unmistakable@example.com";
    let mut zelda = server.registered(address).await;
    zelda.enable_authenticator().await;
    let signed_in = zelda.sign_in().await;
    server.mail_is_out().await;
    let id = signed_in["user"]["id"]
        .as_str()
        .and_then(|id| id.strip_prefix("user-"))
        .expect("an id")
        .to_owned();
    let told = logs::lines_with(&id);
    for event in ["registered", "factor_enabled", "signed_in"] {
        assert!(
            told.iter().any(|line| line.contains(event)),
            "{event}: {told:?}"
        );
    }
    assert_eq!(logs::lines_with("unmistakable"), Vec::<String>::new());
    assert_eq!(logs::lines_with(PASSWORD), Vec::<String>::new());
}

async fn what_clients_send_is_in_no_log_line() {
    let server = Server::start().await;
    let probe = "probe-6b1f";
    let body = json!({ "email": probe, "password": probe, "firstName": probe, probe: probe });
    server
        .post("/identity/register", &body)
        .await
        .refused(400, "VALIDATION");
    let body = json!({ "mfaToken": probe, "code": probe });
    server
        .verify_login(probe, probe)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    server
        .post("/identity/mfa/resend", &body)
        .await
        .refused(400, "VALIDATION");
    server
        .get(&format!("/identity/me?token={probe}"))
        .await
        .refused(401, "TOKEN_INVALID");
    server
        .get(&format!("/{probe}"))
        .await
        .refused(404, "NOT_FOUND");
    server
        .get("/identity/me")
        .bearer(probe)
        .header("User-Agent", probe)
        .await
        .refused(401, "TOKEN_INVALID");
    server
        .get("/identity/users")
        .key(probe)
        .await
        .refused(401, "API_KEY_INVALID");
    server
        .login(probe, probe)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    assert_eq!(logs::lines_with(probe), Vec::<String>::new());
}

async fn files_are_for_the_owner_alone() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    let mut seen = 0;
    for entry in std::fs::read_dir(server.folder()).expect("the folder") {
        let path = entry.expect("an entry").path();
        let mode = std::fs::metadata(&path)
            .expect("metadata")
            .permissions()
            .mode()
            & 0o777;
        assert!(
            matches!(mode, 0o600 | 0o700),
            "{}: {mode:o}",
            path.display()
        );
        seen += 1;
    }
    assert!(seen >= 1, "the key file at least");
}

async fn a_sealed_secret_is_bound_to_its_row() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let mut mallory = server.registered("mallory@example.com").await;
    mallory.enable_authenticator().await;
    // Somebody with write access to the database gives Alice's account Mallory's app.
    let theirs = "SELECT sealed_secret FROM factors WHERE user_id = (SELECT id FROM users WHERE email = 'mallory@example.com')";
    let of_alice = "user_id = (SELECT id FROM users WHERE email = 'alice@example.com')";
    server.database.run(&format!(
        "UPDATE factors SET sealed_secret = ({theirs}) WHERE {of_alice}"
    ));
    let token = alice.begin_sign_in().await;
    let code = mallory.fresh_code();
    server
        .verify_login(&token, &code)
        .await
        .refused(500, "INTERNAL");
}

async fn a_foreign_key_file_does_not_open_the_database() {
    use countersign::app::App;
    use countersign::chance::Chance;
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let other = tempfile::TempDir::new().expect("a folder");
    let mut settings = countersign::config::Settings::for_test(other.path()).expect("settings");
    settings.database_url = server.database.url();
    let opened = App::open(settings, server.clock.clone(), Chance::seeded(1)).await;
    let error = opened
        .err()
        .expect("a server without the right keys does not start")
        .to_string();
    assert!(error.contains("key"), "{error}");
}
