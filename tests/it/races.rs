//! Races: of calls at the same time one wins, and no limit lets through more than it allows.

use std::time::Duration;

use contract_tests::call::{Method, at_once, count, outcomes};
use contract_tests::{Answer, Authenticator, Person, Server, json, tests};
use tokio::time::sleep;

use super::veeam;

tests! {
    of_sixteen_verifies_of_one_challenge_one_wins,
    of_sixteen_verifies_of_a_mailed_code_one_wins,
    of_five_challenges_with_one_code_one_wins,
    of_many_people_at_once_each_signs_in_once,
    parallel_guesses_get_five_tries,
    parallel_guesses_on_many_challenges_stop_at_the_soft_limit,
    of_eight_set_ups_with_one_code_one_wins,
    of_eight_ways_out_with_one_code_one_wins,
    of_eight_refreshes_two_get_the_same_and_nothing_ends,
    of_eight_refreshes_one_wins_and_the_session_ends,
    of_eight_resends_one_is_sent,
    of_ten_sign_ins_six_are_mailed,
    of_eight_proofs_of_one_registration_one_makes_the_account,
    two_registrations_of_one_address_make_one_account,
    parallel_wrong_passwords_get_five_tries,
    of_eight_keys_two_are_made,
    no_more_than_five_challenges_wait,
    a_password_compared_before_it_was_changed_opens_nothing,
    a_set_up_that_is_displaced_while_it_is_proved_leaves_the_app_that_stands,
}

async fn with_app(server: &Server) -> Person {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice
}

async fn of_sixteen_verifies_of_one_challenge_one_wins() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    for _ in 0..3 {
        let token = alice.begin_sign_in().await;
        let code = alice.fresh_code();
        let answers = at_once((0..16).map(|_| server.verify_login(&token, &code))).await;
        assert_eq!(count(&answers, 200), 1, "{:?}", outcomes(&answers));
    }
}

async fn of_sixteen_verifies_of_a_mailed_code_one_wins() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let token = alice.begin_sign_in().await;
    let code = server.mail.code_to("alice@example.com").await;
    let answers = at_once((0..16).map(|_| server.verify_login(&token, &code))).await;
    assert_eq!(count(&answers, 200), 1, "{:?}", outcomes(&answers));
}

async fn of_five_challenges_with_one_code_one_wins() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    for _ in 0..3 {
        let mut tokens = Vec::new();
        for _ in 0..5 {
            server.clock.advance(1);
            tokens.push(alice.begin_sign_in().await);
        }
        let code = alice.fresh_code();
        let answers = at_once(tokens.iter().map(|token| server.verify_login(token, &code))).await;
        assert_eq!(count(&answers, 200), 1, "{:?}", outcomes(&answers));
        assert_eq!(outcomes(&answers)["INVALID_MFA_CODE"], 4);
        let others = answers.iter().filter(|answer| answer.status == 400);
        assert!(
            others
                .into_iter()
                .all(|answer| answer["reason"] == "already_used")
        );
    }
}

/// PostgreSQL writes what many people do at once in one statement. Nobody's answer may become somebody else's.
async fn of_many_people_at_once_each_signs_in_once() {
    let server = Server::start().await;
    let mut people = Vec::new();
    for number in 0..6 {
        let mut person = server.registered(&format!("p{number}@example.com")).await;
        person.enable_authenticator().await;
        let token = person.begin_sign_in().await;
        let code = person.fresh_code();
        server.verify_login(&token, &code).await.is(200);
        people.push(person);
    }
    server.clock.advance(60);
    let mut calls = Vec::new();
    for (number, person) in people.iter_mut().enumerate() {
        let token = person.begin_sign_in().await;
        // The last person types a wrong code, which must not spoil the others'.
        let code = match number {
            5 => person.wrong_code(),
            _ => person.fresh_code(),
        };
        calls.extend((0..4).map(|_| (number, token.clone(), code.clone())));
    }
    let answers = at_once(
        calls
            .iter()
            .map(|(_, token, code)| server.verify_login(token, code)),
    )
    .await;
    for (number, person) in people.iter().enumerate() {
        let own = calls
            .iter()
            .zip(&answers)
            .filter(|(call, _)| call.0 == number);
        let opened: Vec<&Answer> = own
            .map(|(_, answer)| answer)
            .filter(|a| a.status == 200)
            .collect();
        assert_eq!(
            opened.len(),
            usize::from(number != 5),
            "{:?}",
            outcomes(&answers)
        );
        for answer in opened {
            let me = server
                .call(Method::GET, "/identity/me")
                .bearer(&answer.text("accessToken"))
                .await
                .is(200);
            assert_eq!(me["email"], person.email.as_str(), "one's own session");
        }
    }
}

