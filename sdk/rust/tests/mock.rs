//! How an integrator tests their own code with the mocks, and what holds for every answer that is read.
#![expect(clippy::expect_used, reason = "the helpers of tests are tests as well")]

use countersign_sdk::identity::mock::httpmock::MockServer;
use countersign_sdk::identity::mock::{self, MockServerExt};
use countersign_sdk::identity::{calls, types::*};
use countersign_sdk::{Client, Failure, Problem, Secret};

/// The integrator's own code: what a sign-in page shows.
async fn page(client: &Client, email: &str, password: &str) -> Result<String, Failure> {
    match client.login(LoginRequest::new(email, password)).await {
        Ok(LoginAnswer::SignedIn(tokens)) => {
            client.sign_in_with(&tokens);
            Ok(format!("Hello, {}!", tokens.user.email))
        }
        Ok(LoginAnswer::MfaRequired(step)) => Ok(format!("Your {} code:", step.method)),
        Ok(other) => Ok(format!("Too new: {other:?}")),
        Err(LoginError::InvalidCredentials { .. }) => Ok("Wrong.".to_owned()),
        Err(LoginError::TooManyPasswordAttempts { retry_after, .. }) => {
            Ok(format!("Wait {retry_after} s."))
        }
        Err(other) => Err(other.into()),
    }
}

async fn served() -> (MockServer, Client) {
    let server = MockServer::start_async().await;
    let client = Client::new(&server.base_url()).expect("this machine");
    (server, client)
}

#[tokio::test]
async fn an_integrators_own_test() {
    let (server, client) = served().await;
    let right = LoginRequest::new("alice@example.com", "right");
    let by_password = server.login(|when, then| {
        when.body(&right);
        then.ok(&mock::tokens().into());
    });
    let shown = page(&client, "alice@example.com", "right").await;
    assert_eq!(shown.expect("an answer"), "Hello, alice@example.com!");
    assert!(client.is_signed_in());
    by_password.assert();
}

#[tokio::test]
async fn every_way_a_sign_in_can_go_is_one_mock() {
    type Way = fn(mock::Then<calls::Login>) -> mock::Then<calls::Login>;
    let ways: [(Way, &str); 3] = [
        (
            |then| then.ok(&mock::mfa_required().into()),
            "Your authenticator code:",
        ),
        (|then| then.error("INVALID_CREDENTIALS", []), "Wrong."),
        (
            |then| then.error("TOO_MANY_PASSWORD_ATTEMPTS", [("retryAfter", 8.into())]),
            "Wait 8 s.",
        ),
    ];
    for (way, shown) in ways {
        let (server, client) = served().await;
        server.login(|_, then| {
            way(then);
        });
        let got = page(&client, "alice@example.com", "guessed").await;
        assert_eq!(got.expect("an answer"), shown);
        assert!(!client.is_signed_in());
    }
}

#[test]
fn a_mock_that_the_document_does_not_have_is_told() {
    let server = MockServer::start();
    for (code, extras) in [
        ("NO_SUCH_CODE", vec![]),
        ("INVALID_MFA_CODE", vec![]),
        (
            "INVALID_MFA_CODE",
            vec![("attemptsRemaining", "four".into())],
        ),
    ] {
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            server.verify_mfa_login(|_, then| {
                then.error(code, extras.clone());
            });
        }));
        assert!(made.is_err(), "{code} {extras:?}");
    }
}

#[tokio::test]
async fn a_value_that_this_version_does_not_know_is_read() {
    let (server, client) = served().await;
    let mut answer = serde_json::to_value(mock::mfa_required()).expect("JSON");
    answer["method"] = "carrier_pigeon".into();
    answer["mfaMethods"] = serde_json::json!(["carrier_pigeon", "email"]);
    answer["aNewField"] = 1.into();
    server.login(|_, then| {
        then.into_inner().status(200).json_body(answer);
    });
    let login = LoginRequest::new("alice@example.com", "right");
    let answer = client.login(login).await.expect("an answer");
    let LoginAnswer::MfaRequired(step) = answer else {
        panic!("a second factor is asked for")
    };
    assert_eq!(step.method, MfaMethod::Other("carrier_pigeon".to_owned()));
    assert_eq!(step.mfa_methods, [step.method, MfaMethod::Email]);
}

#[test]
fn a_union_of_a_server_without_its_tag_is_read_by_its_fields() {
    let mut asked = serde_json::to_value(mock::mfa_required()).expect("JSON");
    assert_eq!(asked["status"], "mfa_required");
    asked.as_object_mut().expect("an object").remove("status");
    let read: LoginAnswer = serde_json::from_value(asked.clone()).expect("it is read");
    assert!(matches!(read, LoginAnswer::MfaRequired(_)));
    asked["status"] = "newer_than_this_sdk".into();
    serde_json::from_value::<LoginAnswer>(asked).expect_err("nobody knows what it is");
    let authenticator = serde_json::json!({
        "message": "Scan it.", "mfaToken": "mfa_1", "secret": "AAAA", "otpauthUrl": "otpauth://", "qrCode": "data:",
    });
    let read: MfaSetupResponse = serde_json::from_value(authenticator).expect("it is read");
    assert!(matches!(read, MfaSetupResponse::Authenticator(_)));
}

