//! Swagger UI in a browser: the whole main job by clicking Authorize, Try it out and Execute.

use contract_tests::browser::Browser;
use contract_tests::{Authenticator, PASSWORD, Server, Value, json, tests};

tests! {
    on_sqlite:
    a_person_signs_in_by_clicking_through_swagger_ui needs Chromium,
    every_document_reads_well needs Chromium,
}

/// The documents, as in the selector, with their titles.
const DOCUMENTS: [(&str, &str); 4] = [
    ("Countersign (identity)", "Countersign identity API"),
    ("Netevia", "Countersign Netevia API"),
    ("Flashback", "Countersign Flashback API"),
    ("Veeam", "Countersign Veeam API"),
];

/// Operations that end the session of their caller.
const ENDINGS: [&str; 4] = ["logout", "deleteCurrentUser", "deleteUser", "deleteUserV81"];

/// Asserts that the page has the service's name, fits its screen, and begins with little to read.
fn fits_and_begins_short(shown: &Value, title: &str, width: u32) {
    assert_eq!(shown["tab"], "Acme: Swagger UI");
    let viewport = "width=device-width, initial-scale=1";
    assert_eq!(shown["viewport"], viewport, "as wide as the phone");
    let labels = DOCUMENTS.map(|(label, _)| label);
    assert_eq!(shown["documents"], json!(labels), "by name");
    let words = shown["words"].as_u64().expect("a number");
    assert!(words <= 150, "{title} begins with {words} words");
    assert!(shown["sections"].as_u64() >= Some(3), "{shown}");
    let hint = shown["hint"].as_str();
    assert!(hint.is_some_and(|hint| hint.contains("countersign sandbox")));
    assert_eq!(
        shown["title"].as_str().map(|text| text.starts_with(title)),
        Some(true),
        "{shown}"
    );
    assert_eq!(shown["schemas"], 0, "a list of all schemas");
    assert_eq!(shown["overflow"], 0, "{title} is wider than {width} pixels");
    assert_eq!(
        shown["covering"],
        json!([]),
        "code that paints over its neighbours"
    );
}

