//! What differs between a program of its own and a page in a browser (`wasm32-unknown-unknown`).
//!
//! In a browser there is one thread, so nothing needs to be [`Send`] and cannot be; there is no tokio, so nothing waits
//! and nothing runs beside a call.

use std::future::Future;
use std::pin::Pin;

/// A future in a box.
#[cfg(not(target_arch = "wasm32"))]
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// A future in a box.
#[cfg(target_arch = "wasm32")]
pub type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// `Send`, except in a browser.
#[cfg(not(target_arch = "wasm32"))]
pub trait MaybeSend: Send {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send> MaybeSend for T {}
/// `Send`, except in a browser.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSend {}
#[cfg(target_arch = "wasm32")]
impl<T> MaybeSend for T {}

/// Whether a call can be made again after a pause.
pub(super) const CAN_WAIT: bool = cfg!(not(target_arch = "wasm32"));

#[cfg(not(target_arch = "wasm32"))]
pub(super) use std::time::Instant;

/// The time since, by the browser's clock.
#[cfg(target_arch = "wasm32")]
#[derive(Clone, Copy)]
pub(super) struct Instant(chrono::DateTime<chrono::Utc>);

#[cfg(target_arch = "wasm32")]
impl Instant {
    pub(super) fn now() -> Self {
        Self(chrono::Utc::now())
    }

    pub(super) fn elapsed(&self) -> std::time::Duration {
        (chrono::Utc::now() - self.0).to_std().unwrap_or_default()
    }
}

/// Runs a future to its end, also when the caller goes away meanwhile; `None` if it was broken off all the same.
#[cfg(not(target_arch = "wasm32"))]
pub(super) async fn apart<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    tokio::spawn(work).await.ok()
}

/// Runs a future. In a browser it ends with its caller.
#[cfg(target_arch = "wasm32")]
pub(super) async fn apart<T>(work: impl Future<Output = T>) -> Option<T> {
    Some(work.await)
}

/// A number from 0 up to, but not including, 1: chance enough to spread callers.
pub(super) fn chance() -> f64 {
    use std::hash::{BuildHasher, Hasher};

    let bits = std::hash::RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(bits).unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}
