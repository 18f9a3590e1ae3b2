//! Replacing sealing keys: what older keys sealed is sealed again, when used or on the operator's
//! command, and then they are removed.

use std::fs;
use std::time::{Duration, Instant};

use contract_tests::waiting::until;
use contract_tests::{Person, Server, tests};
use countersign::app::{App, Ctx};
use countersign::chance::Chance;
use countersign::config::Settings;
use countersign::flow::keys;
use countersign::model::factor::Factor;
use countersign::model::{FactorId, UserId};
use countersign::store::factors;
use countersign::store::sealed::{self, SealedCounts};
use countersign::vault::Place;

tests! {
    a_secret_is_sealed_anew_when_it_is_used,
    what_older_keys_sealed_is_sealed_anew_and_they_are_retired,
    sealing_anew_goes_on_where_it_was_stopped,
    a_key_that_is_needed_is_not_retired,
    a_database_of_before_is_refused_once_its_key_is_retired,
    a_retirement_that_was_cut_short_is_finished_by_the_next_start,
    revoked_tokens_end_within_a_second,
}

/// Opens the operator's program on the data of a server.
async fn operator(server: &Server) -> App {
    let mut settings = Settings::for_test(server.folder()).expect("settings");
    settings.database_url = server.database.url();
    App::open_existing(settings, server.clock.clone(), Chance::system())
        .await
        .expect("the operator's program")
}

/// Adds a sealing key, and waits until the server uses it. Returns the id of the previous one.
async fn rotated(server: &Server) -> String {
    let operator = operator(server).await;
    let vault = &operator.ctx().vault;
    let (before, _) = vault.older_sealing();
    vault.rotate_sealing(server.clock.now()).expect("rotated");
    operator.check_keys().await.expect("known from now on");
    let (older, _) = vault.older_sealing();
    until("the server to use the new key", async || {
        (server.app.ctx().vault.older_sealing().0 == older).then_some(())
    })
    .await;
    let id = older.into_iter().find(|id| !before.contains(id));
    id.expect("the key of before")
}

async fn held(server: &Server, key: &str) -> SealedCounts {
    let ctx = server.app.ctx();
    let beginning = ctx.vault.sealed_beginning(key).expect("an id");
    ctx.read(move |tx| sealed::counts_of_key(tx, &beginning))
        .await
        .expect("a database")
}

async fn with_app(server: &Server, email: &str) -> Person {
    let mut person = server.registered(email).await;
    person.enable_authenticator().await;
    person
}

async fn a_secret_is_sealed_anew_when_it_is_used() {
    let server = Server::start().await;
    let mut alice = with_app(&server, "alice@example.com").await;
    let mut bob = with_app(&server, "bob@example.com").await;
    let old = rotated(&server).await;
    assert_eq!(held(&server, &old).await.factors, 2);
    let token = alice.begin_sign_in().await;
    server
        .verify_login(&token, &alice.wrong_code())
        .await
        .refused(400, "INVALID_MFA_CODE");
    assert_eq!(
        held(&server, &old).await.factors,
        2,
        "a wrong code uses nothing"
    );
    alice.sign_in().await;
    assert_eq!(held(&server, &old).await.factors, 1);
    bob.sign_in().await;
    assert_eq!(held(&server, &old).await.factors, 0);
    for person in [&mut alice, &mut bob] {
        server.wait(30);
        person.sign_in().await;
    }
}

async fn what_older_keys_sealed_is_sealed_anew_and_they_are_retired() {
    let server = Server::start().await;
    let mut people = Vec::new();
    for number in 0..3 {
        people.push(with_app(&server, &format!("user{number}@example.com")).await);
    }
    server.mail_is_out().await;
    let (first, second) = (rotated(&server).await, rotated(&server).await);
    let operator = operator(&server).await;
    let ctx = operator.ctx();
    assert!(
        keys::seconds_to_retire(ctx) > 0,
        "a server may be sealing with it"
    );
    let done = keys::reseal(ctx, |_| {}).await.expect("sealed anew");
    assert_eq!((done.seen, done.anew, done.closed), (3, 3, 0));
    server.clock.advance(20);
    assert_eq!(keys::seconds_to_retire(ctx), 0);
    let retired = keys::retire(ctx).await.expect("retired");
    assert_eq!(retired.retired, [first.clone(), second.clone()]);
    assert!(retired.needed.is_empty(), "{retired:?}");
    let file = fs::read_to_string(server.folder().join("keys.json")).expect("the keys");
    let ring: contract_tests::Value = file.parse().expect("JSON");
    assert_eq!(ring["sealing"].as_array().map(Vec::len), Some(1));
    let kept = server
        .database
        .texts("SELECT key_id AS found FROM key_canaries");
    assert!(
        !kept.contains(&first) && !kept.contains(&second),
        "{kept:?}"
    );

    until("the server to forget them", async || {
        server
            .app
            .ctx()
            .vault
            .older_sealing()
            .0
            .is_empty()
            .then_some(())
    })
    .await;
    server.wait(30);
    people[0].sign_in().await;
    let server = server.restarted().await;
    for person in &mut people[1..] {
        person.server = server.clone();
        person.sign_in().await;
    }
}

