//! Right passwords are never refused because others arrive at the same moment, or because of how
//! they are hashed. Passwords that were not compared count for nothing.

use std::time::{Duration, Instant};

use contract_tests::call::{Call, at_once, count, outcomes};
use contract_tests::{Answer, Method, PASSWORD, Server, json, tests};
use countersign::clock::Clock;
use countersign::model::Time;
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{flashback, netevia, veeam};

tests! {
    right_passwords_at_once_all_sign_in,
    right_passwords_at_once_all_confirm,
    a_right_password_beside_wrong_ones_within_the_limit_signs_in,
    right_codes_at_once_are_not_refused_for_a_wait_that_nobody_earned,
    a_new_hash_of_the_same_password_is_no_change_of_it,
    a_hash_that_is_made_anew_meanwhile_is_no_change_of_the_password,
    an_overload_is_no_wrong_password_and_no_row,
    an_overload_is_no_wrong_recovery_code,
    who_is_turned_away_writes_no_row,
    an_old_hash_takes_as_long_as_none,
    a_dearer_hash_takes_as_long_as_none,
}

/// Starts a call.
type Calling = fn(&Server) -> Call;

/// Moves the clock by a few microseconds at a time, as real clocks do.
fn ticking(clock: &Clock) -> JoinHandle<()> {
    let clock = clock.clone();
    tokio::spawn(async move {
        loop {
            clock.set(Time::from_micros(clock.now().micros() + 7));
            sleep(Duration::from_micros(50)).await;
        }
    })
}

/// Asserts that nobody was refused. On a busy machine, hashing may be overloaded for some.
#[track_caller]
fn none_refused(answers: &[Answer]) {
    let (done, busy) = (count(answers, 200), count(answers, 503));
    assert!(done + busy == answers.len(), "{:?}", outcomes(answers));
}

async fn right_passwords_at_once_all_sign_in() {
    let server = Server::with_real_hashes(|_| {}).await;
    server.registered("alice@example.com").await;
    let ticks = ticking(&server.clock);
    for _ in 0..10 {
        let answers = at_once((0..3).map(|_| server.login("alice@example.com", PASSWORD))).await;
        none_refused(&answers);
    }
    // More at once than the limit for wrong passwords allows, in every API.
    let every: [Calling; 4] = [
        |server| server.login("alice@example.com", PASSWORD),
        |server| netevia::authenticate(server, "alice@example.com", PASSWORD),
        |server| flashback::login(server, "alice@example.com", PASSWORD),
        |server| veeam::sign_in(server, "alice@example.com", PASSWORD),
    ];
    let answers = at_once((0..2).flat_map(|_| every.map(|sign_in| sign_in(&server)))).await;
    none_refused(&answers);
    ticks.abort();
}

async fn right_passwords_at_once_all_confirm() {
    let server = Server::with_real_hashes(|_| {}).await;
    let mut alice = server.registered("alice@example.com").await;
    let ticks = ticking(&server.clock);
    let body = json!({ "password": PASSWORD });
    let lifted = at_once((0..8).map(|_| alice.begin_step_up(&body))).await;
    none_refused(&lifted);
    let begun = at_once((0..8).map(|_| alice.begin_setup("authenticator"))).await;
    none_refused(&begun);
    ticks.abort();
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let ticks = ticking(&server.clock);
    let ending = at_once((0..8).map(|_| alice.begin_disable("authenticator"))).await;
    none_refused(&ending);
    ticks.abort();
}

async fn a_right_password_beside_wrong_ones_within_the_limit_signs_in() {
    let server = Server::with_real_hashes(|_| {}).await;
    server.registered("alice@example.com").await;
    let ticks = ticking(&server.clock);
    for _ in 0..5 {
        let passwords = [
            "wrong", PASSWORD, "wrong", PASSWORD, "wrong", "wrong", PASSWORD,
        ];
        let calls = passwords.map(|password| server.login("alice@example.com", password));
        let answers = at_once(calls).await;
        let right = answers.iter().zip(passwords);
        let right = right.filter(|(_, password)| *password == PASSWORD);
        let right: Vec<Answer> = right.map(|(answer, _)| answer.clone()).collect();
        none_refused(&right);
        server.login("alice@example.com", PASSWORD).await.is(200);
    }
    ticks.abort();
}

