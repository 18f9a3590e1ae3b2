//! The pages behind mailed links, in a browser: opening one uses nothing up, its button does.

use contract_tests::browser::Browser;
use contract_tests::{PASSWORD, Server, tests};

use super::flashback::{login, registration};

tests! {
    a_link_shows_its_code_for_the_device_that_asked needs Chromium,
    a_link_makes_the_account_when_the_button_is_pressed needs Chromium,
}

/// The password that the reader of the mail chooses.
const CHOSEN: &str = "four wooden spoons sing";

async fn a_link_shows_its_code_for_the_device_that_asked() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let asked = alice.login().await.is(200).text("mfaToken");
    let mail = server.mail.notice_to("alice@example.com", "sign in").await;
    let (code, token) = (mail.code().expect("a code"), mail.link().expect("a link"));

    let browser = Browser::start().await;
    let origin = server.url();
    browser.open(&format!("{origin}/magic-link#{token}")).await;
    browser.element("form:not([hidden])").await;
    assert_eq!(
        browser.address().await,
        format!("{origin}/magic-link"),
        "the token leaves the address line"
    );
    browser.picture("magic-link").await;
    browser.click("form button").await;
    assert_eq!(browser.text("p.code").await, code);
    let told = browser.text("[role=status]").await;
    assert!(told.contains("127.0.0."), "from where: {told}");
    browser.picture("magic-link-code").await;
    let faults = browser.faults(&origin).await;

    browser
        .open(&format!("{origin}/magic-link?again#{token}"))
        .await;
    browser.click("form button").await;
    browser.element("form[hidden]").await;
    let told = browser.text("[role=status]").await;
    assert!(told.contains("already used"), "{told}");
    browser.open(&format!("{origin}/magic-link?bare")).await;
    let told = browser.text("[role=status]").await;
    assert!(told.contains("whole link"), "{told}");
    browser.stop().await;
    assert_eq!(faults, Vec::<String>::new());

    alice.me().await.is(200);
    server.verify_login(&asked, &code).await.is(200);
}

async fn a_link_makes_the_account_when_the_button_is_pressed() {
    let server = Server::start().await;
    let body = registration("alice@example.com", None);
    server.post("/user/register", &body).await.is(201);
    let token = server.mail.link_to("alice@example.com").await;
    let browser = Browser::start().await;
    let origin = server.url();
    browser
        .open(&format!("{origin}/verify-email#{token}"))
        .await;
    browser.element("form:not([hidden])").await;
    login(&server, "alice@example.com", PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    // A stranger may have caused the mail: who reads it says the password.
    browser.paste_into("#password", "passwordpassword").await;
    browser.click("form button").await;
    browser.element("form:not([hidden]) button:enabled").await;
    let told = browser.text("[role=status]").await;
    assert!(told.contains("password"), "{told}");
    browser.picture("verify-email").await;
    browser.paste_into("#password", CHOSEN).await;
    browser.click("form button").await;
    browser.element("form[hidden]").await;
    let told = browser.text("[role=status]").await;
    assert!(told.contains("You can sign in now"), "{told}");
    let faults = browser.faults(&origin).await;
    browser.stop().await;
    assert_eq!(faults, Vec::<String>::new());
    login(&server, "alice@example.com", PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    login(&server, "alice@example.com", CHOSEN).await.is(200);
}
