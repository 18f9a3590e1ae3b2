//! Organisations: who may demand a second factor, and what that means to the members.

use contract_tests::{Call, PASSWORD, Server, json, tests};
use countersign::flow::operator;
use countersign::model::ids::Id;
use countersign::model::kinds::OrganisationRole;

use super::flashback::{Client, login};

tests! {
    only_who_administers_an_organisation_enforces,
    only_who_administers_an_organisation_lists_its_users,
    enforcement_locks_nobody_out_and_a_password_alone_enrols_nothing,
    ending_enforcement_needs_fresh_proof,
    the_last_method_cannot_be_disabled_while_it_is_demanded,
    an_owner_resets_a_member,
    nobody_resets_who_is_not_in_their_organisation,
    nobody_resets_who_stands_above_them,
    enforcement_counts_in_every_api,
}

/// Makes a user a member of the client's organisation.
async fn joins(owner: &Client, email: &str, role: OrganisationRole) {
    let profile = owner.get("/user/profile").await.is(200);
    let id = profile["data"]["orgId"].as_str().expect("an organisation");
    let id = Id::new(id.parse().expect("an id"));
    let joined = owner
        .server
        .app
        .call(async |ctx| operator::join(ctx, email, id, role).await);
    joined.await.expect("a member");
}

async fn enforce(client: &Client, enforced: bool) -> contract_tests::Answer {
    client
        .post(
            "/mfa/organization/enforce",
            &json!({ "enforced": enforced }),
        )
        .await
}

/// Resets somebody's second factors.
fn reset(client: &Client, id: &str) -> Call {
    client.post("/mfa/reset", &json!({ "resetUserId": id }))
}

async fn id(client: &Client) -> String {
    let profile = client.get("/user/profile").await.is(200);
    profile["data"]["id"].as_str().expect("an id").to_owned()
}

async fn only_who_administers_an_organisation_enforces() {
    let server = Server::start().await;
    let owner = Client::registered(&server, "owner@example.com", Some("Acme")).await;
    let mut member = Client::registered(&server, "member@example.com", None).await;
    enforce(&member, true).await.refused(400, "NO_ORGANISATION");
    joins(&owner, "member@example.com", OrganisationRole::Member).await;
    let refused = enforce(&member, true).await.refused(403, "FORBIDDEN");
    assert!(refused.text("error").contains("ADMINISTRATOR"));
    joins(
        &owner,
        "member@example.com",
        OrganisationRole::Administrator,
    )
    .await;
    member.login().await;
    let profile = member.get("/user/profile").await.is(200);
    assert_eq!(profile["data"]["orgRole"], 254);
    assert_eq!(profile["data"]["orgRoles"], json!([0, 254]));
    let enabled = enforce(&member, true).await.is(200);
    assert_eq!(
        enabled["message"],
        "MFA enforcement enabled for organization"
    );
}

async fn only_who_administers_an_organisation_lists_its_users() {
    let server = Server::start().await;
    let owner = Client::registered(&server, "owner@example.com", Some("Acme")).await;
    let member = Client::registered(&server, "member@example.com", None).await;
    Client::registered(&server, "other@example.com", Some("Other")).await;
    joins(&owner, "member@example.com", OrganisationRole::Member).await;
    member
        .get("/organization/users")
        .await
        .refused(403, "FORBIDDEN");
    let list = owner.get("/organization/users").await.is(200);
    assert_eq!(list["total"], 2);
    assert_eq!(list["data"][0]["email"], "owner@example.com");
    assert_eq!(list["data"][1]["email"], "member@example.com");
    assert_eq!(list["data"][1]["orgRoleDescription"], "USER");
}

