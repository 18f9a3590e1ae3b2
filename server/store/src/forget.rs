//! Deletes expired rows. Each table is walked by its key, a few rows at a time, so that no step is
//! long, however many rows there are.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Bool, Text};

use super::Tx;
use super::cached::{on, run_kept};
use super::conn::Conn;
use crate::model::{Result, Time};
use crate::schema::server_state;

/// A gap in seconds between two looks at the clock. A larger one is a jump.
const JUMP: i64 = 86_400;
/// How many seconds a jump must have lasted before anything is deleted because of it.
const HOLD: i64 = 86_400;

/// The times before which a table's rows are over.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For limits: their window ended before. For sign-ins that nobody finished, and addresses that are
    /// kept: they expired before.
    pub now: Time,
    /// For counters of wrong passwords: they were idle since before.
    pub idle: Time,
    /// For challenges, registrations, mails for a new password, new addresses, notices and code sets: they
    /// ended before.
    pub ended: Time,
    /// For sessions and API keys: they expired before.
    pub sessions: Time,
    /// For audit events: they are from before.
    pub audit: Time,
}

/// How one table is walked.
struct Ground {
    table: &'static str,
    /// The columns of the walk: the table's key, or the beginning of it.
    key: &'static [(&'static str, Column)],
    /// The condition for a row that is over, with `{}` for the time.
    over: &'static str,
    time: fn(&Times) -> Time,
}

#[derive(Clone, Copy)]
enum Column {
    Id,
    Bytes,
    Text,
}

const USER_AND_ID: &[(&str, Column)] = &[("user_id", Column::Id), ("id", Column::Id)];

/// All tables. A table whose rows belong to a session or a set comes after it: its rows are over
/// once their parent is gone.
const GROUNDS: [Ground; 17] = [
    Ground {
        table: "limits",
        key: &[("subject", Column::Bytes), ("name", Column::Text)],
        over: "window_ends_at < {}",
        time: |times| times.now,
    },
    Ground {
        table: "user_limits",
        key: &[("user_id", Column::Id), ("name", Column::Text)],
        over: "window_ends_at < {}",
        time: |times| times.now,
    },
    Ground {
        table: "ceremonies",
        key: &[("id", Column::Id)],
        over: "expires_at < {}",
        time: |times| times.now,
    },
    Ground {
        table: "password_attempts",
        key: &[
            ("address_hash", Column::Bytes),
            ("source_hash", Column::Bytes),
        ],
        over: "updated_at < {}",
        time: |times| times.idle,
    },
    Ground {
        table: "challenges",
        key: USER_AND_ID,
        over: "expires_at < {}",
        time: |times| times.ended,
    },
    Ground {
        table: "registrations",
        key: &[("user_id", Column::Id)],
        over: "expires_at < {}",
        time: |times| times.ended,
    },
    Ground {
        table: "password_resets",
        key: &[("user_id", Column::Id)],
        over: "expires_at < {}",
        time: |times| times.ended,
    },
    Ground {
        table: "email_changes",
        key: &[("user_id", Column::Id)],
        over: "expires_at < {}",
        time: |times| times.ended,
    },
    Ground {
        table: "email_undos",
        key: USER_AND_ID,
        over: "expires_at < {}",
        time: |times| times.ended,
    },
    Ground {
        table: "held_addresses",
        key: &[("address", Column::Text)],
        over: "held_until < {}",
        time: |times| times.now,
    },
    Ground {
        table: "notices",
        key: &[("id", Column::Id)],
        over: "(state <> 'queued' AND ended_at < {})",
        time: |times| times.ended,
    },
    Ground {
        table: "code_sets",
        key: USER_AND_ID,
        over: "(ended_at < {} OR (live_at IS NULL AND created_at < {}))",
        time: |times| times.ended,
    },
    Ground {
        table: "recovery_codes",
        key: &[("user_id", Column::Id), ("set_id", Column::Id)],
        over: "NOT EXISTS (SELECT 1 FROM code_sets WHERE code_sets.user_id = recovery_codes.user_id \
               AND code_sets.id = recovery_codes.set_id)",
        time: |times| times.now,
    },
    Ground {
        table: "api_keys",
        key: USER_AND_ID,
        over: "expires_at < {}",
        time: |times| times.sessions,
    },
    Ground {
        table: "sessions",
        key: USER_AND_ID,
        over: "expires_at < {}",
        time: |times| times.sessions,
    },
    Ground {
        table: "refresh_tokens",
        key: USER_AND_ID,
        over: "NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.user_id = refresh_tokens.user_id \
               AND sessions.id = refresh_tokens.session_id)",
        time: |times| times.now,
    },
    Ground {
        table: "audit_events",
        key: USER_AND_ID,
        over: "at < {}",
        time: |times| times.audit,
    },
];

