//! Passkeys in a browser: its own WebAuthn client, and its virtual authenticator.

use contract_tests::browser::Browser;
use contract_tests::{PASSWORD, Server, Value, json, tests};

tests! {
    a_browser_makes_a_passkey_and_signs_in_with_it needs Chromium,
}

/// What a page does with our answers: it hands them to the browser and back.
const PAGE: &str = "
const post = async (path, body, token) => {
  const headers = { 'Content-Type': 'application/json' };
  if (token) headers.Authorization = 'Bearer ' + token;
  const answer = await fetch(path, { method: 'POST', headers, body: body && JSON.stringify(body) });
  return { ...await answer.json(), status: answer.status };
};
const make = async (options) => (await navigator.credentials.create({
  publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })).toJSON();
const use = async (options) => (await navigator.credentials.get({
  publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) })).toJSON();
";

async fn a_browser_makes_a_passkey_and_signs_in_with_it() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    // The browser uses the origin that the server is known by, whatever port the server has.
    let browser = Browser::at("localhost:80", server.address).await;
    browser.with_authenticator().await;
    browser.open("http://localhost/swagger-ui/").await;
    browser.element("div.opblock").await;
    let page = async |script: &str, with: &Value| -> Value {
        browser.page(&format!("{PAGE}{script}"), with).await
    };

    let enabled = page(
        "const begun = await post('/identity/mfa/setup',
           { method: 'passkey', name: 'Browser', password: given.password }, given.token);
         const credential = await make(begun.publicKey);
         return post('/identity/mfa/setup/verify-passkey', { mfaToken: begun.mfaToken, credential });",
        &json!({ "token": alice.access_token, "password": PASSWORD }),
    )
    .await;
    assert_eq!(enabled["mfaMethods"], json!(["passkey"]), "{enabled}");

    let second = page(
        "const asked = await post('/identity/login', { email: given.email, password: given.password });
         const options = await post('/identity/mfa/login/passkey-options', { mfaToken: asked.mfaToken });
         const credential = await use(options.publicKey);
         return post('/identity/mfa/login/verify-passkey', { mfaToken: asked.mfaToken, credential });",
        &json!({ "email": alice.email, "password": PASSWORD }),
    )
    .await;
    assert_eq!(second["status"], 200, "{second}");

    let alone = page(
        "const begun = await post('/identity/passkey/options');
         const credential = await use(begun.publicKey);
         return post('/identity/passkey/login', { passkeyToken: begun.passkeyToken, credential });",
        &json!({}),
    )
    .await;
    assert_eq!(alone["status"], 200, "{alone}");
    assert_eq!(alone["user"]["email"], "alice@example.com");

    let again = page(
        "const begun = await post('/identity/mfa/setup',
           { method: 'passkey', name: 'Again', password: given.password }, given.token);
         try { await make(begun.publicKey); return { made: true }; } catch (error) { return { refused: error.name }; }",
        &json!({ "token": alone["accessToken"], "password": PASSWORD }),
    )
    .await;
    assert_eq!(again["refused"], "InvalidStateError", "{again}");
    browser.stop().await;
}
