//! The headers `RateLimit` and `RateLimit-Policy` tell what is left of a limit before it is
//! reached.

use contract_tests::call::Method;
use contract_tests::{Answer, Server, json, tests};

tests! {
    a_network_sees_its_registrations_count_down,
    an_account_sees_its_code_mails_count_down,
    a_limit_begins_anew_when_it_says_so,
    what_no_limit_counted_says_nothing,
}

/// Starts a server behind a proxy, which counts by the callers' addresses.
async fn behind_a_proxy() -> Server {
    Server::with(|settings| settings.trusted_proxies = super::loopback()).await
}

/// Returns what the answer says about a limit: how much is left, and in how many seconds it resets.
fn standing(answer: &Answer, name: &str) -> (u32, u32) {
    let all = answer.header("ratelimit").expect("RateLimit");
    let mut items = all.split(", ");
    let item = items.find(|item| item.starts_with(&format!("\"{name}\";")));
    let item = item.unwrap_or_else(|| panic!("no {name} in {all}"));
    let parameter = |letter: &str| {
        let mut parts = item.split(';');
        let part = parts.find_map(|part| part.strip_prefix(letter));
        part.and_then(|text| text.parse().ok()).expect("a number")
    };
    (parameter("r="), parameter("t="))
}

fn registration(server: &Server, number: usize) -> contract_tests::Call {
    server
        .register(&format!("person{number}@example.com"))
        .from("203.0.113.7")
}

async fn a_network_sees_its_registrations_count_down() {
    let server = behind_a_proxy().await;
    for number in 0..30 {
        let answer = registration(&server, number).await.is(202);
        let policy = answer.header("ratelimit-policy");
        assert_eq!(
            policy.as_deref(),
            Some(r#""mail_calls_strangers";q=30;w=3600"#)
        );
        let left = 29 - u32::try_from(number).expect("small");
        assert_eq!(standing(&answer, "mail_calls_strangers").0, left);
    }
    let refused = registration(&server, 30)
        .await
        .refused(429, "TOO_MANY_REQUESTS");
    let (left, resets_in) = standing(&refused, "mail_calls_strangers");
    assert_eq!(left, 0);
    let wait = refused.header("retry-after").expect("Retry-After");
    assert_eq!(wait, resets_in.to_string());
    let nobody = "/user/resend-verification/01a2038e-7f00-7bd8-86c9-7f0e00af1a1f";
    let resent = server.call(Method::POST, nobody).from("203.0.113.7").await;
    let resent = resent.refused(429, "TOO_MANY_REQUESTS");
    assert_eq!(standing(&resent, "mail_calls_strangers").0, 0);
    let other = server
        .register("other@example.com")
        .from("198.51.100.7")
        .await
        .is(202);
    assert_eq!(standing(&other, "mail_calls_strangers").0, 29);
}

async fn an_account_sees_its_code_mails_count_down() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let begun = alice.begin_setup("email").await.is(200);
    assert_eq!(standing(&begun, "code_mails_hour").0, 5);
    assert_eq!(standing(&begun, "code_mails_day").0, 19);
    let token = json!({ "mfaToken": begun.text("mfaToken") });
    server.clock.advance(61);
    let resent = server.post("/identity/mfa/resend", &token).await.is(200);
    let (left, resets_in) = standing(&resent, "code_mails_hour");
    assert_eq!(left, 4);
    assert!((3538..=3539).contains(&resets_in), "{resets_in}");
}

async fn a_limit_begins_anew_when_it_says_so() {
    let server = behind_a_proxy().await;
    let first = registration(&server, 0).await.is(202);
    let (_, resets_in) = standing(&first, "mail_calls_strangers");
    server.clock.advance(i64::from(resets_in) - 1);
    let within = registration(&server, 1).await.is(202);
    assert_eq!(standing(&within, "mail_calls_strangers").0, 28);
    server.clock.advance(2);
    let after = registration(&server, 2).await.is(202);
    assert_eq!(standing(&after, "mail_calls_strangers").0, 29);
}

async fn what_no_limit_counted_says_nothing() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let me = alice.get("/identity/me").await.is(200);
    assert_eq!(me.header("ratelimit"), None);
    // A server that is only there for this machine does not count calls from it.
    let here = server.register("bob@example.com").await.is(202);
    assert_eq!(here.header("ratelimit"), None);
    assert_eq!(here.header("ratelimit-policy"), None);
}
