//! Starts a server to measure: a chosen build on a folder and a database, stopped when dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::calls::{self, Client};
use crate::workspace;

/// The name of the database's file in the server's folder.
pub const SQLITE_FILE: &str = "countersign.db";

/// A process that is killed when dropped.
pub struct Child(pub std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Child {
    /// Waits until the address accepts connections.
    ///
    /// # Errors
    /// Fails after a minute, or if the process has ended.
    pub fn wait_for(&mut self, address: SocketAddr) -> Result<()> {
        for _ in 0..6000 {
            if TcpStream::connect(address).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.0.try_wait()? {
                bail!("the server ended ({status})");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("nothing listens at {address}")
    }
}

/// Returns a loopback address where nobody listens.
///
/// # Errors
/// Fails if there is none.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A build of the server, and how to run it.
#[derive(Clone)]
pub struct Build {
    /// The program and its first arguments, which may be valgrind's.
    program: Vec<PathBuf>,
    /// Settings, by the names of their environment variables.
    settings: Vec<(&'static str, String)>,
}

impl Build {
    /// Returns the build in this profile's folder under `target/`.
    pub fn of(profile: &str) -> Self {
        let folder = workspace::target().join(profile);
        Self {
            program: vec![folder.join("countersign")],
            settings: Vec::new(),
        }
    }

    /// Returns the same build, run by another program.
    #[must_use]
    pub fn under(&self, runner: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut program: Vec<PathBuf> = runner.into_iter().collect();
        program.extend(self.program.iter().cloned());
        Self {
            program,
            settings: self.settings.clone(),
        }
    }

    /// Returns the same build with one more setting.
    #[must_use]
    pub fn with(&self, setting: &'static str, value: impl ToString) -> Self {
        let mut settings = self.settings.clone();
        settings.push((setting, value.to_string()));
        Self {
            program: self.program.clone(),
            settings,
        }
    }

    /// Returns the command that starts it at this address.
    ///
    /// # Errors
    /// Fails if there is no program.
    pub fn command(
        &self,
        folder: &Path,
        database: Option<&str>,
        address: SocketAddr,
    ) -> Result<Command> {
        let (program, arguments) = self.program.split_first().context("no program")?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("COUNTERSIGN_LISTEN", address.to_string())
            .env("COUNTERSIGN_PUBLIC_URL", "http://localhost")
            .env("COUNTERSIGN_DATA_DIR", folder)
            .env("COUNTERSIGN_LOG_FILTER", "warn")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null());
        if let Some(url) = database {
            command.env("COUNTERSIGN_DATABASE_URL", url);
        }
        Ok(command)
    }
}

/// A server that answers.
pub struct Server {
    child: Child,
    /// The address that it listens on.
    pub address: SocketAddr,
}

impl Server {
    /// Returns its process id.
    pub fn process(&self) -> u32 {
        self.child.0.id()
    }
}

/// Starts a server and waits until it answers.
///
/// # Errors
/// Fails if it does not answer.
pub fn start(build: &Build, folder: &Path, database: Option<&str>) -> Result<Server> {
    let address = free_address()?;
    let mut command = build.command(folder, database, address)?;
    let mut child = Child(command.spawn().context("starting the server")?);
    child.wait_for(address)?;
    // The address is bound before the database is opened.
    Client::connect(address)?.call(&calls::get("/healthz", "nobody"))?;
    Ok(Server { child, address })
}

/// Copies a server's folder, including its SQLite database.
///
/// # Errors
/// Fails if a file cannot be copied.
pub fn copied(folder: &Path) -> Result<tempfile::TempDir> {
    let copy = tempfile::tempdir()?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let target = copy.path().join(entry.file_name());
            std::fs::copy(entry.path(), &target)?;
            // Otherwise the copy would be flushed while something else is measured.
            std::fs::File::open(&target)?.sync_all()?;
        }
    }
    Ok(copy)
}
