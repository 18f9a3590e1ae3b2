//! Finds statements that a server on SQLite parses more than once over one connection: parsing
//! costs more than running.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};

/// How often each statement was parsed again.
static AGAIN: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

/// Statements that may be parsed on each run.
const MAY: [&str; 12] = [
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "PRAGMA",
    // Lists of users. They are as long as a page, and each length is a different statement.
    "IN (",
    // Statements of the hourly purge.
    "AS gone FROM",
    "WHERE NOT EXISTS",
    // The sandbox, when it is reset.
    "/* reset */",
    // Statements of the start.
    "__diesel_schema_migrations",
    "sqlite_master",
];

/// Watches every connection that is opened from now on.
pub fn watch() {
    set_default_instrumentation(|| Some(Box::new(Watch::default())))
        .expect("nobody holds the lock");
}

/// The statements of one connection.
#[derive(Default)]
struct Watch {
    elsewhere: bool,
    kept: HashSet<String>,
    run: HashSet<String>,
}

impl Instrumentation for Watch {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartEstablishConnection { url, .. } => {
                self.elsewhere = url.starts_with("postgres");
            }
            InstrumentationEvent::CacheQuery { sql, .. } => {
                self.kept.insert(sql.to_owned());
            }
            InstrumentationEvent::StartQuery { query, .. } if !self.elsewhere => {
                self.met(&query.to_string());
            }
            _other => {}
        }
    }
}

impl Watch {
    fn met(&mut self, shown: &str) {
        let sql = shown.split(" -- binds:").next().unwrap_or(shown);
        if self.kept.contains(sql) || MAY.iter().any(|may| sql.contains(may)) {
            return;
        }
        if !self.run.insert(sql.to_owned()) {
            let mut again = AGAIN.lock().expect("no test panics in here");
            *again.entry(sql.to_owned()).or_default() += 1;
        }
    }
}

/// Checks that no statement was parsed more than once.
///
/// # Errors
/// Returns the statements that were, with their counts.
pub fn judge() -> Result<String, String> {
    let again = AGAIN.lock().expect("no test panics in here");
    if again.is_empty() {
        return Ok("over every connection to SQLite".to_owned());
    }
    let line = |(sql, times): (&String, &u32)| format!("  {times} times: {sql}");
    Err(again.iter().map(line).collect::<Vec<_>>().join("\n"))
}
