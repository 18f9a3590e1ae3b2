//! Tests that the statements of a sign-in step keep their prepared form: parsing one again costs
//! more than running it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel::connection::{Connection, InstrumentationEvent};
use uuid::Uuid;

use super::conn::{Conn, Use};
use super::{Engine, Options, Store, Tx, challenges, conn, factors, sessions, users};
use crate::model::audit::AuditEvent;
use crate::model::challenge::Challenge;
use crate::model::factor::{Factor, FactorAttempts};
use crate::model::ids::Id;
use crate::model::kinds::{Assurance, FactorKind, FactorState, Purpose};
use crate::model::session::{RefreshToken, Session};
use crate::model::{Fault, Result, Time};

/// Runs what a step reads and writes, in its order.
fn step(tx: &mut Tx, challenge: &Challenge, number: u128) -> Result<()> {
    let now = Time::from_seconds(10);
    let user = challenge.user_id;
    challenges::find_with_user(tx, user, challenge.id)?;
    let factor = factors::of_user(tx, user)?.remove(0);
    let before = factors::all_attempts(tx, user)?.remove(0);
    assert!(challenges::take_and_spend(tx, challenge, 5, now)?);
    assert!(factors::replace(tx, &before, &before)?);
    // The longer path, for a wrong code.
    challenges::take_back(tx, challenge)?;
    factors::attempts(tx, user, FactorKind::Authenticator)?;
    challenges::reserve(tx, challenge, 5, now)?;
    let mut after = before;
    after.failures += 1;
    assert!(factors::reserve(tx, &before, &after)?);
    assert!(factors::accept_step(
        tx,
        &factor,
        i64::try_from(number).expect("small"),
        now
    )?);
    challenges::spend(tx, user, challenge.id, now)?;
    factors::reset_attempts(tx, user, FactorKind::Authenticator)?;
    let id = Uuid::from_u128(number);
    let session = Session {
        user_id: user,
        id: Id::new(id),
        acr: Assurance::Aal2,
        amr: "pwd otp mfa".to_owned(),
        auth_time: now,
        created_at: now,
        last_used_at: now,
        expires_at: now,
        ended_at: None,
        proved_at: Some(now),
        second_step_at: Some(now),
        source: None,
        program: None,
    };
    let refresh = RefreshToken {
        user_id: user,
        id: Id::new(id),
        session_id: session.id,
        secret_hash: vec![7; 32],
        created_at: now,
        replaced_at: None,
        successor_id: None,
        replaced_from: None,
        repeated_at: None,
    };
    let event = AuditEvent {
        user_id: user,
        id: Id::new(id),
        event: "signed_in".to_owned(),
        actor_id: None,
        source: None,
        detail: None,
        at: now,
    };
    sessions::begin(tx, &session, &refresh, &event)
}

#[test]
fn every_statement_of_a_step_keeps_its_prepared_form() {
    let engine = Engine::Sqlite(":memory:".to_owned());
    let mut opened = conn::open(&engine, Use::Write).expect("a connection");
    conn::migrate(&mut opened).expect("a schema");
    let mut tx = Tx { conn: opened };
    let parsed = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let seen = Arc::clone(&parsed);
    let Conn::Sqlite(sqlite) = &mut tx.conn else {
        panic!("SQLite");
    };
    sqlite.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        let mut seen = seen.lock().expect("alone");
        match event {
            InstrumentationEvent::StartQuery { query, .. } => seen.0.push(query.to_string()),
            InstrumentationEvent::CacheQuery { sql, .. } => seen.1.push(sql.to_owned()),
            _ => {}
        }
    });
    let user = Id::new(Uuid::from_u128(1));
    let id = Id::new(Uuid::from_u128(2));
    let factor = Factor {
        state: FactorState::On,
        ..Factor::pending(user, id, FactorKind::Authenticator, Time::from_seconds(1))
    };
    factors::insert(&mut tx, &factor).expect("a factor");
    let counter = FactorAttempts::none(user, FactorKind::Authenticator.into());
    factors::reserve(&mut tx, &counter, &counter).expect("a counter");
    let challenge = Challenge {
        user_id: user,
        id: Id::new(Uuid::from_u128(3)),
        secret_hash: vec![7; 32],
        purpose: Purpose::Login,
        kind: FactorKind::Authenticator.into(),
        factor_id: None,
        session_id: None,
        code_hash: None,
        attempts: 0,
        resends: 0,
        last_sent_at: None,
        created_at: Time::from_seconds(1),
        expires_at: Time::from_seconds(100),
        consumed_at: None,
        link_hash: None,
        link_expires_at: None,
        opened_at: None,
        ceremony: None,
        action: None,
        source: None,
    };
    challenges::insert(&mut tx, &challenge).expect("a challenge");

    step(&mut tx, &challenge, 10).expect("a step");
    let (run, kept) = &*parsed.lock().expect("alone");
    assert!(run.len() > 12, "{run:#?}");
    let parsed_anew: Vec<&String> = run
        .iter()
        .filter(|run: &&String| {
            !kept
                .iter()
                .any(|sql: &String| run.starts_with(sql.as_str()))
        })
        .collect();
    assert_eq!(parsed_anew, Vec::<&String>::new());
}

#[derive(diesel::QueryableByName)]
struct CompileOption {
    #[diesel(sql_type = diesel::sql_types::Text)]
    compile_options: String,
}

