//! What callers can do, and in which order it happens: one file for each thing they do.

pub mod accounts;
mod act;
pub mod action;
mod answer;
pub mod api_keys;
pub mod authenticator;
mod challenge;
pub mod channel;
mod delivery;
mod demand;
pub mod disable;
pub mod email_change;
pub mod email_undo;
mod fresh;
pub mod keys;
pub mod link;
pub mod login;
pub mod me;
pub mod methods;
pub mod operator;
pub mod organisation;
pub mod passkey;
mod password;
pub mod password_reset;
mod question;
pub mod recovery;
pub mod registration;
pub mod resend;
pub mod session;
pub mod setup;
pub mod sms;
pub mod step_up;
pub mod toggle;

pub use crate::factor::Answer;
pub use act::{Act, MailOf};
use question::Question;
