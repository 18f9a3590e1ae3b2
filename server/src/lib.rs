//! Countersign: self-hosted multi-factor authentication with a contract first.

pub mod chance;
pub mod clock;
pub mod config;
pub mod model;
pub mod outcome;
pub mod schema;
pub mod store;
