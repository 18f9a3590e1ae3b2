//! A real server for one test: a free port, a held clock, seeded randomness, a database of its own,
//! and caught mail.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use countersign::app::App;
use countersign::chance::Chance;
use countersign::clock::Clock;
use countersign::config::Settings;
use countersign::flow::operator;
use countersign::model::kinds::Role;
use countersign::model::{Secret, Time};
use countersign::serve::{self, Running};
use countersign::store::notices;
use reqwest::Client;
use reqwest::redirect::Policy;
use tempfile::TempDir;

use crate::call::{Call, Method};
use crate::database::Database;
use crate::smtp::Sink;
use crate::waiting::until;
use crate::{PASSWORD, Person, Value, json, suite};

/// The time at which every test begins: 2026-11-22T14:00:07Z, seven seconds into a TOTP step.
pub const START: i64 = 1_795_356_007;

/// The memory of a hash in most tests, in KiB.
const CHEAP_HASH_KIB: u32 = 64;

/// The memory of a hash by default, in KiB.
const REAL_HASH_KIB: u32 = 19_456;

/// A running server. Clones share it.
#[derive(Clone)]
pub struct Server {
    /// Its clock, which stands still unless the test moves it.
    pub clock: Clock,
    /// The mail server that receives its mail.
    pub mail: Sink,
    /// Its database.
    pub database: Database,
    /// The application behind its operations.
    pub app: App,
    /// The address that it listens on.
    pub address: SocketAddr,
    http: Client,
    folder: Arc<TempDir>,
    running: Arc<Mutex<Option<Running>>>,
    settings: Settings,
}

