//! Clocks: one that goes back prolongs no wait and revives nothing. Replicas whose clocks differ
//! slightly work together, and log a warning when they differ more.

use contract_tests::smtp::Reply;
use contract_tests::waiting::until;
use contract_tests::{Person, Server, json, logs, tests};
use countersign::flow::operator;

tests! {
    a_wait_after_wrong_passwords_ends_when_the_clock_goes_back,
    a_wait_after_wrong_codes_ends_when_the_clock_goes_back,
    a_wait_is_as_long_as_it_is_told,
    budgets_of_mails_begin_anew_when_the_clock_goes_back,
    a_budget_of_a_day_begins_anew_when_the_clock_goes_back,
    a_resend_waits_for_no_clock,
    what_is_over_stays_over_when_the_clock_goes_back,
    a_registration_that_is_over_stays_over,
    an_api_key_that_is_over_stays_over,
    a_link_lives_no_longer_when_the_clock_goes_back,
    a_link_that_was_opened_later_than_now_is_opened_anew,
    challenges_of_a_time_to_come_end_no_others,
    an_act_that_is_over_stays_over,
    a_letter_waits_for_no_clock,
    a_lease_waits_for_no_clock,
    a_clock_that_goes_back_is_told_once,
    replicas_may_differ_by_ten_seconds,
    replicas_that_differ_more_are_told_of,
    replicas_share_their_waits,
    an_unlock_cures_an_app_that_was_used_ahead_of_time,
}

const HOUR: i64 = 3600;

async fn with_mail(server: &Server) -> Person {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    alice
}

async fn wrong_passwords(server: &Server, times: usize) {
    for _ in 0..times {
        server
            .login("alice@example.com", "wrong")
            .await
            .refused(401, "INVALID_CREDENTIALS");
    }
}

async fn a_wait_after_wrong_passwords_ends_when_the_clock_goes_back() {
    for back in [60, HOUR, 365 * 24 * HOUR] {
        let server = Server::start().await;
        let alice = server.registered("alice@example.com").await;
        wrong_passwords(&server, 5).await;
        let refused = alice.login().await;
        refused.refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
        server.clock.advance(-back);
        // Waits earned before continue to grow.
        wrong_passwords(&server, 1).await;
        let refused = alice.login().await;
        let refused = refused.refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
        assert_eq!(refused["retryAfter"], 2, "back by {back}");
        server.clock.advance(2);
        alice.login().await.is(200);
    }
}

async fn a_wait_after_wrong_codes_ends_when_the_clock_goes_back() {
    let server = Server::start().await;
    let alice = with_mail(&server).await;
    for _ in 0..2 {
        let token = alice.begin_sign_in().await;
        let code = server.mail.code_to("alice@example.com").await;
        for _ in 0..5 {
            let wrong = server.verify_login(&token, super::other_than(&code)).await;
            wrong.refused(400, "INVALID_MFA_CODE");
        }
    }
    let token = alice.begin_sign_in().await;
    let code = server.mail.code_to("alice@example.com").await;
    let refused = server.verify_login(&token, &code).await;
    let refused = refused.refused(429, "TOO_MANY_MFA_ATTEMPTS");
    assert_eq!(refused["retryAfter"], 30);
    server.clock.advance(-HOUR);
    let token = alice.begin_sign_in().await;
    let code = server.mail.code_to("alice@example.com").await;
    server.verify_login(&token, &code).await.is(200);
}

async fn a_wait_is_as_long_as_it_is_told() {
    for back in [0, 1, 5, 9, 11, 60] {
        let server = Server::start().await;
        let alice = server.registered("alice@example.com").await;
        wrong_passwords(&server, 5).await;
        server.clock.advance(-back);
        let refused = alice.login().await;
        if refused.status == 429 {
            let told = refused.number("retryAfter");
            assert!((1..=11).contains(&told), "back by {back}: {told}");
            let header = refused.header("retry-after");
            assert_eq!(header, Some(told.to_string()));
            server.clock.advance(told - 1);
            let early = alice.login().await;
            early.refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
            server.clock.advance(1);
            alice.login().await.is(200);
        } else {
            assert!(
                back > 10,
                "back by {back}: a wait that clocks may differ by stands"
            );
            refused.is(200);
        }
    }
}

