//! The pages behind mailed links, in a browser: opening one uses nothing up, its button does.

use contract_tests::browser::Browser;
use contract_tests::{PASSWORD, Server, tests};

use super::flashback::{login, registration};

tests! {
    on_sqlite:
    a_link_shows_its_code_for_the_device_that_asked needs Chromium,
    a_link_makes_the_account_when_the_button_is_pressed needs Chromium,
    a_page_says_what_is_wrong_with_its_link needs Chromium,
}

/// The password that the mail's reader chooses.
const CHOSEN: &str = "four wooden spoons sing";

/// Waits until an element says something, and returns it.
async fn says(browser: &Browser, selector: &str) -> String {
    browser.element(&format!("{selector}:not(:empty)")).await;
    browser.text(selector).await
}

/// Presses the page's button, and returns what the page says when its form is gone.
async fn presses(browser: &Browser) -> String {
    browser.click("form button[type=submit]").await;
    browser.element("form[hidden]").await;
    browser.text("[role=status]").await
}

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
    browser.click("form button[type=submit]").await;
    assert_eq!(browser.text("p.code").await, code);
    let told = browser.text("[role=status]").await;
    assert!(told.contains("127.0.0."), "from where: {told}");
    browser.picture("magic-link-code").await;
    let faults = browser.faults(&origin).await;

    // The same page again, as from another device.
    browser.reload().await;
    browser.click("form button[type=submit]").await;
    assert_eq!(browser.text("p.code").await, code);
    browser
        .open(&format!("{origin}/magic-link?again#{token}"))
        .await;
    browser.click("form button[type=submit]").await;
    assert_eq!(browser.text("p.code").await, code);

    alice.me().await.is(200);
    server.verify_login(&asked, &code).await.is(200);
    browser
        .open(&format!("{origin}/magic-link?late#{token}"))
        .await;
    let told = presses(&browser).await;
    assert!(told.contains("its code was used"), "{told}");
    assert!(!told.contains("mfaToken"), "{told}");
    browser.stop().await;
    assert_eq!(faults, Vec::<String>::new());
}

/// Asserts that both pages say what is wrong with a link that was cut or changed on its way.
async fn says_that_a_link_is_broken(browser: &Browser, origin: &str, token: &str) {
    for page in ["/magic-link", "/verify-email"] {
        for (link, says) in [
            ("", "needs the whole link"),
            (&token[..40], "is not complete"),
            ("%E0%A4%A", "is not complete"),
            (&format!("{token}=20"), "is not complete"),
        ] {
            // A query of its own each time: changing only what follows the # would not load the
            // page again.
            let address = format!("{origin}{page}?{}#{link}", link.len());
            browser.open(&address).await;
            let told = browser.text("[role=status] p").await;
            assert!(told.contains(says), "{page} {link}: {told}");
            assert!(browser.has("form[hidden]").await, "{page} {link}");
        }
        assert_eq!(browser.text("p.service").await, "Acme & <Sons>");
    }
}

/// Asserts that the page explains the state of a link in words for people.
async fn explains_a_refusal(browser: &Browser, address: &str, words: &str) {
    browser.open(address).await;
    let told = presses(browser).await;
    assert!(told.contains(words) && !told.contains("mfaToken"), "{told}");
}

/// Asserts that the page states the rule for passwords on every screen, holds to it, and says when
/// the server refuses the link.
async fn asks_for_a_long_password(browser: &Browser, address: &str) {
    for (width, dark) in [(1280, true), (390, false)] {
        browser.looks(width, dark).await;
        browser.open(address).await;
        browser.reload().await;
        browser.element("form:not([hidden])").await;
        let rule = browser.text("#password-rule").await;
        assert!(rule.contains("At least 20 characters"), "{rule}");
        browser.picture(&format!("verify-email-{width}")).await;
    }
    browser.paste_into("#password", "nineteen characters").await;
    browser.click("form button[type=submit]").await;
    let told = says(browser, "#password-error").await;
    assert!(
        told.contains("has 19 characters and needs at least 20"),
        "{told}"
    );
    browser
        .paste_into("#password", "twenty characters in")
        .await;
    let told = presses(browser).await;
    assert!(told.contains("This link no longer works"), "{told}");
}

async fn a_page_says_what_is_wrong_with_its_link() {
    let server = Server::with(|settings| {
        settings.issuer_name = "Acme & <Sons>".to_owned();
        settings.policy.password_min = 20;
    })
    .await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.login().await.is(200);
    let mail = server.mail.notice_to("alice@example.com", "sign in").await;
    let token = mail.link().expect("a link");
    let browser = Browser::start().await;
    let origin = server.url();
    says_that_a_link_is_broken(&browser, &origin, &token).await;
    let other = format!("{}AAAA", &token[..token.len() - 4]);
    let address = format!("{origin}/magic-link?other#{other}");
    explains_a_refusal(&browser, &address, "This link").await;
    server.clock.advance(901);
    let address = format!("{origin}/magic-link?old#{token}");
    explains_a_refusal(&browser, &address, "too old").await;
    let registration = format!("rl_{}", &token[3..]);
    let address = format!("{origin}/verify-email?new#{registration}");
    asks_for_a_long_password(&browser, &address).await;
    browser.stop().await;
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
    // A stranger may have caused the mail, so the mail's reader chooses the password.
    browser.paste_into("#password", "passwordpassword").await;
    browser.click("form button[type=submit]").await;
    let told = says(&browser, "#password-error").await;
    assert!(told.contains("too common"), "{told}");
    browser.picture("verify-email").await;
    browser.paste_into("#password", CHOSEN).await;
    let told = presses(&browser).await;
    assert!(told.contains("You can sign in now"), "{told}");
    let faults = browser.faults(&origin).await;
    browser.stop().await;
    assert_eq!(faults, Vec::<String>::new());
    login(&server, "alice@example.com", PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    login(&server, "alice@example.com", CHOSEN).await.is(200);
}
