//! What a caller may do, in which order: one file for each thing people do.

pub mod account;
mod act;
pub mod admin;
pub mod administration;
pub mod api_keys;
mod challenge;
pub mod disable;
pub mod login;
pub mod organisation;
mod password;
pub mod recovery;
pub mod resend;
pub mod session;
pub mod setup;
pub mod sms;

pub use act::{Act, MailOf};
