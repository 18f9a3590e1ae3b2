//! The sandbox: everybody in it can sign in, messages are data, the clock goes as it is told, and it begins anew.

use contract_tests::call::Method;
use contract_tests::database::Database;
use contract_tests::{Answer, Sandbox, Value, json, tests};
use countersign::sandbox::PASSWORD;
use countersign_sdk::sandbox::types::{AdvanceClockRequest, ShowAuthenticatorCodeRequest};

tests! {
    on_sqlite:
    everybody_in_it_signs_in_as_it_says,
    messages_are_data_and_can_be_waited_for,
    the_clock_is_held_set_and_advanced,
    lifetimes_and_waits_follow_the_clock,
    the_code_of_any_secret_is_shown,
    it_begins_anew,
    a_seed_draws_the_same_again,
    every_answer_says_that_it_is_a_sandbox,
    what_cannot_be_read_is_refused,
    without_its_database_it_does_not_begin_anew,
    the_sdk_reads_codes_and_moves_the_clock,
    the_virtual_device_makes_passkeys_and_uses_them,
}

fn people(answer: &Answer) -> Vec<Value> {
    answer["people"].as_array().expect("a list").clone()
}

async fn everybody_in_it_signs_in_as_it_says() {
    let sandbox = Sandbox::start().await;
    let everybody = people(&sandbox.get("/sandbox/people").await.is(200));
    assert_eq!(everybody.len(), 10);
    for person in everybody {
        let email = person["email"].as_str().expect("an address");
        let begun = sandbox.login(email).await;
        let first = person["mfaMethods"][0].as_str().unwrap_or("none");
        let code = match (email, first) {
            ("none@example.com", _) => {
                assert_eq!(begun["status"], "signed_in");
                continue;
            }
            ("locked@example.com", _) => "000000".to_owned(),
            (_, "authenticator") => sandbox.code_of(email).await,
            (_, "sms") => {
                let number = person["phoneNumber"].as_str().expect("a number");
                let sent = sandbox.last_to(number).await;
                assert_eq!(sent["channel"], "text_message");
                sent["code"].as_str().expect("a code").to_owned()
            }
            (_, "passkey") => continue,
            (_, _mailed) => {
                let sent = sandbox.last_to(email).await;
                sent["code"].as_str().expect("a code").to_owned()
            }
        };
        let body = json!({ "mfaToken": begun.text("mfaToken"), "code": code });
        let answer = sandbox.post("/identity/mfa/login/verify", &body).await;
        if email == "locked@example.com" {
            answer.refused(403, "MFA_METHOD_LOCKED");
            continue;
        }
        let token = answer.is(200).text("accessToken");
        let me = sandbox.get("/identity/me").bearer(&token).await.is(200);
        assert_eq!(me["role"], person["role"], "{email}");
        assert_eq!(me["id"], person["id"], "{email}");
    }
    let begun = sandbox.login("several@example.com").await;
    let several = people(&sandbox.get("/sandbox/people").await.is(200));
    let several = several.iter().find(|one| one["recoveryCodes"].is_array());
    let code = &several.expect("somebody with recovery codes")["recoveryCodes"][3];
    let body = json!({ "mfaToken": begun.text("mfaToken"), "code": code });
    sandbox
        .post("/identity/mfa/login/verify", &body)
        .await
        .is(200);
}

