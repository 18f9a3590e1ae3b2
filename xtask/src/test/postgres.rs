//! A throwaway PostgreSQL cluster: created in a temporary folder, listening on loopback, removed
//! when dropped.
//!
//! PostgreSQL refuses to run as root. As root, everything therefore runs as an existing ordinary
//! user.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::process::{find, is_root, run_quietly};
use crate::tools::install;

/// Settings for a cluster whose content nobody needs after a crash, and that many small tests use
/// at once.
const SETTINGS: [&str; 7] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=400",
    "autovacuum=off",
    "unix_socket_directories=''",
    "listen_addresses='127.0.0.1'",
];

/// Settings for a cluster that keeps what it committed, as in production. The benchmark uses it.
const DURABLE: [&str; 4] = [
    "max_connections=100",
    "shared_buffers=512MB",
    "unix_socket_directories=''",
    "listen_addresses='127.0.0.1'",
];

/// A running cluster.
pub struct Cluster {
    programs: PathBuf,
    folder: TempDir,
    user: Option<User>,
    port: u16,
    settings: &'static [&'static str],
}

/// An ordinary user, by the numbers of the password file.
#[derive(Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl Cluster {
    /// Creates and starts a cluster. Installs PostgreSQL first if it is missing and we may.
    ///
    /// # Errors
    ///
    /// Fails if PostgreSQL is missing and cannot be installed, or does not start.
    pub fn start() -> Result<Self> {
        Self::with(&SETTINGS)
    }

    /// Starts a cluster as [`Cluster::start`] does, but with commits that reach the disk.
    ///
    /// # Errors
    ///
    /// Fails as [`Cluster::start`] does.
    pub fn durable() -> Result<Self> {
        Self::with(&DURABLE)
    }

    fn with(settings: &'static [&'static str]) -> Result<Self> {
        let programs = programs()?;
        let user = if is_root() {
            Some(ordinary_user()?)
        } else {
            None
        };
        let folder = tempfile::Builder::new()
            .prefix("countersign-pg-")
            .tempdir()
            .context("making a folder")?;
        if let Some(User { uid, gid }) = user {
            chown(folder.path(), Some(uid), Some(gid))
                .context("giving the folder to an ordinary user")?;
        }
        let mut cluster = Self {
            programs,
            folder,
            user,
            port: 0,
            settings,
        };
        let data = cluster.data();
        run_quietly(
            cluster
                .command("initdb")
                .args([
                    "--auth=trust",
                    "--no-sync",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--username=countersign",
                    "-D",
                ])
                .arg(&data),
        )?;
        let mut last = None;
        for _ in 0..3 {
            cluster.port = free_port()?;
            match cluster.control(&["-w", "-t", "60", "-o", &cluster.options(), "start"]) {
                Ok(()) => return Ok(cluster),
                Err(error) => last = Some(error),
            }
        }
        let log = fs::read_to_string(cluster.log()).unwrap_or_default();
        bail!(
            "PostgreSQL does not start: {:#}\n{log}",
            last.unwrap_or_else(|| anyhow::anyhow!("no attempt"))
        )
    }

    /// Returns the URL for the tests. Its only user may create databases.
    pub fn url(&self) -> String {
        format!("postgres://countersign@127.0.0.1:{}/postgres", self.port)
    }

    /// Returns the path of one of PostgreSQL's own programs.
    pub fn program(&self, name: &str) -> PathBuf {
        let beside = self.programs.join(name);
        if beside.exists() {
            return beside;
        }
        // The folder on the PATH may have links to only a few of them.
        let initdb = fs::canonicalize(self.programs.join("initdb")).unwrap_or_default();
        initdb.with_file_name(name)
    }

    /// Returns its processes: the postmaster and all that it started.
    ///
    /// # Errors
    ///
    /// Fails if it does not run.
    pub fn processes(&self) -> Result<Vec<u32>> {
        let pid = fs::read_to_string(self.data().join("postmaster.pid"))
            .context("reading the postmaster's number")?;
        let postmaster = pid.lines().next().context("an empty postmaster.pid")?;
        crate::bench::usage::family(postmaster.trim().parse()?)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn options(&self) -> String {
        let settings: Vec<String> = self
            .settings
            .iter()
            .map(|setting| format!("-c {setting}"))
            .collect();
        format!("-p {} {}", self.port, settings.join(" "))
    }

    fn control(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.command("pg_ctl");
        command
            .arg("-D")
            .arg(self.data())
            .arg("-l")
            .arg(self.log())
            .arg("-s")
            .args(arguments);
        // Not through run_quietly: the server would keep its pipes open.
        command
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null());
        crate::process::run(command.stderr(std::process::Stdio::null()))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("LC_ALL", "C");
        if let Some(User { uid, gid }) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.data().join("postmaster.pid").exists() {
            return;
        }
        if let Err(error) = self.control(&["-m", "immediate", "stop"]) {
            eprintln!("xtask: the throwaway PostgreSQL did not stop: {error:#}");
        }
    }
}

/// Returns the folder with initdb and pg_ctl: from PATH, or the newest where Debian puts them.
fn programs() -> Result<PathBuf> {
    if let Some(found) = look() {
        return Ok(found);
    }
    install("postgresql").context("the contract tests need PostgreSQL's initdb and pg_ctl")?;
    look().context("Debian's postgresql package brought no initdb")
}

fn look() -> Option<PathBuf> {
    let complete = |folder: &Path| {
        ["initdb", "pg_ctl", "postgres"]
            .iter()
            .all(|program| folder.join(program).is_file())
    };
    let from_path = find("initdb").and_then(|path| path.parent().map(Path::to_owned));
    let debian = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut versions: Vec<(u32, PathBuf)> = debian
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    versions.sort();
    from_path
        .into_iter()
        .chain(versions.into_iter().rev().map(|(_, path)| path))
        .find(|folder| complete(folder))
}

/// Returns `postgres` if that user exists, otherwise `nobody`.
fn ordinary_user() -> Result<User> {
    let accounts = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| {
            let line = accounts
                .lines()
                .find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some(User {
                uid: fields.next()?.parse().ok()?,
                gid: fields.next()?.parse().ok()?,
            })
        })
        .context(
            "PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody",
        )
}

fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}
