//! Countersign: a self-hosted, contract-first server for multi-factor authentication.

pub mod cli;
pub mod serve;

pub use countersign_base::{chance, clock, config, log, model};
pub use countersign_core::{app, flow, outcome};
pub use countersign_courier as courier;
pub use countersign_store as store;
pub use countersign_vault as vault;
pub use countersign_web::{api, http};
