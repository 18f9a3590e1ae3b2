//! `openapi/GENERATORS.md`: what came of every trial, and for each generator its document, its options and a sign-in.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};

use super::recipes::Recipe;
use super::trial::{COLUMNS, Cell};
use crate::workspace;

/// What came of one generator and one document.
pub struct Row<'a> {
    /// The generator.
    pub recipe: &'a Recipe,
    /// The document's name.
    pub api: &'static str,
    /// A cell for each column.
    pub cells: Vec<Cell>,
}

/// Generators that are not tried here, each with the reason.
pub const NOT_TRIED: [(&str, &str); 1] = [(
    "progenitor",
    "our own SDK: `sdk/rust` is made by it from the strict documents (`cargo xtask sdk`), and `tests/it/sdk.rs` signs in with it, reads typed errors, and reads unknown codes, values and fields.",
)];

/// The whole file.
///
/// # Errors
///
/// When a sample cannot be read.
pub fn page(rows: &[Row<'_>]) -> Result<String> {
    let mut text = String::from(HEAD);
    table(&mut text, rows)?;
    let mut notes = Vec::new();
    for row in rows {
        for (column, cell) in COLUMNS.iter().zip(&row.cells) {
            if let Err(reason) = cell {
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

fn table(text: &mut String, rows: &[Row<'_>]) -> Result<()> {
    writeln!(text, "| Generator | Document | {} |", COLUMNS.join(" | "))?;
    writeln!(text, "|---|---|{}", "---|".repeat(COLUMNS.len()))?;
    for row in rows {
        let words = row
            .cells
            .iter()
            .map(|cell| if cell.is_ok() { "yes" } else { "no" });
        let kind = if row.recipe.lenient {
            "lenient"
        } else {
            "strict"
        };
        writeln!(
            text,
            "| {} | {} {kind} | {} |",
            row.recipe.name,
            row.api,
            words.collect::<Vec<_>>().join(" | ")
        )?;
    }
    Ok(())
}

fn section(text: &mut String, recipe: &Recipe) -> Result<()> {
    let path = format!(
        "openapi/generators/{}/identity.{}",
        recipe.folder, recipe.extension
    );
    let sample = workspace::root().join(&path);
    let sample = fs::read_to_string(&sample).with_context(|| format!("reading {path}"))?;
    let kind = if recipe.lenient { "lenient" } else { "strict" };
    write!(
        text,
        "\n## {}\n\nDocument: {kind}. Options: {}.\n\n```{}\n{}```\n",
        recipe.name, recipe.options, recipe.extension, sample
    )?;
    Ok(())
}
