//! What people do with several methods: recovery codes, mailed links, passkeys, step-up.

use crate::call::{Answer, Call, Method};
use crate::{Authenticator, Person, Server, Value, json};

impl Person {
    /// Lists the methods.
    pub fn methods(&self) -> Call {
        self.get("/identity/mfa/methods")
    }

    /// Returns the method of this kind or name from the list.
    ///
    /// # Panics
    /// Panics if there is none.
    pub async fn factor(&self, word: &str) -> Value {
        let list = self.methods().await.is(200);
        let mut all = list["factors"].as_array().expect("a list").iter();
        let found = all.find(|one| one["name"] == word || one["method"] == word);
        found
            .unwrap_or_else(|| panic!("no {word} in {}", list.text))
            .clone()
    }

    /// Returns the id of the method of this kind or name.
    pub async fn factor_id(&self, word: &str) -> String {
        let factor = self.factor(word).await;
        factor["id"].as_str().expect("an id").to_owned()
    }

    /// Starts setting up a method under a name.
    pub fn begin_setup_named(&self, method: &str, name: &str) -> Call {
        let body = json!({ "method": method, "password": self.password, "name": name });
        self.post("/identity/mfa/setup", &body)
    }

    /// Sets up an app under a name, to the end. `authenticator` is not changed.
    pub async fn add_authenticator(&self, name: &str) -> Authenticator {
        let begun = self.begin_setup_named("authenticator", name).await.is(200);
        let mut app = Authenticator::new(&begun.text("secret"));
        let code = app.fresh_code(self.clock());
        let token = begun.text("mfaToken");
        self.server.verify_setup(&token, &code).await.is(200);
        app
    }

    /// Removes a method.
    pub fn remove(&self, factor_id: &str) -> Call {
        let path = format!("/identity/mfa/methods/{factor_id}");
        self.call(Method::DELETE, &path)
    }

    /// Renames a method.
    pub fn rename(&self, factor_id: &str, name: &str) -> Call {
        let path = format!("/identity/mfa/methods/{factor_id}");
        self.call(Method::PATCH, &path)
            .json(&json!({ "name": name }))
    }

    /// Makes a method the primary one.
    pub fn prefer(&self, factor_id: &str) -> Call {
        let path = format!("/identity/mfa/methods/{factor_id}/primary");
        self.call(Method::POST, &path)
    }

    /// Asks for new recovery codes.
    pub fn new_recovery_codes(&self) -> Call {
        self.call(Method::POST, "/identity/mfa/recovery-codes")
    }

    /// Returns new recovery codes.
    pub async fn recovery_codes(&self) -> Vec<String> {
        let answer = self.new_recovery_codes().await.is(201);
        let codes = answer["recoveryCodes"].as_array().expect("a list").iter();
        codes
            .map(|code| code.as_str().expect("a code").to_owned())
            .collect()
    }

    /// Starts a step-up.
    pub fn begin_step_up(&self, body: &Value) -> Call {
        self.post("/identity/step-up", body)
    }

    /// Finishes a step-up with a code.
    pub fn verify_step_up(&self, mfa_token: &str, code: &str) -> Call {
        let body = json!({ "mfaToken": mfa_token, "code": code });
        self.post("/identity/step-up/verify", &body)
    }

    /// Steps up with the app, and stores the new token.
    pub async fn step_up(&mut self) -> Answer {
        let begun = self
            .begin_step_up(&json!({ "method": "authenticator" }))
            .await;
        let token = begun.is(200).text("mfaToken");
        let code = self.fresh_code();
        let lifted = self.verify_step_up(&token, &code).await.is(200);
        self.access_token = lifted.text("accessToken");
        lifted
    }
}

impl Server {
    /// Presses the button on the page of a mailed link.
    pub fn open_link(&self, token: &str) -> Call {
        self.post("/identity/mfa/magic-link", &json!({ "token": token }))
    }

    /// Asks for the options of a passkey, for a sign-in.
    pub fn passkey_options(&self, mfa_token: &str) -> Call {
        let body = json!({ "mfaToken": mfa_token });
        self.post("/identity/mfa/login/passkey-options", &body)
    }

    /// Finishes a step with a passkey, at an operation that takes a credential.
    pub fn verify_passkey(&self, step: &str, mfa_token: &str, credential: &Value) -> Call {
        let body = json!({ "mfaToken": mfa_token, "credential": credential });
        self.post(&format!("/identity/{step}/verify-passkey"), &body)
    }
}