async fn budgets_of_mails_begin_anew_when_the_clock_goes_back() {
    let server = Server::with(|settings| {
        settings.trusted_proxies = super::loopback();
        settings.policy.mail_calls_per_source = 3;
    })
    .await;
    let alice = with_mail(&server).await;
    // Five more codes use up the account's hour, and three calls that of a network.
    for number in 0..5 {
        let address = format!("203.0.{number}.1");
        alice.login().from(&address).await.is(200);
        server.mail.code_to("alice@example.com").await;
    }
    alice.begin_unsent("TOO_MANY_MFA_EMAILS").await;
    let register = |number: usize| {
        let email = format!("user{number}@example.com");
        server.register(&email).from("198.51.100.7")
    };
    for number in 0..3 {
        register(number).await.is(202);
    }
    register(3).await.refused(429, "TOO_MANY_REQUESTS");
    server.clock.advance(-HOUR);
    register(3).await.is(202);
    let token = alice.begin_sign_in().await;
    let code = server.mail.code_to("alice@example.com").await;
    server.verify_login(&token, &code).await.is(200);
}

async fn a_budget_of_a_day_begins_anew_when_the_clock_goes_back() {
    let server = Server::with(|settings| {
        settings.policy.code_mails_per_hour = 2;
        settings.policy.code_mails_per_day = 3;
    })
    .await;
    let alice = with_mail(&server).await;
    for _ in 0..2 {
        alice.begin_sign_in().await;
        server.mail.code_to("alice@example.com").await;
        server.clock.advance(HOUR);
    }
    let (_, refused) = alice.begin_unsent_for("TOO_MANY_MFA_EMAILS").await;
    let wait = refused.number("retryAfter");
    assert!((21 * HOUR..=24 * HOUR).contains(&wait), "{wait}");
    // Still within the day that the answer names: nobody knows that the clock went back.
    server.clock.advance(-HOUR / 2);
    let (_, refused) = alice.begin_unsent_for("TOO_MANY_MFA_EMAILS").await;
    assert_eq!(refused.number("retryAfter"), wait + HOUR / 2);
    // Before the day began: the limit is over.
    server.clock.advance(-3 * HOUR);
    let token = alice.begin_sign_in().await;
    let code = server.mail.code_to("alice@example.com").await;
    server.verify_login(&token, &code).await.is(200);
}

async fn a_resend_waits_for_no_clock() {
    let server = Server::start().await;
    let alice = with_mail(&server).await;
    let token = alice.begin_sign_in().await;
    server.mail.code_to("alice@example.com").await;
    let refused = server.resend(&token).await.refused(429, "RESEND_COOLDOWN");
    assert_eq!(refused["retryAfter"], 60);
    server.clock.advance(-5);
    let refused = server.resend(&token).await.refused(429, "RESEND_COOLDOWN");
    server.clock.advance(refused.number("retryAfter"));
    server.resend(&token).await.is(200);
}

