//! A new address for an account: it counts once a code from its mailbox was typed, and tells nobody who has an account.

use contract_tests::call::{at_once, outcomes};
use contract_tests::{PASSWORD, Person, Server, json, tests};

use super::native_enforced::enforce;
use super::other_than;
use super::veeam::OTHER_PASSWORD;

tests! {
    a_new_address_counts_once_it_is_proved,
    a_taken_address_is_answered_like_a_free_one_and_costs_the_same,
    no_code_fits_a_taken_address,
    without_fresh_proof_the_password_is_not_even_looked_at,
    wrong_passwords_before_a_new_address_count_as_at_sign_in,
    an_address_that_cannot_be_used_is_refused,
    wrong_codes_run_out_with_the_request_and_with_the_session,
    a_code_for_a_new_address_works_for_fifteen_minutes,
    a_newer_request_takes_the_place_of_an_older_one,
    no_other_session_finishes_a_request,
    a_new_password_ends_a_request,
    a_second_factor_that_is_asked_for_meanwhile_is_missing,
    what_the_old_mailbox_got_works_no_more,
    codes_go_to_the_new_mailbox_from_then_on,
    of_several_codes_at_once_one_counts,
    whoever_proves_an_address_first_has_it,
    requests_have_budgets_of_their_own,
    what_sends_these_codes_is_limited_by_network,
}

const OLD: &str = "alice@example.com";
const NEW: &str = "alice.archer@example.com";

async fn a_new_address_counts_once_it_is_proved() {
    let server = Server::start().await;
    let alice = server.registered(OLD).await;
    let login = alice.login().await.is(200);
    let other = Person::signed_in(&server, OLD, &login);
    alice
        .begin_email_change(" Alice.Archer@Example.COM ")
        .await
        .is(202);
    let mail = server.mail.notice_to(NEW, "code for a new").await;
    assert!(mail.text.contains("15 minutes"), "{}", mail.text);
    assert_eq!(mail.link(), None);
    // Nothing has changed yet.
    assert_eq!(alice.me().await.is(200)["email"], OLD);
    server.login(OLD, PASSWORD).await.is(200);
    let unknown = server.login(NEW, PASSWORD).await;
    unknown.refused(401, "INVALID_CREDENTIALS");
    let code = mail.code().expect("a code");
    let typed = format!("{} {}", &code[..3], &code[3..]);
    let changed = alice.verify_email_change(&typed).await.is(200);
    assert_eq!(changed["email"], NEW);
    assert_eq!(alice.me().await.is(200)["email"], NEW);
    server.refresh(&alice.refresh_token).await.is(200);
    other.me().await.refused(401, "TOKEN_INVALID");
    server.login(NEW, PASSWORD).await.is(200);
    let gone = server.login(OLD, PASSWORD).await;
    gone.refused(401, "INVALID_CREDENTIALS");
    let told = server.mail.notice_to(OLD, "The address of").await;
    assert!(told.text.contains("a***@example.com"), "{}", told.text);
    assert!(told.text.contains("/undo-email#eu_"), "{}", told.text);
    assert!(told.text.contains("72 hours"), "{}", told.text);
    server.mail.notice_to(NEW, "This is the address").await;
    let again = alice.verify_email_change(&code).await;
    again.refused(400, "EMAIL_CHANGE_INVALID");
    let happened = alice.activity("").await.is(200);
    for event in ["email_change_begun", "email_changed"] {
        assert!(happened.text.contains(event), "{}", happened.text);
    }
    let kept = alice.get("/identity/me/export").await.is(200);
    let changes = kept["emailChanges"].as_array().expect("a list");
    let change = changes.last().expect("a change");
    assert_eq!(
        (&change["state"], &change["oldEmail"], &change["newEmail"]),
        (&json!("changed"), &json!(OLD), &json!(NEW))
    );
}

/// Returns how many rows there are in each table that such a call writes.
fn rows(server: &Server) -> Vec<i64> {
    let tables = [
        "email_changes",
        "notices",
        "audit_events",
        "limits",
        "user_limits",
    ];
    let count = |table| format!("SELECT count(*) AS found FROM {table}");
    tables
        .map(|table| server.database.number(&count(table)))
        .into()
}