async fn sealing_anew_goes_on_where_it_was_stopped() {
    let server = Server::start().await;
    let alice = with_app(&server, "alice@example.com").await;
    server.mail_is_out().await;
    let ctx = server.app.ctx();
    let mine = ctx
        .read(|tx| sealed::secrets(tx, None, 1))
        .await
        .expect("one");
    let user = mine.first().expect("alice's").0;
    copies(server.app.ctx(), user, 450).await;
    let old = rotated(&server).await;

    // Stopped after the first batch, as with Ctrl-C.
    let operator = operator(&server).await;
    let batches = tokio::sync::Notify::new();
    tokio::select! {
        biased;
        () = batches.notified() => {}
        done = keys::reseal(operator.ctx(), |_| batches.notify_one()) => {
            panic!("all at once: {done:?}");
        }
    }
    let mut told = Vec::new();
    let done = keys::reseal(operator.ctx(), |progress| told.push(progress)).await;
    let done = done.expect("sealed anew");
    assert_eq!((done.total, done.seen), (451, 451));
    assert!(
        (1..451).contains(&done.anew),
        "{done:?}: the rest was done before"
    );
    assert!(told.len() > 1 && told.windows(2).all(|two| two[0].seen < two[1].seen));
    assert_eq!(held(&server, &old).await, SealedCounts::default());
    let again = keys::reseal(operator.ctx(), |_| {})
        .await
        .expect("nothing to do");
    assert_eq!(again.anew, 0);
    alice.me().await.is(200);
}

/// Adds this many authenticators that wait for their proof, next to the user's own.
pub async fn copies(ctx: &Ctx, user: UserId, count: u128) {
    let model = ctx.read(move |tx| factors::of_user(tx, user)).await;
    let model = model.expect("factors").remove(0);
    let rows: Vec<Factor> = (0..count)
        .map(|number| {
            let id: FactorId = ctx.chance.id(ctx.now());
            let place = Place::factor_secret(user, id);
            let mut nonce = [0; 24];
            nonce[..16].copy_from_slice(&number.to_be_bytes());
            let sealed = ctx.vault.seal(&place, nonce, b"a secret").expect("sealed");
            let mut factor = model.clone();
            (factor.id, factor.sealed_secret) = (id, Some(sealed));
            factor.state = countersign::model::kinds::FactorState::Pending;
            factor
        })
        .collect();
    ctx.write(move |tx| rows.iter().try_for_each(|row| factors::insert(tx, row)))
        .await
        .expect("inserted");
}

async fn a_key_that_is_needed_is_not_retired() {
    let server = Server::start().await;
    let mut alice = with_app(&server, "alice@example.com").await;
    server.mail_is_out().await;
    let old = rotated(&server).await;
    server.clock.advance(60);
    let operator = operator(&server).await;
    let retired = keys::retire(operator.ctx()).await.expect("judged");
    assert!(retired.retired.is_empty());
    let needed = SealedCounts {
        factors: 1,
        letters: 0,
    };
    assert_eq!(retired.needed, [(old, needed)]);
    alice.sign_in().await;
    let retired = keys::retire(operator.ctx()).await.expect("retired");
    assert_eq!((retired.retired.len(), retired.needed.len()), (1, 0));
    server.wait(30);
    alice.sign_in().await;
}

async fn start_again(server: &Server) -> Result<App, String> {
    let mut settings = Settings::for_test(server.folder()).expect("settings");
    settings.database_url = server.database.url();
    let opened = App::open(settings, server.clock.clone(), Chance::system()).await;
    opened.map_err(|error| format!("{error:#}"))
}

async fn a_database_of_before_is_refused_once_its_key_is_retired() {
    let server = Server::start().await;
    with_app(&server, "alice@example.com").await;
    let old = rotated(&server).await;
    let operator = operator(&server).await;
    // Like a backup from before the secrets were sealed again.
    let vault = &operator.ctx().vault;
    vault
        .retire_sealing(&old, server.clock.now())
        .expect("retired");
    let line = start_again(&server)
        .await
        .err()
        .expect("its secrets are lost");
    assert!(
        line.contains(&old) && line.contains("restore the key file"),
        "{line}"
    );
}

async fn a_retirement_that_was_cut_short_is_finished_by_the_next_start() {
    let server = Server::start().await;
    let old = rotated(&server).await;
    let operator = operator(&server).await;
    let vault = &operator.ctx().vault;
    // Killed before the database was told.
    vault
        .retire_sealing(&old, server.clock.now())
        .expect("retired");
    start_again(&server).await.expect("nothing is lost");
    let kept = server
        .database
        .texts("SELECT key_id AS found FROM key_canaries");
    assert!(!kept.contains(&old), "{kept:?}");
}

async fn revoked_tokens_end_within_a_second() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let operator = operator(&server).await;
    alice.me().await.is(200);
    let vault = &operator.ctx().vault;
    let begun = Instant::now();
    vault.revoke_signing(server.clock.now()).expect("revoked");
    until("the end of the token", async || {
        (alice.me().await.status == 401).then_some(())
    })
    .await;
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}
