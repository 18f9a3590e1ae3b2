//! Somebody at the pages of a sandbox, with a browser.

use std::collections::BTreeMap;

use crate::browser::Browser;
use crate::waiting::until;
use crate::{PASSWORD, Sandbox, Value, json};

/// The texts of the pages.
const ENGLISH: &str = include_str!("../../server/http/src/pages/en.json");
const GERMAN: &str = include_str!("../../server/http/src/pages/de.json");

/// The submit button of what is open: a form of the page, or of a dialog.
pub const SEND: &str = "button[type=submit]";

/// A visitor of the pages.
pub struct Visitor {
    /// Their browser.
    pub browser: Browser,
    /// Whose pages they are at.
    pub sandbox: Sandbox,
    origin: String,
}

impl Visitor {
    /// Opens a browser beside a sandbox.
    pub async fn of(sandbox: &Sandbox) -> Self {
        Self {
            browser: Browser::start().await,
            sandbox: sandbox.clone(),
            // Passkeys belong to a name, so not the address.
            origin: format!("http://localhost:{}", sandbox.address.port()),
        }
    }

    /// Opens a page, and waits until its script shows it.
    pub async fn go(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.origin)).await;
        self.browser
            .element("#first:not([hidden]), #account:not([hidden]), form:not([hidden])")
            .await;
    }

    /// Forgets the session, as whoever closes the tab. The session goes on at the server.
    pub async fn forgets(&self) {
        // From where no script is about to write to it.
        self.browser.open(&format!("{}/healthz", self.origin)).await;
        self.browser.value("sessionStorage.clear();").await;
    }

    /// Types into fields, each by its selector.
    pub async fn fill(&self, fields: &[(&str, &str)]) {
        for (selector, text) in fields {
            self.browser.paste_into(selector, text).await;
        }
    }

    /// Presses a button.
    pub async fn press(&self, selector: &str) {
        self.browser.click(selector).await;
    }

    /// Waits until an element says something.
    pub async fn reads(&self, selector: &str, text: &str) {
        let script = format!(
            "return [...document.querySelectorAll(`{selector}`)].map((one) => one.textContent).join('\\n');"
        );
        let what = format!("{selector} to say {text:?}");
        until(&what, async || {
            let said = self.browser.value(&script).await;
            said.as_str()?.contains(text).then_some(())
        })
        .await;
    }

    /// Gives address and password on the page for signing in.
    pub async fn gives_password(&self, email: &str) {
        self.go("/sign-in").await;
        self.fill(&[("#email", email), ("#password", PASSWORD)])
            .await;
        self.press(&format!("#password-form {SEND}")).await;
    }

    /// Answers the second step with a code.
    pub async fn answers(&self, code: &str) {
        self.fill(&[("#second-code", code)]).await;
        self.press(&format!(".code-form {SEND}")).await;
    }

    /// Chooses another way for the second step, by its button's text.
    pub async fn chooses(&self, way: &str) {
        self.browser.element(".choices button").await;
        let script = format!(
            "[...document.querySelectorAll('.choices button')].find((one) => one.textContent === {}).click();",
            json!(way)
        );
        self.browser.value(&script).await;
    }

    /// Waits until the account is shown.
    pub async fn is_in(&self) {
        self.browser.element("#account:not([hidden])").await;
    }

    /// Signs in somebody without a second step.
    pub async fn signs_in(&self, email: &str) {
        self.gives_password(email).await;
        self.is_in().await;
    }

    /// Signs out on the account page.
    pub async fn signs_out(&self) {
        self.press("#sign-out").await;
        self.browser.element("#first:not([hidden])").await;
    }

    /// Returns the code in the newest message to somebody.
    pub async fn code_to(&self, to: &str) -> String {
        let message = self.sandbox.last_to(to).await;
        message["code"].as_str().expect("a code").to_owned()
    }

    /// Returns the code that an app with this secret shows.
    pub async fn code_of_secret(&self, secret: &str) -> String {
        let path = "/sandbox/authenticator-code";
        let shown = self.sandbox.post(path, &json!({ "secret": secret }));
        shown.await.is(200).text("code")
    }

    /// Ends the visit. Nothing may have been forbidden by the page's policy or gone wrong in a script.
    ///
    /// # Panics
    /// Panics if something did.
    pub async fn leaves(self) {
        let faults = self.browser.faults(&self.origin).await;
        self.browser.stop().await;
        assert_eq!(faults, Vec::<String>::new());
    }
}

/// Returns the texts of the pages in English.
pub fn english() -> BTreeMap<String, String> {
    serde_json::from_str(ENGLISH).expect("texts")
}

/// Returns the texts of the pages in German.
pub fn german() -> BTreeMap<String, String> {
    serde_json::from_str(GERMAN).expect("texts")
}

/// Returns somebody of a sandbox.
///
/// # Panics
/// Panics if nobody has that address.
pub async fn person(sandbox: &Sandbox, email: &str) -> Value {
    let people = sandbox.get("/sandbox/people").await.is(200);
    let people = people["people"].as_array().expect("people");
    let found = people.iter().find(|one| one["email"] == email);
    found.expect("somebody").clone()
}