async fn enforcement_locks_nobody_out_and_a_password_alone_enrols_nothing() {
    let server = Server::start().await;
    let owner = Client::registered(&server, "owner@example.com", Some("Acme")).await;
    let mut member = Client::registered(&server, "member@example.com", None).await;
    joins(&owner, "member@example.com", OrganisationRole::Member).await;
    enforce(&owner, true).await.is(200);
    member
        .setup("GOOGLE_AUTH")
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    let asked = member.login().await;
    assert_eq!(asked["mfaRequired"], true);
    assert_eq!(asked["mfaMethods"], json!(["MAGIC_LINK"]));
    let status = member.get("/mfa/status").await.is(200);
    assert_eq!(
        status["data"],
        json!({ "isEnabled": true, "isRequired": true, "isEnforced": true, "enabledMethods": ["MAGIC_LINK"], "primaryMethod": "MAGIC_LINK", "sessionVerified": false })
    );
    member.sign_in_by_link().await;
    assert_eq!(member.enable_app().await.len(), 10);
    member.sign_in().await;
}

async fn ending_enforcement_needs_fresh_proof() {
    let server = Server::start().await;
    let mut owner = Client::registered(&server, "owner@example.com", Some("Acme")).await;
    enforce(&owner, true).await.is(200);
    enforce(&owner, false)
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    owner.sign_in_by_link().await;
    server.clock.advance(301);
    enforce(&owner, false)
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    owner.sign_in_by_link().await;
    let ended = enforce(&owner, false).await.is(200);
    assert_eq!(
        ended["message"],
        "MFA enforcement disabled for organization"
    );
    let plain = owner.login().await;
    assert_eq!(plain["mfaRequired"], false);
}

async fn the_last_method_cannot_be_disabled_while_it_is_demanded() {
    let server = Server::start().await;
    let mut owner = Client::registered(&server, "owner@example.com", Some("Acme")).await;
    owner.enable_app().await;
    owner.sign_in().await;
    enforce(&owner, true).await.is(200);
    let refused = owner.of("/mfa/disable", "GOOGLE_AUTH").await;
    let refused = refused.refused(403, "MFA_ENFORCED");
    assert_eq!(
        refused["error"],
        "Cannot disable MFA when enforced by organization."
    );
    owner.poke("/mfa/reset").await.refused(403, "MFA_ENFORCED");
    owner.enable_link().await;
    owner.of("/mfa/disable", "GOOGLE_AUTH").await.is(200);
    owner
        .of("/mfa/disable", "MAGIC_LINK")
        .await
        .refused(403, "MFA_ENFORCED");
}

async fn an_owner_resets_a_member() {
    let server = Server::start().await;
    let mut owner = Client::registered(&server, "owner@example.com", Some("Acme")).await;
    let mut member = Client::registered(&server, "member@example.com", None).await;
    joins(&owner, "member@example.com", OrganisationRole::Member).await;
    let target = json!({ "resetUserId": id(&member).await });
    member.enable_app().await;
    owner.enable_app().await;
    owner
        .post("/mfa/reset", &target)
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    owner.sign_in().await;
    enforce(&owner, true).await.is(200);
    owner.post("/mfa/reset", &target).await.is(200);
    server.mail.notice_to("member@example.com", "removed").await;
    let asked = member.login().await;
    assert_eq!(asked["mfaMethods"], json!(["MAGIC_LINK"]));
    member.sign_in_by_link().await;
}

async fn nobody_resets_who_is_not_in_their_organisation() {
    let server = Server::start().await;
    let owner = Client::registered(&server, "owner@example.com", Some("Acme")).await;
    let member = Client::registered(&server, "member@example.com", None).await;
    joins(&owner, "member@example.com", OrganisationRole::Member).await;
    let other = Client::registered(&server, "other@example.com", Some("Other")).await;
    let (owners, members, others) = (id(&owner).await, id(&member).await, id(&other).await);
    reset(&member, &owners).await.refused(403, "FORBIDDEN");
    reset(&member, &others).await.refused(403, "FORBIDDEN");
    let missing = reset(&owner, &others).await.refused(404, "USER_NOT_FOUND");
    assert_eq!(missing["error"], "User not found.");
    for nobody in ["01a2038e-7f00-7bd8-86c9-7f0e00af1a1f", "x", ""] {
        reset(&owner, nobody).await.refused(404, "USER_NOT_FOUND");
    }
    reset(&owner, &members).await.is(200);
    reset(&owner, &format!("user-{owners}")).await.is(200);
}

