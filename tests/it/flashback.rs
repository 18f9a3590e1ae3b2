//! A client written from Flashback's pages, for the tests of its API.

use contract_tests::call::Method;
use contract_tests::{Answer, Authenticator, Call, PASSWORD, Server, Value, json};

/// A user of Flashback's API only.
pub struct Client {
    /// The server.
    pub server: Server,
    /// Their address.
    pub email: String,
    /// The `accessToken` of the last sign-in, or the `fullAccessToken` of the last second step.
    pub token: String,
    /// The latest refresh token.
    pub refresh_token: String,
    /// Their app, once it is set up.
    pub app: Option<Authenticator>,
}

/// Returns what a page's registration form sends.
pub fn registration(email: &str, company: Option<&str>) -> Value {
    let mut body = json!({
        "email": email, "password": PASSWORD, "firstName": "Alice", "lastName": "Archer",
        "companyWebsite": "https://archer.example.com", "isBusiness": company.is_some(),
    });
    if let Some(company) = company {
        body["companyName"] = json!(company);
    }
    body
}

/// Sends address and password.
pub fn login(server: &Server, email: &str, password: &str) -> Call {
    let body = json!({ "email": email, "password": password });
    server.post("/user/login", &body)
}

impl Client {
    /// Registers, follows the link, and signs in.
    pub async fn registered(server: &Server, email: &str, company: Option<&str>) -> Self {
        let body = registration(email, company);
        server.post("/user/register", &body).await.is(201);
        let token = server.mail.link_to(email).await;
        let body = json!({ "token": token });
        server.post("/user/verify-email", &body).await.is(200);
        let mut client = Self {
            server: server.clone(),
            email: email.to_owned(),
            token: String::new(),
            refresh_token: String::new(),
            app: None,
        };
        client.login().await;
        client
    }

    /// Sends address and password, and stores the tokens.
    pub async fn login(&mut self) -> Answer {
        let answer = login(&self.server, &self.email, PASSWORD).await.is(200);
        self.token = answer.text("accessToken");
        self.refresh_token = answer.text("refreshToken");
        answer
    }

    /// Signs in to the end, with the app.
    pub async fn sign_in(&mut self) -> Answer {
        let answer = self.login().await;
        assert_eq!(answer["mfaRequired"], true, "{}", answer.text);
        let code = self.code();
        self.verify(&json!({ "mfaType": "GOOGLE_AUTH", "code": code }))
            .await
    }

    /// Sends the second factor, and stores the tokens.
    pub async fn verify(&mut self, body: &Value) -> Answer {
        let answer = self.post("/mfa/verify-login", body).await.is(200);
        self.token = answer.text("fullAccessToken");
        self.refresh_token = answer.text("refreshToken");
        answer
    }

    /// Returns a code of the app that was not used yet.
    pub fn code(&mut self) -> String {
        let clock = self.server.clock.clone();
        self.app.as_mut().expect("an app").fresh_code(&clock)
    }

    /// Sets up an app, to the end. Returns the recovery codes.
    pub async fn enable_app(&mut self) -> Vec<String> {
        let begun = self.setup("GOOGLE_AUTH").await.is(200);
        let data = &begun["data"];
        let secret = data["secret"].as_str().expect("a secret");
        self.app = Some(Authenticator::new(secret));
        let code = self.code();
        let body = json!({ "mfaType": "GOOGLE_AUTH", "code": code });
        self.post("/mfa/verify-setup", &body).await.is(200);
        let codes = data["backupCodes"].as_array().expect("a list");
        codes
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    }

    /// Sets up magic links, to the end.
    pub async fn enable_link(&self) {
        self.setup("MAGIC_LINK").await.is(200);
        let token = self.server.mail.link_to(&self.email).await;
        let body = json!({ "token": token });
        let activated = self.server.post("/mfa/magic-link/activate", &body).await;
        activated.is(200);
    }

    /// Signs in to the end, with a mailed link.
    pub async fn sign_in_by_link(&mut self) -> Answer {
        self.login().await;
        let token = self.mailed_link().await;
        self.verify(&json!({ "mfaType": "MAGIC_LINK", "token": token }))
            .await
    }

    /// Asks for a mailed link for the sign-in. Returns its token.
    pub async fn mailed_link(&self) -> String {
        self.poke("/mfa/magic-link/send").await.is(200);
        self.server.mail.link_to(&self.email).await
    }

    /// Starts setting up a method.
    pub fn setup(&self, method: &str) -> Call {
        self.of("/mfa/setup", method)
    }

    /// Sends a method to an operation.
    pub fn of(&self, path: &str, method: &str) -> Call {
        self.post(path, &json!({ "mfaType": method }))
    }

    /// Posts with the bearer.
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    /// Posts without a body, with the bearer.
    pub fn poke(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    /// Gets with the bearer.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// Calls with the bearer.
    pub fn call(&self, method: Method, path: &str) -> Call {
        self.server.call(method, path).bearer(&self.token)
    }
}
