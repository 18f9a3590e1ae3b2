//! Try It of the sandbox in a browser: every untouched example succeeds on the first click, a chosen error comes back, whole sign-ins go on from call to call, and what was typed stays.

use contract_tests::browser::Browser;
use contract_tests::contract::Contract;
use contract_tests::{Sandbox, Value, json, tests};

tests! {
    on_sqlite:
    every_untouched_example_succeeds_on_the_first_click_and_a_chosen_error_comes_back needs Chromium,
    whoever_is_chosen_signs_in_from_call_to_call_in_each_api needs Chromium,
    what_was_typed_stays_and_the_rest_is_filled_in needs Chromium,
    the_panel_shows_messages_and_moves_the_clock_by_keyboard_too needs Chromium,
}

/// The documents, as the selector and the server call them.
const DOCUMENTS: [(&str, &str); 5] = [
    ("Countersign (identity)", "identity"),
    ("Netevia", "netevia"),
    ("Flashback", "flashback"),
    ("Veeam", "veeam"),
    ("Sandbox", "sandbox"),
];

/// Opens an operation, presses Execute, then chooses an error and presses again: what the page shows each time.
const PRESS: &str = "
    const block = document.querySelector(`.opblock[id$='-${given.operation}']`);
    const until = async (find) => {
        for (const begun = Date.now(); Date.now() - begun < 20000;) {
            const found = find();
            if (found) return found;
            await new Promise((done) => setTimeout(done, 10));
        }
        throw new Error(`${given.operation} does not go on`);
    };
    const row = '.live-responses-table tr.response';
    const press = async () => {
        block.querySelector('button.execute').click();
        const status = await until(() => block.querySelector(`${row} .response-col_status`));
        return {
            status: status.textContent,
            body: block.querySelector(`${row} .highlight-code pre`)?.textContent ?? '',
            note: block.querySelector('.try-it [role=status]').textContent,
        };
    };
    const head = block.querySelector('.opblock-summary-control');
    head.click();
    const choice = await until(() => block.querySelector('.try-it select'));
    await until(() => !block.querySelector('.opblock-loading-animation'));
    const done = await press();
    const errors = [...choice.options].map((one) => one.textContent).slice(1);
    let forced;
    if (given.error) {
        block.querySelector('.btn-clear').click();
        await until(() => !block.querySelector(row));
        const set = Object.getOwnPropertyDescriptor(HTMLSelectElement.prototype, 'value').set;
        set.call(choice, given.error);
        choice.dispatchEvent(new Event('change', { bubbles: true }));
        forced = await press();
    }
    head.click();
    return { done, errors, forced };
";

async fn opened(browser: &Browser, sandbox: &Sandbox, label: &str) {
    let name = label.replace(' ', "%20");
    let url = format!("{}/swagger-ui/?urls.primaryName={name}", sandbox.url());
    browser.open(&url).await;
    browser.element("div.opblock").await;
    // The panel has asked who there is.
    browser
        .element(".sandbox-caller option:nth-of-type(5)")
        .await;
}

fn operations(api: &str) -> Vec<&'static str> {
    let contract = Contract::get();
    let all = contract.operations.iter().chain(&contract.of_the_sandbox);
    let ours = all.filter(|one| one.api == api);
    ours.map(|one| one.id.as_str()).collect()
}

/// The errors that an operation documents, as the selector names them.
fn documented(api: &str, operation: &str) -> Vec<String> {
    let name = format!("{api} {operation}");
    let triples = Contract::get().triples().into_iter();
    let ours = triples.filter(|(of, status, _)| *of == name && *status >= 400);
    ours.map(|(_, status, code)| format!("{status} {code}"))
        .collect()
}

