//! A small back end of an integrator: an HTTP server with sessions of its own, which signs people in by
//! the SDK. It can be given a flaw, which the test kit has to find.

use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::web::{Data, Json};
use actix_web::{App, HttpResponse, HttpServer};
use countersign_sdk::identity::types::{LoginAnswer, LoginRequest, MfaVerifyRequest};
use countersign_sdk::{Client, Failure, Problem, Secret};
use countersign_testkit::backend::{Answer, Backend, BackendError, Case};
use data_encoding::BASE64URL_NOPAD;

use crate::{Value, json, suite};

/// A running shop, as a browser sees it.
#[derive(Clone)]
pub struct Shop {
    address: SocketAddr,
    http: reqwest::Client,
}

/// What the server of a shop keeps.
struct Kept {
    client: Client,
    /// The case that is to find the flaw, if there is one.
    flaw: Option<Case>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    count: u64,
    pending: HashMap<String, Pending>,
    last_pending: Option<String>,
    sessions: HashMap<String, Session>,
    passwords: HashMap<String, String>,
    accepted: HashSet<(String, String)>,
}

/// A sign-in that waits for its code.
#[derive(Clone)]
struct Pending {
    email: String,
    password: String,
    mfa_token: Secret,
}

#[derive(Clone)]
struct Session {
    email: String,
    /// Signed in as the user. A session of a flawed shop may have none, and counts all the same.
    client: Option<Client>,
}

impl Shop {
    /// Opens a shop whose people sign in at this server.
    ///
    /// # Panics
    /// Panics if it cannot listen.
    pub fn open(url: &str) -> Self {
        Self::flawed(url, None)
    }

    /// Opens a shop with the flaw that this case is to find.
    ///
    /// # Panics
    /// Panics if it cannot listen.
    pub fn flawed(url: &str, flaw: impl Into<Option<Case>>) -> Self {
        let kept = Data::from(Arc::new(Kept {
            client: Client::new(url).expect("this machine"),
            flaw: flaw.into(),
            memory: Mutex::default(),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = HttpServer::new(move || {
            App::new()
                .app_data(kept.clone())
                .route("/sign-in", actix_web::web::post().to(sign_in))
                .route("/code", actix_web::web::post().to(second_step))
                .route("/orders", actix_web::web::post().to(orders))
                .route("/sign-out", actix_web::web::post().to(sign_out))
        });
        let server = server.workers(1).shutdown_timeout(1).disable_signals();
        let running = server.listen(listener).expect("it listens").run();
        let handle = running.handle();
        tokio::spawn(running);
        suite::afterwards(async move { handle.stop(false).await });
        Self {
            address,
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
        }
    }

    async fn post(&self, path: &str, body: Value) -> Result<(u16, Value), BackendError> {
        let url = format!("http://{}{path}", self.address);
        let answer = self.http.post(url).json(&body).send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.unwrap_or_default()))
    }
}

impl Backend for Shop {
    async fn sign_in(&self, email: &str, password: &str) -> Result<Answer, BackendError> {
        let body = json!({ "email": email, "password": password });
        Ok(answered(self.post("/sign-in", body).await?))
    }

    async fn second_step(&self, pending: &str, code: &str) -> Result<Answer, BackendError> {
        let body = json!({ "pending": pending, "code": code });
        Ok(answered(self.post("/code", body).await?))
    }

    async fn open(&self, session: &str) -> Result<Option<String>, BackendError> {
        let (status, body) = self.post("/orders", json!({ "session": session })).await?;
        Ok((status == 200).then(|| text(&body, "of")))
    }

