//! The key file on the disk: made once, private to its owner, replaced as a whole, noticed when changed.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

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

/// Reads the file, unless others than its owner may read it.
pub(super) fn read(path: &Path) -> Result<(Zeroizing<String>, Stamp)> {
    let file = File::open(path).with_context(|| at(path))?;
    read_open(path, &file)
}

fn read_open(path: &Path, mut file: &File) -> Result<(Zeroizing<String>, Stamp)> {
    let metadata = file.metadata().with_context(|| at(path))?;
    refuse_open_to_others(&metadata, &at(path))?;
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).with_context(|| at(path))?;
    // Some editors write one at the head of a file that they save.
    if text.starts_with(typed::BYTE_ORDER_MARK) {
        text.remove(0);
    }
    Ok((text, Stamp::of(&metadata)))
}

/// Makes the file with what `text` yields unless there is one; of several servers that start at once one wins,
/// and all read what the winner wrote.
pub(super) fn create(
    path: &Path,
    unique: &str,
    text: impl FnOnce() -> Result<Zeroizing<String>>,
) -> Result<()> {
    if path.try_exists().with_context(|| at(path))? {
        return Ok(());
    }
    make_folder(folder(path)).with_context(|| at(path))?;
    let draft = write_draft(path, &text()?, unique).with_context(|| at(path))?;
    // A link, unlike a rename, never replaces what is there, and appears only when all is written.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).with_context(|| at(path))?;
    match linked {
        Ok(()) => sync_folder(path).with_context(|| at(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
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
    let (old, _) = read_open(path, &locked)?;
    let new = change(&old)?;
    let draft = write_draft(path, &new, unique).with_context(|| at(path))?;
    fs::rename(&draft, path).with_context(|| at(path))?;
    sync_folder(path).with_context(|| at(path))
}

/// Locks the file that is at `path` now: who waited may hold one that was replaced meanwhile.
fn lock(path: &Path) -> Result<File> {
    loop {
        let file = File::open(path).with_context(|| at(path))?;
        file.lock().with_context(|| at(path))?;
        let held = Stamp::of(&file.metadata().with_context(|| at(path))?);
        if stamp(path)? == held {
            return Ok(file);
        }
    }
}

fn write_draft(path: &Path, text: &str, unique: &str) -> io::Result<PathBuf> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{unique}.new"));
    let draft = path.with_file_name(name);
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&draft)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a draft is no use to anyone; the first error is the one to tell.
        drop(fs::remove_file(&draft));
        return Err(error);
    }
    Ok(draft)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Makes a folder that only its owner may enter, and those above it; one that is there stays as it is.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Lets nobody but the owner read what will be made.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Refuses a file that others than its owner may read; `what` names it.
pub(crate) fn refuse_open_to_others(metadata: &Metadata, what: &str) -> Result<()> {
    if let Some(mode) = mode_open_to_others(metadata) {
        bail!("{what} can be read by others (mode {mode:04o}): run `chmod 600` on it");
    }
    Ok(())
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

fn at(path: &Path) -> String {
    format!("the key file {}", path.display())
}

#[cfg(unix)]
fn mode_open_to_others(metadata: &Metadata) -> Option<u32> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn mode_open_to_others(_: &Metadata) -> Option<u32> {
    None
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