/// With the planner's stability guarantee, SQLite parses no statement again because another value
/// is bound to it. Without it, each `LIMIT ?` did so, in three statements of every sign-in step.
#[test]
fn no_statement_is_parsed_again_for_another_value() {
    use diesel::RunQueryDsl;
    let engine = Engine::Sqlite(":memory:".to_owned());
    let Conn::Sqlite(mut conn) = conn::open(&engine, Use::Write).expect("a connection") else {
        panic!("SQLite");
    };
    let options: Vec<CompileOption> = diesel::sql_query("PRAGMA compile_options")
        .load(&mut conn)
        .expect("the options");
    let built = |name: &str| options.iter().any(|one| one.compile_options == name);
    assert!(built("ENABLE_QPSG") && built("THREADSAFE=2"));
}

/// A job whose run was undone with its batch, and which is too late for another run, was not done.
/// The answer must not say that it was.
#[test]
fn what_was_undone_is_not_answered_as_done() {
    let folder = std::env::temp_dir().join(format!("countersign-undone-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("jobs.db").display().to_string();
    let options = Options {
        connections: 1,
        queue: 16,
        acquire: Duration::from_millis(600),
    };
    let store = Store::open(&Engine::Sqlite(path), options).expect("a store");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        // While this job occupies the writer, the next two gather in a batch.
        let (begun, begins) = std::sync::mpsc::channel();
        let other = store.clone();
        let first = tokio::spawn(async move {
            let job = other.write(move |_| {
                begun.send(()).expect("the test waits");
                std::thread::sleep(Duration::from_millis(200));
                Ok(())
            });
            job.await
        });
        let waiting = tokio::task::spawn_blocking(move || begins.recv());
        waiting.await.expect("a thread").expect("begun");
        let late = store.write(|_| {
            std::thread::sleep(Duration::from_millis(800));
            Ok(())
        });
        // SQLite does the same when a disk fails: the whole transaction is undone.
        let broken = store.write::<(), _>(|tx| {
            tx.conn.batch_execute("ROLLBACK").expect("a transaction");
            Err(Fault::dependency(anyhow::anyhow!("the disk fails")).into())
        });
        let (first, late, broken) = tokio::join!(first, late, broken);
        assert!(matches!(first, Ok(Ok(()))), "{first:?}");
        assert!(broken.is_err(), "{broken:?}");
        assert!(late.is_err(), "answered as done: {late:?}");
    });
    std::fs::remove_dir_all(&folder).expect("removed");
}

/// While somebody writes and somebody reads all the time, the log begins anew once it has 64 MiB.
#[test]
fn a_busy_log_begins_anew() {
    let folder = std::env::temp_dir().join(format!("countersign-log-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("log.db").display().to_string();
    let options = Options {
        connections: 2,
        queue: 64,
        acquire: Duration::from_secs(10),
    };
    let store = Store::open(&Engine::Sqlite(path.clone()), options).expect("a store");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let execute = |sql: &'static str| store.write(move |tx| Ok(tx.conn.batch_execute(sql)?));
    runtime.block_on(async {
        let made = execute("CREATE TABLE filling (bytes BLOB); INSERT INTO filling VALUES ('')");
        made.await.expect("a table");
        for _ in 0..4 {
            let other = store.clone();
            tokio::spawn(async move {
                loop {
                    let read =
                        other.read(|tx| Ok(tx.conn.batch_execute("SELECT * FROM filling")?));
                    read.await.expect("a read");
                }
            });
        }
        for _ in 0..300 {
            let fill = || execute("UPDATE filling SET bytes = randomblob(1048576)");
            let (one, other) = tokio::join!(fill(), fill());
            one.and(other).expect("written");
        }
    });
    let log = std::fs::metadata(format!("{path}-wal")).expect("a log");
    assert!(log.len() < 256 << 20, "{} bytes", log.len());
    std::fs::remove_dir_all(&folder).expect("removed");
}

/// All users are read, a few at a time, and each kind of hash is found.
#[test]
fn the_parameters_of_all_hashes_are_found_a_few_at_a_time() {
    let mut conn = conn::open(&Engine::Sqlite(":memory:".to_owned()), Use::Write).expect("opened");
    conn::migrate(&mut conn).expect("a schema");
    let mut tx = Tx { conn };
    for (number, cost) in [(1, 1), (2, 1), (3, 2), (4, 1), (5, 3)] {
        let row = format!(
            "INSERT INTO users (id, number, email, role, password_hash, created_at) VALUES \
             (x'{number:032x}', {number}, 'a{number}', 'user', '$argon2id$v=19$m=8,t={cost},p=1$c2FsdA$aGFzaA', 0)"
        );
        tx.conn.batch_execute(&row).expect("a user");
    }
    let mut found = Vec::new();
    let mut next = Some(Id::new(Uuid::nil()));
    while let Some(after) = next {
        let (parameters, further) = users::hash_parameters(&mut tx, after, 2).expect("read");
        let mut parameters: Vec<String> = parameters.into_iter().collect();
        parameters.sort();
        found.push(parameters.join(" "));
        next = further;
    }
    assert_eq!(
        found,
        ["m=8,t=1,p=1", "m=8,t=1,p=1 m=8,t=2,p=1", "m=8,t=3,p=1"]
    );
}
