//! Detects a database that went back to an older state. A mark beside the key file says how far it had come.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{App, said};
use crate::chance::Chance;
use crate::config::{DatabaseUrl, Settings};
use crate::factor::totp;
use crate::model::Time;
use crate::model::mark::Mark;
use crate::store::epoch::{self, EpochInput, NewEpoch};
use crate::vault::private;

/// The mark file beside the key file, and the mark that this process has seen. It has a mark for each place
/// where a database was used with these keys, so a copy that somebody opens elsewhere does not affect the one
/// in use.
pub(super) struct MarkFile {
    path: PathBuf,
    key_file: PathBuf,
    place: String,
    seen: Mutex<Option<Mark>>,
}

/// The ending of a mark file that is still being written.
const DRAFT: &str = ".new";

/// The age after which the writer of such a file must be gone.
const DRAFT_LIVES: Duration = Duration::from_secs(60);

/// The contents of the file, by the place of the database.
type Marks = BTreeMap<String, MarkEntry>;

/// What the file has about one database.
#[derive(Clone, Serialize, Deserialize)]
struct MarkEntry {
    #[serde(flatten)]
    mark: Mark,
    /// The `public_url` of the server that last served it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_url: Option<String>,
}

/// Returns where the database is: the absolute path, or the server and the database's name, without the
/// credentials.
fn place(settings: &Settings) -> String {
    match &settings.database_url {
        DatabaseUrl::Sqlite(path) => {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            // The file may not exist yet, but its folder does.
            let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")));
            let whole = folder.map(|folder| folder.join(path.file_name().unwrap_or_default()));
            whole.unwrap_or_else(|_| path.clone()).display().to_string()
        }
        DatabaseUrl::Postgres(url) => {
            let url = url.expose();
            let (_, server) = url.rsplit_once('@').unwrap_or_else(|| {
                let server = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                ("", server)
            });
            let (server, _) = server.split_once('?').unwrap_or((server, ""));
            format!("postgres://{server}")
        }
    }
}

impl MarkFile {
    /// Returns the mark file for the database and the key file that the settings name.
    pub(super) fn of(settings: &Settings) -> Self {
        let mut name = settings.key_file.as_os_str().to_owned();
        name.push(".mark");
        Self {
            path: PathBuf::from(name),
            key_file: settings.key_file.clone(),
            place: place(settings),
            seen: Mutex::new(None),
        }
    }

    /// Returns how far the database had come when this process last saw it. If it has not, the file says it.
    pub(super) fn seen(&self) -> Option<Mark> {
        let known = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = || {
            self.read()
                .and_then(|marks| marks.get(&self.place).map(|kept| kept.mark.clone()))
        };
        known.clone().or_else(kept)
    }

    /// Reads the file. An unreadable file does not stop a start, since the next mark replaces it.
    fn read(&self) -> Option<Marks> {
        let read = match fs::read_to_string(&self.path) {
            Ok(text) => serde_json::from_str(&text).map_err(io::Error::from),
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => Err(error),
        };
        read.inspect_err(|error| tracing::warn!(%error, "{} cannot be read", self.told()))
            .ok()
    }

    /// Stores a mark, unless another process has stored a later one. If the file cannot be written, this logs
    /// one warning: going back will not be detected.
    pub(super) fn keep(&self, mark: &Mark) {
        let mut known = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = known.is_none();
        *known = Some(mark.clone());
        let later = |kept: &Mark| kept.database_id == mark.database_id && mark.went_back(kept);
        let mut marks = self.read().unwrap_or_default();
        let kept = match marks.get(&self.place) {
            Some(kept) if later(&kept.mark) => Ok(()),
            kept => {
                let public_url = kept.and_then(|kept| kept.public_url.clone());
                let mark = mark.clone();
                marks.insert(self.place.clone(), MarkEntry { mark, public_url });
                self.write(&marks)
            }
        };
        if let Err(error) = kept
            && first
        {
            tracing::warn!(
                %error,
                "{} cannot be written: the server will not notice if its database goes back to an older state",
                self.told()
            );
        }
    }

    /// Stores the `public_url` that the database is now served with. Returns the one before, if it was
    /// different.
    fn serve(&self, public_url: &str) -> Option<String> {
        // The lock keeps another thread from overwriting this with a mark.
        let _known = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut marks = self.read()?;
        let kept = marks.get_mut(&self.place)?;
        let before = kept.public_url.replace(public_url.to_owned());
        if before.as_deref() == Some(public_url) {
            return None;
        }
        // If the file cannot be written, that was logged when the mark was stored.
        drop(self.write(&marks));
        before
    }

