//! `cargo xtask migrations`: runs both folders' migrations up, down and up again on real databases,
//! and checks after each step that SQLite and PostgreSQL have the same tables.

mod schema;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use diesel::{Connection, PgConnection, SqliteConnection};

use crate::test::postgres::Cluster;
use crate::workspace;
use schema::{Database, differences};

/// One migration of one database.
pub struct Migration {
    /// The folder's name.
    pub name: String,
    /// The SQL that takes the schema forward.
    pub up: String,
    /// The SQL that takes it back.
    pub down: String,
}

/// Checks the folders and prints one sentence for each finding.
///
/// # Errors
///
/// Fails if there is any finding, or a file cannot be read.
pub fn run() -> Result<()> {
    let folder = workspace::root().join("migrations");
    let sqlite = read(&folder.join("sqlite"))?;
    let postgres = read(&folder.join("postgres"))?;
    let mut found = names(&sqlite, &postgres);
    if found.is_empty() {
        found.extend(live(&sqlite, &postgres)?);
    }
    for sentence in &found {
        println!("migrations: {sentence}");
    }
    if !found.is_empty() {
        bail!(
            "migrations: {} finding{}",
            found.len(),
            if found.len() == 1 { "" } else { "s" }
        );
    }
    println!(
        "migrations: {} run up, down and up on both databases, with the same tables after each",
        sqlite.len()
    );
    Ok(())
}

/// Returns the migrations of one database, by name.
fn read(folder: &Path) -> Result<Vec<Migration>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = |file: &str| {
            fs::read_to_string(path.join(file))
                .with_context(|| format!("{} has no {file}", path.display()))
        };
        found.push(Migration {
            name,
            up: text("up.sql")?,
            down: text("down.sql")?,
        });
    }
    found.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(found)
}

/// Checks that both sides have the same names, each of the form `YYYY-MM-DD-NNNNNN_words`, and that
/// no file is empty.
fn names(sqlite: &[Migration], postgres: &[Migration]) -> Vec<String> {
    let mut found = Vec::new();
    let names = |list: &[Migration]| -> BTreeSet<String> {
        list.iter().map(|one| one.name.clone()).collect()
    };
    let (left, right) = (names(sqlite), names(postgres));
    found.extend(
        left.difference(&right)
            .map(|name| format!("{name} is there for SQLite, not for PostgreSQL")),
    );
    found.extend(
        right
            .difference(&left)
            .map(|name| format!("{name} is there for PostgreSQL, not for SQLite")),
    );
    for name in left.union(&right).filter(|name| !is_ordered(name)) {
        found.push(format!(
            "{name} does not sort by age: name it YYYY-MM-DD-NNNNNN_words"
        ));
    }
    for (database, list) in [("SQLite", sqlite), ("PostgreSQL", postgres)] {
        for migration in list {
            for (file, text) in [("up.sql", &migration.up), ("down.sql", &migration.down)] {
                if is_empty(text) {
                    found.push(format!(
                        "{} of {} for {database} is empty",
                        file, migration.name
                    ));
                }
            }
        }
    }
    found
}

/// Tells whether the name has the form by which diesel orders migrations.
fn is_ordered(name: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00-000000_";
    let bytes = name.as_bytes();
    bytes.len() > FORM.len()
        && FORM.iter().zip(bytes).all(|(form, byte)| {
            if *form == b'0' {
                byte.is_ascii_digit()
            } else {
                form == byte
            }
        })
}