async fn parallel_guesses_get_five_tries() {
    let server = Server::start().await;
    let alice = with_app(&server).await;
    let token = alice.begin_sign_in().await;
    let wrong = alice.wrong_code();
    let answers = at_once((0..20).map(|_| server.verify_login(&token, &wrong))).await;
    let outcomes = outcomes(&answers);
    assert_eq!(outcomes["INVALID_MFA_CODE"], 5, "{outcomes:?}");
    assert_eq!(outcomes["TOO_MANY_MFA_ATTEMPTS"], 15, "{outcomes:?}");
    let mut left: Vec<i64> = answers
        .iter()
        .filter_map(|answer| answer["attemptsRemaining"].as_i64())
        .collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4], "each try is told as what it was");
}

async fn parallel_guesses_on_many_challenges_stop_at_the_soft_limit() {
    let server = Server::start().await;
    let alice = with_app(&server).await;
    let mut tokens = Vec::new();
    for _ in 0..5 {
        server.clock.advance(1);
        tokens.push(alice.begin_sign_in().await);
    }
    let wrong = alice.wrong_code();
    let guesses = tokens.iter().cycle().take(25);
    let answers = at_once(guesses.map(|token| server.verify_login(token, &wrong))).await;
    let outcomes = outcomes(&answers);
    assert_eq!(
        outcomes["INVALID_MFA_CODE"], 10,
        "wrong codes count over all challenges: {outcomes:?}"
    );
    assert_eq!(outcomes["TOO_MANY_MFA_ATTEMPTS"], 15, "{outcomes:?}");
}

async fn of_eight_set_ups_with_one_code_one_wins() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let setup = alice.begin_setup("authenticator").await.is(200);
    let app = contract_tests::Authenticator::new(&setup.text("secret"));
    let (token, code) = (setup.text("mfaToken"), app.code_at(server.clock.now()));
    let answers = at_once((0..8).map(|_| server.verify_setup(&token, &code))).await;
    assert_eq!(count(&answers, 200), 1, "{:?}", outcomes(&answers));
    server.mail_is_out().await;
    let told = server.mail.all_to("alice@example.com").len();
    assert_eq!(told, 2, "the registration's code and one notice");
}

async fn of_eight_ways_out_with_one_code_one_wins() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let token = alice
        .begin_disable("authenticator")
        .await
        .is(200)
        .text("mfaToken");
    let code = alice.fresh_code();
    let answers = at_once((0..8).map(|_| server.verify_disable(&token, &code))).await;
    assert_eq!(count(&answers, 200), 1, "{:?}", outcomes(&answers));
}

async fn of_eight_refreshes_two_get_the_same_and_nothing_ends() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let answers = at_once((0..8).map(|_| server.refresh(&alice.refresh_token))).await;
    assert_eq!(count(&answers, 200), 2, "{:?}", outcomes(&answers));
    let winners: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .collect();
    assert_eq!(winners[0]["refreshToken"], winners[1]["refreshToken"]);
    for winner in &winners {
        let me = server
            .get("/identity/me")
            .bearer(&winner.text("accessToken"));
        me.await.is(200);
    }
    server
        .refresh(&winners[0].text("refreshToken"))
        .await
        .is(200);
}

