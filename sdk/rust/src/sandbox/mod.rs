//! What a test needs of `countersign sandbox` (`openapi/sandbox.yaml`): codes, people, the clock. No other server has it.

#[rustfmt::skip]
#[path = "../generated/sandbox.rs"]
mod generated;
#[cfg(feature = "mock")]
#[cfg_attr(docsrs, doc(cfg(feature = "mock")))]
pub mod mock;

pub use generated::{calls, types};

crate::client::methods::client! { "A client of the sandbox's own API." }
