//! The key file on the disk: made once, private to its owner, replaced as a whole, noticed when changed.

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

/// How the name of a file ends that is not yet in its place.
const DRAFT: &str = ".new";
use crate::model::typed;

/// What tells one state of the file from the next without reading it.
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

/// The present state of the file at `path`.
pub(super) fn stamp(path: &Path) -> Result<Stamp> {
    let metadata = fs::metadata(path).with_context(|| at(path))?;
    Ok(Stamp::of(&metadata))
}

/// Reads the file, unless others than its owner may read it. What is read is on the disk: who made the
/// file may have been killed before it was, and what its keys seal must not outlive them.
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
    // Some editors write one at the head of a file that they save.
    if text.starts_with(typed::BYTE_ORDER_MARK) {
        text.remove(0);
    }
    Ok((text, Stamp::of(&metadata)))
}

/// Whether there is a file at `path`.
pub(super) fn exists(path: &Path) -> Result<bool> {
    match path.try_exists() {
        // Whoever makes it is told what is in the way.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        exists => exists.with_context(|| at(path)),
    }
}

/// Makes the file with what `text` yields unless there is one, and says whether it did; of several
/// servers that start at once one wins, and all read what the winner wrote.
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
    // A link, unlike a rename, never replaces what is there, and appears only when all is written.
    let linked = fs::hard_link(&draft, path);
    match fs::remove_file(&draft) {
        Ok(()) => {}
        // Whoever found the file that was made first has swept the draft away.
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

/// Replaces the content by what `change` makes of it; two changes at once happen one after the other.
/// Of a link it is the file that is replaced, which is what others read.
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
        // It holds keys; the first error is the one to tell.
        drop(fs::remove_file(&draft));
        return Err(error).with_context(|| at(path));
    }
    sync_folder(path).with_context(|| at(path))
}

/// Locks the file that is at `path` now: who waited may hold one that was replaced meanwhile.
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
        // Half a draft is no use to anyone; the first error is the one to tell.
        drop(fs::remove_file(&draft));
        return Err(error);
    }
    Ok(draft)
}

/// Removes the drafts of those who were killed while they changed the file: they hold keys. Whoever is
/// changing it now keeps theirs, and sweeps by themselves.
pub(super) fn sweep(path: &Path) {
    // Nobody waits for it: a folder that cannot be read or written is swept by nobody.
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

/// The same, by the one who has locked the file. Of a server that is making the first file it may take
/// the draft as well, once there is a file: that server reads the file then.
fn sweep_locked(path: &Path) {
    for draft in drafts(path) {
        match fs::remove_file(&draft) {
            Ok(()) => tracing::info!("removed {}, left by one who was killed", draft.display()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(
                "{} holds keys and cannot be removed: {error}",
                draft.display()
            ),
        }
    }
}

/// The drafts beside the file, by their names: the file's, who wrote it, a random number.
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

/// Which file it is, and when anything about it changed last, its mode and owner included.
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
