//! What is announced and what ends when access changes: mails to the owner, sessions, codes,
//! waiting flows.

use std::cell::RefCell;
use std::collections::BTreeSet;

use contract_tests::call::Method;
use contract_tests::contract::Contract;
use contract_tests::{Answer, Authenticator, Call, Device, PASSWORD, Person, Server, json, tests};
use countersign::config::Settings;

use super::flashback::Client;
use super::flashback_passkeys::{complete, creation};
use super::veeam::{self, OTHER_PASSWORD, act, number};

tests! {
    every_act_that_opens_a_door_is_told,
    recovery_codes_end_with_the_last_method,
    what_waits_ends_with_the_last_method,
    sessions_end_where_somebody_else_turned_a_method_off,
    the_session_that_set_up_the_first_method_is_shown_codes,
    newer_recovery_codes_outlive_an_older_set_up,
}

/// Operations that change something and send no mail of their own, with the reason.
const QUIET: [(&str, &str); 33] = [
    (
        "identity registerUser",
        "no account yet: its mail carries the code",
    ),
    (
        "identity verifyRegistration",
        "its owner asked for it, by the mail's code",
    ),
    (
        "flashback registerUser",
        "no account yet: its mail carries the link",
    ),
    (
        "flashback verifyEmail",
        "its owner asked for it, by the mail's link",
    ),
    (
        "identity login",
        "a right password is no change; wrong codes after it are told",
    ),
    (
        "identity verifyMfaLogin",
        "a sign-in, by what its owner set up",
    ),
    (
        "identity verifyPasskeyLogin",
        "a sign-in, by what its owner set up",
    ),
    ("identity getSignInPasskeyOptions", "opens nothing"),
    (
        "identity signInWithPasskey",
        "a sign-in, by what its owner set up",
    ),
    ("identity getPasskeyOptions", "opens nothing"),
    ("identity openMagicLink", "signs nobody in"),
    ("identity switchMfaMethod", "chooses among what is on"),
    ("identity resendMfaCode", "is a mail itself"),
    (
        "identity refreshToken",
        "carries a session on; a reuse is told",
    ),
    ("identity logout", "closes a door"),
    ("identity validateToken", "changes nothing"),
    ("identity setupMfa", "opens nothing before its proof"),
    ("identity disableMfa", "closes nothing before its proof"),
    ("identity renameMfaMethod", "changes no door"),
    (
        "identity setPrimaryMfaMethod",
        "all methods stay good; takes fresh proof",
    ),
    ("identity beginStepUp", "opens nothing"),
    (
        "identity verifyStepUp",
        "lifts a session by what its owner set up",
    ),
    (
        "identity verifyPasskeyStepUp",
        "lifts a session by what its owner set up",
    ),
    ("netevia authenticate", "as identity login"),
    (
        "netevia completeAuthentication",
        "a sign-in, by what its owner set up",
    ),
    ("netevia sendVerificationCode", "is a message itself"),
    ("flashback setupMfa", "opens nothing before its proof"),
    (
        "flashback setPrimaryMfa",
        "all methods stay good; takes fresh proof",
    ),
    ("flashback sendMagicLink", "is a mail itself"),
    (
        "flashback verifyMfaLogin",
        "a sign-in, by what its owner set up",
    ),
    ("flashback logout", "closes a door"),
    ("veeam enableMfa", "opens nothing before acceptMfa"),
    ("veeam deleteUser", "no letter outlives its account"),
];
/// More of those operations.
const QUIET_TOO: [(&str, &str); 17] = [
    ("identity forgotPassword", "is a mail itself"),
    (
        "identity beginEmailChange",
        "changes nothing; is a mail itself",
    ),
    ("identity endSession", "closes a door"),
    ("identity updateCurrentUser", "changes no door"),
    (
        "identity deleteCurrentUser",
        "no letter outlives its account",
    ),
    ("identity endOtherSessions", "closes doors"),
    ("flashback requestPasswordReset", "is a mail itself"),
    ("flashback resendVerification", "is a mail itself"),
    ("flashback preVerifyEmail", "changes nothing"),
    ("flashback login", "as identity login"),
    ("flashback refreshToken", "as identity refreshToken"),
    ("flashback getPasskeyAuthOptions", "opens nothing"),
    (
        "flashback completePasskeyRegistrationAlias",
        "is completePasskeyRegistration by another path",
    ),
    ("veeam requestToken", "as identity login"),
    ("veeam logout", "closes a door"),
    ("veeam enableMfaV81", "opens nothing before acceptMfaV81"),
    ("veeam deleteUserV81", "no letter outlives its account"),
];