/// How far a walk over all tables has come.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    ground: usize,
    after: Option<Key>,
}

/// The key of a row: its columns' bytes in hexadecimal digits.
type Key = Vec<String>;

/// The next few rows of a walk.
#[derive(Clone, Debug)]
pub struct Stretch {
    from: Walk,
    /// The key of the last row; `None` if the table ends here.
    last: Option<Key>,
    /// Whether any of the rows is over.
    over: bool,
}

impl Stretch {
    /// Tells whether any of its rows is over.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// Returns the walk that continues after this stretch.
    pub fn behind(self) -> Walk {
        match self.last {
            Some(last) => Walk {
                ground: self.from.ground,
                after: Some(last),
            },
            None => Walk {
                ground: self.from.ground + 1,
                after: None,
            },
        }
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    first: String,
    #[diesel(sql_type = Text)]
    second: String,
    #[diesel(sql_type = Bool)]
    gone: bool,
}

/// Reads the next rows of a walk, at most `rows` of one table. Returns `None` when every table was
/// walked.
///
/// # Errors
/// Returns a fault if the database does not answer. So does every function in this file.
pub fn look(tx: &mut Tx, walk: &Walk, times: &Times, rows: usize) -> Result<Option<Stretch>> {
    let Some(ground) = GROUNDS.get(walk.ground) else {
        return Ok(None);
    };
    let dialect = Dialect::of(tx);
    let printed: Vec<String> = ground
        .key
        .iter()
        .map(|&(name, column)| dialect.printed(name, column))
        .collect();
    let after = walk.after.as_ref().map_or_else(String::new, |key| {
        format!("WHERE {}", dialect.compared(ground, ">", key))
    });
    let query = format!(
        "SELECT {} AS first, {} AS second, coalesce({}, FALSE) AS gone FROM {} {after} ORDER BY {} LIMIT {rows}",
        printed.first().map_or("''", String::as_str),
        printed.get(1).map_or("''", String::as_str),
        ground.over(times),
        ground.table,
        ground.columns(),
    );
    let found: Vec<Row> = match &mut tx.conn {
        Conn::Sqlite(conn) => sql_query(query).load(conn)?,
        Conn::Postgres(conn) => sql_query(query).load(conn)?,
    };
    let full = found.len() >= rows;
    let over = found.iter().any(|row| row.gone);
    let last = found.into_iter().last().filter(|_| full);
    Ok(Some(Stretch {
        from: walk.clone(),
        last: last.map(|row| vec![row.first, row.second]),
        over,
    }))
}

/// Deletes what is over in a stretch. Returns how many rows that were.
pub fn forget(tx: &mut Tx, stretch: &Stretch, times: &Times) -> Result<usize> {
    let Some(ground) = GROUNDS.get(stretch.from.ground) else {
        return Ok(0);
    };
    let dialect = Dialect::of(tx);
    let bounds = [
        (">", stretch.from.after.as_ref()),
        ("<=", stretch.last.as_ref()),
    ];
    let bounds: String = bounds
        .into_iter()
        .filter_map(|(sign, key)| Some(dialect.compared(ground, sign, key?) + " AND "))
        .collect();
    let statement = format!(
        "DELETE FROM {} WHERE {bounds}{}",
        ground.table,
        ground.over(times)
    );
    Ok(match &mut tx.conn {
        Conn::Sqlite(conn) => sql_query(statement).execute(conn)?,
        Conn::Postgres(conn) => sql_query(statement).execute(conn)?,
    })
}

impl Ground {
    fn columns(&self) -> String {
        let names: Vec<&str> = self.key.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    fn over(&self, times: &Times) -> String {
        let time = (self.time)(times).micros().to_string();
        self.over.replace("{}", &time)
    }
}

/// How keys are printed and read in SQL. They travel as hexadecimal digits, so that no content of a
/// row becomes part of a statement.
#[derive(Clone, Copy)]
enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    const fn of(tx: &Tx) -> Self {
        match tx.conn {
            Conn::Sqlite(_) => Self::Sqlite,
            Conn::Postgres(_) => Self::Postgres,
        }
    }

