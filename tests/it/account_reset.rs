//! Forgotten passwords: a mail for a new one, equal for known and unknown addresses, never past the
//! second step.

use contract_tests::browser::Browser;
use contract_tests::call::{at_once, outcomes};
use contract_tests::waiting::until;
use contract_tests::{Device, PASSWORD, Person, Server, json, tests};

use super::netevia;
use super::other_than;
use super::veeam::OTHER_PASSWORD;

tests! {
    a_link_replaces_the_password_and_ends_every_session,
    a_code_works_on_any_device,
    known_and_unknown_addresses_are_answered_alike_and_cost_the_same,
    a_code_for_an_unknown_address_is_like_a_wrong_one,
    a_password_that_may_not_be_set_uses_nothing_up,
    what_was_mailed_works_for_fifteen_minutes,
    a_newer_mail_takes_the_place_of_an_older_one,
    of_several_at_once_one_changes_the_password,
    nothing_changes_before_the_second_step,
    a_recovery_code_stands_in_and_no_method_goes,
    a_passkey_is_a_second_step_here_too,
    the_second_step_may_be_another_method,
    a_mailbox_alone_is_a_second_step,
    an_organisation_that_demands_one_gets_one,
    each_token_fits_its_own_step_only,
    a_step_that_is_over_changes_nothing,
    a_changed_password_ends_what_was_mailed_before,
    guesses_of_the_code_run_out_for_every_address,
    guesses_of_the_second_step_run_out,
    mails_for_new_passwords_have_budgets_of_their_own,
    what_sends_these_mails_is_limited_by_network,
    codes_of_the_second_step_have_budgets_of_their_own,
    who_cannot_sign_in_gets_no_new_password,
    waits_after_wrong_passwords_end_with_the_old_one,
    a_page_takes_the_new_password_and_the_second_step needs Chromium,
}

const EMAIL: &str = "alice@example.com";
const NEW: &str = OTHER_PASSWORD;

/// Returns somebody with an app.
async fn with_app(server: &Server) -> Person {
    let mut alice = server.registered(EMAIL).await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    alice
}

/// Asks for a new password and takes the first step. Returns the token of the second one.
async fn waiting(server: &Server) -> String {
    let link = server.forgotten(EMAIL).await;
    let begun = server.reset_by_link(&link, NEW).await.is(200);
    assert_eq!(begun["status"], "mfa_required");
    begun.text("mfaToken")
}

/// Asserts that this password signs in, and the other does not.
async fn only(server: &Server, right: &str, wrong: &str) {
    server.login(EMAIL, right).await.is(200);
    let refused = server.login(EMAIL, wrong).await;
    refused.refused(401, "INVALID_CREDENTIALS");
}

async fn a_link_replaces_the_password_and_ends_every_session() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    let login = alice.login().await.is(200);
    let other = Person::signed_in(&server, EMAIL, &login);
    server.forgot(EMAIL).await.is(202);
    let mail = server.mail.notice_to(EMAIL, "A new password").await;
    assert!(mail.text.contains("/reset-password#pr_"), "{}", mail.text);
    assert!(mail.text.contains("15 minutes"), "{}", mail.text);
    let link = mail.link().expect("a link");
    let done = server.reset_by_link(&link, NEW).await.is(200);
    assert_eq!(done["status"], "password_changed");
    for session in [&alice, &other] {
        session.me().await.refused(401, "TOKEN_INVALID");
        let refused = server.refresh(&session.refresh_token).await;
        refused.refused(401, "TOKEN_INVALID");
    }
    only(&server, NEW, PASSWORD).await;
    let again = server.reset_by_link(&link, "six silver spoons shine").await;
    again.refused(400, "RESET_TOKEN_INVALID");
    let code = mail.code().expect("a code");
    let again = server.reset_by_code(EMAIL, &code, NEW).await;
    again.refused(400, "RESET_TOKEN_INVALID");
    only(&server, NEW, PASSWORD).await;
    server.mail.notice_to(EMAIL, "was replaced").await;
}

async fn a_code_works_on_any_device() {
    let server = Server::start().await;
    server.registered(EMAIL).await;
    server.forgot(" Alice@Example.com ").await.is(202);
    let code = server.mail.code_to(EMAIL).await;
    let typed = format!("{} {}", &code[..3], &code[3..]);
    let elsewhere = server
        .reset_by_code("ALICE@example.com", &typed, NEW)
        .from("203.0.113.9");
    elsewhere.await.is(200);
    only(&server, NEW, PASSWORD).await;
}