/// Sends notices one by one, however many there are.
fn with_notices(settings: &mut Settings) {
    settings.policy.notices_per_hour = 1000;
    settings.policy.notices_per_day = 1000;
    settings.policy.mail_calls_per_source = 1000;
}

/// Records which operations were seen to send a mail.
struct Told<'a> {
    server: &'a Server,
    seen: RefCell<BTreeSet<&'static str>>,
}

impl Told<'_> {
    fn count(&self, email: &str, words: &str) -> usize {
        let mails = self.server.mail.all_to(email);
        mails
            .iter()
            .filter(|one| one.subject.contains(words))
            .count()
    }

    /// Makes a call of `operation`, and asserts that it is announced to `email` once.
    async fn by(&self, operation: &'static str, email: &str, words: &str, call: Call) -> Answer {
        self.server.mail_is_out().await;
        let before = self.count(email, words);
        let answer = call.await;
        assert!(answer.status < 300, "{operation}: {}", answer.text);
        self.server.mail_is_out().await;
        assert_eq!(
            self.count(email, words),
            before + 1,
            "{operation} tells {email}"
        );
        self.seen.borrow_mut().insert(operation);
        answer
    }
}

async fn every_act_that_opens_a_door_is_told() {
    let server = Server::with(with_notices).await;
    let told = Told {
        server: &server,
        seen: RefCell::default(),
    };
    natively(&told).await;
    by_accounts(&told).await;
    by_addresses(&told).await;
    by_netevia(&told).await;
    by_flashback(&told).await;
    by_veeam(&told).await;
    by_veeam_at_v8_1(&told).await;
    let told = told.seen.into_inner();
    let quiet = QUIET.iter().chain(&QUIET_TOO).map(|(name, _)| *name);
    let quiet: BTreeSet<&str> = quiet.collect();
    let changing = Contract::get().operations.iter();
    let unlisted: Vec<String> = changing
        .filter(|operation| operation.method != "GET")
        .map(|operation| operation.name())
        .filter(|name| !told.contains(name.as_str()) && !quiet.contains(name.as_str()))
        .collect();
    assert!(unlisted.is_empty(), "told to nobody: {unlisted:?}");
    assert!(told.is_disjoint(&quiet), "{told:?}");
}

