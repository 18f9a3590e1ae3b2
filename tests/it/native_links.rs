//! Mailed links: the mail has both link and code, the page shows the code, and it approves nothing.

use contract_tests::{Mail, Person, Server, json, tests};

tests! {
    every_code_mail_carries_a_link_too,
    a_link_shows_the_code_and_issues_nothing,
    a_link_shows_the_code_as_long_as_it_is_good,
    the_token_of_a_link_is_a_code_for_who_holds_the_mfa_token,
    a_link_lives_fifteen_minutes,
    the_latest_link_is_the_only_one,
    what_is_no_link_opens_nothing,
    no_link_is_a_code_of_another_challenge,
}

/// Returns a signed-in user with codes by mail.
async fn with_email(server: &Server) -> Person {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    alice
}

/// Returns the next mail with a code.
async fn code_mail(server: &Server) -> Mail {
    server
        .mail
        .next("code", "alice@example.com", |mail| mail.code().is_some())
        .await
}

fn link(mail: &Mail) -> String {
    mail.link()
        .unwrap_or_else(|| panic!("no link in {}", mail.text))
}

async fn every_code_mail_carries_a_link_too() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let setup = alice.begin_setup("magic_link").await.is(200);
    assert_eq!(setup["method"], "email", "one factor, the mailbox");
    let mail = code_mail(&server).await;
    let on = server
        .verify_setup(&setup.text("mfaToken"), &link(&mail))
        .await
        .is(200);
    assert_eq!(on["mfaMethods"], json!(["email"]));
    let mut alice = alice;
    alice.sign_in().await;
    let disable = alice.begin_disable("email").await.is(200);
    let mail = code_mail(&server).await;
    let opened = server.open_link(&link(&mail)).await.is(200);
    assert_eq!(
        (&opened["purpose"], &opened["code"]),
        (&json!("disable"), &json!(mail.code()))
    );
    alice.begin_step_up(&json!({})).await.is(200);
    let mail = code_mail(&server).await;
    let opened = server.open_link(&link(&mail)).await.is(200);
    assert_eq!(opened["purpose"], "step_up");
    server.clock.advance(60);
    server.resend(&disable.text("mfaToken")).await.is(200);
    let mail = code_mail(&server).await;
    let opened = server.open_link(&link(&mail)).await.is(200);
    assert_eq!(opened["code"], json!(mail.code()));
}

async fn a_link_shows_the_code_and_issues_nothing() {
    let server = Server::start().await;
    let alice = with_email(&server).await;
    let asked_at = server.clock.now().to_string();
    let token = alice.begin_sign_in().await;
    let mail = code_mail(&server).await;
    let link = link(&mail);
    let code = mail.code().expect("a code");
    // A scanner follows the link: what follows the # is never sent, and nothing is used up.
    let page = server.get("/magic-link").await;
    assert!(
        page.status == 200 && !page.text.contains(&code),
        "{}",
        page.status
    );
    server.clock.advance(60);
    let opened = server.open_link(&link).await.is(200);
    assert_eq!(
        (&opened["purpose"], &opened["code"]),
        (&json!("login"), &json!(code))
    );
    assert_eq!(opened["askedAt"], json!(asked_at));
    assert_eq!(opened["askedFrom"], "127.0.0.1");
    assert!(opened["accessToken"].is_null() && opened["mfaToken"].is_null());
    server.verify_login(&token, &code).await.is(200);
    server
        .open_link(&link)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
}

async fn a_link_shows_the_code_as_long_as_it_is_good() {
    let server = Server::start().await;
    let alice = with_email(&server).await;
    let asked_at = server.clock.now().to_string();
    let token = alice.begin_sign_in().await;
    let mail = code_mail(&server).await;
    let (link, code) = (link(&mail), mail.code().expect("a code"));
    // A scanner, the same page again, another device. The code lives ten minutes from the last
    // opening.
    for wait in [0, 1, 400, 400] {
        server.clock.advance(wait);
        let opened = server.open_link(&link).await.is(200);
        assert_eq!(opened["code"], json!(code));
        assert_eq!(
            opened["askedAt"],
            json!(asked_at),
            "opening it asks for nothing"
        );
    }
    server.clock.advance(90);
    server.verify_login(&token, &code).await.is(200);
    server
        .open_link(&link)
        .await
        .refused(400, "MFA_TOKEN_INVALID");

    // However often it is opened, it expires in time.
    let token = alice.begin_sign_in().await;
    let mail = code_mail(&server).await;
    let link = self::link(&mail);
    for _ in 0..3 {
        server.clock.advance(299);
        server.open_link(&link).await.is(200);
    }
    server.clock.advance(3);
    server
        .open_link(&link)
        .await
        .refused(400, "MFA_TOKEN_EXPIRED");
    let code = mail.code().expect("a code");
    server
        .verify_login(&token, &code)
        .await
        .refused(400, "MFA_TOKEN_EXPIRED");
}

async fn the_token_of_a_link_is_a_code_for_who_holds_the_mfa_token() {
    let server = Server::start().await;
    let alice = with_email(&server).await;
    let token = alice.begin_sign_in().await;
    let link = link(&code_mail(&server).await);
    let signed_in = server.verify_login(&token, &link).await.is(200);
    let again = Person::signed_in(&server, "alice@example.com", &signed_in);
    assert_eq!(again.me().await["session"]["acr"], "two-step");
    server
        .open_link(&link)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
}

async fn a_link_lives_fifteen_minutes() {
    let server = Server::start().await;
    let alice = with_email(&server).await;
    alice.begin_sign_in().await;
    let mail = code_mail(&server).await;
    let text = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in [
        "The link works for 15 minutes.",
        "The code works for 10 minutes.",
    ] {
        assert!(text.contains(told), "{}", mail.text);
    }
    let first = link(&mail);
    server.clock.advance(899);
    server.open_link(&first).await.is(200);
    alice.begin_sign_in().await;
    let second = link(&code_mail(&server).await);
    server.clock.advance(900);
    server
        .open_link(&second)
        .await
        .refused(400, "MFA_TOKEN_EXPIRED");
}

async fn the_latest_link_is_the_only_one() {
    let server = Server::start().await;
    let alice = with_email(&server).await;
    let first = alice.begin_sign_in().await;
    let old = code_mail(&server).await;
    alice.begin_sign_in().await;
    let new = code_mail(&server).await;
    server
        .open_link(&link(&old))
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    let code = old.code().expect("a code");
    server.open_link(&link(&new)).await.is(200);
    server.verify_login(&first, &code).await.is(200);
}

async fn what_is_no_link_opens_nothing() {
    let server = Server::start().await;
    let alice = with_email(&server).await;
    let token = alice.begin_sign_in().await;
    let link = link(&code_mail(&server).await);
    let relabelled = token.replacen("mfa_", "ml_", 1);
    let other_end = format!("{}AAAA", &link[..link.len() - 4]);
    for none in [
        "x",
        "ml_",
        &relabelled,
        &other_end,
        &token,
        &alice.refresh_token,
    ] {
        server
            .open_link(none)
            .await
            .refused(400, "MFA_TOKEN_INVALID");
    }
    server.open_link(&link).await.is(200);
}

async fn no_link_is_a_code_of_another_challenge() {
    let server = Server::start().await;
    let alice = with_email(&server).await;
    let first = alice.begin_sign_in().await;
    code_mail(&server).await;
    alice.begin_sign_in().await;
    let link = link(&code_mail(&server).await);
    let refused = server.verify_login(&first, &link).await;
    refused.refused(400, "INVALID_MFA_CODE");
}
