//! Writes `openapi/GENERATORS.md`: the results of all trials, and for each generator its document,
//! options and a sign-in.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};

use super::recipes::{RECIPES, Recipe};
use super::trial::{COLUMNS, Cell};
use crate::workspace;

/// The result of one generator and one document.
pub struct Row {
    /// The generator.
    pub recipe: &'static Recipe,
    /// The document's name.
    pub api: &'static str,
    /// A cell for each column.
    pub cells: Vec<Cell>,
}

/// Generators that are not tried, each with the reason.
pub const NOT_TRIED: [(&str, &str); 1] = [(
    "progenitor",
    "our own SDK: `sdk/rust` is made by it from the strict documents (`cargo xtask sdk`), and `tests/it/sdk.rs` signs in with it, reads typed errors, and reads unknown codes, values and fields.",
)];

/// Returns the whole file.
///
/// # Errors
///
/// Fails if a sample cannot be read.
pub fn page(rows: &[Row]) -> Result<String> {
    let mut text = String::from(HEAD);
    table(&mut text, rows)?;
    let mut notes = Vec::new();
    for row in rows {
        for (column, cell) in COLUMNS.iter().zip(&row.cells) {
            if let Some(reason) = cell.reason() {
                notes.push(format!(
                    "* {}, {}, {column}: {reason}",
                    row.recipe.name, row.api
                ));
            }
        }
    }
    if !notes.is_empty() {
        write!(text, "\nWhere it says no:\n\n{}\n", notes.join("\n"))?;
    }
    text.push_str("\nNot in the table:\n\n");
    for (name, reason) in NOT_TRIED {
        writeln!(text, "* {name}: {reason}")?;
    }
    let mut told = Vec::new();
    for row in rows {
        if !told.contains(&row.recipe.folder) {
            told.push(row.recipe.folder);
            section(&mut text, row.recipe)?;
        }
    }
    Ok(text)
}

const HEAD: &str = "# Clients by generators

Made by `cargo xtask generators`; do not edit. Each client is generated, built and run: it signs in to a real server with
a password and an authenticator's code, is refused with a wrong password, and meets a server of tomorrow, whose error
code, method and fields no document has. The programs are in `generators/`, one for each API.

*Strict* documents are `openapi/*.yaml`, which the server serves at `/openapi/NAME.yaml` and `.json`. *Lenient* ones are
`openapi/lenient/*.yaml`, served at `/openapi/lenient/NAME.yaml` and `.json`: the same operations, but enums of answers take any
string, every error can be read as `ErrorResponse`, and objects of answers take more fields. Take them for
a generator whose clients check what they read.

";

fn table(text: &mut String, rows: &[Row]) -> Result<()> {
    writeln!(text, "| Generator | Document | {} |", COLUMNS.join(" | "))?;
    writeln!(text, "|---|---|{}", "---|".repeat(COLUMNS.len()))?;
    for row in rows {
        writeln!(text, "{}", line(row))?;
    }
    Ok(())
}

/// Returns a line of the table.
fn line(row: &Row) -> String {
    let words: Vec<&str> = row.cells.iter().map(Cell::word).collect();
    format!(
        "| {} | {} {} | {} |",
        row.recipe.name,
        row.api,
        kind(row.recipe),
        words.join(" | ")
    )
}

fn kind(recipe: &Recipe) -> &'static str {
    if recipe.lenient { "lenient" } else { "strict" }
}

/// Returns where the page differs from these rows, and from the samples of all generators.
///
/// # Errors
///
/// Fails if a sample cannot be read.
pub fn contradictions(page: &str, rows: &[Row]) -> Result<Vec<String>> {
    let lines: Vec<&str> = page.lines().collect();
    let mut found: Vec<String> = rows
        .iter()
        .map(line)
        .filter(|line| !lines.contains(&line.as_str()))
        .collect();
    for recipe in &RECIPES {
        let mut text = String::new();
        section(&mut text, recipe)?;
        if !page.contains(&text) {
            found.push(format!("the section of {}", recipe.name));
        }
    }
    Ok(found)
}

fn section(text: &mut String, recipe: &Recipe) -> Result<()> {
    let path = format!(
        "openapi/generators/{}/identity.{}",
        recipe.folder, recipe.extension
    );
    let sample = workspace::root().join(&path);
    let sample = fs::read_to_string(&sample).with_context(|| format!("reading {path}"))?;
    write!(
        text,
        "\n## {}\n\nDocument: {}. Options: {}.\n\n```{}\n{}```\n",
        recipe.name,
        kind(recipe),
        recipe.options,
        recipe.extension,
        sample
    )?;
    Ok(())
}
