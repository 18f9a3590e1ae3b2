//! Swagger UI in a browser: the whole main job by clicking Authorize, Try it out and Execute.

use contract_tests::browser::Browser;
use contract_tests::{Authenticator, PASSWORD, Server, Value, json, tests};

tests! {
    a_person_signs_in_by_clicking_through_swagger_ui needs Chromium,
}

fn text(answer: &Value, member: &str) -> String {
    answer[member]
        .as_str()
        .unwrap_or_else(|| panic!("no {member} in {answer}"))
        .to_owned()
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

    let (status, begun) = browser.execute("registerUser", None).await;
    assert_eq!(status, 202, "the example succeeds as it stands: {begun}");
    let code = server.mail.code_to("alice@example.com").await;
    let body = json!({ "registrationToken": text(&begun, "registrationToken"), "code": code });
    let (status, proved) = browser.execute("verifyRegistration", Some(&body)).await;
    assert_eq!(status, 201, "{proved}");
    browser.authorize(&text(&proved, "accessToken")).await;

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

    let (status, _) = browser.execute("logout", None).await;
    assert_eq!(status, 204);
    let (status, refused) = browser.execute("getCurrentUser", None).await;
    assert_eq!(
        (status, &refused["code"]),
        (401, &json!("TOKEN_INVALID")),
        "{refused}"
    );

    let (status, asked) = browser.execute("login", None).await;
    assert_eq!(
        (status, &asked["mfaRequired"]),
        (200, &json!(true)),
        "{asked}"
    );
    server.clock.advance(30);
    let body = json!({ "mfaToken": text(&asked, "mfaToken"), "code": app.by_oathtool(server.clock.now()) });
    let (status, signed_in) = browser.execute("verifyMfaLogin", Some(&body)).await;
    assert_eq!(status, 200, "{signed_in}");
    browser.authorize(&text(&signed_in, "accessToken")).await;
    let (status, me) = browser.execute("getCurrentUser", None).await;
    assert_eq!(
        (status, &me["session"]["acr"]),
        (200, &json!("aal2")),
        "{me}"
    );
    let faults = browser.faults(&origin).await;

    browser.reload().await;
    browser.element("div.opblock").await;
    let (status, me) = browser.execute("getCurrentUser", None).await;
    assert_eq!(status, 200, "the authorization outlives a reload: {me}");
    let after = browser.faults(&origin).await;
    browser.stop().await;
    assert_eq!([faults, after].concat(), Vec::<String>::new());
}
