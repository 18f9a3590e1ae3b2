//! The pages before one is signed in: each method enrolled and used, an account made, a password forgotten.

use contract_tests::visitor::{SEND, person};
use contract_tests::{PASSWORD, Sandbox, Visitor, tests};

tests! {
    on_sqlite:
    each_method_is_enrolled_and_then_used needs Chromium,
    a_new_account_begins_with_the_code_of_its_mail needs Chromium,
    a_passkey_signs_in_with_nothing_typed needs Chromium,
    a_forgotten_password_is_replaced needs Chromium,
    a_keyboard_is_enough needs Chromium,
    a_code_is_sent_again_after_a_wait needs Chromium,
}

/// Adds a method by its button, up to where its proof is asked for.
async fn begins(visitor: &Visitor, method: &str, further: &[(&str, &str)]) {
    visitor.press(&format!("[data-add={method}]")).await;
    visitor.fill(further).await;
    visitor.fill(&[("#task-set-up-password", PASSWORD)]).await;
    visitor.press(&format!("#task form {SEND}")).await;
}

async fn closes(visitor: &Visitor) {
    visitor.press("#task .ready").await;
}

/// Enrols an app, which is the first method and leads to recovery codes. Returns its secret and a
/// recovery code.
async fn enrols_an_app(visitor: &Visitor) -> (String, String) {
    begins(visitor, "authenticator", &[("#task-name", "Tablet")]).await;
    visitor
        .browser
        .element("#task img.qr[src^='data:image/png']")
        .await;
    let secret = visitor.browser.text("#task .key").await.replace(' ', "");
    visitor
        .answers(&visitor.code_of_secret(&secret).await)
        .await;
    visitor.press("#task .codes").await;
    let recovery = visitor.browser.text(".codes-list li").await;
    visitor
        .browser
        .element("#task a.save[href^='blob:'][download='recovery-codes.txt']")
        .await;
    closes(visitor).await;
    (secret, recovery)
}

/// Enrols a method whose proof is a code that is sent.
async fn enrols_what_is_sent(visitor: &Visitor, method: &str, further: &[(&str, &str)], to: &str) {
    begins(visitor, method, further).await;
    visitor.browser.element("#task #second-code").await;
    visitor.answers(&visitor.code_to(to).await).await;
    closes(visitor).await;
}

/// Enrols a passkey.
async fn enrols_a_passkey(visitor: &Visitor, further: &[(&str, &str)]) {
    begins(visitor, "passkey", further).await;
    visitor
        .reads("#task .told", "follow the steps in your browser")
        .await;
    visitor.browser.touches(true).await;
    visitor.press(&format!("#task form {SEND}")).await;
    closes(visitor).await;
}

/// Signs in with a code that is sent to an address or a number, and out again.
async fn signs_in_by_what_is_sent(visitor: &Visitor, email: &str, way: &str, to: &str) {
    visitor.sandbox.advance(3600).await;
    visitor.gives_password(email).await;
    visitor.chooses(way).await;
    visitor.reads(".told", "We have sent a code").await;
    visitor.answers(&visitor.code_to(to).await).await;
    visitor.is_in().await;
    visitor.signs_out().await;
}

/// Signs in with a passkey as the second step, and out again.
async fn signs_in_by_a_passkey(visitor: &Visitor, email: &str) {
    visitor.gives_password(email).await;
    visitor.chooses("Passkey").await;
    visitor.browser.element(".passkey-form:not([hidden])").await;
    visitor.browser.touches(true).await;
    visitor.press(&format!(".passkey-form {SEND}")).await;
    visitor.is_in().await;
    visitor.browser.touches(false).await;
    visitor.signs_out().await;
}

