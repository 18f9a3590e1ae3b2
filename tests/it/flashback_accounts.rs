//! Flashback's accounts: registering by a link, signing in, refreshing, signing out, reading the
//! profile.

use contract_tests::{PASSWORD, Server, json, tests};

use super::flashback::{Client, login, registration};

tests! {
    a_registration_brings_tokens_only_after_the_link,
    a_known_and_an_unknown_address_are_answered_alike,
    an_address_that_is_taken_is_told_where_the_operator_says_so,
    a_link_works_once_and_for_a_day,
    a_link_of_another_kind_proves_no_address,
    whoever_reads_the_mail_may_choose_the_password,
    of_two_registrations_of_one_address_one_makes_the_account,
    a_password_of_the_page_is_refused_by_the_setting_only,
    a_company_makes_an_organisation_with_its_owner,
    a_sign_in_has_the_documented_body,
    a_wrong_password_and_an_unknown_address_are_one_answer,
    a_refresh_token_is_read_in_both_spellings_and_once,
    signing_out_ends_the_session,
    the_pages_behind_links_use_nothing_up,
}

async fn a_registration_brings_tokens_only_after_the_link() {
    let server = Server::start().await;
    let body = registration("alice@example.com", None);
    let answer = server.post("/user/register", &body).await.is(201);
    assert_eq!(answer["success"], true);
    assert!(answer["accessToken"].is_null() && answer["refreshToken"].is_null());
    login(&server, "alice@example.com", PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    let mail = server
        .mail
        .notice_to("alice@example.com", "Prove your e-mail address")
        .await;
    assert!(mail.text.contains("24 hours") && mail.code().is_none());
    let token = mail.link().expect("a link");
    let proved = server
        .post("/user/verify-email", &json!({ "token": token }))
        .await
        .is(200);
    assert!(proved["accessToken"].is_null(), "{}", proved.text);
    let signed_in = login(&server, "alice@example.com", PASSWORD).await.is(200);
    assert_eq!(
        signed_in["user"]["id"], answer["verificationTokenId"],
        "the registration's id became the account's"
    );
}

async fn a_known_and_an_unknown_address_are_answered_alike() {
    let server = Server::start().await;
    Client::registered(&server, "alice@example.com", None).await;
    let of = |email| server.post("/user/register", &registration(email, None));
    let known = of("alice@example.com").await.is(201);
    let unknown = of("newbie@example.com").await.is(201);
    let hidden = ["verificationTokenId"];
    assert_eq!(known.looks(&hidden), unknown.looks(&hidden));
    let mail = server.mail.notice_to("alice@example.com", "already").await;
    assert!(mail.link().is_none());
    of("newbie@example.com").await.is(201);
    of("newbie@example.com").await.is(201);
    of("newbie@example.com").await.is(201);
    server.mail_is_out().await;
}

async fn an_address_that_is_taken_is_told_where_the_operator_says_so() {
    let server = Server::with(|settings| settings.registration_tells_taken = true).await;
    Client::registered(&server, "alice@example.com", None).await;
    let of = |email| server.post("/user/register", &registration(email, None));
    of("Alice@example.com").await.refused(400, "NAME_TAKEN");
    of("bob@example.com").await.is(201);
    server.register("alice@example.com").await.is(202);
}

async fn a_link_works_once_and_for_a_day() {
    let server = Server::start().await;
    let verify = |token: &str| server.post("/user/verify-email", &json!({ "token": token }));
    let register = |email| server.post("/user/register", &registration(email, None));
    register("alice@example.com").await.is(201);
    let token = server.mail.link_to("alice@example.com").await;
    server.clock.advance(86_399);
    verify(&token).await.is(200);
    verify(&token)
        .await
        .refused(400, "REGISTRATION_TOKEN_INVALID");
    register("bob@example.com").await.is(201);
    let token = server.mail.link_to("bob@example.com").await;
    server.clock.advance(86_400);
    verify(&token)
        .await
        .refused(400, "REGISTRATION_TOKEN_EXPIRED");
}

async fn a_link_of_another_kind_proves_no_address() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    alice.setup("MAGIC_LINK").await.is(200);
    let link = server.mail.link_to("alice@example.com").await;
    let native = server.register("bob@example.com").await.is(202);
    let others = [
        link,
        native.text("registrationToken"),
        alice.refresh_token.clone(),
        "rl_x".to_owned(),
    ];
    for other in others {
        server
            .post("/user/verify-email", &json!({ "token": other }))
            .await
            .refused(400, "REGISTRATION_TOKEN_INVALID");
    }
    server
        .post("/user/register", &registration("carol@example.com", None))
        .await
        .is(201);
    let link = server.mail.link_to("carol@example.com").await;
    server
        .prove(&link.replace("rl_", "reg_"), "123456")
        .await
        .refused(400, "REGISTRATION_TOKEN_INVALID");
    alice.login().await;
}

