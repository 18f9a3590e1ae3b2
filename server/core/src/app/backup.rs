//! Backups, and restoring one without reviving what was used, sent or signed in before.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::epoch::{MarkFile, beginning, owned_like};
use super::start::{engine, settle};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::{DatabaseUrl, Settings};
use crate::model::mark::Mark;
use crate::store::backup::{self, LaterChanges, Restoring};
use crate::store::epoch::{EpochInput, NewEpoch};
use crate::vault::{Vault, absolute, make_folder, private};

/// The result of restoring a database.
pub struct RestoreReport {
    /// What the new epoch ended.
    pub begun: NewEpoch,
    /// What was learned from the database that was replaced; `None` if there was none, or it could not be
    /// read.
    pub learned: Option<LaterChanges>,
    /// Why nothing was learned from the replaced database, if there was one.
    pub unread: Option<String>,
    /// Where the replaced database is now.
    pub aside: Option<PathBuf>,
}

/// Returns the settings with absolute paths, since the reader of a message may be in another folder.
pub fn with_whole_paths(settings: &Settings) -> Settings {
    let database_url = match &settings.database_url {
        DatabaseUrl::Sqlite(path) => DatabaseUrl::Sqlite(absolute(path)),
        DatabaseUrl::Postgres(url) => DatabaseUrl::Postgres(url.clone()),
    };
    Settings {
        database_url,
        key_file: absolute(&settings.key_file),
        ..settings.clone()
    }
}

/// Copies the SQLite database into a new file, whether or not the server runs. Returns the file's absolute
/// path.
///
/// # Errors
/// Returns an error for a PostgreSQL database, if the file already exists, or if one of the two cannot be
/// used.
pub fn back_up(settings: &Settings, chance: &Chance, to: &Path) -> anyhow::Result<PathBuf> {
    let to = absolute(to);
    let DatabaseUrl::Sqlite(database) = &settings.database_url else {
        bail!(
            "`backup` is for SQLite. PostgreSQL is backed up by its own tools: `pg_dump --format=custom --file={} DATABASE_URL`; \
             the way back is `pg_restore --clean --if-exists --dbname=DATABASE_URL {}`, then `countersign restore --already-restored`",
            to.display(),
            to.display()
        );
    };
    judge_new_file(&to)?;
    let draft = beside(&to, ".part");
    let held = hold(&draft)?;
    // Another backup may have finished before this one held the draft.
    let copied = judge_new_file(&to)
        .and_then(|()| begin_anew(&draft, &held))
        .and_then(|()| backup::copy(database, &draft))
        .and_then(|()| Ok(File::open(&draft)?.sync_all()?))
        .and_then(|()| put(&draft, &to));
    if copied.is_err() {
        // Half a copy is not a backup. The first error is the one to report.
        drop(fs::remove_file(&draft));
    }
    drop(held);
    copied?;
    // The database gets a new mark, so the copy is recognised as an older state from now on.
    let fresh = beginning(settings, chance, Clock::System.now(), None).fresh;
    if let Some(mark) = backup::mark(&engine(settings)?, &fresh)? {
        MarkFile::of(settings).keep(&mark);
    }
    Ok(to)
}

/// Makes the draft of a backup, or takes the one that a killed backup left, and locks it while the file is open.
/// The lock ends with the process, however that ends.
fn hold(draft: &Path) -> anyhow::Result<File> {
    let told = || format!("cannot make {}", draft.display());
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false);
    let file = private(options).open(draft).with_context(told)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!(
            "another backup is being made, in {}: wait for its end",
            draft.display()
        ),
        Err(TryLockError::Error(error)) => return Err(error).with_context(told),
    }
    // The one that was opened may have been renamed meanwhile, or lie behind a link.
    let (named, opened) = (
        fs::symlink_metadata(draft).with_context(told)?,
        file.metadata()?,
    );
    if !named.is_file() || !same_file(&named, &opened) {
        bail!(
            "{} is in the way: another file took its place, or it is a link; try again, or remove it",
            draft.display()
        );
    }
    Ok(file)
}

#[cfg(unix)]
fn same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn same_file(_one: &Metadata, _other: &Metadata) -> bool {
    true
}

