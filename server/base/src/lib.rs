//! What every layer may use: the words, the tables, settings, clock, chance and log.

pub mod chance;
pub mod clock;
pub mod config;
pub mod health;
pub mod log;
pub mod model;
pub mod schema;
