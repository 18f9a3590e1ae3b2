//! The tools of the contract tests: real servers, a held clock, caught mail, and a check of every
//! answer.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "this crate serves tests alone, and a test fails by panicking"
)]

pub mod account;
pub mod browser;
pub mod call;
pub mod contract;
pub mod coverage;
pub mod database;
pub mod device;
pub mod factors;
pub mod forgery;
pub mod gateway;
pub mod logs;
pub mod mail;
pub mod page;
pub mod person;
pub mod port;
pub mod prepared;
pub mod process;
pub mod sandbox;
mod schema;
pub mod server;
pub mod shop;
pub mod smtp;
pub mod suite;
pub mod tls;
pub mod totp;
pub mod visitor;
pub mod waiting;

pub use call::{Answer, Call, Method};
pub use device::Device;
pub use inventory;
pub use mail::Mail;
pub use person::Person;
pub use reqwest;
pub use sandbox::Sandbox;
pub use serde_json::{Value, json};
pub use server::Server;
pub use suite::Test;
pub use totp::Authenticator;
pub use visitor::Visitor;

/// Everybody's password, unless a test is about passwords.
pub const PASSWORD: &str = "correct horse battery staple";
