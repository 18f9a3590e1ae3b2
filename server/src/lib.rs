//! Countersign: self-hosted multi-factor authentication with a contract first.

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
pub mod sandbox;
pub mod schema;
pub mod serve;
pub mod store;
pub mod vault;
