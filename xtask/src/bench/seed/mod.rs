//! Fills a database with users. Each has an authenticator that is on and a sign-in that waits for
//! its code.

mod postgres;
mod sqlite;

use std::path::Path;
use std::thread;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, anyhow};
use countersign_base::chance::Chance;
use countersign_base::clock::Clock;
use countersign_base::config::Settings;
use countersign_model::Secret;
use countersign_model::ids::Id;
use countersign_vault::{Hasher, Place, Vault};

use super::report::thousands;
use super::server::{self, Build};
use super::users;
use crate::test::postgres::Cluster;

/// Users whose secrets are sealed at a time.
const CHUNK: u32 = 50_000;

/// How long the waiting sign-ins live, in seconds: longer than any run.
const CHALLENGE_SECONDS: i64 = 4 * 3600;

/// What all rows of a seed have in common.
struct Common {
    vault: Vault,
    /// Hash of [`users::PASSWORD`], with the server's own parameters.
    password_hash: String,
    /// The time of the seed, in microseconds.
    now: i64,
    count: u32,
}

impl Common {
    const fn expires(&self) -> i64 {
        self.now + CHALLENGE_SECONDS * 1_000_000
    }

    /// Returns the users in chunks: the first user of each and the one after its last.
    fn chunks(&self) -> impl Iterator<Item = (u32, u32)> {
        let end = self.count + 1;
        (1..end)
            .step_by(CHUNK as usize)
            .map(move |first| (first, (first + CHUNK).min(end)))
    }

    /// Seals the secrets of some users, on two threads.
    fn sealed(&self, (first, end): (u32, u32)) -> Result<Vec<Vec<u8>>> {
        let middle = first + (end - first) / 2;
        let part = |from: u32, to: u32| -> Result<Vec<Vec<u8>>> {
            (from..to).map(|number| self.seal(number)).collect()
        };
        thread::scope(|scope| {
            let other = scope.spawn(move || part(middle, end));
            let mut sealed = part(first, middle)?;
            let rest = other.join().map_err(|_| anyhow!("sealing panicked"))?;
            sealed.extend(rest?);
            Ok(sealed)
        })
    }

    fn seal(&self, number: u32) -> Result<Vec<u8>> {
        let id = users::uuid(number);
        let mut nonce = [0; 24];
        nonce[..4].copy_from_slice(&number.to_be_bytes());
        let place = Place::factor_secret(Id::new(id), Id::new(id));
        self.vault
            .seal(&place, nonce, &users::secret(number))
            .map_err(|error| anyhow!("{error:?}"))
    }
}

/// Fills a new SQLite database in this folder.
///
/// # Errors
/// Fails if the server does not create it, or it cannot be written.
pub fn sqlite(build: &Build, folder: &Path, count: u32) -> Result<()> {
    let begun = Instant::now();
    drop(server::start(build, folder, None)?);
    sqlite::fill(&common(folder, count)?, &folder.join(server::SQLITE_FILE))?;
    tell("SQLite", count, begun);
    Ok(())
}

/// Fills this database of a cluster. The keys are written to the folder.
///
/// # Errors
/// Fails as [`sqlite`] does.
pub fn postgres(
    build: &Build,
    folder: &Path,
    (cluster, url): (&Cluster, &str),
    count: u32,
) -> Result<()> {
    let begun = Instant::now();
    drop(server::start(build, folder, Some(url))?);
    postgres::fill(&common(folder, count)?, cluster, url)?;
    tell("PostgreSQL", count, begun);
    Ok(())
}

fn tell(database: &str, count: u32, begun: Instant) {
    let count = thousands(count.into());
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!("xtask: seeded {database} with {count} users in {seconds:.1} s");
}

fn common(folder: &Path, count: u32) -> Result<Common> {
    let settings = Settings::for_test(folder)?;
    let chance = Chance::system();
    let vault = Vault::open(&settings, &Clock::System, &chance)?;
    let hasher = Hasher::start(&settings, &chance)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let hash = runtime.block_on(hasher.hash(Secret::new(users::PASSWORD.to_owned()), [7; 16]));
    let hash = hash.map_err(|error| anyhow!("{error:?}"))?;
    Ok(Common {
        vault,
        password_hash: hash.as_str().to_owned(),
        now: i64::try_from(since_1970()?.as_micros()).context("the clock")?,
        count,
    })
}

/// Returns the time since 1970, as the server under load reads it.
///
/// # Errors
/// Fails if the clock is before 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the server under load reads the same clock"
)]
pub fn since_1970() -> Result<std::time::Duration> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?)
}
