//! A new password with the old one, in an open session.

use contract_tests::call::{at_once, outcomes};
use contract_tests::{Method, PASSWORD, Person, Server, json, tests};

use super::veeam::OTHER_PASSWORD;

tests! {
    a_new_password_keeps_this_session_and_ends_the_others,
    without_fresh_proof_the_old_password_is_not_even_looked_at,
    wrong_old_passwords_count_as_at_sign_in,
    the_new_password_follows_the_rules_of_registration,
    of_several_at_once_the_old_password_fits_one,
    what_waited_ends_with_the_old_password,
    a_wait_is_told_before_the_new_password_is_looked_at,
    a_mail_about_a_new_password_tells_how_many_keys_work,
}

const EMAIL: &str = "alice@example.com";
const NEW: &str = OTHER_PASSWORD;

/// Signs in with the password that the person has.
async fn again(alice: &Person) -> Person {
    let login = alice.login().await.is(200);
    Person::signed_in(&alice.server, &alice.email, &login)
}

async fn a_new_password_keeps_this_session_and_ends_the_others() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    let other = again(&alice).await;
    server.clock.advance(3000);
    // No method is on: the old password is the proof, however old the session is.
    let refreshed = server.refresh(&alice.refresh_token).await.is(200);
    let mut alice = Person::signed_in(&server, EMAIL, &refreshed);
    alice.change_password(NEW).await.is(204);
    alice.me().await.is(200);
    let kept = server.refresh(&alice.refresh_token).await.is(200);
    alice.keep(&kept);
    other.me().await.refused(401, "TOKEN_EXPIRED");
    let refused = server.refresh(&other.refresh_token).await;
    refused.refused(401, "TOKEN_INVALID");
    let refused = server.login(EMAIL, PASSWORD).await;
    refused.refused(401, "INVALID_CREDENTIALS");
    server.login(EMAIL, NEW).await.is(200);
    server.mail.notice_to(EMAIL, "was changed").await;
    // The password that was just typed is fresh proof.
    let app = json!({ "mfaType": "GOOGLE_AUTH" });
    alice.post("/mfa/setup", &app).await.is(200);
}

async fn without_fresh_proof_the_old_password_is_not_even_looked_at() {
    let server = Server::start().await;
    let mut alice = server.registered(EMAIL).await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    server.clock.advance(301);
    // A thief with the access token and the password.
    let mut thief = alice.clone();
    for password in [PASSWORD, "a guess of the old one"] {
        password.clone_into(&mut thief.password);
        for _ in 0..8 {
            let refused = thief.change_password(NEW).await;
            let refused = refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
            assert_eq!(refused.number("maxAge"), 300);
        }
    }
    let login = alice.login().await.is(200);
    assert_eq!(login["mfaRequired"], true, "nothing was counted or changed");
    alice.step_up().await;
    alice.change_password(NEW).await.is(204);
    alice.me().await.is(200);
    let nobody = json!({ "oldPassword": PASSWORD, "newPassword": NEW });
    let call = server.call(Method::PUT, "/identity/me/password");
    call.json(&nobody).await.refused(401, "TOKEN_INVALID");
}

async fn wrong_old_passwords_count_as_at_sign_in() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    let mut mistaken = alice.clone();
    "a guess of the old one".clone_into(&mut mistaken.password);
    for _ in 0..5 {
        let refused = mistaken.change_password(NEW).await;
        refused.refused(400, "INVALID_PASSWORD");
    }
    let refused = alice.change_password(NEW).await;
    refused.refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    let refused = alice.login().await;
    refused.refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    server.clock.advance(2);
    alice.login().await.is(200);
    alice.change_password(NEW).await.is(204);
}

async fn the_new_password_follows_the_rules_of_registration() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    for bad in ["too short", "passwordpassword", "alice@example.com"] {
        let refused = alice.change_password(bad).await.refused(400, "VALIDATION");
        assert_eq!(
            refused["errors"][0]["field"], "newPassword",
            "{}",
            refused.text
        );
        let register = json!({ "email": EMAIL, "password": bad });
        let same = server.post("/identity/register", &register).await;
        let same = same.refused(400, "VALIDATION");
        assert_eq!(
            refused["errors"][0]["message"],
            same["errors"][0]["message"]
        );
    }
    alice.login().await.is(200);
}

async fn of_several_at_once_the_old_password_fits_one() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    let words = ["one", "two", "three"];
    let calls = words.map(|word| alice.change_password(&format!("{word} {NEW}")));
    let answers = outcomes(&at_once(calls).await);
    assert_eq!((answers["204"], answers["INVALID_PASSWORD"]), (1, 2));
    alice.me().await.is(200);
}

async fn what_waited_ends_with_the_old_password() {
    let server = Server::start().await;
    let mut alice = server.registered(EMAIL).await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let login = alice.begin_sign_in().await;
    let link = server.forgotten(EMAIL).await;
    alice.change_password(NEW).await.is(204);
    let refused = server.verify_login(&login, &alice.fresh_code()).await;
    refused.refused(400, "MFA_TOKEN_INVALID");
    let refused = server.reset_by_link(&link, "six silver spoons shine").await;
    refused.refused(400, "RESET_TOKEN_INVALID");
}

async fn a_wait_is_told_before_the_new_password_is_looked_at() {
    let server = Server::start().await;
    let alice = server.registered(EMAIL).await;
    let mut mistaken = alice.clone();
    "a guess of the old one".clone_into(&mut mistaken.password);
    for _ in 0..5 {
        let refused = mistaken.change_password(NEW).await;
        refused.refused(400, "INVALID_PASSWORD");
    }
    // To find that it is common costs a slot for hashing.
    let refused = mistaken.change_password("passwordpassword").await;
    refused.refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    server.clock.advance(2);
    let refused = mistaken.change_password("passwordpassword").await;
    refused.refused(400, "VALIDATION");
    // That took no try.
    alice.change_password(NEW).await.is(204);
}

async fn a_mail_about_a_new_password_tells_how_many_keys_work() {
    let server = Server::start().await;
    let mut root = server.administrator("root@example.com").await;
    let email = root.email.clone();
    let key = root.api_key(&["tokens:validate"]).await;
    root.api_key(&["users:read"]).await;
    let link = server.forgotten(&email).await;
    server.reset_by_link(&link, NEW).await.is(200);
    let mail = server.mail.notice_to(&email, "was replaced").await;
    let told = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = told(&mail.text);
    assert!(text.contains("2 of its API keys still work"), "{text}");
    assert!(text.contains("DELETE /identity/api-keys/"), "{text}");
    let body = json!({ "token": root.access_token });
    let call = server.post("/identity/validate-token", &body);
    call.header("X-API-Key", &key).await.is(200);
    NEW.clone_into(&mut root.password);
    root.sign_in().await;
    let keys = root.get("/identity/api-keys").await.is(200);
    let id = keys["apiKeys"][0]["id"].as_str().expect("an id").to_owned();
    let gone = root.call(Method::DELETE, &format!("/identity/api-keys/{id}"));
    gone.await.is(204);
    root.change_password(PASSWORD).await.is(204);
    let mail = server.mail.notice_to(&email, "was changed").await;
    let text = told(&mail.text);
    assert!(text.contains("1 of its API keys still works"), "{text}");
    // Without a key, there is nothing to tell.
    let alice = server.registered(EMAIL).await;
    alice.change_password(NEW).await.is(204);
    let mail = server.mail.notice_to(EMAIL, "was changed").await;
    assert!(!mail.text.contains("API"), "{}", mail.text);
}
