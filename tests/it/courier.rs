//! Mail delivery when the mail server fails.

use std::time::Duration;

use contract_tests::smtp::Reply;
use contract_tests::waiting::until;
use contract_tests::{Mail, Server, logs, tests};
use countersign::model::notice::Message;
use tokio::time::{Instant, sleep};

use super::texts::post;

tests! {
    a_refusal_for_now_is_tried_again_as_the_same_mail,
    a_refusal_at_the_recipient_for_now_is_tried_again,
    a_server_that_hangs_up_is_tried_again,
    a_server_that_falls_silent_is_tried_again,
    waits_between_tries_grow,
    a_refusal_for_good_is_not_tried_again,
    a_code_that_is_too_old_is_not_sent,
    a_letter_is_wiped_when_it_is_sent,
    an_answer_does_not_wait_for_the_mail_server,
    a_mail_in_the_queue_survives_a_restart,
    of_two_couriers_one_sends,
    a_full_queue_refuses_calls_that_send_and_no_others,
    notices_that_hang_hold_up_no_code,
    what_the_mail_server_cannot_take_is_given_up_at_once,
    what_is_the_operators_to_mend_is_tried_again,
    the_greeting_is_the_host_of_public_url,
}

/// Waits until the mail server has refused this many mails after reading them. Lets time pass for
/// each.
async fn refused(server: &Server, count: usize) -> Vec<Mail> {
    until("refused mails", async || {
        let refused = server.mail.refused();
        (refused.len() >= count).then_some(refused)
    })
    .await
}

/// Lets time pass until the next mail is accepted.
async fn taken_after(server: &Server, seconds: i64, address: &str) -> Mail {
    // The result of the last try is stored after the mail server has answered it.
    let waiting = async || {
        let again = "SELECT count(*) AS found FROM notices WHERE state = 'queued' AND tries > 0 AND leased_until = 0";
        (server.database.number(again) > 0).then_some(())
    };
    until("a mail that waits for its next try", waiting).await;
    server.wait(seconds);
    server.mail.next_to(address).await
}

async fn a_refusal_for_now_is_tried_again_as_the_same_mail() {
    let server = Server::start().await;
    server.mail.replies(&[
        Reply::Message("451 try later"),
        Reply::Message("421 closing"),
    ]);
    let begun = server.register("alice@example.com").await.is(202);
    let first = refused(&server, 1).await.remove(0);
    until("the first try's end", async || {
        server.wait(5);
        (server.mail.refused().len() >= 2).then_some(())
    })
    .await;
    let second = server.mail.refused().remove(1);
    let third = taken_after(&server, 60, "alice@example.com").await;
    assert_eq!(
        first.message_id, second.message_id,
        "one mail, however often it is tried"
    );
    assert_eq!(first.message_id, third.message_id);
    assert_eq!(first.code(), third.code());
    server
        .prove(
            &begun.text("registrationToken"),
            &third.code().expect("a code"),
        )
        .await
        .is(201);
    server.mail_is_out().await;
    assert_eq!(server.mail.all_to("alice@example.com").len(), 1);
}

async fn a_refusal_at_the_recipient_for_now_is_tried_again() {
    let server = Server::start().await;
    server.mail.replies(&[Reply::Recipient("450 greylisted")]);
    server.register("alice@example.com").await.is(202);
    taken_after(&server, 10, "alice@example.com").await;
    assert_eq!(server.mail.begun(), 2);
}

async fn a_server_that_hangs_up_is_tried_again() {
    let server = Server::start().await;
    server.mail.replies(&[Reply::HangUp]);
    server.register("alice@example.com").await.is(202);
    let first = refused(&server, 1).await.remove(0);
    let second = taken_after(&server, 10, "alice@example.com").await;
    assert_eq!(
        first.message_id, second.message_id,
        "a receiver that kept the first sees the same mail"
    );
}

async fn a_server_that_falls_silent_is_tried_again() {
    let server = Server::with(|settings| settings.smtp_timeout_seconds = 1).await;
    server.mail.replies(&[Reply::Silence]);
    server.register("alice@example.com").await.is(202);
    let first = refused(&server, 1).await.remove(0);
    let second = taken_after(&server, 10, "alice@example.com").await;
    assert_eq!(first.message_id, second.message_id);
}

async fn waits_between_tries_grow() {
    let server = Server::start().await;
    server.mail.always(Reply::Message("451 try later"));
    server.register("alice@example.com").await.is(202);
    refused(&server, 1).await;
    let mut waits = Vec::new();
    for tries in 1..5 {
        let asked = async || {
            let next =
                "SELECT next_try_at AS found FROM notices WHERE leased_until = 0 AND tries = ";
            let count = format!(
                "SELECT count(*) AS found FROM notices WHERE leased_until = 0 AND tries = {tries}"
            );
            let there = server.database.number(&count) == 1;
            there.then(|| server.database.number(&format!("{next}{tries}")))
        };
        let next = until("a next try", asked).await;
        let micros = next - server.clock.now().micros();
        waits.push(micros / 1_000_000);
        server.wait(micros / 1_000_000 + 1);
        refused(&server, tries + 1).await;
    }
    for (wait, expected) in waits.iter().zip([5, 10, 20, 40]) {
        let bounds = (expected * 3 / 4 - 1)..=(expected * 5 / 4);
        assert!(bounds.contains(wait), "it doubles from 5 s: {waits:?}");
    }
}

