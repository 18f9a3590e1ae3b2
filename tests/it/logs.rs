//! The log of a real process: nobody waits for its reader, and its lines can be searched.

use std::collections::BTreeSet;

use contract_tests::process::{Process, lines};
use contract_tests::{Value, json, tests};
use futures_util::future::join_all;
use tokio::time::{Duration, Instant};

tests! {
    a_log_that_nobody_reads_stops_no_request,
    what_is_queued_is_written_at_the_end,
    a_log_that_nobody_reads_keeps_no_process_alive,
    a_complaint_is_the_last_line,
    a_line_is_json_that_can_be_searched,
    probes_that_go_well_are_no_news,
    a_callers_own_name_and_trace_stand_in_every_line,
    a_start_warns_of_what_costs_or_looks_forged,
}

/// More lines than the queue and a pipe hold.
const MANY: usize = 10_000;

const KEYS: &str = "/.well-known/jwks.json";

/// Makes this many requests, eight at a time. Each is answered, and each is a line in the log.
async fn ask(process: &Process, count: usize) {
    let asking = (0..8).map(|_| async {
        for _ in 0..count / 8 {
            process.get(KEYS).await.is(200);
        }
    });
    join_all(asking).await;
}

fn requests(lines: &[Value]) -> usize {
    let is_request = |line: &&Value| line["fields"]["message"] == "request";
    lines.iter().filter(is_request).count()
}

fn dropped(lines: &[Value]) -> u64 {
    lines
        .iter()
        .filter_map(|line| line["fields"]["dropped"].as_u64())
        .sum()
}

/// Returns the log up to the end of the process, with each line parsed as JSON.
async fn log(process: &mut Process) -> Vec<Value> {
    let lines = lines(process.log()).await;
    let read = |line: &String| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    lines.iter().map(read).collect()
}

async fn a_log_that_nobody_reads_stops_no_request() {
    let mut process = Process::serve(&[("LOG_FORMAT", "json")]).await;
    ask(&process, MANY).await;
    process.get("/healthz").await.is(200);
    let reading = tokio::spawn(lines(process.log()));
    // Called after the reader continued: these lines come after the report of dropped lines.
    tokio::time::sleep(Duration::from_secs(1)).await;
    ask(&process, 8).await;
    process.terminate();
    assert!(process.ended().await.success());
    let read = reading.await.expect("read");
    let read: Vec<Value> = read
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(dropped(&read) > 0, "{} lines came", read.len());
    let all = requests(&read) + usize::try_from(dropped(&read)).expect("a number");
    assert_eq!(all, MANY + 8, "each line was written, or counted");
    let told = read
        .iter()
        .rposition(|line| line["fields"]["dropped"].is_u64());
    let last = read
        .iter()
        .rposition(|line| line["fields"]["message"] == "request");
    assert!(told < last, "the gap is told where it is");
}

async fn what_is_queued_is_written_at_the_end() {
    let mut process = Process::serve(&[("LOG_FORMAT", "json")]).await;
    ask(&process, 4000).await;
    process.terminate();
    let log = log(&mut process).await;
    assert_eq!((requests(&log), dropped(&log)), (4000, 0));
    let last = log.last().expect("a line");
    assert_eq!(last["fields"]["message"], "stopping");
    assert!(process.ended().await.success());
}

async fn a_log_that_nobody_reads_keeps_no_process_alive() {
    let mut process = Process::serve(&[]).await;
    let unread = process.log();
    ask(&process, 4000).await;
    process.terminate();
    let told = Instant::now();
    assert!(process.ended().await.success());
    assert!(
        told.elapsed() < Duration::from_secs(5),
        "{:?}",
        told.elapsed()
    );
    drop(unread);
}

async fn a_complaint_is_the_last_line() {
    let process = Process::serve(&[]).await;
    let (well, said) = process
        .run(&["user", "unlock", "--email", "nobody@example.com"])
        .await;
    assert!(!well);
    let last = said.lines().last().expect("a line");
    assert_eq!(
        last,
        "countersign: there is no account \"nobody@example.com\": check the address, or see `countersign user list`"
    );
}

