//! Tests what the outer middleware does if a handler does not finish, and with errors of the
//! framework.

use std::path::PathBuf;

use actix_web::body::to_bytes;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App as Web, HttpResponse, Responder, test, web};
use serde_json::{Value, json};

use super::*;
use crate::config::Settings;
use crate::contract::Source;
use countersign_base::chance::Chance;
use countersign_base::clock::Clock;

const YAML: &str = "
paths:
  /a/panic: { get: { responses: {} } }
  /a/told: { get: { responses: {} } }
";

/// A temporary folder for one test, deleted afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("countersign-trace-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes middleware whose only API answers with the code and the id of the request.
async fn edge(folder: &Folder, change: impl FnOnce(&mut Settings)) -> Arc<Edge> {
    let mut settings = Settings::for_test(&folder.0).expect("the defaults");
    change(&mut settings);
    let app = App::open(settings, Clock::System, Chance::seeded(1))
        .await
        .expect("opened");
    let envelope = |rejected: Rejection| {
        let body = json!({ "code": rejected.said().code(), "id": request_id() });
        rejected.answer().json(body)
    };
    let document: serde_json::Value = yaml_serde::from_str(YAML).expect("YAML");
    let source = Source {
        name: "a",
        json: document.to_string().leak(),
        envelope,
    };
    Arc::new(Edge::new(
        app,
        Arc::new(Contract::read(&[source]).expect("YAML")),
    ))
}

async fn panics() -> HttpResponse {
    panic!("on purpose")
}

async fn hangs() -> HttpResponse {
    std::future::pending().await
}

async fn tells() -> impl Responder {
    Rejection::from(Refusal::Forbidden).answer().finish()
}

/// Returns status, headers and body of a GET, as the client would see them.
async fn get(edge: &Arc<Edge>, path: &str) -> (StatusCode, HeaderMap, Value) {
    let shared = Arc::clone(edge);
    let web = Web::new()
        .wrap(from_fn(move |request, next| {
            trace(Arc::clone(&shared), request, next)
        }))
        .route("/a/panic", web::get().to(panics))
        .route("/a/hangs", web::get().to(hangs))
        .route("/a/told", web::get().to(tells))
        .route("/a/fine", web::get().to(HttpResponse::Ok))
        .route("/page", web::get().to(HttpResponse::Ok));
    let service = test::init_service(web).await;
    let request = test::TestRequest::with_uri(path).to_request();
    let response = match service.call(request).await.map(ServiceResponse::into_parts) {
        Ok((_, response)) => response,
        Err(error) => error.error_response(),
    };
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = to_bytes(response.into_body()).await.unwrap_or_default();
    (
        status,
        headers,
        serde_json::from_slice(&bytes).unwrap_or_default(),
    )
}

#[actix_web::test]
async fn a_panic_is_a_fault_of_its_request_only() {
    let folder = Folder::new("panic");
    let edge = edge(&folder, |_| {}).await;
    let (status, headers, body) = get(&edge, "/a/panic").await;
    assert_eq!((status.as_u16(), &body["code"]), (500, &json!("INTERNAL")));
    let header = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    assert_eq!(header("x-request-id"), body["id"].as_str());
    assert_eq!(header("cache-control"), Some("no-store"));
    assert_eq!(get(&edge, "/a/fine").await.0, StatusCode::OK);
}

#[actix_web::test]
async fn a_request_that_takes_too_long_ends() {
    let folder = Folder::new("slow");
    let edge = edge(&folder, |settings| settings.request_timeout_seconds = 0).await;
    let (status, headers, body) = get(&edge, "/a/hangs").await;
    assert_eq!(
        (status.as_u16(), &body["code"]),
        (503, &json!("SERVICE_UNAVAILABLE"))
    );
    assert!(headers.contains_key("retry-after"));
}

#[actix_web::test]
async fn what_the_framework_leaves_empty_is_worded() {
    let folder = Folder::new("empty");
    let edge = edge(&folder, |_| {}).await;
    let (status, _, body) = get(&edge, "/b").await;
    assert_eq!((status.as_u16(), &body["code"]), (404, &json!("NOT_FOUND")));
    assert_eq!(edge.undeclared(), 0);
}

#[actix_web::test]
async fn an_answer_outside_the_contract_is_given_and_counted() {
    let folder = Folder::new("undeclared");
    let edge = edge(&folder, |_| {}).await;
    assert_eq!(get(&edge, "/a/told").await.0, StatusCode::FORBIDDEN);
    assert_eq!(edge.undeclared(), 1);
}

#[actix_web::test]
async fn only_an_https_server_asks_for_https() {
    let folder = Folder::new("https");
    let plain = edge(&folder, |_| {}).await;
    assert!(
        !get(&plain, "/page")
            .await
            .1
            .contains_key("strict-transport-security")
    );
    let folder = Folder::new("https-on");
    let secure = edge(&folder, |settings| {
        settings.public_url = "https://a.example".to_owned();
    })
    .await;
    assert!(
        get(&secure, "/page")
            .await
            .1
            .contains_key("strict-transport-security")
    );
}
