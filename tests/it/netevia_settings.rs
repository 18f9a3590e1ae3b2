//! Netevia's `/settings/MfaSignIn`: the calls on its pages, and where this server is stricter.

use contract_tests::call::Method;
use contract_tests::{Authenticator, PASSWORD, Server, json, tests};

use super::netevia::{Client, PHONE, authenticate, enforced, second, with_texts};

tests! {
    the_calls_of_the_pages_work_as_they_stand,
    the_own_mailbox_is_on_at_once_and_no_other_address,
    an_authenticator_is_asked_for_once_it_is_proved,
    a_phone_is_asked_for_once_it_is_proved,
    another_phone_takes_the_place_of_the_first_when_it_is_proved,
    a_proved_phone_is_the_default_channel,
    what_is_wrong_is_refused,
    without_countries_there_is_no_sms,
    a_further_channel_needs_fresh_proof,
    turning_off_needs_fresh_proof_and_keeps_everything,
    what_a_policy_demands_stays,
    text_messages_are_limited,
}

/// The calls as the vendor's pages show them: a bearer, a media type, no body.
async fn the_calls_of_the_pages_work_as_they_stand() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    let on = alice
        .call(Method::POST, "/settings/MfaSignIn")
        .header("Content-Type", "application/json")
        .await
        .is(200);
    assert_eq!(
        (
            &on["success"],
            &on["mfaEnabled"],
            &on["mfaMethod"],
            &on["status"]
        ),
        (
            &json!(true),
            &json!(true),
            &json!("email"),
            &json!("enabled")
        )
    );
    alice.sign_in_by_mail().await;
    let off = alice
        .call(Method::DELETE, "/settings/MfaSignIn")
        .header("Content-Type", "application/json")
        .await
        .is(200);
    assert_eq!(
        (&off["success"], &off["mfaEnabled"], &off["status"]),
        (&json!(true), &json!(false), &json!("disabled"))
    );
    let answer = authenticate(&server, &alice.email, PASSWORD).await.is(200);
    answer.text("token");
    for method in [Method::POST, Method::DELETE] {
        let nobody = server.call(method.clone(), "/settings/MfaSignIn").await;
        let refused = nobody.refused(401, "TOKEN_INVALID");
        assert_eq!(refused["status"], "error");
        server
            .call(method, "/settings/MfaSignIn")
            .bearer("forged")
            .await
            .refused(401, "TOKEN_INVALID");
    }
}

async fn the_own_mailbox_is_on_at_once_and_no_other_address() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    let foreign = json!({ "mfaMethod": "email", "email": "mallory@example.com" });
    let refused = alice.enable(&foreign).await.refused(400, "VALIDATION");
    assert_eq!(refused["errors"][0]["field"], "email");
    assert_eq!(alice.methods().await, json!([]));
    let own = json!({ "mfaMethod": "email", "email": " ALICE@Example.com", "unheardOf": 1 });
    for _ in 0..2 {
        let on = alice.enable(&own).await.is(200);
        assert_eq!(on["status"], "enabled", "a second time changes nothing");
    }
    assert_eq!(alice.methods().await, json!(["email"]));
    server.mail.notice_to("alice@example.com", "on").await;
}

async fn an_authenticator_is_asked_for_once_it_is_proved() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    let begun = alice
        .enable(&json!({ "mfaMethod": "authenticator" }))
        .await
        .is(200);
    assert_eq!(
        (&begun["status"], &begun["mfaEnabled"], &begun["mfaMethod"]),
        (&json!("pending"), &json!(false), &json!("authenticator"))
    );
    assert!(begun.text("otpauthUri").contains(&begun.text("secret")));
    assert!(begun.text("qrCode").starts_with("data:image/png"));
    authenticate(&server, &alice.email, PASSWORD)
        .await
        .is(200)
        .text("token");
    alice.app = Some(Authenticator::new(&begun.text("secret")));
    let wrong = alice
        .app
        .as_ref()
        .expect("an app")
        .wrong_code(&server.clock);
    let refused = alice.prove(&begun.text("mfaToken"), &wrong).await;
    assert_eq!(
        refused.refused(400, "INVALID_MFA_CODE")["attemptsRemaining"],
        4
    );
    let code = alice.code();
    let proved = alice.prove(&begun.text("mfaToken"), &code).await.is(200);
    assert_eq!(
        (
            &proved["status"],
            &proved["mfaEnabled"],
            &proved["mfaMethod"]
        ),
        (&json!("verified"), &json!(true), &json!("authenticator"))
    );
    alice
        .prove(&begun.text("mfaToken"), &code)
        .await
        .refused(400, "MFA_TOKEN_INVALID");
    let asked = alice.begin().await;
    assert_eq!(asked["mfaMethod"], "authenticator");
    let again = alice.enable(&json!({ "mfaMethod": "authenticator" })).await;
    assert_eq!(again.is(200)["status"], "enabled");
}