    fn write(&self, marks: &Marks) -> io::Result<()> {
        let mut draft = self.path.clone().into_os_string();
        draft.push(format!(".{}{DRAFT}", std::process::id()));
        let draft = PathBuf::from(draft);
        let mut options = OpenOptions::new();
        let mut file = private(options.write(true).create(true).truncate(true)).open(&draft)?;
        // The operator may be another user than the server, which must be able to read the file later.
        owned_like(&draft, &self.key_file);
        let written = serde_json::to_vec(marks)
            .map_err(io::Error::from)
            .and_then(|text| file.write_all(&text))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&draft, &self.path));
        if written.is_err() {
            // The first error is the one to report.
            drop(fs::remove_file(&draft));
        }
        self.sweep();
        written
    }

    /// Removes drafts whose writers were killed. Nobody takes this long to write one.
    fn sweep(&self) {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let folder = self.path.parent().map(fs::read_dir);
        let left_over = |found: &fs::DirEntry| {
            let draft = found.file_name().to_string_lossy().into_owned();
            let age = found.metadata().and_then(|file| file.modified());
            draft.starts_with(&*name)
                && draft.ends_with(DRAFT)
                && age.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > DRAFT_LIVES))
        };
        let found = folder.into_iter().flatten().flatten().flatten();
        for draft in found.filter(left_over) {
            // Another process may have removed it first.
            drop(fs::remove_file(draft.path()));
        }
    }

    fn told(&self) -> String {
        format!("the mark {}", self.path.display())
    }
}

/// Gives a file to the owner of another one, if this process may: only root may.
pub(super) fn owned_like(path: &Path, other: &Path) {
    #[cfg(unix)]
    if let Ok(metadata) = fs::metadata(other) {
        use std::os::unix::fs::{MetadataExt, chown};
        // A process that may not has created the file for its own user anyway.
        drop(chown(path, Some(metadata.uid()), Some(metadata.gid())));
    }
}

/// Returns what a new epoch at `now` begins with.
pub(super) fn beginning(
    settings: &Settings,
    chance: &Chance,
    now: Time,
    seen: Option<Mark>,
) -> EpochInput {
    EpochInput {
        now,
        newest_step: totp::newest_step(&settings.policy, now),
        seen,
        found: None,
        keep_codes: false,
        fresh: fresh_id(chance),
        records: [chance.id(now), chance.id(now)],
    }
}

fn fresh_id(chance: &Chance) -> String {
    data_encoding::HEXLOWER.encode(&chance.salt())
}

impl App {
    /// Stores a new mark in the database and beside the key file. If the database went back since it was last
    /// seen, a new epoch begins: somebody restored it without `countersign restore`.
    ///
    /// # Errors
    /// Returns an error if the database does not answer.
    pub async fn mark(&self) -> anyhow::Result<()> {
        let ctx = &self.0;
        let seen = ctx.mark.seen();
        let fresh = fresh_id(&ctx.chance);
        let marked = ctx.write(move |tx| epoch::advance(tx, &fresh)).await;
        let mut marked = marked.map_err(said)?;
        if let Some(seen) = seen.filter(|seen| marked.went_back(seen)) {
            let beginning = EpochInput {
                found: Some(marked.clone()),
                ..beginning(&ctx.settings, &ctx.chance, ctx.now(), Some(seen))
            };
            if let Some(begun) = ctx.store.begin_epoch(beginning).await? {
                tell(&begun);
                marked = begun.mark;
            }
        }
        ctx.mark.keep(&marked);
        Ok(())
    }

    /// Logs a warning if the server that last served this database had another `public_url`. Each server
    /// accepts only its own tokens, and clients of both would not learn why.
    pub fn tell_other_url(&self) {
        let here = &self.0.settings.public_url;
        if let Some(other) = self.0.mark.serve(here) {
            tracing::warn!(
                "public_url (setting) is {here}, but the server that last served this database had {other}: \
                 access tokens of one are refused by the other. If both run, give them the same public_url; \
                 if it was changed, clients need new access tokens"
            );
        }
    }

    /// Logs that a new epoch began, unless an earlier start has done so.
    ///
    /// # Errors
    /// Returns an error if the database does not answer.
    pub async fn tell_epoch(&self) -> anyhow::Result<()> {
        if let Some(began) = self.0.write(epoch::tell).await.map_err(said)? {
            tracing::warn!(
                %began,
                "the database was restored: all earlier sessions, challenges, mailed codes and refresh tokens have ended"
            );
        }
        Ok(())
    }
}

fn tell(begun: &NewEpoch) {
    tracing::warn!(
        sessions = begun.sessions,
        challenges = begun.challenges,
        authenticators = begun.authenticators,
        code_sets = begun.code_sets,
        "the database is an older state of the one that was in use, or another one: it was changed without `countersign restore`, so a new epoch began. \
         All earlier sessions, challenges, mailed codes, refresh tokens and recovery codes have ended"
    );
}