async fn messages_are_data_and_can_be_waited_for() {
    let sandbox = Sandbox::start().await;
    let before = sandbox.get("/sandbox/messages").await.is(200);
    assert_eq!(
        (before.number("last"), before["messages"][0].is_null()),
        (0, true)
    );
    let waiting = {
        let sandbox = sandbox.clone();
        let path = "/sandbox/messages?after=0&wait=10&kind=login_code&channel=mail";
        tokio::spawn(async move { sandbox.get(path).await.is(200) })
    };
    let begun = sandbox.login("email@example.com").await;
    let found = waiting.await.expect("an answer");
    let mail = &found["messages"][0];
    assert_eq!(mail["to"], "email@example.com");
    let token = mail["token"].as_str().expect("a token");
    let link = mail["link"].as_str().expect("a link");
    assert!(
        link.ends_with(token) && link.starts_with("http://localhost"),
        "{link}"
    );
    let text = mail["text"].as_str().expect("a text");
    let code = mail["code"].as_str().expect("a code");
    assert!(text.contains(code) && text.contains(token), "{text}");
    let opened = sandbox
        .post("/identity/mfa/magic-link", &json!({ "token": token }))
        .await
        .is(200);
    assert_eq!(opened["code"], mail["code"]);
    let body = json!({ "mfaToken": begun.text("mfaToken"), "code": code });
    sandbox
        .post("/identity/mfa/login/verify", &body)
        .await
        .is(200);
    let last = found.number("last");
    for none in [
        format!("after={last}"),
        "to=nobody@example.com".to_owned(),
        "channel=text_message".to_owned(),
        "kind=setup_code".to_owned(),
    ] {
        let found = sandbox
            .get(&format!("/sandbox/messages?{none}"))
            .await
            .is(200);
        assert_eq!(found["messages"], json!([]), "{none}");
    }
}

async fn the_clock_is_held_set_and_advanced() {
    let sandbox = Sandbox::start().await;
    let clock = "/sandbox/clock";
    assert_eq!(sandbox.get(clock).await.is(200)["held"], false);
    let noon = json!({ "now": "2027-01-01T12:00:00Z", "held": true });
    let held = sandbox.put(clock, &noon).await.is(200);
    assert_eq!(
        held.body,
        json!({ "now": "2027-01-01T12:00:00.000Z", "held": true })
    );
    sandbox.advance(90).await;
    let later = sandbox.get(clock).await.is(200);
    assert_eq!(later["now"], "2027-01-01T12:01:30.000Z");
    let going = sandbox.put(clock, &json!({ "held": false })).await.is(200);
    assert_eq!(going["held"], false);
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let now = sandbox.get(clock).await.is(200);
    assert!(now.text("now") > later.text("now"));
    assert!(now.text("now").as_str() < "2027-01-01T12:06", "{now:?}");
}

async fn lifetimes_and_waits_follow_the_clock() {
    let sandbox = Sandbox::start().await;
    let begun = sandbox.login("authenticator@example.com").await;
    let token = begun.text("mfaToken");
    let verify = "/identity/mfa/login/verify";
    let code = sandbox.code_of("authenticator@example.com").await;
    sandbox.advance(90).await;
    let late = json!({ "mfaToken": token, "code": code });
    sandbox
        .post(verify, &late)
        .await
        .refused(400, "INVALID_MFA_CODE");
    let code = sandbox.code_of("authenticator@example.com").await;
    let signed_in = sandbox
        .post(verify, &json!({ "mfaToken": token, "code": code }))
        .await
        .is(200);
    let access = signed_in.text("accessToken");
    sandbox.get("/identity/me").bearer(&access).await.is(200);
    sandbox.advance(950).await;
    sandbox
        .get("/identity/me")
        .bearer(&access)
        .await
        .refused(401, "TOKEN_EXPIRED");
    let refreshed = json!({ "refreshToken": signed_in.text("refreshToken") });
    sandbox
        .post("/identity/token/refresh", &refreshed)
        .await
        .is(200);
    let begun = sandbox.login("email@example.com").await;
    sandbox.last_to("email@example.com").await;
    let again = json!({ "mfaToken": begun.text("mfaToken") });
    let early = sandbox.post("/identity/mfa/resend", &again).await;
    let early = early.refused(429, "RESEND_COOLDOWN");
    sandbox.advance(early.number("retryAfter")).await;
    sandbox.post("/identity/mfa/resend", &again).await.is(200);
}