async fn of_eight_refreshes_one_wins_and_the_session_ends() {
    let server = Server::with(|settings| settings.policy.refresh_reuse_seconds = 0).await;
    let alice = server.registered("alice@example.com").await;
    let answers = at_once((0..8).map(|_| server.refresh(&alice.refresh_token))).await;
    assert_eq!(count(&answers, 200), 1, "{:?}", outcomes(&answers));
    let winner = answers
        .iter()
        .find(|answer| answer.status == 200)
        .expect("one");
    let token = winner.text("accessToken");
    server
        .get("/identity/me")
        .bearer(&token)
        .await
        .refused(401, "TOKEN_INVALID");
    server
        .refresh(&winner.text("refreshToken"))
        .await
        .refused(401, "TOKEN_INVALID");
}

async fn of_eight_resends_one_is_sent() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let token = alice.begin_sign_in().await;
    server.mail.code_to("alice@example.com").await;
    server.mail_is_out().await;
    let before = server.mail.all_to("alice@example.com").len();
    server.clock.advance(60);
    let answers = at_once((0..8).map(|_| server.resend(&token))).await;
    let outcomes = outcomes(&answers);
    assert_eq!(outcomes["200"], 1, "{outcomes:?}");
    assert_eq!(outcomes["RESEND_COOLDOWN"], 7, "{outcomes:?}");
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to("alice@example.com").len(), before + 1);
}

async fn of_ten_sign_ins_six_are_mailed() {
    let server = Server::with(|settings| settings.policy.password_free_tries = 20).await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    server.clock.advance(3600);
    let answers = at_once((0..10).map(|_| alice.login())).await;
    let outcomes = outcomes(&answers);
    assert_eq!(outcomes["200"], 10, "{outcomes:?}");
    let unsent = |answer: &&Answer| answer.text("message").starts_with("No code");
    assert_eq!(
        answers.iter().filter(unsent).count(),
        4,
        "code mails per hour"
    );
    server.mail_is_out().await;
    let sign_ins = server.mail.subjects_to("alice@example.com");
    let codes = sign_ins
        .iter()
        .filter(|subject| subject.contains("sign in"))
        .count();
    assert_eq!(codes, 6, "{sign_ins:?}");
}

async fn of_eight_proofs_of_one_registration_one_makes_the_account() {
    let server = Server::start().await;
    let begun = server.register("alice@example.com").await.is(202);
    let (token, code) = (
        begun.text("registrationToken"),
        server.mail.code_to("alice@example.com").await,
    );
    let answers = at_once((0..8).map(|_| server.prove(&token, &code))).await;
    assert_eq!(count(&answers, 201), 1, "{:?}", outcomes(&answers));
}

async fn two_registrations_of_one_address_make_one_account() {
    let server = Server::start().await;
    let mut registrations = Vec::new();
    for _ in 0..2 {
        let begun = server.register("alice@example.com").await.is(202);
        let code = server.mail.code_to("alice@example.com").await;
        registrations.push((begun.text("registrationToken"), code));
    }
    let answers = at_once(
        registrations
            .iter()
            .map(|(token, code)| server.prove(token, code)),
    )
    .await;
    let outcomes = outcomes(&answers);
    assert_eq!(outcomes["201"], 1, "{outcomes:?}");
    assert_eq!(outcomes["REGISTRATION_TOKEN_INVALID"], 1, "{outcomes:?}");
    let root = server.administrator("root@example.com").await;
    assert_eq!(root.get("/identity/users").await["totalCount"], 2);
}

async fn parallel_wrong_passwords_get_five_tries() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    for email in ["alice@example.com", "nobody@example.com"] {
        let answers = at_once((0..9).map(|_| server.login(email, "wrong"))).await;
        let outcomes = outcomes(&answers);
        assert_eq!(outcomes["INVALID_CREDENTIALS"], 5, "{email}: {outcomes:?}");
        assert_eq!(
            outcomes["TOO_MANY_PASSWORD_ATTEMPTS"], 4,
            "{email}: {outcomes:?}"
        );
    }
    server.clock.advance(1);
    alice.login().await.is(200);
}

