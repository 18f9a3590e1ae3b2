//! Fresh proof through one callback, and the call again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign_sdk::identity::SteppingUp;
use countersign_sdk::identity::mock::httpmock::{HttpMockRequest, MockServer};
use countersign_sdk::identity::mock::{self, MockServerExt};
use countersign_sdk::identity::types::*;
use countersign_sdk::{Client, Failure, Lifted, Problem, StepUp, flashback};
use serde_json::{Value, json};

use super::{answer, bearer, session};

/// Steps up with an authenticator's code.
async fn with_code(wanted: StepUp) -> Result<Lifted, Failure> {
    let client = Client::from(&wanted);
    let asked = StepUpRequest::new();
    match client.begin_step_up().body(asked).await? {
        StepUpResponse::SteppedUp(done) => Ok(Lifted::from(&done)),
        StepUpResponse::MfaRequired(step) => {
            let proof = MfaVerifyRequest::new(step.mfa_token, "123456");
            Ok(Lifted::from(&client.verify_step_up(proof).await?))
        }
        other => unreachable!("{other:?}"),
    }
}

/// A client whose callback is counted, signed in with tokens that are not fresh.
fn counted(server: &MockServer) -> (Client, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let client = Client::builder(&server.base_url())
        .step_up(move |wanted| {
            count.fetch_add(1, Ordering::SeqCst);
            with_code(wanted)
        })
        .build()
        .expect("this machine");
    client.sign_in_with(session(1, 900));
    (client, asked)
}

