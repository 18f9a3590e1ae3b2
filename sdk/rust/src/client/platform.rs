//! The differences between a native program and a page in a browser (`wasm32-unknown-unknown`).
//!
//! A browser has one thread, so nothing has to be [`Send`], and some things cannot be. There is no
//! tokio, so the client neither pauses nor runs anything beside a call.

use std::future::Future;
use std::pin::Pin;

/// A boxed future.
#[cfg(not(target_arch = "wasm32"))]
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// A boxed future.
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

/// Whether a call can be repeated after a pause.
pub(super) const CAN_WAIT: bool = cfg!(not(target_arch = "wasm32"));

#[cfg(not(target_arch = "wasm32"))]
pub(super) use std::time::Instant;

/// A moment of the browser's clock.
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

/// Runs a future to its end, even if the caller goes away meanwhile. Returns `None` if it was
/// aborted nevertheless.
#[cfg(not(target_arch = "wasm32"))]
pub(super) async fn apart<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    tokio::spawn(work).await.ok()
}

/// Runs a future. In a browser, it ends with its caller.
#[cfg(target_arch = "wasm32")]
pub(super) async fn apart<T>(work: impl Future<Output = T>) -> Option<T> {
    Some(work.await)
}

/// Returns a number from 0 up to, but not including, 1. It is random enough to spread callers.
pub(super) fn chance() -> f64 {
    use std::hash::{BuildHasher, Hasher};

    let bits = std::hash::RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(bits).unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}
