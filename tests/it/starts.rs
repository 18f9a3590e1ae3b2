//! Many processes start at once without data and are killed at any moment. One key ring remains,
//! and everything sealed can be opened.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use contract_tests::call::{Call, Method};
use contract_tests::database::Database;
use contract_tests::{Answer, PASSWORD, Value, json, reqwest, suite, tests};
use countersign::app::App;
use countersign::chance::Chance;
use countersign::clock::Clock;
use countersign::config::{DatabaseUrl, Settings};
use countersign::store::{Tx, sealed};
use countersign::vault::Place;
use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep, sleep_until, timeout};

tests! {
    of_processes_that_start_at_once_and_are_killed_one_ring_of_keys_remains,
    a_rotation_that_is_killed_loses_nothing,
}

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where processes start: an empty folder and an empty database.
struct Site {
    folder: TempDir,
    database: Database,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::new(folder.path());
        let dropped = database.clone();
        suite::afterwards(async move { dropped.remove() });
        Self { folder, database }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes the command, in a process that ends with this test.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .env_clear()
            .env("CONTRACT_TESTS_AS_COUNTERSIGN", "1")
            .env("COUNTERSIGN_LISTEN", "127.0.0.1:0")
            .env("COUNTERSIGN_PUBLIC_URL", "http://localhost")
            .env("COUNTERSIGN_DATA_DIR", self.folder())
            .env("COUNTERSIGN_HASH_SLOTS", "1")
            .env("COUNTERSIGN_HTTP_THREADS", "1")
            .env("COUNTERSIGN_DATABASE_THREADS", "1")
            // On a busy machine a client is slow.
            .env("COUNTERSIGN_HEADER_TIMEOUT_SECONDS", "60")
            .env("COUNTERSIGN_REQUEST_TIMEOUT_SECONDS", "60")
            .args(arguments)
            .current_dir(self.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let DatabaseUrl::Postgres(url) = self.database.url() {
            command.env("COUNTERSIGN_DATABASE_URL", url.expose());
        }
        command
    }

    fn serve(&self) -> Process {
        Process::of(self.command(&["serve"]).spawn().expect("a process"))
    }

    /// Starts creating an account.
    async fn make_account(&self, email: &str) -> Process {
        let mut command = self.command(&["user", "create", "--email", email]);
        let mut child = command.spawn().expect("a process");
        let mut input = child.stdin.take().expect("its input");
        let password = format!("{PASSWORD}\n");
        input.write_all(password.as_bytes()).await.expect("a pipe");
        Process::of(child)
    }

    /// Opens everything that was sealed here. Returns how many values that were.
    async fn unseal_all(&self) -> usize {
        let mut settings = Settings::for_test(self.folder()).expect("settings");
        settings.database_url = self.database.url();
        let app = App::open_existing(settings, Clock::System, Chance::system());
        let app = app.await.expect("keys and database belong together");
        let read = |tx: &mut Tx| {
            let secrets = sealed::secrets(tx, None, 1000)?;
            Ok((secrets, sealed::letters(tx, None, 1000)?))
        };
        let (secrets, letters) = app.ctx().read(read).await.expect("a database");
        let vault = &app.ctx().vault;
        for (user, id, sealed) in &secrets {
            let place = Place::factor_secret(*user, *id);
            vault.unseal(&place, sealed).expect("a secret opens");
        }
        for (user, id, sealed) in &letters {
            let place = Place::letter(*user, *id);
            vault.unseal(&place, sealed).expect("a letter opens");
        }
        secrets.len() + letters.len()
    }

    /// Returns the files next to the key file that killed processes have left.
    fn drafts(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder()).expect("the folder");
        entries
            .map(|entry| {
                entry
                    .expect("there")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            // A mark holds no keys: what is left of one is removed a minute later.
            .filter(|name| name.ends_with(".new") && !name.contains(".mark."))
            .collect()
    }
}

/// A process and its output.
struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Process {
    fn of(mut child: Child) -> Self {
        let out = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, out }
    }

    /// Returns its URL, once it listens.
    async fn url(&mut self) -> String {
        let greeting = timeout(PATIENCE, async {
            let mut line = String::new();
            while self.out.read_line(&mut line).await.expect("text") > 0 {
                if let Some(url) = line.trim().strip_prefix("Countersign listens on ") {
                    return Some(url.to_owned());
                }
                line.clear();
            }
            None
        });
        match greeting.await.expect("a start, or its end") {
            Some(url) => url,
            None => panic!("no start: {}", self.errors().await),
        }
    }

    /// Asserts that it succeeded.
    async fn ends_well(&mut self) {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("an end");
        if !status.expect("a process").success() {
            panic!("it failed: {}", self.errors().await);
        }
    }