async fn each_method_is_enrolled_and_then_used() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    visitor.browser.with_authenticator().await;
    visitor.browser.touches(false).await;
    let (email, phone) = ("none@example.com", "+12015550177");
    visitor.signs_in(email).await;
    visitor.reads("#unprotected", "Only your password").await;

    let (secret, recovery) = enrols_an_app(&visitor).await;
    enrols_what_is_sent(&visitor, "email", &[], email).await;
    let number = [("#task-phone", "+1 201 555 0177")];
    enrols_what_is_sent(&visitor, "sms", &number, phone).await;
    enrols_a_passkey(&visitor, &[("#task-name", "Laptop")]).await;
    for name in ["Tablet", "Codes by e-mail", "Text message", "Laptop"] {
        visitor.reads("#methods .name", name).await;
    }
    visitor.browser.touches(false).await;
    visitor.signs_out().await;
    visitor.reads(".notice", "You are signed out").await;

    sandbox.advance(60).await;
    visitor.gives_password(email).await;
    visitor.reads(".told", "your authenticator app").await;
    visitor
        .answers(&visitor.code_of_secret(&secret).await)
        .await;
    visitor.is_in().await;
    visitor.signs_out().await;
    signs_in_by_what_is_sent(&visitor, email, "Codes by e-mail", email).await;
    signs_in_by_what_is_sent(&visitor, email, "Text message", phone).await;
    signs_in_by_a_passkey(&visitor, email).await;

    visitor.gives_password(email).await;
    visitor.chooses("Use a recovery code").await;
    visitor.answers(&recovery.to_lowercase()).await;
    visitor.is_in().await;
    visitor
        .reads("#codes-left", "9 recovery codes are left")
        .await;
    visitor.leaves().await;
}

async fn a_new_account_begins_with_the_code_of_its_mail() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    let email = "new@example.com";
    visitor.go("/register").await;
    let form = format!("#register-form {SEND}");
    visitor
        .fill(&[("#email", email), ("#password", "too short")])
        .await;
    visitor.press(&form).await;
    visitor
        .reads("#password-error", "has 9 characters and needs at least 15")
        .await;
    visitor.fill(&[("#password", "passwordpassword")]).await;
    visitor.press(&form).await;
    visitor.reads("#password-error", "too common").await;
    visitor
        .fill(&[("#password", PASSWORD), ("#first-name", "Nora")])
        .await;
    visitor.press(&form).await;
    visitor.browser.element("#proof:not([hidden])").await;
    let code = visitor.code_to(email).await;
    let wrong = if code == "000000" { "111111" } else { "000000" };
    visitor.fill(&[("#code", wrong)]).await;
    visitor.press(&format!("#code-form {SEND}")).await;
    visitor.reads("#code-error", "You have 4 tries left").await;
    visitor.fill(&[("#code", &code)]).await;
    visitor.press(&format!("#code-form {SEND}")).await;
    visitor.is_in().await;
    visitor.reads("#who", "Nora (new@example.com)").await;
    visitor.reads("main .notice", "Add a second factor").await;
    // A reload goes on with the session, and signing out ends it.
    visitor.browser.reload().await;
    visitor.is_in().await;
    visitor.signs_out().await;
    visitor.go("/account").await;
    assert!(visitor.browser.address().await.ends_with("/sign-in"));
    visitor.leaves().await;
}

async fn a_passkey_signs_in_with_nothing_typed() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    visitor.browser.with_authenticator().await;
    visitor.browser.touches(false).await;
    visitor.signs_in("none@example.com").await;
    enrols_a_passkey(&visitor, &[]).await;
    visitor.browser.touches(false).await;
    visitor.signs_out().await;
    // By the button.
    visitor.browser.touches(true).await;
    let press = "document.querySelector('#passkey-form button')?.click();";
    visitor.browser.value(press).await;
    visitor.is_in().await;
    visitor.reads("#sessions", "this one").await;
    // Where the address is typed: the browser offers it by itself, and it is chosen at once.
    visitor.press("#sign-out").await;
    visitor.reads("#activity", "Signed out").await;
    visitor.is_in().await;
    visitor.leaves().await;
}