async fn a_refusal_for_good_is_not_tried_again() {
    for reply in [
        Reply::Recipient("550 no such mailbox"),
        Reply::Message("554 refused"),
    ] {
        let server = Server::start().await;
        server.mail.replies(&[reply]);
        let begun = server.register("alice@example.com").await.is(202);
        server.mail_is_out().await;
        server.wait(300);
        sleep(Duration::from_millis(100)).await;
        assert_eq!(server.mail.begun(), 1);
        assert_eq!(
            server
                .database
                .number("SELECT count(*) AS found FROM notices WHERE state = 'abandoned'"),
            1
        );
        assert_eq!(
            server
                .database
                .number("SELECT count(*) AS found FROM notices WHERE sealed_letter IS NOT NULL"),
            0
        );
        let token = begun.text("registrationToken");
        server
            .prove(&token, "123456")
            .await
            .refused(400, "INVALID_REGISTRATION_CODE");
        server.registered("alice@example.com").await;
    }
}

async fn a_code_that_is_too_old_is_not_sent() {
    let server = Server::start().await;
    server.mail.always(Reply::Message("451 try later"));
    server.register("alice@example.com").await.is(202);
    refused(&server, 1).await;
    server.mail.always(Reply::Take);
    until("an abandoned mail", async || {
        server.wait(600);
        let over = "SELECT count(*) AS found FROM notices WHERE state = 'abandoned'";
        (server.database.number(over) == 1).then_some(())
    })
    .await;
    assert_eq!(
        server.mail.all_to("alice@example.com").len(),
        0,
        "its code is over"
    );
    assert_eq!(
        server
            .database
            .number("SELECT count(*) AS found FROM notices WHERE state = 'abandoned'"),
        1
    );
    assert_eq!(
        server
            .database
            .number("SELECT count(*) AS found FROM notices WHERE sealed_letter IS NOT NULL"),
        0
    );
}

async fn a_letter_is_wiped_when_it_is_sent() {
    let server = Server::start().await;
    server.mail.always(Reply::Message("451 try later"));
    server.register("alice@example.com").await.is(202);
    refused(&server, 1).await;
    assert_eq!(
        server
            .database
            .number("SELECT count(*) AS found FROM notices WHERE sealed_letter IS NOT NULL"),
        1
    );
    server.mail.always(Reply::Take);
    taken_after(&server, 10, "alice@example.com").await;
    server.mail_is_out().await;
    assert_eq!(
        server
            .database
            .number("SELECT count(*) AS found FROM notices WHERE state = 'sent'"),
        1
    );
    assert_eq!(
        server
            .database
            .number("SELECT count(*) AS found FROM notices WHERE sealed_letter IS NOT NULL"),
        0
    );
}

async fn an_answer_does_not_wait_for_the_mail_server() {
    let server = Server::with(|settings| settings.smtp_timeout_seconds = 1).await;
    server.mail.always(Reply::Silence);
    let started = Instant::now();
    for number in 0..6 {
        server
            .register(&format!("user{number}@example.com"))
            .await
            .is(202);
    }
    server.get("/readyz").await.is(200);
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
}

async fn a_mail_in_the_queue_survives_a_restart() {
    let server = Server::start().await;
    server.mail.always(Reply::Message("451 try later"));
    let begun = server.register("alice@example.com").await.is(202);
    refused(&server, 1).await;
    let server = server.restarted().await;
    server.mail.always(Reply::Take);
    server.wait(61);
    let code = server.mail.code_to("alice@example.com").await;
    server
        .prove(&begun.text("registrationToken"), &code)
        .await
        .is(201);
}

async fn of_two_couriers_one_sends() {
    let server = Server::start().await;
    let replica = server.replica().await;
    for number in 0..12 {
        let door = if number % 2 == 0 { &server } else { &replica };
        door.register(&format!("user{number}@example.com"))
            .await
            .is(202);
        server.wait(0);
        replica.wait(0);
    }
    server.mail_is_out().await;
    for number in 0..12 {
        assert_eq!(
            server
                .mail
                .all_to(&format!("user{number}@example.com"))
                .len(),
            1,
            "{number}"
        );
    }
    assert_eq!(server.mail.begun(), 12, "none was handed over twice");
}

