//! Passwords: which ones may be set, that the whole of one is compared, and what wrong ones cost.

use contract_tests::{PASSWORD, Server, json, tests};
use countersign::flow::operator;

tests! {
    a_wrong_password_and_an_unknown_address_look_the_same,
    waits_after_wrong_passwords_double_to_a_quarter_of_an_hour,
    a_throttled_password_is_not_compared_and_does_not_count,
    a_right_password_begins_the_count_anew,
    wrong_passwords_are_counted_by_network,
    wrong_passwords_are_counted_wherever_one_is_asked_for,
    spellings_of_an_address_share_one_count,
    an_operator_lifts_the_wait,
    the_length_of_a_password_is_checked_only_where_one_is_set,
    a_new_password_has_fifteen_characters_at_least,
    a_password_of_the_wrong_length_is_told_how_long_it_must_be,
    eight_characters_are_enough_where_the_operator_says_so,
    a_common_password_is_refused,
    long_passwords_are_taken_and_compared_to_their_end,
    composed_and_decomposed_passwords_are_the_same,
    a_password_is_taken_as_it_is_typed,
}

fn register(server: &Server, email: &str, password: &str) -> contract_tests::Call {
    server.post(
        "/identity/register",
        &json!({ "email": email, "password": password }),
    )
}

/// Creates an account with this password.
async fn with_password(server: &Server, email: &str, password: &str) {
    let begun = register(server, email, password).await.is(202);
    let code = server.mail.code_to(email).await;
    server
        .prove(&begun.text("registrationToken"), &code)
        .await
        .is(201);
}

async fn a_password_of_the_wrong_length_is_told_how_long_it_must_be() {
    let server = Server::with(|settings| {
        settings.policy.password_min = 20;
        settings.policy.password_max = 70;
    })
    .await;
    let root = super::veeam::root(&server).await;
    let short =
        "The password is too short. Use at least 20 characters, such as a few words in a row.";
    let long = "The password is too long. Use at most 70 characters.";
    for (length, sentence) in [(1, short), (7, short), (19, short), (71, long), (300, long)] {
        let password: String = "correct horse ".chars().cycle().take(length).collect();
        let told = json!([{ "field": "password", "message": sentence }]);
        let refused = register(&server, "alice@example.com", &password).await;
        assert_eq!(refused.refused(400, "VALIDATION")["errors"], told);
        let body = super::flashback::registration("alice@example.com", None);
        let refused = server.post("/user/register", &with(body, &password)).await;
        assert_eq!(refused.refused(400, "VALIDATION")["errors"], told);
        let body = with(json!({ "name": "alice", "description": "" }), &password);
        let refused = root.post("/api/v1/users", &body).await;
        let told = json!({ "password": [sentence] });
        assert_eq!(refused.refused(400, "VALIDATION")["errors"], told);
    }
}

fn with(mut body: contract_tests::Value, password: &str) -> contract_tests::Value {
    body["password"] = json!(password);
    body
}

async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    for _ in 0..8 {
        let known = server.login("alice@example.com", "wrong").await;
        let unknown = server.login("nobody@example.com", "wrong").await;
        let no_address = server.login("no address at all", "wrong").await;
        assert_eq!(known.looks(&[]), unknown.looks(&[]), "throttling included");
        assert_eq!(known.looks(&[]), no_address.looks(&[]));
    }
}

async fn waits_after_wrong_passwords_double_to_a_quarter_of_an_hour() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    for email in ["alice@example.com", "nobody@example.com"] {
        for _ in 0..4 {
            server
                .login(email, "wrong")
                .await
                .refused(401, "INVALID_CREDENTIALS");
        }
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            server
                .login(email, "wrong")
                .await
                .refused(401, "INVALID_CREDENTIALS");
            let refused = server
                .login(email, "wrong")
                .await
                .refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
            assert_eq!(refused["retryAfter"], expected);
            server.clock.advance(expected);
        }
    }
}

async fn a_throttled_password_is_not_compared_and_does_not_count() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    for _ in 0..5 {
        server
            .login("alice@example.com", "wrong")
            .await
            .refused(401, "INVALID_CREDENTIALS");
    }
    for _ in 0..10 {
        let refused = server.login("alice@example.com", PASSWORD).await;
        assert_eq!(
            refused.refused(429, "TOO_MANY_PASSWORD_ATTEMPTS")["retryAfter"],
            1
        );
    }
    server.clock.advance(1);
    server.login("alice@example.com", PASSWORD).await.is(200);
}

