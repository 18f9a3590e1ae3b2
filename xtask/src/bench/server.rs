//! A server to be measured: which build, started on a folder and a database, gone when dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::calls::{self, Client};
use crate::workspace;

/// The database's file in the server's folder.
pub const SQLITE_FILE: &str = "countersign.db";

/// A process that ends with its owner.
pub struct Child(pub std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Child {
    /// Waits until the address takes connections.
    ///
    /// # Errors
    /// After a minute, or when the process has ended.
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

/// A loopback address nobody listens at.
///
/// # Errors
/// When there is none.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A build of the server, and how it is run.
#[derive(Clone)]
pub struct Build {
    /// The program and its first arguments, such as valgrind's.
    program: Vec<PathBuf>,
    /// Settings by their environment variables.
    settings: Vec<(&'static str, String)>,
}

impl Build {
    /// The build of this profile's folder under `target/`.
    pub fn of(profile: &str) -> Self {
        let folder = workspace::target().join(profile);
        Self {
            program: vec![folder.join("countersign")],
            settings: Vec::new(),
        }
    }

    /// The same, run by another program.
    #[must_use]
    pub fn under(&self, runner: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut program: Vec<PathBuf> = runner.into_iter().collect();
        program.extend(self.program.iter().cloned());
        Self {
            program,
            settings: self.settings.clone(),
        }
    }

    /// The same with a setting.
    #[must_use]
    pub fn with(&self, setting: &'static str, value: impl ToString) -> Self {
        let mut settings = self.settings.clone();
        settings.push((setting, value.to_string()));
        Self {
            program: self.program.clone(),
            settings,
        }
    }

    /// The command that starts it at this address.
    ///
    /// # Errors
    /// When there is no program.
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
    /// Where.
    pub address: SocketAddr,
}

impl Server {
    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.0.id()
    }
}

/// Starts a server, and waits until it answers.
///
/// # Errors
/// When it does not.
pub fn start(build: &Build, folder: &Path, database: Option<&str>) -> Result<Server> {
    let address = free_address()?;
    let mut command = build.command(folder, database, address)?;
    let mut child = Child(command.spawn().context("starting the server")?);
    child.wait_for(address)?;
    // The address is taken before the database is opened.
    Client::connect(address)?.call(&calls::get("/healthz", "nobody"))?;
    Ok(Server { child, address })
}

/// Copies a server's folder, its SQLite database included.
///
/// # Errors
/// When a file cannot be copied.
pub fn copied(folder: &Path) -> Result<tempfile::TempDir> {
    let copy = tempfile::tempdir()?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let target = copy.path().join(entry.file_name());
            std::fs::copy(entry.path(), &target)?;
            // What is not yet on the disk would be written while something else is measured.
            std::fs::File::open(&target)?.sync_all()?;
        }
    }
    Ok(copy)
}