    /// Returns what an ended process wrote to standard error.
    async fn errors(&mut self) -> String {
        let mut said = String::new();
        let mut error = self.child.stderr.take().expect("its errors");
        error.read_to_string(&mut said).await.expect("text");
        said
    }

    async fn kill(&mut self) {
        self.child.kill().await.expect("killed");
    }
}

/// Random numbers that are the same in every run (Knuth, "The Art of Computer Programming",
/// §3.3.4).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

async fn get_me(url: &str, bearer: &str) -> Answer {
    let http = reqwest::Client::builder().no_proxy().build();
    let call = Call::new(&http.expect("a client"), url, Method::GET, "/identity/me");
    call.bearer(bearer).await
}

async fn post(url: &str, path: &str, bearer: Option<&str>, body: Value) -> Answer {
    let http = reqwest::Client::builder().no_proxy().build();
    let call = Call::new(&http.expect("a client"), url, Method::POST, path).json(&body);
    match bearer {
        Some(bearer) => call.bearer(bearer).await,
        None => call.await,
    }
}

/// Signs in and sets up an authenticator that waits for its proof, so that a secret is sealed.
/// Returns the access token.
async fn seal_something(url: &str, email: &str) -> String {
    let body = json!({ "email": email, "password": PASSWORD });
    let signed_in = post(url, "/identity/login", None, body).await.is(200);
    let token = signed_in.text("accessToken");
    let body = json!({ "method": "authenticator", "password": PASSWORD });
    post(url, "/identity/mfa/setup", Some(&token), body)
        .await
        .is(200);
    token
}

async fn of_processes_that_start_at_once_and_are_killed_one_ring_of_keys_remains() {
    let seed = suite::seed();
    let mut sealed = 0;
    // A few at a time: they wait more than they compute.
    for round in (0..20).step_by(4) {
        let starts = (round..round + 4).map(|round| {
            let dice = Dice(seed.wrapping_add(round));
            starts_at_once(dice, 2 + usize::try_from(round % 4).unwrap_or(0))
        });
        sealed += join_all(starts).await.into_iter().sum::<usize>();
    }
    assert!(sealed >= 20, "{sealed} values were sealed");
}

/// Starts this many processes at once without data, kills half of them at different moments, and
/// then all others. Asserts that everything sealed and signed meanwhile stays valid.
async fn starts_at_once(mut dice: Dice, count: usize) -> usize {
    let site = Site::new();
    let (mut servers, mut accounts, mut doomed) = (Vec::new(), Vec::new(), Vec::new());
    let begun = Instant::now();
    for number in 0..count {
        let makes_account = dice.below(3) == 0;
        let process = match makes_account {
            true => {
                site.make_account(&format!("user{number}@example.com"))
                    .await
            }
            false => site.serve(),
        };
        match (dice.below(2) == 0, makes_account) {
            (true, _) => doomed.push((begun + Duration::from_millis(dice.below(700)), process)),
            (false, true) => accounts.push(process),
            (false, false) => servers.push(process),
        }
    }
    doomed.sort_by_key(|(moment, _)| *moment);
    for (moment, process) in &mut doomed {
        sleep_until(*moment).await;
        process.kill().await;
    }
    for account in &mut accounts {
        account.ends_well().await;
    }
    if servers.is_empty() {
        servers.push(site.serve());
    }
    let mut urls = Vec::new();
    for server in &mut servers {
        urls.push(server.url().await);
    }
    site.make_account("owner@example.com")
        .await
        .ends_well()
        .await;
    let mut tokens = Vec::new();
    for url in &urls {
        tokens.push(seal_something(url, "owner@example.com").await);
    }
    for server in &mut servers {
        server.kill().await;
    }

    let mut server = site.serve();
    let url = server.url().await;
    for token in &tokens {
        get_me(&url, token).await.is(200);
    }
    server.kill().await;
    assert_eq!(site.drafts(), [""; 0], "they hold keys");
    site.unseal_all().await
}

async fn a_rotation_that_is_killed_loses_nothing() {
    let mut dice = Dice(suite::seed());
    let site = Site::new();
    let mut server = site.serve();
    let url = server.url().await;
    let owner = "owner@example.com";
    site.make_account(owner).await.ends_well().await;
    let mut token = seal_something(&url, owner).await;
    for _ in 0..8 {
        let rotating = site.command(&["keys", "rotate"]).spawn();
        let mut rotating = Process::of(rotating.expect("a process"));
        sleep(Duration::from_millis(dice.below(400))).await;
        rotating.kill().await;
        get_me(&url, &token).await.is(200);
        token = seal_something(&url, owner).await;
    }
    server.kill().await;
    let mut server = site.serve();
    let url = server.url().await;
    get_me(&url, &token).await.is(200);
    server.kill().await;
    assert!(site.unseal_all().await > 0);
    assert_eq!(site.drafts(), [""; 0], "they hold keys");
}