/// Returns how many rows there are in each table that such a call writes.
fn rows(server: &Server) -> Vec<i64> {
    let tables = ["password_resets", "notices", "audit_events", "limits"];
    let count = |table| format!("SELECT count(*) AS found FROM {table}");
    tables
        .map(|table| server.database.number(&count(table)))
        .into()
}

async fn known_and_unknown_addresses_are_answered_alike_and_cost_the_same() {
    let server = Server::start().await;
    server.registered(EMAIL).await;
    server.mail_is_out().await;
    // The first call from a network makes its counter.
    server.forgot("first@example.com").await.is(202);
    let mut cost = Vec::new();
    let mut answers = Vec::new();
    for email in [EMAIL, "newbie@example.com"] {
        let before = rows(&server);
        answers.push(server.forgot(email).await.is(202));
        let after = rows(&server);
        let more = after
            .iter()
            .zip(before)
            .map(|(after, before)| after - before);
        cost.push(more.collect::<Vec<_>>());
    }
    assert_eq!(answers[0].looks(&[]), answers[1].looks(&[]));
    assert_eq!(cost[0], cost[1]);
    assert_eq!(cost[0], [1, 1, 1, 1]);
    let told = server.mail.next_to("newbie@example.com").await;
    assert!(
        told.subject.contains("no Countersign account"),
        "{}",
        told.subject
    );
    assert_eq!((told.code(), told.link()), (None, None));
    let nonsense = server.forgot("alice").await;
    assert_eq!(
        nonsense.refused(400, "VALIDATION")["errors"][0]["field"],
        "email"
    );
}

async fn a_code_for_an_unknown_address_is_like_a_wrong_one() {
    let server = Server::start().await;
    server.registered(EMAIL).await;
    let stranger = "newbie@example.com";
    let both = async |code: &str| {
        let known = server.reset_by_code(EMAIL, code, NEW).await;
        let unknown = server.reset_by_code(stranger, code, NEW).await;
        assert_eq!(known.looks(&[]), unknown.looks(&[]));
        known
    };
    both("123456").await.refused(400, "RESET_TOKEN_INVALID");
    server.forgot(EMAIL).await.is(202);
    server.forgot(stranger).await.is(202);
    let code = server.mail.code_to(EMAIL).await;
    for left in (0..5).rev() {
        let wrong = both(other_than(&code)).await;
        let wrong = wrong.refused(400, "INVALID_RESET_CODE");
        assert_eq!(wrong.number("attemptsRemaining"), left);
    }
    both(&code).await.refused(429, "TOO_MANY_RESET_ATTEMPTS");
    both("no code")
        .await
        .refused(429, "TOO_MANY_RESET_ATTEMPTS");
    server.clock.advance(900);
    both(&code).await.refused(400, "RESET_TOKEN_EXPIRED");
    only(&server, PASSWORD, NEW).await;
}

async fn a_password_that_may_not_be_set_uses_nothing_up() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    server.forgot(EMAIL).await.is(202);
    let mail = server.mail.notice_to(EMAIL, "A new password").await;
    let (link, code) = (mail.link().expect("a link"), mail.code().expect("a code"));
    for bad in ["too short", "passwordpassword", "alice@example.com"] {
        for _ in 0..6 {
            let by_link = server.reset_by_link(&link, bad).await;
            let by_code = server.reset_by_code(EMAIL, &code, bad).await;
            for refused in [by_link, by_code] {
                let refused = refused.refused(400, "VALIDATION");
                assert_eq!(refused["errors"][0]["field"], "password");
            }
        }
    }
    let missing = json!({ "password": NEW });
    let refused = server.post("/identity/password/reset", &missing).await;
    refused.refused(400, "VALIDATION");
    for half in [
        json!({ "email": EMAIL, "password": NEW }),
        json!({ "code": code, "password": NEW }),
    ] {
        let refused = server.post("/identity/password/reset", &half).await;
        refused.refused(400, "VALIDATION");
    }
    alice.me().await.is(200);
    server.reset_by_code(EMAIL, &code, NEW).await.is(200);
}

