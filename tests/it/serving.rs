//! Serving under bad conditions: slow clients, a stop in the middle, a database that hangs.

use std::time::Duration;

use contract_tests::call::{Method, at_once};
use contract_tests::waiting::until;
use contract_tests::{PASSWORD, Server, json, tests};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

tests! {
    a_slow_head_is_hung_up_on,
    a_slow_second_head_is_hung_up_on,
    a_slow_body_is_not_waited_for,
    a_body_must_begin_and_then_come_fast_enough,
    a_body_that_is_slow_but_fast_enough_is_read,
    an_answer_that_nobody_takes_is_given_up,
    idle_connections_make_room_for_new_ones,
    what_is_answered_makes_no_room,
    unfinished_heads_take_a_bounded_memory,
    a_body_that_ends_too_soon_is_refused,
    a_stop_lets_running_requests_end,
    a_database_that_hangs_is_not_waited_for,
    a_compressed_body_is_not_read,
    answers_with_secrets_are_not_compressed,
    other_origins_are_told_nothing,
    several_requests_share_a_connection,
}

/// Sends bytes over a new connection, and reads until the connection ends.
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
    assert!(answer.is_some(), "still waiting for the rest of the head");
}

async fn a_slow_body_is_not_waited_for() {
    let server = Server::with(|settings| {
        // Shorter than the time limit for starting a body.
        settings.request_timeout_seconds = 1;
        settings.keep_alive_seconds = 1;
    })
    .await;
    let head = "POST /identity/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let answer = talk(&server, head.as_bytes()).await.expect("an end");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"requestId\""), "{answer}");
    assert!(answer.contains("\"REQUEST_TIMEOUT\""), "{answer}");
}

async fn a_slow_second_head_is_hung_up_on() {
    let server = Server::with(|settings| settings.header_timeout_seconds = 1).await;
    let whole = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut stream = TcpStream::connect(server.address)
        .await
        .expect("a connection");
    stream.write_all(whole.as_bytes()).await.expect("sent");
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.expect("an answer");
    stream.write_all(b"GET /he").await.expect("sent");
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    assert!(
        ended.is_ok(),
        "still waiting for the rest of the second head"
    );

    // A second request that begins in the same packet as the first looks like an idle connection.
    let server = Server::with(|settings| settings.keep_alive_seconds = 1).await;
    let answer = talk(&server, format!("{whole}GET /he").as_bytes()).await;
    let answer = answer.expect("an end, though the second head never came");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Returns the head of a sign-in with a body of this many bytes.
fn head(length: usize) -> String {
    format!(
        "POST /identity/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// Sends a head, then bytes of a body with a pause before each piece, and reads until the end.
async fn drip(server: &Server, length: usize, piece: &str, pause: Duration) -> (String, Duration) {
    let stream = TcpStream::connect(server.address)
        .await
        .expect("a connection");
    let (mut read, mut write) = stream.into_split();
    write
        .write_all(head(length).as_bytes())
        .await
        .expect("sent");
    let started = Instant::now();
    let dripping = async {
        let mut sent = 0;
        while sent < length {
            sleep(pause).await;
            if write.write_all(piece.as_bytes()).await.is_err() {
                break;
            }
            sent += piece.len();
        }
    };
    let mut answer = vec![0; 4096];
    let answering = async {
        let count = timeout(Duration::from_secs(15), read.read(&mut answer)).await;
        count.expect("an answer in time").expect("an answer")
    };
    tokio::pin!(dripping);
    let count = tokio::select! {
        count = answering => count,
        () = async { dripping.await; sleep(Duration::from_secs(15)).await } => panic!("no answer"),
    };
    answer.truncate(count);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer, started.elapsed())
}

async fn a_body_must_begin_and_then_come_fast_enough() {
    let server = Server::with(|settings| settings.header_timeout_seconds = 1).await;
    let (never, after) = drip(&server, 10, "x", Duration::from_secs(5)).await;
    assert!(never.starts_with("HTTP/1.1 408"), "{never}");
    assert!(after < Duration::from_secs(4), "{after:?}");
    // A byte now and then does not keep a connection: 500 a second are required.
    let (dripping, after) = drip(&server, 16_000, "x", Duration::from_millis(100)).await;
    assert!(dripping.starts_with("HTTP/1.1 408"), "{dripping}");
    assert!(after < Duration::from_secs(4), "{after:?}");
}

async fn a_body_that_is_slow_but_fast_enough_is_read() {
    let server = Server::with(|settings| settings.header_timeout_seconds = 1).await;
    let piece = " ".repeat(400);
    let (answer, after) = drip(&server, 4_000, &piece, Duration::from_millis(200)).await;
    assert!(
        answer.starts_with("HTTP/1.1 400"),
        "read, and no JSON: {answer}"
    );
    assert!(
        after > Duration::from_secs(1),
        "longer than the head's time: {after:?}"
    );
}

async fn an_answer_that_nobody_takes_is_given_up() {
    let server = Server::with(|settings| settings.request_timeout_seconds = 1).await;
    let path = "/swagger-ui/swagger-ui-bundle.js";
    let size = server.get(path).await.is(200).text.len();
    let mut stream = TcpStream::connect(server.address)
        .await
        .expect("a connection");
    let get = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream
        .write_all(get.repeat(14).as_bytes())
        .await
        .expect("sent");
    sleep(Duration::from_secs(4)).await;
    let mut taken = Vec::new();
    let reading = timeout(Duration::from_secs(10), stream.read_to_end(&mut taken)).await;
    assert!(reading.is_ok(), "the connection is still open");
    assert!(
        taken.len() < 13 * size,
        "all was kept for a client that took nothing"
    );
}

/// Opens connections that send nothing, or only the beginning of a body.
async fn idle(server: &Server, count: usize, sent: &str) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(server.address)
            .await
            .expect("a connection");
        stream.write_all(sent.as_bytes()).await.expect("sent");
        open.push(stream);
    }
    open
}

