//! The HTTP layer that all APIs share: reading requests, identifying callers, tracing, and
//! refusing.

pub mod caller;
pub mod connection;
pub mod contract;
mod cors;
pub mod docs;
#[cfg(feature = "documents")]
pub mod either;
pub mod files;
pub mod health;
pub mod input;
pub mod limits;
pub mod named;
pub mod operations;
pub mod output;
pub mod pages;
pub mod problem;
pub mod status;
pub mod trace;
pub mod versions;

#[cfg(not(feature = "documents"))]
extern crate countersign_annotations as utoipa;

use countersign_base::config;
use countersign_core::{app, flow};
use countersign_model as model;
