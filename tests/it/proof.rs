//! Only fresh proof changes who can sign in: a thief tries every operation of every API with a
//! stale session.

use std::collections::{BTreeMap, BTreeSet};

use contract_tests::contract::{Contract, Operation};
use contract_tests::{Authenticator, PASSWORD, Person, Server, Value, json, tests};

use super::held::without_limits;
use super::veeam::{self, OTHER_PASSWORD};
use super::walk::{bodies, call_at, credential};
use super::{flashback, netevia};

tests! {
    a_stale_session_changes_nothing_about_who_can_sign_in,
    a_first_method_takes_the_password_through_every_api,
    what_was_turned_off_does_not_come_back_without_proof,
    a_method_added_since_steps_no_older_session_up,
    a_passkey_added_since_steps_no_older_session_up,
    a_mailbox_added_since_steps_no_older_session_up,
    recovery_codes_made_since_step_no_older_session_up,
    what_one_session_began_no_other_finishes,
    a_set_up_elsewhere_goes_on,
    what_one_session_begins_ends_nothing_of_anothers,
}

/// Operations that take a session, change something, and need no fresh proof, with the reason.
const NO_DOORS: [(&str, &str); 24] = [
    ("identity updateCurrentUser", "changes names, and no door"),
    (
        "identity endSession",
        "closes one of the caller's own doors",
    ),
    (
        "identity endOtherSessions",
        "closes the caller's own doors, and its owner can sign in again",
    ),
    ("identity logout", "ends the caller's own session"),
    ("flashback logout", "ends the caller's own session"),
    ("veeam logout", "ends the caller's own session"),
    (
        "identity resendMfaCode",
        "sends what a challenge waits for to where it was sent before",
    ),
    ("identity verifyMfaSetup", "finishes what fresh proof began"),
    (
        "identity verifyEmailChange",
        "finishes what fresh proof began",
    ),
    (
        "identity verifyPasskeySetup",
        "finishes what fresh proof began",
    ),
    (
        "flashback verifyMfaSetup",
        "finishes what fresh proof began",
    ),
    (
        "netevia sendVerificationCode",
        "sends a code to the account's own proved channel",
    ),
    (
        "identity disableMfa",
        "takes the password, and a code of the method",
    ),
    ("identity beginStepUp", "is how fresh proof is given"),
    ("identity verifyStepUp", "is how fresh proof is given"),
    (
        "identity verifyPasskeyStepUp",
        "is how fresh proof is given",
    ),
    (
        "identity verifyMfaDisable",
        "finishes what the password began",
    ),
    (
        "netevia checkVerificationCode",
        "finishes what fresh proof began",
    ),
    (
        "flashback completePasskeyRegistration",
        "finishes what fresh proof began",
    ),
    (
        "flashback completePasskeyRegistrationAlias",
        "finishes what fresh proof began",
    ),
    ("veeam acceptMfa", "finishes what fresh proof began"),
    ("veeam acceptMfaV81", "finishes what fresh proof began"),
    ("identity validateToken", "changes nothing"),
    (
        "flashback sendMagicLink",
        "sends a link to the account's own proved mailbox",
    ),
];

/// The state of the accounts in a thief's walk.
#[derive(Clone, Copy, Debug)]
enum Stand {
    /// No method.
    Nothing,
    /// An app that sign-in asks for.
    On,
    /// An app that was proved and that sign-in does not ask for.
    Ready,
}

/// Returns everything in the database that decides who can sign in.
fn doors(server: &Server) -> Vec<String> {
    let queries = [
        "SELECT email || password_hash || role || coalesce(description, '') AS found FROM users ORDER BY 1",
        "SELECT kind || state || coalesce(name, '') || coalesce(target, '') || CAST(is_primary AS text) AS found
            FROM factors WHERE state <> 'pending' ORDER BY 1",
        "SELECT kind || CAST(created_at AS text) AS found FROM code_sets
            WHERE live_at IS NOT NULL AND ended_at IS NULL ORDER BY 1",
        "SELECT name AS found FROM api_keys ORDER BY 1",
        "SELECT name || CAST(mfa_enforced AS text) AS found FROM organisations ORDER BY 1",
        "SELECT amr || CAST(coalesce(proved_at, 0) AS text) || CAST(coalesce(second_step_at, 0) AS text) AS found
            FROM sessions ORDER BY 1",
    ];
    queries
        .iter()
        .flat_map(|sql| server.database.texts(sql))
        .collect()
}