async fn idle_connections_make_room_for_new_ones() {
    let server = Server::with(|settings| settings.http_connections = 16).await;
    let alice = server.registered("alice@example.com").await;
    let asked = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut held = Vec::new();
    for sent in ["", "GET /he", &head(10_000), asked] {
        held.push(idle(&server, 60, sent).await);
        let started = Instant::now();
        let fresh = server.over_new_connections();
        fresh.get("/healthz").await.is(200);
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "{:?} after {sent:?}",
            started.elapsed()
        );
    }
    let fresh = server.over_new_connections();
    fresh.login(&alice.email, PASSWORD).await.is(200);
}

/// How many unanswered bytes all connections together may send (`server/PARAMETERS.md`).
const UNANSWERED: usize = 32 * 1024 * 1024;

async fn unfinished_heads_take_a_bounded_memory() {
    let server = Server::with(|settings| {
        settings.http_connections = 4096;
        // On a busy machine, the first heads must not be given up before the last ones have come.
        settings.header_timeout_seconds = 60;
    })
    .await;
    let alice = server.registered("alice@example.com").await;
    let long = format!(
        "GET /healthz HTTP/1.1\r\nX-Long: {}",
        "x".repeat(120 * 1024)
    );
    let asked = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    for sent in [long.clone(), format!("{asked}{long}")] {
        let mut held = idle(&server, 700, &sent).await;
        let fresh = server.over_new_connections();
        fresh.login(&alice.email, PASSWORD).await.is(200);
        let mut open = 0;
        for stream in &mut held {
            let mut answer = vec![0; 64 * 1024];
            let ended =
                async { while stream.read(&mut answer).await.is_ok_and(|bytes| bytes > 0) {} };
            open += usize::from(timeout(Duration::from_millis(5), ended).await.is_err());
        }
        assert!(open > 150 && open * long.len() <= UNANSWERED, "{open} stay");
    }
}

async fn what_is_answered_makes_no_room() {
    let server = Server::with(|settings| settings.http_connections = 16).await;
    let alice = server.registered("alice@example.com").await;
    let held = server.database.hold();
    let fresh = server.over_new_connections();
    let asking = async { fresh.login(&alice.email, PASSWORD).await.is(200) };
    let crowding = async {
        sleep(Duration::from_millis(300)).await;
        let crowd = idle(&server, 60, "").await;
        drop(held);
        crowd
    };
    tokio::join!(asking, crowding);
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
    // There may be an answer or none, but the server goes on.
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
    // `{}`, compressed by gzip.
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
