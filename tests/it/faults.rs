//! Faults: without a database the answer is 503, with a corrupt row 500, with too much load 503. No
//! answer reveals details.

use contract_tests::call::{Method, at_once, outcomes};
use contract_tests::contract::{Contract, Operation};
use contract_tests::waiting::until;
use contract_tests::{Answer, Call, Device, Person, Server, Value, json, tests};

use super::veeam::OTHER_PASSWORD;

tests! {
    without_its_database_every_operation_is_unavailable,
    a_row_that_makes_no_sense_is_a_fault_of_ours,
    a_fault_keeps_nothing_that_came_before_it,
    a_refusal_keeps_what_came_before_it,
    too_many_passwords_at_once_are_refused_and_the_rest_are_judged,
    one_persons_broken_row_is_nobody_elses,
}

/// A user with all methods, and a token for each step.
struct World {
    alice: Person,
    key: String,
    setup: String,
    disable: String,
    login: String,
    registration: (String, String),
    step_up: String,
    link: String,
    /// The link of a mail for a new password, and the second step of another one.
    reset: (String, String),
    /// The link that undoes a change of address.
    undo: String,
    passkey: (String, Value),
    app: String,
}

impl World {
    async fn make(server: &Server) -> Self {
        let mut alice = server.administrator("alice.archer@example.com").await;
        let undo = alice.change_email("alice@example.com").await;
        alice.enable_email().await;
        alice.sign_in().await;
        let key = alice.api_key(&["tokens:validate", "users:read"]).await;
        let setup = alice
            .begin_setup("authenticator")
            .await
            .is(200)
            .text("mfaToken");
        let disable = alice.begin_disable("email").await.is(200).text("mfaToken");
        let login = alice.begin_sign_in().await;
        let link = server.mail.link_to("alice@example.com").await;
        let step_up = alice.begin_step_up(&json!({})).await.is(200);
        let forgotten = server.forgotten("alice@example.com").await;
        let waiting = server.reset_by_link(&forgotten, OTHER_PASSWORD).await;
        let waiting = waiting.is(200).text("mfaToken");
        server.forgot("alice@example.com").await.is(202);
        let mail = server.mail.notice_to("alice@example.com", "A new password");
        let reset = (mail.await.link().expect("a link"), waiting);
        let begun = server.register("bob@example.com").await.is(202);
        let code = server.mail.code_to("bob@example.com").await;
        let device = Device::new();
        alice.add_passkey(&device).await;
        let asked = server.call(Method::POST, "/identity/passkey/options").await;
        let asked = asked.is(200);
        let credential = device.get(&asked["publicKey"]).await.expect("an assertion");
        server.clock.advance(60);
        Self {
            step_up: step_up.text("mfaToken"),
            link,
            reset,
            undo,
            passkey: (asked.text("passkeyToken"), credential),
            app: alice.factor_id("passkey").await,
            alice,
            key,
            setup,
            disable,
            login,
            registration: (begun.text("registrationToken"), code),
        }
    }

    /// Makes a call of an operation that succeeds as long as the server works.
    fn call(&self, operation: &Operation) -> Call {
        let method = operation.method.parse().expect("a method");
        self.call_of_an_account(operation)
            .or_else(|| self.call_of_a_method(operation))
            .unwrap_or_else(|| self.alice.call(method, &operation.path))
    }

    /// Makes a call of an operation on an account, its password, its address and its sessions.
    fn call_of_an_account(&self, operation: &Operation) -> Option<Call> {
        let Self { alice, .. } = self;
        let server = &alice.server;
        Some(match operation.id.as_str() {
            "registerUser" => server.register("carol@example.com"),
            "verifyRegistration" => server.prove(&self.registration.0, &self.registration.1),
            "login" => alice.login(),
            "forgotPassword" => server.forgot("alice@example.com"),
            "updateCurrentUser" => alice
                .call(Method::PATCH, "/identity/me")
                .json(&json!({ "firstName": "Al" })),
            "deleteCurrentUser" => alice.delete_account(),
            "changePassword" => alice.change_password(OTHER_PASSWORD),
            "beginEmailChange" => alice.begin_email_change("alice@elsewhere.example"),
            "verifyEmailChange" => alice.verify_email_change("123456"),
            "undoEmailChange" => server.undo_email_change(&self.undo),
            "resetPassword" => server.reset_by_link(&self.reset.0, OTHER_PASSWORD),
            "verifyPasswordReset" => server.verify_reset(&self.reset.1, "123456"),
            "verifyPasskeyPasswordReset" => {
                server.verify_passkey("password/reset", &self.reset.1, &self.passkey.1)
            }
            "validateToken" => alice.post("/identity/validate-token", &json!({})),
            "refreshToken" => server.refresh(&alice.refresh_token),
            "createApiKey" => alice.post(
                "/identity/api-keys",
                &json!({ "name": "x", "scopes": ["users:read"] }),
            ),
            "deleteApiKey" => alice.call(
                Method::DELETE,
                "/identity/api-keys/api-key-01a2039c-3aa0-7254-8329-a92850f6d539",
            ),
            _ => return None,
        })
    }