async fn natively(told: &Told<'_>) {
    let (server, email) = (told.server, "alice@example.com");
    let mut alice = server.administrator(email).await;
    let begun = alice.begin_setup("authenticator").await.is(200);
    alice.authenticator = Some(Authenticator::new(&begun.text("secret")));
    let verify = server.verify_setup(&begun.text("mfaToken"), &alice.fresh_code());
    told.by("identity verifyMfaSetup", email, "turned on", verify)
        .await;
    let codes = alice.new_recovery_codes();
    told.by("identity generateRecoveryCodes", email, "ecovery", codes)
        .await;
    alice.sign_in().await;
    let body = json!({ "name": "shop", "scopes": ["users:read"] });
    let make = alice.post("/identity/api-keys", &body);
    let made = told
        .by("identity createApiKey", email, "API key was made", make)
        .await;
    let path = format!("/identity/api-keys/{}", made.text("id"));
    let delete = alice.call(Method::DELETE, &path);
    told.by("identity deleteApiKey", email, "was deleted", delete)
        .await;
    let device = Device::new();
    let begun = alice.begin_passkey("Phone").await.is(200);
    let credential = device
        .create(&json!({ "publicKey": begun["publicKey"] }))
        .await;
    let credential = credential.expect("a passkey");
    let verify = server.verify_passkey("mfa/setup", &begun.text("mfaToken"), &credential);
    told.by("identity verifyPasskeySetup", email, "turned on", verify)
        .await;
    let passkey = alice.factor_id("passkey").await;
    told.by(
        "identity deleteMfaMethod",
        email,
        "turned off",
        alice.remove(&passkey),
    )
    .await;
    let begun = alice.begin_disable("authenticator").await.is(200);
    let verify = server.verify_disable(&begun.text("mfaToken"), &alice.fresh_code());
    told.by("identity verifyMfaDisable", email, "turned off", verify)
        .await;
}

/// What people do with their own accounts.
async fn by_accounts(told: &Told<'_>) {
    let (server, email) = (told.server, "frank@example.com");
    let mut frank = server.registered(email).await;
    let link = server.forgotten(email).await;
    let reset = server.reset_by_link(&link, OTHER_PASSWORD);
    told.by("identity resetPassword", email, "was replaced", reset)
        .await;
    let link = server.forgotten(email).await;
    let body = json!({ "token": link, "newPassword": OTHER_PASSWORD });
    let reset = server.post("/user/reset-password", &body);
    told.by("flashback resetPassword", email, "was replaced", reset)
        .await;
    OTHER_PASSWORD.clone_into(&mut frank.password);
    frank.sign_in().await;
    let change = frank.change_password(PASSWORD);
    told.by("identity changePassword", email, "was changed", change)
        .await;
    PASSWORD.clone_into(&mut frank.password);
    frank.enable_authenticator().await;
    frank.sign_in().await;
    let device = Device::new();
    frank.add_passkey(&device).await;
    let link = server.forgotten(email).await;
    let begun = server.reset_by_link(&link, OTHER_PASSWORD).await.is(200);
    let verify = server.verify_reset(&begun.text("mfaToken"), &frank.fresh_code());
    told.by(
        "identity verifyPasswordReset",
        email,
        "was replaced",
        verify,
    )
    .await;
    server.clock.advance(3600);
    let link = server.forgotten(email).await;
    let begun = server.reset_by_link(&link, OTHER_PASSWORD).await.is(200);
    let token = begun.text("mfaToken");
    let asked = server.passkey_options(&token).await.is(200);
    let used = device.get(&asked["publicKey"]).await.expect("an assertion");
    let verify = server.verify_passkey("password/reset", &token, &used);
    told.by(
        "identity verifyPasskeyPasswordReset",
        email,
        "was replaced",
        verify,
    )
    .await;
}

/// What people do with their addresses.
async fn by_addresses(told: &Told<'_>) {
    let (server, old, new) = (told.server, "grace@example.com", "hopper@example.com");
    let grace = server.registered(old).await;
    grace.begin_email_change(new).await.is(202);
    let code = server.mail.code_to(new).await;
    let verify = grace.verify_email_change(&code);
    told.by("identity verifyEmailChange", old, "was changed", verify)
        .await;
    assert_eq!(told.count(new, "This is the address"), 1);
    let link = server.mail.link_to(old).await;
    let undo = server.undo_email_change(&link);
    told.by("identity undoEmailChange", old, "was restored", undo)
        .await;
    assert_eq!(told.count(new, "no longer has this address"), 1);
}