async fn what_was_mailed_works_for_fifteen_minutes() {
    let server = Server::start().await;
    server.registered(EMAIL).await;
    let link = server.forgotten(EMAIL).await;
    server.clock.advance(900);
    let late = server.reset_by_link(&link, NEW).await;
    late.refused(400, "RESET_TOKEN_EXPIRED");
    // It stays expired if the clock goes back.
    server.clock.advance(-600);
    let late = server.reset_by_link(&link, NEW).await;
    late.refused(400, "RESET_TOKEN_EXPIRED");
    let link = server.forgotten(EMAIL).await;
    server.clock.advance(899);
    server.reset_by_link(&link, NEW).await.is(200);
    server.forget_after(3 * 86_400).await;
    let left = "SELECT count(*) AS found FROM password_resets";
    assert_eq!(server.database.number(left), 0);
}

async fn a_newer_mail_takes_the_place_of_an_older_one() {
    let server = Server::start().await;
    server.registered(EMAIL).await;
    server.forgot(EMAIL).await.is(202);
    let old = server.mail.notice_to(EMAIL, "A new password").await;
    let (link, code) = (old.link().expect("a link"), old.code().expect("a code"));
    let newer = server.forgotten(EMAIL).await;
    let refused = server.reset_by_link(&link, NEW).await;
    refused.refused(400, "RESET_TOKEN_INVALID");
    let refused = server.reset_by_code(EMAIL, &code, NEW).await;
    refused.refused(400, "INVALID_RESET_CODE");
    server.reset_by_link(&newer, NEW).await.is(200);
}

async fn of_several_at_once_one_changes_the_password() {
    let server = Server::start().await;
    let mut alice = server.registered(EMAIL).await;
    let link = server.forgotten(EMAIL).await;
    let words = ["one", "two", "three", "four", "five"];
    let calls = words.map(|word| server.reset_by_link(&link, &format!("{word} {NEW}")));
    let answers = outcomes(&at_once(calls).await);
    assert_eq!((answers["200"], answers["RESET_TOKEN_INVALID"]), (1, 4));
    server.forgot(EMAIL).await.is(202);
    let code = server.mail.code_to(EMAIL).await;
    let calls = words.map(|_| server.reset_by_code(EMAIL, &code, NEW));
    let answers = outcomes(&at_once(calls).await);
    assert_eq!(answers["200"], 1, "{answers:?}");
    NEW.clone_into(&mut alice.password);
    alice.sign_in().await;
    alice.enable_authenticator().await;
    server.clock.advance(3600);
    let token = waiting(&server).await;
    let code = alice.fresh_code();
    let calls = words.map(|_| server.verify_reset(&token, &code));
    let answers = outcomes(&at_once(calls).await);
    assert_eq!(answers["200"], 1, "{answers:?}");
}

async fn nothing_changes_before_the_second_step() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let link = server.forgotten(EMAIL).await;
    let begun = server.reset_by_link(&link, NEW).await.is(200);
    assert_eq!(begun["method"], "authenticator");
    assert_eq!(begun["mfaMethods"], json!(["authenticator"]));
    let token = begun.text("mfaToken");
    only(&server, PASSWORD, NEW).await;
    alice.me().await.is(200);
    let again = server.reset_by_link(&link, NEW).await;
    again.refused(400, "RESET_TOKEN_INVALID");
    let wrong = server.verify_reset(&token, &alice.wrong_code()).await;
    wrong.refused(400, "INVALID_MFA_CODE");
    only(&server, PASSWORD, NEW).await;
    alice.me().await.is(200);
    let done = server.verify_reset(&token, &alice.fresh_code()).await;
    assert_eq!(done.is(200)["status"], "password_changed");
    alice.me().await.refused(401, "TOKEN_INVALID");
    let refused = server.refresh(&alice.refresh_token).await;
    refused.refused(401, "TOKEN_INVALID");
    let login = server.login(EMAIL, NEW).await.is(200);
    assert_eq!(login["mfaRequired"], true, "the app is still asked for");
    let refused = server.login(EMAIL, PASSWORD).await;
    refused.refused(401, "INVALID_CREDENTIALS");
    server.mail.notice_to(EMAIL, "was replaced").await;
}