/// People of every rank.
struct Ranks {
    /// The owner of the organisation.
    owner: Client,
    /// Its administrator, without a second factor.
    manager: Client,
    /// An administrator of the server who is only a member of the organisation.
    root: Client,
    /// A member without a second factor.
    member: Client,
    /// A member with one.
    other: Client,
    /// The owner of another organisation.
    stranger: Client,
}

impl Ranks {
    async fn of(server: &Server) -> Self {
        let mut owner = Client::registered(server, "owner@example.com", Some("Acme")).await;
        let joined = async |email: &str, role: OrganisationRole| {
            let person = Client::registered(server, email, None).await;
            joins(&owner, email, role).await;
            person
        };
        let manager = joined("manager@example.com", OrganisationRole::Administrator).await;
        let mut root = joined("root@example.com", OrganisationRole::Member).await;
        let member = joined("member@example.com", OrganisationRole::Member).await;
        let mut other = joined("other@example.com", OrganisationRole::Member).await;
        let promoted = server
            .app
            .call(async |ctx| operator::promote(ctx, "root@example.com").await);
        promoted.await.expect("promoted");
        let mut stranger = Client::registered(server, "stranger@example.com", Some("Other")).await;
        owner.enable_app().await;
        owner.sign_in().await;
        for client in [&mut root, &mut other, &mut stranger] {
            client.enable_app().await;
        }
        Self {
            owner,
            manager,
            root,
            member,
            other,
            stranger,
        }
    }

    /// Signs in again everybody who has an app.
    async fn sign_in(&mut self) {
        for client in [
            &mut self.owner,
            &mut self.root,
            &mut self.other,
            &mut self.stranger,
        ] {
            client.sign_in().await;
        }
    }
}

async fn nobody_resets_who_stands_above_them() {
    let server = Server::start().await;
    let mut people = Ranks::of(&server).await;
    let owners = id(&people.owner).await;
    let managers = id(&people.manager).await;
    let roots = id(&people.root).await;
    let others = id(&people.other).await;
    let strangers = id(&people.stranger).await;
    for above in [&owners, &managers, &roots, &others, &strangers] {
        let refused = reset(&people.member, above).await;
        refused.refused(403, "FORBIDDEN");
    }
    for (client, above, who) in [
        (&people.manager, &owners, "an owner of the organisation"),
        (&people.manager, &roots, "an administrator of the server"),
        (&people.owner, &roots, "an administrator of the server"),
    ] {
        let refused = reset(client, above).await.refused(403, "FORBIDDEN");
        assert!(refused.text("error").contains(who), "{}", refused.text);
        assert_eq!(refused["message"], refused["error"]);
    }
    // A member without this role is told which role is missing.
    let refused = reset(&people.member, &others).await;
    let refused = refused.refused(403, "FORBIDDEN");
    let told = refused.text("error");
    assert!(told.contains("role required"), "{}", refused.text);
    for client in [&people.owner, &people.manager] {
        let missing = reset(client, &strangers).await;
        missing.refused(404, "USER_NOT_FOUND");
    }
    people.sign_in().await;
    reset(&people.manager, &others).await.is(200);
    assert_eq!(people.other.login().await["mfaRequired"], false);
    people.manager.enable_app().await;
    assert_eq!(people.manager.login().await["mfaRequired"], true);
    reset(&people.owner, &managers).await.is(200);
    assert_eq!(people.manager.login().await["mfaRequired"], false);
}

async fn enforcement_counts_in_every_api() {
    let server = Server::start().await;
    let owner = Client::registered(&server, "owner@example.com", Some("Acme")).await;
    enforce(&owner, true).await.is(200);
    let native = server.login("owner@example.com", PASSWORD).await.is(200);
    assert_eq!(native["mfaRequired"], true);
    assert_eq!(native["mfaMethods"], json!(["email"]));
    let code = server.mail.code_to("owner@example.com").await;
    let signed_in = server.verify_login(&native.text("mfaToken"), &code).await;
    let token = signed_in.is(200).text("accessToken");
    server.get("/mfa/status").bearer(&token).await.is(200);
    let asked = login(&server, "owner@example.com", PASSWORD).await.is(200);
    assert_eq!(asked["mfaRequired"], true);
}
