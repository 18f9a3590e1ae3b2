//! The core of the clients of all documents: session, key, sending, and retries.

mod address;
pub(crate) mod answer;
mod builder;
mod core;
pub(crate) mod methods;
pub(crate) mod platform;
mod renewal;
pub(crate) mod request;
mod retry;
mod sending;
mod session;
mod step_up;
#[cfg(all(feature = "rustls", not(target_arch = "wasm32")))]
mod tls;

pub use builder::{BuildError, Builder};
pub use core::Core;
pub use methods::ApiClient;
pub use retry::Retry;
pub(crate) use retry::retry_after;
pub use session::Session;
pub use step_up::{Lifted, StepUp};