async fn right_codes_at_once_are_not_refused_for_a_wait_that_nobody_earned() {
    let server = Server::with_real_hashes(|_| {}).await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let ticks = ticking(&server.clock);
    for _ in 0..3 {
        let mut sign_ins = Vec::new();
        for _ in 0..3 {
            let token = alice.begin_sign_in().await;
            sign_ins.push((token, server.mail.code_to("alice@example.com").await));
        }
        let calls = sign_ins
            .iter()
            .map(|(token, code)| server.verify_login(token, code));
        let answers = at_once(calls).await;
        assert_eq!(count(&answers, 200), 3, "{:?}", outcomes(&answers));
        server.clock.advance(3600);
    }
    ticks.abort();
}

async fn a_new_hash_of_the_same_password_is_no_change_of_it() {
    let server = Server::with_real_hashes(|_| {}).await;
    server.registered("alice@example.com").await;
    let server = server
        .restarted_with(|settings| {
            settings.argon2_iterations = 3;
            settings.hash_slots = 2;
        })
        .await;
    let answers = at_once((0..20).map(|_| server.login("alice@example.com", PASSWORD))).await;
    none_refused(&answers);
    let renewed = "SELECT count(*) AS found FROM users WHERE password_hash LIKE '%,t=3,%'";
    assert_eq!(server.database.number(renewed), 1, "made anew all the same");
    server.login("alice@example.com", PASSWORD).await.is(200);
    server
        .login("alice@example.com", "wrong")
        .await
        .refused(401, "INVALID_CREDENTIALS");
}

async fn a_hash_that_is_made_anew_meanwhile_is_no_change_of_the_password() {
    let server = Server::with_real_hashes(|_| {}).await;
    server.registered("alice@example.com").await;
    let server = server
        .restarted_with(|settings| {
            settings.argon2_iterations = 8;
            settings.hash_slots = 2;
        })
        .await;
    let began = Instant::now();
    server
        .login("alice@example.com", "wrong")
        .await
        .refused(401, "INVALID_CREDENTIALS");
    let hashing = began.elapsed();
    // Each call starts before the one before it is judged. Some are compared with the old hash and
    // judged when the new one is stored.
    let calls = (0..8).map(|number| {
        let call = server.login("alice@example.com", PASSWORD);
        async move {
            sleep(hashing.mul_f64(0.6) * number).await;
            call.await
        }
    });
    none_refused(&join_all(calls).await);
    let renewed = "SELECT count(*) AS found FROM users WHERE password_hash LIKE '%,t=8,%'";
    assert_eq!(server.database.number(renewed), 1, "made anew meanwhile");
}

/// Starts a server whose hashes take long and have few slots.
async fn overloaded(change: impl FnOnce(&mut countersign::config::Settings)) -> Server {
    Server::with_real_hashes(|settings| {
        settings.argon2_iterations = 8;
        settings.hash_queue = 1;
        change(settings);
    })
    .await
}

const COUNTERS: &str = "SELECT count(*) AS found FROM password_attempts";

async fn an_overload_is_no_wrong_password_and_no_row() {
    let server = overloaded(|_| {}).await;
    let alice = server.registered("alice@example.com").await;
    let answers = at_once((0..12).map(|_| alice.login())).await;
    let outcomes_ = outcomes(&answers);
    let refused = count(&answers, 503);
    assert!(refused > 0, "an overload: {outcomes_:?}");
    assert_eq!(refused + count(&answers, 200), 12, "{outcomes_:?}");
    assert_eq!(server.database.number(COUNTERS), 0);
    let strangers =
        (0..20).map(|number| server.login(&format!("nobody{number}@example.com"), "wrong"));
    let answers = at_once(strangers).await;
    let compared = count(&answers, 401);
    assert!(compared < 20, "an overload: {:?}", outcomes(&answers));
    let rows = usize::try_from(server.database.number(COUNTERS)).expect("a count");
    assert_eq!(rows, compared, "what is turned away writes nothing");
    let told = "SELECT count(*) AS found FROM audit_events WHERE event = 'password_wrong'";
    let rows = usize::try_from(server.database.number(told)).expect("a count");
    assert_eq!(rows, compared);
}

async fn an_overload_is_no_wrong_recovery_code() {
    let server = overloaded(|_| {}).await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let codes = alice.recovery_codes().await;
    // One after the other, until one finds no slot.
    let mut codes = codes.iter();
    let (token, code) = loop {
        let token = alice.begin_sign_in().await;
        let code = codes.next().expect("an overload");
        let strangers = |number| server.login(&format!("nobody{number}@example.com"), "wrong");
        let busy = (0..6).map(strangers);
        let trying = async {
            sleep(Duration::from_millis(30)).await;
            server.verify_login(&token, code).await
        };
        let (_, tried) = tokio::join!(at_once(busy), trying);
        if tried.status != 200 {
            tried.refused(503, "SERVICE_UNAVAILABLE");
            break (token, code);
        }
    };
    for taken in [
        "SELECT count(*) AS found FROM challenges WHERE attempts > 0 AND consumed_at IS NULL",
        "SELECT count(*) AS found FROM factor_attempts WHERE failures > 0",
    ] {
        assert_eq!(server.database.number(taken), 0, "{taken}");
    }
    server.verify_login(&token, code).await.is(200);
}