async fn a_full_queue_refuses_calls_that_send_and_no_others() {
    let server = Server::with(|settings| settings.policy.courier_queue = 4).await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    let mut bob = server.registered("bob@example.com").await;
    server.mail_is_out().await;
    server.mail.always(Reply::Message("451 try later"));
    for number in 0..2 {
        server
            .register(&format!("user{number}@example.com"))
            .await
            .is(202);
    }
    let full = server
        .register("more@example.com")
        .await
        .refused(503, "SERVICE_UNAVAILABLE");
    assert!(
        full.number("retryAfter") > 0,
        "strangers get half of the queue"
    );
    alice.login().await.is(200);
    alice.login().await.is(200);
    alice.login().await.refused(503, "SERVICE_UNAVAILABLE");
    bob.begin_setup("email")
        .await
        .refused(503, "SERVICE_UNAVAILABLE");
    alice
        .begin_disable("email")
        .await
        .refused(503, "SERVICE_UNAVAILABLE");
    // Everything else works: a balancer keeps sending.
    let ready = server.get("/readyz").await.is(200);
    assert_eq!(ready["checks"]["courier"], "degraded");
    assert!(ready.text("reason").contains("queue"), "{}", ready.text);
    bob.sign_in().await;
    bob.enable_authenticator().await;
    bob.sign_in().await;
}

async fn notices_that_hang_hold_up_no_code() {
    let server = Server::with(|settings| settings.smtp_timeout_seconds = 7).await;
    server.mail.silent_to("slow@hanging.example");
    for _ in 0..40 {
        post(&server, "slow@hanging.example", Message::SessionEnded).await;
    }
    until("notices that hang", async || {
        (server.mail.refused().len() >= 2).then_some(())
    })
    .await;
    for number in 0..3 {
        let before = given_up("hanging.example");
        let email = format!("alice{number}@example.com");
        server.register(&email).await.is(202);
        server.mail.code_to(&email).await;
        if given_up("hanging.example") == before {
            return;
        }
        // A notice may have been given up just then, but not each time.
    }
    panic!("codes leave only when a notice was given up");
}

/// Counts the tries to deliver to addresses of a domain that have failed so far.
pub fn given_up(domain: &str) -> usize {
    let lines = logs::lines_with("the message could not be delivered");
    lines.iter().filter(|line| line.contains(domain)).count()
}

fn code() -> Message {
    Message::LoginCode {
        code: "271828".to_owned(),
        minutes: 5,
        link: None,
        link_minutes: 0,
    }
}

/// Waits until this many notices are in this state after a try.
pub async fn ended(server: &Server, state: &str, count: i64) {
    let sql = format!(
        "SELECT count(*) AS found FROM notices WHERE state = '{state}' AND tries > 0 AND (state <> 'queued' OR leased_until = 0)"
    );
    until(state, async || {
        (server.database.number(&sql) == count).then_some(())
    })
    .await;
}

async fn what_the_mail_server_cannot_take_is_given_up_at_once() {
    let server = Server::start().await;
    server.mail.is_old();
    post(&server, "jürgen@example.com", code()).await;
    ended(&server, "abandoned", 1).await;
    assert_eq!(server.mail.begun(), 0);
    let told = logs::lines_with("needs SMTPUTF8");
    assert!(
        told.iter().any(|line| line.contains("j***@example.com")),
        "{told:?}"
    );
    for refusal in [
        Reply::Sender("550 5.6.7 non-ASCII addresses not permitted"),
        Reply::Sender("552 too large"),
        Reply::Recipient("556 this domain takes no mail"),
    ] {
        let server = Server::start().await;
        server.mail.replies(&[refusal]);
        post(&server, "alice@example.com", code()).await;
        ended(&server, "abandoned", 1).await;
    }
}

async fn what_is_the_operators_to_mend_is_tried_again() {
    let refusals = [
        Reply::Sender("553 5.7.1 sender address rejected: not owned by user"),
        Reply::Sender("530 5.7.0 authentication required"),
        Reply::Recipient("530 5.7.0 authentication required"),
    ];
    let server = Server::start().await;
    for refusal in refusals {
        server.mail.replies(&[refusal]);
        post(&server, "alice@example.com", code()).await;
        ended(&server, "queued", 1).await;
        server.wait(60);
        server.mail_is_out().await;
    }
    server.mail.closes(Some("554 no mail here"));
    post(&server, "alice@example.com", code()).await;
    ended(&server, "queued", 1).await;
    server.mail.closes(None);
    server.wait(60);
    server.mail_is_out().await;
    ended(&server, "sent", 4).await;
}

async fn the_greeting_is_the_host_of_public_url() {
    for (url, expected) in [
        ("https://login.example.com", "login.example.com"),
        ("http://login.example.com:8080", "login.example.com"),
        ("http://192.0.2.7", "[192.0.2.7]"),
        ("http://[2001:db8::7]:8080", "[IPv6:2001:db8::7]"),
    ] {
        let server = Server::with(|settings| settings.public_url = url.to_owned()).await;
        server.register("alice@example.com").await.is(202);
        server.mail.next_to("alice@example.com").await;
        assert_eq!(server.mail.greeted(), [expected]);
    }
}
