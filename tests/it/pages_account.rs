//! The account page: what protects an account, who is signed in to it, and what happened to it.

use contract_tests::visitor::SEND;
use contract_tests::waiting::until;
use contract_tests::{PASSWORD, Sandbox, Visitor, json, tests};

tests! {
    on_sqlite:
    a_change_asks_for_fresh_proof needs Chromium,
    a_password_is_changed_and_other_sessions_end needs Chromium,
    one_tab_has_the_session needs Chromium,
    an_ended_session_leads_to_the_first_page needs Chromium,
    names_and_address_are_changed needs Chromium,
    an_account_is_exported_and_deleted needs Chromium,
    recovery_codes_stay_until_they_are_kept needs Chromium,
}

const TASK: &str = "#task form button[type=submit]";

/// Signs in with an authenticator app.
async fn with_app(visitor: &Visitor, email: &str) {
    visitor.gives_password(email).await;
    visitor.answers(&visitor.sandbox.code_of(email).await).await;
    visitor.is_in().await;
}

/// Presses a button of a row, by its text.
async fn row(visitor: &Visitor, name: &str, button: &str) {
    let script = format!(
        "const row = [...document.querySelectorAll('.row')].find((one) => one.querySelector('.name').textContent.startsWith({}));
        [...row.querySelectorAll('button')].find((one) => one.textContent === {}).click();",
        json!(name),
        json!(button)
    );
    visitor.browser.value(&script).await;
}

async fn a_change_asks_for_fresh_proof() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    let email = "several@example.com";
    with_app(&visitor, email).await;
    sandbox.advance(400).await;
    row(&visitor, "Authenticator app", "Rename").await;
    visitor.fill(&[("#task-new-name", "Tablet")]).await;
    visitor.press(TASK).await;
    // The proof is asked for above, by any method; a recovery code would do as well.
    visitor.browser.element("#proof[open] .second").await;
    visitor.browser.picture("pages-proof").await;
    visitor.chooses("Codes by e-mail").await;
    visitor
        .reads("#proof .told", "to your e-mail address")
        .await;
    let code = visitor.code_to(email).await;
    visitor.answers(super::other_than(&code)).await;
    visitor.reads("#proof .error", "not correct").await;
    visitor.answers(&code).await;
    visitor.reads("main .notice", "The new name is saved").await;
    visitor.reads("#methods .name", "Tablet").await;
    // It holds for five minutes.
    row(&visitor, "Codes by e-mail", "Make first").await;
    visitor
        .reads("main .notice", "asks for Codes by e-mail first")
        .await;
    row(&visitor, "Text message", "Remove").await;
    visitor
        .reads("#task .told", "will no longer accept Text message")
        .await;
    visitor.press(TASK).await;
    visitor
        .reads("main .notice", "Text message is removed")
        .await;
    // Whoever closes the dialog has changed nothing.
    sandbox.advance(400).await;
    row(&visitor, "Tablet", "Remove").await;
    visitor.press(TASK).await;
    visitor.browser.element("#proof[open] .second").await;
    visitor.press("#proof .close").await;
    visitor.press("#task .close").await;
    visitor.reads("#methods .name", "Tablet").await;
    visitor
        .reads("#activity .name", "Confirmed with a second factor")
        .await;
    visitor.leaves().await;
}

async fn a_password_is_changed_and_other_sessions_end() {
    let sandbox = Sandbox::start().await;
    let [here, there] = [Visitor::of(&sandbox).await, Visitor::of(&sandbox).await];
    let email = "none@example.com";
    there.signs_in(email).await;
    here.signs_in(email).await;
    // Without a method the password is the proof, and five minutes later it is asked for.
    here.press("#change-password").await;
    here.fill(&[
        ("#task-old", "another password of mine"),
        ("#task-new", "four wooden spoons sing"),
    ])
    .await;
    here.press(TASK).await;
    here.reads("#task-old-error", "This is not your password")
        .await;
    here.fill(&[("#task-old", PASSWORD), ("#task-new", "short")])
        .await;
    here.press(TASK).await;
    here.reads("#task-new-error", "has 5 characters").await;
    here.fill(&[("#task-new", "four wooden spoons sing")]).await;
    here.press(TASK).await;
    here.reads("#task .told", "all other sessions have ended")
        .await;
    here.press("#task .ready").await;
    there.press("#change-password").await;
    there
        .fill(&[
            ("#task-old", PASSWORD),
            ("#task-new", "five wooden spoons sing"),
        ])
        .await;
    there.press(TASK).await;
    there.reads(".notice", "Your session has ended").await;
    there
        .fill(&[("#email", email), ("#password", "four wooden spoons sing")])
        .await;
    there.press(&format!("#password-form {SEND}")).await;
    there.is_in().await;
    here.browser.reload().await;
    here.is_in().await;
    here.press("#end-others").await;
    here.press(TASK).await;
    here.reads("main .notice", "All other sessions have ended")
        .await;
    there.browser.reload().await;
    there.reads(".notice", "Your session has ended").await;
    here.leaves().await;
    there.leaves().await;
}

