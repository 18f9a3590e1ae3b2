//! Each refusal that the documents declare for what the pages call is shown as a sentence, where its user looks.
//!
//! The sandbox forces the error; the page is what is tested. Errors that every operation has are forced where
//! one signs in and where the account is read, and not for each operation once more.

use std::time::{Duration, Instant};

use contract_tests::contract::Contract;
use contract_tests::visitor::english;
use contract_tests::waiting::PATIENCE;
use contract_tests::{PASSWORD, Sandbox, Visitor, json, tests};
use tokio::time::sleep;

tests! {
    on_sqlite:
    each_refusal_of_signing_in_is_shown needs Chromium,
    each_refusal_of_a_passkey_is_shown needs Chromium,
    each_refusal_before_an_account_is_there_is_shown needs Chromium,
    each_refusal_of_a_set_up_is_shown needs Chromium,
    each_refusal_of_a_method_is_shown needs Chromium,
    each_refusal_of_an_account_is_shown needs Chromium,
    each_refusal_of_a_new_address_is_shown needs Chromium,
    each_refusal_of_fresh_proof_is_shown needs Chromium,
}

/// What every operation can answer, or every one that takes a bearer.
const GENERAL: [&str; 7] = [
    "TOKEN_EXPIRED",
    "VALIDATION",
    "REQUEST_TIMEOUT",
    "PAYLOAD_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
    "INTERNAL",
    "SERVICE_UNAVAILABLE",
];

/// Where those are forced as well.
const WITH_GENERAL: [&str; 2] = ["login", "getCurrentUser"];

const SEVERAL: &str = "several@example.com";
const NONE: &str = "none@example.com";
const SIGN_IN: &str = "#password-form button[type=submit]";
const CODE: &str = ".code-form button";
const TASK: &str = "#task form button[type=submit]";
const PROOF: &str = "#proof .code-form button";
/// Instead of a button: loading the page once more.
const RELOAD: &str = "";