async fn by_netevia(told: &Told<'_>) {
    let (server, email) = (told.server, "bob@example.com");
    let mut bob = server.registered(email).await;
    let on = bob.post("/settings/MfaSignIn", &json!({ "mfaMethod": "email" }));
    told.by("netevia enableMfaSignIn", email, "turned on", on)
        .await;
    bob.sign_in().await;
    let off = bob.call(Method::DELETE, "/settings/MfaSignIn");
    told.by("netevia disableMfaSignIn", email, "no longer needed", off)
        .await;
    bob.sign_in().await;
    let app = json!({ "mfaMethod": "authenticator" });
    let begun = bob.post("/settings/MfaSignIn", &app).await.is(200);
    bob.authenticator = Some(Authenticator::new(&begun.text("secret")));
    let body = json!({ "code": bob.fresh_code(), "mfaToken": begun.text("mfaToken"),
        "shortMessageType": "ContactInfoUpdateRequest" });
    let check = bob.post("/api/CodeVerification/check", &body);
    told.by("netevia checkVerificationCode", email, "turned on", check)
        .await;
    let mut root = server.administrator("root@example.com").await;
    root.sign_in().await;
    let profile = number(&bob).await;
    let ways = [
        ("netevia disableMfaOfProfile", "/netevia/disablemfa/"),
        (
            "netevia disableMfaOfAuthorizedUser",
            "/netevia/disablemfa/authtorized/",
        ),
    ];
    for (name, path) in ways {
        let off = root.call(Method::POST, &format!("{path}{profile}"));
        told.by(name, email, "no longer needed", off).await;
        bob.sign_in().await;
        bob.post("/settings/MfaSignIn", &app).await.is(200);
    }
}

async fn by_flashback(told: &Told<'_>) {
    let (server, email) = (told.server, "carol@example.com");
    let mut carol = Client::registered(server, email, Some("Acme")).await;
    let begun = carol.setup("GOOGLE_AUTH").await.is(200);
    let secret = begun["data"]["secret"].as_str().expect("a secret");
    carol.app = Some(Authenticator::new(secret));
    let body = json!({ "mfaType": "GOOGLE_AUTH", "code": carol.code() });
    let verify = carol.post("/mfa/verify-setup", &body);
    told.by("flashback verifyMfaSetup", email, "turned on", verify)
        .await;
    carol.sign_in().await;
    let off = carol.of("/mfa/disable", "GOOGLE_AUTH");
    told.by("flashback disableMfa", email, "no longer needed", off)
        .await;
    carol.login().await;
    let on = carol.of("/mfa/enable", "GOOGLE_AUTH");
    told.by("flashback enableMfa", email, "turned on", on).await;
    carol.sign_in().await;
    let begun = carol.setup("PASSKEY").await.is(200);
    let credential = Device::new()
        .create(&creation(&begun))
        .await
        .expect("a passkey");
    let body = complete(&begun, &credential);
    let done = carol.post("/mfa/passkey/complete-registration", &body);
    told.by(
        "flashback completePasskeyRegistration",
        email,
        "turned on",
        done,
    )
    .await;
    carol.setup("MAGIC_LINK").await.is(200);
    let body = json!({ "token": server.mail.link_to(email).await });
    let done = server.post("/mfa/magic-link/activate", &body);
    told.by("flashback activateMagicLink", email, "turned on", done)
        .await;
    let reset = carol.poke("/mfa/reset");
    told.by("flashback resetMfa", email, "removed", reset).await;
    carol.login().await;
    let enforce = |on: bool| carol.post("/mfa/organization/enforce", &json!({ "enforced": on }));
    told.by(
        "flashback enforceOrganizationMfa",
        email,
        "demands a second factor now",
        enforce(true),
    )
    .await;
    carol.sign_in_by_link().await;
    let enforce = carol.post("/mfa/organization/enforce", &json!({ "enforced": false }));
    told.by(
        "flashback enforceOrganizationMfa",
        email,
        "no longer demands",
        enforce,
    )
    .await;
}

