//! The sandbox: the same server, with people in it, a clock that can be moved, and messages that can be read as data.

use std::fs;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::Context;
use data_encoding::BASE64URL_NOPAD;
use tempfile::TempDir;

use crate::app::App;
use crate::chance::Chance;
use crate::clock::{Clock, Movable};
use crate::config::Settings;
use crate::courier::Messages;
use crate::http::docs::Plugin;
use crate::model::source::Source;
use crate::model::user::PasswordHash;
use crate::model::{Error, Fault, Result, Secret, Time};
use crate::store::sandbox::clear;
use crate::store::users;
use actix_web::http::header::{HeaderMap, HeaderName};
use catalogue::Catalogue;
use forced::ForcedAnswers;
use reqwest::Client;

mod apart;
pub mod api;
pub mod catalogue;
pub mod codes;
mod device;
pub mod fixtures;
pub mod forced;
mod make;
mod people;
#[cfg(test)]
mod tests;

#[cfg(not(feature = "documents"))]
extern crate countersign_annotations as utoipa;

use countersign_base::{chance, clock, config};
use countersign_core::{app, factor};
use countersign_courier as courier;
use countersign_http as http;
use countersign_model as model;
use countersign_store as store;
use countersign_vault as vault;

pub use api::all_documents;
pub use courier::{KeptMessage, MessageQuery};
pub use device::Device;
pub use make::{Person, Wish};

/// The password of everybody in the sandbox, the one of the documents' examples.
pub const PASSWORD: &str = "correct horse battery staple";

/// The seed where nobody names another.
pub const SEED: u64 = 1;

/// What makes Try It succeed on the first click. No server but the sandbox has it.
pub const PLUGIN: Plugin = Plugin {
    script: include_str!("docs/try_it.js"),
    style: include_str!("docs/try_it.css"),
};

/// Where a sandbox's own calls carry what tells them from others'.
const INNER: HeaderName = HeaderName::from_static("countersign-sandbox-inner");

/// A sandbox; clones are the same one.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    app: App,
    seed: u64,
    clock: Arc<Movable>,
    messages: Arc<Messages>,
    device: Device,
    people: Mutex<Vec<Person>>,
    maker: make::Maker,
    catalogue: Catalogue,
    forced: ForcedAnswers,
    /// How many people and addresses were made for fixtures.
    made: AtomicU64,
    address: OnceLock<SocketAddr>,
    http: OnceLock<Client>,
    /// What its own calls carry, for which no error is forced.
    inner: String,
    /// Everything it has on a disk; gone with it.
    folder: TempDir,
}

