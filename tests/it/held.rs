//! Valid tokens and references of every kind, with the users they belong to.

use std::collections::BTreeMap;

use contract_tests::contract::Operation;
use contract_tests::{Device, Person, Server, json};
use countersign::config::Settings;

use super::veeam::OTHER_PASSWORD;
use super::{flashback, veeam};

/// A user with references.
pub struct Holder {
    /// The user.
    pub person: Person,
    /// The number of their account.
    pub number: i64,
    /// A sign-in of theirs that waits for its second step.
    pub pending: String,
}

/// References of every kind, by the name of the kind.
pub struct Held {
    /// Their users: as many as links have purposes, since an account has one live link.
    pub holders: Vec<Holder>,
    /// The references.
    pub kinds: BTreeMap<&'static str, String>,
}

/// Raises limits for a test that tries everything everywhere: each limit would hide what is behind
/// it.
pub fn without_limits(settings: &mut Settings) {
    let policy = &mut settings.policy;
    for limit in [
        &mut policy.challenges_per_account,
        &mut policy.code_mails_per_day,
        &mut policy.code_mails_per_hour,
        &mut policy.hard_limit,
        &mut policy.mail_calls_per_source,
        &mut policy.passkey_sign_ins_per_source,
        &mut policy.soft_limit,
        &mut policy.tries_per_challenge,
    ] {
        *limit = 100_000;
    }
}

impl Held {
    /// Makes references for users with this number in their address.
    pub async fn make(server: &Server, number: usize) -> Self {
        let mut kinds = BTreeMap::new();
        let holders = vec![
            with_everything(server, number, &mut kinds).await,
            with_link_of_setup(server, number, &mut kinds).await,
            with_link_of_disable(server, number, &mut kinds).await,
            with_link_of_step_up(server, number, &mut kinds).await,
        ];
        // A new administrator each time: they must have signed in recently.
        let root = format!("root{number}@example.com");
        let root = server.administrator(&root).await;
        let key = root.api_key(&["users:read", "tokens:validate"]).await;
        kinds.insert("api key", key);
        let asked = server.register(&format!("bob{number}@example.com")).await;
        kinds.insert("registration", asked.is(202).text("registrationToken"));
        let carol = format!("carol{number}@example.com");
        let body = flashback::registration(&carol, None);
        server.post("/user/register", &body).await.is(201);
        kinds.insert("registration link", server.mail.link_to(&carol).await);
        let (passkey, _) = server.asked_for_any_passkey().await;
        kinds.insert("passkey", passkey);
        Self { holders, kinds }
    }

    /// Returns who may call an operation, each with the bearer that they send.
    pub fn callers(&self, operation: &Operation) -> Vec<(&Holder, Option<&str>)> {
        let security = operation.security;
        let mut callers = Vec::new();
        if security.open {
            callers.push((&self.holders[0], None));
        }
        for holder in &self.holders {
            if security.bearer {
                callers.push((holder, Some(&*holder.person.access_token)));
            }
            if security.pending {
                callers.push((holder, Some(&*holder.pending)));
            }
        }
        callers
    }
}

/// Makes a user with every method on and every step under way.
async fn with_everything(
    server: &Server,
    number: usize,
    kinds: &mut BTreeMap<&'static str, String>,
) -> Holder {
    let mut alice = server
        .registered(&format!("alice{number}@example.com"))
        .await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    alice.add_passkey(&Device::new()).await;
    alice.enable_email().await;
    let setup = alice.begin_setup_named("authenticator", "Second").await;
    kinds.insert("setup", setup.is(200).text("mfaToken"));
    let setup = alice.begin_passkey("Second").await.is(200);
    kinds.insert("setup of a passkey", setup.text("mfaToken"));
    let disable = alice.begin_disable("authenticator").await.is(200);
    kinds.insert("disable", disable.text("mfaToken"));
    let app = json!({ "method": "authenticator" });
    let step_up = alice.begin_step_up(&app).await.is(200);
    kinds.insert("step-up", step_up.text("mfaToken"));
    let key = json!({ "method": "passkey" });
    let step_up = alice.begin_step_up(&key).await.is(200);
    kinds.insert("step-up by a passkey", step_up.text("mfaToken"));
    let link = server.forgotten(&alice.email).await;
    let reset = server.reset_by_link(&link, OTHER_PASSWORD).await.is(200);
    kinds.insert("reset", reset.text("mfaToken"));
    kinds.insert("link of reset", server.forgotten(&alice.email).await);
    let login = alice.begin_sign_in().await;
    server.switch(&login, "email").await.is(200);
    kinds.insert("login", login.clone());
    kinds.insert("link of login", server.mail.link_to(&alice.email).await);
    let (by_passkey, _) = alice.asked_for_passkey().await;
    kinds.insert("login by a passkey", by_passkey);
    kinds.insert("access", alice.access_token.clone());
    kinds.insert("refresh", alice.refresh_token.clone());
    Holder::of(alice, login).await
}

/// Makes a user whose mailbox is about to be turned on.
async fn with_link_of_setup(
    server: &Server,
    number: usize,
    kinds: &mut BTreeMap<&'static str, String>,
) -> Holder {
    let mut dora = server.registered(&format!("old{number}@example.com")).await;
    let new = format!("dora{number}@example.com");
    kinds.insert("link of undo", dora.change_email(&new).await);
    dora.enable_authenticator().await;
    dora.sign_in().await;
    let pending = dora.begin_sign_in().await;
    let setup = dora.begin_setup("email").await.is(200);
    kinds.insert("setup of the mailbox", setup.text("mfaToken"));
    kinds.insert("link of setup", server.mail.link_to(&dora.email).await);
    Holder::of(dora, pending).await
}

/// Makes a user whose mailbox is about to be turned off.
async fn with_link_of_disable(
    server: &Server,
    number: usize,
    kinds: &mut BTreeMap<&'static str, String>,
) -> Holder {
    let mut erin = server
        .registered(&format!("erin{number}@example.com"))
        .await;
    erin.enable_email().await;
    erin.sign_in().await;
    let pending = erin.begin_sign_in().await;
    server.mail.link_to(&erin.email).await;
    erin.begin_disable("email").await.is(200);
    kinds.insert("link of disable", server.mail.link_to(&erin.email).await);
    Holder::of(erin, pending).await
}

/// Makes a user who is about to prove their mailbox again.
async fn with_link_of_step_up(
    server: &Server,
    number: usize,
    kinds: &mut BTreeMap<&'static str, String>,
) -> Holder {
    let mut faythe = server
        .registered(&format!("faythe{number}@example.com"))
        .await;
    faythe.enable_email().await;
    faythe.sign_in().await;
    let pending = faythe.begin_sign_in().await;
    server.mail.link_to(&faythe.email).await;
    faythe.begin_step_up(&json!({})).await.is(200);
    kinds.insert("link of step-up", server.mail.link_to(&faythe.email).await);
    Holder::of(faythe, pending).await
}

impl Holder {
    async fn of(person: Person, pending: String) -> Self {
        let number = veeam::number(&person).await;
        Self {
            person,
            number,
            pending,
        }
    }

    /// Returns the path of an operation. One about an account is about their own.
    pub fn path(&self, operation: &Operation) -> String {
        match operation.api {
            "veeam" => operation.path.replace("{id}", &self.number.to_string()),
            _ => operation.sample_path(),
        }
    }
}