async fn a_taken_address_is_answered_like_a_free_one_and_costs_the_same() {
    let server = Server::start().await;
    let bob = server.registered("bob@example.com").await;
    let people = [
        (
            server.registered("first@example.com").await,
            "free@example.com",
        ),
        (
            server.registered("second@example.com").await,
            bob.email.as_str(),
        ),
    ];
    server.mail_is_out().await;
    // The first call from a network makes its counter.
    let carol = server.registered("carol@example.com").await;
    carol.begin_email_change("any@example.com").await.is(202);
    server.mail_is_out().await;
    let mut seen = Vec::new();
    for (person, new) in &people {
        let before = rows(&server);
        let answer = person.begin_email_change(new).await.is(202);
        let after = rows(&server);
        let more = after
            .iter()
            .zip(before)
            .map(|(after, before)| after - before);
        let more: Vec<i64> = more.collect();
        server.mail_is_out().await;
        let wrong = person.verify_email_change("no code").await;
        // What a user may read of their own account tells nothing, either.
        let kept = person.get("/identity/me/export").await.is(200);
        let words = |list: &str, word: &str| {
            let all = kept[list].as_array().expect("a list").iter();
            let mut words: Vec<String> = all.map(|one| one[word].to_string()).collect();
            // Rows of one moment come in any order.
            words.sort();
            words
        };
        seen.push((
            answer.looks(&[]),
            wrong.looks(&[]),
            more,
            words("letters", "kind"),
            words("letters", "state"),
            words("counters", "name"),
            words("activity", "event"),
        ));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].2, [1, 1, 1, 1, 2]);
    let told = server.mail.notice_to(&bob.email, "You already have").await;
    assert_eq!((told.code(), told.link()), (None, None));
    assert!(
        told.text.contains("for another Countersign"),
        "{}",
        told.text
    );
}

async fn no_code_fits_a_taken_address() {
    let server = Server::with(|settings| settings.policy.tries_per_challenge = 10).await;
    server.registered("bob@example.com").await;
    let alice = server.registered(OLD).await;
    alice.begin_email_change(NEW).await.is(202);
    let code = server.mail.code_to(NEW).await;
    alice.begin_email_change("Bob@example.com").await.is(202);
    for guess in [code.as_str(), other_than(&code), "000000"] {
        let refused = alice.verify_email_change(guess).await;
        refused.refused(400, "INVALID_EMAIL_CHANGE_CODE");
    }
    assert_eq!(alice.me().await.is(200)["email"], OLD);
    server.login("bob@example.com", PASSWORD).await.is(200);
}

async fn without_fresh_proof_the_password_is_not_even_looked_at() {
    let server = Server::start().await;
    let mut alice = server.registered(OLD).await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    server.clock.advance(301);
    // A thief with the access token and the password.
    let mut thief = alice.clone();
    for password in [PASSWORD, "a guess of the old one"] {
        password.clone_into(&mut thief.password);
        for _ in 0..8 {
            let refused = thief.begin_email_change(NEW).await;
            let refused = refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
            assert_eq!(refused.number("maxAge"), 300);
        }
    }
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to(NEW).len(), 0);
    alice.step_up().await;
    alice.change_email(NEW).await;
    let nobody = json!({ "email": NEW, "password": PASSWORD });
    let call = server.post("/identity/me/email", &nobody);
    call.await.refused(401, "TOKEN_INVALID");
}

async fn wrong_passwords_before_a_new_address_count_as_at_sign_in() {
    let server = Server::start().await;
    let alice = server.registered(OLD).await;
    let mut mistaken = alice.clone();
    "a guess of the old one".clone_into(&mut mistaken.password);
    for _ in 0..5 {
        let refused = mistaken.begin_email_change(NEW).await;
        refused.refused(400, "INVALID_PASSWORD");
    }
    let refused = alice.begin_email_change(NEW).await;
    refused.refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    let refused = alice.login().await;
    refused.refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    server.clock.advance(2);
    alice.begin_email_change(NEW).await.is(202);
}