async fn the_code_of_any_secret_is_shown() {
    let sandbox = Sandbox::start().await;
    let path = "/sandbox/authenticator-code";
    let at = json!({ "now": "1970-01-01T00:00:59Z", "held": true });
    sandbox.put("/sandbox/clock", &at).await.is(200);
    // RFC 6238, appendix B.
    let body = json!({ "secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" });
    let shown = sandbox.post(path, &body).await.is(200);
    assert_eq!(
        (shown.text("code"), shown.number("secondsLeft")),
        ("287082".to_owned(), 1)
    );
    let next = shown.text("nextCode");
    sandbox.advance(1).await;
    assert_eq!(sandbox.post(path, &body).await.is(200).text("code"), next);
}

async fn it_begins_anew() {
    let sandbox = Sandbox::start().await;
    let before = sandbox.get("/sandbox/people").await.is(200);
    let token = sandbox.login("none@example.com").await.text("accessToken");
    sandbox.get("/identity/me").bearer(&token).await.is(200);
    sandbox.login("email@example.com").await;
    sandbox.last_to("email@example.com").await;
    sandbox.advance(100_000).await;
    let body = json!({ "email": "new@example.com", "password": "correct horse battery staple" });
    sandbox.post("/identity/register", &body).await.is(202);
    sandbox.last_to("new@example.com").await;
    let anew = sandbox.call(Method::POST, "/sandbox/reset").await.is(200);
    assert_eq!(anew.number("lastMessage"), 0);
    sandbox
        .get("/identity/me")
        .bearer(&token)
        .await
        .refused(401, "TOKEN_INVALID");
    let after = sandbox.get("/sandbox/people").await.is(200);
    for (before, after) in people(&before).iter().zip(people(&after)) {
        for same in ["number", "email", "authenticatorSecret", "recoveryCodes"] {
            assert_eq!(before[same], after[same]);
        }
    }
    sandbox.login("none@example.com").await;
    sandbox.login("email@example.com").await;
    let mail = sandbox.last_to("email@example.com").await;
    assert_eq!(mail["number"], 1);
}

async fn a_seed_draws_the_same_again() {
    let drawn = async |seed| {
        let sandbox = Sandbox::seeded(seed).await;
        let at = json!({ "now": "2027-01-01T12:00:00Z", "held": true });
        sandbox.put("/sandbox/clock", &at).await.is(200);
        sandbox.login("email@example.com").await;
        let code = sandbox.last_to("email@example.com").await["code"].clone();
        let listed = people(&sandbox.get("/sandbox/people").await.is(200));
        let secrets: Vec<Value> = listed
            .iter()
            .flat_map(|one| {
                [
                    one["authenticatorSecret"].clone(),
                    one["recoveryCodes"].clone(),
                ]
            })
            .collect();
        (code, secrets)
    };
    let first = drawn(7).await;
    assert_eq!(first, drawn(7).await);
    let other = drawn(8).await;
    assert!(first.0 != other.0 && first.1 != other.1);
}

async fn every_answer_says_that_it_is_a_sandbox() {
    let sandbox = Sandbox::start().await;
    for path in [
        "/sandbox",
        "/healthz",
        "/identity/me",
        "/nothing",
        "/swagger-ui/",
        "/openapi/sandbox.yaml",
        "/openapi/lenient/sandbox.json",
        "/magic-link",
        "/api/v1/users",
    ] {
        let answer = sandbox.get(path).await;
        let told = answer.header("countersign-sandbox");
        assert_eq!(told.as_deref(), Some("true"), "{path}");
    }
}

