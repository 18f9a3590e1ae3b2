//! The load: connections that send one request after the other over HTTP/1.1, and what they measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a load measured.
pub struct Measured {
    /// Answers a second.
    pub per_second: f64,
    /// Half of the answers came within this, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 answers came within this, in milliseconds.
    pub p99_ms: f64,
    /// Requests sent.
    pub sent: usize,
    /// Answers that were no success.
    pub failed: usize,
    /// One of them.
    pub example: String,
}

/// Makes the bytes of the n-th request; `None` when there are no more.
pub type Requests = Arc<dyn Fn(usize) -> Option<Vec<u8>> + Send + Sync>;

/// One POST with a JSON body.
pub fn post(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends requests over `connections` for `duration`, or until there are no more.
///
/// # Errors
/// When a connection fails.
pub fn run(
    address: SocketAddr,
    connections: usize,
    duration: Duration,
    requests: Requests,
) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let next = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        let tasks: Vec<_> = (0..connections)
            .map(|_| {
                tokio::spawn(connection(
                    address,
                    begun + duration,
                    Arc::clone(&next),
                    Arc::clone(&requests),
                ))
            })
            .collect();
        let mut times = Vec::new();
        let (mut failed, mut example) = (0, String::new());
        for task in tasks {
            let seen = task.await??;
            times.extend(seen.times);
            failed += seen.failed;
            if example.is_empty() {
                example = seen.example;
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        times.sort_unstable();
        let at = |share: usize| {
            times
                .get((times.len() * share / 100).min(times.len().saturating_sub(1)))
                .map_or(0.0, |time: &Duration| time.as_secs_f64() * 1000.0)
        };
        Ok(Measured {
            per_second: times.len() as f64 / seconds,
            p50_ms: at(50),
            p99_ms: at(99),
            sent: times.len(),
            failed,
            example,
        })
    })
}

struct Seen {
    times: Vec<Duration>,
    failed: usize,
    example: String,
}

async fn connection(
    address: SocketAddr,
    until: Instant,
    next: Arc<AtomicUsize>,
    requests: Requests,
) -> Result<Seen> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut seen = Seen {
        times: Vec::with_capacity(8192),
        failed: 0,
        example: String::new(),
    };
    let mut answer = Vec::with_capacity(4096);
    while Instant::now() < until {
        let Some(request) = requests(next.fetch_add(1, Ordering::Relaxed)) else {
            break;
        };
        let begun = Instant::now();
        stream.write_all(&request).await?;
        let good = read_answer(&mut stream, &mut answer).await?;
        seen.times.push(begun.elapsed());
        if !good {
            seen.failed += 1;
            seen.example = String::from_utf8_lossy(&answer).into_owned();
        }
    }
    Ok(seen)
}

/// Reads one answer, whole; whether it was a success.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<bool> {
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            anyhow::bail!("the server closed the connection");
        }
        let Some(head) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            continue;
        };
        let text = std::str::from_utf8(&answer[..head]).context("the head is not UTF-8")?;
        let length: usize = text
            .lines()
            .find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse().ok())?
            })
            .unwrap_or(0);
        let good = text.starts_with("HTTP/1.1 2");
        while answer.len() < head + 4 + length {
            if stream.read_buf(answer).await? == 0 {
                anyhow::bail!("the server closed the connection");
            }
        }
        return Ok(good);
    }
}
