//! What the server runs with: settings, clock, chance and log.

pub mod chance;
pub mod clock;
pub mod config;
pub mod health;
pub mod log;

use countersign_model as model;
