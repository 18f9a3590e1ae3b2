//! Where mail is sent: to a mail server that can be trusted, or into files.

use std::os::unix::fs::PermissionsExt;

use contract_tests::waiting::until;
use contract_tests::{Mail, Server, tests};
use countersign::model::Secret;

tests! {
    a_mail_is_what_mail_readers_expect,
    no_two_minutes_have_the_same_subject,
    without_starttls_nothing_is_sent_where_it_is_demanded,
    without_a_mail_server_mail_is_written_to_files,
}

async fn a_mail_is_what_mail_readers_expect() {
    let server = Server::start().await;
    server.register("alice@example.com").await.is(202);
    let mail = server.mail.next_to("alice@example.com").await;
    assert_eq!(mail.from, "no-reply@localhost");
    assert_eq!(
        mail.header("From").as_deref(),
        Some("Countersign <no-reply@localhost>")
    );
    assert_eq!(mail.header("To").as_deref(), Some("alice@example.com"));
    assert_eq!(
        mail.header("Date").as_deref(),
        Some("Sun, 22 Nov 2026 14:00:07 +0000")
    );
    assert_eq!(
        mail.header("Auto-Submitted").as_deref(),
        Some("auto-generated")
    );
    assert!(
        mail.message_id.ends_with("@localhost>"),
        "{}",
        mail.message_id
    );
    let code = mail.code().expect("a code");
    assert!(
        !mail.subject.contains(&code),
        "codes are not shown on locked screens"
    );
    assert_eq!(mail.text.matches(&code).count(), 1);
    let longest = String::from_utf8_lossy(&mail.raw)
        .lines()
        .map(str::len)
        .max();
    assert!(longest < Some(79), "a line of {longest:?}");
    assert!(!mail.text.contains("http"), "no link to be phished with");
}

async fn no_two_minutes_have_the_same_subject() {
    let server = Server::with(|settings| settings.issuer_name = "Bänk".to_owned()).await;
    let mut alice = server.registered("alice@example.com").await;
    alice.enable_email().await;
    for _ in 0..3 {
        server.clock.advance(60);
        alice.begin_sign_in().await;
        server.mail.code_to("alice@example.com").await;
    }
    let subjects = server.mail.subjects_to("alice@example.com");
    let all: std::collections::BTreeSet<&String> = subjects.iter().collect();
    assert_eq!(all.len(), subjects.len(), "{subjects:#?}");
    for subject in &subjects {
        assert!(subject.contains("Bänk"), "{subject}");
        assert!(subject.ends_with(" UTC)"), "{subject}");
    }
}

async fn without_starttls_nothing_is_sent_where_it_is_demanded() {
    let server = Server::start().await;
    let port = server.mail.address.port();
    let url = format!("smtp://127.0.0.1:{port}?tls=required");
    let strict = Server::with(|settings| settings.smtp_url = Some(Secret::new(url))).await;
    strict.register("alice@example.com").await.is(202);
    let tried = async || {
        let tried = "SELECT count(*) AS found FROM notices WHERE state = 'queued' AND tries > 0 AND leased_until = 0";
        (strict.database.number(tried) == 1).then_some(())
    };
    until("a try", tried).await;
    assert_eq!(
        server.mail.begun(),
        0,
        "a code in plain text to a server that cannot be trusted"
    );
}

async fn without_a_mail_server_mail_is_written_to_files() {
    let server = Server::with(|settings| settings.smtp_url = None).await;
    let begun = server.register("alice@example.com").await.is(202);
    let outbox = server.folder().join("outbox");
    let file = until("a file", async || {
        let entry = std::fs::read_dir(&outbox).ok()?.next()?.ok()?;
        let whole = entry.path().extension().is_some_and(|end| end == "eml");
        whole.then(|| entry.path())
    })
    .await;
    assert_eq!(
        std::fs::metadata(&file)
            .expect("a file")
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    assert_eq!(
        std::fs::metadata(&outbox)
            .expect("a folder")
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
    let raw = std::fs::read(&file).expect("readable");
    let mail = Mail::read("", "alice@example.com", &raw);
    server
        .prove(
            &begun.text("registrationToken"),
            &mail.code().expect("a code"),
        )
        .await
        .is(201);
}
