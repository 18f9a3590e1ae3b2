//! Files that contain secrets: created for their owner only, and refused if others can read them.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

/// Returns the folder of a file.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Creates a folder that only its owner may enter, and those above it. An existing folder stays as it is. The
/// new folders are on the disk afterwards, so files in them are not lost with them.
///
/// # Errors
/// Returns the system's error.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    missing.into_iter().try_for_each(sync_folder)
}

/// Makes the file to be created readable by its owner only.
pub fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Checks whether a file can be created at `path`, without creating anything.
///
/// # Errors
/// Returns an error that names the nearest existing folder, and what is wrong with it.
pub fn can_be_made(path: &Path) -> Result<()> {
    let existing = folder(path).ancestors().find_map(|folder| {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        fs::metadata(folder).ok().map(|found| (folder, found))
    });
    let (folder, found) = existing.context("it has no parent folder")?;
    if !found.is_dir() {
        bail!("{} is not a folder", absolute(folder).display());
    }
    may_be_written(folder).map_err(|error| {
        anyhow!(
            "this user cannot write to the folder {} ({error}): run `chown` or `chmod` on it",
            absolute(folder).display()
        )
    })
}

#[cfg(unix)]
fn may_be_written(folder: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(not(unix))]
fn may_be_written(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Returns the absolute path, so that the file can be found from anywhere.
pub fn absolute(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // `./` means nothing in an absolute path.
    whole.components().collect()
}

/// Writes the entry of a file in its folder to the disk.
///
/// # Errors
/// Returns the system's error.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

/// Writes a file and its folder's entry to the disk, if another process may just have created it. A file
/// system that cannot be written needs no such write.
///
/// # Errors
/// Returns the system's error, if it tried.
pub(super) fn sync_found(path: &Path, file: &File) -> io::Result<()> {
    let tried = file.sync_all().and_then(|()| sync_folder(path));
    match tried {
        Err(error) if cannot_be_synced(error.kind()) => Ok(()),
        done => done,
    }
}

fn cannot_be_synced(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::InvalidInput
            | ErrorKind::Unsupported
    )
}

/// Checks who can read a file. `what` names it in the error. If its group can read it, this is allowed for a
/// file of this process, as in a mounted volume. Then the mode is returned, for [`warn_of_group`].
///
/// # Errors
/// Returns an error if everybody can read or change it, or a group that this process is not in.
pub fn refuse_open_to_others(metadata: &Metadata, what: &str) -> Result<Option<u32>> {
    match openness(metadata) {
        None => Ok(None),
        Some(open) if open.others || !open.ours => bail!(
            "{what} can be read by others (mode {:04o}): run `chmod 600` on it",
            open.mode
        ),
        Some(open) => Ok(Some(open.mode)),
    }
}

/// Warns the operator that a file can be read by its group.
pub fn warn_of_group(mode: u32, what: &str) {
    let mode = format!("{mode:04o}");
    tracing::warn!(
        mode,
        "{what} can be read by its group: run `chmod 600` on it unless the group is this server's"
    );
}

/// The rights on a file beyond its owner's.
struct Openness {
    mode: u32,
    /// Whether everybody has any right on it.
    others: bool,
    /// Whether this process owns it, or is in its group.
    ours: bool,
}

#[cfg(unix)]
fn openness(metadata: &Metadata) -> Option<Openness> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let mode = metadata.permissions().mode() & 0o7777;
    (mode & 0o077 != 0).then(|| Openness {
        mode,
        others: mode & 0o007 != 0,
        ours: rustix::process::geteuid().as_raw() == metadata.uid() || is_our_group(metadata.gid()),
    })
}

#[cfg(unix)]
fn is_our_group(group: u32) -> bool {
    use rustix::process::{getegid, getgroups};
    let further = getgroups().unwrap_or_default();
    getegid().as_raw() == group || further.iter().any(|ours| ours.as_raw() == group)
}

#[cfg(not(unix))]
fn openness(_: &Metadata) -> Option<Openness> {
    None
}

/// Gives a new file the rights, owner and group of the one it replaces, so that the same users can read it.
///
/// # Errors
/// Returns an error if this process may not set the owner or the group.
#[cfg(unix)]
pub(super) fn inherit(new: &File, old: &Metadata) -> Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let made = new.metadata()?;
    if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
        fchown(new, Some(old.uid()), Some(old.gid())).with_context(|| {
            format!(
                "a new file cannot have its owner (user {}, group {}): run this as its owner",
                old.uid(),
                old.gid()
            )
        })?;
    }
    let mode = old.permissions().mode() & 0o770;
    Ok(new.set_permissions(fs::Permissions::from_mode(mode | 0o600))?)
}

/// Does nothing: this system has no such rights.
#[cfg(not(unix))]
pub(super) fn inherit(_: &File, _: &Metadata) -> Result<()> {
    Ok(())
}
