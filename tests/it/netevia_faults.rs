//! Netevia's operations with bad inputs and on a failing server: errors have its format and reveal
//! nothing.

use contract_tests::call::{Method, at_once};
use contract_tests::contract::{Contract, Operation};
use contract_tests::{Call, PASSWORD, Server, Value, json, tests};

use super::netevia::{Client, with_texts};

tests! {
    what_cannot_be_read_is_refused_everywhere,
    a_body_that_never_comes_is_refused_everywhere,
    unknown_fields_are_ignored_everywhere,
    every_secured_operation_answers_401_without_a_good_bearer,
    without_its_database_every_operation_is_unavailable,
    a_row_that_makes_no_sense_is_a_fault_of_ours,
    a_busy_network_waits,
}

/// A signed-in administrator, and an unfinished sign-in.
struct World {
    alice: Client,
    sign_in: String,
}

impl World {
    async fn make(server: &Server) -> Self {
        let person = server.administrator("root@example.com").await;
        let mut alice = Client::registered(server, "alice@example.com").await;
        alice.token = person.access_token;
        let bob = Client::registered(server, "bob@example.com").await;
        bob.enable(&json!({ "mfaMethod": "email" })).await.is(200);
        let sign_in = bob.begin().await.text("mfaToken");
        server.clock.advance(60);
        Self { alice, sign_in }
    }

    /// Returns a valid body.
    fn body(&self, operation: &Operation) -> Value {
        match operation.id.as_str() {
            "enableMfaSignIn" => json!({ "mfaMethod": "authenticator" }),
            "authenticate" => json!({ "login": "alice@example.com", "password": PASSWORD }),
            "completeAuthentication" => json!({ "code": "123456", "mfaToken": self.sign_in }),
            "sendVerificationCode" => json!({ "shortMessageType": "TransferPoints" }),
            _check => {
                json!({ "code": "123456", "shortMessageType": "AttemptLogin", "mfaToken": self.sign_in })
            }
        }
    }

    /// Makes a call without its body.
    fn call(&self, operation: &Operation) -> Call {
        let method: Method = operation.method.parse().expect("a method");
        self.alice.call(method, &operation.sample_path())
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
    Contract::get().of("netevia")
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
        let refused = with("application/json", "[]")
            .await
            .refused(400, "VALIDATION");
        assert_eq!(refused["status"], "error");
        assert_eq!(refused["errors"][0]["field"], "body", "{}", operation.id);
        with("text/plain", "{}")
            .await
            .refused(415, "UNSUPPORTED_MEDIA_TYPE");
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(16_384));
        with("application/json", &long)
            .await
            .refused(413, "PAYLOAD_TOO_LARGE");
        let fields = world.body(operation);
        for field in fields.as_object().expect("an object").keys() {
            for wrong in [
                json!(null),
                json!(["x"]),
                json!({}),
                json!(7),
                json!("x".repeat(4097)),
            ] {
                let mut body = world.body(operation);
                body[field] = wrong;
                let refused = world.call(operation).json(&body).await;
                assert_eq!(
                    refused.status, 400,
                    "{} {field}: {}",
                    operation.id, refused.text
                );
                if refused["code"] == "VALIDATION" {
                    assert_eq!(
                        refused["errors"][0]["field"],
                        field.as_str(),
                        "{}",
                        operation.id
                    );
                }
            }
        }
    }
}

async fn unknown_fields_are_ignored_everywhere() {
    let server = Server::start().await;
    let world = World::make(&server).await;
    for operation in all().filter(|operation| operation.body.is_some()) {
        let mut body = world.body(operation);
        body["unheardOf"] = json!({ "a": [1] });
        let answer = world.call(operation).json(&body).await;
        assert_ne!(
            answer["code"], "VALIDATION",
            "{}: {}",
            operation.id, answer.text
        );
    }
    for operation in all().filter(|operation| operation.body.is_none()) {
        let answer = world.call(operation).body("text/plain", "whatever").await;
        assert!(
            answer.status != 400 && answer.status != 415,
            "{}",
            answer.text
        );
    }
}

async fn every_secured_operation_answers_401_without_a_good_bearer() {
    let server = Server::start().await;
    let world = World::make(&server).await;
    for operation in all().filter(|operation| operation.is_secured()) {
        let method: Method = operation.method.parse().expect("a method");
        let call = || {
            let call = server.call(method.clone(), &operation.sample_path());
            match operation.body {
                Some(_) => call.json(&world.body(operation)),
                None => call,
            }
        };
        for bearer in ["forged", &world.sign_in] {
            let refused = call().bearer(bearer).await.refused(401, "TOKEN_INVALID");
            assert!(refused.header("www-authenticate").is_some());
        }
    }
    server.clock.advance(906);
    for operation in all().filter(|operation| operation.is_secured()) {
        world.whole(operation).await.refused(401, "TOKEN_EXPIRED");
    }
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
    ] {
        server.database.run(statement);
    }
    for operation in all() {
        let answer = world.whole(operation).await.refused(500, "INTERNAL");
        assert_eq!(answer["status"], "error");
        assert!(!answer.text.contains("nonsense"), "{}", answer.text);
    }
}

async fn a_busy_network_waits() {
    let (server, gateway) = with_texts().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    let bob = Client::registered(&server, "bob@example.com").await;
    bob.enable_sms(&gateway).await;
    let server = Server::with(|settings| {
        settings.policy.mail_calls_per_source = 1;
        settings.sms_countries = vec!["US".parse().expect("a country")];
        settings.trusted_proxies = super::loopback();
    })
    .await;
    drop((alice, bob));
    let alice = Client::registered(&server, "alice@example.com").await;
    let away = "203.0.113.7";
    let action = json!({ "shortMessageType": "TransferPoints" });
    let path = "/api/CodeVerification/send";
    alice.post(path, &action).from(away).await.is(200);
    alice
        .post(path, &action)
        .from(away)
        .await
        .refused(429, "TOO_MANY_REQUESTS");
    // Set-ups have a count of their own.
    let sms = json!({ "mfaMethod": "sms", "phoneNumber": "+12025550123" });
    alice.enable(&sms).from(away).await.is(200);
    alice
        .enable(&sms)
        .from(away)
        .await
        .refused(429, "TOO_MANY_REQUESTS");
    alice.enable(&json!({ "mfaMethod": "email" })).await.is(200);
    let body = json!({ "login": "alice@example.com", "password": PASSWORD });
    let asked = server.post("/api/auth/v2", &body).from(away).await.is(200);
    let again = json!({ "shortMessageType": "AttemptLogin", "mfaToken": asked.text("mfaToken") });
    server
        .post(path, &again)
        .from(away)
        .await
        .refused(429, "TOO_MANY_REQUESTS");
}