async fn what_is_over_stays_over_when_the_clock_goes_back() {
    let server = Server::start().await;
    let alice = with_mail(&server).await;
    let token = alice.begin_sign_in().await;
    let code = server.mail.code_to("alice@example.com").await;
    alice.begin_sign_in().await;
    let link = server.mail.link_to("alice@example.com").await;
    let bob = server.register("bob@example.com").await.is(202);
    let bobs_code = server.mail.code_to("bob@example.com").await;
    let (passkey, _) = server.asked_for_any_passkey().await;
    let idle = server.refresh(&alice.refresh_token).await.is(200);
    server.clock.advance(2 * HOUR);
    let ended = server.refresh(&idle.text("refreshToken")).await;
    ended.refused(401, "TOKEN_EXPIRED");
    let over = server.verify_login(&token, &code).await;
    over.refused(400, "MFA_TOKEN_EXPIRED");
    let over = server.open_link(&link).await;
    over.refused(400, "MFA_TOKEN_EXPIRED");
    // Back to when all of it was valid, to before it began, and further.
    for back in [2 * HOUR - 60, 71, HOUR] {
        server.clock.advance(-back);
        let over = server.verify_login(&token, &code).await;
        over.refused(400, "MFA_TOKEN_EXPIRED");
        let over = server.open_link(&link).await;
        over.refused(400, "MFA_TOKEN_EXPIRED");
        let ended = server.refresh(&idle.text("refreshToken")).await;
        ended.refused(401, "TOKEN_EXPIRED");
    }
    let over = server.prove(&bob.text("registrationToken"), &bobs_code);
    over.await.refused(400, "REGISTRATION_TOKEN_EXPIRED");
    let credential = json!({ "id": "eA", "rawId": "eA", "type": "public-key", "response": {} });
    let over = server.sign_in_by_passkey(&passkey, &credential).await;
    over.refused(400, "MFA_TOKEN_EXPIRED");
}

async fn a_registration_that_is_over_stays_over() {
    let server = Server::start().await;
    let begun = server.register("alice@example.com").await.is(202);
    let code = server.mail.code_to("alice@example.com").await;
    let body = super::flashback::registration("bob@example.com", None);
    server.post("/user/register", &body).await.is(201);
    let link = server.mail.link_to("bob@example.com").await;
    let proof = begun.text("registrationToken");
    server.clock.advance(601);
    let over = server.prove(&proof, &code).await;
    over.refused(400, "REGISTRATION_TOKEN_EXPIRED");
    server.clock.advance(25 * HOUR);
    for password in [json!({}), json!({ "password": "four wooden spoons sing" })] {
        let mut body = password;
        body["token"] = json!(link);
        server.post("/user/verify-email", &body).await.is(400);
    }
    // Back to when both were valid.
    server.clock.advance(-25 * HOUR - 300);
    let over = server.prove(&proof, &code).await;
    over.refused(400, "REGISTRATION_TOKEN_EXPIRED");
    let body = json!({ "token": link });
    server.post("/user/verify-email", &body).await.is(400);
}

async fn an_api_key_that_is_over_stays_over() {
    let server = Server::start().await;
    let root = server.administrator("root@example.com").await;
    let body = json!({ "name": "x", "scopes": ["users:read"], "expiresInDays": 1 });
    let made = root.post("/identity/api-keys", &body).await.is(201);
    let key = made.text("apiKey");
    let used = || server.get("/identity/users").key(&key);
    server.clock.advance(24 * HOUR - 1);
    used().await.is(200);
    server.clock.advance(1);
    used().await.refused(401, "API_KEY_INVALID");
    for _ in 0..2 {
        server.clock.advance(-HOUR);
        used().await.refused(401, "API_KEY_INVALID");
    }
    // The list still shows the key as it was.
    let mut root = root;
    root.sign_in().await;
    let listed = root.get("/identity/api-keys").await.is(200);
    assert_eq!(listed["apiKeys"][0]["expiresAt"], made["expiresAt"]);
    assert_eq!(listed["apiKeys"][0]["hint"], made["hint"]);
}

async fn a_link_lives_no_longer_when_the_clock_goes_back() {
    let server = Server::start().await;
    let alice = with_mail(&server).await;
    let token = alice.begin_sign_in().await;
    server.mail.code_to("alice@example.com").await;
    server.clock.advance(480);
    server.resend(&token).await.is(200);
    let link = server.mail.link_to("alice@example.com").await;
    server.clock.advance(-420);
    // It was mailed later than now: nobody knows how much of its time is over.
    let over = server.open_link(&link).await;
    over.refused(400, "MFA_TOKEN_EXPIRED");
    // Another mail brings a valid one.
    server.resend(&token).await.is(200);
    let link = server.mail.link_to("alice@example.com").await;
    let code = server.open_link(&link).await.is(200).text("code");
    server.verify_login(&token, &code).await.is(200);
}