async fn a_phone_is_asked_for_once_it_is_proved() {
    let (server, gateway) = with_texts().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    let body = json!({ "mfaMethod": "sms", "phoneNumber": "+1 (202) 555-0123" });
    let begun = alice.enable(&body).await.is(200);
    assert_eq!(
        (
            &begun["status"],
            &begun["mfaEnabled"],
            &begun["phoneNumber"]
        ),
        (&json!("pending"), &json!(false), &json!("+1***23"))
    );
    let message = gateway.next().await;
    assert_eq!(message.to(), PHONE);
    assert!(
        message.text().ends_with("Tell your administrator."),
        "{}",
        message.text()
    );
    let proved = alice
        .prove(&begun.text("mfaToken"), &message.code())
        .await
        .is(200);
    assert_eq!(proved["mfaMethod"], "sms");
    let asked = alice.begin().await;
    assert_eq!(asked["mfaMethod"], "sms");
    let code = gateway.code().await;
    let answer = second(&server, &asked.text("mfaToken"), &code)
        .await
        .is(200);
    let me = server
        .get("/identity/me")
        .bearer(&answer.text("token"))
        .await
        .is(200);
    assert_eq!(me["mfaMethods"], json!(["sms"]));
}

async fn another_phone_takes_the_place_of_the_first_when_it_is_proved() {
    let (server, gateway) = with_texts().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    alice.enable_sms(&gateway).await;
    let token = alice.begin().await.text("mfaToken");
    let code = gateway.code().await;
    alice.token = second(&server, &token, &code).await.is(200).text("token");
    let body = json!({ "mfaMethod": "sms", "phoneNumber": "+12025550199" });
    let begun = alice.enable(&body).await.is(200);
    assert_eq!(
        (&begun["status"], &begun["mfaEnabled"]),
        (&json!("pending"), &json!(true))
    );
    let message = gateway.next().await;
    assert_eq!(message.to(), "+12025550199");
    alice.begin().await;
    assert_eq!(
        gateway.next().await.to(),
        PHONE,
        "the proved one until then"
    );
    alice
        .prove(&begun.text("mfaToken"), &message.code())
        .await
        .is(200);
    alice.begin().await;
    assert_eq!(gateway.next().await.to(), "+12025550199");
}

async fn a_proved_phone_is_the_default_channel() {
    let (server, gateway) = with_texts().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    alice.enable_sms(&gateway).await;
    let token = alice.begin().await.text("mfaToken");
    let code = gateway.code().await;
    alice.token = second(&server, &token, &code).await.is(200).text("token");
    alice.disable().await.is(200);
    let on = alice
        .call(Method::POST, "/settings/MfaSignIn")
        .await
        .is(200);
    assert_eq!(
        (&on["status"], &on["mfaMethod"]),
        (&json!("enabled"), &json!("sms"))
    );
}

async fn what_is_wrong_is_refused() {
    let (server, _gateway) = with_texts().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    for word in ["fax", "SMS", ""] {
        let refused = alice.enable(&json!({ "mfaMethod": word })).await;
        let refused = refused.refused(400, "INVALID_MFA_METHOD");
        assert!(
            refused
                .text("message")
                .contains("sms, email or authenticator")
        );
    }
    let mut bodies = vec![json!({ "mfaMethod": "sms" })];
    for number in [
        "2025550123",
        "+1202555",
        "+4915123456789",
        "+19002345678",
        "x",
    ] {
        bodies.push(json!({ "mfaMethod": "sms", "phoneNumber": number }));
    }
    for body in bodies {
        let refused = alice.enable(&body).await.refused(400, "VALIDATION");
        assert_eq!(refused["errors"][0]["field"], "phoneNumber", "{body}");
    }
    let unsaid = alice.enable(&json!({ "phoneNumber": PHONE })).await;
    let unsaid = unsaid.refused(400, "VALIDATION");
    assert_eq!(unsaid["errors"][0]["field"], "mfaMethod");
    assert_eq!(alice.methods().await, json!([]));
}