/// The refusal, in the envelope of an API.
fn refused(envelope: &Value) -> Value {
    let mut body = json!({
        "code": "INSUFFICIENT_USER_AUTHENTICATION",
        "maxAge": 300,
        "requestId": "01a2039b-8f6b-7c3e-9d41-5b2f6a7c8e90",
    });
    for (name, value) in envelope.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

/// Takes an act from a lifted session only.
fn guarded(
    server: &MockServer,
    path: &'static str,
    envelope: Value,
    (status, then_answer): (u16, Value),
) {
    server.mock(move |when, then| {
        when.path(path);
        then.respond_with(
            move |request: &HttpMockRequest| match bearer(request).as_deref() {
                Some("a-lifted-access-token") => answer(status, None, &then_answer),
                _other => answer(401, None, &refused(&envelope)),
            },
        );
    });
}

fn native() -> Value {
    json!({ "message": "Step up.", "statusCode": 401 })
}

fn codes() -> (u16, Value) {
    (
        201,
        json!({ "recoveryCodes": ["AAAA-BBBB-CCCC-DDDD"], "remaining": 1 }),
    )
}

fn steps(server: &MockServer) {
    server.begin_step_up(|_, then| {
        then.ok(&mock::step_up_challenge().into());
    });
    server.verify_step_up(|when, then| {
        when.into_inner().header("authorization", "Bearer access-1");
        then.into_inner()
            .status(200)
            .delay(Duration::from_millis(200))
            .json_body(serde_json::to_value(mock::stepped_up()).expect("JSON"));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_wait_together_ask_once_and_are_made_again() {
    let server = MockServer::start_async().await;
    steps(&server);
    guarded(&server, "/identity/mfa/recovery-codes", native(), codes());
    let (client, asked) = counted(&server);
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.generate_recovery_codes().await.map(drop) })
        })
        .collect();
    for call in calls {
        call.await.expect("it ends").expect("lifted");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let lifted = client.session().expect("signed in");
    assert_eq!(lifted.access_token().expose(), "a-lifted-access-token");
    assert_eq!(lifted.refresh_token().expose(), "refresh-1");
}

#[tokio::test]
async fn the_other_apis_step_up_the_same_way() {
    let server = MockServer::start_async().await;
    steps(&server);
    let envelope = json!({ "success": false, "error": "Step up.", "message": "Step up." });
    let done = json!({ "success": true, "message": "Done." });
    guarded(&server, "/mfa/disable", envelope, (200, done));
    let (client, asked) = counted(&server);
    let client = flashback::Client::from(&client);
    let request = flashback::types::MfaTypeRequest::new("GOOGLE_AUTH");
    client.disable_mfa(request).await.expect("lifted");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn who_does_not_prove_it_gets_the_answer_and_is_not_asked_for_ever() {
    let server = MockServer::start_async().await;
    guarded(&server, "/identity/mfa/recovery-codes", native(), codes());
    server.begin_step_up(|_, then| {
        then.into_inner().status(401).json_body(refused(&native()));
    });
    let (client, asked) = counted(&server);
    let refused = client.generate_recovery_codes().await;
    let refused = refused.expect_err("no proof");
    assert_eq!(refused.code(), Some("INSUFFICIENT_USER_AUTHENTICATION"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    let unasked = Client::new(&server.base_url()).expect("this machine");
    unasked.sign_in_with(session(1, 900));
    let refused = unasked.generate_recovery_codes().await;
    let Err(GenerateRecoveryCodesError::InsufficientUserAuthentication { max_age, .. }) = refused
    else {
        panic!("typed: {refused:?}")
    };
    assert_eq!(max_age, 300);
}

#[tokio::test]
async fn a_step_up_of_somebody_else_is_not_taken_over() {
    let server = MockServer::start_async().await;
    guarded(&server, "/identity/mfa/recovery-codes", native(), codes());
    let client = Client::builder(&server.base_url())
        .step_up(|wanted: StepUp| async move {
            assert_eq!(wanted.operation(), "generate_recovery_codes");
            assert_eq!(wanted.max_age(), Some(Duration::from_secs(300)));
            Client::from(&wanted).sign_in_with(session(2, 900));
            Ok(Lifted::new("a-lifted-access-token", 900))
        })
        .build()
        .expect("this machine");
    client.sign_in_with(session(1, 900));
    let refused = client.generate_recovery_codes().await;
    refused.expect_err("another user's");
    let held = client.session().expect("signed in");
    assert_eq!(held.access_token().expose(), "access-2");
    assert!(format!("{client:?}").contains("step_up: set"));
}

#[tokio::test]
async fn a_step_up_of_its_own_lifts_the_clients_session() {
    let server = MockServer::start_async().await;
    steps(&server);
    guarded(&server, "/identity/mfa/recovery-codes", native(), codes());
    let client = Client::new(&server.base_url()).expect("this machine");
    client.sign_in_with(session(1, 900));
    let begun = client.step_up(StepUpRequest::new()).await.expect("asked");
    let SteppingUp::Challenge(challenge) = begun else {
        panic!("a challenge: {begun:?}")
    };
    challenge.answer("123456").await.expect("lifted");
    let held = client.session().expect("signed in");
    assert_eq!(held.access_token().expose(), "a-lifted-access-token");
    assert_eq!(held.refresh_token().expose(), "refresh-1");
    client.generate_recovery_codes().await.expect("fresh proof");
}

#[tokio::test]
async fn a_step_up_by_password_lifts_the_clients_session_at_once() {
    let server = MockServer::start_async().await;
    server.begin_step_up(|_, then| {
        then.ok(&StepUpResponse::SteppedUp(mock::stepped_up()));
    });
    let client = Client::new(&server.base_url()).expect("this machine");
    client.sign_in_with(session(1, 900));
    let asked = StepUpRequest::new().password("right");
    let begun = client.step_up(asked).await.expect("lifted");
    assert!(matches!(begun, SteppingUp::Done(_)), "{begun:?}");
    let held = client.session().expect("signed in");
    assert_eq!(held.access_token().expose(), "a-lifted-access-token");
}

#[tokio::test]
async fn a_step_up_that_ends_after_another_sign_in_changes_nothing() {
    let server = MockServer::start_async().await;
    steps(&server);
    let client = Client::new(&server.base_url()).expect("this machine");
    client.sign_in_with(session(1, 900));
    let begun = client.step_up(StepUpRequest::new()).await.expect("asked");
    let SteppingUp::Challenge(challenge) = begun else {
        panic!("a challenge: {begun:?}")
    };
    let other = client.clone();
    let late = tokio::spawn(challenge.answer("123456"));
    // The answer takes 200 ms; meanwhile somebody else signs in with this client.
    tokio::time::sleep(Duration::from_millis(100)).await;
    other.sign_in_with(session(2, 900));
    late.await.expect("it ends").expect("answered");
    let held = client.session().expect("signed in");
    assert_eq!(held.access_token().expose(), "access-2");
}
