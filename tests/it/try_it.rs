//! Try It of the sandbox in a browser: every untouched example succeeds on the first click, whole sign-ins go on from call to call, a chosen error comes back, and what was typed stays.

use contract_tests::browser::Browser;
use contract_tests::contract::Contract;
use contract_tests::{Sandbox, Value, json, tests};

tests! {
    every_untouched_example_succeeds_on_the_first_click needs Chromium,
    whoever_is_chosen_signs_in_from_call_to_call_in_each_api needs Chromium,
    a_chosen_error_comes_back_as_it_is_documented needs Chromium,
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

/// Opens an operation, presses Execute once and tells what the page shows.
const PRESS: &str = "
    const block = document.querySelector(`.opblock[id$='-${given.operation}']`);
    const until = async (find) => {
        for (const begun = Date.now(); Date.now() - begun < 20000;) {
            const found = find();
            if (found) return found;
            await new Promise((done) => setTimeout(done, 20));
        }
        throw new Error(`${given.operation} does not go on`);
    };
    const head = block.querySelector('.opblock-summary-control');
    head.click();
    const button = await until(() => block.querySelector('button.execute'));
    await until(() => !block.querySelector('.opblock-loading-animation'));
    const choice = block.querySelector('.try-it select');
    if (given.error) {
        const set = Object.getOwnPropertyDescriptor(HTMLSelectElement.prototype, 'value').set;
        set.call(choice, given.error);
        choice.dispatchEvent(new Event('change', { bubbles: true }));
    }
    button.click();
    const row = '.live-responses-table tr.response';
    const status = await until(() => block.querySelector(`${row} .response-col_status`));
    const shown = {
        status: status.textContent,
        body: block.querySelector(`${row} .highlight-code pre`)?.textContent ?? '',
        note: block.querySelector('.try-it [role=status]').textContent,
        errors: [...choice.options].map((one) => one.textContent).slice(1),
    };
    head.click();
    return shown;
";

async fn opened(browser: &Browser, sandbox: &Sandbox, label: &str) {
    let name = label.replace(' ', "%20");
    let url = format!("{}/swagger-ui/?urls.primaryName={name}", sandbox.url());
    browser.open(&url).await;
    browser.element("div.opblock").await;
    // The panel has asked who there is.
    browser.element(".sandbox-caller option:nth-of-type(5)").await;
}

async fn press(browser: &Browser, operation: &str, error: Option<&str>) -> Value {
    let given = json!({ "operation": operation, "error": error });
    browser.page(PRESS, &given).await
}

fn operations(api: &str) -> Vec<&'static str> {
    let contract = Contract::get();
    let all = contract.operations.iter().chain(&contract.of_the_sandbox);
    let ours = all.filter(|one| one.api == api);
    ours.map(|one| one.id.as_str()).collect()
}

