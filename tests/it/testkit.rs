//! The test kit: it starts a sandbox and ends it, makes people of every kind, and finds each way past the
//! second factor.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract_tests::process::AS_COUNTERSIGN;
use contract_tests::shop::Shop;
use contract_tests::{reqwest, tests};
use countersign_sdk::Problem;
use countersign_sdk::identity::SignIn;
use countersign_testkit::backend::{self, Case, Outcome};
use countersign_testkit::{Error, Sandbox, User};
use tempfile::TempDir;

tests! {
    on_sqlite:
    it_starts_a_sandbox_and_ends_it,
    a_sandbox_ends_with_the_panic_of_its_test,
    a_missing_program_is_told_with_how_to_install_it,
    what_is_no_sandbox_is_told,
    people_of_every_kind_sign_in,
    people_of_two_tests_do_not_meet,
    each_message_is_read_once,
    the_clock_and_errors_do_as_told,
    a_good_back_end_passes,
    each_flaw_is_found_by_its_case,
    a_back_end_that_lets_nobody_in_does_not_pass,
}

/// A sandbox in this process.
async fn sandbox() -> Sandbox {
    let running = contract_tests::Sandbox::start().await;
    let url = running.url();
    Sandbox::at(&url).await.expect("a sandbox")
}

/// A script that runs this program as `countersign`, with its temporary files in the folder.
fn program(folder: &Path) -> PathBuf {
    let path = folder.join("countersign");
    let own = std::env::current_exe().expect("this program");
    let script = format!(
        "#!/bin/sh\nexport {AS_COUNTERSIGN}=1 TMPDIR='{}'\nexec '{}' \"$@\"\n",
        folder.display(),
        own.display()
    );
    std::fs::write(&path, script).expect("a file");
    let all = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, all).expect("a program");
    path
}

/// The files that are left in the folder, but for the script.
fn left(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| !path.ends_with("countersign"))
        .collect()
}

async fn it_starts_a_sandbox_and_ends_it() {
    let folder = TempDir::new().expect("a folder");
    let started = Sandbox::builder()
        .program(program(folder.path()))
        .seed(7)
        .setting("challenge_seconds", "300")
        .start()
        .await;
    let started = started.expect("a sandbox");
    let about = started.tools().get_sandbox().await.expect("it answers");
    assert_eq!(about.seed, 7);
    assert_eq!(about.issuer, started.issuer());
    let alice = started.user_with_totp().await.expect("a user");
    assert_eq!(signed_in(&started, &alice).await, alice.email);
    assert!(!left(folder.path()).is_empty(), "its folder");

    let health = format!("{}/healthz", started.url());
    drop(started);
    reqwest::get(&health).await.expect_err("nobody listens");
    assert_eq!(left(folder.path()), Vec::<PathBuf>::new());
}

async fn a_sandbox_ends_with_the_panic_of_its_test() {
    let folder = TempDir::new().expect("a folder");
    let path = program(folder.path());
    let test = tokio::spawn(async move {
        let started = Sandbox::builder().program(path).start().await;
        let started = started.expect("a sandbox");
        panic!("{}/healthz", started.url());
    });
    let panicked = test.await.expect_err("a panic").into_panic();
    let health = panicked.downcast::<String>().expect("an address");
    reqwest::get(&*health).await.expect_err("nobody listens");
    assert_eq!(left(folder.path()), Vec::<PathBuf>::new());
}

async fn a_missing_program_is_told_with_how_to_install_it() {
    let missing = Sandbox::builder().program("/nowhere/countersign").start();
    let error = missing.await.expect_err("it is missing");
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
    let told = error.to_string();
    for part in ["/nowhere/countersign", "COUNTERSIGN_BIN", "cargo install"] {
        assert!(told.contains(part), "{told}");
    }

    let folder = TempDir::new().expect("a folder");
    let ends = Sandbox::builder()
        .program(program(folder.path()))
        .setting("no_such_setting", "1");
    let error = ends.start().await.expect_err("it does not start");
    assert!(matches!(error, Error::NotStarted { .. }), "{error:?}");
    let told = error.to_string();
    assert!(told.contains("COUNTERSIGN_NO_SUCH_SETTING"), "{told}");
}