async fn of_eight_keys_two_are_made() {
    let server = Server::with(|settings| settings.policy.api_keys_per_user = 2).await;
    let root = server.administrator("root@example.com").await;
    let body = json!({ "name": "a service", "scopes": ["users:read"] });
    let answers = at_once((0..8).map(|_| root.post("/identity/api-keys", &body))).await;
    let outcomes = outcomes(&answers);
    assert_eq!(outcomes["201"], 2, "{outcomes:?}");
    assert_eq!(outcomes["API_KEY_LIMIT"], 6, "{outcomes:?}");
}

async fn no_more_than_five_challenges_wait() {
    let server = Server::with(|settings| settings.policy.password_free_tries = 20).await;
    let alice = with_app(&server).await;
    let begun = at_once((0..12).map(|_| alice.login())).await;
    let wrong = alice.wrong_code();
    let guesses = begun
        .iter()
        .map(|answer| server.verify_login(&answer.text("mfaToken"), &wrong));
    let answers = at_once(guesses).await;
    let outcomes = outcomes(&answers);
    assert_eq!(
        outcomes["INVALID_MFA_CODE"], 5,
        "live challenges: {outcomes:?}"
    );
    assert_eq!(outcomes["MFA_TOKEN_INVALID"], 7, "{outcomes:?}");
}

async fn a_password_compared_before_it_was_changed_opens_nothing() {
    let server = Server::with(|settings| settings.policy.password_free_tries = 20).await;
    let mut alice = veeam::registered(&server, "alice@example.com").await;
    let own = veeam::number(&alice).await;
    let body = json!({ "password": veeam::OTHER_PASSWORD });
    let path = format!("/api/v1/users/{own}");
    // The sign-ins have read the old password's hash when the new one is written.
    let held = server.database.hold_accounts();
    let released = async {
        sleep(Duration::from_millis(600)).await;
        drop(held);
    };
    let (changed, answers, ()) = tokio::join!(
        at_once([alice.call(Method::PUT, &path).json(&body)]),
        at_once((0..4).map(|_| alice.login())),
        released,
    );
    assert_eq!(count(&changed, 200), 1, "{:?}", outcomes(&changed));
    for answer in &answers {
        if let Some(token) = answer["accessToken"].as_str() {
            let me = server.get("/identity/me").bearer(token);
            me.await.refused(401, "TOKEN_INVALID");
        }
    }
    alice.me().await.is(200);
    alice.login().await.refused(401, "INVALID_CREDENTIALS");
    alice.password = veeam::OTHER_PASSWORD.to_owned();
    alice.sign_in().await;
}

async fn a_set_up_that_is_displaced_while_it_is_proved_leaves_the_app_that_stands() {
    let server = Server::start().await;
    let mut alice = veeam::registered(&server, "alice@example.com").await;
    veeam::enabled(&mut alice).await;
    alice.sign_in().await;
    let own = veeam::number(&alice).await;
    let begun = veeam::enable(&alice, own, &json!(true)).await.is(200);
    let (token, scratch) = (begun.text("token"), veeam::scratch(&begun));
    // Hashes are computed one after the other, so the proof's comes after the other set-up's.
    let busy = (0..6).map(|number| server.login(&format!("nobody{number}@example.com"), "wrong"));
    let displacing = async {
        sleep(Duration::from_millis(20)).await;
        alice.begin_setup_named("authenticator", "Tablet").await
    };
    let proving = async {
        sleep(Duration::from_millis(100)).await;
        veeam::accept(&alice, own, &token, &scratch[0]).await
    };
    let (_, _, proved) = tokio::join!(at_once(busy), displacing, proving);
    // Whichever came first: one app exists, and sign-in asks for it.
    if proved.status == 200 {
        alice.authenticator = Some(Authenticator::new(&begun.text("secretKey")));
    }
    let token = alice.begin_sign_in().await;
    let code = alice.fresh_code();
    server.verify_login(&token, &code).await.is(200);
}
