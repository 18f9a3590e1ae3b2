//! `doctor`: finds out what would keep the server from working well, and says what to do about it.

use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use reqwest::header::DATE;

use super::print;
use crate::app::App;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::Settings;
use crate::courier::{self, Courier};
use crate::store::conn::SchemaState;

/// How long the server's own address may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// By how many seconds two clocks may differ before codes of apps are refused: one time step (RFC 6238 §5.2).
const STEP: u64 = 30;

/// What an examination found.
enum Finding {
    /// All is well.
    Well(String),
    /// The server works, but not as somebody would expect.
    Odd(String),
    /// The server does not work.
    Broken(String),
}

/// Examines everything, one line each.
///
/// # Errors
/// Fails if something would keep the server from working.
pub(super) async fn examine(settings: Settings) -> Result<()> {
    let warnings = [settings.warnings(), courier::warnings(&settings)].concat();
    let mut findings: Vec<(&str, Finding)> = match warnings.is_empty() {
        true => vec![("settings", Finding::Well("no problem found".to_owned()))],
        false => warnings
            .into_iter()
            .map(|one| ("settings", Finding::Odd(one)))
            .collect(),
    };
    findings.push(("database", database(&settings)));
    findings.push(("mail", mail(&settings).await));
    findings.extend(own_address(&settings).await);
    findings.push(("keys", keys(settings).await));
    let mut broken = 0;
    for (what, finding) in findings {
        let (mark, text) = match finding {
            Finding::Well(text) => ("ok  ", text),
            Finding::Odd(text) => ("note", text),
            Finding::Broken(text) => {
                broken += 1;
                ("FAIL", text)
            }
        };
        print(&format!("{mark}  {what:<9} {text}\n"))?;
    }
    match broken {
        0 => Ok(()),
        1 => bail!("one problem keeps the server from working: see the line that begins with FAIL"),
        many => {
            bail!(
                "{many} problems keep the server from working: see the lines that begin with FAIL"
            )
        }
    }
}

fn database(settings: &Settings) -> Finding {
    match App::look(settings) {
        Ok(Some(SchemaState::Current | SchemaState::Newer)) => {
            Finding::Well("it answers, and its schema is up to date".to_owned())
        }
        Ok(Some(SchemaState::Behind)) => {
            Finding::Odd("its schema is older: the next start of the server migrates it".to_owned())
        }
        Ok(Some(SchemaState::Ahead)) => {
            Finding::Broken("a newer version migrated it: install that version".to_owned())
        }
        Ok(None) => Finding::Odd(
            "there is no database yet: the first start of the server creates it".to_owned(),
        ),
        Err(error) => Finding::Broken(format!("{error:#}")),
    }
}

/// Whether the keys open what the database has sealed. Both are opened only if they exist.
async fn keys(settings: Settings) -> Finding {
    let file = settings.key_file.clone();
    let made = matches!(App::look(&settings), Ok(Some(_)));
    if !made && !file.exists() {
        return Finding::Odd(
            "there is no key file yet: the first start of the server creates it".to_owned(),
        );
    }
    match App::open_existing(settings, Clock::System, Chance::system()).await {
        Ok(_) => Finding::Well(format!(
            "{} opens what the database has sealed",
            file.display()
        )),
        Err(error) => Finding::Broken(format!("{error:#}")),
    }
}

async fn mail(settings: &Settings) -> Finding {
    match Courier::greet(settings).await {
        Ok(Some(server)) => Finding::Well(format!("{server} accepts us")),
        Ok(None) => Finding::Odd(format!(
            "it is written to {}: set smtp_url to send it",
            settings.data_dir.join("outbox").display()
        )),
        Err(error) => Finding::Broken(format!("the mail server: {error:#} (setting smtp_url)")),
    }
}

/// Whether the server answers at its public address, and how far this machine's clock is from that one's.
async fn own_address(settings: &Settings) -> Vec<(&'static str, Finding)> {
    let url = &settings.public_url;
    let answered = match ask(url).await {
        Ok(answered) => answered,
        Err(error) => {
            let why = format!(
                "{url} does not answer: {error:#}. This is normal while the server is stopped"
            );
            return vec![("address", Finding::Odd(why))];
        }
    };
    let address = match answered.ready {
        true => Finding::Well(format!("{url} answers, and is ready")),
        false => Finding::Broken(format!(
            "{url}/readyz does not answer as this server does: check the proxy and the setting public_url"
        )),
    };
    let clock = answered.apart.map(|apart| match apart {
        0..STEP => Finding::Well(format!("it differs by {apart} s from the one at {url}")),
        _ => Finding::Broken(format!(
            "it differs by {apart} s from the one at {url}, and codes of authenticator apps need the right time: run a time service (NTP) on both machines"
        )),
    });
    let clock = clock.map(|finding| ("clock", finding));
    [Some(("address", address)), clock]
        .into_iter()
        .flatten()
        .collect()
}

struct ReadinessAnswer {
    ready: bool,
    /// Seconds between the two clocks, if the answer has a date.
    apart: Option<u64>,
}

async fn ask(url: &str) -> Result<ReadinessAnswer> {
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let asked = client.get(format!("{url}/readyz")).send().await;
    // The outer message only repeats the address.
    let answer = asked.map_err(|error| match std::error::Error::source(&error) {
        Some(source) => anyhow!("{source}"),
        None => anyhow!(error),
    })?;
    let there = answer
        .headers()
        .get(DATE)
        .and_then(|date| date.to_str().ok());
    let there = there.map(httpdate::parse_http_date).transpose();
    let there = there.context("its date cannot be read")?;
    let apart = there.and_then(|there| there.duration_since(UNIX_EPOCH).ok());
    let here = Clock::System.now().seconds();
    let apart = apart.map(|there| here.abs_diff(there.as_secs().cast_signed()));
    Ok(ReadinessAnswer {
        ready: answer.status().is_success(),
        apart,
    })
}