async fn a_forgotten_password_is_replaced() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    let (email, new) = ("authenticator@example.com", "four wooden spoons sing");
    visitor.go("/sign-in").await;
    visitor.fill(&[("#email", email)]).await;
    visitor.press("a[href='/forgot-password']").await;
    // The address that was typed comes along.
    visitor.browser.element("#first:not([hidden])").await;
    visitor.press(&format!("#forgot-form {SEND}")).await;
    visitor.browser.element("#choose:not([hidden])").await;
    let code = visitor.code_to(email).await;
    visitor.fill(&[("#code", &code), ("#password", new)]).await;
    visitor.press(&format!("#new-form {SEND}")).await;
    visitor.browser.element("#second .second").await;
    visitor.answers(&sandbox.code_of(email).await).await;
    visitor
        .reads("#done:not([hidden])", "Your password is changed")
        .await;
    visitor.press("#done a").await;
    visitor.fill(&[("#email", email), ("#password", new)]).await;
    visitor.press(&format!("#password-form {SEND}")).await;
    visitor.browser.element(".second").await;
    visitor.leaves().await;
}

async fn a_keyboard_is_enough() {
    use contract_tests::browser::Key;

    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    let email = "authenticator@example.com";
    visitor.go("/sign-in").await;
    // The first field has the focus.
    visitor.browser.types(email).await;
    visitor.browser.types(Key::Tab).await;
    visitor.browser.types(PASSWORD).await;
    visitor.browser.types(Key::Enter).await;
    visitor.browser.element(".second").await;
    // What is no whole code is not sent, so it costs no try.
    visitor.browser.types("000").await;
    visitor.browser.types(Key::Enter).await;
    visitor.reads("#second-code-error", "6 digits").await;
    visitor.browser.types("000").await;
    visitor.browser.types(Key::Enter).await;
    visitor.reads("#second-code-error", "4 tries left").await;
    // The refused code is marked, so that the next one replaces it.
    visitor.browser.types(sandbox.code_of(email).await).await;
    visitor.browser.types(Key::Enter).await;
    visitor.is_in().await;
    // A dialog takes the focus, and gives it back.
    let focus = "document.querySelector('#change-password').focus();";
    visitor.browser.value(focus).await;
    visitor.browser.types(Key::Enter).await;
    visitor.browser.element("#task[open]").await;
    let focused = "return document.activeElement.id;";
    assert_eq!(visitor.browser.value(focused).await, "task-old");
    visitor.browser.types(Key::Escape).await;
    visitor.browser.element("#task:not([open])").await;
    assert_eq!(visitor.browser.value(focused).await, "change-password");
    visitor.leaves().await;
}

async fn a_code_is_sent_again_after_a_wait() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    let email = "several@example.com";
    let phone = person(&sandbox, email).await["phoneNumber"].clone();
    visitor.gives_password(email).await;
    visitor.chooses("Text message").await;
    visitor.reads(".told", "to your phone").await;
    visitor.press(&format!(".resend {SEND}")).await;
    visitor.reads(".resend .error", "was sent already").await;
    // The button counts, and takes nothing meanwhile.
    visitor.reads(".resend button", "Wait 0").await;
    visitor
        .browser
        .element(".resend button[aria-disabled=true]")
        .await;
    let first = visitor.code_to(phone.as_str().expect("a number")).await;
    sandbox.advance(61).await;
    visitor.gives_password(email).await;
    visitor.chooses("Text message").await;
    visitor.reads(".told", "to your phone").await;
    sandbox.advance(61).await;
    visitor.press(&format!(".resend {SEND}")).await;
    visitor.reads(".told", "A new code was sent").await;
    let second = visitor.code_to(phone.as_str().expect("a number")).await;
    assert_ne!(first, second);
    visitor.answers(&second).await;
    visitor.is_in().await;
    visitor.leaves().await;
}