async fn what_is_no_sandbox_is_told() {
    let server = contract_tests::Server::start().await;
    let error = Sandbox::at(&server.url()).await.expect_err("a real server");
    assert!(matches!(error, Error::NoSandbox { .. }), "{error:?}");
    assert!(error.to_string().contains("countersign sandbox"), "{error}");
    let error = Sandbox::at("no address").await.expect_err("no address");
    assert!(matches!(error, Error::Address(_)), "{error:?}");
}

/// Signs in with the authenticator app. Returns the address of the account.
async fn signed_in(sandbox: &Sandbox, user: &User) -> String {
    let client = sandbox.client();
    let step = client.sign_in(&user.email, &user.password).await;
    let SignIn::Challenge(challenge) = step.expect("asked") else {
        panic!("a second factor is on")
    };
    let code = sandbox.totp_code(user.totp_secret()).await;
    challenge
        .answer(code.expect("a code"))
        .await
        .expect("right");
    let me = client.get_current_user().await.expect("signed in");
    me.email
}

async fn people_of_every_kind_sign_in() {
    let sandbox = sandbox().await;
    let nobody = sandbox.user().await.expect("a user");
    let client = sandbox.client();
    let step = client.sign_in(&nobody.email, &nobody.password).await;
    assert!(matches!(step.expect("signed in"), SignIn::Done(_)));

    let app = sandbox.user_with_totp().await.expect("a user");
    assert_eq!(signed_in(&sandbox, &app).await, app.email);

    let mailed = sandbox.user_with_email().await.expect("a user");
    let texted = sandbox.user_with_sms().await.expect("a user");
    let number = texted.phone_number.clone().expect("a number");
    for (user, to) in [(&mailed, &mailed.email), (&texted, &number)] {
        let step = client.sign_in(&user.email, &user.password).await;
        let SignIn::Challenge(challenge) = step.expect("asked") else {
            panic!("a second factor is on")
        };
        let code = sandbox.last_code_to(to).await.expect("a code");
        challenge.answer(code).await.expect("right");
    }

    let with_key = sandbox.user_with_passkey().await.expect("a user");
    let step = client.sign_in(&with_key.email, &with_key.password).await;
    let SignIn::Challenge(challenge) = step.expect("asked") else {
        panic!("a second factor is on")
    };
    let options = challenge.passkey_options().await.expect("options");
    let used = sandbox.use_passkey(&with_key.email, &options.public_key);
    let used = used.await.expect("a passkey");
    challenge.passkey(used).await.expect("right");

    let prudent = sandbox.user_with_recovery_codes().await.expect("a user");
    let step = client.sign_in(&prudent.email, &prudent.password).await;
    let SignIn::Challenge(challenge) = step.expect("asked") else {
        panic!("a second factor is on")
    };
    let done = challenge.answer(&prudent.recovery_codes[9]).await;
    assert_eq!(done.expect("right").recovery_codes_remaining, Some(9));

    let admin = sandbox.administrator().await.expect("an administrator");
    admin.client().list_users().await.expect("allowed");
    let key = sandbox.api_key(["tokens:validate"]).await.expect("a key");
    assert!(key.expose().starts_with("csk_"));
}

async fn people_of_two_tests_do_not_meet() {
    let sandbox = sandbox().await;
    let (one, other) = tokio::join!(sandbox.user_with_totp(), sandbox.user_with_totp());
    let (one, other) = (one.expect("a user"), other.expect("a user"));
    assert_ne!(one.email, other.email);
    assert_ne!(one.totp_secret(), other.totp_secret());
    assert!(!format!("{one:?}").contains(one.totp_secret()));
}

