//! `cargo xtask generators`: makes a client by each generator from each document, lets it sign in, and writes what came
//! of it to `openapi/GENERATORS.md`.

mod account;
mod apis;
mod canned;
mod recipes;
mod shop;
mod table;
mod trial;

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use self::apis::{APIS, Api};
use self::recipes::{RECIPES, Recipe};
use self::shop::Shop;
use self::table::Row;
use self::trial::{COLUMNS, Stage};
use crate::sdk::read_documents;
use crate::server::Server;
use crate::{process, workspace};

/// How many trials run side by side.
const AT_ONCE: usize = 2;

/// Limits out of the way: every trial has an account of its own, all from one address.
const SETTINGS: [(&str, &str); 4] = [
    ("LOG_FILTER", "warn"),
    ("MAIL_CALLS_PER_SOURCE", "100000"),
    ("PASSWORD_FREE_TRIES", "20"),
    ("SOFT_LIMIT", "20"),
];

/// Tries them all and writes the table, or with `check` holds the table against what came of it; with `only` tries those whose
/// names have it in them.
///
/// # Errors
///
/// When the server does not start, the tools cannot be had in CI, or (with `check`) the table says otherwise.
pub fn run(check: bool, only: Option<&str>) -> Result<()> {
    let chosen = |recipe: &&Recipe| only.is_none_or(|word| recipe.folder.contains(word));
    let recipes: Vec<&Recipe> = RECIPES.iter().filter(chosen).collect();
    let trials = recipes.len() * APIS.len();
    let shop = match Shop::open() {
        Ok(shop) => shop,
        Err(error) if process::is_ci() => return Err(error),
        Err(error) => {
            println!("generators: the tools cannot be had: {error:#}");
            println!("generators: 0 tried, {trials} skipped");
            return Ok(());
        }
    };
    let server = Server::start(&SETTINGS)?;
    let stage = Stage {
        shop: &shop,
        server: &server,
    };
    let rows = perform(&stage, &recipes)?;
    let all = trials * COLUMNS.len();
    let good = rows
        .iter()
        .flat_map(|row| &row.cells)
        .filter(|cell| cell.is_ok())
        .count();
    println!("generators: {trials} tried, 0 skipped; {good} of {all} cells say yes");
    if only.is_some() {
        return Ok(());
    }
    keep(&table::page(&rows)?, check)
}

/// All trials, a few at a time, in the order of the table.
fn perform<'a>(stage: &Stage<'_>, recipes: &[&'a Recipe]) -> Result<Vec<Row<'a>>> {
    let documents = read_documents()?;
    let trials: Vec<(&Recipe, &'static Api)> = recipes
        .iter()
        .flat_map(|recipe| APIS.iter().map(move |api| (*recipe, api)))
        .collect();
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    let work = || {
        while let Some((recipe, api)) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
            let place = (recipe.folder, api.name);
            let spec = documents.iter().find(|(name, _)| name == api.name);
            let Some((_, spec)) = spec else { continue };
            let begun = Instant::now();
            let cells = stage.perform(recipe, api, spec);
            tell(place, begun, &cells);
            let row = Row {
                recipe,
                api: api.name,
                cells,
            };
            if let Ok(mut rows) = rows.lock() {
                rows.push(row);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    let mut rows = rows.into_inner().unwrap_or_default();
    let rank = |row: &Row<'_>| {
        trials
            .iter()
            .position(|(recipe, api)| recipe.folder == row.recipe.folder && api.name == row.api)
    };
    rows.sort_by_key(rank);
    Ok(rows)
}

fn tell((folder, api): (&str, &str), begun: Instant, cells: &[trial::Cell]) {
    let good = cells.iter().filter(|cell| cell.is_ok()).count();
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "generators: {folder}, {api}: {good} of {} in {seconds:.1} s",
        cells.len()
    );
    for (column, cell) in COLUMNS.iter().zip(cells) {
        if let Err(reason) = cell {
            println!("  {column}: {reason}");
        }
    }
}

/// Writes the page, or holds it against what is there.
fn keep(page: &str, check: bool) -> Result<()> {
    let path = workspace::root().join("openapi/GENERATORS.md");
    if fs::read_to_string(&path).is_ok_and(|current| current == page) {
        println!("generators: openapi/GENERATORS.md is up to date");
        return Ok(());
    }
    if check {
        bail!(
            "generators: openapi/GENERATORS.md says otherwise; run `cargo xtask generators` and read the difference"
        );
    }
    fs::write(&path, page).with_context(|| format!("writing {}", path.display()))?;
    println!("generators: wrote openapi/GENERATORS.md");
    Ok(())
}