async fn every_untouched_example_succeeds_on_the_first_click_and_a_chosen_error_comes_back() {
    let sandbox = Sandbox::start().await;
    let browser = Browser::start().await;
    let (mut succeeded, mut forced) = (0, 0);
    let (mut failed, mut faults) = (Vec::new(), Vec::new());
    for (label, api) in DOCUMENTS {
        opened(&browser, &sandbox, label).await;
        // Backwards, so that no operation has what another one left behind. The first one has the first of its errors,
        // the second one the second, and so on.
        for (place, operation) in operations(api).into_iter().rev().enumerate() {
            let mut errors = documented(api, operation);
            let error = errors.get(place % errors.len().max(1)).cloned();
            let code = error.as_deref().and_then(|error| error.split(' ').nth(1));
            let given = json!({ "operation": operation, "error": code });
            let shown = browser.page(PRESS, &given).await;
            // The page adds a word where the status is not documented.
            let status = shown["done"]["status"].as_str().unwrap_or_default();
            match status.len() == 3 && status.starts_with('2') {
                true => succeeded += 1,
                false => failed.push(format!("{api} {operation}: {shown}")),
            }
            if let Some(error) = &error {
                let answer = shown["forced"]["body"].as_str().unwrap_or_default();
                let answer: Value = serde_json::from_str(answer).unwrap_or_default();
                let status = shown["forced"]["status"].as_str().unwrap_or_default();
                let told = format!("{status} {}", answer["code"].as_str().unwrap_or_default());
                match told == *error {
                    true => forced += 1,
                    false => failed.push(format!("{api} {operation}, {error}: {shown}")),
                }
            }
            let offered: Option<Vec<String>> = serde_json::from_value(shown["errors"].clone()).ok();
            let mut offered = offered.unwrap_or_default();
            errors.sort();
            offered.sort();
            assert_eq!(offered, errors, "{api} {operation} offers its errors");
        }
        faults.extend(browser.faults(&sandbox.url()).await);
    }
    browser.stop().await;
    println!("{succeeded} examples succeeded, {forced} errors came back");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(faults, Vec::<String>::new());
}

/// In each API: who signs in, by which operations, and what the last answer says of them.
const SIGN_INS: [(&str, &str, &[&str], &str); 4] = [
    (
        "Countersign (identity)",
        "authenticator@example.com",
        &["login", "verifyMfaLogin", "getCurrentUser"],
        "/email",
    ),
    (
        "Netevia",
        "email@example.com",
        &["authenticate", "completeAuthentication", "enableMfaSignIn"],
        "",
    ),
    (
        "Flashback",
        "administrator@example.com",
        &["login", "getMfaStatus", "verifyMfaLogin", "getProfile"],
        "/data/email",
    ),
    (
        "Veeam",
        "several@example.com",
        &["requestToken", "requestToken", "getUser"],
        "/name",
    ),
];

async fn whoever_is_chosen_signs_in_from_call_to_call_in_each_api() {
    let sandbox = Sandbox::start().await;
    let browser = Browser::start().await;
    let mut faults = Vec::new();
    for (place, (label, who, steps, pointer)) in SIGN_INS.into_iter().enumerate() {
        browser
            .looks(if place % 2 == 0 { 1280 } else { 390 }, place > 1)
            .await;
        opened(&browser, &sandbox, label).await;
        choose(&browser, who).await;
        let mut last = Value::Null;
        for step in steps {
            let (status, answer) = browser.execute(step, None).await;
            assert_eq!(status, 200, "{label} {step}: {answer}");
            last = answer;
        }
        if !pointer.is_empty() {
            assert_eq!(last.pointer(pointer), Some(&json!(who)), "{label}: {last}");
        }
        let note = format!(".opblock[id$='-{}'] .try-it [role=status]", steps[0]);
        let note = browser.text(&note).await;
        assert!(note.starts_with("Filled in: "), "{label}: {note}");
        let last = steps.last().expect("a step");
        for (width, dark) in [(1280, false), (1280, true), (390, false), (390, true)] {
            browser.looks(width, dark).await;
            // Swagger UI asks for the preferred look when it starts. Later there is a button.
            if browser.has("html.dark-mode").await != dark {
                browser.click(".dark-mode-toggle button").await;
            }
            let wide = browser.page(SHOW, &json!(last)).await;
            assert!(
                wide.as_u64() <= Some(width.into()),
                "{label} is wider than {width} pixels"
            );
            let look = if dark { "dark" } else { "light" };
            browser
                .picture(&format!("try-it-{}-{width}-{look}", place + 1))
                .await;
        }
        faults.extend(browser.faults(&sandbox.url()).await);
    }
    browser.stop().await;
    assert_eq!(faults, Vec::<String>::new());
}

/// Scrolls to what was filled in for an operation: how wide the page is.
const SHOW: &str = "
    document.querySelector(`.opblock[id$='-${given}'] .try-it`).scrollIntoView({ block: 'center', behavior: 'instant' });
    return document.documentElement.scrollWidth;
";

/// Chooses who calls. On a narrow screen the panel is closed.
async fn choose(browser: &Browser, who: &str) {
    if !browser.has(".sandbox > details[open]").await {
        browser.click(".sandbox > details > summary").await;
    }
    browser
        .click(&format!(".sandbox-caller option[value='{who}']"))
        .await;
    browser.picture("panel").await;
    // It covers the operations there.
    let narrow = "return innerWidth < 1100;";
    if browser.page(narrow, &json!(null)).await == json!(true) {
        browser.click(".sandbox > details > summary").await;
    }
}

