//! Limits of text messages beyond one account and number: for a range of numbers, and for the whole
//! server.

use contract_tests::{Call, PASSWORD, Person, json, logs, tests};

use super::netevia::with_texts_and;

tests! {
    a_range_of_numbers_has_a_share_of_its_own,
    the_whole_server_has_a_share_a_day_and_warns_before_it_is_used_up,
}

/// Starts setting up SMS for a number.
fn begin(person: &Person, number: &str) -> Call {
    let body = json!({ "method": "sms", "password": PASSWORD, "phoneNumber": number });
    person.post("/identity/mfa/setup", &body)
}

async fn a_range_of_numbers_has_a_share_of_its_own() {
    let (server, gateway) =
        // Set-ups have half of it.
        with_texts_and(|settings| settings.policy.sms_per_prefix_hour = 4).await;
    for (name, number) in [("alice", "+12025550123"), ("bob", "+12025550145")] {
        let person = server.registered(&format!("{name}@example.com")).await;
        begin(&person, number).await.is(200);
        assert_eq!(gateway.next().await.to(), number);
    }
    server.clock.advance(600);
    let carol = server.registered("carol@example.com").await;
    let refused = begin(&carol, "+12025550167").await;
    let refused = refused.refused(429, "TOO_MANY_MFA_SMS");
    assert_eq!(refused.header("retry-after").as_deref(), Some("3000"));
    assert_eq!(refused["retryAfter"], 3000);
    // The limit is shared by all APIs.
    let body = json!({ "mfaMethod": "sms", "phoneNumber": "+12025550167" });
    let refused = carol.post("/settings/MfaSignIn", &body).await;
    refused.refused(429, "TOO_MANY_MFA_SMS");
    server.mail_is_out().await;
    assert_eq!(gateway.taken().len(), 2, "nothing was sent to the third");
    // Other ranges of numbers have their own share, and this one gets a new one in time.
    begin(&carol, "+12125550123").await.is(200);
    assert_eq!(gateway.next().await.to(), "+12125550123");
    server.clock.advance(3000);
    let answer = server.login("carol@example.com", PASSWORD).await.is(200);
    let carol = Person::signed_in(&server, "carol@example.com", &answer);
    begin(&carol, "+12025550167").await.is(200);
    assert_eq!(gateway.next().await.to(), "+12025550167");
}

async fn the_whole_server_has_a_share_a_day_and_warns_before_it_is_used_up() {
    // A number that no other test uses, as all tests share the log.
    const MOST: u32 = 6;
    let warned = || {
        let lines = logs::lines_with("of this day's text messages are used");
        lines
            .iter()
            .filter(|line| line.contains(&format!("most={MOST}")) && line.contains("WARN"))
            .count()
    };
    // Set-ups have half of it.
    let (server, gateway) = with_texts_and(|settings| settings.policy.sms_per_day = 2 * MOST).await;
    // Each from a range of its own, so that no other limit applies.
    for (sent, area) in [202, 212, 213, 214, 215, 216].into_iter().enumerate() {
        let person = server.registered(&format!("user{area}@example.com")).await;
        assert_eq!(
            warned(),
            sent.saturating_sub(4),
            "after {sent} of {MOST}: told past 80 %, not before"
        );
        begin(&person, &format!("+1{area}5550123")).await.is(200);
        gateway.next().await;
    }
    assert_eq!(warned(), 2, "and once more for the last");
    server.clock.advance(3600);
    let last = server.registered("last@example.com").await;
    let refused = begin(&last, "+12175550123").await;
    let refused = refused.refused(429, "TOO_MANY_MFA_SMS");
    assert_eq!(refused["retryAfter"], 23 * 3600);
    server.mail_is_out().await;
    assert_eq!(gateway.taken().len(), 6, "nothing was sent to the seventh");
    server.clock.advance(23 * 3600);
    let answer = server.login("last@example.com", PASSWORD).await.is(200);
    let last = Person::signed_in(&server, "last@example.com", &answer);
    begin(&last, "+12175550123").await.is(200);
    assert_eq!(gateway.next().await.to(), "+12175550123");
}
