//! Restoring a backup: what was used, sent or signed in since does not become valid again. Uses
//! real processes and the tools that `server/OPERATING.md` names.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use contract_tests::call::Method;
use contract_tests::waiting::until;
use contract_tests::{PASSWORD, Value, json, tests};
use countersign::clock::Clock;

use super::machine::{ALICE, Alice, BOB, Machine};

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

/// What works once.
struct Once {
    alice: Alice,
    /// A sign-in of hers that waits for its second step.
    waiting: String,
    /// What completes a registration.
    proof: Value,
    /// What refreshes her session.
    refresh: Value,
}

impl Once {
    /// Sets Alice up, and begins what is finished later.
    async fn begun(machine: &Machine) -> Self {
        let alice = Alice::on(machine).await;
        let waiting = machine.login(ALICE).await.is(200).text("mfaToken");
        let registration = machine.post(
            "/identity/register",
            &json!({ "email": BOB, "password": PASSWORD }),
        );
        let registration = registration.await.is(202).text("registrationToken");
        let mailed = machine.code_to(BOB).await;
        Self {
            waiting,
            proof: json!({ "registrationToken": registration, "code": mailed }),
            refresh: json!({ "refreshToken": alice.refresh_token }),
            alice,
        }
    }

    /// Uses all of it, and signs out. Returns the code of the app that was used.
    async fn is_spent(&self, machine: &Machine) -> String {
        let next = self.alice.app.code_at(Clock::System.now().plus_seconds(30));
        let signed_in = machine.verify("login", &self.waiting, &next).await;
        signed_in.is(200);
        let signed_in = machine.sign_in(&self.alice.recovery_codes[0]).await;
        signed_in.is(200);
        let proved = machine.post("/identity/register/verify", &self.proof).await;
        proved.is(201);
        let refreshed = machine.post("/identity/token/refresh", &self.refresh).await;
        refreshed.is(200);
        let out = machine.call(Method::POST, "/identity/logout");
        out.bearer(&self.alice.access_token).await.is(204);
        self.has_no_session(machine).await;
        next
    }

    /// Asserts that nothing of it works.
    async fn is_refused(&self, machine: &Machine, used: &str) {
        self.has_no_session(machine).await;
        let refreshed = machine.post("/identity/token/refresh", &self.refresh).await;
        refreshed.refused(401, "TOKEN_INVALID");
        let proved = machine.post("/identity/register/verify", &self.proof).await;
        proved.refused(400, "REGISTRATION_TOKEN_INVALID");
        let signed_in = machine.verify("login", &self.waiting, used).await;
        signed_in.refused(400, "MFA_TOKEN_INVALID");
        let begun = machine.login(ALICE).await.is(200).text("mfaToken");
        let refused = machine
            .verify("login", &begun, used)
            .await
            .refused(400, "INVALID_MFA_CODE");
        assert_eq!(
            refused["reason"], "already_used",
            "the app's code of the same minute"
        );
        machine
            .verify("login", &begun, &self.alice.recovery_codes[0])
            .await
            .refused(400, "INVALID_MFA_CODE");
    }

    /// Asserts that Alice's access token opens nothing.
    async fn has_no_session(&self, machine: &Machine) {
        let me = machine.get("/identity/me").bearer(&self.alice.access_token);
        me.await.refused(401, "TOKEN_INVALID");
    }
}