/// Returns a signed-in administrator and owner whose account has this state, and the number of the
/// account.
async fn thiefs_victim(server: &Server, stand: Stand) -> (Person, i64) {
    let email = "root@example.com";
    flashback::Client::registered(server, email, Some("Acme")).await;
    let sql = format!("UPDATE users SET role = 'administrator' WHERE email = '{email}'");
    server.database.run(&sql);
    let login = server.login(email, PASSWORD).await.is(200);
    let mut root = Person::signed_in(server, email, &login);
    if !matches!(stand, Stand::Nothing) {
        root.enable_authenticator().await;
        root.sign_in().await;
        root.recovery_codes().await;
    }
    if matches!(stand, Stand::Ready) {
        root.post("/mfa/disable", &json!({ "mfaType": "GOOGLE_AUTH" }))
            .await
            .is(200);
    }
    let number = veeam::number(&root).await;
    (root, number)
}

/// Returns the values that a thief would set.
fn wishes(root: &Person, id: &str) -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        // A new password. The thief does not know the old one.
        ("password", json!(OTHER_PASSWORD)),
        ("oldPassword", json!("a guess of the old one")),
        ("newPassword", json!(OTHER_PASSWORD)),
        ("description", json!("mine")),
        ("name", json!("mine")),
        ("scopes", json!(["users:read"])),
        ("phoneNumber", json!("+12025550123")),
        ("email", json!(root.email)),
        ("recreate", json!(true)),
        ("enforced", json!(true)),
        ("resetUserId", json!(id)),
        ("code", json!("000000")),
        ("mfa_code", json!("000000")),
        ("token", json!("mfa_AAAA")),
        ("mfaToken", json!("mfa_AAAA")),
        ("credential", credential()),
        ("title", json!("mine")),
    ])
}

async fn a_stale_session_changes_nothing_about_who_can_sign_in() {
    let mut asked_for_proof = BTreeSet::new();
    for stand in [Stand::Nothing, Stand::On, Stand::Ready] {
        let server = Server::with(without_limits).await;
        let (root, number) = thiefs_victim(&server, stand).await;
        let bob = server.registered("bob@example.com").await;
        let other = veeam::number(&bob).await;
        let own_id = root.me().await.is(200).text("id");
        let other_id = bob.me().await.is(200).text("id");
        let key = "api-key-01a2039c-3aa0-7254-8329-a92850f6d539";
        let factor = match stand {
            Stand::Nothing => "factor-01a2039d-1b20-7c44-9e0a-3f6f8a1d2c5b".to_owned(),
            Stand::On | Stand::Ready => root.factor_id("authenticator").await,
        };
        server.clock.advance(601);
        let before = doors(&server);
        let changing = Contract::get()
            .operations
            .iter()
            .filter(|operation| operation.security.bearer && operation.method != "GET")
            .filter(|operation| !operation.id.eq("logout"));
        for operation in changing {
            for (whom, id) in [(number, &own_id), (other, &other_id)] {
                let known = wishes(&root, id);
                let of_path = match operation.api {
                    "identity" => key.to_owned(),
                    _ => whom.to_string(),
                };
                let path = operation
                    .path
                    .replace("{factorId}", &factor)
                    .replace("{id}", &of_path)
                    .replace("{profileId}", &of_path);
                for body in bodies(operation, &known) {
                    let call = call_at(&server, operation, &path, &body);
                    let answer = call.bearer(&root.access_token).await;
                    let place = format!("{stand:?}: {} {body}", operation.name());
                    assert!(answer.status < 500, "{place}: {}", answer.text);
                    if answer["code"] == "INSUFFICIENT_USER_AUTHENTICATION" {
                        asked_for_proof.insert(operation.name());
                    }
                    assert_eq!(doors(&server), before, "{place}: {}", answer.text);
                }
            }
        }
        root.me().await.is(200);
        // The thief guessed at the old password, from the same network.
        server.clock.advance(2);
        assert_eq!(
            root.login().await.is(200)["mfaRequired"] == true,
            matches!(stand, Stand::On)
        );
    }
    judge_list(&asked_for_proof);
}

/// Asserts that every operation that takes a session and changes something either asked for fresh
/// proof or is in the list of those that need none.
fn judge_list(asked: &BTreeSet<String>) {
    let excused: BTreeSet<&str> = NO_DOORS.iter().map(|(name, _)| *name).collect();
    let changing = Contract::get()
        .operations
        .iter()
        .filter(|operation| operation.security.bearer && operation.method != "GET");
    let open: Vec<String> = changing
        .map(Operation::name)
        .filter(|name| !asked.contains(name) && !excused.contains(name.as_str()))
        .collect();
    assert!(open.is_empty(), "without fresh proof: {open:?}");
}

