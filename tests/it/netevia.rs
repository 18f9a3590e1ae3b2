//! A client written from Netevia's pages, for the tests of its API.

use contract_tests::call::Method;
use contract_tests::gateway::Gateway;
use contract_tests::{Answer, Authenticator, Call, PASSWORD, Person, Server, Value, json};
use countersign::config::{Settings, TwilioSender};
use countersign::flow::operator;
use countersign::model::Secret;
use countersign::model::ids::Id;
use countersign::model::kinds::OrganisationRole;

use super::flashback;

/// Everybody's phone number.
pub const PHONE: &str = "+12025550123";

/// A user of Netevia's API.
pub struct Client {
    /// The server.
    pub server: Server,
    /// Their address.
    pub email: String,
    /// The latest token.
    pub token: String,
    /// Their app, once it is set up.
    pub app: Option<Authenticator>,
}

/// Starts a server that sends text messages to the United States, and the gateway that receives
/// them.
pub async fn with_texts() -> (Server, Gateway) {
    with_texts_and(|_| {}).await
}

/// Starts both with changed settings.
pub async fn with_texts_and(change: impl FnOnce(&mut Settings)) -> (Server, Gateway) {
    let gateway = Gateway::start().await;
    let server = Server::with(|settings| {
        settings.sms_countries = vec!["US".parse().expect("a country")];
        settings.twilio_url = gateway.url();
        settings.twilio_account_sid = Some("AC00000000000000000000000000000000".to_owned());
        settings.twilio_auth_token = Some(Secret::new("an-auth-token".to_owned()));
        settings.twilio_from = Some(TwilioSender::From("+15005550006".to_owned()));
        change(settings);
    })
    .await;
    (server, gateway)
}

/// Sends name and password.
pub fn authenticate(server: &Server, email: &str, password: &str) -> Call {
    let body = json!({ "login": email, "password": password });
    server.post("/api/auth/v2", &body)
}

/// Sends the second factor.
pub fn second(server: &Server, mfa_token: &str, code: &str) -> Call {
    let body = json!({ "mfaToken": mfa_token, "code": code });
    server.post("/api/auth/v2/2Fac", &body)
}

impl Client {
    /// Registers a user, who is signed in through this API.
    pub async fn registered(server: &Server, email: &str) -> Self {
        server.registered(email).await;
        let mut client = Self {
            server: server.clone(),
            email: email.to_owned(),
            token: String::new(),
            app: None,
        };
        let answer = authenticate(server, email, PASSWORD).await.is(200);
        client.token = answer.text("token");
        client
    }

    /// Returns the same user in the form of the native API's tests.
    pub fn person(&self) -> Person {
        Person {
            server: self.server.clone(),
            email: self.email.clone(),
            password: PASSWORD.to_owned(),
            access_token: self.token.clone(),
            refresh_token: String::new(),
            authenticator: self.app.clone(),
        }
    }

    /// Calls with their bearer.
    pub fn call(&self, method: Method, path: &str) -> Call {
        self.server.call(method, path).bearer(&self.token)
    }

    /// Posts with their bearer.
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    /// Turns a method on, or starts to.
    pub fn enable(&self, body: &Value) -> Call {
        self.post("/settings/MfaSignIn", body)
    }

    /// Turns MFA off.
    pub fn disable(&self) -> Call {
        self.call(Method::DELETE, "/settings/MfaSignIn")
    }

    /// Proves a method that is being set up.
    pub fn prove(&self, mfa_token: &str, code: &str) -> Call {
        let body = json!({ "code": code, "mfaToken": mfa_token, "shortMessageType": "ContactInfoUpdateRequest" });
        self.post("/api/CodeVerification/check", &body)
    }

    /// Sends name and password, and is asked for a second factor.
    pub async fn begin(&self) -> Answer {
        let answer = authenticate(&self.server, &self.email, PASSWORD)
            .await
            .is(200);
        assert_eq!(answer["mfaRequired"], true, "{}", answer.text);
        assert!(answer["token"].is_null(), "{}", answer.text);
        answer
    }

    /// Signs in with the app, and stores the token.
    pub async fn sign_in(&mut self) {
        let token = self.begin().await.text("mfaToken");
        let code = self.code();
        let answer = second(&self.server, &token, &code).await.is(200);
        self.token = answer.text("token");
    }

    /// Signs in by mail, and stores the token.
    pub async fn sign_in_by_mail(&mut self) {
        let token = self.begin().await.text("mfaToken");
        let code = self.server.mail.code_to(&self.email).await;
        let answer = second(&self.server, &token, &code).await.is(200);
        self.token = answer.text("token");
    }

    /// Returns a code of the app that was not used yet.
    pub fn code(&mut self) -> String {
        let clock = self.server.clock.clone();
        self.app.as_mut().expect("an app").fresh_code(&clock)
    }

    /// Sets up an app, to the end.
    pub async fn enable_app(&mut self) {
        let begun = self
            .enable(&json!({ "mfaMethod": "authenticator" }))
            .await
            .is(200);
        self.app = Some(Authenticator::new(&begun.text("secret")));
        let code = self.code();
        self.prove(&begun.text("mfaToken"), &code).await.is(200);
    }

    /// Sets up SMS, to the end.
    pub async fn enable_sms(&self, gateway: &Gateway) {
        let body = json!({ "mfaMethod": "sms", "phoneNumber": PHONE });
        let begun = self.enable(&body).await.is(200);
        let code = gateway.code().await;
        self.prove(&begun.text("mfaToken"), &code).await.is(200);
    }

    /// Returns the same user with the same token.
    pub fn copy(&self) -> Self {
        Self {
            server: self.server.clone(),
            email: self.email.clone(),
            token: self.token.clone(),
            app: self.app.clone(),
        }
    }

    /// Returns the methods that sign-in asks for, from the native API.
    pub async fn methods(&self) -> Value {
        self.call(Method::GET, "/identity/me").await.is(200)["mfaMethods"].clone()
    }
}

/// Puts the member into an organisation that demands a second factor. Returns its owner.
pub async fn enforced(server: &Server, member: &str) -> flashback::Client {
    let owner = flashback::Client::registered(server, "owner@example.com", Some("Acme")).await;
    let profile = owner.get("/user/profile").await.is(200);
    let id = profile["data"]["orgId"].as_str().expect("an organisation");
    let id = Id::new(id.parse().expect("an id"));
    let role = OrganisationRole::Member;
    let joined = server
        .app
        .call(async |ctx| operator::join(ctx, member, id, role).await);
    joined.await.expect("a member");
    let body = json!({ "enforced": true });
    owner.post("/mfa/organization/enforce", &body).await.is(200);
    owner
}
