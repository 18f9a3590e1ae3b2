//! The server under load: the release binary, on either database, and its memory when idle.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use super::load::{self, Measured};
use super::{Sizes, all_well, engine, seed};
use crate::test::postgres::Cluster;
use crate::workspace;

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
    /// After twenty seconds.
    pub fn wait_for(&self, address: SocketAddr) -> Result<()> {
        for _ in 0..200 {
            if TcpStream::connect(address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("nothing listens at {address}")
    }

    /// Resident memory in bytes (`VmRSS` of proc(5)).
    fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let kilobytes: u64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix("kB"))
            .and_then(|number| number.trim().parse().ok())
            .context("no VmRSS")?;
        Ok(kilobytes * 1024)
    }
}

/// A loopback address nobody listens at.
///
/// # Errors
/// When there is none.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn start(folder: &Path, database: Option<&str>) -> Result<(Child, SocketAddr)> {
    let address = free_address()?;
    let mut command = Command::new(workspace::target().join("release/countersign"));
    command
        .env("COUNTERSIGN_LISTEN", address.to_string())
        .env("COUNTERSIGN_PUBLIC_URL", "http://localhost")
        .env("COUNTERSIGN_DATA_DIR", folder)
        .env("COUNTERSIGN_LOG_FILTER", "warn")
        .stdout(Stdio::null());
    if let Some(url) = database {
        command.env("COUNTERSIGN_DATABASE_URL", url);
    }
    let child = Child(command.spawn().context("starting the server")?);
    child.wait_for(address)?;
    Ok((child, address))
}

/// Measures sign-in steps on SQLite.
///
/// # Errors
/// When seeding, starting or an answer fails.
pub fn sqlite(sizes: Sizes) -> Result<Measured> {
    let folder = tempfile::tempdir()?;
    seed::fill(folder.path(), None, sizes.users)?;
    let (_child, address) = start(folder.path(), None)?;
    steps(address, sizes)
}

/// Measures sign-in steps on PostgreSQL.
///
/// # Errors
/// When seeding, starting or an answer fails.
pub fn postgres(cluster: &Cluster, sizes: Sizes) -> Result<Measured> {
    let folder = tempfile::tempdir()?;
    let url = engine::database(cluster, "server")?;
    seed::fill(folder.path(), Some(&url), sizes.users)?;
    let (_child, address) = start(folder.path(), Some(&url))?;
    steps(address, sizes)
}

/// Each user signs in once, with the code that their app shows at that moment.
fn steps(address: SocketAddr, sizes: Sizes) -> Result<Measured> {
    let requests = move |number: usize| {
        let number = u32::try_from(number).ok()?.checked_add(1)?;
        if number > sizes.users {
            return None;
        }
        let number = seed::nth(number, sizes.users);
        #[expect(
            clippy::disallowed_methods,
            reason = "the server under load reads the same clock"
        )]
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .ok()?
            .as_secs();
        let code = seed::authenticator(number).ok()?.generate(now);
        let body = format!(
            "{{\"mfaToken\":\"{}\",\"code\":\"{code}\"}}",
            seed::token(number)
        );
        Some(load::post("/identity/mfa/login/verify", &body))
    };
    let measured = load::run(
        address,
        sizes.connections,
        sizes.duration(),
        Arc::new(requests),
    )?;
    all_well(&measured)?;
    Ok(measured)
}

/// What an idle server holds in memory: in all, and without the blocks that password hashing keeps.
///
/// # Errors
/// When the server does not start.
pub fn idle_memory(seconds: u64) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let (child, _) = start(folder.path(), None)?;
    std::thread::sleep(Duration::from_secs(seconds));
    let resident = child.resident()?;
    let slots =
        std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)) as u64;
    let blocks = slots * 19_456 * 1024;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    Ok(format!(
        "Resident {seconds} s after the start, without traffic: {:.1} MB, of which password hashing may keep {:.1} MB ({slots} slot(s))",
        megabytes(resident),
        megabytes(blocks)
    ))
}
