//! A policy demands a second factor: every API tells users without a factor of their own that
//! sign-in asks, and none turns off the mailbox that stands in for one.

use contract_tests::call::Method;
use contract_tests::{Answer, PASSWORD, Person, Server, Value, json, tests};

use super::crossing::{APIS, begin};
use super::netevia::enforced;
use super::{flashback, veeam};

tests! {
    every_api_tells_whether_sign_in_asks,
    no_api_turns_the_demanded_mailbox_off,
    a_sign_in_that_waits_for_what_is_no_longer_demanded_is_told,
}

/// Ends the organisation's demand.
async fn end(owner: &mut flashback::Client) {
    owner.sign_in_by_link().await;
    let body = json!({ "enforced": false });
    owner.post("/mfa/organization/enforce", &body).await.is(200);
}

/// Returns the entry of a list with this address.
fn listed(list: &Answer, member: &str, address: &str) -> Value {
    let mut all = list[member].as_array().expect("a list").iter();
    let found = all.find(|one| one["email"] == address || one["name"] == address);
    found.expect("listed").clone()
}

/// Returns what every API says about whether sign-in asks a user, to the user and to an
/// administrator.
async fn told(alice: &mut Person, root: &Person) -> Vec<(&'static str, Value)> {
    let number = veeam::number(alice).await;
    let me = alice.me().await.is(200);
    let validated = alice.post("/identity/validate-token", &json!({})).await;
    let users = root.get("/identity/users").await.is(200);
    let status = alice.get("/mfa/status").await.is(200);
    let methods = alice.get("/mfa/methods").await.is(200);
    let mut methods = methods["data"].as_array().expect("a list").iter();
    let link = methods.find(|one| one["type"] == "MAGIC_LINK");
    let profile = alice.get("/user/profile").await.is(200);
    let own = alice.get(&format!("/api/v1/users/{number}")).await.is(200);
    let seen = root.get(&format!("/api/v1/users/{number}")).await.is(200);
    let all = root.get("/api/v1/users").await.is(200);
    let refreshed = veeam::refresh(&alice.server, &alice.refresh_token).await;
    alice.refresh_token = refreshed.text("refresh_token");
    let begun = json!({ "mfaMethod": "authenticator" });
    let begun = alice.post("/settings/MfaSignIn", &begun).await.is(200);
    vec![
        ("identity me", me["mfaEnabled"].clone()),
        ("identity token", validated["user"]["mfaEnabled"].clone()),
        (
            "identity users",
            listed(&users, "users", &alice.email)["mfaEnabled"].clone(),
        ),
        ("flashback status", status["data"]["isEnabled"].clone()),
        (
            "flashback methods",
            link.expect("the mailbox")["isEnabled"].clone(),
        ),
        ("flashback profile", profile["data"]["mfaRequired"].clone()),
        ("veeam user", own["mfaEnabled"].clone()),
        ("veeam user, seen by another", seen["mfaEnabled"].clone()),
        (
            "veeam users",
            listed(&all, "results", &alice.email)["mfaEnabled"].clone(),
        ),
        ("veeam token", refreshed["mfa_enabled"].clone()),
        ("netevia set-up begun", begun["mfaEnabled"].clone()),
    ]
}

/// Returns a signed-in user without a factor whose organisation demands one, and the organisation's
/// owner.
async fn member(server: &Server) -> (Person, flashback::Client) {
    let mut alice = server.registered("alice@example.com").await;
    let owner = enforced(server, "alice@example.com").await;
    let answer = alice.sign_in().await;
    assert_eq!(answer["user"]["mfaEnabled"], true);
    (alice, owner)
}

async fn every_api_tells_whether_sign_in_asks() {
    let server = Server::start().await;
    let root = veeam::root(&server).await;
    let (mut alice, mut owner) = member(&server).await;
    for (place, asks) in told(&mut alice, &root).await {
        assert_eq!(asks, true, "{place}");
    }
    for (api, field) in
        APIS.into_iter()
            .zip(["mfaRequired", "mfaRequired", "mfaRequired", "mfa_enabled"])
    {
        let (_, answer) = begin(&alice, api).await;
        assert_eq!(answer[field], true, "{api}");
    }
    end(&mut owner).await;
    for (place, asks) in told(&mut alice, &root).await {
        assert_eq!(asks, false, "{place}");
    }
    let native = alice.login().await.is(200);
    assert_eq!(native["user"]["mfaEnabled"], false);
    native.text("accessToken");
    let plain = veeam::sign_in(&server, &alice.email, PASSWORD).await;
    assert_eq!(plain.is(200)["mfa_enabled"], false);
}

async fn a_sign_in_that_waits_for_what_is_no_longer_demanded_is_told() {
    let server = Server::start().await;
    let (alice, mut owner) = member(&server).await;
    let waiting = alice.begin_sign_in().await;
    end(&mut owner).await;
    server
        .switch(&waiting, "email")
        .await
        .refused(400, "MFA_NOT_ENABLED");
    alice.login().await.is(200).text("accessToken");
}

async fn no_api_turns_the_demanded_mailbox_off() {
    let server = Server::start().await;
    let (alice, mut owner) = member(&server).await;
    alice
        .begin_disable("email")
        .await
        .refused(403, "MFA_ENFORCED");
    let all = alice.call(Method::DELETE, "/settings/MfaSignIn").await;
    let refused = all.refused(403, "MFA_ENFORCED");
    assert_eq!(refused["status"], "error");
    let body = json!({ "mfaType": "MAGIC_LINK" });
    let one = alice.post("/mfa/disable", &body).await;
    let refused = one.refused(403, "MFA_ENFORCED");
    assert_eq!(refused["success"], false);
    // This operation is about authenticators only, and there are none.
    let own = veeam::number(&alice).await;
    veeam::act(&alice, own, "disableMfa").await.is(200);
    for api in APIS {
        let (token, answer) = begin(&alice, api).await;
        let opened = server.get("/identity/me").bearer(&token).await;
        opened.refused(401, "TOKEN_INVALID");
        assert!(answer["token"].is_null() && answer["access_token"].is_null());
    }
    end(&mut owner).await;
    alice.login().await.is(200).text("accessToken");
    alice
        .begin_disable("email")
        .await
        .refused(400, "MFA_NOT_ENABLED");
}
