//! Runs the command line in a process of its own, for what only a process has: standard error,
//! signals, limits of the system.
//!
//! The process is this test program, started again as the server and nothing else.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::call::{Call, Method};
use crate::waiting::{PATIENCE, until};
use crate::{PASSWORD, Value, port, suite};

/// Tells this program that it is the command line.
pub const AS_COUNTERSIGN: &str = "CONTRACT_TESTS_AS_COUNTERSIGN";

/// A server in a process of its own, with its data in a folder of its own.
pub struct Process {
    /// The address that it listens on.
    pub address: SocketAddr,
    child: Child,
    http: reqwest::Client,
    folder: Arc<TempDir>,
}

/// Runs the command line if this process was started for that. Returns its exit code.
pub fn as_countersign() -> Option<ExitCode> {
    std::env::var_os(AS_COUNTERSIGN)?;
    Some(countersign::cli::main(std::env::args_os()))
}

impl Process {
    /// Starts `serve` with these settings (as in the environment, without `COUNTERSIGN_`), and
    /// waits until it answers. Only [`Process::log`] reads its standard error.
    ///
    /// # Panics
    /// Panics if it does not answer in time.
    pub async fn serve(settings: &[(&str, &str)]) -> Self {
        let folder = Arc::new(TempDir::new().expect("a folder"));
        let address = port::of_ones_own();
        let mut command = command(folder.path(), address, settings);
        let child = command.arg("serve").spawn().expect("a process");
        let kept = Arc::clone(&folder);
        suite::afterwards(async move { drop(kept) });
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .expect("a client");
        until("a server", async || {
            // It listens before it has its database, so only an answer shows that it serves.
            let answered = http.get(format!("http://{address}/healthz")).send().await;
            answered.is_ok().then_some(())
        })
        .await;
        Self {
            address,
            child,
            http,
            folder,
        }
    }

    /// Runs another subcommand with the settings of this server; see [`run`].
    pub async fn run(&self, arguments: &[&str]) -> (bool, String) {
        run(self.folder.path(), self.address, arguments).await
    }

    /// Starts another subcommand with the settings of this server.
    ///
    /// # Panics
    /// Panics if it cannot be started.
    pub fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = command(self.folder.path(), self.address, &[]);
        command.args(arguments).stdout(Stdio::piped());
        command.spawn().expect("a process")
    }

    /// Creates an account with [`PASSWORD`], as the operator does.
    ///
    /// # Panics
    /// Panics if it is refused.
    pub async fn user(&self, email: &str) {
        let line = self.folder.path().join("password");
        std::fs::write(&line, format!("{PASSWORD}\n")).expect("a file");
        let mut command = command(self.folder.path(), self.address, &[]);
        command
            .args(["user", "create", "--email", email])
            .stdin(File::open(line).expect("a file"));
        let output = spawn_blocking(move || command.output()).await;
        let output = output.expect("ended").expect("a process");
        assert!(output.status.success(), "{output:?}");
    }

    /// Returns the folder it runs in. Its data is in `data` there.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a call.
    pub fn call(&self, method: Method, path: &str) -> Call {
        Call::new(
            &self.http,
            &format!("http://{}", self.address),
            method,
            path,
        )
    }

    /// Gets a path.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// Posts a body.
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    /// Returns its process id, for the tools of the system.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Runs a system tool on it.
    ///
    /// # Panics
    /// Panics if the tool fails.
    pub fn tool(&self, program: &str, arguments: &[&str]) {
        let status = Command::new(program).args(arguments).status();
        assert!(status.expect(program).success(), "{program} {arguments:?}");
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.tool("kill", &["-TERM", &self.id().to_string()]);
    }

    /// Returns its standard error, for reading from now on, or never.
    ///
    /// # Panics
    /// Panics if it was taken before.
    pub fn log(&mut self) -> File {
        let error = self.child.stderr.take().expect("standard error");
        File::from(std::os::fd::OwnedFd::from(error))
    }

    /// Waits until it ends on its own.
    ///
    /// # Panics
    /// Panics if it does not end in time.
    pub async fn ended(&mut self) -> ExitStatus {
        until("the end of the process", async || {
            self.child.try_wait().expect("a process")
        })
        .await
    }
}

/// Makes the command of a program that survives writing to a full file (RLIMIT_FSIZE).
fn command(folder: &Path, address: SocketAddr, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new("/bin/sh");
    let given = settings
        .iter()
        .map(|(name, value)| (format!("COUNTERSIGN_{name}"), value));
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().expect("this program"))
        .env_clear()
        .current_dir(folder)
        .env(AS_COUNTERSIGN, "1")
        .env("COUNTERSIGN_LISTEN", address.to_string())
        .env("COUNTERSIGN_HASH_SLOTS", "1")
        .env("COUNTERSIGN_SHUTDOWN_TIMEOUT_SECONDS", "1")
        .envs(given)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Runs a subcommand to its end, for the server that listens at `address` with its data in
/// `folder`. Returns whether it succeeded, and its output.
///
/// # Panics
/// Panics if it cannot be started.
pub async fn run(
    folder: impl AsRef<Path>,
    address: SocketAddr,
    arguments: &[&str],
) -> (bool, String) {
    let (code, said) = ended(folder, address, arguments).await;
    (code == Some(0), said)
}

/// The same with the exit code that it ended with.
///
/// # Panics
/// When it cannot be started.
pub async fn ended(
    folder: impl AsRef<Path>,
    address: SocketAddr,
    arguments: &[&str],
) -> (Option<i32>, String) {
    let mut command = command(folder.as_ref(), address, &[]);
    command.args(arguments).stdout(Stdio::piped());
    let output = spawn_blocking(move || command.output()).await;
    let output = output.expect("ended").expect("a process");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.code(), said)
}

/// Reads lines to the end while the test goes on.
///
/// # Panics
/// Panics if it cannot be read, or is not text.
pub async fn lines(mut from: File) -> Vec<String> {
    let read = spawn_blocking(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).expect("readable");
        text
    });
    let text = read.await.expect("read");
    text.lines().map(str::to_owned).collect()
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
