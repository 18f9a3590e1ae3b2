//! What a call is given before it is awaited, and what hooks and traces see of it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_sdk::identity::mock::MockServerExt;
use countersign_sdk::identity::mock::httpmock::MockServer;
use countersign_sdk::identity::types::*;
use countersign_sdk::{Client, Problem, Retry};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Subscriber;
use tracing::{Event, Metadata};
use uuid::Uuid;

use super::{answer, error, login, me, served, session, tokens};

const ID: &str = "01a2039b-8f6b-7c3e-9d41-5b2f6a7c8e90";

#[tokio::test]
async fn a_call_takes_headers_a_request_id_and_a_timeout() {
    let (server, client) = served().await;
    let mock = server.mock(|when, then| {
        when.path("/identity/login")
            .header("x-request-id", ID)
            .header("x-tenant", "shop");
        then.status(200)
            .header("x-request-id", ID)
            .json_body(tokens(1, 900));
    });
    let id: Uuid = ID.parse().expect("an id");
    let call = client
        .login(login())
        .request_id(id)
        .header("X-Tenant", "shop");
    let answer = call.with_response().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.request_id(), Some(id));
    let LoginAnswer::SignedIn(signed_in) = answer.into_inner() else {
        panic!("signed in")
    };
    assert_eq!(signed_in.access_token.expose(), "access-1");
    mock.assert();

    let slow = server.get_current_user(|_, then| {
        then.into_inner().delay(Duration::from_secs(5)).status(200);
    });
    let call = client.get_current_user().timeout(Duration::from_millis(50));
    let error = call.await.expect_err("too slow");
    assert!(
        error.is_retryable() && error.to_string().contains("timed out"),
        "{error}"
    );
    // Reading is made again when the connection broke.
    slow.assert_calls(3);
}

#[tokio::test]
async fn what_the_client_sets_itself_is_not_set_by_others() {
    let (server, client) = served().await;
    let any = server.mock(|_, then| {
        then.status(200);
    });
    for (name, value) in [
        ("Authorization", "Bearer hunter2"),
        ("x y", "hunter2"),
        ("x", "hunter2\n"),
    ] {
        let error = client
            .get_health()
            .header(name, value)
            .await
            .expect_err("refused");
        let said = error.to_string();
        assert!(
            said.starts_with("the request was not sent: ") && !said.contains("hunter2"),
            "{said}"
        );
        assert!(!error.is_retryable());
    }
    any.assert_calls(0);
}

#[tokio::test]
async fn hooks_see_each_try_and_add_headers() {
    let server = MockServer::start_async().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (before, after) = (Arc::clone(&seen), Arc::clone(&seen));
    let client = Client::builder(&server.base_url())
        .retry(Retry::new(2, Duration::from_secs(5)))
        .on_request(move |request| {
            request
                .header("traceparent", "00-1-2-01")
                .expect("a header");
            request
                .header("authorization", "x")
                .expect_err("not this one");
            let line = format!(
                "{} {} {}",
                request.operation(),
                request.path(),
                request.tries()
            );
            before.lock().expect("held by nobody").push(line);
        })
        .on_response(move |request| {
            let line = format!(
                "{} {:?}",
                request.method(),
                request.status().map(|one| one.as_u16())
            );
            assert!(request.duration() < Duration::from_secs(5));
            after.lock().expect("held by nobody").push(line);
        })
        .build()
        .expect("this machine");
    client.sign_in_with(session(1, 900));
    server.mock(|when, then| {
        when.path("/identity/mfa/methods/factor-1")
            .header("traceparent", "00-1-2-01");
        then.respond_with(|_: &_| answer(503, Some(0), &error(503, "SERVICE_UNAVAILABLE")));
    });
    let refused = client.delete_mfa_method("factor-1").await;
    refused.expect_err("busy");
    let template = "/identity/mfa/methods/{factorId}";
    let seen = seen.lock().expect("held by nobody").clone();
    let wanted = [
        format!("delete_mfa_method {template} 1"),
        "DELETE Some(503)".to_owned(),
        format!("delete_mfa_method {template} 2"),
        "DELETE Some(503)".to_owned(),
    ];
    assert_eq!(seen, wanted);
}

/// What a span has recorded, by name.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<BTreeMap<String, String>>>);

impl Visit for &Spans {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut held = self.0.lock().expect("held by nobody");
        held.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "countersign_sdk"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut &*self);
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, values: &Record<'_>) {
        values.record(&mut &*self);
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut &*self);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

#[tokio::test]
async fn a_span_says_how_a_call_went_and_no_secret() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let (server, client) = served().await;
    server.mock(|when, then| {
        when.path("/identity/login");
        then.status(401)
            .header("x-request-id", ID)
            .json_body(error(401, "INVALID_CREDENTIALS"));
    });
    let login = LoginRequest::new("alice@example.com", "hunter2");
    client.login(login).await.expect_err("refused");
    let seen = spans.0.lock().expect("held by nobody").clone();
    for (name, value) in [
        ("operation", "\"login\""),
        ("method", "\"POST\""),
        ("path", "\"/identity/login\""),
        ("status", "401"),
        ("code", "\"INVALID_CREDENTIALS\""),
        ("request_id", ID),
        ("tries", "1"),
    ] {
        assert_eq!(seen.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!format!("{seen:?}").contains("hunter2"), "{seen:?}");
}

#[test]
fn a_call_can_be_waited_for_without_async() {
    let server = MockServer::start();
    let client = Client::new(&server.base_url()).expect("this machine");
    server.mock(|when, then| {
        when.path("/identity/me");
        then.status(200).json_body(me());
    });
    let me = client.get_current_user().blocking().expect("an answer");
    assert_eq!(me.email, "alice@example.com");
}
