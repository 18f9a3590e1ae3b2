//! A machine with a server of its own process, its database and its files, for the tests of backups.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use contract_tests::call::Method;
use contract_tests::database::Database;
use contract_tests::waiting::until;
use contract_tests::{Answer, Authenticator, Call, Mail, PASSWORD, Value, json, port, suite};
use countersign::clock::Clock;
use countersign::config::DatabaseUrl;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

/// The address of the user whom most tests are about.
pub const ALICE: &str = "alice@example.com";
/// The address of another user.
pub const BOB: &str = "bob@example.com";

/// A machine where the server is started and stopped.
pub struct Machine {
    /// Where its files are.
    pub folder: TempDir,
    /// The database.
    pub database: Database,
    address: SocketAddr,
    child: Option<Child>,
    http: contract_tests::reqwest::Client,
}

impl Machine {
    /// Creates a machine with a running server and an account that the operator created.
    pub async fn with(email: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let database = Database::new(folder.path());
        let dropped = database.clone();
        suite::afterwards(async move { dropped.remove() });
        let mut machine = Self {
            folder,
            database,
            address: port::of_ones_own(),
            child: None,
            http: contract_tests::reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
        };
        machine
            .run(&["user", "create", "--email", email])
            .await
            .expect("an account");
        machine.start().await;
        machine
    }

    /// Returns the place of a file.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the same as a text.
    pub fn name(&self, name: &str) -> String {
        self.file(name).to_string_lossy().into_owned()
    }

