//! The web: the four APIs, and what every request needs.

pub mod api;
pub mod http;

use countersign_base::{config, model};
use countersign_core::{app, flow, outcome};
