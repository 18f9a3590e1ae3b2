//! `cargo xtask generators`: makes a client with each generator from each document, lets it sign
//! in, and writes the results to `openapi/GENERATORS.md`.

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
use self::trial::{COLUMNS, Cell, Stage};
use crate::sdk::read_documents;
use crate::server::Server;
use crate::{process, workspace};

/// The page with the results of all trials.
const PAGE: &str = "openapi/GENERATORS.md";

/// How many trials run side by side. Most of the time, a trial waits for the next code of its
/// authenticator.
const AT_ONCE: usize = 4;

/// Raises limits: every trial has its own account, but all have the same network address.
const SETTINGS: [(&str, &str); 4] = [
    ("LOG_FILTER", "warn"),
    ("MAIL_CALLS_PER_SOURCE", "100000"),
    ("PASSWORD_FREE_TRIES", "20"),
    ("SOFT_LIMIT", "20"),
];

/// One generator and one document.
type Trial = (&'static Recipe, &'static Api);

/// Runs the trials and writes the table. With `check`, compares the table with the results instead.
/// With `only`, tries only generators whose names contain it.
///
/// # Errors
///
/// Fails if the server does not start, the tools are missing in CI, or (with `check`) the table
/// disagrees.
pub fn run(check: bool, only: Option<&str>) -> Result<()> {
    let chosen = |(recipe, _): &Trial| only.is_none_or(|word| recipe.folder.contains(word));
    let trials: Vec<Trial> = all().filter(chosen).collect();
    let Some(rows) = outcome(&trials, true)? else {
        return Ok(());
    };
    if only.is_some() {
        return Ok(());
    }
    keep(&table::page(&rows)?, check)
}

/// Tries a few that need neither Java nor Go, and compares the table with their results.
///
/// # Errors
///
/// Fails if the server does not start, the tools are missing in CI, or the table disagrees.
pub fn few() -> Result<()> {
    let (few, left): (Vec<Trial>, Vec<Trial>) =
        all().partition(|(recipe, api)| recipe.few.contains(&api.name));
    let rows = outcome(&few, false)?;
    println!(
        "generators: {} not tried, which `cargo xtask generators --check` tries: {}",
        left.len(),
        names(&left)
    );
    let Some(rows) = rows else { return Ok(()) };
    let page = read_page()?;
    let found = table::contradictions(&page, &rows)?;
    if !found.is_empty() {
        bail!(
            "generators: {PAGE} says otherwise; run `cargo xtask generators`:\n{}",
            found.join("\n")
        );
    }
    println!("generators: {PAGE} says so");
    Ok(())
}

/// Returns all trials, in the order of the table.
fn all() -> impl Iterator<Item = Trial> {
    let of = |recipe| APIS.iter().map(move |api| (recipe, api));
    RECIPES.iter().flat_map(of)
}

/// Returns `orval (identity, veeam); hey-api (identity)`.
fn names(trials: &[Trial]) -> String {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for (recipe, api) in trials {
        match found.last_mut() {
            Some((name, apis)) if *name == recipe.name => apis.push(api.name),
            _another => found.push((recipe.name, vec![api.name])),
        }
    }
    let words = found
        .iter()
        .map(|(name, apis)| format!("{name} ({})", apis.join(", ")));
    words.collect::<Vec<_>>().join("; ")
}

/// Runs trials and returns their results; `None` if the tools are not available.
fn outcome(trials: &[Trial], large: bool) -> Result<Option<Vec<Row>>> {
    let shop = match Shop::open(large) {
        Ok(shop) => shop,
        Err(error) if process::is_ci() => return Err(error),
        Err(error) => {
            println!("generators: the tools cannot be had: {error:#}");
            println!(
                "generators: 0 tried, {} skipped: {}",
                trials.len(),
                names(trials)
            );
            return Ok(None);
        }
    };
    let server = Server::start(&SETTINGS)?;
    let stage = Stage {
        shop: &shop,
        server: &server,
    };
    let rows = perform(&stage, trials)?;
    let cells = || rows.iter().flat_map(|row| &row.cells);
    let count = |wanted: fn(&Cell) -> bool| cells().filter(|cell| wanted(cell)).count();
    println!(
        "generators: {} tried, 0 skipped; {} of {} cells say yes, {} tell a limit of the generator, {} say no",
        trials.len(),
        count(|cell| matches!(cell, Cell::Yes)),
        cells().count(),
        count(|cell| matches!(cell, Cell::Limit(_))),
        count(|cell| matches!(cell, Cell::No(_)))
    );
    Ok(Some(rows))
}

/// Runs all trials, a few at a time. Returns the rows in the order of the table.
fn perform(stage: &Stage<'_>, trials: &[Trial]) -> Result<Vec<Row>> {
    let documents = read_documents()?;
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
    let rank = |row: &Row| {
        trials
            .iter()
            .position(|(recipe, api)| recipe.folder == row.recipe.folder && api.name == row.api)
    };
    rows.sort_by_key(rank);
    Ok(rows)
}

fn tell((folder, api): (&str, &str), begun: Instant, cells: &[Cell]) {
    let good = cells
        .iter()
        .filter(|cell| matches!(cell, Cell::Yes))
        .count();
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "generators: {folder}, {api}: {good} of {} in {seconds:.1} s",
        cells.len()
    );
    for (column, cell) in COLUMNS.iter().zip(cells) {
        if let Some(reason) = cell.reason() {
            println!("  {column}: {reason}");
        }
    }
}

fn read_page() -> Result<String> {
    fs::read_to_string(workspace::root().join(PAGE)).with_context(|| format!("reading {PAGE}"))
}

/// Writes the page, or compares it with the existing one.
fn keep(page: &str, check: bool) -> Result<()> {
    if read_page().is_ok_and(|current| current == page) {
        println!("generators: {PAGE} is up to date");
        return Ok(());
    }
    if check {
        bail!(
            "generators: {PAGE} says otherwise; run `cargo xtask generators` and read the difference"
        );
    }
    fs::write(workspace::root().join(PAGE), page).with_context(|| format!("writing {PAGE}"))?;
    println!("generators: wrote {PAGE}");
    Ok(())
}
