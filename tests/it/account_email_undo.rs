//! The way back from a changed address: a link in the mail to the old one restores it, and opens nothing.

use contract_tests::browser::Browser;
use contract_tests::call::{at_once, outcomes};
use contract_tests::{Method, PASSWORD, Person, Server, json, tests};
use countersign::flow::operator;

use super::veeam::OTHER_PASSWORD;

tests! {
    the_link_restores_the_old_address_and_ends_every_session,
    the_link_works_once_and_for_72_hours,
    of_two_changes_the_earliest_undo_wins,
    each_change_can_be_undone_in_turn,
    an_undo_gets_nobody_past_the_second_step,
    a_mailbox_that_never_proved_codes_by_mail_gets_none,
    beside_another_method_such_codes_are_off,
    codes_by_mail_of_before_the_change_go_on,
    what_the_newer_mailbox_got_works_no_more,
    the_old_address_is_kept_for_its_owner,
    no_limit_of_notices_holds_the_link_back,
    nothing_else_undoes_a_change,
    a_page_restores_the_address needs Chromium,
}

const OLD: &str = "alice@example.com";
const NEW: &str = "mallory@example.net";

async fn the_link_restores_the_old_address_and_ends_every_session() {
    let server = Server::start().await;
    let mut alice = server.registered(OLD).await;
    let link = alice.change_email(NEW).await;
    let login = alice.login().await.is(200);
    let other = Person::signed_in(&server, NEW, &login);
    server.clock.advance(600);
    let undone = server.undo_email_change(&link).await.is(200);
    assert!(undone["accessToken"].is_null(), "it signs nobody in");
    for session in [&alice, &other] {
        let refused = server.refresh(&session.refresh_token).await;
        refused.refused(401, "TOKEN_INVALID");
    }
    let gone = server.login(NEW, PASSWORD).await;
    gone.refused(401, "INVALID_CREDENTIALS");
    let login = server.login(OLD, PASSWORD).await.is(200);
    let alice = Person::signed_in(&server, OLD, &login);
    assert_eq!(alice.me().await.is(200)["email"], OLD);
    server.mail.notice_to(OLD, "was restored").await;
    server.mail.notice_to(NEW, "no longer has").await;
    let happened = alice.activity("").await.is(200);
    assert!(
        happened.text.contains("email_restored"),
        "{}",
        happened.text
    );
    // The other address is free, and the owner chooses a new password.
    server.registered(NEW).await;
    let reset = server.forgotten(OLD).await;
    server.reset_by_link(&reset, OTHER_PASSWORD).await.is(200);
}

async fn the_link_works_once_and_for_72_hours() {
    let server = Server::start().await;
    let mut alice = server.registered(OLD).await;
    let link = alice.change_email(NEW).await;
    server.clock.advance(72 * 3600);
    let late = server.undo_email_change(&link).await;
    late.refused(400, "UNDO_TOKEN_EXPIRED");
    // It stays expired if the clock goes back.
    server.clock.advance(-3600);
    let late = server.undo_email_change(&link).await;
    late.refused(400, "UNDO_TOKEN_EXPIRED");
    alice.sign_in().await;
    let link = alice.change_email("alice@elsewhere.example").await;
    server.clock.advance(72 * 3600 - 1);
    let calls = [0; 4].map(|_| server.undo_email_change(&link));
    let answers = outcomes(&at_once(calls).await);
    assert_eq!(
        (answers["200"], answers["UNDO_TOKEN_INVALID"]),
        (1, 3),
        "{answers:?}"
    );
    let again = server.undo_email_change(&link).await;
    again.refused(400, "UNDO_TOKEN_INVALID");
    server.login(NEW, PASSWORD).await.is(200);
}

async fn of_two_changes_the_earliest_undo_wins() {
    let server = Server::start().await;
    let mut thief = server.registered(OLD).await;
    let first = thief.change_email(NEW).await;
    // Whoever changes again does not lose the owner's link.
    let second = thief.change_email("mallory@elsewhere.example").await;
    thief
        .begin_email_change("mallory@third.example")
        .await
        .is(202);
    let code = server.mail.code_to("mallory@third.example").await;
    server.undo_email_change(&first).await.is(200);
    let refused = server.undo_email_change(&second).await;
    refused.refused(400, "UNDO_TOKEN_INVALID");
    let refused = thief.verify_email_change(&code).await;
    refused.refused(401, "TOKEN_INVALID");
    let login = server.login(OLD, PASSWORD).await.is(200);
    let alice = Person::signed_in(&server, OLD, &login);
    assert_eq!(alice.me().await.is(200)["email"], OLD);
    let none = alice.verify_email_change(&code).await;
    none.refused(400, "EMAIL_CHANGE_INVALID");
}