async fn one_tab_has_the_session() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    visitor.signs_in("none@example.com").await;
    // A tab that is duplicated begins with a copy of what the first one keeps.
    visitor.browser.duplicates().await;
    visitor.go("/account").await;
    visitor.reads(".notice", "open in another tab").await;
    assert!(visitor.browser.address().await.ends_with("/sign-in"));
    visitor.browser.first_tab().await;
    visitor.browser.reload().await;
    visitor.is_in().await;
    visitor.leaves().await;
}

async fn an_ended_session_leads_to_the_first_page() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    with_app(&visitor, "authenticator@example.com").await;
    sandbox.advance(3 * 24 * 3600).await;
    visitor.browser.reload().await;
    visitor.reads(".notice", "Your session has ended").await;
    let kept = "return sessionStorage.length + localStorage.length;";
    assert_eq!(visitor.browser.value(kept).await, 0);
    visitor.leaves().await;
}

/// Changes the names.
async fn changes_names(visitor: &Visitor) {
    visitor.press("#change-names").await;
    visitor
        .fill(&[("#task-first-name", "Alice"), ("#task-last-name", "Baker")])
        .await;
    visitor.press(TASK).await;
    visitor.reads("main .notice", "Your names are saved").await;
    visitor
        .reads("#who", "Alice Baker (authenticator@example.com)")
        .await;
}

/// Gives a new address with a password, and sends both.
async fn gives_address(visitor: &Visitor, email: &str, password: &str) {
    visitor
        .fill(&[
            ("#task-new-email", email),
            ("#task-email-password", password),
        ])
        .await;
    visitor.press(TASK).await;
}

/// Begins a change of address, which takes no address that is in use and no wrong password.
async fn begins_to_change_address(visitor: &Visitor, old: &str, new: &str) {
    visitor.press("#change-email").await;
    gives_address(visitor, old, PASSWORD).await;
    // The proof is asked for above, as for every change of who can sign in.
    visitor.browser.element("#proof[open] .second").await;
    visitor.answers(&visitor.sandbox.code_of(old).await).await;
    visitor
        .reads("#task-new-email-error", "cannot be used")
        .await;
    gives_address(visitor, new, "not it").await;
    visitor
        .reads("#task-email-password-error", "This is not your password")
        .await;
    visitor.fill(&[("#task-email-password", PASSWORD)]).await;
    visitor.press(TASK).await;
    visitor
        .reads("#task .told", &format!("We have sent a mail to {new}"))
        .await;
    visitor.browser.picture("pages-new-address").await;
}

/// Proves a new address with the code of a second mail, after a wrong code.
async fn proves_address(visitor: &Visitor, new: &str) {
    let code = visitor.code_to(new).await;
    visitor.fill(&[("#task-email-code-field", "000")]).await;
    visitor.press(TASK).await;
    visitor
        .reads("#task-email-code-field-error", "You have 4 tries left")
        .await;
    visitor.press("#task .again").await;
    gives_address(visitor, new, PASSWORD).await;
    visitor.browser.element("#task-email-code-field").await;
    let newer = until("a newer code", async || {
        Some(visitor.code_to(new).await).filter(|newer| *newer != code)
    })
    .await;
    visitor.fill(&[("#task-email-code-field", &newer)]).await;
    visitor.press(TASK).await;
    visitor
        .reads("#task .told", &format!("Your address is {new} now"))
        .await;
    visitor.press("#task .ready").await;
}

async fn names_and_address_are_changed() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    let (old, new) = ("authenticator@example.com", "alice.new@example.com");
    with_app(&visitor, old).await;
    changes_names(&visitor).await;
    sandbox.advance(400).await;
    begins_to_change_address(&visitor, old, new).await;
    proves_address(&visitor, new).await;
    visitor.reads("#who", new).await;
    visitor.reads("#activity .name", "Address changed").await;
    visitor.leaves().await;
}

async fn an_account_is_exported_and_deleted() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    visitor.signs_in("none@example.com").await;
    visitor.press("#export").await;
    visitor.reads("main .notice", "in your downloads").await;
    visitor.press("#delete").await;
    visitor.fill(&[("#task-password-now", "not it")]).await;
    visitor.press(TASK).await;
    visitor
        .reads("#task-password-now-error", "This is not your password")
        .await;
    visitor.fill(&[("#task-password-now", PASSWORD)]).await;
    visitor.press(TASK).await;
    visitor.reads(".notice", "Your account is deleted").await;
    visitor.gives_password("none@example.com").await;
    visitor.reads("#password-error", "is not right").await;
    visitor.leaves().await;
}

async fn recovery_codes_stay_until_they_are_kept() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    with_app(&visitor, "authenticator@example.com").await;
    visitor
        .reads("#codes-left.warning", "You have no recovery codes")
        .await;
    visitor.press("#make-codes").await;
    visitor.press(TASK).await;
    visitor
        .browser
        .element(".codes-list li:nth-child(10)")
        .await;
    visitor
        .browser
        .types(contract_tests::browser::Key::Escape)
        .await;
    assert!(visitor.browser.has("#task[open] .codes-list").await);
    visitor.press("#task .ready").await;
    visitor.browser.element("#task:not([open])").await;
    assert!(
        !visitor.browser.has(".codes-list li").await,
        "gone with the dialog"
    );
    visitor
        .reads("#codes-left", "10 recovery codes are left")
        .await;
    visitor.leaves().await;
}