async fn a_recovery_code_stands_in_and_no_method_goes() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let codes = alice.recovery_codes().await;
    let token = waiting(&server).await;
    let done = server.verify_reset(&token, &codes[0]).await.is(200);
    assert_eq!(done.number("recoveryCodesRemaining"), 9);
    NEW.clone_into(&mut alice.password);
    alice.sign_in().await;
    let list = alice.methods().await.is(200);
    assert_eq!(list["factors"][0]["method"], "authenticator");
    assert_eq!(list["recoveryCodes"]["remaining"], 9);
}

async fn a_passkey_is_a_second_step_here_too() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    let device = Device::new();
    alice.add_passkey(&device).await;
    let token = waiting(&server).await;
    let unasked = server.verify_passkey("password/reset", &token, &super::walk::credential());
    unasked.await.refused(400, "PASSKEY_REFUSED");
    let asked = server.passkey_options(&token).await.is(200);
    let used = device.get(&asked["publicKey"]).await.expect("an assertion");
    let elsewhere = server.verify_passkey("mfa/login", &token, &used).await;
    elsewhere.refused(400, "MFA_WRONG_PURPOSE");
    let done = server.verify_passkey("password/reset", &token, &used).await;
    assert_eq!(done.is(200)["status"], "password_changed");
    let replayed = server.verify_passkey("password/reset", &token, &used).await;
    replayed.refused(400, "MFA_TOKEN_INVALID");
    only(&server, NEW, PASSWORD).await;
}

async fn the_second_step_may_be_another_method() {
    let (server, gateway) = netevia::with_texts().await;
    let alice = with_app(&server).await;
    let body = json!({ "method": "sms", "password": PASSWORD, "phoneNumber": netevia::PHONE });
    let begun = alice.post("/identity/mfa/setup", &body).await.is(200);
    let proved = server
        .verify_setup(&begun.text("mfaToken"), &gateway.code().await)
        .await;
    proved.is(200);
    let token = waiting(&server).await;
    server.switch(&token, "sms").await.is(200);
    let by_text = gateway.code().await;
    server.switch(&token, "authenticator").await.is(200);
    let refused = server.verify_reset(&token, &by_text).await;
    refused.refused(400, "INVALID_MFA_CODE");
    server.switch(&token, "sms").await.is(200);
    server.clock.advance(120);
    server.resend(&token).await.is(200);
    let newer = gateway.code().await;
    let refused = server.verify_reset(&token, &by_text).await;
    refused.refused(400, "INVALID_MFA_CODE");
    server.verify_reset(&token, &newer).await.is(200);
    only(&server, NEW, PASSWORD).await;
}

async fn a_mailbox_alone_is_a_second_step() {
    let server = Server::start().await;
    let mut alice = server.registered(EMAIL).await;
    alice.enable_email().await;
    let token = waiting(&server).await;
    let mail = server.mail.notice_to(EMAIL, "change your").await;
    server.clock.advance(120);
    server.resend(&token).await.is(200);
    let newer = server.mail.notice_to(EMAIL, "change your").await;
    let old = mail.code().expect("a code");
    let refused = server.verify_reset(&token, &old).await;
    refused.refused(400, "INVALID_MFA_CODE");
    let shown = server
        .open_link(&newer.link().expect("a link"))
        .await
        .is(200);
    assert_eq!(shown["purpose"], "password_reset");
    server
        .verify_reset(&token, &shown.text("code"))
        .await
        .is(200);
    only(&server, NEW, PASSWORD).await;
}

async fn an_organisation_that_demands_one_gets_one() {
    let server = Server::start().await;
    let owner = super::flashback::Client::registered(&server, EMAIL, Some("Acme")).await;
    let enforce = owner.post("/mfa/organization/enforce", &json!({ "enforced": true }));
    enforce.await.is(200);
    let token = waiting(&server).await;
    let refused = server.login(EMAIL, NEW).await;
    refused.refused(401, "INVALID_CREDENTIALS");
    let mail = server.mail.notice_to(EMAIL, "change your").await;
    let code = mail.code().expect("a code");
    server.verify_reset(&token, &code).await.is(200);
    only(&server, NEW, PASSWORD).await;
}

