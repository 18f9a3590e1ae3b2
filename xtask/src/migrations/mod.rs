//! `cargo xtask migrations`: checks that the two folders match, and that SQLite migrates up, down
//! and up again.
//!
//! One small parser (`ddl`) reads the SQL of both folders, and is itself checked against a real
//! SQLite. The contract tests check what PostgreSQL makes of its folder.

mod ddl;
mod sqlite;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::workspace;
use ddl::Tables;

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
        found.extend(twins(&sqlite, &postgres)?);
        found.extend(sqlite::up_down_up(&sqlite)?);
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
        "migrations: {} on both databases, the same tables, up, down and up on SQLite",
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
                if ddl::statements(text).is_empty() {
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

/// Checks that tables, columns, nullability and primary keys agree after each migration, and that
/// nothing is left when all are taken back.
fn twins(sqlite: &[Migration], postgres: &[Migration]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let (mut left, mut right) = (Tables::default(), Tables::default());
    for (ours, theirs) in sqlite.iter().zip(postgres) {
        let steps = [
            (&mut left, ours, "sqlite"),
            (&mut right, theirs, "postgres"),
        ];
        for (tables, migration, folder) in steps {
            let before = tables.clone();
            tables
                .apply(&migration.up)
                .with_context(|| format!("{folder}/{}/up.sql", migration.name))?;
            let mut back = tables.clone();
            back.apply(&migration.down)
                .with_context(|| format!("{folder}/{}/down.sql", migration.name))?;
            if back != before {
                found.push(format!(
                    "{folder}/{}/down.sql does not take back what up.sql does",
                    migration.name
                ));
            }
        }
        let differences = left.differences(&right);
        found.extend(
            differences
                .into_iter()
                .map(|difference| format!("{}: {difference}", ours.name)),
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Migration, is_ordered, names, twins};

    fn migration(up: &str, down: &str) -> Vec<Migration> {
        vec![Migration {
            name: "2026-11-22-000001_first".to_owned(),
            up: up.to_owned(),
            down: down.to_owned(),
        }]
    }

    #[test]
    fn twins_may_differ_in_types_only() {
        let left = migration(
            "CREATE TABLE a (x BLOB NOT NULL, PRIMARY KEY (x)) WITHOUT ROWID;",
            "DROP TABLE a;",
        );
        let right = migration(
            "CREATE TABLE a (x UUID NOT NULL, PRIMARY KEY (x));",
            "DROP TABLE a;",
        );
        assert_eq!(
            twins(&left, &right).expect("it reads"),
            Vec::<String>::new()
        );
        for (up, says) in [
            (
                "CREATE TABLE a (x UUID, PRIMARY KEY (x));",
                "a.x may be null in PostgreSQL only",
            ),
            (
                "CREATE TABLE a (y UUID NOT NULL, PRIMARY KEY (y));",
                "a.x is there in SQLite only",
            ),
            (
                "CREATE TABLE a (x UUID NOT NULL);",
                "the primary key of a is (x) in SQLite, () in PostgreSQL",
            ),
        ] {
            let found = twins(&left, &migration(up, "DROP TABLE a;")).expect("it reads");
            assert!(
                found.iter().any(|sentence| sentence.contains(says)),
                "{says}: {found:?}"
            );
        }
    }

    #[test]
    fn down_must_take_everything_back() {
        let left = migration(
            "CREATE TABLE a (x BLOB); CREATE TABLE b (x BLOB);",
            "DROP TABLE a;",
        );
        let found = twins(&left, &left).expect("it reads");
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn names_must_match_and_sort() {
        let left = migration("SELECT 1;", "SELECT 1;");
        let mut right = migration("SELECT 1;", "SELECT 1;");
        assert_eq!(names(&left, &right), Vec::<String>::new());
        right[0].name = "2026-11-23-000001_other".to_owned();
        assert_eq!(names(&left, &right).len(), 2);
        right[0].up = "-- nothing".to_owned();
        assert_eq!(names(&left, &right).len(), 3);
        assert!(!is_ordered("first") && !is_ordered("2026-11-22_first"));
    }
}
