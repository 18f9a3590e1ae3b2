//! A user with an account, and what such users do.

use countersign::clock::Clock;

use crate::call::{Answer, Call, Method};
use crate::{Authenticator, PASSWORD, Server, Value, json};

/// A user with an account on a server, signed in.
#[derive(Clone)]
pub struct Person {
    /// The server.
    pub server: Server,
    /// Their address.
    pub email: String,
    /// Their password.
    pub password: String,
    /// The latest access token.
    pub access_token: String,
    /// The latest refresh token.
    pub refresh_token: String,
    /// Their app, once it is set up.
    pub authenticator: Option<Authenticator>,
}

impl Person {
    /// Makes the user who got this answer.
    pub fn signed_in(server: &Server, email: &str, answer: &Answer) -> Self {
        Self {
            server: server.clone(),
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
            access_token: answer.text("accessToken"),
            refresh_token: answer.text("refreshToken"),
            authenticator: None,
        }
    }

    /// Stores the tokens of this answer.
    pub fn keep(&mut self, answer: &Answer) {
        self.access_token = answer.text("accessToken");
        self.refresh_token = answer.text("refreshToken");
    }

    /// Returns the clock that they share with the server.
    pub fn clock(&self) -> &Clock {
        &self.server.clock
    }

    /// Starts a call with their bearer.
    pub fn call(&self, method: Method, path: &str) -> Call {
        self.server.call(method, path).bearer(&self.access_token)
    }

    /// Posts with their bearer.
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    /// Gets with their bearer.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// Reads their own account.
    pub fn me(&self) -> Call {
        self.get("/identity/me")
    }

    /// Sends address and password.
    pub fn login(&self) -> Call {
        self.server.login(&self.email, &self.password)
    }

    /// Sends address and password, and is asked for a second factor. Returns the `mfaToken`.
    pub async fn begin_sign_in(&self) -> String {
        let answer = self.login().await.is(200);
        assert_eq!(answer["mfaRequired"], true, "{}", answer.text);
        answer.text("mfaToken")
    }

    /// Sends address and password while no code may be sent. The sign-in starts and says so, and
    /// asking for its code is refused with this code. Returns the answer of the sign-in.
    pub async fn begin_unsent(&self, code: &str) -> Answer {
        self.begin_unsent_for(code).await.0
    }

    /// Does the same, and returns the refusal too.
    pub async fn begin_unsent_for(&self, code: &str) -> (Answer, Answer) {
        let asked = self.login().await.is(200);
        let message = asked.text("message");
        assert!(message.starts_with("No code"), "{}", asked.text);
        let again = self.server.resend(&asked.text("mfaToken")).await;
        (asked, again.refused(429, code))
    }

    /// Signs in, with the app if there is one, and stores the tokens.
    pub async fn sign_in(&mut self) -> Answer {
        let mut answer = self.login().await.is(200);
        if answer["mfaRequired"] == true {
            let token = answer.text("mfaToken");
            let code = match answer["method"].as_str() {
                Some("email") => self.server.mail.code_to(&self.email).await,
                _ => self.fresh_code(),
            };
            answer = self.server.verify_login(&token, &code).await.is(200);
        }
        self.keep(&answer);
        answer
    }

    /// Signs out.
    pub fn sign_out(&self) -> Call {
        self.call(Method::POST, "/identity/logout")
    }

    /// Returns a code of their app that they have not used yet.
    ///
    /// # Panics
    /// Panics if they have no app.
    pub fn fresh_code(&mut self) -> String {
        let clock = self.server.clock.clone();
        self.app().fresh_code(&clock)
    }

    /// Returns the code that their app shows now.
    ///
    /// # Panics
    /// Panics if they have no app.
    pub fn code(&mut self) -> String {
        let clock = self.server.clock.clone();
        self.app().code(&clock)
    }

    /// Returns a code that their app does not show.
    ///
    /// # Panics
    /// Panics if they have no app.
    pub fn wrong_code(&self) -> String {
        self.authenticator
            .as_ref()
            .expect("an app")
            .wrong_code(&self.server.clock)
    }

    fn app(&mut self) -> &mut Authenticator {
        self.authenticator.as_mut().expect("an app")
    }

    /// Starts setting up a method.
    pub fn begin_setup(&self, method: &str) -> Call {
        self.post(
            "/identity/mfa/setup",
            &json!({ "method": method, "password": self.password }),
        )
    }

    /// Starts turning a method off.
    pub fn begin_disable(&self, method: &str) -> Call {
        self.post(
            "/identity/mfa/disable",
            &json!({ "method": method, "password": self.password }),
        )
    }

    /// Sets up an app, to the end. Its first code is used up then.
    pub async fn enable_authenticator(&mut self) {
        let begun = self.begin_setup("authenticator").await.is(200);
        self.authenticator = Some(Authenticator::new(&begun.text("secret")));
        let code = self.fresh_code();
        self.server
            .verify_setup(&begun.text("mfaToken"), &code)
            .await
            .is(200);
    }

    /// Sets up codes by mail, to the end.
    pub async fn enable_email(&mut self) {
        let begun = self.begin_setup("email").await.is(200);
        let code = self.server.mail.code_to(&self.email).await;
        self.server
            .verify_setup(&begun.text("mfaToken"), &code)
            .await
            .is(200);
    }

    /// Creates an API key with these scopes.
    pub async fn api_key(&self, scopes: &[&str]) -> String {
        let body = json!({ "name": "a service", "scopes": scopes });
        self.post("/identity/api-keys", &body)
            .await
            .is(201)
            .text("apiKey")
    }
}
