//! Serving under bad conditions: slow clients, a stop in the middle, a database that hangs.

use std::time::Duration;

use contract_tests::call::{Method, at_once};
use contract_tests::waiting::until;
use contract_tests::{Server, json, tests};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

tests! {
    a_slow_head_is_hung_up_on,
    a_slow_body_is_not_waited_for,
    a_body_that_ends_too_soon_is_refused,
    a_stop_lets_running_requests_end,
    a_database_that_hangs_is_not_waited_for,
    a_compressed_body_is_not_read,
    answers_with_secrets_are_not_compressed,
    other_origins_are_told_nothing,
    several_requests_share_a_connection,
}

/// Sends bytes over a connection of their own and reads what comes back until it ends.
async fn talk(server: &Server, bytes: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(server.address)
        .await
        .expect("a connection");
    stream.write_all(bytes).await.expect("sent");
    let mut answer = Vec::new();
    let ended = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    ended
        .is_ok()
        .then(|| String::from_utf8_lossy(&answer).into_owned())
}

async fn a_slow_head_is_hung_up_on() {
    let server = Server::with(|settings| settings.header_timeout_seconds = 1).await;
    let answer = talk(&server, b"GET /healthz HTTP/1.1\r\nHost: x\r\n").await;
    assert!(
        answer.is_some(),
        "still waiting for the rest of the head (P-45)"
    );
}

async fn a_slow_body_is_not_waited_for() {
    let server = Server::with(|settings| {
        settings.request_timeout_seconds = 1;
        settings.keep_alive_seconds = 1;
    })
    .await;
    let head = "POST /identity/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let answer = talk(&server, head.as_bytes()).await.expect("an end (P-45)");
    assert!(
        answer.starts_with("HTTP/1.1 503") || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
    assert!(answer.contains("\"requestId\""), "{answer}");
}

async fn a_body_that_ends_too_soon_is_refused() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address)
        .await
        .expect("a connection");
    let head = "POST /identity/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"email\":";
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.shutdown().await.expect("half closed");
    let mut answer = String::new();
    // Either an answer or none, but the server goes on.
    let _ = stream.read_to_string(&mut answer).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
    server.get("/healthz").await.is(200);
}

async fn a_stop_lets_running_requests_end() {
    let server = Server::with(|settings| settings.shutdown_timeout_seconds = 10).await;
    let alice = server.registered("alice@example.com").await;
    let calls = at_once((0..4).map(|_| alice.login()));
    let stopped = async {
        sleep(Duration::from_millis(30)).await;
        server.stop().await;
    };
    let (answers, ()) = tokio::join!(calls, stopped);
    for answer in answers {
        answer.is(200).text("accessToken");
    }
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "nobody is let in any more"
    );
}

async fn a_database_that_hangs_is_not_waited_for() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let held = server.database.hold();
    let started = Instant::now();
    alice.login().await.refused(503, "SERVICE_UNAVAILABLE");
    assert!(
        started.elapsed() < Duration::from_secs(9),
        "{:?}",
        started.elapsed()
    );
    server.get("/healthz").await.is(200);
    drop(held);
    until("the database", async || {
        (alice.login().await.status == 200).then_some(())
    })
    .await;
}

async fn a_compressed_body_is_not_read() {
    let server = Server::start().await;
    // `{}`, by gzip.
    let bytes: Vec<u8> = [
        0x1f_u8, 0x8b, 0x08, 0, 0, 0, 0, 0, 0x02, 0xff, 0xab, 0xae, 0x05, 0x00, 0x43, 0xbf, 0xa6,
        0xa3, 0x02, 0, 0, 0,
    ]
    .to_vec();
    let call = server
        .call(Method::POST, "/identity/login")
        .header("Content-Encoding", "gzip");
    let refused = call.body("application/json", bytes).await;
    refused.refused(415, "UNSUPPORTED_MEDIA_TYPE");
}

async fn answers_with_secrets_are_not_compressed() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let answers = [
        alice
            .login()
            .header("Accept-Encoding", "gzip, deflate, br")
            .await
            .is(200),
        alice
            .begin_setup("authenticator")
            .header("Accept-Encoding", "gzip")
            .await
            .is(200),
    ];
    for answer in answers {
        assert_eq!(
            answer.header("content-encoding"),
            None,
            "its length would tell of its content"
        );
    }
}

async fn other_origins_are_told_nothing() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    let answer = alice
        .me()
        .header("Origin", "https://evil.example.com")
        .await
        .is(200);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let asked = server
        .call(Method::OPTIONS, "/identity/me")
        .header("Origin", "https://evil.example.com");
    let refused = asked.header("Access-Control-Request-Method", "GET").await;
    assert_eq!(refused.status, 405);
    assert_eq!(refused.header("access-control-allow-origin"), None);
    let page = server.get("/swagger-ui/").await.is(200);
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
}

async fn several_requests_share_a_connection() {
    let server = Server::start().await;
    let one = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let body = json!({ "email": "a@example.com", "password": "x" }).to_string();
    let two = format!(
        "POST /identity/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let last = "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = talk(&server, format!("{one}{two}{last}").as_bytes())
        .await
        .expect("an end");
    let statuses: Vec<&str> = answer
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|each| &each[..3])
        .collect();
    assert_eq!(statuses, ["200", "401", "404"]);
}
