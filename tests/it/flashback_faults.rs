//! Flashback's operations with bad inputs and on a failing server: errors have its format and
//! reveal nothing.

use contract_tests::call::{Method, at_once};
use contract_tests::contract::{Contract, Operation};
use contract_tests::{Call, PASSWORD, Server, Value, json, tests};

use super::flashback::{Client, registration};
use super::veeam::OTHER_PASSWORD;

tests! {
    what_cannot_be_read_is_refused_everywhere,
    a_body_that_never_comes_is_refused_everywhere,
    unknown_fields_are_ignored_everywhere,
    without_its_database_every_operation_is_unavailable,
    a_row_that_makes_no_sense_is_a_fault_of_ours,
}

/// A signed-in user, the same user with an unfinished sign-in, and a token for each step.
struct World {
    alice: Client,
    pending: Client,
    link: String,
    registration: String,
    registration_id: String,
    reset: String,
}

impl World {
    async fn make(server: &Server) -> Self {
        let mut alice = Client::registered(server, "alice@example.com", Some("Acme")).await;
        alice.enable_app().await;
        alice.sign_in().await;
        alice.setup("MAGIC_LINK").await.is(200);
        let link = server.mail.link_to("alice@example.com").await;
        let mut pending = Client::registered(server, "bob@example.com", None).await;
        pending.enable_link().await;
        pending.login().await;
        let body = registration("carol@example.com", None);
        let registered = server.post("/user/register", &body).await.is(201);
        server.mail.link_to("carol@example.com").await;
        let registration_id = registered.text("verificationTokenId");
        let path = format!("/user/resend-verification/{registration_id}");
        server.call(Method::POST, &path).await.is(200);
        let registration = server.mail.link_to("carol@example.com").await;
        let reset = server.forgotten("alice@example.com").await;
        Self {
            alice,
            pending,
            link,
            registration,
            registration_id,
            reset,
        }
    }

    /// Returns a valid body.
    fn body(&self, operation: &Operation) -> Value {
        let credential = json!({
            "id": "AAAA", "rawId": "AAAA", "type": "public-key",
            "response": { "clientDataJSON": "eyJjaGFsbGVuZ2UiOiJBQUFBIn0", "attestationObject": "AAAA" },
        });
        match operation.id.as_str() {
            "verifyMfaSetup" | "verifyMfaLogin" => {
                json!({ "mfaType": "MAGIC_LINK", "code": "123456", "token": "123456" })
            }
            "resetMfa" => json!({}),
            "enforceOrganizationMfa" => json!({ "enforced": false }),
            "activateMagicLink" => json!({ "token": self.link }),
            "completePasskeyRegistration" | "completePasskeyRegistrationAlias" => {
                json!({ "credential": credential, "challenge": "AAAA" })
            }
            "registerUser" => registration("dora@example.com", None),
            "verifyEmail" | "preVerifyEmail" => json!({ "token": self.registration }),
            "requestPasswordReset" => json!({ "email": "alice@example.com" }),
            "resetPassword" => json!({ "token": self.reset, "newPassword": OTHER_PASSWORD }),
            "login" => json!({ "email": "alice@example.com", "password": PASSWORD }),
            "refreshToken" => json!({ "refreshToken": self.alice.refresh_token }),
            _takes_a_method => json!({ "mfaType": "GOOGLE_AUTH" }),
        }
    }

    /// Makes a call without its body, by somebody who may make it.
    fn call(&self, operation: &Operation) -> Call {
        let method: Method = operation.method.parse().expect("a method");
        let security = operation.security;
        let path = operation.path.replace("{id}", &self.registration_id);
        match (security.bearer, security.pending) {
            (true, _) => self.alice.call(method, &path),
            (false, true) => self.pending.call(method, &path),
            (false, false) => self.alice.server.call(method, &path),
        }
    }

    /// Makes a call with its body.
    fn whole(&self, operation: &Operation) -> Call {
        match operation.body {
            Some(_) => self.call(operation).json(&self.body(operation)),
            None => self.call(operation),
        }
    }
}

fn all() -> impl Iterator<Item = &'static Operation> {
    Contract::get().of("flashback")
}