async fn whoever_reads_the_mail_may_choose_the_password() {
    let server = Server::start().await;
    let body = registration("alice@example.com", None);
    server.post("/user/register", &body).await.is(201);
    let token = server.mail.link_to("alice@example.com").await;
    let with = |password: &str| {
        let body = json!({ "token": token, "password": password });
        server.post("/user/verify-email", &body)
    };
    with("passwordpassword").await.refused(400, "VALIDATION");
    let chosen = "four wooden spoons sing";
    with(chosen).await.is(200);
    login(&server, "alice@example.com", PASSWORD)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    login(&server, "alice@example.com", chosen).await.is(200);
}

async fn of_two_registrations_of_one_address_one_makes_the_account() {
    let server = Server::start().await;
    let body = registration("alice@example.com", None);
    server.post("/user/register", &body).await.is(201);
    let first = server.mail.link_to("alice@example.com").await;
    server.post("/user/register", &body).await.is(201);
    let second = server.mail.link_to("alice@example.com").await;
    let verify = |token: &str| server.post("/user/verify-email", &json!({ "token": token }));
    verify(&second).await.is(200);
    verify(&first)
        .await
        .refused(400, "REGISTRATION_TOKEN_INVALID");
}

async fn a_password_of_the_page_is_refused_by_the_setting_only() {
    let server = Server::start().await;
    let mut body = registration("alice@example.com", None);
    body["password"] = json!("Kw7tRx9q");
    let refused = server.post("/user/register", &body).await;
    let refused = refused.refused(400, "VALIDATION");
    let sentence =
        "The password is too short. Use at least 15 characters, such as a few words in a row.";
    assert_eq!(
        refused["errors"],
        json!([{ "field": "password", "message": sentence }])
    );
    let lax = Server::with(|settings| settings.policy.password_min = 8).await;
    lax.post("/user/register", &body).await.is(201);
}

async fn a_company_makes_an_organisation_with_its_owner() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com", Some("Archer Ltd")).await;
    let profile = alice.get("/user/profile").await.is(200);
    let data = &profile["data"];
    assert_eq!(data["orgRole"], 255);
    assert_eq!(data["orgRoleDescription"], "OWNER");
    assert_eq!(data["orgRoles"], json!([0, 254, 255]));
    assert_eq!(
        (&data["name"], &data["lastName"], &data["validated"]),
        (&json!("Alice"), &json!("Archer"), &json!(true))
    );
    let signed_in = login(&server, "alice@example.com", PASSWORD).await.is(200);
    assert_eq!(signed_in["user"]["orgId"], data["orgId"]);

    let bob = Client::registered(&server, "bob@example.com", Some("  ")).await;
    let profile = bob.get("/user/profile").await.is(200);
    let members = ["orgId", "orgRole", "orgRoleDescription", "orgRoles"];
    for member in members {
        assert!(profile["data"].get(member).is_none(), "{}", profile.text);
    }
}

