//! Countersign: a self-hosted, contract-first server for multi-factor authentication.

pub mod api;
pub mod app;
pub mod chance;
pub mod cli;
pub mod clock;
pub mod config;
pub mod courier;
pub mod factor;
pub mod flow;
pub mod http;
pub mod log;
pub mod model;
pub mod outcome;
pub mod schema;
pub mod serve;
pub mod store;
pub mod vault;