async fn each_token_fits_its_own_step_only() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let login = alice.begin_sign_in().await;
    let step_up = alice
        .begin_step_up(&json!({}))
        .await
        .is(200)
        .text("mfaToken");
    let disable = alice.begin_disable("authenticator").await.is(200);
    let reset = waiting(&server).await;
    let code = alice.fresh_code();
    for other in [&login, &step_up, &disable.text("mfaToken")] {
        let refused = server.verify_reset(other, &code).await;
        refused.refused(400, "MFA_WRONG_PURPOSE");
    }
    let elsewhere = [
        server.verify_login(&reset, &code),
        server.verify_setup(&reset, &code),
        server.verify_disable(&reset, &code),
        alice.verify_step_up(&reset, &code),
    ];
    for call in elsewhere {
        call.await.refused(400, "MFA_WRONG_PURPOSE");
    }
    // Flashback's clients send the token of a sign-in as a bearer.
    let bearer = server.get("/mfa/status").bearer(&reset).await;
    bearer.refused(401, "TOKEN_INVALID");
    let link = server.forgotten(EMAIL).await;
    for other in [
        &reset,
        &login,
        &alice.refresh_token,
        &format!("ml_{}", &link[3..]),
    ] {
        let refused = server.reset_by_link(other, NEW).await;
        refused.refused(400, "RESET_TOKEN_INVALID");
    }
    let bob = server.registered("bob@example.com").await;
    let bobs = server.forgotten(&bob.email).await;
    // Somebody else's secret does not fit.
    let mixed = format!("{}{}", &link[..46], &bobs[46..]);
    let refused = server.reset_by_link(&mixed, NEW).await;
    refused.refused(400, "RESET_TOKEN_INVALID");
    server.verify_reset(&reset, &code).await.is(200);
    only(&server, NEW, PASSWORD).await;
}

async fn a_step_that_is_over_changes_nothing() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let refused = server.verify_reset("mfa_x", "123456").await;
    refused.refused(400, "MFA_TOKEN_INVALID");
    let device = Device::new();
    alice.add_passkey(&device).await;
    let token = waiting(&server).await;
    server.clock.advance(600);
    let late = server.verify_reset(&token, &alice.fresh_code()).await;
    late.refused(400, "MFA_TOKEN_EXPIRED");
    let late = server.verify_passkey("password/reset", &token, &super::walk::credential());
    late.await.refused(400, "MFA_TOKEN_EXPIRED");
    only(&server, PASSWORD, NEW).await;
    // The method that it waits for is turned off meanwhile.
    alice.sign_in().await;
    let token = waiting(&server).await;
    let app = alice.factor_id("authenticator").await;
    alice.remove(&app).await.is(204);
    let refused = server.verify_reset(&token, &alice.fresh_code()).await;
    refused.refused(400, "MFA_METHOD_NOT_ENABLED");
    let refused = server.verify_passkey("password/reset", &token, &super::walk::credential());
    refused.await.refused(400, "MFA_METHOD_NOT_ENABLED");
}

async fn a_changed_password_ends_what_was_mailed_before() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let token = waiting(&server).await;
    let link = server.forgotten(EMAIL).await;
    let number = super::veeam::number(&alice).await;
    let put = alice.call(
        contract_tests::Method::PUT,
        &format!("/api/v1/users/{number}"),
    );
    put.json(&json!({ "password": "six silver spoons shine" }))
        .await
        .is(200);
    let refused = server.reset_by_link(&link, NEW).await;
    refused.refused(400, "RESET_TOKEN_INVALID");
    let refused = server.verify_reset(&token, &alice.fresh_code()).await;
    refused.refused(400, "MFA_TOKEN_INVALID");
    alice.me().await.is(200);
}

async fn guesses_of_the_code_run_out_for_every_address() {
    let server = Server::with(|settings| settings.policy.hard_limit = 10).await;
    server.registered(EMAIL).await;
    let guess = async |email: &str| {
        for _ in 0..2 {
            server.forgot(email).await.is(202);
            server.mail.next_to(email).await;
            for _ in 0..5 {
                let refused = server.reset_by_code(email, "000000x", NEW).await;
                refused.refused(400, "INVALID_RESET_CODE");
            }
        }
        server.forgot(email).await.is(202);
        server.reset_by_code(email, "000000x", NEW).await
    };
    let known = guess(EMAIL).await.refused(429, "TOO_MANY_RESET_ATTEMPTS");
    let unknown = guess("newbie@example.com").await;
    assert_eq!(known.looks(&[]), unknown.looks(&[]));
    assert!(known.number("retryAfter") > 29 * 86_400);
    let mail = server.mail.notice_to(EMAIL, "A new password").await;
    let code = mail.code().expect("a code");
    let refused = server.reset_by_code(EMAIL, &code, NEW).await;
    refused.refused(429, "TOO_MANY_RESET_ATTEMPTS");
    let link = mail.link().expect("a link");
    server.reset_by_link(&link, NEW).await.is(200);
}