    /// Makes a call of an operation on second factors.
    fn call_of_a_method(&self, operation: &Operation) -> Option<Call> {
        let Self { alice, .. } = self;
        let server = &alice.server;
        Some(match operation.id.as_str() {
            "setupMfa" => alice.begin_setup("authenticator"),
            "verifyMfaSetup" => server.verify_setup(&self.setup, "123456"),
            "switchMfaMethod" => server.switch(&self.login, "email"),
            "verifyMfaLogin" => server.verify_login(&self.login, "123456"),
            "disableMfa" => alice.begin_disable("email"),
            "verifyMfaDisable" => server.verify_disable(&self.disable, "123456"),
            "resendMfaCode" => server.resend(&self.login),
            "verifyPasskeySetup" => {
                server.verify_passkey("mfa/setup", &self.setup, &self.passkey.1)
            }
            "getPasskeyOptions" => server.passkey_options(&self.login),
            "verifyPasskeyLogin" => {
                server.verify_passkey("mfa/login", &self.login, &self.passkey.1)
            }
            "renameMfaMethod" => alice.rename(&self.app, "Laptop"),
            "deleteMfaMethod" => alice.remove(&self.app),
            "setPrimaryMfaMethod" => alice.prefer(&self.app),
            "openMagicLink" => server.open_link(&self.link),
            "signInWithPasskey" => server.post(
                "/identity/passkey/login",
                &json!({ "passkeyToken": self.passkey.0, "credential": self.passkey.1 }),
            ),
            "beginStepUp" => alice.begin_step_up(&json!({})),
            "verifyStepUp" => alice.verify_step_up(&self.step_up, "123456"),
            "verifyPasskeyStepUp" => server
                .verify_passkey("step-up", &self.step_up, &self.passkey.1)
                .bearer(&alice.access_token),
            _ => return None,
        })
    }
}

/// Returns the operations that use the database, and so can notice its failure.
fn using_the_database() -> impl Iterator<Item = &'static Operation> {
    let others = ["getJsonWebKeySet", "getHealth", "getReadiness"];
    Contract::get()
        .of("identity")
        .filter(move |operation| !others.contains(&operation.id.as_str()))
}

/// Asserts that an answer reveals nothing of what went wrong.
fn tells_nothing(answer: &Answer) {
    for word in [
        "sql",
        "table",
        "relation",
        "column",
        "diesel",
        "panick",
        "src/",
        ".rs",
        "users_gone",
    ] {
        assert!(
            !answer.text.to_lowercase().contains(word),
            "{word} in {}",
            answer.text
        );
    }
}

async fn without_its_database_every_operation_is_unavailable() {
    let server = Server::start().await;
    let world = World::make(&server).await;
    server.database.cut();
    for operation in using_the_database() {
        let answer = world.call(operation).await;
        assert_eq!(
            (answer.status, answer["code"].as_str()),
            (503, Some("SERVICE_UNAVAILABLE")),
            "{}: {}",
            operation.id,
            answer.text
        );
        tells_nothing(&answer);
    }
    let judged = server
        .post(
            "/identity/validate-token",
            &json!({ "token": world.alice.access_token }),
        )
        .key(&world.key)
        .await;
    tells_nothing(&judged.refused(503, "SERVICE_UNAVAILABLE"));
    server.database.mend();
    until("the database", async || {
        (world.alice.me().await.status == 200).then_some(())
    })
    .await;
    server
        .prove(&world.registration.0, &world.registration.1)
        .await
        .is(201);
}

