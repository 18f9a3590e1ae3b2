//! What the commands print: results, complaints, and progress on a terminal.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::log;

/// Whether `--quiet` was given.
static QUIET: AtomicBool = AtomicBool::new(false);

/// How often progress is shown, and how long work must take to have any.
const BEAT: Duration = Duration::from_secs(1);

/// Makes [`tell`] and [`watched`] print nothing from now on.
pub(super) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Prints a result to standard output. A reader that stops early (`| head`) is not an error.
///
/// # Errors
/// Fails if standard output cannot be written to.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Reports on standard output what was done, unless `--quiet` was given. If that fails, it is reported on standard
/// error, since the work is done.
pub(super) fn tell(text: &str) {
    if QUIET.load(Ordering::Relaxed) {
        return;
    }
    if let Err(error) = print(&format!("{text}\n")) {
        complain(&format!("{text} ({error:#})"));
    }
}

/// Prints one line on standard error, if anybody reads it.
pub(super) fn complain(text: &str) {
    // Messages of libraries contain line breaks and indentation.
    let words: Vec<&str> = text.split_whitespace().collect();
    let name = if log::in_colour(&io::stderr()) {
        "\u{1b}[1;31mcountersign:\u{1b}[0m"
    } else {
        "countersign:"
    };
    let line = format!("{name} {}", words.join(" "));
    if !log::say(&line) {
        drop(writeln!(io::stderr(), "{line}"));
    }
}

/// Does some work. If it takes longer than a second, a terminal shows what is being done, and for how many seconds.
pub(super) fn watched<T>(what: &'static str, work: impl FnOnce() -> T) -> T {
    if QUIET.load(Ordering::Relaxed) || !io::stderr().is_terminal() {
        return work();
    }
    let (working, ended) = mpsc::channel::<()>();
    let shown = thread::spawn(move || show(what, &ended));
    let done = work();
    drop(working);
    // A thread that panicked showed nothing, and the work is done all the same.
    let _ = shown.join();
    done
}

/// Shows progress until the sender is dropped, and removes the line then.
fn show(what: &str, ended: &mpsc::Receiver<()>) {
    let begun = Instant::now();
    let mut drawn = false;
    while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
        let seconds = begun.elapsed().as_secs();
        // A terminal that is gone does not stop the work.
        let _ = write!(io::stderr(), "\r{what} … {seconds} s");
        drawn = true;
    }
    if drawn {
        let _ = write!(io::stderr(), "\r\u{1b}[K");
    }
}
