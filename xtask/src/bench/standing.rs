//! Measures what a server needs when little is asked of it: memory at rest, memory for clients that
//! hold connections, and time to the first answer.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use countersign_base::config::Settings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use super::calls::{self, Client};
use super::report::{Report, counted};
use super::server::{self, Build, Child, Server};
use super::{Sizes, usage};

/// Connections that clients hold open.
const CONNECTIONS: usize = 10_000;

/// Bytes of a head that each client sends: nearly all that actix accepts, which is 128 KiB.
const HEAD_BYTES: usize = 120 * 1024;

/// Starts that are timed.
const STARTS: usize = 10;

/// A server at rest. Since its start it was only asked whether it is there.
pub struct Idle {
    server: Server,
    since: Instant,
    folder: TempDir,
}

impl Idle {
    /// Starts the server. Other work may be done while it rests.
    ///
    /// # Errors
    /// Fails if it does not start.
    pub fn start(build: &Build) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        Ok(Self {
            server: server::start(build, folder.path(), None)?,
            since: Instant::now(),
            folder,
        })
    }

    /// Waits until it has rested long enough. Measures its memory, and what the first password
    /// adds.
    ///
    /// # Errors
    /// Fails if it has ended.
    pub fn measure(self, seconds: u64, report: &mut Report) -> Result<()> {
        let rest = Duration::from_secs(seconds);
        std::thread::sleep(rest.saturating_sub(self.since.elapsed()));
        let resident = usage::memory(self.server.process(), "VmRSS")?;
        let what =
            format!("Resident {seconds} s after the start or later, nothing asked but its health");
        report.fact("idle_memory", what, megabytes(resident), "MB");
        // The user does not exist. The password is hashed all the same, and refused.
        let (_, good) = Client::connect(self.server.address)?.send(&calls::login(1))?;
        if good {
            bail!("nobody signed in");
        }
        let settings = Settings::for_test(self.folder.path())?;
        let blocks = u64::from(settings.hash_slots) * u64::from(settings.argon2_memory_kib) * 1024;
        let what = format!(
            "Kept for password hashing from the first password on, {}",
            counted(settings.hash_slots, "slot")
        );
        report.fact("argon2_memory", what, megabytes(blocks), "MB");
        Ok(())
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Measures the memory with connections that have each sent a head and a body up to their limits,
/// except the last byte.
///
/// # Errors
/// Fails if the server does not start, or the limit of open files allows fewer connections.
pub fn holding_on(build: &Build, report: &mut Report) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )?;
    let folder = tempfile::tempdir()?;
    let build = build.with("COUNTERSIGN_HTTP_CONNECTIONS", CONNECTIONS);
    let server = server::start(&build, folder.path(), None)?;
    let body_bytes = Settings::for_test(folder.path())?.body_limit_bytes as usize;
    let request = unfinished(body_bytes);
    let mut held = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(server.address)
            .with_context(|| format!("connection {number}: is the limit of open files too low?"))?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(&request)?;
        held.push(stream);
    }
    std::thread::sleep(Duration::from_millis(500));
    let most = usage::memory(server.process(), "VmHWM")?;
    let open = held.iter_mut().filter_map(|stream| is_open(stream).ok());
    let open = open.filter(|open| *open).count();
    let what = format!(
        "Resident at most, {CONNECTIONS} connections with a head of {} KiB and a body of {} KiB each but for its last byte, {open} of them open at the end",
        HEAD_BYTES / 1024,
        body_bytes / 1024
    );
    report.fact("connections_memory", what, megabytes(most), "MB");
    Ok(())
}

/// Makes a request whose last byte is missing.
fn unfinished(body_bytes: usize) -> Vec<u8> {
    let mut request = format!(
        "POST /identity/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {body_bytes}\r\n"
    );
    while request.len() + 8 * 1024 < HEAD_BYTES {
        request.push_str(&format!(
            "X-Long-{}: {}\r\n",
            request.len(),
            "x".repeat(8000)
        ));
    }
    request.push_str("\r\n");
    request.push_str(&" ".repeat(body_bytes - 1));
    request.into_bytes()
}

/// Tells whether the server has neither answered nor hung up.
fn is_open(stream: &mut TcpStream) -> Result<bool> {
    stream.set_nonblocking(true)?;
    match stream.read(&mut [0]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
        Ok(_) | Err(_) => Ok(false),
    }
}

/// Measures the time from the start of the process to the first answer: on a migrated database
/// without users, and on the seeded one.
///
/// # Errors
/// Fails if it does not answer.
pub fn starts(build: &Build, seeded: &Path, sizes: &Sizes, report: &mut Report) -> Result<()> {
    let empty = tempfile::tempdir()?;
    drop(server::start(build, empty.path(), None)?);
    let took = median_start(build, empty.path())?;
    let what = format!("Start to first answer, median of {STARTS}");
    report.fact("start", what, took, "ms");
    let copy = server::copied(seeded)?;
    let took = median_start(build, copy.path())?;
    let count = super::report::thousands(sizes.users().into());
    let what = format!("The same with {count} users");
    report.fact("start_seeded", what, took, "ms");
    Ok(())
}

fn median_start(build: &Build, folder: &Path) -> Result<f64> {
    let mut times = (0..STARTS)
        .map(|_| one_start(build, folder))
        .collect::<Result<Vec<_>>>()?;
    times.sort_by(f64::total_cmp);
    times.get(STARTS / 2).copied().context("no start")
}

/// Returns the time of one start, in milliseconds.
fn one_start(build: &Build, folder: &Path) -> Result<f64> {
    let address = server::free_address()?;
    let mut command = build.command(folder, None, address)?;
    let begun = Instant::now();
    let _child = Child(command.spawn().context("starting the server")?);
    while begun.elapsed() < Duration::from_secs(60) {
        if let Ok(mut client) = Client::connect(address) {
            client.call(&calls::get("/healthz", "nobody"))?;
            return Ok(begun.elapsed().as_secs_f64() * 1000.0);
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    bail!("the server does not answer")
}
