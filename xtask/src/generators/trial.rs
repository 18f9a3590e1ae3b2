//! Runs one trial: one generator makes a client from one document, and the client is built and
//! used.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::account::{Account, PASSWORD};
use super::apis::Api;
use super::canned::{self, News};
use super::recipes::{Place, Recipe};
use super::shop::Shop;
use crate::server::Server;
use crate::workspace;

/// What is tried, in the order of the columns.
pub const COLUMNS: [&str; 7] = [
    "generates without warning",
    "compiles",
    "signs in with TOTP",
    "typed error",
    "unknown code",
    "unknown enum value",
    "unknown field",
];

/// The result in one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// It works.
    Yes,
    /// It works with no document. The generator's own words.
    Limit(String),
    /// It does not work, and why.
    No(String),
}

impl Cell {
    /// Returns the word in the table.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Limit(_) | Self::No(_) => "no",
        }
    }

    /// Returns the reason for any other word than yes.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Yes => None,
            Self::Limit(words) => Some(format!(
                "a limit of the generator, which says it of the two schemas in `{PLAIN}` too: {words}"
            )),
            Self::No(reason) => Some(reason.clone()),
        }
    }
}

/// The document of plain schemas. It separates limits of a generator from mistakes of ours.
const PLAIN: &str = "generators/plain.yaml";

/// How long one program may run: Go compiles its whole library the first time.
const PATIENCE: Duration = Duration::from_secs(600);

/// What all trials share.
pub struct Stage<'a> {
    /// The tools.
    pub shop: &'a Shop,
    /// The real server.
    pub server: &'a Server,
}

impl Stage<'_> {
    /// Tries one generator on one document. Returns a cell for each column.
    pub fn perform(&self, recipe: &Recipe, api: &Api, spec: &Value) -> Vec<Cell> {
        let mut cells = Vec::new();
        // First, so that the code that it uses is an old one when the client is ready.
        let account = Account::open(self.server, &format!("{}-{}", recipe.folder, api.name));
        match self.make(recipe, api) {
            Err(error) => cells.push(Cell::No(first_line(&error))),
            Ok((place, warnings)) => {
                cells.push(warnings);
                match self.build(recipe, &place) {
                    Err(error) => cells.push(Cell::No(first_line(&error))),
                    Ok(()) => {
                        cells.push(Cell::Yes);
                        cells.extend(self.uses(recipe, api, spec, (&place, account)));
                    }
                }
            }
        }
        cells.resize_with(COLUMNS.len(), || Cell::No("not reached".to_owned()));
        cells
    }

    /// Makes the client, and reads the generator's warnings.
    fn make(&self, recipe: &Recipe, api: &Api) -> Result<(Place, Cell)> {
        let folder = self
            .shop
            .node
            .join("trials")
            .join(recipe.folder)
            .join(api.name);
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("emptying {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let documents = workspace::root().join("openapi");
        let kind = if recipe.lenient { "lenient/" } else { "" };
        let place = Place {
            document: documents.join(format!("{kind}{}.yaml", api.name)),
            folder,
        };
        let sample = format!(
            "generators/{}/{}.{}",
            recipe.folder, api.name, recipe.extension
        );
        let copy = place.folder.join(format!("sample.{}", recipe.extension));
        fs::copy(documents.join(&sample), copy).with_context(|| format!("no openapi/{sample}"))?;
        let said = run(&mut (recipe.generate)(self.shop, &place), &place.folder)?;
        let cell = self.judge(recipe, &place, &said)?;
        Ok((place, cell))
    }

    /// Tells whether a generator warns of the document, or gives a warning that it gives for any
    /// document.
    fn judge(&self, recipe: &Recipe, place: &Place, said: &str) -> Result<Cell> {
        let found = warnings(said);
        let Some(first) = found.first() else {
            return Ok(Cell::Yes);
        };
        let plain = Place {
            document: workspace::root().join("openapi").join(PLAIN),
            folder: place.folder.join("plain"),
        };
        fs::create_dir_all(&plain.folder)
            .with_context(|| format!("making {}", plain.folder.display()))?;
        let said = run(&mut (recipe.generate)(self.shop, &plain), &plain.folder)?;
        let own = warnings(&said);
        Ok(match found.iter().find(|line| !own.contains(line)) {
            Some(other) => Cell::No(shortened(other)),
            None => Cell::Limit(shortened(first)),
        })
    }

    fn build(&self, recipe: &Recipe, place: &Place) -> Result<()> {
        for command in &mut (recipe.build)(self.shop, place) {
            run(command, &place.folder)?;
        }
        Ok(())
    }

    /// Runs the sample against the real server and against the simulated future ones.
    fn uses(
        &self,
        recipe: &Recipe,
        api: &Api,
        spec: &Value,
        (place, account): (&Place, Result<Account>),
    ) -> Vec<Cell> {
        let sample = |url: &str, name: &str, password: &str, code: &str| {
            let mut command = (recipe.run)(self.shop, place);
            command.envs([
                ("URL", url),
                ("NAME", name),
                ("PASSWORD", password),
                ("CODE", code),
            ]);
            run(&mut command, &place.folder)
        };
        let url = &self.server.url;
        let real = || {
            let account = account?;
            let code = account.fresh_code()?;
            sample(url, &account.name, PASSWORD, &code)
        };
        // Another address, since wrong passwords make an address wait.
        let stranger = format!("nobody-{}-{}@example.com", recipe.folder, api.name);
        let future = |news| {
            let url = canned::start(api, spec, news)?;
            sample(&url, "alice@example.com", PASSWORD, "123456")
        };
        let method = format!("method: {}", canned::VALUE);
        let other = format!("other: {}", canned::CODE);
        vec![
            says(real(), &["signed in"]),
            says(
                sample(url, &stranger, "a wrong password", "0"),
                &["error: INVALID_CREDENTIALS"],
            ),
            says(future(News::Code), &[&other]),
            says(future(News::Value), &[&method, "signed in"]),
            says(future(News::Field), &["signed in"]),
        ]
    }
}