async fn an_address_that_cannot_be_used_is_refused() {
    let server = Server::start().await;
    let alice = server.registered(OLD).await;
    for bad in [
        "",
        "alice",
        "alice@localhost",
        "a b@example.com",
        " ALICE@example.com",
    ] {
        let refused = alice.begin_email_change(bad).await;
        let refused = refused.refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], "email", "{bad:?}");
    }
    // Whoever signs in with a name has no mailbox that could be told.
    let root = server.administrator("root@example.com").await;
    let body = json!({ "name": "shop", "password": OTHER_PASSWORD });
    root.post("/api/v1/users", &body).await.is(200);
    let login = server.login("shop", OTHER_PASSWORD).await.is(200);
    let mut shop = Person::signed_in(&server, "shop", &login);
    OTHER_PASSWORD.clone_into(&mut shop.password);
    let refused = shop.begin_email_change("shop@example.com").await;
    let refused = refused.refused(400, "VALIDATION");
    assert!(
        refused.text.contains("signs in with a name"),
        "{}",
        refused.text
    );
}

async fn wrong_codes_run_out_with_the_request_and_with_the_session() {
    let server = Server::start().await;
    let alice = server.registered(OLD).await;
    let none = alice.verify_email_change("123456").await;
    none.refused(400, "EMAIL_CHANGE_INVALID");
    alice.begin_email_change(NEW).await.is(202);
    let code = server.mail.code_to(NEW).await;
    for left in (0..5).rev() {
        let wrong = alice.verify_email_change(other_than(&code)).await;
        let wrong = wrong.refused(400, "INVALID_EMAIL_CHANGE_CODE");
        assert_eq!(wrong.number("attemptsRemaining"), left);
    }
    let late = alice.verify_email_change(&code).await;
    late.refused(429, "TOO_MANY_EMAIL_CHANGE_ATTEMPTS");
    // A new request has new tries at once, but not the session.
    alice.begin_email_change(NEW).await.is(202);
    let code = server.mail.code_to(NEW).await;
    for _ in 0..5 {
        let wrong = alice.verify_email_change(other_than(&code)).await;
        wrong.refused(400, "INVALID_EMAIL_CHANGE_CODE");
    }
    alice.me().await.refused(401, "TOKEN_INVALID");
    server.mail.notice_to(OLD, "A session of your").await;
    alice.login().await.is(200);
}

async fn a_code_for_a_new_address_works_for_fifteen_minutes() {
    let server = Server::start().await;
    let alice = server.registered(OLD).await;
    alice.begin_email_change(NEW).await.is(202);
    let code = server.mail.code_to(NEW).await;
    server.clock.advance(900);
    let refreshed = server.refresh(&alice.refresh_token).await.is(200);
    let later = Person::signed_in(&server, OLD, &refreshed);
    let late = later.verify_email_change(&code).await;
    late.refused(400, "EMAIL_CHANGE_EXPIRED");
    // It stays expired if the clock goes back.
    server.clock.advance(-60);
    let late = alice.verify_email_change(&code).await;
    late.refused(400, "EMAIL_CHANGE_EXPIRED");
    server.clock.advance(3600);
    let login = server.login(OLD, PASSWORD).await.is(200);
    let alice = Person::signed_in(&server, OLD, &login);
    alice.begin_email_change(NEW).await.is(202);
    let code = server.mail.code_to(NEW).await;
    server.clock.advance(899);
    alice.verify_email_change(&code).await.is(200);
    server.forget_after(5 * 86_400).await;
    for table in ["email_changes", "email_undos", "held_addresses"] {
        let left = format!("SELECT count(*) AS found FROM {table}");
        assert_eq!(server.database.number(&left), 0, "{table}");
    }
}

