//! A small parser for the DDL of the migrations: it reads tables, columns, nullability and primary
//! keys.
//!
//! It refuses what it does not know instead of guessing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

/// Tables by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tables {
    /// The tables.
    pub tables: BTreeMap<String, Table>,
    /// Indexes by name, with their table.
    indexes: BTreeMap<String, String>,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Columns by name, and whether each may be null.
    pub columns: BTreeMap<String, bool>,
    /// The primary key's columns, in their order.
    pub key: Vec<String>,
}

/// Returns the statements of a file, without comments.
pub fn statements(sql: &str) -> Vec<String> {
    let plain: Vec<&str> = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default())
        .collect();
    let plain = plain.join("\n");
    plain
        .split(';')
        .map(|one| one.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|one| !one.is_empty())
        .collect()
}

impl Tables {
    /// Applies a migration file.
    ///
    /// # Errors
    ///
    /// Fails if a statement is of an unknown kind.
    pub fn apply(&mut self, sql: &str) -> Result<()> {
        for statement in statements(sql) {
            self.statement(&statement)
                .with_context(|| format!("in: {statement}"))?;
        }
        Ok(())
    }

    fn statement(&mut self, statement: &str) -> Result<()> {
        let upper = statement.to_uppercase();
        let words: Vec<&str> = upper
            .split([' ', '('])
            .filter(|word| !word.is_empty())
            .collect();
        match words.as_slice() {
            ["CREATE", "TABLE", ..] => self.create(statement),
            ["DROP", "TABLE", name] => {
                let name = name.to_lowercase();
                self.tables
                    .remove(&name)
                    .with_context(|| format!("there is no table {name}"))?;
                self.indexes.retain(|_, table| *table != name);
                Ok(())
            }
            ["CREATE", "INDEX", name, "ON", table, ..]
            | ["CREATE", "UNIQUE", "INDEX", name, "ON", table, ..] => {
                self.indexes
                    .insert(name.to_lowercase(), table.to_lowercase());
                Ok(())
            }
            ["DROP", "INDEX", name] => {
                let name = name.to_lowercase();
                self.indexes
                    .remove(&name)
                    .map(drop)
                    .with_context(|| format!("there is no index {name}"))
            }
            ["ALTER", "TABLE", table, change @ ..] => self.alter(&table.to_lowercase(), change),
            ["INSERT" | "UPDATE" | "DELETE" | "SELECT", ..] => Ok(()),
            _unknown => bail!(
                "cargo xtask migrations does not know this kind of statement; teach it in ddl.rs"
            ),
        }
    }

    fn create(&mut self, statement: &str) -> Result<()> {
        let (head, rest) = statement
            .split_once('(')
            .context("a table without columns")?;
        let name = head
            .split(' ')
            .rfind(|word| !word.is_empty())
            .unwrap_or_default()
            .to_lowercase();
        let mut table = Table::default();
        for part in parts(rest) {
            table.part(&part);
        }
        for column in &table.key {
            if !table.columns.contains_key(column) {
                bail!("the primary key of {name} names {column}, which is no column");
            }
        }
        if self.tables.insert(name.clone(), table).is_some() {
            bail!("the table {name} is made twice");
        }
        Ok(())
    }

    fn alter(&mut self, table: &str, change: &[&str]) -> Result<()> {
        let found = self
            .tables
            .get_mut(table)
            .with_context(|| format!("there is no table {table}"))?;
        let column = |name: &str| name.to_lowercase();
        match change {
            ["ADD", "COLUMN", rest @ ..] => found.part(&rest.join(" ").to_lowercase()),
            ["DROP", "COLUMN", name] => {
                found
                    .columns
                    .remove(&column(name))
                    .with_context(|| format!("there is no column {name}"))?;
            }
            ["RENAME", "COLUMN", old, "TO", new] => {
                let null = found
                    .columns
                    .remove(&column(old))
                    .with_context(|| format!("there is no column {old}"))?;
                found.columns.insert(column(new), null);
            }
            [
                "ALTER",
                "COLUMN",
                name,
                verb @ ("SET" | "DROP"),
                "NOT",
                "NULL",
            ] => {
                found.columns.insert(column(name), *verb == "DROP");
            }
            ["RENAME", "TO", new] => {
                let table = self.tables.remove(table).unwrap_or_default();
                self.tables.insert(column(new), table);
            }
            ["SET", ..] | ["ADD" | "DROP", "CONSTRAINT", ..] => {}
            _unknown => bail!(
                "cargo xtask migrations does not know this change of a table; teach it in ddl.rs"
            ),
        }
        Ok(())
    }

    /// Returns how these tables (SQLite's) differ from PostgreSQL's, one sentence each.
    pub fn differences(&self, postgres: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for name in both(&self.tables, &postgres.tables) {
            match (self.tables.get(name), postgres.tables.get(name)) {
                (Some(left), Some(right)) => found.extend(left.differences(name, right)),
                (Some(_), None) => found.push(format!("the table {name} is there in SQLite only")),
                (None, _) => found.push(format!("the table {name} is there in PostgreSQL only")),
            }
        }
        found
    }
}

impl Table {
    /// Reads one column or constraint of a CREATE TABLE.
    fn part(&mut self, part: &str) {
        let upper = part.to_uppercase();
        let first = upper.split([' ', '(']).next().unwrap_or_default();
        let key = upper.contains("PRIMARY KEY");
        if matches!(
            first,
            "PRIMARY" | "CHECK" | "UNIQUE" | "FOREIGN" | "CONSTRAINT" | "EXCLUDE"
        ) {
            if let (true, Some(list)) = (key, part.split_once('(')) {
                let inner = list.1.split(')').next().unwrap_or_default();
                self.key = inner
                    .split(',')
                    .map(|name| name.trim().to_lowercase())
                    .collect();
            }
            return;
        }
        let name = first.to_lowercase();
        self.columns
            .insert(name.clone(), !key && !upper.contains("NOT NULL"));
        if key {
            self.key = vec![name];
        }
    }

    fn differences(&self, name: &str, postgres: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for column in both(&self.columns, &postgres.columns) {
            match (self.columns.get(column), postgres.columns.get(column)) {
                (Some(left), Some(right)) if left != right => {
                    let side = if *left { "SQLite" } else { "PostgreSQL" };
                    found.push(format!("{name}.{column} may be null in {side} only"));
                }
                (Some(_), Some(_)) => {}
                (Some(_), None) => found.push(format!("{name}.{column} is there in SQLite only")),
                (None, _) => found.push(format!("{name}.{column} is there in PostgreSQL only")),
            }
        }
        if self.key != postgres.key {
            let (left, right) = (self.key.join(", "), postgres.key.join(", "));
            found.push(format!(
                "the primary key of {name} is ({left}) in SQLite, ({right}) in PostgreSQL"
            ));
        }
        found
    }
}

/// Returns the keys of either map.
fn both<'a, L, R>(
    left: &'a BTreeMap<String, L>,
    right: &'a BTreeMap<String, R>,
) -> BTreeSet<&'a String> {
    left.keys().chain(right.keys()).collect()
}

/// Splits a column list at its commas. It begins after its opening parenthesis and ends at the
/// closing one.
fn parts(list: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut depth = 0_usize;
    for letter in list.chars() {
        match letter {
            '(' => depth += 1,
            ')' if depth == 0 => break,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                found.push(String::new());
                continue;
            }
            _other => {}
        }
        if let Some(part) = found.last_mut() {
            part.push(letter);
        }
    }
    found
        .iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}
