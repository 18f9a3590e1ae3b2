//! The core: how each method proves a person, what a caller may do and in which order, and what wires it together.

pub mod app;
pub mod factor;
pub mod flow;
pub mod outcome;

use countersign_base::{chance, clock, config, health};
use countersign_model as model;
use countersign_store as store;
use countersign_vault as vault;