    async fn sign_out(&self, session: &str) -> Result<(), BackendError> {
        self.post("/sign-out", json!({ "session": session }))
            .await?;
        Ok(())
    }
}

fn answered((status, body): (u16, Value)) -> Answer {
    match status {
        200 => Answer::SignedIn(text(&body, "session").into()),
        202 => Answer::SecondStep(text(&body, "pending").into()),
        _refused => Answer::Refused,
    }
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

impl Kept {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, flaw: Case) -> bool {
        self.flaw == Some(flaw)
    }

    /// Begins a session.
    fn admit(&self, email: &str, client: Option<Client>) -> HttpResponse {
        let mut memory = self.memory();
        memory.count += 1;
        let session = format!("session-{}", memory.count);
        let email = email.to_owned();
        memory
            .sessions
            .insert(session.clone(), Session { email, client });
        HttpResponse::Ok().json(json!({ "session": session }))
    }

    /// Asks for the code.
    fn ask(&self, pending: Pending) -> HttpResponse {
        let mut memory = self.memory();
        memory.count += 1;
        let name = format!("pending-{}", memory.count);
        memory.pending.insert(name.clone(), pending);
        memory.last_pending = Some(name.clone());
        HttpResponse::Accepted().json(json!({ "pending": name }))
    }

    /// Sends a code to the server. With the right one, a session begins.
    async fn verify(&self, pending: &Pending, code: &str) -> Result<HttpResponse, Failure> {
        let client = self.client.new_session();
        let proof = MfaVerifyRequest::new(&pending.mfa_token, code);
        client.sign_in_with(&client.verify_mfa_login(proof).await?);
        let mut memory = self.memory();
        let (email, password) = (pending.email.clone(), pending.password.clone());
        memory.accepted.insert((email.clone(), code.to_owned()));
        memory.passwords.insert(email, password);
        drop(memory);
        Ok(self.admit(&pending.email, Some(client)))
    }
}

fn refused() -> HttpResponse {
    HttpResponse::Unauthorized().finish()
}

fn is_fault(error: &impl Problem) -> bool {
    error.status().is_none_or(|status| status.is_server_error())
}

async fn sign_in(kept: Data<Kept>, body: Json<Value>) -> HttpResponse {
    let (email, password) = (text(&body, "email"), text(&body, "password"));
    let client = kept.client.new_session();
    match client.login(LoginRequest::new(&email, &password)).await {
        Ok(LoginAnswer::SignedIn(tokens)) => {
            client.sign_in_with(&tokens);
            kept.admit(&email, Some(client))
        }
        Ok(LoginAnswer::MfaRequired(_)) if kept.has(Case::PasswordAlone) => {
            kept.admit(&email, None)
        }
        Ok(LoginAnswer::MfaRequired(asked)) => kept.ask(Pending {
            email,
            password,
            mfa_token: asked.mfa_token,
        }),
        Err(error) if kept.has(Case::OutageAtPassword) && is_fault(&error) => {
            let known = kept.memory().passwords.get(&email) == Some(&password);
            if known {
                kept.admit(&email, None)
            } else {
                refused()
            }
        }
        _refused => refused(),
    }
}

async fn second_step(kept: Data<Kept>, body: Json<Value>) -> HttpResponse {
    let (name, code) = (text(&body, "pending"), text(&body, "code"));
    let name = match kept.memory().last_pending.clone() {
        Some(last) if kept.has(Case::CrossedSignIns) => last,
        _own => name,
    };
    let Some(pending) = kept.memory().pending.get(&name).cloned() else {
        return refused();
    };
    if lets_in_unasked(&kept, &pending, &code) {
        return kept.admit(&pending.email, None);
    }
    match kept.verify(&pending, &code).await {
        Ok(answer) => answer,
        Err(failure) => after_a_refusal(&kept, &pending, &code, &failure).await,
    }
}

/// The flaws of a shop that does not ask the server.
fn lets_in_unasked(kept: &Kept, pending: &Pending, code: &str) -> bool {
    let accepted = || {
        let answer = (pending.email.clone(), code.to_owned());
        kept.memory().accepted.contains(&answer)
    };
    match kept.flaw {
        Some(Case::WrongCode) => code.len() == 6,
        Some(Case::EmptyCode) => code.is_empty(),
        Some(Case::UsedCode) => code.len() == 6 && accepted(),
        Some(Case::UsedRecoveryCode) => code.len() > 6 && accepted(),
        _other => false,
    }
}

/// The flaws of a shop that does not take no for an answer.
async fn after_a_refusal(
    kept: &Kept,
    pending: &Pending,
    code: &str,
    failure: &Failure,
) -> HttpResponse {
    let told = failure.code().unwrap_or_default();
    let lets_in = match kept.flaw {
        Some(Case::LockedMethod) => told == "MFA_METHOD_LOCKED",
        Some(Case::RefusedCode) => told == "TOO_MANY_MFA_ATTEMPTS",
        Some(Case::OutageAtCode) => failure
            .status()
            .is_none_or(|status| status.is_server_error()),
        _other => false,
    };
    if lets_in {
        return kept.admit(&pending.email, None);
    }
    if kept.has(Case::CodeOfAnother) {
        let all: Vec<Pending> = kept.memory().pending.values().cloned().collect();
        for other in all {
            if kept.verify(&other, code).await.is_ok() {
                return kept.admit(&pending.email, None);
            }
        }
    }
    if kept.has(Case::ExpiredChallenge) && told == "MFA_TOKEN_EXPIRED" {
        let login = LoginRequest::new(&pending.email, &pending.password);
        if let Ok(LoginAnswer::MfaRequired(asked)) = kept.client.login(login).await {
            let anew = Pending {
                mfa_token: asked.mfa_token,
                ..pending.clone()
            };
            return kept.verify(&anew, code).await.unwrap_or_else(|_| refused());
        }
    }
    refused()
}

async fn orders(kept: Data<Kept>, body: Json<Value>) -> HttpResponse {
    let name = text(&body, "session");
    let known = kept.memory().sessions.get(&name).cloned();
    let opened = match known {
        Some(session) => of_a_session(&kept, session).await,
        None => of_no_session(&kept, &name).await,
    };
    match opened {
        Some(_) if kept.has(Case::RightSignIn) => {
            HttpResponse::Ok().json(json!({ "of": "somebody.else@example.com" }))
        }
        Some(email) => HttpResponse::Ok().json(json!({ "of": email })),
        None => refused(),
    }
}

async fn of_a_session(kept: &Kept, session: Session) -> Option<String> {
    match session.client {
        Some(client) if !kept.has(Case::DeletedAccount) => {
            let me = client.get_current_user().await;
            me.ok().map(|user| user.email)
        }
        _unasked => Some(session.email),
    }
}

/// The flaws of a shop that takes something else for a session.
async fn of_no_session(kept: &Kept, name: &str) -> Option<String> {
    match kept.flaw? {
        Case::MadeUpSession => name
            .starts_with("session")
            .then(|| "guest@example.com".to_owned()),
        Case::ForgedToken => {
            let claims = BASE64URL_NOPAD.decode(name.split('.').nth(1)?.as_bytes());
            let claims: Value = serde_json::from_slice(&claims.ok()?).ok()?;
            Some(text(&claims, "sub"))
        }
        Case::ChallengeAsSession => {
            let memory = kept.memory();
            memory.pending.get(name).map(|begun| begun.email.clone())
        }
        Case::OutageAtRequest => {
            let client = Client::with_bearer(kept.client.url(), name).ok()?;
            match client.get_current_user().await {
                Ok(user) => Some(user.email),
                Err(error) => is_fault(&error).then(|| "somebody".to_owned()),
            }
        }
        _other => None,
    }
}

async fn sign_out(kept: Data<Kept>, body: Json<Value>) -> HttpResponse {
    let name = text(&body, "session");
    if !kept.has(Case::EndedSession) {
        let ended = kept.memory().sessions.remove(&name);
        if let Some(client) = ended.and_then(|session| session.client) {
            // The session is over here, even if the server cannot be told.
            let _not_told = client.logout().await;
        }
    }
    HttpResponse::NoContent().finish()
}
