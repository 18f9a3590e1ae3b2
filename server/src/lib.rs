//! Countersign: a self-hosted, contract-first server for multi-factor authentication.

pub mod cli;
pub use countersign_sandbox as sandbox;
pub mod serve;

pub use countersign_api as api;
pub use countersign_base::{chance, clock, config, log};
pub use countersign_core::{app, flow, outcome};
pub use countersign_courier as courier;
pub use countersign_http as http;
pub use countersign_model as model;
pub use countersign_store as store;
pub use countersign_vault as vault;