async fn each_message_is_read_once() {
    let sandbox = sandbox().await;
    let alice = sandbox.user_with_email().await.expect("a user");
    let mut codes = Vec::new();
    for _ in 0..2 {
        let begun = sandbox
            .client()
            .sign_in(&alice.email, &alice.password)
            .await;
        assert!(matches!(begun.expect("asked"), SignIn::Challenge(_)));
        codes.push(sandbox.last_code_to(&alice.email).await.expect("a code"));
    }
    assert_ne!(codes[0], codes[1]);
    let begun = sandbox.client().forgot_password(
        countersign_sdk::identity::types::ForgotPasswordRequest::new(&alice.email),
    );
    begun.await.expect("told nothing");
    let mail = sandbox
        .wait_for_message(&alice.email, Some("reset_code"))
        .await;
    assert!(mail.expect("a mail").code.is_some());
    let none = sandbox.wait_for_message(&alice.email, None).await;
    let error = none.expect_err("no other mail");
    assert!(matches!(error, Error::NoMessage { .. }), "{error:?}");
}

async fn the_clock_and_errors_do_as_told() {
    let sandbox = sandbox().await;
    let alice = sandbox.user_with_totp().await.expect("a user");
    let begin = || async {
        let client = sandbox.client();
        client.sign_in(&alice.email, &alice.password).await
    };
    let SignIn::Challenge(challenge) = begin().await.expect("asked") else {
        panic!("a second factor is on")
    };
    let hour = Duration::from_secs(3600);
    sandbox.advance(hour).await.expect("an hour passes");
    let code = sandbox
        .totp_code(alice.totp_secret())
        .await
        .expect("a code");
    let late = challenge.answer(code).await.expect_err("too late");
    assert_eq!(late.code(), Some("MFA_TOKEN_EXPIRED"));

    sandbox
        .force("login", "ACCOUNT_GONE")
        .await
        .expect_err("no such error");
    sandbox
        .force("login", "INVALID_CREDENTIALS")
        .await
        .expect("forced");
    let forced = begin().await.expect_err("forced");
    assert_eq!(forced.code(), Some("INVALID_CREDENTIALS"));
    begin().await.expect("once");

    let other = sandbox.user_with_totp().await.expect("a user");
    let force = sandbox.force_for(&other.email, "login", "INVALID_CREDENTIALS");
    force.await.expect("forced");
    begin().await.expect("for somebody else");
    sandbox
        .force_all_for(&alice.email, "INTERNAL")
        .await
        .expect("forced");
    for _ in 0..2 {
        let forced = begin().await.expect_err("forced");
        assert_eq!(forced.code(), Some("INTERNAL"));
    }

    sandbox.reset().await.expect("anew");
    let gone = begin().await.expect_err("gone");
    assert_eq!(gone.code(), Some("INVALID_CREDENTIALS"));
}

async fn a_good_back_end_passes() {
    let sandbox = sandbox().await;
    let report = backend::check(&sandbox, Shop::open(sandbox.url())).await;
    assert!(report.passed(), "{report}");
    for (case, outcome) in report.outcomes() {
        assert_eq!(*outcome, Outcome::Passed, "{case}");
    }
}

async fn each_flaw_is_found_by_its_case() {
    let sandbox = sandbox().await;
    for case in Case::ALL {
        let shop = Shop::flawed(sandbox.url(), case);
        let outcome = backend::check_one(&sandbox, &shop, case).await;
        assert!(matches!(outcome, Outcome::Failed(_)), "{case}: {outcome:?}");
    }
}

async fn a_back_end_that_lets_nobody_in_does_not_pass() {
    let sandbox = sandbox().await;
    // It asks another sandbox, which knows none of the people.
    let other = self::sandbox().await;
    let shop = Shop::open(other.url());
    let outcome = backend::check_one(&sandbox, &shop, Case::RightSignIn).await;
    assert!(matches!(outcome, Outcome::Untried(_)), "{outcome:?}");
}