async fn a_row_that_makes_no_sense_is_a_fault_of_ours() {
    let server = Server::start().await;
    let world = World::make(&server).await;
    for statement in [
        "UPDATE sessions SET acr = 'nonsense'",
        "UPDATE challenges SET purpose = 'nonsense'",
        "UPDATE users SET role = 'nonsense'",
        // Makes the database refuse what the operations on registrations write.
        "CREATE UNIQUE INDEX odd_registrations ON registrations (attempts)",
        "CREATE UNIQUE INDEX odd_users ON users (length(password_hash))",
        "CREATE UNIQUE INDEX odd_ceremonies ON ceremonies (length(secret_hash))",
    ] {
        server.database.run(statement);
    }
    for operation in using_the_database() {
        let answer = world.call(operation).await;
        assert_eq!(
            (answer.status, answer["code"].as_str()),
            (500, Some("INTERNAL")),
            "{}: {}",
            operation.id,
            answer.text
        );
        tells_nothing(&answer);
    }
}

async fn a_fault_keeps_nothing_that_came_before_it() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let token = alice.begin_sign_in().await;
    let code = alice.fresh_code();
    // The last row that a sign-in writes.
    server
        .database
        .run("ALTER TABLE refresh_tokens RENAME TO refresh_tokens_gone");
    server
        .verify_login(&token, &code)
        .await
        .refused(503, "SERVICE_UNAVAILABLE");
    server
        .database
        .run("ALTER TABLE refresh_tokens_gone RENAME TO refresh_tokens");
    server.verify_login(&token, &code).await.is(200);
    assert_eq!(
        server
            .database
            .number("SELECT count(*) AS found FROM sessions WHERE acr = 'aal2'"),
        1
    );
}

async fn a_refusal_keeps_what_came_before_it() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let token = alice.begin_sign_in().await;
    server
        .verify_login(&token, &alice.wrong_code())
        .await
        .refused(400, "INVALID_MFA_CODE");
    assert_eq!(
        server.database.number(
            "SELECT CAST(attempts AS BIGINT) AS found FROM challenges WHERE purpose = 'login'"
        ),
        1
    );
    assert_eq!(
        server
            .database
            .number("SELECT CAST(failures AS BIGINT) AS found FROM factor_attempts"),
        1
    );
    let kept = server
        .database
        .texts("SELECT event AS found FROM audit_events");
    assert!(kept.iter().any(|event| event == "code_wrong"), "{kept:?}");
}

async fn too_many_passwords_at_once_are_refused_and_the_rest_are_judged() {
    let server = Server::with_real_hashes(|settings| {
        settings.hash_queue = 1;
        settings.policy.password_free_tries = 20;
    })
    .await;
    let alice = server.registered("alice@example.com").await;
    let answers = at_once((0..12).map(|_| alice.login())).await;
    let signed_in = outcomes(&answers);
    assert!(signed_in["200"] >= 1, "{signed_in:?}");
    assert!(
        signed_in["SERVICE_UNAVAILABLE"] >= 1,
        "the full queue refuses: {signed_in:?}"
    );
    let answers =
        at_once((0..12).map(|number| server.register(&format!("user{number}@example.com")))).await;
    let registered = outcomes(&answers);
    assert!(
        registered["202"] >= 1 && registered["SERVICE_UNAVAILABLE"] >= 1,
        "{registered:?}"
    );
    assert_eq!(
        signed_in.len() + registered.len(),
        4,
        "{signed_in:?} {registered:?}"
    );
    alice.login().await.is(200);
    let mut compared = 0;
    for _ in 0..2 {
        let wrong =
            outcomes(&at_once((0..12).map(|_| server.login("alice@example.com", "wrong"))).await);
        compared += wrong["INVALID_CREDENTIALS"];
        assert!(
            !wrong.contains_key("TOO_MANY_PASSWORD_ATTEMPTS"),
            "{wrong:?}"
        );
    }
    assert!(compared < 20, "{compared}: too few were refused to tell");
    // A password that was not compared does not count.
    alice.login().await.is(200);
}

async fn one_persons_broken_row_is_nobody_elses() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    let mut bob = server.registered("bob@example.com").await;
    bob.enable_authenticator().await;
    server.database.run("UPDATE factors SET kind = 'carrier-pigeon' WHERE user_id = (SELECT id FROM users WHERE email = 'alice@example.com')");
    alice.login().await.refused(500, "INTERNAL");
    bob.sign_in().await;
}
