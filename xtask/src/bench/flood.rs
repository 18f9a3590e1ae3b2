//! Measures second steps while more passwords arrive than can be hashed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::Sizes;
use super::calls;
use super::load::{self, Load, Pace};
use super::report::{Line, Report};
use super::server::Server;

/// Password steps a second: several times what one slot can hash on any current processor.
const FLOOD_PER_SECOND: f64 = 400.0;

/// The connections that send the flood.
const FLOOD_CONNECTIONS: usize = 64;

/// Longer than any run.
const ENDLESS: Duration = Duration::from_secs(3600);

/// Measures second steps during a flood of password steps, and which part of their normal rate is
/// left.
///
/// # Errors
/// Fails if a second step is not a success. Password steps may be refused.
pub fn beside(
    server: &Server,
    steps: &Load,
    alone: &Line,
    sizes: &Sizes,
    report: &mut Report,
) -> Result<()> {
    let over = Arc::new(AtomicBool::new(false));
    let flood = flood(server, sizes, &over);
    let (closed, open, flooded) = thread::scope(|scope| -> Result<_> {
        let flooding = scope.spawn(|| load::run(flood));
        thread::sleep(Duration::from_millis(500));
        let closed = load::run(steps.clone());
        let open = load::run(Load {
            pace: Pace::Open(alone.per_second / 2.0),
            ..steps.clone()
        });
        over.store(true, Ordering::Relaxed);
        let flooded = flooding.join().map_err(|_| anyhow!("the flood panicked"))?;
        Ok((closed?.all_well()?, open?.all_well()?, flooded?))
    })?;
    let of_them = format!(
        "beside {FLOOD_PER_SECOND} password steps a second, of which {:.0} were answered with success",
        flooded.per_second
    );
    let rate = format!("Second steps on SQLite {of_them}: their rate over that without");
    report.fact("flood_rate", rate, closed.per_second / alone.per_second, "");
    let late = "Their p99, due at half of the rate without the flood".to_owned();
    report.fact("flood_p99", late, open.p99_ms, "ms");
    if let Some(p99) = alone.p99_ms {
        let ratio = "That p99 over the one without the flood".to_owned();
        report.fact("flood_p99_ratio", ratio, open.p99_ms / p99, "");
    }
    Ok(())
}

fn flood(server: &Server, sizes: &Sizes, over: &Arc<AtomicBool>) -> Load {
    let (passwords, over) = (calls::password_steps(sizes.users()), Arc::clone(over));
    Load {
        addresses: vec![server.address],
        connections: FLOOD_CONNECTIONS,
        duration: ENDLESS,
        pace: Pace::Open(FLOOD_PER_SECOND),
        requests: Arc::new(move || match over.load(Ordering::Relaxed) {
            true => None,
            false => passwords(),
        }),
    }
}