async fn a_body_that_never_comes_is_refused_everywhere() {
    let server = Server::with(|settings| settings.header_timeout_seconds = 1).await;
    let world = World::make(&server).await;
    let calls = all()
        .filter(|operation| operation.body.is_some())
        .map(|operation| world.call(operation).without_its_body("application/json"));
    for answer in at_once(calls).await {
        answer.refused(408, "REQUEST_TIMEOUT");
    }
}

async fn what_cannot_be_read_is_refused_everywhere() {
    let server = Server::start().await;
    let world = World::make(&server).await;
    for operation in all().filter(|operation| operation.body.is_some()) {
        let with = |media: &str, text: &str| world.call(operation).body(media, text.to_owned());
        let refused = with("application/json", "[]").await;
        let refused = refused.refused(400, "VALIDATION");
        assert_eq!(refused["success"], false);
        assert_eq!(refused["errors"][0]["field"], "body", "{}", operation.id);
        with("text/plain", "{}")
            .await
            .refused(415, "UNSUPPORTED_MEDIA_TYPE");
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(16_384));
        with("application/json", &long)
            .await
            .refused(413, "PAYLOAD_TOO_LARGE");
        let required = operation.body.as_ref().map(|body| body["required"].clone());
        for field in required.iter().filter_map(Value::as_array).flatten() {
            let field = field.as_str().expect("a name");
            let mut body = world.body(operation);
            for wrong in [None, Some(json!(null)), Some(json!([["x"]]))] {
                match wrong {
                    Some(value) => body[field] = value,
                    None => drop(body.as_object_mut().expect("an object").remove(field)),
                }
                let refused = world.call(operation).json(&body).await;
                let refused = refused.refused(400, "VALIDATION");
                let named = refused["errors"][0]["field"].as_str().expect("a field");
                assert!(named.starts_with(field), "{}: {named}", operation.id);
            }
        }
    }
}

async fn unknown_fields_are_ignored_everywhere() {
    let server = Server::start().await;
    let world = World::make(&server).await;
    let mut tried = Vec::new();
    for operation in all().filter(|operation| operation.body.is_some()) {
        let mut body = world.body(operation);
        body["unheardOf"] = json!({ "a": [1] });
        let answer = world.call(operation).json(&body).await;
        assert_ne!(
            answer["code"], "VALIDATION",
            "{}: {}",
            operation.id, answer.text
        );
        // A refusal before the body is read would prove nothing about the body.
        assert_ne!(answer.status, 401, "{}: {}", operation.id, answer.text);
        tried.push(operation.id.as_str());
    }
    // The document's last operations too, after the one that ends the session.
    assert!(
        tried.ends_with(&["verifyEmail", "requestPasswordReset", "resetPassword"]),
        "{tried:?}"
    );
}

async fn without_its_database_every_operation_is_unavailable() {
    let server = Server::start().await;
    let world = World::make(&server).await;
    server.database.cut();
    for operation in all() {
        let answer = world.whole(operation).await;
        answer.refused(503, "SERVICE_UNAVAILABLE");
    }
    server.database.mend();
}

async fn a_row_that_makes_no_sense_is_a_fault_of_ours() {
    let server = Server::start().await;
    let world = World::make(&server).await;
    for statement in [
        "UPDATE sessions SET acr = 'nonsense'",
        "UPDATE challenges SET purpose = 'nonsense'",
        "UPDATE users SET role = 'nonsense'",
        // Makes the database refuse what the operations on registrations write.
        "DELETE FROM registrations WHERE consumed_at IS NOT NULL",
        "CREATE UNIQUE INDEX odd_registrations ON registrations (attempts)",
        "CREATE UNIQUE INDEX odd_resends ON audit_events (event) WHERE event = 'code_resent'",
        "CREATE UNIQUE INDEX odd_users ON users (length(password_hash)) WHERE email <> 'bob@example.com'",
    ] {
        server.database.run(statement);
    }
    // It reads one row, whose types the database itself checks.
    let is_told = |operation: &&Operation| operation.id != "preVerifyEmail";
    for operation in all().filter(is_told) {
        let answer = world.whole(operation).await;
        let answer = answer.refused(500, "INTERNAL");
        assert_eq!(answer["success"], false);
        assert!(!answer.text.contains("nonsense"), "{}", answer.text);
    }
}