async fn a_line_is_json_that_can_be_searched() {
    let mut process = Process::serve(&[("LOG_FORMAT", "json"), ("LOG_FILTER", "info")]).await;
    let body = json!({ "email": "alice@example.com", "password": "wrong" });
    let refused = process.post("/identity/login", &body).await;
    let id = refused
        .refused(401, "INVALID_CREDENTIALS")
        .text("requestId");
    process.terminate();
    let log = log(&mut process).await;
    let of_it: Vec<&Value> = log
        .iter()
        .filter(|line| line["request_id"] == *id)
        .collect();
    let targets: BTreeSet<&str> = of_it
        .iter()
        .filter_map(|line| line["target"].as_str())
        .collect();
    assert!(
        targets.contains("audit"),
        "the audit trail's event: {log:#?}"
    );
    let request = of_it
        .iter()
        .find(|line| line["fields"]["message"] == "request")
        .expect("the request's own line");
    assert_eq!(request["fields"]["status"], 401);
    assert!(request["fields"]["ms"].is_u64(), "{request}");
    for line in &log {
        let members: BTreeSet<&str> = line
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let known = [
            "timestamp",
            "level",
            "target",
            "request_id",
            "trace_id",
            "fields",
        ];
        assert!(members.iter().all(|name| known.contains(name)), "{line}");
        let texts = line["fields"].as_object().into_iter().flatten();
        for (name, value) in texts {
            let number = value
                .as_str()
                .is_some_and(|text| text.parse::<f64>().is_ok());
            assert!(!number, "{name} is a number in quotes: {line}");
        }
    }
}

async fn probes_that_go_well_are_no_news() {
    // One more than this test asks for: `Process::serve` waits for an answer of `/healthz`.
    for (filter, expected) in [("info", 0), ("info,countersign=debug", 3)] {
        let mut process = Process::serve(&[("LOG_FORMAT", "json"), ("LOG_FILTER", filter)]).await;
        process.get("/healthz").await.is(200);
        process.get("/readyz").await.is(200);
        process.get(KEYS).await.is(200);
        process.terminate();
        let log = log(&mut process).await;
        let probes = log.iter().filter(|line| {
            let route = line["fields"]["route"].as_str();
            matches!(route, Some("/healthz" | "/readyz"))
        });
        assert_eq!(probes.count(), expected, "{filter}");
        assert!(requests(&log) > 0);
    }
}

async fn a_callers_own_name_and_trace_stand_in_every_line() {
    const ID: &str = "6f1d0f0e-52a4-4f6c-9c5e-2b1f3f0d8a77";
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut process = Process::serve(&[("LOG_FORMAT", "json"), ("LOG_FILTER", "info")]).await;
    let wrong = json!({ "email": "alice@example.com", "password": "wrong" });
    let call = process
        .post("/identity/login", &wrong)
        .header("X-Request-Id", ID)
        .header("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let refused = call.await.refused(401, "INVALID_CREDENTIALS");
    assert_eq!(refused["requestId"], ID);
    assert_eq!(refused.header("X-Request-Id").as_deref(), Some(ID));
    let call = process.post("/identity/login", &wrong);
    let other = call.header("X-Request-Id", "<script>").await;
    let other = other.refused(401, "INVALID_CREDENTIALS");
    assert_ne!(other["requestId"], "<script>", "only a UUID is taken");
    process.terminate();
    let log = log(&mut process).await;
    let of_it = || log.iter().filter(|line| line["request_id"] == ID);
    assert!(of_it().count() > 1, "the request and what happened in it");
    assert!(of_it().all(|line| line["trace_id"] == TRACE));
    assert!(!log.iter().any(|line| line["request_id"] == "<script>"));
}

async fn a_start_warns_of_what_costs_or_looks_forged() {
    let good = [
        ("SMTP_URL", "smtp://127.0.0.1:1"),
        ("SMS_COUNTRIES", "US"),
        ("PUBLIC_URL", "https://login.example.com"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("SMS_WEBHOOK_URL", "http://127.0.0.1:1"),
        ("SMS_WEBHOOK_SECRET", "a-secret-of-thirty-two-characters"),
    ];
    let own = [
        ("MAIL_FROM", "login@example.com"),
        ("ISSUER_NAME", "Example"),
    ];
    let odd = [("ISSUER_NAME", "Пример")];
    for (further, expected) in [
        (&own[..], &[][..]),
        (
            &odd[..],
            &["mail_from is no-reply@localhost", "paid for, as 3"],
        ),
    ] {
        let mut process = Process::serve(&[&good[..], further].concat()).await;
        // The port is bound before anything else. A server that answers has logged its warnings.
        process.get("/healthz").await.is(200);
        process.terminate();
        let lines = lines(process.log()).await;
        let warnings: Vec<&String> = lines.iter().filter(|line| line.contains("WARN")).collect();
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        for (warning, expected) in warnings.iter().zip(expected) {
            assert!(warning.contains(expected), "{warning}");
        }
    }
}