async fn a_newer_request_takes_the_place_of_an_older_one() {
    let server = Server::start().await;
    let alice = server.registered(OLD).await;
    alice.begin_email_change(NEW).await.is(202);
    let old = server.mail.code_to(NEW).await;
    let other = "alice@elsewhere.example";
    alice.begin_email_change(other).await.is(202);
    let refused = alice.verify_email_change(&old).await;
    refused.refused(400, "INVALID_EMAIL_CHANGE_CODE");
    let code = server.mail.code_to(other).await;
    let changed = alice.verify_email_change(&code).await.is(200);
    assert_eq!(changed["email"], other);
}

async fn no_other_session_finishes_a_request() {
    let server = Server::start().await;
    let alice = server.registered(OLD).await;
    let login = alice.login().await.is(200);
    let other = Person::signed_in(&server, OLD, &login);
    let bob = server.registered("bob@example.com").await;
    alice.begin_email_change(NEW).await.is(202);
    let code = server.mail.code_to(NEW).await;
    for caller in [&other, &bob] {
        let refused = caller.verify_email_change(&code).await;
        refused.refused(400, "EMAIL_CHANGE_INVALID");
    }
    alice.verify_email_change(&code).await.is(200);
}

async fn a_new_password_ends_a_request() {
    let server = Server::start().await;
    let alice = server.registered(OLD).await;
    alice.begin_email_change(NEW).await.is(202);
    let code = server.mail.code_to(NEW).await;
    alice.change_password(OTHER_PASSWORD).await.is(204);
    let refused = alice.verify_email_change(&code).await;
    refused.refused(400, "EMAIL_CHANGE_INVALID");
    assert_eq!(alice.me().await.is(200)["email"], OLD);
}

async fn a_second_factor_that_is_asked_for_meanwhile_is_missing() {
    let server = Server::start().await;
    let alice = server.registered(OLD).await;
    alice.begin_email_change(NEW).await.is(202);
    let code = server.mail.code_to(NEW).await;
    // An organisation's demand ends no session, so this one goes on without a second factor.
    enforce(&alice);
    let refused = alice.verify_email_change(&code).await;
    refused.refused(400, "EMAIL_CHANGE_INVALID");
    assert_eq!(alice.me().await.is(200)["email"], OLD);
}

async fn what_the_old_mailbox_got_works_no_more() {
    let server = Server::start().await;
    let mut alice = server.registered(OLD).await;
    alice.enable_email().await;
    alice.sign_in().await;
    // A link for a new password, and the code and the link of a sign-in.
    let reset = server.forgotten(OLD).await;
    let login = alice.begin_sign_in().await;
    let mail = server.mail.notice_to(OLD, "to sign in").await;
    let (code, link) = (mail.code().expect("a code"), mail.link().expect("a link"));
    alice.change_email(NEW).await;
    let refused = server.reset_by_link(&reset, OTHER_PASSWORD).await;
    refused.refused(400, "RESET_TOKEN_INVALID");
    for answer in [&code, &link] {
        let refused = server.verify_login(&login, answer).await;
        refused.refused(400, "MFA_TOKEN_INVALID");
    }
    server
        .open_link(&link)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    // The old mailbox gets no new password from now on.
    server.forgot(OLD).await.is(202);
    server.mail.notice_to(OLD, "There is no").await;
    server.login(NEW, PASSWORD).await.is(200);
}

async fn codes_go_to_the_new_mailbox_from_then_on() {
    let server = Server::start().await;
    let mut alice = server.registered(OLD).await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice.change_email(NEW).await;
    server.mail_is_out().await;
    let before = server.mail.all_to(OLD).len();
    alice.sign_in().await;
    alice.begin_step_up(&json!({})).await.is(200);
    server.mail.code_to(NEW).await;
    let link = server.forgotten(NEW).await;
    let begun = server.reset_by_link(&link, OTHER_PASSWORD).await.is(200);
    let code = server.mail.notice_to(NEW, "change your").await.code();
    let code = code.expect("a code");
    let done = server.verify_reset(&begun.text("mfaToken"), &code);
    done.await.is(200);
    server.mail_is_out().await;
    assert_eq!(
        server.mail.all_to(OLD).len(),
        before,
        "nothing goes to the old one"
    );
}

