//! A bearer whose signature the server has cached is still checked on each call.

use contract_tests::{Person, Server, tests};
use countersign::app::App;
use countersign::chance::Chance;
use countersign::config::Settings;

tests! {
    a_disabled_user_is_refused_on_the_next_call,
    an_ended_session_is_refused_on_the_next_call,
    a_revoked_key_opens_nothing_on_the_next_call,
    a_token_that_is_over_is_refused_on_the_next_call,
    what_is_remembered_is_these_bytes_and_no_others,
    a_rotation_ends_no_token,
}

/// Returns a user whose bearer was checked twice: the second time its signature came from the
/// cache.
async fn warm(server: &Server) -> Person {
    let alice = server.registered("alice@example.com").await;
    alice.me().await.is(200);
    alice.me().await.is(200);
    alice
}

async fn a_disabled_user_is_refused_on_the_next_call() {
    let server = Server::start().await;
    let alice = warm(&server).await;
    server.database.run("UPDATE users SET disabled_at = 1");
    alice.me().await.refused(401, "TOKEN_INVALID");
    server.database.run("UPDATE users SET disabled_at = NULL");
    alice.me().await.is(200);
}

async fn an_ended_session_is_refused_on_the_next_call() {
    let server = Server::start().await;
    let alice = warm(&server).await;
    alice.sign_out().await.is(204);
    alice.me().await.refused(401, "TOKEN_INVALID");
}

async fn a_token_that_is_over_is_refused_on_the_next_call() {
    let server = Server::start().await;
    let alice = warm(&server).await;
    server.clock.advance(911);
    alice.me().await.refused(401, "TOKEN_EXPIRED");
}

/// Opens the operator's program on the data of this server.
async fn operator(server: &Server) -> App {
    let mut settings = Settings::for_test(server.folder()).expect("settings");
    settings.database_url = server.database.url();
    App::open(settings, server.clock.clone(), Chance::seeded(79))
        .await
        .expect("the operator's program")
}

/// Makes the server read its keys. It does so on its own as well, and one of the two sees the
/// change.
fn look(server: &Server) {
    let vault = &server.app.ctx().vault;
    vault.reload_if_changed().expect("reloaded");
}

async fn a_revoked_key_opens_nothing_on_the_next_call() {
    let server = Server::start().await;
    let alice = warm(&server).await;
    let operator = operator(&server).await;
    let now = server.clock.now();
    operator.ctx().vault.revoke_signing(now).expect("revoked");
    look(&server);
    alice.me().await.refused(401, "TOKEN_INVALID");
}

/// A rotation removes no key. The cached signatures are dropped, and verified again.
async fn a_rotation_ends_no_token() {
    let server = Server::start().await;
    let alice = warm(&server).await;
    let operator = operator(&server).await;
    let now = server.clock.now();
    operator.ctx().vault.rotate_signing(now).expect("rotated");
    look(&server);
    alice.me().await.is(200);
    alice.me().await.is(200);
}

async fn what_is_remembered_is_these_bytes_and_no_others() {
    let server = Server::start().await;
    let alice = warm(&server).await;
    let token = &alice.access_token;
    let parts: Vec<&str> = token.split('.').collect();
    let [head, claims, signature] = parts.as_slice() else {
        panic!("a token has three parts");
    };
    let turned = |text: &str, place: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("ASCII")
    };
    let forged = [
        format!("{head}.{claims}.{}", turned(signature, 10)),
        format!("{head}.{}.{signature}", turned(claims, 40)),
        format!("{}.{claims}.{signature}", turned(head, 12)),
        format!("{head}.{claims}."),
        format!("{head}.{claims}"),
        format!("{token}."),
        format!("{token}.{signature}"),
    ];
    for forged in forged {
        let refused = server.get("/identity/me").bearer(&forged).await;
        refused.refused(401, "TOKEN_INVALID");
    }
    alice.me().await.is(200);
}