async fn nothing_that_was_spent_before_a_restore_works_again() {
    let mut machine = Machine::with(ALICE).await;
    let once = Once::begun(&machine).await;
    machine.back_up("backup").await;
    let used = once.is_spent(&machine).await;
    machine.stop().await;
    let told = machine.restore("backup").await;
    assert!(told.contains("A new epoch began"), "{told}");
    machine.start().await;
    once.is_refused(&machine, &used).await;
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

/// Asserts that the log and the audit trail say once that the database went back.
fn says_that_it_went_back(machine: &Machine) {
    let log = machine.log();
    assert!(
        log.contains("changed without `countersign restore`"),
        "{log}"
    );
    assert!(
        !log.contains("the database was restored"),
        "one line says it: {log}"
    );
    assert_eq!(
        machine.database.texts(EPOCHS),
        ["recovery_codes", "sessions"],
        "once in the audit trail of each whom it touches"
    );
}

/// Asserts that starting again with the same database is not a restore.
async fn starts_again_and_keeps_sessions(machine: &mut Machine) {
    let reset = machine.run(&["user", "reset-mfa", "--email", ALICE]).await;
    reset.expect("no more second steps");
    let session = machine.login(ALICE).await.is(200).text("accessToken");
    machine.stop().await;
    machine.start().await;
    machine.get("/identity/me").bearer(&session).await.is(200);
    let log = machine.log();
    assert!(!log.contains("without `countersign restore`"), "{log}");
}

async fn a_database_that_went_back_by_itself_is_noticed() {
    let mut machine = Machine::with(ALICE).await;
    let alice = Alice::on(&machine).await;
    machine.back_up("backup").await;
    let refresh = json!({ "refreshToken": alice.refresh_token });
    let refreshed = machine.post("/identity/token/refresh", &refresh).await;
    refreshed.is(200);
    let next = alice.app.code_at(Clock::System.now().plus_seconds(30));
    machine.sign_in(&next).await.is(200);

    machine.stop().await;
    machine.put_back("backup");
    machine.start().await;
    says_that_it_went_back(&machine);
    let refreshed = machine.post("/identity/token/refresh", &refresh).await;
    refreshed.refused(401, "TOKEN_INVALID");
    let me = machine.get("/identity/me").bearer(&alice.access_token);
    me.await.refused(401, "TOKEN_INVALID");
    let begun = machine.login(ALICE).await.is(200).text("mfaToken");
    for code in [&next, &alice.recovery_codes[0]] {
        let refused = machine.verify("login", &begun, code).await;
        refused.refused(400, "INVALID_MFA_CODE");
    }
    starts_again_and_keeps_sessions(&mut machine).await;
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

/// Guesses the code of Alice's app twice.
async fn guesses_twice(machine: &Machine, alice: &Alice) {
    let begun = machine.login(ALICE).await.is(200).text("mfaToken");
    let wrong = super::other_than(&alice.app.code_at(Clock::System.now()));
    for _ in 0..2 {
        let guess = machine.verify("login", &begun, wrong).await;
        guess.refused(400, "INVALID_MFA_CODE");
    }
}

/// Asserts that without the replaced database, nothing tells which codes were used, so that no code
/// is taken for unused, unless the operator says so.
async fn takes_no_code_for_unused_after_a_loss(machine: &mut Machine, unused: &str) {
    machine.stop().await;
    fs::remove_file(machine.database.file().expect("a file")).expect("lost");
    let told = machine.restore("backup").await;
    assert!(told.contains("all 1 sets ended"), "{told}");
    machine.start().await;
    let refused = machine.sign_in(unused).await;
    refused.refused(400, "INVALID_MFA_CODE");
    machine.stop().await;
    fs::remove_file(machine.database.file().expect("a file")).expect("lost");
    let from = machine.name("backup");
    let told = machine
        .run(&["restore", "--from", &from, "--keep-recovery-codes"])
        .await;
    assert!(told.expect("restored").contains("those work again"));
    machine.start().await;
    machine.sign_in(unused).await.is(200);
}

async fn what_the_replaced_database_tells_is_kept() {
    let mut machine = Machine::with(ALICE).await;
    if machine.database.file().is_none() {
        return;
    }
    let alice = Alice::on(&machine).await;
    machine.back_up("backup").await;
    machine.sign_in(&alice.recovery_codes[0]).await.is(200);
    let carol = "carol@example.com";
    let made = machine.run(&["user", "create", "--email", carol]).await;
    made.expect("an account");
    guesses_twice(&machine, &alice).await;
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
    let refused = machine.login(carol).await;
    refused.refused(401, "INVALID_CREDENTIALS");
    takes_no_code_for_unused_after_a_loss(&mut machine, &alice.recovery_codes[2]).await;
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

/// Asserts that a subcommand fails and says why.
async fn fails(machine: &Machine, arguments: &[&str], why: &str) {
    let told = machine.run(arguments).await.expect_err("refused");
    assert!(told.contains(why), "{arguments:?}: {told}");
}

/// Asserts that only a complete backup is restored.
async fn restores_nothing_else(machine: &Machine, backup: &str) {
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("text", b"no database"),
        ("half", &fs::read(backup).expect("read")[..20_000]),
    ] {
        fs::write(machine.file(name), bytes).expect("written");
        let restore = ["restore", "--from", &machine.name(name)];
        fails(machine, &restore, "is not a complete").await;
    }
    let missing = ["restore", "--from", &machine.name("missing")];
    fails(machine, &missing, "there is no file").await;
    assert!(!machine.file("missing").exists());
    let itself = machine.database.file().expect("a file").to_string_lossy();
    let itself = ["restore", "--from", &*itself];
    fails(machine, &itself, "is the database itself").await;
    fails(machine, &["restore"], "--already-restored").await;
}

/// Asserts that a backup is restored only beside the keys that belong to it.
async fn restores_only_beside_its_keys(machine: &Machine, backup: &str) {
    let restore = ["restore", "--from", backup];
    let keys = fs::read(machine.file("keys.json")).expect("keys");
    fs::rename(machine.file("keys.json"), machine.file("keys.kept")).expect("moved");
    let why = "does not exist, but this backup needs it";
    fails(machine, &restore, why).await;
    assert!(
        !machine.file("keys.json").exists(),
        "no keys are made for it"
    );
    let elsewhere = Machine::with(BOB).await;
    fs::copy(elsewhere.file("keys.json"), machine.file("keys.json")).expect("copied");
    fails(machine, &restore, "does not belong to this database").await;
    fs::write(machine.file("keys.json"), keys).expect("written");
}

/// Asserts that no draft and no replaced database is left.
fn leaves_nothing_behind(machine: &Machine) {
    let left: Vec<_> = fs::read_dir(machine.folder.path())
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| {
            name.contains("restoring") || name.contains(".part") || name.contains("replaced")
        })
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

async fn a_backup_is_whole_private_and_of_its_keys() {
    let mut machine = Machine::with(ALICE).await;
    if machine.database.file().is_none() {
        return;
    }
    machine.back_up("backup").await;
    assert_eq!(mode(&machine.file("backup")), 0o600);
    let backup = machine.name("backup");
    fails(&machine, &["backup", "--to", &backup], "exists already").await;
    let restore = ["restore", "--from", &backup];
    fails(&machine, &restore, "stop the server first").await;
    machine.login(ALICE).await.is(200);
    machine.stop().await;
    restores_nothing_else(&machine, &backup).await;
    restores_only_beside_its_keys(&machine, &backup).await;
    leaves_nothing_behind(&machine);
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
