//! A sandbox for one test: in this process, on a free port, with data of its own.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use countersign::config::Settings;
use countersign::sandbox;
use countersign::serve;
use reqwest::Client;
use reqwest::redirect::Policy;
use tokio::sync::Mutex;

use crate::call::{Answer, Call, Method};
use crate::{Value, json, suite};

/// A running sandbox.
#[derive(Clone)]
pub struct Sandbox {
    /// What is behind its door.
    pub inner: sandbox::Sandbox,
    /// Where it listens.
    pub address: SocketAddr,
    http: Client,
}

impl Sandbox {
    /// Starts one with the usual seed.
    pub async fn start() -> Self {
        Self::seeded(sandbox::SEED).await
    }

    /// Starts one with a seed of its own.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn seeded(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let folder = sandbox::Sandbox::folder().expect("a folder");
        let flags = vec![
            ("listen".to_owned(), address.to_string()),
            ("hash_slots".to_owned(), "1".to_owned()),
            ("shutdown_timeout_seconds".to_owned(), "1".to_owned()),
        ];
        let chosen = Settings::for_sandbox(&flags, [], folder.path()).expect("settings");
        let inner = serve::sandbox::open(chosen.settings, folder, seed)
            .await
            .expect("the sandbox opens");
        let running = serve::sandbox::start(&inner, listener)
            .await
            .expect("the sandbox starts");
        let running = Arc::new(Mutex::new(Some(running)));
        suite::afterwards(async move {
            if let Some(running) = running.lock().await.take() {
                assert_eq!(running.undeclared(), 0, "answers that no contract has");
                running.stop().await;
            }
        });
        let http = Client::builder().redirect(Policy::none()).no_proxy();
        Self {
            inner,
            address,
            http: http.build().expect("a client"),
        }
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Begins a call.
    pub fn call(&self, method: Method, path: &str) -> Call {
        Call::new(&self.http, &self.url(), method, path)
    }

    /// Gets a path.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// Posts a body.
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    /// Puts a body.
    pub fn put(&self, path: &str, body: &Value) -> Call {
        self.call(Method::PUT, path).json(body)
    }

    /// Deletes what is at a path.
    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// Signs in by the native API with the password that everybody has.
    pub async fn login(&self, email: &str) -> Answer {
        let body = json!({ "email": email, "password": sandbox::PASSWORD });
        self.post("/identity/login", &body).await.is(200)
    }

    /// The code that an app shows.
    pub async fn code_of(&self, email: &str) -> String {
        let path = "/sandbox/authenticator-code";
        let shown = self.post(path, &json!({ "email": email })).await.is(200);
        shown.text("code")
    }

    /// The newest message to somebody, waited for.
    ///
    /// # Panics
    /// When none comes.
    pub async fn last_to(&self, to: &str) -> Value {
        let path = format!(
            "/sandbox/messages?wait=10&limit=1&to={}",
            to.replace('+', "%2B")
        );
        let found = self.get(&path).await.is(200);
        let message = found["messages"][0].clone();
        assert!(!message.is_null(), "no message to {to}");
        message
    }

    /// Lets time pass.
    pub async fn advance(&self, seconds: i64) {
        let path = "/sandbox/clock/advance";
        self.post(path, &json!({ "seconds": seconds }))
            .await
            .is(200);
    }
}