    fn database_url(&self) -> String {
        match self.database.url() {
            DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
            DatabaseUrl::Postgres(url) => url.expose().clone(),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .env_clear()
            .env("CONTRACT_TESTS_AS_COUNTERSIGN", "1")
            .env("COUNTERSIGN_DATA_DIR", self.folder.path())
            .env("COUNTERSIGN_DATABASE_URL", self.database_url())
            .env("COUNTERSIGN_LISTEN", self.address.to_string())
            .env("COUNTERSIGN_HASH_SLOTS", "1")
            // Allows three codes in a row without waiting for them.
            .env("COUNTERSIGN_TOTP_ACCEPT_NEXT_STEP", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a subcommand. Returns what it printed, or its error.
    pub async fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = tokio::process::Command::from(self.command());
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut input = child.stdin.take().expect("standard input");
        // Only `user create` reads it.
        let _unread = input.write_all(format!("{PASSWORD}\n").as_bytes()).await;
        drop(input);
        let output = child.wait_with_output().await.expect("ended");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }

    /// Starts the server, and waits until it is ready.
    pub async fn start(&mut self) {
        let log = fs::File::create(self.file("log")).expect("a log");
        let mut command = self.command();
        command.arg("serve").stdout(Stdio::null()).stderr(log);
        let child = self.child.insert(command.spawn().expect("a process"));
        until("a server", async || {
            let ended = child.try_wait().expect("a process");
            assert!(ended.is_none(), "the server has ended: {ended:?}");
            let answer = self
                .http
                .get(format!("http://{}/readyz", self.address))
                .send();
            answer.await.ok().filter(|answer| answer.status() == 200)
        })
        .await;
    }

    /// Stops the server, and waits until it has ended.
    pub async fn stop(&mut self) {
        let mut child = self.child.take().expect("a server");
        let told = Command::new("kill").arg(child.id().to_string()).status();
        assert!(told.expect("kill").success());
        until("the end", async || child.try_wait().expect("a process")).await;
    }

    /// Returns what the server has logged since it was started.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("log")).expect("a log")
    }

    /// Copies the database while the server runs, as `server/OPERATING.md` says.
    pub async fn back_up(&self, name: &str) {
        match self.database.file() {
            Some(_) => {
                let told = self.run(&["backup", "--to", &self.name(name)]).await;
                assert!(told.expect("a backup").contains("key file"));
            }
            None => tool(
                "pg_dump",
                &[
                    "--format=custom",
                    &format!("--file={}", self.name(name)),
                    &self.database_url(),
                ],
            ),
        }
    }

    /// Puts the copy in place while the server is stopped, without the command that reports it.
    pub fn put_back(&self, name: &str) {
        match self.database.file() {
            Some(file) => {
                fs::copy(self.file(name), file).expect("copied");
                for end in ["-wal", "-shm"] {
                    drop(fs::remove_file(format!("{}{end}", file.display())));
                }
            }
            None => tool(
                "pg_restore",
                &[
                    "--clean",
                    "--if-exists",
                    &format!("--dbname={}", self.database_url()),
                    &self.name(name),
                ],
            ),
        }
    }

    /// Restores the copy, as `server/OPERATING.md` says. Returns what the command printed.
    pub async fn restore(&self, name: &str) -> String {
        let told = match self.database.file() {
            Some(_) => self.run(&["restore", "--from", &self.name(name)]).await,
            None => {
                self.put_back(name);
                self.run(&["restore", "--already-restored"]).await
            }
        };
        told.expect("restored")
    }

    /// Starts a call.
    pub fn call(&self, method: Method, path: &str) -> Call {
        Call::new(
            &self.http,
            &format!("http://{}", self.address),
            method,
            path,
        )
    }

    /// Posts.
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    /// Gets.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// Sends address and password.
    pub fn login(&self, email: &str) -> Call {
        self.post(
            "/identity/login",
            &json!({ "email": email, "password": PASSWORD }),
        )
    }

    /// Proves a step with a code.
    pub fn verify(&self, what: &str, token: &str, code: &str) -> Call {
        self.post(
            &format!("/identity/mfa/{what}/verify"),
            &json!({ "mfaToken": token, "code": code }),
        )
    }

    /// Signs Alice in with a code as the second step. Returns the answer to the code.
    pub async fn sign_in(&self, code: &str) -> Answer {
        let begun = self.login(ALICE).await.is(200).text("mfaToken");
        self.verify("login", &begun, code).await
    }

    /// Returns the code in the mail for somebody.
    pub async fn code_to(&self, email: &str) -> String {
        until("a mail", async || {
            let files = fs::read_dir(self.file("outbox")).ok()?.flatten();
            let mails = files.filter_map(|file| fs::read(file.path()).ok());
            let mails = mails.map(|raw| Mail::read("", "", &raw));
            let mut mails =
                mails.filter(|mail| mail.header("To").is_some_and(|to| to.contains(email)));
            mails.find_map(|mail| mail.code())
        })
        .await
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn tool(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect(program);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {told}");
}

/// Waits for the beginning of a TOTP step, so that what follows happens in one step.
async fn at_the_begin_of_a_step() {
    while Clock::System.now().seconds().rem_euclid(30) > 8 {
        sleep(Duration::from_millis(100)).await;
    }
}

/// A user with an app and recovery codes on a machine.
pub struct Alice {
    /// Her app.
    pub app: Authenticator,
    /// The refresh token of her session.
    pub refresh_token: String,
    /// The access token of her session.
    pub access_token: String,
    /// Her recovery codes, all unused.
    pub recovery_codes: Vec<String>,
}

impl Alice {
    /// Sets her up. The last code she used is that of the current step.
    pub async fn on(machine: &Machine) -> Self {
        let first = machine.login(ALICE).await.is(200);
        let setup = machine.post(
            "/identity/mfa/setup",
            &json!({ "method": "authenticator", "password": PASSWORD }),
        );
        let setup = setup.bearer(&first.text("accessToken")).await.is(200);
        let app = Authenticator::new(&setup.text("secret"));
        // As late as possible: a busy machine may have taken a while to get here.
        at_the_begin_of_a_step().await;
        let now = Clock::System.now();
        let code = app.code_at(now.plus_seconds(-30));
        machine
            .verify("setup", &setup.text("mfaToken"), &code)
            .await
            .is(200);
        let begun = machine.login(ALICE).await.is(200).text("mfaToken");
        let signed_in = machine
            .verify("login", &begun, &app.code_at(now))
            .await
            .is(200);
        let codes = machine.call(Method::POST, "/identity/mfa/recovery-codes");
        let codes = codes.bearer(&signed_in.text("accessToken")).await.is(201);
        let codes = codes["recoveryCodes"].as_array().expect("codes").iter();
        Self {
            app,
            refresh_token: signed_in.text("refreshToken"),
            access_token: signed_in.text("accessToken"),
            recovery_codes: codes
                .map(|code| code.as_str().expect("a code").to_owned())
                .collect(),
        }
    }
}