async fn a_first_method_takes_the_password_through_every_api() {
    let (server, _gateway) = netevia::with_texts().await;
    let mut alice = server.registered("alice@example.com").await;
    let own = veeam::number(&alice).await;
    let ways = |alice: &Person| {
        [
            alice.post("/mfa/setup", &json!({ "mfaType": "GOOGLE_AUTH" })),
            alice.post("/mfa/setup", &json!({ "mfaType": "MAGIC_LINK" })),
            alice.post("/mfa/setup", &json!({ "mfaType": "PASSKEY" })),
            alice.post("/settings/MfaSignIn", &json!({ "mfaMethod": "email" })),
            alice.post(
                "/settings/MfaSignIn",
                &json!({ "mfaMethod": "authenticator" }),
            ),
            alice.post(
                "/settings/MfaSignIn",
                &json!({ "mfaMethod": "sms", "phoneNumber": "+12025550123" }),
            ),
            alice.post("/settings/MfaSignIn", &json!({})),
            veeam::enable(alice, own, &json!(false)),
        ]
    };
    // The password was typed to register, and that proof has expired.
    server.clock.advance(301);
    for way in ways(&alice) {
        way.await.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    }
    server.mail_is_out().await;
    assert_eq!(
        server.mail.all_to(&alice.email).len(),
        1,
        "the first code alone"
    );
    // The native API takes the password with the call. It is fresh proof from then on.
    alice.begin_setup("authenticator").await.is(200);
    alice
        .post("/mfa/setup", &json!({ "mfaType": "GOOGLE_AUTH" }))
        .await
        .is(200);
    server.clock.advance(301);
    alice.sign_in().await;
    veeam::enabled(&mut alice).await;
}

async fn what_was_turned_off_does_not_come_back_without_proof() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    // The session of a phone that will be lost.
    let phone = alice.clone();
    alice.sign_in().await;
    let app = json!({ "mfaType": "GOOGLE_AUTH" });
    alice.post("/mfa/disable", &app).await.is(200);
    server.clock.advance(301);
    for way in [
        phone.post("/mfa/enable", &app),
        phone.post(
            "/settings/MfaSignIn",
            &json!({ "mfaMethod": "authenticator" }),
        ),
    ] {
        way.await.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    }
    alice.login().await.is(200).text("accessToken");
    alice.sign_in().await;
    alice.post("/mfa/enable", &app).await.is(200);
    assert_eq!(alice.login().await.is(200)["mfaRequired"], true);
}

/// Returns two sessions of a user with an app: an old one, and one with fresh proof.
async fn two_sessions(server: &Server) -> (Person, Person) {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let old = alice.clone();
    server.clock.advance(301);
    alice.sign_in().await;
    (old, alice)
}

async fn a_method_added_since_steps_no_older_session_up() {
    let server = Server::start().await;
    let (mut old, mut alice) = two_sessions(&server).await;
    let waiting = old.begin_step_up(&json!({})).await.is(200).text("mfaToken");
    alice.enable_email().await;
    old.begin_step_up(&json!({ "method": "email" }))
        .await
        .refused(403, "MFA_METHOD_TOO_NEW");
    // It can step up with a method that it had before, but not with one that was added since.
    let app = old.begin_step_up(&json!({})).await.is(200);
    assert_eq!(app["mfaMethods"], json!(["authenticator"]));
    // The session that added the method may use it.
    let own = alice.begin_step_up(&json!({ "method": "email" })).await;
    assert_eq!(own.is(200)["mfaMethods"], json!(["authenticator", "email"]));
    // When the first app is replaced by another one, no method is left that this session knows.
    let first = alice.factor_id("authenticator").await;
    let mut newer = alice.add_authenticator("newer").await;
    alice.remove(&first).await.is(204);
    old.begin_step_up(&json!({}))
        .await
        .refused(403, "MFA_METHOD_TOO_NEW");
    let code = newer.fresh_code(&server.clock);
    old.verify_step_up(&waiting, &code)
        .await
        .refused(403, "MFA_METHOD_TOO_NEW");
    old.authenticator = Some(newer);
    old.sign_in().await;
    old.step_up().await;
}

async fn a_passkey_added_since_steps_no_older_session_up() {
    let server = Server::start().await;
    let (old, alice) = two_sessions(&server).await;
    alice.add_passkey(&contract_tests::Device::new()).await;
    let first = alice.factor_id("passkey").await;
    // A session from before the second passkey, but after the first.
    let mut later = old;
    server.clock.advance(301);
    later.sign_in().await;
    server.clock.advance(301);
    let begun = later
        .begin_step_up(&json!({ "method": "passkey" }))
        .await
        .is(200);
    let mut alice = alice;
    alice.sign_in().await;
    alice.remove(&first).await.is(204);
    alice.add_passkey(&contract_tests::Device::new()).await;
    let body = json!({ "mfaToken": begun.text("mfaToken"), "credential": credential() });
    later
        .post("/identity/step-up/verify-passkey", &body)
        .await
        .refused(403, "MFA_METHOD_TOO_NEW");
}