/// Tells whether a file has nothing but comments.
fn is_empty(sql: &str) -> bool {
    let code = |line: &str| {
        line.split("--")
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    sql.lines().map(code).all(|line| line.is_empty())
}

/// Runs all migrations on both databases and compares them after each.
fn live(sqlite: &[Migration], postgres: &[Migration]) -> Result<Vec<String>> {
    let cluster = Cluster::start().context("PostgreSQL")?;
    let mut left = SqliteConnection::establish(":memory:").context("opening SQLite in memory")?;
    let mut right = PgConnection::establish(&cluster.url()).context("opening PostgreSQL")?;
    let mut found = Vec::new();
    for (ours, theirs) in sqlite.iter().zip(postgres) {
        found.extend(up_down_up(&mut left, ours)?);
        found.extend(up_down_up(&mut right, theirs)?);
        let differ = differences(&left.columns()?, &right.columns()?);
        found.extend(
            differ
                .into_iter()
                .map(|one| format!("{}: {one}", ours.name)),
        );
    }
    Ok(found)
}

/// Runs one migration up, down and up again. Reports what the way down leaves or takes too much.
fn up_down_up<D: Database>(database: &mut D, migration: &Migration) -> Result<Vec<String>> {
    let Migration { name, up, down } = migration;
    let side = D::NAME;
    let mut run = |sql: &str, file: &str| {
        database
            .batch_execute(sql)
            .with_context(|| format!("{side}: {name}/{file}"))?;
        anyhow::Ok((database.columns()?, database.names()?))
    };
    let before = run("SELECT 1;", "nothing")?;
    let after = run(up, "up.sql")?;
    let mut found = Vec::new();
    if run(down, "down.sql")? != before {
        found.push(format!(
            "{side}: {name}/down.sql does not take back what up.sql does"
        ));
    }
    if run(up, "up.sql, the second time")? != after {
        found.push(format!(
            "{side}: {name} up, down and up does not end where the first up did"
        ));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;
    use diesel::{Connection, SqliteConnection};

    use super::schema::{Columns, Database, differences};
    use super::{Migration, is_ordered, names, up_down_up};

    fn memory(sql: &str) -> SqliteConnection {
        let mut connection = SqliteConnection::establish(":memory:").expect("SQLite opens");
        connection.batch_execute(sql).expect("it runs");
        connection
    }

    fn columns(sql: &str) -> Columns {
        memory(sql).columns().expect("it lists")
    }

    fn migration(up: &str, down: &str) -> Migration {
        Migration {
            name: "2026-11-22-000001_first".to_owned(),
            up: up.to_owned(),
            down: down.to_owned(),
        }
    }

    #[test]
    fn tables_may_differ_in_types_only() {
        let left = columns("CREATE TABLE a (x BLOB NOT NULL, PRIMARY KEY (x)) WITHOUT ROWID;");
        let same = columns("CREATE TABLE a (x TEXT NOT NULL, PRIMARY KEY (x));");
        assert_eq!(differences(&left, &same), Vec::<String>::new());
        for (other, says) in [
            (
                "CREATE TABLE a (x TEXT);",
                "a.x may be null in PostgreSQL only",
            ),
            (
                "CREATE TABLE a (y TEXT PRIMARY KEY);",
                "a.x is there in SQLite only",
            ),
            (
                "CREATE TABLE a (y TEXT PRIMARY KEY);",
                "a.y is there in PostgreSQL only",
            ),
            (
                "CREATE TABLE a (x TEXT NOT NULL);",
                "a.x has place 1 in SQLite's primary key, 0 in PostgreSQL's",
            ),
        ] {
            let found = differences(&left, &columns(other));
            assert!(
                found.iter().any(|sentence| sentence.contains(says)),
                "{says}: {found:?}"
            );
        }
    }

    #[test]
    fn down_must_take_everything_back() {
        for (up, down, findings) in [
            (
                "CREATE TABLE a (x); CREATE INDEX b ON a (x);",
                "DROP TABLE a;",
                0,
            ),
            ("CREATE TABLE a (x);", "DROP TABLE a; DROP TABLE old;", 2),
            (
                "ALTER TABLE old ADD COLUMN y;",
                "ALTER TABLE old DROP COLUMN y;",
                0,
            ),
            (
                "CREATE INDEX b ON old (x);",
                "DROP INDEX b; CREATE INDEX c ON old (x);",
                2,
            ),
        ] {
            let mut database = memory("CREATE TABLE old (x);");
            let found = up_down_up(&mut database, &migration(up, down)).expect("it runs");
            assert_eq!(found.len(), findings, "{up} {down}: {found:?}");
        }
        let mut database = memory("");
        up_down_up(
            &mut database,
            &migration("CREATE TABLE a (x);", "SELECT 1;"),
        )
        .expect_err("the table is there already");
    }

    #[test]
    fn names_must_match_and_sort() {
        let left = [migration("SELECT 1;", "SELECT 1;")];
        let mut right = [migration("SELECT 1;", "SELECT 1;")];
        assert_eq!(names(&left, &right), Vec::<String>::new());
        right[0].name = "2026-11-23-000001_other".to_owned();
        assert_eq!(names(&left, &right).len(), 2);
        right[0].up = "-- nothing".to_owned();
        assert_eq!(names(&left, &right).len(), 3);
        assert!(!is_ordered("first") && !is_ordered("2026-11-22_first"));
    }
}
