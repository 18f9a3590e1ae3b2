//! Registers a user of the real server, with a password and an authenticator.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use countersign_base::clock::Clock;
use totp_rs::Totp;

use crate::server::Server;

/// The password of all users.
pub const PASSWORD: &str = "a password for a throwaway server";

/// How many seconds a code is valid.
const STEP: u64 = 30;

/// A registered user.
pub struct Account {
    /// The address.
    pub name: String,
    app: Totp,
    spent: u64,
}

impl Account {
    /// Registers a user and turns an authenticator on.
    ///
    /// # Errors
    ///
    /// Fails if a call is refused.
    pub fn open(server: &Server, name: &str) -> Result<Self> {
        let name = format!("{name}@example.com");
        let tokens = server.register(&name, PASSWORD)?;
        let token = tokens["accessToken"].as_str();
        let token = token.context("the answer carries no accessToken")?;
        let app = server.enable_authenticator(token, PASSWORD)?;
        let spent = now()? / STEP;
        Ok(Self { name, app, spent })
    }

    /// Returns a code that was not used yet. Waits for it if necessary.
    ///
    /// # Errors
    ///
    /// Fails if the clock is before 1970.
    pub fn fresh_code(&self) -> Result<String> {
        while now()? / STEP <= self.spent {
            sleep(Duration::from_millis(200));
        }
        Ok(self.app.generate(now()?).to_string())
    }
}

fn now() -> Result<u64> {
    Ok(u64::try_from(Clock::System.now().seconds())?)
}