async fn every_untouched_example_succeeds_on_the_first_click() {
    let sandbox = Sandbox::start().await;
    let browser = Browser::start().await;
    let (mut count, mut failed, mut faults) = (0, Vec::new(), Vec::new());
    for (label, api) in DOCUMENTS {
        opened(&browser, &sandbox, label).await;
        // Backwards, so that no operation has what another one left behind.
        for operation in operations(api).into_iter().rev() {
            let shown = press(&browser, operation, None).await;
            count += 1;
            // The page adds a word where the status is not documented.
            let status = shown["status"].as_str().unwrap_or_default();
            if status.len() != 3 || !status.starts_with('2') {
                failed.push(format!("{api} {operation}: {shown}"));
            }
        }
        faults.extend(browser.faults(&sandbox.url()).await);
    }
    browser.stop().await;
    println!("{} of {count} examples succeeded", count - failed.len());
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
        for (width, dark) in [(1280, false), (1280, true), (390, false), (390, true)] {
            browser.looks(width, dark).await;
            let wide = "return document.documentElement.scrollWidth;";
            assert_eq!(
                browser.page(wide, &json!(null)).await,
                json!(width),
                "{label} is as wide as the screen"
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

/// Chooses who calls. On a narrow screen the panel is closed.
async fn choose(browser: &Browser, who: &str) {
    if !browser.has(".sandbox > details[open]").await {
        browser.click(".sandbox > details > summary").await;
    }
    browser
        .click(&format!(".sandbox-caller option[value='{who}']"))
        .await;
    // On a narrow screen it covers the operations.
    if browser.address().await.contains("Netevia") {
        browser.picture("panel").await;
    }
    let narrow = "return innerWidth < 1100;";
    if browser.page(narrow, &json!(null)).await == json!(true) {
        browser.click(".sandbox > details > summary").await;
    }
}

async fn a_chosen_error_comes_back_as_it_is_documented() {
    let sandbox = Sandbox::start().await;
    let browser = Browser::start().await;
    let mut count = 0;
    for (label, api) in DOCUMENTS {
        opened(&browser, &sandbox, label).await;
        // The first operation has the first error, the second one the second, and so on.
        for (place, operation) in operations(api).into_iter().enumerate() {
            let documented: Vec<(u16, String)> = Contract::get()
                .triples()
                .into_iter()
                .filter(|(name, status, _)| *name == format!("{api} {operation}") && *status >= 400)
                .map(|(_, status, code)| (status, code))
                .collect();
            if documented.is_empty() {
                continue;
            }
            let (status, code) = &documented[place % documented.len()];
            let shown = press(&browser, operation, Some(code)).await;
            assert_eq!(shown["status"], json!(status.to_string()), "{shown}");
            let body: Value = serde_json::from_str(shown["body"].as_str().expect("a text"))
                .unwrap_or_else(|_| panic!("{operation}: {shown}"));
            assert_eq!(body["code"], json!(code), "{api} {operation}");
            let offered = shown["errors"].as_array().expect("a list");
            assert_eq!(offered.len(), documented.len(), "{api} {operation}");
            count += 1;
        }
    }
    let faults = browser.faults(&sandbox.url()).await;
    browser.stop().await;
    println!("{count} operations answered with a chosen error");
    assert_eq!(faults, Vec::<String>::new());
}

async fn what_was_typed_stays_and_the_rest_is_filled_in() {
    let sandbox = Sandbox::start().await;
    let browser = Browser::start().await;
    opened(&browser, &sandbox, "Countersign (identity)").await;

    // One field of two: the other one is filled in. The code is wrong, as typed.
    let example = sandbox.get("/openapi/identity.json").await.is(200);
    let path = "/paths/~1identity~1mfa~1login~1verify/post/requestBody/content/application~1json/example";
    let mut body = example.body.pointer(path).expect("an example").clone();
    body["code"] = json!("000000");
    let (status, answer) = browser.execute("verifyMfaLogin", Some(&body)).await;
    assert_eq!((status, &answer["code"]), (400, &json!("INVALID_MFA_CODE")));
    let note = ".opblock[id$='-verifyMfaLogin'] .try-it [role=status]";
    let note = browser.text(note).await;
    assert_eq!(note, "Filled in: mfaToken. Kept as you typed: code.");

    // Whoever types an address goes on as that person, with what the answer gave.
    let body = json!({ "email": "several@example.com", "password": "correct horse battery staple" });
    let (status, _) = browser.execute("login", Some(&body)).await;
    assert_eq!(status, 200);
    let caller = "return document.querySelector('.sandbox-caller').value;";
    let caller = browser.page(caller, &json!(null)).await;
    assert_eq!(caller, json!("several@example.com"));
    let (status, methods) = browser.execute("listMfaMethods", None).await;
    assert_eq!((status, &methods["totalCount"]), (200, &json!(5)), "{methods}");

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
    sandbox.login("sms@example.com").await;
    browser.element(".sandbox-messages li:nth-of-type(2)").await;
    let newest = browser.text(".sandbox-messages li:first-of-type").await;
    assert!(newest.starts_with("Text to +1201555"), "{newest}");

    let before = sandbox.inner.now();
    browser.press_enter(".sandbox-buttons button:nth-of-type(2)").await;
    contract_tests::waiting::until("a later time", async || {
        (sandbox.inner.now() >= before.plus_seconds(600)).then_some(())
    })
    .await;
    browser.press_enter(".sandbox-buttons button[aria-pressed='false']").await;
    browser.element(".sandbox-buttons button[aria-pressed='true']").await;
    assert!(sandbox.inner.is_held());
    let faults = browser.faults(&sandbox.url()).await;
    browser.stop().await;
    assert_eq!(faults, Vec::<String>::new());
}
