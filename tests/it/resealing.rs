//! `keys reseal` and `keys retire` as the operator runs them, while a server keeps answering.

use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use contract_tests::process::Process;
use contract_tests::{Authenticator, PASSWORD, json, tests};
use countersign::app::{App, Ctx};
use countersign::chance::Chance;
use countersign::clock::Clock;
use countersign::config::Settings;
use countersign::store::{factors, sealed};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::sealing::copies;

tests! {
    older_keys_are_resealed_and_retired_while_the_server_answers,
}

const ALICE: &str = "alice@example.com";

/// How many secrets wait to be sealed again, besides the one that is used: several batches.
const SECRETS: u128 = 3_000;

/// Sets up an authenticator, whose secret the server seals.
async fn with_app(process: &Process) -> Authenticator {
    let body = json!({ "email": ALICE, "password": PASSWORD });
    let signed_in = process.post("/identity/login", &body).await.is(200);
    let body = json!({ "method": "authenticator", "password": PASSWORD });
    let setup = process.post("/identity/mfa/setup", &body);
    let setup = setup.bearer(&signed_in.text("accessToken")).await.is(200);
    let app = Authenticator::new(&setup.text("secret"));
    // The code of the previous step, so that the next one is left for the sign-in.
    let code = app.code_at(Clock::System.now().plus_seconds(-30));
    let body = json!({ "mfaToken": setup.text("mfaToken"), "code": code });
    process
        .post("/identity/mfa/setup/verify", &body)
        .await
        .is(200);
    app
}

async fn sign_in(process: &Process, app: &Authenticator) {
    let body = json!({ "email": ALICE, "password": PASSWORD });
    let begun = process.post("/identity/login", &body).await.is(200);
    let code = app.code_at(Clock::System.now());
    let body = json!({ "mfaToken": begun.text("mfaToken"), "code": code });
    process
        .post("/identity/mfa/login/verify", &body)
        .await
        .is(200);
}

/// Adds more secrets than one batch, next to the existing one.
async fn with_many_secrets(process: &Process) {
    let mut settings = Settings::for_test(&process.folder().join("data")).expect("settings");
    settings.hash_slots = 1;
    let app = App::open_existing(settings, Clock::System, Chance::system());
    let app = app.await.expect("the server's data");
    let ctx: &Ctx = app.ctx();
    let one = ctx.read(|tx| sealed::secrets(tx, None, 1)).await;
    let user = one.expect("a database").first().expect("a secret").0;
    let own = ctx.read(move |tx| factors::of_user(tx, user)).await;
    assert_eq!(own.expect("factors").len(), 1);
    copies(ctx, user, SECRETS).await;
}

/// Calls the server without a pause until told to stop. Returns how often it answered.
fn asked_all_the_time(process: &Process) -> (Arc<AtomicBool>, tokio::task::JoinHandle<usize>) {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let url = format!("http://{}/readyz", process.address);
    let answered = AtomicUsize::new(0);
    let asking = tokio::spawn(async move {
        let http = contract_tests::reqwest::Client::builder().no_proxy();
        let http = http.build().expect("a client");
        while !stopped.load(Ordering::Relaxed) {
            let answer = http.get(&url).send().await.expect("an answer");
            assert_eq!(answer.status(), 200);
            answered.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(50)).await;
        }
        answered.into_inner()
    });
    (stop, asking)
}

/// Kills a resealing after its first report of progress.
async fn reseal_and_kill(process: &Process) {
    let mut child = process.begin(&["keys", "reseal"]);
    let line = spawn_blocking(move || {
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("text");
        child.kill().expect("killed");
        child.wait().expect("ended");
        line
    });
    let line = line.await.expect("read");
    assert!(line.starts_with("Checked 200 of 3"), "{line}");
}

async fn older_keys_are_resealed_and_retired_while_the_server_answers() {
    let process = Process::serve(&[]).await;
    process.user(ALICE).await;
    let app = with_app(&process).await;
    with_many_secrets(&process).await;
    let (stop, asking) = asked_all_the_time(&process);
    let good = async |arguments: &[&str]| {
        let (well, said) = process.run(arguments).await;
        assert!(well, "{arguments:?}: {said}");
        said
    };
    good(&["backup", "--to", "before.db"]).await;
    good(&["keys", "rotate"]).await;

    let (well, said) = process.run(&["keys", "retire"]).await;
    assert!(!well && said.contains("Waiting "), "{said}");
    assert!(
        said.contains("still seals 3001 secrets of authenticator apps")
            && said.contains("run `countersign keys reseal` first"),
        "{said}"
    );

    reseal_and_kill(&process).await;
    let said = good(&["keys", "reseal"]).await;
    let progress: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("Checked "))
        .collect();
    assert!(progress.len() > 10, "{said}");
    let last = progress.last().expect("progress").to_string();
    let anew: usize = last
        .split(' ')
        .nth(7)
        .expect("a number")
        .parse()
        .expect("a number");
    assert!(
        (1..=2_801).contains(&anew),
        "the first batch was done before: {last}"
    );
    assert!(said.contains("The newest key seals all"), "{said}");

    let said = good(&["keys", "retire"]).await;
    assert!(
        said.starts_with("The key seal-") && said.ends_with(" was removed.\n"),
        "{said}"
    );
    assert_eq!(
        good(&["keys", "retire"]).await,
        "There is no older sealing key.\n"
    );
    sign_in(&process, &app).await;
    stop.store(true, Ordering::Relaxed);
    let answered = asking.await.expect("it answered each time");
    assert!(answered > 20, "{answered} answers");
    the_backup_of_before_needs_its_keys(process).await;
}

async fn the_backup_of_before_needs_its_keys(mut process: Process) {
    process.terminate();
    process.ended().await;
    let (well, said) = process.run(&["restore", "--from", "before.db"]).await;
    assert!(!well, "{said}");
    for part in [
        "/before.db cannot be used",
        "3001 secrets of authenticator apps",
        "which `keys retire` has removed since",
        "--key-file",
    ] {
        assert!(said.contains(part), "{part:?} is missing: {said}");
    }
}