async fn what_was_typed_stays_and_the_rest_is_filled_in() {
    let sandbox = Sandbox::start().await;
    let browser = Browser::start().await;
    opened(&browser, &sandbox, "Countersign (identity)").await;

    // One field of two: the other one is filled in. The code is wrong, as typed.
    let example = sandbox.get("/openapi/identity.json").await.is(200);
    let path =
        "/paths/~1identity~1mfa~1login~1verify/post/requestBody/content/application~1json/example";
    let mut body = example.body.pointer(path).expect("an example").clone();
    body["code"] = json!("000000");
    let (status, answer) = browser.execute("verifyMfaLogin", Some(&body)).await;
    assert_eq!((status, &answer["code"]), (400, &json!("INVALID_MFA_CODE")));
    let note = ".opblock[id$='-verifyMfaLogin'] .try-it [role=status]";
    let note = browser.text(note).await;
    assert_eq!(note, "Filled in: mfaToken. Kept as you typed: code.");

    // Whoever types an address goes on as that person, with what the answer gave.
    let body =
        json!({ "email": "several@example.com", "password": "correct horse battery staple" });
    let (status, _) = browser.execute("login", Some(&body)).await;
    assert_eq!(status, 200);
    let caller = "return document.querySelector('.sandbox-caller').value;";
    let caller = browser.page(caller, &json!(null)).await;
    assert_eq!(caller, json!("several@example.com"));
    let (status, methods) = browser.execute("listMfaMethods", None).await;
    let count = methods["factors"].as_array().map(Vec::len);
    assert_eq!((status, count), (200, Some(4)), "{methods}");

    // A bearer of the user's own is not replaced.
    let own = sandbox.login("none@example.com").await.text("accessToken");
    opened(&browser, &sandbox, "Countersign (identity)").await;
    browser.authorize(&own).await;
    let (_, me) = browser.execute("getCurrentUser", None).await;
    assert_eq!(me["email"], json!("none@example.com"));
    let faults = browser.faults(&sandbox.url()).await;
    browser.stop().await;
    assert_eq!(faults, Vec::<String>::new());
}

async fn the_panel_shows_messages_and_moves_the_clock_by_keyboard_too() {
    let sandbox = Sandbox::start().await;
    let browser = Browser::start().await;
    browser.looks(390, true).await;
    opened(&browser, &sandbox, "Countersign (identity)").await;
    assert!(!browser.has(".sandbox > details[open]").await, "closed");
    browser.press_enter(".sandbox > details > summary").await;
    browser.element(".sandbox > details[open]").await;
    browser.picture("panel-390-dark").await;

    sandbox.login("email@example.com").await;
    let mail = sandbox.last_to("email@example.com").await;
    let code = mail["code"].as_str().expect("a code");
    let button = ".sandbox-messages li:first-of-type > button";
    assert_eq!(browser.text(button).await, format!("Copy {code}"));
    let link = ".sandbox-messages li:first-of-type pre a[href*='#']";
    browser.element(link).await;
    sandbox.login("sms@example.com").await;
    browser.element(".sandbox-messages li:nth-of-type(2)").await;
    let newest = browser.text(".sandbox-messages li:first-of-type").await;
    assert!(newest.starts_with("Text to +1201555"), "{newest}");

    let before = sandbox.inner.now();
    browser
        .press_enter(".sandbox-buttons button:nth-of-type(2)")
        .await;
    contract_tests::waiting::until("a later time", async || {
        (sandbox.inner.now() >= before.plus_seconds(600)).then_some(())
    })
    .await;
    browser
        .press_enter(".sandbox-buttons button[aria-pressed='false']")
        .await;
    browser
        .element(".sandbox-buttons button[aria-pressed='true']")
        .await;
    assert!(sandbox.inner.is_held());
    shows_the_code_of_an_app(&browser, &sandbox).await;
    let faults = browser.faults(&sandbox.url()).await;
    browser.stop().await;
    assert_eq!(faults, Vec::<String>::new());
}

/// The clock is held, so the code stays the same.
async fn shows_the_code_of_an_app(browser: &Browser, sandbox: &Sandbox) {
    let email = "authenticator@example.com";
    browser
        .click(&format!(".sandbox-caller option[value='{email}']"))
        .await;
    browser.press_enter(".sandbox-app button").await;
    let code = sandbox.code_of(email).await;
    let shown = browser.text(".sandbox-app button[title='Copy']").await;
    assert_eq!(shown, format!("Copy {code}"));
}
