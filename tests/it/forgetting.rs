//! Deleting expired rows: in small steps, however many there are, and never because of a clock that
//! jumped.

use std::time::{Duration, Instant};

use contract_tests::{Server, logs, tests};
use tokio::time::sleep;

tests! {
    forgetting_lets_others_write_between,
    a_purge_that_is_cut_short_has_come_forward,
    a_clock_that_jumps_ahead_forgets_nothing_for_a_day,
    a_clock_that_comes_back_forgets_as_before,
}

/// Adds counters of a limit whose window ended long ago.
fn over(server: &Server, rows: u32) {
    let hash = match server.database.file() {
        Some(_) => "CAST(printf('%032d', n) AS BLOB)",
        None => "convert_to(lpad(n::text, 32, '0'), 'UTF8')",
    };
    server.database.run(&format!(
        "INSERT INTO limits (subject, name, used, window_ends_at) \
         WITH RECURSIVE many (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < {rows}) \
         SELECT {hash}, 'full', 1, 1 FROM many"
    ));
}

fn left(server: &Server) -> i64 {
    server
        .database
        .number("SELECT count(*) AS found FROM limits WHERE name = 'full'")
}

async fn forgetting_lets_others_write_between() {
    let server = Server::start().await;
    let alice = server.registered("alice@example.com").await;
    server.forget_after(86_400).await;
    over(&server, 60_000);
    let app = server.app.clone();
    let purge = tokio::spawn(async move { app.purge().await });
    let mut writes = 0;
    let mut longest = Duration::ZERO;
    while !purge.is_finished() {
        let begun = Instant::now();
        let touch = format!(
            "UPDATE users SET number = number WHERE email = '{}'",
            alice.email
        );
        let database = server.database.clone();
        let wrote = tokio::task::spawn_blocking(move || database.run(&touch));
        wrote.await.expect("a write");
        longest = longest.max(begun.elapsed());
        writes += 1;
        sleep(Duration::from_millis(2)).await;
    }
    purge.await.expect("ended").expect("purged");
    assert_eq!(left(&server), 0);
    assert!(
        writes > 5,
        "{writes} writes of others found their way between"
    );
    // An idle machine needs a tenth of that.
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}

async fn a_purge_that_is_cut_short_has_come_forward() {
    let server = Server::start().await;
    server.forget_after(86_400).await;
    over(&server, 60_000);
    let app = server.app.clone();
    let purge = tokio::spawn(async move { app.purge().await });
    let some = async {
        loop {
            match left(&server) {
                60_000 => sleep(Duration::from_millis(1)).await,
                left => return left,
            }
        }
    };
    let seen = some.await;
    purge.abort();
    assert!(
        seen > 0,
        "the first that others see of a purge is a part of it, not all"
    );
    server.forget_after(0).await;
    assert_eq!(left(&server), 0, "the next purge goes on");
}

async fn a_clock_that_jumps_ahead_forgets_nothing_for_a_day() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    server.forget_after(2 * 86_400).await;
    let rows = |table: &str| {
        let count = format!("SELECT count(*) AS found FROM {table}");
        server.database.number(&count)
    };
    let audit = rows("audit_events");
    assert!(audit > 0 && rows("sessions") > 0);
    // Two years: longer than anything is kept.
    server.clock.advance(2 * 365 * 86_400);
    server.app.purge().await.expect("looked");
    server.clock.advance(86_399);
    server.app.purge().await.expect("looked");
    assert_eq!(rows("audit_events"), audit);
    assert!(rows("sessions") > 0);
    assert!(!logs::lines_with("nothing is deleted until").is_empty());
    server.clock.advance(1);
    server.app.purge().await.expect("purged");
    assert_eq!(rows("audit_events"), 0, "it has been so for a day");
    assert_eq!(rows("sessions"), 0);
}

async fn a_clock_that_comes_back_forgets_as_before() {
    let server = Server::start().await;
    server.registered("alice@example.com").await;
    server.forget_after(2 * 86_400).await;
    let audit = || {
        server
            .database
            .number("SELECT count(*) AS found FROM audit_events")
    };
    let events = audit();
    server.clock.advance(2 * 365 * 86_400);
    server.app.purge().await.expect("looked");
    server.clock.advance(-2 * 365 * 86_400);
    over(&server, 10);
    server.app.purge().await.expect("purged");
    assert_eq!(left(&server), 0, "what is over is forgotten at once");
    assert_eq!(audit(), events, "and what is not is kept");
}
