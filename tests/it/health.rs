//! Readiness: what stops a replica from serving is 503; what the operator should look at is
//! reported with 200.

use contract_tests::process::{Process, run};
use contract_tests::smtp::Reply;
use contract_tests::waiting::until;
use contract_tests::{Answer, Server, json, logs, tests};
use countersign::config::Settings;

use super::courier::ended;

tests! {
    a_database_that_takes_no_writes_is_not_ready,
    a_full_disk_is_not_ready_until_there_is_room,
    mail_that_does_not_leave_for_a_minute_is_degraded,
    text_messages_that_do_not_leave_are_degraded,
    mail_that_somebody_is_never_sent_is_no_fault_of_the_courier,
    where_a_setting_says_so_a_degraded_courier_is_not_ready,
    whoever_asks_all_the_time_causes_no_writes,
}

async fn a_database_that_takes_no_writes_is_not_ready() {
    let server = Server::with(|settings| settings.database_timeout_seconds = 1).await;
    server.get("/readyz").await.is(200);
    let held = server.database.hold_limits();
    let not = until("no readiness", async || {
        let answer = server.get("/readyz").await;
        (answer.status == 503).then_some(answer)
    })
    .await
    .refused(503, "NOT_READY");
    assert_eq!(not["checks"]["database"], "unwritable");
    assert!(
        not.text("reason").starts_with("The database"),
        "{}",
        not.text
    );
    server.get("/healthz").await.is(200);
    let (well, said) = run(server.folder(), server.address, &["healthcheck"]).await;
    assert!(
        !well && said.contains("is not ready: The database"),
        "{said}"
    );
    drop(held);
    until("readiness", async || {
        (server.get("/readyz").await.status == 200).then_some(())
    })
    .await;
    let (well, said) = run(server.folder(), server.address, &["healthcheck"]).await;
    assert_eq!((well, said.as_str()), (true, ""));
}

/// Prevents files of the process from growing, as on a full disk.
fn fill(process: &Process, room: &str) {
    let id = process.id().to_string();
    process.tool("prlimit", &["--pid", &id, &format!("--fsize={room}:")]);
}

async fn a_full_disk_is_not_ready_until_there_is_room() {
    let process = Process::serve(&[]).await;
    process.get("/readyz").await.is(200);
    fill(&process, "1");
    let not = until("no readiness", async || {
        let answer = process.get("/readyz").await;
        (answer.status == 503).then_some(answer)
    })
    .await
    .refused(503, "NOT_READY");
    assert_eq!(not["checks"]["database"], "unwritable");
    let body = json!({ "email": "alice@example.com", "password": contract_tests::PASSWORD });
    let refused = process.post("/identity/register", &body).await;
    refused.refused(503, "SERVICE_UNAVAILABLE");
    process.get("/healthz").await.is(200);
    let (well, said) = process.run(&["healthcheck"]).await;
    assert!(!well && said.contains("accepts no writes"), "{said}");
    fill(&process, "unlimited");
    until("readiness", async || {
        (process.get("/readyz").await.status == 200).then_some(())
    })
    .await;
    process.post("/identity/register", &body).await.is(202);
}

/// Lets a minute pass after a failed first try, and waits until the courier is degraded.
async fn degraded(server: &Server) -> Answer {
    ended(server, "queued", 1).await;
    server.wait(61);
    until("a degraded courier", async || {
        let answer = server.get("/readyz").await;
        (answer["checks"]["courier"] == "degraded").then_some(answer)
    })
    .await
}

async fn mail_that_does_not_leave_for_a_minute_is_degraded() {
    let server = Server::start().await;
    server
        .mail
        .always(Reply::Message("451 the cellar is flooded"));
    server.register("alice@example.com").await.is(202);
    ended(&server, "queued", 1).await;
    let ready = server.get("/readyz").await.is(200);
    assert_eq!(ready["checks"]["courier"], "ok", "it is early days");
    assert!(ready["reason"].is_null());
    let told = degraded(&server).await.is(200);
    assert!(
        told.text("reason").starts_with("No mail was sent"),
        "{}",
        told.text
    );
    let (well, said) = run(server.folder(), server.address, &["healthcheck"]).await;
    assert!(
        well && said.contains("ready, but: No mail was sent"),
        "{said}"
    );
    for _ in 0..2 {
        let known = server.mail.refused().len();
        server.wait(61);
        until("another try", async || {
            (server.mail.refused().len() > known).then_some(())
        })
        .await;
    }
    let lines = logs::lines_with("the cellar is flooded");
    let told = lines
        .iter()
        .filter(|line| line.contains("none is delivered"));
    assert_eq!(told.count(), 1, "once: {lines:#?}");
    server.mail.always(Reply::Take);
    server.register("bob@example.com").await.is(202);
    server.mail.code_to("bob@example.com").await;
    until("a courier that is well", async || {
        (server.get("/readyz").await["checks"]["courier"] == "ok").then_some(())
    })
    .await;
}

async fn text_messages_that_do_not_leave_are_degraded() {
    let (server, gateway) = super::texts::by_twilio().await;
    gateway.replies(&[contract_tests::gateway::Reply::Answer(500, "oh"); 100]);
    super::texts::post_code(&server).await;
    let told = degraded(&server).await.is(200);
    assert!(
        told.text("reason").starts_with("No text message was sent"),
        "{}",
        told.text
    );
}

async fn mail_that_somebody_is_never_sent_is_no_fault_of_the_courier() {
    let server = Server::start().await;
    server
        .mail
        .replies(&[Reply::Recipient("550 no such mailbox")]);
    server.register("nobody@example.com").await.is(202);
    server.mail_is_out().await;
    server.wait(120);
    server.register("alice@example.com").await.is(202);
    server.mail.code_to("alice@example.com").await;
    let ready = server.get("/readyz").await.is(200);
    assert_eq!(ready["checks"]["courier"], "ok");
}

async fn where_a_setting_says_so_a_degraded_courier_is_not_ready() {
    let strict = |settings: &mut Settings| settings.ready_needs_courier = true;
    let server = Server::with(strict).await;
    server.mail.closes(Some("554 no mail here"));
    server.register("alice@example.com").await.is(202);
    let not = degraded(&server).await.refused(503, "NOT_READY");
    assert!(
        not.text("reason").starts_with("No mail was sent"),
        "{}",
        not.text
    );
    let (well, said) = run(server.folder(), server.address, &["healthcheck"]).await;
    assert!(!well && said.contains("No mail was sent"), "{said}");
    server.mail.closes(None);
    until("readiness", async || {
        server.wait(61);
        server.register("bob@example.com").await;
        (server.get("/readyz").await.status == 200).then_some(())
    })
    .await;
}

async fn whoever_asks_all_the_time_causes_no_writes() {
    let server = Server::start().await;
    for _ in 0..50 {
        server.get("/readyz").await.is(200);
    }
    let tried = "SELECT CAST(used AS BIGINT) AS found FROM limits WHERE name = 'readiness'";
    let tried = server.database.number(tried);
    assert!((1..10).contains(&tried), "{tried}");
}
