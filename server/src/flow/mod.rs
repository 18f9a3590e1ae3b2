//! What a caller may do, in which order: one file for each thing people do.

pub mod account;
mod act;
pub mod admin;
pub mod api_keys;
mod challenge;
pub mod disable;
pub mod login;
pub mod methods;
pub mod organisation;
mod password;
pub mod recovery;
pub mod resend;
pub mod session;
pub mod setup;

pub use act::{Act, MailOf};