/// Returns bodies that cannot be read, with their paths.
fn unreadable() -> [(&'static str, Value); 11] {
    let (code, advance) = ("/sandbox/authenticator-code", "/sandbox/clock/advance");
    let (make, apply) = ("/sandbox/passkeys", "/sandbox/passkeys/use");
    [
        (code, json!({})),
        (code, json!({ "secret": "1" })),
        (code, json!({ "email": "none@example.com" })),
        (code, json!({ "email": "a", "secret": "A" })),
        (advance, json!({ "seconds": -1 })),
        (advance, json!({ "seconds": 400_000_000_i64 })),
        (make, json!({ "publicKey": {} })),
        (make, json!({ "publicKey": { "challenge": "AAAA" } })),
        (apply, json!({ "publicKey": {} })),
        (
            apply,
            json!({ "publicKey": { "challenge": "AAAA", "rpId": "example.org" } }),
        ),
        (
            apply,
            json!({ "publicKey": { "challenge": "AAAA" }, "email": "nobody@example.com" }),
        ),
    ]
}

async fn what_cannot_be_read_is_refused() {
    let sandbox = Sandbox::start().await;
    for (path, body) in unreadable() {
        sandbox.post(path, &body).await.refused(400, "VALIDATION");
    }
    for now in ["yesterday", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z"] {
        let body = json!({ "now": format!("{now:<20}") });
        sandbox
            .put("/sandbox/clock", &body)
            .await
            .refused(400, "VALIDATION");
    }
    for query in ["wait=11", "limit=0", "after=-1", "channel=pigeon", "x=1"] {
        let path = format!("/sandbox/messages?{query}");
        sandbox.get(&path).await.refused(400, "VALIDATION");
    }
    for (method, path) in [
        (Method::POST, "/sandbox/authenticator-code"),
        (Method::POST, "/sandbox/passkeys"),
        (Method::POST, "/sandbox/passkeys/use"),
        (Method::PUT, "/sandbox/clock"),
        (Method::POST, "/sandbox/clock/advance"),
    ] {
        let call = || sandbox.call(method.clone(), path);
        let large = format!("\"{}\"", "x".repeat(20_000));
        call()
            .body("application/json", large)
            .await
            .refused(413, "PAYLOAD_TOO_LARGE");
        call()
            .body("text/plain", "{}")
            .await
            .refused(415, "UNSUPPORTED_MEDIA_TYPE");
        call()
            .without_its_body("application/json")
            .await
            .refused(408, "REQUEST_TIMEOUT");
    }
}

async fn without_its_database_it_does_not_begin_anew() {
    let sandbox = Sandbox::start().await;
    let file = sandbox.inner.place().join("countersign.db");
    Database::Sqlite(file).cut();
    let body = json!({ "publicKey": { "challenge": "AAAA" }, "email": "passkey@example.com" });
    sandbox
        .post("/sandbox/passkeys/use", &body)
        .await
        .refused(503, "SERVICE_UNAVAILABLE");
    for path in ["/sandbox/reset", "/sandbox/fixtures/getCurrentUser"] {
        sandbox
            .call(Method::POST, path)
            .await
            .refused(503, "SERVICE_UNAVAILABLE");
    }
}

async fn the_sdk_reads_codes_and_moves_the_clock() {
    let sandbox = Sandbox::start().await;
    let client = countersign_sdk::sandbox::Client::new(&sandbox.url()).expect("this machine");
    let found = client.get_sandbox().await.expect("a sandbox");
    assert_eq!((found.seed, found.last_message), (1, 0));
    let people = client.list_people().await.expect("people").people;
    let of = |email: &str| {
        people
            .iter()
            .find(|one| one.email == email)
            .expect("somebody")
    };
    let secret = of("authenticator@example.com").authenticator_secret.clone();
    let wanted = ShowAuthenticatorCodeRequest::new().secret(secret.expect("a secret"));
    let shown = client
        .show_authenticator_code(wanted)
        .await
        .expect("a code");
    assert_eq!(
        shown.code,
        sandbox.code_of("authenticator@example.com").await
    );
    sandbox.login("sms@example.com").await;
    let number = of("sms@example.com")
        .phone_number
        .clone()
        .expect("a number");
    let sent = client
        .list_messages()
        .to(number)
        .wait(10)
        .await
        .expect("messages");
    assert_eq!(sent.messages[0].kind, "login_code");
    let then = client
        .advance_clock(AdvanceClockRequest::new(600))
        .await
        .expect("a clock");
    assert!(then.now > found.clock.now && !then.held);
}

/// Has the virtual device use a passkey. Returns what a browser would send to the server.
async fn used(sandbox: &Sandbox, options: &Value) -> Value {
    let used = sandbox.post("/sandbox/passkeys/use", options).await;
    used.is(200)["credential"].clone()
}

/// Sets up a passkey, by the native API.
async fn sets_up_a_passkey(sandbox: &Sandbox, email: &str) {
    let token = sandbox.login(email).await.text("accessToken");
    let body = json!({ "method": "passkey", "password": PASSWORD });
    let begun = sandbox.post("/identity/mfa/setup", &body).bearer(&token);
    let begun = begun.await.is(200);
    let options = json!({ "publicKey": begun["publicKey"] });
    let made = sandbox.post("/sandbox/passkeys", &options).await.is(201);
    let body = json!({ "mfaToken": begun.text("mfaToken"), "credential": made["credential"] });
    sandbox
        .post("/identity/mfa/setup/verify-passkey", &body)
        .await
        .is(200);
}

/// Signs in with a passkey as the second step.
async fn signs_in_with_a_passkey(sandbox: &Sandbox, email: &str) {
    let begun = sandbox.login(email).await;
    let token = json!({ "mfaToken": begun.text("mfaToken") });
    let path = "/identity/mfa/login/passkey-options";
    let asked = sandbox.post(path, &token).await.is(200);
    let credential = used(sandbox, &json!({ "publicKey": asked["publicKey"] })).await;
    let body = json!({ "mfaToken": token["mfaToken"], "credential": credential });
    sandbox
        .post("/identity/mfa/login/verify-passkey", &body)
        .await
        .is(200);
}

/// Signs in with a passkey alone: the options name nobody. `further` is for the virtual device.
async fn signs_in_by_a_passkey_alone(sandbox: &Sandbox, further: Value) -> Answer {
    let asked = sandbox
        .call(Method::POST, "/identity/passkey/options")
        .await;
    let asked = asked.is(200);
    let mut options = further;
    options["publicKey"] = asked["publicKey"].clone();
    let credential = used(sandbox, &options).await;
    let body = json!({ "passkeyToken": asked.text("passkeyToken"), "credential": credential });
    sandbox.post("/identity/passkey/login", &body).await
}

/// Signs in with a passkey as the second step, by Flashback's API.
async fn signs_in_by_flashback(sandbox: &Sandbox, email: &str) {
    let body = json!({ "email": email, "password": PASSWORD });
    let begun = sandbox.post("/user/login", &body).await.is(200);
    let bearer = begun.text("accessToken");
    let asked = sandbox.call(Method::POST, "/mfa/passkey/auth-options");
    let asked = asked.bearer(&bearer).await.is(200);
    let credential = used(sandbox, &json!({ "publicKey": asked["data"] })).await;
    let body = json!({ "mfaType": "PASSKEY", "credential": credential });
    let done = sandbox.post("/mfa/verify-login", &body).bearer(&bearer);
    done.await.is(200);
}

async fn the_virtual_device_makes_passkeys_and_uses_them() {
    let sandbox = Sandbox::start().await;
    sets_up_a_passkey(&sandbox, "none@example.com").await;
    signs_in_with_a_passkey(&sandbox, "none@example.com").await;
    for email in [
        "passkey@example.com",
        "none@example.com",
        "several@example.com",
    ] {
        let done = signs_in_by_a_passkey_alone(&sandbox, json!({ "email": email })).await;
        assert_eq!(done.is(200)["user"]["email"], email);
    }
    signs_in_by_flashback(&sandbox, "passkey@example.com").await;
    // From another page it is refused.
    let further = json!({ "email": "passkey@example.com", "origin": "https://evil.example" });
    let refused = signs_in_by_a_passkey_alone(&sandbox, further).await;
    refused.refused(400, "PASSKEY_REFUSED");
}