/// A step of a visitor.
#[derive(Clone, Copy)]
enum Step {
    /// Begins anew, a day later, and opens a page.
    Go(&'static str),
    /// Begins anew and signs in.
    In(&'static str),
    Fill(&'static str, &'static str),
    Press(&'static str),
    See(&'static str),
    Choose(&'static str),
    Touch(bool),
    /// Forces an error for the next call of an operation.
    Force(&'static str, &'static str),
}

use Step::{Choose, Fill, Force, Go, In, Press, See, Touch};

async fn take(visitor: &Visitor, step: Step) {
    match step {
        Go(path) => {
            visitor.sandbox.advance(86_400).await;
            visitor.forgets().await;
            visitor.go(path).await;
        }
        In(email) => {
            visitor.sandbox.advance(31).await;
            visitor.forgets().await;
            visitor.gives_password(email).await;
            let shown = "#account:not([hidden]), .second";
            visitor.browser.element(shown).await;
            if email == SEVERAL {
                let code = visitor.sandbox.code_of(email).await;
                visitor.answers(&code).await;
            }
            visitor.is_in().await;
        }
        Fill(field, text) => visitor.fill(&[(field, text)]).await,
        Press(button) => visitor.press(button).await,
        See(element) => drop(visitor.browser.element(element).await),
        Choose(way) => visitor.chooses(way).await,
        Touch(touches) => visitor.browser.touches(touches).await,
        Force(operation, code) => force(visitor, operation, code).await,
    }
}

async fn force(visitor: &Visitor, operation: &str, code: &str) {
    // Browsers send again what was answered with 408 (RFC 9110 §15.5.9).
    // After a passkey was refused the page offers passkeys again, and the authenticator takes that up at once.
    let is_repeated = code == "REQUEST_TIMEOUT" || operation == "signInWithPasskey";
    let times = if is_repeated { 5 } else { 1 };
    let wanted =
        json!({ "api": "identity", "operationId": operation, "errorCode": code, "times": times });
    let forced = visitor.sandbox.post("/sandbox/errors", &wanted).await;
    forced.is(201);
}

/// Goes to where an operation is called, once for each of its errors, calls it by a button, and reads
/// what the page says. Returns how many errors there were.
async fn play(visitor: &Visitor, operation: &str, way: &[&[Step]], button: &str) -> usize {
    let name = format!("identity {operation}");
    let declared = Contract::get().triples().into_iter();
    let codes: Vec<String> = declared
        .filter(|(one, status, _)| *one == name && *status >= 400)
        .map(|(_, _, code)| code)
        .filter(|code| WITH_GENERAL.contains(&operation) || !GENERAL.contains(&code.as_str()))
        .collect();
    assert!(!codes.is_empty(), "{operation}");
    // A passkey that waits to be touched is touched only once the error is forced: the page may use it by itself.
    let touched = |step: &&Step| matches!(step, Touch(true));
    let steps = || way.iter().copied().flatten();
    for code in &codes {
        for step in steps().filter(|step| !touched(step)) {
            take(visitor, *step).await;
        }
        force(visitor, operation, code).await;
        if steps().any(|step| touched(&step)) {
            visitor.browser.touches(true).await;
        }
        match button {
            RELOAD => visitor.browser.reload().await,
            button => visitor.press(button).await,
        }
        shown(visitor, operation, code).await;
        visitor.sandbox.delete("/sandbox/errors").await.is(204);
    }
    codes.len()
}

/// Waits until a place where users look says one of the sentences for the code. Where fresh proof is wanted,
/// or the access token is over, the page does something about it instead.
async fn shown(visitor: &Visitor, operation: &str, code: &str) {
    match code {
        "INSUFFICIENT_USER_AUTHENTICATION" => {
            visitor.browser.element("#proof[open]").await;
            return;
        }
        "TOKEN_EXPIRED" => {
            visitor.is_in().await;
            return;
        }
        _other => {}
    }
    let texts = english();
    let own = format!("error.{code}");
    let beginning = |text: &str| text.split('{').next().unwrap_or(text).to_owned();
    let fits = |key: &str| {
        key == own
            || key.starts_with(&format!("{own}."))
            || (code == "VALIDATION" && key.starts_with("flaw."))
    };
    let mut sentences: Vec<String> = texts
        .iter()
        .filter(|(key, _)| fits(key))
        .map(|(_, text)| beginning(text))
        .collect();
    if code == "TOKEN_INVALID" {
        sentences.push(texts["notice.ended"].clone());
    }
    // Then the password is the proof.
    if (operation, code) == ("beginStepUp", "MFA_NOT_ENABLED") {
        sentences.push(texts["proof.password"].clone());
    }
    let places = "return [...document.querySelectorAll('.error, .notice, [role=status], .told')]
        .filter((one) => one.checkVisibility()).map((one) => one.textContent).join('\\n');";
    let started = Instant::now();
    loop {
        let said = visitor.browser.value(places).await;
        let said = said.as_str().unwrap_or_default();
        if sentences
            .iter()
            .any(|sentence| said.contains(sentence.as_str()))
        {
            return;
        }
        if started.elapsed() > PATIENCE {
            visitor.browser.picture("pages-unsaid").await;
            panic!("{operation}: {code} is not said, but: {said}");
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Goes to the second step of a sign-in.
const SECOND: [Step; 5] = [
    Go("/sign-in"),
    Fill("#email", SEVERAL),
    Fill("#password", PASSWORD),
    Press(SIGN_IN),
    See(".choices button"),
];

async fn each_refusal_of_signing_in_is_shown() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    let password = [
        Go("/sign-in"),
        Fill("#email", SEVERAL),
        Fill("#password", PASSWORD),
    ];
    let code = [Fill("#second-code", "000000")];
    let text = [Choose("Text message"), See(".resend:not([hidden])")];
    let passkey = [Choose("Passkey"), See(".passkey-form:not([hidden])")];
    let other = ".choices li:nth-child(2) button";
    let mut count = play(&visitor, "login", &[&password], SIGN_IN).await;
    count += play(&visitor, "verifyMfaLogin", &[&SECOND, &code], CODE).await;
    count += play(&visitor, "switchMfaMethod", &[&SECOND], other).await;
    count += play(
        &visitor,
        "resendMfaCode",
        &[&SECOND, &text],
        ".resend button",
    )
    .await;
    count += play(
        &visitor,
        "getPasskeyOptions",
        &[&SECOND, &passkey],
        ".passkey-form button",
    )
    .await;
    let alone = [Go("/sign-in"), See("#passkey-form:not([hidden])")];
    count += play(
        &visitor,
        "getSignInPasskeyOptions",
        &[&alone],
        "#passkey-form button",
    )
    .await;
    println!("refusals shown: {count}");
    visitor.leaves().await;
}

async fn each_refusal_of_a_passkey_is_shown() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    visitor.browser.with_authenticator().await;
    let begin = [
        Touch(false),
        In(NONE),
        Press("[data-add=passkey]"),
        Fill("#task-set-up-password", PASSWORD),
        Press(TASK),
        See("#task .make-passkey"),
        Touch(true),
    ];
    let mut count = play(&visitor, "verifyPasskeySetup", &[&begin], TASK).await;
    for step in begin {
        take(&visitor, step).await;
    }
    visitor.press(TASK).await;
    visitor.press("#task .ready").await;

    let alone = [
        Touch(false),
        Go("/sign-in"),
        See("#passkey-form:not([hidden])"),
        Touch(true),
    ];
    count += play(
        &visitor,
        "signInWithPasskey",
        &[&alone],
        "#passkey-form button",
    )
    .await;
    let second = [
        Touch(false),
        Go("/sign-in"),
        Fill("#email", NONE),
        Fill("#password", PASSWORD),
        Press(SIGN_IN),
        See(".passkey-form:not([hidden])"),
        // The first page would take the passkey at once, after a refusal that leads back there.
        Force("signInWithPasskey", "MFA_TOKEN_EXPIRED"),
        Touch(true),
    ];
    count += play(
        &visitor,
        "verifyPasskeyLogin",
        &[&second],
        ".passkey-form button",
    )
    .await;
    println!("refusals shown: {count}");
    visitor.leaves().await;
}

async fn each_refusal_before_an_account_is_there_is_shown() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    let register = "#register-form button[type=submit]";
    let filled = [
        Go("/register"),
        Fill("#email", "new@example.com"),
        Fill("#password", PASSWORD),
    ];
    let mailed = [
        Press(register),
        See("#proof:not([hidden])"),
        Fill("#code", "000000"),
    ];
    let mut count = play(&visitor, "registerUser", &[&filled], register).await;
    count += play(
        &visitor,
        "verifyRegistration",
        &[&filled, &mailed],
        "#code-form button",
    )
    .await;
    let forgot = "#forgot-form button";
    let asked = [Go("/forgot-password"), Fill("#email", SEVERAL)];
    let chosen = [
        Press(forgot),
        See("#choose:not([hidden])"),
        Fill("#code", "000000"),
        Fill("#password", "four wooden spoons sing"),
    ];
    count += play(&visitor, "forgotPassword", &[&asked], forgot).await;
    count += play(
        &visitor,
        "resetPassword",
        &[&asked, &chosen],
        "#new-form button[type=submit]",
    )
    .await;
    println!("refusals shown: {count}");
    visitor.leaves().await;
}

async fn each_refusal_of_a_set_up_is_shown() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    let begin = [
        In(NONE),
        Press("[data-add=authenticator]"),
        Fill("#task-set-up-password", PASSWORD),
    ];
    let scanned = [
        Press(TASK),
        See("#task .qr"),
        Fill("#second-code", "000000"),
    ];
    let mut count = play(&visitor, "setupMfa", &[&begin], TASK).await;
    count += play(
        &visitor,
        "verifyMfaSetup",
        &[&begin, &scanned],
        "#task .code-form button",
    )
    .await;
    println!("refusals shown: {count}");
    visitor.leaves().await;
}

async fn each_refusal_of_a_method_is_shown() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    let signed_in = [In(SEVERAL)];
    let rename = [
        Press("#methods .row button:first-child"),
        Fill("#task-new-name", "Tablet"),
    ];
    let remove = [Press("#methods .row button:last-child")];
    let codes = [Press("#make-codes")];
    let first = "#methods .row button:nth-child(2)";
    let mut count = play(&visitor, "listMfaMethods", &[&signed_in], RELOAD).await;
    count += play(&visitor, "renameMfaMethod", &[&signed_in, &rename], TASK).await;
    count += play(&visitor, "setPrimaryMfaMethod", &[&signed_in], first).await;
    count += play(&visitor, "deleteMfaMethod", &[&signed_in, &remove], TASK).await;
    count += play(
        &visitor,
        "generateRecoveryCodes",
        &[&signed_in, &codes],
        TASK,
    )
    .await;
    println!("refusals shown: {count}");
    visitor.leaves().await;
}

async fn each_refusal_of_an_account_is_shown() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    let signed_in = [In(NONE)];
    let password = [
        Press("#change-password"),
        Fill("#task-old", PASSWORD),
        Fill("#task-new", "four wooden spoons sing"),
    ];
    let delete = [Press("#delete"), Fill("#task-password-now", PASSWORD)];
    // Each sign-in begins a session.
    let others = [In(NONE), Press("#end-others")];
    let other = [In(NONE), Press("#sessions .row:nth-child(2) button")];
    let mut count = 0;
    for read in [
        "getCurrentUser",
        "listSessions",
        "listActivity",
        "refreshToken",
    ] {
        count += play(&visitor, read, &[&signed_in], RELOAD).await;
    }
    count += play(&visitor, "changePassword", &[&signed_in, &password], TASK).await;
    let names = [Press("#change-names"), Fill("#task-last-name", "Baker")];
    count += play(&visitor, "updateCurrentUser", &[&signed_in, &names], TASK).await;
    count += play(&visitor, "endOtherSessions", &[&signed_in, &others], TASK).await;
    count += play(&visitor, "endSession", &[&signed_in, &other], TASK).await;
    count += play(&visitor, "exportCurrentUser", &[&signed_in], "#export").await;
    count += play(&visitor, "deleteCurrentUser", &[&signed_in, &delete], TASK).await;
    count += play(&visitor, "logout", &[&signed_in], "#sign-out").await;
    println!("refusals shown: {count}");
    visitor.leaves().await;
}

async fn each_refusal_of_a_new_address_is_shown() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    let asked = [
        In(NONE),
        Press("#change-email"),
        Fill("#task-new-email", "new@example.com"),
        Fill("#task-email-password", PASSWORD),
    ];
    let mailed = [
        Press(TASK),
        See("#task-email-code-field"),
        Fill("#task-email-code-field", "000000"),
    ];
    let link = [Go(
        "/undo-email#eu_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    )];
    let mut count = play(&visitor, "beginEmailChange", &[&asked], TASK).await;
    count += play(&visitor, "verifyEmailChange", &[&asked, &mailed], TASK).await;
    count += play(&visitor, "undoEmailChange", &[&link], "main form button").await;
    println!("refusals shown: {count}");
    visitor.leaves().await;
}

async fn each_refusal_of_fresh_proof_is_shown() {
    let sandbox = Sandbox::start().await;
    let visitor = Visitor::of(&sandbox).await;
    let wanted = [
        In(SEVERAL),
        Press("#methods .row button:first-child"),
        Fill("#task-new-name", "Tablet"),
        Force("renameMfaMethod", "INSUFFICIENT_USER_AUTHENTICATION"),
    ];
    let asked = [
        Press(TASK),
        See("#proof .second"),
        Fill("#proof input", "000000"),
    ];
    let mut count = play(&visitor, "beginStepUp", &[&wanted], TASK).await;
    count += play(&visitor, "verifyStepUp", &[&wanted, &asked], PROOF).await;
    println!("refusals shown: {count}");
    visitor.leaves().await;
}
