//! Generates load: connections send requests over HTTP/1.1, either one after another or at fixed
//! times, and measure the answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Makes the bytes of the next request; `None` if there are no more.
pub type Requests = Arc<dyn Fn() -> Option<Vec<u8>> + Send + Sync>;

/// When requests are sent.
#[derive(Clone, Copy)]
pub enum Pace {
    /// Each connection sends its next request when it has an answer. Measures the throughput.
    Closed,
    /// This many a second are due, at equal intervals, whatever became of earlier ones. Measures
    /// how long people wait.
    Open(f64),
}

/// What is sent, and where.
#[derive(Clone)]
pub struct Load {
    /// The servers. Connections are distributed among them in turn.
    pub addresses: Vec<SocketAddr>,
    /// Connections to all servers together.
    pub connections: usize,
    /// How long the load lasts.
    pub duration: Duration,
    /// When requests are sent.
    pub pace: Pace,
    /// The requests.
    pub requests: Requests,
}

/// What a load measured.
#[derive(Clone, Default)]
pub struct Measured {
    /// Successes a second.
    pub per_second: f64,
    /// Half of the answers arrived within this time, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 answers arrived within this time, in milliseconds.
    pub p99_ms: f64,
    /// Answers that arrived.
    pub answered: usize,
    /// Answers that were not a success.
    pub failed: usize,
    /// One of those.
    pub example: String,
}

impl Measured {
    /// Refuses a measurement unless every answer was a success: it would measure errors.
    ///
    /// # Errors
    /// Fails if an answer was not a success, or if there was no answer.
    pub fn all_well(self) -> Result<Self> {
        if self.answered == 0 {
            bail!("no request was answered");
        }
        if self.failed > 0 {
            bail!(
                "{} of {} answers were no success: {}",
                self.failed,
                self.answered,
                self.example
            );
        }
        Ok(self)
    }
}

/// What all connections of a load share.
struct Shared {
    load: Load,
    begun: Instant,
    next: AtomicUsize,
    /// One permit for each request that is due. Only for [`Pace::Open`].
    due: Semaphore,
}

impl Shared {
    /// Returns when the n-th request is due.
    fn due_at(&self, number: usize, per_second: f64) -> Instant {
        self.begun + Duration::from_secs_f64(number as f64 / per_second)
    }

    /// Returns the time from which the next request is measured; `None` if the load is over.
    async fn turn(&self) -> Option<Instant> {
        let Pace::Open(per_second) = self.load.pace else {
            let now = Instant::now();
            return (now < self.begun + self.load.duration).then_some(now);
        };
        self.due.acquire().await.ok()?.forget();
        let due = self.due_at(self.next.fetch_add(1, Ordering::Relaxed), per_second);
        (due < self.begun + self.load.duration).then_some(due)
    }

    /// Signals when requests are due. Uses a thread of its own, since the runtime's clock only
    /// ticks every millisecond.
    fn keep_time(&self, per_second: f64) {
        let mut given = 0;
        while !self.due.is_closed() {
            let next = self.due_at(given, per_second);
            if next >= self.begun + self.load.duration {
                break;
            }
            thread::sleep(next.saturating_duration_since(Instant::now()));
            let mut due = 0;
            while self.due_at(given, per_second) <= Instant::now() {
                (given, due) = (given + 1, due + 1);
            }
            self.due.add_permits(due);
        }
        // Wake those that wait, so that they notice the end.
        self.due.add_permits(self.load.connections);
    }
}

#[derive(Default)]
struct Seen {
    times: Vec<Duration>,
    failed: usize,
    example: String,
}

/// Sends until the time is over or there are no more requests. Waits for outstanding answers.
///
/// # Errors
/// Fails if a connection fails.
pub fn run(load: Load) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let shared = Arc::new(Shared {
        load,
        begun: Instant::now(),
        next: AtomicUsize::new(0),
        due: Semaphore::new(0),
    });
    if let Pace::Open(per_second) = shared.load.pace {
        let shared = Arc::clone(&shared);
        thread::spawn(move || shared.keep_time(per_second));
    }
    runtime.block_on(async move {
        let tasks: Vec<_> = (0..shared.load.connections)
            .map(|number| tokio::spawn(connection(Arc::clone(&shared), number)))
            .collect();
        let mut all = Seen::default();
        for task in tasks {
            let seen = task.await??;
            all.times.extend(seen.times);
            all.failed += seen.failed;
            if all.example.is_empty() {
                all.example = seen.example;
            }
        }
        let took = shared.begun.elapsed();
        shared.due.close();
        Ok(summed_up(all, took))
    })
}

fn summed_up(mut seen: Seen, took: Duration) -> Measured {
    seen.times.sort_unstable();
    let at = |share: usize| {
        let last = seen.times.len().saturating_sub(1);
        let time = seen.times.get((seen.times.len() * share / 100).min(last));
        time.map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    Measured {
        per_second: (seen.times.len() - seen.failed) as f64 / took.as_secs_f64(),
        p50_ms: at(50),
        p99_ms: at(99),
        answered: seen.times.len(),
        failed: seen.failed,
        example: seen.example,
    }
}

async fn connection(shared: Arc<Shared>, number: usize) -> Result<Seen> {
    let addresses = &shared.load.addresses;
    let address = addresses.get(number % addresses.len().max(1));
    let mut stream = TcpStream::connect(address.context("no server to load")?).await?;
    stream.set_nodelay(true)?;
    let mut seen = Seen::default();
    let mut answer = Vec::with_capacity(4096);
    while let Some(counted_from) = shared.turn().await {
        let Some(request) = (shared.load.requests)() else {
            break;
        };
        stream.write_all(&request).await?;
        let good = read_answer(&mut stream, &mut answer).await?;
        seen.times.push(counted_from.elapsed());
        if !good {
            seen.failed += 1;
            seen.example = String::from_utf8_lossy(&answer).into_owned();
        }
    }
    Ok(seen)
}

/// Reads one whole answer. Returns whether it was a success.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<bool> {
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            bail!("the server closed the connection");
        }
        let Some((length, good)) = whole_length(answer)? else {
            continue;
        };
        while answer.len() < length {
            if stream.read_buf(answer).await? == 0 {
                bail!("the server closed the connection");
            }
        }
        return Ok(good);
    }
}

/// Returns the length of an answer including its head, and whether it is a success; `None` until
/// the head is complete.
///
/// # Errors
/// Fails if the head is not text.
pub fn whole_length(answer: &[u8]) -> Result<Option<(usize, bool)>> {
    let Some(head) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&answer[..head]).context("the head is not UTF-8")?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let good = text.starts_with("HTTP/1.1 2");
    Ok(Some((head + 4 + length.unwrap_or(0), good)))
}
