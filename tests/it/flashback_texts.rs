//! The answers on Flashback's pages, letter for letter: the messages of 200, and the list of
//! methods.

use contract_tests::device::Device;
use contract_tests::{Answer, Server, Value, json, tests};

use super::flashback::Client;
use super::flashback_passkeys::{complete, creation};

tests! {
    successes_say_what_the_pages_say,
    the_methods_are_named_and_described_as_on_the_page,
}

/// An answer, and the message that the page has for it.
type Said = (Answer, &'static str);

/// Sets up an app and turns it on.
async fn enables_an_app(owner: &mut Client) -> Vec<Said> {
    let begun = owner.setup("GOOGLE_AUTH").await.is(200);
    let secret = begun["data"]["secret"].as_str().expect("a secret");
    owner.app = Some(contract_tests::Authenticator::new(secret));
    let body = json!({ "mfaType": "GOOGLE_AUTH", "code": owner.code() });
    let proved = owner.post("/mfa/verify-setup", &body).await;
    owner.sign_in().await;
    let enabled = owner.of("/mfa/enable", "GOOGLE_AUTH").await;
    vec![
        (proved, "MFA setup verified and enabled"),
        (enabled, "MFA method enabled"),
    ]
}

/// Sets up magic links and puts them first.
async fn activates_magic_links(owner: &Client) -> Vec<Said> {
    owner.setup("MAGIC_LINK").await.is(200);
    let body = json!({ "token": owner.server.mail.link_to(&owner.email).await });
    let activated = owner.server.post("/mfa/magic-link/activate", &body).await;
    let chosen = owner.of("/mfa/primary", "MAGIC_LINK").await;
    vec![
        (activated, "Magic link MFA activated successfully"),
        (chosen, "Primary MFA method updated"),
    ]
}

/// Registers a passkey at both paths, and turns it off each time.
async fn registers_passkeys(owner: &mut Client) -> Vec<Said> {
    let mut said = Vec::new();
    for path in [
        "/mfa/passkey/complete-registration",
        "/mfa/passkey/complete-registration-1",
    ] {
        owner.sign_in_by_link().await;
        let begun = owner.setup("PASSKEY").await.is(200);
        let made = Device::new().create(&creation(&begun)).await;
        let credential = made.expect("a passkey");
        let completed = owner.post(path, &complete(&begun, &credential)).await;
        said.push((completed, "Passkey registration completed"));
        let disabled = owner.of("/mfa/disable", "PASSKEY").await;
        said.push((disabled, "MFA method disabled"));
    }
    said
}

/// Signs in by a link, demands a second factor of everybody and of nobody, and resets its own.
async fn signs_in_enforces_and_resets(owner: &mut Client) -> Vec<Said> {
    owner.login().await;
    let sent = owner.poke("/mfa/magic-link/send").await;
    let token = owner.server.mail.link_to(&owner.email).await;
    owner
        .verify(&json!({ "mfaType": "MAGIC_LINK", "token": token }))
        .await;
    let enforce = |enforced: bool| {
        let body = json!({ "enforced": enforced });
        owner.post("/mfa/organization/enforce", &body)
    };
    let enforced = enforce(true).await;
    let ended = enforce(false).await;
    let reset = owner.poke("/mfa/reset").await;
    vec![
        (sent, "Magic link sent successfully"),
        (enforced, "MFA enforcement enabled for organization"),
        // The page has only the other sentence.
        (ended, "MFA enforcement disabled for organization"),
        (reset, "MFA reset successfully"),
    ]
}

async fn successes_say_what_the_pages_say() {
    let server = Server::start().await;
    let mut owner = Client::registered(&server, "owner@example.com", Some("Acme")).await;
    let said = [
        enables_an_app(&mut owner).await,
        activates_magic_links(&owner).await,
        registers_passkeys(&mut owner).await,
        signs_in_enforces_and_resets(&mut owner).await,
    ];
    for (answer, message) in said.concat() {
        let answer = answer.is(200);
        let expected = json!({ "success": true, "message": message });
        assert_eq!(answer.body, expected, "{}", answer.call);
    }
}

/// Returns the page's list, with an account's state of each method.
fn methods(stands: [(bool, bool); 3]) -> Value {
    let named = [
        (
            "GOOGLE_AUTH",
            "Google Authenticator",
            "Time-based one-time password using Google Authenticator app",
        ),
        (
            "MAGIC_LINK",
            "Magic Link",
            "Email-based authentication using secure links",
        ),
        (
            "PASSKEY",
            "Passkey",
            "WebAuthn-based biometric or hardware key authentication",
        ),
    ];
    let rows = named.into_iter().zip(stands);
    let rows = rows.map(|((word, name, description), (configured, enabled))| {
        json!({
            "type": word, "name": name, "description": description, "isAvailable": true,
            "isConfigured": configured, "isEnabled": enabled,
        })
    });
    json!({ "success": true, "data": rows.collect::<Vec<_>>() })
}

async fn the_methods_are_named_and_described_as_on_the_page() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    let none = alice.get("/mfa/methods").await.is(200);
    assert_eq!(none.body, methods([(false, false); 3]));
    // The page's own example: an app and a passkey are on, and no magic link.
    alice.enable_app().await;
    alice.sign_in().await;
    alice.enable_passkey(&Device::new()).await;
    let two = alice.get("/mfa/methods").await.is(200);
    let on = (true, true);
    assert_eq!(two.body, methods([on, (false, false), on]));
    alice.of("/mfa/disable", "PASSKEY").await.is(200);
    let kept = alice.get("/mfa/methods").await.is(200);
    assert_eq!(kept.body, methods([on, (false, false), (true, false)]));
}