async fn a_right_password_begins_the_count_anew() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    for _ in 0..3 {
        for _ in 0..4 {
            server
                .login("alice@example.com", "wrong")
                .await
                .refused(401, "INVALID_CREDENTIALS");
        }
        alice.login().await.is(200);
    }
}

async fn wrong_passwords_are_counted_by_network() {
    let server = Server::with(|settings| settings.trusted_proxies = super::loopback()).await;
    let alice = server.registered("alice@example.com").await;
    for host in 1..=5 {
        let wrong = server
            .login("alice@example.com", "wrong")
            .from(&format!("203.0.113.{host}"))
            .await;
        wrong.refused(401, "INVALID_CREDENTIALS");
    }
    alice
        .login()
        .from("203.0.113.250")
        .await
        .refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    alice.login().from("203.0.114.1").await.is(200);
    for host in 1..=5 {
        let wrong = server
            .login("alice@example.com", "wrong")
            .from(&format!("2001:db8:0:aa{host:02}::1"))
            .await;
        wrong.refused(401, "INVALID_CREDENTIALS");
    }
    alice
        .login()
        .from("2001:db8:0:aaff::1")
        .await
        .refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    alice.login().from("2001:db8:0:ab00::1").await.is(200);
}

async fn wrong_passwords_are_counted_wherever_one_is_asked_for() {
    let server = Server::start().await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_authenticator().await;
    alice.sign_in().await;
    let wrong = |path: &str, method: &str| {
        alice.post(path, &json!({ "method": method, "password": "wrong" }))
    };
    wrong("/identity/mfa/setup", "email")
        .await
        .refused(400, "INVALID_PASSWORD");
    wrong("/identity/mfa/disable", "authenticator")
        .await
        .refused(400, "INVALID_PASSWORD");
    wrong("/identity/mfa/setup", "email")
        .await
        .refused(400, "INVALID_PASSWORD");
    wrong("/identity/mfa/disable", "authenticator")
        .await
        .refused(400, "INVALID_PASSWORD");
    server
        .login("alice@example.com", "wrong")
        .await
        .refused(401, "INVALID_CREDENTIALS");
    wrong("/identity/mfa/setup", "email")
        .await
        .refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    wrong("/identity/mfa/disable", "authenticator")
        .await
        .refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    alice
        .begin_setup("email")
        .await
        .refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    alice
        .login()
        .await
        .refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    server.clock.advance(1);
    alice.begin_disable("authenticator").await.is(200);
}

async fn spellings_of_an_address_share_one_count() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    for email in [
        "alice@example.com",
        "Alice@Example.com",
        " ALICE@EXAMPLE.COM",
        "aLice@example.com ",
    ] {
        server
            .login(email, "wrong")
            .await
            .refused(401, "INVALID_CREDENTIALS");
    }
    server.login("ALICE@example.com", PASSWORD).await.is(200);
    for email in [
        "bob@example.com",
        "BOB@example.com",
        "bob@Example.COM",
        "Bob@example.com",
        "boB@example.com",
    ] {
        server
            .login(email, "wrong")
            .await
            .refused(401, "INVALID_CREDENTIALS");
    }
    server
        .login("bob@example.com", "wrong")
        .await
        .refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
}

async fn an_operator_lifts_the_wait() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    for _ in 0..8 {
        server.login("alice@example.com", "wrong").await;
        server.clock.advance(8);
    }
    server.login("alice@example.com", "wrong").await;
    alice
        .login()
        .await
        .refused(429, "TOO_MANY_PASSWORD_ATTEMPTS");
    server
        .app
        .call(async |ctx| operator::unlock(ctx, "alice@example.com").await)
        .await
        .expect("unlocked");
    alice.login().await.is(200);
}

async fn the_length_of_a_password_is_checked_only_where_one_is_set() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    server
        .login("alice@example.com", "x")
        .await
        .refused(401, "INVALID_CREDENTIALS");
    let longest = "x".repeat(4096);
    server
        .login("alice@example.com", &longest)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    let refused = server
        .login("alice@example.com", &"x".repeat(4097))
        .await
        .refused(400, "VALIDATION");
    assert_eq!(refused["errors"][0]["field"], "password");
}