    fn printed(self, name: &str, column: Column) -> String {
        match (self, column) {
            (Self::Sqlite, _) => format!("hex({name})"),
            (Self::Postgres, Column::Id) => format!("replace({name}::text, '-', '')"),
            (Self::Postgres, Column::Bytes) => format!("encode({name}, 'hex')"),
            (Self::Postgres, Column::Text) => format!("encode(convert_to({name}, 'UTF8'), 'hex')"),
        }
    }

    fn read(self, digits: &str, column: Column) -> String {
        match (self, column) {
            (Self::Sqlite, Column::Id | Column::Bytes) => format!("X'{digits}'"),
            (Self::Sqlite, Column::Text) => format!("CAST(X'{digits}' AS TEXT)"),
            (Self::Postgres, Column::Id) => format!("'{digits}'::uuid"),
            (Self::Postgres, Column::Bytes) => format!("'\\x{digits}'::bytea"),
            (Self::Postgres, Column::Text) => {
                format!("convert_from('\\x{digits}'::bytea, 'UTF8')")
            }
        }
    }

    /// A condition that compares a row's key with this one, column by column.
    fn compared(self, ground: &Ground, sign: &str, key: &Key) -> String {
        let values: Vec<String> = ground
            .key
            .iter()
            .zip(key)
            .map(|(&(_, column), digits)| self.read(digits, column))
            .collect();
        format!("({}) {sign} ({})", ground.columns(), values.join(", "))
    }
}

/// Whether rows may be deleted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Yes.
    Given,
    /// Not before this moment: the clock jumped ahead, or this is the first look at it.
    NotBefore {
        /// The moment.
        until: Time,
        /// Whether the jump was found just now.
        jumped: bool,
    },
}

/// Returns when the clock was last looked at, and until when nothing may be deleted.
fn last_look(tx: &mut Tx) -> Result<(Option<Time>, Option<Time>)> {
    let row = on!(tx, |conn| server_state::table
        .select((server_state::seen_at, server_state::hold_until))
        .get_result(conn))
    .optional()?;
    Ok(row.unwrap_or_default())
}

/// Tells whether the clock may be wrong: it is ahead of the last look by more than a day, or was so
/// less than a day ago. What has expired by such a clock is refused, but not ended.
pub fn clock_is_in_doubt(tx: &mut Tx, now: Time) -> Result<bool> {
    let (seen, hold) = last_look(tx)?;
    let jumped = seen.is_some_and(|seen| now > seen.plus_seconds(JUMP));
    Ok(jumped || hold.is_some_and(|until| until > now))
}

/// Looks at the clock. One that is ahead of the last look by more than a day may be wrong, and then
/// everything seems over. Nothing is deleted until it has run on for a day. A clock that went back
/// deletes less, never more, so it is trusted.
pub fn permission(tx: &mut Tx, now: Time) -> Result<Permission> {
    let (seen, hold) = last_look(tx)?;
    let jumped = seen.is_some_and(|seen| now > seen.plus_seconds(JUMP));
    let back = seen.is_some_and(|seen| now < seen);
    let hold = match hold {
        _ if jumped || seen.is_none() => Some(now.plus_seconds(HOLD)),
        Some(until) if until > now && !back => Some(until),
        _ => None,
    };
    run_kept!(
        tx,
        diesel::update(server_state::table).set((
            server_state::seen_at.eq(now),
            server_state::hold_until.eq(hold),
        ))
    )?;
    Ok(match hold {
        None => Permission::Given,
        Some(until) => Permission::NotBefore { until, jumped },
    })
}