async fn guesses_of_the_second_step_run_out() {
    let server = Server::start().await;
    let alice = with_app(&server).await;
    alice.add_passkey(&Device::new()).await;
    let token = waiting(&server).await;
    for _ in 0..5 {
        let wrong = server.verify_reset(&token, &alice.wrong_code()).await;
        wrong.refused(400, "INVALID_MFA_CODE");
    }
    let refused = server.verify_reset(&token, &alice.wrong_code()).await;
    refused.refused(429, "TOO_MANY_MFA_ATTEMPTS");
    let refused = server.verify_passkey("password/reset", &token, &super::walk::credential());
    refused.await.refused(429, "TOO_MANY_MFA_ATTEMPTS");
    let token = waiting(&server).await;
    server.passkey_options(&token).await.is(200);
    server
        .database
        .run("UPDATE factor_attempts SET failures = 50");
    let refused = server.verify_reset(&token, "123456").await;
    refused.refused(403, "MFA_METHOD_LOCKED");
    let refused = server.verify_passkey("password/reset", &token, &super::walk::credential());
    refused.await.refused(403, "MFA_METHOD_LOCKED");
    only(&server, PASSWORD, NEW).await;
}

async fn mails_for_new_passwords_have_budgets_of_their_own() {
    let server = Server::start().await;
    let mut alice = server.registered(EMAIL).await;
    alice.enable_email().await;
    server.forgotten(EMAIL).await;
    server.forgotten(EMAIL).await;
    let third = server.forgot(EMAIL).await.is(202);
    let mail = server.mail.notice_to(EMAIL, "A new password").await;
    let link = mail.link().expect("a link");
    server.mail_is_out().await;
    let mails = server.mail.all_to(EMAIL).len();
    let fourth = server.forgot(EMAIL).await.is(202);
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to(EMAIL).len(), mails, "no further mail");
    let hidden = |one: &contract_tests::Answer| one.looks(&[]);
    assert_eq!(hidden(&third), hidden(&fourth));
    // Sign-ins and registrations have all that they had.
    for _ in 0..5 {
        let login = alice.login().await.is(200);
        assert!(login.text("message").contains("sent"), "{}", login.text);
    }
    server.register(EMAIL).await.is(202);
    // The last mail is still good.
    server.reset_by_link(&link, NEW).await.is(200);
    server.clock.advance(3600);
    server.forgotten(EMAIL).await;
}

async fn what_sends_these_mails_is_limited_by_network() {
    let proxied = |settings: &mut countersign::config::Settings| {
        settings.trusted_proxies = super::loopback();
        settings.policy.mail_calls_per_source = 3;
    };
    let server = Server::with(proxied).await;
    server.registered(EMAIL).await;
    let forgot = |email: &str| server.forgot(email).from("203.0.113.9");
    for number in 0..3 {
        let sent = forgot(&format!("user{number}@example.com")).await.is(202);
        let left = sent.header("ratelimit").expect("a header");
        assert!(
            left.starts_with(&format!("\"mail_calls_resets\";r={}", 2 - number)),
            "{left}"
        );
    }
    let refused = forgot("user3@example.com").await;
    refused.refused(429, "TOO_MANY_REQUESTS");
    forgot(EMAIL).await.refused(429, "TOO_MANY_REQUESTS");
    // What strangers and sign-ins may send is counted apart.
    let body = json!({ "email": "bob@example.com", "password": PASSWORD });
    let register = server.post("/identity/register", &body).from("203.0.113.9");
    register.await.is(202);
    server.forgot(EMAIL).from("198.51.100.1").await.is(202);
}