#[tokio::test]
async fn an_error_that_this_version_does_not_know_is_the_last_variant() {
    let (server, client) = served().await;
    server.verify_mfa_login(|_, then| {
        let extras = [("deviceId", "device-7".into()), ("retryAfter", 60.into())];
        then.other_error(403, "DEVICE_NOT_TRUSTED", extras);
    });
    let error = client
        .verify_mfa_login(proof())
        .await
        .expect_err("an error");
    let VerifyMfaLoginError::Other(failure) = &error else {
        panic!("it is the last variant")
    };
    assert_eq!(failure.status().map(|status| status.as_u16()), Some(403));
    assert_eq!(failure.code(), Some("DEVICE_NOT_TRUSTED"));
    assert_eq!(failure.message(), Some("A sentence for the user."));
    assert!(failure.body().is_some_and(|body| body.contains("device-7")));
    assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(60));
    assert_eq!(
        error.to_string(),
        "403 DEVICE_NOT_TRUSTED: A sentence for the user. (request 01a2039b-8f6b-7c3e-9d41-5b2f6a7c8e90)"
    );
}

#[tokio::test]
async fn an_error_is_matched_on_one_level_and_keeps_all_there_is() {
    let (server, client) = served().await;
    server.verify_mfa_login(|_, then| {
        let extras = [
            ("attemptsRemaining", 4.into()),
            ("reason", "worn_out".into()),
        ];
        then.error("INVALID_MFA_CODE", extras);
    });
    let error = client
        .verify_mfa_login(proof())
        .await
        .expect_err("an error");
    assert_eq!(error.code(), Some("INVALID_MFA_CODE"));
    assert_eq!(Failure::from(error.clone()).to_string(), error.to_string());
    let VerifyMfaLoginError::InvalidMfaCode {
        attempts_remaining,
        reason,
        message,
        failure,
        ..
    } = error
    else {
        panic!("typed: {error}")
    };
    assert_eq!(attempts_remaining, 4);
    assert_eq!(
        reason,
        Some(InvalidCodeReason::Other("worn_out".to_owned()))
    );
    assert_eq!(failure.message(), Some(message.as_str()));
    assert!(failure.headers().contains_key("content-type"));
}

fn proof() -> MfaVerifyRequest {
    MfaVerifyRequest::new("mfa_hunter2", "123456")
}

#[tokio::test]
async fn what_is_not_an_answer_of_ours_keeps_status_and_body() {
    let (server, client) = served().await;
    server.mock(|when, then| {
        when.path("/identity/me");
        then.status(418)
            .header("x-request-id", "01a2039b-8f6b-7c3e-9d41-5b2f6a7c8e90")
            .body("<html>a proxy</html>");
    });
    let error = client.get_current_user().await.expect_err("an error");
    let failure = Failure::from(error);
    assert_eq!(failure.status().map(|status| status.as_u16()), Some(418));
    assert_eq!(failure.code(), None);
    assert_eq!(failure.body(), Some("<html>a proxy</html>"));
    assert_eq!(
        failure.to_string(),
        "418: not an answer of this operation (request 01a2039b-8f6b-7c3e-9d41-5b2f6a7c8e90)"
    );
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_keeps_status_and_body_and_shows_no_token() {
    let (server, client) = served().await;
    let strange = r#"{"accessToken":"hunter2","refreshToken":5}"#;
    server.refresh_token(|_, then| {
        then.into_inner().status(200).body(strange);
    });
    let spent = RefreshTokenRequest::new("rt_hunter2");
    let error = client.refresh_token(spent).await.expect_err("an error");
    let cause = std::error::Error::source(&error).expect("a cause");
    let shown = format!("{error} {error:?} {cause} {cause:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(
        shown.starts_with("200: the answer cannot be read"),
        "{shown}"
    );
    assert_eq!(error.failure().body(), Some(strange));
}

#[tokio::test]
async fn nothing_that_holds_a_secret_shows_it() {
    let (_server, client) = served().await;
    let mut tokens = mock::tokens();
    tokens.access_token = "hunter2".into();
    tokens.refresh_token = "hunter2".into();
    client.sign_in_with(&tokens);
    let mut step = mock::mfa_required();
    step.mfa_token = "hunter2".into();
    let login = LoginRequest::new("a@example.com", "hunter2");
    let proof = MfaVerifyRequest::new("hunter2", "hunter2");
    let shown = [
        format!("{:?}", Secret::from("hunter2")),
        format!("{tokens:?}"),
        format!("{:?}", LoginAnswer::from(step)),
        format!("{login:?}"),
        format!("{:?}", client.login(login).header("x-secret", "hunter2")),
        format!("{proof:?}"),
        format!("{:#?}", client.session()),
        format!("{client:#?}"),
        format!("{:?}", Client::builder("https://x").api_key("hunter2")),
    ];
    for shown in shown {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