impl Sandbox {
    /// A folder for the data of one, for its owner alone.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder() -> anyhow::Result<TempDir> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("countersign-sandbox-");
        #[cfg(unix)]
        builder.permissions(fs::Permissions::from_mode(0o700));
        builder
            .tempdir()
            .context("the folder of the sandbox cannot be created")
    }

    /// Makes one in an empty folder of its own, with its people in it. The settings are those of
    /// [`Settings::for_sandbox`].
    ///
    /// # Errors
    /// When the folder is not empty or cannot be used: nothing is opened that was there before.
    pub async fn open(
        settings: Settings,
        folder: TempDir,
        seed: u64,
        catalogue: Catalogue,
    ) -> anyhow::Result<Self> {
        let mut there = fs::read_dir(folder.path()).context("the folder of the sandbox")?;
        anyhow::ensure!(
            settings.sandbox && there.next().is_none(),
            "the sandbox does not open data that it did not make"
        );
        let (clock, movable) = Clock::movable();
        let app = App::open(settings, clock, Chance::seeded(seed)).await?;
        let hash = hashed(&app, seed).await.map_err(cause)?;
        let sandbox = Self(Arc::new(Inner {
            maker: make::Maker::new(hash),
            catalogue,
            forced: ForcedAnswers::default(),
            made: AtomicU64::new(0),
            address: OnceLock::new(),
            http: OnceLock::new(),
            inner: BASE64URL_NOPAD.encode(Chance::system().secret().expose()),
            app,
            seed,
            clock: movable,
            messages: Arc::default(),
            device: Device::default(),
            people: Mutex::default(),
            folder,
        }));
        sandbox.begin().await.map_err(cause)?;
        Ok(sandbox)
    }

    /// Goes back to how it began: people, time, chance, messages.
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub async fn reset(&self) -> Result<()> {
        self.0.clock.reset();
        self.0.device.clear();
        self.0.forced.clear();
        self.0.made.store(0, Ordering::Relaxed);
        self.0.app.ctx().write(clear).await?;
        // After that: the courier may have been sending.
        self.0.messages.clear();
        self.begin().await
    }

    async fn begin(&self) -> Result<()> {
        let people = people::seed(self).await?;
        *self.people_now() = people;
        self.0.app.ctx().chance.reseed(self.0.seed);
        Ok(())
    }

    /// The server.
    pub fn app(&self) -> &App {
        &self.0.app
    }

    /// What all that is drawn follows from.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Its mails and text messages.
    pub fn messages(&self) -> &Arc<Messages> {
        &self.0.messages
    }

    /// Its virtual device, which holds passkeys.
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// All operations, with their errors.
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
    }

    /// The errors that calls are to be answered with.
    pub fn forced(&self) -> &ForcedAnswers {
        &self.0.forced
    }

    /// Notes where it is listened for, which is known once it serves.
    pub fn heard_at(&self, address: SocketAddr) {
        // The first one stays: nobody serves it twice.
        let _again = self.0.address.set(address);
    }

    fn address(&self) -> Option<SocketAddr> {
        self.0.address.get().copied()
    }

    /// What it calls itself with.
    fn http(&self) -> Result<&Client> {
        if let Some(http) = self.0.http.get() {
            return Ok(http);
        }
        let http = Client::builder().no_proxy().build().map_err(Fault::bug)?;
        Ok(self.0.http.get_or_init(|| http))
    }

    /// What its own calls carry.
    fn inner(&self) -> &str {
        &self.0.inner
    }

    /// The next number for somebody who is made for a fixture.
    fn next(&self) -> u64 {
        self.0.made.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The page on which the virtual device's passkeys are used.
    pub fn page(&self) -> String {
        let settings = &self.0.app.ctx().settings;
        let pages = settings.passkey_pages();
        pages.into_iter().next().unwrap_or_default()
    }

    /// Whether a call is one of the sandbox's own.
    fn is_inner(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get(INNER).map(|sent| sent.as_bytes());
        sent.is_some_and(|sent| vault::same(sent, self.0.inner.as_bytes()))
    }

    /// Who is in it from the beginning.
    pub fn people(&self) -> Vec<Person> {
        self.people_now().clone()
    }

    /// The secret of the authenticator app of somebody who was made here.
    pub fn secret_of(&self, email: &str) -> Option<String> {
        let people = self.people_now();
        let known = people.iter().find(|person| person.wish.email == email);
        known.and_then(|person| person.secret.clone())
    }

    /// What the account of an address is called on devices that hold passkeys.
    ///
    /// # Errors
    /// A fault when the database does not answer.
    pub async fn handle_of(&self, email: &str) -> Result<Option<String>> {
        let email = email.to_owned();
        let ctx = self.0.app.ctx();
        let found = ctx.read(move |tx| users::by_address(tx, &email)).await?;
        Ok(found.map(|user| BASE64URL_NOPAD.encode(user.id.as_bytes())))
    }

    /// Where its data are.
    pub fn place(&self) -> &std::path::Path {
        self.0.folder.path()
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.0.app.ctx().clock.now()
    }

    /// Whether the clock is held.
    pub fn is_held(&self) -> bool {
        self.0.clock.is_held()
    }

    /// Holds the clock, or lets it go on.
    pub fn hold(&self, held: bool) {
        self.0.clock.hold(crate::clock::Clock::System.now(), held);
    }

    /// Puts the clock to a time, held or going on as it was.
    pub fn set_time(&self, time: Time) {
        let ctx = self.0.app.ctx();
        ctx.clock.set(time);
        // What waited for its time may be due.
        ctx.nudge_courier();
    }

    fn people_now(&self) -> MutexGuard<'_, Vec<Person>> {
        self.0.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everybody has the same password, so it is hashed once.
async fn hashed(app: &App, seed: u64) -> Result<PasswordHash> {
    let ctx = app.ctx();
    let password = Secret::new(PASSWORD.to_owned());
    let salt = Chance::seeded(seed).salt();
    ctx.hasher.of(Source::Console).hash(password, salt).await
}

fn cause(error: Error) -> anyhow::Error {
    match error {
        Error::Fault(fault) => fault.cause,
        Error::Refused(refusal) => anyhow::anyhow!("{}", refusal.sentence()),
    }
}
