//! How an integrator tests their own code with the mocks, and what holds for every answer that is read.
#![expect(clippy::expect_used, reason = "the helpers of tests are tests as well")]

use countersign_sdk::identity::mock::httpmock::MockServer;
use countersign_sdk::identity::mock::{self, MockServerExt};
use countersign_sdk::identity::types::*;
use countersign_sdk::identity::{Client, Error};
use countersign_sdk::{Failure, Problem, Secret};

/// The integrator's own code: what a sign-in page shows.
async fn page(client: &Client, email: &str, password: &str) -> Result<String, Failure> {
    let login = LoginRequest {
        email: email.to_owned(),
        password: password.into(),
    };
    match client.login().body(login).send().await {
        Ok(answer) => match answer.into_inner() {
            LoginAnswer::TokenResponse(tokens) => {
                client.sign_in_with(&tokens);
                Ok(format!("Hello, {}!", tokens.user.email))
            }
            LoginAnswer::MfaRequiredResponse(step) => Ok(format!("Your {} code:", step.method)),
        },
        Err(Error::ErrorResponse(answer)) => match answer.into_inner() {
            LoginError::InvalidCredentialsErrorResponse(_) => Ok("Wrong.".to_owned()),
            LoginError::TooManyPasswordAttemptsErrorResponse(busy) => {
                Ok(format!("Wait {} s.", busy.retry_after))
            }
            other => Ok(format!("Sorry: {other:?}")),
        },
        Err(other) => Err(other.into()),
    }
}

async fn served() -> (MockServer, Client) {
    let server = MockServer::start_async().await;
    let client = Client::at(&server.base_url()).expect("this machine");
    (server, client)
}

#[tokio::test]
async fn an_integrators_own_test() {
    let (server, client) = served().await;
    let right = LoginRequest {
        email: "alice@example.com".to_owned(),
        password: "right".into(),
    };
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
    let ways: [(u16, serde_json::Value, &str); 3] = [
        (
            200,
            serde_json::to_value(mock::mfa_required()).expect("JSON"),
            "Your authenticator code:",
        ),
        (401, body(401, "INVALID_CREDENTIALS", []), "Wrong."),
        (
            429,
            body(
                429,
                "TOO_MANY_PASSWORD_ATTEMPTS",
                [("retryAfter", 8.into())],
            ),
            "Wait 8 s.",
        ),
    ];
    for (status, answer, shown) in ways {
        let (server, client) = served().await;
        server.login(|_, then| {
            then.into_inner().status(status).json_body(answer);
        });
        let got = page(&client, "alice@example.com", "guessed").await;
        assert_eq!(got.expect("an answer"), shown);
        assert!(!client.is_signed_in());
    }
}

/// An error's body as JSON.
fn body(
    status: u16,
    code: &str,
    extras: impl IntoIterator<Item = (&'static str, serde_json::Value)>,
) -> serde_json::Value {
    serde_json::to_value(mock::error::<LoginError>(status, code, extras)).expect("JSON")
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
    let login = LoginRequest::builder()
        .email("alice@example.com")
        .password("right");
    let answer = client.login().body(login).send().await.expect("an answer");
    let LoginAnswer::MfaRequiredResponse(step) = answer.into_inner() else {
        panic!("a second factor is asked for")
    };
    assert_eq!(step.method, MfaMethod::Other("carrier_pigeon".to_owned()));
    assert_eq!(step.mfa_methods, [step.method, MfaMethod::Email]);
}

#[tokio::test]
async fn an_error_that_this_version_does_not_know_is_the_last_variant() {
    let (server, client) = served().await;
    server.verify_mfa_login(|_, then| {
        let new = mock::error(
            403,
            "DEVICE_NOT_TRUSTED",
            [("deviceId", "device-7".into()), ("retryAfter", 60.into())],
        );
        then.forbidden(&new);
    });
    let error = verify(&client).await.expect_err("an error");
    assert_eq!(error.status().map(|status| status.as_u16()), Some(403));
    assert_eq!(error.code().as_deref(), Some("DEVICE_NOT_TRUSTED"));
    assert_eq!(error.message().as_deref(), Some("A sentence for the user."));
    assert!(error.request_id().is_some());
    assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(60));
    assert!(
        error
            .failure()
            .body
            .is_some_and(|body| body.contains("device-7"))
    );
    let Error::ErrorResponse(answer) = error else {
        panic!("it has a body of an error")
    };
    let VerifyMfaLoginError::ErrorResponse(unknown) = answer.into_inner() else {
        panic!("it is the last variant")
    };
    assert_eq!(unknown.code, "DEVICE_NOT_TRUSTED");
    assert_eq!(unknown.extra["deviceId"], "device-7");
}

async fn verify(client: &Client) -> Result<MfaLoginVerifyResponse, Error<VerifyMfaLoginError>> {
    let proof = MfaVerifyRequest {
        mfa_token: "mfa_hunter2".into(),
        code: "123456".into(),
    };
    let answer = client.verify_mfa_login().body(proof).send().await?;
    Ok(answer.into_inner())
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
    let error = client
        .get_current_user()
        .send()
        .await
        .expect_err("an error");
    let failure = Failure::from(error);
    assert_eq!(failure.status.map(|status| status.as_u16()), Some(418));
    assert_eq!(failure.code, None);
    assert_eq!(failure.body.as_deref(), Some("<html>a proxy</html>"));
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
    let spent = RefreshTokenRequest {
        refresh_token: "rt_hunter2".into(),
    };
    let error = client
        .refresh_token()
        .body(spent)
        .send()
        .await
        .expect_err("an error");
    let shown = format!(
        "{error} {error:?} {} {:?}",
        error.failure(),
        error.failure()
    );
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(
        error
            .failure()
            .to_string()
            .starts_with("200: the answer cannot be read"),
        "{shown}"
    );
    let Error::UnexpectedResponse(answer) = error else {
        panic!("it is kept whole")
    };
    assert_eq!(answer.url().path(), "/identity/token/refresh");
    assert_eq!(answer.text().await.expect("the body"), strange);
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
    let login = LoginRequest::builder()
        .email("a@example.com")
        .password("hunter2");
    let proof = MfaVerifyRequest {
        mfa_token: "hunter2".into(),
        code: "hunter2".into(),
    };
    let shown = [
        format!("{:?}", Secret::from("hunter2")),
        format!("{tokens:?}"),
        format!("{:?}", LoginAnswer::from(step)),
        format!("{login:?}"),
        format!("{:?}", client.login().body(login)),
        format!("{proof:?}"),
        format!("{:#?}", client.session()),
        format!("{client:#?}"),
        format!("{:?}", client.front()),
        format!(
            "{:?}",
            countersign_sdk::Front::builder("https://x").api_key("hunter2")
        ),
    ];
    for shown in shown {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