async fn a_link_that_was_opened_later_than_now_is_opened_anew() {
    let server = Server::start().await;
    let alice = with_mail(&server).await;
    let token = alice.begin_sign_in().await;
    let link = server.mail.link_to("alice@example.com").await;
    server.clock.advance(480);
    server.open_link(&link).await.is(200);
    server.clock.advance(-240);
    let code = server.open_link(&link).await.is(200).text("code");
    server.verify_login(&token, &code).await.is(200);
}

async fn challenges_of_a_time_to_come_end_no_others() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    for _ in 0..5 {
        alice.begin_sign_in().await;
    }
    server.clock.advance(-HOUR);
    // Ended ones do not count towards the five that may be live.
    let token = alice.begin_sign_in().await;
    alice.begin_sign_in().await;
    let refused = server.verify_login(&token, &alice.wrong_code()).await;
    refused.refused(400, "INVALID_MFA_CODE");
}

async fn an_act_that_is_over_stays_over() {
    let server = Server::start().await;
    let alice = with_mail(&server).await;
    let act = "ApprovePayee";
    let body = json!({ "shortMessageType": act });
    alice
        .post("/api/CodeVerification/send", &body)
        .await
        .is(200);
    let code = server.mail.code_to("alice@example.com").await;
    let check = || {
        let body = json!({ "shortMessageType": act, "code": code });
        alice.post("/api/CodeVerification/check", &body)
    };
    server.clock.advance(601);
    let over = check().await;
    assert_eq!(over.status, 400, "{}", over.text);
    server.clock.advance(-300);
    let still = check().await;
    assert_eq!((still.status, &still["code"]), (400, &over["code"]));
}

async fn a_letter_waits_for_no_clock() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    server.mail_is_out().await;
    for failed in [0, 1, 3] {
        server
            .mail
            .replies(&vec![Reply::Message("451 try later"); failed]);
        server.register("bob@example.com").await.is(202);
        for tries in 1..=failed {
            let again = format!(
                "SELECT count(*) AS found FROM notices WHERE state = 'queued' AND tries = {tries} AND leased_until = 0"
            );
            until("a mail that waits for its next try", async || {
                (server.database.number(&again) > 0).then_some(())
            })
            .await;
            if tries < failed {
                server.clock.advance(60);
                alice.login().await.is(200);
            }
        }
        server.clock.advance(-HOUR);
        server.mail.code_to("bob@example.com").await;
        server.clock.advance(HOUR);
    }
}

async fn a_lease_waits_for_no_clock() {
    let server = Server::start().await;
    server.mail.replies(&[Reply::Message("451 try later")]);
    server.register("bob@example.com").await.is(202);
    let again = "SELECT count(*) AS found FROM notices WHERE state = 'queued' AND tries = 1 AND leased_until = 0";
    until("a mail that waits for its next try", async || {
        (server.database.number(again) > 0).then_some(())
    })
    .await;
    // A courier leased it in the future, and died.
    let ends = server.clock.now().plus_seconds(HOUR + 60).micros();
    server.database.run(&format!(
        "UPDATE notices SET leased_until = {ends}, next_try_at = 0 WHERE state = 'queued'"
    ));
    server.mail.code_to("bob@example.com").await;
}

async fn a_clock_that_goes_back_is_told_once() {
    let told = |seconds: i64| {
        let lines = logs::lines_with("the clock went back");
        let named = format!("seconds={seconds}");
        lines
            .iter()
            .filter(|line| line.contains("WARN") && line.ends_with(&named))
            .count()
    };
    let server = Server::start().await;
    server.get("/identity/methods").await;
    // A number that no other test uses, as all tests share the log.
    server.clock.advance(-4321);
    for _ in 0..3 {
        server.login("alice@example.com", "wrong").await;
    }
    assert_eq!(told(4321), 1);
}