/// Asserts that what ends the session comes last, since people try one operation after the other.
fn ends_the_session_last(shown: &Value, title: &str) {
    let operations: Vec<&str> = shown["operations"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let ends = |one: &&str| ENDINGS.iter().any(|end| one.ends_with(&format!("-{end}")));
    let first = operations.iter().position(ends);
    let after = first.map_or(&[][..], |first| &operations[first..]);
    assert!(
        after.iter().all(ends),
        "{title}: something comes after {after:?}"
    );
}

/// Asserts that Veeam's form, which the page shows, can be sent as it is.
async fn sends_veeams_form_as_it_is(browser: &Browser) {
    let (status, answer) = browser.execute("requestToken", None).await;
    assert_eq!(
        (status, answer["mfa_enabled"].as_bool()),
        (200, Some(false)),
        "{answer}"
    );
    let form = "return [...document.querySelectorAll(\".opblock[id$='-requestToken'] .parameters input[type=text]\")].map((one) => one.value);";
    let fields = browser.page(form, &json!(null)).await;
    let filled = fields.as_array().expect("a list");
    assert_eq!(filled.len(), 6, "{fields}");
    assert!(filled.iter().all(|one| one != ""), "{fields}");
    browser.picture("veeam-form").await;
}

/// Asserts that of several examples of a body, the first one is shown first.
async fn shows_the_first_example(browser: &Browser, origin: &str) {
    browser.open(&format!("{origin}/swagger-ui/")).await;
    browser.element("div.opblock").await;
    browser
        .click(".opblock[id$='-setupMfa'] .opblock-summary-control")
        .await;
    let body = ".opblock[id$='-setupMfa'] textarea.body-param__text";
    let first = browser.text(body).await;
    assert!(first.contains("authenticator"), "{first}");
}

async fn every_document_reads_well() {
    let server = Server::with(|settings| settings.issuer_name = "Acme".to_owned()).await;
    let browser = Browser::start().await;
    let origin = server.url();
    let mut faults = Vec::new();
    for ((label, title), (width, dark)) in DOCUMENTS
        .into_iter()
        .flat_map(|document| [(1280, false), (390, true)].map(|look| (document, look)))
    {
        browser.looks(width, dark).await;
        let name = label.replace(' ', "%20");
        browser
            .open(&format!("{origin}/swagger-ui/?urls.primaryName={name}"))
            .await;
        browser.element("div.opblock").await;
        let shown = browser.page(LOOK, &json!({ "width": width })).await;
        fits_and_begins_short(&shown, title, width);
        ends_the_session_last(&shown, title);
        browser
            .picture(&format!("{}-{width}", title.replace(' ', "-")))
            .await;
        faults.extend(browser.faults(&origin).await);
    }
    // The page shows Veeam's document now.
    server.registered("alice@example.com").await;
    sends_veeams_form_as_it_is(&browser).await;
    shows_the_first_example(&browser, &origin).await;
    browser.stop().await;
    assert_eq!(faults, Vec::<String>::new());
}

/// A script that collects what a reader of the page sees.
const LOOK: &str = "
    const all = (selector) => [...document.querySelectorAll(selector)];
    all('.info details').forEach((one) => { one.open = true; });
    const code = all('.markdown code, .renderedMarkdown code').filter((one) => !one.closest('pre'));
    return {
        tab: document.title,
        viewport: document.querySelector('meta[name=viewport]')?.content,
        documents: all('#select option').map((one) => one.textContent),
        title: document.querySelector('.info h1, .info h2').textContent,
        hint: document.querySelector('.hint')?.textContent,
        words: all('.info .description .renderedMarkdown > p').map((one) => one.textContent).join(' ').split(/\\s+/).length,
        sections: all('.info details').length,
        schemas: all('section.models').length,
        overflow: Math.max(0, document.documentElement.scrollWidth - given.width),
        covering: code.filter((one) => {
            const around = getComputedStyle(one.parentElement);
            // `normal` is no number.
            const line = parseFloat(around.lineHeight) || 1.2 * parseFloat(around.fontSize);
            return [...one.getClientRects()].some((box) => box.height > line + 0.5);
        }).map((one) => one.textContent),
        operations: all('.opblock').map((one) => one.id),
    };
";

fn text(answer: &Value, member: &str) -> String {
    answer[member]
        .as_str()
        .unwrap_or_else(|| panic!("no {member} in {answer}"))
        .to_owned()
}

/// Registers Alice with the page's example, and proves her address.
async fn registers(browser: &Browser, server: &Server) {
    let (status, begun) = browser.execute("registerUser", None).await;
    assert_eq!(status, 202, "the example succeeds as it stands: {begun}");
    let code = server.mail.code_to("alice@example.com").await;
    let body = json!({ "registrationToken": text(&begun, "registrationToken"), "code": code });
    let (status, proved) = browser.execute("verifyRegistration", Some(&body)).await;
    assert_eq!(status, 201, "{proved}");
    browser.authorize(&text(&proved, "accessToken")).await;
}

/// Sets up an app, and returns it.
async fn sets_up_an_app(browser: &Browser, server: &Server) -> Authenticator {
    let body = json!({ "method": "authenticator", "password": PASSWORD });
    let (status, setup) = browser.execute("setupMfa", Some(&body)).await;
    assert_eq!(status, 200, "{setup}");
    let app = Authenticator::new(&text(&setup, "secret"));
    let code = app.by_oathtool(server.clock.now());
    let body = json!({ "mfaToken": text(&setup, "mfaToken"), "code": code });
    let (status, enabled) = browser.execute("verifyMfaSetup", Some(&body)).await;
    assert_eq!(
        (status, &enabled["mfaMethods"]),
        (200, &json!(["authenticator"])),
        "{enabled}"
    );
    app
}

/// Signs out.
async fn signs_out(browser: &Browser) {
    let (status, _) = browser.execute("logout", None).await;
    assert_eq!(status, 204);
    let (status, refused) = browser.execute("getCurrentUser", None).await;
    assert_eq!(
        (status, &refused["code"]),
        (401, &json!("TOKEN_INVALID")),
        "{refused}"
    );
}

/// Signs in with the page's example and the app.
async fn signs_in(browser: &Browser, server: &Server, app: &Authenticator) {
    let (status, asked) = browser.execute("login", None).await;
    assert_eq!(
        (status, &asked["mfaRequired"]),
        (200, &json!(true)),
        "{asked}"
    );
    server.clock.advance(30);
    let code = app.by_oathtool(server.clock.now());
    let body = json!({ "mfaToken": text(&asked, "mfaToken"), "code": code });
    let (status, signed_in) = browser.execute("verifyMfaLogin", Some(&body)).await;
    assert_eq!(status, 200, "{signed_in}");
    browser.authorize(&text(&signed_in, "accessToken")).await;
    let (status, me) = browser.execute("getCurrentUser", None).await;
    assert_eq!(
        (status, &me["session"]["acr"]),
        (200, &json!("aal2")),
        "{me}"
    );
}

async fn a_person_signs_in_by_clicking_through_swagger_ui() {
    let server = Server::start().await;
    let browser = Browser::start().await;
    let origin = server.url();
    browser.open(&origin).await;
    browser.element("div.opblock").await;
    assert_eq!(
        browser.address().await,
        format!("{origin}/swagger-ui/"),
        "the root leads there"
    );
    browser.picture("swagger-ui").await;

    registers(&browser, &server).await;
    let app = sets_up_an_app(&browser, &server).await;
    signs_out(&browser).await;
    signs_in(&browser, &server, &app).await;
    let faults = browser.faults(&origin).await;

    browser.reload().await;
    browser.element("div.opblock").await;
    let (status, me) = browser.execute("getCurrentUser", None).await;
    assert_eq!(status, 200, "the authorization outlives a reload: {me}");
    let after = browser.faults(&origin).await;
    browser.stop().await;
    assert_eq!([faults, after].concat(), Vec::<String>::new());
}