/// Empties the draft that is held, and makes it readable by its owner only. Log files of before would be taken for its
/// own.
fn begin_anew(draft: &Path, held: &File) -> anyhow::Result<()> {
    for end in ["-wal", "-shm", "-journal"] {
        remove_one(&beside(draft, end))?;
    }
    held.set_len(0)?;
    #[cfg(unix)]
    held.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(())
}

/// Checks that a backup can be written there, before anything is written.
fn judge_new_file(to: &Path) -> anyhow::Result<()> {
    if to.is_dir() {
        bail!("{} is a folder: name a new file in it", to.display());
    }
    if to.try_exists()? {
        bail!("{} exists already: name a new file", to.display());
    }
    let folder = folder(to);
    if !folder.is_dir() {
        bail!(
            "the folder {} does not exist: make it, or name another one",
            folder.display()
        );
    }
    Ok(())
}

/// Replaces the SQLite database by a backup, and begins a new epoch in it. The server must not run. The
/// replaced database is kept under another name.
///
/// # Errors
/// Returns an error, with nothing changed, if the backup is damaged or not a database of Countersign, if it
/// belongs to other keys, or if the server runs.
pub fn restore(
    settings: &Settings,
    from: &Path,
    keep_codes: bool,
) -> anyhow::Result<RestoreReport> {
    let from = &absolute(from);
    let DatabaseUrl::Sqlite(database) = &settings.database_url else {
        bail!(
            "`restore --from` is for SQLite. Run `pg_restore --clean --if-exists --dbname=DATABASE_URL {}`, \
             then `countersign restore --already-restored`",
            from.display()
        );
    };
    judge_backup(from)?;
    let there = database.try_exists()?;
    if there && fs::canonicalize(from)? == fs::canonicalize(database)? {
        bail!(
            "{} is the database itself: name a file that `countersign backup` made",
            from.display()
        );
    }
    // A database that cannot be read is replaced too. Backups are made for this case.
    let replaced = there.then(|| backup::check(database));
    if let Some(Ok(())) = replaced {
        backup::close(database)?;
    }
    let draft = beside(database, ".restoring");
    let folder = folder(database);
    make_folder(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    remove(&draft)?;
    empty(&draft)?;
    owned_like(&draft, if there { database } else { folder });
    let restored = prepare(settings, from, &draft, replaced, keep_codes)
        .and_then(|restored| Ok((exchange(database, &draft)?, restored)));
    if restored.is_err() {
        // The first error is the one to report.
        drop(remove(&draft));
    }
    let (aside, restored) = restored?;
    MarkFile::of(settings).keep(&restored.begun.mark);
    Ok(RestoreReport { aside, ..restored })
}

/// Checks that a file is a complete backup.
fn judge_backup(from: &Path) -> anyhow::Result<()> {
    if !from.try_exists()? {
        bail!("there is no file {}: name a backup", from.display());
    }
    let told = || {
        format!(
            "{} is not a complete backup: name a file that `countersign backup` made",
            from.display()
        )
    };
    if from.is_dir() {
        bail!("{}: it is a folder", told());
    }
    backup::check(from).with_context(told)
}

/// Prepares the backup in a separate file, so that the database can be replaced in one step.
fn prepare(
    settings: &Settings,
    from: &Path,
    draft: &Path,
    replaced: Option<anyhow::Result<()>>,
    keep_codes: bool,
) -> anyhow::Result<RestoreReport> {
    let DatabaseUrl::Sqlite(database) = &settings.database_url else {
        bail!("not an SQLite database");
    };
    backup::copy(from, draft)?;
    let chance = Chance::system();
    let now = Clock::System.now();
    let seen = MarkFile::of(settings).seen();
    let mut restoring = open(settings, &chance, draft)
        .with_context(|| format!("the backup {} cannot be used", from.display()))?;
    let learned = replaced.map(|readable| {
        readable?;
        if let Some(seen) = &seen
            && is_older(database, seen)?
        {
            bail!("it is itself older than the one that was last in use");
        }
        restoring.catch_up(database, now)
    });
    let (learned, unread) = match learned {
        None => (None, None),
        Some(Ok(learned)) => (Some(learned), None),
        Some(Err(error)) => (None, Some(format!("{error:#}"))),
    };
    let begun = restoring.begin(&EpochInput {
        keep_codes: keep_codes || learned.is_some(),
        ..beginning(settings, &chance, now, seen)
    })?;
    backup::close(draft)?;
    File::open(draft)?.sync_all()?;
    Ok(RestoreReport {
        begun,
        learned,
        unread,
        aside: None,
    })
}

/// Whether the database to be replaced is not the last state that was seen.
fn is_older(database: &Path, seen: &Mark) -> anyhow::Result<bool> {
    let came = backup::mark_of(database)?;
    Ok(came.is_none_or(|came| came != *seen && came.went_back(seen)))
}

/// Begins a new epoch in a database that was restored by other means.
///
/// # Errors
/// Returns an error if the database cannot be reached or belongs to other keys.
pub fn already_restored(settings: &Settings, keep_codes: bool) -> anyhow::Result<RestoreReport> {
    let (chance, now) = (Chance::system(), Clock::System.now());
    let mark = MarkFile::of(settings);
    let seen = mark.seen();
    let mut restoring = Restoring::open(engine(settings)?)?;
    check_keys(settings, &chance, &mut restoring)?;
    let begun = restoring.begin(&EpochInput {
        keep_codes,
        ..beginning(settings, &chance, now, seen)
    })?;
    mark.keep(&begun.mark);
    Ok(RestoreReport {
        begun,
        learned: None,
        unread: None,
        aside: None,
    })
}

fn open(settings: &Settings, chance: &Chance, draft: &Path) -> anyhow::Result<Restoring> {
    let draft = DatabaseUrl::Sqlite(draft.to_owned());
    let settings = Settings {
        database_url: draft,
        ..settings.clone()
    };
    let mut restoring = Restoring::open(engine(&settings)?)?;
    check_keys(&settings, chance, &mut restoring)?;
    Ok(restoring)
}

/// Checks that a backup belongs to these keys. With other keys, its sealed values could not be opened.
fn check_keys(
    settings: &Settings,
    chance: &Chance,
    restoring: &mut Restoring,
) -> anyhow::Result<()> {
    let canaries = restoring.canaries()?;
    if canaries.is_empty() {
        return Ok(());
    }
    if !settings.key_file.try_exists()? {
        bail!(
            "the key file {} does not exist, but this backup needs it: restore the one that belongs to it first, or name it with --key-file",
            settings.key_file.display()
        );
    }
    let vault = Vault::open(settings, &Clock::System, chance)?;
    restoring.judge(|tx| settle(tx, &vault, &[]))
}

/// Replaces the database by the draft. Returns the new name of the old database, if there was one.
fn exchange(database: &Path, draft: &Path) -> anyhow::Result<Option<PathBuf>> {
    let aside = unused(database)?;
    // A log file left behind would be taken for a log of the new database, even if its own database is gone.
    for end in ["-wal", "-shm", "-journal"] {
        let left = beside(database, end);
        if left.try_exists()? {
            fs::rename(&left, beside(&aside, end))?;
        }
    }
    let there = database.try_exists()?;
    if there {
        fs::hard_link(database, &aside)
            .with_context(|| format!("cannot keep the database as {}", aside.display()))?;
    }
    put(draft, database)?;
    Ok(there.then_some(aside))
}

/// Returns an unused name beside the database.
fn unused(database: &Path) -> io::Result<PathBuf> {
    for number in 1_u32.. {
        let name = beside(database, &format!(".replaced-{number}"));
        if !name.try_exists()? && !beside(&name, "-wal").try_exists()? {
            return Ok(name);
        }
    }
    Err(io::Error::from(ErrorKind::AlreadyExists))
}

/// Renames a file, and makes sure that the new name is on the disk.
fn put(draft: &Path, to: &Path) -> anyhow::Result<()> {
    fs::rename(draft, to).with_context(|| format!("cannot write {}", to.display()))?;
    File::open(folder(to))?.sync_all()?;
    Ok(())
}

fn folder(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Creates an empty file that only its owner can read.
fn empty(path: &Path) -> anyhow::Result<()> {
    let made = private(OpenOptions::new().write(true).create_new(true)).open(path);
    made.with_context(|| format!("cannot make {}", path.display()))?;
    Ok(())
}

/// Removes a database file and its log files, if they exist.
fn remove(path: &Path) -> io::Result<()> {
    for end in ["", "-wal", "-shm", "-journal"] {
        remove_one(&beside(path, end))?;
    }
    Ok(())
}

fn remove_one(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