async fn replicas_may_differ_by_ten_seconds() {
    let server = Server::start().await;
    let ahead = server.replica_ahead(10).await;
    let alice = with_app_at(&ahead).await;
    let app = alice.authenticator.clone().expect("an app");
    for replica in [&server, &ahead] {
        let me = replica.get("/identity/me").bearer(&alice.access_token);
        me.await.is(200);
    }
    // A sign-in that began at one replica is finished at the other, and accepted at both.
    for (first, second) in [(&server, &ahead), (&ahead, &server)] {
        for replica in [&server, &ahead] {
            replica.clock.advance(60);
        }
        let begun = first.login("alice@example.com", &alice.password).await;
        let code = app.code_at(second.clock.now());
        let signed_in = second
            .verify_login(&begun.is(200).text("mfaToken"), &code)
            .await
            .is(200);
        for replica in [first, second] {
            let me = replica.get("/identity/me");
            me.bearer(&signed_in.text("accessToken")).await.is(200);
        }
        first.refresh(&signed_in.text("refreshToken")).await.is(200);
    }
}

async fn with_app_at(server: &Server) -> Person {
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice
}

async fn replicas_that_differ_more_are_told_of() {
    let server = Server::start().await;
    // A number that no other test uses, as all tests share the log.
    let ahead = server.replica_ahead(37).await;
    let alice = ahead.registered("alice@example.com").await;
    for _ in 0..2 {
        let me = server.get("/identity/me").bearer(&alice.access_token);
        me.await.refused(401, "TOKEN_INVALID");
    }
    let told = || {
        let lines = logs::lines_with("the clocks of the replicas differ");
        lines
            .iter()
            .filter(|line| line.contains("WARN") && line.contains("seconds=37"))
            .count()
    };
    assert_eq!(told(), 1, "once a minute");
    let me = ahead.get("/identity/me").bearer(&alice.access_token);
    me.await.is(200);
}

async fn replicas_share_their_waits() {
    let server = Server::with(|settings| settings.policy.mail_calls_per_source = 2).await;
    let server = server
        .restarted_with(|settings| settings.trusted_proxies = super::loopback())
        .await;
    let ahead = server.replica_ahead(9).await;
    server.registered("alice@example.com").await;
    // Five tries are five tries, whichever replica they reach, and the same holds for two mails.
    wrong_passwords(&ahead, 3).await;
    wrong_passwords(&server, 2).await;
    for replica in [&ahead, &server] {
        // The wait of a second from the replica behind is over for the one ahead.
        wrong_passwords(&ahead, usize::from(replica.address == ahead.address)).await;
        let refused = server.login("alice@example.com", "wrong").await;
        refused.refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    }
    for (number, replica) in [&ahead, &server].into_iter().enumerate() {
        let email = format!("user{number}@example.com");
        replica.register(&email).from("203.0.113.7").await.is(202);
    }
    for replica in [&server, &ahead, &server] {
        let refused = replica.register("more@example.com").from("203.0.113.7");
        refused.await.refused(429, "TOO_MANY_REQUESTS");
    }
}

async fn an_unlock_cures_an_app_that_was_used_ahead_of_time() {
    let server = Server::start().await;
    let mut alice = with_app_at(&server).await;
    server.clock.advance(HOUR);
    alice.sign_in().await;
    let app = alice.authenticator.clone().expect("an app");
    server.clock.advance(-HOUR);
    let token = alice.begin_sign_in().await;
    server.clock.advance(60);
    let refused = server
        .verify_login(&token, &app.code_at(server.clock.now()))
        .await
        .refused(400, "INVALID_MFA_CODE");
    assert_eq!(refused["reason"], "already_used");
    server
        .app
        .call(async |ctx| operator::unlock(ctx, "alice@example.com").await)
        .await
        .expect("unlocked");
    // A code that may have been used by now stays used.
    let now = app.code_at(server.clock.now());
    let refused = server.verify_login(&token, &now).await;
    refused.refused(400, "INVALID_MFA_CODE");
    server.clock.advance(30);
    let next = app.code_at(server.clock.now());
    server.verify_login(&token, &next).await.is(200);
}
