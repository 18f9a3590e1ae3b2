//! Restoring a backup: what was used, sent or signed in since does not become valid again. Uses
//! real processes and the tools that `server/OPERATING.md` names.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use contract_tests::call::Method;
use contract_tests::database::Database;
use contract_tests::waiting::until;
use contract_tests::{Authenticator, Call, Mail, PASSWORD, Value, json, port, suite, tests};
use countersign::clock::Clock;
use countersign::config::DatabaseUrl;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

tests! {
    nothing_that_was_spent_before_a_restore_works_again,
    a_database_that_went_back_by_itself_is_noticed,
    a_look_at_a_copy_costs_the_one_in_use_nothing,
    what_the_replaced_database_tells_is_kept,
    guesses_are_counted_on_after_a_restore,
    a_backup_is_whole_private_and_of_its_keys,
    what_a_killed_backup_left_is_in_nobodys_way,
    postgres_is_backed_up_by_its_own_tools,
}

/// A machine where the server is started and stopped.
struct Machine {
    folder: TempDir,
    database: Database,
    address: SocketAddr,
    child: Option<Child>,
    http: contract_tests::reqwest::Client,
}

impl Machine {
    /// Creates a machine with a running server and an account that the operator created.
    async fn with(email: &str) -> Self {
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

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn name(&self, name: &str) -> String {
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
    async fn run(&self, arguments: &[&str]) -> Result<String, String> {
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

    async fn start(&mut self) {
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

    async fn stop(&mut self) {
        let mut child = self.child.take().expect("a server");
        let told = Command::new("kill").arg(child.id().to_string()).status();
        assert!(told.expect("kill").success());
        until("the end", async || child.try_wait().expect("a process")).await;
    }

    fn log(&self) -> String {
        fs::read_to_string(self.file("log")).expect("a log")
    }

    /// Copies the database while the server runs, as `server/OPERATING.md` says.
    async fn back_up(&self, name: &str) {
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
    fn put_back(&self, name: &str) {
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
    async fn restore(&self, name: &str) -> String {
        let told = match self.database.file() {
            Some(_) => self.run(&["restore", "--from", &self.name(name)]).await,
            None => {
                self.put_back(name);
                self.run(&["restore", "--already-restored"]).await
            }
        };
        told.expect("restored")
    }

    fn call(&self, method: Method, path: &str) -> Call {
        Call::new(
            &self.http,
            &format!("http://{}", self.address),
            method,
            path,
        )
    }

    fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    fn login(&self, email: &str) -> Call {
        self.post(
            "/identity/login",
            &json!({ "email": email, "password": PASSWORD }),
        )
    }

    fn verify(&self, what: &str, token: &str, code: &str) -> Call {
        self.post(
            &format!("/identity/mfa/{what}/verify"),
            &json!({ "mfaToken": token, "code": code }),
        )
    }

    /// Returns the code in the mail for somebody.
    async fn code_to(&self, email: &str) -> String {
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
struct Alice {
    app: Authenticator,
    refresh_token: String,
    access_token: String,
    recovery_codes: Vec<String>,
}

const ALICE: &str = "alice@example.com";
const BOB: &str = "bob@example.com";

impl Alice {
    /// Sets her up. The last code she used is that of the current step.
    async fn on(machine: &Machine) -> Self {
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

async fn nothing_that_was_spent_before_a_restore_works_again() {
    let mut machine = Machine::with(ALICE).await;
    let alice = Alice::on(&machine).await;
    let waiting = machine.login(ALICE).await.is(200).text("mfaToken");
    let registration = machine.post(
        "/identity/register",
        &json!({ "email": BOB, "password": PASSWORD }),
    );
    let registration = registration.await.is(202).text("registrationToken");
    let mailed = machine.code_to(BOB).await;
    machine.back_up("backup").await;

    let next = alice.app.code_at(Clock::System.now().plus_seconds(30));
    machine.verify("login", &waiting, &next).await.is(200);
    let begun = machine.login(ALICE).await.is(200).text("mfaToken");
    machine
        .verify("login", &begun, &alice.recovery_codes[0])
        .await
        .is(200);
    let proof = json!({ "registrationToken": registration, "code": mailed });
    machine
        .post("/identity/register/verify", &proof)
        .await
        .is(201);
    let refresh = json!({ "refreshToken": alice.refresh_token });
    machine
        .post("/identity/token/refresh", &refresh)
        .await
        .is(200);
    let out = machine.call(Method::POST, "/identity/logout");
    out.bearer(&alice.access_token).await.is(204);
    let me = || machine.get("/identity/me").bearer(&alice.access_token);
    me().await.refused(401, "TOKEN_INVALID");

    machine.stop().await;
    let told = machine.restore("backup").await;
    assert!(told.contains("A new epoch began"), "{told}");
    machine.start().await;
    let me = || machine.get("/identity/me").bearer(&alice.access_token);
    me().await.refused(401, "TOKEN_INVALID");
    machine
        .post("/identity/token/refresh", &refresh)
        .await
        .refused(401, "TOKEN_INVALID");
    machine
        .post("/identity/register/verify", &proof)
        .await
        .refused(400, "REGISTRATION_TOKEN_INVALID");
    machine
        .verify("login", &waiting, &next)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    let begun = machine.login(ALICE).await.is(200).text("mfaToken");
    let refused = machine
        .verify("login", &begun, &next)
        .await
        .refused(400, "INVALID_MFA_CODE");
    assert_eq!(
        refused["reason"], "already_used",
        "the app's code of the same minute"
    );
    machine
        .verify("login", &begun, &alice.recovery_codes[0])
        .await
        .refused(400, "INVALID_MFA_CODE");
    until("a word in the log", async || {
        machine
            .log()
            .contains("the database was restored")
            .then_some(())
    })
    .await;
    machine.stop().await;
    machine.start().await;
    machine.stop().await;
    assert!(
        !machine.log().contains("restored"),
        "one start says so: {}",
        machine.log()
    );
}

/// Selects what the audit trail says about new epochs.
const EPOCHS: &str =
    "SELECT detail AS found FROM audit_events WHERE event = 'epoch_begun' ORDER BY detail";

async fn a_database_that_went_back_by_itself_is_noticed() {
    let mut machine = Machine::with(ALICE).await;
    let alice = Alice::on(&machine).await;
    machine.back_up("backup").await;
    let refresh = json!({ "refreshToken": alice.refresh_token });
    machine
        .post("/identity/token/refresh", &refresh)
        .await
        .is(200);
    let next = alice.app.code_at(Clock::System.now().plus_seconds(30));
    let begun = machine.login(ALICE).await.is(200).text("mfaToken");
    machine.verify("login", &begun, &next).await.is(200);

    machine.stop().await;
    machine.put_back("backup");
    machine.start().await;
    assert!(
        machine
            .log()
            .contains("changed without `countersign restore`"),
        "{}",
        machine.log()
    );
    assert!(
        !machine.log().contains("the database was restored"),
        "one line says it: {}",
        machine.log()
    );
    assert_eq!(
        machine.database.texts(EPOCHS),
        ["recovery_codes", "sessions"],
        "once in the audit trail of each whom it touches"
    );
    machine
        .post("/identity/token/refresh", &refresh)
        .await
        .refused(401, "TOKEN_INVALID");
    let me = machine.get("/identity/me").bearer(&alice.access_token);
    me.await.refused(401, "TOKEN_INVALID");
    let begun = machine.login(ALICE).await.is(200).text("mfaToken");
    machine
        .verify("login", &begun, &next)
        .await
        .refused(400, "INVALID_MFA_CODE");
    let code = &alice.recovery_codes[0];
    machine
        .verify("login", &begun, code)
        .await
        .refused(400, "INVALID_MFA_CODE");

    // Restarting with the same database is not a restore.
    let signed_in = machine.run(&["user", "reset-mfa", "--email", ALICE]).await;
    signed_in.expect("no more second steps");
    let session = machine.login(ALICE).await.is(200).text("accessToken");
    machine.stop().await;
    machine.start().await;
    machine.get("/identity/me").bearer(&session).await.is(200);
    assert!(
        !machine.log().contains("without `countersign restore`"),
        "{}",
        machine.log()
    );
}

async fn a_look_at_a_copy_costs_the_one_in_use_nothing() {
    let mut machine = Machine::with(ALICE).await;
    if machine.database.file().is_none() {
        // On PostgreSQL, a copy is another database, made by its own tools.
        return;
    }
    let alice = Alice::on(&machine).await;
    machine.back_up("drill.db").await;
    // Somebody inspects the copy with the same keys, and creates another database with them, while
    // the server runs and while it does not.
    for (running, others) in [
        (true, ["drill.db", "new1.db"]),
        (false, ["drill.db", "new2.db"]),
    ] {
        if !running {
            machine.stop().await;
        }
        for (index, other) in others.into_iter().enumerate() {
            let url = format!("sqlite:{}", machine.name(other));
            let email = format!("bob{index}{running}@example.com");
            let arguments = ["user", "create", "--email", &email, "--database-url", &url];
            machine.run(&arguments).await.expect("an account");
        }
        if running {
            machine.stop().await;
        }
        machine.start().await;
        assert!(
            !machine.log().contains("without `countersign restore`"),
            "{}",
            machine.log()
        );
        let me = machine.get("/identity/me").bearer(&alice.access_token);
        me.await.is(200);
    }
}

async fn what_the_replaced_database_tells_is_kept() {
    let mut machine = Machine::with(ALICE).await;
    if machine.database.file().is_none() {
        return;
    }
    let alice = Alice::on(&machine).await;
    machine.back_up("backup").await;
    let begun = machine.login(ALICE).await.is(200).text("mfaToken");
    machine
        .verify("login", &begun, &alice.recovery_codes[0])
        .await
        .is(200);
    machine
        .run(&["user", "create", "--email", "carol@example.com"])
        .await
        .expect("an account");
    let begun = machine.login(ALICE).await.is(200).text("mfaToken");
    let wrong = super::other_than(&alice.app.code_at(Clock::System.now()));
    for _ in 0..2 {
        let guess = machine.verify("login", &begun, wrong).await;
        guess.refused(400, "INVALID_MFA_CODE");
    }
    machine.stop().await;
    let told = machine.restore("backup").await;
    assert!(told.contains("1 recovery codes were used since"), "{told}");
    let wrong = "SELECT max(failures) AS found FROM factor_attempts WHERE kind = 'authenticator'";
    assert_eq!(machine.database.number(wrong), 2, "wrong codes count on");
    assert!(told.contains("replaced is kept as"), "{told}");
    machine.start().await;
    let begun = machine.login(ALICE).await.is(200).text("mfaToken");
    machine
        .verify("login", &begun, &alice.recovery_codes[0])
        .await
        .refused(400, "INVALID_MFA_CODE");
    let unused = &alice.recovery_codes[1];
    machine.verify("login", &begun, unused).await.is(200);
    machine
        .login("carol@example.com")
        .await
        .refused(401, "INVALID_CREDENTIALS");
    machine.stop().await;

    // Nothing is left to tell which codes were used, so no code is known to be unused.
    fs::remove_file(machine.database.file().expect("a file")).expect("lost");
    let told = machine.restore("backup").await;
    assert!(told.contains("all 1 sets ended"), "{told}");
    machine.start().await;
    let begun = machine.login(ALICE).await.is(200).text("mfaToken");
    let unused = &alice.recovery_codes[2];
    machine
        .verify("login", &begun, unused)
        .await
        .refused(400, "INVALID_MFA_CODE");
    machine.stop().await;
    fs::remove_file(machine.database.file().expect("a file")).expect("lost");
    let from = machine.name("backup");
    let told = machine
        .run(&["restore", "--from", &from, "--keep-recovery-codes"])
        .await;
    assert!(told.expect("restored").contains("those work again"));
    machine.start().await;
    let begun = machine.login(ALICE).await.is(200).text("mfaToken");
    machine.verify("login", &begun, unused).await.is(200);
}

async fn guesses_are_counted_on_after_a_restore() {
    let mut machine = Machine::with(ALICE).await;
    if machine.database.file().is_none() {
        return;
    }
    let guess = |machine: &Machine, code: &str| {
        let body = json!({ "email": ALICE, "code": code, "password": "four wooden spoons sing" });
        machine.post("/identity/password/reset", &body)
    };
    let forgot = machine.post("/identity/password/forgot", &json!({ "email": ALICE }));
    forgot.await.is(202);
    let code = machine.code_to(ALICE).await;
    let wrong = super::other_than(&code);
    guess(&machine, wrong)
        .await
        .refused(400, "INVALID_RESET_CODE");
    machine.back_up("backup").await;
    for _ in 0..3 {
        guess(&machine, wrong)
            .await
            .refused(400, "INVALID_RESET_CODE");
    }
    let mistaken = json!({ "email": ALICE, "password": "a guess of the old one" });
    for _ in 0..4 {
        let login = machine.post("/identity/login", &mistaken).await;
        login.refused(401, "INVALID_CREDENTIALS");
    }
    machine.stop().await;
    machine.restore("backup").await;
    let passwords = "SELECT max(failures) AS found FROM password_attempts";
    assert_eq!(machine.database.number(passwords), 4);
    let codes = "SELECT max(used) AS found FROM limits WHERE name = 'reset_codes'";
    assert_eq!(machine.database.number(codes), 4);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

async fn a_backup_is_whole_private_and_of_its_keys() {
    let mut machine = Machine::with(ALICE).await;
    let Some(file) = machine.database.file().map(Path::to_owned) else {
        return;
    };
    machine.back_up("backup").await;
    assert_eq!(mode(&machine.file("backup")), 0o600);
    let backup = machine.name("backup");
    let again = machine.run(&["backup", "--to", &backup]).await;
    assert!(again.expect_err("refused").contains("exists already"));
    let running = machine.run(&["restore", "--from", &backup]).await;
    assert!(
        running
            .expect_err("refused")
            .contains("stop the server first")
    );
    machine.login(ALICE).await.is(200);
    machine.stop().await;

    for (name, bytes) in [
        ("empty", &b""[..]),
        ("text", b"no database"),
        ("half", &fs::read(&backup).expect("read")[..20_000]),
    ] {
        fs::write(machine.file(name), bytes).expect("written");
        let refused = machine
            .run(&["restore", "--from", &machine.name(name)])
            .await;
        assert!(
            refused.expect_err(name).contains("is not a complete"),
            "{name}"
        );
    }
    let missing = machine
        .run(&["restore", "--from", &machine.name("missing")])
        .await;
    assert!(missing.expect_err("refused").contains("there is no file"));
    assert!(!machine.file("missing").exists());
    let itself = machine
        .run(&["restore", "--from", &file.to_string_lossy()])
        .await;
    assert!(
        itself
            .expect_err("refused")
            .contains("is the database itself")
    );
    let nothing = machine.run(&["restore"]).await.expect_err("refused");
    assert!(nothing.contains("--already-restored"), "{nothing}");

    let keys = fs::read(machine.file("keys.json")).expect("keys");
    fs::rename(machine.file("keys.json"), machine.file("keys.kept")).expect("moved");
    let refused = machine
        .run(&["restore", "--from", &backup])
        .await
        .expect_err("refused");
    assert!(
        refused.contains("does not exist, but this backup needs it"),
        "{refused}"
    );
    assert!(
        !machine.file("keys.json").exists(),
        "no keys are made for it"
    );
    let elsewhere = Machine::with(BOB).await;
    fs::copy(elsewhere.file("keys.json"), machine.file("keys.json")).expect("copied");
    let refused = machine
        .run(&["restore", "--from", &backup])
        .await
        .expect_err("refused");
    assert!(
        refused.contains("does not belong to this database"),
        "{refused}"
    );
    fs::write(machine.file("keys.json"), keys).expect("written");
    let left: Vec<_> = fs::read_dir(machine.folder.path())
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| {
            name.contains("restoring") || name.contains(".part") || name.contains("replaced")
        })
        .collect();
    assert_eq!(left, Vec::<String>::new());
    machine.start().await;
    machine.login(ALICE).await.is(200);
}

async fn what_a_killed_backup_left_is_in_nobodys_way() {
    let mut machine = Machine::with(ALICE).await;
    if machine.database.file().is_none() {
        return;
    }
    let draft = machine.file("backup.part");
    fs::write(&draft, vec![b'x'; 100_000]).expect("written");
    fs::write(machine.file("backup.part-journal"), b"of before").expect("written");
    // Somebody who is making a backup of this name holds the draft.
    let other = fs::File::open(&draft).expect("a file");
    other.lock().expect("a lock");
    let to = machine.name("backup");
    let refused = machine.run(&["backup", "--to", &to]).await;
    let told = refused.expect_err("refused");
    assert!(told.contains("another backup is being made"), "{told}");
    assert_eq!(fs::metadata(&draft).expect("a file").len(), 100_000);
    drop(other);
    let arguments = ["backup", "--to", to.as_str()];
    let (one, two) = tokio::join!(machine.run(&arguments), machine.run(&arguments));
    let made = [one, two].into_iter().filter(Result::is_ok).count();
    assert_eq!(made, 1, "one of two at once");
    assert!(!draft.exists() && !machine.file("backup.part-journal").exists());
    assert_eq!(mode(&machine.file("backup")), 0o600);
    machine.stop().await;
    machine.restore("backup").await;
    // A link in its place is not followed.
    let elsewhere = machine.file("elsewhere");
    fs::write(&elsewhere, b"somebody's").expect("written");
    std::os::unix::fs::symlink(&elsewhere, machine.file("second.part")).expect("a link");
    let second = machine.name("second");
    let refused = machine.run(&["backup", "--to", &second]).await;
    refused.expect_err("refused");
    assert_eq!(fs::read(&elsewhere).expect("read"), b"somebody's");
}

async fn postgres_is_backed_up_by_its_own_tools() {
    let machine = Machine::with(ALICE).await;
    if machine.database.file().is_some() {
        return;
    }
    let told = machine
        .run(&["backup", "--to", &machine.name("backup")])
        .await
        .expect_err("refused");
    assert!(
        told.contains("pg_dump --format=custom") && told.contains("restore --already-restored"),
        "{told}"
    );
    let told = machine
        .run(&["restore", "--from", &machine.name("backup")])
        .await
        .expect_err("refused");
    assert!(told.contains("pg_restore"), "{told}");
    assert!(!machine.file("backup").exists());
}