async fn who_is_turned_away_writes_no_row() {
    let server = Server::with_real_hashes(|settings| {
        settings.trusted_proxies = super::loopback();
        settings.policy.mail_calls_per_source = 2;
        settings.policy.passkey_sign_ins_per_source = 10;
    })
    .await;
    let rows = |server: &Server| {
        [
            "limits",
            "password_attempts",
            "audit_events",
            "registrations",
            "ceremonies",
        ]
        .map(|table| {
            let count = format!("SELECT count(*) AS found FROM {table}");
            server.database.number(&count)
        })
        .into_iter()
        .sum::<i64>()
    };
    // Many addresses of one network do not count as many strangers.
    let from = |number: usize| format!("2001:db8:0:aa00::{number}");
    let turned_away: [(&str, Calling); 3] = [
        ("password", |server| {
            server.login("nobody@example.com", "wrong")
        }),
        ("registration", |server| {
            server.register("carol@example.com")
        }),
        ("passkey", |server| {
            server.call(Method::POST, "/identity/passkey/options")
        }),
    ];
    for (what, call) in turned_away {
        let mut number = 0;
        let mut again = async || {
            number += 1;
            call(&server).from(&from(number)).await
        };
        while again().await.status != 429 {}
        again().await;
        let before = rows(&server);
        for _ in 0..20 {
            assert_eq!(again().await.status, 429, "{what}");
        }
        let at_once_: Vec<Answer> =
            at_once((0..20).map(|number| call(&server).from(&from(100 + number)))).await;
        assert_eq!(count(&at_once_, 429), 20, "{what}");
        assert_eq!(rows(&server), before, "{what}");
    }
}

/// Asserts that a wrong password takes as long for a known address as for an unknown one. It
/// compares the shortest times of alternating tries, and repeats until they are alike, since the
/// machine may be busy.
async fn alike(server: &Server) {
    let emails = ["alice@example.com", "nobody@example.com"];
    let mut least = [Duration::MAX; 2];
    for _ in 0..12 {
        for (least, email) in least.iter_mut().zip(emails) {
            // Let any wait pass.
            server.clock.advance(1000);
            let began = Instant::now();
            let wrong = server.login(email, "wrong").await;
            wrong.refused(401, "INVALID_CREDENTIALS");
            *least = (*least).min(began.elapsed());
        }
        let [known, unknown] = least.map(|least| least.as_secs_f64());
        if (0.4..2.5).contains(&(known / unknown)) {
            return;
        }
    }
    panic!("known and unknown: {least:?}");
}

async fn an_old_hash_takes_as_long_as_none() {
    let server =
        Server::with_real_hashes(|settings| settings.policy.password_free_tries = 20).await;
    server.registered("alice@example.com").await;
    let server = server
        .restarted_with(|settings| settings.argon2_iterations = 20)
        .await;
    alike(&server).await;
    server.clock.advance(1000);
    server.login("alice@example.com", PASSWORD).await.is(200);
    alike(&server).await;
}

async fn a_dearer_hash_takes_as_long_as_none() {
    let server = Server::with_real_hashes(|settings| {
        settings.policy.password_free_tries = 20;
        settings.argon2_iterations = 20;
    })
    .await;
    server.registered("alice@example.com").await;
    let server = server
        .restarted_with(|settings| settings.argon2_iterations = 2)
        .await;
    // The server learns the cost at the start, not at the first sign-in: the unknown address comes
    // first.
    let wrong = async |email: &str, tries: u32| {
        let mut least = Duration::MAX;
        for _ in 0..tries {
            server.clock.advance(1000);
            let began = Instant::now();
            let wrong = server.login(email, "wrong").await;
            wrong.refused(401, "INVALID_CREDENTIALS");
            least = least.min(began.elapsed());
        }
        least
    };
    let unknown = wrong("nobody@example.com", 12).await;
    let known = wrong("alice@example.com", 12).await;
    assert!(unknown.mul_f64(2.5) > known, "{unknown:?}, {known:?}");
    alike(&server).await;
}
