//! What strangers send to other people's numbers and networks uses up nothing that sign-ins need.

use contract_tests::gateway::Gateway;
use contract_tests::{Call, PASSWORD, Person, Server, json, tests};

use super::netevia::{PHONE, with_texts, with_texts_and};

tests! {
    texts_of_set_ups_to_a_number_leave_its_owners_their_own,
    texts_of_set_ups_to_a_range_of_numbers_leave_sign_ins_their_own,
    texts_of_set_ups_over_the_whole_server_leave_sign_ins_their_own,
    each_account_that_proved_a_number_has_its_own,
    mails_of_set_ups_leave_a_networks_sign_ins_their_own,
    mails_of_set_ups_have_half_of_the_servers,
}

fn begin_setup(person: &Person, number: &str) -> Call {
    let body = json!({ "method": "sms", "password": PASSWORD, "phoneNumber": number });
    person.post("/identity/mfa/setup", &body)
}

async fn enable_sms(person: &Person, gateway: &Gateway, number: &str) {
    let begun = begin_setup(person, number).await.is(200);
    let code = code_to(gateway, number).await;
    let proof = person.server.verify_setup(&begun.text("mfaToken"), &code);
    proof.await.is(200);
}

/// Returns the code of the next message, which must be for this number.
async fn code_to(gateway: &Gateway, number: &str) -> String {
    let message = gateway.next().await;
    assert_eq!(message.to(), number);
    message.code()
}

/// Returns a user who proved the phone an hour ago.
async fn with_phone(server: &Server, gateway: &Gateway) -> Person {
    let mut alice = server.registered("alice@example.com").await;
    enable_sms(&alice, gateway, PHONE).await;
    server.clock.advance(3600);
    let token = alice.begin_sign_in().await;
    let code = code_to(gateway, PHONE).await;
    let answer = server.verify_login(&token, &code).await.is(200);
    alice.keep(&answer);
    server.clock.advance(3600);
    alice
}

/// Signs in by SMS this many times, to the end.
async fn sign_in_by_sms(alice: &Person, gateway: &Gateway, times: usize) {
    for _ in 0..times {
        let asked = alice.login().await.is(200);
        assert_eq!(asked["method"], "sms");
        let code = code_to(gateway, PHONE).await;
        let token = asked.text("mfaToken");
        alice.server.verify_login(&token, &code).await.is(200);
    }
}

/// Strangers with new accounts start set-ups for these numbers until they are refused. Returns how
/// many messages were sent.
async fn strangers_until_refused(
    server: &Server,
    gateway: &Gateway,
    numbers: impl Iterator<Item = String>,
) -> usize {
    let mut sent = 0;
    let mut stranger: Option<Person> = None;
    for number in numbers {
        // An account may have six a day.
        let mallory = match stranger.take() {
            Some(mallory) if sent % 6 != 0 => mallory,
            _another => server.registered(&format!("m{sent}@example.com")).await,
        };
        let answer = begin_setup(&mallory, &number).await;
        if answer.status != 200 {
            answer.refused(429, "TOO_MANY_MFA_SMS");
            return sent;
        }
        code_to(gateway, &number).await;
        sent += 1;
        stranger = Some(mallory);
    }
    panic!("strangers have as much sent as they like: {sent}");
}

async fn texts_of_set_ups_to_a_number_leave_its_owners_their_own() {
    let (server, gateway) = with_texts().await;
    let alice = with_phone(&server, &gateway).await;
    let same = std::iter::repeat_n(PHONE.to_owned(), 20);
    let sent = strangers_until_refused(&server, &gateway, same).await;
    assert_eq!(sent, 4, "four an hour for a number, whoever has them sent");
    sign_in_by_sms(&alice, &gateway, 4).await;
    // No message is sent beyond her own limit either.
    alice.begin_unsent("TOO_MANY_MFA_SMS").await;
    server.mail_is_out().await;
    assert_eq!(gateway.taken().len(), 2 + 4 + 4);
}