async fn a_sign_in_has_the_documented_body() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com", None).await;
    let answer = alice.login().await;
    assert_eq!(answer["success"], true);
    assert_eq!(answer["mfaRequired"], false);
    assert_eq!(answer["user"]["email"], "alice@example.com");
    assert_eq!(answer["user"]["name"], "Alice");
    assert!(!answer.text("tokenId").is_empty());
    let expires = answer.number("expiresAt");
    assert_eq!(expires, server.clock.now().seconds() + 900);
    let me = server
        .get("/identity/me")
        .bearer(&alice.token)
        .await
        .is(200);
    assert_eq!(me["email"], "alice@example.com", "one token opens all APIs");
}

async fn a_wrong_password_and_an_unknown_address_are_one_answer() {
    let server = Server::start().await;
    Client::registered(&server, "alice@example.com", None).await;
    let wrong = login(&server, "alice@example.com", "not the password at all").await;
    let wrong = wrong.refused(401, "INVALID_CREDENTIALS");
    assert_eq!(wrong["error_code"], "INVALID_PASSWORD");
    assert_eq!(wrong["success"], false);
    assert_eq!(wrong["error"], wrong["message"]);
    let unknown = login(&server, "nobody@example.com", PASSWORD).await;
    assert_eq!(wrong.looks(&[]), unknown.looks(&[]));
    for _ in 0..4 {
        login(&server, "alice@example.com", "x").await;
    }
    login(&server, "alice@example.com", PASSWORD)
        .await
        .refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
}

async fn a_refresh_token_is_read_in_both_spellings_and_once() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com", None).await;
    let with = |name: &str, token: &str| server.post("/user/refresh", &json!({ name: token }));
    let first = with("refreshToken", &alice.refresh_token).await.is(200);
    assert_eq!(first["accessToken"], first["token"]);
    let token = first.text("refreshToken");
    let second = with("refresh_token", &token).await.is(200);
    let again = with("refreshToken", &token).await.is(200);
    assert_eq!(again["refreshToken"], second["refreshToken"], "sent twice");
    server.clock.advance(11);
    with("refresh_token", &token)
        .await
        .refused(401, "TOKEN_INVALID");
    with("refreshToken", &second.text("refreshToken"))
        .await
        .refused(401, "TOKEN_INVALID");
    let none = server.post("/user/refresh", &json!({})).await;
    assert_eq!(
        none.refused(400, "VALIDATION")["errors"][0]["field"],
        "refreshToken"
    );
    let bob = Client::registered(&server, "bob@example.com", None).await;
    server.clock.advance(86_400);
    with("refreshToken", &bob.refresh_token)
        .await
        .refused(401, "TOKEN_EXPIRED");
}

async fn signing_out_ends_the_session() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com", None).await;
    let body = json!({ "refresh_token": alice.refresh_token });
    alice.post("/user/logout", &body).await.is(200);
    alice
        .poke("/user/logout")
        .await
        .refused(401, "TOKEN_INVALID");
    alice
        .get("/user/profile")
        .await
        .refused(401, "TOKEN_INVALID");
    server
        .post(
            "/user/refresh",
            &json!({ "refreshToken": alice.refresh_token }),
        )
        .await
        .refused(401, "TOKEN_INVALID");
    let bob = Client::registered(&server, "bob@example.com", None).await;
    bob.poke("/user/logout").await.is(200);
}

async fn the_pages_behind_links_use_nothing_up() {
    let server = Server::start().await;
    let body = registration("alice@example.com", None);
    server.post("/user/register", &body).await.is(201);
    let token = server.mail.link_to("alice@example.com").await;
    for path in ["/verify-email", "/magic-link"] {
        let page = server.get(path).await.is(200);
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(
            policy.contains("script-src 'self'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(
            page.header("referrer-policy").as_deref(),
            Some("no-referrer")
        );
        assert_eq!(page.header("cache-control").as_deref(), Some("no-store"));
        assert!(page.text.contains("<noscript>") && !page.text.contains("onclick"));
        server
            .call(contract_tests::call::Method::POST, path)
            .await
            .is(405);
    }
    let body = json!({ "token": token });
    server.post("/user/verify-email", &body).await.is(200);
}
