//! The calls on Synswi's pages, exactly as shown, and their complete answers.

use contract_tests::call::Method;
use contract_tests::{Answer, Authenticator, PASSWORD, Person, Server, Value, json, tests};

tests! {
    the_calls_of_seed_004_answer_what_its_pages_show,
    the_other_answers_say_it_in_the_same_words,
}

/// The body on the page of `POST /identity/mfa/setup`, with a placeholder for the password.
const SETUP: &str = "{\n    \"method\": \"email\",\n    \"password\": \"<password>\"\n}";

/// The body on the page of `POST /identity/mfa/setup/verify`.
const VERIFY: &str = "{\n    \"mfaToken\": \"{{mfaToken}}\",\n    \"code\": \"123456\"\n}";

/// The message on the pages after a code was mailed.
const SENT: &str = "Email verification code sent. Please check your inbox.";

/// Starts turning a method on, as on the page.
async fn setup(alice: &Person, method: &str) -> Answer {
    let body = SETUP.replace("email", method);
    let body = body.replace("<password>", PASSWORD);
    let call = alice.call(Method::POST, "/identity/mfa/setup");
    call.body("application/json", body).await.is(200)
}

/// Proves it, as on the page: without a bearer.
async fn verify(server: &Server, mfa_token: &str, code: &str) -> Answer {
    let body = VERIFY.replace("{{mfaToken}}", mfa_token);
    let body = body.replace("123456", code);
    let call = server.call(Method::POST, "/identity/mfa/setup/verify");
    call.body("application/json", body).await.is(200)
}

/// Asserts that an answer is exactly this, plus an `mfaToken`.
#[track_caller]
fn shows(answer: &Answer, mut expected: Value) {
    let token = answer.text("mfaToken");
    assert!(token.starts_with("mfa_"), "{token}");
    expected["mfaToken"] = json!(token);
    assert_eq!(answer.body, expected, "{}", answer.call);
}

async fn the_calls_of_seed_004_answer_what_its_pages_show() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let begun = setup(&alice, "email").await;
    // `method` is our addition: it tells which kind of set-up the answer is.
    shows(&begun, json!({ "message": SENT, "method": "email" }));
    let code = server.mail.code_to("alice@example.com").await;
    let enabled = verify(&server, &begun.text("mfaToken"), &code).await;
    assert_eq!(
        enabled.body,
        json!({
            "message": "Email MFA enabled successfully. Your account is now more secure.",
            "mfaMethods": ["email"],
            "enabledAt": "2026-11-22T14:00:07.000Z",
            "method": "email"
        })
    );
}

async fn the_other_answers_say_it_in_the_same_words() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    // The sign-in, its resend, and turning the method off all mail a code.
    let asked = alice.login().await.is(200);
    assert_eq!(asked["message"], SENT);
    server.mail.code_to("alice@example.com").await;
    server.clock.advance(60);
    let token = asked.text("mfaToken");
    let again = server.resend(&token).await.is(200);
    assert_eq!(again["message"], SENT);
    let code = server.mail.code_to("alice@example.com").await;
    let signed_in = server.verify_login(&token, &code).await.is(200);
    alice.keep(&signed_in);
    let begun = alice.begin_disable("email").await.is(200);
    shows(&begun, json!({ "message": SENT, "method": "email" }));
    let code = server.mail.code_to("alice@example.com").await;
    let off = server.verify_disable(&begun.text("mfaToken"), &code).await;
    assert_eq!(
        off.is(200).body,
        json!({
            "message": "Email MFA disabled successfully.",
            "mfaMethods": [],
            "disabledAt": "2026-11-22T14:01:07.000Z",
            "method": "email"
        })
    );

    alice.sign_in().await;
    let begun = setup(&alice, "authenticator").await;
    for member in ["secret", "otpauthUrl", "mfaToken"] {
        assert!(begun[member].is_string(), "{member}: {}", begun.text);
    }
    let code = Authenticator::new(&begun.text("secret")).fresh_code(&server.clock);
    let enabled = verify(&server, &begun.text("mfaToken"), &code).await;
    assert_eq!(
        enabled.body,
        json!({
            "message": "Authenticator MFA enabled successfully. Your account is now more secure.",
            "mfaMethods": ["authenticator"],
            "enabledAt": "2026-11-22T14:01:07.000Z",
            "method": "authenticator"
        })
    );
}