impl Server {
    /// Starts a server with the default limits.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts a server with changed settings. Its hashes are far cheaper than the settings file allows, since
    /// they were 40 % of what all tests computed.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::hashing(CHEAP_HASH_KIB, change).await
    }

    /// Starts a server whose hashes cost what they do by default, for tests of that cost and of what
    /// happens while a password is hashed.
    pub async fn with_real_hashes(change: impl FnOnce(&mut Settings)) -> Self {
        Self::hashing(REAL_HASH_KIB, change).await
    }

    async fn hashing(memory_kib: u32, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mail = Sink::start().await;
        let database = Database::new(folder.path());
        let mut settings = Settings::for_test(folder.path()).expect("the defaults are allowed");
        settings.database_url = database.url();
        settings.smtp_url = Some(Secret::new(format!("smtp://{}", mail.address)));
        settings.database_threads = 2;
        settings.argon2_memory_kib = memory_kib;
        settings.hash_slots = 1;
        settings.hash_queue = 64;
        settings.shutdown_timeout_seconds = 1;
        change(&mut settings);
        let clock = Clock::held(Time::from_seconds(START));
        let dropped = database.clone();
        suite::afterwards(async move { dropped.remove() });
        Self::open(settings, clock, mail, database, Arc::new(folder)).await
    }

    async fn open(
        settings: Settings,
        clock: Clock,
        mail: Sink,
        database: Database,
        folder: Arc<TempDir>,
    ) -> Self {
        let chance = Chance::seeded(suite::seed());
        let app = App::open(settings.clone(), clock.clone(), chance)
            .await
            .expect("the server opens");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let running = serve::start(app.clone(), listener)
            .await
            .expect("the server starts");
        let address = running.address;
        let running = Arc::new(Mutex::new(Some(running)));
        let stopped = Arc::clone(&running);
        suite::afterwards(async move { stop(&stopped).await });
        let http = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .expect("a client");
        Self {
            clock,
            mail,
            database,
            app,
            address,
            http,
            folder,
            running,
            settings,
        }
    }

    /// Stops it and starts it again on the same data, at the same time.
    #[must_use]
    pub async fn restarted(self) -> Self {
        self.restarted_with(|_| {}).await
    }

    /// Restarts it with changed settings.
    #[must_use]
    pub async fn restarted_with(self, change: impl FnOnce(&mut Settings)) -> Self {
        stop(&self.running).await;
        let Self {
            clock,
            mail,
            database,
            app,
            folder,
            mut settings,
            ..
        } = self;
        drop(app);
        change(&mut settings);
        Self::open(settings, clock, mail, database, folder).await
    }

    /// Starts another server on the same database and keys: a replica.
    pub async fn replica(&self) -> Self {
        self.replica_ahead(0).await
    }

    /// Starts a replica with a clock of its own, this many seconds ahead. With 0, both share one
    /// clock.
    pub async fn replica_ahead(&self, seconds: i64) -> Self {
        let clock = match seconds {
            0 => self.clock.clone(),
            seconds => Clock::held(self.clock.now().plus_seconds(seconds)),
        };
        let Self {
            mail,
            database,
            folder,
            settings,
            ..
        } = self.clone();
        Self::open(settings, clock, mail, database, folder).await
    }

    /// Stops it. The test cannot use it any more.
    pub async fn stop(&self) {
        stop(&self.running).await;
    }

    /// Counts the answers with a code that the contract does not declare there.
    pub fn undeclared(&self) -> usize {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map_or(0, Running::undeclared)
    }

    /// Returns the folder of its data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the same server, called over new connections.
    #[must_use]
    pub fn over_new_connections(&self) -> Self {
        let http = Client::builder().no_proxy().build().expect("a client");
        Self {
            http,
            ..self.clone()
        }
    }

    /// Moves the clock, and wakes what waits for it.
    pub fn wait(&self, seconds: i64) {
        self.clock.advance(seconds);
        self.app.ctx().nudge_courier();
    }

    /// Moves the clock and forgets what is over by then, in steps like a server that keeps running:
    /// one that sees its clock jump forgets nothing.
    pub async fn forget_after(&self, seconds: i64) {
        const STRIDE: i64 = 86_400;
        self.app.purge().await.expect("a first look");
        let mut left = seconds;
        while left > 0 {
            self.clock.advance(left.min(STRIDE));
            left -= STRIDE;
            self.app.purge().await.expect("purged");
        }
    }

    /// Starts a call.
    pub fn call(&self, method: Method, path: &str) -> Call {
        Call::new(&self.http, &self.url(), method, path)
    }

    /// Posts a body.
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    /// Gets a path.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// Signs in with address and password, up to the second factor.
    pub fn login(&self, email: &str, password: &str) -> Call {
        self.post(
            "/identity/login",
            &json!({ "email": email, "password": password }),
        )
    }

    /// Finishes a sign-in.
    pub fn verify_login(&self, mfa_token: &str, code: &str) -> Call {
        self.post(
            "/identity/mfa/login/verify",
            &json!({ "mfaToken": mfa_token, "code": code }),
        )
    }

    /// Finishes a set-up.
    pub fn verify_setup(&self, mfa_token: &str, code: &str) -> Call {
        self.post(
            "/identity/mfa/setup/verify",
            &json!({ "mfaToken": mfa_token, "code": code }),
        )
    }

    /// Finishes turning a method off.
    pub fn verify_disable(&self, mfa_token: &str, code: &str) -> Call {
        self.post(
            "/identity/mfa/disable/verify",
            &json!({ "mfaToken": mfa_token, "code": code }),
        )
    }

    /// Switches a sign-in to another method.
    pub fn switch(&self, mfa_token: &str, method: &str) -> Call {
        self.post(
            "/identity/mfa/login/switch",
            &json!({ "mfaToken": mfa_token, "method": method }),
        )
    }

    /// Asks for another code.
    pub fn resend(&self, mfa_token: &str) -> Call {
        self.post("/identity/mfa/resend", &json!({ "mfaToken": mfa_token }))
    }

    /// Exchanges a refresh token.
    pub fn refresh(&self, refresh_token: &str) -> Call {
        self.post(
            "/identity/token/refresh",
            &json!({ "refreshToken": refresh_token }),
        )
    }

    /// Starts a registration.
    pub fn register(&self, email: &str) -> Call {
        self.post(
            "/identity/register",
            &json!({ "email": email, "password": PASSWORD }),
        )
    }

    /// Proves an address.
    pub fn prove(&self, registration_token: &str, code: &str) -> Call {
        let body = json!({ "registrationToken": registration_token, "code": code });
        self.post("/identity/register/verify", &body)
    }

    /// Registers a user, who is signed in.
    pub async fn registered(&self, email: &str) -> Person {
        let begun = self.register(email).await.is(202);
        let code = self.mail.code_to(email).await;
        let proved = self
            .prove(&begun.text("registrationToken"), &code)
            .await
            .is(201);
        Person::signed_in(self, email, &proved)
    }

    /// Registers a user who becomes an administrator, and is signed in.
    pub async fn administrator(&self, email: &str) -> Person {
        let person = self.registered(email).await;
        self.app
            .call(async |ctx| operator::promote(ctx, email).await)
            .await
            .expect("promoted");
        person
    }

    /// Returns an administrator whose account the operator created, and who is signed in.
    pub async fn made_by_operator(&self, email: &str) -> Person {
        let made = self.app.call(async |ctx| {
            operator::create_user(
                ctx,
                email,
                Secret::new(PASSWORD.to_owned()),
                Role::Administrator,
            )
            .await
        });
        made.await.expect("an account");
        let answer = self.login(email, PASSWORD).await.is(200);
        Person::signed_in(self, email, &answer)
    }

    /// Waits until the courier has nothing left to do.
    pub async fn mail_is_out(&self) {
        until("an empty queue", async || {
            let queued = self.app.ctx().read(notices::queued).await.expect("a queue");
            (queued == 0).then_some(())
        })
        .await;
    }
}

async fn stop(running: &Mutex<Option<Running>>) {
    let running = running
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(running) = running {
        assert_eq!(
            running.undeclared(),
            0,
            "answers that the contract does not have"
        );
        running.stop().await;
    }
}
