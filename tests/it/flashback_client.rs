//! Flashback's own client: its flows, as the calls that it sends (`src/api/client.ts`, May 2026).

use contract_tests::call::Method;
use contract_tests::{Answer, Authenticator, Call, PASSWORD, Server, Value, json, tests};

use super::flashback::{Client, login, registration};
use super::veeam::OTHER_PASSWORD;

tests! {
    a_registration_is_resent_checked_and_confirmed,
    a_resent_link_replaces_the_one_before,
    a_forgotten_password_is_replaced_by_the_mailed_link,
    with_a_second_factor_a_new_password_needs_the_page,
    a_network_requests_new_passwords_up_to_its_limit,
    resending_tells_nobody_anything,
    a_method_is_set_up_verified_and_managed_in_one_session,
    the_session_goes_on_for_what_is_left_of_five_minutes,
    a_link_from_the_mail_lets_no_session_go_on,
    a_session_that_did_not_prove_the_method_does_not_go_on,
    a_sign_in_that_waits_is_told_what_it_can_go_on_with,
    an_owner_lists_the_users_of_the_organisation,
    a_session_is_renewed_and_ended,
}

/// The vendor's client. It sends `null` bodies without a media type, and leaves out members that
/// are undefined.
struct Vendor<'s> {
    server: &'s Server,
    token: String,
}

impl<'s> Vendor<'s> {
    fn new(server: &'s Server) -> Self {
        let token = String::new();
        Self { server, token }
    }

    fn call(&self, method: Method, path: &str) -> Call {
        let call = self.server.call(method, path);
        match self.token.is_empty() {
            true => call,
            false => call.bearer(&self.token),
        }
    }

    fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    /// `makeRequest(path, 'POST', null)`.
    fn post_null(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    /// `makeRequest(path, 'GET', null)`.
    fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// `register`, then `validateRegistration` with the token of the mail, then `userLogin`.
    async fn signed_up(server: &'s Server, email: &str) -> Self {
        let mut vendor = Self::new(server);
        let registered = vendor.post("/user/register", &registration(email, Some("Acme")));
        registered.await.is(201);
        let token = server.mail.link_to(email).await;
        let body = json!({ "token": token });
        vendor.post("/user/verify-email", &body).await.is(200);
        vendor.user_login(email).await;
        vendor
    }

    /// `userLogin`, with the device that the page may add.
    async fn user_login(&mut self, email: &str) -> Answer {
        self.token.clear();
        let device = json!({
            "userAgent": "Mozilla/5.0", "deviceType": "DESKTOP", "os": "Linux", "browser": "Firefox",
        });
        let body = json!({ "email": email, "password": PASSWORD, "deviceInfo": device });
        let answer = self.post("/user/login", &body).await.is(200);
        self.token = answer.text("accessToken");
        answer
    }

    /// `setupMFA` and `verifyMFASetup` with an app.
    async fn set_up_app(&self) -> Authenticator {
        let body = json!({ "mfaType": "GOOGLE_AUTH" });
        let begun = self.post("/mfa/setup", &body).await.is(200);
        let mut app = Authenticator::new(begun["data"]["secret"].as_str().expect("a secret"));
        let code = app.fresh_code(&self.server.clock);
        let body = json!({ "mfaType": "GOOGLE_AUTH", "code": code });
        self.post("/mfa/verify-setup", &body).await.is(200);
        app
    }
}

async fn a_registration_is_resent_checked_and_confirmed() {
    let server = Server::start().await;
    let vendor = Vendor::new(&server);
    let body = registration("alice@example.com", Some("Acme"));
    let registered = vendor.post("/user/register", &body).await.is(201);
    let id = registered.text("verificationTokenId");
    server.mail.link_to("alice@example.com").await;
    let resent = vendor.post_null(&format!("/user/resend-verification/{id}"));
    assert_eq!(resent.await.is(200)["success"], true);
    let token = server.mail.link_to("alice@example.com").await;
    let body = json!({ "token": token });
    for _ in 0..2 {
        let good = vendor.post("/user/pre-verify-email", &body).await.is(200);
        assert_eq!(good["authMethod"], "LOCAL");
        assert_eq!(good["hasPassword"], true);
    }
    vendor.post("/user/verify-email", &body).await.is(200);
    vendor
        .post("/user/pre-verify-email", &body)
        .await
        .refused(400, "REGISTRATION_TOKEN_INVALID");
    login(&server, "alice@example.com", PASSWORD).await.is(200);
}

async fn a_resent_link_replaces_the_one_before() {
    let server = Server::start().await;
    let vendor = Vendor::new(&server);
    let body = registration("alice@example.com", None);
    let registered = vendor.post("/user/register", &body).await.is(201);
    let first = server.mail.link_to("alice@example.com").await;
    server.clock.advance(80_000);
    let path = format!(
        "/user/resend-verification/{}",
        registered.text("verificationTokenId")
    );
    vendor.post_null(&path).await.is(200);
    let mail = server
        .mail
        .notice_to("alice@example.com", "Prove your e-mail address")
        .await;
    assert!(mail.text.contains("106 minutes"), "{}", mail.text);
    let second = mail.link().expect("a link");
    let check = |token: &str| vendor.post("/user/pre-verify-email", &json!({ "token": token }));
    check(&first)
        .await
        .refused(400, "REGISTRATION_TOKEN_INVALID");
    check(&second).await.is(200);
    server.clock.advance(6_400);
    check(&second)
        .await
        .refused(400, "REGISTRATION_TOKEN_EXPIRED");
}

/// `requestResetPassword`, then the token of the mail.
async fn reset_link(vendor: &Vendor<'_>, email: &str) -> String {
    let body = json!({ "email": email });
    let asked = vendor.post("/user/request-reset-password", &body);
    assert_eq!(asked.await.is(200)["success"], true);
    vendor.server.mail.link_to(email).await
}

async fn a_forgotten_password_is_replaced_by_the_mailed_link() {
    let server = Server::start().await;
    let (email, new) = ("alice@example.com", OTHER_PASSWORD);
    let signed_in = Vendor::signed_up(&server, email).await;
    let forgetful = Vendor::new(&server);
    let token = reset_link(&forgetful, email).await;
    let body = json!({ "token": token, "newPassword": "too short" });
    let refused = forgetful.post("/user/reset-password", &body).await;
    let refused = refused.refused(400, "VALIDATION");
    assert_eq!(refused["errors"][0]["field"], "newPassword");
    let body = json!({ "token": token, "newPassword": new });
    let done = forgetful.post("/user/reset-password", &body).await.is(200);
    assert_eq!(done["success"], true);
    signed_in
        .get("/user/profile")
        .await
        .refused(401, "TOKEN_INVALID");
    login(&server, email, PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    login(&server, email, new).await.is(200);
    let again = forgetful.post("/user/reset-password", &body).await;
    again.refused(400, "RESET_TOKEN_INVALID");
    server.mail.notice_to(email, "was replaced").await;
    let late = reset_link(&forgetful, email).await;
    server.clock.advance(901);
    let body = json!({ "token": late, "newPassword": PASSWORD });
    let late = forgetful.post("/user/reset-password", &body).await;
    late.refused(400, "RESET_TOKEN_EXPIRED");
}

async fn with_a_second_factor_a_new_password_needs_the_page() {
    let server = Server::start().await;
    let email = "alice@example.com";
    let vendor = Vendor::signed_up(&server, email).await;
    let mut app = vendor.set_up_app().await;
    let token = reset_link(&vendor, email).await;
    let body = json!({ "token": token, "newPassword": OTHER_PASSWORD });
    for _ in 0..2 {
        let refused = vendor.post("/user/reset-password", &body).await;
        refused.refused(403, "MFA_REQUIRED");
    }
    vendor.get("/user/profile").await.is(200);
    login(&server, email, PASSWORD).await.is(200);
    let recorded = "SELECT count(*) AS found FROM audit_events WHERE event = 'limited' AND detail = 'MFA_REQUIRED'";
    assert_eq!(server.database.number(recorded), 1);
    // What the page behind the link does with the same token.
    let begun = server.reset_by_link(&token, OTHER_PASSWORD).await.is(200);
    let code = app.fresh_code(&server.clock);
    let done = server.verify_reset(&begun.text("mfaToken"), &code).await;
    assert_eq!(done.is(200)["status"], "password_changed");
    login(&server, email, OTHER_PASSWORD).await.is(200);
}

async fn a_network_requests_new_passwords_up_to_its_limit() {
    let server = Server::with(|settings| {
        settings.trusted_proxies = super::loopback();
        settings.policy.mail_calls_per_source = 2;
    })
    .await;
    let requests = |network: &str, email: &str| {
        let body = json!({ "email": email });
        let call = server.post("/user/request-reset-password", &body);
        call.from(network)
    };
    requests("203.0.113.7", "alice@example.com").await.is(200);
    requests("203.0.113.8", "bob@example.com").await.is(200);
    let refused = requests("203.0.113.9", "carol@example.com").await;
    let refused = refused.refused(429, "TOO_MANY_REQUESTS");
    assert!(refused.header("retry-after").is_some());
    requests("198.51.100.7", "carol@example.com").await.is(200);
}

async fn resending_tells_nobody_anything() {
    let server = Server::start().await;
    Client::registered(&server, "alice@example.com", None).await;
    let vendor = Vendor::new(&server);
    let mut looks = Vec::new();
    for email in ["alice@example.com", "newbie@example.com"] {
        let registered = vendor.post("/user/register", &registration(email, None));
        let id = registered.await.is(201).text("verificationTokenId");
        let path = format!("/user/resend-verification/{id}");
        // After three mails an hour to one address, the answer is the same but no mail is sent.
        for _ in 0..4 {
            looks.push(vendor.post_null(&path).await.is(200).looks(&[]));
        }
    }
    let nobody = "/user/resend-verification/01a2038e-7f00-7bd8-86c9-7f0e00af1a1f";
    looks.push(vendor.post_null(nobody).await.is(200).looks(&[]));
    assert!(looks.iter().all(|one| *one == looks[0]), "{looks:?}");
    for _ in 0..3 {
        server.mail.notice_to("newbie@example.com", "Prove").await;
    }
    server.mail_is_out().await;
    for wrong in ["nonsense", "01A2038E-7F00-7BD8-86C9-7F0E00AF1A1F"] {
        let path = format!("/user/resend-verification/{wrong}");
        vendor.post_null(&path).await.refused(400, "VALIDATION");
    }
    let native = server.register("bob@example.com").await.is(202);
    server.mail.code_to("bob@example.com").await;
    assert!(native["registrationToken"].is_string());
}

async fn a_method_is_set_up_verified_and_managed_in_one_session() {
    let server = Server::start().await;
    let vendor = Vendor::signed_up(&server, "alice@example.com").await;
    vendor.set_up_app().await;
    let app = json!({ "mfaType": "GOOGLE_AUTH" });
    vendor.post("/mfa/enable", &app).await.is(200);
    vendor.post("/mfa/primary", &app).await.is(200);
    vendor.post("/mfa/disable", &app).await.is(200);
    vendor.post("/mfa/enable", &app).await.is(200);
    let link = json!({ "mfaType": "MAGIC_LINK", "email": "alice@example.com" });
    vendor.post("/mfa/setup", &link).await.is(200);
    vendor.post_null("/mfa/magic-link/send").await.is(200);
    let token = server.mail.link_to("alice@example.com").await;
    let body = json!({ "token": token });
    vendor.post("/mfa/magic-link/activate", &body).await.is(200);
    // Acting on others needs proof with the method that is on.
    vendor
        .post("/mfa/organization/enforce", &json!({ "enforced": true }))
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    // `resetMFA({ resetUserId: undefined, enable: false })`.
    let reset = json!({ "enable": false });
    vendor.post("/mfa/reset", &reset).await.is(200);
    let status = vendor.get("/mfa/status").await.is(200);
    assert_eq!(status["data"]["isEnabled"], false);
}

async fn the_session_goes_on_for_what_is_left_of_five_minutes() {
    let server = Server::start().await;
    let vendor = Vendor::signed_up(&server, "alice@example.com").await;
    server.clock.advance(250);
    vendor.set_up_app().await;
    server.clock.advance(45);
    let app = json!({ "mfaType": "GOOGLE_AUTH" });
    vendor.post("/mfa/primary", &app).await.is(200);
    server.clock.advance(10);
    for path in ["/mfa/primary", "/mfa/disable"] {
        vendor
            .post(path, &app)
            .await
            .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    }
    vendor
        .post("/mfa/setup", &json!({ "mfaType": "PASSKEY" }))
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
}

async fn a_link_from_the_mail_lets_no_session_go_on() {
    let server = Server::start().await;
    let vendor = Vendor::signed_up(&server, "alice@example.com").await;
    let link = json!({ "mfaType": "MAGIC_LINK" });
    vendor.post("/mfa/setup", &link).await.is(200);
    let token = server.mail.link_to("alice@example.com").await;
    let reader = Vendor::new(&server);
    let body = json!({ "token": token });
    reader.post("/mfa/magic-link/activate", &body).await.is(200);
    vendor
        .post("/mfa/disable", &link)
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
}

async fn a_session_that_did_not_prove_the_method_does_not_go_on() {
    let server = Server::start().await;
    let first = Vendor::signed_up(&server, "alice@example.com").await;
    let mut second = Vendor::new(&server);
    second.user_login("alice@example.com").await;
    first.set_up_app().await;
    let app = json!({ "mfaType": "GOOGLE_AUTH" });
    second
        .post("/mfa/disable", &app)
        .await
        .refused(401, "TOKEN_INVALID");
    // A second method does not turn an older session into one with proof, either.
    server.clock.advance(301);
    first
        .post("/mfa/setup", &json!({ "mfaType": "PASSKEY" }))
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
}

async fn a_sign_in_that_waits_is_told_what_it_can_go_on_with() {
    let server = Server::start().await;
    let mut vendor = Vendor::signed_up(&server, "alice@example.com").await;
    let mut app = vendor.set_up_app().await;
    let waiting = vendor.user_login("alice@example.com").await;
    assert_eq!(waiting["mfaRequired"], true);
    let status = vendor.get("/mfa/status").await.is(200);
    assert_eq!(status["data"]["sessionVerified"], false);
    let methods = vendor.get("/mfa/methods").await.is(200);
    assert_eq!(methods["data"][0]["type"], "GOOGLE_AUTH");
    assert_eq!(methods["data"][0]["isEnabled"], true);
    assert_eq!(methods["data"][1]["isEnabled"], false);
    let profile = vendor.get("/user/profile").await.is(200);
    assert_eq!(profile["data"]["email"], "alice@example.com");
    assert_eq!(profile["data"]["mfaRequired"], true);
    for (method, path) in [
        (Method::GET, "/organization/users"),
        (Method::GET, "/identity/me"),
        (Method::POST, "/mfa/reset"),
    ] {
        vendor
            .call(method, path)
            .await
            .refused(401, "TOKEN_INVALID");
    }
    server.clock.advance(30);
    let code = app.fresh_code(&server.clock);
    let body = json!({
        "mfaType": "GOOGLE_AUTH", "code": code, "sessionId": "s", "ipAddress": "192.0.2.7", "userAgent": "Mozilla/5.0",
    });
    let verified = vendor.post("/mfa/verify-login", &body).await.is(200);
    for path in ["/mfa/methods", "/user/profile"] {
        vendor.get(path).await.refused(401, "TOKEN_INVALID");
    }
    vendor.token = verified.text("fullAccessToken");
    let status = vendor.get("/mfa/status").await.is(200);
    assert_eq!(status["data"]["sessionVerified"], true);
}

async fn an_owner_lists_the_users_of_the_organisation() {
    let server = Server::start().await;
    let owner = Vendor::signed_up(&server, "owner@example.com").await;
    let list = owner.get("/organization/users").await.is(200);
    assert_eq!(list["total"], 1);
    let user = &list["data"][0];
    assert_eq!(user["email"], "owner@example.com");
    assert_eq!(user["orgRole"], 255);
    assert_eq!(user["orgRoleDescription"], "OWNER");
    assert_eq!(user["validated"], true);
    let profile = owner.get("/user/profile").await.is(200);
    assert_eq!(user["orgId"], profile["data"]["orgId"]);
    owner
        .get("/organization/users?email=alice@example.com")
        .await
        .refused(400, "VALIDATION");
    let alone = Client::registered(&server, "alone@example.com", None).await;
    alone
        .get("/organization/users")
        .await
        .refused(400, "NO_ORGANISATION");
}

async fn a_session_is_renewed_and_ended() {
    let server = Server::start().await;
    let mut vendor = Vendor::signed_up(&server, "alice@example.com").await;
    let signed_in = vendor.user_login("alice@example.com").await;
    let body = json!({ "refresh_token": signed_in.text("refreshToken") });
    let renewed = vendor.post("/user/refresh", &body).await.is(200);
    assert_eq!(renewed["token"], renewed["accessToken"]);
    vendor.token = renewed.text("accessToken");
    vendor.get("/user/profile").await.is(200);
    let body = json!({ "refresh_token": renewed.text("refreshToken") });
    vendor.post("/user/logout", &body).await.is(200);
    vendor
        .get("/user/profile")
        .await
        .refused(401, "TOKEN_INVALID");
}