async fn by_veeam(told: &Told<'_>) {
    let (server, email) = (told.server, "dora@example.com");
    let mut dora = server.administrator(email).await;
    let own = number(&dora).await;
    let body = json!({ "name": "shop", "password": OTHER_PASSWORD });
    let add = dora.post("/api/v1/users", &body);
    told.by("veeam addUser", email, "added a user", add).await;
    let begun = veeam::enable(&dora, own, &json!(false)).await.is(200);
    dora.authenticator = Some(Authenticator::new(&begun.text("secretKey")));
    let accept = veeam::accept(&dora, own, &begun.text("token"), &dora.clone().fresh_code());
    told.by("veeam acceptMfa", email, "turned on", accept).await;
    server.clock.advance(30);
    dora.sign_in().await;
    told.by(
        "veeam disableMfa",
        email,
        "turned off",
        act(&dora, own, "disableMfa"),
    )
    .await;
    dora.sign_in().await;
    let path = format!("/api/v1/users/{own}");
    let put = dora
        .call(Method::PUT, &path)
        .json(&json!({ "password": OTHER_PASSWORD }));
    told.by("veeam updateUser", email, "password", put).await;
}

async fn by_veeam_at_v8_1(told: &Told<'_>) {
    let (server, email) = (told.server, "erin@example.com");
    let mut erin = server.administrator(email).await;
    let own = format!("/api/v8.1/users/{}", number(&erin).await);
    let body = json!({ "name": "stall", "password": OTHER_PASSWORD });
    let add = erin.post("/api/v8.1/users", &body);
    told.by("veeam addUserV81", email, "added a user", add)
        .await;
    let begun = erin.call(Method::POST, &format!("{own}/enableMfa")).await;
    let begun = begun.is(200);
    erin.authenticator = Some(Authenticator::new(&begun.text("secretKey")));
    let proof = json!({ "token": begun.text("token"), "code": erin.clone().fresh_code() });
    let accept = erin.post(&format!("{own}/acceptMfa"), &proof);
    told.by("veeam acceptMfaV81", email, "turned on", accept)
        .await;
    server.clock.advance(30);
    erin.sign_in().await;
    let disable = erin.call(Method::POST, &format!("{own}/disableMfa"));
    told.by("veeam disableMfaV81", email, "turned off", disable)
        .await;
    erin.sign_in().await;
    let body = json!({ "password": OTHER_PASSWORD });
    let put = erin.call(Method::PUT, &own).json(&body);
    told.by("veeam updateUserV81", email, "password", put).await;
}

/// Returns a user with only an app, signed in with it, and one of their recovery codes.
async fn with_codes(server: &Server, email: &str) -> (Person, String) {
    let mut alice = server.registered(email).await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let codes = alice.recovery_codes().await;
    (alice, codes[0].clone())
}

/// Turns the last method off in one of the possible ways.
async fn turn_off(alice: &mut Person, root: &Person, way: &str) {
    let own = number(alice).await;
    let app = json!({ "mfaType": "GOOGLE_AUTH" });
    let done = match way {
        "native disable" => {
            let begun = alice.begin_disable("authenticator").await.is(200);
            let code = alice.fresh_code();
            alice
                .server
                .verify_disable(&begun.text("mfaToken"), &code)
                .await
        }
        "native delete" => {
            let factor = alice.factor_id("authenticator").await;
            alice.remove(&factor).await
        }
        "netevia" => alice.call(Method::DELETE, "/settings/MfaSignIn").await,
        "netevia administrator" => {
            root.call(Method::POST, &format!("/netevia/disablemfa/{own}"))
                .await
        }
        "flashback disable" => alice.post("/mfa/disable", &app).await,
        "flashback reset" => alice.call(Method::POST, "/mfa/reset").await,
        "veeam" => act(alice, own, "disableMfa").await,
        "veeam administrator" => act(root, own, "disableMfa").await,
        way => panic!("no way {way}"),
    };
    assert!(done.status < 300, "{way}: {}", done.text);
}