async fn without_countries_there_is_no_sms() {
    let server = Server::start().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    alice
        .enable(&json!({ "mfaMethod": "sms", "phoneNumber": PHONE }))
        .await
        .refused(400, "MFA_METHOD_UNAVAILABLE");
}

async fn a_further_channel_needs_fresh_proof() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    alice.enable_app().await;
    server.clock.advance(301);
    for method in ["email", "authenticator"] {
        let answer = alice.enable(&json!({ "mfaMethod": method })).await;
        if method == "authenticator" {
            assert_eq!(answer.is(200)["status"], "enabled");
            continue;
        }
        let refused = answer.refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
        assert_eq!(refused["maxAge"], 300);
        let challenge = refused.header("www-authenticate").expect("a challenge");
        assert!(
            challenge.contains("insufficient_user_authentication"),
            "{challenge}"
        );
    }
    alice.sign_in().await;
    alice.enable(&json!({ "mfaMethod": "email" })).await.is(200);
    assert_eq!(alice.methods().await, json!(["authenticator", "email"]));
}

async fn turning_off_needs_fresh_proof_and_keeps_everything() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    alice.enable_app().await;
    server.clock.advance(301);
    alice
        .disable()
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    alice.sign_in().await;
    alice.enable(&json!({ "mfaMethod": "email" })).await.is(200);
    server.clock.advance(301);
    alice
        .disable()
        .await
        .refused(401, "INSUFFICIENT_USER_AUTHENTICATION");
    assert_eq!(alice.methods().await, json!(["authenticator", "email"]));
    alice.sign_in().await;
    alice.disable().await.is(200);
    assert_eq!(alice.methods().await, json!([]));
    // It was proved before, so there is no new secret and no new code.
    let on = alice
        .enable(&json!({ "mfaMethod": "authenticator" }))
        .await
        .is(200);
    assert_eq!(on["status"], "enabled");
    alice.sign_in().await;
    assert_eq!(alice.methods().await, json!(["authenticator"]));
}

async fn what_a_policy_demands_stays() {
    let server = Server::start().await;
    let mut alice = Client::registered(&server, "alice@example.com").await;
    enforced(&server, "alice@example.com").await;
    alice.sign_in_by_mail().await;
    alice.disable().await.refused(403, "MFA_ENFORCED");
    alice.enable_app().await;
    alice.sign_in().await;
    alice.disable().await.refused(403, "MFA_ENFORCED");
    assert_eq!(alice.methods().await, json!(["authenticator"]));
}

async fn text_messages_are_limited() {
    let (server, gateway) = with_texts().await;
    let alice = Client::registered(&server, "alice@example.com").await;
    let body = json!({ "mfaMethod": "sms", "phoneNumber": PHONE });
    for _ in 0..4 {
        alice.enable(&body).await.is(200);
        gateway.next().await;
    }
    let refused = alice.enable(&body).await.refused(429, "TOO_MANY_MFA_SMS");
    assert_eq!(refused["retryAfter"], 3600);
    let bob = Client::registered(&server, "bob@example.com").await;
    bob.enable(&body).await.refused(429, "TOO_MANY_MFA_SMS");
    server.clock.advance(3600);
    for number in ["+12025550124", "+12025550125"] {
        let body = json!({ "mfaMethod": "sms", "phoneNumber": number });
        let alice = Client {
            token: authenticate(&server, &alice.email, PASSWORD)
                .await
                .is(200)
                .text("token"),
            ..alice.copy()
        };
        alice.enable(&body).await.is(200);
    }
    let alice = Client {
        token: authenticate(&server, &alice.email, PASSWORD)
            .await
            .is(200)
            .text("token"),
        ..alice.copy()
    };
    let body = json!({ "mfaMethod": "sms", "phoneNumber": "+12025550126" });
    alice.enable(&body).await.refused(429, "TOO_MANY_MFA_SMS");
    server.mail_is_out().await;
    assert_eq!(gateway.taken().len(), 6, "six a day for an account");
}
