//! Runs the program `countersign sandbox` for as long as a value lives.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

/// What the sandbox runs beside itself. It tells the address and then waits for the end of its
/// input, which comes when the test process ends, in whatever way. Then the sandbox ends as well,
/// and removes its folder.
const BESIDE: &str = "echo \"$COUNTERSIGN_URL\" && exec cat > /dev/null";

/// How long the program may take until it serves. It hashes the passwords of its people first.
const START: Duration = Duration::from_secs(60);

/// How long the program may take to end by itself.
const END: Duration = Duration::from_secs(20);

/// How often its end is looked for.
const PAUSE: Duration = Duration::from_millis(5);

/// How many bytes of what it says are kept for an error.
const KEPT: u64 = 16_384;

/// A running program. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    /// Its input, open for as long as it is to run.
    input: Option<ChildStdin>,
}

/// What to run, and with which settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    pub(crate) program: Option<OsString>,
    pub(crate) seed: Option<u64>,
    pub(crate) settings: Vec<(String, String)>,
}

impl Start {
    /// Runs the program, and returns it with the address at which it serves.
    pub(crate) async fn run(self) -> Result<(Program, String), Error> {
        let program = self
            .program
            .clone()
            .or_else(|| std::env::var_os("COUNTERSIGN_BIN").filter(|path| !path.is_empty()))
            .unwrap_or_else(|| OsString::from("countersign"));
        let name = program.to_string_lossy().into_owned();
        let mut child = self
            .command(&program)
            .spawn()
            .map_err(|error| not_run(name.clone(), &error))?;
        let (output, said) = (child.stdout.take(), complaints(&mut child));
        let running = Program {
            input: child.stdin.take(),
            child,
        };
        let address = tokio::task::spawn_blocking(move || output.and_then(address));
        if let Ok(Ok(Some(url))) = tokio::time::timeout(START, address).await {
            return Ok((running, url));
        }
        drop(running);
        let said = said.recv_timeout(END).unwrap_or_default();
        let said = match said.trim() {
            "" => "it does not say why".to_owned(),
            told => told.to_owned(),
        };
        Err(Error::NotStarted {
            program: name,
            said,
        })
    }

    /// The command line. Settings of the server that happen to be in the environment are left out,
    /// so that a test does the same on every machine.
    fn command(&self, program: &OsStr) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COUNTERSIGN_") {
                command.env_remove(name);
            }
        }
        command
            .env("COUNTERSIGN_SHUTDOWN_TIMEOUT_SECONDS", "1")
            // Many tests at once hash many passwords at once.
            .env("COUNTERSIGN_HASH_QUEUE", "64");
        for (key, value) in &self.settings {
            command.env(format!("COUNTERSIGN_{}", key.to_uppercase()), value);
        }
        command.args(["sandbox", "--exec", BESIDE]);
        if let Some(seed) = self.seed {
            command.args(["--seed", &seed.to_string()]);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

fn not_run(program: String, error: &std::io::Error) -> Error {
    if error.kind() == ErrorKind::NotFound {
        return Error::Missing { program };
    }
    Error::NotStarted {
        program,
        said: error.to_string(),
    }
}

/// Waits for the first line; `None` if the program ends without one.
fn address(output: ChildStdout) -> Option<String> {
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).ok()?;
    let line = line.trim();
    line.starts_with("http").then(|| line.to_owned())
}

/// Reads what the program says to its standard error, so that it never waits for a reader. The
/// beginning of it comes out when the program has ended.
fn complaints(child: &mut Child) -> Receiver<String> {
    let (told, hear) = channel();
    if let Some(mut errors) = child.stderr.take() {
        thread::spawn(move || {
            let mut said = Vec::new();
            // What cannot be read is missing from an error message, and nowhere else.
            let _unreadable = errors.by_ref().take(KEPT).read_to_end(&mut said);
            let _unreadable = std::io::copy(&mut errors, &mut std::io::sink());
            let _nobody_listens = told.send(String::from_utf8_lossy(&said).into_owned());
        });
    }
    hear
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.input.take());
        let begun = Instant::now();
        while begun.elapsed() < END {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(PAUSE),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        // It did not end by itself. Nobody can be told here.
        let _ended_meanwhile = self.child.kill();
        let _ended_meanwhile = self.child.wait();
    }
}