async fn a_mailbox_added_since_steps_no_older_session_up() {
    let server = Server::start().await;
    let (old, mut alice) = two_sessions(&server).await;
    alice.enable_email().await;
    let app = alice.factor_id("authenticator").await;
    alice.remove(&app).await.is(204);
    // It is the only method now, and no policy demands another.
    old.begin_step_up(&json!({}))
        .await
        .refused(403, "MFA_METHOD_TOO_NEW");
    alice.begin_step_up(&json!({})).await.is(200);
}

async fn recovery_codes_made_since_step_no_older_session_up() {
    let server = Server::start().await;
    let (old, alice) = two_sessions(&server).await;
    // Started before and after: the codes are no proof in a session that existed before them.
    let before = old.begin_step_up(&json!({})).await.is(200).text("mfaToken");
    let codes = alice.recovery_codes().await;
    let after = old.begin_step_up(&json!({})).await.is(200).text("mfaToken");
    for token in [&before, &after] {
        old.verify_step_up(token, &codes[0])
            .await
            .refused(400, "INVALID_MFA_CODE");
    }
    // The session that made them may use them.
    let own = alice.begin_step_up(&json!({})).await.is(200);
    alice
        .verify_step_up(&own.text("mfaToken"), &codes[0])
        .await
        .is(200);
}

async fn what_one_session_began_no_other_finishes() {
    let server = Server::start().await;
    let (mut old, mut alice) = two_sessions(&server).await;
    let step_up = alice
        .begin_step_up(&json!({}))
        .await
        .is(200)
        .text("mfaToken");
    let code = alice.fresh_code();
    old.verify_step_up(&step_up, &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    alice.verify_step_up(&step_up, &code).await.is(200);

    let setup = alice.begin_setup("email").await.is(200).text("mfaToken");
    let code = server.mail.code_to(&alice.email).await;
    let body = json!({ "mfaToken": setup, "code": code });
    let by_old = old.post("/identity/mfa/setup/verify", &body).await;
    by_old.refused(400, "MFA_TOKEN_INVALID");
    alice
        .post("/identity/mfa/setup/verify", &body)
        .await
        .is(200);

    let disable = alice.begin_disable("authenticator").await.is(200);
    let body = json!({ "mfaToken": disable.text("mfaToken"), "code": alice.fresh_code() });
    let by_old = old.post("/identity/mfa/disable/verify", &body).await;
    by_old.refused(400, "MFA_TOKEN_INVALID");
    alice
        .post("/identity/mfa/disable/verify", &body)
        .await
        .is(200);
    old.access_token.clear();
}

async fn a_set_up_elsewhere_goes_on() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let begun = alice.begin_setup("authenticator").await.is(200);
    let mut app = Authenticator::new(&begun.text("secret"));
    // Another session of theirs starts the same, and its first set-up ends with its second one.
    let login = alice.login().await.is(200);
    let other = Person::signed_in(&server, &alice.email, &login);
    let first = other.begin_setup("authenticator").await.is(200);
    let second = other.begin_setup("authenticator").await.is(200);
    let code = Authenticator::new(&first.text("secret")).fresh_code(&server.clock);
    server
        .verify_setup(&first.text("mfaToken"), &code)
        .await
        .refused(400, "AUTHENTICATOR_NOT_CONFIGURED");
    let code = app.fresh_code(&server.clock);
    server
        .verify_setup(&begun.text("mfaToken"), &code)
        .await
        .is(200);
    // The first method ends the other session, and what that had begun.
    let code = Authenticator::new(&second.text("secret")).fresh_code(&server.clock);
    server
        .verify_setup(&second.text("mfaToken"), &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
}

async fn what_one_session_begins_ends_nothing_of_anothers() {
    let server = Server::start().await;
    let (old, mut alice) = two_sessions(&server).await;
    let setup = alice.begin_setup("email").await.is(200).text("mfaToken");
    let code = server.mail.code_to(&alice.email).await;
    let step_up = alice.begin_step_up(&json!({})).await.is(200);
    let sign_in = alice.begin_sign_in().await;
    for _ in 0..12 {
        old.begin_step_up(&json!({})).await.is(200);
    }
    server.verify_setup(&setup, &code).await.is(200);
    let code = alice.fresh_code();
    alice
        .verify_step_up(&step_up.text("mfaToken"), &code)
        .await
        .is(200);
    let code = alice.fresh_code();
    server.verify_login(&sign_in, &code).await.is(200);
}
