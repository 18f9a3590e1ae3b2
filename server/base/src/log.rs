//! The log. Lines wait in a queue and a thread of its own writes them, so that a slow reader of the
//! log delays nobody.

mod json;

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use tracing::Dispatch;
use tracing::dispatcher::{set_global_default, with_default};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{LogFormat, Settings};

/// How many lines may wait: room for a burst, and a few megabytes if the reader hangs.
const QUEUE: usize = 8192;

/// How often dropped lines are reported while more are dropped.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How long the end of the process waits for lines that nobody reads.
const FAREWELL: Duration = Duration::from_secs(1);

/// The pause if standard error is a non-blocking pipe without room.
const PAUSE: Duration = Duration::from_millis(10);

/// The log of this process, once started.
static LOG: OnceLock<Queue> = OnceLock::new();

/// The queue to the writing thread. As a writer, it takes whole lines and never blocks.
#[derive(Clone)]
struct Queue {
    entries: flume::Sender<Entry>,
    dropped: Arc<AtomicU64>,
}

enum Entry {
    Line(Vec<u8>),
    /// Asks for a signal when all lines before it are written.
    Flush(flume::Sender<()>),
}

/// Standard error without its lock, which others would wait for.
#[derive(Clone)]
struct Out(Arc<File>);

/// The style of log lines.
#[derive(Clone, Copy)]
struct Style {
    format: LogFormat,
    ansi: bool,
}

/// Starts the log of this process. Lines go to standard error; a reader that is too slow loses
/// lines, and nothing else happens. Panics are logged, too.
///
/// # Errors
/// Fails if it was started before, or the thread cannot be started.
pub fn start(settings: &Settings) -> anyhow::Result<()> {
    let error = io::stderr();
    let style = Style {
        format: settings.log_format,
        ansi: in_colour(&error),
    };
    let out = Out(Arc::new(File::from(error.as_fd().try_clone_to_owned()?)));
    let (entries, queued) = flume::bounded(QUEUE);
    let queue = Queue {
        entries,
        dropped: Arc::default(),
    };
    let dropped = Arc::clone(&queue.dropped);
    thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_loop(&queued, &dropped, &out, style))
        .context("cannot start the thread log")?;
    let writer = queue.clone();
    let lines = BoxMakeWriter::new(move || writer.clone());
    set_global_default(style.dispatch(&settings.log_filter, lines))?;
    let _first = LOG.set(queue);
    panic::set_hook(Box::new(|panic| {
        let said = panic.payload_as_str().unwrap_or("no message");
        let said = said.replace(['\n', '\r'], " ");
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic: {said}");
    }));
    Ok(())
}

/// Tells whether to print in colours: on a terminal that has some, unless NO_COLOR is set (<https://no-color.org>).
pub fn in_colour(stream: &impl IsTerminal) -> bool {
    let unset = |name, is: fn(&std::ffi::OsStr) -> bool| {
        !std::env::var_os(name).is_some_and(|value| is(&value))
    };
    stream.is_terminal()
        && unset("NO_COLOR", |value| !value.is_empty())
        && unset("TERM", |value| value == "dumb")
}

/// Writes a line that is not a log line, after all log lines before it. It goes through the queue,
/// since standard error may hang. Returns `false` if no log was started; the caller then writes the
/// line.
pub fn say(line: &str) -> bool {
    let Some(queue) = LOG.get() else {
        return false;
    };
    let line = Entry::Line(format!("{line}\n").into_bytes());
    // The line is lost if there is no room in time: nobody is reading then.
    drop(queue.entries.send_timeout(line, FAREWELL));
    true
}

/// Waits until the queue is written, but no longer than a second.
pub fn finish() {
    let Some(queue) = LOG.get() else { return };
    let deadline = Instant::now() + FAREWELL;
    let (done, written) = flume::bounded(1);
    let asked = queue.entries.send_deadline(Entry::Flush(done), deadline);
    if asked.is_ok() {
        // If it is late, nobody reads, and the lines are lost.
        let _late = written.recv_deadline(deadline);
    }
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let entry = Entry::Line(line.to_owned());
        if self.entries.try_send(entry).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Out {
    /// Writes all of the line, however long that takes.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut rest = line;
        while !rest.is_empty() {
            match (&*self.0).write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Style {
    fn dispatch(self, filter: &str, writer: BoxMakeWriter) -> Dispatch {
        let log = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(filter))
            .with_writer(writer)
            .with_ansi(self.ansi)
            .log_internal_errors(false);
        match self.format {
            LogFormat::Text => Dispatch::new(log.finish()),
            LogFormat::Json => Dispatch::new(log.json().event_format(json::Lines).finish()),
        }
    }
}

fn write_loop(queued: &flume::Receiver<Entry>, dropped: &AtomicU64, out: &Out, style: Style) {
    let mut told = Instant::now();
    while let Ok(entry) = queued.recv() {
        let asked = match entry {
            Entry::Line(line) => {
                // An error means that nobody reads any more.
                drop(out.clone().write(&line));
                None
            }
            Entry::Flush(done) => Some(done),
        };
        // Lines are dropped while the queue is full, so the last queued line comes before the gap.
        if asked.is_some() || queued.is_empty() || told.elapsed() >= TELL_EVERY {
            tell(dropped.swap(0, Ordering::Relaxed), out, style);
            told = Instant::now();
        }
        if let Some(done) = asked {
            // The caller may have given up.
            let _gone = done.send(());
        }
    }
}

/// Reports how many lines were dropped. Bypasses the queue, which may be full again.
fn tell(dropped: u64, out: &Out, style: Style) {
    if dropped == 0 {
        return;
    }
    let out = out.clone();
    let straight = BoxMakeWriter::new(move || out.clone());
    let dispatch = style.dispatch(concat!(module_path!(), "=warn"), straight);
    with_default(&dispatch, || {
        tracing::warn!(
            dropped,
            "log lines were dropped: the reader of standard error is too slow"
        );
    });
}