/// Tells whether a sample printed these lines.
fn says(said: Result<String>, wanted: &[&str]) -> Cell {
    let said = match said {
        Ok(said) => said,
        Err(error) => return Cell::No(first_line(&error)),
    };
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    match wanted.iter().find(|line| !lines.contains(line)) {
        None => Cell::Yes,
        Some(missing) => Cell::No(format!(
            "`{missing}` is not said, but: {}",
            shortened(&said)
        )),
    }
}

/// Returns the lines with a generator's warnings.
fn warnings(said: &str) -> Vec<&str> {
    let warning = |line: &&str| {
        let lower = line.to_ascii_lowercase();
        (lower.contains("warn") || lower.contains("error")) && !line.contains("] INFO")
    };
    said.lines().filter(warning).collect()
}

/// Runs a program to its end. Returns its output.
fn run(command: &mut Command, folder: &Path) -> Result<String> {
    let path = folder.join("output.txt");
    let output = fs::File::create(&path).with_context(|| format!("making {}", path.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().to_string_lossy()))?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            bail!("not done after {} seconds", PATIENCE.as_secs());
        }
        sleep(Duration::from_millis(20));
    };
    let said = fs::read(&path)?;
    let said = String::from_utf8_lossy(&said).into_owned();
    if !status.success() {
        bail!("{}", complaint(&said));
    }
    Ok(said)
}

/// Returns the line that says most about a failure: the first with `error` or `exception`,
/// otherwise the last.
fn complaint(said: &str) -> String {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let telling = |line: &&str| {
        let line = line.to_ascii_lowercase();
        line.contains("error") || line.contains("exception")
    };
    let error = lines.clone().find(telling);
    let line = error.or_else(|| lines.next_back());
    line.unwrap_or("it failed without a word").to_owned()
}

fn first_line(error: &anyhow::Error) -> String {
    shortened(&format!("{error:#}"))
}

/// Returns one short line, without the folders of this machine.
fn shortened(text: &str) -> String {
    let root = workspace::root();
    let text = text.replace(&format!("{}/", root.display()), "");
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(160).collect()
}