async fn texts_of_set_ups_to_a_range_of_numbers_leave_sign_ins_their_own() {
    let (server, gateway) = with_texts().await;
    let alice = with_phone(&server, &gateway).await;
    let range = (10..99).map(|last| format!("+120255501{last}"));
    let sent = strangers_until_refused(&server, &gateway, range).await;
    assert_eq!(sent, 10, "half of twenty");
    sign_in_by_sms(&alice, &gateway, 4).await;
}

async fn texts_of_set_ups_over_the_whole_server_leave_sign_ins_their_own() {
    let (server, gateway) = with_texts_and(|settings| settings.policy.sms_per_day = 5).await;
    let alice = with_phone(&server, &gateway).await;
    server.clock.advance(86_400);
    let areas = [203, 205, 206, 207, 212, 213];
    let numbers = areas.into_iter().map(|area| format!("+1{area}5550123"));
    let sent = strangers_until_refused(&server, &gateway, numbers).await;
    assert_eq!(sent, 3, "half of five, rounded up");
    sign_in_by_sms(&alice, &gateway, 4).await;
    server.clock.advance(3600);
    sign_in_by_sms(&alice, &gateway, 1).await;
    alice.begin_unsent("TOO_MANY_MFA_SMS").await;
    server.mail_is_out().await;
    assert_eq!(gateway.taken().len(), 2 + 3 + 5);
}

async fn each_account_that_proved_a_number_has_its_own() {
    let (server, gateway) = with_texts_and(|settings| {
        settings.policy.sms_per_number_hour = 2;
    })
    .await;
    let alice = with_phone(&server, &gateway).await;
    for email in ["bob@example.com", "carol@example.com"] {
        let other = server.registered(email).await;
        enable_sms(&other, &gateway, PHONE).await;
    }
    let other = |email: &str| Person {
        email: email.to_owned(),
        ..alice.clone()
    };
    let (bob, carol) = (other("bob@example.com"), other("carol@example.com"));
    sign_in_by_sms(&bob, &gateway, 2).await;
    bob.begin_unsent("TOO_MANY_MFA_SMS").await;
    sign_in_by_sms(&alice, &gateway, 2).await;
    // All of them together may have twice as many as one: more accounts do not bring more messages.
    carol.begin_unsent("TOO_MANY_MFA_SMS").await;
    server.mail_is_out().await;
    assert_eq!(gateway.taken().len(), 2 + 2 + 2 + 2);
}

async fn mails_of_set_ups_leave_a_networks_sign_ins_their_own() {
    let server = Server::with(|settings| settings.trusted_proxies = super::loopback()).await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    for number in 0..5 {
        let email = format!("m{number}@example.com");
        let mallory = server.registered(&email).await;
        for _ in 0..6 {
            let begun = mallory.begin_setup("email").from("203.0.113.1");
            begun.await.is(200);
        }
    }
    let mallory = server.registered("more@example.com").await;
    let begun = mallory.begin_setup("email").from("203.0.113.2");
    begun.await.refused(429, "TOO_MANY_REQUESTS");
    let asked = alice.login().from("203.0.113.3").await.is(200);
    let code = server.mail.code_to("alice@example.com").await;
    let token = asked.text("mfaToken");
    server.verify_login(&token, &code).await.is(200);
}

async fn mails_of_set_ups_have_half_of_the_servers() {
    let server = Server::with(|settings| settings.policy.mails_per_hour = 8).await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let mallory = server.registered("mallory@example.com").await;
    mallory.begin_setup("email").await.is(200);
    let refused = mallory.begin_setup("email").await;
    refused.refused(503, "SERVICE_UNAVAILABLE");
    for _ in 0..4 {
        alice.sign_in().await;
    }
    alice.login().await.refused(503, "SERVICE_UNAVAILABLE");
}
