//! Makes calls without `async`: runs the same futures on a runtime of the SDK's own.

use std::future::Future;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// Runs a future to its end on this thread.
#[expect(clippy::expect_used, reason = "a machine without timers runs nothing")]
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();

    let runtime = RUNTIME.get_or_init(|| {
        Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the machine has timers and sockets")
    });
    runtime.block_on(future)
}