async fn each_change_can_be_undone_in_turn() {
    let server = Server::start().await;
    let mut alice = server.registered(OLD).await;
    let first = alice.change_email(NEW).await;
    let second = alice.change_email("third@example.com").await;
    server.undo_email_change(&second).await.is(200);
    let login = server.login(NEW, PASSWORD).await.is(200);
    let mut alice = Person::signed_in(&server, NEW, &login);
    // A change back to the address of before leaves the first link good, too.
    let third = alice.change_email(OLD).await;
    server.undo_email_change(&first).await.is(200);
    alice.me().await.refused(401, "TOKEN_INVALID");
    server.login(OLD, PASSWORD).await.is(200);
    let refused = server.undo_email_change(&third).await;
    refused.refused(400, "UNDO_TOKEN_INVALID");
}

async fn an_undo_gets_nobody_past_the_second_step() {
    let server = Server::start().await;
    let mut alice = server.registered(OLD).await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let link = alice.change_email(NEW).await;
    server.undo_email_change(&link).await.is(200);
    let login = server.login(OLD, PASSWORD).await.is(200);
    assert_eq!(login["mfaRequired"], true);
    assert_eq!(login["mfaMethods"], json!(["authenticator"]));
    let reset = server.forgotten(OLD).await;
    let begun = server.reset_by_link(&reset, OTHER_PASSWORD).await.is(200);
    assert_eq!(begun["status"], "mfa_required");
    let code = alice.fresh_code();
    let token = login.text("mfaToken");
    server.verify_login(&token, &code).await.is(200);
}

async fn a_mailbox_that_never_proved_codes_by_mail_gets_none() {
    let server = Server::start().await;
    let mut alice = server.registered(OLD).await;
    let link = alice.change_email(NEW).await;
    server.clock.advance(60);
    alice.enable_email().await;
    alice.sign_in().await;
    let codes = alice.recovery_codes().await;
    server.undo_email_change(&link).await.is(200);
    // Whoever reads the old mailbox and knows the password is asked for what the new one proved.
    let told = server.mail.notice_to(OLD, "was restored").await;
    assert!(told.text.contains("locked"), "{}", told.text);
    let login = server.login(OLD, PASSWORD).await.is(200);
    assert_eq!(login["mfaRequired"], true);
    let token = login.text("mfaToken");
    server.mail_is_out().await;
    for code in server
        .mail
        .all_to(OLD)
        .iter()
        .filter_map(|mail| mail.code())
    {
        let refused = server.verify_login(&token, &code).await;
        refused.refused(403, "MFA_METHOD_LOCKED");
    }
    let reset = server.forgotten(OLD).await;
    let begun = server.reset_by_link(&reset, OTHER_PASSWORD).await.is(200);
    assert_eq!(begun["status"], "mfa_required");
    let step = begun.text("mfaToken");
    server.mail_is_out().await;
    for code in server
        .mail
        .all_to(OLD)
        .iter()
        .filter_map(|mail| mail.code())
    {
        let refused = server.verify_reset(&step, &code).await;
        assert!(refused.status >= 400, "{}", refused.text);
    }
    // A recovery code proves the person, and codes by mail go on.
    let login = server.login(OLD, PASSWORD).await.is(200);
    let done = server.verify_login(&login.text("mfaToken"), &codes[0]);
    done.await.is(200);
    let login = server.login(OLD, PASSWORD).await.is(200);
    assert_eq!(login["method"], "email");
}

async fn beside_another_method_such_codes_are_off() {
    let server = Server::start().await;
    let mut alice = server.registered(OLD).await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let link = alice.change_email(NEW).await;
    server.clock.advance(60);
    alice.enable_email().await;
    alice.recovery_codes().await;
    server.undo_email_change(&link).await.is(200);
    let told = server.mail.notice_to(OLD, "was restored").await;
    let words: Vec<&str> = told.text.split_whitespace().collect();
    let words = words.join(" ");
    assert!(words.contains("so they are off"), "{words}");
    assert!(words.contains("still work: Recovery codes."), "{words}");
    OLD.clone_into(&mut alice.email);
    // Not even a sign-in by the other method gives the restored mailbox what it never proved.
    alice.sign_in().await;
    let login = server.login(OLD, PASSWORD).await.is(200);
    assert_eq!(login["mfaMethods"], json!(["authenticator"]));
    let body = json!({ "mfaToken": login.text("mfaToken"), "method": "email" });
    let refused = server.post("/identity/mfa/login/switch", &body).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
}

async fn codes_by_mail_of_before_the_change_go_on() {
    let server = Server::start().await;
    let mut alice = server.registered(OLD).await;
    alice.enable_email().await;
    alice.sign_in().await;
    server.clock.advance(60);
    let link = alice.change_email(NEW).await;
    server.undo_email_change(&link).await.is(200);
    OLD.clone_into(&mut alice.email);
    alice.sign_in().await;
    alice.me().await.is(200);
}