/// All these ways.
const WAYS: [&str; 8] = [
    "native disable",
    "native delete",
    "netevia",
    "netevia administrator",
    "flashback disable",
    "flashback reset",
    "veeam",
    "veeam administrator",
];

async fn recovery_codes_end_with_the_last_method() {
    let server = Server::start().await;
    for (index, way) in WAYS.into_iter().enumerate() {
        let email = format!("alice{index}@example.com");
        let (mut alice, code) = with_codes(&server, &email).await;
        let mut root = server
            .administrator(&format!("root{index}@example.com"))
            .await;
        root.sign_in().await;
        turn_off(&mut alice, &root, way).await;
        alice.sign_in().await;
        let left = &alice.methods().await.is(200)["recoveryCodes"];
        assert_eq!(left["remaining"], 0, "{way}");
        // Another method does not revive them.
        alice.enable_email().await;
        let token = alice.begin_sign_in().await;
        let refused = server.verify_login(&token, &code).await;
        refused.refused(400, "INVALID_MFA_CODE");
    }
}

async fn what_waits_ends_with_the_last_method() {
    let server = Server::start().await;
    for (index, way) in WAYS.into_iter().enumerate() {
        let email = format!("alice{index}@example.com");
        let (mut alice, _) = with_codes(&server, &email).await;
        let mut root = server
            .administrator(&format!("root{index}@example.com"))
            .await;
        root.sign_in().await;
        let waiting = alice.begin_sign_in().await;
        turn_off(&mut alice, &root, way).await;
        let code = alice.fresh_code();
        let refused = server.verify_login(&waiting, &code).await;
        refused.refused(400, "MFA_TOKEN_INVALID");
        // It does not continue once there is a method again.
        alice.sign_in().await;
        alice.enable_authenticator().await;
        let code = alice.fresh_code();
        let refused = server.verify_login(&waiting, &code).await;
        refused.refused(400, "MFA_TOKEN_INVALID");
    }
}

async fn sessions_end_where_somebody_else_turned_a_method_off() {
    let server = Server::start().await;
    let mut root = server.administrator("root@example.com").await;
    root.sign_in().await;
    for (index, way) in ["netevia administrator", "veeam administrator"]
        .into_iter()
        .enumerate()
    {
        let email = format!("alice{index}@example.com");
        let (mut alice, _) = with_codes(&server, &email).await;
        alice.me().await.is(200);
        turn_off(&mut alice, &root, way).await;
        alice.me().await.refused(401, "TOKEN_INVALID");
        let refused = server.refresh(&alice.refresh_token).await;
        refused.refused(401, "TOKEN_INVALID");
        root.me().await.is(200);
    }
}

async fn the_session_that_set_up_the_first_method_is_shown_codes() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    server.clock.advance(300);
    assert_eq!(alice.recovery_codes().await.len(), 10);
    server.clock.advance(1);
    let refused = alice.new_recovery_codes().await;
    refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    // In a session that passed a second step, adding a method does not count as fresh proof.
    alice.sign_in().await;
    server.clock.advance(299);
    alice.enable_email().await;
    server.clock.advance(2);
    let refused = alice.new_recovery_codes().await;
    refused.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
}

async fn newer_recovery_codes_outlive_an_older_set_up() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice.sign_in().await;
    let app = json!({ "mfaType": "GOOGLE_AUTH" });
    let begun = alice.post("/mfa/setup", &app).await.is(200);
    let secret = begun["data"]["secret"].as_str().expect("a secret");
    alice.authenticator = Some(Authenticator::new(secret));
    server.clock.advance(1);
    let codes = alice.recovery_codes().await;
    let body = json!({ "mfaType": "GOOGLE_AUTH", "code": alice.fresh_code() });
    alice.post("/mfa/verify-setup", &body).await.is(200);
    let token = alice.begin_sign_in().await;
    server.verify_login(&token, &codes[0]).await.is(200);
}
