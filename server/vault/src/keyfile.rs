//! The key file on the disk: created once, readable by its owner only, replaced as a whole, and checked for
//! changes.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow};
use zeroize::Zeroizing;

use super::access::{
    folder, inherit, make_folder, private, refuse_open_to_others, sync_folder, sync_found,
    warn_of_group,
};

/// The ending of a file that is still being written.
const DRAFT: &str = ".new";
use crate::model::typed;

/// What distinguishes two states of the file without reading it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: Inode,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            inode: inode(metadata),
        }
    }
}

/// Returns the present state of the file at `path`.
pub(super) fn stamp(path: &Path) -> Result<Stamp> {
    let metadata = fs::metadata(path).with_context(|| at(path))?;
    Ok(Stamp::of(&metadata))
}

/// Reads the file, unless others than its owner can read it. It is on the disk afterwards: its creator may
/// have been killed before that, and what its keys seal must not outlive them.
pub(super) fn read(path: &Path) -> Result<(Zeroizing<String>, Stamp)> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => anyhow!(
            "{}: {error}: this user must be able to read it: run `chown` or `chmod` on it",
            at(path)
        ),
        _ => anyhow::Error::from(error).context(at(path)),
    })?;
    let read = read_open(path, &file)?;
    sync_found(path, &file).with_context(|| at(path))?;
    Ok(read)
}

fn read_open(path: &Path, mut file: &File) -> Result<(Zeroizing<String>, Stamp)> {
    let metadata = file.metadata().with_context(|| at(path))?;
    if let Some(mode) = refuse_open_to_others(&metadata, &at(path))? {
        warn_of_group(mode, &at(path));
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).with_context(|| at(path))?;
    // Some editors save a byte-order mark at the start of a file.
    if text.starts_with(typed::BYTE_ORDER_MARK) {
        text.remove(0);
    }
    Ok((text, Stamp::of(&metadata)))
}

/// Whether there is a file at `path`.
pub(super) fn exists(path: &Path) -> Result<bool> {
    match path.try_exists() {
        // The later attempt to create the file says what is in the way.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        exists => exists.with_context(|| at(path)),
    }
}

/// Creates the file with the result of `text`, unless there is one, and returns whether it did. Of several
/// servers that start at once, one creates it, and all read it.
pub(super) fn create(
    path: &Path,
    unique: &str,
    text: impl FnOnce() -> Result<Zeroizing<String>>,
) -> Result<bool> {
    if exists(path)? {
        return Ok(false);
    }
    make_folder(folder(path)).with_context(|| at(path))?;
    let draft = write_draft(path, &text()?, unique, None).with_context(|| at(path))?;
    // A link never replaces a file, unlike a rename, and appears only when the file is complete.
    let linked = fs::hard_link(&draft, path);
    match fs::remove_file(&draft) {
        Ok(()) => {}
        // Another server may have found the file that came first, and removed this draft.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| at(path)),
    }
    match linked {
        Ok(()) => {
            sync_folder(path).with_context(|| at(path))?;
            Ok(true)
        }
        Err(_) if exists(path)? => Ok(false),
        Err(error) => Err(error).with_context(|| at(path)),
    }
}

/// Replaces the content by the result of `change`. Two changes at once happen one after the other. If `path`
/// is a link, the file behind it is replaced, which is what others read.
pub(super) fn change(
    path: &Path,
    unique: &str,
    change: impl FnOnce(&str) -> Result<Zeroizing<String>>,
) -> Result<()> {
    let path = &fs::canonicalize(path).with_context(|| at(path))?;
    let locked = lock(path)?;
    sweep_locked(path);
    let (old, _) = read_open(path, &locked)?;
    let new = change(&old)?;
    let metadata = locked.metadata().with_context(|| at(path))?;
    let draft = write_draft(path, &new, unique, Some(&metadata)).with_context(|| at(path))?;
    if let Err(error) = fs::rename(&draft, path) {
        // The draft contains keys. The first error is the one to report.
        drop(fs::remove_file(&draft));
        return Err(error).with_context(|| at(path));
    }
    sync_folder(path).with_context(|| at(path))
}

/// Locks the file that is at `path` now. While this waits for the lock, the file may be replaced.
fn lock(path: &Path) -> Result<File> {
    loop {
        let file = File::open(path).with_context(|| at(path))?;
        file.lock().with_context(|| at(path))?;
        if is_at(path, &file)? {
            return Ok(file);
        }
    }
}

/// Whether this is the file that is at `path` now.
fn is_at(path: &Path, file: &File) -> Result<bool> {
    let held = Stamp::of(&file.metadata().with_context(|| at(path))?);
    Ok(stamp(path)? == held)
}

fn write_draft(
    path: &Path,
    text: &str,
    unique: &str,
    replaces: Option<&Metadata>,
) -> Result<PathBuf> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{unique}{DRAFT}"));
    let draft = path.with_file_name(name);
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&draft)?;
    let written = replaces
        .map_or(Ok(()), |old| inherit(&file, old))
        .and_then(|()| Ok(file.write_all(text.as_bytes())?))
        .and_then(|()| Ok(file.sync_all()?));
    if let Err(error) = written {
        // Half a draft is useless. The first error is the one to report.
        drop(fs::remove_file(&draft));
        return Err(error);
    }
    Ok(draft)
}

/// Removes drafts of processes that were killed while they changed the file. They contain keys. If a process
/// is changing the file now, its draft stays, and that process removes the others.
pub(super) fn sweep(path: &Path) {
    // Nothing depends on this, so a folder that cannot be read or written is skipped.
    let Ok(path) = fs::canonicalize(path) else {
        return;
    };
    if drafts(&path).is_empty() {
        return;
    }
    let Ok(file) = File::open(&path) else {
        return;
    };
    if file.try_lock().is_ok() && is_at(&path, &file).unwrap_or(false) {
        sweep_locked(&path);
    }
}

/// Removes drafts, for the process that has locked the file. This may include the draft of a server that is
/// just creating the first file. Since there is a file now, that server reads it.
fn sweep_locked(path: &Path) {
    for draft in drafts(path) {
        match fs::remove_file(&draft) {
            Ok(()) => tracing::info!(
                "removed {}, which a killed process had left",
                draft.display()
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(
                "{} contains keys and cannot be removed: {error}",
                draft.display()
            ),
        }
    }
}

/// Returns the drafts beside the file. Their names have the file's name, the process id and a random number.
fn drafts(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_draft = |found: &str| {
        let unique = found
            .strip_prefix(&*name)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.strip_suffix(DRAFT));
        let hex = |text: &str| text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let parts = unique.and_then(|unique| unique.split_once('-'));
        parts.is_some_and(|(process, number)| hex(process) && hex(number))
    };
    let found = fs::read_dir(folder(path)).into_iter().flatten().flatten();
    found
        .filter(|entry| is_draft(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect()
}

fn at(path: &Path) -> String {
    format!("the key file {} (setting key_file)", path.display())
}

/// The file's identity, and when anything about it last changed, including its mode and owner.
#[cfg(unix)]
type Inode = (u64, i64, i64);

#[cfg(unix)]
fn inode(metadata: &Metadata) -> Inode {
    use std::os::unix::fs::MetadataExt;
    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
type Inode = ();

#[cfg(not(unix))]
fn inode(_: &Metadata) -> Inode {}