async fn codes_of_the_second_step_have_budgets_of_their_own() {
    let server = Server::with(|settings| {
        settings.policy.code_mails_per_hour = 2;
        settings.policy.mail_calls_per_source = 1000;
    })
    .await;
    let mut alice = server.registered(EMAIL).await;
    alice.enable_email().await;
    server.clock.advance(3600);
    for _ in 0..2 {
        let begun = alice.login().await.is(200);
        assert!(begun.text("message").contains("sent. "), "{}", begun.text);
    }
    let unsent = alice.login().await.is(200);
    assert!(
        unsent.text("message").contains("No code"),
        "{}",
        unsent.text
    );
    // New passwords have codes left, and use them up for themselves only.
    for sent in [true, true, false] {
        let link = server.forgotten(EMAIL).await;
        let begun = server.reset_by_link(&link, NEW).await.is(200);
        assert_eq!(
            !begun.text("message").contains("No code"),
            sent,
            "{}",
            begun.text
        );
    }
    server.clock.advance(3600);
    for _ in 0..2 {
        let begun = alice.login().await.is(200);
        assert!(begun.text("message").contains("sent. "), "{}", begun.text);
    }
}

async fn who_cannot_sign_in_gets_no_new_password() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let token = waiting(&server).await;
    let link = server.forgotten(EMAIL).await;
    let disable = "UPDATE users SET disabled_at = 1 WHERE email = 'alice@example.com'";
    server.database.run(disable);
    let refused = server.reset_by_link(&link, NEW).await;
    refused.refused(400, "RESET_TOKEN_INVALID");
    let code = alice.fresh_code();
    let refused = server.verify_reset(&token, &code).await;
    refused.refused(404, "USER_NOT_FOUND");
    let refused = server.verify_passkey("password/reset", &token, &super::walk::credential());
    refused.await.refused(404, "USER_NOT_FOUND");
    server.forgot(EMAIL).await.is(202);
    server.mail.notice_to(EMAIL, "There is no").await;
}

async fn waits_after_wrong_passwords_end_with_the_old_one() {
    let server = Server::start().await;
    server.registered(EMAIL).await;
    for _ in 0..6 {
        server.login(EMAIL, "forgotten, alas, long ago").await;
    }
    let refused = server.login(EMAIL, PASSWORD).await;
    refused.refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    let link = server.forgotten(EMAIL).await;
    server.reset_by_link(&link, NEW).await.is(200);
    server.login(EMAIL, NEW).await.is(200);
}

async fn a_page_takes_the_new_password_and_the_second_step() {
    let server = Server::start().await;
    let mut alice = with_app(&server).await;
    let link = server.forgotten(EMAIL).await;
    let browser = Browser::start().await;
    let origin = server.url();
    browser
        .open(&format!("{origin}/reset-password#{link}"))
        .await;
    browser.element("form:not([hidden])").await;
    browser.paste_into("#password", "passwordpassword").await;
    browser.click("form button[type=submit]").await;
    browser.element("#password-error:not(:empty)").await;
    browser.picture("reset-password").await;
    browser.paste_into("#password", NEW).await;
    browser.click("form button[type=submit]").await;
    browser.element("#second:not([hidden]) .second").await;
    only(&server, PASSWORD, NEW).await;
    browser
        .paste_into("#second-code", &alice.wrong_code())
        .await;
    browser.click("#second button").await;
    until("the refusal", async || {
        let told = browser.text("#second-code-error").await;
        told.contains("not correct").then_some(())
    })
    .await;
    browser.picture("reset-password-code").await;
    browser
        .paste_into("#second-code", &alice.fresh_code())
        .await;
    browser.click("#second button").await;
    browser.element("#second[hidden]").await;
    browser.element("a[href='/sign-in']:not([hidden])").await;
    let told = browser.text("[role=status]").await;
    assert!(told.contains("You can sign in now"), "{told}");
    let faults = browser.faults(&origin).await;
    browser
        .open(&format!("{origin}/reset-password?late#{link}"))
        .await;
    browser.element("form:not([hidden])").await;
    browser.paste_into("#password", NEW).await;
    browser.click("form button[type=submit]").await;
    browser.element("form[hidden]").await;
    let told = browser.text("[role=status]").await;
    assert!(told.contains("Open the link in your newest mail"), "{told}");
    browser.stop().await;
    assert_eq!(faults, Vec::<String>::new());
    only(&server, NEW, PASSWORD).await;
}