async fn what_the_newer_mailbox_got_works_no_more() {
    let server = Server::start().await;
    let mut alice = server.registered(OLD).await;
    alice.enable_email().await;
    alice.sign_in().await;
    let link = alice.change_email(NEW).await;
    let reset = server.forgotten(NEW).await;
    let login = alice.begin_sign_in().await;
    let code = server.mail.code_to(NEW).await;
    server.undo_email_change(&link).await.is(200);
    let refused = server.verify_login(&login, &code).await;
    refused.refused(400, "MFA_TOKEN_INVALID");
    let refused = server.reset_by_link(&reset, OTHER_PASSWORD).await;
    refused.refused(400, "RESET_TOKEN_INVALID");
}

async fn the_old_address_is_kept_for_its_owner() {
    let server = Server::start().await;
    let mut alice = server.registered(OLD).await;
    let link = alice.change_email(NEW).await;
    let bob = server.registered("bob@example.com").await;
    // Nobody else gets it, not even with its mailbox, and nobody is told.
    server.register(OLD).await.is(202);
    server.mail.notice_to(OLD, "You already have").await;
    bob.begin_email_change(OLD).await.is(202);
    server.mail.notice_to(OLD, "You already have").await;
    let refused = bob.verify_email_change("123456").await;
    refused.refused(400, "INVALID_EMAIL_CHANGE_CODE");
    server.undo_email_change(&link).await.is(200);
    let login = server.login(OLD, PASSWORD).await.is(200);
    let mut alice = Person::signed_in(&server, OLD, &login);
    alice.change_email("alice@elsewhere.example").await;
    server.clock.advance(72 * 3600);
    server.registered(OLD).await;
}

async fn no_limit_of_notices_holds_the_link_back() {
    let server = Server::with(|settings| {
        settings.policy.notices_per_hour = 1;
        settings.policy.notices_per_day = 1;
    })
    .await;
    let mut alice = server.registered(OLD).await;
    // A thief uses up what the owner may be told in an hour.
    alice.change_password(OTHER_PASSWORD).await.is(204);
    OTHER_PASSWORD.clone_into(&mut alice.password);
    alice.change_password(PASSWORD).await.is(204);
    PASSWORD.clone_into(&mut alice.password);
    let first = alice.change_email(NEW).await;
    alice.change_email("mallory@elsewhere.example").await;
    server.undo_email_change(&first).await.is(200);
    server.mail.notice_to(OLD, "was restored").await;
}

async fn nothing_else_undoes_a_change() {
    let server = Server::start().await;
    let mut alice = server.registered(OLD).await;
    let link = alice.change_email(NEW).await;
    let mut bob = server.registered("bob@example.com").await;
    let bobs = bob.change_email("bob@elsewhere.example").await;
    // Somebody else's secret does not fit.
    let mixed = format!("{}{}", &link[..46], &bobs[46..]);
    let reset = server.forgotten(NEW).await;
    for other in [
        mixed.as_str(),
        "eu_x",
        &reset,
        &alice.refresh_token,
        &format!("pr_{}", &link[3..]),
    ] {
        let refused = server.undo_email_change(other).await;
        refused.refused(400, "UNDO_TOKEN_INVALID");
    }
    let by_opening = server.call(Method::GET, "/identity/email/undo").await;
    by_opening.refused(405, "METHOD_NOT_ALLOWED");
    assert_eq!(alice.me().await.is(200)["email"], NEW);
    // An operator who disabled the account hinders no undo, and the undo enables nothing.
    let app = &server.app;
    app.call(async |ctx| operator::disable(ctx, NEW).await)
        .await
        .expect("disabled");
    let pasted = format!(" {link}\u{200b} ");
    server.undo_email_change(&pasted).await.is(200);
    let refused = server.login(OLD, PASSWORD).await;
    refused.refused(401, "INVALID_CREDENTIALS");
}

async fn a_page_restores_the_address() {
    let server = Server::start().await;
    let mut alice = server.registered(OLD).await;
    let link = alice.change_email(NEW).await;
    let browser = Browser::start().await;
    let origin = server.url();
    let address = format!("{origin}/undo-email#{link}");
    browser.open(&address).await;
    browser.element("form:not([hidden])").await;
    browser.picture("undo-email").await;
    assert_eq!(
        alice.me().await.is(200)["email"],
        NEW,
        "opening the link does nothing"
    );
    assert!(!browser.address().await.contains("eu_"));
    browser.click("form button[type=submit]").await;
    browser.element("form[hidden]").await;
    browser
        .element("a[href='/forgot-password']:not([hidden])")
        .await;
    let told = browser.text("[role=status]").await;
    assert!(told.contains("Your address is restored"), "{told}");
    browser.picture("undo-email-done").await;
    let faults = browser.faults(&origin).await;
    server.login(OLD, PASSWORD).await.is(200);
    browser
        .open(&format!("{origin}/undo-email?again#{link}"))
        .await;
    browser.element("form:not([hidden])").await;
    browser.click("form button[type=submit]").await;
    browser.element("form[hidden]").await;
    let told = browser.text("[role=status]").await;
    assert!(told.contains("does not work any more"), "{told}");
    browser.stop().await;
    assert_eq!(faults, Vec::<String>::new());
}