/// Tells whether a registration with this password is accepted. If not, asserts that the field is
/// named and the password is not repeated.
async fn may_be_set(server: &Server, password: &str) -> bool {
    let answer = register(server, "alice@example.com", password).await;
    if answer.status == 202 {
        return true;
    }
    let refused = answer.refused(400, "VALIDATION");
    assert_eq!(refused["errors"][0]["field"], "password");
    assert!(
        password == "password" || !refused.text.contains(password),
        "{}",
        refused.text
    );
    false
}

async fn a_new_password_has_fifteen_characters_at_least() {
    let server = Server::start().await;
    assert!(!may_be_set(&server, "vXq7k").await);
    assert!(!may_be_set(&server, "vXq7 kTz9 mRw3").await, "fourteen");
    assert!(may_be_set(&server, "vXq7 kTz9 mRw3a").await, "fifteen");
    let harmless = "\u{1f98a}\u{1f4a7}\u{1f333}\u{1f680}\u{1f9c0}\u{1f511}\u{1f3bb}\u{1f40c}\u{26f5}\u{1f9ed}\u{1f30b}\u{1f94c}\u{1f9e9}\u{1f6f6}";
    assert!(
        !may_be_set(&server, harmless).await,
        "fourteen code points, however many bytes"
    );
    assert!(
        may_be_set(&server, &format!("{harmless}\u{1f50b}")).await,
        "fifteen code points"
    );
}

async fn eight_characters_are_enough_where_the_operator_says_so() {
    let server = Server::with(|settings| settings.policy.password_min = 8).await;
    assert!(!may_be_set(&server, "vXq7kTz").await);
    assert!(may_be_set(&server, "vXq7kTz9").await);
}

async fn a_common_password_is_refused() {
    let server = Server::with(|settings| settings.policy.password_min = 8).await;
    for common in [
        "password",
        "Password1",
        "12345678",
        "qwertyuiop",
        "iloveyou",
        "passwordpassword",
        "aaaaaaaaaaaaaaaa",
    ] {
        assert!(!may_be_set(&server, common).await, "{common}");
    }
    for own in ["alice@example.com", "countersign", "countersign1"] {
        assert!(!may_be_set(&server, own).await, "{own}");
    }
}

async fn long_passwords_are_taken_and_compared_to_their_end() {
    let server = Server::start().await;
    let words = "horse staple battery correct ".repeat(9);
    let longest: String = words.chars().take(256).collect();
    assert!(!may_be_set(&server, &format!("{longest}x")).await);
    with_password(&server, "alice@example.com", &longest).await;
    server.login("alice@example.com", &longest).await.is(200);
    let shorter: String = longest.chars().take(255).collect();
    server
        .login("alice@example.com", &shorter)
        .await
        .refused(401, "INVALID_CREDENTIALS");
    server
        .login("alice@example.com", &format!("{longest}x"))
        .await
        .refused(401, "INVALID_CREDENTIALS");
    let other_end = format!("{}Q", &longest[..255]);
    server
        .login("alice@example.com", &other_end)
        .await
        .refused(401, "INVALID_CREDENTIALS");
}

async fn composed_and_decomposed_passwords_are_the_same() {
    let server = Server::start().await;
    let composed = "caf\u{e9} \u{fc}ber na\u{ef}ve r\u{f4}le";
    let decomposed = "cafe\u{301} u\u{308}ber nai\u{308}ve ro\u{302}le";
    with_password(&server, "alice@example.com", composed).await;
    server.login("alice@example.com", decomposed).await.is(200);
    with_password(&server, "bob@example.com", decomposed).await;
    server.login("bob@example.com", composed).await.is(200);
    server
        .login("bob@example.com", "cafe uber naive role")
        .await
        .refused(401, "INVALID_CREDENTIALS");
}

async fn a_password_is_taken_as_it_is_typed() {
    let server = Server::start().await;
    let password = "  Correct Horse  Battery ";
    with_password(&server, "alice@example.com", password).await;
    server.login("alice@example.com", password).await.is(200);
    server
        .login("alice@example.com", password.trim())
        .await
        .refused(401, "INVALID_CREDENTIALS");
    let lower = password.to_lowercase();
    server
        .login("alice@example.com", &lower)
        .await
        .refused(401, "INVALID_CREDENTIALS");
}