async fn of_several_codes_at_once_one_counts() {
    let server = Server::start().await;
    let alice = server.registered(OLD).await;
    alice.begin_email_change(NEW).await.is(202);
    let code = server.mail.code_to(NEW).await;
    let calls = [0; 4].map(|_| alice.verify_email_change(&code));
    let answers = outcomes(&at_once(calls).await);
    assert_eq!(
        (answers["200"], answers["EMAIL_CHANGE_INVALID"]),
        (1, 3),
        "{answers:?}"
    );
    let undos = "SELECT count(*) AS found FROM email_undos";
    assert_eq!(server.database.number(undos), 1);
}

async fn whoever_proves_an_address_first_has_it() {
    let server = Server::start().await;
    let alice = server.registered(OLD).await;
    let bob = server.registered("bob@example.com").await;
    let mut codes = Vec::new();
    for one in [&alice, &bob] {
        one.begin_email_change(NEW).await.is(202);
        codes.push(server.mail.code_to(NEW).await);
    }
    let begun = server.register(NEW).await.is(202);
    let registration = server.mail.code_to(NEW).await;
    alice.verify_email_change(&codes[0]).await.is(200);
    let late = bob.verify_email_change(&codes[1]).await;
    late.refused(400, "EMAIL_CHANGE_INVALID");
    let late = server.prove(&begun.text("registrationToken"), &registration);
    late.await.refused(400, "REGISTRATION_TOKEN_INVALID");
    assert_eq!(bob.me().await.is(200)["email"], "bob@example.com");
    // And the other way.
    let free = "free@example.com";
    bob.begin_email_change(free).await.is(202);
    let code = server.mail.code_to(free).await;
    server.registered(free).await;
    let late = bob.verify_email_change(&code).await;
    late.refused(400, "EMAIL_CHANGE_INVALID");
}

async fn requests_have_budgets_of_their_own() {
    let server = Server::start().await;
    let mut alice = server.registered(OLD).await;
    alice.enable_email().await;
    alice.sign_in().await;
    for number in 0..2 {
        let other = format!("alice{number}@example.com");
        alice.begin_email_change(&other).await.is(202);
    }
    // Three mails to one address. Past them nothing is sent, and the last one is good.
    let mut code = String::new();
    for _ in 0..3 {
        alice.begin_email_change(NEW).await.is(202);
        code = server.mail.code_to(NEW).await;
    }
    alice.begin_email_change(NEW).await.is(202);
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to(NEW).len(), 3);
    let refused = alice.begin_email_change("more@example.com").await;
    let refused = refused.refused(429, "TOO_MANY_REQUESTS");
    assert!(refused.number("retryAfter") > 3500);
    // Sign-ins, step-ups and new passwords have theirs.
    alice.begin_step_up(&json!({})).await.is(200);
    server.mail.code_to(OLD).await;
    server.forgotten(OLD).await;
    alice.verify_email_change(&code).await.is(200);
    NEW.clone_into(&mut alice.email);
    alice.sign_in().await;
}

async fn what_sends_these_codes_is_limited_by_network() {
    let server = Server::with(|settings| {
        settings.trusted_proxies = super::loopback();
        settings.policy.mail_calls_per_source = 2;
    })
    .await;
    let mut people = Vec::new();
    for number in 0..3 {
        let email = format!("alice{number}@example.com");
        people.push(server.made_by_operator(&email).await);
    }
    let ask = |one: &Person, from: &str| {
        let new = format!("new.{}", one.email);
        one.begin_email_change(&new).from(from)
    };
    for one in &people[..2] {
        ask(one, "203.0.113.9").await.is(202);
    }
    let refused = ask(&people[2], "203.0.113.77").await;
    let refused = refused.refused(429, "TOO_MANY_REQUESTS");
    assert!(refused.number("retryAfter") > 3500);
    ask(&people[2], "192.0.2.1").await.is(202);
}
